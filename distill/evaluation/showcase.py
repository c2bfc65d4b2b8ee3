"""Completions to look at: which ones, and what is shown of each."""

from collections.abc import Sequence
from typing import TypeVar

from distill.evaluation.harmless import printable
from distill.evaluation.page import ShownTrace
from distill.records import Decision, Problem, Score, Trace, Verdict

MAX_SHOWN_CHARS = 6000
T = TypeVar("T")


def evenly(things: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the things, spread evenly, first one included; the same every time."""
    if len(things) <= limit:
        return list(things)
    return [things[at * len(things) // limit] for at in range(limit)]


def shortened(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """A text with its middle left out when it is longer than the limit."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n\n[... {len(text) - head - tail:,} characters ...]\n\n{text[-tail:]}"


def shown(text: str) -> str:
    """A text for the browser: shortened, and with all that it holds in sight."""
    return printable(shortened(text))


def shown_trace(
    trace: Trace, decision: Decision, verdict: Verdict | None, problem: Problem | None
) -> ShownTrace:
    """A teacher's trace with its fate."""
    return ShownTrace(
        id=decision.trace_id,
        source="teacher's trace",
        reason=str(decision.reason),
        good=decision.kept,
        family=problem.family if problem else "",
        detail=shown(decision.detail),
        prompt=shown(trace.prompt),
        completion=shown(trace.completion),
        tokens=trace.completion_tokens,
        answer=_answer(verdict.answer if verdict else None),
        reference=_reference(problem),
    )


def shown_score(score: Score, label: str, problem: Problem | None) -> ShownTrace:
    """An evaluated completion with its verdict."""
    return ShownTrace(
        id=score.score_id,
        source=f"row: {label}",
        reason=str(score.reason),
        good=bool(score.correct),
        family=score.family,
        detail=score.test_set,
        prompt=shown(problem.question) if problem else "(not known)",
        completion=shown(score.completion),
        tokens=score.completion_tokens,
        answer=_answer(score.answer),
        reference=_reference(problem),
    )


def _answer(answer: str | None) -> str:
    return "(none)" if answer is None else shown(answer)


def _reference(problem: Problem | None) -> str:
    return "(not known)" if problem is None else shown(problem.reference)

"""From a completion to its verdict: extract, compare, and say why."""

import json
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import msgspec

from distill.errors import RecordError
from distill.recipe import nearest
from distill.records import FinishReason, Problem, Verdict, VerdictReason
from distill.verifiers import gym
from distill.verifiers.answers import (
    CLOSED_ROUTES,
    NOTHING,
    Extracted,
    Parts,
    ends_mid_sentence,
    extract_answer,
    extract_closed,
    read_parts,
)
from distill.verifiers.choice import choice_letter, extract_choice
from distill.verifiers.equality import compare, worded
from distill.verifiers.quantities import read_quantity
from distill.verifiers.spelling import plain
from distill.verifiers.worker import WorkerFailure, WorkerPool

logger = logging.getLogger(__name__)

MAX_ALGEBRA_CHARS = 2000  # no answer that needs algebra is longer
MAX_STORED_CHARS = 500  # of an answer in its verdict
MAX_TERSE_CHARS = 200  # an answer text this short may end in its answer without a full stop
LONGEST_SECONDS = 86_400.0  # a deadline that never comes; poll(2) takes no longer ones

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends a task to a worker process and returns its reply; raises WorkerFailure."""


Asked = tuple[Problem, str, str, FinishReason | None]
"""Problem, trace_id, completion and finish reason: what Verifier.verify takes."""


class Outcome(msgspec.Struct, frozen=True):
    """What a check found: the verdict's reason and the comparison that decided."""

    reason: VerdictReason
    route: str


class Kind(msgspec.Struct, frozen=True):
    """A way to verify: how the answer is taken from the answer text, how it is judged."""

    extract: Callable[[str, Problem], Extracted]
    check: Callable[[Problem, Extracted, Ask], Outcome]


def _outcome(right: bool, route: str) -> Outcome:
    return Outcome(VerdictReason.RIGHT if right else VerdictReason.WRONG, route)


def _bad_reference(route: str) -> Outcome:
    return Outcome(VerdictReason.BAD_REFERENCE, route)


# --- mathematics ------------------------------------------------------------------------------


def extract_math(text: str, problem: Problem) -> Extracted:
    """The final answer; a letter when the reference is one."""
    if choice_letter(problem.reference):
        return extract_choice(text, problem.question)
    return extract_answer(text)


def check_math(problem: Problem, found: Extracted, ask: Ask) -> Outcome:
    """Exact comparison first; algebra in a worker only for what that cannot tell."""
    if not problem.reference.strip():
        return _bad_reference("empty")
    if choice_letter(problem.reference):
        return check_choice(problem, found, ask)
    # a word is looked for in the sentence: "23 May is a Saturday" has no number to pick
    answer = found.claim if worded(plain(problem.reference)) else found.answer
    compared = compare(problem.reference, answer)
    if compared.equal is not None:
        return _outcome(compared.equal, compared.route)
    if len(answer) > MAX_ALGEBRA_CHARS:
        return _outcome(False, "too-long")
    task = {"kind": "math", "reference": plain(problem.reference), "answer": plain(answer)}
    reply = ask(task)
    if reply.get("unreadable") == "reference":
        return _bad_reference("math-verify")
    return _outcome(reply.get("equal") is True, "math-verify")


# --- reasoning-gym ----------------------------------------------------------------------------


def extract_gym(text: str, problem: Problem) -> Extracted:
    """The answer block or box; without either a short answer text as a whole."""
    found = extract_closed(text)
    if found.answer is not None:
        answer = found.answer if found.route == "tag" else plain(found.answer)
        return Extracted(answer, found.route)
    line = text.strip()
    if line and len(line) <= 200 and "\n" not in line and "<" not in line:
        stated = extract_answer(line) if "answer" in line.lower() else NOTHING
        return stated if stated.answer is not None else Extracted(line, "line")
    return NOTHING


def check_gym(problem: Problem, found: Extracted, ask: Ask) -> Outcome:
    """The family's own scorer: here when it only compares, else in a worker."""
    try:
        family, entry = read_entry(problem.gym_entry, problem.family)
    except (ValueError, KeyError, TypeError):
        return _bad_reference("entry")
    if gym.is_cheap(family) and len(found.answer) <= gym.MAX_CHEAP_CHARS:
        return _outcome(gym.is_right(family, found.answer, entry), "gym")
    task = {"kind": "reasoning-gym", "family": family, "answer": found.answer, "entry": entry}
    return _outcome(ask(task)["equal"] is True, "gym-worker")


@lru_cache(maxsize=16384)
def read_entry(text: str, family: str) -> tuple[str, dict[str, Any]]:
    """Family and entry of a problem made by reasoning-gym.

    Raises: ValueError, KeyError or TypeError for a text that is no such entry.
    """
    entry = json.loads(text)
    if not isinstance(entry["answer"], str | None) or not isinstance(entry["metadata"], dict):
        raise TypeError("an entry has 'answer', text or null, and the record 'metadata'")
    family = entry["metadata"].get("source_dataset") or family
    gym.scorer(family)
    return family, entry


# --- multiple choice --------------------------------------------------------------------------


def check_choice(problem: Problem, found: Extracted, ask: Ask) -> Outcome:
    """The same letter."""
    letter = choice_letter(problem.reference)
    if letter is None:
        return _bad_reference("choice")
    return _outcome(found.answer == letter, "choice")


VERIFIERS: dict[str, Kind] = {
    "math": Kind(extract_math, check_math),
    "reasoning-gym": Kind(extract_gym, check_gym),
    "choice": Kind(lambda text, problem: extract_choice(text, problem.question), check_choice),
}


class Verifier:
    """Judges completions, from any thread; owns the worker processes, started when first needed."""

    def __init__(self, *, timeout_seconds: float = 5.0, workers: int = 1) -> None:
        """Raises: ValueError for a deadline that is not above 0, or for no workers."""
        if not (timeout_seconds > 0 and workers >= 1):
            raise ValueError(
                f"timeout_seconds must be above 0 and workers at least 1, "
                f"got {timeout_seconds} and {workers}"
            )
        self._timeout_seconds = min(timeout_seconds, LONGEST_SECONDS)
        self._pool = WorkerPool(workers)
        self._threads = ThreadPoolExecutor(workers) if workers > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._pool.close()

    def verify_all(self, asked: Iterable[Asked]) -> list[Verdict]:
        """Verdicts in the order asked, as many at a time as there are workers."""
        if self._threads is None:
            return [self.verify(*one) for one in asked]
        return list(self._threads.map(lambda one: self.verify(*one), asked))

    def verify(
        self,
        problem: Problem,
        trace_id: str,
        completion: str,
        finish_reason: FinishReason | None = None,
    ) -> Verdict:
        """Is the final answer of a completion right?

        Args:
            finish_reason: how generation ended; None when nobody knows, then it is guessed from
                an unclosed block or a last sentence that just stops. A right answer that was
                announced, or in which a short text ends, needs no full stop.
        Raises: RecordError for a problem whose verifier does not exist.
        """
        start = time.perf_counter()
        kind = VERIFIERS.get(problem.verifier)
        if kind is None:
            raise RecordError(_no_such_verifier(problem))
        parts = read_parts(completion)
        found = kind.extract(parts.answer, problem) if parts.answer else NOTHING
        missing = _why_no_answer(found, parts, finish_reason)
        if missing is not None:
            found, outcome = NOTHING, Outcome(missing, "")
        else:
            outcome = self._checked(kind, problem, found)
            if finish_reason is None and _may_go_on(outcome, found, parts):
                found, outcome = NOTHING, Outcome(VerdictReason.TRUNCATED, "")
        return Verdict(
            trace_id=trace_id,
            correct=_correct(outcome.reason),
            reason=outcome.reason,
            answer=_storable(found.answer),
            route=f"{found.route}/{outcome.route}".strip("/"),
            seconds=time.perf_counter() - start,
        )

    def _checked(self, kind: Kind, problem: Problem, found: Extracted) -> Outcome:
        try:
            return kind.check(problem, found, self._ask)
        except WorkerFailure as failure:
            if failure.cause == "deadline":
                return Outcome(VerdictReason.TIMEOUT, "deadline")
            logger.warning("problem %s: verifier failed: %s", problem.problem_id, failure)
            return Outcome(VerdictReason.VERIFIER_ERROR, "worker")
        except (ArithmeticError, LookupError, ValueError, TypeError, RecursionError) as error:
            kind_of_error = type(error).__name__
            logger.warning("problem %s: verifier raised %s", problem.problem_id, kind_of_error)
            return Outcome(VerdictReason.VERIFIER_ERROR, kind_of_error)

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Ask a worker; a second, fresh one if the first died."""
        try:
            return self._pool.ask(task, self._timeout_seconds)
        except WorkerFailure as failure:
            if failure.cause != "died":
                raise
        return self._pool.ask(task, self._timeout_seconds)


def _why_no_answer(
    found: Extracted, parts: Parts, finish_reason: FinishReason | None
) -> VerdictReason | None:
    """TRUNCATED or NO_ANSWER when there is no final answer to judge; None when there is one."""
    if found.answer is not None and found.route in CLOSED_ROUTES:
        return None
    if finish_reason == "length":
        return VerdictReason.TRUNCATED
    if finish_reason is None and (parts.is_open or _breaks_off(found, parts)):
        return VerdictReason.TRUNCATED
    return VerdictReason.NO_ANSWER if found.answer is None else None


def _breaks_off(found: Extracted, parts: Parts) -> bool:
    """Just stops, and not in an answer: a number on the way of a long text is none."""
    if not _just_stops(found, parts) or found.route == "phrase":
        return False
    text = parts.answer.strip()
    if found.answer is None or len(text) > MAX_TERSE_CHARS:
        return True
    ending = text[text.rfind(found.answer) :]
    return ending != found.answer and read_quantity(plain(ending)) is None  # "so 12 km" is whole


def _may_go_on(outcome: Outcome, found: Extracted, parts: Parts) -> bool:
    """Not right as far as it goes, and it just stops: `The answer is 5` may have become 50."""
    return outcome.reason is VerdictReason.WRONG and _just_stops(found, parts)


def _just_stops(found: Extracted, parts: Parts) -> bool:
    """Ends in the middle of a sentence, where no header or letter says that the answer is whole."""
    if not parts.answer.strip() or found.route in (*CLOSED_ROUTES, "header", "letter", "line"):
        return False
    return ends_mid_sentence(parts.answer)


def _correct(reason: VerdictReason) -> bool | None:
    unknown = (VerdictReason.TIMEOUT, VerdictReason.VERIFIER_ERROR, VerdictReason.BAD_REFERENCE)
    return None if reason in unknown else reason is VerdictReason.RIGHT


def _storable(answer: str | None) -> str | None:
    """An answer short enough for a record and without what UTF-8 cannot hold."""
    if answer is None or (len(answer) <= MAX_STORED_CHARS and answer.isascii()):
        return answer
    return answer[:MAX_STORED_CHARS].encode("utf-8", "replace").decode()


def _no_such_verifier(problem: Problem) -> str:
    known = ", ".join(VERIFIERS)
    hint = nearest(problem.verifier, list(VERIFIERS))
    return (
        f"problem {problem.problem_id}: verifier is {problem.verifier!r}; "
        f"expected one of {known}{hint}"
    )

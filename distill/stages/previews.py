"""What the filter would say of a trace, found while sampling goes on, in processes of its own.

Each trace is verified and read by the recipe's own rules. What only a look at all traces tells is
left to the filter: near repeats, what quotes a test set, and who of many right ones is chosen.
"""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec

from distill.chat import opened
from distill.crew import Crew, Lost
from distill.errors import RecipeError
from distill.filters.chain import checks_of, examine
from distill.filters.checks import check_cases
from distill.filters.decisions import word
from distill.filters.findings import Known
from distill.recipe import Filter, Verify
from distill.records import DropReason, Preview, Problem, Trace, Verdict
from distill.verifiers.judge import combine
from distill.verifiers.stream import lost_verdict, serve
from distill.verifiers.verdict import Asked, open_verifier

MAX_WAITING = 256  # traces that wait for their verdict; more are not let in
_RANK = {reason: rank for rank, reason in enumerate(DropReason)}


class Look(NamedTuple):
    """What one trace is, seen by itself."""

    verdict: Verdict
    correct: bool | None  # by whose word counts
    reason: DropReason  # KEPT or the first reason against it
    digest: bytes


class Previews:
    """Owns the processes that look at traces beside generation; results come in any order."""

    def __init__(self, verify: Verify, keys: Filter) -> None:
        """
        Args:
            verify: how it is verified, and by how many processes.
            keys: the recipe's filter.
        """
        self.waiting = 0  # traces asked about and not yet told
        self._ended: queue.SimpleQueue[tuple[str, Future[Look | Lost]]] = queue.SimpleQueue()
        self._crew: Crew[Look] = Crew(partial(look_served, _settings(verify), keys), verify.workers)

    def ask(self, problem: Problem, trace: Trace) -> None:
        """Have a trace looked at."""
        trace_id, completion = trace.trace_id, opened(trace.prompt, trace.completion)
        future = self._crew.submit((problem, trace_id, completion, trace.finish_reason))
        future.add_done_callback(lambda ended: self._ended.put((trace_id, ended)))
        self.waiting += 1

    def next(self, *, wait: bool) -> tuple[str, Look] | None:
        """A trace's id and what it is; None where none waits, or none is there yet.

        A look that was lost, or ran out of time, is of a trace that nobody verified.
        Raises: WorkerError when no process can be started.
        """
        if not self.waiting:
            return None
        try:
            trace_id, future = self._ended.get(block=wait)
        except queue.Empty:
            return None
        self.waiting -= 1
        found = future.result()
        if isinstance(found, Lost):
            verdict = lost_verdict(found, trace_id)
            return trace_id, Look(verdict, None, DropReason.UNVERIFIED, b"")
        return trace_id, found

    def close(self) -> None:
        """End the processes, at once."""
        self._crew.close()


class Repeats:
    """The sound traces of each problem by their text: a second one of the same text is a repeat."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}  # problem and digest to trace

    def is_repeat(self, problem_id: str, trace_id: str, digest: str) -> bool:
        """Has another trace of the problem this text? The first one is remembered."""
        return self._first.setdefault((problem_id, digest), trace_id) != trace_id


def preview(look: Look, problem_id: str, repeats: Repeats) -> Preview:
    """The look at a trace as it is stored, once its repeats are known."""
    trace_id, digest, reason = look.verdict.trace_id, look.digest.hex(), look.reason
    if reason is DropReason.KEPT and digest and repeats.is_repeat(problem_id, trace_id, digest):
        reason = DropReason.DUPLICATE
    return Preview(
        trace_id=trace_id,
        kept=reason is DropReason.KEPT,
        correct=look.correct,
        reason=reason,
        digest=digest,
    )


def check_possible(verify: Verify, keys: Filter, *, has_programs: bool) -> None:
    """Refuse, before anything is asked, what could not be verified beside it.

    Raises: RecipeError for a filter that cannot be foreseen or does not do what it says;
        SandboxUnavailable for programs on a machine that cannot isolate them.
    """
    if keys.accept in ("judge", "and"):
        raise RecipeError(
            f"sample.adaptive asks until enough traces are right, and filter.accept is "
            f"{keys.accept!r}: a language model is asked only when all are there; set "
            "filter.accept to 'rule' or 'or', or remove sample.adaptive"
        )
    if failures := check_cases(keys):
        raise RecipeError("filter.cases: " + "; ".join(map(str, failures)))
    if has_programs:
        with open_verifier(verify) as verifier:
            verifier.open_sandbox()


@contextmanager
def look_served(settings: dict[str, Any], keys: Filter) -> Iterator[Callable[[Asked], Look]]:
    """What a process does with each trace."""
    checks = checks_of(keys)._replace(signatures=False)
    with serve(**settings) as verify:

        def look(asked: Asked) -> Look:
            problem, trace_id, completion, finish_reason = asked
            verdict = verify(asked)
            known = Known(
                trace_id=trace_id,
                problem=problem.problem_id,
                finish_reason=finish_reason,
                verdict=verdict,
            )
            said = word(known, keys, combine)
            examined = examine(problem.question, completion, checks, is_sound=not said.drops)
            reasons = [drop.reason for drop in said.drops + examined.drops]
            reason = min(reasons, key=_RANK.__getitem__, default=DropReason.KEPT)
            return Look(verdict, said.correct, reason, examined.digest)

        yield look


def _settings(verify: Verify) -> dict[str, Any]:
    """Those of `serve`, as JSON has them."""
    return {
        "policy": msgspec.to_builtins(verify.policy),
        "timeout_seconds": verify.timeout_seconds,
        "program_seconds": verify.program_seconds,
        "program_memory_mb": verify.program_memory_mb,
        "allow_unsafe_code": verify.allow_unsafe_code,
    }

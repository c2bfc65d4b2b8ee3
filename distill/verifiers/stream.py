"""Verdicts on a stream of completions, from several processes, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from distill.crew import START_SECONDS, Crew, Lost, allow
from distill.recipe import MathPolicy
from distill.records import Verdict, VerdictReason
from distill.verifiers.verdict import Asked, Verifier


def verify_stream(
    asked: Iterable[Asked], *, workers: int | None = None, **settings: Any
) -> Iterator[Verdict]:
    """One verdict per completion, in the order asked.

    Args:
        asked: problem, trace_id, completion and finish reason of each; read a few hundred ahead,
            so that any number of them takes the same memory.
        workers: processes; None takes the cores that this process may use.
        settings: those of Verifier, as JSON has them.
    A completion that ends its process is tried once more on its own and then called a
    `verifier_error`, or a `timeout` when it could not be interrupted.
    Raises: WorkerError when no process can be started.
    """
    ids: deque[str] = deque()  # of what is read and not yet judged

    def noted() -> Iterator[Asked]:
        for one in asked:
            ids.append(one[1])
            yield one

    with Crew(partial(serve, **settings), workers) as crew:
        for verdict in crew.map(noted()):
            trace_id = ids.popleft()
            yield lost_verdict(verdict, trace_id) if isinstance(verdict, Lost) else verdict


def lost_verdict(lost: Lost, trace_id: str) -> Verdict:
    """Of a completion whose process gave no verdict: nothing is known of it."""
    late = lost.cause == "time"
    return Verdict(
        trace_id=trace_id,
        correct=None,
        reason=VerdictReason.TIMEOUT if late else VerdictReason.VERIFIER_ERROR,
        route="deadline" if late else "process",
        detail=lost.detail,
    )


@contextmanager
def serve(policy: dict[str, Any], **settings: Any) -> Iterator[Callable[[Asked], Verdict]]:
    """What a process of the crew does with its completions."""
    with Verifier(policy=msgspec.convert(policy, MathPolicy), **settings) as verifier:

        def work(asked: Asked) -> Verdict:
            # programs have limits of their own, each test one
            is_program = asked[0].verifier == "code"
            allow(0 if is_program else _longest(settings["timeout_seconds"]))
            return verifier.verify(*asked)

        yield work


def _longest(timeout_seconds: float) -> float:
    """Seconds after which not even the start of an algebra process explains the silence."""
    return 2 * START_SECONDS + 2 * timeout_seconds

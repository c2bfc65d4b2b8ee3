"""What the engine is asked next, and what becomes of what it brings."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from distill.engines.base import Request
from distill.errors import EngineError
from distill.records import Completion, Failure, FailureReason, Preview, Problem, Trace
from distill.sampling.budget import Budget
from distill.sampling.policy import Ask, Policy, Result
from distill.stages.previews import MAX_WAITING, Look, Previews, preview
from distill.stages.sample_clerk import Clerk
from distill.stages.sample_state import Before, Wave

FIGURES_SECONDS = 0.5  # between two looks at the figures
MIN_REQUESTS = 20  # before the share of failed ones tells anything


class SampleFeed:
    """Asks what the policy finds worth asking, as long as the budget admits it.

    An engine that works in waves is asked so that the same run always makes the same waves: a
    wave is composed, and what is withdrawn from it decided, only when every trace so far was
    looked at; and it is noted before it begins.

    Args:
        problems: in the order in which the policy knows them.
        request: makes the request of an ask.
        trace: makes the trace of a request and its completion, at a price.
        previews: looks at traces beside generation; None where nobody needs to know.
        hours: sampled in this session.
        before: what earlier sessions have left.
        in_waves: of the engine.
        max_failed_share: of requests that brought nothing, before it stops.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        request: Callable[[Ask], Request],
        trace: Callable[[Ask, Request, Completion, float], Trace],
        *,
        policy: Policy,
        budget: Budget,
        clerk: Clerk,
        previews: Previews | None,
        hours: Callable[[], float],
        before: Before,
        in_waves: bool,
        max_failed_share: float,
    ) -> None:
        self._problems, self._request, self._trace = problems, request, trace
        self._policy, self._budget, self._clerk, self._previews = policy, budget, clerk, previews
        self._hours, self._before, self._in_waves = hours, before, in_waves
        self._max_failed_share = max_failed_share
        self._again = list(before.wave)
        for ask in self._again:
            policy.started(ask.problem, ask.index)
        self._asked: dict[str, Ask] = {}  # under way, by trace
        self._looked_at: dict[str, tuple[Ask, Result]] = {}  # traces that wait for their look
        self._seen: list[tuple[str, Look | Preview]] = []  # those that came, not yet told
        self._held: list[Failure] = []  # of a wave that is not at its end
        self._ended, self._failed = 0, Counter()
        self._shown = 0.0

    # --- what the engine calls ----------------------------------------------------------------

    def take(self, room: int) -> list[Request]:
        """What to ask now; waits for looks only while nothing is under way."""
        self._hear(everything=self._in_waves and not self._asked)
        asks = self._next(room)
        while not asks and not self._asked and self._waiting:
            self._hear(at_least_one=True)
            asks = self._next(room)
        if self._in_waves:
            self._begin_wave(asks)
        requests = [self._request(ask) for ask in asks]
        self._asked |= zip((request.key for request in requests), asks, strict=True)
        self._show()
        return requests

    def done(self, request: Request, result: Completion | Failure) -> None:
        """Store what came of a request and have it looked at.

        Raises: EngineError when too many brought nothing; all is stored then.
        """
        ask = self._asked.pop(request.key)
        self._ended += 1
        if isinstance(result, Failure):
            self._fail(ask, result)
        else:
            self._keep(ask, request, result)
        self._show()

    def withdrawn(self) -> Collection[str]:
        """What is under way though its problem needs no more."""
        if self._previews is None:
            return ()
        self._hear(everything=self._in_waves)
        keys = (self._key(problem, index) for problem, index in self._policy.unwanted())
        return [key for key in keys if key in self._asked]

    # --- what comes before and after ----------------------------------------------------------

    def look_at(self, traces: Iterable[tuple[int, Trace]]) -> None:
        """Have traces of an earlier session looked at, each with its problem's place."""
        for place, trace in traces:
            truncated = trace.finish_reason == "length"
            result = Result(False, truncated, trace.completion_tokens)
            self._look(Ask(place, trace.index, 0), trace, result)
        self._hear(everything=True)

    def end(self) -> None:
        """Nothing is under way any more: tell all that was held back.

        Raises: EngineError when too many requests brought nothing.
        """
        self._hear(everything=True)
        if self._in_waves:
            self._begin_wave([])
        self._check_failures(final=True)
        self._show(now=True)

    @property
    def failed(self) -> Mapping[str, int]:
        """Reason to the number of requests of this session that brought nothing."""
        return self._failed

    # --- asking -------------------------------------------------------------------------------

    def _next(self, room: int) -> list[Ask]:
        """What to ask: first what an earlier session was asking when it was stopped."""
        if self._again:
            asks, self._again = self._again[:room], self._again[room:]
            return asks
        room = min(room, self._budget.admits(len(self._asked), self._hours()))
        # those of a problem side by side: an engine may compute their prompt once
        return sorted(self._policy.next(room)) if room > 0 else []

    def _begin_wave(self, asks: Sequence[Ask]) -> None:
        """Note the wave before it begins; with it the last one has ended."""
        for failure in self._held:
            self._clerk.failure(failure)
        self._held = []
        asked = ((self._problems[at].problem_id, index, most) for at, index, most in asks)
        self._clerk.wave(Wave(tuple(asked)))

    def _key(self, problem: int, index: int) -> str:
        return f"{self._problems[problem].problem_id}#{index}"

    # --- what came ----------------------------------------------------------------------------

    def _keep(self, ask: Ask, request: Request, completion: Completion) -> None:
        usd = self._budget.charge(completion.prompt_tokens, completion.completion_tokens)
        trace = self._trace(ask, request, completion, usd)
        result = Result(False, trace.finish_reason == "length", trace.completion_tokens)
        if completion.retried is not None:
            self._note(completion.retried)
        if request.key not in self._before.of_wave:
            self._clerk.trace(trace)
        if self._previews is None:
            self._policy.told(ask.problem, ask.index, result)
        elif (known := self._before.of_wave.pop(request.key, None)) is not None:
            self._looked_at[request.key] = ask, result
            self._seen.append((request.key, known))
        else:
            self._look(ask, trace, result)

    def _fail(self, ask: Ask, failure: Failure) -> None:
        self._note(failure)
        if failure.reason is FailureReason.WITHDRAWN:
            self._policy.requeue(ask.problem, ask.index)
            return
        self._policy.failed(ask.problem, ask.index)
        self._failed[failure.reason.value] += 1
        self._check_failures(detail=failure.detail)

    def _note(self, failure: Failure) -> None:
        """Pay for what brought nothing, and store it."""
        self._budget.charge(failure.prompt_tokens, failure.completion_tokens)
        failure = self._added_up(failure)
        if self._in_waves:
            self._held.append(failure)
        else:
            self._clerk.failure(failure)

    def _added_up(self, failure: Failure) -> Failure:
        """With what the failures of the same trace cost before it."""
        before = self._before.failures.get(failure.trace_id)
        if before is not None:
            failure = msgspec.structs.replace(
                failure,
                attempts=before.attempts + failure.attempts,
                prompt_tokens=before.prompt_tokens + failure.prompt_tokens,
                completion_tokens=before.completion_tokens + failure.completion_tokens,
                seconds=before.seconds + failure.seconds,
            )
        self._before.failures[failure.trace_id] = failure
        return failure

    def _check_failures(self, *, detail: str = "", final: bool = False) -> None:
        failed, share = self._failed.total(), self._max_failed_share
        forgiven = 1 if share else 0  # of a few requests one alone tells nothing
        if failed <= max(forgiven, share * self._ended) or (
            self._ended < MIN_REQUESTS and not final
        ):
            return
        reasons = ", ".join(f"{number} {reason}" for reason, number in self._failed.most_common())
        raise EngineError(
            f"{failed} of {self._ended} requests brought nothing ({reasons}), more than "
            f"sample.max_failed_share ({share:g}) allows{f'; the last: {detail}' if detail else ''}"
            "; what came is stored, and the next start asks again what may still be answered: see "
            "to the cause, or raise sample.max_failed_share"
        )

    # --- looking ------------------------------------------------------------------------------

    @property
    def _waiting(self) -> int:
        return 0 if self._previews is None else self._previews.waiting

    def _look(self, ask: Ask, trace: Trace, result: Result) -> None:
        while self._waiting >= MAX_WAITING:
            self._hear(at_least_one=True)
        self._looked_at[trace.trace_id] = ask, result
        self._previews.ask(self._problems[ask.problem], trace)

    def _hear(self, *, everything: bool = False, at_least_one: bool = False) -> None:
        """Take the looks that are there, or wait for them; tell the policy."""
        if self._previews is None:
            return
        wait = everything or at_least_one
        while (seen := self._previews.next(wait=wait)) is not None:
            self._seen.append(seen)
            wait = everything
        if self._in_waves and not everything:
            return  # told when all are there: in an order that is the same every time
        for trace_id, look in sorted(self._seen, key=lambda one: one[0]):
            self._tell(trace_id, look)
        self._seen = []

    def _tell(self, trace_id: str, look: Look | Preview) -> None:
        ask, result = self._looked_at.pop(trace_id)
        if isinstance(look, Preview):  # stored by an earlier session
            seen = look
        else:
            problem_id = self._problems[ask.problem].problem_id
            seen = preview(look, problem_id, self._before.repeats)
            self._clerk.verdict(look.verdict, seen)
        self._policy.told(ask.problem, ask.index, result._replace(kept=seen.kept))

    # --- showing ------------------------------------------------------------------------------

    def _show(self, *, now: bool = False) -> None:
        if now or time.monotonic() - self._shown >= FIGURES_SECONDS:
            self._shown = time.monotonic()
            self._clerk.figures(self._figures())

    def _figures(self) -> dict[str, Any]:
        standing = self._policy.standing()
        return {
            "total": standing.tried + standing.expected_left,
            "solved": standing.solved,
            "usd": self._budget.usd(self._hours()),
        }

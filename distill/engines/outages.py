"""Failures kept back until it is clear whose fault they are: their own, or all of the server's.

A server that is down, or a recipe that it refuses, fails every request. What fails so is not told:
the run ends with one error, and what it had asked is asked again when it is started again. When
the server comes back before that, what had failed meanwhile gets a second round.
"""

from distill.engines.asking import Asking
from distill.errors import EngineError
from distill.records import Failure, FailureReason

REFUSED_AT_FIRST = 8  # requests, refused alike before any was answered: the recipe's fault
FAILED_IN_A_ROW = 20  # requests that failed after all their attempts, with no answer in between
ROUNDS = 2  # of attempts that a request gets at most
_OUTAGE = (
    FailureReason.SERVER_ERROR,
    FailureReason.TIMEOUT,
    FailureReason.RATE_LIMITED,
    FailureReason.BAD_REPLY,
    FailureReason.EMPTY,
)

Kept = tuple[Asking, Failure]


class Outages:
    """Keeps what may be a sign of an outage; its owner tells it what else happened."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: dict[str, Kept] = {}
        self._answered = False

    def keep(self, asking: Asking, failure: Failure) -> bool:
        """Whether this failure is kept back."""
        first = failure.reason is FailureReason.REFUSED and not self._answered
        kept = first or (failure.reason in _OUTAGE and asking.alone)
        if kept:
            self._kept[asking.request.key] = (asking, failure)
        return kept

    def released(self) -> list[Kept]:
        """All that was kept back: nothing else is left to do."""
        released = list(self._kept.values())
        self._kept.clear()
        return released

    def answered(self) -> tuple[list[Asking], list[Kept]]:
        """A request was answered: what gets another round, and what is its own fault."""
        self._answered = True
        again, told = [], []
        for asking, failure in self.released():
            if failure.reason in _OUTAGE and asking.rounds < ROUNDS:
                again.append(asking)
            else:
                told.append((asking, failure))
        return again, told

    def withdrawn(self, key: str) -> Kept | None:
        """A request that nobody wants any more, if it is kept here."""
        return self._kept.pop(key, None)

    @property
    def suspected(self) -> bool:
        """Whether to wait for what is under way before anything else is asked."""
        return sum(f.reason in _OUTAGE for _, f in self._kept.values()) >= FAILED_IN_A_ROW

    def stop(self) -> None:
        """Raises: EngineError: the requests that were still under way brought nothing either."""
        _, last = next(reversed(self._kept.values()))
        raise EngineError(
            f"{self._url}: no usable answer: the last {len(self._kept)} requests failed, each "
            f"after all its attempts (last: {last.reason}, {last.detail}); what was stored stays: "
            "see to the server, then start the same command again"
        )

    def refused(self) -> EngineError | None:
        """What to say when all of the first requests were refused alike."""
        refused = [f for _, f in self._kept.values() if f.reason is FailureReason.REFUSED]
        statuses = {failure.detail.partition(":")[0] for failure in refused}
        if len(refused) < REFUSED_AT_FIRST or len(statuses) > 1:
            return None
        return EngineError(
            f"{self._url}: refused all of the first {len(refused)} requests "
            f"({refused[-1].detail}); change the recipe (sample.max_tokens, "
            "sample.server.extra_body, sample.server.send_seed, sample.prompt) as it says"
        )

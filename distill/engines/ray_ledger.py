"""Which request is where: waiting for an actor, with one, or ended; its end is told exactly once.

An actor's process goes by a name of its own, its life: one that is started again has a new life,
and what its old one held is handed out again. Whoever answers first is heard, later ones are not.
"""

from collections import Counter, deque
from collections.abc import Iterable

from distill.engines.base import Request
from distill.records import Completion, Failure, FailureReason

MOST_DEATHS = 5  # of actors with the same request under way; then it is given up

Result = tuple[Request, Completion | Failure]


class Ledger:
    """The requests of one job. A plain state machine: no clock, no messages."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}  # not ended
        self._waiting: deque[str] = deque()  # keys; some of them may have ended meanwhile
        self._holders: dict[str, str] = {}  # key -> life
        self._held: dict[str, dict[str, None]] = {}  # life -> its keys, oldest first
        self._deaths: Counter[str] = Counter()
        self._unwanted: set[str] = set()
        self._to_drop: dict[str, list[str]] = {}  # life -> keys it has not heard to be unwanted

    @property
    def waiting(self) -> int:
        """Requests that no actor has."""
        return len(self._requests) - len(self._holders)

    def add(self, requests: Iterable[Request]) -> None:
        """New ones, to be handed out in their order."""
        for request in requests:
            self._requests[request.key] = request
            self._waiting.append(request.key)

    def hand_out(self, life: str, most: int) -> list[Request]:
        """The next requests, now with this life."""
        handed: list[Request] = []
        while self._waiting and len(handed) < most:
            key = self._waiting.popleft()
            if key in self._requests and key not in self._holders:
                self._holders[key] = life
                self._held.setdefault(life, {})[key] = None
                handed.append(self._requests[key])
        return handed

    def ended(self, life: str, key: str, result: Completion | Failure) -> list[Result]:
        """What a life says became of a request; empty if it had ended before.

        Whoever else has it by now hears that it is not wanted.
        """
        if key not in self._requests:
            return []
        holder = self._holders.get(key)
        if holder is not None and holder != life:
            self._to_drop.setdefault(holder, []).append(key)
        return [self._end(key, result)]

    def withdraw(self, keys: Iterable[str]) -> list[Result]:
        """Nobody wants these: those that wait end now, those under way when their actor says so."""
        ended = []
        for key in keys:
            if key not in self._requests:
                continue
            holder = self._holders.get(key)
            if holder is None:
                ended.append(self._withdrawn(key))
            else:
                self._unwanted.add(key)
                self._to_drop.setdefault(holder, []).append(key)
        return ended

    def to_drop(self, life: str) -> list[str]:
        """Keys that this life need not finish; each is named once."""
        return self._to_drop.pop(life, [])

    def lost(self, life: str) -> list[Result]:
        """A life is over: what it held waits again, before all others.

        Returns: those that end with it: unwanted ones, and those that were lost too often.
        """
        self._to_drop.pop(life, None)
        ended, again = [], []
        for key in self._held.pop(life, {}):
            del self._holders[key]
            self._deaths[key] += 1
            if key in self._unwanted:
                ended.append(self._withdrawn(key))
            elif self._deaths[key] >= MOST_DEATHS:
                ended.append(self._end(key, self._given_up(key)))
            else:
                again.append(key)
        self._waiting.extendleft(reversed(again))
        return ended

    def _end(self, key: str, result: Completion | Failure) -> Result:
        holder = self._holders.pop(key, None)
        if holder is not None:
            del self._held[holder][key]
        self._unwanted.discard(key)
        self._deaths.pop(key, None)
        return self._requests.pop(key), result

    def _withdrawn(self, key: str) -> Result:
        return self._end(key, Failure(trace_id=key, reason=FailureReason.WITHDRAWN))

    def _given_up(self, key: str) -> Failure:
        return Failure(
            trace_id=key,
            reason=FailureReason.SERVER_ERROR,
            detail=f"its actor died {MOST_DEATHS} times with it under way",
            attempts=MOST_DEATHS,
        )

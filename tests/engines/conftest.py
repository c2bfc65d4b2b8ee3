"""A feed from a list, for the tests of every engine."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence

import pytest

from distill.engines.base import Request
from distill.records import Completion, Failure


class ListFeed:
    """Gives a list of requests in order and holds the engine to its side of the contract.

    Args:
        withdraw: asked at each poll with this feed; the keys it returns are those no longer
            wanted. Only requests under way may be named, each once.
        pieces: the most requests of each take in turn, then no limit; 0 gives nothing for now,
            unless nothing is under way: then it gives one.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        withdraw: Callable[["ListFeed"], Collection[str]] | None = None,
        pieces: Sequence[int] = (),
    ) -> None:
        self.waiting = list(requests)
        self.under_way: dict[str, Request] = {}  # taken, not done
        self.results: dict[str, Completion | Failure] = {}  # in the order of their ends
        self.takes: list[int] = []  # how many requests each take gave
        self.rooms: list[int] = []  # how many each take asked for
        self.polls = 0  # calls of `withdrawn`
        self.named: set[str] = set()  # keys that were withdrawn
        self._withdraw = withdraw
        self._pieces = iter(pieces)
        self._thread = threading.get_ident()

    def take(self, room: int) -> list[Request]:
        assert room > 0, "an engine without room asks for nothing"
        assert threading.get_ident() == self._thread, "all calls come from one thread"
        piece = next(self._pieces, len(self.waiting))
        given = self.waiting[: min(room, piece if self.under_way else max(1, piece))]
        del self.waiting[: len(given)]
        self.under_way |= {request.key: request for request in given}
        self.rooms.append(room)
        self.takes.append(len(given))
        return given

    def done(self, request: Request, result: Completion | Failure) -> None:
        assert threading.get_ident() == self._thread, "all calls come from one thread"
        assert request.key not in self.results, f"{request.key} was done before"
        assert self.under_way.pop(request.key, None) == request, f"{request.key} was not taken"
        self.results[request.key] = result

    def withdrawn(self) -> list[str]:
        assert threading.get_ident() == self._thread, "all calls come from one thread"
        self.polls += 1
        keys = [] if self._withdraw is None else list(self._withdraw(self))
        assert not self.named & set(keys), "each key is named once"
        assert set(keys) <= set(self.under_way), "only what is under way can be withdrawn"
        self.named |= set(keys)
        return keys


@pytest.fixture(scope="session")
def list_feed():
    """`list_feed(requests, withdraw=None, pieces=())` makes a ListFeed."""
    return ListFeed

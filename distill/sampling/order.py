"""Problems in their order, those that come back first: for whoever takes one after the other."""

from collections.abc import Callable
from heapq import heappop, heappush


class InOrder:
    """The first problem that still wants asking, without looking at all of them again."""

    def __init__(self, problems: int, wants: Callable[[int], bool]) -> None:
        self._problems = problems
        self._wants = wants
        self._at = 0
        self._returned: list[int] = []  # positions before `_at`

    def first(self) -> int | None:
        """Position of the first problem that wants asking."""
        while self._returned:
            if self._wants(self._returned[0]):
                return self._returned[0]
            heappop(self._returned)
        while self._at < self._problems:
            if self._wants(self._at):
                return self._at
            self._at += 1
        return None

    def give_back(self, problem: int) -> None:
        """This problem may want asking again."""
        if problem < self._at:
            heappush(self._returned, problem)

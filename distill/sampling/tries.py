"""Which tries of each problem were asked: the next index, and what is under way."""

from array import array


class Tries:
    """Indices of all problems. They are dense from 0; what came back unanswered is asked first."""

    def __init__(self, problems: int) -> None:
        self.asked = array("i", bytes(4 * problems))  # answered, failed or under way
        self.total = 0  # of all problems
        self.under_way = 0  # of all problems
        self._next = array("i", bytes(4 * problems))  # one past the highest index ever used
        self._gaps: dict[int, set[int]] = {}  # below it, not asked or given back
        self._open: dict[int, list[int]] = {}  # indices under way, by problem

    def under_way_of(self, problem: int) -> int:
        """How many tries of a problem are under way."""
        return len(self._open.get(problem, ()))

    def indices_of(self, problem: int) -> list[int]:
        """Which tries of a problem are under way, in order."""
        return sorted(self._open.get(problem, ()))

    def take(self, problem: int) -> int:
        """Start another try: the lowest index that was not asked."""
        index = self.lowest(problem)
        self.start(problem, index)
        return index

    def lowest(self, problem: int) -> int:
        """The index that `take` would start."""
        gaps = self._gaps.get(problem)
        return min(gaps) if gaps else self._next[problem]

    def start(self, problem: int, index: int) -> bool:
        """Put a certain try under way; False if it was asked before."""
        if not self._claim(problem, index):
            return False
        self._open.setdefault(problem, []).append(index)
        self.under_way += 1
        return True

    def settle(self, problem: int, index: int) -> bool:
        """A try has ended, under way or known from an earlier session; False if it had before."""
        if self._close(problem, index):
            return True
        return self._claim(problem, index)

    def release(self, problem: int, index: int) -> bool:
        """A try under way has ended with nothing and may be asked again; False if it was not."""
        if not self._close(problem, index):
            return False
        self._gaps.setdefault(problem, set()).add(index)
        self.asked[problem] -= 1
        self.total -= 1
        return True

    def _claim(self, problem: int, index: int) -> bool:
        first = self._next[problem]
        if index >= first:
            if index > first:
                self._gaps.setdefault(problem, set()).update(range(first, index))
            self._next[problem] = index + 1
        elif not self._fill(problem, index):
            return False
        self.asked[problem] += 1
        self.total += 1
        return True

    def _fill(self, problem: int, index: int) -> bool:
        gaps = self._gaps.get(problem)
        if not gaps or index not in gaps:
            return False
        gaps.remove(index)
        if not gaps:
            del self._gaps[problem]
        return True

    def _close(self, problem: int, index: int) -> bool:
        indices = self._open.get(problem)
        if indices is None or index not in indices:
            return False
        indices.remove(index)
        if not indices:
            del self._open[problem]
        self.under_way -= 1
        return True

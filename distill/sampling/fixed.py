"""The same number of tries for every problem, in the order of the problems."""

import numpy as np

from distill.sampling.ledger import DONE, Ledger
from distill.sampling.order import InOrder


class Fixed:
    """Chooses the next problem to try: the first that lacks one of its tries."""

    def __init__(self, ledger: Ledger, per_problem: int) -> None:
        self._ledger = ledger
        self._per_problem = per_problem
        self._order = InOrder(ledger.problems, self._lacks)

    def learn(self, problem: int, kept: bool, tokens: int) -> None:
        """Nothing is learned from results."""

    def refresh(self) -> None:
        """There is nothing to work in."""

    def choose(self) -> int | None:
        """The problem whose try comes next."""
        return self._order.first()

    def limit(self, problem: int) -> int:
        """Most tokens of its next try."""
        return self._ledger.max_tokens

    def give_back(self, problem: int) -> None:
        """A try of it was not made."""
        self._order.give_back(problem)

    def place(self, problem: int) -> str | None:
        """What stops a problem for good."""
        ledger = self._ledger
        ended = ledger.tried[problem] + ledger.failed[problem]
        if ended >= self._per_problem and not self._lacks(problem):
            return DONE
        return ledger.forgone.get(problem)

    def given_up(self) -> dict[str, int]:
        """No problem is given up."""
        return {}

    def expected_left(self) -> float:
        """Tries still to come, those under way included."""
        ledger = self._ledger
        lacking = np.maximum(0, self._per_problem - np.frombuffer(ledger.tries.asked, np.int32))
        for problem in ledger.forgone:
            lacking[problem] = 0
        return float(lacking.sum()) + ledger.tries.under_way

    def _lacks(self, problem: int) -> bool:
        if problem in self._ledger.forgone:
            return False
        return self._ledger.tries.lowest(problem) < self._per_problem

"""What every problem has had: results by kind, tokens, and what stops it for good."""

from array import array
from collections import Counter

from distill.sampling.tries import Tries

DONE = "done"  # what stops a problem that has all it needs


class Ledger:
    """Counts of all problems, in arrays. What they hold does not depend on who was told first."""

    def __init__(self, problems: int, needed: int, max_tokens: int) -> None:
        self.problems = problems
        self.needed = needed  # kept traces of a problem
        self.max_tokens = max_tokens
        self.tries = Tries(problems)
        self.tried = array("i", bytes(4 * problems))  # completions that came back
        self.kept = array("i", bytes(4 * problems))
        self.failed = array("i", bytes(4 * problems))  # requests that brought nothing
        self.truncated = array("i", bytes(4 * problems))
        self.fitting = array("i", bytes(4 * problems))  # answered within max_tokens
        self.tokens = array("q", bytes(8 * problems))
        self.forgone: dict[int, str] = {}
        self.total_tried = 0
        self.total_tokens = 0
        self.total_kept = 0  # at most `needed` of a problem
        self.solved = 0  # problems with a kept trace
        self._stops: dict[int, str] = {}
        self.stopped: Counter[str] = Counter()  # problems by what stopped them

    def add(self, problem: int, kept: bool, truncated: bool, tokens: int) -> None:
        """One more completion of a problem."""
        self.tried[problem] += 1
        self.tokens[problem] += tokens
        self.total_tried += 1
        self.total_tokens += tokens
        if truncated:
            self.truncated[problem] += 1
        if tokens <= self.max_tokens and (kept or not truncated):
            self.fitting[problem] += 1
        if kept:
            before = self.kept[problem]
            self.kept[problem] = before + 1
            self.total_kept += before < self.needed
            self.solved += before == 0

    def note_stop(self, problem: int, reason: str | None) -> None:
        """Remember what stops a problem now; None: nothing does."""
        before = self._stops.get(problem)
        if before == reason:
            return
        if before is not None:
            self.stopped[before] -= 1
            del self._stops[problem]
        if reason is not None:
            self.stopped[reason] += 1
            self._stops[problem] = reason

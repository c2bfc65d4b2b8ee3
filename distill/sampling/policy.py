"""What is asked next, from what became of what was asked: a pure state machine.

It knows no clock, no text and no engine. Its state depends on what it was told and not on the order
of telling, so a run that is restored from what it stored goes on as if it had never stopped.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from distill import recipe
from distill.sampling.fixed import Fixed
from distill.sampling.ledger import DONE, Ledger
from distill.sampling.worth import AWAITED, TRUNCATED, Worth


class Ask(NamedTuple):
    """One completion to ask for."""

    problem: int  # position in the list of problems
    index: int  # 0-based among this problem's completions
    max_tokens: int


class Result(NamedTuple):
    """What became of a try."""

    kept: bool  # as the recipe's filter previews it
    truncated: bool
    tokens: int  # of the completion


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy has to know of the recipe."""

    completions_per_problem: int
    needed: int | None  # kept traces of a problem; None: as many as it has tries
    max_tokens: int
    adaptive: recipe.Adaptive | None = None  # None: the same number of tries for every problem


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run has come."""

    tried: int  # completions that came back
    kept: int  # of them; at most `needed` of a problem
    solved: int  # problems with a kept trace
    done: int  # problems with all that they need; of a fixed number, with all their tries
    given_up: dict[str, int]  # problems, by reason
    under_way: int
    expected_left: int  # completions still to come, those under way included


class Policy:
    """Decides what is asked next.

    Args:
        problems: how many there are.
        groups: family of each problem, numbered from 0; chances are learned within a family.
    """

    def __init__(
        self, problems: int, settings: Settings, groups: Sequence[int] | None = None
    ) -> None:
        per_problem = settings.completions_per_problem
        self._ledger = Ledger(problems, settings.needed or per_problem, settings.max_tokens)
        if settings.adaptive is None:
            self._chooser: Fixed | Worth = Fixed(self._ledger, per_problem)
        else:
            self._chooser = Worth(self._ledger, settings.adaptive, per_problem, groups)
        self._maybe_unwanted: set[int] = set()
        self._named: set[tuple[int, int]] = set()

    def next(self, room: int) -> list[Ask]:
        """At most so many completions that deserve asking now; they are under way from here on."""
        chooser, tries = self._chooser, self._ledger.tries
        chooser.refresh()
        asks: list[Ask] = []
        while len(asks) < room:
            problem = chooser.choose()
            if problem is None:
                break
            index = tries.take(problem)
            asks.append(Ask(problem, index, chooser.limit(problem)))
            self._ledger.note_stop(problem, chooser.place(problem))
        return asks

    def told(self, problem: int, index: int, result: Result) -> None:
        """A completion came back, now or in an earlier session; told again changes nothing."""
        if not self._ledger.tries.settle(problem, index):
            return
        self._chooser.learn(problem, result.kept, result.tokens)
        self._ledger.add(problem, result.kept, result.truncated, result.tokens)
        self._changed(problem, index)

    def failed(self, problem: int, index: int) -> None:
        """A try brought nothing, for good; its index is spent."""
        if self._ledger.tries.settle(problem, index):
            self._ledger.failed[problem] += 1
            self._changed(problem, index)

    def forgo(self, problem: int, reason: str) -> None:
        """Never ask a problem, such as one whose question is in a test set."""
        self._ledger.forgone[problem] = reason
        self._changed(problem)

    def requeue(self, problem: int, index: int) -> None:
        """A try under way was not made: withdrawn or interrupted. It may be asked again."""
        if self._ledger.tries.release(problem, index):
            self._chooser.give_back(problem)
            self._changed(problem, index)

    def started(self, problem: int, index: int) -> None:
        """A try is under way that `next` did not give out: one of an interrupted wave."""
        if self._ledger.tries.start(problem, index):
            self._changed(problem)

    def unwanted(self) -> list[tuple[int, int]]:
        """Tries under way whose problem needs no more; each is named once."""
        if not self._maybe_unwanted:
            return []
        named = [
            (problem, index)
            for problem in sorted(self._maybe_unwanted)
            for index in self._ledger.tries.indices_of(problem)
            if (problem, index) not in self._named
        ]
        self._maybe_unwanted.clear()
        self._named.update(named)
        return named

    @property
    def kept(self) -> int:
        """Kept traces so far, at most `needed` of a problem."""
        return self._ledger.total_kept

    @property
    def solved(self) -> int:
        """Problems with a kept trace."""
        return self._ledger.solved

    @property
    def finished(self) -> bool:
        """Nothing is under way and nothing deserves asking."""
        if self._ledger.tries.under_way:
            return False
        self._chooser.refresh()
        return self._chooser.choose() is None

    def standing(self) -> Standing:
        """How far it has come; costs no look at single problems."""
        self._chooser.refresh()
        ledger = self._ledger
        reasons = ledger.stopped + Counter(self._chooser.given_up())
        given_up = {why: reasons[why] for why in sorted(reasons) if why not in (DONE, AWAITED)}
        return Standing(
            tried=ledger.total_tried,
            kept=ledger.total_kept,
            solved=ledger.solved,
            done=ledger.stopped[DONE],
            given_up=given_up,
            under_way=ledger.tries.under_way,
            expected_left=round(self._chooser.expected_left()),
        )

    def _changed(self, problem: int, index: int | None = None) -> None:
        """A problem's state has changed, by one of its tries or as a whole."""
        if index is not None and self._named:
            self._named.discard((problem, index))
        ledger = self._ledger
        stop = self._chooser.place(problem)
        ledger.note_stop(problem, stop)
        if stop is not None and ledger.tries.under_way_of(problem):
            if stop in (DONE, TRUNCATED) or problem in ledger.forgone:
                self._maybe_unwanted.add(problem)
        elif stop is not None:
            self._maybe_unwanted.discard(problem)

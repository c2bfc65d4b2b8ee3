"""Which problem is worth the next try: the order of adaptive sampling.

The worth of a try is the chance that it is kept, by the posterior, per token that it is expected to
take; the pace is what tries have brought so far, kept traces per token. While the pool lasts
(completions_per_problem for every problem), tries go to

1. problems that were never tried, in their order: every problem is tried once;
2. solved problems that need more, where a try is worth at least the pace;
3. unsolved problems, the worthiest first;
4. solved problems that need more, where a try is worth at least `least_further_worth` of the pace:
   a further trace may be dearer than the others, but not by any factor;
5. problems that have tries under way already, only so that rows do not stay idle.

A problem whose chance is below 1 / completions_per_kept is given up, whatever it is worth.

That 2 comes before 3 keeps tokens per kept trace from being worse than those of a fixed number of
tries at as many solved problems: of all ways to spend tokens the ratio of kept to tokens is
greatest for the one that takes each try whose own ratio is at least that of the whole (Dinkelbach,
On nonlinear fractional programming, Management Science 13(7), 1967), and of the others only those
of unsolved problems cannot be spared. So that 2 does not eat what 3 needs, every unsolved problem
keeps completions_per_problem tries for itself until it is solved or given up; only the rest of the
pool is free for all. With the same pool an adaptive run thus tries an unsolved problem at least as
often as a fixed one, unless it is given up, and spends what that spends on solved problems where it
brings most.

5 counts those under way as missed (the "constant liar" of Ginsbourger et al., Kriging is
well-suited to parallelize optimization, 2010). An unsolved problem has at most
ceil(speculation * tries) beside its first, so that its tries grow by that share from one round to
the next and its last rounds are few; a solved one may have all that it needs at once. A try beyond
what is surely needed runs only where the chance that it turns out a surplus is at most
`speculation`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

from distill.recipe import Adaptive
from distill.sampling.buckets import Bucket, Queues
from distill.sampling.ledger import DONE, Ledger
from distill.sampling.order import InOrder
from distill.sampling.posterior import Prior, Priors, expected_tries

_SOLVED, _UNSOLVED, _OWN, _AHEAD_SOLVED, _AHEAD_UNSOLVED, _AHEAD_OWN = range(6)
_LENGTH_TRIES = 2.0  # tries of the group's mean length that a problem's own mean starts from
_LENGTH_STEP = math.log(1.1)  # the group's mean length is rounded to powers of this

AWAITED = "awaited"  # its last tries are under way
TRIES, TRUNCATED, FAILED = "tries", "truncated", "failed"
UNLIKELY, POOL, DEAR = "unlikely", "pool", "dear"
_FAILED_TRIES = 2  # requests that brought nothing, and no completion ever: given up


class Worth:
    """Chooses the next problem to try. Told of every change, it never looks at all problems."""

    def __init__(
        self, ledger: Ledger, adaptive: Adaptive, per_problem: int, groups: Sequence[int] | None
    ) -> None:
        self._ledger = ledger
        self._adaptive = adaptive
        self._most = adaptive.max_completions_per_problem
        self._own = min(per_problem, self._most)
        self._per_problem = per_problem
        self._least_chance = 1.0 / adaptive.completions_per_kept
        self._group_of = groups
        count = 1 + max(groups, default=0) if groups is not None else 1
        self._priors = Priors(count)
        self._versions = [0] * count
        self._lengths: list[int | None] = [None] * count  # rounded logarithm of mean tokens
        self._group_tried, self._group_tokens = [0] * count, [0] * count
        self._stale: set[int] = set()  # groups with results that are not worked in
        self._queues = Queues(ledger.problems, ledger.tokens, queues=6)
        self._buckets_of: defaultdict[int, list[Bucket]] = defaultdict(list)
        self._reserved = 0
        self._untried = InOrder(ledger.problems, self._is_untried)

    def learn(self, problem: int, kept: bool, tokens: int) -> None:
        """Take in a result that the ledger does not have yet."""
        group = self._group(problem)
        ledger = self._ledger
        self._priors.add(group, ledger.kept[problem], ledger.tried[problem], kept)
        self._group_tried[group] += 1
        self._group_tokens[group] += tokens
        self._stale.add(group)

    def place(self, problem: int) -> str | None:
        """Put a problem where it belongs after any change; returns what stops it."""
        left = self._queues.leave(problem)
        if left is not None:
            self._reserved -= left.reserve
        stop = self._stop(problem)
        if stop is None and not self._is_untried(problem):
            self._enter(problem)
        return stop

    def give_back(self, problem: int) -> None:
        """A try of it was not made: it may be untried again."""
        self._untried.give_back(problem)

    def choose(self) -> int | None:
        """The problem that deserves the next try; None: none does now."""
        left = self._left()
        if left <= 0:
            return None
        untried = self._untried.first()
        if untried is not None:
            return untried
        bucket = self._best_tried(is_free=left > self._reserved)
        return None if bucket is None else self._queues.first_of(bucket)

    def limit(self, problem: int) -> int:
        """Most tokens of its next try."""
        longer = self._adaptive.longer_max_tokens
        if longer is not None and self._is_cut(problem):
            return longer
        return self._ledger.max_tokens

    def refresh(self) -> None:
        """Work in what was learned, before choosing."""
        if not self._stale:
            return
        stale, self._stale = self._stale, set()
        changed = set(self._priors.refresh())
        for group in stale:
            mean = max(1.0, self._group_tokens[group] / self._group_tried[group])
            length = round(math.log(mean) / _LENGTH_STEP)
            if length != self._lengths[group]:
                self._lengths[group] = length
                changed.add(group)
        for group in sorted(changed):
            self._versions[group] += 1
            for bucket in self._buckets_of[group]:
                if bucket.members:
                    self._renew(bucket)

    def given_up(self) -> dict[str, int]:
        """Problems that nothing stops but that deserve no further try, by reason."""
        unlikely = waiting = 0
        for bucket in self._queues.buckets.values():
            if bucket.under_way == 0:
                unlikely += bucket.members * (not bucket.alive)
                waiting += bucket.members * bucket.alive
        if self._left() <= 0:
            waiting += self._untried_now()
            return {UNLIKELY: unlikely, POOL: waiting}
        is_over = not self._ledger.tries.under_way and self.choose() is None
        return {UNLIKELY: unlikely, DEAR: waiting if is_over else 0}

    def expected_left(self) -> float:
        """Tries still to come by the posterior, those under way included."""
        tables = [
            expected_tries(prior, self._ledger.needed, self._least_chance, self._most)
            for prior in map(self._priors.__getitem__, range(len(self._versions)))
        ]
        left = self._untried_now() * sum(table[0, 0] for table in tables) / len(tables)
        dear = self._adaptive.least_further_worth * self._pace()
        for bucket in self._queues.buckets.values():
            is_dear = bucket.kept and self._queues.worth(bucket) < dear
            if bucket.members and bucket.alive and not is_dear:
                tries = min(bucket.tries, self._most)
                left += bucket.members * tables[bucket.group][bucket.kept, tries]
        under_way = self._ledger.tries.under_way
        return max(under_way, min(left, self._left() + under_way))

    def _untried_now(self) -> int:
        """How many problems were never tried."""
        begun = sum(bucket.members for bucket in self._queues.buckets.values())
        return self._ledger.problems - begun - self._ledger.stopped.total()

    def _left(self) -> int:
        ledger = self._ledger
        asked = ledger.problems - len(ledger.forgone)
        return self._per_problem * asked - ledger.tries.total

    def _group(self, problem: int) -> int:
        return 0 if self._group_of is None else self._group_of[problem]

    def _is_untried(self, problem: int) -> bool:
        ledger = self._ledger
        return ledger.tries.asked[problem] == 0 and problem not in ledger.forgone

    def _is_cut(self, problem: int) -> bool:
        """All its answers so far are too long for `max_tokens`."""
        ledger = self._ledger
        truncated = ledger.truncated[problem]
        return truncated >= self._adaptive.truncated_tries and not ledger.fitting[problem]

    def _stop(self, problem: int) -> str | None:
        ledger = self._ledger
        tried = ledger.tried[problem]
        if ledger.kept[problem] >= ledger.needed:
            return DONE
        if problem in ledger.forgone:
            return ledger.forgone[problem]
        if self._is_cut(problem) and self._is_hopelessly_long(problem):
            return TRUNCATED
        if ledger.failed[problem] >= _FAILED_TRIES and not tried:
            return FAILED
        if ledger.tries.asked[problem] >= self._most:
            return AWAITED if ledger.tries.under_way_of(problem) else TRIES
        return None

    def _is_hopelessly_long(self, problem: int) -> bool:
        truncated = self._ledger.truncated[problem]
        if self._adaptive.longer_max_tokens is None:
            return True
        twice = 2 * self._adaptive.truncated_tries
        return truncated >= twice and truncated == self._ledger.tried[problem]

    def _enter(self, problem: int) -> None:
        ledger = self._ledger
        tries = ledger.tried[problem] + ledger.failed[problem]
        if self._adaptive.longer_max_tokens is not None and self._is_cut(problem):
            tries -= self._adaptive.truncated_tries  # nothing is known yet with the longer limit
        under_way = ledger.tries.under_way_of(problem)
        key = (self._group(problem), ledger.kept[problem], tries, under_way)
        bucket = self._queues.bucket(key)
        if bucket.version < 0:
            self._buckets_of[bucket.group].append(bucket)
        if bucket.version != self._versions[bucket.group]:
            self._renew(bucket)
        self._reserved += bucket.reserve
        self._queues.enter(bucket, problem)

    def _renew(self, bucket: Bucket) -> None:
        """Work its group's present prior and length into a bucket."""
        self._reserved -= bucket.members * bucket.reserve
        group, tries, under_way = bucket.group, bucket.tries, bucket.under_way
        bucket.version = self._versions[group]
        prior, length = self._priors[group], self._lengths[group]
        bucket.alive = prior.chance(bucket.kept, tries) >= self._least_chance
        is_unsolved = bucket.alive and not bucket.kept
        bucket.reserve = max(0, self._own - tries - under_way) if is_unsolved else 0
        surplus = self._surplus(bucket, prior)
        bucket.queue = self._queue(bucket, prior, surplus) if bucket.alive else None
        if length is not None:
            chance = prior.chance(bucket.kept, tries + under_way) * (1.0 - surplus)
            bucket.base = _LENGTH_TRIES * math.exp(length * _LENGTH_STEP)
            bucket.factor = chance * (_LENGTH_TRIES + tries)
        self._reserved += bucket.members * bucket.reserve
        self._queues.moved(bucket)

    def _queue(self, bucket: Bucket, prior: Prior, surplus: float) -> int | None:
        if not bucket.under_way:
            if bucket.kept:
                return _SOLVED
            return _OWN if bucket.reserve else _UNSOLVED
        if prior.chance(bucket.kept, bucket.tries + bucket.under_way) < self._least_chance:
            return None  # given up if those under way miss
        is_sure = bucket.under_way < self._ledger.needed - bucket.kept
        speculation = self._adaptive.speculation
        is_ahead = surplus <= speculation and bucket.under_way <= math.ceil(
            speculation * bucket.tries
        )
        if bucket.kept:
            return _AHEAD_SOLVED if is_sure or is_ahead else None
        if is_ahead:
            return _AHEAD_OWN if bucket.reserve else _AHEAD_UNSOLVED
        return None

    def _surplus(self, bucket: Bucket, prior: Prior) -> float:
        """Chance that those under way bring all that is needed."""
        needed = self._ledger.needed - bucket.kept
        if bucket.under_way < needed:
            return 0.0
        chance, tries = prior.chance(bucket.kept, bucket.tries), bucket.under_way
        fewer = sum(
            math.comb(tries, kept) * chance**kept * (1.0 - chance) ** (tries - kept)
            for kept in range(needed)
        )
        return 1.0 - fewer

    def _best_tried(self, is_free: bool) -> Bucket | None:
        """Of the problems that were tried; `is_free`: more of the pool is left than is reserved."""
        pace = self._pace()
        least = self._adaptive.least_further_worth * pace
        solved = self._queues.best(_SOLVED) if is_free else None
        if solved is not None and solved.posted >= pace:
            return solved
        unsolved = self._worthier(_OWN, _UNSOLVED, is_free)
        if unsolved is not None:
            return unsolved
        if solved is not None and solved.posted >= least:
            return solved
        ahead = self._worthier(_AHEAD_OWN, _AHEAD_UNSOLVED, is_free)
        if ahead is not None:
            return ahead
        solved = self._queues.best(_AHEAD_SOLVED) if is_free else None
        return solved if solved is not None and solved.posted >= least else None

    def _pace(self) -> float:
        return self._ledger.total_kept / max(1, self._ledger.total_tokens)

    def _worthier(self, own: int, other: int, is_free: bool) -> Bucket | None:
        """The better of those with tries of their own and, where more is left, of the others."""
        mine = self._queues.best(own)
        free = self._queues.best(other) if is_free else None
        if mine is None or free is None:
            return mine or free
        return max(mine, free, key=lambda bucket: (bucket.posted, mine is bucket))

"""A finished run's own tries, played again by another policy.

A problem's recorded tries come first, in the order of their indices, each as it was. Where a policy
wants more, they are drawn: with a chance from the problem's posterior, Beta(a + kept, b + tries -
kept), as long as one of its own tries that was kept, or not, as this one is; where it has none, as
one of its group, or of any.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from distill.sampling.policy import Result, Settings
from distill.sampling.posterior import fitted
from distill.sampling.simulate import Drawn, Outcome, most_tries, run

INTERVAL = (2.5, 97.5)  # percentiles


class Range(NamedTuple):
    """Mean over repeats, and the middle 95% of them."""

    mean: float
    low: float
    high: float


class Pool(NamedTuple):
    """Which rows of all tries each problem draws from: `count` of `rows`, from `first` on."""

    rows: np.ndarray
    first: np.ndarray  # (problems,)
    count: np.ndarray  # (problems,)


def replay(
    record: Sequence[Sequence[Result]],
    settings: Settings,
    *,
    seed: int,
    wave: int = 64,
    groups: Sequence[int] | None = None,
) -> Outcome:
    """What a policy would have made of a run.

    Args:
        record: each problem's tries, in the order of their indices; at least one of all.
        groups: family of each problem.
    """
    recorded = Recorded(record, groups)
    problems = np.arange(len(record))
    drawn = recorded.draw(problems, most_tries(settings), np.random.default_rng(seed))
    return run(drawn, settings, wave, groups)


def expected(
    record: Sequence[Sequence[Result]],
    settings: Settings,
    *,
    seed: int,
    repeats: int = 200,
    wave: int = 64,
    groups: Sequence[int] | None = None,
) -> dict[str, Range]:
    """What a policy would make of problems like those of a run.

    Each repeat draws the problems with replacement (bootstrap) and replays them.
    Returns: range of completions, tokens, kept, solved and tokens_per_kept.
    """
    recorded = Recorded(record, groups)
    rows = []
    for number in range(repeats):
        rng = np.random.default_rng([seed, number])
        chosen = rng.integers(len(record), size=len(record))
        drawn = recorded.draw(chosen, most_tries(settings), rng)
        of_chosen = None if groups is None else np.asarray(groups)[chosen].tolist()
        rows.append(_figures(drawn, settings, wave, of_chosen))
    return {name: _range([row[name] for row in rows]) for name in rows[0]}


def _figures(
    drawn: Drawn, settings: Settings, wave: int, groups: Sequence[int] | None
) -> dict[str, float]:
    if settings.adaptive is None:
        return fixed_totals(drawn, settings)
    outcome = run(drawn, settings, wave, groups)
    return {
        "completions": outcome.completions,
        "tokens": outcome.tokens,
        "kept": outcome.kept,
        "solved": outcome.solved,
        "tokens_per_kept": outcome.tokens_per_kept,
    }


def fixed_totals(drawn: Drawn, settings: Settings) -> dict[str, float]:
    """What `run` brings with a fixed number of tries: they do not depend on each other."""
    kept, truncated, tokens = (
        side[:, : settings.completions_per_problem]
        for side in (drawn.kept, drawn.truncated, drawn.tokens)
    )
    counts = (kept & ~truncated & (tokens < settings.max_tokens)).sum(axis=1)
    spent = int(np.minimum(tokens, settings.max_tokens).sum())
    useful = int(np.minimum(counts, settings.needed or settings.completions_per_problem).sum())
    return {
        "completions": kept.size,
        "tokens": spent,
        "kept": useful,
        "solved": int((counts > 0).sum()),
        "tokens_per_kept": spent / useful if useful else float("inf"),
    }


def _range(values: Sequence[float]) -> Range:
    low, high = np.percentile(values, INTERVAL, method="nearest")
    return Range(float(np.mean(values)), float(low), float(high))


class Recorded:
    """Tries of a run in arrays, to draw outcomes from many times."""

    def __init__(
        self, record: Sequence[Sequence[Result]], groups: Sequence[int] | None = None
    ) -> None:
        if not any(record):
            raise ValueError("no problem was tried")
        group_of = [0] * len(record) if groups is None else list(groups)
        self._counts = np.array([len(tries) for tries in record])
        self._starts = np.cumsum(self._counts) - self._counts
        tries = np.array([one for tries in record for one in tries], dtype=np.int64)
        self._kept, self._truncated, self._tokens = tries.T
        priors = fitted([[one.kept for one in tries] for tries in record], group_of)
        kept = np.array([sum(one.kept for one in tries) for tries in record])
        self._a = np.array([priors[group].a for group in group_of]) + kept
        self._b = np.array([priors[group].b for group in group_of]) + self._counts - kept
        problem = np.repeat(np.arange(len(record)), self._counts)
        self._pools = [self._pool(problem, group_of, kept=flag) for flag in (0, 1)]

    def draw(self, problems: np.ndarray, tries: int, rng: np.random.Generator) -> Drawn:
        """Outcomes of so many tries of each of these problems: the recorded ones, then drawn."""
        shape = (len(problems), tries)
        kept = rng.random(shape) < rng.beta(self._a[problems], self._b[problems])[:, None]
        picks = rng.random(shape)
        missed_at, kept_at = (_picked(pool, problems, picks) for pool in self._pools)
        at = np.where(kept, kept_at, missed_at)
        known = np.arange(tries) < self._counts[problems][:, None]
        at = np.where(known, self._starts[problems][:, None] + np.arange(tries), at)
        kept = np.where(known, self._kept[at] == 1, kept)
        # a try that stands in for one that was kept, where none ever was, is not cut
        return Drawn(kept, (self._truncated[at] == 1) & (known | ~kept), self._tokens[at])

    def _pool(self, problem: np.ndarray, group_of: Sequence[int], *, kept: int) -> Pool:
        """Rows of tries of one kind to draw from: of a problem, else of its group, else of any."""
        of_kind = np.flatnonzero(self._kept == kept)
        if not len(of_kind):
            of_kind = np.arange(len(self._kept))
        groups = np.asarray(group_of)
        by_group = of_kind[np.argsort(groups[problem[of_kind]], kind="stable")]
        rows = np.concatenate([of_kind, by_group])
        first, count = _runs(problem[of_kind], len(groups))
        group_first, group_count = _runs(groups[problem[by_group]], 1 + int(groups.max()))
        of_group = group_count[groups] > 0
        spare_first = np.where(of_group, group_first[groups] + len(of_kind), 0)
        spare_count = np.where(of_group, group_count[groups], len(of_kind))
        has_own = count > 0
        return Pool(
            rows, np.where(has_own, first, spare_first), np.where(has_own, count, spare_count)
        )


def _runs(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the numbers below `size` begins in sorted values, and how often it is there."""
    counts = np.bincount(values, minlength=size)
    return np.cumsum(counts) - counts, counts


def _picked(pool: Pool, problems: np.ndarray, picks: np.ndarray) -> np.ndarray:
    first, count = pool.first[problems][:, None], pool.count[problems][:, None]
    return pool.rows[(first + picks * count).astype(np.int64)]

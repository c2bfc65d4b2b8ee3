"""How likely another try of a problem is to be kept: Beta-binomial, its prior learned per family.

A problem's tries are kept with an unknown chance p of its own. Within a family (a group) the
chances are taken as Beta(a, b) distributed; after k kept of n tries the chance that another is kept
is the posterior mean

    (a + k) / (a + b + n).

(a, b) is learned from all problems of the group by its marginal likelihood (empirical Bayes). For
one problem that is B(a + k, b + n - k) / B(a, b), whatever rule stopped its tries: a rule that
looks only at results does not enter a likelihood, while moments of k / n would be biased by it. In
logarithms each success after k others adds log(a + k), each miss after f others adds log(b + f),
and every try after n others takes off log(a + b + n). So the sum over a group is a sum over its
results, and which came first does not matter. It is kept for each point of a fixed grid of priors
(mean m = a / (a + b) and strength s = a + b), in whole numbers, so that it is the same to the bit
for every order; the prior of a group is the best point of the grid. No refit has to be scheduled:
the best point moves rarely, and only then is anything computed anew.

Families are shrunk to the whole: a group's point is penalised by its squared distance from the best
point of all results, in logit(m) and log(s), as under a normal distribution of the families; that
best point itself is held by a weak default, Beta(1, 1).

Source: the Beta-binomial and its empirical Bayes, Casella, The American Statistician 39(2), 1985;
the form of the likelihood, Minka, Estimating a Dirichlet distribution, 2000; that stopping rules do
not enter, Berger and Wolpert, The Likelihood Principle, 1984.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_SCALE = 2**24  # logarithms are kept as whole multiples of 1 / _SCALE
_LOGITS = np.linspace(-6.0, 6.0, 37)  # of the mean: 0.0025 to 0.9975
_STRENGTHS = 2.0 ** np.arange(-2, 7)  # 1/4 to 64 tries; not sharper, so that no miss decides all
_MEANS = 1.0 / (1.0 + np.exp(-_LOGITS))
_A = np.outer(_MEANS, _STRENGTHS).ravel()
_B = np.outer(1.0 - _MEANS, _STRENGTHS).ravel()
_LOGIT_OF = np.repeat(_LOGITS, len(_STRENGTHS))
_LOG_STRENGTH_OF = np.tile(np.log(_STRENGTHS), len(_LOGITS))
_DEFAULT = int(np.argmin(np.abs(_A - 1.0) + np.abs(_B - 1.0)))  # Beta(1, 1)
_DEFAULT_SPREAD = (0.7, 0.5)  # of all results around the default, in logit(m) and log(s)
_FAMILY_SPREAD = (1.5, 1.0)  # of families around the whole


class Prior(NamedTuple):
    """Beta(a, b) over the chances of a group's problems."""

    a: float
    b: float

    def chance(self, kept: int, tries: int) -> float:
        """Posterior mean chance that another try is kept."""
        return (self.a + kept) / (self.a + self.b + tries)


_GRID = [Prior(a, b) for a, b in zip(_A.tolist(), _B.tolist(), strict=True)]


class Priors:
    """The prior of every group, learned from what is added."""

    def __init__(self, groups: int) -> None:
        self._likelihoods = np.zeros((groups, len(_A)), dtype=np.int64)
        self._rows = list(self._likelihoods)
        self._whole = np.zeros(len(_A), dtype=np.int64) if groups > 1 else None
        self._centre = _DEFAULT
        self._points = [_DEFAULT] * groups
        self._dirty: set[int] = set()

    def add(self, group: int, kept_before: int, tries_before: int, kept: bool) -> None:
        """One more result of a problem that had so many kept of so many tries."""
        gain = _gain(kept_before, tries_before, kept)
        self._rows[group] += gain
        if self._whole is not None:
            self._whole += gain
        self._dirty.add(group)

    def __getitem__(self, group: int) -> Prior:
        return _GRID[self._points[group]]

    def refresh(self) -> list[int]:
        """Bring the priors up to what was added; returns the groups whose prior is another now."""
        if not self._dirty:
            return []
        groups = sorted(self._dirty)
        self._dirty.clear()
        if self._whole is not None:
            centre = int(np.argmax(self._whole + _penalty(_DEFAULT, _DEFAULT_SPREAD)))
            if centre != self._centre:
                self._centre, groups = centre, list(range(len(self._points)))
            penalty = _penalty(self._centre, _FAMILY_SPREAD)
        else:
            penalty = _penalty(_DEFAULT, _DEFAULT_SPREAD)
        best = np.argmax(self._likelihoods[groups] + penalty, axis=1).tolist()
        moved = [
            (group, at) for group, at in zip(groups, best, strict=True) if self._points[group] != at
        ]
        for group, at in moved:
            self._points[group] = at
        return [group for group, _ in moved]

    def drawn(self, rng: np.random.Generator) -> list[Prior]:
        """One point for every group, drawn from its posterior around a drawn centre."""
        whole = self._likelihoods.sum(axis=0)
        centre = _drawn_point(whole + _penalty(_DEFAULT, _FAMILY_SPREAD), rng)
        penalty = _penalty(centre, _FAMILY_SPREAD)
        return [_GRID[_drawn_point(row + penalty, rng)] for row in self._likelihoods]


def fitted(record: Iterable[Iterable[bool]], groups: Iterable[int], *, count: int) -> list[Prior]:
    """The priors of all `count` groups, from each problem's results: was a try kept."""
    priors = _learned(record, groups, count)
    priors.refresh()
    return [priors[group] for group in range(count)]


def drawn(
    record: Iterable[Iterable[bool]],
    groups: Iterable[int],
    rng: np.random.Generator,
    *,
    count: int,
) -> list[Prior]:
    """Priors that could be the true ones: as `fitted`, but drawn by how likely each point is."""
    return _learned(record, groups, count).drawn(rng)


def _learned(record: Iterable[Iterable[bool]], groups: Iterable[int], count: int) -> Priors:
    priors = Priors(count)
    for group, results in zip(groups, record, strict=True):
        kept_before = 0
        for tries_before, kept in enumerate(results):
            priors.add(group, kept_before, tries_before, kept)
            kept_before += kept
    return priors


def _drawn_point(weights: np.ndarray, rng: np.random.Generator) -> int:
    """A point of the grid; weights: (points,) logarithms in multiples of 1 / _SCALE."""
    shares = np.exp((weights - weights.max()) / _SCALE)
    return int(rng.choice(len(shares), p=shares / shares.sum()))


@lru_cache(maxsize=8192)
def _gain(kept_before: int, tries_before: int, kept: bool) -> np.ndarray:
    """What one result adds to the log likelihood of each prior of the grid."""
    mine = _A + kept_before if kept else _B + (tries_before - kept_before)
    # rounded apart, so that the sum over a problem's tries does not depend on their order
    return _whole_log(mine) - _whole_log(_A + _B + tries_before)


def _whole_log(values: np.ndarray) -> np.ndarray:
    return np.rint(_SCALE * np.log(values)).astype(np.int64)


@lru_cache(maxsize=512)
def _penalty(centre: int, spread: tuple[float, float]) -> np.ndarray:
    logits = (_LOGIT_OF - _LOGIT_OF[centre]) / spread[0]
    strengths = (_LOG_STRENGTH_OF - _LOG_STRENGTH_OF[centre]) / spread[1]
    return np.rint(-0.5 * _SCALE * (logits**2 + strengths**2)).astype(np.int64)


@lru_cache(maxsize=1024)
def expected_tries(prior: Prior, needed: int, least_chance: float, most: int) -> np.ndarray:
    """Mean number of tries still to come, one after the other, of a problem in each state.

    Args:
        least_chance: given up below it. most: tries of a problem.
    Returns: (needed, most + 1) float, by kept and tries so far.
    """
    left = np.zeros((needed + 1, most + 2))
    for tries in range(most - 1, -1, -1):
        for kept in range(min(needed - 1, tries), -1, -1):
            chance = prior.chance(kept, tries)
            if chance >= least_chance or not tries:
                after = chance * left[kept + 1, tries + 1]
                left[kept, tries] = 1.0 + after + (1.0 - chance) * left[kept, tries + 1]
    return left[:needed, : most + 1]

"""What ways of sampling would cost and bring, from what became of some tries.

The real policy is run many times, each time in another world that could be the true one:

- the problems that were tried are drawn with replacement (bootstrap), and the prior of each
  family's chances is drawn from what those say of it;
- a tried problem has a chance drawn from its own posterior, Beta(a + kept, b + tries - kept);
- a problem that was not tried takes the place of a drawn one of its family, or of any where its
  family was not tried, with a chance from that one's posterior;
- its completions are drawn from the tries of the problem whose place it took, kept and other ones
  apart, since those that are right are shorter; where it has none of that kind, from its family's.

The middle 95% of what the worlds bring is the interval. Of many problems a part is simulated, with
as much of the batch, and scaled up.

Source: Efron, Bootstrap methods, Annals of Statistics 7(1), 1979; Rubin, The Bayesian bootstrap,
Annals of Statistics 9(1), 1981.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from distill.recipe import Price
from distill.sampling.budget import Limits, usd_of
from distill.sampling.policy import Settings
from distill.sampling.posterior import Prior
from distill.sampling.posterior import drawn as drawn_priors
from distill.sampling.simulate import Drawn, Outcome, most_tries, run

WORLDS = 100
MOST_PROBLEMS = 600  # simulated in one world
MOST_DRAWN = 300  # tried problems that a prior is fitted to
INTERVAL = (2.5, 97.5)  # percentiles
CURVE_POINTS = 60


class Try(NamedTuple):
    """What became of one completion."""

    kept: bool
    truncated: bool
    prompt_tokens: int
    tokens: int  # of the completion


class Seen(NamedTuple):
    """What is known of the problems that are to be sampled."""

    tries: Mapping[int, Sequence[Try]]  # by problem, in the order in which they were asked
    groups: Sequence[int]  # family of every problem, numbered from 0


class Terms(NamedTuple):
    """What the tokens cost, in time and money."""

    limits: Limits
    price: Price
    tokens_per_second: float  # of completions
    start_seconds: float  # before the first
    rows: int  # completions at once


class Interval(NamedTuple):
    """Mean and the middle 95% over the worlds."""

    mean: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a way of sampling comes to."""

    completions: Interval  # those withdrawn aside
    prompt_tokens: Interval
    tokens: Interval  # of completions, withdrawn ones included as far as they went
    hours: Interval
    usd: Interval
    kept: Interval  # at most `needed` of a problem
    solved: Interval  # problems with a kept trace
    tokens_per_kept: Interval  # completion tokens


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a budget would end it, over the worlds in which one does."""

    limit: str  # the key of the recipe that most often does
    chance: float  # that any does
    figures: Figures


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """One way of sampling."""

    settings: Settings
    whole: Figures  # as if there were no budget
    stop: Stop | None
    curve: list[tuple[float, float, float, float, float]]  # tokens; kept: mean, low, high; solved


def forecast(
    seen: Seen, settings: Settings, terms: Terms, *, seed: int, worlds: int = WORLDS
) -> Forecast:
    """Run a way of sampling in many worlds; the same seed gives two ways the same worlds.

    Raises: ValueError where no problem was tried.
    """
    if not any(seen.tries.values()):
        raise ValueError("no problem was tried")
    lives = [
        _live(seen, settings, terms, np.random.default_rng([seed, number]))
        for number in range(worlds)
    ]
    stopped = [life for life in lives if life.stop_at is not None]
    return Forecast(
        settings=settings,
        whole=_figures([life.at(life.total) for life in lives]),
        stop=_stop(stopped, worlds) if stopped else None,
        curve=_curve(lives),
    )


# --- one world --------------------------------------------------------------------------------


class _Live:
    """What a run comes to in one world, at each of its completions; in whole-run numbers."""

    def __init__(self, outcome: Outcome, prompt_tokens: float, scale: float, terms: Terms) -> None:
        path = outcome.path * scale
        self.tokens, self.kept, self.solved = path.T
        self.total = len(path) - 1
        self.completions = np.arange(1, len(path) + 1) * scale
        asked = outcome.completions + outcome.withdrawn
        self.prompts = self.completions * (prompt_tokens * asked / max(1, outcome.completions))
        self.hours = (terms.start_seconds + self.tokens / terms.tokens_per_second) / 3600
        self.usd = usd_of(terms.price, self.prompts, self.tokens, self.hours)
        self.limit, self.stop_at = self._first_limit(terms.limits)

    def at(self, row: int) -> tuple[float, ...]:
        """The figures after so many completions, in the order of Figures."""
        kept, tokens = self.kept[row], self.tokens[row]
        spent = (self.completions[row], self.prompts[row], tokens, self.hours[row], self.usd[row])
        return (*spent, kept, self.solved[row], tokens / kept if kept else np.inf)

    def _first_limit(self, limits: Limits) -> tuple[str, int | None]:
        spent = {
            "max_tokens_total": self.tokens + self.prompts,
            "max_usd": self.usd,
            "max_hours": self.hours,
        }
        found = [
            (int(np.searchsorted(values, getattr(limits, key))), f"sample.{key}")
            for key, values in spent.items()
            if getattr(limits, key) is not None and values[-1] > getattr(limits, key)
        ]
        return (min(found)[1], min(found)[0]) if found else ("", None)


def _live(seen: Seen, settings: Settings, terms: Terms, rng: np.random.Generator) -> _Live:
    problems = len(seen.groups)
    tried = [place for place, tries in seen.tries.items() if tries]
    drawn = rng.choice(tried, size=min(len(tried), MOST_DRAWN)).tolist()
    priors = _priors(seen, drawn, rng)
    places = np.arange(problems)
    if problems > MOST_PROBLEMS:
        places = np.sort(rng.choice(problems, MOST_PROBLEMS, replace=False))
    stands_for = _stand_ins(seen, places.tolist(), drawn, rng)
    tries = most_tries(settings)
    outcomes = _outcomes(seen, stands_for, priors, tries, rng)
    prompts = [np.mean([one.prompt_tokens for one in seen.tries[at]]) for at in stands_for]
    share = len(places) / problems
    groups = [seen.groups[place] for place in places]
    outcome = run(outcomes, settings, max(1, round(terms.rows * share)), groups)
    weights = np.maximum(outcome.tries, 1e-9)
    return _Live(outcome, float(np.average(prompts, weights=weights)), 1 / share, terms)


def _priors(seen: Seen, drawn: Sequence[int], rng: np.random.Generator) -> list[Prior]:
    """A prior for every family that could be the true one, from the problems that were drawn."""
    record = ([one.kept for one in seen.tries[place]] for place in drawn)
    groups = [seen.groups[place] for place in drawn]
    return drawn_priors(record, groups, rng, count=1 + max(seen.groups))


def _stand_ins(
    seen: Seen, places: Sequence[int], drawn: Sequence[int], rng: np.random.Generator
) -> list[int]:
    """For every problem the tried one that it is like: itself, one of its family, any."""
    of_group = _by_group(seen, [place for place, tries in seen.tries.items() if tries])
    of_group |= _by_group(seen, drawn)
    picks = rng.random(len(places))
    found = []
    for place, pick in zip(places, picks, strict=True):
        like = of_group.get(seen.groups[place], drawn)
        found.append(place if seen.tries.get(place) else like[int(pick * len(like))])
    return found


def _by_group(seen: Seen, places: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place in places:
        found[seen.groups[place]].append(place)
    return dict(found)


def _outcomes(
    seen: Seen,
    stands_for: Sequence[int],
    priors: Sequence[Prior],
    tries: int,
    rng: np.random.Generator,
) -> Drawn:
    """The outcome of every try of every problem."""
    chances = []
    for place in stands_for:
        prior, known = priors[seen.groups[place]], seen.tries[place]
        right = sum(one.kept for one in known)
        chances.append(rng.beta(prior.a + right, prior.b + len(known) - right))
    shape = (len(stands_for), tries)
    kept = rng.random(shape) < np.array(chances)[:, None]
    picks = rng.random(shape)
    tokens, truncated = np.zeros(shape, dtype=int), np.zeros(shape, dtype=bool)
    pools = _Pools(seen)
    for row, place in enumerate(stands_for):
        for is_kept in (True, False):
            lengths, cuts = pools.of(place, is_kept)
            chosen = kept[row] == is_kept
            at = (picks[row, chosen] * len(lengths)).astype(int)
            tokens[row, chosen], truncated[row, chosen] = lengths[at], cuts[at] & (not is_kept)
    return Drawn(kept, truncated, tokens)


class _Pools:
    """Lengths of tries to draw from: of a problem, else of its family, else of all."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._known: dict[object, tuple[np.ndarray, np.ndarray]] = {}
        self._families: dict[tuple[int | None, bool], list[Try]] = defaultdict(list)
        for place, tries in seen.tries.items():
            for one in tries:
                self._families[seen.groups[place], one.kept].append(one)
                self._families[None, one.kept].append(one)

    def of(self, place: int, is_kept: bool) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and whether it was cut, of tries of one kind."""
        own = [one for one in self._seen.tries[place] if one.kept == is_kept]
        if own:
            return _lengths(own)
        group = self._seen.groups[place]
        for key in ((group, is_kept), (None, is_kept), (None, not is_kept)):
            if key in self._families:
                if key not in self._known:
                    self._known[key] = _lengths(self._families[key])
                return self._known[key]
        raise AssertionError("nothing was tried")


def _lengths(tries: Sequence[Try]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one.tokens for one in tries]), np.array([one.truncated for one in tries])


# --- over all worlds --------------------------------------------------------------------------


def _figures(rows: Sequence[tuple[float, ...]]) -> Figures:
    columns = np.array(rows).T
    lows, highs = (_percentile(columns, share) for share in INTERVAL)
    intervals = map(Interval, columns.mean(axis=1).tolist(), lows, highs)
    return Figures(**dict(zip(Figures.__struct_fields__, intervals, strict=True)))


def _percentile(columns: np.ndarray, share: float) -> list[float]:
    return np.percentile(columns, share, axis=1, method="nearest").tolist()


def _stop(stopped: Sequence[_Live], worlds: int) -> Stop:
    names = [life.limit for life in stopped]
    return Stop(
        limit=max(set(names), key=names.count),
        chance=len(stopped) / worlds,
        figures=_figures([life.at(life.stop_at) for life in stopped]),
    )


def _curve(lives: Sequence[_Live]) -> list[tuple[float, float, float, float, float]]:
    """Kept traces and solved problems against all tokens, as far as half of the worlds go."""
    spent = [life.tokens + life.prompts for life in lives]
    end = float(np.median([tokens[-1] for tokens in spent]))
    points = np.linspace(0, end, CURVE_POINTS)
    zero = np.zeros(1)

    def along(key: str) -> np.ndarray:
        return np.array(
            [
                np.interp(points, np.concatenate([zero, tokens]), np.concatenate([zero, values]))
                for tokens, values in zip(spent, (getattr(one, key) for one in lives), strict=True)
            ]
        )

    kept, solved = along("kept"), along("solved").mean(axis=0)
    low, high = (np.percentile(kept, share, axis=0) for share in INTERVAL)
    columns = (points, kept.mean(axis=0), low, high, solved)
    return [tuple(row) for row in np.array(columns).T.tolist()]

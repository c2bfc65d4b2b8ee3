"""What the page shows of the sampling, read from the store in one pass and without its texts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec

from distill.evaluation.costs import Line
from distill.evaluation.page import Section
from distill.evaluation.sampling_section import (
    FailureLine,
    FewerTries,
    Pile,
    ShownSampling,
    sampling_section,
)
from distill.recipe import Price, Recipe
from distill.records import Decision, DropReason, Failure, Preview, Trace, Verdict
from distill.runlog import read_metrics
from distill.sampling.budget import usd_of
from distill.stages.budget_end import ended_by_budget
from distill.stages.sample_state import GIVEN_UP, Tally, spent
from distill.store import RunPaths, Store

FIT = frozenset((DropReason.KEPT, DropReason.SURPLUS, DropReason.FAMILY_SURPLUS))
MOST_POINTS = 400  # of the curve
PILES = ("fit", "right, not fit", "not right", "not known")

R = TypeVar("R")
Keyed = tuple[str, R]


class Seen(NamedTuple):
    """What is known of a stored trace, its texts aside."""

    problem_id: str
    index: int
    tally: Tally
    pile: str  # of PILES
    is_right: bool
    is_kept: bool | None  # by the filter; None: it has not run
    scoring_seconds: float


class Sampled(msgspec.Struct):
    """What there is of a run's traces, added up."""

    requests: Counter[str] = msgspec.field(default_factory=Counter)  # by pile, as the next two
    prompt_tokens: Counter[str] = msgspec.field(default_factory=Counter)
    completion_tokens: Counter[str] = msgspec.field(default_factory=Counter)
    right: int = 0
    kept: int | None = None
    truncated: int = 0
    seconds: float | None = None  # of sampling, by the clock; None: the run has not stored it
    scoring_seconds: float = 0.0
    solved: int = 0
    tried: int = 0  # problems
    tries: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    fit_per_problem: Counter[int] = msgspec.field(default_factory=Counter)
    by_index: dict[int, tuple[int, int, int]] = msgspec.field(default_factory=dict)
    failures: list[FailureLine] = msgspec.field(default_factory=list)

    @property
    def tokens_generated(self) -> int:
        """Completion tokens, those of requests that brought no trace included."""
        failed = sum(line.completion_tokens for line in self.failures)
        return self.completion_tokens.total() + failed


def read_sampled(store: Store) -> Sampled:
    """Add up what is stored; of a hundred thousand traces no more is held than of a hundred."""
    found = Sampled(failures=_failures(store), seconds=spent(store).seconds or None)
    for _, traces in groupby(_seen(store), key=lambda one: one.problem_id):
        _add_problem(found, list(traces))
    return found


def sampling_view(recipe: Recipe, store: Store, paths: RunPaths, found: Sampled) -> Section:
    """The page's section about the sampling."""
    sample = recipe.sample
    lines = read_metrics(paths.metrics, "sample")
    ended = ended_by_budget(store)
    seconds = found.seconds or sum(line.get("seconds", 0.0) for line in lines)
    hours = seconds / 3600
    usd_of_tokens, usd_of_hours = _usd(sample.price, found, hours)
    shown = ShownSampling(
        engine=_engine(store) or sample.engine,
        teacher=sample.teacher,
        is_adaptive=sample.adaptive is not None,
        problems=store.count("problems"),
        piles=[
            Pile(
                pile, found.requests[pile], found.prompt_tokens[pile], found.completion_tokens[pile]
            )
            for pile in PILES
        ],
        failures=found.failures,
        right=found.right,
        kept=found.kept,
        truncated=found.truncated,
        solved=found.solved,
        tries=_with_untried(found, store.count("problems")),
        fit_per_problem=found.fit_per_problem,
        fewer=_fewer(found),
        curve=_curve(lines),
        given_up=_given_up(store),
        reached="" if ended is None else ended.reached,
        hours=hours or None,
        usd_of_tokens=usd_of_tokens,
        usd_of_hours=usd_of_hours,
    )
    return sampling_section(shown)


# --- traces -----------------------------------------------------------------------------------


def _seen(store: Store) -> Iterator[Seen]:
    """Every stored trace with what was found of it, in the order of the keys."""
    tallies = _tallies(store)
    verdicts = _beside(tallies, store.scan_items("verdicts", Verdict))
    previews = _beside(verdicts, store.scan_items("previews", Preview))
    for key, (((tally, verdict), preview), decision) in _beside(
        previews, store.scan_items("decisions", Decision)
    ):
        problem_id, _, index = key.rpartition("#")
        right = None if verdict is None else verdict.correct
        if decision is not None:
            fit = decision.reason in FIT
        else:
            fit = right is True if preview is None else preview.kept
        pile = _pile(fit=fit, right=right)
        kept = None if decision is None else decision.kept
        seconds = 0.0 if verdict is None else verdict.seconds
        yield Seen(problem_id, int(index), tally, pile, right is True, kept, seconds)


def _pile(*, fit: bool, right: bool | None) -> str:
    if fit:
        return PILES[0]
    return PILES[3] if right is None else PILES[1 if right else 2]


def _tallies(store: Store) -> Iterator[Keyed[Tally]]:
    """What each trace counts for; of an old run they are taken from the traces themselves."""
    if store.count("tallies") >= store.count("traces"):
        yield from store.scan_items("tallies", Tally)
        return
    for key, trace in store.scan_items("traces", Trace):
        yield key, Tally.of(trace)


def _beside(items: Iterable[Keyed[Any]], others: Iterable[Keyed[R]]) -> Iterator[Keyed[Any]]:
    """Each item with the other of the same key, or None; both come in the order of their keys."""
    rest = iter(others)
    other = next(rest, None)
    for key, item in items:
        while other is not None and other[0] < key:
            other = next(rest, None)
        is_its = other is not None and other[0] == key
        yield key, (item, other[1] if is_its else None)


def _add_problem(found: Sampled, traces: list[Seen]) -> None:
    for trace in traces:
        _add_trace(found, trace)
    fit = sum(trace.pile == PILES[0] for trace in traces)
    found.tried += 1
    found.solved += fit > 0
    found.fit_per_problem[fit] += 1
    solved, other = found.tries.get(len(traces), (0, 0))
    found.tries[len(traces)] = (solved + (fit > 0), other + (fit == 0))
    first = min((trace.index for trace in traces if trace.pile == PILES[0]), default=None)
    if first is not None:
        tokens, fits, solved = found.by_index.get(first, (0, 0, 0))
        found.by_index[first] = tokens, fits, solved + 1


def _add_trace(found: Sampled, trace: Seen) -> None:
    found.requests[trace.pile] += 1
    found.prompt_tokens[trace.pile] += trace.tally.prompt_tokens
    found.completion_tokens[trace.pile] += trace.tally.completion_tokens
    found.right += trace.is_right
    found.truncated += trace.tally.is_truncated
    found.scoring_seconds += trace.scoring_seconds
    if trace.is_kept is not None:
        found.kept = (found.kept or 0) + trace.is_kept
    tokens, fits, solved = found.by_index.get(trace.index, (0, 0, 0))
    fits += trace.pile == PILES[0]
    found.by_index[trace.index] = tokens + trace.tally.completion_tokens, fits, solved


def _with_untried(found: Sampled, problems: int) -> dict[int, tuple[int, int]]:
    untried = problems - found.tried
    return {**({0: (0, untried)} if untried > 0 else {}), **found.tries}


def _fewer(found: Sampled) -> list[FewerTries]:
    """Sums over the completions of every problem up to each index."""
    tokens = fits = solved = 0
    lines = []
    for index in sorted(found.by_index):
        more_tokens, more_fits, more_solved = found.by_index[index]
        tokens, fits, solved = tokens + more_tokens, fits + more_fits, solved + more_solved
        lines.append(FewerTries(index + 1, tokens, fits, solved))
    return lines


# --- the rest ---------------------------------------------------------------------------------


def _failures(store: Store) -> list[FailureLine]:
    sums: dict[str, tuple[int, int, int, int, float]] = {}
    for one in store.scan("failures", Failure):
        new = 1, one.attempts, one.prompt_tokens, one.completion_tokens, one.seconds
        old = sums.get(one.reason.value, (0, 0, 0, 0, 0.0))
        sums[one.reason.value] = tuple(a + b for a, b in zip(old, new, strict=True))
    return [FailureLine(reason, *sums[reason]) for reason in sorted(sums)]


def _usd(price: Price, found: Sampled, hours: float) -> tuple[float | None, float | None]:
    """Of tokens and of machines; None where the recipe names no price."""
    if price == Price():
        return None, None
    prompt_tokens = found.prompt_tokens.total() + sum(one.prompt_tokens for one in found.failures)
    return usd_of(price, prompt_tokens, found.tokens_generated), usd_of(price, 0, 0, hours)


def _engine(store: Store) -> str:
    """As the first trace tells it."""
    trace = next(store.scan("traces", Trace), None)
    return "" if trace is None or trace.origin is None else trace.origin.engine


def _curve(lines: list[Line]) -> list[tuple[int, int, int]]:
    """Tokens, right and fit traces so far, at the end of each line; evenly fewer of many."""
    tokens = right = kept = 0
    points = [(0, 0, 0)]
    for line in lines:
        if {"completion_tokens", "right", "kept"} <= line.keys():
            tokens += line["completion_tokens"]
            right, kept = right + line["right"], kept + line["kept"]
            points.append((tokens, right, kept))
    step = -(-len(points) // MOST_POINTS)
    return [*points[:-1:step], points[-1]] if len(points) > 1 else []


def _given_up(store: Store) -> dict[str, int]:
    """Reason to problems, as the sampling's end told it."""
    mark = store.mark(GIVEN_UP)
    return {} if mark is None else json.loads(mark)

"""What other ways to sample would have cost a run, beside what it did cost."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from distill.errors import StoreError
from distill.recipe import Price, Recipe
from distill.recipe_file import load_recipe
from distill.recipe_paths import is_there
from distill.runlog import derived_seed
from distill.sampling.budget import Limits, usd_of
from distill.sampling.forecast import WORLDS, Figures, Interval, forecast
from distill.sampling.policy import Settings
from distill.stages.budget_end import ended_by_budget
from distill.stages.known_tries import KnownRun, known_run, seen_of
from distill.stages.plan import COMPARED, terms_of, ways
from distill.stages.plan_text import ROWS, table
from distill.stages.sample_settings import settings_of
from distill.store import RunPaths, Store

COMPARABLE = ("completions", "tokens", "kept", "solved", "tokens_per_kept")  # what chance decides


class Was(NamedTuple):
    """How a run was sampled."""

    settings: Settings
    limits: Limits  # that ended it; none where it ended by itself


def finished_run(folder: str | Path) -> RunPaths:
    """The paths of a run that was sampled. Raises: StoreError if there is none in the folder."""
    paths = RunPaths(folder)
    if not is_there(paths.store) or not is_there(paths.recipe):
        raise StoreError(f"{paths.root}: no run in this folder")
    with closing(Store(paths.store, read_only=True)) as store:
        if store.mark("sample") is None:
            raise StoreError(
                f"{paths.root}: its sampling is not finished; `distill sample RECIPE` goes on, or "
                "`distill plan RECIPE` goes by what is there"
            )
    return paths


def replay(recipe: Recipe, paths: RunPaths, *, worlds: int = WORLDS) -> str:
    """Sample the problems of a run again in the simulator, as they were and in other ways.

    Args:
        recipe: the run's, with what is to be changed in its other ways.
        worlds: in which each way to sample is tried.
    Returns: what to print.
    Raises: StoreError for a run whose completions were not looked at.
    """
    known = known_run(paths)
    if known is None:
        raise StoreError(
            f"{paths.root}: has no completions that were verified and filtered; run `distill "
            "verify` and `distill filter` first"
        )
    families = {key: name for key, name in known.families.items() if key not in known.forgone}
    seen, terms = seen_of(known, families), terms_of(recipe, known)
    seed = derived_seed(recipe.seed, "replay")
    others = ways(recipe, COMPARED)
    was = _was(paths, others["adaptive"].needed)
    try_out = partial(forecast, seen, seed=seed, worlds=worlds)
    again = try_out(was.settings, terms._replace(limits=was.limits))
    real = _real(known, was.settings.needed, recipe.sample.price)
    simulated = again.whole if again.stop is None else again.stop.figures
    free = terms._replace(limits=Limits())
    columns = {"it was": real, "the same again": simulated}
    columns |= {name: try_out(way, free).whole for name, way in others.items()}
    return "\n\n".join(
        [
            f"{paths.root}: {len(families):,} problems, {_told(was.settings)}, and sampled again "
            "in a simulator",
            table(columns, recipe.sample.price),
            f"{_capped(was.settings, others['adaptive'])}\n{_honesty(real, simulated)}",
        ]
    )


def _was(paths: RunPaths, needed: int) -> Was:
    """How it was sampled; of fixed tries, kept ones count as in the other ways."""
    settings = settings_of(load_recipe(paths.recipe))
    if settings.adaptive is None:
        settings = msgspec.structs.replace(settings, needed=needed)
    with closing(Store(paths.store, read_only=True)) as store:
        ended = ended_by_budget(store)
    return Was(settings, Limits() if ended is None else ended.limits)


def _real(known: KnownRun, needed: int, price: Price) -> Figures:
    """What the run did cost and bring."""
    by_problem = [sum(one.kept for one in tries) for tries in known.tries.values()]
    kept = sum(min(number, needed) for number in by_problem)
    hours = known.seconds / 3600
    values = {
        "completions": known.completions,
        "prompt_tokens": known.prompt_tokens,
        "tokens": known.tokens,
        "hours": hours,
        "usd": usd_of(price, known.prompt_tokens, known.tokens, hours),
        "kept": kept,
        "solved": sum(number > 0 for number in by_problem),
        "tokens_per_kept": known.tokens / kept if kept else float("inf"),
    }
    return Figures(**{key: Interval(value, value, value) for key, value in values.items()})


def _told(settings: Settings) -> str:
    if settings.adaptive is None:
        return f"each tried {settings.completions_per_problem} times"
    return f"tried adaptively until {settings.needed} of each were kept"


def _capped(was: Settings, other: Settings) -> str:
    said = f"Kept traces count up to {other.needed} of a problem"
    if was.needed != other.needed:
        said += f", in the first two columns up to {was.needed}"
    return f"{said}; [..] is the middle 95% of what could have been."


def _honesty(real: Figures, simulated: Figures) -> str:
    """Does the simulator say what happened?"""
    pairs = {key: (getattr(real, key).mean, getattr(simulated, key)) for key in COMPARABLE}
    outside = [
        ROWS[key] for key, (value, found) in pairs.items() if not found.low <= value <= found.high
    ]
    if not outside:
        return "The simulator is honest here: what it was lies within all of its intervals."
    return f"What it was lies outside of the simulator's interval for: {', '.join(outside)}."

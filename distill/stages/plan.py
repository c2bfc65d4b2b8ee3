"""What sampling would cost and bring, before it is paid for: from a pilot, or a run that is there.

A small pilot is sampled by the very stage that samples the rest; the ways to sample are then tried
in many worlds that could be the true one (`distill.sampling.forecast`).
"""

from pathlib import Path

import msgspec

from distill.errors import StoreError
from distill.evaluation.plan_plot import Curve, kept_curves
from distill.files import write_whole
from distill.problems.sources import load_problems
from distill.recipe import Adaptive, Recipe
from distill.records import Problem
from distill.runlog import derived_seed, fingerprint
from distill.sampling.forecast import WORLDS, Forecast, Terms, forecast
from distill.sampling.policy import Settings
from distill.stages.budget_end import limits_of
from distill.stages.driver import run_stages
from distill.stages.known_tries import KnownRun, known_run, seen_of
from distill.stages.plan_text import budget_lines, notes, plan_table, source_lines
from distill.stages.sample_settings import settings_of
from distill.stages.stage_keys import stage_keys
from distill.store import RunPaths

PILOT = "pilot"  # in the run folder
PILOT_PROBLEMS = 24
PILOT_TRIES = 4  # of each
NEVER = 1e9  # completions that a trace is worth: nothing is given up
COMPARED = (4, 16)  # fixed numbers of tries, beside the recipe's own
ENOUGH_PROBLEMS = 16  # of a run folder, to need no pilot


def run(
    recipe: Recipe,
    paths: RunPaths,
    *,
    problems: int | None = None,
    source: str | None = None,
    worlds: int = WORLDS,
) -> str:
    """Forecast the sampling of a recipe; writes plan.json and plan.png into the run folder.

    Args:
        recipe: checked, its paths as they are seen from here.
        problems: of a pilot that is wanted whatever traces there are.
        source: folder of another run of the same problems.
        worlds: in which each way to sample is tried.
    Returns: what to print.
    Raises: as `run_stages` for the pilot; StoreError for a run that tells nothing.
    """
    asked = load_problems(recipe.problems.train, limit=recipe.problems.limit)
    known = _known(recipe, paths, asked, problems, source)
    families = {one.problem_id: one.family for one in asked if one.problem_id not in known.forgone}
    seen, terms = seen_of(known, families), terms_of(recipe, known)
    seed = derived_seed(recipe.seed, "plan")
    plans = {
        name: forecast(seen, settings, terms, seed=seed, worlds=worlds)
        for name, settings in ways(recipe, COMPARED).items()
    }
    _write(paths, known, plans)
    return "\n\n".join(
        [
            f"{recipe.name}: what sampling {len(families)} problems would cost and bring",
            "\n".join(source_lines(known, recipe.sample.price)),
            plan_table(plans, recipe.sample.price),
            "\n".join(notes(plans)),
            "\n".join(budget_lines(plans, terms.limits)),
            f"{_json(paths)}\n{_plot(paths)}",
        ]
    )


def ways(recipe: Recipe, compared: tuple[int, ...]) -> dict[str, Settings]:
    """Name to settings: the recipe's fixed number of tries, others, and adaptive.

    Kept traces count up to the same number of a problem in all of them.
    """
    sample = recipe.sample
    adaptive = with_adaptive(recipe)
    numbers = sorted({sample.completions_per_problem, *compared})
    fixed = {
        f"fixed {number}": msgspec.structs.replace(
            adaptive, completions_per_problem=number, adaptive=None
        )
        for number in numbers
    }
    return {**fixed, "adaptive": adaptive}


def with_adaptive(recipe: Recipe) -> Settings:
    """The settings of a recipe with adaptive sampling, by its own keys or the defaults."""
    sample = msgspec.structs.replace(recipe.sample, adaptive=recipe.sample.adaptive or Adaptive())
    return settings_of(msgspec.structs.replace(recipe, sample=sample))


def terms_of(recipe: Recipe, known: KnownRun) -> Terms:
    """What tokens cost, at the speed that was measured."""
    return Terms(
        limits=limits_of(recipe.sample),
        price=recipe.sample.price,
        tokens_per_second=known.tokens_per_second,
        start_seconds=known.start_seconds,
        rows=rows_of(recipe),
    )


def rows_of(recipe: Recipe) -> int:
    """Completions that are under way at once."""
    sample = recipe.sample
    if sample.engine == "server" and sample.server is not None:
        return sample.server.max_in_flight
    return sample.batch_size * (sample.ray.actors if sample.engine == "ray" else 1)


# --- the pilot --------------------------------------------------------------------------------


def _known(
    recipe: Recipe,
    paths: RunPaths,
    asked: list[Problem],
    problems: int | None,
    source: str | None,
) -> KnownRun:
    """What is known of the problems; asks a few where that is nothing."""
    if source is not None:
        found = known_run(RunPaths(source))
        if found is None:
            raise StoreError(
                f"{source}: has no completions that were verified and filtered; run `distill "
                "verify` and `distill filter` there first, or leave --from out for a pilot"
            )
        return found
    found = None if problems else known_run(paths)
    if found is not None and len(found.tries) >= min(ENOUGH_PROBLEMS, len(asked)):
        return found
    return _pilot(recipe, paths, asked, problems or PILOT_PROBLEMS)


def _pilot(recipe: Recipe, paths: RunPaths, asked: list[Problem], number: int) -> KnownRun:
    """Sample a few problems in a folder of their own; the same pilot is not sampled again."""
    chosen = spread(asked, number)
    folder = RunPaths(paths.root / PILOT / _pilot_name(recipe, chosen))
    source = folder.root / "problems.jsonl"
    write_whole(source, b"".join(msgspec.json.encode(one) + b"\n" for one in chosen))
    run_stages(pilot_recipe(recipe, str(source)), folder, _pilot_stages(recipe))
    found = known_run(folder)
    if found is None:
        raise StoreError(
            f"{folder.root}: the pilot brought no completion, as its budget was reached at once; "
            "raise it, or name another run with --from"
        )
    return found


def _pilot_name(recipe: Recipe, chosen: list[Problem]) -> str:
    """Of all that its traces depend on, so that a changed recipe has a pilot of its own."""
    keys = stage_keys("sample", pilot_recipe(recipe, ""))
    return fingerprint(keys, [one.problem_id for one in chosen])[:8]


def spread(problems: list[Problem], number: int) -> list[Problem]:
    """So many problems, evenly over the families and the order of each."""
    if number >= len(problems):
        return problems
    order = sorted(range(len(problems)), key=lambda at: (problems[at].family, at))
    step = len(order) / number
    return [problems[at] for at in sorted(order[int((k + 0.5) * step)] for k in range(number))]


def pilot_recipe(recipe: Recipe, problems: str) -> Recipe:
    """The same number of tries for every problem of the pilot, each looked at as it comes."""
    replace = msgspec.structs.replace
    sample = replace(
        recipe.sample,
        completions_per_problem=PILOT_TRIES,
        adaptive=Adaptive(
            needed=PILOT_TRIES,
            max_completions_per_problem=PILOT_TRIES,
            completions_per_kept=NEVER,
            least_further_worth=0.0,
            speculation=1.0,
            truncated_tries=PILOT_TRIES,
        ),
    )
    if not _can_look(recipe):
        sample = replace(sample, adaptive=None)
    every = {"keep_per_problem": None, "keep_per_family": None}
    no_window = {"min_pass_rate": None, "max_pass_rate": None}
    return replace(
        recipe,
        name=f"{recipe.name}-pilot",
        problems=replace(recipe.problems, train=problems, limit=None),
        sample=sample,
        filter=replace(recipe.filter, **every, **no_window),
    )


def _can_look(recipe: Recipe) -> bool:
    """Is a trace judged by rule alone, so that it can be looked at at once?"""
    return recipe.filter.accept not in ("judge", "and")


def _pilot_stages(recipe: Recipe) -> list[str]:
    return ["sample"] if _can_look(recipe) else ["sample", "verify", "filter"]


# --- files ------------------------------------------------------------------------------------


def _json(paths: RunPaths) -> Path:
    return paths.root / "plan.json"


def _plot(paths: RunPaths) -> Path:
    return paths.root / "plan.png"


def _write(paths: RunPaths, known: KnownRun, plans: dict[str, Forecast]) -> None:
    told = {
        "from": {
            "run": known.folder,
            "problems": len(known.tries),
            "completions": known.completions,
            "kept": known.kept,
            "tokens": known.tokens,
            "seconds": known.seconds,
            "tokens_per_second": known.tokens_per_second,
        },
        "ways": plans,
    }
    write_whole(_json(paths), msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    curves = {name: [Curve(*point) for point in plan.curve] for name, plan in plans.items()}
    write_whole(_plot(paths), kept_curves(curves))

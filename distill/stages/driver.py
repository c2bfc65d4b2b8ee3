"""The stages in their order: checked before any work, run once, gone on from where they stopped."""

import importlib
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from distill.chat import CHAT_PROMPTS, PROMPTS
from distill.errors import RecipeError, StoreError
from distill.recipe import (
    GYM,
    Recipe,
    locate,
    models_of,
    nearest,
    save_recipe,
    sources_of,
)
from distill.runlog import fingerprint
from distill.store import RunPaths, Store, run_lock

logger = logging.getLogger("distill")

STAGES = {
    "sample": "distill.stages.sample",
    "verify": "distill.stages.verify",
    "filter": "distill.stages.filter",
    "sft": "distill.stages.sft",
    "grpo": "distill.stages.grpo",
    "evaluate": "distill.stages.evaluate",
    "report": "distill.stages.report",
}
OWN_KEYS = {  # what of the recipe a stage's results depend on, beside what its upstream does
    "sample": ("seed", "problems.train", "problems.limit", "sample"),
    "verify": ("verify",),
    "filter": ("filter", "evaluate.test_sets", "evaluate.limit"),
    "sft": ("sft",),
    "grpo": ("seed", "problems.rl", "problems.rl_limit", "verify", "sft.base", "grpo"),
    "evaluate": ("evaluate",),
    "report": (),
}
UPSTREAM = {
    "sample": (),
    "verify": ("sample",),
    "filter": ("verify",),
    "sft": ("filter",),
    "grpo": (),  # and sft, when a run starts from it
    "evaluate": ("sft", "grpo"),
    "report": ("evaluate",),
}
FREE_KEYS = {  # how fast and how safely, not what comes out: may change between two sessions
    "sample.problems_per_batch",
    "sample.batch_size",
    "verify.workers",
    "sft.save_every_steps",
    "grpo.micro_batch_tokens",
    "grpo.save_every_steps",
    "evaluate.batch_size",
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


def run_stages(
    recipe: Recipe,
    paths: RunPaths,
    names: Sequence[str] = tuple(STAGES),
    *,
    recipe_path: str | Path | None = None,
) -> None:
    """Run stages of a recipe in their order, in a run folder; what is done is not done again.

    Args:
        names: keys of STAGES; what they need from upstream must be done or be among them.
        recipe_path: where the recipe was read: its paths are seen from here, then from there.
    Raises: RecipeError before any work for what cannot be obeyed; StoreError if the folder is in
        use, damaged, made by another recipe, or lacks what a stage needs.
    """
    located = locate(recipe, recipe_path)
    check(located)
    check_sources(located)
    with run_lock(paths), closing(Store(paths.store)) as store:
        _refuse_another_recipe(recipe, store, paths)
        if not store.keys("marks"):
            check_problems(located)
        save_recipe(recipe, paths.recipe)
        set_threads(recipe.threads)
        for name in (stage for stage in STAGES if stage in names):
            _run_stage(name, recipe, located, paths, store)


def default_folder(recipe: Recipe) -> Path:
    """Where a recipe's run lies when nobody says otherwise.

    Raises: RecipeError if its name is no name for a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", recipe.name):
        raise RecipeError(
            f"name is {recipe.name!r}; expected letters, digits, '.', '_' or '-', as it names the "
            "run folder; change it, or name the folder with --out"
        )
    return Path("runs") / recipe.name


def check(recipe: Recipe) -> None:
    """Refuse what is well typed but cannot be obeyed on this machine, before any work.

    Raises: RecipeError naming the key, what was found and what to do.
    """
    for key, prompt in _prompts(recipe).items():
        known = [*PROMPTS, *CHAT_PROMPTS]
        if prompt not in known:
            raise RecipeError(
                f"{key} is {prompt!r}; expected one of {', '.join(known)}{nearest(prompt, known)}"
            )
    for key, name in models_of(recipe).items():
        if not Path(name).exists() and not is_hub_id(name):
            raise RecipeError(_absent(key, name, "a model's folder, or org/model from the hub"))
    if recipe.sft.trl:
        importlib.import_module(STAGES["sft"]).check(recipe)


def check_sources(recipe: Recipe) -> None:
    """Refuse problem files that are not there.

    Raises: RecipeError naming the key, the path and what is expected.
    """
    for key, source in missing_sources(recipe).items():
        raise RecipeError(
            _absent(key, source, f"a .jsonl or .parquet file, or {GYM}NAME?key=value")
        )


def missing_sources(recipe: Recipe) -> dict[str, str]:
    """Dotted key to source, of the problem files that are not on this machine."""
    return {
        key: source
        for key, source in sources_of(recipe).items()
        if not source.startswith(GYM) and not Path(source.partition("?")[0]).exists()
    }


def check_problems(recipe: Recipe) -> None:
    """Read every problem once and refuse sets that share a question.

    Raises: RecipeError for sets that overlap; RecordError for a row that cannot be read.
    """
    load_problems = importlib.import_module("distill.problems.sources").load_problems
    limits = {"problems.train": recipe.problems.limit, "problems.rl": recipe.problems.rl_limit}
    importlib.import_module("distill.problems.overlap").check_disjoint(
        {
            key: load_problems(text, limit=limits.get(key))
            for key, text in sources_of(recipe).items()
        }
    )


def is_hub_id(name: str) -> bool:
    """Does this read as org/model@revision, and not as a path that is missing here?"""
    return bool(_HUB_ID.fullmatch(name)) and not Path(name.split("/")[0]).is_dir()


def set_threads(threads: int | None) -> None:
    """CPU threads of torch, for this process and its children; None leaves it to torch."""
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def stage_keys(name: str, recipe: Recipe) -> dict[str, Any]:
    """Dotted key to value, of everything in a recipe that a stage's results depend on."""
    every = _flat(msgspec.json.decode(msgspec.json.encode(recipe)))  # as a mark keeps it
    wanted = {key for stage in (*_all_upstream(name, recipe), name) for key in OWN_KEYS[stage]}
    return {
        key: value
        for key, value in every.items()
        if key not in FREE_KEYS and any(key == w or key.startswith(f"{w}.") for w in wanted)
    }


def _run_stage(name: str, recipe: Recipe, located: Recipe, paths: RunPaths, store: Store) -> None:
    keys = stage_keys(name, recipe)
    if store.mark(name) == fingerprint(keys) and all(
        p.exists() for p in _made(name, recipe, paths)
    ):
        logger.info("%s: done already", name)
        return
    for needed in _upstream(name, recipe):
        if store.mark(needed) is None:
            raise StoreError(
                f"{paths.root}: {name} needs what {needed} makes; "
                f"run `distill {needed} RECIPE` first, or `distill run RECIPE` for all"
            )
    store.set_mark(_started(name), json.dumps(keys))
    importlib.import_module(STAGES[name]).run(located, paths)
    store.set_mark(name, fingerprint(keys))


def _made(name: str, recipe: Recipe, paths: RunPaths) -> list[Path]:
    """Files and folders that a done stage has left beside its rows in the store."""
    made = {
        "sft": [paths.sft / "model"],
        "grpo": [paths.grpo_run(run) / "model" for run in recipe.grpo.runs],
        "report": [paths.report_md, paths.report_html, paths.table],
    }
    return made.get(name, [])


def _refuse_another_recipe(recipe: Recipe, store: Store, paths: RunPaths) -> None:
    """A stage that was begun with other values would mix two experiments in one folder."""
    for name in STAGES:
        begun = store.mark(_started(name))
        if begun is None:
            continue
        was, now = json.loads(begun), stage_keys(name, recipe)
        changed = [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]
        if changed:
            listed = "; ".join(
                f"{key} was {_shown(was, key)}, is {_shown(now, key)}" for key in changed[:5]
            )
            raise StoreError(
                f"{paths.root}: {name} was begun here with another recipe: {listed}"
                + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
                + "; name another folder with --out, or go back to those values"
            )


def _upstream(name: str, recipe: Recipe) -> tuple[str, ...]:
    starts_from_sft = any(run.start_from == "sft" for run in recipe.grpo.runs.values())
    return ("sft",) if name == "grpo" and starts_from_sft else UPSTREAM[name]


def _all_upstream(name: str, recipe: Recipe) -> set[str]:
    direct = _upstream(name, recipe)
    return {*direct, *(far for near in direct for far in _all_upstream(near, recipe))}


def _started(name: str) -> str:
    return f"begun:{name}"


def _shown(keys: dict[str, Any], key: str) -> str:
    return repr(keys[key]) if key in keys else "not there"


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to value; an empty section keeps its place."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        flat |= _flat(value, f"{dotted}.") if isinstance(value, dict) and value else {dotted: value}
    return flat


def _prompts(recipe: Recipe) -> dict[str, str]:
    return {
        "sample.prompt": recipe.sample.prompt,
        "sft.prompt": recipe.sft.prompt,
        "grpo.prompt": recipe.grpo.prompt,
    }


def _absent(key: str, name: str, expected: str) -> str:
    path = Path(name.partition("?")[0])
    close = [str(other) for other in path.parent.glob("*")] if path.parent.is_dir() else []
    return (
        f"{key} is {name!r}: there is nothing at that path; expected {expected}"
        f"{nearest(str(path), close)}"
    )

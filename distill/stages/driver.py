"""The stages in their order: run once, gone on from where they stopped, in one folder a recipe."""

import ctypes
import importlib
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from distill.errors import RecipeError, StoreError
from distill.recipe import Recipe
from distill.recipe_file import save_recipe
from distill.recipe_paths import locate, sources_of
from distill.runlog import fingerprint
from distill.stages.budget_end import ended_by_budget, go_on_with_larger
from distill.stages.checks import check, check_problems, check_sources, contents_of
from distill.stages.stage_keys import ROUNDING_KEYS, changed_keys, stage_keys, upstream, values_of
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
CHECKED = "checked:problems"
_KEEP_BYTES = 1 << 30
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


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
    held = contents_of(located)
    with run_lock(paths), closing(Store(paths.store)) as store:
        _refuse_another_recipe(recipe, held, store, paths)
        _check_problems_once(located, held, store)
        save_recipe(recipe, paths.recipe)
        set_threads(recipe.threads)
        keep_freed_memory()
        if list(names) == ["report"]:  # asked for by its name, it is always made again
            store.clear("marks", "report")
        for name in (stage for stage in STAGES if stage in names):
            _run_stage(name, recipe, located, held, paths, store)


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


def set_threads(threads: int | None) -> None:
    """CPU threads of torch, for this process and its children; None leaves it to torch."""
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def keep_freed_memory() -> None:
    """Have malloc keep the pages that are freed: tensors of a training step come back every step.

    A step's large temporaries are otherwise mapped, zeroed and unmapped by the kernel each time.
    Where libc is not glibc nothing happens.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)


def _run_stage(
    name: str,
    recipe: Recipe,
    located: Recipe,
    held: Mapping[str, str],
    paths: RunPaths,
    store: Store,
) -> None:
    keys = stage_keys(name, recipe, held)
    if name == "sample":
        go_on_with_larger(recipe, paths, store)
    if _is_done(name, keys, store) and all(p.exists() for p in _made(name, recipe, paths)):
        ended = ended_by_budget(store) if name == "sample" else None
        logger.info("%s: done already%s", name, f", as far as {ended.reached}" if ended else "")
        return
    for needed in upstream(name, recipe):
        if store.mark(needed) is None:
            raise StoreError(
                f"{paths.root}: {name} needs what {needed} makes; "
                f"run `distill {needed} RECIPE` first, or `distill run RECIPE` for all"
            )
    _warn_of_rounding(name, recipe, store)
    store.set_mark(_started(name), json.dumps(keys))
    store.clear("marks", "report")  # it tells of all stages
    importlib.import_module(STAGES[name]).run(located, paths)
    store.set_mark(name, fingerprint(keys))


def _is_done(name: str, keys: Mapping[str, Any], store: Store) -> bool:
    """Was the stage brought to its end with these values? Keys without a value may be new ones."""
    done, begun = store.mark(name), store.mark(_started(name))
    if done is None or begun is None:
        return done == fingerprint(keys)
    return not changed_keys(json.loads(begun), keys)


def _made(name: str, recipe: Recipe, paths: RunPaths) -> list[Path]:
    """Files and folders that a done stage has left beside its rows in the store."""
    made = {
        "filter": [paths.dataset / "train.parquet", paths.filter_facts],
        "sft": [paths.sft / "model"],
        "grpo": [paths.grpo_run(run) / "model" for run in recipe.grpo.runs],
        "report": [paths.report_md, paths.report_html, paths.table],
    }
    return made.get(name, [])


def _check_problems_once(recipe: Recipe, held: Mapping[str, str], store: Store) -> None:
    """Read all problems and compare the sets, unless these very ones were compared before."""
    limits = (recipe.problems.limit, recipe.problems.rl_limit)
    sources = sources_of(recipe)
    contents = {key: held.get(f"{key}.contents") for key in sources}
    asked = fingerprint(sources, contents, limits)
    if store.mark(CHECKED) != asked:
        check_problems(recipe)
        store.set_mark(CHECKED, asked)


def _warn_of_rounding(name: str, recipe: Recipe, store: Store) -> None:
    """Say that the rest of a half-done stage is computed in other batches than its beginning."""
    if name not in ROUNDING_KEYS:
        return
    values = values_of(recipe)
    now = {key: values[key] for key in ROUNDING_KEYS[name]}
    before = store.mark(_batches(name))
    was = json.loads(before) if before and store.mark(name) is None else now
    for key in (key for key in now if was.get(key) != now[key]):
        logger.warning(
            "%s: %s was %s when this was begun, is %s: what is left is computed in other batches, "
            "so low-order bits, and rarely a token, differ from those of an undisturbed run",
            name,
            key,
            was.get(key),
            now[key],
        )
    store.set_mark(_batches(name), json.dumps(now))


def _refuse_another_recipe(
    recipe: Recipe, held: Mapping[str, str], store: Store, paths: RunPaths
) -> None:
    """A stage that was begun with other values would mix two experiments in one folder."""
    for name in STAGES:
        begun = store.mark(_started(name))
        if begun is None:
            continue
        was, now = json.loads(begun), stage_keys(name, recipe, held)
        changed = changed_keys(was, now)
        if changed:
            own = sorted(changed, key=lambda key: not key.startswith(f"{name}."))
            listed = "; ".join(
                f"{key} was {_shown(was, key)}, is {_shown(now, key)}" for key in own[:5]
            )
            raise StoreError(
                f"{paths.root}: {name} was begun here with another recipe or other files: {listed}"
                + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
                + "; name another folder with --out, or go back to those values"
            )


def _started(name: str) -> str:
    return f"begun:{name}"


def _batches(name: str) -> str:
    return f"batches:{name}"


def _shown(keys: dict[str, Any], key: str) -> str:
    return repr(keys[key]) if key in keys else "not there"

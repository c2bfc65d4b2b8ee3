"""Stages run in order and once; what cannot be obeyed is refused before any work."""

import json
import multiprocessing
from pathlib import Path

import msgspec
import pytest

from distill.errors import EngineError, RecipeError, StoreError, TrainingError
from distill.recipe import Recipe, load_recipe
from distill.records import Trace
from distill.runlog import fingerprint
from distill.stages.driver import (
    FREE_KEYS,
    OWN_KEYS,
    STAGES,
    UPSTREAM,
    check,
    default_folder,
    is_hub_id,
    run_stages,
    stage_keys,
)
from distill.store import RunPaths, Store, run_lock

GYM = "reasoning-gym:chain_sum?seed={seed}&size=4&min_terms=2&max_terms=2"


def recipe_for(tiny_model: Path, folder: Path, **overrides) -> Recipe:
    """Four problems, two completions each, of a teacher that knows nothing."""
    tree = {
        "name": "tiny",
        "problems": {"train": GYM.format(seed=100), "rl": GYM.format(seed=200)},
        "sample": {
            "teacher": str(tiny_model),
            "prompt": "plain",
            "completions_per_problem": 2,
            "max_tokens": 8,
        },
        "sft": {"base": str(tiny_model), "prompt": "plain"},
        "evaluate": {"test_sets": {"easy": GYM.format(seed=300)}},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return load_recipe(path, overrides)


def traces(paths: RunPaths) -> list[Trace]:
    store = Store(paths.store)
    found = list(store.scan("traces", Trace))
    store.close()
    return found


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    return RunPaths(tmp_path / "run")


@pytest.fixture
def recipe(tiny_model, tmp_path) -> Recipe:
    return recipe_for(tiny_model, tmp_path)


def test_a_stage_run_twice_equals_once(recipe, paths, caplog):
    run_stages(recipe, paths, ["sample"])
    before = traces(paths)
    with caplog.at_level("INFO", logger="distill"):
        run_stages(recipe, paths, ["sample"])
    assert len(before) == 8
    assert traces(paths) == before
    assert "sample: done already" in caplog.text
    assert load_recipe(paths.recipe) == recipe


def test_the_stages_run_in_their_order_whatever_is_asked(recipe, paths):
    run_stages(recipe, paths, ["filter", "verify", "sample"])
    store = Store(paths.store)
    assert [store.count(table) for table in ("traces", "verdicts", "decisions")] == [8, 8, 8]
    assert all(store.mark(name) for name in ("sample", "verify", "filter"))
    store.close()
    run_stages(recipe, paths, ["filter"])


def test_what_a_mark_keeps_is_what_the_recipe_says(recipe):
    for name in STAGES:
        keys = stage_keys(name, recipe)
        assert json.loads(json.dumps(keys)) == keys


def test_a_run_stops_at_the_stage_that_cannot_work(recipe, paths):
    with pytest.raises(TrainingError, match="no trace was kept"):
        run_stages(recipe, paths)
    store = Store(paths.store)
    assert store.mark("filter")
    assert store.mark("sft") is None
    store.close()


@pytest.mark.parametrize("name", ["verify", "filter", "sft", "evaluate", "report"])
def test_a_stage_without_its_upstream_says_what_to_run(recipe, paths, name):
    with pytest.raises(StoreError, match=rf"run `distill {UPSTREAM[name][0]} RECIPE` first"):
        run_stages(recipe, paths, [name])


def test_grpo_needs_sft_only_where_a_run_starts_from_it(tiny_model, tmp_path, paths):
    after = {"grpo.runs.after.start_from": "sft"}
    with pytest.raises(StoreError, match="grpo needs what sft makes"):
        run_stages(recipe_for(tiny_model, tmp_path, **after), paths, ["grpo"])
    assert "filter.keep_per_problem" in stage_keys(
        "grpo", recipe_for(tiny_model, tmp_path, **after)
    )
    assert "filter.keep_per_problem" not in stage_keys("grpo", recipe_for(tiny_model, tmp_path))


CHANGES = {
    "sample.temperature": 0.5,
    "seed": 4,
    "problems.limit": 3,
    "sample.completions_per_problem": 3,
    "problems.train": GYM.format(seed=900),
}


@pytest.mark.parametrize("key", CHANGES)
def test_another_recipe_in_the_same_folder_is_refused_by_key(tiny_model, tmp_path, paths, key):
    run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])
    before = paths.recipe.read_text()
    changed = recipe_for(tiny_model, tmp_path, **{key: CHANGES[key]})
    with pytest.raises(StoreError, match=rf"sample was begun here.*{key} was .*, is .*--out"):
        run_stages(changed, paths, ["verify"])
    assert paths.recipe.read_text() == before


def test_what_comes_later_or_only_costs_time_may_change(tiny_model, tmp_path, paths):
    run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])
    later = {"sft.rank": 8, "verify.workers": 2, "sample.batch_size": 7, "threads": 1}
    run_stages(recipe_for(tiny_model, tmp_path, **later), paths, ["sample", "verify"])


def test_a_half_done_stage_refuses_another_recipe(tiny_model, tmp_path, paths):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((tiny_model / "config.json").read_text())
    with pytest.raises(EngineError):
        run_stages(recipe_for(broken, tmp_path), paths, ["sample"])
    with pytest.raises(StoreError, match=r"sample\.teacher was"):
        run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])


def test_a_report_that_was_removed_is_not_done(recipe, paths):
    # every stage is marked as done, so only what lies in the folder tells
    store = Store(paths.store)
    for name in STAGES:
        store.set_mark(name, fingerprint(stage_keys(name, recipe)))
    store.close()
    with pytest.raises(StoreError, match="has no scores"):
        run_stages(recipe, paths, ["report"])


def _hold(root: str, held, done) -> None:
    with run_lock(RunPaths(root)):
        held.set()
        done.wait(30)


def test_a_folder_in_use_is_refused(recipe, paths):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(str(paths.root), held, done))
    child.start()
    assert held.wait(60)
    with pytest.raises(StoreError, match=f"pid {child.pid}"):
        run_stages(recipe, paths, ["sample"])
    done.set()
    child.join()
    run_stages(recipe, paths, ["sample"])


REFUSED = [
    ("sample.prompt", "r1zero", r"sample\.prompt is 'r1zero'; .*did you mean 'r1-zero'\?"),
    ("sft.prompt", "x", r"sft\.prompt is 'x'; expected one of r1-zero"),
    ("sample.teacher", "data/mini/teachr", r"sample\.teacher .*nothing at that path"),
    ("sft.base", "./org/base", r"sft\.base .*nothing at that path"),
    ("grpo.runs.x.start_from", "no/such/folder", r"grpo\.runs\.x\.start_from .*nothing"),
    ("problems.train", "no.jsonl", r"problems\.train .*nothing at that path"),
    ("evaluate.test_sets.hard", "no.parquet", r"evaluate\.test_sets\.hard .*nothing"),
    ("sft.trl.packin", True, r"sft\.trl\.packin: .*did you mean 'packing'"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_what_cannot_be_obeyed_is_refused_before_any_work(
    tiny_model, tmp_path, paths, key, value, message
):
    with pytest.raises(RecipeError, match=message):
        run_stages(recipe_for(tiny_model, tmp_path, **{key: value}), paths)
    assert not paths.root.exists()


def test_sets_that_share_a_question_are_refused_before_any_work(tiny_model, tmp_path, paths):
    shared = {"evaluate.test_sets.easy": GYM.format(seed=102)}  # two of its four are train's
    with pytest.raises(RecipeError, match=r"problems\.train and evaluate\.test_sets\.easy share 2"):
        run_stages(recipe_for(tiny_model, tmp_path, **shared), paths)
    assert traces(paths) == []


def test_a_hub_name_is_no_missing_path(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert is_hub_id("Qwen/Qwen2.5-1.5B@989aa79")
    assert not is_hub_id("data/teacher")
    assert not is_hub_id("data/mini/teacher")
    assert not is_hub_id("../org/model")
    check(recipe_for(tiny_model, tmp_path, **{"sft.base": "org/base@main"}))


def test_paths_beside_the_recipe_are_found_from_anywhere(tiny_model, tmp_path, paths, monkeypatch):
    question = '{"problem_id": "a", "question": "1 + 1 =", "reference": "2"}\n'
    (tmp_path / "own.jsonl").write_text(question)
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    recipe = recipe_for(tiny_model, tmp_path, **{"problems.train": "own.jsonl"})
    run_stages(recipe, paths, ["sample"], recipe_path=tmp_path / "recipe.yaml")
    assert [trace.trace_id for trace in traces(paths)] == ["a#0", "a#1"]


def test_every_key_that_decides_a_result_is_watched(recipe):
    """The report depends on all of the recipe but what only costs time or names the run."""

    def flat(tree: dict, prefix: str = ""):
        for key, value in tree.items():
            if isinstance(value, dict) and value:
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    every = set(flat(msgspec.to_builtins(recipe)))
    assert every - stage_keys("report", recipe).keys() == {*FREE_KEYS, "name", "threads"}
    assert every >= FREE_KEYS


def test_the_tables_name_the_same_stages():
    assert list(STAGES) == list(OWN_KEYS) == list(UPSTREAM)
    order = list(STAGES)
    assert all(order.index(up) < order.index(name) for name in order for up in UPSTREAM[name])


def test_the_default_folder_stays_below_runs(recipe):
    assert default_folder(recipe) == Path("runs/tiny")
    for name in ("../other", "/tmp/x", "a/b", "", ".."):
        with pytest.raises(RecipeError, match="name"):
            default_folder(msgspec.structs.replace(recipe, name=name))

"""Stages run in order and once; what cannot be obeyed is refused before any work."""

import json
import multiprocessing
import shutil
from pathlib import Path

import msgspec
import pytest

from distill.errors import EngineError, RecipeError, StoreError, TrainingError
from distill.recipe import Recipe, Server
from distill.recipe_file import load_recipe
from distill.records import Trace
from distill.runlog import fingerprint
from distill.stages import driver, sample
from distill.stages.checks import check, contents_of, is_hub_id
from distill.stages.driver import STAGES, default_folder, run_stages
from distill.stages.stage_keys import FREE_KEYS, OWN_KEYS, ROUNDING_KEYS, UPSTREAM, stage_keys
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


def torn_copy(model: Path, folder: Path) -> Path:
    """A model whose weights miss their end."""
    shutil.copytree(model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return folder


def test_a_half_done_stage_refuses_another_recipe(tiny_model, tmp_path, paths):
    broken = torn_copy(tiny_model, tmp_path / "broken")
    with pytest.raises(EngineError):
        run_stages(recipe_for(broken, tmp_path), paths, ["sample"])
    with pytest.raises(StoreError, match=r"sample\.teacher was"):
        run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])


def sets_of(folder: Path, **questions: str) -> dict[str, str]:
    """Override of every source by a file with one question."""
    keys = {"train": "problems.train", "rl": "problems.rl", "easy": "evaluate.test_sets.easy"}
    for name, question in questions.items():
        row = {"problem_id": name, "question": question, "reference": "2"}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    return {key: str(folder / f"{name}.jsonl") for name, key in keys.items()}


def test_problems_that_change_after_the_first_stage_are_compared_again(tiny_model, tmp_path, paths):
    files = sets_of(tmp_path, train="1 + 1", rl="2 + 2", easy="3 + 3")
    run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["sample"])
    sets_of(tmp_path, rl="3 + 3")  # the same path, now with the test's question
    with pytest.raises(RecipeError, match=r"problems\.rl and evaluate\.test_sets\.easy share 1"):
        run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["grpo"])


def test_problems_that_stay_are_compared_once(tiny_model, tmp_path, paths, monkeypatch):
    files = sets_of(tmp_path, train="1 + 1", rl="2 + 2", easy="3 + 3")
    run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["sample"])
    monkeypatch.setattr(driver, "check_problems", lambda recipe: pytest.fail("compared again"))
    run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["verify"])


def test_other_problems_behind_the_same_path_are_refused(tiny_model, tmp_path, paths):
    files = sets_of(tmp_path, train="1 + 1", rl="2 + 2", easy="3 + 3")
    run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["sample"])
    sets_of(tmp_path, train="4 + 4")
    with pytest.raises(StoreError, match=r"or other files: problems\.train\.contents was"):
        run_stages(recipe_for(tiny_model, tmp_path, **files), paths, ["sample"])


def test_other_weights_behind_the_same_path_are_refused_and_copies_are_not(
    tiny_model, tiny_llama, tmp_path, paths
):
    teacher = tmp_path / "teacher"
    shutil.copytree(tiny_model, teacher)
    recipe = recipe_for(tiny_model, tmp_path, **{"sample.teacher": str(teacher)})
    run_stages(recipe, paths, ["sample"])
    shutil.rmtree(teacher)
    shutil.copytree(tiny_model, teacher, copy_function=shutil.copyfile)  # another time of change
    run_stages(recipe, paths, ["sample"])
    shutil.copyfile(tiny_llama / "model.safetensors", teacher / "model.safetensors")
    with pytest.raises(StoreError, match=r"sample\.teacher\.contents was"):
        run_stages(recipe, paths, ["sample"])


def test_what_files_hold_is_watched_by_the_stages_that_read_them(tiny_model, tmp_path):
    files = sets_of(tmp_path, train="1 + 1", rl="2 + 2", easy="3 + 3")
    recipe = recipe_for(tiny_model, tmp_path, **files)
    held = contents_of(recipe)
    watched = {
        name: {k.removesuffix(".contents") for k in stage_keys(name, recipe, held) if k in held}
        for name in STAGES
    }
    assert watched["sample"] == watched["verify"] == {"problems.train", "sample.teacher"}
    assert watched["filter"] == watched["sample"] | {"evaluate.test_sets.easy"}
    assert watched["grpo"] == {"problems.rl", "sft.base"}
    assert watched["report"] == {key.removesuffix(".contents") for key in held}


def test_the_filter_does_not_depend_on_how_many_test_problems_are_asked(recipe):
    assert "evaluate.limit" not in stage_keys("filter", recipe)
    assert "evaluate.limit" in stage_keys("evaluate", recipe)


def test_other_batches_for_the_rest_of_a_stage_are_said(
    tiny_model, tmp_path, paths, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        patch.setattr(sample, "summary", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # before the stage is marked as done
            run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])
    smaller = recipe_for(tiny_model, tmp_path, **{"sample.batch_size": 7})
    run_stages(smaller, paths, ["sample"])
    assert "sample: sample.batch_size was 256 when this was begun, is 7" in caplog.text
    caplog.clear()
    run_stages(recipe_for(tiny_model, tmp_path), paths, ["sample"])  # done: nothing is left
    assert "batch_size" not in caplog.text


def test_a_removed_dataset_is_made_again(recipe, paths):
    run_stages(recipe, paths, ["sample", "verify", "filter"])
    shutil.rmtree(paths.dataset)
    run_stages(recipe, paths, ["filter"])
    assert (paths.dataset / "train.parquet").exists()


def test_a_stage_that_runs_again_makes_the_report_stale(recipe, paths):
    run_stages(recipe, paths, ["sample", "verify"])
    store = Store(paths.store)
    store.set_mark("report", "made")
    run_stages(recipe, paths, ["verify"])  # done already
    assert store.mark("report") == "made"
    run_stages(recipe, paths, ["filter"])
    assert store.mark("report") is None
    store.close()


def test_a_report_that_was_removed_is_not_done(recipe, paths):
    # every stage is marked as done, so only what lies in the folder tells
    store = Store(paths.store)
    for name in STAGES:
        store.set_mark(name, fingerprint(stage_keys(name, recipe, contents_of(recipe))))
    store.close()
    with pytest.raises(StoreError, match="has no scores"):
        run_stages(recipe, paths, ["report"])


def test_a_report_asked_for_by_name_is_always_made_again(recipe, paths):
    store = Store(paths.store)
    for name in STAGES:
        store.set_mark(name, fingerprint(stage_keys(name, recipe, contents_of(recipe))))
    store.close()
    for path in (paths.report_md, paths.report_html, paths.table):
        path.write_text("of before")
    with pytest.raises(StoreError, match="has no scores"):  # it is made, of what is there
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
    ("sft.trl.weight_decay", "0.1", r"sft\.trl\.weight_decay is '0\.1'; expected `float`"),
    ("sft.trl.packin", True, r"sft\.trl\.packin: .*did you mean 'packing'"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_what_cannot_be_obeyed_is_refused_before_any_work(
    tiny_model, tmp_path, paths, key, value, message
):
    with pytest.raises(RecipeError, match=message):
        run_stages(recipe_for(tiny_model, tmp_path, **{key: value}), paths)
    assert not paths.root.exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused_before_any_work(tiny_model, tmp_path, paths, name):
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    recipe = recipe_for(tiny_model, tmp_path, **{"sft.base": str(tmp_path / "model")})
    with pytest.raises(RecipeError, match=rf"sft\.base .*has no .*{name[-5:]}"):
        run_stages(recipe, paths)
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

    of_engines = ("sample.vllm.", "sample.ray.", "sample.server")
    for engine in ("vllm", "server", "ray"):
        server = Server(url="http://127.0.0.1/v1")
        sample = msgspec.structs.replace(recipe.sample, engine=engine, server=server)
        asked = msgspec.structs.replace(recipe, sample=sample)
        every = set(flat(msgspec.to_builtins(asked)))
        others = {
            key
            for key in every
            if key.startswith(of_engines) and not key.startswith(f"sample.{engine}.")
        }
        free = {*FREE_KEYS, "name", "threads"}
        assert every - stage_keys("report", asked).keys() - others == free - others
        assert every >= FREE_KEYS
        assert not others & stage_keys("report", asked).keys()
    assert {key for keys in ROUNDING_KEYS.values() for key in keys} <= FREE_KEYS


def test_a_folder_from_before_a_key_is_done_and_not_refused(recipe, paths):
    run_stages(recipe, paths, ["sample"])
    store = Store(paths.store)
    old = json.loads(store.mark("begun:sample"))
    now_new = [key for key, value in old.items() if value is None]
    assert now_new
    store.set_mark("begun:sample", json.dumps({k: old[k] for k in old if k not in now_new}))
    store.set_mark("sample", "of other keys")
    run_stages(recipe, paths, ["sample"])
    assert store.mark("sample") == "of other keys"  # it was not run again
    store.close()


def test_the_tables_name_the_same_stages():
    assert list(STAGES) == list(OWN_KEYS) == list(UPSTREAM)
    order = list(STAGES)
    assert all(order.index(up) < order.index(name) for name in order for up in UPSTREAM[name])


def test_the_default_folder_stays_below_runs(recipe):
    assert default_folder(recipe) == Path("runs/tiny")
    for name in ("../other", "/tmp/x", "a/b", "", ".."):
        with pytest.raises(RecipeError, match="name"):
            default_folder(msgspec.structs.replace(recipe, name=name))

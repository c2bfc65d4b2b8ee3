"""What would run, by hand-worked numbers; rewards that do not hold are said."""

import json
from pathlib import Path

import msgspec
import pytest

from distill.recipe import Recipe
from distill.recipe_file import load_recipe
from distill.recipe_paths import locate
from distill.records import Problem
from distill.stages.checks import check, missing_sources
from distill.stages.explain import explain, try_rewards, wrong_answer
from distill.stages.explain_memory import find_shape
from distill.store import RunPaths, Store

RECIPES = Path(__file__).parents[2] / "recipes"
TESTS = ("math500", "aime2024")

GYM = "reasoning-gym:{name}?seed={seed}&size=5"


def recipe_for(tiny_model: Path, folder: Path, **overrides) -> Recipe:
    tree = {
        "name": "tiny",
        "problems": {
            "train": GYM.format(name="chain_sum", seed=100),
            "rl": GYM.format(name="leg_counting", seed=200),
            "limit": 4,
        },
        "sample": {"teacher": str(tiny_model), "completions_per_problem": 3, "max_tokens": 100},
        "sft": {"base": "org/Qwen-1.5B", "epochs": 2, "batch_size": 4, "max_length": 50},
        "filter": {"keep_per_problem": 2},
        "grpo": {
            "prompts_per_step": 2,
            "group_size": 3,
            "steps": 5,
            "max_tokens": 10,
            "runs": {"zero": {"start_from": "base"}, "x": {"start_from": "sft", "steps": 2}},
        },
        "evaluate": {"test_sets": {"easy": GYM.format(name="chain_sum", seed=300)}},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return load_recipe(path, overrides)


def test_the_work_by_hand(tiny_model, tmp_path):
    found = explain(recipe_for(tiny_model, tmp_path), RunPaths(tmp_path / "run"))
    for line in (
        "4 problems x 3 = 12 completions",
        "at most 1.2 k tokens",  # 12 x 100
        "12 traces, at most 8 kept",  # 4 problems x 2
        "at most 4 updates and 800 tokens",  # 8 x 2 epochs / 4; 8 x 2 x 50
        "grpo zero: from base, rule reward, 5 steps x 2 prompts x 3 rollouts = 30 rollouts",
        "at most 300 tokens",  # 30 x 10
        "grpo x: from sft, rule reward, 2 steps x 2 prompts x 3 rollouts = 12 rollouts",
        "evaluate: 5 rows x 5 problems x 4 = 100 completions",
        "sft.base: org/Qwen-1.5B: not on this machine; about 1.5 G weights, by its name",
        "weights, by its config.json",
        "(does not exist yet)",
        "the rewards hold: 1.1 for a right answer in the format, 0.1 for the format alone",
    ):
        assert line in found.text, line
    assert found.rewards_hold
    assert not (tmp_path / "run").exists()


def test_each_family_is_tried_with_right_empty_and_wrong(tiny_model, tmp_path):
    found = explain(recipe_for(tiny_model, tmp_path), RunPaths(tmp_path / "run"))
    # 3 problems each of chain_sum and leg_counting
    assert "reference answer: 6 of 6 count as right; all should" in found.text
    assert "empty answer: 0 of 6 count as right; none should" in found.text
    assert "wrong answer: 0 of 6 count as right; none should" in found.text


def problem(**changes) -> Problem:
    values = {"problem_id": "p", "question": "1 + 1 =", "reference": "2"}
    return Problem(**{**values, **changes})


def test_rewards_that_do_not_hold_are_said(tiny_model, tmp_path):
    path = tmp_path / "broken.jsonl"
    broken = problem(problem_id="p7", verifier="reasoning-gym", gym_entry="{}", family="sums")
    path.write_bytes(msgspec.json.encode(broken))
    recipe = recipe_for(tiny_model, tmp_path, **{"problems.train": str(path)})
    found = explain(recipe, RunPaths(tmp_path / "run"))
    assert not found.rewards_hold
    assert "FAILED: p7 (sums): the reference answer is judged not at all" in found.text
    assert "the rewards hold" not in found.text


REFERENCES = [
    "2",
    "-17",
    "0",
    "0.0",
    "7" * 5000,
    "0" * 5000,
    "A",
    "E",
    "3/4",
    "\\frac{1}{2}",
    "yes",
    "2.5",
    "2, 3",
]


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_wrong_answer_is_wrong_and_the_reference_right(tiny_model, tmp_path, reference):
    assert wrong_answer(reference) != reference
    recipe = recipe_for(tiny_model, tmp_path)
    trials = try_rewards(recipe, {"train": [problem(reference=reference)]})
    assert [trial.holds for trial in trials] == [True, True, True]


def test_a_models_size_is_known_by_config_then_by_name(tiny_model, tmp_path):
    (tmp_path / "other-7B").mkdir()
    assert find_shape(str(tiny_model))[0].layers == 2
    assert find_shape(str(tmp_path / "other-7B"))[0].parameters == 7_000_000_000
    assert find_shape("org/nothing-known") == (None, "not on this machine; size not known")


def test_rollouts_are_sampled_no_more_at_once_than_the_engine_takes(tiny_model, tmp_path):
    own = {"sft.base": str(tiny_model)}
    few = explain(recipe_for(tiny_model, tmp_path, **own), RunPaths(tmp_path / "run"))
    assert "grpo, rollouts, 6 rows of 210 tokens" in few.text  # 2 prompts x 3 rollouts
    less = recipe_for(tiny_model, tmp_path, **own, **{"sample.batch_size": 4})
    found = explain(less, RunPaths(tmp_path / "run"))
    assert "grpo, rollouts, 4 rows of 210 tokens" in found.text


def test_a_run_folder_is_only_looked_at(tiny_model, tmp_path):
    paths = RunPaths(tmp_path / "run")
    Store(paths.store).close()
    before = {path.name: path.read_bytes() for path in paths.root.iterdir()}
    assert "done already: nothing" in explain(recipe_for(tiny_model, tmp_path), paths).text
    assert {path.name: path.read_bytes() for path in paths.root.iterdir()} == before
    paths.store.write_bytes(b"")
    assert "done already" not in explain(recipe_for(tiny_model, tmp_path), paths).text


def test_problems_that_are_not_here_are_said_and_their_limits_stand_in(tmp_path):
    recipe = load_recipe(RECIPES / "qwen2.5-1.5b.yaml")
    absent = {"problems.train", "problems.rl", *(f"evaluate.test_sets.{n}" for n in TESTS)}
    found = explain(recipe, RunPaths(tmp_path / "run"), absent)
    assert "8000 problems x 4 = 32000 completions" in found.text
    assert "data/math-train.jsonl is not on this machine" in found.text
    assert "5 rows, number of problems not known" in found.text
    assert "not tried" in found.text


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_explains_itself_on_a_machine_without_its_files(path, tmp_path):
    recipe = locate(load_recipe(path), path)
    check(recipe)
    found = explain(recipe, RunPaths(tmp_path / "run"), missing_sources(recipe))
    assert found.rewards_hold
    assert f"engine {recipe.sample.engine}: " in found.text
    assert not list(tmp_path.iterdir())


ADAPTIVE = {"needed": 2, "completions_per_kept": 12, "max_completions_per_problem": 40}
SERVER = {"url": "http://localhost:8000/v1", "key_variable": "SOME_KEY", "max_in_flight": 9}
SAID = [
    ({}, "tries: the same for every problem, 3", "fixed"),
    ({}, "budget: none", "no budget"),
    ({}, "price: none, all is free", "no price"),
    (
        {"adaptive": ADAPTIVE},
        "tries: adaptive, at most 3 per problem on average, 12 in all",
        "4 problems x 3",
    ),
    ({"adaptive": ADAPTIVE}, "a problem is done with 2 traces that the filter keeps", "needed"),
    ({"adaptive": {}}, "a problem is done with 2 traces", "filter.keep_per_problem stands in"),
    ({"adaptive": ADAPTIVE}, "over 12 completions", "completions_per_kept"),
    ({"adaptive": ADAPTIVE}, "or after 40", "max_completions_per_problem"),
    ({"adaptive": ADAPTIVE}, "cut by the limit is given up", "no longer limit"),
    ({"adaptive": {"longer_max_tokens": 300}}, "is asked for 300 tokens from then on", "longer"),
    ({"adaptive": {"longer_max_tokens": 300}}, "at most 3.6 k tokens", "12 x 300"),
    ({"max_hours": 1}, "budget: 1 hour (sample.max_hours); at the first", "hours"),
    ({"max_tokens_total": 2_000_000}, "2 M tokens (sample.max_tokens_total)", "tokens"),
    (
        {"price": {"usd_per_million_in": 1000, "usd_per_million_out": 500}},
        "dollars: at most 3.00 for tokens (prompts of 200 tokens assumed)",
        "12 x (200 x 1000 + 100 x 500) / 1e6",
    ),
    ({"engine": "server", "server": SERVER}, "http://localhost:8000/v1, key from SOME_KEY", "key"),
    ({"engine": "server", "server": SERVER}, "at most 9 requests at once", "in flight"),
    ({"engine": "server", "server": SERVER}, "evaluate: 4 rows", "no row for the teacher"),
    (
        {"engine": "ray", "ray": {"actors": 2}, "batch_size": 8},
        "8 completions at once in each of 2 actors of Ray on this machine (1 CPU and 0 GPUs each)",
        "ray",
    ),
    (
        {"engine": "ray", "ray": {"engine": "vllm"}, "vllm": {"quantization": "fp8"}},
        "each with vllm (dtype auto, tensor_parallel_size 1, quantization fp8, prefixes cached)",
        "vllm inside of ray",
    ),
    ({"engine": "vllm", "vllm": {"max_model_len": 512}}, "max_model_len 512", "vllm"),
]


@pytest.mark.parametrize(("keys", "line", "why"), SAID, ids=lambda value: str(value)[:30])
def test_how_it_samples_is_said(tiny_model, tmp_path, keys, line, why):
    changes = {f"sample.{key}": value for key, value in keys.items()}
    found = explain(recipe_for(tiny_model, tmp_path, **changes), RunPaths(tmp_path / "run"))
    assert line in found.text, why


def test_a_key_is_never_shown_only_whether_it_is_there(tiny_model, tmp_path, monkeypatch):
    changes = {"sample.engine": "server", "sample.server": SERVER}
    recipe = recipe_for(tiny_model, tmp_path, **changes)
    assert "SOME_KEY (NOT SET here)" in explain(recipe, RunPaths(tmp_path / "run")).text
    monkeypatch.setenv("SOME_KEY", "sk-0123456789")
    found = explain(recipe, RunPaths(tmp_path / "run")).text
    assert "SOME_KEY (set)" in found
    assert "0123456789" not in found


def test_memory_is_told_of_models_that_are_here_and_not_of_a_servers(tiny_model, tmp_path):
    changes = {"sample.engine": "server", "sample.server": SERVER}
    found = explain(recipe_for(tiny_model, tmp_path, **changes), RunPaths(tmp_path / "run")).text
    assert "sample.teacher" not in found
    assert "rows of 300 tokens" not in found
    ray = {"sample.engine": "ray", "sample.ray": {"actors": 2, "gpus_per_actor": 1}}
    found = explain(recipe_for(tiny_model, tmp_path, **ray), RunPaths(tmp_path / "run")).text
    assert "sample, each of 2 actors, on a GPU, 256 rows of 300 tokens" in found

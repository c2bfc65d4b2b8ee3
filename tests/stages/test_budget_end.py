"""A budget that ends the sampling: what it got is used, a larger one goes on, nothing is mixed."""

import json
from contextlib import closing

import msgspec
import pytest

from distill.errors import StoreError
from distill.recipe import Recipe
from distill.recipe_file import load_recipe
from distill.records import Score, Trace, VerdictReason
from distill.stages.budget_end import AFTER, ended_by_budget
from distill.stages.driver import STAGES as EVERY_STAGE
from distill.stages.driver import run_stages
from distill.stages.stage_keys import stage_keys
from distill.store import RunPaths, Store

GYM = "reasoning-gym:chain_sum?seed={seed}&size=8&min_terms=2&max_terms=2"
STAGES = ["sample", "verify", "filter"]


@pytest.fixture
def recipe_for(tiny_model, tmp_path):
    """Eight problems, two completions each of at most 8 tokens, with other keys."""

    def recipe(**overrides) -> Recipe:
        tree = {
            "name": "tiny",
            "problems": {"train": GYM.format(seed=100), "rl": GYM.format(seed=200)},
            "sample": {
                "teacher": str(tiny_model),
                "prompt": "plain",
                "completions_per_problem": 2,
                "max_tokens": 8,
                "batch_size": 4,
            },
            "filter": {"accept": "none", "require_think": False},
            "sft": {"base": str(tiny_model), "prompt": "plain"},
            "grpo": {"runs": {"after": {"start_from": "sft"}, "zero": {"start_from": "base"}}},
            "evaluate": {"test_sets": {"easy": GYM.format(seed=300)}},
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(tree))
        return load_recipe(path, overrides)

    return recipe


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    return RunPaths(tmp_path / "run")


SMALL = {"sample.max_tokens_total": 120}


def counts(paths: RunPaths) -> list[int]:
    with closing(Store(paths.store)) as store:
        return [store.count(table) for table in ("traces", "verdicts", "decisions")]


def texts(paths: RunPaths) -> dict[str, str]:
    with closing(Store(paths.store)) as store:
        return {trace.trace_id: trace.completion for trace in store.scan("traces", Trace)}


def mark(paths: RunPaths, *names: str) -> None:
    with closing(Store(paths.store)) as store:
        for name in names:
            store.set_mark(name, "done")


def test_the_next_stages_run_on_what_a_spent_budget_got(recipe_for, paths, caplog):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    found = counts(paths)
    assert 0 < found[0] < 16
    assert found == [found[0]] * 3
    card = (paths.dataset / "README.md").read_text()
    assert "Sampling was ended by its budget (sample.max_tokens_total: " in card
    with caplog.at_level("INFO", logger="distill"):
        run_stages(recipe_for(**SMALL), paths, STAGES)
    assert "sample: done already, as far as sample.max_tokens_total: " in caplog.text
    assert counts(paths) == found


@pytest.mark.parametrize("larger", [{"sample.max_tokens_total": 10_000}, {}])
def test_a_larger_budget_goes_on_and_all_that_follows_is_made_again(recipe_for, paths, larger):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    before = texts(paths)
    run_stages(recipe_for(**larger), paths, STAGES)
    assert counts(paths) == [16, 16, 16]
    assert before.items() <= texts(paths).items()
    assert "ended by its budget" not in (paths.dataset / "README.md").read_text()
    whole = RunPaths(paths.root.parent / "whole")
    run_stages(recipe_for(), whole, ["sample"])
    assert texts(paths) == texts(whole)


def test_a_smaller_or_other_budget_changes_nothing(recipe_for, paths):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    before = counts(paths)
    for other in ({"sample.max_tokens_total": 60}, {**SMALL, "sample.max_hours": 100}):
        run_stages(recipe_for(**other), paths, STAGES)
        assert counts(paths) == before


def test_stages_after_it_wait_until_the_larger_budget_has_sampled(recipe_for, paths):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    run_stages(recipe_for(), paths, ["sample"])
    with closing(Store(paths.store)) as store:
        assert store.mark("sample")
        assert store.mark("verify") is store.mark("filter") is store.mark("report") is None
    with pytest.raises(StoreError, match="filter needs what verify makes"):
        run_stages(recipe_for(), paths, ["filter"])


def test_a_student_that_has_learned_of_it_stands_in_the_way(recipe_for, paths):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    for folder in (paths.sft, paths.grpo_run("after"), paths.grpo_run("zero")):
        folder.mkdir(parents=True)
    mark(paths, "sft", "grpo", "evaluate")
    before = counts(paths)
    with pytest.raises(StoreError, match=r"a student has learned.*run/sft and .*run/grpo/after so"):
        run_stages(recipe_for(), paths, ["sample"])
    assert counts(paths) == before
    run_stages(recipe_for(**SMALL), paths, STAGES)  # the old budget still stands


def test_once_the_student_is_removed_it_learns_and_is_evaluated_anew(recipe_for, paths):
    run_stages(recipe_for(**SMALL), paths, STAGES)
    mark(paths, "sft", "grpo", "evaluate")
    score = Score(
        row="sft",
        test_set="easy",
        problem_id="p",
        index=0,
        completion="4",
        finish_reason="stop",
        completion_tokens=1,
        correct=True,
        reason=VerdictReason.RIGHT,
        answer="4",
        has_format=True,
        seed=1,
    )
    scores = [msgspec.structs.replace(score, row=row) for row in ("sft", "after", "zero", "base")]
    with closing(Store(paths.store)) as store:
        store.put("scores", [(one.score_id, one) for one in scores])
    run_stages(recipe_for(), paths, ["sample"])
    with closing(Store(paths.store)) as store:
        assert {row.row for row in store.scan("scores", Score)} == {"zero", "base"}
        assert [store.mark(name) for name in ("sft", "evaluate")] == [None, None]
        assert ended_by_budget(store) is None


def test_budgets_and_prices_are_no_part_of_what_was_asked(recipe_for):
    price = {"sample.price.usd_per_million_out": 2.0, "sample.max_usd": 1.0}
    hours = {"sample.max_hours": 2.0, "sample.max_failed_share": 0.5}
    assert stage_keys("sample", recipe_for(**SMALL, **price, **hours)) == stage_keys(
        "sample", recipe_for()
    )


def test_with_adaptive_what_is_kept_decides_what_is_asked(recipe_for):
    filtered = {"filter.keep_per_problem": 1, "verify.timeout_seconds": 1.0}
    fixed = stage_keys("sample", recipe_for(**filtered))
    assert fixed == stage_keys("sample", recipe_for())
    adaptive = stage_keys("sample", recipe_for(**filtered, **{"sample.adaptive.needed": 2}))
    assert filtered.items() <= adaptive.items()
    assert adaptive["evaluate.test_sets.easy"] == GYM.format(seed=300)
    assert "verify.workers" not in adaptive


def test_marks_name_every_stage_after_sampling():
    assert list(AFTER) == list(EVERY_STAGE)

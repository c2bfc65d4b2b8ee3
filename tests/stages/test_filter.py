"""The filter stage: right, readable, new traces become a dataset; the others keep a reason."""

import json
from collections import Counter

import datasets
import msgspec
import pyarrow.parquet
import pytest

from distill.errors import RecipeError, StoreError
from distill.problems.sources import load_problems
from distill.recipe import Evaluate, Filter, Problems, Recipe, Sample, Sft
from distill.records import Decision, Problem, Trace, Verdict, VerdictReason
from distill.runlog import read_metrics
from distill.stages import filter as stage
from distill.store import RunPaths, Store

ASKED = "How many legs do {} dogs, {} cats and one very old bird have if you count all of them?"
GOOD = "<think>4 * {0} = {1}\nWait, check: {1} / 4 = {0}. Good</think><answer>{1}</answer>"
BAD = {
    "format": "<answer>8</answer>",
    "language_mix": "<think>两只狗有八条腿</think><answer>8</answer>",
    "repetition": "<think>" + "2 * 4 = 8 legs\n" * 30 + "</think><answer>8</answer>",
    "code_block": "<think>```\n8\n```</think><answer>8</answer>",
}
UNSURE = {"wrong": False, "no_answer": False, "truncated": False, "timeout": None}


def write_problems(path, questions):
    problems = [
        Problem(problem_id=f"{path.stem}{i}", question=q, reference="8", source="own (CC0)")
        for i, q in enumerate(questions)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(problem) + b"\n" for problem in problems))
    return str(path)


def make_recipe(folder, tests=("What is 3 + 4?",), **filter_keys):
    return Recipe(
        name="tiny | recipe",
        problems=Problems(
            train=write_problems(folder / "train.jsonl", [ASKED.format(2, n) for n in range(3)]),
            rl=write_problems(folder / "rl.jsonl", ["What is 2 + 2?"]),
        ),
        sample=Sample(teacher="models/teacher", temperature=0.7),
        sft=Sft(base="models/base"),
        filter=Filter(**filter_keys),
        evaluate=Evaluate(test_sets={"test": write_problems(folder / "test.jsonl", tests)}),
    )


def fill(paths, recipe, completions, reasons=None):
    """One trace per completion and problem, judged right unless a reason says otherwise."""
    store = Store(paths.store)
    problems = load_problems(recipe.problems.train)
    store.put("problems", [(problem.problem_id, problem) for problem in problems])
    for problem in problems:
        for index, text in enumerate(completions):
            trace = Trace(
                problem_id=problem.problem_id,
                index=index,
                prompt=f"Q: {problem.question}",
                completion=text,
                finish_reason="stop",
                prompt_tokens=5,
                completion_tokens=7 + index,
                teacher="models/teacher",
                seed=index,
            )
            reason = (reasons or {}).get(index, "right")
            verdict = Verdict(
                trace_id=trace.trace_id,
                correct=UNSURE.get(reason, True),
                reason=VerdictReason(reason),
            )
            store.put("traces", [(trace.trace_id, trace)])
            store.put("verdicts", [(trace.trace_id, verdict)])
    store.close()


def decisions(paths):
    store = Store(paths.store)
    found = list(store.scan("decisions", Decision))
    store.close()
    return found


def good(count):
    return [GOOD.format(n, 4 * n) for n in range(2, 2 + count)]


def test_every_trace_gets_one_decision_with_its_reason(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=2)
    completions = [*BAD.values(), *good(4), good(1)[0], *good(4)]
    fill(paths, recipe, completions, {9: "wrong", 10: "no_answer", 11: "truncated", 12: "timeout"})
    stage.run(recipe, paths)
    found = decisions(paths)
    assert len(found) == 3 * len(completions)
    assert Counter(decision.reason.value for decision in found) == {
        **dict.fromkeys(BAD, 3),
        "kept": 6,
        "surplus": 6,
        "duplicate": 3,
        "wrong": 3,
        "no_answer": 3,
        "truncated": 3,
        "unverified": 3,
    }
    assert [d.trace_id for d in found if d.kept][:2] == ["train0#4", "train0#5"]
    (line,) = read_metrics(paths.metrics, "filter")
    assert [line[key] for key in ("traces", "right", "readable", "kept")] == [39, 27, 15, 6]


def test_the_dataset_opens_and_says_where_every_row_came_from(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    fill(paths, recipe, [BAD["format"], *good(2)])
    stage.run(recipe, paths)
    cache = str(tmp_path / "cache")
    kept = datasets.load_dataset(str(paths.dataset), cache_dir=cache)["train"]
    assert kept.num_rows == 6
    assert kept[0]["completion"] == GOOD.format(2, 8)
    assert kept[0]["question"] == ASKED.format(2, 0)
    assert (kept[0]["teacher"], kept[0]["source"]) == ("models/teacher", "own (CC0)")
    dropped = datasets.load_dataset(str(paths.dataset), "dropped", cache_dir=cache)["train"]
    assert (dropped.num_rows, set(dropped["reason"])) == (3, {"format"})
    lines = (paths.dataset / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == kept.to_list()
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    for said in (
        "6 traces that were kept out of 9",
        "temperature 0.7",
        "own (CC0)",
        "| format | 3 |",
    ):
        assert said in card


def test_nothing_dropped_and_nothing_kept_are_datasets_too(tmp_path, caplog):
    cache = str(tmp_path / "cache")
    paths, recipe = RunPaths(tmp_path / "all"), make_recipe(tmp_path)
    fill(paths, recipe, good(1))
    stage.run(recipe, paths)
    assert datasets.load_dataset(str(paths.dataset), cache_dir=cache)["train"].num_rows == 3
    assert datasets.get_dataset_config_names(str(paths.dataset)) == ["default"]
    paths = RunPaths(tmp_path / "none")
    fill(paths, recipe, [BAD["format"]])
    stage.run(recipe, paths)
    assert "nothing was kept" in caplog.text
    assert pyarrow.parquet.read_table(paths.dataset / "train.parquet").num_rows == 0


def test_a_stage_run_twice_equals_once(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=1)
    fill(paths, recipe, [*BAD.values(), *good(3)])
    stage.run(recipe, paths)
    files = ("train.parquet", "dropped.parquet", "train.jsonl", "README.md")
    first = decisions(paths), [(paths.dataset / name).read_bytes() for name in files]
    stage.run(recipe, paths)
    assert (decisions(paths), [(paths.dataset / name).read_bytes() for name in files]) == first
    assert sorted(path.name for path in paths.dataset.iterdir()) == sorted(files)


def test_every_check_can_be_off(tmp_path):
    paths = RunPaths(tmp_path / "run")
    recipe = make_recipe(
        tmp_path,
        drop_verdicts=(),
        require_format=False,
        max_foreign_share=None,
        max_repeated_share=None,
        max_paragraph_chars=None,
        allow_code_blocks=True,
        drop_duplicates=False,
        overlap_ngram=None,
        keep_per_problem=None,
    )
    fill(paths, recipe, [*BAD.values(), *good(1) * 5], {5: "wrong", 6: "timeout", 7: "truncated"})
    stage.run(recipe, paths)
    assert all(decision.kept for decision in decisions(paths))


def test_a_problem_too_close_to_a_test_problem_keeps_nothing(tmp_path):
    close = ASKED.format(2, 1).replace("very old", "young")
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, tests=(close,))
    fill(paths, recipe, good(1))
    stage.run(recipe, paths)
    fates = {d.trace_id: (d.reason.value, d.detail) for d in decisions(paths)}
    reason, detail = fates["train1#0"]
    assert reason == "test_overlap"
    assert detail.startswith("n-gram with test test0: ")


def test_a_test_problem_among_the_train_problems_is_refused(tmp_path):
    paths = RunPaths(tmp_path / "run")
    recipe = make_recipe(tmp_path, tests=(ASKED.format(2, 1),))
    fill(paths, recipe, good(1))
    with pytest.raises(RecipeError, match=r"train1 = test0"):
        stage.run(recipe, paths)
    assert decisions(paths) == []


def test_without_verdicts_nothing_is_decided(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    with pytest.raises(StoreError, match="run `distill verify` first"):
        stage.run(recipe, paths)

"""The ablation of a run: a dataset for each variant, a table, and the run as it was."""

import json
from pathlib import Path

import datasets
import msgspec
import pyarrow.parquet
import pytest

from distill.errors import StoreError
from distill.filters.ablation import Ablation
from distill.recipe import Evaluate, Filter, Problems, Recipe, Sample, Sft
from distill.records import Decision, Judgement, Problem, Trace, Verdict, VerdictReason
from distill.stages import ablate
from distill.stages import filter as filter_stage
from distill.store import RunPaths, Store

QUESTION = "How many legs do {} dogs, {} cats and one very old bird have in this strange zoo?"
STEPS = "<think>4 * {0} = {1}\nWait, check: {1} / 4 = {0}. Good</think><answer>{1}</answer>"
CODE = STEPS.replace("Wait", "```\nx\n```\nWait")


def write_problems(path, questions):
    problems = [
        Problem(problem_id=f"{path.stem}{i}", question=q, reference="8", source="own (CC0)")
        for i, q in enumerate(questions)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(problem) + b"\n" for problem in problems))
    return str(path)


@pytest.fixture
def recipe(tmp_path):
    questions = [QUESTION.format(n, n + 1) for n in range(3)]
    close = questions[2].replace("strange", "odd")
    return Recipe(
        name="tiny",
        problems=Problems(
            train=write_problems(tmp_path / "train.jsonl", questions),
            rl=write_problems(tmp_path / "rl.jsonl", ["What is 2 + 2?"]),
        ),
        sample=Sample(teacher="models/teacher"),
        sft=Sft(base="models/base"),
        filter=Filter(keep_per_problem=2),
        evaluate=Evaluate(test_sets={"test": write_problems(tmp_path / "test.jsonl", [close])}),
    )


def fill(paths, recipe, judged=False):
    """Of three problems: two good traces, one wrong, one with code, one good."""
    store = Store(paths.store)
    texts = [STEPS.format(2, 8), STEPS.format(3, 12), STEPS.format(4, 16), CODE.format(5, 20)]
    for line in Path(recipe.problems.train).read_bytes().splitlines():
        problem = msgspec.json.decode(line, type=Problem)
        store.put("problems", [(problem.problem_id, problem)])
        for index, text in enumerate([*texts, STEPS.format(6, 24)]):
            trace = Trace(
                problem_id=problem.problem_id,
                index=index,
                prompt="Q",
                completion=text,
                finish_reason="stop",
                prompt_tokens=5,
                completion_tokens=10 + index,
                teacher="models/teacher",
                seed=index,
            )
            right = index != 2
            verdict = Verdict(
                trace_id=trace.trace_id,
                correct=right,
                reason=VerdictReason.RIGHT if right else VerdictReason.WRONG,
            )
            said = Judgement(trace_id=trace.trace_id, correct=index == 2, judge="j@1", reply="")
            store.put("traces", [(trace.trace_id, trace)])
            store.put("verdicts", [(trace.trace_id, verdict)])
            store.put("judgements", [(trace.trace_id, said)] if judged else [])
    store.close()


def kept(paths, name):
    table = pyarrow.parquet.read_table(paths.ablation / name / "train.parquet")
    return set(table["trace_id"].to_pylist())


def ids(*indexes, problems=(0, 1)):
    return {f"train{problem}#{index}" for problem in problems for index in indexes}


def test_one_command_makes_a_dataset_for_each_way_to_filter(tmp_path, recipe):
    paths = RunPaths(tmp_path / "run")
    fill(paths, recipe, judged=True)
    ablate.run(recipe, paths)
    expected = {
        "recipe": ids(0, 1),
        "accept-rule": ids(0, 1),
        "accept-none": ids(0, 1),
        "accept-judge": ids(2),
        "accept-or": ids(0, 1),
        "accept-and": set(),
        "without-keep_per_problem": ids(0, 1, 4),
        "without-allow_code_blocks": ids(0, 1),
        "without-test_overlap": ids(0, 1, problems=(0, 1, 2)),
    }
    for name, traces in expected.items():
        assert kept(paths, name) == traces, name
    found = msgspec.json.decode((paths.ablation / "ablation.json").read_bytes(), type=Ablation)
    rows = {row.variant: row for row in found.rows}
    judge = rows["accept-judge"]
    assert (judge.kept, judge.only_here, judge.lost, judge.right_share) == (2, 2, 4, 0.0)
    assert (rows["recipe"].mean_length, rows["accept-judge"].mean_length) == (10.5, 12.0)
    assert found.skipped == {}
    assert set(rows) == {path.name for path in paths.ablation.iterdir() if path.is_dir()}


def test_each_dataset_opens_and_its_card_has_its_own_thresholds(tmp_path, recipe):
    paths = RunPaths(tmp_path / "run")
    fill(paths, recipe)
    ablate.run(recipe, paths)
    folder = paths.ablation / "without-keep_per_problem"
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == opened.to_list()
    card = (folder / "README.md").read_text(encoding="utf-8")
    for said in (
        "6 traces that were kept out of 15",
        "| filter.keep_per_problem | null |",
        "All that the filter left are kept",
        "| models/teacher | not stated | not stated | own (CC0) | math | 6 |",
    ):
        assert said in card
    table = (paths.ablation / "ablation.md").read_text(encoding="utf-8")
    assert "| recipe | 4 | 2 | 100.0% | 10 | 0 | 0 |" in table
    assert "not made: accept-judge, accept-or, accept-and: no language model has judged" in table


def test_the_run_stays_as_it_is(tmp_path, recipe):
    paths = RunPaths(tmp_path / "run")
    fill(paths, recipe)
    filter_stage.run(recipe, paths)
    store = Store(paths.store)
    before = list(store.scan("decisions", Decision))
    files = {path: path.read_bytes() for path in paths.dataset.iterdir()}
    store.close()
    ablate.run(recipe, paths)
    first = {p: p.read_bytes() for p in paths.ablation.rglob("*") if p.is_file()}
    ablate.run(recipe, paths)
    assert {p: p.read_bytes() for p in paths.ablation.rglob("*") if p.is_file()} == first
    store = Store(paths.store)
    assert list(store.scan("decisions", Decision)) == before
    store.close()
    assert {path: path.read_bytes() for path in paths.dataset.iterdir()} == files
    assert kept(paths, "recipe") == {decision.trace_id for decision in before if decision.kept}


def test_without_a_run_there_is_nothing_to_ablate(tmp_path, recipe):
    with pytest.raises(StoreError, match="holds no run"):
        ablate.run(recipe, RunPaths(tmp_path / "run"))
    assert not (tmp_path / "run").exists()

"""Report: the numbers of a small run worked out by hand, and what may be said of them."""

import json

import msgspec
import pytest

from distill.errors import RecordError, StoreError
from distill.files import write_whole
from distill.filters.decisions import Fate, Word
from distill.filters.findings import Examined, Finding, Known
from distill.filters.funnel import filter_facts, write_facts
from distill.recipe import Evaluate, Grpo, GrpoRun, Problems, Recipe, Sample, Server, Sft
from distill.records import (
    Decision,
    DropReason,
    Problem,
    Score,
    Trace,
    Verdict,
    VerdictReason,
)
from distill.runlog import log_metrics
from distill.stages import report
from distill.stages.show import show
from distill.store import RunPaths, Store

PROBLEMS = [
    Problem(problem_id=f"p{at}", question=f"{at} + 4 = ?", reference=str(at + 4), family="sum")
    for at in range(10)
]
SKILL = {"base": 1, "zero": 4, "sft": 9, "after": 9, "control": 1, "teacher": 10}  # of 10 right
HOSTILE = "</script><script>document.title = 'x'</script>"


def make_recipe(tmp_path) -> Recipe:
    tests = tmp_path / "easy.jsonl"
    tests.write_bytes(b"\n".join(map(msgspec.json.encode, PROBLEMS)) + b"\n")
    runs = {
        "zero": GrpoRun(start_from="base"),
        "control": GrpoRun(start_from="base", reward="random"),
        "after": GrpoRun(start_from="sft"),
    }
    return Recipe(
        name="small",
        problems=Problems(train=str(tests), rl=str(tests)),
        sample=Sample(teacher="teacher"),
        sft=Sft(base="base"),
        grpo=Grpo(runs=runs),
        evaluate=Evaluate(
            test_sets={"easy": str(tests)}, completions_per_problem=2, k=2, bootstrap_resamples=400
        ),
    )


def score(row, problem, index, right, **changes):
    values = {
        "row": row,
        "test_set": "easy",
        "problem_id": problem.problem_id,
        "index": index,
        "completion": f"<think>{HOSTILE}</think> {problem.reference}",
        "finish_reason": "stop",
        "completion_tokens": 20,
        "correct": right,
        "reason": VerdictReason.RIGHT if right else VerdictReason.WRONG,
        "answer": problem.reference if right else "0",
        "has_format": True,
        "seed": 1,
        "family": problem.family,
    }
    return Score(**(values | changes))


def write_scores(store, row, right_problems):
    scores = [
        score(row, problem, index, at < right_problems)
        for at, problem in enumerate(PROBLEMS)
        for index in range(2)
    ]
    store.put("scores", [(score.score_id, score) for score in scores])


def write_trace(store, problem, reason):
    trace = Trace(
        problem_id=problem.problem_id,
        index=0,
        prompt="Q",
        completion=HOSTILE,
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=30,
        teacher="teacher",
        seed=1,
    )
    kept, key = reason is DropReason.KEPT, trace.trace_id
    wrong = reason is DropReason.WRONG
    verdict = VerdictReason.WRONG if wrong else VerdictReason.RIGHT
    store.put("problems", [(problem.problem_id, problem)])
    store.put("traces", [(key, trace)])
    judged = Verdict(trace_id=key, correct=not wrong, reason=verdict, seconds=0.25)
    store.put("verdicts", [(key, judged)])
    reasons = () if kept else (reason,)
    decision = Decision(trace_id=key, kept=kept, reason=reason, reasons=reasons)
    store.put("decisions", [(key, decision)])


def write_filter_facts(paths, fates):
    findings, words = [], []
    for problem, fate in zip(PROBLEMS, fates, strict=True):
        known = Known(trace_id=f"{problem.problem_id}#0", problem=problem.problem_id, family="sum")
        findings.append(Finding(known, Examined((), None, b"", b"")))
        words.append(Word(fate is not DropReason.WRONG, ()))
    done = [Fate(fate, "", () if fate is DropReason.KEPT else (fate,)) for fate in fates]
    facts = filter_facts(findings, words, done, problems={}, thresholds={"accept": "rule"})
    write_whole(paths.filter_facts, write_facts(facts))


def make_run(tmp_path) -> RunPaths:
    paths = RunPaths(tmp_path / "run")
    store = Store(paths.store)
    for row, right_problems in SKILL.items():
        write_scores(store, row, right_problems)
    fates = [DropReason.KEPT] * 7 + [DropReason.WRONG] * 2 + [DropReason.REPETITION]
    for problem, fate in zip(PROBLEMS, fates, strict=True):
        write_trace(store, problem, fate)
    write_filter_facts(paths, fates)
    log_metrics(paths.metrics, "sample", completion_tokens=300, seconds=3.0)
    learned = {"examples": 5, "left_out": {"too_long": 2}, "learned_tokens": 700}
    log_metrics(paths.metrics, "sft", event="trained", **learned, train_seconds=10.0)
    for run in ("zero", "after", "control"):
        for step in (1, 2):
            seconds = {"generate_seconds": 2.0, "score_seconds": 1.0, "train_seconds": 2.0}
            measured = {"reward": 0.1 * step, "accuracy": 0.1, "length": 9.0, "reflective": 0.2}
            tokens = {"tokens_generated": 1000, "tokens_trained": 800}
            log_metrics(paths.metrics, "grpo", run=run, step=step, **measured, **tokens, **seconds)
    store.close()
    return paths


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    return make_recipe(tmp_path)


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    return make_run(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Recipe, RunPaths]:
    """A run with its report, for tests that only read."""
    folder = tmp_path_factory.mktemp("made")
    recipe, paths = make_recipe(folder), make_run(folder)
    report.run(recipe, paths)
    return recipe, paths


def table(paths):
    return {row["row"]: row for row in json.loads(paths.table.read_text())}


def test_table_json_has_every_row_with_its_numbers(made):
    recipe, paths = made
    rows = table(paths)
    assert list(rows) == [
        "base",
        "R1-Zero (GRPO)",
        "Distilled (SFT)",
        "Distilled + GRPO",
        "random-reward control",
        "teacher",
    ]
    sft = rows["Distilled (SFT)"]
    assert (sft["pass_at_1"], sft["cons_at_k"], sft["pass_at_k"]) == (0.9, 0.9, 0.9)
    assert (sft["test_set"], sft["k"], sft["problems"], sft["samples"]) == ("easy", 2, 10, 2)
    assert sft["low"] < 0.9 < sft["high"] <= 1.0
    assert sft["seed"] == recipe.seed
    assert (rows["teacher"]["low"], rows["teacher"]["high"]) == (1.0, 1.0)


def test_the_distilled_row_carries_the_teachers_tokens_and_what_follows_carries_both(made):
    _, paths = made
    rows = table(paths)
    keys = ("tokens_generated", "tokens_trained", "seconds")

    def costs(label):
        return tuple(rows[label][key] for key in keys)

    assert costs("base") == (0, 0, 0)
    assert costs("R1-Zero (GRPO)") == costs("random-reward control") == (2000, 1600, 10.0)
    # 3 s of writing, 10 x 0.25 s of scoring, 10 s of training
    assert costs("Distilled (SFT)") == (300, 700, 15.5)
    assert costs("Distilled + GRPO") == (2300, 2300, 25.5)
    assert costs("teacher") == (None, None, None)


def test_the_report_says_what_the_intervals_allow(made):
    _, paths = made
    text = paths.report_md.read_text()
    # 5 of 10 problems differ by 1: far from 0; the control differs nowhere
    assert "easy: Distilled (SFT) is above R1-Zero (GRPO): +50.0 points" in text
    assert "No difference shown between random-reward control and base: 0.0 points" in text
    assert "| Distilled + GRPO − Distilled (SFT) | 0.0 [0.0, 0.0] not shown |" in text
    assert "NOT measured here" in text
    assert "R1-Distill-Qwen-32B | 72.6" in text


def test_the_funnel_counts_every_trace_once(made):
    _, paths = made
    text = paths.report_md.read_text()
    for line in (
        "| traces | 10 | 100.0 | – |",
        "| accepted | 8 | 80.0 | 2 |",
        "| kept | 7 | 70.0 | – |",
        "| wrong | 2 | 20.0 | 2 | 2 |",
        "| `sum` | 10 | 10 | 8 | 80.0 | 7 | 70.0 |",
    ):
        assert line in text
    assert "The student learned from 5 of 7 kept; left out: 2 too_long." in text
    assert "(a kill lost" not in text


def test_time_that_was_not_logged_is_said_to_be_estimated(recipe, paths):
    paths.metrics.unlink()
    log_metrics(paths.metrics, "sample", completion_tokens=75, seconds=3.0)  # of 300 stored
    report.run(recipe, paths)
    text = paths.report_md.read_text()
    assert "The time of 25.0% of the teacher's tokens was logged (a kill lost the rest)" in text


def test_every_shown_completion_can_be_looked_up_by_its_id(made):
    _, paths = made
    html = paths.report_html.read_text()
    start = html.index('id="traces">') + len('id="traces">')
    shown = json.loads(html[start : html.index("</script>", start)])
    assert len(shown) > 10
    assert all(trace["id"] in show(paths.root, trace["id"]) for trace in shown)


def test_the_page_holds_the_traces_and_runs_nothing_of_them(made):
    _, paths = made
    html = paths.report_html.read_text()
    assert HOSTILE not in html
    assert "http:" not in html
    assert "https:" not in html
    start = html.index('id="traces">') + len('id="traces">')
    shown = json.loads(html[start : html.index("</script>", start)])
    fates = [trace["reason"] for trace in shown if trace["source"] == "teacher's trace"]
    assert sorted(fates) == ["kept"] * 7 + ["repetition"] + ["wrong"] * 2
    assert {trace["source"] for trace in shown} >= {"row: base", "row: Distilled + GRPO"}


def test_report_made_again_is_the_same(made):
    recipe, paths = made
    files = (paths.table, paths.report_md, paths.report_html)
    before = [file.read_bytes() for file in files]
    report.run(recipe, paths)
    assert [file.read_bytes() for file in files] == before


def test_a_row_that_was_not_evaluated_to_the_end_is_refused(recipe, paths):
    Store(paths.store).clear("scores", prefix="sft/easy/p3")
    with pytest.raises(StoreError, match="row 'sft' has no scores for 1 of 10 problems"):
        report.run(recipe, paths)
    assert not paths.table.exists()


def test_a_teacher_behind_a_server_has_no_row_and_that_is_said(recipe, paths):
    Store(paths.store).clear("scores", prefix="teacher/")
    with pytest.raises(StoreError, match="row 'teacher'"):
        report.run(recipe, paths)
    sample = Sample(teacher="org/large", engine="server", server=Server(url="http://x/v1"))
    report.run(msgspec.structs.replace(recipe, sample=sample), paths)
    assert list(table(paths))[-1] == "random-reward control"
    assert len(table(paths)) == 5
    assert "No row for the teacher: only a server has it." in paths.report_md.read_text()
    assert "teacher org/large" in paths.report_html.read_text()


def test_fewer_completions_than_asked_are_refused(recipe, paths):
    Store(paths.store).clear("scores", prefix="teacher/easy/p3#1")
    with pytest.raises(RecordError, match="teacher/easy/p3 has 1 completions; expected 2"):
        report.run(recipe, paths)


def test_labels_tell_runs_of_one_kind_apart(recipe):
    runs = recipe.grpo.runs | {
        "second": GrpoRun(start_from="base"),
        "other": GrpoRun(start_from="org/model"),
    }
    grpo = msgspec.structs.replace(recipe.grpo, runs=runs)
    labels = report.row_labels(msgspec.structs.replace(recipe, grpo=grpo))
    assert list(labels.items()) == [
        ("base", "base"),
        ("zero", "R1-Zero (GRPO) zero"),
        ("second", "R1-Zero (GRPO) second"),
        ("sft", "Distilled (SFT)"),
        ("after", "Distilled + GRPO"),
        ("other", "GRPO from org/model"),
        ("control", "random-reward control"),
        ("teacher", "teacher"),
    ]


def test_answers_are_one_vote_when_they_are_surely_one_value():
    assert report.same_answer("0.5", "1/2")
    assert report.same_answer("$12$", "12.")
    assert not report.same_answer("12", "21")


def test_what_is_unknown_or_missing_is_said(recipe, paths):
    store = Store(paths.store)
    for name in ("traces", "verdicts", "decisions"):
        store.clear(name)
    paths.metrics.unlink()
    paths.filter_facts.unlink()
    store.clear("scores", prefix="zero/easy/p0#0")
    unknown = score("zero", PROBLEMS[0], 0, None, reason=VerdictReason.TIMEOUT)
    store.put("scores", [(unknown.score_id, unknown)])
    report.run(recipe, paths)
    row, text = table(paths)["R1-Zero (GRPO)"], paths.report_md.read_text()
    assert (row["unknown"], row["unknown_problems"], row["pass_at_1"]) == (1, 0, 0.4)
    assert row["tokens_generated"] is None
    assert "The verifier failed on 1 of 120 completions" in text
    assert "No figures of a filter in this run folder (filter.json)" in text
    assert "No GRPO steps were logged." in text

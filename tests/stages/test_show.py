"""A look into a run folder shows what is there and is safe to print."""

import msgspec
import pytest

from distill.errors import StoreError
from distill.evaluation.harmless import printable
from distill.records import (
    Decision,
    DropReason,
    Failure,
    FailureReason,
    Origin,
    Problem,
    Score,
    Trace,
    Verdict,
    VerdictReason,
)
from distill.stages.show import show
from distill.store import RunPaths, Store

COMPLETION = "<think>2 + 2\x1b[2J\x07 = 4\u202e</think>\n<answer>4</answer>"


@pytest.fixture
def run(tmp_path):
    store = Store(RunPaths(tmp_path).store)
    store.put("problems", [("p", Problem(problem_id="p", question="2 + 2?", reference="4"))])
    for index, (verdict, fate) in enumerate(
        [
            (VerdictReason.RIGHT, DropReason.KEPT),
            (VerdictReason.RIGHT, DropReason.REPETITION),
            (VerdictReason.WRONG, DropReason.WRONG),
        ]
    ):
        trace = Trace(
            problem_id="p",
            index=index,
            prompt="2 + 2?",
            completion=COMPLETION,
            finish_reason="stop",
            prompt_tokens=5,
            completion_tokens=9,
            teacher="org/teacher",
            seed=index,
        )
        right = verdict == VerdictReason.RIGHT
        kept = fate == DropReason.KEPT
        store.put("traces", [(trace.trace_id, trace)])
        judged = Verdict(trace_id=trace.trace_id, correct=right, reason=verdict, answer="4")
        store.put("verdicts", [(trace.trace_id, judged)])
        decision = Decision(trace_id=trace.trace_id, kept=kept, reason=fate, detail="0.7 > 0.5")
        store.put("decisions", [(trace.trace_id, decision)])
    store.close()
    return tmp_path


def test_the_overview_counts_and_names(run):
    text = show(run)
    assert "1 problems, 3 traces, 0 failures, 3 verdicts, 3 decisions, 0 scores" in text
    assert [line.split() for line in text.splitlines()[-3:]] == [
        ["1", "kept", "p#0"],
        ["1", "wrong", "p#2"],
        ["1", "repetition", "p#1"],
    ]


def test_one_trace_with_its_verdict_and_fate(run):
    text = show(run, "p#1")
    assert "question: 2 + 2?" in text
    assert "verdict: right, answer '4'" in text
    assert "fate: dropped: repetition (0.7 > 0.5)" in text
    assert text.endswith("= 4\\u202e</think>\n<answer>4</answer>")


def test_a_trace_tells_where_it_comes_from_and_what_it_cost(run):
    store = Store(RunPaths(run).store)
    old = store.get("traces", "p#0", Trace)
    origin = Origin(
        engine="vllm 0.32.0",
        weights="0123abcd",
        prompt_template="4567ef01",
        temperature=0.6,
        top_p=0.95,
        max_tokens=4096,
    )
    new = msgspec.structs.replace(
        old, index=7, origin=origin, seconds=12.34, usd=0.00021, tokens_are_counted=False
    )
    store.put("traces", [(new.trace_id, new)])
    store.close()
    text = show(run, "p#7")
    assert "9 completion tokens (estimated), ended by stop" in text
    assert (
        "origin: vllm 0.32.0, weights 0123abcd, prompt template 4567ef01, temperature 0.6, top-p "
        "0.95, at most 4096 tokens; 12.3 s, 0.000210 USD"
    ) in text
    assert "origin: not recorded" in show(run, "p#0")


def test_failures_are_counted_by_reason_and_shown_one_by_one(run):
    store = Store(RunPaths(run).store)
    for index, reason in enumerate(["timeout", "refused", "timeout"]):
        failure = Failure(
            trace_id=f"p#1{index}",
            reason=FailureReason(reason),
            detail="no answer in 30 s\x1b[2J",
            attempts=6,
            seconds=181.25,
        )
        store.put("failures", [(failure.trace_id, failure)])
    store.close()
    lines = [line.split() for line in show(run).splitlines()]
    assert ["2", "timeout", "p#10:", "no", "answer", "in", "30", "s\\x1b[2J"] in lines
    assert ["1", "refused"] in [line[:2] for line in lines]
    one = show(run, "p#12")
    assert "request p#12 brought nothing: timeout (no answer in 30 s" in one
    assert "attempts: 6" in one


def test_a_trace_cannot_drive_the_terminal(run):
    text = show(run, "p#0")
    assert "\\x1b[2J\\x07" in text
    assert not any(ord(c) < 32 and c not in "\n\t" for c in text)


def test_any_printable_text_can_be_encoded():
    text = "".join(map(chr, range(0x10000)))
    shown = printable(text)
    shown.encode("utf-8")
    assert "\r" not in shown
    assert "等" in shown
    assert "\n" in shown


def test_an_unknown_trace_names_the_nearest(run):
    with pytest.raises(StoreError, match=r"no trace 'p#9'; did you mean 'p#\d'"):
        show(run, "p#9")


def test_an_evaluated_completion_is_shown_by_its_id(run):
    store = Store(RunPaths(run).store)
    for index, right in enumerate([True, False]):
        score = Score(
            row="sft",
            test_set="easy",
            problem_id="p",
            index=index,
            completion=COMPLETION,
            finish_reason="stop",
            completion_tokens=9,
            correct=right,
            reason=VerdictReason.RIGHT if right else VerdictReason.WRONG,
            answer="4",
            has_format=True,
            seed=1,
        )
        store.put("scores", [(score.score_id, score)])
    store.close()
    assert show(run).splitlines()[-1].split() == ["2", "1", "right", "sft/easy/p#0"]
    text = show(run, "sft/easy/p#1")
    assert "verdict: wrong, answer '4'" in text
    assert text.endswith("<answer>4</answer>")
    with pytest.raises(StoreError, match=r"no evaluated completion 'sft/easy/p#7'; did you mean"):
        show(run, "sft/easy/p#7")


def test_looking_changes_nothing(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    show(run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_that_is_being_written_is_shown_as_it_stands(run):
    store = Store(RunPaths(run).store)
    store.put("problems", [("q", Problem(problem_id="q", question="?", reference="4"))])
    assert "2 problems, 3 traces" in show(run)
    store.close()


def test_an_empty_store_is_refused_and_left_empty(tmp_path):
    RunPaths(tmp_path).store.touch()
    with pytest.raises(StoreError, match="holds no run"):
        show(tmp_path)
    assert RunPaths(tmp_path).store.read_bytes() == b""
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_without_a_run_is_refused_and_left_alone(tmp_path):
    with pytest.raises(StoreError, match="no run in this folder"):
        show(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="no run in this folder"):
        show(tmp_path / ("n" * 300))

"""The verify stage: one verdict per trace, done once."""

import pytest

from distill.errors import RecordError
from distill.recipe import Evaluate, Problems, Recipe, Sample, Sft, Verify
from distill.records import Problem, Trace, Verdict, VerdictReason
from distill.runlog import read_metrics
from distill.stages import verify
from distill.store import RunPaths, Store


def recipe(workers=1):
    """The least that a recipe needs."""
    return Recipe(
        name="t",
        problems=Problems(train="train.jsonl", rl="rl.jsonl"),
        sample=Sample(teacher="teacher"),
        sft=Sft(base="base"),
        evaluate=Evaluate(test_sets={"easy": "easy.jsonl"}),
        verify=Verify(workers=workers),
    )


def trace(index, completion, *, problem_id="p", finish_reason="stop", prompt="?"):
    """A trace with a completion."""
    return Trace(
        problem_id=problem_id,
        index=index,
        prompt=prompt,
        completion=completion,
        finish_reason=finish_reason,
        prompt_tokens=1,
        completion_tokens=1,
        teacher="teacher",
        seed=index,
    )


TRACES = [
    trace(0, "<think>a</think>\\boxed{5}"),
    trace(1, "<think>a</think>\\boxed{6}"),
    trace(2, "<think>a", finish_reason="length"),
    trace(3, "<think>a</think>"),
    trace(4, "Is it \\boxed{5}?", prompt="? <think>\n"),  # scratch work
    *[trace(index, f"\\boxed{{{index}}}") for index in range(5, 150)],
]
EXPECTED = {
    "p#0": "right",
    "p#1": "wrong",
    "p#2": "truncated",
    "p#3": "no_answer",
    "p#4": "no_answer",
    "p#5": "right",
}


@pytest.fixture
def paths(tmp_path):
    """A run folder with one problem and its traces."""
    made = RunPaths(tmp_path / "run")
    store = Store(made.store)
    problem = Problem(problem_id="p", question="2 + 3?", reference="5")
    store.put("problems", [("p", problem)])
    store.put("traces", [(one.trace_id, one) for one in TRACES])
    store.close()
    return made


def verdicts(paths):
    """All verdicts of a run by trace."""
    store = Store(paths.store)
    found = {verdict.trace_id: verdict for verdict in store.scan("verdicts", Verdict)}
    store.close()
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_every_trace_gets_its_verdict(paths, workers, caplog):
    with caplog.at_level("INFO"):
        verify.run(recipe(workers), paths)
    found = verdicts(paths)
    assert set(found) == {one.trace_id for one in TRACES}
    assert {key: found[key].reason.value for key in EXPECTED} == EXPECTED
    funnel = "150 traces, 2 right, 145 wrong, 2 no answer, 1 truncated"
    assert funnel in caplog.text
    assert read_metrics(paths.metrics, "verify")[0]["right"] == 2


def test_a_second_run_changes_nothing(paths):
    verify.run(recipe(), paths)
    first = verdicts(paths)
    verify.run(recipe(), paths)
    assert verdicts(paths) == first
    assert len(read_metrics(paths.metrics, "verify")) == 1


def test_a_stopped_run_goes_on_where_it_was(paths):
    # a verdict that is there is kept, even one that a new check would not give
    stored = Verdict(trace_id="p#0", correct=None, reason=VerdictReason.TIMEOUT)
    store = Store(paths.store)
    store.put("verdicts", [("p#0", stored)])
    store.close()
    verify.run(recipe(), paths)
    found = verdicts(paths)
    assert found["p#0"] == stored
    assert len(found) == len(TRACES)


def test_a_trace_without_its_problem_is_refused(paths):
    store = Store(paths.store)
    stray = trace(0, "5", problem_id="stray")
    store.put("traces", [(stray.trace_id, stray)])
    store.close()
    with pytest.raises(RecordError, match="stray#0"):
        verify.run(recipe(), paths)

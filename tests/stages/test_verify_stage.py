"""The verify stage: one verdict per trace, done once."""

import pytest

from distill.engines import open as engines
from distill.errors import RecordError, SandboxUnavailable
from distill.recipe import Evaluate, Judge, Problems, Recipe, Sample, Sft, Verify
from distill.records import Completion, Judgement, Problem, Trace, Verdict, VerdictReason
from distill.runlog import read_metrics
from distill.stages import verify
from distill.store import RunPaths, Store


def recipe(workers=1, judge=None):
    """The least that a recipe needs."""
    return Recipe(
        name="t",
        problems=Problems(train="train.jsonl", rl="rl.jsonl"),
        sample=Sample(teacher="teacher"),
        sft=Sft(base="base"),
        evaluate=Evaluate(test_sets={"easy": "easy.jsonl"}),
        verify=Verify(workers=workers, judge=judge),
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


# --- the judge


class ScriptedJudge:
    """Says correct of "five" and remembers what it was asked."""

    name, tokenizer, in_waves = "scripted 1", None, True

    def __init__(self):
        self.asked = []
        self.closed = 0

    def work(self, feed, params):
        """One reply for each request."""
        assert params.temperature == 0.0
        while taken := feed.take(3):
            for request in taken:
                self.asked.append(request.prompt)
                feed.done(request, self.reply(request.prompt))

    def close(self):
        self.closed += 1

    def reply(self, text):
        """A thought and a verdict, or a refusal."""
        word = "CORRECT" if "| It is five." in text else "INCORRECT"
        said = "I cannot say." if "| cat" in text else f"<think>Hm.</think>So.\nVERDICT: {word}"
        return Completion(text=said, finish_reason="stop", prompt_tokens=1, completion_tokens=1)


@pytest.fixture
def scripted(monkeypatch):
    """An engine that stands where a model would."""
    judge = ScriptedJudge()
    monkeypatch.setitem(engines.ENGINES, "transformers", lambda model, *_: judge)
    return judge


SAID = [
    trace(0, "<think>a</think>\\boxed{5}"),
    trace(1, "<think>secret</think>It is five."),
    trace(2, "<think>a</think>cat"),
    trace(3, "<think>a</think>"),
    trace(4, "<think>a</think>\\boxed{6}"),
]


@pytest.fixture
def said(tmp_path):
    """A run folder with a few traces and a program that no judge is asked about."""
    made = RunPaths(tmp_path / "run")
    store = Store(made.store)
    problem = Problem(problem_id="p", question="2 + 3?", reference="5")
    store.put("problems", [("p", problem)])
    store.put("traces", [(one.trace_id, one) for one in SAID])
    unsure = Verdict(trace_id="p#1", correct=None, reason=VerdictReason.TIMEOUT)
    store.put("verdicts", [("p#1", unsure)])
    store.close()
    return made


def judgements(paths):
    """What the judge said, by trace."""
    store = Store(paths.store)
    found = {one.trace_id: one.correct for one in store.scan("judgements", Judgement)}
    store.close()
    return found


ASKED = [
    ("undecided", {"p#1": True}),
    ("not_right", {"p#1": True, "p#2": None, "p#4": False}),
    ("all", {"p#0": False, "p#1": True, "p#2": None, "p#4": False}),
]


@pytest.mark.parametrize(("ask", "expected"), ASKED)
def test_the_judge_is_asked_about_what_the_recipe_says(said, scripted, ask, expected, caplog):
    before = recipe(judge=Judge(model="judge", ask=ask, batch_size=2))
    with caplog.at_level("INFO"):
        verify.run(before, said)
    assert judgements(said) == expected
    assert verdicts(said)["p#1"].correct is None  # its word changes no verdict
    assert f"judge judge: {len(expected)} asked, 1 right" in caplog.text
    assert not any("secret" in text for text in scripted.asked)
    assert scripted.closed == 1


def test_no_judge_is_asked_by_default(said, scripted):
    verify.run(recipe(), said)
    assert judgements(said) == {}
    assert scripted.asked == []


def test_a_stopped_judge_goes_on_where_it_was(said, scripted):
    store = Store(said.store)
    stored = Judgement(trace_id="p#1", correct=False, judge="judge", reply="stored")
    store.put("judgements", [("p#1", stored)])
    store.close()
    everything = recipe(judge=Judge(model="judge", ask="all"))
    verify.run(everything, said)
    assert judgements(said)["p#1"] is False
    assert len(scripted.asked) == 3
    verify.run(everything, said)
    assert len(scripted.asked) == 3


def test_a_real_model_may_be_the_judge(said, tiny_model):
    judge = Judge(model=str(tiny_model), ask="all", max_tokens=8, batch_size=3)
    verify.run(recipe(judge=judge), said)
    assert set(judgements(said)) == {"p#0", "p#1", "p#2", "p#4"}
    assert read_metrics(said.metrics, "judge")[0]["asked"] == 4


# --- programs


def test_programs_are_refused_before_work_where_nothing_isolates_them(said, monkeypatch):
    def unavailable(*arguments, **more):
        raise SandboxUnavailable("no Landlock; install bubblewrap")

    monkeypatch.setattr("distill.verifiers.verdict.Sandbox", unavailable)
    store = Store(said.store)
    store.put(
        "problems", [("c", Problem(problem_id="c", question="?", reference="", verifier="code"))]
    )
    before = store.count("verdicts")
    with pytest.raises(SandboxUnavailable, match="install"):
        verify.run(recipe(), said)
    assert store.count("verdicts") == before
    store.close()

"""Evaluate: every row answers the same problems with the same seeds, exactly once."""

import shutil

import msgspec
import pytest

from distill.engines.open import open_engine
from distill.errors import StoreError
from distill.recipe import (
    Evaluate,
    Grpo,
    GrpoRun,
    Problems,
    RayCluster,
    Recipe,
    Sample,
    Server,
    Sft,
)
from distill.records import Completion, Problem, Score
from distill.runlog import read_metrics
from distill.stages import evaluate
from distill.store import RunPaths, Store
from distill.verifiers.verdict import Verifier

PROBLEMS = [
    Problem(problem_id=f"p{at}", question=f"{at} + 4 = ?", reference=str(at + 4), family="sum")
    for at in range(5)
]


@pytest.fixture
def recipe(tmp_path, tiny_model) -> Recipe:
    tests = tmp_path / "easy.jsonl"
    tests.write_bytes(b"\n".join(map(msgspec.json.encode, PROBLEMS)) + b"\n")
    runs = {"zero": GrpoRun(start_from="base"), "after": GrpoRun(start_from="sft")}
    return Recipe(
        name="t",
        problems=Problems(train=str(tests), rl=str(tests)),
        sample=Sample(teacher=str(tiny_model), prompt="plain"),
        sft=Sft(base=str(tiny_model)),
        grpo=Grpo(runs=runs, prompt="plain"),
        evaluate=Evaluate(
            test_sets={"easy": str(tests)}, completions_per_problem=2, k=2, max_tokens=8
        ),
    )


@pytest.fixture
def paths(tmp_path, tiny_model) -> RunPaths:
    paths = RunPaths(tmp_path / "run")
    for folder in (paths.sft, paths.grpo_run("zero"), paths.grpo_run("after")):
        shutil.copytree(tiny_model, folder / "model")
    return paths


def scores_of(paths, row="") -> list[Score]:
    return list(Store(paths.store).scan("scores", Score, prefix=row))


def test_every_row_answers_every_problem_with_the_same_seeds(recipe, paths):
    evaluate.run(recipe, paths)
    keys = {(s.problem_id, s.index): s.seed for s in scores_of(paths, "base/")}
    assert set(keys) == {(f"p{at}", index) for at in range(5) for index in range(2)}
    assert len(set(keys.values())) == 10
    for row in ("zero", "after", "sft", "teacher"):
        assert {(s.problem_id, s.index): s.seed for s in scores_of(paths, f"{row}/")} == keys
    lines = read_metrics(paths.metrics, "evaluate", row="base")
    assert [line["completions"] for line in lines] == [10]
    assert lines[0]["tokens"] == sum(s.completion_tokens for s in scores_of(paths, "base/"))


def test_equal_models_and_prompts_give_equal_completions(recipe, paths):
    evaluate.run(recipe, paths)
    texts = {
        row: [score.completion for score in scores_of(paths, f"{row}/")]
        for row in ("base", "zero", "teacher", "sft", "after")
    }
    assert texts["base"] == texts["zero"] == texts["teacher"]  # prompt "plain"
    assert texts["sft"] == texts["after"]  # prompt "r1-zero"
    assert texts["base"] != texts["sft"]


def test_run_twice_is_run_once(recipe, paths):
    evaluate.run(recipe, paths)
    first, logged = scores_of(paths), read_metrics(paths.metrics)
    evaluate.run(recipe, paths)
    assert scores_of(paths) == first
    assert read_metrics(paths.metrics) == logged


def test_an_interrupted_row_is_completed_with_the_same_scores(recipe, paths):
    evaluate.run(recipe, paths)
    whole = scores_of(paths)
    store = Store(paths.store)
    store.clear("scores", prefix="zero/easy/p3")
    store.clear("scores", prefix="teacher/")
    evaluate.run(recipe, paths)
    assert scores_of(paths) == whole
    again = [line["row"] for line in read_metrics(paths.metrics, "evaluate")][5:]
    assert again == ["zero", "teacher"]


def test_an_interrupt_keeps_what_was_scored_and_is_made_up_for(recipe, paths, monkeypatch):
    evaluate.run(recipe, paths)
    whole = scores_of(paths)
    Store(paths.store).clear("scores")

    def interrupted(completion):
        interrupted.calls += 1
        if interrupted.calls == 4:
            raise KeyboardInterrupt
        return True

    interrupted.calls = 0
    with monkeypatch.context() as patched:
        patched.setattr(evaluate, "has_format", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate.run(recipe, paths)
    kept = [score.score_id for score in scores_of(paths)]
    assert len(kept) == 3
    evaluate.run(recipe, paths)
    assert [s.completion for s in scores_of(paths)] == [s.completion for s in whole]


def test_a_think_tag_of_the_prompt_belongs_to_the_completion():
    row = evaluate.Row(name="r", model="m", prompt="chat")
    unit = evaluate.Unit(row=row, test_set="easy", problems=(), seeds=())

    def score(prompt, text):
        completion = Completion(
            text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1
        )
        with Verifier() as verifier:
            return evaluate._score(unit, PROBLEMS[0], 0, 7, prompt, completion, verifier)

    whole, scratch = score("?<think>\n", "so</think>\n4"), score("?<think>\n", "Is it 4?")
    assert (whole.correct, whole.has_format, whole.completion) == (True, True, "so</think>\n4")
    assert (scratch.correct, scratch.has_format) == (False, False)
    assert score("?", "It is 4.").correct is True


def test_problems_are_asked_in_parts_that_together_are_all(recipe, paths, monkeypatch):
    small = msgspec.structs.replace(recipe.evaluate, batch_size=2)
    monkeypatch.setattr(evaluate, "BATCHES_PER_UNIT", 2)
    evaluate.run(msgspec.structs.replace(recipe, evaluate=small), paths)
    lines = read_metrics(paths.metrics, "evaluate", row="sft")
    assert [line["problems"] for line in lines] == [2, 2, 1]
    assert len(scores_of(paths, "sft/")) == 10


@pytest.mark.parametrize(("missing", "stage"), [("sft", "sft"), ("zero", "grpo")])
def test_a_row_without_its_model_names_the_stage_to_run(recipe, paths, missing, stage):
    folder = paths.sft if missing == "sft" else paths.grpo_run(missing)
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match=f"row '{missing}' has no model yet.*`distill {stage}`"):
        evaluate.run(recipe, paths)
    assert not paths.metrics.exists()


def test_rows_use_the_prompt_they_were_trained_with(recipe, paths):
    prompts = {row.name: row.prompt for row in evaluate.evaluated_rows(recipe, paths)}
    assert prompts == {
        "base": "plain",
        "zero": "plain",
        "after": "r1-zero",
        "sft": "r1-zero",
        "teacher": "plain",
    }


TEACHERS = [
    (Sample(teacher="t"), ["transformers"], "its own engine"),
    (Sample(teacher="t", engine="vllm"), ["vllm"], "its own engine"),
    (Sample(teacher="t", engine="ray"), ["transformers"], "that of Ray's actors"),
    (Sample(teacher="t", engine="ray", ray=RayCluster(engine="vllm")), ["vllm"], "the same"),
    (Sample(teacher="t", engine="server", server=Server(url="http://x/v1")), [], "not here"),
]


@pytest.mark.parametrize(("sample", "engines", "why"), TEACHERS)
def test_the_teacher_answers_by_an_engine_of_this_machine(recipe, paths, sample, engines, why):
    changed = msgspec.structs.replace(recipe, sample=sample)
    rows = evaluate.evaluated_rows(changed, paths)
    assert [row.engine for row in rows if row.name == "teacher"] == engines, why
    assert {row.engine for row in rows if row.name != "teacher"} == {"transformers"}


def test_a_teacher_behind_a_server_is_left_out_and_that_is_said(recipe, paths, caplog):
    server = Server(url="http://127.0.0.1:9/v1")  # nobody listens there
    sample = Sample(teacher="org/large", engine="server", server=server)
    with caplog.at_level("INFO"):
        evaluate.run(msgspec.structs.replace(recipe, sample=sample), paths)
    assert {score.row for score in scores_of(paths)} == {"base", "zero", "after", "sft"}
    assert "no row for the teacher org/large" in caplog.text


def test_each_engine_is_closed_before_the_next_is_opened(recipe, paths, monkeypatch):
    held = []

    def watched(kind, model, **changes):
        assert held == []
        engine = open_engine(kind, model, **changes)
        held.append(engine)
        close = engine.close
        engine.close = lambda: (held.remove(engine), close())
        return engine

    monkeypatch.setattr(evaluate, "open_engine", watched)
    evaluate.run(recipe, paths)
    assert held == []

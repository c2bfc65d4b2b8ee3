import json

import msgspec
import pytest
from safetensors.torch import load_file

from distill.errors import TrainingError
from distill.recipe import Evaluate, Grpo, GrpoRun, Problems, Recipe, Sample, Sft
from distill.records import Problem
from distill.runlog import read_metrics
from distill.stages import grpo
from distill.store import RunPaths


@pytest.fixture
def recipe(tiny_model, tmp_path):
    problems = tmp_path / "rl.jsonl"
    rows = [
        Problem(problem_id=str(i), question=f"{i} + 1?", reference=str(i + 1)) for i in range(4)
    ]
    problems.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    return Recipe(
        name="tiny",
        problems=Problems(train=str(problems), rl=str(problems)),
        sample=Sample(teacher=str(tiny_model)),
        sft=Sft(base=str(tiny_model)),
        evaluate=Evaluate(test_sets={"t": str(problems)}),
        grpo=Grpo(
            runs={"control": GrpoRun(start_from="base", reward="random")},
            prompts_per_step=2,
            group_size=3,
            steps=5,
            learning_rate=1e-3,
            micro_batch_tokens=64,
            max_tokens=6,
            save_every_steps=2,
        ),
    )


def paths(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return RunPaths(folder)


def weights(run_paths, name="control"):
    return load_file(run_paths.grpo_run(name) / "model" / "model.safetensors")


def logged(run_paths, name="control"):
    lines = read_metrics(run_paths.metrics, "grpo", run=name)
    return [
        {k: v for k, v in line.items() if "time" not in k and "second" not in k} for line in lines
    ]


def test_an_interrupted_run_ends_as_an_undisturbed_one(recipe, tmp_path, monkeypatch):
    whole, parts = paths(tmp_path / "whole"), paths(tmp_path / "parts")
    grpo.run(recipe, whole)
    log_metrics = grpo.log_metrics

    def interrupted(path, stage, **values):
        log_metrics(path, stage, **values)
        if values["step"] == 3:  # a checkpoint was made after step 2
            raise KeyboardInterrupt

    monkeypatch.setattr(grpo, "log_metrics", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grpo.run(recipe, parts)
    monkeypatch.undo()
    with open(parts.metrics, "a") as handle:
        handle.write('{"stage": "grpo", "run": "con')  # and a torn line
    grpo.run(recipe, parts)
    assert [line["step"] for line in logged(whole)] == [1, 2, 3, 4, 5]
    assert logged(parts) == logged(whole)
    ours, theirs = weights(parts), weights(whole)
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_finished_run_is_left_alone(recipe, tmp_path):
    run_paths = paths(tmp_path / "run")
    grpo.run(recipe, run_paths)
    files = {p: p.stat().st_mtime_ns for p in run_paths.root.rglob("*") if p.is_file()}
    grpo.run(recipe, run_paths)
    assert {p: p.stat().st_mtime_ns for p in run_paths.root.rglob("*") if p.is_file()} == files
    assert not (run_paths.grpo_run("control") / "checkpoints").exists()


def test_the_control_learns_from_coins_and_each_run_is_its_own(recipe, tmp_path):
    runs = {
        "control": GrpoRun(start_from="base", reward="random", steps=2),
        "rule": GrpoRun(start_from="base", steps=1),
    }
    run_paths = paths(tmp_path / "run")
    grpo.run(
        msgspec.structs.replace(recipe, grpo=msgspec.structs.replace(recipe.grpo, runs=runs)),
        run_paths,
    )
    (rule,) = logged(run_paths, "rule")
    # a random model is never right and never has the format
    assert (rule["reward"], rule["no_signal_share"], rule["tokens_trained"]) == (0.0, 1.0, 0)
    start = load_file(f"{recipe.sft.base}/model.safetensors")
    assert all((weights(run_paths, "rule")[name] == start[name]).all() for name in start)
    assert not all((weights(run_paths)[name] == start[name]).all() for name in start)
    assert {line["accuracy"] for line in logged(run_paths)} == {0.0}
    assert any(line["reward"] > 0 for line in logged(run_paths))


def test_a_run_from_sft_needs_the_sft_stage(recipe, tmp_path):
    runs = {"after": GrpoRun(start_from="sft")}
    changed = msgspec.structs.replace(recipe, grpo=msgspec.structs.replace(recipe.grpo, runs=runs))
    with pytest.raises(TrainingError, match="run the sft stage"):
        grpo.run(changed, paths(tmp_path / "run"))


def test_metrics_are_plain_json(recipe, tmp_path):
    run_paths = paths(tmp_path / "run")
    grpo.run(recipe, run_paths)
    for line in run_paths.metrics.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import msgspec
import pytest

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams
from distill.engines.transformers import load_engine
from distill.errors import EngineError
from distill.recipe import Evaluate, Problems, Recipe, Sample, Sft
from distill.recipe_file import save_recipe
from distill.records import Problem, Trace
from distill.runlog import derived_seed, read_metrics
from distill.stages import sample
from distill.store import RunPaths, Store


@pytest.fixture
def recipe(tiny_model, tmp_path):
    """20 problems in batches of 6 problems x 3 completions, from a random teacher."""
    source = tmp_path / "problems.jsonl"
    problems = [
        Problem(problem_id=f"sum-{n}", question=f"What is {n} + {n * n}?", reference=str(n + n * n))
        for n in range(20)
    ]
    source.write_bytes(b"".join(msgspec.json.encode(problem) + b"\n" for problem in problems))
    return Recipe(
        name="test",
        problems=Problems(train=str(source), rl=str(source)),
        sample=Sample(
            teacher=str(tiny_model),
            prompt="plain",
            completions_per_problem=3,
            problems_per_batch=6,
            max_tokens=12,
            batch_size=8,
        ),
        sft=Sft(base=str(tiny_model)),
        evaluate=Evaluate(test_sets={"easy": str(source)}),
    )


def stored_traces(paths):
    store = Store(paths.store)
    traces = list(store.scan("traces", Trace))
    store.close()
    return traces


def test_every_problem_gets_its_completions(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    traces = stored_traces(paths)
    wanted = sorted(f"sum-{n}#{index}" for n in range(20) for index in range(3))
    assert [trace.trace_id for trace in traces] == wanted
    assert all(trace.prompt.startswith("User: What is ") for trace in traces)
    assert Store(paths.store).count("problems") == 20


def test_any_completion_can_be_made_again_from_recipe_problem_and_index(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    engine = load_engine(recipe.sample.teacher, device="cpu")
    for trace in stored_traces(paths)[::9]:
        seed = derived_seed(recipe.seed, "sample", trace.problem_id, trace.index)
        n = int(trace.problem_id.removeprefix("sum-"))
        text = render_prompt(f"What is {n} + {n * n}?", prompt="plain")
        prompt = Prompt(text=text, seeds=(seed,))
        ((again,),) = engine.generate([prompt], SamplingParams(max_tokens=12))
        assert (trace.prompt, trace.completion, trace.seed) == (text, again.text, seed)
        assert trace.completion_tokens == len(again.token_ids)


def test_metrics_count_each_batch_once(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    sample.run(recipe, paths)
    lines = read_metrics(paths.metrics, "sample")
    traces = stored_traces(paths)
    assert [line["batch"] for line in lines] == [0, 1, 2, 3]  # 6 + 6 + 6 + 2 problems
    assert [line["completions"] for line in lines] == [18, 18, 18, 6]
    tokens = sum(trace.completion_tokens for trace in traces)
    assert sum(line["completion_tokens"] for line in lines) == tokens
    prompts = sum(trace.prompt_tokens for trace in traces)
    assert 3 * sum(line["prompt_tokens"] for line in lines) == prompts


def test_a_finished_stage_does_not_even_open_the_teacher(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    teacher = tmp_path / "teacher"
    shutil.copytree(recipe.sample.teacher, teacher)
    section = msgspec.structs.replace(recipe.sample, teacher=str(teacher))
    recipe = msgspec.structs.replace(recipe, sample=section)
    sample.run(recipe, paths)
    before = stored_traces(paths)
    shutil.rmtree(teacher)
    sample.run(recipe, paths)
    assert stored_traces(paths) == before
    with pytest.raises(EngineError, match="no such model folder"):
        sample.run(recipe, RunPaths(tmp_path / "other"))


class Interrupted:
    """The real engine with a user who presses Ctrl-C after so many completions."""

    def __init__(self, engine, after):
        self.engine, self.left = engine, after

    def generate(self, prompts, params, on_completion):
        def count(*told):
            on_completion(*told)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        return self.engine.generate(prompts, params, count)


@pytest.mark.parametrize("after", [1, 17, 18, 19, 40])
def test_ctrl_c_keeps_what_was_finished_and_the_rest_follows(recipe, tmp_path, monkeypatch, after):
    whole, stopped = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "stopped")
    sample.run(recipe, whole)
    with monkeypatch.context() as patch:
        engine = Interrupted(load_engine(recipe.sample.teacher, batch_size=8), after)
        patch.setattr(sample, "open_engine", lambda *_, **__: engine)
        with pytest.raises(KeyboardInterrupt):
            sample.run(recipe, stopped)
    kept = stored_traces(stopped)
    assert len(kept) == after
    sample.run(recipe, stopped)
    assert stored_traces(stopped) == stored_traces(whole)
    assert all(trace in stored_traces(whole) for trace in kept)


RUN = """
import sys, torch
from distill.recipe_file import load_recipe
from distill.stages import sample
from distill.store import RunPaths

torch.set_num_threads(1)
sample.run(load_recipe(sys.argv[1]), RunPaths(sys.argv[2]))
"""


def count_traces(path):
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM traces").fetchone()[0]
    except sqlite3.Error:
        return 0


def test_kill_9_loses_nothing_and_doubles_nothing(recipe, tmp_path):
    whole, killed = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "killed")
    section = msgspec.structs.replace(recipe.sample, problems_per_batch=1)
    recipe = msgspec.structs.replace(recipe, sample=section)
    sample.run(recipe, whole)
    save_recipe(recipe, tmp_path / "recipe.yaml")
    command = [sys.executable, "-c", RUN, str(tmp_path / "recipe.yaml"), str(killed.root)]
    with subprocess.Popen(command) as process:
        while process.poll() is None and count_traces(killed.store) == 0:
            time.sleep(0.002)
        process.kill()
    seen = stored_traces(killed)
    sample.run(recipe, killed)
    assert process.returncode == -signal.SIGKILL
    assert 0 < len(seen) < 60
    assert stored_traces(killed) == stored_traces(whole)

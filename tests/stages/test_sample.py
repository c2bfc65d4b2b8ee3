"""Sampling with a real teacher: all is stored once, and whatever stops it, the same comes out."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import load_engine
from distill.errors import EngineError
from distill.recipe import Adaptive, Evaluate, Filter, Problems, Recipe, Sample, Sft
from distill.recipe_file import save_recipe
from distill.records import Failure, Preview, Problem, Trace, Verdict
from distill.runlog import contents, derived_seed, read_metrics
from distill.stages import filter as filter_stage
from distill.stages import sample, verify
from distill.store import RunPaths, Store

MINI = Path("data/mini")


@pytest.fixture
def recipe(tiny_model, tmp_path):
    """20 problems with 3 completions each in waves of 8, from a random teacher."""
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
            max_tokens=12,
            batch_size=8,
        ),
        sft=Sft(base=str(tiny_model)),
        evaluate=Evaluate(test_sets={"easy": str(source)}),
    )


@pytest.fixture
def adaptive(tmp_path):
    """10 sums that the mini teacher is asked until it has two readable right answers."""
    lines = (MINI / "problems" / "train.jsonl").read_bytes().splitlines(keepends=True)
    source = tmp_path / "sums.jsonl"
    source.write_bytes(b"".join(lines[:10]))
    return Recipe(
        name="test",
        problems=Problems(train=str(source), rl=str(MINI / "problems" / "rl.jsonl")),
        sample=Sample(
            teacher=str(MINI / "teacher"),
            max_tokens=100,
            batch_size=8,
            adaptive=Adaptive(needed=2),
        ),
        filter=Filter(max_other_language_share=None, near_duplicate_similarity=None),
        sft=Sft(base=str(MINI / "student-qwen2")),
        evaluate=Evaluate(test_sets={"easy": str(MINI / "problems" / "test_easy.jsonl")}),
    )


def rows(paths, table, kind):
    """All records of a table, without what is a time."""
    with closing(Store(paths.store)) as store:
        found = list(store.scan(table, kind))
    if "seconds" not in kind.__struct_fields__:
        return found
    return [msgspec.structs.replace(row, seconds=0.0) for row in found]


def stored_traces(paths):
    return rows(paths, "traces", Trace)


def all_rows(paths):
    kinds = {"traces": Trace, "failures": Failure, "verdicts": Verdict, "previews": Preview}
    return {table: rows(paths, table, kind) for table, kind in kinds.items()}


def test_every_problem_gets_its_completions(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    traces = stored_traces(paths)
    wanted = sorted(f"sum-{n}#{index}" for n in range(20) for index in range(3))
    assert [trace.trace_id for trace in traces] == wanted
    assert all(trace.prompt.startswith("User: What is ") for trace in traces)
    assert len(rows(paths, "problems", Problem)) == 20


def test_any_completion_can_be_made_again_from_recipe_problem_and_index(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    engine = load_engine(recipe.sample.teacher, device="cpu")
    for trace in stored_traces(paths)[::9]:
        seed = derived_seed(recipe.seed, "sample", trace.problem_id, trace.index)
        n = int(trace.problem_id.removeprefix("sum-"))
        text = render_prompt(f"What is {n} + {n * n}?", prompt="plain")
        prompt = Prompt(text=text, seeds=(seed,))
        ((again,),) = generate(engine, [prompt], SamplingParams(max_tokens=12))
        assert (trace.prompt, trace.completion, trace.seed) == (text, again.text, seed)
        assert trace.completion_tokens == len(again.token_ids)


def test_a_trace_tells_where_it_comes_from(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    section = msgspec.structs.replace(recipe.sample, temperature=0.5, top_p=0.9)
    sample.run(msgspec.structs.replace(recipe, sample=section), paths)
    with closing(Store(paths.store)) as store:
        trace = store.get("traces", "sum-7#2", Trace)
    origin = trace.origin
    assert origin.engine.startswith("transformers ")
    assert origin.weights == contents(recipe.sample.teacher)
    assert (origin.temperature, origin.top_p, origin.max_tokens) == (0.5, 0.9, 12)
    assert trace.seconds > 0
    assert (trace.usd, trace.tokens_are_counted) == (0.0, True)
    other = msgspec.structs.replace(section, prompt="r1-zero")
    sample.run(msgspec.structs.replace(recipe, sample=other), RunPaths(tmp_path / "other"))
    (first, *_) = stored_traces(RunPaths(tmp_path / "other"))
    assert first.origin.prompt_template != origin.prompt_template
    assert first.origin.weights == origin.weights


def test_metrics_count_each_trace_once(recipe, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(recipe, paths)
    sample.run(recipe, paths)
    lines = read_metrics(paths.metrics, "sample")
    traces = stored_traces(paths)
    for key in ("prompt_tokens", "completion_tokens"):
        assert sum(line[key] for line in lines) == sum(getattr(trace, key) for trace in traces)
    assert sum(line["completions"] for line in lines) == lines[-1]["stored"] == 60
    assert sum(line["truncated"] for line in lines) == sum(
        trace.finish_reason == "length" for trace in traces
    )


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
        self.name, self.tokenizer, self.in_waves = engine.name, engine.tokenizer, engine.in_waves

    def work(self, feed, params):
        self.feed = feed
        self.engine.work(self, params)

    def take(self, room):
        return self.feed.take(room)

    def withdrawn(self):
        return self.feed.withdrawn()

    def done(self, request, result):
        self.feed.done(request, result)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def close(self):
        self.engine.close()


def stop_after(recipe, paths, after, monkeypatch):
    """Sample until so many requests have ended."""
    sampling = recipe.sample
    with monkeypatch.context() as patch:
        engine = Interrupted(load_engine(sampling.teacher, batch_size=sampling.batch_size), after)
        patch.setattr(sample, "open_engine", lambda *_, **__: engine)
        with pytest.raises(KeyboardInterrupt):
            sample.run(recipe, paths)


@pytest.mark.parametrize("after", [1, 8, 9, 40])
def test_ctrl_c_keeps_what_was_finished_and_the_rest_follows(recipe, tmp_path, monkeypatch, after):
    whole, stopped = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "stopped")
    sample.run(recipe, whole)
    stop_after(recipe, stopped, after, monkeypatch)
    kept = stored_traces(stopped)
    assert len(kept) == after
    sample.run(recipe, stopped)
    assert stored_traces(stopped) == stored_traces(whole)
    assert all(trace in stored_traces(whole) for trace in kept)


def test_adaptive_sampling_stopped_again_and_again_asks_and_gets_the_same(
    adaptive, tmp_path, monkeypatch
):
    whole, stopped = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "stopped")
    sample.run(adaptive, whole)
    for after in (5, 7, 12, 1):
        stop_after(adaptive, stopped, after, monkeypatch)
    sample.run(adaptive, stopped)
    assert all_rows(stopped) == all_rows(whole)


def test_what_was_foreseen_is_what_the_filter_keeps(adaptive, tmp_path):
    paths = RunPaths(tmp_path / "run")
    sample.run(adaptive, paths)
    previews = {row.trace_id: row for row in rows(paths, "previews", Preview)}
    verdicts = rows(paths, "verdicts", Verdict)
    assert previews.keys() == {row.trace_id for row in verdicts}
    verify.run(adaptive, paths)
    assert rows(paths, "verdicts", Verdict) == verdicts  # there was nothing left to verify
    filter_stage.run(adaptive, paths)
    (line,) = read_metrics(paths.metrics, "filter")
    assert line["kept"] == sum(row.kept for row in previews.values())
    tried = len(previews)
    assert 10 < line["kept"] <= 2 * 10 <= tried <= 4 * 10  # one or two of each problem


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


def started(recipe, paths, folder):
    save_recipe(recipe, folder / "recipe.yaml")
    command = [sys.executable, "-c", RUN, str(folder / "recipe.yaml"), str(paths.root)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def stop(process, paths, ending, at_least=1):
    """Send a signal once there is something stored; the seconds until it ended."""
    while process.poll() is None and count_traces(paths.store) < at_least:
        time.sleep(0.002)
    began = time.monotonic()
    process.send_signal(ending)
    process.wait(timeout=60)
    return time.monotonic() - began


@pytest.mark.parametrize("kind", ["recipe", "adaptive"])
def test_kill_9_loses_nothing_and_doubles_nothing(kind, request, tmp_path):
    recipe = request.getfixturevalue(kind)
    whole, killed = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "killed")
    sample.run(recipe, whole)
    process = started(recipe, killed, tmp_path)
    stop(process, killed, signal.SIGKILL)
    seen = stored_traces(killed)
    sample.run(recipe, killed)
    assert process.returncode == -signal.SIGKILL
    assert 0 < len(seen) < len(stored_traces(whole))
    assert all_rows(killed) == all_rows(whole)


def test_one_ctrl_c_ends_it_soon_with_all_that_was_finished(adaptive, tmp_path):
    paths = RunPaths(tmp_path / "run")
    process = started(adaptive, paths, tmp_path)
    seconds = stop(process, paths, signal.SIGINT)
    assert process.returncode in (130, -signal.SIGINT)
    assert seconds < 20
    seen = len(stored_traces(paths))
    assert seen >= 1
    assert sum(line["completions"] for line in read_metrics(paths.metrics, "sample")) == seen
    assert not [name for name in os.listdir("/proc") if is_child_of(name, process.pid)]


def is_child_of(name, pid):
    try:
        return name.isdigit() and Path(f"/proc/{name}/stat").read_text().split()[3] == str(pid)
    except OSError:
        return False

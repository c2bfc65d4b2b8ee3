"""How long a start takes until its first new request, and its memory, by the traces stored before.

    python benchmarks/resume_stored.py
    python benchmarks/resume_stored.py --quick

Each store has four traces of some 8 kB for each problem, and a fourth more problems without any;
fixed numbers and adaptive sampling (every trace with its verdict and preview). Seconds are those
of `distill.stages.sample.run` until the engine is given its first request: the problems are read,
what is stored is restored, the engine is opened (here one that opens at once: what a model's
loading takes is not a matter of what is stored). Memory is the process's peak until then.
"""

import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import fire
import msgspec

from distill.recipe import Adaptive, Evaluate, Filter, Problems, Recipe, Sample, Sft
from distill.recipe_file import load_recipe, save_recipe
from distill.records import DropReason, Origin, Preview, Problem, Trace, Verdict, VerdictReason
from distill.stages import sample
from distill.stages.sample_state import Tally
from distill.store import RunPaths, Store

PER_PROBLEM = 4
WORDS = 1200  # of a trace, some 8 kB
ROWS_AT_ONCE = 1000
MOST_SECONDS = 5.0


def main(
    sizes: tuple[int, ...] = (10_000, 100_000),
    repeats: int = 5,
    folder: str = "/tmp/resume-stored",
    quick: bool = False,
) -> None:
    """Make the stores and start on each of them, in turn.

    Args:
        sizes: numbers of stored traces.
        repeats: starts on each store; medians are told, with the least and the most.
        folder: is made, and removed afterwards.
        quick: 1,000 and 10,000 traces, 3 starts each.
    """
    sizes, repeats = ((1000, 10_000), 3) if quick else (tuple(sizes), repeats)
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    cases = [(size, kind) for size in sizes for kind in ("fixed", "adaptive")]
    found: dict[tuple[int, str], list[dict]] = {case: [] for case in cases}
    try:
        for size in sizes:
            _make(root / str(size), size)
            _begin(root / str(size))
        for _ in range(repeats):
            for size, kind in cases:
                found[size, kind].append(_start(root / str(size), kind))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for (size, kind), starts in found.items():
        seconds = [start["seconds"] for start in starts]
        cpu = statistics.median(start["cpu"] for start in starts)
        memory = statistics.median(start["peak_mb"] for start in starts)
        before = statistics.median(start["before_mb"] for start in starts)
        print(
            f"{size:>7} traces, {kind:<8}: {statistics.median(seconds):.2f} s until the first new "
            f"request ({min(seconds):.2f} to {max(seconds):.2f}; {cpu:.2f} s of CPU), peak "
            f"{memory:.0f} MB ({memory - before:.0f} MB above what the imports take)"
        )
    worst = max(start["seconds"] for starts in found.values() for start in starts)
    print(f"worst: {worst:.2f} s, asked: {MOST_SECONDS:.0f} s")


def _make(folder: Path, traces: int) -> None:
    """A store, and the recipes that go on from it."""
    folder.mkdir(parents=True)
    problems = [
        Problem(
            problem_id=f"p{n:06}",
            question=f"What is {n} times {n + 7}, less {n % 31}?",
            reference=str(n * (n + 7) - n % 31),
            family=f"family {n % 5}",
        )
        for n in range(traces // PER_PROBLEM * 5 // 4)
    ]
    for name, some in (("train", problems), ("test", [_other("test")]), ("rl", [_other("rl")])):
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in some)
        (folder / f"{name}.jsonl").write_bytes(lines)
    for kind, adaptive in (("fixed", None), ("adaptive", Adaptive(needed=2))):
        save_recipe(_recipe(folder, adaptive), folder / f"{kind}.yaml")
    rng = random.Random(7)
    words = [f"{rng.getrandbits(24):x}" for _ in range(20_000)]
    store = Store(RunPaths(folder / "run").store)
    rows = [(problem, index) for problem in problems for index in range(PER_PROBLEM)][:traces]
    for start in range(0, traces, ROWS_AT_ONCE):
        _fill(store, [_trace(*row, words, rng) for row in rows[start : start + ROWS_AT_ONCE]])
    store.close()


def _other(name: str) -> Problem:
    return Problem(problem_id=name, question=f"Who wrote the {name}?", reference="nobody")


def _recipe(folder: Path, adaptive: Adaptive | None) -> Recipe:
    return Recipe(
        name="resume",
        problems=Problems(train=str(folder / "train.jsonl"), rl=str(folder / "rl.jsonl")),
        sample=Sample(
            teacher="nobody/here",
            prompt="plain",
            completions_per_problem=PER_PROBLEM,
            max_tokens=4096,
            adaptive=adaptive,
        ),
        filter=Filter(),
        sft=Sft(base="nobody/here"),
        evaluate=Evaluate(test_sets={"test": str(folder / "test.jsonl")}),
    )


def _trace(problem: Problem, index: int, words: list[str], rng: random.Random) -> Trace:
    thought = " ".join(rng.choices(words, k=WORDS))
    return Trace(
        problem_id=problem.problem_id,
        index=index,
        prompt=f"User: {problem.question}\nAssistant:",
        completion=f"<think>{thought}</think><answer>{problem.reference}</answer>",
        finish_reason="stop",
        prompt_tokens=20,
        completion_tokens=2 * WORDS,
        teacher="nobody/here",
        seed=index,
        origin=Origin(
            engine="scripted",
            weights="",
            prompt_template="0",
            temperature=1.0,
            top_p=1.0,
            max_tokens=4096,
        ),
    )


def _fill(store: Store, traces: list[Trace]) -> None:
    new = {"traces": [], "tallies": [], "verdicts": [], "previews": []}
    for trace in traces:
        key, right = trace.trace_id, trace.index % 2 == 0
        reason = VerdictReason.RIGHT if right else VerdictReason.WRONG
        fate = DropReason.KEPT if right else DropReason.WRONG
        new["traces"].append((key, trace))
        new["tallies"].append((key, Tally.of(trace)))
        new["verdicts"].append((key, Verdict(trace_id=key, correct=right, reason=reason)))
        digest = f"{hash(key) & 2**128 - 1:032x}"
        preview = Preview(trace_id=key, kept=right, correct=right, reason=fate, digest=digest)
        new["previews"].append((key, preview))
    store.write(new=new)


def _begin(folder: Path) -> None:
    """A run folder of each kind, begun once: problems and their overlaps are in its store."""
    for kind in ("fixed", "adaptive"):
        shutil.copytree(folder / "run", folder / f"run-{kind}")
        _start(folder, kind)


def _start(folder: Path, kind: str) -> dict:
    """Start in a process of its own; what it tells."""
    run = folder / f"run-{kind}"
    command = [sys.executable, __file__, "start", str(folder / f"{kind}.yaml"), str(run)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(told.stdout)


class First(Exception):
    """Ends the start."""


class Probe:
    """An engine that stops at its first request."""

    name, tokenizer, in_waves = "probe", None, False

    def work(self, feed, params) -> None:
        assert feed.take(64)
        raise First

    def close(self) -> None:
        pass


def start(recipe: str, run: str) -> None:
    """Start on a run folder until the first request; what that took, as JSON."""
    before = _peak_mb()
    began, busy = time.monotonic(), time.process_time()
    sample.open_engine = lambda *_, **__: Probe()
    try:
        sample.run(load_recipe(recipe), RunPaths(run))
    except First:
        seconds, cpu = time.monotonic() - began, time.process_time() - busy
    told = {"seconds": seconds, "cpu": cpu, "peak_mb": _peak_mb(), "before_mb": before}
    print(json.dumps(told))


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()  # ru_maxrss has the parent's as well
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    fire.Fire({"start": start} if sys.argv[1:2] == ["start"] else main)

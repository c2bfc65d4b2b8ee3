"""Tokens per kept trace: adaptive sampling against fixed N, at as many solved problems.

    python benchmarks/adaptive.py --seeds=3
    python benchmarks/adaptive.py --seeds=3 --worth=512    # nothing is given up early

Real runs of the mini teacher through `distill sample`, `verify` and `filter`, on a mix of easy,
hard and too long problems (two fifths, two fifths, one fifth), so that some are hardly ever solved.
All ways are asked the same problems with the same seeds. Tokens are those of completions, withdrawn
ones included as far as they went; kept traces are those that the filter keeps, up to the number
that is needed of a problem.

Fixed N is compared with adaptive sampling that may ask as often in all (completions_per_problem is
N), twice: at the end of both, and at the moment when the adaptive run had solved as many problems
as the fixed one ever did (read from its store while it runs, at the first look at which there were
as many: never too early).
"""

import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import NamedTuple

import fire

from distill.errors import StoreError
from distill.records import Decision, Failure, Preview
from distill.stages.sample_state import Tally
from distill.store import RunPaths, Store

MINI = Path(__file__).parent.parent / "data" / "mini"
SHARES = {"-easy-": 0.4, "-hard-": 0.4, "-long-": 0.2}
FIXED = (4, 16)
LOOK_SECONDS = 0.25


class State(NamedTuple):
    """How far a run had come."""

    completions: int
    tokens: int  # of completions, withdrawn ones included
    kept: Counter[str]  # by problem

    @property
    def solved(self) -> int:
        return sum(number > 0 for number in self.kept.values())

    def kept_up_to(self, needed: int) -> int:
        return sum(min(number, needed) for number in self.kept.values())

    def tokens_per_kept(self, needed: int) -> float:
        return self.tokens / max(1, self.kept_up_to(needed))


def main(
    seeds: int = 3,
    problems: int = 300,
    needed: str = "1,4",
    batch: int = 64,
    threads: int = 1,
    worth: float = 16.0,
    folder: str = "runs/adaptive",
    quick: bool = False,
) -> None:
    """Run all ways for every seed and compare.

    Args:
        needed: kept traces of a problem at which adaptive sampling is done with it.
        batch: completions at once.
        worth: completions_per_kept of adaptive sampling: a problem is given up when one more kept
            trace would take more. Above what N can find (512) nothing is given up before N tries.
        folder: the runs are made inside it; what is there is removed first.
        quick: 60 problems and one seed.
    """
    if quick:
        seeds, problems, batch = 1, 60, 16
    wanted = [int(one) for one in str(needed).strip("()").split(",")]
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[tuple[str, int], list[float]] = {}
    for seed in range(1, seeds + 1):
        root = Path(folder) / f"seed-{seed}"
        recipe = write_recipe(root, problems, seed, batch, threads)
        fixed = {n: list(run(recipe, root / f"fixed-{n}", n))[-1] for n in FIXED}
        for n, state in fixed.items():
            print(f"seed {seed}, fixed {n}: {told(state, wanted)}", flush=True)
        for need, n in product(wanted, FIXED):
            states = list(run(recipe, root / f"adaptive-{n}-{need}", n, need, worth))
            print(f"seed {seed}, adaptive {n}, needed {need}: {told(states[-1], [need])}")
            for key, ratio in compare(states, fixed[n], n, need):
                found.setdefault((key, need), []).append(ratio)
    print("\ntokens per kept trace, adaptive / fixed: median (least to most) over the seeds")
    for (key, need), ratios in found.items():
        spread = f"({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"  needed {need}, {key}: {statistics.median(ratios):.3f} {spread}")


def compare(states: list[State], fixed: State, n: int, needed: int) -> Iterator[tuple[str, float]]:
    """Ratios of tokens per kept trace: at the end, and at as many solved problems."""
    end, of_fixed = states[-1], fixed.tokens_per_kept(needed)
    more = "as many or more" if end.solved >= fixed.solved else "FEWER"
    print(
        f"    at the end: {end.solved} solved against {fixed.solved} of N={n} ({more})", flush=True
    )
    yield f"N={n}, at the end", end.tokens_per_kept(needed) / of_fixed
    then = next((state for state in states if state.solved >= fixed.solved), None)
    if then is None:
        print(f"    never had as many solved as N={n}")
        return
    ratio = then.tokens_per_kept(needed) / of_fixed
    print(
        f"    at N={n}'s {fixed.solved} solved: {then.tokens:,} tokens against {fixed.tokens:,}, "
        f"{then.kept_up_to(needed)} kept against {fixed.kept_up_to(needed)}: {ratio:.3f}"
    )
    yield f"N={n}, at as many solved", ratio


def told(state: State, needed: list[int]) -> str:
    """The figures of a run."""
    said = [f"{state.completions} completions, {state.tokens:,} tokens, {state.solved} solved"]
    said += [
        f"{state.kept_up_to(need)} kept up to {need} ({state.tokens_per_kept(need):.1f} each)"
        for need in needed
    ]
    return ", ".join(said)


def write_recipe(root: Path, problems: int, seed: int, batch: int, threads: int) -> Path:
    """A mix of problems, and the recipe that asks them."""
    root.mkdir(parents=True)
    rng = random.Random(seed)
    rows = [
        line
        for name in ("train", "test_long")
        for line in (MINI / "problems" / f"{name}.jsonl").read_text().splitlines()
    ]
    chosen = []
    for kind, share in SHARES.items():
        of_kind = [row for row in rows if kind in json.loads(row)["problem_id"]]
        chosen += rng.sample(of_kind, round(share * problems))
    rng.shuffle(chosen)
    (root / "problems.jsonl").write_text("\n".join(chosen) + "\n")
    tree = {
        "name": "adaptive",
        "seed": seed,
        "threads": threads,
        "problems": {
            "train": str(root / "problems.jsonl"),
            "rl": str(MINI / "problems" / "rl.jsonl"),
            "rl_limit": 5,
        },
        "sample": {"teacher": str(MINI / "teacher"), "max_tokens": 400, "batch_size": batch},
        "filter": {
            "max_other_language_share": None,
            "near_duplicate_similarity": None,
            "keep_per_problem": None,
        },
        "sft": {"base": str(MINI / "student-qwen2")},
        "evaluate": {"test_sets": {"easy": str(MINI / "problems" / "test_easy.jsonl")}},
    }
    path = root / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return path


def run(
    recipe: Path, folder: Path, tries: int, needed: int | None = None, worth: float = 0.0
) -> Iterator[State]:
    """Sample, verify and filter; what there was while it sampled, then what there is at the end."""
    flags = [f"--out={folder}", f"--sample.completions_per_problem={tries}"]
    if needed is not None:
        flags += [f"--sample.adaptive.needed={needed}"]
        flags += [f"--sample.adaptive.completions_per_kept={worth}"]
    paths = RunPaths(folder)
    child = start("sample", recipe, flags)
    while child.poll() is None:
        time.sleep(LOOK_SECONDS)
        if needed is not None and (state := look(paths)) is not None:
            yield state
    finish("sample", child)
    if needed is not None:
        yield look(paths)
    for stage in ("verify", "filter"):
        finish(stage, start(stage, recipe, flags))
    yield at_end(paths)


def start(stage: str, recipe: Path, flags: list[str]) -> subprocess.Popen:
    """A stage in a process of its own."""
    command = [sys.executable, "-m", "distill.cli", stage, str(recipe), *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(stage: str, child: subprocess.Popen) -> None:
    """Wait for it. Raises: SystemExit with its last words if it failed."""
    _, err = child.communicate()
    if child.returncode:
        raise SystemExit(f"{stage} failed: {err[-2000:]}")


def look(paths: RunPaths) -> State | None:
    """What is stored now, kept ones as they were seen while sampling."""
    try:
        with closing(Store(paths.store, read_only=True)) as store:
            kept = Counter(one.trace_id.rpartition("#")[0] for one in kept_previews(store))
            return State(*spent(store), kept)
    except StoreError:
        return None  # not there yet


def at_end(paths: RunPaths) -> State:
    """What is stored, kept ones by the filter."""
    with closing(Store(paths.store, read_only=True)) as store:
        decisions = [one for one in store.scan("decisions", Decision) if one.kept]
        kept = Counter(one.trace_id.rpartition("#")[0] for one in decisions)
        return State(*spent(store), kept)


def kept_previews(store: Store) -> Iterator[Preview]:
    return (one for one in store.scan("previews", Preview) if one.kept)


def spent(store: Store) -> tuple[int, int]:
    """Completions and their tokens, those of requests that brought nothing included."""
    tallies = [tally.completion_tokens for tally in store.scan("tallies", Tally)]
    wasted = sum(failure.completion_tokens for failure in store.scan("failures", Failure))
    return len(tallies), sum(tallies) + wasted


if __name__ == "__main__":
    fire.Fire(main)

"""Answers per second: ours on all cores, ours on one, math-verify as its README shows it.

Run:    python benchmarks/verifier_speed.py [--data=../shared/data] [--repeats=3] [--quick]
Gives:  answers/s of each with the spread over the repeats, the ratios, time per answer (p50, p99,
        worst), and how often the two verdicts are the same.

Pairs are distinct, so no cache helps: the line in which R1-class models stated their answers
against the gold of each trace, then for every gold of MATH, GSM8K, AIME, OlympiadBench and Minerva
the gold itself and the gold of another problem, in a box as models write it. Both get the same
texts. Each repeat measures all ways one after the other, in another order, each in fresh processes
that have imported what they need; ours is charged for starting its processes, math-verify is not.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import fire

Pair = tuple[str, str]  # answer and reference

SETS = {
    "math/test.jsonl": "answer",
    "gsm8k/test.jsonl": "answer",
    "aime_1983_2023/train.jsonl": "answer",
    "aime2024/test.jsonl": "answer",
    "aime2025/test.jsonl": "answer",
    "olympiadbench/test.jsonl": "answer",
    "minerva_math/test.jsonl": "answer",
}
TRACES = ("r1_math.jsonl", "r1_distill_math.jsonl", "other_long_cot.jsonl")
QUICK_PAIRS = 400
WAYS = ("ours, all cores", "ours, one process", "math-verify")


class Measured(NamedTuple):
    """One way, once."""

    wall_seconds: float
    seconds: list[float]  # per answer
    right: list[bool | None]


def main(data: str = "../shared/data", repeats: int = 3, quick: bool = False) -> None:
    """Measure and print.

    Args:
        data: folder with the data sets.
        repeats: how often each way is measured; the median counts, the rest is the spread.
        quick: a sample of the pairs, once.
    """
    pairs = list(dict.fromkeys(itertools.chain(_written(Path(data)), _golds(Path(data)))))
    if quick:
        pairs, repeats = pairs[:: max(1, len(pairs) // QUICK_PAIRS)], 1
    cores = len(os.sched_getaffinity(0))
    print(f"{len(pairs)} distinct pairs, {cores} cores, {repeats} repeats")
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for repeat in range(repeats):
        for way in WAYS[repeat % 3 :] + WAYS[: repeat % 3]:
            found[way].append(_measured(way, pairs))
            print(f"  repeat {repeat + 1}, {way}: {found[way][-1].wall_seconds:.1f} s", flush=True)
    for way in WAYS:
        _print_way(way, found[way], len(pairs))
    _print_ratio("all cores against its one process", found[WAYS[0]], found[WAYS[2]])
    _print_ratio("one process against its one process", found[WAYS[1]], found[WAYS[2]])
    _print_agreement(found[WAYS[0]][0], found[WAYS[2]][0], pairs)


def _rows(path: Path) -> Iterator[dict]:
    with open(path, encoding="utf-8") as handle:
        yield from map(json.loads, handle)


def _written(folder: Path) -> Iterator[Pair]:
    """The line in which a trace states its answer, with its box or the word, against its gold."""
    for name in TRACES:
        for row in _rows(folder / "r1_traces" / name):
            lines = row["response"].rpartition("</think>")[2].splitlines()
            boxed = [line.strip() for line in lines if "\\boxed" in line]
            stated = boxed or [line.strip() for line in lines if "answer is" in line]
            if stated:
                yield stated[-1], f"${row['gold']}$"


def _golds(folder: Path) -> Iterator[Pair]:
    for name, field in SETS.items():
        golds = [_first(row[field]) for row in _rows(folder / name)]
        for gold, other in zip(golds, golds[1:] + golds[:1], strict=True):
            yield f"\\boxed{{{gold}}}", f"${gold}$"
            yield f"\\boxed{{{other}}}", f"${gold}$"


def _first(answer: str | int | list) -> str:
    """OlympiadBench has lists of one answer; an answer may have its dollars already."""
    return str(answer[0] if isinstance(answer, list) else answer).strip().strip("$")


def _measured(way: str, pairs: list[Pair]) -> Measured:
    """Run one way in a fresh process of its own."""
    command = [sys.executable, __file__, "--way", way]
    done = subprocess.run(
        command, input=json.dumps(pairs).encode(), stdout=subprocess.PIPE, check=True
    )
    return Measured(*json.loads(done.stdout))


def _ours(pairs: list[Pair], workers: int | None) -> Measured:
    from distill.verifiers.pairs import check_answers

    start = time.perf_counter()
    found = list(check_answers(pairs, workers=workers))
    wall = time.perf_counter() - start
    return Measured(wall, [one.seconds for one in found], [one.correct for one in found])


def _math_verify(pairs: list[Pair]) -> Measured:
    from math_verify import parse, verify

    seconds: list[float] = []
    right: list[bool | None] = []
    start = time.perf_counter()
    for answer, gold in pairs:
        begun = time.perf_counter()
        right.append(bool(verify(parse(gold), parse(answer))))
        seconds.append(time.perf_counter() - begun)
    return Measured(time.perf_counter() - start, seconds, right)


def _rates(measured: list[Measured]) -> list[float]:
    return [len(one.seconds) / one.wall_seconds for one in measured]


def _spread(values: list[float], shape: str) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):{shape}} ({low:{shape}} to {high:{shape}})"


def _print_way(way: str, measured: list[Measured], number: int) -> None:
    seconds = sorted(
        statistics.median(times) for times in zip(*(one.seconds for one in measured), strict=True)
    )
    p50, p99 = seconds[number // 2], seconds[int(0.99 * (number - 1))]
    worst = max(max(one.seconds) for one in measured)
    print(
        f"{way:18} {_spread(_rates(measured), '.0f')} answers/s; per answer "
        f"p50 {1e3 * p50:.3f} ms, p99 {1e3 * p99:.2f} ms, worst {worst:.2f} s"
    )


def _print_ratio(what: str, ours: list[Measured], theirs: list[Measured]) -> None:
    pairs = zip(_rates(ours), _rates(theirs), strict=True)
    print(f"ratio, {what}: {_spread([one / other for one, other in pairs], '.1f')}")


def _print_agreement(ours: Measured, theirs: Measured, pairs: list[Pair]) -> None:
    same = sum(one is other for one, other in zip(ours.right, theirs.right, strict=True))
    undecided = sum(one is None for one in ours.right)
    print(f"same verdict on {same} of {len(pairs)}; {undecided} undecided by ours")


def _one_way() -> None:
    """What a fresh process does: pairs on standard input, the measurement on standard output."""
    pairs = [tuple(pair) for pair in json.load(sys.stdin)]
    import math_verify  # noqa: F401 - its import is nobody's time

    ways = {
        WAYS[0]: lambda: _ours(pairs, None),
        WAYS[1]: lambda: _ours(pairs, 1),
        WAYS[2]: lambda: _math_verify(pairs),
    }
    print(json.dumps(ways[sys.argv[2]]()))


if __name__ == "__main__":
    _one_way() if sys.argv[1:2] == ["--way"] else fire.Fire(main)

"""Near copies of real traces: how alike unrelated ones are, which copies are found, how fast.

Run:    python benchmarks/duplicates.py [--folder=../shared/data] [--quick]
        `pip install datasketch==2.0.0` adds it to the table of speeds.
Gives:  1. the likest pairs of traces, among those on one problem and among all others.
        2. copies with a share of the words replaced: how alike they are, and how many are found at
           thresholds from 0.5 to 0.9.
        3. signatures in ms per trace, medians and quartiles over rounds that take turns, and a look
           for a twin among 100,000 traces with the bytes that it keeps for each.
"""

import importlib
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import fire
import numpy as np

from distill.evaluation.tables import markdown_table
from distill.filters.duplicates import NearDuplicates, estimated_similarity, signature

TRACE_FILES = ("r1_math", "r1_distill_math", "mcq_traces", "other_long_cot")
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
REPLACED = (0.005, 0.01, 0.02, 0.05, 0.1)


def main(folder: str = "../shared/data", quick: bool = False) -> None:
    """Print the three tables."""
    rows = []
    for name in TRACE_FILES:
        with open(Path(folder) / "r1_traces" / f"{name}.jsonl", encoding="utf-8") as handle:
            rows += list(map(json.loads, handle))
    nearest(rows)
    copies([row["response"] for row in rows][:: 8 if quick else 1])
    speed([row["response"] for row in rows][:: 16 if quick else 4], rounds=3 if quick else 9)
    lookups(10_000 if quick else 100_000)


def shingles(text: str) -> set[tuple[str, ...]]:
    """The 5-word shingles of a text, by lower-case words between spaces."""
    words = text.lower().split()
    return set(zip(*(words[i:] for i in range(5)), strict=False))


def jaccard(first: str, second: str) -> float:
    """Of the shingles of two texts, the share that both have."""
    one, other = shingles(first), shingles(second)
    return len(one & other) / max(1, len(one | other))


def nearest(rows: list[dict[str, Any]]) -> None:
    """Table 1: estimates for all pairs, the exact figure for the likest."""
    marks = np.array([list(signature(row["response"]) or bytes(128)) for row in rows], np.uint8)
    known = np.flatnonzero(marks.any(axis=1)).tolist()
    pairs: dict[bool, list[tuple[float, int, int]]] = {True: [], False: []}
    for at, i in enumerate(known[1:], 1):
        shares = (marks[known[:at]] == marks[i]).mean(axis=1)
        for j in np.argsort(shares)[-3:].tolist():
            other = known[j]
            same = rows[i]["problem_key"] == rows[other]["problem_key"]
            pairs[same].append((float(shares[j]), i, other))
    print(f"{len(known)} traces of 20 words and more, {len(list(combinations(known, 2)))} pairs\n")
    table = []
    for same, found in pairs.items():
        for _, i, j in sorted(found, reverse=True)[:5]:
            exact = jaccard(rows[i]["response"], rows[j]["response"])
            estimate = estimated_similarity(marks[i].tobytes(), marks[j].tobytes())
            what = "one problem" if same else "two problems"
            table.append((what, rows[i]["id"], rows[j]["id"], f"{exact:.3f}", f"{estimate:.3f}"))
    print(markdown_table(("pair on", "trace", "trace", "Jaccard", "estimate"), table))


def replaced(text: str, share: float, rng: random.Random) -> str:
    """The text with so many of its words replaced by others of its words."""
    words = text.split(" ")
    for at in rng.sample(range(len(words)), round(share * len(words))):
        words[at] = rng.choice(words)
    return " ".join(words)


def copies(texts: list[str]) -> None:
    """Table 2."""
    rng = random.Random(0)
    marks = [signature(text) for text in texts]
    table = []
    for share in REPLACED:
        edited = [replaced(text, share, rng) for text in texts]
        marked = [signature(text) for text in edited]
        exact = statistics.mean(map(jaccard, texts, edited))
        cells = [f"{share:.1%}", f"{exact:.3f}"]
        for threshold in THRESHOLDS:
            near = NearDuplicates(threshold)
            for key, mark in enumerate(marks):
                near.twin(key, mark)
            found = [near.twin(len(marks), mark) is not None for mark in marked if mark]
            cells.append(f"{sum(found) / len(found):.4f}")
        table.append(cells)
    print(f"\n{len(texts)} traces copied:")
    print(markdown_table(("words replaced", "Jaccard", *map(str, THRESHOLDS)), table))


def speed(texts: list[str], rounds: int) -> None:
    """Table 3: signatures."""
    makers: dict[str, Callable[[str], object]] = {"signature (rensa)": signature}
    try:
        datasketch = importlib.import_module("datasketch")
    except ImportError:
        print("\ndatasketch is not installed: not measured")
    else:

        def by_datasketch(text: str) -> object:
            minhash = datasketch.MinHash(num_perm=128)
            minhash.update_batch([" ".join(shingle).encode() for shingle in shingles(text)])
            return minhash.digest()

        makers["datasketch"] = by_datasketch
    spent: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            start = time.perf_counter()
            for text in texts:
                make(text)
            spent[name].append((time.perf_counter() - start) / len(texts) * 1e3)
    table = []
    for name, measured in spent.items():
        low, middle, high = statistics.quantiles(measured, n=4)
        table.append((name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}"))
    print(f"\n{len(texts)} traces of {sum(map(len, texts)) / len(texts):.0f} characters, one core:")
    print(markdown_table(("128 hashes of 5-word shingles", "ms per trace", "quartiles"), table))


def lookups(count: int) -> None:
    """Table 3: twins among so many traces, any two of which are 5% alike."""
    table = []
    for threshold in (0.5, 0.9):
        near = NearDuplicates(threshold)
        tracemalloc.start()
        for key, mark in enumerate(unlike(count, seed=0)):
            near.twin(key, mark)
        held = tracemalloc.get_traced_memory()[0] / count
        tracemalloc.stop()
        marks = list(unlike(1000, seed=1))
        start = time.perf_counter()
        for mark in marks:
            near.twin(count, mark)
        each = (time.perf_counter() - start) / len(marks) * 1e3
        table.append((threshold, count, f"{each:.3f}", f"{held:.0f}"))
    print("\n" + markdown_table(("similarity", "traces", "ms per look", "bytes per trace"), table))


def unlike(count: int, seed: int) -> Iterator[bytes]:
    """Signatures of which each has a byte from one and the same text with a chance of 22%."""
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(99).integers(0, 256, 128, np.uint8)
    for _ in range(count):
        own = rng.integers(0, 256, 128, np.uint8)
        yield np.where(rng.random(128) < 0.22, common, own).tobytes()


if __name__ == "__main__":
    fire.Fire(main)

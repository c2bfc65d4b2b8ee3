"""How fast the whole filter chain is, and how much memory it takes, beside datatrove's filters.

Run:    python benchmarks/filter_speed.py --peer_python=PATH [--traces=100000] [--repeats=3]
            [--quick]
        PATH is the Python of an environment with `pip install datatrove spacy` (0.10.1 was used).
Needs:  ../shared/data/r1_traces, real long traces; they are repeated with fresh ids. Nothing else
        may run on the machine meanwhile.
Gives:  1 the chain on a tenth of the traces and on all of them, in all processes, streaming:
          MB/s, MB/s per core, peak memory of the parent and of its largest child;
        2 one process of ours and one of datatrove's GopherRepetitionFilter and GopherQualityFilter
          on the same texts in turns: MB/s of each, and their ratio with its spread. The quality
          filter sees what the repetition filter leaves, as in datatrove's pipelines, and in a
          second row everything;
        3 what each of the two drops of the traces that are labelled right.
        The chain is all of it: every readability check, the overlap with two test sets, digests
        and signatures, the decisions. MB are 10^6 bytes of UTF-8.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import fire

from distill.crew import usable_cores
from distill.filters.chain import Checks, Known, Subject, checks_of, examine_all
from distill.filters.decisions import Fate, Word, decide
from distill.filters.findings import Finding, Findings
from distill.problems.contamination import Contamination
from distill.recipe import Filter
from distill.records import Problem

TEST_SETS = {"math500": "math500/test.jsonl", "aime2024": "aime2024/test.jsonl"}
SAMPLE_TRACES = 300
HERE = Path(__file__).resolve()


def main(
    folder: str = "../shared/data",
    peer_python: str = "",
    traces: int = 100_000,
    repeats: int = 3,
    quick: bool = False,
    child: bool = False,
) -> None:
    """See above; `child` measures the chain once, in a process of its own."""
    folder = Path(folder)
    if child:
        print(json.dumps(measure_chain(folder, traces)))
        return
    if quick:
        traces, repeats = 500, 2
    for count in (max(traces // 10, 1), traces):
        print(describe(run_child(folder, count)))
    if peer_python:
        compare(folder, peer_python, repeats, SAMPLE_TRACES // 5 if quick else SAMPLE_TRACES)


def measure_chain(folder: Path, count: int) -> dict[str, float]:
    """The whole chain over so many traces in all processes."""
    checks, rows = checks_for(folder), read_traces(folder)
    size = [0]
    cores = usable_cores()
    start = time.perf_counter()
    findings = Findings(examine_all(subjects(rows, count, size), checks, processes=cores))
    fates = decide_all(findings)
    seconds = time.perf_counter() - start
    return {
        "traces": len(fates),
        "kept": sum(fate.kept for fate in fates),
        "mb": size[0] / 1e6,
        "seconds": seconds,
        "cores": cores,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_child_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def decide_all(findings: Sequence[Finding]) -> list[Fate]:
    """The decisions, with every answer taken for right: no text is spared."""
    words = [Word(True, ())] * len(findings)
    return decide(findings, words, Filter(), overlaps={}, seed=17)


def checks_for(folder: Path) -> Checks:
    tests = {
        name: [
            Problem(
                problem_id=f"{name}-{at}",
                question=row.get("problem") or row["question"],
                reference=str(row["answer"]),
                solution=row.get("solution") or "",
            )
            for at, row in enumerate(read_jsonl(folder / path))
        ]
        for name, path in TEST_SETS.items()
        if (folder / path).is_file()
    }
    keys = Filter()
    index = Contamination(
        tests, word_ngram=keys.overlap_ngram, char_ngram=keys.overlap_char_ngram, background=()
    )
    return checks_of(keys, overlap=index.find_in_completion, compare_all=True)


def subjects(rows: list[dict], count: int, size: list[int]) -> Iterator[Subject]:
    """So many traces, repeated with fresh ids; adds their bytes to `size`."""
    for at in range(count):
        row = rows[at % len(rows)]
        turn = at // len(rows)
        text = f"{row['response']}\n<!-- {turn} -->" if turn else row["response"]
        size[0] += len(text.encode("utf-8", "surrogatepass"))
        known = Known(trace_id=f"{row['id']}/{turn}", problem=row["id"], index=turn)
        yield Subject(known, row["problem"], text)


def run_child(folder: Path, count: int) -> dict[str, float]:
    command = [sys.executable, str(HERE), f"--folder={folder}", f"--traces={count}", "--child"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def describe(run: dict[str, float]) -> str:
    rate = run["mb"] / run["seconds"]
    return (
        f"chain, {run['traces']} traces, {run['mb']:.0f} MB: {run['seconds']:.0f} s, "
        f"{rate:.2f} MB/s, {rate / run['cores']:.2f} MB/s per core ({run['cores']} cores); "
        f"peak memory {run['peak_mb']:.0f} MB, largest child {run['peak_child_mb']:.0f} MB; "
        f"{run['kept']} kept"
    )


def compare(folder: Path, peer_python: str, repeats: int, count: int) -> None:
    """Ours and the peer's, one process each, in turns."""
    rows = read_traces(folder)[:count]
    texts = [row["response"] for row in rows]
    mb = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    checks = checks_for(folder)
    time_ours(rows[:3], checks)  # loads the language model, as the peer has loaded its tokenizer
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"pipeline": [], "both": []}
    with tempfile.TemporaryDirectory() as scratch, Peer(peer_python) as peer:
        path = Path(scratch) / "texts.jsonl"
        path.write_text("".join(f"{json.dumps(text)}\n" for text in texts), encoding="utf-8")
        for turn in range(repeats):
            steps = [lambda: ours.append(mb / time_ours(rows, checks))]
            for mode, rates in theirs.items():
                steps.append(lambda m=mode, r=rates: r.append(mb / peer.ask(path, m)["wall"]))
            for step in steps if turn % 2 == 0 else reversed(steps):
                step()
        right = [row for row in rows if row["label"] is True]
        path.write_text("".join(f"{json.dumps(row['response'])}\n" for row in right))
        dropped = peer.ask(path, "both")["dropped"]
    print(f"\none process, {len(texts)} traces, {mb:.1f} MB, {repeats} turns, in turns")
    print(f"  ours, the whole chain        {spread(ours)} MB/s")
    for mode, rates in theirs.items():
        ratios = [mine / his for mine, his in zip(ours, rates, strict=True)]
        print(
            f"  datatrove Gopher, {mode:10s} {spread(rates)} MB/s; ours / theirs {spread(ratios)}"
        )
    tell_drops(right, dropped, checks)


def time_ours(rows: list[dict], checks: Checks) -> float:
    start = time.perf_counter()
    decide_all(list(examine_all(subjects(rows, len(rows), [0]), checks, processes=1)))
    return time.perf_counter() - start


def tell_drops(right: list[dict], dropped: dict[str, int], checks: Checks) -> None:
    findings = examine_all(subjects(right, len(right), [0]), checks, processes=1)
    ours = Counter(drop.reason.value for finding in findings for drop in finding.examined.drops)
    print(f"\nof {len(right)} of these that are labelled right, reasons to drop:")
    for name, count in ours.most_common():
        print(f"  ours       {name:40s} {count:5d}  {count / len(right):6.1%}")
    for name, count in sorted(dropped.items(), key=lambda item: -item[1]):
        print(f"  datatrove  {name:40s} {count:5d}  {count / len(right):6.1%}")


class Peer:
    """datatrove in its own Python, warm."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE.with_name("gopher_peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> "Peer":
        self._reply()
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, path: Path, mode: str) -> dict:
        self._process.stdin.write(json.dumps([str(path), mode]) + "\n")
        self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the peer ended; does its Python have datatrove and spacy?")
        return json.loads(line)


def read_traces(folder: Path) -> list[dict]:
    """All real traces, shuffled once, so that any first part of them is like the whole."""
    rows = [
        row for file in sorted((folder / "r1_traces").glob("*.jsonl")) for row in read_jsonl(file)
    ]
    if not rows:
        raise SystemExit(f"{folder}/r1_traces: no traces here")
    random.Random(17).shuffle(rows)
    return rows


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def spread(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):5.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    fire.Fire(main)

"""A million short answers through `distill check-answers`: memory, rate, order, kill and resume.

Run:    python benchmarks/answers_stream.py [--answers=1000000] [--data=../shared/data] [--quick]
Gives:  peak memory of all its processes together at 100,000 lines and at the end, answers/s, the
        order of the lines, and whether a run that was killed with kill -9 and resumed wrote the
        same.

The answers are golds of MATH, GSM8K, AIME and OlympiadBench as they are, in a box, in a sentence,
with other digits, or of another problem; every line has an id that says what was done to its gold.
Files lie in a temporary folder and are removed.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fire
import psutil

SETS = ("math/test", "gsm8k/test", "aime_1983_2023/train", "olympiadbench/test")
EARLY_LINES = 100_000
QUICK_ANSWERS = 20_000


def main(
    answers: int = 1_000_000, data: str = "../shared/data", seed: int = 1, quick: bool = False
) -> None:
    """Write the pairs, run undisturbed, run with a kill, compare.

    Args:
        answers: how many pairs.
        data: folder with the data sets.
        seed: of the pairs and of the moment of the kill.
        quick: 20,000 pairs.
    """
    answers = QUICK_ANSWERS if quick else answers
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = _write_pairs(folder / "pairs.jsonl", list(_golds(Path(data))), answers, rng)
        whole = folder / "whole.jsonl"
        seconds, peaks = _run(pairs, whole, answers, early=min(EARLY_LINES, answers // 2))
        print(f"{answers} answers in {seconds:.1f} s: {answers / seconds:.0f} answers/s")
        for lines, megabytes in peaks.items():
            print(f"peak memory of all processes, first {lines} lines: {megabytes:.0f} MB")
        _check_lines(whole, answers)
        share = rng.uniform(0.2, 0.8)
        killed = folder / "killed.jsonl"
        left = _run_and_kill(pairs, killed, int(share * answers))
        print(f"killed with kill -9 after {left} lines")
        seconds, _ = _run(pairs, killed, answers, early=answers)
        for one, other in zip(_verdicts(whole), _verdicts(killed), strict=True):
            if one != other:
                sys.exit(f"DIFFERENT: undisturbed {one}, resumed {other}")
        print(f"resumed in {seconds:.1f} s: the same {answers} verdicts, in the same order")


def _golds(folder: Path) -> Iterator[str]:
    for name in SETS:
        with open(folder / f"{name}.jsonl", encoding="utf-8") as handle:
            for row in map(json.loads, handle):
                answer = row["answer"][0] if isinstance(row["answer"], list) else row["answer"]
                yield str(answer)


def _write_pairs(path: Path, golds: list[str], number: int, rng: random.Random) -> Path:
    with open(path, "w", encoding="utf-8") as handle:
        for at in range(number):
            gold = golds[at % len(golds)]
            kind, pred = _mutated(gold, rng.choice(golds), rng)
            handle.write(json.dumps({"id": f"{at}-{kind}", "pred": pred, "gold": gold}) + "\n")
    return path


def _mutated(gold: str, other: str, rng: random.Random) -> tuple[str, str]:
    """What was done to a gold, and what came out."""
    kind = rng.choice(("same", "boxed", "sentence", "number", "digit", "other"))
    number = rng.randrange(10**6)
    return kind, {
        "same": gold,
        "boxed": f"so \\boxed{{{gold}}}",
        "sentence": f"The answer is ${gold.strip('$')}$.",
        "number": str(number),
        "digit": "".join(str(rng.randrange(10)) if c.isdigit() else c for c in gold),
        "other": other,
    }[kind]


def _command(pairs: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "distill.cli", "check-answers", str(pairs), f"--out={out}"]


def _run(pairs: Path, out: Path, answers: int, *, early: int) -> tuple[float, dict[int, float]]:
    """Seconds, and the peak memory in MB up to a line and up to the end."""
    start = time.perf_counter()
    child = subprocess.Popen(_command(pairs, out), stderr=subprocess.DEVNULL)
    peaks = {early: 0.0, answers: 0.0}
    counter = _Counter(Path(f"{out}.partial"))
    while child.poll() is None:
        memory = _memory_mb(child.pid)
        if counter.look() <= early:
            peaks[early] = max(peaks[early], memory)
        peaks[answers] = max(peaks[answers], memory)
        time.sleep(0.2)
    if child.returncode != 0:
        sys.exit(f"check-answers failed with exit code {child.returncode}")
    return time.perf_counter() - start, peaks


def _memory_mb(pid: int) -> float:
    """Proportional share (PSS) of a process and all its children: shared pages count once."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


class _Counter:
    """Whole lines of a file that grows; reads each byte once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.lines = 0

    def look(self) -> int:
        if self._path.exists():
            with open(self._path, "rb") as handle:
                handle.seek(self._read)
                while block := handle.read(1 << 20):
                    self.lines += block.count(b"\n")
                    self._read += len(block)
        return self.lines


def _run_and_kill(pairs: Path, out: Path, lines: int) -> int:
    child = subprocess.Popen(_command(pairs, out), stderr=subprocess.DEVNULL)
    counter = _Counter(Path(f"{out}.partial"))
    while child.poll() is None and counter.look() < lines:
        time.sleep(0.05)
    family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGKILL)
    child.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    if alive or out.exists():
        sys.exit(f"after the kill: {len(alive)} processes left, out is there: {out.exists()}")
    return counter.look()


def _verdicts(path: Path) -> Iterator[dict]:
    """The lines without their times."""
    with open(path, encoding="utf-8") as handle:
        for line in map(json.loads, handle):
            del line["seconds"]
            yield line


def _check_lines(path: Path, answers: int) -> None:
    """The order of the ids, and the verdicts that are certain."""
    counts: Counter[str] = Counter()
    lines = 0
    for at, line in enumerate(_verdicts(path)):
        number, _, kind = line["id"].partition("-")
        if int(number) != at:
            sys.exit(f"OUT OF ORDER: line {at + 1} has id {line['id']}")
        lines += 1
        counts[line["reason"]] += 1
        if kind in ("same", "boxed", "sentence") and line["correct"] is not True:
            counts[f"{kind} and not right"] += 1
    if lines != answers:
        sys.exit(f"LOST: {answers} lines in, {lines} out")
    print(f"{lines} lines in order: {', '.join(f'{n} {what}' for what, n in counts.most_common())}")


if __name__ == "__main__":
    fire.Fire(main)

"""Agreement of the verifier with the labels of real R1-class traces.

Run:    python benchmarks/r1_traces.py [--folder=../shared/data/r1_traces] [--quick]
Gives:  per file and over all: agreement with the non-null labels, false accepts, false rejects,
        funnel by reason, time by route; then every disagreement with its two answers and the route.
"""

import json
import logging
import time
from collections import Counter, defaultdict
from pathlib import Path

import fire

from distill.records import Problem, Verdict
from distill.verifiers.verdict import Verifier

FILES = ("r1_math.jsonl", "r1_distill_math.jsonl", "mcq_traces.jsonl", "other_long_cot.jsonl")
QUICK_ROWS = 50


def main(folder: str = "../shared/data/r1_traces", quick: bool = False) -> None:
    """Verify all traces and print how the verdicts agree with the labels."""
    logging.basicConfig(level=logging.WARNING)
    pairs: list[tuple[dict, Verdict]] = []
    start = time.perf_counter()
    with Verifier() as verifier:
        for name in FILES:
            rows = read(Path(folder) / name)[: QUICK_ROWS if quick else None]
            judged = [(row, judge(verifier, row)) for row in rows]
            print_agreement(name, judged)
            pairs += judged
    print_agreement("all", pairs)
    print(f"{time.perf_counter() - start:.1f} s for {len(pairs)} traces")
    print_routes(pairs)
    print_disagreements(pairs)


def read(path: Path) -> list[dict]:
    """The rows of one file."""
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def judge(verifier: Verifier, row: dict) -> Verdict:
    """The verdict on one row; how its generation ended is not known."""
    problem = Problem(problem_id=row["id"], question=row["problem"], reference=row["gold"])
    return verifier.verify(problem, row["id"], row["response"])


def print_agreement(name: str, pairs: list[tuple[dict, Verdict]]) -> None:
    """One line of agreement, one of reasons."""
    labelled = [(row, verdict) for row, verdict in pairs if row["label"] is not None]
    agreed = sum(verdict.correct is row["label"] for row, verdict in labelled)
    accepts = sum(verdict.correct is True and not row["label"] for row, verdict in labelled)
    rejects = sum(verdict.correct is False and row["label"] for row, verdict in labelled)
    undecided = sum(verdict.correct is None for _, verdict in labelled)
    reasons = Counter(verdict.reason.value for _, verdict in pairs)
    print(
        f"{name}: {len(pairs)} traces, {len(labelled)} labelled, {agreed} agree "
        f"({100 * agreed / max(1, len(labelled)):.2f}%), {accepts} false accepts, "
        f"{rejects} false rejects, {undecided} undecided"
    )
    print("   ", ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()))


def print_routes(pairs: list[tuple[dict, Verdict]]) -> None:
    """How often each route decided and the mean time it took."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for _, verdict in pairs:
        seconds[verdict.route or "none"].append(verdict.seconds)
    print("\nroute, traces, mean microseconds")
    for route, times in sorted(seconds.items(), key=lambda item: -len(item[1])):
        print(f"    {route:26} {len(times):5} {1e6 * sum(times) / len(times):9.0f}")


def print_disagreements(pairs: list[tuple[dict, Verdict]]) -> None:
    """Every row whose verdict is not its label."""
    print("\ndisagreements: id, label (whose), reference, answer, reason, route")
    for row, verdict in pairs:
        if row["label"] is not None and verdict.correct is not row["label"]:
            print(
                f"    {row['id']}: label {row['label']} ({row['label_source']}), "
                f"reference {row['gold']!r}, answer {verdict.answer!r}, "
                f"{verdict.reason.value}, {verdict.route or 'none'}"
            )


if __name__ == "__main__":
    fire.Fire(main)

"""Agreement with the labels of real traces and with worked solutions, where they are at hand."""

import json
from pathlib import Path

import pytest

from distill.records import Problem
from distill.verifiers.verdict import Verifier

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not (DATA / "r1_traces").is_dir(), reason="needs ../shared/data/r1_traces")
def test_98_percent_of_all_labels_are_met_and_few_wrong_ones_accepted():
    agreed = accepted = labelled = 0
    with Verifier(timeout_seconds=20) as verifier:
        for path in sorted((DATA / "r1_traces").glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines()[::4]:
                row = json.loads(line)
                problem = Problem(
                    problem_id=row["id"], question=row["problem"], reference=row["gold"]
                )
                verdict = verifier.verify(problem, row["id"], row["response"])
                labelled += row["label"] is not None
                agreed += verdict.correct is row["label"] and row["label"] is not None
                accepted += verdict.correct is True and row["label"] is False
    assert labelled > 300
    assert agreed / labelled >= 0.98
    assert accepted <= 5  # labels of one source that are wrong themselves: benchmarks/


@pytest.mark.skipif(not (DATA / "math").is_dir(), reason="needs ../shared/data/math")
def test_the_answers_of_worked_solutions_are_found():
    with open(DATA / "math" / "test.jsonl", encoding="utf-8") as handle:
        rows = [json.loads(line) for line in list(handle)[::10]]
    with Verifier(timeout_seconds=20) as verifier:
        verdicts = [
            verifier.verify(
                Problem(problem_id=row["id"], question=row["problem"], reference=row["answer"]),
                row["id"],
                row["solution"],
                "stop",
            )
            for row in rows
        ]
    assert sum(verdict.correct is True for verdict in verdicts) >= 0.99 * len(rows)

"""Agreement with the labels of real R1-class traces, where they are at hand."""

import json
from pathlib import Path

import pytest

from distill.records import Problem
from distill.verifiers.verdict import Verifier

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "r1_traces"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data/r1_traces")
def test_97_percent_of_the_labels_are_met():
    agreed = labelled = 0
    with Verifier(timeout_seconds=20) as verifier:
        for path in sorted(FOLDER.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines()[::4]:
                row = json.loads(line)
                problem = Problem(
                    problem_id=row["id"], question=row["problem"], reference=row["gold"]
                )
                verdict = verifier.verify(problem, row["id"], row["response"])
                labelled += row["label"] is not None
                agreed += verdict.correct is row["label"] and row["label"] is not None
    assert labelled > 300
    assert agreed / labelled >= 0.97

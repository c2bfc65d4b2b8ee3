import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from distill.errors import SandboxUnavailable
from distill.problems.sources import load_problems
from distill.records import Problem, VerdictReason
from distill.verifiers.code.programs import check_program, read_tests
from distill.verifiers.sandbox.client import Sandbox

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the labelled material is not here")
SAMPLED = 12  # every so many rows: the whole is the work of benchmarks/code_accuracy.py


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        box = Sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"this machine cannot isolate programs: {error}")
    with box:
        yield box


def reasons(sandbox: Sandbox, asked: list[tuple[Problem, str]]) -> Counter:
    limits = {"cpu_seconds": 6.0, "memory_bytes": 1 << 30}
    return Counter(
        check_program(read_tests(problem.tests), program, sandbox, **limits).reason
        for problem, program in asked
    )


@pytest.mark.parametrize(
    ("source", "step"),
    [("humaneval/test.jsonl?format=humaneval", 2),
     ("mbpp/mbpp.jsonl?format=mbpp&challenge=true", SAMPLED)],
)  # fmt: skip
def test_reference_solutions_are_right(sandbox, source, step):
    problems = load_problems(str(DATA / source))[::step]
    found = reasons(sandbox, [(problem, problem.reference) for problem in problems])
    assert found == {VerdictReason.RIGHT: len(problems)}


def test_a_bare_body_is_right_too(sandbox):
    problems = load_problems(str(DATA / "humaneval/test.jsonl?format=humaneval"))[1::SAMPLED]
    asked = [(problem, problem.solution.strip("\n")) for problem in problems]
    assert reasons(sandbox, asked) == {VerdictReason.RIGHT: len(problems)}


def test_solutions_of_other_problems_are_not_right(sandbox):
    problems = load_problems(str(DATA / "humaneval/test.jsonl?format=humaneval"))[::SAMPLED]
    asked = [
        (problem, other.reference.replace(f"def {name(other)}(", f"def {name(problem)}("))
        for problem, other in pairwise(problems)
    ]
    assert reasons(sandbox, asked)[VerdictReason.RIGHT] == 0


def name(problem: Problem) -> str:
    return read_tests(problem.tests).entry_point


def test_programs_that_passed_all_tests_pass_the_public_ones(sandbox):
    folder = DATA / "livecodebench"
    source = f"{folder / 'release_v1_public.jsonl'}?format=livecodebench"
    problems = {one.problem_id.partition("/")[2]: one for one in load_problems(source)}
    rows = map(json.loads, (folder / "labelled_code.jsonl").read_text().splitlines())
    passed = [row for row in rows if row["passed"] and row["question_id"] in problems]
    asked = [(problems[row["question_id"]], row["code"]) for row in passed[:: 2 * SAMPLED]]
    assert reasons(sandbox, asked) == {VerdictReason.RIGHT: len(asked)}

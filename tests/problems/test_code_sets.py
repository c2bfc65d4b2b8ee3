import base64
import json
import pickle
import resource
import zlib
from pathlib import Path

import msgspec
import pytest

from distill.errors import RecipeError, RecordError
from distill.problems import code_sets
from distill.problems.code_sets import (
    humaneval_problems,
    livecodebench_problems,
    mbpp_problems,
    pickled_text,
)
from distill.problems.sources import load_problems
from distill.records import Problem
from distill.verifiers.code.programs import read_tests

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the labelled material is not here")

STDIN = [{"input": "2\n", "output": "4\n", "testtype": "stdin"}]
FUNCTIONAL = [{"input": '[1, "a\\nb"]\n{"k": null}', "output": "[true]", "testtype": "functional"}]


def packed(tests: object) -> str:
    """Private tests as upstream stores them."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def livecodebench_row(**changes: object) -> dict:
    row = {
        "question_title": "Square",
        "question_content": "Square the number.",
        "platform": "atcoder",
        "question_id": "abc1_a",
        "contest_id": "abc1",
        "contest_date": "2024-08-10T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(STDIN),
        "private_test_cases": packed(STDIN),
        "metadata": "{}",
    }
    return {**row, **changes}


def written(folder: Path, *rows: dict) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_livecodebench_row_has_its_public_and_private_tests(tmp_path):
    (problem,) = livecodebench_problems(written(tmp_path, livecodebench_row()))
    tests = read_tests(problem.tests)
    assert [(test.input, test.output) for test in tests.stdin] == [("2\n", "4\n")] * 2
    assert (tests.rules, tests.seconds) == ("livecodebench", 6.0)
    assert (problem.problem_id, problem.verifier) == ("livecodebench/abc1_a", "code")


def test_a_functional_row_has_one_json_argument_per_line(tmp_path):
    row = livecodebench_row(
        public_test_cases=FUNCTIONAL,
        private_test_cases=packed(FUNCTIONAL),
        metadata={"func_name": "f"},
        starter_code="class Solution:\n    def f(self, a, b):\n        ",
    )
    (problem,) = livecodebench_problems(written(tmp_path, row))
    tests = read_tests(problem.tests)
    assert tests.calls[1].args == [[1, "a\nb"], {"k": None}]
    assert tests.calls[1].expected == [True]
    assert tests.entry_point == "f"
    assert "class Solution" in problem.question


@pytest.mark.parametrize(
    ("first", "last", "taken"),
    [
        ("", "", 3),
        ("2024-08", "", 3),
        ("2024-08-15", "", 2),
        ("", "2024-08", 2),
        ("2024-09", "2024-09", 1),
        ("2025-01", "", 0),
    ],
)
def test_the_window_of_dates_includes_both_ends(tmp_path, first, last, taken):
    rows = [
        livecodebench_row(question_id=date, contest_date=date)
        for date in ("2024-08-10", "2024-08-31", "2024-09-30")
    ]
    assert (
        len(list(livecodebench_problems(written(tmp_path, *rows), first=first, last=last))) == taken
    )


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_poisoned_pickle_never_runs(tmp_path):
    canary = tmp_path / "canary"
    poison = base64.b64encode(zlib.compress(pickle.dumps(Payload(canary)))).decode()
    path = written(tmp_path, livecodebench_row(private_test_cases=poison))
    with pytest.raises(RecordError, match=r"line 1: private_test_cases: .*opcode"):
        list(livecodebench_problems(path))
    assert not canary.exists()


@pytest.mark.parametrize(
    "value", [5, None, ["a"], ("a", "b"), {"a": 1}, b"a", 2.5], ids=lambda value: repr(value)
)
@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_a_pickle_of_anything_but_one_text_is_refused(value, protocol):
    with pytest.raises(ValueError, match="expected one text"):
        pickled_text(pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("text", ["", "a", "é" * 300, "x" * 70_000])
def test_a_pickle_of_one_text_is_read(text, protocol):
    assert pickled_text(pickle.dumps(text, protocol)) == text


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\x80\x04",
        b"\x80\x04r\xff\xff\xff\x7f.",  # a memo of 2 billion entries
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a buffer of 2**63 bytes
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a text of as many
        pickle.dumps("a") + b"cos\nsystem\n.",
        b"\x80\x04" + b"\x8c\x01a\x94" * 1000 + b".",
    ],
)
def test_a_hostile_pickle_is_refused_without_memory(hostile):
    with pytest.raises(ValueError, match=r"."):
        pickled_text(hostile)


def test_a_zip_bomb_stops_at_the_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(code_sets, "MAX_DECODED_BYTES", 1 << 20)
    bomb = base64.b64encode(zlib.compress(bytes(64 << 20))).decode()
    path = written(tmp_path, livecodebench_row(private_test_cases=bomb))
    with pytest.raises(RecordError, match="unpacks to more than 1048576 bytes"):
        list(livecodebench_problems(path))


BROKEN = [
    ({"public_test_cases": "["}, "public_test_cases: '\\[' is not whole JSON"),
    ({"public_test_cases": "[" * 100_000}, "expected a list"),
    ({"public_test_cases": 5}, "got `int`; expected a list"),
    ({"public_test_cases": [{"input": 1}]}, "got `int` - at `.*input`; expected a list of tests"),
    ({"public_test_cases": '[{"input": "\\ud800"}]'}, "not whole JSON"),
    ({"private_test_cases": packed([{}] * 9)}, "missing required field `input` - at `.*0"),
    ({"public_test_cases": [], "private_test_cases": ""}, "expected one type"),
    ({"private_test_cases": "&&"}, "is not base64"),
    ({"private_test_cases": "AAAA"}, "is not base64 of zlib"),
    ({"private_test_cases": packed("x")[:-8]}, "is not base64 of zlib"),
    ({"private_test_cases": packed({"a": 1})}, "expected a list"),
    ({"private_test_cases": packed(FUNCTIONAL)}, "expected one type"),
    ({"public_test_cases": FUNCTIONAL, "private_test_cases": ""}, "no func_name"),
    ({"metadata": "[]"}, "metadata is a list"),
    ({"contest_date": None}, "contest_date is null"),
    ({"question_content": 5}, "question_content is a int"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN)
def test_a_row_that_cannot_be_read_names_its_line_and_field(tmp_path, changes, message):
    path = written(tmp_path, livecodebench_row(question_id="a"), livecodebench_row(**changes))
    with pytest.raises(RecordError, match=message) as caught:
        list(livecodebench_problems(path))
    assert "rows.jsonl: line 2" in str(caught.value)


def test_private_tests_that_would_fill_the_memory_are_never_built(tmp_path):
    bomb = base64.b64encode(zlib.compress(pickle.dumps("[" + "{}," * 20_000_000 + "{}]"))).decode()
    path = written(tmp_path, livecodebench_row(private_test_cases=bomb))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (500 << 20), hard))
    try:
        with pytest.raises(RecordError, match="missing required field"):
            list(livecodebench_problems(path))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_field_that_may_be_absent_may_be_null(tmp_path):
    (problem,) = livecodebench_problems(written(tmp_path, livecodebench_row(starter_code=None)))
    assert "reads from standard input" in problem.question


def test_humaneval_and_mbpp_rows(tmp_path):
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def f(x):\n    '''Square.'''\n",
        "entry_point": "f",
        "canonical_solution": "    return x * x\n",
        "test": "def check(candidate):\n    assert candidate(2) == 4\n",
    }
    (problem,) = humaneval_problems(written(tmp_path, row))
    tests = read_tests(problem.tests)
    assert tests.check.endswith("check(f)\n")
    assert (tests.prompt, tests.entry_point) == (row["prompt"], "f")
    row = {
        "task_id": 11,
        "text": "Square.",
        "code": "def f(x):\r\n\treturn x * x",
        "test_list": ["assert f(2) == 4"],
        "test_setup_code": "import math",
        "challenge_test_list": ["assert f(3) == 9"],
    }
    path = written(tmp_path, row)
    (problem,) = mbpp_problems(path, challenge=True)
    tests = read_tests(problem.tests)
    assert tests.check == "import math\nassert f(2) == 4\nassert f(3) == 9"
    assert tests.entry_point == "f"
    assert "assert f(2) == 4" in problem.question
    assert "f(3)" not in problem.question
    assert list(mbpp_problems(path, split="train")) == []


def test_a_source_names_its_format_and_its_options(tmp_path):
    path = written(tmp_path, livecodebench_row())
    assert len(load_problems(f"{path}?format=livecodebench&first=2024-08&public_only=true")) == 1
    for wrong, message in [
        ("format=livecodebnch", "did you mean 'livecodebench'"),
        ("format=livecodebench&frist=2024", "did you mean 'first'"),
        ("format=livecodebench&first=August", "is no date"),
        ("format=livecodebench&public_only=1", "expected true or false"),
        ("format=mbpp&split=tset", "did you mean 'test'"),
    ]:
        with pytest.raises(RecipeError, match=message):
            load_problems(f"{path}?{wrong}")


def test_a_problem_with_tests_needs_no_reference(tmp_path):
    (problem,) = livecodebench_problems(written(tmp_path, livecodebench_row()))
    path = tmp_path / "problems.jsonl"
    path.write_bytes(msgspec.json.encode(problem) + b"\n")
    assert load_problems(str(path)) == [problem]
    bare = msgspec.structs.replace(problem, tests="")
    path.write_bytes(msgspec.json.encode(bare) + b"\n")
    with pytest.raises(RecordError, match="reference is empty"):
        load_problems(str(path))


@needs_data
@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("livecodebench/release_v1_public.jsonl?format=livecodebench", 400),
        ("livecodebench/upstream_row_example.jsonl?format=livecodebench", 1),
        ("humaneval/test.jsonl?format=humaneval", 164),
        ("mbpp/mbpp.jsonl?format=mbpp", 974),
        ("mbpp/mbpp.jsonl?format=mbpp&split=test", 500),
    ],
)
def test_every_row_of_the_benchmarks_becomes_a_problem_with_tests(source, number):
    problems = load_problems(str(DATA / source))
    assert len(problems) == number
    assert all(isinstance(one, Problem) and read_tests(one.tests) for one in problems)


@needs_data
def test_the_private_tests_of_a_genuine_row_are_decoded():
    path = DATA / "livecodebench" / "upstream_row_example.jsonl"
    row = json.loads(path.read_text())
    (problem,) = livecodebench_problems(path)
    decoded = [(one["input"], one["output"]) for one in row["private_test_cases_decoded"]]
    assert [(one.input, one.output) for one in read_tests(problem.tests).stdin][1:] == decoded

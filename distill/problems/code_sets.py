"""Programming problems: the rows of LiveCodeBench, HumanEval and MBPP as problems with tests."""

import base64
import binascii
import io
import json
import pickletools
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecipeError, RecordError, nearest
from distill.problems.jsonl import read_jsonl
from distill.records import Problem

MAX_ENCODED_CHARS = 256 << 20
MAX_DECODED_BYTES = 512 << 20  # of the private tests of one problem
LIVECODEBENCH_SECONDS = 6.0
MBPP_SPLITS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
_TEXT_OPCODES = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_FRAME_OPCODES = ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "STOP")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


def livecodebench_problems(
    path: Path, *, first: str = "", last: str = "", public_only: bool = False
) -> Iterator[Problem]:
    """LiveCodeBench's code generation rows, upstream's or with their JSON columns parsed.

    Args:
        first, last: contest dates such as 2024-08 or 2024-08-01, both included.
        public_only: leave the private tests undecoded.
    Raises: RecordError for a row that cannot be read, or whose private tests are not one pickled
        text; RecipeError for a date that is none.
    """
    for date in (first, last):
        if date and not _DATE.fullmatch(date):
            raise RecipeError(f"{path}: {date!r} is no date; write 2024-08 or 2024-08-01")
    for line, row in read_jsonl(path):
        where = f"{path}: line {line}"
        date = _text(row, "contest_date", where)[:10]
        if (first and date < first) or (last and date[: len(last)] > last):
            continue
        yield _livecodebench_problem(row, date, where, public_only)


def humaneval_problems(path: Path) -> Iterator[Problem]:
    """HumanEval's rows: a prompt to go on from, and the function `check(candidate)`."""
    for line, row in read_jsonl(path):
        where = f"{path}: line {line}"
        prompt, entry_point = _text(row, "prompt", where), _text(row, "entry_point", where)
        solution = _text(row, "canonical_solution", where)
        tests = {
            "check": f"{_text(row, 'test', where)}\ncheck({entry_point})\n",
            "entry_point": entry_point,
            "prompt": prompt,
        }
        yield Problem(
            problem_id=_text(row, "task_id", where),
            question=f"Complete this Python function:\n\n```python\n{prompt.rstrip()}\n```",
            reference=prompt + solution,
            verifier="code",
            family="humaneval",
            source="HumanEval (MIT)",
            solution=solution,
            tests=json.dumps(tests),
        )


def mbpp_problems(path: Path, *, split: str = "", challenge: bool = False) -> Iterator[Problem]:
    """MBPP's rows: a task, and asserts about a function whose name only they tell.

    Args:
        split: prompt, test, validation or train; "" takes all.
        challenge: its harder asserts too, where a row has them.
    Raises: RecordError for a row that cannot be read; RecipeError for an unknown split.
    """
    if split and split not in MBPP_SPLITS:
        known = list(MBPP_SPLITS)
        raise RecipeError(f"{path}: no split {split!r}{nearest(split, known)}; one of {known}")
    for line, row in read_jsonl(path):
        where = f"{path}: line {line}"
        if split and row.get("task_id") not in MBPP_SPLITS[split]:
            continue
        shown = _texts(row, "test_list", where)
        hidden = _texts(row, "challenge_test_list", where) if challenge else []
        check = "\n".join([_text(row, "test_setup_code", where, ""), *shown, *hidden])
        code = _text(row, "code", where).replace("\r\n", "\n")
        asserts = "\n".join(shown)
        task = _text(row, "text", where)
        yield Problem(
            problem_id=f"MBPP/{row.get('task_id', line)}",
            question=f"{task}\nYour Python code must pass these tests:\n\n{asserts}",
            reference=code,
            verifier="code",
            family="mbpp",
            source="MBPP (CC BY 4.0, Google LLC, Austin et al. 2021)",
            solution=code,
            tests=json.dumps(
                {"check": check.replace("\r\n", "\n"), "entry_point": _asked(asserts, code)}
            ),
        )


def _asked(asserts: str, code: str) -> str:
    """The function that the asserts call: of the names before a bracket one that `code` defines."""
    called = re.findall(r"\b([A-Za-z_]\w*)\s*\(", asserts)
    return next((name for name in called if re.search(rf"\bdef\s+{name}\b", code)), "")


# --- LiveCodeBench ----------------------------------------------------------------------------


class _TestRow(msgspec.Struct, frozen=True):
    input: str
    output: str
    testtype: str


def _livecodebench_problem(
    row: dict[str, Any], date: str, where: str, public_only: bool
) -> Problem:
    name = _metadata(row, where).get("func_name") or ""
    rows = _test_rows(row.get("public_test_cases"), f"{where}: public_test_cases")
    private = row.get("private_test_cases")
    if private and not public_only:
        rows += _test_rows(_private_tests(private, where), f"{where}: private_test_cases")
    tests = _livecodebench_tests(rows, name, where)
    platform, question_id = _text(row, "platform", where), _text(row, "question_id", where)
    starter = _text(row, "starter_code", where, "")
    how = (
        f"Write it in Python, beginning with this:\n\n```python\n{starter.rstrip()}\n```"
        if starter.strip()
        else "Write a Python program that reads from standard input and prints the result."
    )
    return Problem(
        problem_id=f"livecodebench/{question_id}",
        question=f"{_text(row, 'question_content', where).strip()}\n\n{how}",
        reference="",
        verifier="code",
        family=f"{platform}-{_text(row, 'difficulty', where, 'unknown')}",
        source=f"LiveCodeBench (licence field: cc), {platform}, {date}",
        tests=json.dumps(tests),
    )


def _livecodebench_tests(rows: list[_TestRow], name: str, where: str) -> dict[str, Any]:
    tests: dict[str, Any] = {"rules": "livecodebench", "seconds": LIVECODEBENCH_SECONDS}
    kinds = {row.testtype for row in rows}
    if kinds == {"stdin"}:
        cases = [{"input": row.input, "output": row.output} for row in rows]
        return {**tests, "stdin": cases}
    if kinds != {"functional"}:
        raise RecordError(f"{where}: tests are of the types {sorted(kinds)}; expected one type")
    if not name:
        raise RecordError(f"{where}: metadata names no func_name for its functional tests")
    calls = [
        {
            "args": [_json(part, where) for part in row.input.split("\n") if part.strip()],
            "expected": _json(row.output, where),
        }
        for row in rows
    ]
    return {**tests, "calls": calls, "entry_point": name}


def _metadata(row: dict[str, Any], where: str) -> dict[str, Any]:
    given = row.get("metadata") or {}
    given = _json(given, where) if isinstance(given, str) else given
    if not isinstance(given, dict):
        raise RecordError(f"{where}: metadata is a {type(given).__name__}; expected a record")
    return given


def _test_rows(given: Any, where: str) -> list[_TestRow]:
    """Tests as a list, or as the JSON text of one, of which nothing else is ever built."""
    try:
        if isinstance(given, str):
            return msgspec.json.decode(given, type=list[_TestRow])
        return msgspec.convert(given, list[_TestRow])
    except (msgspec.ValidationError, RecursionError) as error:
        expected = "a list of tests {input, output, testtype}, each a text"
        raise RecordError(f"{where}: {error}; expected {expected}") from None
    except (msgspec.DecodeError, ValueError) as error:  # a lone surrogate is none of UTF-8
        raise RecordError(f"{where}: {_short(given)} is not whole JSON: {error}") from None


def _private_tests(encoded: Any, where: str) -> Any:
    """The JSON text inside base64 of zlib of a pickle; or the list itself, where it was decoded."""
    if isinstance(encoded, list):
        return encoded
    where = f"{where}: private_test_cases"
    if not isinstance(encoded, str):
        raise RecordError(f"{where}: is a {type(encoded).__name__}; expected a text")
    if encoded.lstrip().startswith("["):
        return encoded
    if len(encoded) > MAX_ENCODED_CHARS:
        raise RecordError(f"{where}: has {len(encoded)} characters; at most {MAX_ENCODED_CHARS}")
    try:
        packed = base64.b64decode(encoded, validate=True)
        return pickled_text(_inflated(packed, where))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise RecordError(f"{where}: is not base64 of zlib of one pickled text: {error}") from None


def _inflated(packed: bytes, where: str) -> bytes:
    """Decompress, and stop at the cap: ten kilobytes can hold ten gigabytes."""
    stream = zlib.decompressobj()
    plain = stream.decompress(packed, MAX_DECODED_BYTES)
    if stream.unconsumed_tail:
        raise RecordError(f"{where}: unpacks to more than {MAX_DECODED_BYTES} bytes")
    if not stream.eof:
        raise ValueError("it ends too early")
    return plain


def pickled_text(pickled: bytes) -> str:
    """The text of a pickle that holds one text and nothing else; it is read, never run.

    Raises: ValueError for any other pickle: one that names a class, a function or a container.
    """
    texts: list[str] = []
    stream = io.BytesIO(pickled)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in _TEXT_OPCODES:
            texts.append(argument)
        elif opcode.name not in _FRAME_OPCODES or count > 8:
            raise ValueError(f"its pickle has the opcode {opcode.name}; expected one text")
    if len(texts) != 1 or stream.read(1):
        raise ValueError(f"its pickle holds {len(texts)} texts; expected one")
    return texts[0]


# --- fields -----------------------------------------------------------------------------------


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: {_short(text)} is not whole JSON: {error}") from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _text(row: dict[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = default if row.get(name) is None else row[name]
    if value is None and name in row:
        raise RecordError(f"{where}: {name} is null; expected a text")
    if value is None:
        known = ", ".join(list(row)[:12])
        raise RecordError(f"{where}: has no {name}{nearest(name, list(row))}; it has {known}")
    if not isinstance(value, str):
        raise RecordError(f"{where}: {name} is a {type(value).__name__}; expected a text")
    return value


def _texts(row: dict[str, Any], name: str, where: str) -> list[str]:
    values = row.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise RecordError(f"{where}: {name} is no list of texts")
    return values


CODE_SETS: dict[str, Callable[..., Iterator[Problem]]] = {
    "livecodebench": livecodebench_problems,
    "humaneval": humaneval_problems,
    "mbpp": mbpp_problems,
}

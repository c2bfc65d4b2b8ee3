"""Traces that exist already, in a file of any shape: what each row holds, checked."""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecordError
from distill.problems.rows import (
    ID_FIELD,
    BadRows,
    Row,
    none_left,
    raw_row,
    read_rows,
    refuse,
    typed_value,
)
from distill.records import FinishReason

LETTERS = "ABCDEFGHIJ"  # of the options of a multiple choice question
TEXT_OR_NUMBER = (str, int, float)


class TraceFields(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the fields in the file, `a.b` for one inside another; None for what is not read."""

    problem: str
    completion: str
    reference: str | None = None
    trace_id: str | None = None  # None: ID_FIELD where the rows have it, else the row's number
    label: str | None = None
    finish_reason: str | None = None
    family: str | None = None
    tests: str | None = None  # of a program: text, or a record that becomes JSON
    options: str | None = None  # of multiple choice: a list, or a record of letters


class FileTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the file."""

    trace_id: str | int  # as it stands there, or the row's number
    question: str  # options included, a line each
    completion: str
    reference: str = ""
    label: bool | None = None
    finish_reason: FinishReason | None = None  # None: nobody knows
    family: str = ""
    tests: str = ""

    @property
    def key(self) -> str:
        """The id as text: what joins a trace, its verdict and its decision."""
        return str(self.trace_id)


def read_traces(
    path: Path,
    fields: TraceFields,
    *,
    split: str | None = None,
    bad: BadRows | None = None,
) -> Iterator[FileTrace]:
    """Every row of the file, in its order; `1` and `"1"` are the same id.

    Takes the memory of a batch of rows and about 50 bytes for each id. NaN and half characters
    (lone surrogates) are taken as they are: the files of others have them.

    Args:
        split: of a folder that holds several.
        bad: where rows go that cannot be used; None refuses the first of them.
    Raises: RecipeError for a file that is not there; RecordError with file, line and field for a
        torn line, bad UTF-8, a missing field, a wrong type or an id that was used before.
    """
    seen = SeenIds()
    id_field = fields.trace_id
    number_of_rows = 0
    for row in read_rows(path, columns=_columns(fields), split=split, bad=bad):
        try:
            if id_field is None and ID_FIELD in row.fields:
                if number_of_rows:
                    raise RecordError(
                        f"{row.where}: has an {ID_FIELD!r}, the rows before it have none"
                    )
                id_field = ID_FIELD
            trace = _trace(row, fields, id_field)
            if id_field is not None and not seen.add(trace.key):
                raise RecordError(
                    f"{row.where}: id {trace.trace_id!r} was used before; every trace needs its "
                    "own (1 and '1' are one)"
                )
        except RecordError as error:
            refuse(error, row.number, raw_row(row), bad)
            continue
        number_of_rows += 1
        yield trace
    if not number_of_rows:
        raise none_left(path, "traces", bad)


def _columns(fields: TraceFields) -> list[str]:
    names = (getattr(fields, field) for field in fields.__struct_fields__)
    return [name for name in names if name is not None]


def _trace(row: Row, fields: TraceFields, id_field: str | None) -> FileTrace:
    def value(field: str | None, kinds: tuple[type, ...], expected: str, absent: Any = None) -> Any:
        return absent if field is None else typed_value(row, field, kinds, expected)

    question = value(fields.problem, (str,), "text")
    reference = reference_text(row, fields.reference)
    options = value(fields.options, (list, dict), "a list of texts, or a record of letters", ())
    family = value(fields.family, (*TEXT_OR_NUMBER, type(None)), "text, a number or null", "")
    choices = dict(_choices(row, fields.options, options))
    return FileTrace(
        trace_id=value(id_field, (str, int), "text or a whole number", row.number),
        question="\n".join([question, *(f"({letter}) {text}" for letter, text in choices.items())]),
        completion=value(fields.completion, (str,), "text"),
        reference=_letter_of(reference, choices),
        label=value(fields.label, (bool, type(None)), "true, false or null"),
        finish_reason=_finish_reason(row, fields.finish_reason),
        family="" if family is None else str(family),
        tests=_tests(value(fields.tests, (str, dict, list), "text, a record or a list", "")),
    )


def reference_text(row: Row, field: str | None) -> str:
    """A reference answer as text; numbers are written out."""
    if field is None:
        return ""
    found = typed_value(row, field, TEXT_OR_NUMBER, "text or a number")
    if isinstance(found, float) and not math.isfinite(found):
        raise RecordError(f"{row.where}: field {field!r} is {found}; no reference")
    return number_text(found)


def number_text(found: str | int | float) -> str:
    """Text as it is, a number in digits: 0.00001, not 1e-05."""
    text = str(found)
    is_scientific = isinstance(found, float) and "e" in text
    return f"{Decimal(text):f}" if is_scientific else text


def _finish_reason(row: Row, field: str | None) -> FinishReason | None:
    if field is None:
        return None
    expected = "'stop', 'length' or null"
    found = typed_value(row, field, (str, type(None)), expected)
    if found not in ("stop", "length", None):
        raise RecordError(f"{row.where}: field {field!r} is {found[:40]!r}; expected {expected}")
    return found


def _tests(found: str | dict | list) -> str:
    return found if isinstance(found, str) else json.dumps(found)


def _choices(row: Row, field: str | None, options: list | dict) -> Iterator[tuple[str, str]]:
    """Letters and texts of what can be chosen."""
    pairs = options.items() if isinstance(options, dict) else zip(LETTERS, options, strict=False)
    if len(options) > len(LETTERS):
        raise RecordError(
            f"{row.where}: field {field!r} has {len(options)} options; expected at most "
            f"{len(LETTERS)}"
        )
    for letter, text in pairs:
        if letter not in LETTERS or type(text) not in TEXT_OR_NUMBER:
            raise RecordError(
                f"{row.where}: field {field!r} holds {letter!r}: {type(text).__name__}; "
                "expected texts, under capital letters if it is a record"
            )
        yield letter, str(text)


def _letter_of(reference: str, choices: dict[str, str]) -> str:
    """The letter of the one option that a reference repeats; else the reference as it is."""
    same = [letter for letter, text in choices.items() if text.strip() == reference.strip()]
    return same[0] if len(same) == 1 else reference


# --- ids --------------------------------------------------------------------------------------

_DIGEST_BYTES = 16  # two ids of a million share one with a chance of 1 in 10^26
_NONE = bytes(_DIGEST_BYTES)


class SeenIds:
    """Which ids were met: one open table of digests, 16 bytes each at up to two thirds full."""

    def __init__(self) -> None:
        self._slots = 1 << 10
        self._table = bytearray(self._slots * _DIGEST_BYTES)
        self._count = 0

    def add(self, key: str) -> bool:
        """Note an id. Returns: True if it is new."""
        if 3 * self._count >= 2 * self._slots:
            self._grow()
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
        return self._insert(digest)

    def _insert(self, digest: bytes) -> bool:
        slot = int.from_bytes(digest[:8], "little") % self._slots
        while True:
            start = slot * _DIGEST_BYTES
            found = self._table[start : start + _DIGEST_BYTES]
            if found == digest:
                return False
            if found == _NONE:
                self._table[start : start + _DIGEST_BYTES] = digest
                self._count += 1
                return True
            slot = (slot + 1) % self._slots

    def _grow(self) -> None:
        before = self._table
        self._slots *= 2
        self._count = 0
        self._table = bytearray(self._slots * _DIGEST_BYTES)
        for start in range(0, len(before), _DIGEST_BYTES):
            digest = bytes(before[start : start + _DIGEST_BYTES])
            if digest != _NONE:
                self._insert(digest)

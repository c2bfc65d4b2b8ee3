"""Traces that exist already, in a JSONL file of any shape: what each line holds, checked."""

import math
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecordError
from distill.problems.sources import read_jsonl
from distill.recipe import nearest
from distill.records import FinishReason

ID_FIELD = "id"


class TraceFields(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the fields in the file; None for what is not read."""

    problem: str
    completion: str
    reference: str | None = None
    trace_id: str | None = None  # None: ID_FIELD where the lines have it, else the line's number
    label: str | None = None
    finish_reason: str | None = None


class FileTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file."""

    trace_id: str | int  # as it stands there, or the line's number
    question: str
    completion: str
    reference: str = ""
    label: bool | None = None
    finish_reason: FinishReason | None = None  # None: nobody knows

    @property
    def key(self) -> str:
        """The id as text: what joins a trace, its verdict and its decision."""
        return str(self.trace_id)


def read_traces(path: Path, fields: TraceFields) -> list[FileTrace]:
    """Every line of the file, in its order; `1` and `"1"` are the same id.

    NaN and half characters (lone surrogates) are taken as they are: the files of others have them.
    Raises: RecipeError for a file that is not there; RecordError with file, line and field for a
        torn line, bad UTF-8, a missing field, a wrong type or an id that was used before.
    """
    traces: dict[str, FileTrace] = {}
    id_field = fields.trace_id
    for line, row in read_jsonl(path):
        where = f"{path}: line {line}"
        if id_field is None and ID_FIELD in row:
            if traces:
                raise RecordError(f"{where}: has an {ID_FIELD!r}, the lines before it have none")
            id_field = ID_FIELD
        trace = _trace(row, fields, id_field, line, where)
        if trace.key in traces:
            raise RecordError(
                f"{where}: id {trace.trace_id!r} was used before; every trace needs its own"
            )
        traces[trace.key] = trace
    if not traces:
        raise RecordError(f"{path}: has no traces")
    return list(traces.values())


def _trace(
    row: dict[str, Any], fields: TraceFields, id_field: str | None, line: int, where: str
) -> FileTrace:
    def value(field: str | None, kinds: tuple[type, ...], expected: str, absent: Any = None) -> Any:
        return absent if field is None else _value(row, field, kinds, expected, where)

    reference = value(fields.reference, (str, int, float), "text or a number", "")
    if isinstance(reference, float) and not math.isfinite(reference):
        raise RecordError(f"{where}: field {fields.reference!r} is {reference}; no reference")
    finish_reason = value(fields.finish_reason, (str, type(None)), "'stop', 'length' or null")
    if finish_reason not in ("stop", "length", None):
        raise RecordError(
            f"{where}: field {fields.finish_reason!r} is {finish_reason[:40]!r}; "
            "expected 'stop', 'length' or null"
        )
    return FileTrace(
        trace_id=value(id_field, (str, int), "text or a whole number", line),
        question=value(fields.problem, (str,), "text"),
        completion=value(fields.completion, (str,), "text"),
        reference=str(reference),
        label=value(fields.label, (bool, type(None)), "true, false or null"),
        finish_reason=finish_reason,
    )


def _value(
    row: dict[str, Any], field: str, kinds: tuple[type, ...], expected: str, where: str
) -> Any:
    if field not in row:
        raise RecordError(
            f"{where}: has no field {field!r}{nearest(field, list(row))}; "
            f"it has {', '.join(list(row)[:20])}"
        )
    found = row[field]
    if type(found) not in kinds:
        kind = "null" if found is None else type(found).__name__
        raise RecordError(f"{where}: field {field!r} is {kind}; expected {expected}")
    return found

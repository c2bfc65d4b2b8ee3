"""The dataset that the filter leaves: kept and dropped traces as Parquet, with their card."""

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow
from pyarrow.parquet import ParquetWriter

from distill.errors import StoreError
from distill.records import Decision, Problem, Trace

ROWS_PER_GROUP = 1000
FILES = ("train.parquet", "dropped.parquet", "train.jsonl")

COLUMNS = {
    "trace_id": "problem_id#index",
    "problem_id": "the problem's id",
    "question": "what was asked",
    "reference": "the reference answer",
    "prompt": "the exact text that the teacher saw",
    "completion": "the exact text that it wrote, thought and answer",
    "teacher": "who wrote it",
    "family": "kind of problem",
    "source": "where the problem comes from, with its licence",
    "verifier": "what judged the answer",
    "index": "0-based number of the completion among those of its problem",
    "seed": "the seed it was drawn with",
    "completion_tokens": "its length in the teacher's tokens",
}
_NUMBERS = ("index", "seed", "completion_tokens")
_KEPT = pyarrow.schema(
    [(name, pyarrow.int64() if name in _NUMBERS else pyarrow.string()) for name in COLUMNS]
)
_DROPPED = _KEPT.append(pyarrow.field("reason", pyarrow.string())).append(
    pyarrow.field("detail", pyarrow.string())
)

Row = tuple[Problem, Trace, Decision]


def write_dataset(folder: Path, rows: Iterable[Row]) -> None:
    """Write train.parquet and train.jsonl (kept) and dropped.parquet, each whole or not at all.

    Raises: StoreError when the disk gives way; the files that were there stay.
    """
    temporary = {name: folder / f".{name}.tmp" for name in FILES}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            ParquetWriter(temporary["train.parquet"], _KEPT) as kept,
            ParquetWriter(temporary["dropped.parquet"], _DROPPED) as dropped,
            open(temporary["train.jsonl"], "wb") as lines,
        ):
            for batch in _batches(rows, ROWS_PER_GROUP):
                left = [_row(problem, trace) for problem, trace, fate in batch if fate.kept]
                _write_rows(kept, left, _KEPT)
                lines.writelines(msgspec.json.encode(row) + b"\n" for row in left)
                _write_rows(
                    dropped, [_dropped_row(*row) for row in batch if not row[2].kept], _DROPPED
                )
        for name, path in temporary.items():
            _take_place(path, folder / name)
    except (OSError, pyarrow.ArrowException) as error:
        raise StoreError(f"{folder}: the dataset could not be written: {error}") from None


def card_header(name: str, *, any_dropped: bool) -> str:
    """The YAML that tells `datasets` which file is which: kept by default, dropped by name.

    A file without rows is not listed as dropped: `datasets` does not open an empty split.
    """
    lines = [
        "---",
        f"pretty_name: {json.dumps(name, ensure_ascii=False)}",
        "configs:",
        *_config("default", "train.parquet", ["  default: true"]),
        *(_config("dropped", "dropped.parquet") if any_dropped else []),
        "---",
        "",
    ]
    return "\n".join(lines)


def _config(name: str, file: str, more: Iterable[str] = ()) -> list[str]:
    files = ["  data_files:", "  - split: train", f"    path: {file}"]
    return [f"- config_name: {name}", *more, *files]


def _row(problem: Problem, trace: Trace) -> dict[str, str | int]:
    both = {**msgspec.structs.asdict(problem), **msgspec.structs.asdict(trace)}
    return {name: both.get(name, trace.trace_id) for name in COLUMNS}


def _dropped_row(problem: Problem, trace: Trace, decision: Decision) -> dict[str, str | int]:
    fate = {"reason": decision.reason.value, "detail": decision.detail}
    return {**_row(problem, trace), **fate}


def _write_rows(writer: ParquetWriter, rows: list[dict], schema: pyarrow.Schema) -> None:
    if rows:
        writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def _take_place(temporary: Path, path: Path) -> None:
    with open(temporary, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, path)

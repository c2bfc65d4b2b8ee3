"""The dataset that the filter leaves: kept and dropped traces as Parquet and JSONL."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow
from pyarrow.parquet import ParquetWriter

from distill.errors import StoreError
from distill.filters.decisions import Fate
from distill.filters.findings import Known
from distill.records import Problem, Trace

ROWS_PER_GROUP = 1000
CHARS_PER_GROUP = 16_000_000  # fewer rows where they are long

COLUMNS = {
    "trace_id": "problem_id#index, or the id in a file of traces",
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
    "prompt_tokens": "length of the prompt in the teacher's tokens",
    "completion_tokens": "length of the completion in them",
    "tokens_are_counted": "false where nobody told these numbers and they are estimates",
    "finish_reason": "stop: it ended by itself; length: the limit ended it",
    "engine": "what ran the teacher, with its version",
    "weights": "hash of the teacher's files, where they were on this machine",
    "prompt_template": "hash of what turned the question into the prompt",
    "temperature": "that it was drawn with",
    "top_p": "that it was drawn with",
    "max_tokens": "the limit on its length",
    "seconds": "from its request to its end",
    "usd": "US dollars for its tokens, at the recipe's price",
    "answer": "what was taken as its final answer",
    "correct": "the rule's verdict: true, false, or null where it has none",
    "route": "which comparison decided the verdict",
    "judged": "the language model's word on the answer, null where it has none",
    "pass_rate": "share of its problem's judged traces that is right",
}
_TYPES = {
    **dict.fromkeys(
        ("index", "seed", "prompt_tokens", "completion_tokens", "max_tokens"), pyarrow.int64()
    ),
    **dict.fromkeys(("temperature", "top_p", "seconds", "usd"), pyarrow.float64()),
    "tokens_are_counted": pyarrow.bool_(),
    "correct": pyarrow.bool_(),
    "judged": pyarrow.bool_(),
    "pass_rate": pyarrow.float64(),
}
_KEPT = pyarrow.schema([(name, _TYPES.get(name, pyarrow.string())) for name in COLUMNS])
_DROPPED = pyarrow.schema(
    [*_KEPT, ("reason", pyarrow.string()), ("detail", pyarrow.string()), ("all", pyarrow.string())]
)


Values = dict[str, Any]
"""A row: values of COLUMNS by their names; what is not there is null."""


def trace_values(
    problem: Problem, trace: Trace, known: Known, pass_rate: float | None
) -> dict[str, Any]:
    """The row of a trace of a run."""
    origin = msgspec.structs.asdict(trace.origin) if trace.origin else {}
    both = {**msgspec.structs.asdict(problem), **msgspec.structs.asdict(trace), **origin}
    return {
        **{name: both[name] for name in COLUMNS if name in both},
        **known_values(known, pass_rate),
    }


def known_values(known: Known, pass_rate: float | None) -> dict[str, Any]:
    """The part of a row that says what became of the answer."""
    verdict = known.verdict
    return {
        "trace_id": str(known.trace_id),
        "answer": verdict.answer if verdict else None,
        "correct": verdict.correct if verdict else None,
        "route": verdict.route if verdict else "",
        "judged": known.judged,
        "pass_rate": pass_rate,
    }


SOURCE_COLUMNS = ("teacher", "weights", "engine", "source", "verifier")
Sources = Counter[tuple[str, ...]]
"""How many rows have the same values in SOURCE_COLUMNS."""


def write_dataset(folder: Path, rows: Iterable[tuple[Values, Fate]]) -> Sources:
    """Write train.parquet and train.jsonl (kept) and dropped.parquet, all whole or none.

    Returns: where the kept rows come from.
    Raises: StoreError when the disk gives way; the files that were there stay.
    """
    sources: Sources = Counter()
    paths = [folder / name for name in ("train.parquet", "dropped.parquet", "train.jsonl")]
    with (
        _all_or_none(paths) as (kept_file, dropped_file, lines),
        ParquetWriter(kept_file, _KEPT, compression="zstd") as kept,
        ParquetWriter(dropped_file, _DROPPED, compression="zstd") as dropped,
    ):
        for batch in _batches(rows, lambda row: row[0]):
            left = [_storable(values) for values, fate in batch if fate.kept]
            _write_rows(kept, left, _KEPT)
            lines.writelines(map(_line, left))
            _write_rows(dropped, [_dropped(*row) for row in batch if not row[1].kept], _DROPPED)
            sources.update(_source(row) for row in left)
    return sources


def write_variants(folders: Mapping[Path, Set[str]], rows: Iterable[Values]) -> list[Sources]:
    """Write train.parquet and train.jsonl in each folder, all of them in one pass over the rows.

    Args:
        folders: folder to the ids of the traces that it keeps.
    Returns: where the rows of each come from, in the order of the folders.
    Raises: as `write_dataset`.
    """
    tables = [folder / "train.parquet" for folder in folders]
    texts = [folder / "train.jsonl" for folder in folders]
    with _all_or_none(tables + texts) as handles, ExitStack() as writers:
        outs = [
            (
                kept,
                writers.enter_context(ParquetWriter(table, _KEPT, compression="zstd")),
                lines,
                Counter(),
            )
            for kept, table, lines in zip(
                folders.values(), handles[: len(tables)], handles[len(tables) :], strict=True
            )
        ]
        for batch in _batches(rows, lambda row: row):
            _write_variants(outs, [_storable(values) for values in batch])
    return [sources for *_, sources in outs]


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


def _write_variants(
    outs: Sequence[tuple[Set[str], ParquetWriter, BinaryIO, Sources]], rows: list[dict[str, Any]]
) -> None:
    whole = pyarrow.Table.from_pylist(rows, schema=_KEPT)
    texts = [_line(row) for row in rows]
    for kept, table, lines, sources in outs:
        mask = [row["trace_id"] in kept for row in rows]
        if any(mask):
            table.write_table(whole.filter(pyarrow.array(mask)))
            lines.writelines(itertools.compress(texts, mask))
            sources.update(map(_source, itertools.compress(rows, mask)))


def _source(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] or "not stated" for name in SOURCE_COLUMNS)


def _dropped(values: Values, fate: Fate) -> Values:
    every = " ".join(fate.reasons)
    return _storable({**values, "reason": fate.reason.value, "detail": fate.detail, "all": every})


def _storable(values: Values) -> Values:
    """Every column, its text without half characters, which UTF-8 cannot hold."""
    whole = {**dict.fromkeys(COLUMNS), **values}
    for name, value in whole.items():
        if isinstance(value, str) and not value.isascii():
            whole[name] = value.encode("utf-8", "replace").decode()
    return whole


def _line(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(row) + b"\n"


def _write_rows(writer: ParquetWriter, rows: list[dict], schema: pyarrow.Schema) -> None:
    if rows:
        writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _batches(rows: Iterable[Any], values: Callable[[Any], Values]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    chars = 0
    for row in rows:
        batch.append(row)
        chars += len(values(row)["completion"])
        if len(batch) == ROWS_PER_GROUP or chars >= CHARS_PER_GROUP:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


@contextmanager
def _all_or_none(paths: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Files that take their names when all of them are written, and leave nothing otherwise."""
    temporary = [path.with_name(f".{path.name}.tmp") for path in paths]
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            handles = [files.enter_context(open(path, "wb")) for path in temporary]
            yield handles
            for handle in handles:
                handle.flush()
                os.fsync(handle.fileno())
        for written, path in zip(temporary, paths, strict=True):
            os.replace(written, path)
    except (OSError, pyarrow.ArrowException) as error:
        folder = paths[0].parent
        raise StoreError(f"{folder}: the dataset could not be written: {error}") from None
    finally:
        for path in temporary:
            with suppress(OSError):
                path.unlink(missing_ok=True)

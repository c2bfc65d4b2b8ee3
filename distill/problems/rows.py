"""Rows of a file that others wrote: JSONL, Parquet or a `datasets` folder, one at a time."""

import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from distill.errors import RecipeError, RecordError, nearest
from distill.partial import PartialFile

MAX_LINE_BYTES = 128 << 20  # a longer line is no record: it is refused, not read
BATCH_ROWS = 256  # of Parquet and Arrow, turned into records at once
MAX_RAW_BYTES = 1 << 20  # of a bad row that are saved aside
ID_FIELD = "id"  # read wherever it is there
ADVICE = "; correct it, or pass over such rows with --skip-bad=FILE"

Fields = dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    """One record of a file and where it stands."""

    number: int  # from 1: of the line, or of the row; over all files of a folder
    where: str  # "traces.jsonl: line 3"
    fields: Fields


class BadRows:
    """Rows that cannot be used: saved aside, counted, passed over.

    Without one of these the first bad row raises. A row that is met again, when a file is read
    a second time, counts once. One {line, error, raw} a line; bytes that are no UTF-8 are kept as
    lone surrogates (`surrogateescape`). The file is there when all is done, whole, or not at all.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.numbers: set[int] = set()
        self.first = ""  # what was wrong with the first of them
        self._file = PartialFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._file.finish()
        else:
            self._file.drop()
        self._file.close()

    @property
    def count(self) -> int:
        """How many rows were passed over."""
        return len(self.numbers)

    def add(self, number: int, error: str, raw: bytes) -> None:
        """Keep one row, unless it was met before."""
        if number in self.numbers:
            return
        self.numbers.add(number)
        self.first = self.first or error
        text = raw[:MAX_RAW_BYTES].decode("utf-8", "surrogateescape")
        line = json.dumps({"line": number, "error": error, "raw": text})
        self._file.write(line.encode() + b"\n")


def refuse(error: RecordError, number: int, raw: bytes, bad: BadRows | None) -> None:
    """Raise the error, or keep the row among the bad ones."""
    if bad is None:
        raise RecordError(f"{error}{ADVICE}") from None
    bad.add(number, str(error), raw)


def none_left(path: Path, what: str, bad: BadRows | None) -> RecordError:
    """The error of a file that has no row, or bad ones only."""
    if bad is None or not bad.count:
        return RecordError(f"{path}: has no {what}")
    return RecordError(f"{path}: has no {what}: all {bad.count} rows are bad, first {bad.first}")


def read_rows(
    path: Path,
    *,
    columns: list[str] | None = None,
    split: str | None = None,
    bad: BadRows | None = None,
) -> Iterator[Row]:
    """Every record, in the order of the file; memory does not grow with their number.

    Args:
        path: a .jsonl file (also .gz), a .parquet file, a folder that `datasets` saved, or a
            folder of .parquet, .jsonl or .arrow files. What a file is, its first bytes say.
        columns: the fields that are wanted, dotted where they lie inside others; of Parquet no
            others are read. None reads all.
        split: the sub-folder or the files of one split, where there are several.
        bad: where lines go that are no record.
    Raises: RecipeError for a path or split that is not there; RecordError, with file and line, for
        a line that is no record and for a damaged file.
    """
    first = 0
    for file in find_files(path, split):
        last = first
        for row in _file_rows(file, columns, first, bad):
            last = row.number
            yield row
        first = last


def find_files(path: Path, split: str | None = None) -> list[Path]:
    """The files that a path stands for, in order."""
    if not path.exists():
        close = [str(other) for other in path.parent.glob("*")] if path.parent.is_dir() else []
        raise RecipeError(f"{path}: no such file or folder{nearest(str(path), close)}")
    if not path.is_dir():
        if split is not None:
            raise RecipeError(f"{path}: is one file, which has no splits; leave --split out")
        return [path]
    splits = _splits(path)
    if split is None and len(splits) > 1:
        raise RecipeError(
            f"{path}: has {len(splits)} splits, {', '.join(splits)}; choose one with --split=NAME"
        )
    if split is not None and split not in splits:
        found = ", ".join(splits) or "none"
        raise RecipeError(
            f"{path}: has no split {split!r}{nearest(split, list(splits))}; found {found}"
        )
    return splits[split] if split is not None else next(iter(splits.values()))


def _splits(folder: Path) -> dict[str, list[Path]]:
    """Files by split: of sub-folders, or of names such as train-00000-of-00002.parquet."""
    files = _data_files(folder)
    if not files:
        inside = sorted(other for other in folder.iterdir() if other.is_dir())
        splits = {other.name: _data_files(other) for other in inside}
        splits = {name: files for name, files in splits.items() if files}
        if list(splits) == ["data"]:  # as on the hub
            return _splits(folder / "data")
        if not splits:
            raise RecipeError(
                f"{folder}: holds no .jsonl, .parquet or .arrow files; name a file, or a folder "
                "that `datasets` saved"
            )
        return splits
    splits: dict[str, list[Path]] = {}
    numbered = all("-of-" in file.name for file in files)
    for file in files:
        name = file.name.rpartition("-of-")[0].rpartition("-")[0] if numbered else folder.name
        splits.setdefault(name, []).append(file)
    return splits


def _data_files(folder: Path) -> list[Path]:
    """The files with rows that lie in a folder itself."""
    state = folder / "state.json"
    if state.is_file():
        return _saved_files(folder, state)
    for suffix in ("*.parquet", "*.jsonl", "*.jsonl.gz", "*.arrow"):
        if files := sorted(folder.glob(suffix)):
            return files
    return []


def _saved_files(folder: Path, state: Path) -> list[Path]:
    """What save_to_disk of `datasets` wrote, by its own list."""
    try:
        saved = json.loads(state.read_text(encoding="utf-8"))
        names = [entry["filename"] for entry in saved["_data_files"]]
        chosen = saved.get("_indices_data_files")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{state}: is not what `datasets` writes: {error!r}") from None
    if chosen:
        raise RecipeError(f"{folder}: is a selection of rows; save it after flatten_indices()")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise RecordError(f"{state}: names {missing[0]}, which is not there; copy the whole folder")
    return [folder / name for name in names]


def _file_rows(
    file: Path, columns: list[str] | None, first: int, bad: BadRows | None
) -> Iterator[Row]:
    try:
        with open(file, "rb") as handle:
            head = handle.peek(8)[:8]
            if head.startswith(b"PAR1"):
                yield from _numbered(_parquet(file, columns), file, first)
            elif head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
                yield from _numbered(_arrow(file, columns), file, first)
            elif head.startswith(b"\x1f\x8b"):
                with gzip.open(handle) as unpacked:
                    yield from _lines(unpacked, file, first, bad)
            else:
                _refuse_others(head, file)
                yield from _lines(handle, file, first, bad)
    except (pyarrow.ArrowException, OSError, EOFError, zlib.error) as error:
        if reason := getattr(error, "strerror", None):  # of the machine, not of what is in it
            raise RecordError(f"{file}: cannot be read: {reason}") from None
        raise RecordError(f"{file}: cannot be read, it may be cut off: {error}") from None


def _refuse_others(head: bytes, file: Path) -> None:
    is_wide = head[:2].count(0) == 1  # every other byte of plain text in UTF-16
    if is_wide or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordError(f"{file}: is UTF-16; expected UTF-8: convert it with `iconv -t UTF-8`")
    if head.startswith((b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise RecordError(f"{file}: is packed; expected JSONL, Parquet or a folder: unpack it")
    if file.suffix in (".parquet", ".arrow"):
        raise RecordError(f"{file}: is no {file.suffix[1:]} file: its first bytes are {head!r}")


# --- lines ------------------------------------------------------------------------------------


def _lines(handle: BinaryIO, file: Path, first: int, bad: BadRows | None) -> Iterator[Row]:
    line = 0
    while raw := handle.readline(MAX_LINE_BYTES + 1):
        line += 1
        where = f"{file}: line {line}"
        if len(raw) > MAX_LINE_BYTES:
            _pass_over(handle)
            error = RecordError(f"{where}: is longer than {MAX_LINE_BYTES >> 20} MiB; no record is")
            refuse(error, first + line, raw, bad)
            continue
        if not raw.strip():
            continue
        try:
            yield Row(first + line, where, _record(raw, where, starts=line == 1))
        except RecordError as error:
            refuse(error, first + line, raw, bad)


def _pass_over(handle: BinaryIO) -> None:
    """Read to the end of a line without keeping it."""
    while (rest := handle.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass


def _record(raw: bytes, where: str, *, starts: bool) -> Fields:
    try:
        record = json.loads(raw.decode("utf-8-sig" if starts else "utf-8"))
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: is not UTF-8 at byte {error.start + 1}") from None
    except (ValueError, RecursionError) as error:
        hint = "; expected one record per line, not one JSON text" if starts else ""
        raise RecordError(f"{where}: is not whole JSON: {error}{hint}") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise RecordError(f"{where}: is a {kind}; expected a record such as {{...}}")
    return record


# --- columns ----------------------------------------------------------------------------------


def _parquet(file: Path, columns: list[str] | None) -> Iterator[Fields]:
    """Rows batch by batch; of a row group only the batch at hand is turned into records."""
    with pyarrow.parquet.ParquetFile(file, memory_map=True, buffer_size=1 << 20) as table:
        wanted = _present(table.schema_arrow.names, columns)
        for batch in table.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
            yield from batch.to_pylist()


def _arrow(file: Path, columns: list[str] | None) -> Iterator[Fields]:
    with pyarrow.memory_map(str(file)) as source:
        if source.read(6) == b"ARROW1":
            reader = pyarrow.ipc.open_file(source)
            batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
        else:
            source.seek(0)
            batches = iter(pyarrow.ipc.open_stream(source))
        for batch in batches:
            wanted = batch.select(_present(batch.schema.names, columns))
            for start in range(0, wanted.num_rows, BATCH_ROWS):
                yield from wanted.slice(start, BATCH_ROWS).to_pylist()


def _present(names: list[str], columns: list[str] | None) -> list[str]:
    """The columns that hold the wanted fields; all of them when one is not there, for the error."""
    tops = [field if field in names else field.partition(".")[0] for field in columns or ()]
    if columns is None or not set(tops) <= set(names):
        return names
    return [name for name in names if name in tops or name == ID_FIELD]


def _numbered(rows: Iterator[Fields], file: Path, first: int) -> Iterator[Row]:
    for number, fields in enumerate(rows, start=1):
        yield Row(first + number, f"{file}: row {number}", fields)


# --- fields -----------------------------------------------------------------------------------


def value_at(row: Row, field: str) -> Any:
    """What a record holds under a name; `a.b` and `a.0` reach into records and lists.

    Raises: RecordError naming the nearest field, when there is none of that name.
    """
    if field in row.fields:
        return row.fields[field]
    found: Any = row.fields
    for part in field.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and _index(part, len(found)) is not None:
            found = found[int(part)]
        else:
            names = list(row.fields)
            raise RecordError(
                f"{row.where}: has no field {field!r}{nearest(field, names)}; "
                f"it has {', '.join(names[:20])}"
            )
    return found


def _index(part: str, length: int) -> int | None:
    bare = part.removeprefix("-")
    if not (bare.isascii() and bare.isdigit() and len(bare) < 10):
        return None
    return int(part) if -length <= int(part) < length else None


def typed_value(row: Row, field: str, kinds: tuple[type, ...], expected: str) -> Any:
    """A field's value, of one of the kinds. Raises: RecordError saying what was found."""
    found = value_at(row, field)
    if type(found) not in kinds:
        kind = "null" if found is None else type(found).__name__
        raise RecordError(f"{row.where}: field {field!r} is {kind}; expected {expected}")
    return found


def raw_row(row: Row) -> bytes:
    """A record as it is saved among the bad ones."""
    return json.dumps(row.fields, default=str).encode()


@contextmanager
def readable_twice(path: Path) -> Iterator[Path]:
    """The path itself, or a copy of what comes out of a pipe."""
    if path.is_file() or path.is_dir() or not path.exists():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with open(path, "rb") as pipe, open(copy, "wb") as handle:
            shutil.copyfileobj(pipe, handle)
        yield copy


def contents_of(path: Path, split: str | None = None) -> list[list[Any]]:
    """What tells these rows from others: name, size and time of change of each file."""
    found = [(file, file.stat()) for file in find_files(path, split)]
    return [[str(file.resolve()), stat.st_size, stat.st_mtime_ns] for file, stat in found]

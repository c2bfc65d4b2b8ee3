"""Records from a file of JSON lines, with the line of each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill.errors import RecipeError, RecordError, nearest


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and record of every line that is not empty.

    Raises: RecipeError for a file that is not there; RecordError for a line that is no record
        and for a file that cannot be read.
    """
    if not path.exists() or path.is_dir():
        close = [str(other) for other in path.parent.glob("*.jsonl")]
        raise RecipeError(f"{path}: no such file{nearest(str(path), close)}")
    try:
        with open(path, "rb") as handle:
            for line, raw in enumerate(handle, start=1):
                if raw.strip():
                    yield line, _record(raw, "utf-8-sig" if line == 1 else "utf-8", path, line)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None


def _record(raw: bytes, encoding: str, path: Path, line: int) -> dict[str, Any]:
    where = f"{path}: line {line}"
    try:
        record = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: is not UTF-8 at byte {error.start + 1}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: is not whole JSON: {error}") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise RecordError(f"{where}: is a {kind}; expected a record such as {{...}}")
    return record

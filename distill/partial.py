"""A file of lines that may be written over several runs: in the end it is there whole.

Until then its lines lie beside it in NAME.partial, and in NAME.partial.json what they were made
from: after kill -9 the same work goes on behind the last whole line, other work starts anew.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from distill.errors import RecipeError, StoreError
from distill.files import check_target


class PartialFile:
    """Owns the partial file; `finish` makes it the whole one.

    Args:
        path: the file in the end; a pipe, a device or /dev/stdout gets all lines at the end.
        made_from: names the work; None never goes on with an earlier run's lines.
    Raises: StoreError when it cannot be written, or another process is writing it.
    """

    def __init__(self, path: str | Path, made_from: str | None = None) -> None:
        self.path = Path(path)
        self.done = 0  # lines that an earlier run wrote
        self._is_stream = self.path.exists() and not self.path.is_file()
        self._target = Path(os.path.realpath(self.path))
        self._lines = self._target.with_name(f"{self._target.name}.partial")
        self._note = self._target.with_name(f"{self._target.name}.partial.json")
        try:
            self._handle = self._opened(made_from)
        except OSError as error:
            raise StoreError(f"{self.path}: could not be written: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def earlier(self) -> Iterator[bytes]:
        """The lines of an earlier run, in their order."""
        if not self.done:  # of a pipe there is no file of lines
            return
        with open(self._lines, "rb") as handle:
            for _ in range(self.done):
                yield handle.readline()

    def write(self, lines: bytes) -> None:
        """Append whole lines; they outlive a kill of this process."""
        try:
            self._handle.write(lines)
            self._handle.flush()
        except OSError as error:
            raise StoreError(f"{self._lines}: could not be written: {error}") from None

    def finish(self) -> None:
        """Put the whole file in its place."""
        try:
            os.fsync(self._handle.fileno())
            if self._is_stream:
                self._handle.seek(0)
                with open(self.path, "wb") as stream:
                    shutil.copyfileobj(self._handle, stream)
                return
            os.replace(self._lines, self._target)
            self._note.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: could not be written: {error}") from None

    def drop(self) -> None:
        """Forget what was written."""
        for path in (self._lines, self._note):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; what is written stays."""
        with suppress(OSError):  # what a full disk did not take, `write` has told
            self._handle.close()

    def _opened(self, made_from: str | None) -> BinaryIO:
        if self._is_stream:
            return tempfile.TemporaryFile()
        self._target.parent.mkdir(parents=True, exist_ok=True)
        handle = open(self._lines, "a+b")  # noqa: SIM115 - held until close
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise StoreError(
                f"{self._lines}: another process is writing it; wait for it, or name another file"
            ) from None
        if made_from is not None and self._made_from() == made_from:
            self.done = _repaired(handle)
            return handle
        self._note.unlink(missing_ok=True)
        handle.truncate(0)
        if made_from is not None:
            _write_note(self._note, made_from)
        return handle

    def _made_from(self) -> str | None:
        try:
            return json.loads(self._note.read_text(encoding="utf-8"))["made_from"]
        except (OSError, ValueError, KeyError, TypeError):
            return None


def check_files(
    *, inputs: Iterable[str | Path | None], outputs: Mapping[str, str | Path | None]
) -> None:
    """Refuse, before any work, files that cannot be written, or that are read or written as well.

    Args:
        inputs: files that are read, or sources such as "file?limit=3".
        outputs: flag to the file that it names.
    Raises: RecipeError naming the file and what is in the way.
    """
    names = [str(name) for name in inputs if name is not None]
    if "" in names or "" in outputs.values():
        raise RecipeError("found an empty name; expected that of a file")
    read = [Path(name) for full in names for name in (full, full.partition("?")[0])]
    taken: dict[str, str] = {}
    for flag, name in outputs.items():
        if name is None:
            continue
        check_target(Path(name), *read)
        beside = _beside(os.path.realpath(name))
        for place in map(os.path.realpath, read):
            if place in beside:
                raise RecipeError(f"{place}: is read, and {flag} would write over it; rename it")
        for place in (os.path.realpath(name), *beside):
            other = taken.setdefault(place, flag)
            if other != flag:
                raise RecipeError(f"{name}: is {other} already; name another file with {flag}")


def _beside(name: str) -> tuple[str, ...]:
    """The files that lie beside one until it is whole."""
    return f"{name}.partial", f"{name}.partial.json"


def _write_note(path: Path, made_from: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps({"made_from": made_from}) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _repaired(handle: BinaryIO) -> int:
    """Cut a torn last line off. Returns: how many lines are whole."""
    handle.seek(0)
    lines = whole = 0
    while block := handle.read(1 << 20):
        lines += block.count(b"\n")
        last = block.rfind(b"\n")
        whole = handle.tell() - len(block) + last + 1 if last >= 0 else whole
    handle.truncate(whole)
    handle.seek(0, os.SEEK_END)
    return lines

"""Files that are written whole or not at all."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from distill.errors import RecipeError, StoreError

_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}  # descriptors


def write_whole(path: Path, text: str | bytes) -> None:
    """Write a file so that it is either the old one or the whole new one.

    A link is followed; a pipe, a device or our own output is written to as it is.
    Raises: StoreError if that is not possible; what was there is then untouched.
    """
    raw = text.encode("utf-8", errors="surrogatepass") if isinstance(text, str) else text
    try:
        if (stream := _STREAMS.get(str(path))) is not None:
            with open(stream, "wb", closefd=False) as handle:  # its file may have text before
                handle.write(raw)
            return
        if path.exists() and not path.is_file():
            path.write_bytes(raw)
            return
        target = _followed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, raw)
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error}") from None


def _replace(path: Path, raw: bytes) -> None:
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as handle:
            handle.write(raw)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def check_target(path: Path, *inputs: Path) -> None:
    """Refuse, before any work, a file that `write_whole` could not write or that is also read.

    Raises: RecipeError naming the file and what is in the way.
    """
    try:
        if path.is_dir():
            raise RecipeError(f"{path}: is a folder; --out names a file")
        if str(path) in _STREAMS or (path.exists() and not path.is_file()):
            return
        if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
            raise RecipeError(f"{path}: is read, so it cannot be --out as well; name another file")
        target = _followed(path)
        target.exists()  # a name that is too long is an OSError
        folder = next(folder for folder in target.parents if folder.exists())
    except OSError as error:
        raise RecipeError(f"{path}: cannot be written: {error}") from None
    if not folder.is_dir():
        raise RecipeError(f"{path}: cannot be written: {folder} is no folder")
    for place in (folder, target):
        if place.exists() and not os.access(place, os.W_OK):
            raise RecipeError(f"{path}: cannot be written: no permission to write to {place}")


def _followed(path: Path) -> Path:
    """Where a link leads, through all of its links; the file need not be there.

    Raises: OSError for links in a circle.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target

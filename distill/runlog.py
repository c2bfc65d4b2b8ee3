"""What a run tells while it works: metrics, summaries, seeds and fingerprints."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from distill.errors import StoreError

logger = logging.getLogger("distill")

LARGE_BYTES = 64 * 2**20
MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt")


def derived_seed(seed: int, *parts: object) -> int:
    """A 63-bit seed that depends on the recipe's seed and on every part, and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def log_metrics(path: Path, stage: str, **values: Any) -> None:
    """Append one JSON line to metrics.jsonl, on a line of its own also after a torn one.

    Raises: StoreError if the file cannot be written.
    """
    line = {"stage": stage, "time": round(time.time(), 3), **values}
    with _writing(path), open(path, "a+b") as handle:
        torn = handle.seek(0, os.SEEK_END) > 0 and _last_byte(handle) != b"\n"
        handle.write(b"\n" * torn + json.dumps(line).encode() + b"\n")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: could not be written: {error.strerror or error}; what was stored before is "
            "intact: when that is mended, run the same command again"
        ) from None


def _last_byte(handle: BinaryIO) -> bytes:
    handle.seek(-1, os.SEEK_END)
    return handle.read(1)


def read_metrics(path: Path, stage: str | None = None, **match: Any) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of one stage; torn and damaged lines are skipped."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict):
            continue
        wanted = stage is None or line.get("stage") == stage
        if wanted and all(line.get(key) == value for key, value in match.items()):
            lines.append(line)
    return lines


def drop_metrics(path: Path, stage: str, after_step: int, **match: Any) -> None:
    """Forget a stage's lines past a step, and those without one: a resumed run writes them again.

    Args:
        match: only lines with these values, such as the name of one run of the stage.
    Raises: StoreError if the file cannot be written; it is then as it was.
    """
    if not path.exists():
        return

    def stays(line: dict[str, Any]) -> bool:
        other = line.get("stage") != stage or any(line.get(k) != v for k, v in match.items())
        return other or line.get("step", after_step + 1) <= after_step

    kept = [json.dumps(line) + "\n" for line in read_metrics(path) if stays(line)]
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with _writing(path):
            temporary.write_text("".join(kept), encoding="utf-8")
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def fingerprint(*parts: Any) -> str:
    """Short hash of anything JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def contents(path: str | Path) -> str:
    """Short hash of what a model or a file of problems holds, wherever it lies.

    Of a folder: the names and hashes of its weights, configs and tokenizer files. A file above
    LARGE_BYTES is known by its size and time of change, since reading it takes too long.
    """
    path = Path(path)
    if path.is_file():
        return fingerprint(_of_file(path))
    files = sorted(file for file in path.iterdir() if file.suffix in MODEL_SUFFIXES)
    return fingerprint([[file.name, _of_file(file)] for file in files if file.is_file()])


def _of_file(path: Path) -> list[Any]:
    found = path.stat()
    if found.st_size > LARGE_BYTES:
        return [found.st_size, found.st_mtime_ns]
    with open(path, "rb") as handle:
        return [hashlib.file_digest(handle, "sha256").hexdigest()]


def versions(packages: Iterable[str] = ("torch", "transformers", "trl", "r1-distill")) -> dict:
    """Installed versions, read from metadata (importing nothing)."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def summary(stage: str, text: str) -> None:
    """The closing line of a stage."""
    logger.info("%s: %s", stage, text)

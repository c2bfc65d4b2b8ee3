"""What a run tells while it works: metrics, progress, summaries, seeds and fingerprints."""

import hashlib
import json
import logging
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from tqdm import tqdm

logger = logging.getLogger("distill")


def derived_seed(seed: int, *parts: object) -> int:
    """A 63-bit seed that depends on the recipe's seed and on every part, and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def progress(total: int, stage: str, done: int = 0) -> tqdm:
    """The one progress bar of a stage."""
    return tqdm(total=total, initial=done, desc=f"{stage:<9}", dynamic_ncols=True, mininterval=0.5)


def log_metrics(path: Path, stage: str, **values: Any) -> None:
    """Append one JSON line to metrics.jsonl."""
    line = {"stage": stage, "time": round(time.time(), 3), **values}
    with open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def read_metrics(path: Path, stage: str | None = None, **match: Any) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of one stage; a torn last line is skipped."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        wanted = stage is None or line.get("stage") == stage
        if wanted and all(line.get(key) == value for key, value in match.items()):
            lines.append(line)
    return lines


def drop_metrics(path: Path, stage: str, after_step: int, **match: Any) -> None:
    """Forget a stage's lines past a step, and those without one: a resumed run writes them again.

    Args:
        match: only lines with these values, such as the name of one run of the stage.
    """
    if not path.exists():
        return

    def stays(line: dict[str, Any]) -> bool:
        other = line.get("stage") != stage or any(line.get(k) != v for k, v in match.items())
        return other or line.get("step", after_step + 1) <= after_step

    kept = [json.dumps(line) + "\n" for line in read_metrics(path) if stays(line)]
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(path)


def fingerprint(*parts: Any) -> str:
    """Short hash of anything JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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

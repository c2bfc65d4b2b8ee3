"""Which checkpoint can be gone on from: a seal, written last, lists what each file must be."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from distill.errors import StoreError

SEAL = "seal.json"
NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")


def seal(checkpoint: Path) -> None:
    """Declare a checkpoint complete: sizes and hashes of its files, flushed, then renamed."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    tree = {str(path.relative_to(checkpoint)): _measure(path) for path in files}
    temporary = checkpoint / f".{SEAL}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as handle:
            json.dump(tree, handle, indent=1)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, checkpoint / SEAL)
    except OSError as error:
        raise StoreError(f"{checkpoint}: could not be sealed: {error}") from None


def find_damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None when every sealed file is as it was written."""
    try:
        tree = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "was never finished"
    except (OSError, ValueError):
        return f"{SEAL} cannot be read"
    missing = [name for name in NEEDED if name not in tree]
    if missing or not any(name in tree for name in WEIGHTS):
        return f"lacks {', '.join(missing) or 'weights'}"
    for name, measured in tree.items():
        path = checkpoint / name
        if not path.is_file() or _measure(path) != measured:
            return f"{name} is missing, cut short or changed"
    return None


def newest_whole(folder: Path) -> tuple[Path | None, list[tuple[Path, str]]]:
    """The newest checkpoint without damage, and the newer ones that were passed over, with why."""
    damaged = []
    for checkpoint in reversed(_by_step(folder)):
        damage = find_damage(checkpoint)
        if damage is None:
            return checkpoint, damaged
        damaged.append((checkpoint, damage))
    return None, damaged


def remove(checkpoint: Path) -> None:
    """Forget a checkpoint; its seal goes first, so that half of it is never taken for the whole."""
    (checkpoint / SEAL).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def _by_step(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    named = [(path.name.rpartition("-")[2], path) for path in folder.glob("checkpoint-*")]
    return [path for _, path in sorted((int(step), path) for step, path in named if step.isdigit())]


def _measure(path: Path) -> list[int | str]:
    with open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return [path.stat().st_size, digest]

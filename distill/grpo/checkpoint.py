"""The state of a GRPO run on disk: whole or absent, without pickle, exact to the last bit."""

import hashlib
import logging
import os
import shutil
from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer
from transformers import PreTrainedModel

from distill.errors import StoreError

logger = logging.getLogger("distill")

KEPT_CHECKPOINTS = 2  # the newest, and the one to fall back to should its files rot
MANIFEST = "manifest.json"
WEIGHTS, MOMENTS, PROGRESS = "model.safetensors", "optimizer.safetensors", "progress.json"


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a run has come."""

    steps_done: int = 0
    failed_in_row: int = 0  # updates left out just before, for a loss or gradient not finite


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Written last: a folder without it, or at odds with it, is no checkpoint."""

    files: dict[str, tuple[int, str]]  # name to bytes and sha256


def save_checkpoint(
    folder: Path, progress: Progress, model: PreTrainedModel, optimizer: Optimizer
) -> Path:
    """Write weights and optimizer state; an older checkpoint goes once this one reads back whole.

    Raises: StoreError if it cannot be written; the checkpoints before it are untouched.
    """
    target = folder / f"step-{progress.steps_done:08d}"
    temporary = folder / f".{target.name}.tmp"
    try:
        _forget_unfinished(folder)
        temporary.mkdir(parents=True)
        save_file(_weights(model), temporary / WEIGHTS)
        save_file(_moments(model, optimizer), temporary / MOMENTS)
        (temporary / PROGRESS).write_bytes(msgspec.json.encode(progress))
        manifest = Manifest(files={path.name: _measure(path) for path in temporary.iterdir()})
        (temporary / MANIFEST).write_bytes(msgspec.json.encode(manifest))
        for path in (*temporary.iterdir(), temporary):
            _flush(path)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(temporary, target)
        _flush(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise StoreError(
            f"{target}: could not be written: {error}; free some space and run the same command "
            "again: it goes on from the checkpoint before"
        ) from None
    _check_whole(target)
    for old in _newest_first(folder)[KEPT_CHECKPOINTS:]:
        shutil.rmtree(old)
    return target


def load_checkpoint(folder: Path, model: PreTrainedModel, optimizer: Optimizer) -> Progress:
    """Put the newest whole checkpoint into model and optimizer; damaged ones are passed over.

    Returns: how far it had come; Progress() when no checkpoint was ever made.
    Raises: StoreError if there are checkpoints and every one is damaged, or if they are of
        another model.
    """
    candidates = _newest_first(folder)
    for path in candidates:
        try:
            _check_whole(path)
        except StoreError as error:
            logger.warning("%s; taking the one before", error)
            continue
        _fill(path, model, optimizer)
        return msgspec.json.decode((path / PROGRESS).read_bytes(), type=Progress)
    if candidates:
        raise StoreError(
            f"{folder}: all {len(candidates)} checkpoints are damaged; "
            "remove this folder to train from the first step again"
        )
    return Progress()


def _fill(path: Path, model: PreTrainedModel, optimizer: Optimizer) -> None:
    weights, moments = load_file(path / WEIGHTS), load_file(path / MOMENTS)
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    if shapes != {name: tuple(tensor.shape) for name, tensor in weights.items()}:
        raise StoreError(f"{path}: is of another model than the one this run starts from")
    for name, parameter in parameters.items():
        parameter.data.copy_(weights[name])
    for key, tensor in moments.items():
        name, _, kind = key.rpartition("/")
        parameter = parameters[name]
        optimizer.state[parameter][kind] = tensor.clone().to(parameter.device)


def _weights(model: PreTrainedModel) -> dict:
    return {name: tensor.detach().contiguous() for name, tensor in model.named_parameters()}


def _moments(model: PreTrainedModel, optimizer: Optimizer) -> dict:
    return {
        f"{name}/{kind}": tensor.contiguous()
        for name, parameter in model.named_parameters()
        for kind, tensor in optimizer.state.get(parameter, {}).items()
    }


def _check_whole(path: Path) -> None:
    """Raises: StoreError unless every file is there and as the manifest says."""
    try:
        manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{path}: has no readable {MANIFEST}: {error}") from None
    for name in (WEIGHTS, MOMENTS, PROGRESS):
        file = path / name
        if not file.is_file() or _measure(file) != manifest.files.get(name):
            raise StoreError(f"{path}: {name} is missing, cut short or changed")


def _measure(path: Path) -> tuple[int, str]:
    with open(path, "rb") as handle:
        return path.stat().st_size, hashlib.file_digest(handle, "sha256").hexdigest()


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


def _forget_unfinished(folder: Path) -> None:
    for left in folder.glob(".step-*.tmp"):
        shutil.rmtree(left)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

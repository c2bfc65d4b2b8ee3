"""The student on disk and in memory: opened from safetensors, given an adapter, saved whole."""

import os
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from distill.errors import StoreError, TrainingError
from distill.recipe_paths import split_revision
from distill.weights import load_weights

ALPHA_PER_RANK = 2  # LoRA's scale: alpha = 2 * rank, our choice
ADAPTERS = ("none", "lora")


def load_student(
    path: str, adapter: str = "none", rank: int = 16
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Open a base model for training, with its tokenizer.

    Weights are float32 on CPU. On CUDA a full fine-tune keeps float32 weights, since small steps
    vanish in bfloat16, and computes in bfloat16; under LoRA the frozen weights are bfloat16.

    Args:
        path: a folder or org/model@revision.
        adapter: "none" trains all weights, "lora" adds peft's LoRA to every linear layer.
        rank: of the LoRA matrices.
    Raises: TrainingError if the model cannot be opened from safetensors, without code of its own.
    """
    if adapter not in ADAPTERS:
        raise TrainingError(f"adapter is {adapter!r}; expected one of {', '.join(ADAPTERS)}")
    name, revision = split_revision(path)
    half = torch.cuda.is_available() and adapter == "lora"
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        model = load_weights(
            name, revision=revision, dtype=torch.bfloat16 if half else torch.float32
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be opened as a student: {_first(error)}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.use_cache = False
    return (add_lora(model, rank) if adapter == "lora" else model), tokenizer


def add_lora(model: PreTrainedModel, rank: int) -> PeftModel:
    """Freeze a model and train a LoRA of a rank on its linear layers, its head excepted."""
    config = LoraConfig(
        r=rank,
        lora_alpha=ALPHA_PER_RANK * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The plain model: a LoRA is added into the weights that it adapts."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def save_model(
    model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Save a model and its tokenizer, merged, in safetensors: the folder is whole or absent.

    Raises: StoreError if it cannot be written; what was there before is then untouched.
    """
    forget_unfinished(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    plain = merged(model)
    plain.config.use_cache = True
    if torch.cuda.is_available():
        plain = plain.to(torch.bfloat16)
    try:
        temporary.mkdir(parents=True)
        plain.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        _flush(temporary)
        replace_folder(temporary, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise StoreError(f"{folder}: the model could not be saved: {error}") from None


def replace_folder(temporary: Path, folder: Path) -> None:
    """Put a finished folder in the place of another one."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old.tmp")
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def forget_unfinished(folder: Path) -> None:
    """Remove what a killed save left beside a folder."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

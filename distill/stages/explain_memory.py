"""What `distill explain` says of memory: estimates from the shapes of models, nothing loaded."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from distill.recipe import Recipe
from distill.recipe_paths import models_of, split_revision
from distill.training.planner import (
    Memory,
    Shape,
    many,
    readable,
    sampling_memory,
    shape_of_config,
    shape_of_name,
    training_memory,
)

PROMPT_TOKENS = 200  # a guess, where no model has been asked yet
ABSENT = "not on this machine"


def memory_lines(recipe: Recipe) -> list[str]:
    """How each model is known, and what each stage holds; nothing of a model that a server has."""
    gpu = _has_gpu()
    shapes, notes = {}, []
    for key, name in models_of(recipe).items():
        shapes[key], note = find_shape(name)
        notes.append(f"{key}: {name}: {note}")
    lines = [*notes, f"numbers are for {'a GPU, bfloat16 but for grpo' if gpu else 'CPU, float32'}"]
    if teacher := shapes.get("sample.teacher"):
        lines.append(_sample_line(recipe, teacher, gpu))
    if base := shapes["sft.base"]:
        lines += _training_lines(recipe, base, gpu)
    if largest := max(filter(None, shapes.values()), key=lambda s: s.parameters, default=None):
        evaluate = recipe.evaluate
        rows, tokens = evaluate.batch_size, PROMPT_TOKENS + evaluate.max_tokens
        held = sampling_memory(largest, rows=rows, tokens=tokens, gpu=gpu)
        lines.append(f"evaluate, largest model, {rows} rows of {tokens} tokens: {_memory(held)}")
    return lines


def _sample_line(recipe: Recipe, teacher: Shape, gpu: bool) -> str:
    """Of Ray, what each actor holds on the machine where it is."""
    sample = recipe.sample
    each = ""
    if sample.engine == "ray":
        gpu = sample.ray.gpus_per_actor > 0
        each = f"each of {sample.ray.actors} actors, on a {'GPU' if gpu else 'CPU'}, "
    tokens = PROMPT_TOKENS + sample.max_tokens
    held = sampling_memory(teacher, rows=sample.batch_size, tokens=tokens, gpu=gpu)
    line = f"sample, {each}{sample.batch_size} rows of {tokens} tokens: {_memory(held)}"
    is_vllm = sample.engine == "vllm" or (sample.engine == "ray" and sample.ray.engine == "vllm")
    if is_vllm and gpu:
        share = f"vLLM takes {sample.vllm.gpu_memory_utilization:.0%} of the GPU whatever it needs"
        line += f"; {share}" + ("; weights before quantization" if sample.vllm.quantization else "")
    return line


def _training_lines(recipe: Recipe, base: Shape, gpu: bool) -> list[str]:
    sft, grpo = recipe.sft, recipe.grpo
    micro = sft.trl.get("per_device_train_batch_size", sft.batch_size)
    held = training_memory(
        base,
        adapter=sft.adapter,
        rank=sft.rank,
        tokens=micro * sft.max_length,
        gpu=gpu,
        checkpointing=bool(sft.trl.get("gradient_checkpointing", False)),
    )
    lines = [f"sft, {sft.adapter} adapter, {micro} rows at once: {_memory(held)}"]
    held = training_memory(  # the policy and its cache are float32 on any device
        base, adapter="none", rank=0, tokens=grpo.micro_batch_tokens, gpu=False
    )
    lines.append(f"grpo, learning, {grpo.micro_batch_tokens} tokens at once: {_memory(held)}")
    rows = min(grpo.prompts_per_step * grpo.group_size, recipe.sample.batch_size)
    tokens = PROMPT_TOKENS + grpo.max_tokens
    held = sampling_memory(base, rows=rows, tokens=tokens, gpu=False)
    lines.append(f"grpo, rollouts, {rows} rows of {tokens} tokens: {_memory(held)}")
    if grpo.kl_weight:
        lines.append(f"grpo, frozen reference: {readable(base.parameters * 4)}")
    return lines


def find_shape(name: str) -> tuple[Shape | None, str]:
    """Shape of a model, and how it is known: its config, the size in its name, or not at all."""
    config = _read_config(name)
    here = "" if config is not None or Path(name).exists() else f"{ABSENT}; "
    if config is not None:
        try:
            shape = shape_of_config(config)
            return shape, f"{shape.parameters:,} weights, by its config.json"
        except KeyError as error:
            here = f"config.json lacks {error}; "
    shape = shape_of_name(name)
    if shape is None:
        return None, f"{here}size not known"
    return shape, f"{here}about {many(shape.parameters)} weights, by its name"


def _read_config(name: str) -> dict[str, Any] | None:
    """config.json of a folder or of the hub's cache on this machine; None where there is none."""
    path = Path(name) / "config.json"
    if not Path(name).exists():
        repository, revision = split_revision(name)
        cached = try_to_load_from_cache(repository, "config.json", revision=revision)
        path = Path(cached) if isinstance(cached, str) else path
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _has_gpu() -> bool:
    return Path("/proc/driver/nvidia/gpus").exists()


def _memory(memory: Memory) -> str:
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "activations, roughly": memory.activations,
        "KV cache": memory.kv_cache,
    }
    listed = ", ".join(f"{name} {readable(size)}" for name, size in parts.items() if size != 0)
    return f"{readable(memory.total)} = {listed}"

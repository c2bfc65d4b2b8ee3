"""How much memory a model needs to be trained and sampled, from its config or from its name."""

import re
from typing import Any

import msgspec

ADAM_VALUES = 2  # first and second moment, float32, per trained weight
ACTIVATION_BYTES_PER_LAYER = 34  # per token and hidden value, in bfloat16: arXiv:2205.05198, 4.1
FULL, HALF = 4, 2  # bytes of float32 and of bfloat16
UNITS = ("B", "KiB", "MiB", "GiB")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What of a decoder decides its memory; 0 is not known."""

    parameters: int
    layers: int = 0
    hidden: int = 0
    kv_width: int = 0  # key-value heads x head size
    linear_inputs_outputs: int = 0  # inputs + outputs of all linear layers but the head: a LoRA's
    vocabulary: int = 0


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes; None is not known."""

    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int | None = 0
    kv_cache: int | None = 0

    @property
    def total(self) -> int:
        """Sum of what is known."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations, self.kv_cache)
        return sum(part for part in parts if part is not None)


def shape_of_config(config: dict[str, Any]) -> Shape:
    """Shape of a Qwen2- or Llama-like model from its config.json.

    Raises: KeyError naming what the config lacks.
    """
    hidden, layers, heads = (
        config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, (config.get("num_key_value_heads") or heads) * head
    inner, vocabulary = config["intermediate_size"], config["vocab_size"]
    is_qwen2 = config.get("model_type") == "qwen2"
    biases = queries + 2 * keys if is_qwen2 or config.get("attention_bias") else 0
    biases += hidden if config.get("attention_bias") and not is_qwen2 else 0
    norms = 2 * head if config.get("model_type") == "qwen3" else 0
    linears = [(hidden, queries), *2 * [(hidden, keys)], (queries, hidden)]
    linears += [*2 * [(hidden, inner)], (inner, hidden)]
    layer = sum(a * b for a, b in linears) + biases + norms + 2 * hidden
    embeddings = vocabulary * hidden * (1 if config.get("tie_word_embeddings") else 2)
    return Shape(
        parameters=layers * layer + embeddings + hidden,
        layers=layers,
        hidden=hidden,
        kv_width=keys,
        linear_inputs_outputs=layers * sum(a + b for a, b in linears),
        vocabulary=vocabulary,
    )


def shape_of_name(name: str) -> Shape | None:
    """What a name tells: "org/Qwen2.5-1.5B" has 1.5 billion weights; None if it tells nothing."""
    found = re.findall(r"(?<![A-Za-z\d.])(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z\d])", name)
    if not found:
        return None
    number, unit = found[-1]
    return Shape(parameters=round(float(number) * (1e9 if unit in "Bb" else 1e6)))


def training_memory(
    shape: Shape, *, adapter: str, rank: int, tokens: int, gpu: bool, checkpointing: bool = False
) -> Memory:
    """Memory of one training step with AdamW.

    Full: weights, gradients and both moments in float32, 16 bytes per weight. LoRA: frozen weights
    in bfloat16 on a GPU and float32 on a CPU, the rest for the adapter alone.

    Args:
        tokens: padded tokens in one forward and backward pass.
    """
    trained, held = shape.parameters, shape.parameters * FULL
    if adapter == "lora":
        trained = rank * shape.linear_inputs_outputs or shape.parameters // 100
        held = shape.parameters * (HALF if gpu else FULL) + trained * FULL
    return Memory(
        weights=held,
        gradients=trained * FULL,
        optimizer=trained * ADAM_VALUES * FULL,
        activations=activation_bytes(shape, tokens=tokens, gpu=gpu, checkpointing=checkpointing),
    )


def activation_bytes(shape: Shape, *, tokens: int, gpu: bool, checkpointing: bool) -> int | None:
    """Rough: what the backward pass needs of `tokens` tokens; None without layers."""
    if not shape.layers:
        return None
    values = tokens * shape.hidden
    if checkpointing:  # the inputs of every layer, and one layer in full
        kept = values * (2 * shape.layers + ACTIVATION_BYTES_PER_LAYER)
    else:
        kept = values * shape.layers * ACTIVATION_BYTES_PER_LAYER
    return kept if gpu else kept * FULL // HALF


def sampling_memory(shape: Shape, *, rows: int, tokens: int, gpu: bool) -> Memory:
    """Memory of a model that answers `rows` prompts at once, each `tokens` long at the end."""
    size = HALF if gpu else FULL
    cache = kv_cache_bytes(shape, rows=rows, tokens=tokens, value_bytes=size)
    return Memory(weights=shape.parameters * size, kv_cache=cache)


def kv_cache_bytes(shape: Shape, *, rows: int, tokens: int, value_bytes: int) -> int | None:
    """Keys and values of every layer and token; None without layers."""
    if not shape.layers:
        return None
    return 2 * shape.layers * shape.kv_width * rows * tokens * value_bytes


def readable(size: int | None) -> str:
    """Bytes for reading: 1.5 GiB."""
    if size is None:
        return "not known"
    power = min(3, max(0, size.bit_length() - 1) // 10)
    value = size / 1024**power
    return f"{value:.{0 if value >= 100 or power == 0 else 1}f} {UNITS[power]}"


def many(number: float) -> str:
    """A large number for reading: 1.2 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"

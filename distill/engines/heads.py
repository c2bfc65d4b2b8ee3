"""Heads of a width that vLLM's CPU kernels know, in a copy that computes the same."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedConfig

from distill.errors import EngineError
from distill.weights import load_weights

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)  # of vLLM 0.32


def head_size(config: PreTrainedConfig) -> int:
    """Width of one attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def save_with_known_heads(model: str, revision: str, config: PreTrainedConfig, to: Path) -> None:
    """Write a Llama with the next wider heads that gives the same logits up to rounding.

    The new columns are zero. Rotation pairs column i with column i + half the width at an angle of
    theta ** (-2 * i / width): the second halves move along, and theta becomes
    theta ** (new width / width), so that each pair keeps its angle. Attention divides by the root
    of the width: the queries are multiplied by what that has grown.

    Args:
        model, revision, config: a Qwen2 or Llama; its weights are read from safetensors.
        to: an empty folder; gets config.json and model.safetensors in float32, no tokenizer.
    Raises: EngineError for another architecture, scaled rotation or heads of more than 512.
    """
    size = head_size(config)
    wider = _next_size(model, config, size)
    source = load_weights(model, revision=revision, dtype=torch.float32)
    padded = LlamaForCausalLM(_wider_config(config, size, wider)).to(torch.float32)
    weights = {
        name: _padded(name, tensor, size, wider) for name, tensor in source.state_dict().items()
    }
    missing, unknown = padded.load_state_dict(weights, strict=False)
    assert not unknown, unknown
    for name in missing:  # a bias that the source's attention has not
        assert name.endswith("_proj.bias"), name
        padded.get_parameter(name).data.zero_()
    padded.save_pretrained(to)


def _next_size(model: str, config: PreTrainedConfig, size: int) -> int:
    """The narrowest known width above this one."""
    rotation = config.rope_parameters or {}
    plain = rotation.get("rope_type", "default") == "default"
    whole = rotation.get("partial_rotary_factor", 1.0) == 1.0
    kind = config.model_type
    if kind not in ("qwen2", "llama") or not (plain and whole) or size > CPU_HEAD_SIZES[-1]:
        raise EngineError(
            f"{model}: its attention heads are {size} wide; vLLM on a CPU knows "
            f"{', '.join(map(str, CPU_HEAD_SIZES))} and this {kind} cannot be widened; "
            "use sample.engine: transformers, or a GPU"
        )
    return next(known for known in CPU_HEAD_SIZES if known > size)


def _wider_config(config: PreTrainedConfig, size: int, wider: int) -> LlamaConfig:
    theta = config.rope_parameters["rope_theta"] ** (wider / size)
    same = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "hidden_act",
        "max_position_embeddings",
        "rms_norm_eps",
        "tie_word_embeddings",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
    )
    return LlamaConfig(
        **{name: getattr(config, name) for name in same},
        mlp_bias=getattr(config, "mlp_bias", False),
        head_dim=wider,
        attention_bias=True,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )


def _padded(name: str, tensor: Tensor, size: int, wider: int) -> Tensor:
    """One tensor of the copy; all but those of the heads are taken as they are."""
    kind = name.split(".")[-2]
    if kind in ("q_proj", "k_proj"):
        grown = (wider / size) ** 0.5 if kind == "q_proj" else 1.0
        return _split_halves(tensor, size, wider) * grown
    if kind == "v_proj":
        return _pad_end(tensor, size, wider)
    if kind == "o_proj" and name.endswith("weight"):  # its bias is not of the heads
        return _pad_end(tensor.T, size, wider).T.contiguous()
    return tensor


def _pad_end(tensor: Tensor, size: int, wider: int) -> Tensor:
    """(H * size, ...) to (H * wider, ...): zeros behind each head."""
    heads = tensor.reshape(-1, size, *tensor.shape[1:])
    padded = heads.new_zeros(heads.shape[0], wider, *tensor.shape[1:])
    padded[:, :size] = heads
    return padded.flatten(0, 1)


def _split_halves(tensor: Tensor, size: int, wider: int) -> Tensor:
    """(H * size, ...) to (H * wider, ...): zeros behind each half of each head."""
    return _pad_end(tensor, size // 2, wider // 2)

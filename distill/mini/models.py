"""The mini world's models: real architectures, a few hundred thousand to a few million weights."""

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

ARCHITECTURES = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "llama": (LlamaConfig, LlamaForCausalLM),
}
MAX_POSITIONS = 2048


def build_model(
    tokenizer: PreTrainedTokenizerBase,
    *,
    architecture: str = "qwen2",
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    seed: int = 0,
) -> PreTrainedModel:
    """A model with fresh weights, tied embeddings and a SwiGLU of 8/3 of the width.

    Args:
        architecture: a key of ARCHITECTURES.
        width: of the hidden states; a multiple of `heads`.
    """
    config_class, model_class = ARCHITECTURES[architecture]
    config = config_class(
        vocab_size=-(-len(tokenizer) // 16) * 16,
        hidden_size=width,
        intermediate_size=-(-width * 8 // 3 // 16) * 16,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    torch.manual_seed(seed)
    return model_class(config)

"""A copy of a model with wider heads computes what the model computes."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, Qwen2Config

from distill.engines.heads import head_size, save_with_known_heads
from distill.errors import EngineError

SHAPE = {
    "vocab_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "max_position_embeddings": 256,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
MODELS = {
    "qwen2, heads of 20, tied": Qwen2Config(
        **SHAPE,
        hidden_size=80,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
    ),
    "qwen2, heads of 40, two for the keys": Qwen2Config(
        **SHAPE,
        hidden_size=160,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    ),
    "llama, heads of 48, no bias": LlamaConfig(
        **SHAPE,
        hidden_size=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=48,
        tie_word_embeddings=False,
    ),
    "llama, heads of 24, bias everywhere": LlamaConfig(
        **SHAPE,
        hidden_size=48,
        num_attention_heads=2,
        num_key_value_heads=2,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=True,
    ),
}


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_the_wider_copy_gives_the_same_logits(config, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    for name, parameter in model.named_parameters():  # of the size of trained ones, biases too
        if "norm" not in name:
            parameter.data.normal_(std=0.2)
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "copy").mkdir()
    save_with_known_heads(str(tmp_path / "model"), "main", config, tmp_path / "copy")
    copy = AutoModelForCausalLM.from_pretrained(tmp_path / "copy").eval()
    ids = torch.randint(0, 64, (2, 200))
    with torch.no_grad():
        expected, got = model(ids).logits, copy(ids).logits
    assert head_size(copy.config) in (32, 64)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)
    assert expected.std() > 0.5  # logits that differ


def test_a_model_that_cannot_be_widened_is_named(tmp_path, tiny_model):
    config = AutoConfig.from_pretrained(tiny_model)
    config.rope_parameters = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0}
    with pytest.raises(EngineError, match=r"heads are 16 wide.*engine: transformers"):
        save_with_known_heads(str(tiny_model), "main", config, tmp_path)
    assert not list(tmp_path.iterdir())

"""Memory is counted, not guessed, where the config tells it."""

import json

import pytest

from distill.training.models import add_lora, load_student
from distill.training.planner import (
    Shape,
    kv_cache_bytes,
    readable,
    sampling_memory,
    shape_of_config,
    shape_of_name,
    training_memory,
)


@pytest.mark.parametrize("fixture", ["tiny_model", "tiny_llama"])
def test_the_count_is_the_models_own(fixture, request):
    folder = request.getfixturevalue(fixture)
    model, _ = load_student(str(folder))
    shape = shape_of_config(json.loads((folder / "config.json").read_text()))
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())


def test_the_adapters_count_is_pefts_own(tiny_model):
    shape = shape_of_config(json.loads((tiny_model / "config.json").read_text()))
    model = add_lora(load_student(str(tiny_model))[0], 4)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    memory = training_memory(shape, adapter="lora", rank=4, tokens=1, gpu=False)
    assert memory.gradients == 4 * trained
    assert memory.optimizer == 8 * trained


def test_qwen_1_5b_by_its_published_config():
    config = {
        "model_type": "qwen2",
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    }
    shape = shape_of_config(config)
    assert shape.parameters == 1_543_714_304  # as its model card and safetensors index have it
    full = training_memory(shape, adapter="none", rank=0, tokens=0, gpu=True)
    assert full.total == 16 * shape.parameters
    # keys and values: 2 x 28 layers x 256 wide x 2 bytes = 28,672 bytes per token
    assert kv_cache_bytes(shape, rows=1, tokens=1, value_bytes=2) == 28_672


NAMES = {
    "Qwen/Qwen2.5-1.5B": 1_500_000_000,
    "Qwen/Qwen2.5-Math-7B-Instruct@main": 7_000_000_000,
    "HuggingFaceTB/SmolLM2-135M": 135_000_000,
    "org/Llama-3.1-8B": 8_000_000_000,
    "org/model-v3": None,
    "data/mini/teacher": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_size_in_a_name(name):
    shape = shape_of_name(name)
    assert (shape and shape.parameters) == NAMES[name]


def test_what_a_name_does_not_tell_is_not_made_up():
    memory = sampling_memory(Shape(parameters=10), rows=4, tokens=8, gpu=False)
    assert memory.kv_cache is None
    assert memory.total == 40


def test_sizes_for_reading():
    assert [readable(n) for n in (0, 1023, 1536, 3 * 2**30, 2**50, None)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "3.0 GiB",
        "1048576 GiB",
        "not known",
    ]

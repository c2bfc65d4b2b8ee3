"""Checkpoints that are not whole are refused by all that open them."""

import re
import shutil

import pytest
from safetensors.torch import load_file, save_file

from distill.engines.transformers import load_engine
from distill.errors import EngineError, TrainingError
from distill.training.models import load_student
from distill.weights import load_weights

LOST = "model.layers.0.mlp.down_proj.weight"


@pytest.fixture
def torn(tiny_model, tmp_path):
    """A checkpoint that lacks one tensor."""
    shutil.copytree(tiny_model, tmp_path / "torn")
    path = tmp_path / "torn" / "model.safetensors"
    tensors = load_file(path)
    del tensors[LOST]
    save_file(tensors, path, metadata={"format": "pt"})
    return str(tmp_path / "torn")


def test_a_whole_checkpoint_is_opened(tiny_model):
    assert load_weights(str(tiny_model)).num_parameters() > 0


def test_a_checkpoint_that_lacks_a_tensor_is_refused_and_not_filled_at_random(torn):
    says = f"{re.escape(torn)}: .*1 tensors are missing, such as {re.escape(LOST)}"
    with pytest.raises(EngineError, match=says):
        load_engine(torn)
    with pytest.raises(TrainingError, match=says):
        load_student(torn)

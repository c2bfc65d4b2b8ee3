"""Without vLLM installed, the engine says how to install it."""

import sys

import pytest

from distill.engines.open import open_engine
from distill.errors import EngineError


def test_the_error_names_the_install_line_for_gpus_and_for_a_cpu(monkeypatch, tiny_model):
    monkeypatch.setitem(sys.modules, "vllm", None)  # importing it raises ImportError
    for name in ("distill.engines.vllm", "distill.engines.vllm_start"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(EngineError, match=r'pip install "r1-distill\[vllm\]"') as caught:
        open_engine("vllm", str(tiny_model))
    assert "requirements/engines-cpu.txt" in str(caught.value)

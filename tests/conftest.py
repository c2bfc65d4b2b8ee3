"""Small real models for the tests: random weights, the mini world's tokenizer."""

import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("any machine", deadline=None)  # a busy one is no failure
settings.load_profile("any machine")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in its background so, and what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _save_tiny(folder: Path, architecture: str) -> Path:
    from distill.mini.models import build_model
    from distill.mini.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    model = build_model(tokenizer, architecture=architecture, width=32, layers=2, heads=2, seed=3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Folder with a random 2-layer Qwen2 of width 32 and the mini tokenizer."""
    return _save_tiny(tmp_path_factory.mktemp("tiny_qwen2"), "qwen2")


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    """Folder with a random 2-layer Llama of width 32 and the mini tokenizer."""
    return _save_tiny(tmp_path_factory.mktemp("tiny_llama"), "llama")

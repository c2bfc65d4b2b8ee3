"""What vLLM's start leaves behind, and what it says of models and keys that it cannot take."""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from distill.engines.base import Prompt, Request, SamplingParams, generate
from distill.engines.heads import CPU_HEAD_SIZES
from distill.engines.open import open_engine
from distill.errors import EngineError
from distill.recipe import Vllm
from distill.records import Completion, FailureReason

if find_spec("vllm") is None:
    pytest.skip(
        "vLLM is not installed: requirements/install.sh puts its CPU build on x86-64 Linux",
        allow_module_level=True,
    )

MINI = Path(__file__).parents[2] / "data" / "mini"


def _open(model, *, batch_size=4, **keys):
    return open_engine(
        "vllm", str(model), batch_size=batch_size, vllm=Vllm(**{"cpu_kv_cache_gb": 1} | keys)
    )


def _one(engine) -> str:
    (completion,), *_ = generate(engine, [Prompt("1 + 1 =", (3,))], SamplingParams(max_tokens=20))
    return completion.text


def _environment() -> dict[str, str]:
    """Without what torch notes for itself when it first compiles something."""
    return {name: value for name, value in os.environ.items() if not name.startswith("_TORCH")}


def test_an_engine_can_be_opened_again_and_leaves_the_process_as_it_was(capfd):
    import distill.engines.vllm  # noqa: F401  # what importing vllm changes is changed by now

    environment, set_num_threads = _environment(), torch.set_num_threads
    children = set(psutil.Process().children(recursive=True))
    capfd.readouterr()
    texts = []
    for _ in range(2):
        engine = _open(MINI / "teacher")
        assert _environment() == environment
        assert torch.set_num_threads is set_num_threads
        assert "vllm 0." in engine.name
        texts.append(_one(engine))
        opened = psutil.Process().memory_info().rss
        engine.close()
        assert opened - psutil.Process().memory_info().rss > 0.8 * 2**30  # of 1 GiB of KV cache
        engine.close()  # twice is once
        assert not torch.distributed.is_initialized()
    assert texts[0] == texts[1]
    assert set(psutil.Process().children(recursive=True)) <= children
    assert capfd.readouterr() == ("", "")


def _kind(process: psutil.Process) -> str:
    tracker = any("resource_tracker" in word for word in process.cmdline())
    return "resource tracker" if tracker else f"{process.pid} {process.name()}"


@pytest.mark.slow
def test_with_its_core_in_another_process_it_does_the_same_and_leaves_none(monkeypatch, list_feed):
    # as with GPUs; what the environment says goes before what the engine would choose on a CPU
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    before = set(psutil.Process().children(recursive=True))
    engine = _open(MINI / "student-llama")
    started = set(psutil.Process().children(recursive=True)) - before
    cores = {one: _kind(one) for one in started}
    asked = [Request(f"{at}", f"{at} + 1 =", at, 40) for at in range(12)]
    feed = list_feed(asked, lambda feed: ["1"] if feed.polls == 1 else [])
    engine.work(feed, SamplingParams(max_tokens=40))
    engine.close()
    assert set(cores.values()) > {"resource tracker"}
    assert feed.results["1"].reason == FailureReason.WITHDRAWN
    whole = [one for one in feed.results.values() if isinstance(one, Completion)]
    assert len(whole) == 11
    assert all(len(one.logprobs) == one.completion_tokens for one in whole)
    ends = [one for one, kind in cores.items() if kind != "resource tracker"]
    assert psutil.wait_procs(ends, timeout=20)[1] == []


def test_every_end_token_of_the_generation_config_ends_a_completion(tmp_path):
    folder = shutil.copytree(MINI / "student-llama", tmp_path / "model")
    (newline,) = AutoTokenizer.from_pretrained(folder)("\n", add_special_tokens=False)["input_ids"]
    config = json.loads((folder / "generation_config.json").read_text())
    config["eos_token_id"] = [config["eos_token_id"], newline]
    (folder / "generation_config.json").write_text(json.dumps(config))
    engine = _open(folder)
    params = SamplingParams(max_tokens=200)
    (completions,) = generate(engine, [Prompt("1 + 1\n2 + 2\n", tuple(range(8)))], params)
    engine.close()
    ended = [one for one in completions if one.token_ids[-1] == newline]
    assert ended
    assert all(one.finish_reason == "stop" and "\n" not in one.text for one in ended)


def test_weights_that_are_not_finite_are_an_error_and_no_completion(tmp_path):
    folder = shutil.copytree(MINI / "student-llama", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    engine = _open(folder)
    try:
        with pytest.raises(EngineError, match="not finite"):
            _one(engine)
    finally:
        engine.close()


def test_the_widths_of_heads_are_those_of_the_installed_vllm():
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    assert tuple(CPUAttentionBackend.get_supported_head_sizes()) == CPU_HEAD_SIZES


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"max_model_len": 100_000}, "max_model_len.*100000.*2048"),
        ({"cpu_kv_cache_gb": 100_000}, "less than requested memory for kv"),
        ({"quantization": "nonsense"}, "Unknown quantization method: nonsense"),
        ({"tensor_parallel_size": 3}, "divisible by tensor parallel size"),
    ],
)
def test_keys_that_vllm_refuses_are_one_line_and_no_noise(capfd, keys, why):
    with pytest.raises(EngineError, match=why) as caught:
        _open(MINI / "teacher", **keys)
    assert "\n" not in str(caught.value)
    assert "sample.vllm" in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "Cannot find any model weights"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 9),
            "vLLM cannot open it",
        ),
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot be opened"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    ],
)
def test_a_damaged_model_is_named_with_what_is_wrong(tmp_path, spoil, why):
    folder = shutil.copytree(MINI / "student-llama", tmp_path / "model")
    spoil(folder)
    with pytest.raises(EngineError, match=why) as caught:
        _open(folder)
    assert str(folder) in str(caught.value)


def test_pickled_weights_are_not_read(tmp_path):
    folder = shutil.copytree(MINI / "student-llama", tmp_path / "model")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="Cannot find any model weights"):
        _open(folder)

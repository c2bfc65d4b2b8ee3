"""Starting and ending vLLM so that the process around it stays as it was."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedConfig

from distill.engines.heads import CPU_HEAD_SIZES, head_size, save_with_known_heads
from distill.engines.quiet import quiet_start
from distill.errors import EngineError
from distill.recipe import Vllm

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # is read when vllm is imported
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
try:
    with quiet_start():
        import vllm
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory
        from vllm.exceptions import VLLMClientError as VLLMClientError
        from vllm.exceptions import VLLMError
        from vllm.inputs.engine import tokens_input as tokens_input
        from vllm.platforms import current_platform
        from vllm.sampling_params import RequestOutputKind as RequestOutputKind
except ImportError as error:
    raise EngineError(
        f"the engine vllm cannot be imported ({error}); install it with "
        'pip install "r1-distill[vllm]" for NVIDIA GPUs, or for a CPU with '
        "pip install --no-deps -r requirements/engines-cpu.txt"
    ) from None

CPU_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process it starts in a fifth of the time
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
DEFAULT_BATCHED_TOKENS = 4096  # the least that vLLM takes in one step unless told otherwise
LOAD_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    SafetensorError,
    VLLMError,
)
STEP_ERRORS = (RuntimeError, AssertionError, VLLMError)


def on_cpu() -> bool:
    """Is this vLLM's CPU build?"""
    return current_platform.is_cpu()


def start_vllm(
    model: str, revision: str, config: PreTrainedConfig, *, batch_size: int, keys: Vllm
) -> vllm.LLM:
    """Start vLLM: on a CPU inside this process, with GPUs in processes of its own.

    On a CPU a model whose heads vLLM does not know is read from a copy with wider ones, which is
    gone again once it is read.

    Args:
        model: a folder, or org/name of the hub.
        config: of that model.
    Raises: EngineError with what vLLM says against it.
    """
    arguments = _arguments(keys, config, batch_size)
    source = {"model": model, "revision": revision}
    if not on_cpu():
        with _process_kept():
            return _open(model, source, arguments)
    with quiet_start(), _process_kept(**CPU_ENVIRONMENT):
        if head_size(config) in CPU_HEAD_SIZES:
            return _open(model, source, arguments)
        with tempfile.TemporaryDirectory(prefix="distill-heads-") as folder:
            try:
                save_with_known_heads(model, revision, config, Path(folder))
            except LOAD_ERRORS as error:
                raise _cannot_open(model, error) from None
            return _open(model, {"model": folder}, arguments)


def end_vllm(llm: vllm.LLM) -> None:
    """End its processes and free its memory, as far as the caller holds it no longer."""
    core = llm.llm_engine.engine_core
    del llm
    core.shutdown()
    del core
    cleanup_dist_env_and_memory()


def reason_of(error: BaseException) -> str:
    """The first line of an error that says something, without what pydantic puts around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and "validation error" in lines[0]:
        del lines[0]
    return re.sub(r"^Value error, | \[type=.*", "", lines[0]) if lines else type(error).__name__


def _open(model: str, source: dict[str, str], arguments: dict[str, Any]) -> vllm.LLM:
    try:
        return vllm.LLM(**source, **arguments)
    except LOAD_ERRORS as error:
        cleanup_dist_env_and_memory()
        raise _cannot_open(model, error) from None


def _cannot_open(model: str, error: BaseException) -> EngineError:
    return EngineError(
        f"{model}: vLLM cannot open it: {reason_of(error)} (what the recipe can say about it: "
        "sample.vllm, sample.batch_size)"
    )


def _arguments(keys: Vllm, config: PreTrainedConfig, batch_size: int) -> dict[str, Any]:
    """The recipe's keys and what never changes, as vLLM names it."""
    dtype = "float32" if on_cpu() and keys.dtype == "auto" else keys.dtype
    eager = on_cpu() if keys.enforce_eager is None else keys.enforce_eager
    return {
        "dtype": dtype,
        "max_model_len": keys.max_model_len,
        "tensor_parallel_size": keys.tensor_parallel_size,
        "quantization": keys.quantization,
        "gpu_memory_utilization": keys.gpu_memory_utilization,
        "kv_cache_memory_bytes": keys.cpu_kv_cache_gb * 2**30 if on_cpu() else None,
        "enable_prefix_caching": keys.enable_prefix_caching,
        "enforce_eager": eager,
        "max_num_seqs": batch_size,
        "max_num_batched_tokens": _tokens_of_a_step(keys, config, batch_size),
        "enable_chunked_prefill": False if on_cpu() else None,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "skip_tokenizer_init": True,  # it is given token ids and gives them back
        "generation_config": "vllm",  # no sampling defaults from the checkpoint
        "logprobs_mode": "processed_logprobs",  # of the distribution that is drawn from
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
    }


@contextmanager
def _process_kept(**defaults: str) -> Iterator[None]:
    """Undo what vLLM's start does to this process: its environment and torch.set_num_threads.

    Without that every child would be started with vLLM's LD_PRELOAD, and training afterwards could
    not choose its threads.

    Args:
        defaults: for the environment, while vLLM starts.
    """
    environment, set_num_threads = dict(os.environ), torch.set_num_threads
    os.environ.update({name: value for name, value in defaults.items() if name not in environment})
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        for added in os.environ.keys() - environment.keys():
            del os.environ[added]
        os.environ.update(environment)


def _tokens_of_a_step(keys: Vllm, config: PreTrainedConfig, batch_size: int) -> int | None:
    """How many tokens vLLM may take in at once; None leaves it to vLLM.

    On a CPU a prompt is read whole: of one that is read in two steps a seeded draw is taken back,
    which generators of a CPU cannot do. So the longest prompt must fit into one step.
    """
    if not on_cpu():
        return batch_size if batch_size > DEFAULT_BATCHED_TOKENS else None
    longest = keys.max_model_len or getattr(config, "max_position_embeddings", 0)
    return max(batch_size, DEFAULT_BATCHED_TOKENS, longest)

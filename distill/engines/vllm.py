"""vLLM in process: the fast engine on GPUs, the same code with its CPU build."""

import math
import time
from typing import NamedTuple
from weakref import WeakSet

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from distill.engines import base
from distill.engines.checkpoint import (
    cannot_open,
    end_ids,
    locate,
    prompt_problem,
    refusal,
    written_text,
)
from distill.engines.vllm_start import (
    LOAD_ERRORS,
    STEP_ERRORS,
    RequestOutputKind,
    VLLMClientError,
    end_vllm,
    on_cpu,
    reason_of,
    start_vllm,
    tokens_input,
    vllm,
)
from distill.errors import EngineError
from distill.recipe import Vllm
from distill.records import Completion, Failure, FailureReason

WAITING_SHARE = 1 / 16  # of the batch, waits inside vLLM for a row to become free
_OPEN: WeakSet["VllmEngine"] = WeakSet()  # engines of this process that are not closed


class _Started(NamedTuple):
    request: base.Request
    vllm_id: str
    prompt_tokens: int
    at: float  # time.monotonic


class VllmEngine:
    """Keeps vLLM's batch full from a feed; what has ended is told in the same step.

    Each request has a random stream of its own, from its seed. The same requests in the same
    order give the same completions; among other batch mates the low-order bits of the logits
    differ, and rarely a token with them.
    """

    name = f"vllm {vllm.__version__}"
    in_waves = False

    def __init__(
        self,
        llm: vllm.LLM,
        tokenizer: PreTrainedTokenizerBase,
        *,
        end_ids: list[int],
        batch_size: int,
    ) -> None:
        """
        Args:
            llm: with `max_num_seqs` = batch_size; needs no tokenizer of its own.
            end_ids: every token that ends a completion.
        """
        self.llm: vllm.LLM | None = llm
        self.tokenizer = tokenizer
        self.end_ids = end_ids
        self.most_under_way = batch_size + math.ceil(WAITING_SHARE * batch_size)
        self._unwritten = {*end_ids, tokenizer.pad_token_id}
        _OPEN.add(self)

    def work(self, feed: base.Feed, params: base.SamplingParams) -> None:
        """Work off a feed; a prompt that is empty or fills the context is refused.

        Raises: EngineError for params that vLLM refuses, for logits that are not finite (known
            where `logprobs` are asked for), and when vLLM itself fails.
        """
        sampling = self._sampling(params)
        started: dict[str, _Started] = {}
        try:
            self._fill(feed, sampling, started)
            while started:
                self._step(feed, started)
                self._drop(feed, started)
                self._fill(feed, sampling, started)
        finally:
            self._abort(list(started.values()))

    def close(self) -> None:
        """End vLLM's processes and free its memory; another engine can then be opened."""
        if self.llm is None:
            return
        llm, self.llm = self.llm, None
        _OPEN.discard(self)
        end_vllm(llm)

    def _sampling(self, params: base.SamplingParams) -> vllm.SamplingParams:
        """vLLM's form of the params, but for what each request has of its own."""
        try:
            return vllm.SamplingParams(
                temperature=params.temperature,
                top_p=params.top_p or 1e-9,  # vLLM refuses 0, which takes the likeliest as well
                top_k=params.top_k,
                stop_token_ids=self.end_ids,
                logprobs=0 if params.logprobs else None,  # 0 further ones beside the sampled
                flat_logprobs=True,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
        except (ValueError, VLLMClientError) as error:
            raise EngineError(f"vLLM refuses how to sample: {reason_of(error)}") from None

    def _fill(
        self, feed: base.Feed, sampling: vllm.SamplingParams, started: dict[str, _Started]
    ) -> None:
        """Take requests until there is no room or none comes."""
        while room := self.most_under_way - len(started):
            taken = feed.take(room)
            if not taken:
                return
            for request in taken:
                self._start(request, feed, sampling, started)

    def _start(
        self,
        request: base.Request,
        feed: base.Feed,
        sampling: vllm.SamplingParams,
        started: dict[str, _Started],
    ) -> None:
        at = time.monotonic()
        token_ids = self.tokenizer(request.prompt, add_special_tokens=False)["input_ids"]
        problem = prompt_problem(len(token_ids), self.llm.model_config.max_model_len)
        if not problem:
            own = sampling.clone()
            own.seed, own.max_tokens = request.seed, request.max_tokens
            try:
                vllm_id = self.llm.llm_engine.add_request(request.key, tokens_input(token_ids), own)
            except (ValueError, VLLMClientError) as error:
                problem = f"vLLM refuses it: {reason_of(error)}"
            except STEP_ERRORS as error:
                raise _failed(started, error) from error
        if problem:
            feed.done(request, refusal(request, problem, len(token_ids)))
        else:
            started[request.key] = _Started(request, vllm_id, len(token_ids), at)

    def _step(self, feed: base.Feed, started: dict[str, _Started]) -> None:
        """One token for every row; tells what has ended."""
        try:
            outputs = self.llm.llm_engine.step()
        except STEP_ERRORS as error:
            raise _failed(started, error) from error
        for output in outputs:
            ended = started.pop(output.request_id)
            feed.done(ended.request, self._result(ended, output.outputs[0]))

    def _result(self, ended: _Started, output: vllm.CompletionOutput) -> Completion | Failure:
        seconds = time.monotonic() - ended.at
        if output.finish_reason not in ("stop", "length"):
            return Failure(
                trace_id=ended.request.key,
                reason=FailureReason.BAD_REPLY,
                detail=f"vLLM ended it with {output.finish_reason!r}",
                prompt_tokens=ended.prompt_tokens,
                completion_tokens=len(output.token_ids),
                seconds=seconds,
            )
        token_ids = list(output.token_ids)
        logprobs = [] if output.logprobs is None else output.logprobs.logprobs
        if not math.isfinite(sum(logprobs)):
            raise EngineError("the model gave logits that are not finite; its weights are damaged")
        return Completion(
            text=written_text(self.tokenizer, token_ids, self._unwritten),
            finish_reason=output.finish_reason,
            prompt_tokens=ended.prompt_tokens,
            completion_tokens=len(token_ids),
            token_ids=token_ids,
            logprobs=logprobs,
            seconds=seconds,
        )

    def _drop(self, feed: base.Feed, started: dict[str, _Started]) -> None:
        """Abort what nobody wants any more."""
        dropped = [started.pop(key) for key in feed.withdrawn() if key in started]
        failures = [self._withdrawal(one) for one in dropped]
        self._abort(dropped)
        for one, failure in zip(dropped, failures, strict=True):
            feed.done(one.request, failure)

    def _withdrawal(self, dropped: _Started) -> Failure:
        """What a request has cost so far; one that waited for a row has cost nothing."""
        state = self.llm.llm_engine.output_processor.request_states[dropped.vllm_id]
        return Failure(
            trace_id=dropped.request.key,
            reason=FailureReason.WITHDRAWN,
            prompt_tokens=0 if state.is_prefilling else dropped.prompt_tokens,
            completion_tokens=state.detokenizer.num_output_tokens(),
            seconds=time.monotonic() - dropped.at,
        )

    def _abort(self, dropped: list[_Started]) -> None:
        if dropped:
            self.llm.llm_engine.abort_request([one.vllm_id for one in dropped], internal=True)


def _failed(started: dict[str, _Started], error: BaseException) -> EngineError:
    """vLLM itself failed: nothing is left in it that could be aborted."""
    started.clear()
    return EngineError(f"vLLM failed while decoding: {reason_of(error)}")


def load_engine(model: str, *, batch_size: int, keys: Vllm) -> VllmEngine:
    """Open a model from a folder or the hub: safetensors only, no code of the checkpoint is run.

    Args:
        model: a folder, or org/name, or org/name@revision.
        batch_size: completions decoded at once (vLLM's `max_num_seqs`).
        keys: the section of the recipe.
    Raises: EngineError saying what was looked for, or what vLLM says against it.
    """
    if _OPEN and on_cpu():
        raise EngineError(
            f"{model}: this process has a vLLM engine already, and on a CPU there is room for one; "
            "close it first"
        )
    name, revision = locate(model)
    source = {"pretrained_model_name_or_path": name, "revision": revision}
    try:
        config = AutoConfig.from_pretrained(**source, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(**source, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise cannot_open(model, reason_of(error)) from None
    try:
        configured = GenerationConfig.from_pretrained(name, revision=revision).eos_token_id
    except OSError:  # there is no generation_config.json
        configured = config.eos_token_id
    llm = start_vllm(name, revision, config, batch_size=batch_size, keys=keys)
    ends = end_ids(configured, tokenizer)
    return VllmEngine(llm, tokenizer, end_ids=ends, batch_size=batch_size)

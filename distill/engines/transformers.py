"""The in-process engine: any Hugging Face causal model, on CPU or CUDA, sharing its weights."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from distill.engines.base import Feed, Request, SamplingParams
from distill.engines.checkpoint import (
    cannot_open,
    end_ids,
    locate,
    prompt_problem,
    refusal,
    written_text,
)
from distill.engines.decoding import DecodingBatch, Drawn, Group
from distill.errors import EngineError
from distill.records import Completion, Failure, FailureReason
from distill.weights import load_weights

REFILL_SHARE = {"cpu": 0.0, "cuda": 0.75}  # see TransformersEngine
WAVE_POLL_STEPS = 32  # a wave asks at these steps what is withdrawn: always the same ones
MASKED_ATTENTION = ("sdpa", "eager")  # the implementations that take a mask per row


class TransformersEngine:
    """Completes prompts with a live model: training it further changes what is sampled.

    The same takes of the same requests, and the same withdrawn at the same polls, give the same
    completions to the bit (on CPU; on CUDA up to kernels that are not deterministic). Each
    completion draws from its own stream of uniforms, so its batch mates matter only through the
    low-order bits of its logits, which may differ with the batch's size and width: rarely, a draw
    falls just in between. Who needs the same completions again therefore gives the same requests
    again. In waves one take is all of a batch, and no other work has a part in it.
    """

    name = f"transformers {transformers.__version__}"

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 256,
        refill_share: float | None = None,
    ) -> None:
        """
        Args:
            model: stays where it is and as it is; `work` puts it into evaluation mode and back.
            batch_size: most completions decoded at once.
            refill_share: more requests are taken once no more than this share of the rows is busy;
                0 decodes in waves, None takes REFILL_SHARE of the device. All rows read as many
                keys as the longest one: on a CPU that traffic counts, and rows of one age waste
                none (waves were 15 to 25% faster); a GPU wants its batch full.
        Raises: EngineError for a model whose attention cannot be masked per row.
        """
        _check_attention(model)
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        if refill_share is None:
            refill_share = REFILL_SHARE.get(next(model.parameters()).device.type, 0.0)
        self.refill_share = refill_share
        self.in_waves = refill_share == 0
        configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        self.end_ids = end_ids(configured, tokenizer)
        self._unwritten = {*self.end_ids, tokenizer.pad_token_id}

    def work(self, feed: Feed, params: SamplingParams) -> None:
        """Work off a feed; a prompt is computed once for its consecutive requests in one take.

        A prompt's text is taken as it is: no start token is added to it. One that is empty or
        fills the model's context is refused. What is withdrawn leaves the batch at once where
        the batch is refilled; in waves every WAVE_POLL_STEPS steps of the wave.

        Raises: EngineError for logits that are not finite, and when the device is out of memory.
        """
        batch = DecodingBatch(
            self.model, most_rows=self.batch_size, params=params, end_ids=self.end_ids
        )
        with _sampling(self.model):
            self._fill(batch, feed)
            while batch.size:
                self._step(batch, feed)
                if batch.size <= self.refill_share * self.batch_size:
                    self._fill(batch, feed)

    def close(self) -> None:
        """Let go of the model, and of the memory that it and its caches had on a GPU."""
        self.model = None
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _fill(self, batch: DecodingBatch, feed: Feed) -> None:
        """Take requests until one of them can be answered, or none comes."""
        while room := self.batch_size - batch.size:
            taken = feed.take(room)
            groups = list(self._groups(taken, feed))
            if groups:
                batch.admit(groups)
            if groups or not taken:
                return

    def _step(self, batch: DecodingBatch, feed: Feed) -> None:
        """Draw a token for every row and tell what has ended."""
        for drawn in batch.step():
            feed.done(drawn.request, self._completion(drawn))
        if batch.size and batch.steps % (WAVE_POLL_STEPS if self.in_waves else 1) == 0:
            for drawn in batch.drop(feed.withdrawn()):
                feed.done(drawn.request, _failure(drawn))

    def _groups(self, taken: Sequence[Request], feed: Feed) -> Iterator[Group]:
        """The requests by prompt, in order; those that cannot be answered are told so."""
        started = time.monotonic()
        context = getattr(self.model.config, "max_position_embeddings", None) or 2**62
        for prompt, requests in groupby(taken, key=lambda request: request.prompt):
            token_ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            problem = prompt_problem(len(token_ids), context)
            if problem:
                for request in requests:
                    feed.done(request, refusal(request, problem, len(token_ids)))
            else:
                yield Group(
                    token_ids=token_ids,
                    requests=list(requests),
                    room=context - len(token_ids),
                    started=started,
                )

    def _completion(self, drawn: Drawn) -> Completion:
        return Completion(
            text=written_text(self.tokenizer, drawn.token_ids, self._unwritten),
            finish_reason="stop" if drawn.ended else "length",
            prompt_tokens=len(drawn.group.token_ids),
            completion_tokens=len(drawn.token_ids),
            token_ids=drawn.token_ids,
            logprobs=drawn.logprobs,
            seconds=time.monotonic() - drawn.group.started,
        )


def load_engine(
    model: str, *, batch_size: int = 256, device: str | None = None
) -> TransformersEngine:
    """Open a model from a folder or the hub: safetensors only, no code of the checkpoint is run.

    Args:
        model: a folder, or org/name, or org/name@revision.
        device: None takes CUDA where there is one. Weights are float32 on CPU, else as stored.
    Raises: EngineError saying what was looked for.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name, revision = locate(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        network = load_weights(
            name, revision=revision, dtype=torch.float32 if device == "cpu" else "auto"
        ).to(device)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise cannot_open(model, reason) from None
    return TransformersEngine(network, tokenizer, batch_size=batch_size)


def _check_attention(model: PreTrainedModel) -> None:
    implementation = model.config._attn_implementation
    if implementation not in MASKED_ATTENTION:
        raise EngineError(
            f"the model uses {implementation!r} attention; this engine masks every row by itself "
            f"and needs one of {', '.join(MASKED_ATTENTION)}"
        )
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise EngineError(
            f"the model has layers of kind {', '.join(sorted(kinds))}; this engine knows "
            "full attention only"
        )


def _failure(withdrawn: Drawn) -> Failure:
    """What a request that left the batch unfinished has cost."""
    return Failure(
        trace_id=withdrawn.request.key,
        reason=FailureReason.WITHDRAWN,
        prompt_tokens=len(withdrawn.group.token_ids),
        completion_tokens=len(withdrawn.token_ids),
        seconds=time.monotonic() - withdrawn.group.started,
    )


@contextmanager
def _sampling(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode without gradients; plain `no_grad`, so that nothing of it taints training."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    except torch.OutOfMemoryError as error:
        raise EngineError(f"out of memory while decoding; lower the batch size: {error}") from None
    finally:
        if was_training:
            model.train()

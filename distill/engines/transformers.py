"""The in-process engine: any Hugging Face causal model, on CPU or CUDA, sharing its weights."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from distill.engines.base import OnCompletion, Prompt, SamplingParams
from distill.engines.decoding import DecodingBatch, Drawn, Group
from distill.errors import EngineError
from distill.recipe_paths import split_revision
from distill.records import Completion

PREFILL_TOKENS = 16384  # most padded prompt tokens in one forward pass
REFILL_SHARE = {"cpu": 0.0, "cuda": 0.75}  # see TransformersEngine
MASKED_ATTENTION = ("sdpa", "eager")  # the implementations that take a mask per row


class TransformersEngine:
    """Completes prompts with a live model: training it further changes what is sampled.

    The same prompts, seeds and params in one call give the same completions to the bit (on CPU;
    on CUDA up to kernels that are not deterministic). Each completion draws from its own stream of
    uniforms, so its batch mates matter only through the low-order bits of its logits, which may
    differ with the batch's size and width: rarely, a draw falls just in between. Who needs the
    same completions again therefore asks for the same batch again.
    """

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
            model: stays where it is and as it is; `generate` puts it into evaluation mode and back.
            batch_size: most completions decoded at once.
            refill_share: waiting prompts enter once no more than this share of the rows is busy;
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
        self.end_ids = _end_ids(model, tokenizer)
        self._unwritten = {*self.end_ids, tokenizer.pad_token_id}

    def generate(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        on_completion: OnCompletion | None = None,
    ) -> list[list[Completion]]:
        """Complete every prompt once per seed; the prompt is computed once for all of them.

        A prompt's text is taken as it is: no start token is added to it. One with more seeds than
        `batch_size` is computed once per `batch_size` of them.

        Returns: for each prompt, in order, its completions in the order of its seeds.
        Raises: EngineError for a prompt that is empty or fills the model's context, for logits
            that are not finite, and when the device is out of memory.
        """
        waiting = deque(self._groups(prompts, params))
        completions: list[list[Completion | None]] = [[None] * len(p.seeds) for p in prompts]
        if not waiting:
            return completions
        with _sampling(self.model):
            for drawn in self._decode(waiting, params):
                completion = self._completion(drawn)
                completions[drawn.prompt_index][drawn.seed_index] = completion
                if on_completion is not None:
                    on_completion(drawn.prompt_index, drawn.seed_index, completion)
        return completions

    def _groups(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        """The prompts as token ids, those with too many seeds for one batch in several groups."""
        room = getattr(self.model.config, "max_position_embeddings", None) or float("inf")
        for index, prompt in enumerate(prompts):
            token_ids = self.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
            if not token_ids:
                raise EngineError(f"prompt {index} has no tokens; a model needs at least one")
            if len(token_ids) >= room:
                raise EngineError(
                    f"prompt {index} has {len(token_ids)} tokens; the model's context is {room} "
                    "with at least one token to write; shorten or drop the problem"
                )
            for first in range(0, len(prompt.seeds), self.batch_size):
                yield Group(
                    prompt_index=index,
                    token_ids=token_ids,
                    first_seed_index=first,
                    seeds=prompt.seeds[first : first + self.batch_size],
                    limit=int(min(params.max_tokens, room - len(token_ids))),
                )

    def _decode(self, waiting: deque[Group], params: SamplingParams) -> Iterator[Drawn]:
        """Run the batch until nothing waits and nothing is under way."""
        rows = min(self.batch_size, sum(len(group.seeds) for group in waiting))
        batch = DecodingBatch(self.model, rows=rows, params=params, end_ids=self.end_ids)
        while waiting or batch.size:
            if batch.size <= self.refill_share * rows:
                while groups := _next_groups(waiting, rows - batch.size):
                    batch.admit(groups)
            yield from batch.step()

    def _completion(self, drawn: Drawn) -> Completion:
        written = [token for token in drawn.token_ids if token not in self._unwritten]
        return Completion(
            text=self.tokenizer.decode(
                written, skip_special_tokens=False, clean_up_tokenization_spaces=False
            ),
            token_ids=drawn.token_ids,
            logprobs=drawn.logprobs,
            finish_reason="stop" if drawn.ended else "length",
            prompt_tokens=drawn.prompt_tokens,
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
    name, revision = _locate(model)
    arguments = {"revision": revision, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **arguments)
        network = AutoModelForCausalLM.from_pretrained(
            name,
            use_safetensors=True,
            dtype=torch.float32 if device == "cpu" else "auto",
            **arguments,
        ).to(device)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EngineError(
            f"{model}: cannot be opened as a causal language model in safetensors form "
            f"(looked for the folder {Path(model).absolute()}, then on the Hugging Face hub): "
            f"{reason}"
        ) from None
    return TransformersEngine(network, tokenizer, batch_size=batch_size)


def _locate(model: str) -> tuple[str, str]:
    """Folder or hub id, and revision."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EngineError(f"{model}: this folder holds no config.json; expected a saved model")
        return str(path), "main"
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise EngineError(
            f"{model}: no such model folder (looked for {path.absolute()}); "
            "name a folder with config.json and model.safetensors, or org/name of the hub"
        )
    name, revision = split_revision(model)
    return name, revision or "main"


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


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a completion: those of the generation config and the tokenizer's."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*found, tokenizer.eos_token_id] if token is not None})


def _next_groups(waiting: deque[Group], room: int) -> list[Group]:
    """Take the groups that fit into the free rows and into one forward pass."""
    groups: list[Group] = []
    width = 0
    while waiting and len(waiting[0].seeds) <= room:
        width = max(width, len(waiting[0].token_ids))
        if groups and width * (len(groups) + 1) > PREFILL_TOKENS:
            break
        groups.append(waiting.popleft())
        room -= len(groups[-1].seeds)
    return groups


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

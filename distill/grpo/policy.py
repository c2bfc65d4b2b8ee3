"""Log-probabilities of completions under a model, reading each prompt once for its whole group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache, PreTrainedModel

from distill.grpo.rollouts import Rollout

LOGITS_PER_CHUNK = 2**25  # 128 MiB of float32: more are computed again rather than kept


class MicroBatch(NamedTuple):
    """Log-probabilities of some rollouts' tokens, one rollout after the other."""

    rows: list[int]  # places of the rollouts in the list that was given
    logprobs: Tensor  # (sum of their completion tokens,)


class Prefix(NamedTuple):
    """Keys and values of prompts without their last token, padded on the right."""

    roots: list[Tensor]  # as computed: (prompts, heads, S, width), key and value of each layer
    leaves: list[Tensor]  # the same, cut from the graph; they gather the completions' gradients
    mask: Tensor  # (prompts, S) int64, 1 where there is a token, 0 where completions must not look


def completion_logprobs(
    model: PreTrainedModel,
    rollouts: Sequence[Rollout],
    *,
    temperature: float,
    micro_batch_tokens: int,
) -> Iterator[MicroBatch]:
    """Log-probabilities of every rollout's completion tokens, in micro-batches.

    The prompts of a chunk go through the model once; their keys and values are then shared by the
    completions, which are sorted by length. No padding token reaches the output matrix. With
    gradients on, call `backward` on what is made of one micro-batch before taking the next: when
    the last of a chunk has been taken, the gradient gathered in the shared keys and values goes
    back through the prompts.

    Args:
        temperature: of sampling; logits are divided by it.
        micro_batch_tokens: most padded tokens of prompts, or of completions, in one forward pass;
            a longer completion goes alone.
    """
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for row, rollout in enumerate(rollouts):
        by_prompt.setdefault(rollout.prompt_ids, []).append(row)
    prompts = sorted(by_prompt, key=len)
    for chunk in cut([len(prompt) for prompt in prompts], micro_batch_tokens):
        chunk_prompts = [prompts[place] for place in chunk]
        prefix = _read_prompts(model, chunk_prompts)
        rows = [(row, place) for place, ids in enumerate(chunk_prompts) for row in by_prompt[ids]]
        rows.sort(key=lambda pair: len(rollouts[pair[0]].token_ids))
        lengths = [len(rollouts[row].token_ids) for row, _ in rows]
        for part in cut(lengths, micro_batch_tokens):
            members = [rows[place] for place in part]
            logprobs = _read_completions(
                model,
                prefix,
                [place for _, place in members],
                [rollouts[row] for row, _ in members],
                temperature,
            )
            yield MicroBatch([row for row, _ in members], logprobs)
        if torch.is_grad_enabled():
            _pass_back(prefix)


@torch.no_grad()
def fixed_logprobs(
    model: PreTrainedModel,
    rollouts: Sequence[Rollout],
    *,
    temperature: float,
    micro_batch_tokens: int,
) -> list[Tensor]:
    """Log-probabilities without gradient: for each rollout, in order, (completion tokens,)."""
    found: dict[int, Tensor] = {}
    for batch in completion_logprobs(
        model, rollouts, temperature=temperature, micro_batch_tokens=micro_batch_tokens
    ):
        lengths = [len(rollouts[row].token_ids) for row in batch.rows]
        found.update(zip(batch.rows, batch.logprobs.split(lengths), strict=True))
    return [found[row] for row in range(len(rollouts))]


def cut(lengths: Sequence[int], most_tokens: int) -> list[range]:
    """Cut ascending lengths into runs whose padded size stays within a budget."""
    runs, start = [], 0
    for place, length in enumerate(lengths):
        if place > start and length * (place + 1 - start) > most_tokens:
            runs.append(range(start, place))
            start = place
    return [*runs, range(start, len(lengths))] if lengths else []


def _read_prompts(model: PreTrainedModel, prompts: Sequence[tuple[int, ...]]) -> Prefix:
    lengths = torch.tensor([[len(prompt) - 1] for prompt in prompts])
    width = max(1, int(lengths.max()))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt) - 1] = torch.tensor(prompt[:-1], dtype=torch.long)
    cache = DynamicCache()
    model.base_model(input_ids=ids.to(model.device), past_key_values=cache, use_cache=True)
    roots = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    leaves = [root.detach().requires_grad_(root.requires_grad) for root in roots]
    mask = (torch.arange(width) < lengths).long().to(model.device)
    return Prefix(roots, leaves, mask)


def _read_completions(
    model: PreTrainedModel,
    prefix: Prefix,
    places: Sequence[int],
    rollouts: Sequence[Rollout],
    temperature: float,
) -> Tensor:
    """(sum of completion tokens,) of rollouts whose prompts stand at `places` of the prefix."""
    device = model.device
    lengths = torch.tensor([len(rollout.token_ids) for rollout in rollouts])
    width = int(lengths.max())
    ids = torch.zeros(len(rollouts), width, dtype=torch.long)
    for row, rollout in enumerate(rollouts):
        # the last prompt token predicts the first completion token
        inputs = [rollout.prompt_ids[-1], *rollout.token_ids[:-1]]
        ids[row, : len(inputs)] = torch.tensor(inputs)
    index = torch.tensor(places, device=device)
    past = prefix.mask.index_select(0, index)
    cache = DynamicCache()
    shared = [leaf.index_select(0, index) for leaf in prefix.leaves]
    for layer in range(len(shared) // 2):
        cache.update(shared[2 * layer], shared[2 * layer + 1], layer)
    hidden = model.base_model(
        input_ids=ids.to(device),
        attention_mask=torch.cat([past, past.new_ones(len(rollouts), width)], dim=1),
        position_ids=past.sum(dim=1, keepdim=True) + torch.arange(width, device=device),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state  # (rows, width, hidden)
    real = (torch.arange(width) < lengths[:, None]).flatten().nonzero().squeeze(1)
    targets = torch.tensor([token for rollout in rollouts for token in rollout.token_ids])
    hidden = hidden.flatten(0, 1).index_select(0, real.to(device))  # (tokens, hidden)
    return _token_logprobs(model, hidden, targets.to(device), temperature)


def _token_logprobs(
    model: PreTrainedModel, hidden: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """(N,) log-probability of each target; a large vocabulary goes through in chunks."""
    head = model.get_output_embeddings()
    rows = max(1, LOGITS_PER_CHUNK // head.weight.shape[0])

    def one_chunk(hidden: Tensor, targets: Tensor) -> Tensor:
        logits = head(hidden).to(torch.promote_types(hidden.dtype, torch.float32)) / temperature
        return -functional.cross_entropy(logits, targets, reduction="none")

    if len(targets) <= rows:
        return one_chunk(hidden, targets)
    chunks = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat([checkpoint(one_chunk, *chunk, use_reentrant=False) for chunk in chunks])


def _pass_back(prefix: Prefix) -> None:
    gathered = [
        (root, leaf.grad)
        for root, leaf in zip(prefix.roots, prefix.leaves, strict=True)
        if leaf.grad is not None
    ]
    if gathered:
        roots, grads = zip(*gathered, strict=True)
        torch.autograd.backward(roots, grads)

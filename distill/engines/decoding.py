"""The batch under way: rows enter with their prompt computed and leave when they are done."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from distill.engines.base import SamplingParams
from distill.engines.draw import completion_uniforms, draw_tokens
from distill.engines.kv import RowCache
from distill.errors import EngineError


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt with the seeds of its completions that are decoded together."""

    prompt_index: int
    token_ids: list[int]
    first_seed_index: int
    seeds: tuple[int, ...]
    limit: int  # most tokens a completion of it may have


@dataclass(frozen=True, slots=True)
class Drawn:
    """The tokens of a completion that is done."""

    prompt_index: int
    seed_index: int
    prompt_tokens: int
    token_ids: list[int]
    logprobs: list[float]
    ended: bool  # by an end token, not by its limit


class DecodingBatch:
    """Rows 0 to `size` - 1 are completions under way; the tensors behind them are allocated once.

    A row's prompt is in the cache except for its last token: that is the first token the row is
    fed, so prompt and completion go through the same step. Runs without gradient: the caller
    holds `torch.no_grad`.
    """

    def __init__(
        self, model: PreTrainedModel, *, rows: int, params: SamplingParams, end_ids: list[int]
    ) -> None:
        device = next(model.parameters()).device
        self.size = 0
        self.capacity = rows
        self._model = model
        self._params = params
        self._end_ids = torch.tensor(end_ids, dtype=torch.long, device=device)
        self._cache = RowCache(rows)
        self._owners: list[tuple[Group, int]] = []  # (group, seed index) of each row
        self._tokens = torch.zeros(rows, dtype=torch.long, device=device)  # to be fed next
        self._positions = torch.zeros_like(self._tokens)  # of that token
        self._counts = torch.zeros_like(self._tokens)  # tokens drawn so far
        self._limits = torch.zeros_like(self._tokens)
        size = (rows, params.max_tokens)
        self._uniforms = torch.zeros(size, dtype=torch.float64, device=device)
        self._drawn = torch.zeros(size, dtype=torch.long, device=device)
        self._logprobs = torch.zeros(size, dtype=torch.float32, device=device)

    def admit(self, groups: list[Group]) -> None:
        """Compute the prompts in one forward pass and give each of their seeds a row."""
        device = self._tokens.device
        width = max(1, *(len(group.token_ids) - 1 for group in groups))
        prompts = torch.zeros(len(groups), width, dtype=torch.long)  # (P, width), right-padded
        for index, group in enumerate(groups):
            known = group.token_ids[:-1]
            prompts[index, : len(known)] = torch.tensor(known, dtype=torch.long)
        prefilled = DynamicCache()
        self._model(
            input_ids=prompts.to(device),
            past_key_values=prefilled,
            use_cache=True,
            logits_to_keep=1,
        )
        repeats = torch.tensor([len(group.seeds) for group in groups])
        sources = torch.repeat_interleave(torch.arange(len(groups)), repeats).to(device)
        self._cache.admit(prefilled, sources, self.size)
        self._fill_rows(groups, repeats)

    def step(self) -> list[Drawn]:
        """Draw one token for every row; returns the completions that are done and drops them.

        Raises: EngineError if the model gave logits that are not finite.
        """
        size, params = self.size, self._params
        rows, counts = torch.arange(size, device=self._tokens.device), self._counts[:size]
        tokens, logprobs = draw_tokens(
            self._next_logits(),
            self._uniforms[rows, counts],
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k,
        )
        if not torch.isfinite(logprobs).all():
            raise EngineError("the model gave logits that are not finite; its weights are damaged")
        self._drawn[rows, counts] = tokens
        self._logprobs[rows, counts] = logprobs
        self._tokens[:size] = tokens
        self._positions[:size] += 1
        counts += 1
        ended = torch.isin(tokens, self._end_ids)
        done = (ended | (counts >= self._limits[:size])).nonzero()[:, 0].tolist()
        finished = [self._take(row, bool(ended[row])) for row in done]
        self._close_gaps(done)
        return finished

    def _next_logits(self) -> Tensor:
        """(size, V) logits after feeding every row its next token."""
        positions = self._positions[: self.size]
        width = int(positions.max()) + 1
        self._cache.aim(positions, width)
        hidden = torch.arange(width, device=positions.device) > positions[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._cache.dtype, device=positions.device)
        mask.masked_fill_(hidden, torch.finfo(mask.dtype).min)
        return self._model(
            input_ids=self._tokens[: self.size, None],
            attention_mask=mask[:, None, None],  # (size, 1, 1, width): 4D is used as it is
            position_ids=positions[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _fill_rows(self, groups: list[Group], repeats: Tensor) -> None:
        owners = [
            (group, group.first_seed_index + offset)
            for group in groups
            for offset in range(len(group.seeds))
        ]
        seeds = [seed for group in groups for seed in group.seeds]
        uniforms = np.stack([completion_uniforms(seed, self._params.max_tokens) for seed in seeds])
        rows = slice(self.size, self.size + len(seeds))
        for column, values in (
            (self._tokens, [group.token_ids[-1] for group in groups]),
            (self._positions, [len(group.token_ids) - 1 for group in groups]),
            (self._limits, [group.limit for group in groups]),
        ):
            column[rows] = torch.tensor(values).repeat_interleave(repeats).to(column.device)
        self._counts[rows] = 0
        self._uniforms[rows] = torch.from_numpy(uniforms).to(self._uniforms.device)
        self._owners += owners
        self.size += len(seeds)

    def _take(self, row: int, ended: bool) -> Drawn:
        group, seed_index = self._owners[row]
        count = int(self._counts[row])
        return Drawn(
            prompt_index=group.prompt_index,
            seed_index=seed_index,
            prompt_tokens=len(group.token_ids),
            token_ids=self._drawn[row, :count].tolist(),
            logprobs=self._logprobs[row, :count].tolist(),
            ended=ended,
        )

    def _close_gaps(self, done: list[int]) -> None:
        """Move the last rows into the places of those that are done."""
        if not done:
            return
        kept, gone = self.size - len(done), set(done)
        gaps = [row for row in done if row < kept]
        movers = [row for row in range(kept, self.size) if row not in gone]
        if gaps:
            targets = torch.tensor(gaps, device=self._tokens.device)
            sources = torch.tensor(movers, device=self._tokens.device)
            self._cache.move(sources, targets, int(self._positions[sources].max()))
            for column in (self._tokens, self._positions, self._counts, self._limits):
                column[targets] = column[sources]
            for table in (self._uniforms, self._drawn, self._logprobs):
                table[targets] = table[sources]
            for gap, mover in zip(gaps, movers, strict=True):
                self._owners[gap] = self._owners[mover]
        del self._owners[kept:]
        self.size = kept

"""The batch under way: rows enter with their prompt computed and leave when they are done."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from distill.engines.base import Request, SamplingParams
from distill.engines.draw import completion_uniforms, draw_tokens
from distill.engines.kv import RowCache, resized
from distill.errors import EngineError

PREFILL_TOKENS = 16384  # most padded prompt tokens in one forward pass
GROWTH = 1.5  # of the rows, where more come than there are


@dataclass(frozen=True, slots=True)
class Group:
    """Requests with one prompt, which is computed once for all of them."""

    token_ids: list[int]
    requests: list[Request]
    room: int  # most tokens that the context leaves for a completion
    started: float  # seconds, of a monotonic clock


@dataclass(frozen=True, slots=True)
class Drawn:
    """The tokens of a completion that has left the batch."""

    request: Request
    group: Group
    token_ids: list[int]
    logprobs: list[float]  # empty where they are not asked for
    ended: bool  # by an end token, not by its limit


class DecodingBatch:
    """Rows 0 to `size` - 1 are completions under way; the tensors behind them are kept.

    A row's prompt is in the cache except for its last token: that is the first token the row is
    fed, so prompt and completion go through the same step. Runs without gradient: the caller
    holds `torch.no_grad`.
    """

    def __init__(
        self, model: PreTrainedModel, *, most_rows: int, params: SamplingParams, end_ids: list[int]
    ) -> None:
        device = next(model.parameters()).device
        self.size = 0
        self.steps = 0  # since the batch was empty
        self._most_rows = most_rows
        self._model = model
        self._params = params
        self._end_ids = torch.tensor(end_ids, dtype=torch.long, device=device)
        self._cache = RowCache()
        self._owners: list[tuple[Group, Request]] = []  # of each row
        self._tokens = torch.zeros(0, dtype=torch.long, device=device)  # to be fed next
        self._positions = torch.zeros_like(self._tokens)  # of that token
        self._counts = torch.zeros_like(self._tokens)  # tokens drawn so far
        self._limits = torch.zeros_like(self._tokens)
        self._uniforms = torch.zeros(0, 0, dtype=torch.float64, device=device)  # (rows, tokens)
        self._drawn = torch.zeros(0, 0, dtype=torch.long, device=device)
        self._logprobs = torch.zeros(0, 0, dtype=torch.float32, device=device)

    def admit(self, groups: Sequence[Group]) -> None:
        """Compute the prompts and give each of their requests a row."""
        if self.size == 0:
            self.steps = 0
        self._reserve(
            rows=self.size + sum(len(group.requests) for group in groups),
            tokens=max(_limit(group, request) for group in groups for request in group.requests),
        )
        for together in prefill_passes(groups):
            self._prefill(together)

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
        if params.logprobs:
            self._logprobs[rows, counts] = logprobs
        self._tokens[:size] = tokens
        self._positions[:size] += 1
        counts += 1
        self.steps += 1
        ended = torch.isin(tokens, self._end_ids)
        done = (ended | (counts >= self._limits[:size])).nonzero()[:, 0].tolist()
        finished = [self._of_row(row, bool(ended[row])) for row in done]
        self._close_gaps(done)
        return finished

    def drop(self, keys: Collection[str]) -> list[Drawn]:
        """Take the rows of these requests out of the batch, with what they have drawn so far."""
        gone = [row for row, (_, request) in enumerate(self._owners) if request.key in keys]
        dropped = [self._of_row(row, ended=False) for row in gone]
        self._close_gaps(gone)
        return dropped

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

    def _reserve(self, *, rows: int, tokens: int) -> None:
        """Make room for this many rows and for this many tokens drawn in each."""
        have, columns = self._drawn.shape
        if rows > have:
            have = max(rows, min(self._most_rows, int(have * GROWTH)))
        columns = max(columns, tokens)
        if self._drawn.shape == (have, columns):
            return
        self._tokens = resized(self._tokens, (have,))
        self._positions = resized(self._positions, (have,))
        self._counts = resized(self._counts, (have,))
        self._limits = resized(self._limits, (have,))
        self._uniforms = resized(self._uniforms, (have, columns))
        self._drawn = resized(self._drawn, (have, columns))
        if self._params.logprobs:
            self._logprobs = resized(self._logprobs, (have, columns))
        self._cache.reserve(rows=have)

    def _prefill(self, groups: Sequence[Group]) -> None:
        """One forward pass over some prompts."""
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
        repeats = torch.tensor([len(group.requests) for group in groups])
        sources = torch.repeat_interleave(torch.arange(len(groups)), repeats).to(device)
        self._cache.admit(prefilled, sources, self.size)
        self._fill_rows(groups, repeats)

    def _fill_rows(self, groups: Sequence[Group], repeats: Tensor) -> None:
        owners = [(group, request) for group in groups for request in group.requests]
        limits = [_limit(group, request) for group, request in owners]
        rows = slice(self.size, self.size + len(owners))
        for column, values in (
            (self._tokens, [group.token_ids[-1] for group in groups]),
            (self._positions, [len(group.token_ids) - 1 for group in groups]),
        ):
            column[rows] = torch.tensor(values).repeat_interleave(repeats).to(column.device)
        self._limits[rows] = torch.tensor(limits).to(self._limits.device)
        self._counts[rows] = 0
        longest = max(limits)
        uniforms = np.stack([completion_uniforms(owner.seed, longest) for _, owner in owners])
        self._uniforms[rows, :longest] = torch.from_numpy(uniforms).to(self._uniforms.device)
        self._owners += owners
        self.size += len(owners)

    def _of_row(self, row: int, ended: bool) -> Drawn:
        group, request = self._owners[row]
        count = int(self._counts[row])
        return Drawn(
            request=request,
            group=group,
            token_ids=self._drawn[row, :count].tolist(),
            logprobs=self._logprobs[row, :count].tolist() if self._params.logprobs else [],
            ended=ended,
        )

    def _close_gaps(self, done: list[int]) -> None:
        """Move the last rows into the places of those that have left."""
        if not done:
            return
        kept, gone = self.size - len(done), set(done)
        gaps = [row for row in done if row < kept]
        movers = [row for row in range(kept, self.size) if row not in gone]
        if gaps:
            targets = torch.tensor(gaps, device=self._tokens.device)
            sources = torch.tensor(movers, device=self._tokens.device)
            self._cache.move(sources, targets, int(self._positions[sources].max()))
            tables = [self._uniforms, self._drawn]
            tables += [self._logprobs] if self._params.logprobs else []
            for table in (self._tokens, self._positions, self._counts, self._limits, *tables):
                table[targets] = table[sources]
            for gap, mover in zip(gaps, movers, strict=True):
                self._owners[gap] = self._owners[mover]
        del self._owners[kept:]
        self.size = kept


def _limit(group: Group, request: Request) -> int:
    """Most tokens that a completion may have."""
    return min(request.max_tokens, group.room)


def prefill_passes(groups: Sequence[Group]) -> Iterator[Sequence[Group]]:
    """The groups in order, as many together as fit into one forward pass."""
    start, width = 0, 0
    for at, group in enumerate(groups):
        width = max(width, len(group.token_ids))
        if at > start and width * (at - start + 1) > PREFILL_TOKENS:
            yield groups[start:at]
            start, width = at, len(group.token_ids)
    yield groups[start:]

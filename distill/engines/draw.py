"""Drawing tokens: each completion has its own stream of uniforms, whoever its batch mates are."""

import numpy as np
import torch
from torch import Tensor

LARGEST_UNIFORM = 1.0 - 1e-12  # times a total it stays below that total, whatever is rounded


def completion_uniforms(seed: int, count: int) -> np.ndarray:
    """The first `count` numbers of a completion's own stream: step t of it always uses number t.

    Args:
        seed: 0 or more; a longer stream of the same seed starts as the shorter one.
    Returns: (count,) float64 in [0, 1).
    """
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


def draw_tokens(
    logits: Tensor, uniforms: Tensor, *, temperature: float, top_p: float = 1.0, top_k: int = 0
) -> tuple[Tensor, Tensor]:
    """One token per row, by inverting its cumulative distribution at the row's uniform.

    Args:
        logits: (R, V) float of any precision; NaN in a row gives a NaN logprob for that row.
        uniforms: (R,) float64 in [0, 1).
        temperature: divides the logits; 0 takes the most probable token and ignores the rest.
        top_p: the smallest set of likeliest tokens that holds this share; 1 is off.
        top_k: this many likeliest tokens, taken before `top_p`; 0 is off.
    Returns: (R,) int64 tokens and (R,) float32 natural logs of their probabilities under the
        distribution they were drawn from: after temperature and truncation, renormalised (vLLM's
        processed_logprobs). At temperature 0 that is the distribution at temperature 1.
    """
    if temperature == 0:
        log_probs = torch.log_softmax(logits.float(), dim=-1)
        tokens = log_probs.argmax(dim=-1)
    else:
        scaled = logits.float() / temperature
        log_probs = torch.log_softmax(truncate(scaled, top_p=top_p, top_k=top_k), dim=-1)
        cumulative = log_probs.exp().cumsum(dim=-1, dtype=torch.float64)  # (R, V)
        targets = uniforms.clamp(max=LARGEST_UNIFORM) * cumulative[:, -1]
        tokens = torch.searchsorted(cumulative, targets[:, None], right=True)[:, 0]
        tokens = tokens.clamp_(max=logits.shape[-1] - 1)  # a row of NaN is found beyond the end
    return tokens, log_probs.gather(1, tokens[:, None])[:, 0]


def truncate(logits: Tensor, *, top_p: float, top_k: int) -> Tensor:
    """Set the logits outside the likeliest `top_k`, then outside the `top_p` share, to -inf."""
    if 0 < top_k < logits.shape[-1]:
        smallest_kept = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probs = ordered.softmax(dim=-1)
        before = probs.cumsum(dim=-1) - probs  # the share of all likelier tokens
        outside = before >= top_p
        outside[:, 0] = False  # top_p = 0 keeps the likeliest
        logits = logits.masked_fill(outside.scatter(1, order, outside), -torch.inf)
    return logits

"""GRPO's objective, token by token."""

from typing import NamedTuple

import torch
from torch import Tensor


class TokenTerms(NamedTuple):
    """What each token adds: `objective` is to be maximised, the rest is for the log."""

    objective: Tensor  # with gradient
    k3: Tensor | None  # estimate of KL(policy || reference); None without a reference
    clipped: Tensor  # bool: the clipped branch was the smaller one


def token_terms(
    policy_logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    reference_logprobs: Tensor | None = None,
    kl_weight: float = 0.0,
) -> TokenTerms:
    """min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) - kl_weight * k3, for every token.

    r = policy / old and k3 = exp(d) - d - 1 with d = reference_logprobs - policy_logprobs. Where r
    is 1 the gradient per policy logprob is A + kl_weight * (reference / policy - 1).

    Args:
        policy_logprobs: (N,) with gradient; old_logprobs, advantages, reference_logprobs: (N,).
        reference_logprobs: needed when kl_weight is not 0.
    Source: DeepSeekMath, arXiv:2402.03300, eq. 3 and 4; its gradient, eq. 21.
    """
    ratio = (policy_logprobs - old_logprobs).exp()
    free = ratio * advantages
    bounded = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    objective = torch.minimum(free, bounded)
    clipped = bounded < free
    if reference_logprobs is None:
        return TokenTerms(objective, None, clipped)
    distance = reference_logprobs - policy_logprobs
    k3 = torch.expm1(distance) - distance
    return TokenTerms(objective - kl_weight * k3, k3, clipped)


def token_weights(lengths: Tensor, counted: Tensor) -> Tensor:
    """What one token of each rollout weighs in the loss: 1 / (P * group size * completion length).

    Mean over prompts of the mean over the group of the mean over tokens. The divisors are those of
    the whole update, so the sum over any split into micro-batches is the same loss.

    Args:
        lengths: (P, G) completion tokens.
        counted: (P, G) bool; a rollout that is not counted weighs nothing and leaves its group
            that much smaller.
    Returns: (P, G) float64.
    """
    prompts = lengths.shape[0]
    group_sizes = counted.sum(dim=1, keepdim=True).clamp(min=1)
    weights = 1.0 / (prompts * group_sizes.double() * lengths.clamp(min=1))
    return weights.where(counted, 0.0)

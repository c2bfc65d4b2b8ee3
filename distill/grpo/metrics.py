"""What is logged of a step: rewards, lengths, and the aha curve."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from torch import Tensor

from distill.chat import REFLECTIVE_WORDS, count_reflective
from distill.grpo.rollouts import Rollout
from distill.grpo.update import Learned


def rollout_metrics(groups: Sequence[Sequence[Rollout]], advantages: Tensor) -> dict[str, float]:
    """Means over the rollouts of a step; None where there is nothing to take the mean of.

    `length` is in tokens, the end token included; `accuracy` and `format_reward` are the parts of
    the reward; `reflective` counts words per completion, `wait` and `check` apart. `entropy` is the
    mean of -sampling_logprob over all tokens: an unbiased estimate of the policy's entropy per
    token at the sampling temperature.
    """
    rollouts = [rollout for group in groups for rollout in group]
    rewards = [rollout.reward for rollout in rollouts]
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    texts = [rollout.completion for rollout in rollouts]
    apart = {
        word: _mean(count_reflective(text, word) for text in texts) for word in REFLECTIVE_WORDS
    }
    tokens = sum(lengths)
    return {
        "reward": _mean(reward.total for reward in rewards),
        "accuracy": _mean(reward.accuracy for reward in rewards),
        "format_reward": _mean(reward.format for reward in rewards),
        "unverified": sum(reward.accuracy is None for reward in rewards),
        "no_signal_share": 1.0 - (advantages != 0).any(dim=1).double().mean().item(),
        "length": _mean(lengths),
        "terminated_length": _mean(
            length for length, rollout in zip(lengths, rollouts, strict=True) if rollout.finished
        ),
        "truncated_share": _mean(not rollout.finished for rollout in rollouts),
        "thinking_share": _mean("</think>" in text for text in texts),
        "reflective": _mean(count_reflective(text) for text in texts),
        **apart,
        "entropy": -sum(sum(rollout.sampling_logprobs) for rollout in rollouts) / tokens,
        "tokens_generated": tokens,
    }


def update_metrics(learned: Learned, *, kl_weight: float) -> dict[str, float | None]:
    """Means over the tokens and updates of a step.

    tokens_trained counts the completion tokens that were read with gradient: those of rollouts
    without a signal are not.
    """
    tokens = sum(totals.tokens for totals in learned.totals)
    first = learned.totals[0] if learned.totals else None
    return {
        "loss": _mean(totals.loss for totals in learned.totals),
        "kl": _share(sum(t.k3 for t in learned.totals), tokens) if kl_weight else None,
        "clip_share": _share(sum(t.clipped_tokens for t in learned.totals), tokens),
        "grad_norm": _mean(learned.grad_norms),
        "sampling_gap": _share(first.sampling_gap, first.tokens) if first else None,
        "updates": len(learned.grad_norms),
        "failed_updates": learned.failed,
        "tokens_trained": tokens,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None

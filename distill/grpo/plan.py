"""The values of one GRPO run."""

from typing import Literal

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `train` is told; the meanings are those of the recipe's `grpo` section."""

    run: str  # its name is part of every seed
    seed: int
    steps: int
    prompts_per_step: int
    group_size: int
    learning_rate: float
    reward: Literal["rule", "random"] = "rule"
    format_reward: float = 0.1
    final_learning_rate_share: float = 1.0
    warmup_steps: int = 0
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_weight: float = 0.0
    updates_per_step: int = 1
    micro_batch_tokens: int = 16384
    temperature: float = 1.0
    max_grad_norm: float = 1.0
    save_every_steps: int = 20


def learning_rate_at(plan: Plan, step: int) -> float:
    """Rate of a 0-based step: a line up to `learning_rate`, then a line down to its final share.

    The last step has exactly final_learning_rate_share * learning_rate, given two steps or more
    after warm-up; a single one has the full rate.
    """
    if step < plan.warmup_steps:
        return plan.learning_rate * (step + 1) / plan.warmup_steps
    progress = (step - plan.warmup_steps) / max(1, plan.steps - 1 - plan.warmup_steps)
    return plan.learning_rate * (1 - (1 - plan.final_learning_rate_share) * progress)

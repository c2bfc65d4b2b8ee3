"""How much better a rollout is than its siblings."""

import torch
from torch import Tensor


def group_advantages(
    rewards: Tensor,
    *,
    counted: Tensor | None = None,
    scale_by_std: bool = True,
    eps: float = 1e-4,
) -> Tensor:
    """Centre rewards within each group: a rollout is judged against its siblings.

    Args:
        rewards: (P, G) float, one row per prompt, one column per rollout.
        counted: (P, G) bool, False for a rollout whose reward is not known; None counts all.
        scale_by_std: divide by the row's population std (GRPO); False skips it (Dr. GRPO).
        eps: added to the std, so a row of nearly equal rewards teaches nearly nothing.
    Returns: (P, G) float; every row sums to 0; exactly 0 in a row of equal rewards, in a row with
        fewer than two counted rollouts, and where a rollout is not counted.
    Raises: ValueError if G < 2: no siblings to compare with.
    Source: DeepSeekMath, arXiv:2402.03300, 4.1.2; Dr. GRPO, arXiv:2503.20783.
    """
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards must be (P, G) with G >= 2, got {tuple(rewards.shape)}")
    if counted is None:
        counted = torch.ones_like(rewards, dtype=torch.bool)
    number = counted.sum(dim=1, keepdim=True).clamp(min=1)
    known = rewards.where(counted, 0.0)
    centred = (known - known.sum(dim=1, keepdim=True) / number) * counted
    centred = centred.where(_differs(rewards, counted), 0.0)  # rounding is no signal
    if not scale_by_std:
        return centred
    std = (centred.square().sum(dim=1, keepdim=True) / number).sqrt()
    return (centred / (std + eps)).where(centred != 0, 0.0)


def _differs(rewards: Tensor, counted: Tensor) -> Tensor:
    """(P, 1) bool: at least two counted rewards of the row are not equal."""
    highest = rewards.where(counted, -torch.inf).amax(dim=1, keepdim=True)
    lowest = rewards.where(counted, torch.inf).amin(dim=1, keepdim=True)
    return highest > lowest

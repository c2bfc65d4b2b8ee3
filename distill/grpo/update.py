"""From judged rollouts to optimizer updates."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel

from distill.errors import TrainingError
from distill.grpo.objective import token_terms, token_weights
from distill.grpo.plan import Plan
from distill.grpo.policy import completion_logprobs, fixed_logprobs
from distill.grpo.rollouts import Rollout

MAX_FAILURES_IN_ROW = 3
MAX_SAMPLING_GAP = 0.05  # nats per token; float32 gives 1e-6, bfloat16 up to 3e-3


@dataclass(slots=True)
class Lesson:
    """The rollouts of one update that have something to teach, and what."""

    rollouts: list[Rollout]
    advantages: Tensor  # (N,) one per rollout
    token_weights: Tensor  # (N,) what each of its tokens weighs in the loss
    old_logprobs: list[Tensor] | None = None  # None: the policy's own, detached
    reference_logprobs: list[Tensor] | None = None


@dataclass(slots=True)
class Totals:
    """Sums over the tokens that were read, for the log."""

    loss: float = 0.0
    tokens: int = 0
    clipped_tokens: int = 0
    k3: float = 0.0
    sampling_gap: float = 0.0  # |policy logprob - sampling logprob|


@dataclass(slots=True)
class Learned:
    """What the updates of one step did."""

    totals: list[Totals] = field(default_factory=list)  # one per update that had a signal
    grad_norms: list[float] = field(default_factory=list)  # before clipping; one per update made
    failed: int = 0  # updates of this step left out: loss or gradient not finite
    failed_in_row: int = 0  # the same, in a row up to now, earlier steps included


def new_optimizer(model: PreTrainedModel, learning_rate: float) -> Optimizer:
    """AdamW with betas 0.9 and 0.95 and no weight decay (our choice: the papers do not say)."""
    return AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )


def learn(
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    optimizer: Optimizer,
    groups: Sequence[Sequence[Rollout]],
    advantages: Tensor,
    counted: Tensor,
    plan: Plan,
    *,
    shuffle_seed: int,
    failed_in_row: int = 0,
) -> Learned:
    """Split the groups at random into `updates_per_step` parts and make one update with each.

    This is R1-Zero's scheme (8,192 outputs in 16 minibatches, one epoch; arXiv:2501.12948, SI).
    With one update the old log-probabilities are the policy's own, detached; with more they come
    from a pass before the first update and not from the engine, which may round otherwise. An
    update in which no rollout has a signal is not made, nor is one that is not finite.

    Args:
        advantages: (P, G) float; counted: (P, G) bool.
        reference: the frozen model; used only when kl_weight is not 0.
        failed_in_row: updates left out just before this step.
    Raises: TrainingError after three updates in a row that were not finite, and when the policy
        does not give the sampled tokens the log-probabilities they were sampled with.
    """
    learned = Learned(failed_in_row=failed_in_row)
    parts = split_prompts(len(groups), plan.updates_per_step, shuffle_seed)
    lessons = [make_lesson(groups, advantages, counted, part, plan.kl_weight) for part in parts]
    lessons = [lesson for lesson in lessons if lesson.rollouts]
    for lesson in lessons:
        if plan.updates_per_step > 1:
            lesson.old_logprobs = _fixed(policy, lesson, plan)
        if plan.kl_weight:
            lesson.reference_logprobs = _fixed(reference, lesson, plan)
    for lesson in lessons:
        optimizer.zero_grad(set_to_none=True)
        totals = accumulate_gradient(policy, lesson, plan)
        if not learned.totals:
            _check_sampling(totals)
        learned.totals.append(totals)
        norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), plan.max_grad_norm).item()
        if math.isfinite(totals.loss) and math.isfinite(norm):
            optimizer.step()
            learned.grad_norms.append(norm)
            learned.failed_in_row = 0
        else:
            learned.failed += 1
            learned.failed_in_row += 1
            _check_failures(learned.failed_in_row, totals.loss, norm)
    optimizer.zero_grad(set_to_none=True)
    return learned


def split_prompts(prompts: int, parts: int, seed: int) -> list[list[int]]:
    """Places of the prompts, shuffled when there are several parts, in parts that differ by one."""
    order = list(range(prompts))
    if parts > 1:
        random.Random(seed).shuffle(order)
    return [order[part::parts] for part in range(min(parts, prompts))]


def make_lesson(
    groups: Sequence[Sequence[Rollout]],
    advantages: Tensor,
    counted: Tensor,
    part: Sequence[int],
    kl_weight: float,
) -> Lesson:
    """What the prompts of a part teach together.

    Without a KL term a rollout with advantage 0 has no gradient: it is not read at all, while the
    divisors still count it, so loss and gradient are the same to the last bit of arithmetic.
    """
    index = torch.tensor(part)
    lengths = torch.tensor([[len(rollout.token_ids) for rollout in groups[row]] for row in part])
    weights = token_weights(lengths, counted[index])
    chosen = counted[index] if kl_weight else (advantages[index] != 0) & counted[index]
    places = chosen.nonzero().tolist()
    return Lesson(
        [groups[part[row]][column] for row, column in places],
        advantages[index][chosen],
        weights[chosen],
    )


def accumulate_gradient(policy: PreTrainedModel, lesson: Lesson, plan: Plan) -> Totals:
    """Add the gradient of a lesson's loss to the policy's; the sums are for the log."""
    totals = Totals()
    device = policy.device
    for rows, logprobs in completion_logprobs(
        policy,
        lesson.rollouts,
        temperature=plan.temperature,
        micro_batch_tokens=plan.micro_batch_tokens,
    ):
        lengths = torch.tensor([len(lesson.rollouts[row].token_ids) for row in rows])
        advantages = lesson.advantages[rows].repeat_interleave(lengths).to(logprobs)
        weights = lesson.token_weights[rows].repeat_interleave(lengths).to(logprobs)
        sampled = torch.tensor([p for row in rows for p in lesson.rollouts[row].sampling_logprobs])
        terms = token_terms(
            logprobs,
            _gather(lesson.old_logprobs, rows, logprobs.detach()),
            advantages,
            clip_low=plan.clip_low,
            clip_high=plan.clip_high,
            reference_logprobs=_gather(lesson.reference_logprobs, rows, None),
            kl_weight=plan.kl_weight,
        )
        loss = -(weights * terms.objective).sum()
        loss.backward()
        totals.loss += loss.item()
        totals.tokens += len(logprobs)
        totals.clipped_tokens += int(terms.clipped.sum())
        totals.k3 += 0.0 if terms.k3 is None else terms.k3.sum().item()
        totals.sampling_gap += (logprobs.detach() - sampled.to(device)).abs().sum().item()
    return totals


def _gather(logprobs: list[Tensor] | None, rows: list[int], otherwise: Tensor | None):
    return otherwise if logprobs is None else torch.cat([logprobs[row] for row in rows])


def _fixed(model: PreTrainedModel, lesson: Lesson, plan: Plan) -> list[Tensor]:
    return fixed_logprobs(
        model,
        lesson.rollouts,
        temperature=plan.temperature,
        micro_batch_tokens=plan.micro_batch_tokens,
    )


def _check_sampling(totals: Totals) -> None:
    gap = totals.sampling_gap / totals.tokens
    if math.isfinite(gap) and gap > MAX_SAMPLING_GAP:
        raise TrainingError(
            f"the engine's log-probabilities differ from the policy's by {gap:.3f} a token on "
            f"average (at most {MAX_SAMPLING_GAP} is rounding): the engine does not sample from "
            "the policy as it is now, or not at the temperature it was told"
        )


def _check_failures(failed_in_row: int, loss: float, norm: float) -> None:
    if failed_in_row >= MAX_FAILURES_IN_ROW:
        raise TrainingError(
            f"{failed_in_row} updates in a row were not finite (loss {loss}, gradient norm "
            f"{norm}); lower grpo.learning_rate; the last checkpoint is kept"
        )

"""The policy's fresh completions, in groups, each with its reward."""

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from distill.chat import opened
from distill.errors import TrainingError
from distill.grpo.rewards import REWARDS, Reward
from distill.records import Completion, Problem, Record
from distill.runlog import derived_seed

Seeds = tuple[int, ...]  # one per completion of a prompt

Generate = Callable[[list[str], list[Seeds]], list[list[Completion]]]
"""Prompts and the seeds of each -> for each prompt one completion per seed, in order."""

Score = Callable[[Problem, str, str], bool | None]
"""Problem, completion and finish reason -> right, wrong, or None when the verifier failed."""


class Rollout(Record):
    """One completion of the policy, as sampled."""

    problem_id: str
    prompt_ids: tuple[int, ...]
    token_ids: list[int]  # end token included when there was one
    sampling_logprobs: list[float]  # one per token id, at the sampling temperature
    completion: str
    finished: bool  # ended by itself, not by the token limit
    reward: Reward


def problems_of_step(
    problems: Sequence[Problem], *, step: int, prompts: int, seed: int, run: str
) -> list[Problem]:
    """The problems asked at a 0-based step: each epoch is a permutation seeded by its number."""
    orders: dict[int, list[int]] = {}
    chosen = []
    for position in range(step * prompts, (step + 1) * prompts):
        epoch, place = divmod(position, len(problems))
        if epoch not in orders:
            orders[epoch] = list(range(len(problems)))
            random.Random(derived_seed(seed, "grpo", run, "epoch", epoch)).shuffle(orders[epoch])
        chosen.append(problems[orders[epoch][place]])
    return chosen


def seeds_of_step(*, step: int, prompts: int, group_size: int, seed: int, run: str) -> list[Seeds]:
    """Sampling seeds of a step, `group_size` for each prompt."""
    return [
        tuple(derived_seed(seed, "grpo", run, step, row, column) for column in range(group_size))
        for row in range(prompts)
    ]


def judge_group(
    problem: Problem,
    prompt_ids: tuple[int, ...],
    completions: Sequence[Completion],
    seeds: Seeds,
    *,
    prompt: str,
    score: Score,
    reward: str,
    format_reward: float,
) -> list[Rollout]:
    """The completions of one prompt as rollouts with their rewards.

    Args:
        prompt: its text; a think tag that it opens belongs to what is judged.
        reward: a key of REWARDS.
        seeds: of the completions; the random control throws its coins from them.
    Raises: TrainingError if the engine's token ids cannot be those of this prompt and completion.
    """
    rollouts = []
    for completion, seed in zip(completions, seeds, strict=True):
        _check_tokens(problem, prompt_ids, completion)
        text = opened(prompt, completion.text)
        worth = REWARDS[reward](
            score(problem, text, completion.finish_reason),
            text,
            format_reward=format_reward,
            seed=derived_seed(seed, "coin"),
        )
        rollouts.append(
            Rollout(
                problem_id=problem.problem_id,
                prompt_ids=prompt_ids,
                token_ids=completion.token_ids,
                sampling_logprobs=completion.logprobs,
                completion=completion.text,
                finished=completion.finish_reason == "stop",
                reward=worth,
            )
        )
    return rollouts


def reward_table(groups: Sequence[Sequence[Rollout]]) -> tuple[Tensor, Tensor]:
    """Rewards (P, G) float64 and which of them are known (P, G) bool; unknown ones read 0."""
    totals = [[rollout.reward.total for rollout in group] for group in groups]
    rewards = torch.tensor([[total or 0.0 for total in row] for row in totals], dtype=torch.float64)
    counted = torch.tensor([[total is not None for total in row] for row in totals])
    return rewards, counted


def _check_tokens(problem: Problem, prompt_ids: tuple[int, ...], completion: Completion) -> None:
    if completion.prompt_tokens != len(prompt_ids):
        raise TrainingError(
            f"problem {problem.problem_id}: the engine read the prompt as "
            f"{completion.prompt_tokens} tokens, the tokenizer as {len(prompt_ids)}; "
            "engine and policy must use one tokenizer"
        )
    if not completion.token_ids or len(completion.logprobs) != len(completion.token_ids):
        raise TrainingError(
            f"problem {problem.problem_id}: the engine gave {len(completion.token_ids)} token ids "
            f"and {len(completion.logprobs)} logprobs; expected one of each per sampled token"
        )

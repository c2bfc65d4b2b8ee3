"""The training loop of GRPO: ask, sample, judge, learn."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from torch.optim import Optimizer
from transformers import PreTrainedModel

from distill.grpo.advantages import group_advantages
from distill.grpo.checkpoint import Progress
from distill.grpo.metrics import rollout_metrics, update_metrics
from distill.grpo.plan import Plan, learning_rate_at
from distill.grpo.rollouts import (
    Generate,
    Score,
    judge_group,
    problems_of_step,
    reward_table,
    seeds_of_step,
)
from distill.grpo.update import learn
from distill.records import Problem
from distill.runlog import derived_seed

OnStep = Callable[[int, dict[str, Any]], None]
"""Called after each step with its 1-based number and its metrics."""


def train(
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    optimizer: Optimizer,
    problems: Sequence[Problem],
    plan: Plan,
    *,
    progress: Progress,
    render: Callable[[str], str],
    encode: Callable[[str], list[int]],
    generate: Generate,
    score: Score,
    save: Callable[[Progress], object],
    on_step: OnStep,
) -> None:
    """Train the policy in place from the step after `progress` to the plan's last.

    Nothing random lives outside the seeds, which come from the plan and the step: a run that is
    resumed from weights, optimizer state and `progress` is the same run.

    Args:
        reference: the frozen model that KL is measured against; None when kl_weight is 0.
        render: a question to the exact prompt; encode: a prompt to the token ids the engine reads.
        generate: samples from the policy as it is now, at the plan's temperature, not truncated.
        save: called every `save_every_steps` steps.
    Raises: TrainingError when updates stop being finite or the engine samples from another model.
    """
    policy.eval()  # no dropout: the ratio of an unchanged policy to itself is 1
    names = {"seed": plan.seed, "run": plan.run}
    failed_in_row = progress.failed_in_row
    for step in range(progress.steps_done, plan.steps):
        began = perf_counter()
        asked = problems_of_step(problems, step=step, prompts=plan.prompts_per_step, **names)
        seeds = seeds_of_step(
            step=step, prompts=plan.prompts_per_step, group_size=plan.group_size, **names
        )
        prompts = [render(problem.question) for problem in asked]
        completions = generate(prompts, seeds)
        generated = perf_counter()

        groups = [
            judge_group(
                problem,
                tuple(encode(prompt)),
                group,
                group_seeds,
                prompt=prompt,
                score=score,
                reward=plan.reward,
                format_reward=plan.format_reward,
            )
            for problem, prompt, group, group_seeds in zip(
                asked, prompts, completions, seeds, strict=True
            )
        ]
        scored = perf_counter()

        rewards, counted = reward_table(groups)
        advantages = group_advantages(rewards, counted=counted)
        learning_rate = learning_rate_at(plan, step)
        for parameters in optimizer.param_groups:
            parameters["lr"] = learning_rate
        learned = learn(
            policy,
            reference,
            optimizer,
            groups,
            advantages,
            counted,
            plan,
            shuffle_seed=derived_seed(plan.seed, "grpo", plan.run, step, "parts"),
            failed_in_row=failed_in_row,
        )
        failed_in_row = learned.failed_in_row
        trained = perf_counter()

        on_step(
            step + 1,
            {
                **rollout_metrics(groups, advantages),
                **update_metrics(learned, kl_weight=plan.kl_weight),
                "learning_rate": learning_rate,
                "generate_seconds": round(generated - began, 4),
                "score_seconds": round(scored - generated, 4),
                "train_seconds": round(trained - scored, 4),
            },
        )
        if (step + 1) % plan.save_every_steps == 0:
            save(Progress(steps_done=step + 1, failed_in_row=failed_in_row))

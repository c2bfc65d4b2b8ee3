"""The R1-Zero stage: the base learns from its own rewarded completions, without a teacher."""

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import TransformersEngine
from distill.errors import TrainingError
from distill.grpo.checkpoint import load_checkpoint, save_checkpoint
from distill.grpo.loop import train
from distill.grpo.plan import Plan
from distill.grpo.rollouts import Generate, Score, Seeds
from distill.grpo.update import new_optimizer
from distill.problems.sources import load_problems
from distill.progress import progress
from distill.recipe import Grpo, Recipe
from distill.records import Completion, Problem
from distill.runlog import drop_metrics, log_metrics, read_metrics, summary
from distill.store import RunPaths
from distill.training.models import load_student, save_model
from distill.verifiers.verdict import Verifier, open_verifier


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Train every run of the recipe into paths.grpo_run(name)/"model"; finished ones are left.

    Run again, it goes on from the newest whole checkpoint of the run that was under way.
    Raises: TrainingError if a run cannot start or stops being finite; StoreError if the disk
    gives way.
    """
    unfinished = [name for name in recipe.grpo.runs if not _model_folder(paths, name).exists()]
    starts = {name: start_folder(recipe, paths, name) for name in unfinished}
    if unfinished:
        problems = load_problems(recipe.problems.rl, limit=recipe.problems.rl_limit)
        for name in unfinished:
            _train_run(recipe, paths, name, starts[name], problems)
    for name in recipe.grpo.runs:
        shutil.rmtree(_checkpoint_folder(paths, name), ignore_errors=True)
        _say_what_was_done(paths, name)


def start_folder(recipe: Recipe, paths: RunPaths, name: str) -> str:
    """The model that a run starts from: a folder or org/model@revision.

    Raises: TrainingError if it starts from the sft stage's model and there is none yet.
    """
    start = recipe.grpo.runs[name].start_from
    if start == "base":
        return recipe.sft.base
    if start != "sft":
        return start
    folder = paths.sft / "model"
    if not folder.exists():
        raise TrainingError(
            f"grpo.runs.{name}.start_from is 'sft', but {folder} does not exist; "
            "run the sft stage of this recipe first"
        )
    return str(folder)


def make_plan(recipe: Recipe, name: str) -> Plan:
    """The values of one run."""
    grpo: Grpo = recipe.grpo
    chosen = grpo.runs[name]
    return Plan(
        run=name,
        seed=recipe.seed,
        steps=chosen.steps or grpo.steps,
        prompts_per_step=grpo.prompts_per_step,
        group_size=grpo.group_size,
        learning_rate=grpo.learning_rate,
        reward=chosen.reward,
        format_reward=grpo.format_reward,
        final_learning_rate_share=grpo.final_learning_rate_share,
        warmup_steps=grpo.warmup_steps,
        clip_low=grpo.clip_epsilon,
        clip_high=grpo.clip_epsilon_high or grpo.clip_epsilon,
        kl_weight=grpo.kl_weight,
        updates_per_step=grpo.updates_per_step,
        micro_batch_tokens=grpo.micro_batch_tokens,
        temperature=grpo.temperature,
        max_grad_norm=grpo.max_grad_norm,
        save_every_steps=grpo.save_every_steps,
    )


def _train_run(
    recipe: Recipe, paths: RunPaths, name: str, start: str, problems: Sequence[Problem]
) -> None:
    plan = make_plan(recipe, name)
    from_sft = recipe.grpo.runs[name].start_from == "sft"
    template = recipe.sft.prompt if from_sft else recipe.grpo.prompt  # the one it knows
    policy, tokenizer = load_student(start)
    policy.to("cuda" if torch.cuda.is_available() else "cpu")
    reference = copy.deepcopy(policy).requires_grad_(False).eval() if plan.kl_weight else None
    optimizer = new_optimizer(policy, plan.learning_rate)
    checkpoints = _checkpoint_folder(paths, name)
    done = load_checkpoint(checkpoints, policy, optimizer)
    drop_metrics(paths.metrics, "grpo", after_step=done.steps_done, run=name)
    with (
        open_verifier(recipe.verify) as verifier,
        progress(plan.steps, name, done=done.steps_done) as bar,
    ):

        def on_step(step: int, metrics: dict[str, Any]) -> None:
            log_metrics(paths.metrics, "grpo", run=name, step=step, **metrics)
            reward = "-" if metrics["reward"] is None else f"{metrics['reward']:.2f}"
            bar.tell(reward=reward, length=round(metrics["length"]))
            bar.update(1)

        train(
            policy,
            reference,
            optimizer,
            problems,
            plan,
            progress=done,
            render=lambda question: render_prompt(question, prompt=template, tokenizer=tokenizer),
            encode=lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
            generate=_sampler(policy, tokenizer, recipe),
            score=_scorer(verifier),
            save=lambda progress: save_checkpoint(checkpoints, progress, policy, optimizer),
            on_step=on_step,
        )
    save_model(policy, tokenizer, _model_folder(paths, name))


def _sampler(
    policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> Generate:
    """The engine over the live policy: what it samples follows every update."""
    engine = TransformersEngine(policy, tokenizer, batch_size=recipe.sample.batch_size)
    params = SamplingParams(max_tokens=recipe.grpo.max_tokens, temperature=recipe.grpo.temperature)

    def sample(prompts: list[str], seeds: list[Seeds]) -> list[list[Completion]]:
        pairs = zip(prompts, seeds, strict=True)
        asked = [Prompt(text=text, seeds=own) for text, own in pairs]
        return generate(engine, asked, params)

    return sample


def _scorer(verifier: Verifier) -> Score:
    def score(problem: Problem, completion: str, finish_reason: str) -> bool | None:
        return verifier.verify(problem, problem.problem_id, completion, finish_reason).correct

    return score


def _model_folder(paths: RunPaths, name: str) -> Path:
    return paths.grpo_run(name) / "model"


def _checkpoint_folder(paths: RunPaths, name: str) -> Path:
    return paths.grpo_run(name) / "checkpoints"


def _say_what_was_done(paths: RunPaths, name: str) -> None:
    steps = read_metrics(paths.metrics, "grpo", run=name)
    if not steps:
        return
    first, last = steps[0], steps[-1]
    seconds = sum(
        line[f"{phase}_seconds"] for line in steps for phase in ("generate", "score", "train")
    )
    changes = ", ".join(
        f"{key} {first[key]:.2f} -> {last[key]:.2f}"
        for key in ("reward", "accuracy", "length")
        if first[key] is not None and last[key] is not None
    )
    summary(
        "grpo",
        f"{name}: {len(steps)} steps, {changes}, "
        f"{sum(line['tokens_generated'] for line in steps)} tokens generated, "
        f"{sum(line['tokens_trained'] for line in steps)} trained, {seconds:.0f} s",
    )

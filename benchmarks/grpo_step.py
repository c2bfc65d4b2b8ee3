"""Seconds of one GRPO step, ours beside trl's GRPOTrainer, with what each phase takes.

    python benchmarks/grpo_step.py --model data/mini/student-qwen2
    python benchmarks/grpo_step.py --random --quick

Same weights, prompts, group size, token limit, learning rate, clip, no KL, float32, same threads,
in turn and in one process; every block of steps starts from the same weights. A step is sampling,
scoring, one optimizer update and its log line. The reward is the parity of a completion's letters,
so that hardly any group is without a signal and skipping those helps nobody. With `--lengths fixed`
the end token cannot be drawn and both sides write exactly --max-tokens a completion; with `natural`
they differ a little, see tokens per step. trl gets --trl-rows rollouts per backward pass and ours
--micro-batch-tokens; a CPU likes both small: try a few and quote the best of each.
"""

import argparse
import copy
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import TransformersEngine, load_engine
from distill.grpo.checkpoint import Progress
from distill.grpo.loop import train
from distill.grpo.plan import Plan
from distill.grpo.update import new_optimizer
from distill.mini.models import build_model
from distill.mini.tokenizer import build_tokenizer
from distill.problems.sources import load_problems
from distill.records import Problem

PHASES = ("generate", "score", "train")
WARM_UP_STEPS = 1  # of each block, not counted
Model = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass
class Block:
    """Measurements of some steps in a row."""

    seconds: list[float] = field(default_factory=list)
    phases: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PHASES})
    tokens: list[int] = field(default_factory=list)  # of completions, per step


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    model, tokenizer = _open_model(options)
    problems = load_problems(options.source, limit=options.prompts * (options.steps + 1))
    _describe(model, tokenizer, problems, options)
    sides: dict[str, Callable[[Model], Block]] = {
        "ours": lambda start: _ours(*start, problems, options),
        "trl": lambda start: _trl(*start, problems, options),
    }
    blocks: dict[str, list[Block]] = {name: [] for name in sides}
    for repeat in range(options.repeats):
        for name in sorted(sides, reverse=bool(repeat % 2)):
            block = sides[name]((copy.deepcopy(model), tokenizer))
            blocks[name].append(block)
            print(
                f"  {name:<5} {statistics.median(block.seconds):7.2f} s a step, "
                f"{statistics.mean(block.tokens):8.0f} completion tokens a step",
                flush=True,
            )
    _report(blocks)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="data/mini/student-qwen2", help="folder of a model")
    parser.add_argument("--random", action="store_true", help="a Qwen2 with random weights instead")
    parser.add_argument("--source", default="reasoning-gym:chain_sum?size=4000&seed=5")
    parser.add_argument("--prompt", default="r1-zero")
    parser.add_argument("--prompts", type=int, default=32, help="P, per step")
    parser.add_argument("--group", type=int, default=8, help="G")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--lengths", choices=("fixed", "natural"), default="fixed")
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--micro-batch-tokens", type=int, default=2048)
    parser.add_argument("--trl-rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="measured per block, after a warm-up")
    parser.add_argument("--repeats", type=int, default=4, help="blocks of each side, in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, no more")
    options = parser.parse_args()
    if options.quick:
        options.prompts, options.group, options.max_tokens = 4, 4, 16
        options.trl_rows, options.steps, options.repeats = 16, 1, 2
    if options.prompts * options.group % options.trl_rows:
        parser.error("--trl-rows must divide --prompts times --group")
    return options


def _open_model(options: argparse.Namespace) -> Model:
    if options.random:
        tokenizer = build_tokenizer()
        return build_model(tokenizer), tokenizer
    engine = load_engine(options.model, device="cpu")
    return engine.model, engine.tokenizer


def _describe(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    options: argparse.Namespace,
) -> None:
    texts = [render_prompt(p.question, prompt=options.prompt) for p in problems]
    prompt_tokens = statistics.mean(len(ids) for ids in tokenizer(texts)["input_ids"])
    print(
        f"{type(model).__name__}, {model.num_parameters() / 1e6:.2f}M parameters, "
        f"{options.prompts} prompts of {prompt_tokens:.0f} tokens x {options.group}, at most "
        f"{options.max_tokens} tokens, {options.lengths} lengths, {options.threads} threads"
    )


def _hold_length(model: PreTrainedModel, end_id: int, options: argparse.Namespace) -> None:
    """Make the end token impossible, in sampling and in training alike."""
    if options.lengths == "fixed":
        never = torch.tensor([end_id])
        model.get_output_embeddings().register_forward_hook(
            lambda module, arguments, logits: logits.index_fill(-1, never, -1e9)
        )


def _reward(completion: str) -> float:
    return float(sum(map(ord, completion)) % 2)


def _ours(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    options: argparse.Namespace,
) -> Block:
    block = Block()
    _hold_length(model, tokenizer.eos_token_id, options)
    engine = TransformersEngine(model, tokenizer, batch_size=options.prompts * options.group)
    params = SamplingParams(max_tokens=options.max_tokens)
    plan = Plan(
        run="benchmark",
        seed=17,
        steps=WARM_UP_STEPS + options.steps,
        prompts_per_step=options.prompts,
        group_size=options.group,
        learning_rate=options.learning_rate,
        format_reward=0.0,
        micro_batch_tokens=options.micro_batch_tokens,
    )
    clock = [time.perf_counter()]

    def on_step(step: int, metrics: dict) -> None:
        clock.append(time.perf_counter())
        if step > WARM_UP_STEPS:
            block.seconds.append(clock[-1] - clock[-2])
            block.tokens.append(metrics["tokens_generated"])
            for name in PHASES:
                block.phases[name].append(metrics[f"{name}_seconds"])

    train(
        model,
        None,
        new_optimizer(model, plan.learning_rate),
        problems,
        plan,
        progress=Progress(),
        render=lambda question: render_prompt(question, prompt=options.prompt),
        encode=lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
        generate=lambda texts, seeds: generate(
            engine,
            [Prompt(text=text, seeds=own) for text, own in zip(texts, seeds, strict=True)],
            params,
        ),
        score=lambda problem, completion, finish_reason: bool(_reward(completion)),
        save=lambda progress: None,
        on_step=on_step,
    )
    return block


class _Steps(TrainerCallback):
    """Times trl's optimizer steps and keeps what its phases took meanwhile."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.spent = dict.fromkeys(PHASES, 0.0)
        self.tokens = 0
        self.began = 0.0

    def on_step_begin(self, args, state, control, **kwargs):
        self.spent = dict.fromkeys(PHASES, 0.0)
        self.tokens = 0
        self.began = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        seconds = time.perf_counter() - self.began
        if state.global_step <= WARM_UP_STEPS:
            return
        self.spent["train"] = seconds - self.spent["generate"] - self.spent["score"]
        self.block.seconds.append(seconds)
        self.block.tokens.append(self.tokens)
        for name in PHASES:
            self.block.phases[name].append(self.spent[name])

    def watch(self, phase: str, method: Callable) -> Callable:
        """The same method, with its seconds added to a phase."""

        def watched(*args, **kwargs):
            started = time.perf_counter()
            result = method(*args, **kwargs)
            self.spent[phase] += time.perf_counter() - started
            return result

        return watched


def _trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    options: argparse.Namespace,
) -> Block:
    block = Block()
    steps = _Steps(block)
    _hold_length(model, tokenizer.eos_token_id, options)

    def reward(completions, completion_ids, **columns) -> list[float]:
        steps.tokens += sum(map(len, completion_ids))
        return [_reward(completion) for completion in completions]

    texts = [render_prompt(problem.question, prompt=options.prompt) for problem in problems]
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            max_steps=WARM_UP_STEPS + options.steps,
            per_device_train_batch_size=options.trl_rows,
            gradient_accumulation_steps=options.prompts * options.group // options.trl_rows,
            num_generations=options.group,
            max_completion_length=options.max_tokens,
            temperature=1.0,
            beta=0.0,
            epsilon=0.2,
            loss_type="grpo",
            learning_rate=options.learning_rate,
            lr_scheduler_type="constant",
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": texts}),
            processing_class=tokenizer,
            callbacks=[steps],
        )
        trainer.log = lambda *args, **kwargs: None
        trainer._generate_single_turn = steps.watch("generate", trainer._generate_single_turn)
        trainer._calculate_rewards = steps.watch("score", trainer._calculate_rewards)
        trainer.train()
    return block


def _report(blocks: dict[str, list[Block]]) -> None:
    print(f"\n{'':<6} {'s/step':>8} {'(blocks)':>16} {'tokens':>8} " + _row(PHASES))
    for name, own in blocks.items():
        medians = [statistics.median(block.seconds) for block in own]
        phases = [
            f"{statistics.median(s for block in own for s in block.phases[phase]):.3f}"
            for phase in PHASES
        ]
        spread = f"({min(medians):.2f} to {max(medians):.2f})"
        tokens = statistics.mean(count for block in own for count in block.tokens)
        print(
            f"{name:<6} {statistics.median(medians):8.2f} {spread:>16} {tokens:8.0f} "
            + _row(phases)
        )
    ratios = [
        statistics.median(theirs.seconds) / statistics.median(ours.seconds)
        for ours, theirs in zip(blocks["ours"], blocks["trl"], strict=True)
    ]
    middle = math.exp(statistics.mean(map(math.log, ratios)))
    print(
        f"trl / ours, seconds per step: {middle:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} pairs of blocks)"
    )


def _row(cells) -> str:
    return " ".join(f"{cell:>9}" for cell in cells)


if __name__ == "__main__":
    main()

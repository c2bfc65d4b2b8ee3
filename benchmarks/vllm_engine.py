"""Completion tokens per second of the vLLM engine beside a bare `LLM.generate`.

    OMP_NUM_THREADS=1 python benchmarks/vllm_engine.py
    OMP_NUM_THREADS=1 python benchmarks/vllm_engine.py --quick

One vLLM with a tokenizer of its own does both in turn: `generate` gets the list of all prompts with
their params, the engine works off a feed. Same prompts, seeds and limits, text in and text out on
both sides, vLLM's cache of prompts emptied before each turn. Rates are per second of the clock and
per second of CPU time, which other work on the machine disturbs less.
"""

import argparse
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoTokenizer

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.heads import CPU_HEAD_SIZES, head_size, save_with_known_heads
from distill.engines.quiet import quiet_start
from distill.engines.vllm import VllmEngine
from distill.engines.vllm_start import on_cpu, vllm
from distill.problems.sources import load_problems

Turn = Callable[[], list[list[int]]]
"""Completes everything and returns the token ids of each completion, in order."""


def main() -> None:
    options = _options()
    if not options.core_process:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # as the engine does on a CPU
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    prompts = _prompts(options, tokenizer)
    with quiet_start(), tempfile.TemporaryDirectory() as folder:
        llm = _open(options, tokenizer, Path(folder))
    engine = VllmEngine(
        llm, tokenizer, end_ids=[tokenizer.eos_token_id], batch_size=options.batch_size
    )
    turns = {
        "engine": lambda: _by_engine(engine, prompts, options),
        "generate": lambda: _by_generate(llm, prompts, options),
    }
    print(
        f"{options.model}: {len(prompts)} prompts x {options.completions}, "
        f"batch {options.batch_size}, at most {options.max_tokens} tokens, temperature 1, "
        f"logprobs {'on' if options.logprobs else 'off'}, {engine.name}, "
        f"{torch.get_num_threads()} threads"
    )
    if options.profile:
        return _profile(turns)
    _report(_rates(llm, turns, options.repeats))
    engine.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="data/mini/teacher", help="folder of a model")
    parser.add_argument("--source", default="data/mini/problems/train.jsonl")
    parser.add_argument("--prompt", default="r1-zero")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--completions", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--logprobs", action="store_true", help="of the sampled tokens")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side")
    parser.add_argument(
        "--core-process", action="store_true", help="vLLM's core in a process of its own"
    )
    parser.add_argument("--quick", action="store_true", help="32 problems, 3 turns")
    parser.add_argument("--profile", action="store_true", help="where each side spends its time")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.repeats = 32, 3
    return options


def _open(options: argparse.Namespace, tokenizer, folder: Path) -> vllm.LLM:
    """vLLM with a tokenizer of its own; on a CPU with wider heads where it knows them not."""
    config, model = AutoConfig.from_pretrained(options.model), options.model
    if on_cpu() and head_size(config) not in CPU_HEAD_SIZES:
        save_with_known_heads(options.model, "main", config, folder)
        tokenizer.save_pretrained(folder)
        model = str(folder)
    return vllm.LLM(
        model,
        dtype="float32" if on_cpu() else "auto",
        enforce_eager=on_cpu(),
        kv_cache_memory_bytes=2**30 if on_cpu() else None,
        max_num_seqs=options.batch_size,
        use_tqdm_on_load=False,
    )


def _prompts(options: argparse.Namespace, tokenizer) -> list[Prompt]:
    problems = load_problems(options.source, limit=options.problems)
    return [
        Prompt(
            render_prompt(problem.question, prompt=options.prompt, tokenizer=tokenizer),
            tuple(range(at * options.completions, (at + 1) * options.completions)),
        )
        for at, problem in enumerate(problems)
    ]


def _by_engine(
    engine: VllmEngine, prompts: list[Prompt], options: argparse.Namespace
) -> list[list[int]]:
    params = SamplingParams(max_tokens=options.max_tokens, logprobs=options.logprobs)
    completions = generate(engine, prompts, params)
    return [one.token_ids for of_prompt in completions for one in of_prompt]


def _by_generate(
    llm: vllm.LLM, prompts: list[Prompt], options: argparse.Namespace
) -> list[list[int]]:
    asked = [(prompt.text, seed) for prompt in prompts for seed in prompt.seeds]
    outputs = llm.generate(
        [text for text, _ in asked],
        [
            vllm.SamplingParams(
                temperature=1.0,
                max_tokens=options.max_tokens,
                seed=seed,
                logprobs=0 if options.logprobs else None,
                skip_special_tokens=False,
            )
            for _, seed in asked
        ],
        use_tqdm=False,
    )
    return [list(output.outputs[0].token_ids) for output in outputs]


class Rates(NamedTuple):
    """Tokens per second of one turn."""

    clock: float
    cpu: float  # of this process alone: with `--core-process` not of vLLM's core


def _rates(llm: vllm.LLM, turns: dict[str, Turn], repeats: int) -> dict[str, list[Rates]]:
    """Of each turn; who begins changes from pair to pair."""
    rates: dict[str, list[Rates]] = {name: [] for name in turns}
    drawn: dict[str, list[list[int]]] = {}
    for repeat in range(repeats + 1):  # the first is a warm-up
        for name in sorted(turns, reverse=bool(repeat % 2)):
            llm.reset_prefix_cache()
            started, cpu_started = time.perf_counter(), time.process_time()
            drawn[name] = turns[name]()
            seconds = time.perf_counter() - started, time.process_time() - cpu_started
            tokens = sum(map(len, drawn[name]))
            rate = Rates(*(tokens / one for one in seconds))
            print(f"  {name:<9} {rate.clock:7.0f} tokens/s, {rate.cpu:7.0f} per CPU second")
            if repeat:
                rates[name].append(rate)
    same = sum(a == b for a, b in zip(*drawn.values(), strict=True))
    print(f"{tokens} tokens a turn, the same in {same} of {len(drawn['engine'])} completions")
    return rates


def _report(rates: dict[str, list[Rates]]) -> None:
    for kind in Rates._fields:
        sides = {name: [getattr(one, kind) for one in turns] for name, turns in rates.items()}
        for name, values in sides.items():
            print(
                f"{kind:<5} {name:<9} {statistics.median(values):7.0f} tokens/s "
                f"(median of {len(values)}; {min(values):.0f} to {max(values):.0f})"
            )
        ratios = [a / b for a, b in zip(sides["engine"], sides["generate"], strict=True)]
        print(
            f"{kind:<5} ratio     {statistics.median(ratios):7.3f} engine / generate "
            f"({min(ratios):.3f} to {max(ratios):.3f})"
        )


def _profile(turns: dict[str, Turn]) -> None:
    for turn in turns.values():
        turn()  # a warm-up
    for name, turn in turns.items():
        profiler = cProfile.Profile()
        profiler.runcall(turn)
        print(name)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main()

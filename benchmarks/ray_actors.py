"""Completion tokens per second through Ray, with one actor and with two, beside one plain process.

    python benchmarks/ray_actors.py
    python benchmarks/ray_actors.py --quick

Every process has one thread. The same requests go, in turn, to the transformers engine in this
process, to two processes of it without Ray (half of the requests each: what this machine gives to
any two), and to Ray with one actor and with two; then once more in the opposite order, and so on.
Rates are of engines that are open and warm; what opening costs is told beside them.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in every child

from distill.chat import render_prompt
from distill.engines.base import Engine, Prompt, SamplingParams, generate
from distill.engines.open import open_engine
from distill.problems.sources import load_problems
from distill.recipe import RayCluster

Rate = Callable[[list[Prompt]], int]  # completes the prompts; returns the tokens it wrote
_ENGINES: dict[str, Engine] = {}  # of a child process


def main() -> None:
    options = _options()
    rounds = [_prompts(options, repeat) for repeat in range(options.repeats + 1)]
    sides = {
        "plain": lambda: _alone(options),
        "two plain": lambda: _two_processes(options),
        "ray, 1 actor": lambda: _through_ray(options, 1),
        "ray, 2 actors": lambda: _through_ray(options, 2),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    opened: dict[str, list[float]] = {name: [] for name in sides}
    whole: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(options.repeats):
        for name in list(sides)[:: -1 if repeat % 2 else 1]:
            seconds, rate, in_all = _measured(sides[name], rounds[-1], rounds[repeat])
            opened[name].append(seconds)
            rates[name].append(rate)
            whole[name].append(in_all)
            print(f"  {name:<14} {rate:8.0f} tokens/s, opened in {seconds:5.1f} s", flush=True)
    _report(rates, opened, whole)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="data/mini/teacher", help="folder of a model")
    parser.add_argument("--engine", default="transformers", help="in the actors, or vllm")
    parser.add_argument("--source", default="reasoning-gym:chain_sum?size=4000&seed=5")
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--completions", type=int, default=4, help="per problem")
    parser.add_argument("--batch-size", type=int, default=128, help="of each process")
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, no more")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.batch_size = 16, 16
        options.max_tokens, options.repeats = 60, 1
    return options


def _prompts(options: argparse.Namespace, repeat: int) -> list[Prompt]:
    problems = load_problems(options.source, limit=options.problems)
    n = options.completions
    return [
        Prompt(
            render_prompt(problem.question, prompt="r1-zero"),
            tuple(10**6 * repeat + n * row + index for index in range(n)),
        )
        for row, problem in enumerate(problems)
    ]


def _complete(engine: Engine, prompts: list[Prompt], max_tokens: int) -> int:
    params = SamplingParams(max_tokens=max_tokens, logprobs=False)
    completions = generate(engine, prompts, params)
    return sum(one.completion_tokens for own in completions for one in own)


@contextmanager
def _alone(options: argparse.Namespace) -> Iterator[Rate]:
    engine = open_engine(options.engine, options.model, batch_size=options.batch_size)
    yield lambda prompts: _complete(engine, prompts, options.max_tokens)
    engine.close()


@contextmanager
def _through_ray(options: argparse.Namespace, actors: int) -> Iterator[Rate]:
    keys = RayCluster(engine=options.engine, actors=actors)
    engine = open_engine("ray", options.model, batch_size=options.batch_size, ray=keys)
    while engine.standing().open < actors:
        time.sleep(0.05)
    yield lambda prompts: _complete(engine, prompts, options.max_tokens)
    engine.close()


@contextmanager
def _two_processes(options: argparse.Namespace) -> Iterator[Rate]:
    spawn = multiprocessing.get_context("spawn")
    arguments = (options.engine, options.model, options.batch_size)
    with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(1, spawn) as other:
        for ready in [pool.submit(_open_in_child, *arguments) for pool in (one, other)]:
            ready.result()

        def rate(prompts: list[Prompt]) -> int:
            halves = ((one, prompts[::2]), (other, prompts[1::2]))
            work = [pool.submit(_in_child, half, options.max_tokens) for pool, half in halves]
            return sum(future.result() for future in work)

        yield rate


def _open_in_child(kind: str, model: str, batch_size: int) -> None:
    _ENGINES["own"] = open_engine(kind, model, batch_size=batch_size)


def _in_child(prompts: list[Prompt], max_tokens: int) -> int:
    return _complete(_ENGINES["own"], prompts, max_tokens)


def _measured(
    side: Callable, warm_up: list[Prompt], prompts: list[Prompt]
) -> tuple[float, float, float]:
    """Seconds to open, tokens per second when warm, tokens per second with the opening."""
    started = time.perf_counter()
    with side() as complete:
        opened = time.perf_counter() - started
        complete(warm_up[: len(warm_up) // 2])
        started = time.perf_counter()
        tokens = complete(prompts)
        seconds = time.perf_counter() - started
    return opened, tokens / seconds, tokens / (seconds + opened)


def _report(
    rates: dict[str, list[float]], opened: dict[str, list[float]], whole: dict[str, list[float]]
) -> None:
    print(f"median of {len(rates['plain'])} (least to most)")
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(values, rates["plain"], strict=True)]
        print(
            f"{name:<14} {_spread(values, '8.0f')} tokens/s, {_spread(ratios, '.2f')} of plain; "
            f"opened in {_spread(opened[name], '.1f')} s; "
            f"with that {_spread(whole[name], '.0f')} tokens/s"
        )
    for name, base in (("ray, 2 actors", "ray, 1 actor"), ("ray, 2 actors", "two plain")):
        ratios = [a / b for a, b in zip(rates[name], rates[base], strict=True)]
        print(f"{name} / {base}: {_spread(ratios, '.2f')}")
    print(
        f"floor: two processes get what {os.cpu_count()} hardware threads give; "
        "'two plain' is that, without Ray"
    )


def _spread(values: list[float], form: str) -> str:
    least, most = format(min(values), form).strip(), format(max(values), form).strip()
    return f"{statistics.median(values):{form}} ({least} to {most})"


if __name__ == "__main__":
    main()

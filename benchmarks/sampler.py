"""Completion tokens per second of the transformers engine beside `model.generate`.

    python benchmarks/sampler.py --model data/mini/teacher
    python benchmarks/sampler.py --random --quick

Same model object, same prompts, same settings, in turn and in one process; a token counts up to
and with the end token. Below it what this machine could do at most: arithmetic and memory traffic.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import TransformersEngine, load_engine
from distill.mini.models import build_model
from distill.mini.tokenizer import build_tokenizer
from distill.problems.sources import load_problems


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    engine = _random_engine(options) if options.random else load_engine(options.model)
    engine = TransformersEngine(
        engine.model,
        engine.tokenizer,
        batch_size=options.batch_size,
        refill_share=options.refill_share,
    )
    texts = _texts(options)
    sides = {
        "engine": lambda repeat: _by_engine(engine, texts, options, repeat),
        "generate": lambda repeat: _by_generate(engine, texts, options, repeat),
    }
    _describe(engine, texts, options)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(options.repeats + 1):  # the first is a warm-up
        for name in sorted(sides, reverse=bool(repeat % 2)):
            rate, mean_length = _timed(lambda name=name: sides[name](repeat))  # noqa: B023
            print(f"  {name:<9} {rate:9.0f} tokens/s, {mean_length:6.1f} tokens a completion")
            if repeat:
                rates[name].append(rate)
    _report(rates)
    _floors(engine, texts, options, mean_length)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="data/mini/teacher", help="folder of a model")
    parser.add_argument("--random", action="store_true", help="a Qwen2 with random weights instead")
    parser.add_argument("--width", type=int, default=160, help="of the random model")
    parser.add_argument("--mean-tokens", type=float, default=70, help="of the random model")
    parser.add_argument("--source", default="reasoning-gym:chain_sum?size=4000&seed=5")
    parser.add_argument("--prompt", default="r1-zero")
    parser.add_argument("--problems", type=int, default=128)
    parser.add_argument("--completions", type=int, default=4, help="per problem")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--refill-share", type=float, help="default: that of the device")
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, no more")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.batch_size = 16, 32
        options.max_tokens, options.repeats = 60, 1
    return options


def _random_engine(options: argparse.Namespace) -> TransformersEngine:
    """A random model whose end token is made likely enough: lengths are geometric."""
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, width=options.width).eval()
    lift = math.log((model.config.vocab_size - 1) / (options.mean_tokens - 1))

    def lift_end(module, arguments, output):
        output.logits[..., tokenizer.eos_token_id] += lift
        return output

    model.register_forward_hook(lift_end)
    return TransformersEngine(model, tokenizer)


def _texts(options: argparse.Namespace) -> list[str]:
    problems = load_problems(options.source, limit=options.problems)
    return [render_prompt(problem.question, prompt=options.prompt) for problem in problems]


def _by_engine(
    engine: TransformersEngine, texts: list[str], options: argparse.Namespace, repeat: int
) -> list[int]:
    """Lengths of the completions, all asked for in one call."""
    n = options.completions
    prompts = [
        Prompt(text=text, seeds=tuple(10**6 * repeat + n * row + index for index in range(n)))
        for row, text in enumerate(texts)
    ]
    params = SamplingParams(max_tokens=options.max_tokens, temperature=options.temperature)
    completions = generate(engine, prompts, params)
    return [len(completion.token_ids) for own in completions for completion in own]


def _by_generate(
    engine: TransformersEngine, texts: list[str], options: argparse.Namespace, repeat: int
) -> list[int]:
    """Lengths of the completions, in left-padded batches of as many rows."""
    torch.manual_seed(repeat)
    n = options.completions
    step = max(1, options.batch_size // n)
    lengths = []
    for start in range(0, len(texts), step):
        batch = engine.tokenizer(
            texts[start : start + step],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
        ).to(engine.model.device)
        with torch.inference_mode():
            whole = engine.model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                num_return_sequences=n,
                do_sample=True,
                temperature=options.temperature,
                top_k=0,
                top_p=1.0,
                max_new_tokens=options.max_tokens,
                eos_token_id=engine.end_ids,
                pad_token_id=engine.tokenizer.pad_token_id,
            )
        rows = whole[:, batch["input_ids"].shape[1] :]
        engine.tokenizer.batch_decode(rows, skip_special_tokens=False)  # the other side gives text
        lengths += [_until_end(row.tolist(), engine.end_ids) for row in rows]
    return lengths


def _until_end(token_ids: list[int], end_ids: list[int]) -> int:
    ends = (index for index, token in enumerate(token_ids) if token in end_ids)
    return next(ends, len(token_ids) - 1) + 1


def _timed(work: Callable[[], list[int]]) -> tuple[float, float]:
    """Tokens per second and mean tokens of a completion."""
    started = time.perf_counter()
    lengths = work()
    seconds = time.perf_counter() - started
    return sum(lengths) / seconds, statistics.mean(lengths)


def _describe(engine: TransformersEngine, texts: list[str], options: argparse.Namespace) -> None:
    parameters = sum(weight.numel() for weight in engine.model.parameters())
    print(
        f"{type(engine.model).__name__}, {parameters / 1e6:.2f}M parameters, "
        f"{len(texts)} prompts x {options.completions}, batch {options.batch_size}, "
        f"at most {options.max_tokens} tokens, {engine.model.device}, {options.threads} threads"
    )


def _report(rates: dict[str, list[float]]) -> None:
    for name, values in rates.items():
        print(
            f"{name:<9} {statistics.median(values):9.0f} tokens/s "
            f"(median of {len(values)}; {min(values):.0f} to {max(values):.0f})"
        )
    ratios = [a / b for a, b in zip(rates["engine"], rates["generate"], strict=True)]
    print(
        f"ratio     {statistics.median(ratios):9.2f} engine / generate "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _floors(
    engine: TransformersEngine, texts: list[str], options: argparse.Namespace, mean_length: float
) -> None:
    """What decoding cannot beat here: its multiplications, and reading keys and values."""
    config = engine.model.config
    prompt = statistics.mean(len(engine.tokenizer(text)["input_ids"]) for text in texts)
    width, batch = config.hidden_size, options.batch_size
    dim = getattr(config, "head_dim", None) or width // config.num_attention_heads
    weights = sum(weight.numel() for weight in engine.model.parameters())  # tied: read as the head
    context = prompt + mean_length / 2
    kv_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * dim * 4 * context
    arithmetic = 2 * weights / _multiplications_per_second(batch, width)
    traffic = kv_bytes / _bytes_per_second()
    print(
        f"floor     {1 / (arithmetic + traffic):9.0f} tokens/s: {1e6 * arithmetic:.1f} µs of "
        f"multiplications and {1e6 * traffic:.1f} µs of key-value reads a token"
    )


def _multiplications_per_second(rows: int, width: int) -> float:
    """Floating-point operations per second of the model's typical matrix product."""
    left, right = torch.randn(rows, width), torch.randn(width, 4 * width)
    return 2 * rows * width * 4 * width / _seconds(lambda: left @ right)


def _bytes_per_second() -> float:
    """Reading speed of an array larger than the caches near the cores."""
    array = torch.ones(64 * 2**20 // 4)
    return array.numel() * 4 / _seconds(lambda: array.sum())


def _seconds(work: Callable[[], object], repeats: int = 30) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()

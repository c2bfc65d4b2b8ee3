"""What `distill explain` says of sampling: who is asked, by which rules, for how much at most."""

import os
from contextlib import closing

import msgspec

from distill.recipe import Adaptive, Price, Recipe, Sample, Server
from distill.records import Decision, Trace
from distill.sampling.budget import usd_of
from distill.stages.explain_memory import PROMPT_TOKENS
from distill.stages.sample_settings import settings_of
from distill.store import RunPaths, Store
from distill.training.planner import many


class Seen(msgspec.Struct, frozen=True):
    """What a run folder tells of lengths and yields."""

    traces: int
    prompt_tokens: float
    completion_tokens: float
    kept_share: float | None


def seen_in(paths: RunPaths) -> Seen | None:
    """Means over the traces of a run folder; None where there are none."""
    if not was_begun(paths):
        return None
    prompt_tokens = completion_tokens = traces = 0
    with closing(Store(paths.store, read_only=True)) as store:
        for trace in store.scan("traces", Trace):
            traces += 1
            prompt_tokens += trace.prompt_tokens
            completion_tokens += trace.completion_tokens
        decisions = [decision.kept for decision in store.scan("decisions", Decision)]
    if not traces:
        return None
    kept = sum(decisions) / len(decisions) if decisions else None
    return Seen(traces, prompt_tokens / traces, completion_tokens / traces, kept)


def was_begun(paths: RunPaths) -> bool:
    """Is there anything in the run folder's store?"""
    return paths.store.is_file() and paths.store.stat().st_size > 0


def sampling_lines(recipe: Recipe, problems: int, seen: Seen | None) -> list[str]:
    """Engine, rules, budgets and price, then what the whole may cost.

    Args:
        problems: how many are asked; 0 where that is not known.
    """
    sample = recipe.sample
    return [
        f"engine {sample.engine}: {_engine(sample)}",
        *_rules(recipe, problems),
        f"budget: {_budget(sample)}",
        f"price: {price_text(sample.price)}",
        *_dollars(sample, problems, seen),
    ]


def most_tokens(sample: Sample) -> int:
    """Tokens of the longest completion that is asked for."""
    longer = sample.adaptive and sample.adaptive.longer_max_tokens
    return max(sample.max_tokens, longer or 0)


def price_text(price: Price) -> str:
    """The price in words; free where nothing is said."""
    parts = []
    if price.usd_per_million_in or price.usd_per_million_out:
        parts.append(
            f"{price.usd_per_million_in:g} USD per million prompt tokens, "
            f"{price.usd_per_million_out:g} USD per million completion tokens"
        )
    if price.usd_per_hour:
        parts.append(f"{price.usd_per_hour:g} USD per hour")
    return " and ".join(parts) or "none, all is free"


def _engine(sample: Sample) -> str:
    if sample.engine == "server" and sample.server is not None:
        return _server(sample.teacher, sample.server)
    rows = f"{sample.teacher}, {sample.batch_size} completions at once"
    if sample.engine == "vllm":
        return rows + _vllm(sample)
    if sample.engine == "ray":
        ray = sample.ray
        where = "on this machine" if ray.address is None else f"at {ray.address}"
        inner = f"{ray.engine}{_vllm(sample) if ray.engine == 'vllm' else ''}"
        return (
            f"{rows} in each of {_number(ray.actors, 'actor')} of Ray {where} "
            f"({_number(ray.cpus_per_actor, 'CPU')} and {_number(ray.gpus_per_actor, 'GPU')} "
            f"each), each with {inner}"
        )
    return rows


def _vllm(sample: Sample) -> str:
    """What of vLLM's keys is not left to vLLM."""
    keys = sample.vllm
    said = [f"dtype {keys.dtype}", f"tensor_parallel_size {keys.tensor_parallel_size}"]
    if keys.quantization is not None:
        said.append(f"quantization {keys.quantization}")
    if keys.max_model_len is not None:
        said.append(f"max_model_len {keys.max_model_len}")
    if keys.enable_prefix_caching:
        said.append("prefixes cached")
    return f" ({', '.join(said)})"


def _server(model: str, server: Server) -> str:
    if server.key_variable is None:
        key = "no key"
    else:
        here = "set" if os.environ.get(server.key_variable) else "NOT SET here"
        key = f"key from {server.key_variable} ({here})"
    return (
        f"{model} at {server.url}, {key}, at most {server.max_in_flight} requests at once, each "
        f"tried {server.attempts} times at most, {server.request_seconds:g} s a try, "
        f"{server.total_seconds:g} s in all"
    )


def _rules(recipe: Recipe, problems: int) -> list[str]:
    sample = recipe.sample
    each, needed = sample.completions_per_problem, settings_of(recipe).needed
    if sample.adaptive is None:
        return [f"tries: the same for every problem, {each}"]
    total = f", {problems * each} in all" if problems else ""
    return [
        f"tries: adaptive, at most {each} per problem on average{total}",
        *(f"adaptive: {line}" for line in _adaptive(sample.adaptive, each, needed)),
    ]


def _adaptive(adaptive: Adaptive, each: int, needed: int) -> list[str]:
    """The rules in words (`distill.sampling.worth`)."""
    longer = adaptive.longer_max_tokens
    truncated = "is given up" if longer is None else f"is asked for {longer} tokens from then on"
    first = _number(adaptive.truncated_tries, "completion")
    return [
        "each problem is tried once, then those where a try is expected to bring most for its "
        f"tokens; an unsolved one has {_number(each, 'try', 'tries')} to itself, what is left of "
        "them when it is solved or given up is free for all",
        f"a problem is done with {_number(needed, 'trace')} that the filter keeps; what it has "
        "under way then is cancelled",
        f"it is given up when one more would take over {adaptive.completions_per_kept:g} "
        "completions, as its tries and those of its family tell, or after "
        f"{adaptive.max_completions_per_problem}",
        "a solved one is tried further only where that brings at least "
        f"{adaptive.least_further_worth:.0%} of the kept traces per token so far",
        f"one whose first {first} {'is' if adaptive.truncated_tries == 1 else 'are all'} cut by "
        f"the limit {truncated}",
        "at once an unsolved problem has one try, and as many more as "
        f"{adaptive.speculation:.0%} of those it has had",
    ]


def _number(number: float, thing: str, things: str | None = None) -> str:
    return f"{number:g} {thing if number == 1 else things or f'{thing}s'}"


def _budget(sample: Sample) -> str:
    limits = []
    if sample.max_tokens_total is not None:
        limits.append(f"{many(sample.max_tokens_total)} tokens (sample.max_tokens_total)")
    if sample.max_usd is not None:
        limits.append(f"{sample.max_usd:g} USD (sample.max_usd)")
    if sample.max_hours is not None:
        limits.append(f"{_number(sample.max_hours, 'hour')} (sample.max_hours)")
    if not limits:
        return "none; sample.max_tokens_total, max_usd or max_hours would set one"
    return (
        f"{', '.join(limits)}; at the first that is reached no request is started any more, and "
        "the same command with a larger one goes on"
    )


def _dollars(sample: Sample, problems: int, seen: Seen | None) -> list[str]:
    """Upper bound and expectation of what the tokens cost; nothing where tokens are free."""
    price, completions = sample.price, problems * sample.completions_per_problem
    if not completions or not (price.usd_per_million_in or price.usd_per_million_out):
        return []
    prompt = PROMPT_TOKENS if seen is None else seen.prompt_tokens
    most = completions * usd_of(price, prompt, most_tokens(sample))
    line = f"dollars: at most {most:.2f} for tokens"
    if seen is None:
        guess = f"prompts of {PROMPT_TOKENS} tokens assumed"
        return [f"{line} ({guess}); `distill plan` tries a few problems and says more"]
    expected = completions * usd_of(price, prompt, seen.completion_tokens)
    how = "all tries used" if sample.adaptive else "as long as"
    return [f"{line}; {expected:.2f} expected, {how} the {seen.traces} traces here are"]

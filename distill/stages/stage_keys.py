"""What of the recipe each stage's results depend on."""

from collections.abc import Mapping
from typing import Any

import msgspec

from distill.recipe import Recipe

OWN_KEYS = {  # what of the recipe a stage's results depend on, beside what its upstream does
    "sample": ("seed", "problems.train", "problems.limit", "sample"),
    "verify": ("verify",),
    "filter": ("filter", "evaluate.test_sets"),
    "sft": ("sft",),
    "grpo": ("seed", "problems.rl", "problems.rl_limit", "verify", "sft.base", "grpo"),
    "evaluate": ("evaluate",),
    "report": (),
}
UPSTREAM = {
    "sample": (),
    "verify": ("sample",),
    "filter": ("verify",),
    "sft": ("filter",),
    "grpo": (),  # and sft, when a run starts from it
    "evaluate": ("sft", "grpo"),
    "report": ("evaluate",),
}
ADAPTIVE_KEYS = ("verify", "filter", "evaluate.test_sets")  # decide what is asked, with `adaptive`
ROUNDING_KEYS = {  # what is computed together: changes low-order bits and so, rarely, a token
    "sample": ("threads", "sample.batch_size"),
    "sft": ("threads",),
    "grpo": ("threads", "sample.batch_size", "grpo.micro_batch_tokens"),
    "evaluate": ("threads", "evaluate.batch_size"),
}
FREE_KEYS = {  # how fast and how safely: may change between two sessions, for memory's sake
    *(key for keys in ROUNDING_KEYS.values() for key in keys),
    "sample.max_tokens_total",
    "sample.max_usd",
    "sample.max_hours",
    "sample.max_failed_share",
    "sample.price.usd_per_million_in",
    "sample.price.usd_per_million_out",
    "sample.price.usd_per_hour",
    "sample.vllm.tensor_parallel_size",
    "sample.vllm.gpu_memory_utilization",
    "sample.vllm.enable_prefix_caching",
    "sample.vllm.enforce_eager",
    "sample.vllm.cpu_kv_cache_gb",
    "sample.server.url",
    "sample.server.key_variable",
    "sample.server.max_in_flight",
    "sample.server.request_seconds",
    "sample.server.total_seconds",
    "sample.server.attempts",
    "sample.server.max_reply_mb",
    "sample.ray.actors",
    "sample.ray.cpus_per_actor",
    "sample.ray.gpus_per_actor",
    "sample.ray.address",
    "verify.workers",
    "sft.save_every_steps",
    "grpo.save_every_steps",
}


def stage_keys(name: str, recipe: Recipe, held: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Dotted key to value, of everything that a stage's results depend on.

    Args:
        held: what the recipe's files hold, from `contents_of`.
    """
    every = {**values_of(recipe), **(held or {})}
    every = {key: value for key, value in every.items() if not _is_of_another_engine(key, recipe)}
    stages = (*_all_upstream(name, recipe), name)
    wanted = {key for stage in stages for key in OWN_KEYS[stage]}
    if "sample" in stages and recipe.sample.adaptive is not None:
        wanted |= {*ADAPTIVE_KEYS}
    return {
        key: value
        for key, value in every.items()
        if key not in FREE_KEYS and any(key == w or key.startswith(f"{w}.") for w in wanted)
    }


def changed_keys(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys with another value; one that is null is as good as not there: it may be a new key."""
    return [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]


def _is_of_another_engine(key: str, recipe: Recipe) -> bool:
    engine = recipe.sample.engine
    used = {engine, recipe.sample.ray.engine} if engine == "ray" else {engine}
    section = key.removeprefix("sample.").partition(".")[0]
    return key.startswith("sample.") and section in {"vllm", "server", "ray"} - used


def upstream(name: str, recipe: Recipe) -> tuple[str, ...]:
    """The stages whose results a stage reads."""
    starts_from_sft = any(run.start_from == "sft" for run in recipe.grpo.runs.values())
    return ("sft",) if name == "grpo" and starts_from_sft else UPSTREAM[name]


def _all_upstream(name: str, recipe: Recipe) -> set[str]:
    direct = upstream(name, recipe)
    return {*direct, *(far for near in direct for far in _all_upstream(near, recipe))}


def values_of(recipe: Recipe) -> dict[str, Any]:
    """Dotted key to value, of the whole recipe."""
    return _flat(msgspec.json.decode(msgspec.json.encode(recipe)))  # as a mark keeps it


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to value; an empty section keeps its place."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        flat |= _flat(value, f"{dotted}.") if isinstance(value, dict) and value else {dotted: value}
    return flat

"""The seam between the toolkit and whatever answers prompts."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from distill.records import Completion


class Prompt(msgspec.Struct, frozen=True):
    """One text to complete, once for each seed: the seeds make any completion reproducible."""

    text: str
    seeds: tuple[int, ...]


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to draw; the names and meanings are vLLM's."""

    max_tokens: int
    temperature: float = 1.0  # 0 takes the most probable token
    top_p: float = 1.0
    top_k: int = 0  # 0 is off


OnCompletion = Callable[[int, int, Completion], None]
"""Called as soon as a completion is done, with prompt index, seed index and the completion."""


class Engine(Protocol):
    """Answers prompts. Same prompts, seeds and params in one call give the same completions."""

    def generate(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        on_completion: OnCompletion | None = None,
    ) -> list[list[Completion]]:
        """Complete every prompt once per seed.

        Returns: for each prompt, in order, its completions in the order of its seeds.
        Raises: EngineError if the model cannot answer.
        """
        ...

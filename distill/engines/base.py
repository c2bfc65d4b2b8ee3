"""The seam between the toolkit and whatever answers prompts.

An engine works off a feed: it asks for requests whenever it has room, tells what became of each,
and drops those that are no longer wanted. So a batch stays full however the requests come, and
whoever feeds it decides from each result what to ask next.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from distill.errors import EngineError
from distill.records import Completion, Failure


class Request(msgspec.Struct, frozen=True):
    """One completion to write."""

    key: str  # told back with what became of it; one of a kind among those of a feed
    prompt: str  # exact text; with `is_chat`, the message of the user
    seed: int  # makes the completion reproducible, as far as the engine is
    max_tokens: int
    is_chat: bool = False  # only for a server: it puts the message into its own chat template


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to draw; the names and meanings are vLLM's."""

    max_tokens: int
    temperature: float = 1.0  # 0 takes the most probable token
    top_p: float = 1.0
    top_k: int = 0  # 0 is off
    logprobs: bool = True  # of the sampled tokens


class Feed(Protocol):
    """Where an engine's work comes from and goes to. All calls come from one thread."""

    def take(self, room: int) -> list[Request]:
        """At most so many requests, to start now.

        None at all means: nothing now. What is found out of earlier results may change that while
        nothing ends, so an engine with room asks again at its next step; in waves at the end of
        the wave. While no request is under way it waits for what may still come, so that none
        then means: that was all.
        """
        ...

    def done(self, request: Request, result: Completion | Failure) -> None:
        """Called once for every request that was taken, as soon as it has ended."""
        ...

    def withdrawn(self) -> Collection[str]:
        """Keys of requests under way that nobody wants any more; each is named once.

        The engine drops them and tells a Failure with the reason WITHDRAWN, or the completion
        where it was just there.
        """
        ...


class Engine(Protocol):
    """Answers requests. Owns a model or a connection; a context manager where it must be closed."""

    name: str  # with its version, such as "transformers 5.19.0"
    tokenizer: object | None  # a transformers tokenizer, where the model is on this machine
    in_waves: bool  # takes new requests only when none is under way, and is then reproducible

    def work(self, feed: Feed, params: SamplingParams) -> None:
        """Work off a feed until it has no more; `params.max_tokens` is overruled by each request.

        Raises: EngineError if the model cannot answer at all; what was told before stays told.
        """
        ...

    def close(self) -> None:
        """Free the model, processes and connections."""
        ...


class Prompt(msgspec.Struct, frozen=True):
    """One text to complete, once for each seed."""

    text: str
    seeds: tuple[int, ...]


OnCompletion = Callable[[int, int, Completion], None]
"""Called as soon as a completion is done, with prompt index, seed index and the completion."""


def generate(
    engine: Engine,
    prompts: Sequence[Prompt],
    params: SamplingParams,
    on_completion: OnCompletion | None = None,
) -> list[list[Completion]]:
    """Complete every prompt once per seed.

    Returns: for each prompt, in order, its completions in the order of its seeds.
    Raises: EngineError if the model cannot answer, or did not answer one of them.
    """
    completions: list[list[Completion | None]] = [[None] * len(p.seeds) for p in prompts]
    engine.work(_All(prompts, params.max_tokens, completions, on_completion), params)
    return completions


class _All:
    """A feed of everything, in order."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int,
        completions: list[list[Completion | None]],
        on_completion: OnCompletion | None,
    ) -> None:
        self._waiting = _requests(prompts, max_tokens)
        self._completions = completions
        self._on_completion = on_completion

    def take(self, room: int) -> list[Request]:
        return list(islice(self._waiting, room))

    def done(self, request: Request, result: Completion | Failure) -> None:
        at, index = map(int, request.key.split("#"))
        if isinstance(result, Failure):
            detail = f": {result.detail}" if result.detail else ""
            raise EngineError(f"prompt {at} was not completed ({result.reason}){detail}")
        self._completions[at][index] = result
        if self._on_completion is not None:
            self._on_completion(at, index, result)

    def withdrawn(self) -> Collection[str]:
        return ()


def _requests(prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Request]:
    for at, prompt in enumerate(prompts):
        for index, seed in enumerate(prompt.seeds):
            yield Request(f"{at}#{index}", prompt.text, seed, max_tokens)

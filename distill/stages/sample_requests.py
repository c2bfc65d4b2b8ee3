"""From what is worth asking to a request, and from its completion to a trace with its origin."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from distill.chat import CHAT_PROMPTS, render_prompt, user_message
from distill.engines.base import Engine, Request
from distill.recipe import Recipe
from distill.recipe_paths import is_there
from distill.records import Completion, Origin, Problem, Trace
from distill.runlog import contents, derived_seed, fingerprint
from distill.sampling.policy import Ask

PROMPTS_KEPT = 1024  # a problem is asked several times, its prompt is made once
_ANY_QUESTION = "Question?"


class Teacher:
    """Who is asked, and how; knows the problems by their places."""

    def __init__(self, recipe: Recipe, engine: Engine, problems: Sequence[Problem]) -> None:
        self._sample, self._seed, self._problems = recipe.sample, recipe.seed, problems
        self._tokenizer = engine.tokenizer
        # only a server has the template of a chat to itself
        self._is_chat = recipe.sample.engine == "server" and recipe.sample.prompt in CHAT_PROMPTS
        self._origin = {
            "engine": engine.name,
            "weights": _weights(recipe.sample.teacher),
            "prompt_template": fingerprint(self._is_chat, self._rendered(_ANY_QUESTION)),
            "temperature": recipe.sample.temperature,
            "top_p": recipe.sample.top_p,
        }
        self._prompt = lru_cache(PROMPTS_KEPT)(self._prompt_of)

    def request(self, ask: Ask) -> Request:
        """The request of an ask: its key is the id of the trace that it becomes."""
        problem_id = self._problems[ask.problem].problem_id
        return Request(
            key=f"{problem_id}#{ask.index}",
            prompt=self._prompt(ask.problem),
            seed=derived_seed(self._seed, "sample", problem_id, ask.index),
            max_tokens=ask.max_tokens,
            is_chat=self._is_chat,
        )

    def trace(self, ask: Ask, request: Request, completion: Completion, usd: float) -> Trace:
        """The trace of a completion, with all that tells where it comes from."""
        return Trace(
            problem_id=self._problems[ask.problem].problem_id,
            index=ask.index,
            prompt=request.prompt,
            completion=completion.text,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            teacher=self._sample.teacher,
            seed=request.seed,
            tokens_are_counted=completion.tokens_are_counted,
            seconds=round(completion.seconds, 3),
            usd=usd,
            origin=Origin(max_tokens=request.max_tokens, **self._origin),
        )

    def _prompt_of(self, place: int) -> str:
        return self._rendered(self._problems[place].question)

    def _rendered(self, question: str) -> str:
        prompt = self._sample.prompt
        if self._is_chat:
            return user_message(question, prompt=prompt)
        return render_prompt(question, prompt=prompt, tokenizer=self._tokenizer)


def _weights(teacher: str) -> str:
    """Hash of a local model's files."""
    return contents(teacher) if is_there(Path(teacher)) else ""

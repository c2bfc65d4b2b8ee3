"""`generate` over any engine: here one whose replies come in an order of its own."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.engines.base import Prompt, SamplingParams, generate
from distill.errors import EngineError
from distill.records import Completion, Failure, FailureReason

PARAMS = SamplingParams(max_tokens=9)


class Shuffler:
    """Ends requests in a random order, takes more when it likes; a reply repeats its request."""

    name, tokenizer, in_waves = "shuffler 1", None, False

    def __init__(self, seed, failing=None):
        self.random = random.Random(seed)
        self.failing = failing

    def work(self, feed, params):
        under_way = feed.take(self.random.randint(1, 5))
        while under_way:
            assert not feed.withdrawn()
            request = under_way.pop(self.random.randrange(len(under_way)))
            feed.done(request, self.reply(request))
            if not under_way or self.random.random() < 0.5:
                under_way += feed.take(self.random.randint(1, 5))

    def reply(self, request):
        if request.prompt == self.failing:
            return Failure(
                trace_id=request.key, reason=FailureReason.REFUSED, detail="it is too long"
            )
        text = f"{request.prompt}/{request.seed}/{request.max_tokens}"
        return Completion(text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1)

    def close(self):
        pass


asked = st.lists(
    st.builds(Prompt, text=st.text("ab", max_size=2), seeds=st.lists(st.integers(0, 3)).map(tuple)),
    max_size=6,
)


@given(prompts=asked, seed=st.integers(0, 99))
def test_completions_come_back_in_the_order_of_prompts_and_seeds(prompts, seed):
    texts = [[one.text for one in own] for own in generate(Shuffler(seed), prompts, PARAMS)]
    assert texts == [[f"{prompt.text}/{one}/9" for one in prompt.seeds] for prompt in prompts]


@given(prompts=asked, seed=st.integers(0, 99))
def test_each_is_told_once_as_soon_as_it_is_there(prompts, seed):
    told = []
    completions = generate(Shuffler(seed), prompts, PARAMS, lambda *of: told.append(of))
    everything = [
        (at, index, one) for at, own in enumerate(completions) for index, one in enumerate(own)
    ]
    assert sorted(told, key=lambda of: of[:2]) == everything


def test_a_prompt_without_a_completion_is_an_error_that_names_it():
    prompts = [Prompt("a", (1, 2)), Prompt("bad", (3,)), Prompt("c", (4,))]
    with pytest.raises(EngineError, match=r"prompt 1 .*\(refused\): it is too long"):
        generate(Shuffler(3, failing="bad"), prompts, PARAMS)


def test_an_error_of_the_listener_goes_through():
    def full(*_):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        generate(Shuffler(1), [Prompt("a", (1,))], PARAMS, full)

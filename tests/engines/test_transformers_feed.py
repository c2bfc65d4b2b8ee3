"""How the transformers engine works off a feed."""

import gc
import time
import weakref
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from distill.engines.base import Request, SamplingParams
from distill.engines.decoding import PREFILL_TOKENS, Group, prefill_passes
from distill.engines.transformers import WAVE_POLL_STEPS, TransformersEngine, load_engine
from distill.records import Completion, Failure, FailureReason

TEXTS = ["1 + 2 = ", "What is 17 * 3?", "x", "Let me see: 4 - 2, then 99 + 1 + 2 + 3."]
GREEDY = SamplingParams(max_tokens=1, temperature=0.0)
RANDOM = SamplingParams(max_tokens=1)


@pytest.fixture(scope="module")
def tiny(tiny_model):
    """A random model whose completions end by themselves after some 10 tokens, or never."""
    engine = load_engine(str(tiny_model), device="cpu")
    likely = torch.tensor(engine.end_ids)

    def lift(module, arguments, output):
        output.logits[..., likely] += 3.7
        return output

    engine.model.register_forward_hook(lift)
    return engine


@pytest.fixture(scope="module")
def endless(tiny_model):
    """A random model whose completions end at their limit only."""
    engine = load_engine(str(tiny_model), device="cpu")
    never = torch.tensor(engine.end_ids)

    def lower(module, arguments, output):
        output.logits[..., never] -= 1e4
        return output

    engine.model.register_forward_hook(lower)
    return engine


def like(engine, **changes):
    return TransformersEngine(engine.model, engine.tokenizer, **changes)


def ask(key, text=TEXTS[0], max_tokens=12):
    return Request(str(key), text, seed=int(key), max_tokens=max_tokens)


def mixed(count):
    """Requests of several prompts and limits."""
    return [ask(n, TEXTS[n // 3 % 4], max_tokens=1 + 7 * n % 40) for n in range(count)]


def untimed(results):
    """Text and tokens by key, in the order of their ends."""
    return [(key, one.text, one.token_ids, one.logprobs) for key, one in results.items()]


@given(
    pieces=st.lists(st.integers(0, 9), max_size=12),
    batch_size=st.integers(1, 9),
    refill_share=st.sampled_from([0.0, 0.5, 0.99]),
    order=st.permutations(range(14)),
)
@settings(max_examples=25, deadline=None)
def test_every_request_is_done_once_however_it_is_taken(
    tiny, list_feed, pieces, batch_size, refill_share, order
):
    requests = [mixed(14)[n] for n in order]
    feed = list_feed(requests, pieces=pieces)
    like(tiny, batch_size=batch_size, refill_share=refill_share).work(feed, GREEDY)
    assert set(feed.results) == {request.key for request in requests}
    assert not feed.under_way
    assert max(feed.takes) <= batch_size
    at_once = list_feed(mixed(14))
    tiny.work(at_once, GREEDY)
    for key, completion in feed.results.items():
        assert completion.token_ids == at_once.results[key].token_ids
        assert completion.finish_reason == at_once.results[key].finish_reason


@given(
    gone=st.sets(st.integers(0, 13)),
    batch_size=st.sampled_from([5, 14, 20]),
    refill_share=st.sampled_from([0.0, 0.9]),
)
@settings(max_examples=12, deadline=None)
def test_what_is_withdrawn_is_done_once_and_the_others_are_as_without_it(
    endless, list_feed, gone, batch_size, refill_share
):
    requests = [ask(n, TEXTS[n % 4], max_tokens=30 + 3 * n) for n in range(14)]
    unwanted = {str(n) for n in gone}
    feed = list_feed(requests, lambda feed: unwanted & set(feed.under_way) - feed.named)
    like(endless, batch_size=batch_size, refill_share=refill_share).work(feed, GREEDY)
    undisturbed = list_feed(requests)
    endless.work(undisturbed, GREEDY)
    assert set(feed.results) == {request.key for request in requests}
    for key, result in feed.results.items():
        if isinstance(result, Failure):
            assert (result.reason, result.trace_id) == (FailureReason.WITHDRAWN, key)
            assert key in feed.named
        else:
            assert result.token_ids == undisturbed.results[key].token_ids
            assert key not in feed.named, "nothing here ends at the step of its poll"


def test_a_wave_is_one_take_and_no_other_comes_before_its_end(tiny, list_feed):
    feed = list_feed(mixed(20))
    engine = like(tiny, batch_size=8)
    engine.work(feed, RANDOM)
    assert engine.in_waves
    assert feed.takes == [8, 8, 4, 0]
    assert feed.rooms == [8, 8, 8, 8]


def test_a_refilled_batch_asks_whenever_a_row_is_free(endless, list_feed):
    feed = list_feed([ask(n, max_tokens=2 + 3 * n) for n in range(6)])
    engine = like(endless, batch_size=3, refill_share=0.9)
    engine.work(feed, RANDOM)
    assert not engine.in_waves
    assert [taken for taken in feed.takes if taken] == [3, 1, 1, 1]
    assert feed.rooms[:4] == [3, 1, 1, 1]  # asked at each end; nothing is left for the last three


def test_a_refilled_batch_takes_what_is_wanted_later_though_nothing_has_ended(endless, list_feed):
    feed = list_feed([ask(0, max_tokens=30), ask(1, max_tokens=3)], pieces=(1, 0, 0, 1))
    like(endless, batch_size=4, refill_share=0.75).work(feed, RANDOM)
    assert list(feed.results) == ["1", "0"]


def test_a_wave_asks_what_is_withdrawn_at_fixed_steps(endless, list_feed):
    step = []
    hook = endless.model.register_forward_pre_hook(
        lambda module, arguments, keywords: step.append(keywords["input_ids"].shape[1] == 1),
        with_kwargs=True,
    )
    polled_at = []

    def note(feed):
        polled_at.append(sum(step))
        return []

    # the second wave counts its own steps: 40 + 32 and 40 + 64
    requests = [ask(1, max_tokens=40), ask(2, max_tokens=10), ask(3, max_tokens=70)]
    like(endless, batch_size=2).work(list_feed(requests, note), RANDOM)
    hook.remove()
    assert WAVE_POLL_STEPS == 32
    assert polled_at == [32, 72, 104]


def test_a_withdrawn_row_is_told_with_what_it_has_cost(endless, list_feed):
    feed = list_feed(
        [ask(1, max_tokens=50), ask(2, TEXTS[3], max_tokens=50)],
        lambda feed: ["2"] if feed.polls == 1 else [],
    )
    endless.work(feed, RANDOM)
    gone, kept = feed.results["2"], feed.results["1"]
    assert list(feed.results) == ["2", "1"]
    prompt_tokens = len(endless.tokenizer(TEXTS[3], add_special_tokens=False)["input_ids"])
    assert (gone.prompt_tokens, gone.completion_tokens) == (prompt_tokens, 32)
    assert 0 < gone.seconds <= kept.seconds
    assert kept.completion_tokens == 50


def test_a_refilled_batch_drops_what_is_withdrawn_at_once(endless, list_feed):
    feed = list_feed(
        [ask(n, max_tokens=9) for n in range(4)],
        lambda feed: ["0"] if feed.polls == 3 else [],
    )
    like(endless, batch_size=3, refill_share=0.9).work(feed, RANDOM)
    assert feed.results["0"].completion_tokens == 3
    assert feed.takes[:2] == [3, 1]
    assert not any(feed.takes[2:])


def test_what_is_withdrawn_leaves_the_next_steps(endless, list_feed):
    sizes = []
    hook = endless.model.register_forward_pre_hook(
        lambda module, arguments, keywords: sizes.append(len(keywords["input_ids"])),
        with_kwargs=True,
    )
    feed = list_feed(
        [ask(n, TEXTS[2], max_tokens=40) for n in range(6)],
        lambda feed: ["0", "2", "5"] if feed.polls == 1 else [],
    )
    endless.work(feed, RANDOM)
    hook.remove()
    assert sizes == [1] + 32 * [6] + 8 * [3]


def test_the_same_takes_and_withdrawals_give_the_same_to_the_bit(endless, list_feed):
    def once():
        feed = list_feed(
            [ask(n, TEXTS[n // 4 % 4], max_tokens=20 + 2 * n) for n in range(30)],
            lambda feed: sorted(feed.under_way)[::2],
            pieces=[7, 12, 3],
        )
        like(endless, batch_size=12).work(feed, RANDOM)
        done = {key: one for key, one in feed.results.items() if isinstance(one, Completion)}
        return untimed(done), sorted(feed.named)

    completions, withdrawn = once()
    assert withdrawn
    assert completions
    assert once() == (completions, withdrawn)


@pytest.mark.parametrize("pieces", [[16, 3, 9], [2, 11, 16, 5], [1, 1, 1, 1, 16]])
def test_a_wave_is_the_same_to_the_bit_whatever_waves_came_before(endless, list_feed, pieces):
    # what a run that was killed relies on: it asks its last wave again, in an engine just opened
    engine = like(endless, batch_size=16)
    requests = [
        ask(n, TEXTS[n // 2 % 4] * (1 + n % 3), 20 + n * 7 % 60) for n in range(sum(pieces))
    ]
    last = requests[-pieces[-1] :]

    def withdraw(feed):
        return sorted(request.key for request in last if request.key in feed.under_way)[1::3]

    whole, alone = list_feed(requests, withdraw, pieces), list_feed(last, withdraw)
    engine.work(whole, RANDOM)
    engine.work(alone, RANDOM)
    assert whole.named == alone.named != set()
    for key, result in alone.results.items():
        assert structs.replace(whole.results[key], seconds=0.0) == structs.replace(
            result, seconds=0.0
        )


def test_each_request_has_its_own_limit(endless, list_feed):
    feed = list_feed([ask(n, TEXTS[n % 4], max_tokens=3 + 5 * n) for n in range(8)])
    endless.work(feed, SamplingParams(max_tokens=2))
    lengths = {key: one.completion_tokens for key, one in feed.results.items()}
    assert lengths == {str(n): 3 + 5 * n for n in range(8)}
    assert all(len(one.token_ids) == one.completion_tokens for one in feed.results.values())


def test_a_limit_cuts_what_a_higher_one_would_have_written(endless, list_feed):
    short = list_feed([ask(5, max_tokens=6)])
    later = list_feed([ask(5, max_tokens=6), ask(6, max_tokens=90)])  # the tables grow
    endless.work(short, RANDOM)
    endless.work(later, RANDOM)
    assert later.results["5"].token_ids == short.results["5"].token_ids


@pytest.mark.parametrize("refill_share", [0.0, 0.9])
def test_neighbours_with_one_prompt_share_its_computation(tiny, list_feed, refill_share):
    prefilled = []

    def count(module, arguments, keywords):
        if keywords["input_ids"].shape[1] > 1:
            prefilled.append(len(keywords["input_ids"]))

    hook = tiny.model.register_forward_pre_hook(count, with_kwargs=True)
    asked = [TEXTS[0]] * 5 + [TEXTS[1]] * 3 + [TEXTS[0]] * 2
    requests = [ask(n, text, max_tokens=4) for n, text in enumerate(asked)]
    like(tiny, batch_size=10, refill_share=refill_share).work(list_feed(requests), RANDOM)
    hook.remove()
    assert prefilled == [3]  # one pass over three rows


@given(st.lists(st.sampled_from([1, 40, 900, 5000, PREFILL_TOKENS + 1]), min_size=1, max_size=40))
def test_prompts_are_computed_in_as_few_passes_as_fit_in_order(lengths):
    groups = [Group(list(range(n)), [], room=1, started=0.0) for n in lengths]

    def padded(*together):
        return max(len(group.token_ids) for group in together) * len(together)

    passes = list(prefill_passes(groups))
    assert [group for together in passes for group in together] == groups
    assert all(len(one) == 1 or padded(*one) <= PREFILL_TOKENS for one in passes)
    for one, following in pairwise(passes):
        assert padded(*one, following[0]) > PREFILL_TOKENS


def test_logprobs_are_given_only_where_asked_for(tiny, list_feed):
    asked, unasked = list_feed(mixed(9)), list_feed(mixed(9))
    tiny.work(asked, RANDOM)
    tiny.work(unasked, SamplingParams(max_tokens=1, logprobs=False))
    for key, completion in asked.results.items():
        assert len(completion.logprobs) == completion.completion_tokens
        assert unasked.results[key].logprobs == []
        assert unasked.results[key].token_ids == completion.token_ids


def test_seconds_run_from_the_take_to_the_end(endless, list_feed):
    started = time.monotonic()
    feed = list_feed([ask(1, max_tokens=5), ask(2, max_tokens=60), ask(3, max_tokens=5)])
    like(endless, batch_size=2).work(feed, RANDOM)
    whole = time.monotonic() - started
    first, second, third = (feed.results[key].seconds for key in "123")
    assert 0 < first < second
    assert second + third <= whole
    assert third < second, "the wait for its wave is not part of it"


def test_a_prompt_that_cannot_be_answered_is_refused_and_the_others_go_on(tiny_model, list_feed):
    engine = load_engine(str(tiny_model), batch_size=2, device="cpu")
    engine.model.config.max_position_embeddings = 20
    texts = ["a" * 20, "", TEXTS[2], "a" * 30, TEXTS[0], ""]
    feed = list_feed([ask(n, text, max_tokens=4) for n, text in enumerate(texts)])
    engine.work(feed, RANDOM)
    refused = {key: one.detail for key, one in feed.results.items() if isinstance(one, Failure)}
    assert sorted(refused) == ["0", "1", "3", "5"]
    assert "the prompt has 20 tokens; the model's context is 20" in refused["0"]
    assert "no tokens" in refused["1"]
    assert all(feed.results[key].reason == FailureReason.REFUSED for key in refused)
    assert feed.takes == [2, 2, 2, 0]


def test_nothing_to_do_asks_once(tiny, list_feed):
    feed = list_feed([])
    tiny.work(feed, RANDOM)
    assert feed.takes == [0]


def test_a_batch_grows_as_more_is_asked_at_once(tiny, list_feed):
    grown = list_feed(mixed(40), pieces=[1, 2, 5, 11, 21])
    like(tiny, batch_size=32).work(grown, GREEDY)
    whole = list_feed(mixed(40))
    like(tiny, batch_size=40).work(whole, GREEDY)
    assert {key: one.token_ids for key, one in grown.results.items()} == {
        key: one.token_ids for key, one in whole.results.items()
    }


def test_the_engine_says_what_it_is_and_lets_its_model_go(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    assert engine.name.startswith("transformers 5.")
    assert engine.tokenizer is not None
    model = weakref.ref(engine.model)
    engine.close()
    gc.collect()
    assert model() is None

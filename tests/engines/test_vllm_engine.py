"""The real vLLM engine beside the transformers engine, on the mini teacher and the mini Llama."""

import json
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from distill.chat import render_prompt
from distill.engines.base import Prompt, Request, SamplingParams, generate
from distill.engines.draw import truncate
from distill.engines.open import open_engine
from distill.errors import EngineError
from distill.recipe import Vllm
from distill.records import Completion, Failure, FailureReason

if find_spec("vllm") is None:
    pytest.skip(
        "vLLM is not installed: requirements/install.sh puts its CPU build on x86-64 Linux",
        allow_module_level=True,
    )

MINI = Path(__file__).parents[2] / "data" / "mini"
BATCH = 8
LOGPROB_TOLERANCE = 1e-4  # natural log, float32, the teacher's heads padded from 40 to 64


@pytest.fixture(scope="module", params=["teacher", "student-llama"])
def model(request) -> str:
    return str(MINI / request.param)


@pytest.fixture(scope="module")
def engine(model):
    """One engine at a time: this process has room for one."""
    engine = open_engine("vllm", model, batch_size=BATCH, vllm=Vllm(cpu_kv_cache_gb=1))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def peer(model):
    """The same model in the transformers engine."""
    engine = open_engine("transformers", model, batch_size=BATCH)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def questions() -> list[str]:
    lines = (MINI / "problems" / "test_easy.jsonl").read_text().splitlines()
    return [render_prompt(json.loads(line)["question"], prompt="r1-zero") for line in lines[:24]]


def _requests(prompts, *, max_tokens=60, seed=0) -> list[Request]:
    return [Request(f"{at}#0", prompt, seed + at, max_tokens) for at, prompt in enumerate(prompts)]


def _texts(feed) -> dict[str, str]:
    return {key: result.text for key, result in feed.results.items()}


def test_greedy_text_is_that_of_the_transformers_engine(engine, peer, questions):
    params = SamplingParams(max_tokens=120, temperature=0)
    prompts = [Prompt(question, (0,)) for question in questions[:16]]
    ours, theirs = generate(engine, prompts, params), generate(peer, prompts, params)
    for (a,), (b,) in zip(ours, theirs, strict=True):
        assert (a.text, a.token_ids, a.finish_reason) == (b.text, b.token_ids, b.finish_reason)
        assert (a.prompt_tokens, a.completion_tokens) == (b.prompt_tokens, b.completion_tokens)
        assert a.logprobs == pytest.approx(b.logprobs, abs=LOGPROB_TOLERANCE)


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.6, 8)])
def test_logprobs_are_of_the_distribution_that_is_drawn_from(
    engine, model, questions, temperature, top_k
):
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    params = SamplingParams(max_tokens=100, temperature=temperature, top_k=top_k)
    prompts = [Prompt(question, (3, 4)) for question in questions[:6]]
    for prompt, completions in zip(prompts, generate(engine, prompts, params), strict=True):
        known = engine.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
        for completion in completions:
            ids = torch.tensor([known + completion.token_ids])
            with torch.no_grad():
                logits = network(ids).logits[0, len(known) - 1 : -1] / temperature
            logprobs = truncate(logits, top_p=1.0, top_k=top_k).log_softmax(-1)
            expected = logprobs.gather(1, ids[0, len(known) :, None])[:, 0].tolist()
            assert completion.logprobs == pytest.approx(expected, abs=LOGPROB_TOLERANCE)


def test_the_same_seeds_give_the_same_texts_and_others_do_not(engine, questions, list_feed):
    params = SamplingParams(max_tokens=60)
    texts = []
    for seed in (2**62, 2**62, 5):
        feed = list_feed(_requests(questions, seed=seed))
        engine.work(feed, params)
        texts.append(_texts(feed))
    assert texts[0] == texts[1]
    assert sum(texts[0][key] != texts[2][key] for key in texts[0]) > len(questions) / 2


def test_each_request_has_its_own_limit(engine, questions, list_feed):
    limits = [1, 2, 7, 33, 60, 5, 1, 90, 12, 3]
    feed = list_feed(
        Request(f"{at}", question, at, limit)
        for at, (question, limit) in enumerate(zip(questions, limits, strict=False))
    )
    engine.work(feed, SamplingParams(max_tokens=1))
    assert len(feed.results) == len(limits)
    for key, completion in feed.results.items():
        limit = limits[int(key)]
        assert completion.completion_tokens == len(completion.token_ids) <= limit
        if completion.finish_reason == "length":
            assert completion.completion_tokens == limit
        else:
            assert completion.token_ids[-1] in engine.end_ids


def test_the_end_token_ends_a_completion_and_is_not_in_its_text(engine, questions):
    params = SamplingParams(max_tokens=200)
    (completions,) = generate(engine, [Prompt(questions[1], tuple(range(12)))], params)
    ended = [one for one in completions if one.finish_reason == "stop"]
    assert len(ended) > 6
    for one in ended:
        assert one.token_ids[-1] == engine.tokenizer.eos_token_id
        assert len(one.logprobs) == one.completion_tokens
        body = engine.tokenizer.decode(one.token_ids[:-1], skip_special_tokens=False)
        assert one.text == body
        assert engine.tokenizer.eos_token not in one.text


def test_a_limit_on_the_last_token_is_a_truncated_completion(engine, questions):
    (whole,), *_ = generate(engine, [Prompt(questions[0], (1,))], SamplingParams(max_tokens=200))
    assert whole.finish_reason == "stop"
    short = SamplingParams(max_tokens=whole.completion_tokens - 1)
    (cut,), *_ = generate(engine, [Prompt(questions[0], (1,))], short)
    assert (cut.finish_reason, cut.token_ids) == ("length", whole.token_ids[:-1])


def test_logprobs_are_told_where_asked_for(engine, questions):
    params = SamplingParams(max_tokens=5, logprobs=False)
    (without,), *_ = generate(engine, [Prompt(questions[0], (1,))], params)
    assert without.logprobs == []
    assert without.completion_tokens == 5


def test_what_cannot_be_answered_is_refused_and_the_rest_goes_on(engine, questions, list_feed):
    room = engine.llm.model_config.max_model_len
    unit = len(engine.tokenizer("1 ", add_special_tokens=False)["input_ids"])
    long = "1 " * (room // unit + 1)
    asked = _requests([questions[0], long, "", questions[1]], max_tokens=5)
    feed = list_feed(asked)
    engine.work(feed, SamplingParams(max_tokens=5))
    results = [feed.results[request.key] for request in asked]
    assert [getattr(one, "reason", "completed") for one in results] == [
        "completed",
        FailureReason.REFUSED,
        FailureReason.REFUSED,
        "completed",
    ]
    assert f"{results[1].prompt_tokens} tokens; the model's context is {room}" in results[1].detail
    assert "no tokens" in results[2].detail
    assert results[1].trace_id == "1#0"


def test_a_prompt_that_nearly_fills_the_context_gets_what_is_left(engine, list_feed):
    room = engine.llm.model_config.max_model_len
    token_ids = engine.tokenizer("1 + 2\n" * room, add_special_tokens=False)["input_ids"]
    prompt = engine.tokenizer.decode(token_ids[: room - 3])
    assert len(engine.tokenizer(prompt, add_special_tokens=False)["input_ids"]) == room - 3
    feed = list_feed([Request("a", prompt, 0, 50)])
    engine.work(feed, SamplingParams(max_tokens=50, temperature=0))
    assert feed.results["a"].completion_tokens <= 3


def test_more_prompts_than_fit_into_one_step_are_read_whole(engine, list_feed):
    room = engine.llm.model_config.max_model_len
    texts = [f"{at} + 2\n" * room for at in range(2 * BATCH)]  # none begins as another
    token_ids = engine.tokenizer(texts, add_special_tokens=False)["input_ids"]
    prompts = [engine.tokenizer.decode(ids[: room - 9]) for ids in token_ids]
    feed = list_feed(_requests(prompts, max_tokens=3))
    engine.work(feed, SamplingParams(max_tokens=3))
    assert all(isinstance(one, Completion) for one in feed.results.values())
    assert len(feed.results) == 2 * BATCH


def test_withdrawn_requests_end_at_the_next_step_and_say_what_they_cost(
    engine, questions, list_feed
):
    asked = [Request(f"{at}", questions[at % 4], 7, 400) for at in range(engine.most_under_way)]
    waiting = asked[-1].key  # one more than there are rows
    feed = list_feed(asked, lambda feed: ["0", "5", waiting] if feed.polls == 3 else [])
    engine.work(feed, SamplingParams(max_tokens=400))
    assert len(feed.results) == len(asked)
    for key in ("0", "5"):
        dropped = feed.results[key]
        assert dropped.reason == FailureReason.WITHDRAWN
        assert dropped.completion_tokens == 3  # a token at each step before the third poll
        assert dropped.prompt_tokens == len(
            engine.tokenizer(asked[int(key)].prompt, add_special_tokens=False)["input_ids"]
        )
    never_started = feed.results[waiting]
    assert never_started.reason == FailureReason.WITHDRAWN
    assert (never_started.prompt_tokens, never_started.completion_tokens) == (0, 0)
    others = [feed.results[one.key] for one in asked if one.key not in ("0", "5", waiting)]
    assert all(isinstance(one, Completion) for one in others)


def test_when_everything_is_withdrawn_the_next_requests_are_taken(engine, questions, list_feed):
    asked = _requests(questions, max_tokens=300)
    feed = list_feed(asked, lambda feed: list(feed.under_way) if feed.polls == 2 else [])
    engine.work(feed, SamplingParams(max_tokens=300))
    dropped = [one for one in feed.results.values() if isinstance(one, Failure)]
    assert len(dropped) == engine.most_under_way
    assert len(feed.results) == len(asked)


def test_the_batch_is_kept_full_through_many_requests(engine, questions, list_feed):
    asked = [Request(f"{at}", questions[at % 24], at, 1 + at % 24) for at in range(120)]
    feed = list_feed(asked)
    engine.work(feed, SamplingParams(max_tokens=24))
    tokens = sum(one.completion_tokens for one in feed.results.values())
    assert len(feed.results) == len(asked)
    # a poll at each step, a token of each row at each step; the last 24 steps may run dry
    assert feed.polls <= tokens / BATCH * 1.02 + 24
    assert max(feed.rooms) == engine.most_under_way


def test_a_feed_that_has_nothing_for_now_is_asked_at_the_next_step(engine, questions, list_feed):
    asked = [Request(f"{at}", questions[at], at, most) for at, most in enumerate((40, 1, 1))]
    feed = list_feed(asked, pieces=(1, 0, 1, 1))
    engine.work(feed, SamplingParams(max_tokens=40))
    assert list(feed.results) == ["1", "2", "0"]  # both were asked while the first went on


def test_a_feed_that_fails_leaves_nothing_under_way(engine, questions, list_feed):
    feed = list_feed(_requests(questions, max_tokens=30))
    calls = count(1)

    def done(request, result):
        if next(calls) == 3:
            raise OSError("disk full")

    feed.done = done
    with pytest.raises(OSError, match="disk full"):
        engine.work(feed, SamplingParams(max_tokens=30))
    assert not engine.llm.llm_engine.has_unfinished_requests()
    again = list_feed(_requests(questions[:3], max_tokens=5))
    engine.work(again, SamplingParams(max_tokens=5))
    assert len(again.results) == 3


def test_only_one_engine_fits_into_this_process(engine, model):
    with pytest.raises(EngineError, match=r"already.*close it first"):
        open_engine("vllm", model, vllm=Vllm(cpu_kv_cache_gb=1))


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (SamplingParams(max_tokens=5, temperature=-1.0), "temperature"),
        (SamplingParams(max_tokens=5, top_p=1.5), "top_p"),
    ],
)
def test_params_that_vllm_refuses_are_named(engine, list_feed, params, why):
    with pytest.raises(EngineError, match=why):
        engine.work(list_feed([Request("a", "1 + 1", 0, 5)]), params)

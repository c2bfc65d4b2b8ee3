import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from distill.grpo import policy
from distill.grpo.policy import completion_logprobs, cut, fixed_logprobs
from distill.grpo.rewards import Reward
from distill.grpo.rollouts import Rollout

CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # transformers takes norms and angles in float32
LENGTHS = {(9, 8, 7): [1, 6, 3], (5,): [4, 2], (3, 1, 4, 1, 5, 9, 2): [7, 7, 1]}


def make_rollouts():
    generator = torch.Generator().manual_seed(0)
    return [
        Rollout(
            problem_id="p",
            prompt_ids=prompt,
            token_ids=torch.randint(0, 300, (length,), generator=generator).tolist(),
            sampling_logprobs=[-1.0] * length,
            completion="",
            finished=True,
            reward=Reward(total=1.0, accuracy=1.0, format=0.0),
        )
        for prompt, lengths in LENGTHS.items()
        for length in lengths
    ]


def plain_logprobs(model, rollout, temperature):
    """One row, no padding, no cache."""
    ids = torch.tensor([[*rollout.prompt_ids, *rollout.token_ids]])
    logits = model(input_ids=ids, use_cache=False).logits[0] / temperature
    start = len(rollout.prompt_ids) - 1
    logprobs = logits.log_softmax(-1)[start:-1]
    return logprobs.gather(1, torch.tensor(rollout.token_ids)[:, None]).squeeze(1)


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()


@pytest.mark.parametrize("budget", [1, 8, 10_000])
@pytest.mark.parametrize("folder", ["tiny_model", "tiny_llama"])
def test_logprobs_are_those_of_each_row_alone(folder, budget, request):
    model, rollouts = load(request.getfixturevalue(folder)), make_rollouts()
    found = fixed_logprobs(model, rollouts, temperature=0.7, micro_batch_tokens=budget)
    for rollout, logprobs in zip(rollouts, found, strict=True):
        torch.testing.assert_close(logprobs, plain_logprobs(model, rollout, 0.7), **CLOSE)


@pytest.mark.parametrize("budget", [1, 8, 10_000])
def test_gradient_is_that_of_each_row_alone(tiny_model, budget):
    model, rollouts = load(tiny_model), make_rollouts()
    sum(plain_logprobs(model, rollout, 0.7).square().sum() for rollout in rollouts).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for batch in completion_logprobs(model, rollouts, temperature=0.7, micro_batch_tokens=budget):
        batch.logprobs.square().sum().backward()
    found = [parameter.grad for parameter in model.parameters()]
    torch.testing.assert_close(found, expected, **CLOSE)


def test_a_large_vocabulary_in_chunks_gives_the_same(tiny_model, monkeypatch):
    model, rollouts = load(tiny_model), make_rollouts()

    def gradient():
        model.zero_grad()
        options = {"temperature": 1.0, "micro_batch_tokens": 10_000}
        for batch in completion_logprobs(model, rollouts, **options):
            batch.logprobs.square().sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    whole = gradient()
    monkeypatch.setattr(policy, "LOGITS_PER_CHUNK", 4 * model.config.vocab_size)
    torch.testing.assert_close(gradient(), whole, **CLOSE)


@given(st.lists(st.integers(1, 50), max_size=30).map(sorted), st.integers(1, 200))
def test_cuts_keep_every_row_in_order_within_the_budget(lengths, budget):
    runs = cut(lengths, budget)
    assert [place for run in runs for place in run] == list(range(len(lengths)))
    assert all(len(run) == 1 or len(run) * lengths[run[-1]] <= budget for run in runs)

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.grpo.objective import token_terms, token_weights

LN2 = math.log(2)
logprob = st.floats(-6, -0.01)


def terms(policy, old, advantage, **options):
    policy = torch.tensor([policy], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([old], dtype=torch.float64)
    reference = options.pop("reference", None)
    if reference is not None:
        options["reference_logprobs"] = torch.tensor([reference], dtype=torch.float64)
    found = token_terms(
        policy,
        old,
        torch.tensor([advantage], dtype=torch.float64),
        **{"clip_low": 0.2, "clip_high": 0.2, **options},
    )
    (gradient,) = torch.autograd.grad(found.objective.sum(), policy)
    return found, found.objective.item(), gradient.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "objective", "gradient", "clipped", "why"),
    [
        (1.0, 2.0, 2.0, 2.0, False, "an unchanged policy: plain policy gradient"),
        (1.1, 2.0, 2.2, 2.2, False, "inside the clip"),
        (2.0, 1.0, 1.2, 0.0, True, "already much more likely: no more"),
        (0.5, 1.0, 0.5, 0.5, False, "became unlikely though good: pulled back"),
        (2.0, -1.0, -2.0, -2.0, False, "became likely though bad: pushed back"),
        (0.5, -1.0, -0.8, 0.0, True, "already much less likely: no more"),
    ],
)
def test_clip_cases(ratio, advantage, objective, gradient, clipped, why):
    old = -3.0
    found, value, slope = terms(old + math.log(ratio), old, advantage)
    assert value == pytest.approx(objective), why
    assert slope == pytest.approx(gradient), why
    assert found.clipped.item() is clipped, why


def test_the_upper_bound_can_be_its_own():
    assert terms(LN2 - 3, -3.0, 1.0, clip_high=0.28)[1] == pytest.approx(1.28)
    assert terms(-LN2 - 3, -3.0, -1.0, clip_high=0.28)[1] == pytest.approx(-0.8)


def test_k3_of_a_policy_twice_as_sure_as_its_reference():
    # d = ln(1/2): k3 = 1/2 + ln 2 - 1
    found, value, _ = terms(-1.0, -1.0, 0.0, reference=-1.0 - LN2, kl_weight=0.1)
    assert found.k3.item() == pytest.approx(LN2 - 0.5)
    assert value == pytest.approx(-0.1 * (LN2 - 0.5))


@given(logprob, logprob, st.floats(-3, 3), st.floats(0, 1))
def test_gradient_coefficient_of_deepseekmath_eq_21(policy, reference, advantage, kl_weight):
    # ratio 1: A + kl_weight * (reference / policy - 1)
    *_, gradient = terms(policy, policy, advantage, reference=reference, kl_weight=kl_weight)
    expected = advantage + kl_weight * (math.exp(reference - policy) - 1)
    assert gradient == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(logprob, logprob)
def test_k3_is_never_negative(policy, reference):
    found, *_ = terms(policy, policy, 1.0, reference=reference, kl_weight=0.1)
    assert found.k3.item() >= 0


def test_no_reference_no_kl():
    found, value, _ = terms(-2.0, -2.0, 1.5)
    assert found.k3 is None
    assert value == 1.5


def test_each_prompt_each_rollout_each_token_weighs_alike():
    # 2 prompts, 2 rollouts each: 1/4 for a rollout, shared by its tokens
    weights = token_weights(torch.tensor([[1, 2], [5, 10]]), torch.ones(2, 2, dtype=torch.bool))
    assert weights.tolist() == [[0.25, 0.125], [0.05, 0.025]]


def test_a_left_out_rollout_leaves_a_smaller_group():
    counted = torch.tensor([[True, False], [True, True]])
    weights = token_weights(torch.tensor([[4, 9], [1, 1]]), counted)
    assert weights.tolist() == [[0.125, 0.0], [0.25, 0.25]]


@given(st.lists(st.lists(st.integers(1, 500), min_size=3, max_size=3), min_size=1, max_size=5))
def test_weights_of_all_tokens_sum_to_one(lengths):
    lengths = torch.tensor(lengths)
    weights = token_weights(lengths, torch.ones_like(lengths, dtype=torch.bool))
    assert (weights * lengths).sum().item() == pytest.approx(1.0)

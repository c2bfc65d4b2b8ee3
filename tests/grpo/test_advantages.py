import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.grpo.advantages import group_advantages

rewards_tables = st.integers(2, 9).flatmap(
    lambda size: st.lists(
        st.lists(st.floats(-5, 5), min_size=size, max_size=size), min_size=1, max_size=4
    )
)


def test_one_success_in_four():
    # mean 1/4, population std sqrt(3)/4: the success gets sqrt(3), each failure -1/sqrt(3)
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), eps=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[3**0.5] + 3 * [-(3**-0.5)]]))


def test_without_the_std_only_the_mean_is_taken_away():
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), scale_by_std=False)
    torch.testing.assert_close(advantages, torch.tensor([[0.75, -0.25, -0.25, -0.25]]))


@given(rewards_tables)
def test_every_row_sums_to_zero(table):
    advantages = group_advantages(torch.tensor(table, dtype=torch.float64))
    torch.testing.assert_close(
        advantages.sum(dim=1), torch.zeros(len(table), dtype=torch.float64), atol=1e-9, rtol=0
    )


@given(rewards_tables, st.floats(-10, 10))
def test_an_added_constant_changes_nothing(table, constant):
    rewards = torch.tensor(table, dtype=torch.float64)
    torch.testing.assert_close(
        group_advantages(rewards), group_advantages(rewards + constant), atol=1e-6, rtol=1e-6
    )


@given(st.floats(-5, 5), st.integers(2, 9))
def test_a_row_of_equal_rewards_is_exactly_zero(reward, size):
    # not even rounding is left: such rollouts are not read at all
    advantages = group_advantages(torch.full((1, size), reward))
    assert advantages.tolist() == [[0.0] * size]


def test_a_rollout_without_a_verdict_is_left_out_of_its_group():
    # the same group without it: mean 1/2, population std 1/2
    rewards = torch.tensor([[1.0, 0.0, 7.0]])
    advantages = group_advantages(rewards, counted=torch.tensor([[True, True, False]]), eps=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[1.0, -1.0, 0.0]]))


def test_a_single_rollout_with_a_verdict_teaches_nothing():
    counted = torch.tensor([[True, False, False], [False, False, False]])
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0]] * 2), counted=counted)
    assert advantages.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_group_needs_siblings(shape):
    with pytest.raises(ValueError, match="G >= 2"):
        group_advantages(torch.zeros(shape))

import pytest
import torch

from distill.grpo.metrics import rollout_metrics, update_metrics
from distill.grpo.rewards import rule_reward
from distill.grpo.rollouts import Rollout
from distill.grpo.update import Learned, Totals

CHAIN = "<think>1 + 1 = 3. Wait, check: 2. Wait.</think><answer>2</answer>"


def rollout(text, *, correct, tokens, finished=True):
    return Rollout(
        problem_id="p",
        prompt_ids=(1, 2),
        token_ids=[5] * tokens,
        sampling_logprobs=[-0.5] * tokens,
        completion=text,
        finished=finished,
        reward=rule_reward(correct, text, format_reward=0.1),
    )


GROUPS = [
    [rollout(CHAIN, correct=True, tokens=10), rollout("2", correct=True, tokens=2)],
    [
        rollout("waiting", correct=None, tokens=4),
        rollout("<think>so", correct=False, tokens=8, finished=False),
    ],
]
ADVANTAGES = torch.tensor([[1.0, -1.0], [0.0, 0.0]])


def test_rollout_metrics_by_hand():
    found = rollout_metrics(GROUPS, ADVANTAGES)
    assert found == {
        "reward": pytest.approx((1.1 + 1.0 + 0.0) / 3),  # the unverified one has none
        "accuracy": pytest.approx(2 / 3),
        "format_reward": pytest.approx(0.1 / 4),
        "unverified": 1,
        "no_signal_share": 0.5,
        "length": 6.0,
        "terminated_length": pytest.approx(16 / 3),
        "truncated_share": 0.25,
        "thinking_share": 0.25,
        "reflective": 0.75,  # "waiting" is another word
        "wait": 0.5,
        "check": 0.25,
        "entropy": 0.5,
        "tokens_generated": 24,
    }


def test_update_metrics_by_hand():
    first = Totals(loss=0.2, tokens=10, clipped_tokens=0, k3=1.0, sampling_gap=0.001)
    second = Totals(loss=0.4, tokens=30, clipped_tokens=4, k3=3.0, sampling_gap=9.0)
    learned = Learned(totals=[first, second], grad_norms=[2.0], failed=1, failed_in_row=1)
    assert update_metrics(learned, kl_weight=0.1) == {
        "loss": pytest.approx(0.3),
        "kl": pytest.approx(0.1),
        "clip_share": pytest.approx(0.1),
        "grad_norm": 2.0,
        "sampling_gap": pytest.approx(0.0001),  # later updates moved away on purpose
        "updates": 1,
        "failed_updates": 1,
        "tokens_trained": 40,
    }


def test_what_was_not_measured_is_none_and_not_zero():
    found = update_metrics(Learned(), kl_weight=0.0)
    assert (found["kl"], found["loss"], found["clip_share"], found["grad_norm"]) == (None,) * 4
    assert found["tokens_trained"] == 0

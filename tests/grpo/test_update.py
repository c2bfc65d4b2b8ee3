import copy
import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from distill.errors import TrainingError
from distill.grpo.advantages import group_advantages
from distill.grpo.plan import Plan, learning_rate_at
from distill.grpo.policy import fixed_logprobs
from distill.grpo.rewards import Reward
from distill.grpo.rollouts import Rollout, reward_table
from distill.grpo.update import (
    accumulate_gradient,
    learn,
    make_lesson,
    new_optimizer,
    split_prompts,
)

CLOSE = {"rtol": 1e-4, "atol": 1e-6}
PROMPTS = [(9, 8, 7), (5, 6), (3, 1, 4, 1, 5), (2, 7)]
REWARDS = [[1.0, 0.0, 0.5], [1.1, 1.1, 1.1], [0.0, 0.0, 1.0], [0.1, 1.1, None]]


def plan(**changes):
    values = {
        "run": "r",
        "seed": 1,
        "steps": 10,
        "prompts_per_step": 4,
        "group_size": 3,
        "learning_rate": 1e-2,
        "micro_batch_tokens": 16,
    }
    return Plan(**{**values, **changes})


@pytest.fixture(scope="module")
def model(tiny_model):
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def groups(model):
    """Rollouts of several lengths with the model's own logprobs."""
    draw = random.Random(0)
    groups = []
    for prompt, rewards in zip(PROMPTS, REWARDS, strict=True):
        lengths = [draw.randint(1, 8) for _ in rewards]
        groups.append(
            [
                Rollout(
                    problem_id="p",
                    prompt_ids=prompt,
                    token_ids=[draw.randrange(300) for _ in range(length)],
                    sampling_logprobs=[],
                    completion="",
                    finished=True,
                    reward=Reward(total=total, accuracy=None, format=0.0),
                )
                for total, length in zip(rewards, lengths, strict=True)
            ]
        )
    return [with_logprobs(model, group) for group in groups]


def with_logprobs(model, group):
    found = fixed_logprobs(model, group, temperature=1.0, micro_batch_tokens=999)
    fields = Rollout.__struct_fields__
    return [
        Rollout(**{**{f: getattr(r, f) for f in fields}, "sampling_logprobs": logprobs.tolist()})
        for r, logprobs in zip(group, found, strict=True)
    ]


def judged(groups):
    rewards, counted = reward_table(groups)
    return group_advantages(rewards, counted=counted), counted


def loss_and_gradient(model, groups, plan):
    """Through the trainer's own path; the reference is half as sure of every token."""
    advantages, counted = judged(groups)
    lesson = make_lesson(groups, advantages, counted, range(len(groups)), plan.kl_weight)
    if plan.kl_weight:
        lesson.reference_logprobs = [
            torch.tensor(rollout.sampling_logprobs) - 0.7 for rollout in lesson.rollouts
        ]
    model.zero_grad()
    loss = accumulate_gradient(model, lesson, plan).loss
    return loss, [parameter.grad.clone() for parameter in model.parameters()]


def padded_loss_and_gradient(model, groups, side):
    """DeepSeekMath eq. 3 at ratio 1, written out over one padded batch of everything."""
    advantages, counted = judged(groups)
    rollouts = [rollout for group in groups for rollout in group]
    texts = [[*rollout.prompt_ids, *rollout.token_ids] for rollout in rollouts]
    width = max(map(len, texts))
    pads = [width - len(text) for text in texts]
    before = [pad if side == "left" else 0 for pad in pads]
    ids = torch.tensor(
        [[0] * b + t + [0] * (p - b) for t, b, p in zip(texts, before, pads, strict=True)]
    )
    columns = torch.arange(width)
    starts, ends = torch.tensor(before), width - torch.tensor(pads) + torch.tensor(before)
    mask = (columns >= starts[:, None]) & (columns < ends[:, None])
    model.zero_grad()
    logits = model(
        input_ids=ids,
        attention_mask=mask.long(),
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
    ).logits
    loss = torch.zeros(())
    for row, rollout in enumerate(rollouts):
        group, column = divmod(row, len(groups[0]))
        size = len(rollout.token_ids)
        end = int(ends[row])
        logprobs = logits[row, end - size - 1 : end - 1].log_softmax(-1)
        logprobs = logprobs.gather(1, torch.tensor(rollout.token_ids)[:, None])
        ratio = (logprobs - logprobs.detach()).exp()
        share = counted[group, column] / counted[group].sum() / len(groups)
        loss = loss - share * (ratio * advantages[group, column]).mean()
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("side", ["left", "right"])
def test_loss_and_gradient_are_those_of_one_padded_batch(model, groups, side):
    # also: the group of equal rewards, which is not read, would have added nothing
    loss, gradient = loss_and_gradient(model, groups, plan())
    expected_loss, expected = padded_loss_and_gradient(model, groups, side)
    assert loss == pytest.approx(expected_loss, abs=1e-6)
    torch.testing.assert_close(gradient, expected, **CLOSE)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(budget=st.integers(1, 200), order=st.randoms(), kl_weight=st.sampled_from([0.0, 0.3]))
def test_micro_batches_and_row_order_change_nothing(model, groups, budget, order, kl_weight):
    whole = plan(micro_batch_tokens=10_000, kl_weight=kl_weight)
    loss, gradient = loss_and_gradient(model, groups, whole)
    shuffled = [order.sample(group, len(group)) for group in order.sample(groups, len(groups))]
    cut = plan(micro_batch_tokens=budget, kl_weight=kl_weight)
    other_loss, other = loss_and_gradient(model, shuffled, cut)
    assert other_loss == pytest.approx(loss, abs=1e-6)
    torch.testing.assert_close(other, gradient, **CLOSE)


def test_rollouts_without_a_signal_are_not_read(model, groups):
    advantages, counted = judged(groups)
    everything = range(len(groups))
    assert (
        len(make_lesson(groups, advantages, counted, everything, 0.0).rollouts) == 2 + 3 + 2
    )  # 0.5 is the mean of its group
    assert len(make_lesson(groups, advantages, counted, everything, 0.1).rollouts) == 11


def test_a_policy_equal_to_its_reference_has_no_kl_and_no_kl_gradient(model, groups):
    reference = copy.deepcopy(model)
    advantages, counted = judged(groups)
    outcomes = []
    for kl_weight in (0.0, 0.5):
        policy = copy.deepcopy(model)
        optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
        learned = learn(
            policy,
            reference if kl_weight else None,
            optimizer,
            groups,
            advantages,
            counted,
            plan(kl_weight=kl_weight),
            shuffle_seed=0,
        )
        outcomes.append([parameter.detach() for parameter in policy.parameters()])
    assert learned.totals[0].k3 == pytest.approx(0.0, abs=1e-6)
    torch.testing.assert_close(*outcomes, **CLOSE)


def learn_once(model, groups, plan, **options):
    policy = copy.deepcopy(model)
    advantages, counted = judged(groups)
    learned = learn(
        policy,
        None,
        new_optimizer(policy, plan.learning_rate),
        groups,
        advantages,
        counted,
        plan,
        shuffle_seed=4,
        **options,
    )
    return policy, learned


def test_an_update_makes_the_good_more_and_the_bad_less_likely(model, groups):
    policy, learned = learn_once(model, groups, plan(learning_rate=1e-3))
    assert len(learned.grad_norms) == 1
    group = groups[2]  # rewards 0, 0, 1
    after = fixed_logprobs(policy, group, temperature=1.0, micro_batch_tokens=999)
    gains = [
        new.sum().item() - sum(r.sampling_logprobs) for new, r in zip(after, group, strict=True)
    ]
    assert gains[2] > 0 > max(gains[:2])


def test_several_updates_use_each_prompt_once(model, groups):
    # the parts move the policy, so only the first has a ratio of exactly 1
    _, learned = learn_once(model, groups, plan(updates_per_step=4, learning_rate=0.05))
    assert len(learned.grad_norms) == 3  # one of the four groups has equal rewards
    assert sum(totals.tokens for totals in learned.totals) == sum(
        len(rollout.token_ids)
        for rollout in make_lesson(groups, *judged(groups), range(4), 0.0).rollouts
    )
    assert learned.totals[0].clipped_tokens == 0
    assert sum(totals.clipped_tokens for totals in learned.totals) > 0


def test_parts_hold_every_prompt_once():
    for parts in (1, 2, 3, 5, 9):
        split = split_prompts(5, parts, seed=2)
        assert sorted(place for part in split for place in part) == list(range(5))
        assert max(map(len, split)) - min(map(len, split)) <= 1


def test_a_gradient_that_is_not_finite_is_left_out_and_the_third_stops(model, groups):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.model.layers[0].mlp.up_proj.weight[0, 0] = torch.inf
    before = [parameter.detach().clone() for parameter in broken.parameters()]
    policy, learned = learn_once(broken, groups, plan(), failed_in_row=1)
    assert (learned.failed, learned.failed_in_row, learned.grad_norms) == (1, 2, [])
    for parameter, old in zip(policy.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
    with pytest.raises(TrainingError, match="3 updates in a row were not finite"):
        learn_once(broken, groups, plan(), failed_in_row=2)


def test_a_finite_update_ends_the_row_of_failures(model, groups):
    assert learn_once(model, groups, plan(), failed_in_row=2)[1].failed_in_row == 0


def test_an_engine_that_samples_from_another_model_is_noticed(model, groups):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.model.norm.weight *= 3
    with pytest.raises(TrainingError, match="does not sample from the policy"):
        learn_once(other, groups, plan())


def test_nothing_to_learn_leaves_the_policy_alone(model, groups):
    policy, learned = learn_once(model, [groups[1]], plan())
    assert (learned.totals, learned.grad_norms) == ([], [])
    for parameter, old in zip(policy.parameters(), model.parameters(), strict=True):
        assert torch.equal(parameter, old)


def test_learning_rate_rises_then_falls_to_its_share():
    # 2 steps up to 8, then a line over 5 steps down to a quarter
    told = plan(steps=7, learning_rate=8.0, warmup_steps=2, final_learning_rate_share=0.25)
    rates = [learning_rate_at(told, step) for step in range(7)]
    assert rates == pytest.approx([4.0, 8.0, 8.0, 6.5, 5.0, 3.5, 2.0])
    assert learning_rate_at(plan(steps=1), 0) == 1e-2

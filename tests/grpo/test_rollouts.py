import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import TrainingError
from distill.grpo.rewards import random_reward, rule_reward
from distill.grpo.rollouts import judge_group, problems_of_step, reward_table, seeds_of_step
from distill.records import Completion, Problem

THOUGHT = "<think>1 + 1 = 2</think><answer>2</answer>"


def problems(number):
    return [Problem(problem_id=str(i), question=f"{i}?", reference="2") for i in range(number)]


def completion(text="2", tokens=3, prompt_tokens=2):
    return Completion(
        text=text,
        token_ids=[7] * tokens,
        logprobs=[-1.0] * tokens,
        finish_reason="stop",
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens,
    )


def judged(texts, verdicts, reward="rule", seeds=None, prompt="?"):
    told = iter(verdicts)
    return judge_group(
        problems(1)[0],
        (4, 5),
        [completion(text) for text in texts],
        tuple(seeds or range(len(texts))),
        prompt=prompt,
        score=lambda problem, text, finish_reason: next(told),
        reward=reward,
        format_reward=0.1,
    )


@given(st.integers(1, 7), st.integers(1, 5))
def test_every_epoch_asks_every_problem_once(number, prompts):
    asked = []
    for step in range(number):  # `prompts` whole epochs
        asked += problems_of_step(problems(number), step=step, prompts=prompts, seed=3, run="r")
    for epoch in range(prompts):
        ids = [problem.problem_id for problem in asked[epoch * number : (epoch + 1) * number]]
        assert sorted(ids) == sorted(problem.problem_id for problem in problems(number))


def test_epochs_and_runs_have_their_own_order():
    def order(step, run):
        asked = problems_of_step(problems(20), step=step, prompts=20, seed=3, run=run)
        return [problem.problem_id for problem in asked]

    assert order(0, "a") != order(1, "a")
    assert order(0, "a") != order(0, "b")
    assert order(1, "a") == order(1, "a")


def test_no_two_completions_share_a_seed():
    seeds = [
        seed
        for step in range(3)
        for group in seeds_of_step(step=step, prompts=4, group_size=5, seed=17, run="r")
        for seed in group
    ]
    assert len(set(seeds)) == 60


@pytest.mark.parametrize(
    ("correct", "text", "total"),
    [
        (True, THOUGHT, 1.1),
        (True, "2", 1.0),
        (False, THOUGHT, 0.1),
        (False, "3", 0.0),
        (None, THOUGHT, None),
    ],
)
def test_rule_reward(correct, text, total):
    assert rule_reward(correct, text, format_reward=0.1).total == total


def test_a_think_tag_of_the_prompt_counts_for_the_format_and_for_the_answer():
    without_tag = THOUGHT.removeprefix("<think>")
    (bare,), (whole,) = (
        judged([without_tag], [True], prompt=prompt) for prompt in ("?", "? <think>\n")
    )
    assert (bare.reward.total, whole.reward.total) == (1.0, 1.1)
    assert whole.completion == without_tag  # as sampled
    seen = []
    judge_group(
        problems(1)[0],
        (4, 5),
        [completion("is it 2")],
        (1,),
        prompt="? <think>",
        score=lambda problem, text, finish_reason: seen.append(text),
        reward="rule",
        format_reward=0.1,
    )
    assert seen == ["<think>is it 2"]


def test_the_control_is_a_fair_coin_that_does_not_read():
    right = [random_reward(True, THOUGHT, format_reward=0.1, seed=s).total for s in range(4000)]
    wrong = [random_reward(None, "no", format_reward=0.1, seed=s).total for s in range(4000)]
    assert right == wrong
    assert set(right) == {0.0, 1.0}
    assert abs(sum(right) / 4000 - 0.5) < 0.04  # five standard errors


def test_a_verifier_that_fails_is_not_a_wrong_answer():
    rewards, counted = reward_table([judged([THOUGHT, "2", "3"], [True, None, False])])
    torch.testing.assert_close(rewards, torch.tensor([[1.1, 0.0, 0.0]], dtype=torch.float64))
    assert counted.tolist() == [[True, False, True]]


def test_the_control_counts_every_rollout():
    _, counted = reward_table([judged(["2", "3"], [None, True], reward="random")])
    assert counted.tolist() == [[True, True]]


def test_an_engine_with_another_tokenizer_is_refused():
    with pytest.raises(TrainingError, match="one tokenizer"):
        judge_group(
            problems(1)[0],
            (4, 5, 6),
            [completion(prompt_tokens=2)],
            (1,),
            prompt="?",
            score=lambda *_: True,
            reward="rule",
            format_reward=0.1,
        )

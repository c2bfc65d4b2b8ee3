"""Costs: each token counted once, and what is not known stays not known."""

from distill.evaluation.costs import (
    Cost,
    grpo_cost,
    latest_steps,
    sampling_cost,
    sft_cost,
    together,
)


def step(number, tokens, seconds=1.0):
    times = {"generate_seconds": seconds, "score_seconds": 0.5, "train_seconds": seconds}
    return {"step": number, "tokens_generated": tokens, "tokens_trained": tokens // 2, **times}


def test_a_step_logged_twice_counts_once_with_its_later_line():
    lines = [step(1, 10), step(2, 99), step(2, 20), step(3, 30)]
    assert [line["tokens_generated"] for line in latest_steps(lines)] == [10, 20, 30]
    assert grpo_cost(lines) == Cost(tokens_generated=60, tokens_trained=30, seconds=7.5)


def test_the_distilled_row_pays_for_the_teachers_writing():
    sampled = sampling_cost(1000, [{"seconds": 2.0}, {"seconds": 3.0}])
    learned = sft_cost(
        [{"loss": 1.0}, {"event": "trained", "learned_tokens": 700, "train_seconds": 4}]
    )
    total = Cost(tokens_generated=1000, tokens_trained=700, seconds=9.0)
    assert together([sampled, learned]) == total


def test_what_was_not_logged_is_not_known_rather_than_zero():
    assert sft_cost([]) == Cost(tokens_generated=0, tokens_trained=None, seconds=None)
    assert grpo_cost([]).tokens_generated is None
    parts = [sampling_cost(5, []), sft_cost([])]
    assert together(parts) == Cost(tokens_generated=5, tokens_trained=None, seconds=None)

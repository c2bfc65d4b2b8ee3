"""Costs: each token counted once, and what is not known stays not known."""

from distill.evaluation.costs import (
    Cost,
    grpo_cost,
    latest_steps,
    logged_share,
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
    lines = [{"seconds": s, "completion_tokens": n} for s, n in ((2.0, 400), (3.0, 600))]
    sampled = sampling_cost(1000, lines)
    learned = sft_cost(
        [{"loss": 1.0}, {"event": "trained", "learned_tokens": 700, "train_seconds": 4}]
    )
    total = Cost(tokens_generated=1000, tokens_trained=700, seconds=9.0)
    assert together([sampled, learned]) == total


def test_traces_whose_line_a_kill_lost_cost_the_time_of_as_many_others():
    # 400 of 1000 tokens took 2 s: 1000 take 5 s, and 1 s of scoring is known
    lines = [{"seconds": 2.0, "completion_tokens": 400}]
    assert logged_share(1000, lines) == 0.4
    assert sampling_cost(1000, lines, scoring_seconds=1.0).seconds == 6.0


def test_time_for_more_than_is_stored_is_spent_all_the_same():
    lines = [{"seconds": 2.0, "completion_tokens": 400}]
    assert logged_share(300, lines) == 1.0
    assert sampling_cost(300, lines).seconds == 2.0


def test_what_was_not_logged_is_not_known_rather_than_zero():
    assert sft_cost([]) == Cost(tokens_generated=0, tokens_trained=None, seconds=None)
    assert grpo_cost([]).tokens_generated is None
    parts = [sampling_cost(5, []), sft_cost([])]
    assert together(parts) == Cost(tokens_generated=5, tokens_trained=None, seconds=None)

"""Metrics: hand-worked numbers, brute force and laws."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import RecordError
from distill.evaluation.metrics import (
    bootstrap_mean,
    cons_at_k,
    normalised,
    of_family,
    paired_difference,
    pass_at_1,
    pass_at_k,
    score_grid,
    summarise,
)
from distill.records import Score, VerdictReason

NAN = float("nan")


def score(problem_id, index, correct, answer="1", **changes):
    values = {
        "row": "base",
        "test_set": "easy",
        "completion": "",
        "finish_reason": "stop",
        "completion_tokens": 10,
        "reason": VerdictReason.RIGHT if correct else VerdictReason.WRONG,
        "has_format": True,
        "seed": 0,
    }
    fixed = {"problem_id": problem_id, "index": index, "correct": correct, "answer": answer}
    return Score(**(values | fixed | changes))


def grid_of(correct, **changes):
    scores = [
        score(f"p{at}", index, value, **changes)
        for at, line in enumerate(correct)
        for index, value in enumerate(line)
    ]
    return score_grid(scores, samples=len(correct[0]))


def test_pass_at_1_is_the_mean_over_completions_of_each_problem():
    correct = np.array([[1, 1, 0, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(pass_at_1(correct), [0.5, 0.25])


def test_an_unknown_verdict_is_neither_right_nor_wrong():
    # 1 right of 2 known; nothing known at all
    np.testing.assert_allclose(pass_at_1(np.array([[1, 0, NAN], [NAN] * 3])), [0.5, NAN])


def test_pass_at_2_of_one_right_in_four():
    # 6 pairs, 3 hold the right one
    np.testing.assert_allclose(pass_at_k(np.array([[1, 0, 0, 0.0]]), 2), [0.5])


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
@settings(deadline=None, max_examples=60)
def test_pass_at_k_equals_counting_all_subsets(line, k):
    k = min(k, len(line))
    subsets = list(combinations(line, k))
    brute = sum(any(subset) for subset in subsets) / len(subsets)
    np.testing.assert_allclose(pass_at_k(np.array([line], dtype=float), k), [brute], atol=1e-12)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_pass_at_k_of_one_is_pass_at_1_and_grows_with_k(lines):
    correct = np.array(lines, dtype=float)
    np.testing.assert_allclose(pass_at_k(correct, 1), pass_at_1(correct), atol=1e-12)
    series = np.array([pass_at_k(correct, k) for k in range(1, 6)])
    assert (np.diff(series, axis=0) >= -1e-12).all()
    np.testing.assert_allclose(series[-1], correct.max(axis=1))


def test_pass_at_k_is_unknown_with_fewer_than_k_known_verdicts():
    np.testing.assert_allclose(pass_at_k(np.array([[1, NAN, NAN], [1, 0, NAN]]), 2), [NAN, 1.0])


@pytest.mark.parametrize("k", [0, 4])
def test_k_outside_the_completions_is_refused(k):
    with pytest.raises(ValueError, match="expected 1 to 3"):
        pass_at_k(np.zeros((2, 3)), k)
    with pytest.raises(ValueError, match="expected 1 to 3"):
        cons_at_k(np.zeros((2, 3)), [["1"] * 3] * 2, k)


@pytest.mark.parametrize(
    ("answers", "correct", "expected", "why"),
    [
        (["7", "7", "8", "9"], [1, 1, 0, 0], 1.0, "two votes against one and one"),
        (["7", "8", "8", "9"], [1, 0, 0, 0], 0.0, "the wrong answer has most votes"),
        (["7", "7", "8", "8"], [1, 1, 0, 0], 0.5, "a tie of two, one of them right"),
        (["6", "7", "8", "9"], [0, 1, 0, 0], 0.25, "a tie of four, one of them right"),
        (["6", "6", "8", "8"], [0, 0, 0, 0], 0.0, "a tie of wrong answers"),
        (["7", None, None, None], [1, 0, 0, 0], 1.0, "no answer does not vote"),
        ([None] * 4, [0, 0, 0, 0], 0.0, "nobody votes: wrong"),
        (["7", "8", "8", "8"], [1, NAN, NAN, NAN], 1.0, "an unknown verdict does not vote"),
        ([None, "8", None, None], [0, NAN, 0, 0], NAN, "no votes because the verifier failed"),
        ([" $7$ ", "7.", "8", "9"], [1, 1, 0, 0], 1.0, "one answer in three spellings"),
    ],
)
def test_consensus(answers, correct, expected, why):
    value = cons_at_k(np.array([correct], dtype=float), [answers], 4)
    np.testing.assert_allclose(value, [expected], err_msg=why)


def test_consensus_with_an_equality_of_its_own():
    # as text a tie of three; as numbers 0.5 and 1/2 outvote 2
    correct, answers = np.array([[1, 1, 0.0]]), [["0.5", "1/2", "2"]]
    np.testing.assert_allclose(cons_at_k(correct, answers, 3), [2 / 3])
    same = cons_at_k(correct, answers, 3, same=lambda a, b: {a, b} <= {"0.5", "1/2"} or a == b)
    np.testing.assert_allclose(same, [1.0])


def test_more_completions_than_k_are_voted_in_blocks():
    # blocks (7, 7), (8, 8), the fifth is left over: 1 and 0
    correct, answers = np.array([[1, 1, 0, 0, 1.0]]), [["7", "7", "8", "8", "7"]]
    np.testing.assert_allclose(cons_at_k(correct, answers, 2), [0.5])


@given(st.lists(st.tuples(st.sampled_from("123"), st.booleans()), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_consensus_of_one_is_the_first_blocks_mean(line):
    correct = np.array([[float(right) for _, right in line]])
    answers = [[answer for answer, _ in line]]
    np.testing.assert_allclose(cons_at_k(correct, answers, 1), pass_at_1(correct), atol=1e-12)


def test_normalised_text():
    assert normalised(" $ 1 2 $") == normalised("12.") == "12"
    assert normalised("1.5") != normalised("15")


def test_interval_of_constant_values_has_no_width():
    found = bootstrap_mean(np.full(50, 0.25), resamples=200, seed=1)
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_interval_is_the_normal_one_for_many_problems():
    # 400 problems, half right: standard error 0.5 / 20 = 0.025, so 0.5 +- 1.96 * 0.025
    found = bootstrap_mean(np.array([0.0, 1.0] * 200), resamples=4000, seed=3)
    assert found.low == pytest.approx(0.451, abs=0.006)
    assert found.high == pytest.approx(0.549, abs=0.006)


def test_interval_is_over_problems_so_more_completions_of_the_same_do_not_narrow_it():
    few = grid_of([[True], [False]] * 20)
    many = grid_of([[True] * 8, [False] * 8] * 20)
    one = summarise(few, k=1, resamples=500, seed=5).pass_at_1
    assert one == summarise(many, k=1, resamples=500, seed=5).pass_at_1
    assert one.high - one.low > 0.2


def test_equal_seeds_give_equal_intervals_and_blocks_of_draws_do_not_show(monkeypatch):
    values = np.random.default_rng(0).random(60)
    whole = bootstrap_mean(values, resamples=333, seed=9)
    assert whole == bootstrap_mean(values, resamples=333, seed=9)
    assert whole != bootstrap_mean(values, resamples=333, seed=10)
    monkeypatch.setattr("distill.evaluation.metrics._BLOCK_DRAWS", 600)
    assert whole == bootstrap_mean(values, resamples=333, seed=9)


def test_nothing_known_gives_no_estimate():
    assert bootstrap_mean(np.array([NAN, NAN]), resamples=10, seed=0) is None


def test_a_row_differs_from_itself_by_zero():
    grid = grid_of([[True, False], [True, True], [False, False]])
    found = paired_difference(grid, grid, resamples=100, seed=0)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_paired_difference_is_narrower_than_the_rows_themselves():
    # each problem gains exactly 0.5: no doubt about the gain, much about either level
    first, second = (
        grid_of([[True, True], [True, False]] * 9),
        grid_of([[True, False], [False] * 2] * 9),
    )
    found = paired_difference(first, second, resamples=200, seed=0)
    assert (found.value, found.low, found.high, found.problems) == (0.5, 0.5, 0.5, 18)


def test_rows_with_other_problems_cannot_be_paired():
    with pytest.raises(RecordError, match=r"different problems.*'p2'"):
        paired_difference(grid_of([[True]] * 3), grid_of([[True]] * 2), resamples=9, seed=0)


def test_fewer_completions_than_asked_is_an_error():
    with pytest.raises(RecordError, match="base/easy/p has 1 completions; expected 2"):
        score_grid([score("p", 0, True)], samples=2)
    with pytest.raises(RecordError, match="expected 2, numbered from 0"):
        score_grid([score("p", 0, True), score("p", 2, True)], samples=2)
    with pytest.raises(RecordError, match="no scores"):
        score_grid([], samples=2)


def test_summary_counts_failures_of_the_verifier_apart():
    scores = [
        score("a", 0, True, completion_tokens=10),
        score("a", 1, None, completion_tokens=20),
        score("b", 0, None, finish_reason="length", completion_tokens=50),
        score("b", 1, None, has_format=False, completion_tokens=40),
    ]
    result = summarise(score_grid(scores, samples=2), k=1, resamples=50, seed=0)
    assert (result.pass_at_1.value, result.pass_at_1.problems, result.problems) == (1.0, 1, 2)
    assert (result.unknown, result.unknown_problems, result.samples) == (3, 1, 2)
    assert (result.format_share, result.truncated_share) == (0.75, 0.25)
    assert (result.tokens_mean, result.right_tokens_mean) == (30.0, 10.0)


def test_families_split_a_grid():
    scores = [score("a", 0, True, family="sum"), score("b", 0, False, family="sort")]
    part = of_family(score_grid(scores, samples=1), "sort")
    assert (part.problem_ids, part.correct.tolist(), part.answers) == (("b",), [[0.0]], (("1",),))

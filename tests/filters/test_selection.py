"""Which traces of a problem stay: the strategy, at most k, a fair share of each family."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.duplicates import signature
from distill.filters.selection import ORDERS, Candidate, best, pass_rates, round_robin

WORDS = [f"w{n}" for n in range(400)]
LENGTHS = [50, 10, 90, 20, 60]


def group(lengths=LENGTHS, ids=None):
    return [Candidate(at, f"p#{at}", length) for at, length in enumerate(lengths)]


def kept(candidates, keep, most=None, seed=17):
    return [one.at for one in best(candidates, keep, most, seed=seed)]


@pytest.mark.parametrize(
    ("keep", "order", "why"),
    [
        ("first", [0, 1, 2, 3, 4], "as they were drawn"),
        ("shortest", [1, 3, 0, 4, 2], "10, 20, 50, 60, 90"),
        ("median", [0, 4, 3, 1, 2], "distances from 50: 0, 10, 30, 40, 40; the earlier first"),
    ],
)
def test_the_order_of_a_strategy(keep, order, why):
    assert kept(group(), keep) == order, why
    assert kept(group(), keep, 2) == order[:2], why


def test_random_depends_on_the_seed_and_on_the_traces_own_id_only():
    candidates = group(range(40))
    order = kept(candidates, "random")
    assert order == kept(candidates, "random") != kept(candidates, "random", seed=18)
    assert order != sorted(order)
    without = [one for one in candidates if one.at % 2]
    assert kept(without, "random") == [at for at in order if at % 2]


def test_random_is_fair_to_the_places():
    first = Counter(kept(group([1] * 4), "random", 1, seed=seed)[0] for seed in range(400))
    assert all(60 < first[at] < 140 for at in range(4))  # 100 +- 8.7 each


def test_diverse_takes_the_first_and_then_the_least_alike():
    texts = [WORDS[:100], WORDS[:98] + WORDS[300:302], WORDS[50:150], WORDS[200:300]]
    candidates = [Candidate(at, at, 1, signature(" ".join(text))) for at, text in enumerate(texts)]
    # nothing in common with 0, then half in common with 0, then nearly 0
    assert kept(candidates, "diverse") == [0, 3, 2, 1]
    assert kept(candidates, "diverse", 2) == [0, 3]


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=12),
    st.sampled_from(sorted(ORDERS)),
    st.none() | st.integers(1, 14),
)
def test_a_selection_is_a_part_of_the_group_without_repeats(lengths, keep, most):
    chosen = kept(group(lengths), keep, most)
    assert len(chosen) == len(set(chosen)) == min(len(lengths), most or len(lengths))
    assert set(chosen) <= set(range(len(lengths)))


def test_a_pass_rate_counts_the_judged_traces_only():
    judged = [("a", True), ("a", False), ("a", None), ("b", False), ("c", None)]
    assert pass_rates(judged) == {"a": 0.5, "b": 0.0}


def test_a_family_is_taken_evenly_from_its_problems():
    problems = {"a": [0, 1, 2, 3], "b": [4], "c": [5, 6]}
    assert round_robin(problems, 5) == {0, 4, 5, 1, 6}
    assert round_robin(problems, 2) == {0, 4}
    assert round_robin(problems, 99) == set(range(7))


@given(st.dictionaries(st.text(), st.integers(1, 6), max_size=6), st.integers(0, 30))
def test_no_problem_has_two_more_than_another_that_has_some_left(sizes, cap):
    numbers = iter(range(99))
    problems = {name: [next(numbers) for _ in range(size)] for name, size in sizes.items()}
    taken = round_robin(problems, cap)
    assert len(taken) == min(cap, sum(sizes.values()))
    counts = {name: len(taken.intersection(traces)) for name, traces in problems.items()}
    for name, size in sizes.items():
        if counts[name] < size:
            assert max(counts.values()) <= counts[name] + 1

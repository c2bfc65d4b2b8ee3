"""Laws of the learned priors."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.sampling.posterior import Prior, Priors, drawn, expected_tries, fitted


def flips(rng, a, b, problems, tries):
    return [
        [rng.random() < chance for _ in range(tries)]
        for chance in (rng.betavariate(a, b) for _ in range(problems))
    ]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), groups=st.integers(1, 4))
def test_the_order_of_results_changes_no_prior(seed, groups):
    rng = random.Random(seed)
    record = flips(rng, 0.7, 1.5, 30, 5)
    group_of = [rng.randrange(groups) for _ in record]
    before = fitted(record, group_of, count=groups)
    shuffled = [(rng.sample(results, len(results)), group) for results, group in
                zip(record, group_of, strict=True)]  # fmt: skip
    rng.shuffle(shuffled)
    results, of_group = zip(*shuffled, strict=True)
    priors = Priors(len(before))
    for tries, group in zip(results, of_group, strict=True):
        for at, kept in enumerate(tries):
            priors.add(group, sum(tries[:at]), at, kept)
            if rng.random() < 0.3:
                priors.refresh()  # looking in between must not matter
    priors.refresh()
    assert [priors[group] for group in range(len(before))] == before


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (9.0, 1.0, "easy"),
        (1.0, 9.0, "hard"),
        (0.3, 0.3, "either or"),
        (8.0, 8.0, "all alike"),
        (0.1, 2.0, "mostly hopeless"),
    ],
)
def test_the_prior_is_found_from_many_problems(a, b, why):
    prior = fitted(flips(random.Random(1), a, b, 3000, 6), [0] * 3000, count=1)[0]
    assert prior.a / (prior.a + prior.b) == pytest.approx(a / (a + b), abs=0.06)
    for kept, tries in ((0, 1), (0, 4), (1, 2), (3, 4)):  # what it is used for
        assert prior.chance(kept, tries) == pytest.approx(Prior(a, b).chance(kept, tries), abs=0.06)


def test_stopping_at_the_first_success_does_not_bias_it():
    rng = random.Random(2)
    record = []
    for results in flips(rng, 1.0, 1.0, 4000, 8):
        first = results.index(True) if True in results else len(results) - 1
        record.append(results[: first + 1])
    prior = fitted(record, [0] * len(record), count=1)[0]
    pooled = sum(map(sum, record)) / sum(map(len, record))
    assert pooled < 0.4  # the mean of the tries is far from that of the problems
    assert prior.a / (prior.a + prior.b) == pytest.approx(0.5, abs=0.06)


def test_it_is_the_best_by_the_marginal_likelihood():
    record = flips(random.Random(3), 2.0, 5.0, 500, 4)

    def log_likelihood(a, b):
        def log_beta(x, y):
            return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

        return sum(
            log_beta(a + sum(one), b + len(one) - sum(one)) - log_beta(a, b) for one in record
        )

    prior = fitted(record, [0] * 500, count=1)[0]
    best = max(
        log_likelihood(mean * strength, (1 - mean) * strength)
        for mean in np.linspace(0.02, 0.98, 49)
        for strength in 2.0 ** np.arange(-4, 7, 0.5)
    )
    assert log_likelihood(prior.a, prior.b) > best - 2.0  # the grid is coarse, the default weak


def test_a_family_that_was_hardly_tried_is_like_the_others():
    record = flips(random.Random(4), 18.0, 2.0, 300, 3)
    priors = fitted([*record, [False]], [0] * 300 + [1], count=2)
    alone = fitted([[False]], [0], count=1)[0]
    assert priors[1].chance(0, 0) > alone.chance(0, 0) + 0.2
    assert priors[1].chance(0, 0) < priors[0].chance(0, 0)


def test_a_family_with_many_tries_stands_on_its_own():
    rng = random.Random(5)
    easy, hard = flips(rng, 18.0, 2.0, 300, 4), flips(rng, 1.0, 19.0, 300, 4)
    priors = fitted([*easy, *hard], [0] * 300 + [1] * 300, count=2)
    assert priors[0].chance(0, 0) == pytest.approx(0.9, abs=0.04)
    assert priors[1].chance(0, 0) == pytest.approx(0.05, abs=0.03)


def test_a_few_misses_do_not_make_all_hopeless():
    prior = fitted([[False]] * 5, [0] * 5, count=1)[0]
    assert prior.chance(0, 1) > 1 / 16


def test_refresh_names_exactly_the_groups_that_moved():
    priors = Priors(3)
    assert priors.refresh() == []
    for _ in range(40):
        priors.add(1, 0, 0, False)
    before = [priors[group] for group in range(3)]
    moved = priors.refresh()
    assert 1 in moved
    assert moved == [group for group in range(3) if priors[group] != before[group]]
    assert priors.refresh() == []


@pytest.mark.parametrize(
    ("prior", "needed", "least", "most", "expected", "why"),
    [
        (Prior(1, 1), 1, 0.0, 1, 1.0, "one try is all it may have"),
        (Prior(1, 1), 1, 0.0, 2, 1.5, "the second follows a miss, which has 1/2"),
        (Prior(1, 1), 1, 0.0, 3, 1 + 1 / 2 + 1 / 3, "two misses have 1/2 * 2/3"),
        (Prior(1, 1), 1, 0.3, 64, 1.5, "after two misses the chance is 1/4: given up"),
        (Prior(1, 1), 2, 0.0, 2, 2.0, "two are needed and two may be had"),
        (Prior(1, 9), 1, 0.5, 64, 1.0, "the first try is made whatever its chance"),
    ],
)
def test_expected_tries(prior, needed, least, most, expected, why):
    assert expected_tries(prior, needed, least, most)[0, 0] == pytest.approx(expected)


def test_expected_tries_agree_with_many_runs():
    rng, prior, total = random.Random(6), Prior(0.8, 1.6), 0
    for _ in range(20000):
        chance, kept, tries = rng.betavariate(*prior), 0, 0
        while kept < 2 and tries < 12 and (not tries or prior.chance(kept, tries) >= 0.15):
            kept += rng.random() < chance
            tries += 1
        total += tries
    assert expected_tries(prior, 2, 0.15, 12)[0, 0] == pytest.approx(total / 20000, rel=0.03)


def test_drawn_priors_scatter_as_little_is_known_and_close_on_the_fitted_one():
    rng = np.random.default_rng(5)

    def means(problems):
        record = flips(random.Random(3), 2.0, 6.0, problems, 4)
        points = [drawn(record, [0] * problems, rng, count=1)[0] for _ in range(60)]
        return np.array([point.a / (point.a + point.b) for point in points])

    few, many = means(8), means(3000)
    assert many.std() < 0.04 < few.std()
    assert many.mean() == pytest.approx(0.25, abs=0.03)
    assert few.min() < 0.25 < few.max()

"""Forecasts by hand where chance has no say, and against a known truth where it has."""

import math

import numpy as np
import pytest

from distill.recipe import Adaptive, Price
from distill.sampling.budget import Limits
from distill.sampling.forecast import MOST_PROBLEMS, Seen, Terms, Try, forecast
from distill.sampling.policy import Settings
from distill.sampling.simulate import Drawn, run

FREE = Terms(Limits(), Price(), tokens_per_second=100.0, start_seconds=0.0, rows=8)
KEPT, MISSED = Try(True, False, 10, 90), Try(False, False, 10, 190)


def fixed(number: int, needed: int = 2) -> Settings:
    return Settings(completions_per_problem=number, needed=needed, max_tokens=1000)


def adaptive(number: int, needed: int = 2, **keys) -> Settings:
    return Settings(
        completions_per_problem=number, needed=needed, max_tokens=1000, adaptive=Adaptive(**keys)
    )


def seen(tries: dict[int, list[Try]], problems: int) -> Seen:
    return Seen(tries, [0] * problems)


def test_what_is_not_left_to_chance_is_exact():
    known = seen({at: [KEPT] * 50 for at in range(20)}, 20)
    terms = FREE._replace(
        price=Price(usd_per_million_in=100.0, usd_per_million_out=10.0, usd_per_hour=3600.0),
        start_seconds=5.0,
    )
    found = forecast(known, fixed(4), terms, seed=1, worlds=10)
    # 20 x 4 completions of 10 + 90 tokens; 7200 tokens at 100 a second after 5 seconds
    assert found.whole.completions == (80, 80, 80)
    assert found.whole.prompt_tokens == (800, 800, 800)
    assert found.whole.tokens == (7200, 7200, 7200)
    assert found.whole.hours.mean == pytest.approx(77 / 3600)
    assert found.whole.usd.mean == pytest.approx(800 * 1e-4 + 7200 * 1e-5 + 77)
    assert found.stop is None


def test_kept_traces_count_up_to_what_is_needed():
    known = seen({at: [KEPT] * 200 for at in range(20)}, 20)
    found = forecast(known, fixed(16, needed=2), FREE, seed=1, worlds=10).whole
    assert found.kept.mean == pytest.approx(40, abs=0.5)
    assert found.solved.mean == pytest.approx(20, abs=0.5)
    assert found.tokens_per_kept.mean == pytest.approx(20 * 16 * 90 / 40, rel=0.02)


def test_adaptive_asks_no_more_than_is_needed():
    known = seen({at: [KEPT] * 200 for at in range(20)}, 20)
    found = forecast(known, adaptive(16), FREE, seed=1, worlds=10).whole
    assert found.completions.mean == pytest.approx(40, abs=2)


LIMITS = [
    ({"max_tokens_total": 1000}, "sample.max_tokens_total", 10, "10 of 100 tokens"),
    ({"max_usd": 0.3}, "sample.max_usd", 10, "0.1 USD per thousand tokens and 0.2 of prompts"),
    ({"max_hours": 9 / 3600}, "sample.max_hours", 10, "900 tokens at 100 a second"),
    ({"max_tokens_total": 1000, "max_usd": 99.0}, "sample.max_tokens_total", 10, "the first"),
    ({"max_tokens_total": 9_000_000}, None, 80, "never reached"),
]


@pytest.mark.parametrize(("limits", "key", "completions", "why"), LIMITS, ids=lambda v: str(v)[:30])
def test_a_budget_ends_it_where_it_is_spent(limits, key, completions, why):
    known = seen({at: [KEPT] * 50 for at in range(20)}, 20)
    # 90 x 1e-4 + 10 x 2.1e-3 = 0.03 dollars a completion
    price = Price(usd_per_million_in=2100.0, usd_per_million_out=100.0)
    terms = FREE._replace(limits=Limits(**limits), price=price)
    found = forecast(known, fixed(4), terms, seed=1, worlds=5)
    if key is None:
        assert found.stop is None, why
        return
    assert found.stop.limit == key
    assert found.stop.chance == 1
    assert found.stop.figures.completions.mean == pytest.approx(completions, abs=1), why
    assert found.whole.completions.mean == 80  # what there would be without it


def test_a_problem_that_was_not_tried_is_like_those_of_its_family():
    # family 0: kept, 90 tokens; family 1: never, 190; three of four problems are of family 1
    groups = [0 if at % 4 == 0 else 1 for at in range(400)]
    tries = {at: [MISSED if groups[at] else KEPT] * 60 for at in range(8)}
    found = forecast(Seen(tries, groups), fixed(4), FREE, seed=1, worlds=10).whole
    assert found.tokens.mean == pytest.approx(4 * (100 * 90 + 300 * 190), rel=0.01)
    assert found.solved.mean == pytest.approx(100, abs=20)  # of family 1 hardly any


def test_many_problems_are_forecast_by_a_part_of_them():
    problems = 10 * MOST_PROBLEMS
    known = seen({at: [KEPT, MISSED] for at in range(30)}, problems)
    found = forecast(known, fixed(4), FREE, seed=1, worlds=5).whole
    assert found.completions == (4 * problems,) * 3
    assert found.kept.mean < 2 * problems


def test_where_nothing_was_kept_little_is_promised():
    known = seen({at: [MISSED] * 4 for at in range(24)}, 100)
    found = forecast(known, fixed(4), FREE, seed=1, worlds=20).whole
    assert found.solved.mean < 20
    assert found.tokens.mean == pytest.approx(100 * 4 * 190, rel=1e-9)


def test_the_same_seed_gives_the_same_forecast():
    known = seen({at: [KEPT, MISSED, KEPT] for at in range(9)}, 50)
    one, other = (forecast(known, adaptive(4), FREE, seed=7, worlds=5) for _ in range(2))
    assert one == other


def test_nothing_is_forecast_from_nothing():
    with pytest.raises(ValueError, match="no problem was tried"):
        forecast(seen({}, 3), fixed(4), FREE, seed=1)


def truth(rng: np.random.Generator, problems: int) -> tuple[Drawn, list[int]]:
    """Easy, middling and hard problems; a completion that misses is longer."""
    groups = [at % 3 for at in range(problems)]
    families = ((9, 1.5), (3, 2), (0.6, 2))
    rates = np.array([rng.beta(*families[group]) for group in groups])
    kept = rng.random((problems, 16)) < rates[:, None]
    tokens = 100 + 80 * (~kept) + rng.integers(-20, 20, kept.shape)
    return Drawn(kept, np.zeros_like(kept), tokens), groups


def test_the_truth_lies_within_the_intervals_as_a_rule():
    """Of 12 pilots of 24 problems x 4; each figure misses one in twenty by right."""
    inside = total = 0
    for number in range(12):
        drawn, groups = truth(np.random.default_rng(number), 120)
        tries = {
            at: [
                Try(bool(drawn.kept[at, i]), False, 10, int(drawn.tokens[at, i])) for i in range(4)
            ]
            for at in range(0, 120, 5)
        }
        settings = fixed(4)
        found = forecast(Seen(tries, groups), settings, FREE, seed=number, worlds=40).whole
        real = run(drawn, settings, 8, groups)
        for key in ("tokens", "kept", "solved"):
            low, high = getattr(found, key)[1:]
            inside += low <= getattr(real, key) <= high
            total += 1
    assert inside / total >= 0.8


def test_nothing_kept_is_no_price_per_trace():
    known = seen({0: [MISSED] * 500}, 1)
    found = forecast(known, fixed(1), FREE, seed=1, worlds=3).whole
    assert math.isinf(found.tokens_per_kept.mean)

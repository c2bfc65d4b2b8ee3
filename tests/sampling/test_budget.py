"""A budget is checked before a request starts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.recipe import Price
from distill.sampling.budget import UNLIMITED, Budget, Limits

PRICE = Price(usd_per_million_in=1.0, usd_per_million_out=10.0, usd_per_hour=2.0)


def test_the_price_of_a_request():
    budget = Budget(Limits(), PRICE)
    assert budget.charge(200_000, 50_000) == pytest.approx(0.2 + 0.5)
    budget.charge(0, 50_000)
    assert budget.tokens == 300_000
    assert budget.usd(1.5) == pytest.approx(1.2 + 3.0)


def test_hours_of_earlier_sessions_count():
    budget = Budget(Limits(max_hours=3.0), PRICE, hours_before=2.0)
    assert budget.usd(0.5) == pytest.approx(5.0)
    assert budget.admits(0, 0.9) == UNLIMITED
    assert budget.admits(0, 1.0) == 0
    assert budget.reached(1.0) == "sample.max_hours: 3.00 of 3.00 hours"


def test_without_limits_everything_may_start():
    budget = Budget(Limits(), Price())
    budget.charge(10**9, 10**9)
    assert budget.admits(10**6, 10**6) == UNLIMITED
    assert budget.reached(10**6) is None


@pytest.mark.parametrize(
    ("spent", "under_way", "expected", "why"),
    [
        (0, 0, UNLIMITED, "nothing has come back, nothing is known of a request"),
        (4, 0, 6, "each takes 100 of the 1000"),
        (4, 5, 1, "five of the six are under way"),
        (4, 6, 0, "those under way will reach the limit"),
        (9, 0, 1, "the last one may start"),
        (10, 0, 0, "the limit is reached"),
    ],
)
def test_how_many_more_may_start(spent, under_way, expected, why):
    budget = Budget(Limits(max_tokens_total=1000), Price())
    for _ in range(spent):
        budget.charge(30, 70)
    assert budget.admits(under_way, 0.0) == expected


def test_a_first_guess_holds_back_what_is_started_before_any_result():
    budget = Budget(Limits(max_tokens_total=1000), Price(), first_guess=(50, 150))
    assert budget.admits(0, 0.0) == 5
    assert budget.admits(5, 0.0) == 0
    budget.charge(10, 40)  # from here on the mean of what came back
    assert budget.admits(5, 0.0) == 14


def test_what_is_reached_is_said_with_the_key():
    tokens = Budget(Limits(max_tokens_total=100), PRICE)
    tokens.charge(40, 70)
    assert tokens.reached(0.0) == "sample.max_tokens_total: 110 of 100 tokens"
    usd = Budget(Limits(max_usd=0.5), PRICE)
    usd.charge(0, 50_000)
    assert usd.reached(0.0) == "sample.max_usd: 0.50 of 0.50 USD"


@given(
    limit=st.integers(1, 5000), rows=st.integers(1, 40), seed=st.integers(0, 10**6),
    by_usd=st.booleans(),
)  # fmt: skip
def test_only_what_is_in_flight_overshoots_and_it_never_stands_still(limit, rows, seed, by_usd):
    rng = random.Random(seed)
    price = Price(usd_per_million_in=1e6, usd_per_million_out=1e6)  # a token is a dollar
    limits = Limits(max_usd=float(limit)) if by_usd else Limits(max_tokens_total=limit)
    budget = Budget(limits, price)
    under_way: list[int] = []
    while True:
        room = min(rows - len(under_way), budget.admits(len(under_way), 0.0))
        assert not room or budget.tokens < limit
        under_way += [rng.randrange(1, 200) for _ in range(room)]
        if not under_way:
            break
        worst = budget.tokens + sum(under_way)
        budget.charge(0, under_way.pop(rng.randrange(len(under_way))))
        assert budget.tokens <= worst
    assert budget.reached(0.0) is not None
    assert budget.tokens < limit + rows * 200

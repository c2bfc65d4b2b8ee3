"""Figures: what is drawn, and that nothing in them reaches outside."""

import re

import numpy as np
import pytest

from distill.evaluation.plots import (
    acceptance_bars,
    colours,
    funnel_bars,
    interval_bars,
    smoothed,
    training_curves,
)

ROWS = [
    {"row": "base", "test_set": "easy", "pass_at_1": 0.25, "low": 0.2, "high": 0.3},
    {"row": "teacher", "test_set": "easy", "pass_at_1": 0.95, "low": 0.9, "high": 1.0},
    {"row": "teacher", "test_set": "$a$ <b>", "pass_at_1": None, "low": None, "high": None},
]


def draw():
    colour = colours(["base", "teacher"])
    steps = [{"step": at, "reward": at / 9, "length": None} for at in range(10)]
    return [
        interval_bars(ROWS, colour),
        training_curves({"base": steps}, [("reward", "reward"), ("length", "tokens")], colour),
        funnel_bars([("traces", 1234), ("right", 617), ("kept", 9)]),
        acceptance_bars([("$a$ <b>", 8, 4, 1), ("\u202e数学" * 30, 0, 0, 0)]),
    ]


@pytest.fixture(scope="module")
def figures():
    return draw()


def test_figures_hold_no_address_and_take_their_ink_from_the_page(figures):
    for svg in figures:
        assert svg.startswith("<svg")
        assert "http" not in svg
        assert "currentColor" in svg
        assert re.search(r"#0a0b0c|<\?xml|<!DOCTYPE|<metadata", svg) is None


def test_bars_say_their_value_and_names_are_escaped(figures):
    svg = figures[0]
    assert ">25.0<" in svg
    assert ">95.0<" in svg
    assert "$a$ &lt;b&gt;" in svg


def test_funnel_says_its_counts_and_their_share_of_the_first(figures):
    for text in (">1,234<", ">617 · 50.0%<", ">9 · 0.7%<"):
        assert text in figures[2]


def test_no_trace_at_all_can_be_drawn():
    assert ">0 · 0.0%<" in funnel_bars([("traces", 0), ("kept", 0)])


def test_groups_say_their_counts_and_names_are_harmless(figures):
    for text in (">1 kept, 4 right of 8<", ">0 kept, 0 right of 0<", "$a$ &lt;b&gt;"):
        assert text in figures[3]
    assert "\u202e" not in figures[3]
    assert figures[3].count("数") < 15


def test_figures_are_the_same_every_time(figures):
    assert draw() == figures


def test_smoothing_is_the_mean_of_the_last_few():
    np.testing.assert_allclose(smoothed([1.0, 3.0, 5.0, 0.0], 2), [1.0, 2.0, 4.0, 2.5])
    np.testing.assert_allclose(smoothed([1.0, 3.0], 1), [1.0, 3.0])


def test_rows_keep_their_colour_and_differ():
    names = [f"row {at}" for at in range(8)]
    assert len(set(colours(names).values())) == 8
    assert colours(names)["row 3"] == colours(names[:4])["row 3"]


def test_no_logged_value_draws_an_empty_panel():
    svg = training_curves({"a": []}, [("reward", "reward")], {"a": "#888888"})
    assert ">reward<" in svg
    with pytest.raises(KeyError):
        training_curves({"a": [{"step": 1, "reward": 1}]}, [("reward", "reward")], {})

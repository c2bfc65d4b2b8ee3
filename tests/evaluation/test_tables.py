"""Tables: what a reader sees of a number."""

import pytest

from distill.evaluation.metrics import Estimate
from distill.evaluation.tables import (
    count,
    difference_sentence,
    duration,
    in_order_and_apart,
    interval_text,
    markdown_table,
    percent,
    points,
    terminal_table,
)


def row(label, test_set, mean, low, high, cons=0.5):
    values = {"pass_at_1": mean, "low": low, "high": high, "cons_at_k": cons}
    return {"row": label, "test_set": test_set, "k": 4, **values}


def test_terminal_table_is_aligned():
    rows = [
        row("base", "easy", 0.0625, 0.04, 0.0884),
        row("Distilled (SFT)", "easy", 1.0, 1.0, 1.0, cons=1.0),
    ]
    assert terminal_table(rows).split("\n") == [
        "row                       easy pass@1  cons@4",
        "---------------  --------------------  ------",
        "base                   6.2 [4.0, 8.8]    50.0",
        "Distilled (SFT)  100.0 [100.0, 100.0]   100.0",
    ]


def test_test_sets_that_do_not_fit_go_below():
    rows = [row("base", name, 0.5, 0.4, 0.6) for name in ("easy", "hard", "longer")]
    blocks = terminal_table(rows, width=60).split("\n\n")
    assert [block.count("pass@1") for block in blocks] == [2, 1]
    assert all(len(line) <= 60 for block in blocks for line in block.split("\n"))
    assert terminal_table(rows, width=1).count("pass@1") == 3


def test_a_missing_cell_is_a_dash():
    rows = [row("a", "easy", 0.5, 0.4, 0.6), row("b", "hard", None, None, None, cons=None)]
    assert terminal_table(rows).split("\n")[-1].split() == ["b", "–", "–", "–", "–"]


def test_markdown_cells_cannot_break_the_table():
    assert markdown_table(["a|b"], [["x\ny <img>"]]) == "| a\\|b |\n| --- |\n| x y &lt;img> |"


def test_quoted_cells_are_code():
    lines = [["<a>", "![x](y)|"]]
    assert markdown_table(["a", "b"], lines, quoted=[1]).split("\n")[2] == (
        "| &lt;a> | `![x](y)\\|` |"
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.09, "A is above B: +5.0 points, 95% interval +1.0 to +9.0, 20 problems."),
        (-0.01, 0.11, "No difference shown between A and B: +5.0 points,"),
        (0.0, 0.10, "No difference shown between A and B: +5.0 points,"),
    ],
)
def test_a_sentence_claims_no_more_than_its_interval(low, high, expected):
    assert difference_sentence("A", "B", Estimate(0.05, low, high, 20)).startswith(expected)


def test_a_sentence_for_less_and_for_unknown():
    below = difference_sentence("A", "B", Estimate(-0.05, -0.09, -0.01, 20))
    assert below == "A is below B: −5.0 points, 95% interval −9.0 to −1.0, 20 problems."
    assert "not known" in difference_sentence("A", "B", None)


def test_in_order_needs_intervals_that_do_not_touch():
    best, mid = row("a", "t", 0.9, 0.8, 1.0), row("b", "t", 0.6, 0.5, 0.79)
    assert in_order_and_apart([best, mid, row("c", "t", 0.2, 0.1, 0.3)])
    assert not in_order_and_apart([best, row("b", "t", 0.7, 0.6, 0.8)])
    assert not in_order_and_apart([mid, best])
    assert not in_order_and_apart([best, None])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0"), (9999, "9,999"), (12_345, "12.3k"), (4.56e6, "4.56M"), (2e9, "2.00G")],
)
def test_token_counts(value, expected):
    assert count(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected


def test_percent_and_points():
    assert (percent(0.0625), percent(None), interval_text(None)) == ("6.2", "–", "–")
    assert (points(0.041), points(-0.003), points(-0.0001)) == ("+4.1", "−0.3", "0.0")

"""The section on sampling: every token in one pile, and numbers in ranges that miss none."""

from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.page import Section, Table, Text, render_html, render_markdown
from distill.evaluation.sampling_section import (
    FailureLine,
    FewerTries,
    Pile,
    ShownSampling,
    in_ranges,
    sampling_section,
)


def shown(**changes):
    values = {
        "engine": "vllm 0.32.0",
        "teacher": "org/teacher@main",
        "is_adaptive": True,
        "problems": 10,
        "piles": [Pile("fit", 8, 80, 800), Pile("not right", 12, 120, 2200)],
        "failures": [
            FailureLine("withdrawn", 3, 3, 30, 600, 4.0),
            FailureLine("timeout", 1, 6, 10, 400, 90.0),
        ],
        "right": 9,
        "kept": 7,
        "truncated": 2,
        "solved": 6,
        "tries": {1: (4, 0), 2: (2, 1), 30: (0, 3)},
        "fit_per_problem": {0: 4, 1: 4, 2: 2},
        "curve": [(0, 0, 0), (1500, 4, 3), (3000, 9, 8)],
        "given_up": {"unlikely": 3, "tries": 1},
        "hours": 0.5,
        "usd_of_tokens": 0.6,
        "usd_of_hours": 1.0,
    }
    return ShownSampling(**(values | changes))


def tables(section: Section) -> dict[str, dict[str, list[str]]]:
    """First cell to the others, by the header's first cell."""
    found = [block for block in section.blocks if isinstance(block, Table)]
    return {table.header[0]: {line[0]: list(line[1:]) for line in table.lines} for table in found}


def test_every_token_is_in_one_pile():
    lines = tables(sampling_section(shown()))["what came of it"]
    assert list(lines) == ["fit", "not right", "withdrawn", "timeout", "all"]
    assert lines["all"] == ["24", "240", "4,000", "100.0"]
    assert lines["withdrawn"] == ["3", "30", "600", "15.0"]


def test_prices_count_what_brought_nothing():
    # 4000 tokens, 1800 s and 1.60 dollars in all; 8 fit traces, 6 solved problems
    lines = tables(sampling_section(shown()))[""]
    assert lines["completion tokens"] == ["4,000", "500", "667"]
    assert lines["time of sampling"] == ["30 min 00 s", "3 min 45 s", "5 min 00 s"]
    assert lines["US dollars"] == ["1.60", "0.20", "0.27"]


def test_without_a_price_and_a_clock_neither_is_shown():
    lines = tables(sampling_section(shown(usd_of_tokens=None, usd_of_hours=None, hours=None)))[""]
    assert list(lines) == ["completion tokens"]


def test_the_lead_says_what_was_got():
    lead = next(b for b in sampling_section(shown()).blocks if isinstance(b, Text)).text
    assert lead == (
        "org/teacher@main, by vllm 0.32.0, wrote 20 traces for 10 problems: 9 (45.0%) right, "
        "8 (40.0%) fit to be learned from; 6 (60.0%) problems solved. The token limit cut 2 "
        "traces. The filter kept 7."
    )


def test_a_budget_that_ended_it_is_said():
    text = render_markdown("x", "", [sampling_section(shown(reached="sample.max_usd: 1 of 1"))])
    assert "Ended by its budget, sample.max_usd: 1 of 1." in text


def test_adaptive_shows_tries_and_who_was_given_up_fixed_shows_what_fewer_would_bring():
    adaptive = tables(sampling_section(shown()))
    assert adaptive["tries"]["17-32"] == ["3", "0", "0.0"]
    assert adaptive["why"]["timeout"] == ["1", "6", "400", "1 min 30 s"]
    fewer = [FewerTries(1, 1000, 3, 3), FewerTries(2, 2000, 8, 6)]
    fixed = sampling_section(shown(is_adaptive=False, fewer=fewer, failures=[], given_up={}))
    assert tables(fixed)["tries"]["2"] == ["2,000", "8", "6", "250"]
    assert "why" not in tables(fixed)


def test_a_run_that_asked_nothing_is_said():
    section = sampling_section(shown(piles=[], failures=[]))
    assert section.blocks[0].text == "The teacher was asked nothing."


def test_nothing_fit_is_no_division_by_zero():
    piles = [Pile("fit", 0, 0, 0), Pile("not right", 2, 20, 30)]
    bare = shown(piles=piles, solved=0, tries={}, curve=(), given_up={}, failures=[], kept=None)
    assert tables(sampling_section(bare))[""]["completion tokens"] == ["30", "–", "–"]
    assert "<svg" in render_html("x", "", [sampling_section(bare)])


def test_names_of_others_are_never_read_as_html():
    text = render_html("x", "", [sampling_section(shown(teacher="<script>alert(1)</script>"))])
    assert "<script>alert" not in text


@given(st.dictionaries(st.integers(0, 200), st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_ranges_miss_nothing_and_count_nothing_twice(bins):
    found = in_ranges(bins)
    for side in (0, 1):
        assert sum(pair[side] for pair in found.values()) == sum(p[side] for p in bins.values())
    assert len(found) <= 17


def test_many_numbers_come_in_ranges_that_double():
    assert list(in_ranges({1: (1, 0), 40: (1, 0)})) == [
        "1",
        "2",
        "3-4",
        "5-8",
        "9-16",
        "17-32",
        "33-64",
    ]
    assert list(in_ranges({0: (1, 0), 3: (1, 0)})) == ["0", "1", "2", "3"]

"""The section about the filter: its numbers, what is left out, and that all of it is text."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from distill.evaluation.filter_section import (
    GroupLine,
    OverlapLine,
    Overlaps,
    ReasonLine,
    ShownFilter,
    SuspectLine,
    filter_section,
    missing_section,
)
from distill.evaluation.page import HeatMap, Quote, render_html, render_markdown

HOSTILE = (
    "</pre></details><script>alert(1)</script><img src=x onerror=alert(2)>![x](http://e.x/y)\u202e"
)

FOUND = ShownFilter(
    accept="rule",
    traces=1000,
    problems=250,
    kept=300,
    problems_kept=120,
    funnel=[("traces", 1000), ("accepted", 600), ("kept", 300)],
    reasons=[
        ReasonLine(reason="wrong", first=400, any=400, alone=350),
        ReasonLine(reason="code_block", first=300, any=350, alone=300),
    ],
    overlap={
        "wrong": {"wrong": 400, "code_block": 50},
        "code_block": {"wrong": 50, "code_block": 350},
    },
    examples={"wrong": [Quote("p#1", "answer 3", "<think>so</think> 3"), Quote("p#2", "", "")]},
    suspicious=1,
    suspects=[
        SuspectLine(
            problem="p", question="1 + 1?", reference="3", answer="2", agree=15, answers=16, right=1
        )
    ],
    families=[GroupLine("", 50, 200, 100, 50), GroupLine("sum", 200, 800, 500, 250)],
    difficulty=[GroupLine("1", 250, 1000, 600, 300)],
    contamination=Overlaps(
        "planted and found: 9 of easy", [OverlapLine("easy", 10, 9, 4, 2, 1, {"same": 2})], {}
    ),
    thresholds={"keep_per_problem": 2, "overlap_ngram": 10},
    defaults={"keep_per_problem": 4, "overlap_ngram": 10},
    learned={"examples": 290, "left_out": {"too_long": 10}},
)
NOTHING = ShownFilter(
    accept="rule",
    traces=0,
    problems=0,
    kept=0,
    problems_kept=0,
    funnel=[("traces", 0), ("kept", 0)],
    reasons=[],
    overlap={},
    examples={},
    suspicious=0,
    suspects=[],
    families=[],
    difficulty=[],
    contamination=None,
    thresholds={},
    defaults={},
)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.attributes, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag in ("section", "details", "table", "pre", "figure", "svg"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("section", "details", "table", "pre", "figure", "svg"):
            assert self.open.pop() == tag


def but(**changes):
    return msgspec.structs.replace(FOUND, **changes)


def page(found):
    return render_html("T", "S", [filter_section(found)])


def markdown(found):
    return render_markdown("T", "S", [filter_section(found)])


@pytest.mark.parametrize(
    "line",
    [
        "Of 1,000 traces for 250 problems, 300 (30.0%) were kept, for 120 of the problems; "
        "an answer is right when the verifier says so.",
        "| traces | 1,000 | 100.0 | – |",
        "| accepted | 600 | 60.0 | 400 |",
        "| kept | 300 | 30.0 | 300 |",
        "The student learned from 290 of 300 kept; left out: 10 too_long.",
        "| wrong | 400 | 40.0 | 400 | 350 |",  # first, percent, any, alone
        "| code_block | 300 | 30.0 | 350 | 300 |",
        "|  | wrong | code_block |",
        "| wrong | 400 | 50 |",
        "| code_block | 50 | 350 |",
        "- wrong, 400 traces: `p#1` (`answer 3`), `p#2`",
        "1 of 250 problems.",
        "| `p` | `1 + 1?` | `3` | `2` | 15 of 16 | 1 |",
        "| `(none)` | 50 | 200 | 100 | 50.0 | 50 | 25.0 |",
        "| `sum` | 200 | 800 | 500 | 62.5 | 250 | 31.2 |",
        "| `easy` | 10 (in force) | 9 | 4 | 2 | 1 | same 2 |",
        "In force: words 10; characters, in scripts without spaces, off.",
        "Completions that quote a test problem or its solution: none.",
        "| filter.keep_per_problem | `2` | `4` |",
        "| filter.overlap_ngram | `10` |  |",
    ],
)
def test_markdown_says_every_figure(line):
    assert line in markdown(FOUND)


def test_the_page_draws_the_funnel_and_the_groups_with_their_counts():
    html = page(FOUND)
    assert html.count("<svg") == 3
    for text in (">600 · 60.0%<", ">250 kept, 500 right of 800<", ">50 kept, 100 right of 200<"):
        assert text in html


def test_a_cell_of_the_heat_map_is_as_strong_as_its_share_of_the_row():
    html = page(FOUND)  # 50 of 400 wrong ones have a code block, 50 of 350 the other way round
    assert '<td style="--heat:0.12" title="12.5% of wrong are code_block too">50</td>' in html
    assert '<td style="--heat:0.14" title="14.3% of code_block are wrong too">50</td>' in html
    assert '<td class="own">400</td>' in html


def test_one_reason_needs_no_matrix():
    section = filter_section(but(overlap={"wrong": {"wrong": 400}}))
    assert not [block for block in section.blocks if isinstance(block, HeatMap)]


def test_reasons_that_never_meet_are_a_zero():
    html = page(but(overlap={"wrong": {"wrong": 400}, "code_block": {"code_block": 350}}))
    assert html.count('<td class="none">0</td>') == 2


def test_examples_are_closed_until_asked_for():
    html = page(FOUND)
    assert "<details><summary>" in html
    assert "&lt;think&gt;so&lt;/think&gt; 3" in html
    assert "<pre>(empty)</pre>" in html
    assert "so</think>" not in markdown(FOUND)


def hostile():
    quotes = [Quote(HOSTILE, HOSTILE, HOSTILE)]
    suspect = SuspectLine(
        problem=HOSTILE,
        question=HOSTILE,
        reference=HOSTILE,
        answer=HOSTILE,
        agree=3,
        answers=3,
        right=0,
    )
    return but(
        accept=HOSTILE,
        examples={"wrong": quotes},
        suspects=[suspect],
        families=[GroupLine(HOSTILE, 1, 2, 1, 1)],
        contamination=Overlaps(
            HOSTILE, [OverlapLine(HOSTILE, 8, 1, 1, 1, 1, {HOSTILE: 1})], {HOSTILE: 3}
        ),
        thresholds={"forbid": [HOSTILE]},
        defaults={"forbid": []},
        doubt=HOSTILE,
    )


def test_texts_of_others_are_text_wherever_they_stand():
    html, tags = page(hostile()), Tags()
    tags.feed(html)
    assert tags.open == []
    assert not {"script", "img"} & set(tags.found)
    assert "onerror" not in tags.attributes
    assert "\u202e" not in html
    assert "\\u202e" in html


def test_texts_of_others_are_code_in_the_tables_of_markdown():
    tables = [line for line in markdown(hostile()).split("\n") if line.startswith(("| `", "- "))]
    assert len(tables) == 5  # an example, a suspect, a family, a difficulty, a test set
    for line in tables[:3]:
        assert "![x]" not in re.sub(r"`[^`]*`", "", line)


def test_a_student_of_other_traces_is_said_to_be():
    learned = {"examples": 12, "left_out": {}}
    said = "The student learned from 12 of 12 kept by an earlier filter."
    assert said in markdown(but(learned=learned))


def test_no_trace_is_said():
    text = markdown(NOTHING)
    assert "No trace was filtered." in text
    assert "<svg" not in page(NOTHING)


def test_nothing_dropped_and_nothing_known_is_said():
    groups = [GroupLine("not judged", 1, 2, 0, 2)]
    text = markdown(
        but(
            reasons=[],
            overlap={},
            examples={},
            suspects=[],
            suspicious=0,
            families=[],
            difficulty=groups,
            contamination=None,
            learned=None,
            thresholds={},
        )
    )
    assert "None was dropped." in text
    assert "None: no problem has three answers" in text
    assert "There are none." in text
    assert "Not looked for: the check is off." in text
    assert "The student" not in text
    assert "Thresholds" not in text


def test_of_many_families_the_largest_are_drawn_and_listed():
    families = [GroupLine(f"family {at:03}", 1, 1000 - at, 1, 1) for at in range(250)]
    html = page(but(families=families))
    assert "Drawn: the 40 with the most traces, of 250. Listed: the 200 with the most" in html
    assert html.count("1 kept, 1 right of ") == 40
    assert "family 199" in html
    assert "family 200" not in html


def test_many_suspects_are_counted_and_the_first_listed():
    suspects = [
        msgspec.structs.replace(FOUND.suspects[0], problem=f"problem {at}") for at in range(60)
    ]
    found = but(suspects=suspects, suspicious=70)
    assert "20 more are not listed here" in page(found)
    assert page(found).count("15 of 16") == 50
    assert markdown(found).count("15 of 16") == 10
    assert "40 more are in report.html." in markdown(found)


def test_long_names_and_texts_are_cut():
    long = "wörd " * 5000
    html = page(
        but(
            suspects=[msgspec.structs.replace(FOUND.suspects[0], question=long, answer=long)],
            families=[GroupLine(long, 1, 2, 1, 1)],
            examples={"wrong": [Quote("p#1", long, "text")]},
            thresholds={"forbid": [long]},
        )
    )
    assert len(html) < 60_000
    assert html.count("wörd") < 200


def test_what_stands_in_place_of_missing_figures():
    assert render_markdown("T", "S", [missing_section("why")]).endswith(
        "## What the filter did\n\nwhy\n"
    )

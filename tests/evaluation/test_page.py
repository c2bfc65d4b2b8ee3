"""The report page: offline, and completions are text."""

import json
import re
from html.parser import HTMLParser

from distill.evaluation.page import (
    Browser,
    Chart,
    Section,
    ShownTrace,
    Table,
    Text,
    render_html,
    render_markdown,
    script_json,
)
from distill.evaluation.showcase import evenly, shortened, shown_trace
from distill.records import Decision, DropReason, Trace

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \u2028 \x00 日本"


def shown(completion):
    return ShownTrace(
        id="p#0",
        source="teacher's trace",
        reason="wrong",
        good=False,
        family="sum",
        detail="",
        prompt=HOSTILE,
        completion=completion,
        tokens=3,
        answer="1",
        reference="2",
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += [name for name, _ in attrs]


def page(*blocks):
    return render_html("T <b>", "S", [Section("One & two", list(blocks))])


def test_hostile_completions_stay_inside_their_json():
    html = page(Browser([shown(HOSTILE)], "caption"))
    tags = Tags()
    tags.feed(html)
    assert tags.found.count("script") == 2
    assert "img" not in tags.found
    assert "onerror" not in tags.attributes
    found = re.search(r'<script type="application/json" id="traces">(.*?)</script>', html)
    assert json.loads(found[1])[0]["completion"] == HOSTILE


def test_script_json_holds_no_bracket_that_could_open_a_tag():
    assert "<" not in script_json([shown(HOSTILE)])
    assert script_json([shown(HOSTILE)]).isascii()


def test_the_page_names_no_address_and_forbids_fetching():
    html = page(Text("t"), Table(["a"], [["b"]]), Chart("<svg></svg>", "c"), Browser([], "d"))
    assert re.search(r"https?:|//[a-z]", html.replace("// never HTML", "")) is None
    assert "default-src 'none'" in html
    assert re.search(r"\s(src|href)=", html) is None


def test_the_script_writes_text_only():
    html = page(Browser([shown("x")], "d"))
    assert re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", html) is None
    assert "textContent" in html


def test_texts_and_cells_are_escaped():
    html = page(Text("<i>", tone="lead"), Table(["<u>"], [["<s>"]], note="<q>"))
    for tag in ("<i>", "<u>", "<s>", "<q>", "T <b>"):
        assert tag not in html
    assert "One &amp; two" in html


def test_what_is_not_seen_is_shown_in_every_text():
    html = page(Text("a\u202eb"), Table(["c\u200b"], [["d\x07"]]), Chart("<svg></svg>", "e\ufeff"))
    for text in ("a\\u202eb", "c\\u200b", "d\\x07", "e\\ufeff"):
        assert text in html


def test_a_shown_completion_hides_nothing():
    trace = Trace(
        problem_id="p",
        index=0,
        prompt="Q",
        completion="4\u202e2",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        teacher="t",
        seed=1,
    )
    decision = Decision(trace_id="p#0", kept=True, reason=DropReason.KEPT)
    assert shown_trace(trace, decision, None, None).completion == "4\\u202e2"


def test_markdown_has_the_tables_and_names_the_figures():
    sections = [Section("A", [Table(["x"], [["1"]], note="n"), Chart("<svg>", "bars")])]
    assert render_markdown("T", "S", sections) == (
        "# T\n\nS\n\n## A\n\n| x |\n| --- |\n| 1 |\n\nn\n\n*bars (drawn in report.html)*\n"
    )


def test_long_texts_keep_head_and_tail():
    text = "a" * 50 + "b" * 50
    short = shortened(text, 30)
    assert short == "a" * 20 + "\n\n[... 70 characters ...]\n\n" + "b" * 10
    assert shortened(text, 100) == text


def test_evenly_spread():
    assert evenly(list(range(10)), 4) == [0, 2, 5, 7]
    assert evenly([1, 2], 4) == [1, 2]

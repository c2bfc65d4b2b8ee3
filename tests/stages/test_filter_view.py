"""What the page shows of the filter: the figures of `filter.json` with the texts of the store."""

from contextlib import closing

import pytest

from distill.evaluation.page import render_html, render_markdown
from distill.filters.decisions import Fate, Word
from distill.filters.findings import Examined, Finding, Known
from distill.filters.funnel import Named, filter_facts, write_facts
from distill.records import Decision, DropReason, Problem, Trace, Verdict, VerdictReason
from distill.stages.filter_view import EXCERPT_CHARS, filter_view
from distill.store import RunPaths, Store

WRONG, MIX, KEPT = DropReason.WRONG, DropReason.LANGUAGE_MIX, DropReason.KEPT
LONG = "<think>" + "so " * 5000 + "</think>\n\u202e<b>9</b>"
MIXED = Fate(WRONG, "answer 9", (WRONG, MIX))
FATES = [MIXED, MIXED, Fate(WRONG, "answer 9", (WRONG,)), Fate(KEPT)]


def write_traces(store):
    problem = Problem(problem_id="p", question="4 <b>+</b> 4?", reference="8")
    store.put("problems", [("p", problem)])
    for index, fate in enumerate(FATES):
        trace = Trace(
            problem_id="p",
            index=index,
            prompt="Q",
            completion=LONG,
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=9,
            teacher="t",
            seed=index,
        )
        key = trace.trace_id
        decision = Decision(trace_id=key, kept=fate.kept, reason=fate.reason, reasons=fate.reasons)
        store.put("traces", [(key, trace)])
        store.put("decisions", [(key, decision)])


def finding(index, right):
    reason = VerdictReason.RIGHT if right else VerdictReason.WRONG
    key, answer = f"p#{index}", "8" if right else "9"
    verdict = Verdict(trace_id=key, correct=right, reason=reason, answer=answer)
    return Finding(Known(trace_id=key, problem="p", verdict=verdict), Examined((), None, b"", b""))


def facts():
    findings = [finding(index, fate.kept) for index, fate in enumerate(FATES)]
    words = [Word(fate.kept, ()) for fate in FATES]
    named = {"p": Named("p", "8")}
    return filter_facts(
        findings, words, FATES, problems=named, thresholds={"accept": "rule", "keep": "random"}
    )


@pytest.fixture
def paths(tmp_path):
    paths = RunPaths(tmp_path)
    with closing(Store(paths.store)) as store:
        write_traces(store)
    paths.filter_facts.write_bytes(write_facts(facts()))
    return paths


def texts(paths):
    with closing(Store(paths.store)) as store:
        sections = [filter_view(store, paths)]
    return render_markdown("T", "S", sections), render_html("T", "S", sections)


def test_figures_and_texts_come_together(paths):
    text, html = texts(paths)
    assert "| wrong | 3 | 75.0 | 3 | 1 |" in text  # first, percent, any; one has no other reason
    assert "| language_mix | 0 | 0.0 | 2 | 0 |" in text
    assert "| `p` | `4 <b>+</b> 4?` | `8` | `9` | 3 of 4 | 1 |" in text
    assert '| filter.keep | `"random"` | `"first"` |' in text
    assert '| filter.accept | `"rule"` |  |' in text
    assert "not of these decisions" not in text
    assert "4 &lt;b&gt;+&lt;/b&gt; 4?" in html


def test_an_example_has_the_beginning_and_the_end_of_its_completion(paths):
    _, html = texts(paths)
    assert "<pre>&lt;think&gt;so so" in html
    assert "\\u202e&lt;b&gt;9&lt;/b&gt;</pre>" in html
    assert html.count("so ") < 3 * EXCERPT_CHARS


def test_traces_and_problems_that_are_gone_are_said_to_be(paths):
    with closing(Store(paths.store)) as store:
        store.clear("traces")
        store.clear("problems")
    text, html = texts(paths)
    assert "<pre>(not in this run)</pre>" in html
    assert "| `p` | `(not in this run)` |" in text


def test_figures_of_other_decisions_are_doubted(paths):
    with closing(Store(paths.store)) as store:
        store.clear("decisions", prefix="p#0")
    assert "filter.json is not of these decisions; run `distill filter`" in texts(paths)[0]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"traces": "many"}', b"\xff\xfe"])
def test_figures_that_cannot_be_read_are_said_to_be(paths, raw):
    paths.filter_facts.write_bytes(raw)
    assert "filter.json cannot be read" in texts(paths)[0]


def test_a_run_without_figures_says_what_to_do(paths):
    paths.filter_facts.unlink()
    assert (
        "No figures of a filter in this run folder (filter.json); run `distill filter`"
        in (texts(paths)[0])
    )


def test_a_filter_of_nothing_is_shown(paths):
    with closing(Store(paths.store)) as store:
        store.clear("decisions")
    nothing = filter_facts([], [], [], problems={}, thresholds={})
    paths.filter_facts.write_bytes(write_facts(nothing))
    assert "No trace was filtered." in texts(paths)[0]

"""The figures of the filter: they add up, and they are what was counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.decisions import Fate, Word
from distill.filters.findings import Examined, Finding, Known
from distill.filters.funnel import (
    Named,
    bucket,
    filter_facts,
    funnel,
    overlap_matrix,
    read_facts,
    suspicious_references,
    write_facts,
)
from distill.records import DropReason, Verdict, VerdictReason

WRONG, CODE, KEPT = DropReason.WRONG, DropReason.CODE_BLOCK, DropReason.KEPT


def finding(trace_id, problem="p", answer=None, correct=None, family=""):
    verdict = None
    if answer is not None:
        reason = VerdictReason.RIGHT if correct else VerdictReason.WRONG
        verdict = Verdict(trace_id=trace_id, correct=correct, reason=reason, answer=answer)
    known = Known(trace_id=trace_id, problem=problem, verdict=verdict, family=family)
    return Finding(known, Examined((), None, b"", b""))


def test_the_funnel_narrows_step_by_step():
    firsts = {KEPT: 3, WRONG: 4, CODE: 2, DropReason.DUPLICATE: 1, DropReason.SURPLUS: 5}
    assert [(step.step, step.left) for step in funnel(firsts)] == [
        ("traces", 15),
        ("accepted", 11),
        ("readable", 9),
        ("not repeated", 8),
        ("not in a test set", 8),
        ("of the wanted difficulty", 8),
        ("kept", 3),
    ]


@given(st.dictionaries(st.sampled_from(list(DropReason)), st.integers(0, 50)))
def test_the_funnel_ends_with_the_kept_ones(firsts):
    steps = [step.left for step in funnel(firsts)]
    assert steps == sorted(steps, reverse=True)
    assert (steps[0], steps[-1]) == (sum(firsts.values()), firsts.get(KEPT, 0))


def test_the_matrix_counts_traces_that_have_both():
    fates = [Fate(WRONG, "", (WRONG, CODE)), Fate(WRONG, "", (WRONG,)), Fate(KEPT)]
    assert overlap_matrix(fates) == {
        "wrong": {"wrong": 2, "code_block": 1},
        "code_block": {"wrong": 1, "code_block": 1},
    }


@pytest.mark.parametrize(
    ("answers", "suspect", "why"),
    [
        ([("9", False)] * 3, (3, 3, 0), "three of three"),
        ([("9", False), ("９ ", False), ("8", True)], (2, 3, 1), "two of three, spelt otherwise"),
        ([("9", False)] * 2, None, "two samples say nothing"),
        ([("9", False)] * 2 + [("8", True)] * 2, None, "no majority"),
        ([("8", True)] * 3, None, "they agree with the reference"),
        ([("9", None)] * 3, None, "nothing is known of them"),
        ([("9", False), ("7", False), ("5", False)], None, "wrong, and not in agreement"),
    ],
)
def test_a_reference_is_suspicious_when_most_samples_agree_against_it(answers, suspect, why):
    found = [
        finding(f"p#{n}", answer=text, correct=right) for n, (text, right) in enumerate(answers)
    ]
    named = {"p": Named("problem 1", "8")}
    suspects = [(s.agree, s.answers, s.right) for s in suspicious_references(found, named)]
    assert suspects == ([suspect] if suspect else []), why


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        (0.0, "0"),
        (0.25, "(0, 0.25]"),
        (0.26, "(0.25, 0.5]"),
        (0.75, "(0.5, 0.75]"),
        (0.99, "(0.75, 1)"),
        (1.0, "1"),
        (None, "not judged"),
    ],
)
def test_the_difficulty_of_a_pass_rate(rate, name):
    assert bucket(rate) == name


def facts():
    found = [
        finding("a#0", "a", "8", True, "sums"),
        finding("a#1", "a", "9", False, "sums"),
        finding("b#0", "b\ud800", "8", True, ""),
    ]
    words = [Word(True, ()), Word(False, ()), Word(None, ())]
    fates = [Fate(KEPT), Fate(WRONG, "answer \ud800", (WRONG, CODE)), Fate(KEPT)]
    return filter_facts(found, words, fates, problems={}, thresholds={"accept": "rule"})


def test_families_and_difficulties_are_counted():
    found = facts()
    assert [(f.group, f.problems, f.traces, f.right, f.kept) for f in found.families] == [
        ("", 1, 1, 0, 1),
        ("sums", 1, 2, 1, 1),
    ]
    assert [(d.group, d.traces, d.kept) for d in found.difficulty] == [
        ("(0.25, 0.5]", 2, 1),
        ("not judged", 1, 1),
    ]
    assert [(c.reason, c.first, c.all) for c in found.reasons] == [
        ("wrong", 1, 1),
        ("code_block", 0, 1),
    ]
    assert (found.kept, found.problems_kept, found.accept) == (2, 2, "rule")


def test_the_file_is_read_back_even_with_half_characters():
    raw = write_facts(facts())
    back = read_facts(raw)
    assert back.examples["wrong"][0].detail == "answer ?"
    assert write_facts(back) == raw

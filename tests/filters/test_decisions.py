"""The fates: own faults first, then repeats, test sets, difficulty, the choice, fair families."""

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.checks import Drop
from distill.filters.decisions import Word, decide, word
from distill.filters.duplicates import signature
from distill.filters.findings import Examined, Finding, Known
from distill.recipe import Filter
from distill.records import DropReason, Verdict, VerdictReason
from distill.verifiers.judge import combine

RIGHT = Word(True, ())
WRONG = Word(False, (Drop(DropReason.WRONG, "answer 9"),))
CODE = Drop(DropReason.CODE_BLOCK, "```")
WORDS = [f"w{n}" for n in range(400)]


class Found(NamedTuple):
    test_set: str = "math500"
    problem_id: str = "t7"
    rule: str = "n-gram"
    words: str = "ten words in a row"


def finding(trace_id, problem="p", digest=None, text="", drops=(), overlap=None, **known):
    digest = trace_id.encode() if digest is None else digest
    examined = Examined(tuple(drops), overlap, digest, signature(text))
    return Finding(Known(trace_id=trace_id, problem=problem, **known), examined)


def fates(findings, words=None, overlaps=None, seed=17, **keys):
    words = [RIGHT] * len(findings) if words is None else words
    return decide(findings, words, Filter(**keys), overlaps=overlaps or {}, seed=seed)


def reasons(findings, words=None, **keys):
    return [fate.reason.value for fate in fates(findings, words, **keys)]


def test_the_first_reason_counts_and_all_are_told():
    overlap = Drop(DropReason.TEST_OVERLAP, "")
    (fate,) = fates([finding("a", drops=[CODE], overlap=Found())], [WRONG], min_pass_rate=0.5)
    assert (fate.reason, fate.detail) == (DropReason.WRONG, "answer 9")
    assert fate.reasons == (
        DropReason.WRONG,
        DropReason.CODE_BLOCK,
        overlap.reason,
        DropReason.PASS_RATE,
    )
    assert not fate.kept


def test_the_first_of_equal_completions_of_a_problem_stays():
    found = [finding("a", digest=b"1"), finding("b", digest=b"1"), finding("c", "q", digest=b"1")]
    assert reasons(found) == ["kept", "duplicate", "kept"]
    assert fates(found)[1].detail == "says what a says"
    assert reasons(found, drop_duplicates=False) == ["kept"] * 3


def test_what_repeats_a_dropped_one_is_no_repeat():
    found = [finding("a", digest=b"1", drops=[CODE]), finding("b", digest=b"1")]
    assert reasons(found) == ["code_block", "kept"]


def test_nearly_the_same_text_is_dropped_whatever_its_problem():
    texts = [WORDS[:300], [*WORDS[:299], "other"], WORDS[280:]]
    found = [
        finding(name, problem, text=" ".join(text))
        for name, problem, text in zip("abc", "pqr", texts, strict=True)
    ]
    assert reasons(found, near_duplicate_similarity=0.9) == ["kept", "near_duplicate", "kept"]
    detail = fates(found, near_duplicate_similarity=0.9)[1].detail
    assert detail == "nearly says what a says (>= 0.9)"
    assert reasons(found, near_duplicate_similarity=None) == ["kept"] * 3


def test_a_problem_of_a_test_set_keeps_nothing_and_a_quoting_trace_falls_alone():
    found = [finding("a"), finding("b", "q", overlap=Found()), finding("c", "q")]
    assert reasons(found, overlaps={"p": Found()}) == ["test_overlap", "test_overlap", "kept"]
    detail = fates(found, overlaps={"p": Found()})[0].detail
    assert detail == "n-gram with math500 t7: ten words in a row"


@pytest.mark.parametrize(
    ("right", "kept"),
    [((0, 0, 0, None), 0), ((1, 0, 0, 0), 1), ((1, 1, 0, None), 2), ((1, 1, 1, None), 0)],
)
def test_a_problem_outside_the_difficulty_window_keeps_nothing(right, kept):
    # rates 0, 1/4, 2/3 and 1 in a window from 0.25 to 0.75; None is not judged
    words = [Word(None if r is None else bool(r), () if r else WRONG.drops) for r in right]
    found = fates(list(map(finding, "abcd")), words, min_pass_rate=0.25, max_pass_rate=0.75)
    assert sum(fate.kept for fate in found) == kept
    outside = {fate.detail for fate in found if fate.reason is DropReason.PASS_RATE}
    assert outside <= {"1 > 0.75"}


def test_a_problem_that_nobody_judged_is_not_outside_the_window():
    found = [finding("a")]
    assert reasons(found, [Word(None, ())], min_pass_rate=0.5) == ["kept"]


def test_a_duplicate_takes_no_place():
    found = [finding(name, digest=digest) for name, digest in zip("abcd", "1123", strict=True)]
    assert reasons(found, keep_per_problem=2) == ["kept", "duplicate", "kept", "surplus"]


def test_the_strategy_of_the_recipe_chooses():
    found = [finding(str(n), length=length) for n, length in enumerate([30, 10, 20])]
    assert reasons(found, keep_per_problem=1, keep="shortest") == ["surplus", "kept", "surplus"]
    assert reasons(found, keep_per_problem=1, keep="median") == ["surplus", "surplus", "kept"]
    assert fates(found, keep_per_problem=1)[1].detail == "1 of its problem are kept (first)"


def test_a_family_is_capped_evenly():
    found = [
        finding(f"{problem}{n}", problem, family="sums" if problem < "c" else "rest")
        for problem in "abc"
        for n in range(3)
    ]
    assert reasons(found, keep_per_family=3) == [
        *("kept", "kept", "family_surplus"),
        *("kept", "family_surplus", "family_surplus"),
        *("kept", "kept", "kept"),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("pqr"),
            st.sampled_from([b"1", b"2", b"3"]),
            st.booleans(),
            st.sampled_from([True, False, None]),
        ),
        max_size=25,
    ),
    st.integers(1, 3),
    st.none() | st.integers(1, 5),
    st.sampled_from(["first", "shortest", "median", "random", "diverse"]),
)
def test_what_is_kept_is_sound_new_and_within_its_caps(traces, k, cap, keep):
    found = [
        finding(str(n), problem, digest, drops=[CODE] if faulty else [], length=n % 4)
        for n, (problem, digest, faulty, _) in enumerate(traces)
    ]
    words = [
        RIGHT if right else Word(right, (Drop(DropReason.UNVERIFIED, ""),)) for *_, right in traces
    ]
    decided = fates(found, words, keep_per_problem=k, keep_per_family=cap, keep=keep)
    kept = [n for n, fate in enumerate(decided) if fate.kept]
    assert all(words[n].correct and not found[n].examined.drops for n in kept)
    assert len({traces[n][:2] for n in kept}) == len(kept)
    assert all(count <= k for count in Counter(traces[n][0] for n in kept).values())
    assert cap is None or len(kept) <= cap
    for fate in decided:
        assert fate.kept or fate.reason == fate.reasons[0]
        assert list(fate.reasons) == sorted(fate.reasons, key=list(DropReason).index)


def verdict(correct):
    reason = {True: "right", False: "wrong", None: "timeout"}[correct]
    return Verdict(trace_id="a", correct=correct, reason=VerdictReason(reason), answer="9")


@pytest.mark.parametrize(
    ("accept", "rule", "judge", "correct", "faults"),
    [
        ("rule", True, False, True, []),
        ("rule", False, True, False, ["wrong"]),
        ("rule", None, True, None, ["unverified"]),
        ("judge", False, True, True, []),
        ("judge", True, False, False, ["wrong"]),
        ("judge", True, None, None, ["unverified"]),
        ("or", False, True, True, []),
        ("or", None, True, True, []),
        ("or", False, False, False, ["wrong"]),
        ("and", True, True, True, []),
        ("and", True, False, False, ["wrong"]),
        ("none", False, False, False, []),
        ("none", None, None, None, []),
    ],
)
def test_whose_word_counts(accept, rule, judge, correct, faults):
    known = Known(trace_id="a", problem="p", verdict=verdict(rule), judged=judge)
    said = word(known, Filter(accept=accept), combine)
    assert said.correct is correct
    assert [drop.reason.value for drop in said.drops] == faults


def test_a_text_that_was_cut_is_truncated_whoever_is_heard():
    known = Known(trace_id="a", problem="p", verdict=verdict(True), finish_reason="length")
    for accept in ("none", "rule"):
        said = word(known, Filter(accept=accept), combine)
        assert [drop.reason for drop in said.drops] == [DropReason.TRUNCATED]
    assert word(known, Filter(accept="none", drop_verdicts=("wrong",)), combine).drops == ()

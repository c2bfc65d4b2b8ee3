"""The ablation: deciding again from findings equals filtering again with the key off."""

import itertools

import msgspec
import pytest

from distill.filters.ablation import Variant, ablation, ablation_text, not_made, outcome, variants
from distill.filters.chain import checks_of, examine
from distill.filters.checks import READABILITY_KEYS
from distill.filters.decisions import decide, word
from distill.filters.findings import Finding, Known
from distill.recipe import Filter
from distill.records import Verdict, VerdictReason
from distill.verifiers.judge import combine

QUESTION = "How many legs do 2 dogs have?"
FLAWS = {
    "nothing": "",
    "language_mix": "两只狗有八条腿，所以答案是八。",
    "code_block": "\n```\nprint(8)\n```\n",
    "repetition": "so it is eight and that is that, is it not\n" * 60,
    "long_paragraph": "this goes on and on, and so does that, " * 70,
    "forbidden": "As a helpful model, ",
}
KEYS = Filter(forbid=("helpful model",), near_duplicate_similarity=0.9, keep_per_problem=3)


def steps(n):
    """Prose that no other n has anything of."""
    return "\n".join(f"Step {i}: {n} and {n + i} make {2 * n + i}, dog {n}." for i in range(12))


def texts():
    pairs = itertools.combinations(FLAWS.values(), 2)
    flaws = ["", "", "", *(first + second for first, second in pairs)]
    for n, flaw in enumerate(flaws):
        yield f"<think>{steps(100 * n)} {flaw}</think>The answer is \\boxed{{8}}."
    yield f"<think>{steps(0)} </think>The answer is \\boxed{{8}}!"
    yield f"{steps(-100)} no tags at all. The answer is \\boxed{{8}}."
    yield f"<think>{steps(-200)} The answer is \\boxed{{8}}.</think>"
    yield f"<think>{steps(-300)}</think><think>again</think>The answer is \\boxed{{8}}."
    yield f"<think>{steps(-400)}</think>"


def findings(keys, compare_all=True):
    checks = checks_of(keys, compare_all=compare_all)
    found = []
    for at, text in enumerate(texts()):
        correct = at % 5 != 1
        reason = VerdictReason.RIGHT if correct else VerdictReason.WRONG
        verdict = Verdict(trace_id=str(at), correct=correct, reason=reason)
        known = Known(
            trace_id=str(at),
            problem=f"p{at % 3}",
            length=len(text),
            verdict=verdict,
            judged=at % 2 == 0,
        )
        found.append(Finding(known, examine(QUESTION, text, checks)))
    return found


def kept_by_filter(keys):
    found = findings(keys, compare_all=False)
    words = [word(one.known, keys, combine) for one in found]
    fates = decide(found, words, keys, overlaps={}, seed=17)
    return {at for at, fate in enumerate(fates) if fate.kept}


def made(keys=KEYS, **there):
    there = {"has_verdicts": True, "has_judgements": True, "has_tests": False} | there
    pool = findings(keys)
    return [
        outcome(variant, pool, combine=combine, overlaps={}, problems={}, seed=17)
        for variant in variants(keys, **there)
    ], pool


def test_every_variant_keeps_what_the_filter_with_its_keys_keeps():
    found, _ = made()
    for one in found:
        assert one.kept == kept_by_filter(one.variant.keys), one.variant.name
    assert len({one.kept for one in found}) > 6  # they do differ


def test_there_is_a_variant_for_each_value_of_accept_and_each_key_that_is_on():
    names = [variant.name for variant in variants(KEYS, **dict.fromkeys(THERE, True))]
    assert names[:6] == ["recipe", *(f"accept-{a}" for a in ("none", "rule", "judge", "or", "and"))]
    for key in (*READABILITY_KEYS, "test_overlap", "drop_verdicts", "keep_per_problem"):
        assert f"without-{key}" in names
    assert "without-min_pass_rate" not in names  # it is off
    off = msgspec.structs.replace(KEYS, max_foreign_share=None, allow_code_blocks=True, forbid=())
    fewer = {variant.name for variant in variants(off, **dict.fromkeys(THERE, True))}
    gone = {"without-max_foreign_share", "without-allow_code_blocks", "without-forbid"}
    assert set(names) - fewer == gone


THERE = ("has_verdicts", "has_judgements", "has_tests")


@pytest.mark.parametrize(
    ("verdicts", "judgements", "skipped"),
    [
        (True, True, []),
        (True, False, ["accept-judge", "accept-or", "accept-and"]),
        (False, False, ["accept-rule", "accept-judge", "accept-or", "accept-and"]),
    ],
)
def test_what_there_is_no_word_for_is_said_and_not_made(verdicts, judgements, skipped):
    there = {"has_verdicts": verdicts, "has_judgements": judgements}
    assert list(not_made(**there)) == skipped
    names = {variant.name for variant in variants(KEYS, **there, has_tests=True)}
    assert names.isdisjoint(skipped)


def test_the_table_compares_with_the_filter_as_it_is():
    found, pool = made()
    table = ablation(found, pool, length_unit="characters", skipped={"accept-or": "no judge"})
    rows = {row.variant: row for row in table.rows}
    full = rows["recipe"]
    assert (full.only_here, full.lost, full.right_share) == (0, 0, 1.0)
    none = rows["accept-none"]
    assert none.right_share < 1
    for row in table.rows:
        assert row.kept == full.kept + row.only_here - row.lost
    text = ablation_text("x", table, lambda header, lines: str([header, *lines]))
    assert "not made: accept-or: no judge." in text
    assert "Mean length in characters" in text


def test_a_variant_is_called_by_what_it_leaves_out():
    variant = next(v for v in variants(KEYS, **dict.fromkeys(THERE, True)) if "forbid" in v.name)
    assert isinstance(variant, Variant)
    assert variant.keys == msgspec.structs.replace(KEYS, forbid=())

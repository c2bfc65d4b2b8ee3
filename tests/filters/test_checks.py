"""Readability: what is dropped, why, and that every reason is told."""

import json
import random
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.filters.checks import (
    CHECKS,
    READABILITY_KEYS,
    check_cases,
    not_right,
    readability_faults,
)
from distill.recipe import Filter, FilterCase
from distill.records import DropReason, Verdict, VerdictReason

TRACES = Path(__file__).parents[3] / "shared/data/r1_traces"
ENGLISH = "How many legs do 2 dogs have?"
SPANISH = "Cada perro tiene cuatro patas, así que dos perros tienen ocho patas en total. " * 2


def faults_of(completion, question=ENGLISH, **changes):
    keys = {key: getattr(Filter(), key) for key in READABILITY_KEYS} | changes
    return readability_faults(question=question, completion=completion, **keys)


def written(thought):
    return f"<think>{thought}</think><answer>8</answer>"


GOOD = written("2 * 4 = 8\nWait, check: 8 / 2 = 4. Good")
WORDS = ("the", "line", "that", "we", "need", "is", "near", "this", "point", "and", "of", "each")
FAULTY = [  # completion, its only fault, the key that turns the check off
    ("<answer>8</answer>", DropReason.MISSING_THINK, {"require_think": False}),
    ("<think>a</think>8</think>8", DropReason.DOUBLED_THINK, {"allow_doubled_think": True}),
    ("<think>2 * 4</think>\n", DropReason.NO_FINAL_ANSWER, {"require_final_answer": False}),
    (
        "<think>\\boxed{8}</think>I am done.",
        DropReason.ANSWER_IN_THOUGHT,
        {"allow_answer_in_thought": True},
    ),
    (written("两只狗 8"), DropReason.LANGUAGE_MIX, {"max_foreign_share": None}),
    (written(SPANISH), DropReason.OTHER_LANGUAGE, {"max_other_language_share": None}),
    (written("2 * 4 = 8 legs\n" * 30), DropReason.REPETITION, {"max_repeated_share": None}),
    (
        written(" ".join(random.Random(7).choices(WORDS, k=500))),
        DropReason.LONG_PARAGRAPH,
        {"max_paragraph_chars": None},
    ),
    (written("```\n8\n```"), DropReason.CODE_BLOCK, {"allow_code_blocks": True}),
    ("<think>so</think>I cannot assist with that.", DropReason.REFUSAL, {"allow_refusals": True}),
]


@pytest.mark.parametrize(("completion", "reason", "off"), FAULTY)
def test_each_check_drops_its_own_and_can_be_off(completion, reason, off):
    assert [drop.reason for drop in faults_of(completion)] == [reason]
    assert faults_of(completion, **off) == []


def test_a_good_completion_has_no_faults():
    assert faults_of(GOOD) == []


def test_an_open_thought_has_no_answer_either():
    found = [drop.reason for drop in faults_of("<think>2 * 4 is \\boxed{8}")]
    assert found == [
        DropReason.UNCLOSED_THINK,
        DropReason.NO_FINAL_ANSWER,
        DropReason.ANSWER_IN_THOUGHT,
    ]


def test_all_reasons_are_told_in_their_order_with_both_numbers():
    both = written("```\n" + "两只狗有八条腿 " * 90)  # 630 Han letters of 652; ~160 words
    assert faults_of(both) == [
        (DropReason.LANGUAGE_MIX, "0.97 > 0.001"),
        (DropReason.REPETITION, "0.89 > 0.5"),
        (DropReason.CODE_BLOCK, "```"),
    ]
    (drop,) = faults_of(written("ab" * 60 + " да" * 3), max_foreign_share=0.04)
    assert drop.detail == "0.041 > 0.04"  # 6 letters of 148


def test_the_checks_stand_in_the_order_of_the_reasons():
    reasons = [reason for reason, _ in CHECKS.values()]
    assert reasons == [reason for reason in DropReason if reason in reasons]


def test_a_forbidden_string_drops_with_the_string():
    (drop,) = faults_of(written("I am a helpful model"), forbid=("none", "I am a helpful"))
    assert drop == (DropReason.FORBIDDEN, "I am a helpful")


def test_code_is_in_its_place_where_the_question_asks_for_it():
    code = "<think>easy</think>\n```python\nprint(8)\n```"
    assert faults_of(code, "Write a Python program that prints 8.") == []
    assert [drop.reason for drop in faults_of(code)] == [DropReason.CODE_BLOCK]


def test_the_thought_of_the_caller_counts():
    completion = "[T]so \\boxed{8}[/T]Done."  # a family of tags that only the caller knows
    keys = {key: getattr(Filter(), key) for key in READABILITY_KEYS} | {"require_think": False}
    assert (
        readability_faults(question="", completion=completion, thought="so \\boxed{8}", **keys)
        == []  # its answer text is all of it, where the box is
    )


def test_a_threshold_too_many_or_too_few_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="max_foreign_shar"):
        faults_of(GOOD, max_foreign_shar=0.1)
    with pytest.raises(TypeError, match="check allow_answer_in_thought"):
        readability_faults(question="", completion="")


@pytest.mark.parametrize(
    ("correct", "reason", "finish", "expected"),
    [
        (True, "right", "stop", []),
        (True, "right", "length", ["truncated"]),
        (False, "wrong", "stop", ["wrong"]),
        (False, "wrong", "length", ["truncated", "wrong"]),
        (False, "no_answer", "stop", ["no_answer"]),
        (False, "truncated", "length", ["truncated"]),
        (False, "time_limit", "stop", ["wrong"]),
        (None, "timeout", "stop", ["unverified"]),
        (None, "verifier_error", "length", ["unverified", "truncated"]),
        (None, "bad_reference", None, ["unverified"]),
    ],
)
def test_a_verdict_becomes_its_reasons(correct, reason, finish, expected):
    verdict = Verdict(trace_id="p#0", correct=correct, reason=VerdictReason(reason))
    on = Filter().drop_verdicts
    drops = not_right(verdict, correct=correct, finish_reason=finish, drop_verdicts=on)
    assert [drop.reason.value for drop in drops] == expected
    for off in expected:
        left = [name for name in on if name != off]
        drops = not_right(verdict, correct=correct, finish_reason=finish, drop_verdicts=left)
        assert [drop.reason.value for drop in drops] == [x for x in expected if x != off]


@pytest.mark.parametrize(
    ("rule", "taken", "expected"),
    [
        (None, None, [("unverified", "no verdict")]),
        (None, True, []),
        (None, False, [("wrong", "in the judge's word")]),
        (True, False, [("wrong", "in the judge's word")]),
        (False, True, []),
        (False, False, [("wrong", "answer 9")]),
    ],
)
def test_what_is_taken_as_true_decides(rule, taken, expected):
    name = {True: "right", False: "wrong"}
    verdict = rule if rule is None else Verdict(
        trace_id="p#0", correct=rule, reason=VerdictReason(name[rule]), answer="9"
    )  # fmt: skip
    on = Filter().drop_verdicts
    drops = not_right(verdict, correct=taken, finish_reason="stop", drop_verdicts=on)
    assert [(drop.reason.value, drop.detail) for drop in drops] == expected


def test_cases_that_hold_say_nothing():
    cases = [
        FilterCase(completion=text, reason=str(why), question=ENGLISH) for text, why, _ in FAULTY
    ]
    cases.append(FilterCase(completion=GOOD, reason="kept", question=ENGLISH))
    assert check_cases(Filter(cases=tuple(cases))) == []


@pytest.mark.parametrize(
    ("completion", "reason", "changes", "says"),
    [
        (GOOD, "repetition", {}, "filter.cases[1]: expected repetition, found kept;"),
        (FAULTY[4][0], "kept", {}, "expected kept, found language_mix (0.12 > 0.001)"),
        (FAULTY[8][0], "code_block", {"allow_code_blocks": True}, "code_block, found kept"),
        (GOOD, "language_mixed", {}, "'language_mixed'; did you mean 'language_mix'?"),
        (GOOD, "wrong", {}, "expected one of kept, missing_think,"),
    ],
)  # fmt: skip
def test_a_case_that_fails_says_which_and_what_was_found(completion, reason, changes, says):
    cases = (
        FilterCase(completion=GOOD, reason="kept"),
        FilterCase(completion=completion, reason=reason, question="How many legs?"),
    )
    (failure,) = check_cases(Filter(cases=cases, **changes))
    assert failure.position == 1
    assert says in str(failure)


MEGA = 100_000
HOSTILE = {
    "one letter": "a" * MEGA,
    "no spaces": "abcdefghij" * (MEGA // 10),
    "one mark": "!" * MEGA,
    "NUL": "\0" * MEGA,
    "half characters": "\ud800" * MEGA,
    "tags": "<think></think>" * (MEGA // 15),
    "opening tags": "<think>" * (MEGA // 7),
    "almost tags": "<thin" * (MEGA // 5),
    "boxes": "\\boxed{" * (MEGA // 7),
    "dollars": "$" * MEGA,
    "openings of formulas": "\\(" * (MEGA // 2),
    "openings of displays": "\\[ " * (MEGA // 3),
    "fences": "``" * (MEGA // 2),
    "begins": "\\begin{a}" * (MEGA // 9),
    "commands with groups": "\\a{b" * (MEGA // 5),
    "spaces": " " * MEGA,
    "line breaks": "\n" * MEGA,
    "blank lines": " \n" * (MEGA // 2),
    "def": "def f(" * (MEGA // 6),
    "sorry": "i'm sorry " * (MEGA // 10),
    "answers": "the final answer " * (MEGA // 17),
    "stars": "**" * (MEGA // 2),
    "hyphens": "a-" * (MEGA // 2),
    "Chinese": "等等" * (MEGA // 2),
    "marks on letters": "e\u0301" * (MEGA // 2),
    "numbers": "1 2 " * (MEGA // 4),
    "counters": "".join(f"so we try {n} again and it is not right, " for n in range(MEGA // 40)),
    "tables": "| a | b |\n" * (MEGA // 10),
    "sentences": "so. " * (MEGA // 4),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time(name):
    start = time.process_time()
    for text in (HOSTILE[name], written(HOSTILE[name]), f"<think>so</think>{HOSTILE[name]}"):
        faults_of(text, question=text[:5000])
    assert time.process_time() - start < 5  # 0.1 s on an idle core


PIECES = (
    "<think>",
    "</think>",
    "\\boxed{",
    "}",
    "8",
    "$",
    "\\[",
    "```",
    "\n",
    " so ",
    "等",
    "\ud800",
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES)).map("".join)), st.text())
def test_no_text_raises_and_every_detail_can_be_stored(text, question):
    for drop in faults_of(text, question):
        assert isinstance(drop.reason, DropReason)
        json.dumps(drop.detail)


@pytest.mark.skipif(not TRACES.is_dir(), reason="the public reasoning traces are not here")
def test_real_right_traces_stay_and_real_loops_go():
    rows = [
        msgspec.json.decode(line)
        for file in sorted(TRACES.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()[::5]
    ]
    checked = DropReason.OTHER_LANGUAGE, DropReason.REFUSAL, DropReason.REPETITION
    counts = {(label, reason): 0 for label in (True, False) for reason in checked}
    for row in rows:
        for drop in faults_of(row["response"], row["problem"]):
            if (row["label"], drop.reason) in counts:
                counts[row["label"], drop.reason] += 1
    right, wrong = (sum(row["label"] is label for row in rows) for label in (True, False))
    assert counts[True, DropReason.REPETITION] <= 0.01 * right
    assert counts[False, DropReason.REPETITION] > 0.1 * wrong
    for label in (True, False):
        assert counts[label, DropReason.OTHER_LANGUAGE] == 0
        assert counts[label, DropReason.REFUSAL] == 0

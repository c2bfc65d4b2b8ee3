"""Readability: what is dropped, why, and what long honest chains may do."""

import random
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.checks import (
    READABILITY_KEYS,
    code_block,
    foreign_share,
    longest_paragraph_chars,
    not_right,
    repeated_share,
    unreadable,
)
from distill.recipe import Filter
from distill.records import DropReason, Verdict, VerdictReason

TRACES = Path(__file__).parents[3] / "shared/data/r1_traces"
ENGLISH = "How many legs do 2 dogs have?"
CHAIN = "\n".join(f"{n} + {n + 3} = {2 * n + 3}" for n in range(40))


def drop_of(completion, question=ENGLISH, **changes):
    keys = {key: getattr(Filter(), key) for key in READABILITY_KEYS} | changes
    thought = completion.partition("</think>")[0].removeprefix("<think>")
    return unreadable(question=question, completion=completion, thought=thought, **keys)


def written(thought):
    return f"<think>{thought}</think><answer>8</answer>"


@pytest.mark.parametrize(
    ("text", "question", "share", "why"),
    [
        ("two dogs", ENGLISH, 0.0, "one script"),
        ("我们算 abcdefg", ENGLISH, 3 / 10, "3 Han letters of 10"),
        ("да ab", ENGLISH, 0.5, "Cyrillic"),
        ("angle α = π/2, Σ xᵢ ∈ ℝ, 𝑥 ≤ ½", ENGLISH, 0.0, "Greek and maths are symbols"),
        ("naïve café", ENGLISH, 0.0, "Latin with accents"),
        ("\uff21\uff22 cd", ENGLISH, 0.0, "full-width Latin is Latin"),
        ("所以 x = \\frac{y}{2} 米", "小明有 x 个苹果", 0.0, "lone letters and commands"),
        ("所以 the answer", "小明有 x 个苹果", 9 / 11, "English words in a Chinese chain"),
        ("カナとかな漢字", "いくつですか", 0.0, "any kana allows all Japanese scripts"),
        ("so it is 你好", "Translate 你好", 0.0, "the question has both"),
        ("so four", "2 + 2 =", 0.0, "a question without words takes the main script"),
        ("so four 是", "2 + 2 =", 1 / 7, "and the rest is foreign to that"),
        ("12 + 3 = 15", ENGLISH, 0.0, "no letters at all"),
    ],
)
def test_share_of_foreign_letters(text, question, share, why):
    assert foreign_share(text, question) == pytest.approx(share), why


def test_a_loop_counts_from_its_second_copy():
    # 10 words, said 10 times: 9 copies of 10 words repeat
    line = "one two three four five six seven eight nine ten"
    assert repeated_share(" ".join([line] * 10)) == pytest.approx(0.9)
    assert repeated_share("\n".join([line] * 10)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("text", "low", "high", "why"),
    [
        (CHAIN, 0.0, 0.0, "steps of one form are not a loop"),
        (f"{CHAIN}\nWait, let me check that.\n{CHAIN}", 0.0, 0.0, "one check of everything"),
        (f"{CHAIN}\n" + "1 + 4 = 5, right?\n" * 12, 0.2, 0.4, "a line that will not end"),
        ("wait " * 500, 0.95, 1.0, "one word"),
        ("ha" * 5000, 0.95, 1.0, "one word without spaces"),
        ("等等，让我检查一下。" * 50, 0.9, 1.0, "without spaces, with full stops"),
        (
            "x = \\begin{matrix} 0 & 0 & 0 & 0 \\\\ 0 & 0 & 0 & 0 \\end{matrix}",
            0.0,
            0.0,
            "a matrix",
        ),
        ("", 0.0, 0.0, "nothing"),
    ],
)
def test_loops_and_honest_repetition(text, low, high, why):
    assert low <= repeated_share(text) <= high, why


def test_a_loop_of_a_long_segment_with_a_counter_in_between_is_found():
    steps = "\n".join(f"line {n} of a segment of quite some length" for n in range(30))
    text = "\n".join(f"Attempt {turn}.\n{steps}" for turn in range(8))
    assert repeated_share(text) > 0.8


@given(st.text(max_size=300))
def test_shares_stay_between_0_and_1(text):
    assert 0 <= repeated_share(text) <= 1
    assert 0 <= foreign_share(text, ENGLISH) <= 1


@given(st.lists(st.integers(), min_size=1, max_size=200, unique=True))
def test_words_that_never_repeat_are_no_loop(numbers):
    text = " ".join("n" + re.sub("-", "m", str(number)) for number in numbers)
    assert repeated_share(text) == 0 or max(map(abs, numbers)) > 10**18  # longer than one word


def test_time_grows_with_the_length_and_not_faster():
    def seconds(words):
        rng = random.Random(1)
        text = " ".join(str(rng.randint(0, 1)) for _ in range(words))
        return min(_timed(text) for _ in range(3))

    def _timed(text):
        start = time.process_time()
        repeated_share(text)
        return time.process_time() - start

    assert seconds(80_000) < 8 * 3 * seconds(10_000)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so\n```python\nprint(8)\n```", True),
        ("so\n~~~\nx\n~~~", True),
        ("so\ndef legs(n):\n    return 4 * n", True),
        ("so\nimport sympy as sp\nx", True),
        ("def f(" + "):" * 50_000 + "x", False),  # linear: this took half a minute
        ("\\begin{verbatim}x\\end{verbatim}", True),
        ("we import two apples, the class of all sets: define f(x)", False),
        ("`x` is 4 ~ 4", False),
    ],
)
def test_what_is_a_code_block(text, found):
    assert (code_block(text) is not None) is found


def test_a_paragraph_ends_at_a_line_break():
    assert longest_paragraph_chars("ab\nabcde  \n\nabc") == 5


GOOD = written("2 * 4 = 8\nWait, check: 8 / 2 = 4. Good")


@pytest.mark.parametrize(
    ("completion", "off", "reason"),
    [
        ("<answer>8</answer>", {"require_format": False}, DropReason.FORMAT),
        (written("两只狗 8"), {"max_foreign_share": None}, DropReason.LANGUAGE_MIX),
        (written("2 * 4 = 8 legs\n" * 30), {"max_repeated_share": None}, DropReason.REPETITION),
        (
            written(" ".join(f"w{n}" for n in range(600))),
            {"max_paragraph_chars": None},
            DropReason.LONG_PARAGRAPH,
        ),
        (written("```\n8\n```"), {"allow_code_blocks": True}, DropReason.CODE_BLOCK),
    ],
)
def test_each_check_drops_its_own_and_can_be_off(completion, off, reason):
    assert drop_of(GOOD) is None
    assert drop_of(completion).reason is reason
    assert drop_of(completion, **off) is None


def test_a_forbidden_string_drops_with_the_string():
    drop = drop_of(written("I am a helpful model"), forbid=("I am a helpful",))
    assert drop == (DropReason.FORBIDDEN, "I am a helpful")


def test_the_first_reason_counts_and_the_detail_has_both_numbers():
    both = written("```\n" + "两只狗有八条腿 " * 30)
    assert drop_of(both) == (DropReason.LANGUAGE_MIX, "0.91 > 0.005")  # 210 Han letters of 232
    assert drop_of(both, max_foreign_share=None).reason is DropReason.REPETITION
    assert drop_of(written("ab" * 250 + "да"), max_foreign_share=0.003).detail == "0.004 > 0.003"


@pytest.mark.parametrize(
    ("correct", "reason", "finish", "expected"),
    [
        (True, "right", "stop", None),
        (True, "right", "length", DropReason.TRUNCATED),
        (False, "wrong", "stop", DropReason.WRONG),
        (False, "no_answer", "stop", DropReason.NO_ANSWER),
        (False, "truncated", "length", DropReason.TRUNCATED),
        (None, "timeout", "stop", DropReason.UNVERIFIED),
        (None, "verifier_error", "length", DropReason.UNVERIFIED),
        (None, "bad_reference", "stop", DropReason.UNVERIFIED),
    ],
)
def test_a_verdict_becomes_a_reason(correct, reason, finish, expected):
    verdict = Verdict(trace_id="p#0", correct=correct, reason=VerdictReason(reason))
    drop = not_right(verdict, finish_reason=finish, drop_verdicts=Filter().drop_verdicts)
    assert (drop.reason if drop else None) == expected


def test_no_verdict_is_unverified():
    drop = not_right(None, finish_reason=None, drop_verdicts=Filter().drop_verdicts)
    assert drop == (DropReason.UNVERIFIED, "no verdict")


@pytest.mark.parametrize(
    ("off", "correct", "expected"),
    [
        ("truncated", True, None),
        ("truncated", False, DropReason.WRONG),
        ("truncated", None, DropReason.UNVERIFIED),
        ("wrong", False, DropReason.TRUNCATED),
        ("unverified", None, DropReason.TRUNCATED),
    ],
)
def test_a_reason_that_is_off_hides_no_other(off, correct, expected):
    # all of these ended by the token limit
    reason = {True: "right", False: "wrong", None: "timeout"}[correct]
    verdict = Verdict(trace_id="p#0", correct=correct, reason=VerdictReason(reason))
    on = [name for name in Filter().drop_verdicts if name != off]
    drop = not_right(verdict, finish_reason="length", drop_verdicts=on)
    assert (drop.reason if drop else None) == expected


@pytest.mark.skipif(not TRACES.is_dir(), reason="the public reasoning traces are not here")
def test_fewer_than_1_percent_of_real_right_traces_are_called_loops():
    rows = [
        msgspec.json.decode(line)
        for file in sorted(TRACES.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()[::6]
    ]
    limit = Filter().max_repeated_share
    right = [repeated_share(row["response"]) > limit for row in rows if row["label"] is True]
    wrong = [repeated_share(row["response"]) > limit for row in rows if row["label"] is False]
    assert sum(right) < 0.01 * len(right)
    assert sum(wrong) > 0.05 * len(wrong)  # it does find the loops that are there

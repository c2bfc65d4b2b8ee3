"""Loops are found wherever they stand, and honest repetition is not one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.repetition import STRETCH_WORDS, repeated_share
from distill.recipe import Filter

LIMIT = Filter().max_repeated_share
NOUNS = ("cone", "ring", "cube", "slope", "chord", "angle", "prime", "root", "graph", "field")
VERBS = ("meets", "splits", "bounds", "covers", "equals", "follows", "needs", "gives", "makes")


def chain(words, seed=1):
    """Prose that never says a sentence again, with a number here and there."""
    rng = random.Random(seed)
    lines = []
    while words > 0:
        line = f"The {rng.choice(NOUNS)} {rng.randint(2, 99)} {rng.choice(VERBS)} our"
        line += f" {rng.choice(NOUNS)} of {rng.choice(NOUNS)} {rng.randint(2, 999)}."
        lines.append(line)
        words -= 11
    return "\n".join(lines)


def shuffled_doubts(copies):
    rng = random.Random(2)
    parts = (
        ("Wait,", "Hmm,", "Hold on,", "Actually,"),
        ("maybe", "perhaps", "I think"),
        ("I made a mistake.", "I made an error.", "I should check this."),
        ("Let me look again.", "Let me verify this.", "Let me go over it once more."),
    )
    return " ".join(rng.choice(part) for _ in range(copies) for part in parts)


PARAGRAPH = (
    "The two chords meet inside the circle, so the products of their parts are equal. "
    "That means the missing part is twelve divided by four, and the whole chord has length seven. "
    "Then the area of the triangle follows from the height that we already know. "
)
LEADS = ("Wait.", "Hmm,", "But", "So", "Alternatively,", "No.", "Then", "Now")
LOOPS = {
    "one sentence ten times": "So the answer is 42, but let me check it once more. " * 10,
    "one sentence": "So the answer is 42, but let me check it once more. " * 40,
    "a counter": "\n".join(f"Step {100 + n}: I will check the result again." for n in range(60)),
    "two counters in step": "\n".join(
        f"Attempt {n}: try {n} again, it does not work." for n in range(60)
    ),
    "doubts in other words": shuffled_doubts(60),
    "a paragraph": PARAGRAPH * 10,
    "a paragraph with new leads": "\n\n".join(f"{lead} {PARAGRAPH}" for lead in LEADS),
    "one word": "wait " * 500,
    "one letter": "a" * 5000,
    "two letters": "ha" * 5000,
    "one mark": "!" * 2000,
    "line breaks": "\n" * 2000,
    "a formula": "x^2 + 1 = 0 \\Rightarrow x = i, " * 60,
    "without spaces": "等等，让我检查一下。" * 200,
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_found_at_the_end_and_in_the_middle_of_a_long_chain(name):
    before, after = chain(6000), chain(2000, seed=3)
    assert repeated_share(LOOPS[name]) > LIMIT
    assert repeated_share(f"{before}\n{LOOPS[name]}") > LIMIT
    assert repeated_share(f"{before}\n{LOOPS[name]}\n{after}") > LIMIT


def listing(line, numbers=range(1, 80)):
    return "\n".join(line.format(n=n, s=n * n, m=7 * n % 11, h=n // 2) for n in numbers)


BITS = random.Random(4)
HONEST = {
    "nothing": "",
    "sums": listing("{n} + {s} = {m}"),
    "a table": listing("| {n} | {s} | {m} |"),
    "cases": listing("If n = {n}, then n^2 = {s}, which leaves {m} modulo 11, so it fails."),
    "a few cases in one form": listing(
        "Case {n}: the first digit is {n}. The others sum to {h}, that is {s} ways.", range(1, 10)
    ),
    "a list of numbers": ", ".join(map(str, range(600))),
    "a matrix": "\\begin{pmatrix}" + "0 & 0 & 0 & 0 \\\\ " * 4 + "\\end{pmatrix}",
    "bits": "\n".join(" ".join(BITS.choice("01") for _ in range(12)) for _ in range(12)),
    "a check of everything": f"{chain(600)}\nWait, let me check that.\n{chain(600)}",
    "a formula copied in a derivation": chain(300)
    + "\nSo (x - 1)(x^4 + x^3 + x^2 + x + 1) = x^5 - 1." * 3
    + chain(300, seed=5),
    "a paragraph said three times in a long chain": f"{chain(900)}\n{PARAGRAPH * 3}{chain(900)}",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_repetition_is_no_loop(name):
    assert repeated_share(HONEST[name]) < LIMIT


def test_the_share_is_of_the_words_of_the_worst_stretch():
    # 100 different words, three times: all but the first copy repeat
    words = [f"w{'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}" for n in range(100)]
    assert repeated_share(" ".join(words * 3)) == pytest.approx(2 / 3)
    # with nine copies, the last 500 words are copies
    assert repeated_share(" ".join(words * 9)) == 1.0
    assert STRETCH_WORDS == 500


@given(st.text(max_size=400))
def test_a_share_stays_between_0_and_1(text):
    assert 0 <= repeated_share(text) <= 1


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=400, unique=True))
def test_numbers_that_never_repeat_are_no_loop(numbers):
    assert repeated_share(" ".join(map(str, numbers))) == 0

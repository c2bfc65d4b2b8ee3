"""Letters of scripts that the question does not use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.scripts import foreign_share

ENGLISH = "How many legs do 2 dogs have?"


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
        ("<think>在三角形 ABC 中 sin 是 3 cm</think>米", "求 AB", 0.0, "tags, names, units"),
        ("先用 $abc + bcd$ 和 `print` 求解", "小明在 ABC 中", 0.0, "formulas and code"),
        ("所以 so the end is near", "用 Python 求 kg 数", 10 / 12, "names do not ask for English"),
        ("两只 so", "Find $x$.", 2 / 4, "one English word is English"),
        ("所以 the answer", "小明有 x 个苹果", 9 / 11, "English words in a Chinese chain"),
        ("カナとかな漢字", "いくつですか", 0.0, "any kana allows all Japanese scripts"),
        ("so it is 你好", "Translate 你好", 0.0, "the question has both"),
        ("so four", "2 + 2 =", 0.0, "a question without words takes the main script"),
        ("so four 是", "2 + 2 =", 1 / 7, "and the rest is foreign to that"),
        ("12 + 3 = 15", ENGLISH, 0.0, "no letters at all"),
        ("ab\ud800\x00", ENGLISH, 0.0, "half a character and NUL are no letters"),
    ],
)
def test_share_of_foreign_letters(text, question, share, why):
    assert foreign_share(text, question) == pytest.approx(share), why


@given(st.text(max_size=300), st.text(max_size=50))
def test_a_share_stays_between_0_and_1(text, question):
    assert 0 <= foreign_share(text, question) <= 1


@given(st.text(alphabet="abc 12+=", max_size=100))
def test_the_question_itself_is_never_foreign(text):
    assert foreign_share(text, text) == 0

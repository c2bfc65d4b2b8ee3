"""What counts in the wording of a question, and what does not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distill.problems.wording import is_unspaced, letters_of, normalise, words_of


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("What is $2 \\cdot 3$?", "what is 2 * 3", True),
        ("Is 1,000 > 999?", "is 1000 > 999", True),
        ("Is $1{,}000$ even?", "Is 1000 even", True),
        ("Sum  of\nx² and y", "sum of x2 and y.", True),
        ("Go now!", "Go now", True),
        ("$\\dfrac{1}{2}$", "\\(\\frac12\\)", True),
        ("$x^{2}$", "x^2", True),
        ("$\\left( x \\leq 2 \\right)$", "( x ≤ 2 )", True),
        ("$3 \\text{ cm}$", "3 cm", True),
        ("a two-digit number", "a two digit number", True),
        ("Ann's hens", "Anns hens", True),
        ("so\u200bft hy\u00adphen", "soft hyphen", True),
        ("42 - 25 =", "42 + 25 =", False),
        ("5! =", "5 =", False),
        ("1.5 + 2", "15 + 2", False),
        ("A# B# #A", "#A B# A#", False),
        ("(2 + 3) * 4", "2 + (3 * 4)", False),
        ("{[()]}", "([{}])", False),
        ("1,2,3", "12,3", False),
        ("$x \\le 2$", "$x \\ge 2$", False),
        ("x - 3", "x 3", False),
    ],
)
def test_what_makes_two_questions_equal(first, second, equal):
    assert (normalise(first) == normalise(second)) is equal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ตัวเลข", 5),  # every character that is a letter, and its marks as signs
        ("求最小值", 4),
        ("ひらがな", 4),
        ("हिन्दी भाषा", 2),
        ("café naïve", 2),
    ],
)
def test_where_words_end_in_other_scripts(text, words):
    assert sum(word[0].isalnum() for word in words_of(text)) == words


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [
        ("已知函数 $f(x)=x^2$, 求最小值", True),
        ("数列の一般項を求めよ", True),
        ("จงหาค่าของ x", True),
        ("Find f(x) = x^2", False),
        ("Найдите наименьшее значение", False),
        ("두 수의 합을 구하시오", False),
        ("", False),
    ],
)
def test_which_scripts_have_no_spaces(text, unspaced):
    assert is_unspaced(letters_of(text)) is unspaced


@given(st.text(max_size=60))
@example("\\")
@example("\\text")
def test_normal_form_is_its_own_normal_form_up_to_spaces(text):
    assert normalise(f"  {text} ") == normalise(text)


@given(st.text(alphabet=st.sampled_from("abXY 019.,!?-$\\{}()=é\u00b2中"), max_size=60))
@example("\\dfrac{1}{2} \\left( x \\right) \\times 1,000.50 \\text{ cm}")
def test_letters_are_the_words_without_what_stands_between_them(text):
    words = "".join(word for word in words_of(text) if word[0].isalnum())
    assert letters_of(text) == words.replace(".", "")


@given(st.text(max_size=80))
def test_any_text_has_letters_and_nothing_but_letters(text):
    letters = letters_of(text)
    assert all(char.isalnum() for char in letters)
    assert letters_of(text.replace(" ", " \n.")) == letters

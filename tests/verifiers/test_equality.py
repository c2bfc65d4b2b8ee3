"""The exact cascade: what it decides, and what it leaves to algebra."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.equality import compare, worded
from distill.verifiers.quantities import read_quantity
from distill.verifiers.spelling import plain

SAME = [
    ("18", "\\$18.00", "money"),
    ("1125", "1,\\!125", "LaTeX thousands"),
    ("160000", "160{,}000", "braced comma"),
    ("58,500", "58500", "thousands in the reference"),
    ("11,\\! 111,\\! 111,\\! 100", "11111111100", "spaced thousands"),
    (".35625", "0.35625", "no leading zero"),
    ("\\frac14", "\\dfrac{1}{4}", "short fraction"),
    ("\\frac{11}{2}", "5.5", "fraction and decimal"),
    ("\\frac 59", "5/9", "slash"),
    ("-\\frac{1}{4027}", "\\frac{-1}{4027}", "sign above"),
    ("2\\frac{1}{2}", "2.5", "mixed number"),
    ("2 1/2", "5/2", "mixed number in text"),
    ("10", "10\\%", "percent dropped"),
    ("0.1", "10\\%", "percent meant"),
    ("64\\%", "64", "percent in the reference"),
    ("2", "2 \\text{ minutes}", "unit"),
    ("25", "25 days", "unit in words"),
    ("864 \\mbox{ inches}^2", "864", "squared unit"),
    ("120^\\circ", "120", "degrees"),
    ("150^\\circ", "150 degrees", "degrees in words"),
    ("-10", "-10\\,\\text{°F}", "temperature"),
    ("60 \\text{ minutes}", "1 hour", "known units"),
    ("5.4 \\text{ cents}", "5.4", "unit only in the reference"),
    ("3000000", "3 million", "multiple"),
    ("2", "2:00\\ \\text{pm}", "clock"),
    ("6.72 \\times 10^{-5}", ".0000672", "scientific"),
    ("4210_{5}", "4210_5", "base"),
    ("1011100", "1011100_2", "base only in the answer"),
    ("1/3", "0.333333", "rounded to six digits"),
    ("3\\sqrt{13}", "$3 \\sqrt{13}$", "spaces and dollars"),
    ("12\\pi", "12π", "Greek letter"),
    ("8", "008", "leading zeros"),
    ("r=6.2", "6.2", "name in the reference"),
    ("5", "x = 5", "name in the answer"),
    ("20", "a + b = 11 + 9 = 20", "chain"),
    ("x \\in [-2,7]", "[-2, 7]", "membership"),
    ("(18,-24)", "\\left( 18, -24 \\right)", "point"),
    ("1,-2", "-2, 1", "list in any order"),
    ("1,-2", "1 \\text{ and } -2", "list in words"),
    ("\\{1,2\\}", "2, 1", "set without braces"),
    ("(-\\infty, 0] \\cup [3, 4)", "[3,4) \\cup (-\\infty,0]", "union"),
    ("\\text{Evelyn}", "evelyn", "word"),
    ("\\text{Saturday}", "December 23 is a Saturday", "word at the end"),
]

DIFFERENT = [
    ("5", "6", "number"),
    ("58,500", "5850", "magnitude"),
    ("2 1/2", "21/2", "mixed is not glued"),
    ("106", "106.12", "not rounded that far"),
    ("1/3", "0.33", "too few digits"),
    ("60 \\text{ minutes}", "60 hours", "known units differ"),
    ("101_2", "101_3", "bases differ"),
    ("5", "5 or 6", "hedged"),
    ("128", "86, 42", "two answers for one"),
    ("(3,4)", "(4,3)", "points have an order"),
    ("[0,1)", "[0,1]", "ends of an interval"),
    ("\\infty", "-\\infty", "sign of infinity"),
    ("\\text{Saturday}", "not Saturday", "negation"),
    ("\\text{Evelyn}", "nylevE", "letters are not factors"),
    ("5", "6 = 7", "chain"),
]

UNDECIDED = [
    ("(x+1)(x+2)", "x^2+3x+2"),
    ("5x - 7y + 11z + 4 = 0", "0"),
    ("5x - 7y + 11z + 4 = 0", "10x - 14y + 22z + 8 = 0"),
    ("\\sqrt{2}", "1.41421356"),
    ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"),
    ("5", "5x"),
    ("2", "2^{100000000}"),
]


@pytest.mark.parametrize(("reference", "answer", "why"), SAME)
def test_the_same_answer_in_another_spelling(reference, answer, why):
    assert compare(reference, answer).equal is True, why


@pytest.mark.parametrize(("reference", "answer", "why"), DIFFERENT)
def test_another_answer(reference, answer, why):
    assert compare(reference, answer).equal is False, why


@pytest.mark.parametrize(("reference", "answer"), UNDECIDED)
def test_what_needs_algebra_is_left_to_the_worker(reference, answer):
    assert compare(reference, answer).equal is None


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_whole_numbers_compare_as_integers(first, second):
    assert compare(str(first), f"{second:,}").equal is (first == second)


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_equals_itself_in_latex(value):
    written = f"{value.numerator}/{value.denominator}"
    latex = f"\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    assert compare(written, "-" + latex if value < 0 else latex).equal is True


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5, unique=True), st.randoms())
def test_the_order_of_a_list_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert compare(", ".join(map(str, values)), ", ".join(map(str, shuffled))).equal is True


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_cascade_always_returns(first, second):
    assert compare(first, second).equal in (True, False, None)


@given(st.text(alphabet="\\fracpi{}()$^_,.0123456789 -+=%", max_size=40))
def test_an_answer_is_never_called_different_from_itself(text):
    assert compare(text, text).equal is not False


def test_numbers_of_5000_digits_are_compared_digit_by_digit():
    digits = "7" * 5000
    assert compare(digits, "0" + digits).equal is True
    assert compare(digits, digits[:-1] + "8").equal is False
    assert compare(f"-{digits}", digits).equal is False


def test_a_huge_exponent_is_not_computed():
    assert read_quantity(plain("10 \\times 10^{9999}")) is None
    assert read_quantity("1e9999") is None


@pytest.mark.parametrize(
    ("text", "words"), [("\\text{the Evelyn}", "evelyn"), ("xy", None), ("\\sqrt{2}", None)]
)
def test_words_are_told_from_formulas(text, words):
    assert worded(text) == words

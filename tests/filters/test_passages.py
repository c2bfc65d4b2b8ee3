"""Walls of text and blocks of program text."""

import pytest

from distill.filters.passages import asks_for_code, code_block, longest_paragraph_chars

PROSE = "so the two lines meet in one point and we can go on "


@pytest.mark.parametrize(
    ("text", "chars", "why"),
    [
        ("ab\nabcde  \n\nabc", 5, "a paragraph ends at a line break"),
        ("so x is \\[ " + "x + " * 500 + "1 \\] then", 7 + 3 + 4, "a display is one space"),
        ("so $" + "x + " * 500 + "1$ then", 3 + 1 + 5, "so is a formula in the line"),
        ("| a cell | a cell " * 200 + "|", 0, "a row of a table"),
        (", ".join(map(str, range(500))), 0, "a list of numbers"),
        (PROSE * 10, len(PROSE) * 10 - 1, "prose"),
        ("costs $5 and " + PROSE, 12 + len(PROSE), "a dollar sign that opens nothing"),
        ("", 0, "nothing"),
    ],
)
def test_the_length_of_the_longest_paragraph(text, chars, why):
    assert longest_paragraph_chars(text) == chars, why


def test_shorter_lines_are_passed_over():
    assert longest_paragraph_chars("abcde\nabc", most=5) == 0
    assert longest_paragraph_chars("abcdef\nabc", most=5) == 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so\n```python\nprint(8)\n```", True),
        ("so\n~~~\nx\n~~~", True),
        ("so\ndef legs(n):\n    return 4 * n", True),
        ("so\nimport sympy as sp\nx", True),
        ("so\nfrom math import gcd, lcm\nx", True),
        ("#include <stdio.h>\nint main() {", True),
        (">>> 2 * 4\n8", True),
        ("\\begin{verbatim}x\\end{verbatim}", True),
        ("def f(" + "):" * 50_000 + "x", False),  # linear: this took half a minute
        ("we import two apples, the class of all sets: define f(x)", False),
        ("the main (domain) idea remains\nclass of x: two", False),
        ("`x` is 4 ~ 4 \\begin{align} x \\end{align}", False),
    ],
)
def test_what_is_a_code_block(text, found):
    assert (code_block(text) is not None) is found


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Write a Python program that prints the n-th prime.", True),
        ("Implement the function that returns the sum.", True),
        ("Read n from standard input and print n!.", True),
        ("Complete it:\ndef f(x):\n    ...", True),
        ("Write the function $f(x) = x^2 + 1$ in vertex form.", True),  # in doubt, it may have code
        ("How many legs do 2 dogs have?", False),
        ("Find the inverse of the function $f(x) = 2x$.", False),
        ("A code has 4 digits. How many codes are there?", False),
        ("Mr. Java drinks 3 cups in class. How many in 4 days?", True),  # the same
    ],
)
def test_which_questions_ask_for_code(question, asks):
    assert asks_for_code(question) is asks

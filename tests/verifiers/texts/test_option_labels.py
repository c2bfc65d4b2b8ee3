"""Options as they are written: one letter, several, a letter with its value."""

import pytest

from distill.verifiers.texts.option_labels import (
    Option,
    announced_options,
    choice_letter,
    read_option,
    several_options,
)

OPTIONS = [
    ("\\textbf{(B) }12", Option("B", "12"), "the answer key of a contest"),
    ("\\textbf{(B)}\\ 12", Option("B", "12"), "a space of LaTeX"),
    ("\\textbf{(B)}~-7", Option("B", "-7"), "a tie, a sign"),
    ("$\\mathrm{(E)}\\ \\frac{1}{2}$", Option("E", "\\frac{1}{2}"), "a formula"),
    ("\\text{B. } 12\\text{ cm}", Option("B", "12\\text{ cm}"), "a unit"),
    ("\\text{B} \\quad 24", Option("B", "24"), "a wide space"),
    ("(B) 12", Option("B", "12"), "brackets"),
    ("B: 12", Option("B", "12"), "a colon"),
    ("B. 12", Option("B", "12"), "a full stop"),
    ("B) 12", Option("B", "12"), "one bracket"),
    ("(B)", None, "a letter alone"),
    ("\\mathbf{A}x", None, "a product"),
    ("(A)(B)", None, "a product"),
    ("(A) + 1", None, "a sum"),
    ("(A) and (C)", None, "two options"),
    ("(A) 5 (B) 7", None, "two options"),
    ("C = 12", None, "an equation"),
    ("12", None, "a value"),
]


@pytest.mark.parametrize(("text", "option", "why"), OPTIONS)
def test_a_letter_with_its_value(text, option, why):
    assert read_option(text) == option, why
    assert choice_letter(text) is None or option is None


SEVERAL = [
    ("ACD", "ACD", "together"),
    ("A, C, D", "ACD", "a list"),
    ("A, C and D", "ACD", "a list"),
    ("B、C", "BC", "a Chinese list"),
    ("\\text{(B) and (C)}", "BC", "in a text box"),
    ("①③", "①③", "circled"),
    ("①, ③", "①③", "circled"),
    ("BED", None, "a word"),
    ("A or B", None, "an offer"),
    ("A", None, "one"),
    ("AA", None, "twice the same"),
    ("AB = 5", None, "a segment"),
]


@pytest.mark.parametrize(("text", "marks", "why"), SEVERAL)
def test_several_options(text, marks, why):
    assert several_options(text) == (None if marks is None else frozenset(marks)), why


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("故选 ACD.", "ACD"),
        ("正确的结论是①③。", "①③"),
        ("The correct options are **A** and **C**.", "A and C"),
        ("There are A and C in it.", None),
    ],
)
def test_options_that_a_sentence_announces(text, marks):
    assert announced_options(text) == marks

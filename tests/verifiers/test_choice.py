"""Letters of multiple choice."""

import time

import pytest

from distill.verifiers.choice import choice_letter, extract_choice

QUESTION = "What is 2 + 2?\n(A) 3\n(B) 4\n(C) a cat"


@pytest.mark.parametrize(
    ("reference", "letter"),
    [
        ("C", "C"),
        ("(C)", "C"),
        ("\\text{(C)}", "C"),
        ("C.", "C"),
        ("c", None),
        ("12", None),
        ("", None),
    ],
)
def test_a_reference_is_a_letter_or_not(reference, letter):
    assert choice_letter(reference) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (H).", "H"),
        ("The answer is A", "A"),
        ("Option B fits.\n\nThe correct answer is (D).", "D"),
        ("\\boxed{\\text{(B)}}", "B"),
        ("\\boxed{B. Circle}", "B"),
        ("\\boxed{4}", "B"),
        ("<answer>a cat</answer>", "C"),
        ("**Answer:** (B) Circle", "B"),
        ("The only correct option is (C) Plane.\n\nI think that's the answer.", "C"),
        ("The answer is a cat.", "C"),
        ("B", "B"),
        (" (C). ", "C"),
        ("A cat", None),
        ("No idea.", None),
    ],
)
def test_the_letter_is_found(text, letter):
    assert extract_choice(text, QUESTION).answer == letter


def test_a_boxed_text_that_is_no_option_stays_an_answer():
    assert extract_choice("\\boxed{17}", QUESTION).answer == "17"


def test_a_question_of_line_breaks_is_read_in_linear_time():
    question = "\n" * 100_000 + "(A) 3\r\n  B. 4" + "\n" * 100_000
    start = time.monotonic()
    assert extract_choice("\\boxed{4}", question).answer == "B"
    assert time.monotonic() - start < 2  # milliseconds; tried at every break it took minutes

"""What a text says against its own boxes."""

import time

import pytest

from distill.verifiers.texts.boxes import read_boxes
from distill.verifiers.texts.retractions import correction, standing, without_denied

STANDING = [
    ("The answer is not \\boxed{5}.", [], "denied before"),
    ("It is \\boxed{6}, not \\boxed{5}.", ["6"], "denied before"),
    ("Reject the extraneous root $\\boxed{2}$; it is $\\boxed{3}$.", ["3"], "denied before"),
    ("$x=\\boxed{3}$ or $x=\\boxed{-2}$ (rejected).", ["3"], "denied in brackets"),
    ("\\boxed{2}, but it is extraneous.", [], "denied after"),
    ("\\boxed{2} is too small.", [], "denied after"),
    ("\\boxed{2}. That is incorrect.", [], "denied in the next sentence"),
    ("\\boxed{1} and \\boxed{4}, but $x=4$ is extraneous.", ["1"], "denied by its value"),
    ("\\boxed{5}. No: \\boxed{5} is wrong.", [], "the same one twice"),
    ("\\boxed{7} is not divisible by 2.", ["7"], "a remark"),
    ("\\boxed{\\sqrt2}, which is not rational.", ["\\sqrt2"], "a remark"),
    ("Statement \\boxed{B} is false.", ["B"], "what the question asks for"),
    ("\\boxed{12}. It is not 13.", ["12"], "another value is denied"),
    ("\\boxed{12}. If you got 13, that is wrong.", ["12"], "another value is denied"),
]


@pytest.mark.parametrize(("text", "contents", "why"), STANDING)
def test_the_boxes_that_a_text_stands_by(text, contents, why):
    assert [box.content for box in standing(text, read_boxes(text))] == contents, why


def test_a_denied_box_leaves_the_text():
    assert without_denied("It is 6, not \\boxed{5}.") == "It is 6, not ."
    assert without_denied("It is \\boxed{5}.") == "It is \\boxed{5}."


@pytest.mark.parametrize(
    ("after", "corrected"),
    [
        (" Wait, I made a mistake. The correct answer is 13.", "13."),
        (". Correction: it should be 13.", "13."),
        (". Sorry, that is wrong. The answer is 14. No, the answer is 15.", "15."),
        (" 更正：正确答案是 13。", "13。"),
        (". The correct answer is known to few.", None),
        (". Wait, let me check this: yes.", None),
        (". A common mistake is to say that the answer is 13.", None),
        ("", None),
    ],
)
def test_a_correction_needs_a_retraction_and_a_value(after, corrected):
    assert correction(after) == corrected


def test_long_texts_are_read_in_linear_time():
    start = time.monotonic()
    for text in ("wait, " * 300_000, "\\boxed{5}" + " but it" * 300_000, "no " * 300_000):
        correction(text)
        without_denied(text)
    assert time.monotonic() - start < 5

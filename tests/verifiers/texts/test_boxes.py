"""Boxes: where they end, what they hold, which of them are one answer."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.texts.boxes import final_boxes, read_boxes, repair

CONTENTS = [
    ("\\boxed{5}", "5", "plain"),
    ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}", "nested braces"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}", "escaped braces"),
    ("\\boxed{\\left\\{x : x > 0\\right\\}}", "\\left\\{x : x > 0\\right\\}", "escaped braces"),
    ("\\boxed 7.", "7", "no braces"),
    ("\\boxed7", "7", "no braces, no space"),
    ("\\boxed\\frac{1}{2}", "\\frac{1}{2}", "a command without braces around it"),
    ("\\boxed {5}", "5", "a space"),
    ("\\boxed\n{5}", "5", "a line break"),
    ("\\fbox{5}", "5", "a frame"),
    ("\\framebox{204}", "204", "a frame"),
    ("$\\boxed{5}$.", "5", "in a formula"),
    ("boxed{5}", "5", "the backslash is lost"),
    ("\x08oxed{\x0crac{1}{2}}", "\\frac{1}{2}", "backslashes read as control characters"),
    ("\\\\boxed{\\\\frac{1}{2}}", "\\frac{1}{2}", "doubled backslashes"),
    ("<|begin_of_box|>5<|end_of_box|>", "5", "tokens for a box"),
    ("\\boxed{x = \\boxed{5}}", "5", "a box in a box"),
    ("\\boxed{\\boxed{5}}", "5", "a box in a box"),
    ("so $\\boxed{\\frac{1}{2}$.", "\\frac{1}{2}", "one brace short, the formula closes"),
    ("so \\(\\boxed{\\sqrt{2}\\) and", "\\sqrt{2}", "one brace short, the formula closes"),
    ("\\boxed{5} Put your answer in \\boxed{}.", "5", "an empty box says nothing"),
    ("\\boxed{\n5\n}", "5", "lines"),
]


@pytest.mark.parametrize(("text", "content", "why"), CONTENTS)
def test_the_content_of_the_last_box(text, content, why):
    text = repair(text)
    assert final_boxes(text, read_boxes(text)) == [content], why


@pytest.mark.parametrize(
    "text",
    ["\\mbox{5}", "the box {5}", "unboxed{5}", "\\boxed", "in the box", "\\colorbox{red}{5}"],
)
def test_what_is_no_box(text):
    assert read_boxes(text) == []


def test_a_box_that_never_closes_has_no_content():
    (box,) = read_boxes("so \\boxed{6 which never ends")
    assert box.content is None
    assert [box.content for box in read_boxes("\\boxed{5} and \\boxed{\\frac{1}{")] == ["5", None]


PARTS = [
    ("\\boxed{86} glasses and \\boxed{42} plates", ["86", "42"], "one sentence"),
    ("$x = \\boxed{1}$, $y = \\boxed{2}$", ["1", "2"], "one sentence"),
    ("\\boxed{1}\nand \\boxed{2}", ["1", "2"], "lines that follow each other"),
    ("$\\boxed{1}$\n\n$\\boxed{2}$", ["1", "2"], "lines that follow each other"),
    ("(a) $\\boxed{1}$\n(b) $\\boxed{2}$", ["1", "2"], "items"),
    ("- Area: \\boxed{12}\n- Perimeter: \\boxed{14}", ["12", "14"], "items with names"),
    ("\\[x=\\boxed{1}\\]\n\\[y=\\boxed{2}\\]", ["1", "2"], "formulas"),
    ("\\boxed{5} or \\boxed{6}", ["5", "6"], "offered"),
    ("It is \\boxed{5}. Or perhaps it is \\boxed{6}.", ["5", "6"], "offered in two sentences"),
    ("The answer is \\boxed{5}. The answer is \\boxed{6}.", ["5", "6"], "says both"),
    ("\\boxed{5} = \\boxed{5}", ["5"], "the same"),
    ("Area \\boxed{5}\n\n**Final Answer**\n\\boxed{5}", ["5"], "the same"),
    ("\\boxed{5}. Wait, that is wrong: \\boxed{6}", ["6"], "corrected"),
    ("\\boxed{5}\n\nActually it is \\boxed{6}", ["6"], "corrected"),
    ("First \\boxed{5}, so the total is \\boxed{10}", ["10"], "a step and the result"),
    ("x = \\boxed{5}. Therefore the answer is \\boxed{10}.", ["10"], "a step and the result"),
    ("The radius is \\boxed{3}.\n\nThe area is \\boxed{9\\pi}.", ["9\\pi"], "two paragraphs"),
    ("\\boxed{3}" + " and so on" * 30 + "\\boxed{4}", ["4"], "far apart"),
    ("Step 1: \\boxed{5}\nStep 2: \\boxed{6}\nFinal: \\boxed{7}", ["7"], "steps and the result"),
    ("\\boxed{\\frac12} = \\boxed{0.5}", ["0.5"], "an equality"),
]


@pytest.mark.parametrize(("text", "parts", "why"), PARTS)
def test_boxes_of_one_statement_are_parts_of_one_answer(text, parts, why):
    assert final_boxes(text, read_boxes(text)) == parts, why


balanced = st.recursive(
    st.text(alphabet="ab1+ ", max_size=5),
    lambda inner: st.builds(lambda a, b: f"{a}{{{b}}}", inner, inner),
    max_leaves=8,
)


@given(balanced.filter(str.strip))
def test_a_box_with_balanced_braces_comes_back_whole(content):
    text = f"so \\boxed{{{content}}} done"
    assert final_boxes(text, read_boxes(text)) == [content.strip()]


@given(st.text(alphabet="\\boxed{}$ 1\n", max_size=80))
def test_any_text_has_boxes_in_order(text):
    boxes = read_boxes(text)
    assert all(one.start < other.start for one, other in pairwise(boxes))
    assert all(box.content is None or box.content in text for box in boxes)

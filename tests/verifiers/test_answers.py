"""Splitting off the thought, and finding the final answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.answers import (
    ends_mid_sentence,
    extract_answer,
    last_boxed,
    read_parts,
    split_thought,
)

words = st.text(alphabet="abc 123\n.,", max_size=40)

SHAPES = [
    ("<think>a</think>b", ("a", "b"), "as asked"),
    ("a</think>b", ("a", "b"), "the prompt held the opening tag"),
    ("<think>a</think>b<think>c</think>d", ("a</think>b<think>c", "d"), "the last block decides"),
    ("<think>a", ("a", ""), "never closed: all of it is thought"),
    ("a</think>b<think>c", ("a", "b"), "a reopened thought is not answer"),
    ("no marks: 5", ("", "no marks: 5"), "no marks"),
    (
        "<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>b<|end_of_solution|>",
        ("a", "b"),
        "Sky-T1",
    ),
    ("<|begin_of_thought|>a", ("a", ""), "Sky-T1 cut off"),
    ("think\na\nanswer\nb", ("think\na", "b"), "s1"),
    ("think\na", ("think\na", ""), "s1 cut off"),
]


@pytest.mark.parametrize(("completion", "expected", "why"), SHAPES)
def test_the_thought_is_split_off(completion, expected, why):
    assert split_thought(completion) == expected, why


@given(words, words)
def test_thought_and_answer_come_back_as_written(thought, answer):
    assert split_thought(f"<think>{thought}</think>{answer}") == (thought, answer)


def test_only_an_unclosed_block_is_open():
    assert read_parts("<think>a").is_open
    assert read_parts("<|begin_of_solution|>a").is_open
    assert not read_parts("<think>a</think>b").is_open
    assert not read_parts("b").is_open


STATED = [
    ("<answer>12</answer>", "12", "tag"),
    ("<answer>1</answer> no, <answer>2</answer>", "2", "tag"),
    ("<answer> \\boxed{12} </answer>", "12", "tag"),
    ("so \\boxed{\\frac{1}{2}} is it", "\\frac{1}{2}", "box"),
    ("\\boxed{1}\nand \\boxed{2}", "2", "box"),
    ("\\boxed{86} glasses and \\boxed{42} plates", "86, 42", "box"),
    ("\\boxed{5} = \\boxed{5}", "5", "box"),
    ("\\boxed{5} and then \\boxed{6 which never ends", "5", "box"),
    ("\\boxed 7.", "7", "box"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}", "box"),
    ("**Final Answer**\n$x=5$", "x=5", "header"),
    ("**Answer:** Mark needs to save for **25 days**.", "25", "header"),
    ("**Answer:** 3 loaves of bread cost \\$4 more than 2 bagels.", "\\$4", "header"),
    ("**Answer:** There are 9 slips with a 2.", "9", "header"),
    ("### Final answer\nThe radius is (3√3)/π inches.", "(3√3)/π", "header"),
    ("Therefore, the answer is 65 cubic units. I think that is all.", "65", "phrase"),
    ("Careful. So 65 is the final answer.", "65", "phrase"),
    ("The answer is \\(\\sqrt{2}\\).", "\\sqrt{2}", "phrase"),
    ("So 12 + 5 = 17.\nThus, the total is 17.", "17", "conclusion"),
    ("Therefore, the degree of \\( f(x) \\) is 3.", "3", "conclusion"),
    ("\\[\n\\sqrt{117} = \\sqrt{9 \\times 13} = 3\\sqrt{13}\n\\]", "3\\sqrt{13}", "conclusion"),
    ("Thus:\n\\[\n5x - 7y = 0\n\\]", "5x - 7y = 0", "conclusion"),
]


@pytest.mark.parametrize(("text", "answer", "route"), STATED)
def test_the_answer_is_found_the_way_it_is_stated(text, answer, route):
    found = extract_answer(text)
    assert (found.answer.strip(), found.route) == (answer, route)


@pytest.mark.parametrize("text", ["", "   \n", "<answer></answer>", "Hmm, let me see."])
def test_no_answer_is_none(text):
    assert extract_answer(text).answer in (None, "Hmm, let me see")


def test_a_sentence_without_a_number_is_no_conclusion():
    assert extract_answer("We start here. It is clear.").answer is None


balanced = st.recursive(
    st.text(alphabet="ab1+ ", max_size=5),
    lambda inner: st.builds(lambda a, b: f"{a}{{{b}}}", inner, inner),
    max_leaves=8,
)


@given(balanced)
def test_a_box_with_balanced_braces_comes_back_whole(content):
    assert last_boxed(f"so \\boxed{{{content}}} done") == content


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("The total is 5.", False),
        ("**5**", False),
        ("\\[x = 5\\]", False),
        ("The sum is $5$", False),
        ("Then 3 + 4 =", True),
        ("making", True),
        ("slope is -1,", True),
    ],
)
def test_a_text_that_just_stops_is_noticed(text, cut):
    assert ends_mid_sentence(text) is cut

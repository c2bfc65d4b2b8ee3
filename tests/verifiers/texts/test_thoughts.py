"""Splitting a completion into thought and answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.texts.thoughts import read_parts

words = st.text(alphabet="abc 123\n.,", max_size=40)

SHAPES = [
    ("<think>a</think>b", ("a", "b"), "as asked"),
    ("a</think>b", ("a", "b"), "the prompt held the opening tag"),
    ("<think>a</think>b<think>c</think>d", ("a</think>b<think>c", "d"), "the last block decides"),
    ("<think>a", ("a", ""), "never closed: all of it is thought"),
    ("a</think>b<think>c", ("a", "b"), "a reopened thought is not answer"),
    ("no marks: 5", ("", "no marks: 5"), "no marks"),
    ("<think>a</think>b</think>", ("a", "b"), "a closing tag too many at the end"),
    ("a</think>b</think>c", ("a</think>b", "c"), "a closing tag too many before more text"),
    ("<think>a</think>b<think>c</think>", ("a", "b"), "nothing is said after the second thought"),
    ("<think>a</think>\n<think>b</think>c", ("a</think>\n<think>b", "c"), "two thoughts in a row"),
    ("<think>a<think>b</think>c", ("a<think>b", "c"), "opened twice"),
    ("b <think>a", ("a", "b "), "an answer before an unclosed thought"),
    ("<thinking>a</thinking>b", ("a", "b"), "another name"),
    ("<THINK>a</THINK>b", ("a", "b"), "in capitals"),
    ("< think >a</ think >b", ("a", "b"), "with spaces"),
    ("<reasoning>a</reasoning>\n<answer>b</answer>", ("a", "\n<answer>b</answer>"), "another name"),
    ("<thought>a</thought>b", ("a", "b"), "another name"),
    ("[THINK]a[/THINK]b", ("a", "b"), "square brackets"),
    ("◁think▷a◁/think▷b", ("a", "b"), "triangles"),
    ("<seed:think>a</seed:think>b", ("a", "b"), "with a prefix"),
    (
        "<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>b<|end_of_solution|>",
        ("a", "b"),
        "two blocks with names of their own",
    ),
    ("<|begin_of_thought|>a", ("a", ""), "cut off in the first of them"),
    ("<|START_THINKING|>a<|END_THINKING|>b", ("a", "b"), "capital tokens"),
    ("think\na\nanswer\nb", ("think\na", "b"), "bare words on lines of their own"),
    ("think\na", ("think\na", ""), "bare words, cut off"),
    ("<|im_start|>think\na<|im_start|>answer\nb", ("\na", "\nb"), "turns as marks"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
        ("a<|end|><|start|>assistant", "b"),
        "channels",
    ),
    ("<|channel|>analysis<|message|>a", ("a", ""), "no final channel"),
    ("analysisWe add.assistantfinalIt is b", ("analysisWe add.", "It is b"), "channels, stripped"),
    ("analysis of the problem: 5", ("", "analysis of the problem: 5"), "prose"),
    ("a</think>b<|im_end|>", ("a", "b"), "an end token"),
    ("a</think>b<｜end▁of▁sentence｜>", ("a", "b"), "an end token"),
    ("b\nUser: What is 3?\nAssistant: c", ("", "b"), "the model plays the user"),
    ("b<|im_end|>\n<|im_start|>user\nc", ("", "b"), "the model plays the user"),
]


@pytest.mark.parametrize(("completion", "expected", "why"), SHAPES)
def test_the_thought_is_split_off(completion, expected, why):
    parts = read_parts(completion)
    assert (parts.thought, parts.answer) == expected, why


@given(words, words)
def test_thought_and_answer_come_back_as_written(thought, answer):
    parts = read_parts(f"<think>{thought}</think>{answer}")
    assert (parts.thought, parts.answer) == (thought, answer)


@given(st.text(alphabet="a\n </>think[]◁▷|", max_size=60))
def test_no_text_is_invented(completion):
    parts = read_parts(completion)
    assert parts.thought in completion
    assert parts.answer in completion


@pytest.mark.parametrize(
    ("completion", "is_open"),
    [
        ("<think>a", True),
        ("a</think>b<think>", True),
        ("<|begin_of_solution|>a", True),
        ("<|end_of_thought|>a", True),
        ("think\na", True),
        ("<think>a</think>b", False),
        ("<|begin_of_solution|>a<|end_of_solution|>", False),
        ("b", False),
    ],
)
def test_only_an_unclosed_block_is_open(completion, is_open):
    assert read_parts(completion).is_open is is_open


def test_a_text_without_marks_is_known_as_such():
    assert not read_parts("The answer is 5.").is_marked
    assert read_parts("<think>a</think>5").is_marked
    assert read_parts("think\na").is_marked

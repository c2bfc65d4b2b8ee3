"""Think tags of every family, and what stands after them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.thinking import (
    answer_after,
    answer_in_thought,
    doubled_think,
    missing_think,
    says_nothing,
    think_tags,
    unclosed_think,
)

TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<THOUGHT>", "</THOUGHT>"),
    ("<reasoning>", "< /reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|im_start|>think", "<|im_start|>answer"),
    (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
]


def faults(text):
    tags = think_tags(text)
    named = {
        "missing": missing_think(text, tags),
        "unclosed": unclosed_think(tags),
        "doubled": doubled_think(tags),
    }
    return {name for name, fault in named.items() if fault}


SKY = "<|begin_of_thought|>a<|end_of_thought|>"


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("<think>2 * 4</think>8", set(), "one block, then the answer"),
        ("2 * 4</think>8", set(), "the prompt opened it"),
        (f"{SKY}<|begin_of_solution|>8<|end_of_solution|>", set(), "Sky-T1"),
        ("<|begin_of_thought|>a\n<|begin_of_solution|>8", set(), "a solution closes it as well"),
        ("think\n2 * 4\nanswer\n8", set(), "s1: bare words"),
        ("8", {"missing"}, "no block"),
        ("I think\nof an answer\n8", {"missing"}, "words of a sentence are no tags"),
        ("<think> \n</think>8", {"missing"}, "an empty thought"),
        ("</think>8", {"missing"}, "an empty thought that the prompt opened"),
        ("It is 8. <think>2 * 4</think>8", {"missing"}, "text before the block"),
        ("<think>2 * 4", {"unclosed"}, "cut off"),
        ("<|begin_of_thought|>2 * 4", {"unclosed"}, "cut off"),
        ("think\n2 * 4", {"unclosed"}, "cut off"),
        ("<think>2 * 4<|end_of_thought|>8", {"unclosed"}, "closed by another family"),
        ("<think>a</think>8<think>b", {"unclosed", "doubled"}, "a second one, cut off"),
        ("<think>a</think><think>b</think>8", {"doubled"}, "two blocks"),
        ("<think><think>a</think>8", {"doubled"}, "an opening tag too many"),
        ("<think>a</think>b</think>8", {"doubled"}, "a closing tag too many"),
        (f"<think>{SKY}</think>8", {"doubled"}, "one family in the other"),
        ("", {"missing"}, "nothing"),
    ],
)
def test_what_is_wrong_with_the_tags(text, expected, why):
    assert faults(text) == expected, why


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_all_families_are_read_alike(opening, closing):
    assert faults(f"{opening}\n2 * 4\n{closing}\n8") == set()
    assert faults(f"{opening}\n2 * 4") == {"unclosed"}
    whole = f"{opening}\na{closing}\n8"
    assert answer_after(whole, think_tags(whole)) == "\n8"


@pytest.mark.parametrize(
    ("answer", "nothing"),
    [
        ("", True),
        (" \n\t", True),
        ("<answer> </answer>", True),
        ("<|begin_of_solution|>\n<|end_of_solution|><|im_end|>", True),
        ("**Final Answer**\n\n", True),
        ("The answer is:".replace(" is", ""), True),
        ("\\boxed{}", True),
        ("\\[ \\boxed{ } \\]", True),
        ("---\n", True),
        ("8", False),
        ("∅", False),
        ("**Final Answer**\n\\boxed{8}", False),
        ("B", False),
        ("\n" * 1000 + "8", False),
        ("yes", False),
    ],
)
def test_what_says_nothing(answer, nothing):
    assert says_nothing(answer) is nothing


@pytest.mark.parametrize(
    ("thought", "answer", "found", "why"),
    [
        ("so \\boxed{8}", "", True, "nothing at all after it"),
        ("so \\boxed{8}", "I have solved it above.", True, "only said to be there"),
        ("so <answer>8</answer>", "As shown in my reasoning.", True, "an answer tag is a box too"),
        ("so \\boxed{8}", "It is \\boxed{8}.", False, "boxed after it as well"),
        ("so \\boxed{8}", "There are 8 legs.", False, "stated in words"),
        ("so \\boxed{\\text{Saturday}}", "The answer is Saturday.", False, "stated in words"),
        ("so \\boxed{blue}", "Blue it is.", False, "what was boxed is said"),
        ("so \\boxed{B}", "**Answer: B**", False, "a letter"),
        ("so \\boxed{x}", "It is \\(\\frac{a}{b}\\).", False, "another one is stated"),
        ("so 8", "", False, "no box: that is another fault"),
    ],
)
def test_an_answer_that_stands_in_the_thought_only(thought, answer, found, why):
    assert (answer_in_thought(thought, answer) is not None) is found, why


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", " ", *TAGS[6]]), max_size=8))
def test_a_text_without_faults_has_one_thought_and_its_answer_is_its_end(parts):
    text = "".join(parts)
    tags = think_tags(text)
    assert text.endswith(answer_after(text, tags))
    if not faults(text):
        assert sum(tag.closes for tag in tags) == 1

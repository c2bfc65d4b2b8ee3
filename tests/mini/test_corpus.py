"""The mini world's corpus: arithmetic that is right, slips that are marked, messes that are."""

import random
import re
from itertools import islice

import pytest

from distill.chat import has_format
from distill.mini.corpus import (
    Style,
    digit_products,
    given,
    leg_steps,
    sum_steps,
    write_completion,
    write_facts,
)
from distill.mini.families import FAMILIES, LEVELS, draw_problems

ALWAYS = dict.fromkeys(FAMILIES, 1.0)
NEVER = dict.fromkeys(FAMILIES, 0.0)


def text_of(segments):
    return "".join(part for part, _ in segments)


def test_a_sum_goes_left_to_right():
    steps = sum_steps("42 - 25 - 73")
    assert [(step.left, step.right, step.result) for step in steps] == [(42, 25, 17), (17, 73, -56)]


def test_a_product_is_worked_digit_by_digit():
    assert digit_products(672, 7) == ("600 * 7 + 70 * 7 + 2 * 7 = 4200 + 490 + 14 = 4690 + 14 = ")
    assert digit_products(8, 7) == digit_products(80, 7) == ""


def test_legs_are_counted_then_added():
    steps = leg_steps({"woodlouse": 5, "ant": 2})
    assert [step.result for step in steps] == [70, 12, 82]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_clean_chain_ends_in_the_reference_and_every_learned_equation_holds(family):
    style = Style(think=ALWAYS, slip=0.3, check=0.3, review=0.3)
    rng = random.Random(1)
    for level in LEVELS:
        for problem in islice(draw_problems(family, level, seed=2), 50):
            segments = write_completion(problem, style, rng)
            text = text_of(segments)
            assert has_format(text)
            assert text.endswith(f"<answer>{problem.reference}</answer>")
            slips = [part for part, learn in segments if not learn]
            wrong = [line for line in text.splitlines() if not _holds(line)]
            assert len(wrong) <= len(slips)


def _holds(line: str) -> bool:
    """Do all parts between the equal signs of a line have one value?"""
    parts = [part.split(":")[-1] for part in line.split("=")]
    sums = [re.sub(r"[^0-9+*\- ]", "", part).strip(" .") for part in parts]
    return len(sums) < 2 or len({_value(text) for text in sums if text}) == 1


def _value(text: str) -> int:
    total = 0
    for sign, term in re.findall(r"(^-?|[+-] )\s*(-?\d+(?: \* \d+)*)", text):
        product = 1
        for factor in term.split(" * "):
            product *= int(factor)
        total += -product if sign.strip() == "-" else product
    return total


def test_a_style_that_never_thinks_answers_directly():
    problem = next(draw_problems("products", "easy", seed=1))
    segments = write_completion(problem, Style(think=NEVER), random.Random(0))
    assert text_of(segments) == f"<answer>{problem.reference}</answer>"


def test_messes_are_of_every_kind():
    style = Style(think=ALWAYS, mess=1.0)
    rng = random.Random(3)
    texts = [
        text_of(write_completion(problem, style, rng))
        for problem in islice(draw_problems("chain_sum", "easy", seed=4), 200)
    ]
    assert any("```" in text for text in texts)
    assert any("检查" in text for text in texts)
    assert any("</think>" not in text for text in texts)
    assert any(text.endswith("</think>") for text in texts)
    assert any(re.search(r"(\n.+)\1{5,}", text) for text in texts)


def test_a_page_of_facts_has_one_step_of_each_problem_and_answers_none():
    problems = list(islice(draw_problems("leg_counting", "hard", seed=6), 5))
    page = text_of(write_facts(problems, Style(think=NEVER), random.Random(2)))
    assert len(page.splitlines()) == 5
    assert all(_holds(line) for line in page.splitlines())
    assert "<" not in page


def test_a_copy_is_what_the_problem_gives_twice():
    for family in FAMILIES:
        problem = next(draw_problems(family, "easy", seed=8))
        page = text_of(write_facts([problem], Style(think=NEVER, copies=1.0), random.Random(0)))
        first, second = page.splitlines()
        assert first == second == given(problem)
        assert given(problem) in problem.question

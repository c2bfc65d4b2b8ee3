"""When two questions are the same question: copies are found, templates are not."""

import random

import pytest

from distill.errors import RecipeError
from distill.problems.overlap import (
    NgramIndex,
    check_disjoint,
    shared_problems,
)
from distill.problems.templates import Templates
from distill.problems.wording import words_of
from distill.records import Problem

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
    "muffins for her friends with four. How much does she make at the market?"
)
FORM = "State the final answer to the following arithmetic problem: {} ="


def sums(seed, count, terms=4):
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        numbers = [str(rng.randint(10, 99)) for _ in range(terms)]
        texts.append(numbers[0] + "".join(f" {rng.choice('+-')} {n}" for n in numbers[1:]))
    return texts


def index_of(tests, train):
    templates = Templates(5)
    for texts in (train, tests):
        templates.add(map(words_of, texts))
    return NgramIndex(tests, 10, templates)


def problem(problem_id, question):
    return Problem(problem_id=problem_id, question=question, reference="1")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (DUCKS, "same"),
        (DUCKS.upper().replace(" ", "\n"), "same"),
        (f"Solve this. {DUCKS} Think first.", "contained"),
        (DUCKS.replace("Janet", "Ann").replace("three", "3"), "n-gram"),
        (DUCKS.replace("16 eggs", "12 eggs"), "n-gram"),
        ("Janet's hens lay 16 eggs per day. How many eggs in a week?", None),
        ("", None),
    ],
)
def test_copies_of_a_long_question_are_found(text, rule):
    found = NgramIndex(["What is 2 + 2?", DUCKS], 10).first_overlap(text)
    assert (found.rule if found else None) == rule
    assert found is None or found.position == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is 2 + 2?", True),
        ("Tell me: what is 2 + 2?", True),
        ("What is 2 + 2 + 5?", False),
        ("What is 2 + 25?", False),
        ("What is 2 - 2?", False),
    ],
)
def test_a_question_shorter_than_n_words_must_be_whole(text, found):
    assert (NgramIndex(["What is 2 + 2?"], 10).first_overlap(text) is not None) is found


def test_sums_asked_in_one_form_do_not_overlap():
    tests = [FORM.format(text) for text in sums(1, 100)]
    train = [FORM.format(text) for text in sums(2, 400)]
    index = index_of(tests, train)
    assert [text for text in train if index.first_overlap(text)] == []


def test_a_test_sum_in_other_words_is_found_and_a_longer_sum_is_not():
    expressions = sums(1, 100)
    index = NgramIndex([FORM.format(text) for text in expressions], 10)
    for position, text in enumerate(expressions):
        found = index.first_overlap(f"Compute {text} and give the result.")
        assert (found.rule, found.position) == ("contained", position)
        assert index.first_overlap(FORM.format(f"{text} + 11")) is None
        assert index.first_overlap(FORM.format(f"11 + {text}")) is None


def test_template_words_between_numbers_are_no_evidence():
    form = (
        "A shop has {} apples and {} pears on its big table and sells {} of them today. How many?"
    )
    rng = random.Random(0)
    texts = [form.format(*(rng.randint(1, 9) for _ in range(3))) for _ in range(200)]
    distinct = list(dict.fromkeys(texts))
    index = index_of(distinct[:50], distinct[50:])
    assert [text for text in distinct[50:] if index.first_overlap(text)] == []
    assert index.first_overlap(distinct[7]).rule == "same"


def test_sets_that_share_a_question_are_refused_with_examples():
    train = [problem("a", "What is 2 + 3?"), problem("b", DUCKS)]
    tests = [problem("t1", "what is 2 + 3"), problem("t2", "What is 3 + 2?")]
    assert shared_problems(train, tests) == [("a", "t1")]
    check_disjoint({"train": train, "rl": [problem("c", "What is 9 + 9?")]})
    with pytest.raises(RecipeError, match=r"train and test share 1 questions \(a = t1\)"):
        check_disjoint({"train": train, "test": tests})


def test_an_index_refuses_what_cannot_work():
    with pytest.raises(ValueError, match="at least 1"):
        NgramIndex(["a"], 0)
    with pytest.raises(ValueError, match="4 words wide, not 5"):
        NgramIndex(["a"], 10, Templates(4))

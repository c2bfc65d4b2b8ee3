"""Test problems are found in what is learned from: verbatim and lightly edited, not by chance."""

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.problems.contamination import Contamination
from distill.problems.plants import edits, in_completion, one_word_changed
from distill.records import Problem

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
    "muffins for her friends with four. How much does she make in 2500 days at the market?"
)
SOLUTION = (
    "Janet sells $16 - 3 - 4 = 9$ duck eggs a day, so on every single market day of the year she "
    "takes home $\\frac{18}{1}$ dollars, and thus 45000 dollars after 2500 such days."
)
FUNCTION = "已知函数 $f(x)=x^2-2ax+3$ 在区间 $[1,4]$ 上的最小值为 $-5$, 求实数 $a$ 的值."
SEQUENCE = "设等差数列的前十项之和为一百二十且其第三项等于七求该数列的公差与首项并写出通项公式"
FORM = "State the final answer to the following arithmetic problem: {} ="


def problem(problem_id, question, solution=""):
    return Problem(problem_id=problem_id, question=question, reference="1", solution=solution)


def index(*problems, word_ngram=10, char_ngram=20, background=()):
    return Contamination(
        {"t": list(problems)},
        word_ngram=word_ngram,
        char_ngram=char_ngram,
        background=background,
    )


DUCK_INDEX = index(
    problem("sum", "What is 2 + 2?"),
    problem("root", "Simplify $\\sqrt{8}$."),
    problem("ducks", DUCKS, SOLUTION),
    problem("function", FUNCTION),
    problem("sequence", SEQUENCE),
)


def rule(found):
    return None if found is None else found.rule


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (DUCKS, "same"),
        (DUCKS.upper(), "same"),
        (f"Solve this. {DUCKS} Think first.", "contained"),
        (DUCKS.replace("three", "five"), "n-gram"),
        (DUCKS.replace(" ", ""), "chars"),  # as a bad extraction leaves it
        (f"Check this: {SOLUTION}", "solution"),
        ("What is 2+2?", "same"),
        ("What is 2 + 3?", None),
        ("Answer in a word. What is 2 + 2? Do not explain.", "contained"),
        ("Simplify $\\sqrt{8}$.\nThen add 1.", "contained"),
        ("Simplify $\\sqrt{8} + 1$.\nThen add 1.", None),
        (FUNCTION.replace(" ", "").replace("$", ""), "same"),
        (f"求解下题。{FUNCTION}", "contained"),
        (SEQUENCE.replace("公差", "差"), "chars"),
        ("设等差数列的前十项之和为零，求第三项。", None),  # ten characters are a phrase
        ("Janet's hens lay 16 eggs per day. How many eggs in a week?", None),
        ("", None),
    ],
)
def test_what_is_found_in_a_question(question, expected):
    assert rule(DUCK_INDEX.find(question)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DUCKS, "quoted"),
        (SOLUTION.replace("\\frac", "\\dfrac").replace("$", ""), "solution"),
        (SOLUTION.lower().replace(",", ""), "solution"),
        (SEQUENCE, "quoted"),
        ("on every single market day of the year", None),
        ("What is 2 + 2?", None),  # fewer letters than a passage
        ("", None),
    ],
)
def test_what_is_found_in_a_completion(text, expected):
    found = DUCK_INDEX.find_in_completion(in_completion(text))
    assert rule(found) == expected
    assert found is None or found.test_set == "t"


@pytest.mark.parametrize("edit", edits(""))
def test_every_light_edit_of_a_question_and_of_a_solution_is_found(edit):
    assert DUCK_INDEX.find(edits(DUCKS)[edit]).problem_id == "ducks"
    assert DUCK_INDEX.find_in_completion(in_completion(edits(SOLUTION)[edit])).rule == "solution"


@pytest.mark.parametrize("drop", [False, True])
def test_one_other_word_in_a_text_of_three_n_words_does_not_hide_it(drop):
    assert DUCK_INDEX.find(one_word_changed(DUCKS, drop=drop)).rule == "n-gram"
    copy = in_completion(one_word_changed(SOLUTION, drop=drop))
    assert DUCK_INDEX.find_in_completion(copy).rule == "solution"


def test_every_edit_changes_the_text():
    text = "Is $\\frac{1}{2}$ of 2500 even, or not?"
    assert edits(text).pop("verbatim") == text
    assert all(copy != text for edit, copy in edits(text).items() if edit != "verbatim")


def test_sums_asked_in_one_form_do_not_overlap_nor_do_completions_that_restate_them():
    rng = random.Random(0)
    sums = [" + ".join(str(rng.randint(10, 99)) for _ in range(4)) for _ in range(400)]
    questions = [FORM.format(one) for one in dict.fromkeys(sums)]
    tests = [problem(f"p{at}", question) for at, question in enumerate(questions[:80])]
    found = index(*tests, background=questions[80:])
    assert [q for q in questions[80:] if found.find(q)] == []
    assert [q for q in questions[80:] if found.find_in_completion(in_completion(q))] == []
    assert found.find(questions[3]).problem_id == "p3"


def test_what_many_solutions_begin_with_is_no_evidence():
    start = "Let us solve this step by step. First we write down what is given and what is asked"
    tests = [problem(f"p{n}", f"Question {n}?", f"{start} {'x' * n}.") for n in range(1, 30)]
    assert index(*tests).find_in_completion(start * 2) is None


def test_off_means_that_only_equal_questions_are_found():
    found = index(problem("ducks", DUCKS, SOLUTION), word_ngram=None, char_ngram=None)
    assert found.find(DUCKS.lower()).rule == "same"
    assert found.find(f"{DUCKS} Think.") is None
    assert found.find_in_completion(SOLUTION) is None
    assert found.self_test() == []


def test_the_index_is_the_same_after_pickling():
    copy = pickle.loads(pickle.dumps(DUCK_INDEX))
    for text in (DUCKS, SEQUENCE, f"x {SOLUTION}", "nothing"):
        assert copy.find(text) == DUCK_INDEX.find(text)
        assert copy.find_in_completion(text) == DUCK_INDEX.find_in_completion(text)


def test_the_report_counts_questions_by_set_and_n_and_rule():
    tests = {"ducks": [problem("d", DUCKS, SOLUTION)], "sums": [problem("s", "What is 2 + 2?")]}
    found = Contamination(tests, word_ngram=10, char_ngram=20)
    eleven = "She eats three for breakfast every morning and bakes muffins today."
    rows = found.report([DUCKS, DUCKS, eleven, "what is 2+2", "Something else."], (8, 10, 13))
    ducks, sums = rows[:3], rows[3:]
    assert [(row.test_set, row.n, row.questions) for row in ducks] == [
        ("ducks", 8, 2),
        ("ducks", 10, 2),
        ("ducks", 13, 1),
    ]
    assert ducks[0].by_rule == {"same": 1, "n-gram": 1}
    assert [(row.tests, row.solutions, row.tests_found) for row in ducks] == [(1, 1, 1)] * 3
    assert [row.by_rule for row in sums] == [{"same": 1}] * 3


def test_the_self_test_finds_all_plants_and_says_which_slip():
    assert DUCK_INDEX.self_test() == []
    broken = index(problem("ducks", DUCKS, SOLUTION))
    broken._scripts[0]._passages._hashes[:] += 1
    assert {missed.plant for missed in broken.self_test()} >= {
        "solution, verbatim",
        "quoted question, case",
    }


@given(
    st.lists(st.text(max_size=80), min_size=1, max_size=6),
    st.sampled_from([None, 1, 4, 10]),
    st.sampled_from([None, 5, 20]),
)
def test_every_test_question_is_found_verbatim_whatever_it_says(texts, word_ngram, char_ngram):
    tests = [problem(f"p{at}", text, text[::-1]) for at, text in enumerate(texts)]
    found = index(*tests, word_ngram=word_ngram, char_ngram=char_ngram, background=texts)
    assert all(found.find(text) is not None for text in texts)
    assert [one for one in found.self_test() if one.plant == "question, verbatim"] == []

"""What a text states: the same on the path of bare pairs and on that of completions."""

import pytest

from distill.recipe import MathPolicy
from distill.records import Problem, VerdictReason
from distill.verifiers.pairs import judge
from distill.verifiers.texts.labelled_parts import read_labelled_parts
from distill.verifiers.texts.reading import is_bare, read_statement
from distill.verifiers.verdict import Verifier

STATED = [
    ("Janet makes **$18** every day at the market.", "18", True, "a sentence without a mark"),
    ("Janet makes **$81** every day at the market.", "18", False, "another value"),
    ("Mia reads 12 pages every single day.", "12", True, "a sentence"),
    ("There are 6 red and 4 blue balls, 10 balls in total.", "10", True, "in total"),
    ("The train arrives at 3:45 PM.", "3:45 PM", True, "a time"),
    ("The train arrives at 3:45 AM.", "3:45 PM", False, "another half of the day"),
    ("Answer: x = 3, y = 4", "(3,4)", True, "a pair by its names"),
    ("Answer: x = 4, y = 3", "(3,4)", False, "the pair turned around"),
    ("So 12 workers finish the wall in 5 days.", "12", False, "no rule tells which"),
    ("Therefore, Tom has three apples left.", "3", True, "a number in words"),
    ("Therefore, Tom has four apples left.", "3", False, "another number in words"),
    ("So it takes two and a half hours.", "2.5", True, "a mixed number in words"),
    ("There are twenty-five ways.", "24", False, "a number in words"),
    ("答案是三。", "3", True, "Chinese numerals"),
    ("答案是三十五。", "53", False, "Chinese numerals"),
    ("方程的解为 $x_1=1$，$x_2=-3$。", "$x=1$ or $x=-3$", True, "roots with indices"),
    ("方程的解为 $x_1=1$，$x_2=3$。", "$x=1$ or $x=-3$", False, "another root"),
    ("The roots are:\n1. x = 1\n2. x = 2\n3. x = 3", "1,2,3", True, "a list in lines"),
    ("The roots are:\n1. x = 1\n2. x = 2\n3. x = 4", "1,2,3", False, "another list"),
    ("\\begin{align*}\n3x &= 12 \\\\\nx &= 4\n\\end{align*}", "4", True, "the last row"),
    ("\\begin{align*}\n3x &= 12 \\\\\nx &= 4\n\\end{align*}", "12", False, "a row before"),
    ("\\boxed{7 \\text{ because } 2x = 14}", "7", True, "a reason in the box"),
    ("\\boxed{7 \\text{ because } 2x = 14}", "14", False, "the reason is no answer"),
    ("so the answer is \\boxed{17", "17", True, "only the last brace is missing"),
    ("so the answer is \\boxed{\\frac{5}{1", "5", False, "broken off"),
    ("Q: 5^2?\nA: The answer is 25.\n\nQ: 6^2?\nA: The answer is 36.", "25", True, "the first"),
    (
        "Q: 5^2?\nA: The answer is 25.\n\nQ: 6^2?\nA: The answer is 36.",
        "36",
        False,
        "the first",
    ),
    ("Evelyn was fast, but Carla has the greatest speed.", "\\text{Evelyn}", False, "another name"),
    ("There is no such integer.", "no solution", True, "a set phrase"),
    ("Hence the equation has no real solutions.", "\\emptyset", True, "a set phrase in a sentence"),
    ("x = 5 makes it 0. Hence there is no solution.", "5", False, "what is concluded counts"),
    ("所以共有 12 个。", "12", True, "Chinese"),
    ("所以共有12个。", "13", False, "Chinese"),
    ("因此，最小值为 $2\\sqrt2$。", "2\\sqrt2", True, "Chinese"),
    ("答：一共有15只。", "15", True, "Chinese"),
    ("综上，$a=3$。", "3", True, "Chinese"),
    ("2和3", "2,3", True, "joined in Chinese"),
    ("2和3", "2,4", False, "joined in Chinese"),
    ("x<-1 \\text{或} x>3", "(-\\infty,-1)\\cup(3,\\infty)", True, "or in Chinese"),
    ("x<-1且x>3", "(-\\infty,-1)\\cup(3,\\infty)", False, "and in Chinese"),
    ("したがって12通りです。", "12", True, "Japanese"),
    ("Elle parcourt 12 kilomètres chaque jour.", "12", True, "French"),
    ("Следовательно, всего 12 способов.", "12", True, "Russian"),
    ("The total is at most 5.", "5", False, "a bound"),
    ("at most 5", "5", False, "a bound"),
    ("\\geq 5", "5", False, "a bound"),
    ("at most 5", "at most 5", True, "the bound that is asked for"),
    ("x^3 = 8", "x = 8", False, "a bare equation is no sentence"),
    ("5 5", "5", False, "two numbers"),
    ("5 mm", "5 cm", False, "a bare answer keeps its unit"),
    ("```\n12\n```", "12", True, "a block"),
    ("\\boxed{\\text{Answer: }5}", "5", True, "a box with its announcement"),
    ("\\boxed{\\text{The minimum is } 5}", "5", True, "a box with a sentence"),
    ("\\boxed{\\text{The minimum is not } 5}", "5", False, "a box that denies"),
    ("\\boxed{\\text{x = 5 is extraneous}}", "5", False, "a box that denies"),
    ("\\boxed{5 \\text{ (extraneous)}}", "5", False, "a box that denies"),
    ("\\boxed{\\text{5 is not the answer}}", "5", False, "a box that denies"),
    ("\\boxed{12} Wait, I made a mistake. The correct answer is 13.", "12", False, "corrected"),
    ("\\boxed{12} Wait, I made a mistake. The correct answer is 13.", "13", True, "corrected"),
    ("Step 1: \\boxed{3}. Final answer: \\boxed{5}", "3, 5", False, "a step"),
    ("(a) $5$; (b) $7$", "5, 7", True, "labelled parts"),
    ("(a) 7 (b) 5", "(a) 5 (b) 7", False, "labelled parts"),
    ("(1) $a=2$; (2) $(1,3)$", "(1) $2$; (2) $(1,3)$", True, "labelled parts"),
    ("B", "\\textbf{(B) }12", True, "the letter of a reference with a value"),
    ("12", "\\textbf{(B) }12", True, "its value"),
    ("The answer is (B).", "B: 12", True, "its letter"),
    ("The answer is 12.", "(B) 12", True, "its value"),
    ("\\boxed{\\textbf{(B)}\\ 12}", "B. 12", True, "both"),
    ("(C) 12", "(B) 12", False, "a contradiction"),
    ("The answer is (B) 13.", "(B) 12", False, "a contradiction"),
    ("\\boxed{C}", "(B) 12", False, "another letter"),
    ("13", "(B) 12", False, "another value"),
    ("B. 24", "24", True, "a label that was not asked for"),
    ("故选 ACD.", "ACD", True, "several options"),
    ("故选 ABD.", "ACD", False, "several options"),
    ("\\boxed{A, C}", "AC", True, "several options"),
    ("A", "AC", False, "one of several"),
    ("①③", "①, ③", True, "circled numbers"),
    ("①②", "①③", False, "circled numbers"),
    ("正确选项是 C", "C", True, "an option in Chinese"),
]


@pytest.fixture(scope="module")
def verifier():
    with Verifier() as one:
        yield one


def asks_nobody(task):
    raise AssertionError(f"needs no algebra: {task}")


@pytest.mark.parametrize(("text", "reference", "right", "why"), STATED)
def test_pairs_and_completions_agree(verifier, text, reference, right, why):
    problem = Problem(problem_id="p", question="Find it.", reference=reference)
    assert (judge(text, reference, MathPolicy(), asks_nobody)[0] is VerdictReason.RIGHT) is right
    assert (verifier.verify(problem, "p#0", text, "stop").correct is True) is right, why


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("5", True),
        ("\\frac12", True),
        ("5 apples", True),
        ("May 5", True),
        ("twelve", True),
        ("It takes 5 hours", False),
        ("The answer is 5.", False),
        ("I do not know.", False),
        ("Sorry.", False),
        ("3 + 4 = 7\n7", False),
        ("x" * 1000, False),
    ],
)
def test_a_bare_answer_is_no_sentence(text, bare):
    assert is_bare(text, "7") is bare


def test_a_text_that_states_nothing_states_nothing():
    assert read_statement("We start here. It is clear.", "7").answer is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("(a) 5 (b) 7", ("5", "7")),
        ("(i) $x$; (ii) $y$", ("$x$", "$y$")),
        ("**(1)** 5, **(2)** 7", ("5", "7")),
        ("(a) 5", None),
        ("(1, 2)", None),
        ("(a) 5 (c) 7", None),
        ("5 (a) 6 (b)", None),
    ],
)
def test_labelled_parts(text, parts):
    assert read_labelled_parts(text) == parts


def test_a_name_is_the_subject_where_no_question_is_known():
    said = "Evelyn has the greatest average speed."
    assert read_statement(said, "\\text{Evelyn}").answer == "evelyn"
    assert read_statement(said, "\\text{Carla}").answer != "carla"

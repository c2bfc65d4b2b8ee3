"""Letters of multiple choice."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.texts.choice import choice_letter, extract_choice, options, reference_letter

QUESTION = "What is 2 + 2?\n(A) 3\n(B) 4\n(C) a cat\n(D) four apples"
TEN = "Which?\n" + "\n".join(f"{letter}) thing {letter.lower()}{letter}" for letter in "ABCDEFGHIJ")


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
        ("I", "I"),
        ("K", None),
    ],
)
def test_a_reference_is_a_letter_or_not(reference, letter):
    assert choice_letter(reference) == letter


def test_a_reference_may_be_the_text_of_an_option():
    assert reference_letter("4", QUESTION) == "B"
    assert reference_letter("b", QUESTION) == "B"
    assert reference_letter("a dog", QUESTION) is None


def test_a_reference_may_have_the_value_beside_the_letter():
    assert reference_letter("\\textbf{(B) }4", QUESTION) == "B"


OPTIONS = [
    ("(A) 3\n(B) 4", {"A": "3", "B": "4"}, "lines"),
    ("Is it? A. 3 B. 4 C. 5", {"A": "3", "B": "4", "C": "5"}, "in one line"),
    ("A) 3\n\nB) 4", {"A": "3", "B": "4"}, "one bracket"),
    (
        "$\\textbf{(A)}\\ 3 \\qquad \\textbf{(B)}\\ 4$",
        {"A": "\\ 3 \\qquad", "B": "\\ 4$"},
        "a formula",
    ),
    ("Point A. is far.", {}, "one letter is no list"),
    ("no options", {}, "none"),
]


@pytest.mark.parametrize(("question", "expected", "why"), OPTIONS)
def test_the_options_of_a_question(question, expected, why):
    found = options(question)
    assert set(found) == set(expected), why
    assert all(expected[letter].strip("\\ $") in found[letter] for letter in expected), why


STATED = [
    ("The answer is (D).", "D"),
    ("Not A, not B, so it must be C.", "C"),
    ("Option A is wrong. Option (D) is impossible. Therefore, C.", "C"),
    ("B is the closest value, though the estimate is 2.38.", "B"),
    ("(c)", "C"),
    ("The answer is A", "A"),
    ("The answer is A because 3 is odd.", "A"),
    ("Option B fits.\n\nThe correct answer is (D).", "D"),
    ("The correct answer is **B**.", "B"),
    ("The correct answer is **(B) 4**.", "B"),
    ("**Answer:** (B) Circle", "B"),
    ("Answer: B) 4", "B"),
    ("Answer: B", "B"),
    ("**Answer: B**", "B"),
    ("ANSWER: $B$", "B"),
    ("Answer:\n\n**B**", "B"),
    ("### Answer\nB", "B"),
    ("Final answer: \\text{(B)}", "B"),
    ("\\boxed{B}", "B"),
    ("\\boxed{b}", "B"),
    ("\\boxed{(b)}", "B"),
    ("\\boxed{\\text{(B)}}", "B"),
    ("\\boxed{\\textbf{(B)}\\ 4}", "B"),
    ("\\boxed{\\mathrm{B}}", "B"),
    ("\\boxed{B. Circle}", "B"),
    ("\\boxed{B) 4}", "B"),
    ("\\boxed{\\text{Option B}}", "B"),
    ("\\boxed{4}", "B"),
    ("<answer>B</answer>", "B"),
    ("<answer>(B) 4</answer>", "B"),
    ("<answer>a cat</answer>", "C"),
    ("<answer>The correct answer is B.</answer>", "B"),
    ("Option B is correct.", "B"),
    ("B is correct.", "B"),
    ("(B) is the correct answer.", "B"),
    ("So the best choice is option (B).", "B"),
    ("I would choose B.", "B"),
    ("I'd go with (B).", "B"),
    ("My choice: B", "B"),
    ("Therefore, (B).", "B"),
    ("Hence the right option is B, since 2 + 2 = 4.", "B"),
    ("The only correct option is (C) Plane.\n\nI think that's the answer.", "C"),
    ("The answer is a cat.", "C"),
    ("It must be four apples.", "D"),
    ("B", "B"),
    (" (C). ", "C"),
    ("**B**", "B"),
    ("B) 4", "B"),
    ("A is wrong, C is wrong and D is wrong. The answer is B.", "B"),
    ("(A) is incorrect.\n(B) is correct.\n(C) is incorrect.", "B"),
    ("The answer is B. Wait, 2 + 2 is four apples. The answer is D.", "D"),
    ("The answer is not A but B.", "B"),
    ("答案是 B。", "B"),
    ("因此，故选 (B)。", "B"),
    ("La bonne réponse est B.", "B"),
    ("La respuesta correcta es B.", "B"),
    ("Die richtige Antwort ist B.", "B"),
    ("正确选项是 B", "B"),
    ("因此答案是（B）。", "B"),
    ("\\boxed{D}\n\nWait, I made a mistake. The correct answer is B.", "B"),
]


@pytest.mark.parametrize(("text", "letter"), STATED)
def test_the_letter_is_found(text, letter):
    assert extract_choice(text, QUESTION).answer == letter


UNSTATED = [
    ("A dog barks.", "an article"),
    ("No idea.", "nothing"),
    ("I think that a vitamin helps.", "a pronoun"),
    ("The answer is A and C.", "two letters"),
    ("The answer is A or B.", "two letters"),
    ("The answers are (A), (B).", "two letters"),
    ("Either (A) or (B).", "two letters"),
    ("\\boxed{A, B}", "two letters"),
    ("\\boxed{AB}", "two letters"),
    ("\\boxed{A}, \\boxed{B}", "two letters"),
    ("<answer>A and B</answer>", "two letters"),
    ("(A) (B) (C) (D)", "all letters"),
    ("It is one of (A), (B), (C) and (D).", "all letters"),
    ("The answer is B. The answer is C.", "says both"),
    ("B is not correct.", "denied"),
    ("The answer is not B.", "denied"),
    ("We can rule out (B).", "denied"),
    ("Is the answer B?", "asked"),
    ("\\overline{A}", "a complement"),
    ("A'", "a complement"),
]


@pytest.mark.parametrize(("text", "why"), UNSTATED)
def test_no_single_letter_is_found(text, why):
    assert extract_choice(text, QUESTION).answer not in ("A", "B", "C", "D"), why


@pytest.mark.parametrize("letter", "ABCDEFGHIJ")
def test_ten_options(letter):
    for text in (f"The answer is ({letter}).", f"Answer: {letter}", f"\\boxed{{{letter}}}", letter):
        assert extract_choice(text, TEN).answer == letter
    assert extract_choice(f"The answer is thing {letter.lower()}{letter}.", TEN).answer == letter


def test_a_boxed_text_that_is_no_option_stays_an_answer():
    assert extract_choice("\\boxed{17}", QUESTION).answer == "17"


def test_a_letter_that_is_no_option_is_a_word():
    assert extract_choice("I believe the answer is I.", QUESTION).answer != "I"


def test_a_question_of_line_breaks_is_read_in_linear_time():
    question = "\n" * 100_000 + "(A) 3\r\n  B. 4" + "\n" * 100_000
    start = time.monotonic()
    assert extract_choice("\\boxed{B}", question).answer == "B"
    assert time.monotonic() - start < 10  # milliseconds; tried at every break it took minutes


pieces = st.sampled_from(
    ["A", "B", "(", ")", " ", "\n", "answer is ", "**", "not ", "or ", "\\boxed{", "}", ".", "?",
     "\\text{", "option ", "⟦B⟧", "$", "是"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map("".join))
def test_any_text_has_a_letter_or_none(text):
    found = extract_choice(text, QUESTION)
    assert found.answer is None or found.answer.strip()

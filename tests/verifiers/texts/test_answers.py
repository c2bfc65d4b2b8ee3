"""Finding the final answer in an answer text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.texts.answers import ends_mid_sentence, extract_answer, extract_closed

STATED = [
    ("<answer>12</answer>", "12", "tag"),
    ("<answer>1</answer> no, <answer>2</answer>", "2", "tag"),
    ("<answer> \\boxed{12} </answer>", "12", "tag"),
    ("\\boxed{5}\n<answer>12</answer>", "12", "tag"),
    ("<answer>5</answer> Wait: \\boxed{12}", "12", "box"),
    ("so \\boxed{\\frac{1}{2}} is it", "\\frac{1}{2}", "box"),
    ("\\boxed{86} glasses and \\boxed{42} plates", "86, 42", "box"),
    ("It is \\boxed{5}. No: \\boxed{6}", "6", "box"),
    ("**Final Answer**\n$x=5$", "x=5", "header"),
    ("**Final Answer:**\n\\[\nx=5\n\\]", "x=5", "header"),
    ("### Final answer\nThe radius is (3√3)/π inches.", "(3√3)/π", "header"),
    ("**Answer:** Mark needs to save for **25 days**.", "25 days", "header"),
    ("**Answer:** 3 loaves of bread cost \\$4 more than 2 bagels.", "\\$4", "header"),
    ("**Answer (in meters):** 12", "12", "header"),
    ("My final answer: 12.", "12", "header"),
    ("Result: 7", "7", "header"),
    ("**Final Answer:**\n- x = 2\n- x = 3", "x = 2, x = 3", "header"),
    ("5 + 7 = <<5+7=12>>12\n#### 12", "12", "header"),
    ("#### $1,200", "$1,200", "header"),
    ("Therefore, the answer is 65 cubic units. I think that is all.", "65 cubic units", "phrase"),
    ("The final answer is $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}", "phrase"),
    ("Careful. So 65 is the final answer.", "65", "phrase"),
    ('{"answer": 42}', "42", "phrase"),
    ("The answer to the question is 5.", "5", "phrase"),
    ("The answer is 12 because 3 times 4 is 12.", "12", "phrase"),
    ("If x were 3, the answer would be 10. But it is 4, so the answer is 5.", "5", "phrase"),
    ("The answer is 5. Wait, I forgot one. The answer is 6.", "6", "phrase"),
    ("所以答案是 28800 种。", "28800", "phrase"),
    ("最终答案：\\(\\frac{1}{2}\\)", "\\frac{1}{2}", "phrase"),
    ("La réponse finale est 42.", "42", "phrase"),
    ("Por lo tanto, la respuesta es 42.", "42", "phrase"),
    ("Die Antwort lautet 42.", "42", "phrase"),
    ("A resposta final é 42.", "42", "phrase"),
    ("Ответ: 42.", "42", "phrase"),
    ("答えは42です。", "42", "phrase"),
    ("정답은 42입니다.", "42", "phrase"),
    ("So 12 + 5 = 17.\nThus, the total is 17.", "17", "conclusion"),
    ("\\[\n\\sqrt{117} = \\sqrt{9 \\times 13} = 3\\sqrt{13}\n\\]", "3\\sqrt{13}", "conclusion"),
    ("Thus:\n\\[\n5x - 7y = 0\n\\]", "5x - 7y = 0", "conclusion"),
    ("The total is 17. Is it 18? Let us see.", "17", "conclusion"),
    ("<answer>42", "42", "open-tag"),
    ("Thus, x = 5. This matches 3 + 2 = 5, as x^2 = 25 shows.", "5", "conclusion"),
    ("The answer is 18. However, we counted twice, so it is 9.", "9", "conclusion"),
    ("4. **Final Answer**:\n\nThe number of factors of 32 is:\n\\[\n6\n\\]", "6", "header"),
    (
        "Answer: "
        + "We add the 3 and the 4. " * 6
        + "\n"
        + "It goes on. " * 30
        + "\nThus it is 7.",
        "7",
        "conclusion",
    ),
    ("So\n\\begin{align*}\nx &= 3 + 4 \\\\\n&= 7.\n\\end{align*}", "7", "conclusion"),
    ("\\boxed{12}\n\nWait, I made a mistake. The correct answer is 13.", "13", "phrase"),
    ("\\boxed{12}. Correction: it should be 13.", "13", "phrase"),
    ("<answer>5</answer> Oops, I made an error. The correct answer is 6.", "6", "phrase"),
    ("\\boxed{12}\nNote: a common mistake is to think the answer is 13.", "12", "box"),
    ("\\boxed{12}. Wait, let me check: 3 * 4 = 12. Yes, the answer is 12.", "12", "box"),
    ("\\boxed{18}\nThis is actually known; the answer is given as m + n.", "18", "box"),
    ("\\boxed{12}\n\nThe answer is 12, not 13.", "12", "box"),
    ("So \\boxed{5} is incorrect; the correct value is 6.", "6", "conclusion"),
    ("We would get \\boxed{5}, which is wrong. The true answer is 6.", "6", "phrase"),
    ("Therefore $x + 1 \\equiv 5 \\equiv 2 \\pmod{3}$.", "2", "conclusion"),
]


@pytest.mark.parametrize(("text", "answer", "route"), STATED)
def test_the_answer_is_found_the_way_it_is_stated(text, answer, route):
    found = extract_answer(text)
    assert (found.answer, found.route) == (answer, route)


HEDGED = [
    "The answer is either 5 or 6.",
    "The answer is 5 or 6.",
    "The answer is 5. The answer is 6.",
    "The answer is 5, but it might be 6.",
    "Answer: 5 or 6",
    "\\boxed{5} or \\boxed{6}",
    "\\boxed{5}, \\boxed{6}",
    "The answer is $5$ or $6$.",
    "So it is 5 or 6.",
    "**5** or **6**",
    "Maybe it is 5. Or maybe it is 6, or 5.",
]


@pytest.mark.parametrize("text", HEDGED)
def test_two_answers_at_once_are_not_one(text):
    assert extract_answer(text).answer not in ("5", "6")


UNSTATED = [
    "",
    "   \n",
    "<answer></answer>",
    "We start here. It is clear.",
    "The answer is not 5.",
    "The answer is not \\boxed{5}.",
    "\\boxed{5} is not the answer.",
    "Is the answer 5?",
    "Could it be 5?",
]


@pytest.mark.parametrize("text", UNSTATED)
def test_what_is_not_stated_is_no_answer(text):
    assert extract_answer(text).answer is None


def test_giving_up_is_an_answer_without_a_number():
    text = "We have 5 apples. There is not enough information to determine the answer."
    assert "5" not in extract_answer(text).answer


def test_a_box_that_never_closes_hides_the_one_before():
    found = extract_answer("It is \\boxed{5}. No, it is \\boxed{6")
    assert (found.answer, found.route) == ("6", "open-box")
    found = extract_answer("It is \\boxed{5}. No, it is \\boxed{\\frac{1}{")
    assert (found.answer, found.route) == (None, "cut")


def test_markdown_headers_are_no_answers():
    text = "#### 1. Add\n3 + 4 = 7\n#### 2. Double\nThe total is 14."
    assert extract_answer(text).answer == "14"


def test_the_boxes_before_are_kept_for_a_reference_of_many_parts():
    text = "The radius is \\boxed{3}.\n\nThe area is \\boxed{9\\pi}."
    found = extract_closed(text)
    assert (found.answer, found.earlier) == ("9\\pi", ("3", "9\\pi"))


@pytest.mark.parametrize(
    "text",
    [
        "Step 1: \\boxed{2}. Step 2: \\boxed{3}. Final answer: \\boxed{5}",
        "\\boxed{2}, but it is extraneous. Therefore the only solution is \\boxed{3}.",
        "The radius is \\boxed{3}, so the area is \\boxed{9\\pi}.",
    ],
)
def test_a_step_or_a_box_that_is_taken_back_is_no_part(text):
    assert extract_closed(text).earlier == ()


def test_parts_of_a_question_count_together_though_each_is_derived():
    found = extract_closed("(a) So it is \\boxed{2}.\n\n(b) Therefore it is \\boxed{3}.")
    assert found.earlier == ("2", "3")


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


pieces = st.sampled_from(
    ["5", " ", "\n", "the answer is ", "\\boxed{", "}", "**", "$", "or", "<answer>", "</answer>",
     "####", ".", "not ", "\\(", "\\)", "答案是", "?", "Final Answer:", "(", "\x00", "\ud800"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map("".join))
def test_any_text_has_an_answer_or_none(text):
    found = extract_answer(text)
    assert found.answer is None or found.answer == found.answer.strip() != ""

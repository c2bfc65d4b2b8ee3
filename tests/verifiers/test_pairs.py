"""One answer against its reference, and a stream of them."""

import threading
import time

import pytest

from distill.recipe import MathPolicy
from distill.records import VerdictReason
from distill.verifiers.pairs import AnswerChecker, check_answer, check_answers, judge

RIGHT, WRONG, NONE = VerdictReason.RIGHT, VerdictReason.WRONG, VerdictReason.NO_ANSWER

CASES = [
    ("5", "5", RIGHT, "as it is"),
    ("6", "5", WRONG, "as it is"),
    ("1/2", "0.5", RIGHT, "fraction and decimal"),
    ("$5$", "5", RIGHT, "dollars around the answer"),
    ("5", "$5$", RIGHT, "dollars around the reference"),
    ("\\boxed{5}", "5", RIGHT, "a box"),
    ("so x = 3, then \\boxed{5}.", "5", RIGHT, "a box in a text"),
    ("\\boxed{5} or 6", "6", WRONG, "what is boxed counts"),
    ("<answer>5</answer>", "5", RIGHT, "a tag"),
    ("#### 5", "5", RIGHT, "the mark of GSM8K"),
    ("5", "He has 2+3=<<2+3=5>>5.\n#### 5", RIGHT, "a solution of GSM8K as reference"),
    ("5", "Adding gives $\\boxed{5}$.", RIGHT, "a solution of MATH as reference"),
    ("<think>6 or \\boxed{6}</think>The answer is 5.", "5", RIGHT, "what was thought is no answer"),
    ("<think>it is \\boxed{5}", "5", NONE, "nor is it in a thought without an end"),
    ("The answer is 5.", "5", RIGHT, "a sentence"),
    ("The answer is 42.", "5", WRONG, "a sentence"),
    ("La respuesta es 7.", "7", RIGHT, "a sentence of another language"),
    ("答案是 8", "7", WRONG, "a sentence of another language"),
    ("So x ≤ 2.", "2", WRONG, "an inequality is no value"),
    ("So x ≤ 2.", "(-\\infty, 2]", RIGHT, "an inequality"),
    ("Yes, it does.", "Yes", RIGHT, "yes with its sentence"),
    ("\\textbf{(B)}~7", "\\textbf{(B)}", RIGHT, "a letter with its option"),
    ("\\textbf{(B)}~7", "\\textbf{(C)}", WRONG, "another letter"),
    ("Therefore, it is $\\frac{1}{2}$.", "0.5", RIGHT, "a formula in a sentence"),
    ("10 square centimeters", "10 square meters", WRONG, "units are part of a bare answer"),
    ("Saturday", "saturday", RIGHT, "a word"),
    ("It is a Saturday.", "Saturday", RIGHT, "a word in a sentence"),
    ("It is a Sunday.", "Saturday", WRONG, "a word in a sentence"),
    ("", "5", NONE, "nothing"),
    ("  \n", "5", NONE, "nothing"),
    ("\\boxed{}", "5", NONE, "nothing in a box"),
    ("5", "", VerdictReason.BAD_REFERENCE, "nothing to compare with"),
    ("5", "\\boxed{}", VerdictReason.BAD_REFERENCE, "nothing to compare with"),
    ("B", "B", RIGHT, "a letter"),
    ("(B)", "B", RIGHT, "a letter"),
    ("The answer is (B) 7.", "B", RIGHT, "a letter in a sentence"),
    ("\\boxed{\\text{B}}", "(B)", RIGHT, "a letter in a box"),
    ("C", "B", WRONG, "another letter"),
    ("<think>B</think>C", "B", WRONG, "the letter after the thought"),
]


def asks_nobody(task):
    raise AssertionError(f"needs no algebra: {task}")


@pytest.mark.parametrize(("answer", "reference", "reason", "why"), CASES)
def test_answers_are_read_as_they_are_written(answer, reference, reason, why):
    assert judge(answer, reference, MathPolicy(), asks_nobody)[0] is reason, why


def test_what_exact_steps_cannot_tell_is_left_to_algebra():
    with AnswerChecker() as checker:
        same = checker.check("\\int_0^1 2x\\,dx", "1")
        other = checker.check("The answer is $\\int_0^1 3x\\,dx$.", "1")
    assert (same.correct, same.reason) == (True, RIGHT)
    assert (other.correct, other.reason) == (False, WRONG)
    assert 0 < same.seconds < 60


def test_a_policy_decides_what_could_be_decided_either_way():
    assert check_answer("2, 1", "1, 2").correct is True
    policy = MathPolicy(unordered_lists=False)
    assert check_answer("2, 1", "1, 2", policy=policy).correct is False
    assert [one.correct for one in check_answers([("2, 1", "1, 2")], policy=policy)] == [False]


def test_a_stream_is_judged_in_order_as_one_by_one():
    pairs = [(answer, reference) for answer, reference, _, _ in CASES] * 20
    pairs[100] = ("\\int_0^1 2x\\,dx", "1")
    found = list(check_answers(iter(pairs), workers=2))
    with AnswerChecker() as checker:
        alone = [checker.check(*pair) for pair in pairs]
    assert [(one.correct, one.reason, one.route) for one in found] == [
        (one.correct, one.reason, one.route) for one in alone
    ]


HOSTILE = [
    ("9^{9^{9^{9^9}}}", "ends in time"),
    ("((9!)!)!", "ends in time"),
    ("{" * 1_000_000, "is not nested that deep"),
    ("\\boxed{" * 100_000, "is not nested that deep"),
    ("7" * 10_000_000, "is long"),
    ("7" * 5000, "is longer than int() reads"),
    ("a\0b", "holds NUL"),
    ("\ud800", "is half a character"),
    ("__import__('os').system('touch pwned')", "is code"),
    ("\\sqrt{" * 500 + "2" + "}" * 500, "is nested deep"),
    ("\\frac{1}{0}", "divides by nothing"),
    ("The answer is " + "(" * 50_000, "never closes"),
    ("1," * 100_000, "is a long list"),
    ("10^{10^{10}}", "is too large"),
    ("<answer>" * 100_000, "is all tags"),
    ("$" * 100_000, "is all dollars"),
    (" " * 1_000_000 + "is", "is all spaces"),
]


def test_hostile_answers_get_a_verdict_in_time_and_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slow = []

    def check_all():
        with AnswerChecker(timeout_seconds=1.0) as checker:
            for answer, why in HOSTILE:
                start = time.monotonic()
                found = checker.check(answer, "3")
                if found.correct or time.monotonic() - start > 5:
                    slow.append((why, found))

    thread = threading.Thread(target=check_all)
    thread.start()
    thread.join()
    assert slow == []
    assert list(tmp_path.iterdir()) == []


def test_a_deadline_that_nobody_can_keep_is_refused():
    for seconds in (0, -1, float("nan"), 1e9):
        with pytest.raises(ValueError, match="timeout_seconds must be above 0"):
            AnswerChecker(timeout_seconds=seconds)

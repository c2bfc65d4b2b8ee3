"""From completion to verdict: every reason, and hostile completions."""

import json
import threading
import time

import pytest

from distill.errors import RecordError
from distill.records import Problem, VerdictReason
from distill.verifiers.verdict import VERIFIERS, Verifier

DEADLINE_SECONDS = 1.0


def maths(reference):
    """A problem with a reference."""
    return Problem(problem_id="p", question="?", reference=reference)


def chain_sum(answer="42"):
    """A problem made by reasoning-gym."""
    entry = {"question": "40 + 2", "answer": answer, "metadata": {"source_dataset": "chain_sum"}}
    return Problem(
        problem_id="g",
        question="40 + 2",
        reference=answer,
        verifier="reasoning-gym",
        family="chain_sum",
        gym_entry=json.dumps(entry),
    )


@pytest.fixture(scope="module")
def verifier():
    """A verifier with a deadline that slow machines keep for easy algebra."""
    with Verifier(timeout_seconds=20) as made:
        yield made


@pytest.fixture(scope="module")
def hasty():
    """A verifier with a short deadline, its worker already started."""
    with Verifier(timeout_seconds=DEADLINE_SECONDS) as made:
        made.verify(maths("x + 1"), "t", "\\boxed{1 + x + 0}")
        yield made


R = VerdictReason
REASONS = [
    ("<think>5?</think>\\boxed{5}", "stop", R.RIGHT, "box"),
    ("<think>5?</think>\\boxed{6}", "stop", R.WRONG, "box"),
    ("<think>5?</think>", "stop", R.NO_ANSWER, "nothing after the thought"),
    ("<think>\\boxed{5}</think>Done.", "stop", R.NO_ANSWER, "a box inside the thought is scratch"),
    ("<think>\\boxed{5}", "stop", R.NO_ANSWER, "never closed, and ended by itself"),
    ("<think>\\boxed{5}", "length", R.TRUNCATED, "never closed"),
    ("<think>\\boxed{5}", None, R.TRUNCATED, "never closed, ending unknown"),
    ("<think>a</think>\\boxed{5} and so", "length", R.RIGHT, "the box is closed"),
    ("<think>a</think>The answer is 5", "length", R.TRUNCATED, "50 or 5?"),
    ("<think>a</think>The answer is 5.", None, R.RIGHT, "a whole sentence"),
    ("<think>a</think>We have 5 and then", None, R.TRUNCATED, "stops in a sentence"),
    ("<think>a</think>", "length", R.TRUNCATED, "no answer yet"),
    ("5", None, R.RIGHT, "a bare answer needs no full stop"),
    ("<think>a</think>\n5", None, R.RIGHT, "nor after a thought"),
    ("x = 5", None, R.RIGHT, "nor does an equation"),
    ("It takes 5 hours", None, R.RIGHT, "nor an answer with its unit"),
    ("The answer is 5", None, R.RIGHT, "nor one that is announced"),
    ("The answer is 50", None, R.TRUNCATED, "500?"),
    ("4", None, R.TRUNCATED, "42?"),
    ("4", "stop", R.WRONG, "ended by itself"),
    ("We try this. " * 20 + "So x = 5", None, R.TRUNCATED, "a number on the way of a long text"),
    ("", "stop", R.NO_ANSWER, "empty"),
]


@pytest.mark.parametrize(("completion", "finish", "reason", "why"), REASONS)
def test_reasons(verifier, completion, finish, reason, why):
    verdict = verifier.verify(maths("5"), "p#0", completion, finish)
    assert verdict.reason is reason, why
    assert verdict.correct is (reason is R.RIGHT)
    assert verdict.trace_id == "p#0"


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("(x+1)(x+2)", "x^2+3x+2", True),
        ("\\sqrt{2}", "1.41421356", True),
        ("\\frac{\\sqrt{3}}{3}", "1/\\sqrt{3}", True),
        ("y = 2x + 3", "y - 2x = 3", True),
        ("5x - 7y + 11z + 4 = 0", "0", False),
        ("5", "? 5+x", False),
        ("5", "about 5, or x", False),
        ("p-q", "q-p", False),
    ],
)
def test_algebra_goes_to_the_worker(verifier, reference, answer, right):
    verdict = verifier.verify(maths(reference), "t", f"\\boxed{{{answer}}}", "stop")
    assert (verdict.correct, verdict.route) == (right, "box/math-verify")


def test_a_reference_that_cannot_be_read_is_no_wrong_answer(verifier):
    for reference in ("", "  ", "\\frac{"):
        verdict = verifier.verify(maths(reference), "t", "\\boxed{5}", "stop")
        assert (verdict.correct, verdict.reason) == (None, R.BAD_REFERENCE)


def test_letters_are_compared_as_letters(verifier):
    problem = Problem(problem_id="p", question="?\n(A) 1\n(B) 2", reference="B")
    assert verifier.verify(problem, "t", "The answer is (B)").correct is True
    assert verifier.verify(problem, "t", "\\boxed{2}").correct is True
    assert verifier.verify(problem, "t", "The answer is (A)").correct is False
    assert verifier.verify(problem, "t", "<think>a</think>\n(B)").correct is True


GYM = [
    ("<think>40 + 2 = 42</think><answer>42</answer>", R.RIGHT),
    ("<think>a</think> <answer> 042.0 </answer>", R.RIGHT),
    ("<think>a</think>\\boxed{42}", R.RIGHT),
    ("42", R.RIGHT),
    ("<think>a</think><answer>42 or 43</answer>", R.WRONG),
    ("<think>a</think><answer>41</answer>", R.WRONG),
    ("<think>42</think>", R.NO_ANSWER),
    ("<think><answer>42</answer>", R.NO_ANSWER),
]


@pytest.mark.parametrize(("completion", "reason"), GYM)
def test_reasoning_gym(verifier, completion, reason):
    assert verifier.verify(chain_sum(), "t", completion, "stop").reason is reason


def test_a_broken_entry_is_a_bad_reference(verifier):
    for entry in ("", "{", "[]", '{"answer": 1, "metadata": {}}', '{"answer": "1"}'):
        problem = Problem(
            problem_id="g",
            question="?",
            reference="1",
            verifier="reasoning-gym",
            family="gcd",
            gym_entry=entry,
        )
        verdict = verifier.verify(problem, "t", "<answer>1</answer>", "stop")
        assert (verdict.correct, verdict.reason) == (None, R.BAD_REFERENCE)


def test_the_cheap_routes_start_no_process():
    with Verifier() as made:
        made.verify(maths("5"), "t", "\\boxed{5}", "stop")
        made.verify(maths("1,2"), "t", "\\boxed{7}", "stop")
        made.verify(chain_sum(), "t", "<answer>42</answer>", "stop")
        assert made._pool._workers[0]._process is None


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"timeout_seconds": -1.0}, {"timeout_seconds": float("nan")}]
)
def test_no_workers_and_no_time_are_refused(wrong):
    with pytest.raises(ValueError, match="above 0 and workers at least 1"):
        Verifier(**wrong)


def test_a_deadline_that_never_comes_is_a_deadline():
    with Verifier(timeout_seconds=float("inf")) as made:
        assert made.verify(maths("x + 1"), "t", "\\boxed{1 + x + 0}").correct is True


def test_an_unknown_verifier_is_refused(verifier):
    problem = Problem(problem_id="p7", question="?", reference="5", verifier="maths")
    with pytest.raises(RecordError, match=r"p7.*'maths'.*did you mean 'math'"):
        verifier.verify(problem, "t", "5")
    assert set(VERIFIERS) == {"math", "reasoning-gym", "choice"}


TOWER = "\\boxed{9^{9^{9^{9}}}}"


def test_a_hang_is_a_timeout_and_the_verifier_works_on(hasty):
    verdict = hasty.verify(maths("5"), "t", TOWER, "stop")
    assert (verdict.correct, verdict.reason) == (None, R.TIMEOUT)
    assert hasty.verify(maths("x+1"), "t", "\\boxed{1+x}", "stop").correct is not False


def test_a_hang_in_a_thread_is_a_timeout(hasty):
    verdicts = []
    thread = threading.Thread(
        target=lambda: verdicts.append(hasty.verify(maths("5"), "t", TOWER, "stop"))
    )
    thread.start()
    thread.join()
    assert verdicts[0].reason is R.TIMEOUT


TEN_MEGABYTES = 10_000_000
MEGABYTE = 1_000_000
HOSTILE = {
    "nested braces": "\\boxed{" + "{" * 100_000 + "5" + "}" * 100_000 + "}",
    "open boxes": "\\boxed{" * 100_000,
    "brackets": "\\boxed{" + "(" * 3000 + "1" + ")" * 3000 + "}",
    "5000 digits": "\\boxed{" + "7" * 5000 + "}",
    "one letter": "x" * TEN_MEGABYTES,
    "one digit": "7" * MEGABYTE,
    "one brace": "{" * MEGABYTE,
    "boxes": "\\boxed{}" * (MEGABYTE // 8),
    "tag of digits": "<answer>" + "9" * TEN_MEGABYTES + "</answer>",
    "tags": "</think><answer>" * (MEGABYTE // 16),
    "phrases": "the answer is (" * (MEGABYTE // 15),
    "formulas": "\\[ $ = " * (MEGABYTE // 8),
    "stars": "**" * (MEGABYTE // 2),
    "NUL": "\\boxed{\x00 5 + x}",
    "lone surrogate": "\\boxed{\ud800 5 + x}",
    "surrogates": "\udfff" * 100,
    "line breaks": "\\boxed{5 + x}" + "\n" * MEGABYTE,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("verifies", ["math", "reasoning-gym", "choice"])
def test_hostile_completions_end_in_a_verdict_in_time(hasty, name, verifies):
    problem = {"math": maths("5"), "reasoning-gym": chain_sum(), "choice": maths("C")}[verifies]
    start = time.monotonic()
    verdict = hasty.verify(problem, "t", HOSTILE[name], "stop")
    # besides the deadline: reading 10 MB, and starting a worker again, on a busy machine
    assert time.monotonic() - start < DEADLINE_SECONDS + 10
    assert verdict.correct is not True
    json.dumps(verdict.answer).encode("ascii")
    (verdict.answer or "").encode("utf-8")


@pytest.mark.parametrize("family", ["countdown", "spiral_matrix"])
@pytest.mark.parametrize("wrapped", ["\\boxed{%s}", "<answer>%s</answer>"])
def test_python_in_an_answer_is_never_run(verifier, wrapped, family, tmp_path):
    canary = tmp_path / "canary"
    completion = wrapped % f"__import__('os').system('touch {canary}')"
    entry = {
        "answer": "1",
        "metadata": {"source_dataset": family, "numbers": [1], "target": 1},
    }
    gym = Problem(
        problem_id="g",
        question="?",
        reference="1",
        verifier="reasoning-gym",
        gym_entry=json.dumps(entry),
    )
    for problem in (maths("5"), gym):
        assert verifier.verify(problem, "t", completion, "stop").correct is not True
    assert not canary.exists()

"""From completion to verdict: every reason, and hostile completions."""

import json
import threading
import time

import pytest

from distill.errors import RecordError, SandboxUnavailable
from distill.recipe import MathPolicy
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
    ("<think>6?</think>| x | 3 |\n|---|---|\n| **Answer** | **5** |", None, R.RIGHT, "a table"),
    ("<think>6?</think>The final answer is:\n\n$$\n5\n$$", None, R.RIGHT, "a display formula"),
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
    ("It is \\boxed{5}. No, it is \\boxed{6", None, R.TRUNCATED, "cut off in a box"),
    ("It is \\boxed{5}. No, it is \\boxed{6", "length", R.TRUNCATED, "cut off in a box"),
    ("So \\boxed{5}. But wait" + ", and then" * 50, None, R.TRUNCATED, "thinks on, no marks"),
    ("So \\boxed{5}. But wait" + ", and then" * 50, "length", R.TRUNCATED, "thinks on, no marks"),
    ("So \\boxed{5}. That was it." + " It holds." * 50, None, R.RIGHT, "comments, and ends"),
    ("<think>a</think><answer>5", "stop", R.RIGHT, "the closing tag was a stop string"),
    ("<think>a</think><answer>5", "length", R.TRUNCATED, "50?"),
    ("<think>a</think>It is \\boxed{5} or \\boxed{6}.", "stop", R.WRONG, "hedged"),
    ("<think>a</think>The answer is either 5 or 6.", "stop", R.WRONG, "hedged"),
    ("<think>a</think>The answer is not 5.", "stop", R.NO_ANSWER, "denied"),
    ("<think>a</think>\\boxed{5} km or \\boxed{5.0} km", "stop", R.RIGHT, "the same twice"),
    ("\\boxed{5}<|im_end|>\n<|im_start|>user\n\\boxed{7}", "stop", R.RIGHT, "its own turn counts"),
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
def test_algebra(verifier, reference, answer, right):
    verdict = verifier.verify(maths(reference), "t", f"\\boxed{{{answer}}}", "stop")
    assert verdict.correct is right
    assert verdict.route.startswith("box/")


PARTS = [
    ("1, 2", "$x = \\boxed{1}$ and $y = \\boxed{2}$", True, "boxes in one sentence"),
    ("1, 2", "The radius is \\boxed{1}.\n\nThe area is \\boxed{2}.", True, "in two paragraphs"),
    ("2", "The radius is \\boxed{1}.\n\nThe area is \\boxed{2}.", True, "a step before it"),
    ("1, 3", "The radius is \\boxed{1}.\n\nThe area is \\boxed{2}.", False, "another value"),
    ("1", "The answers are $1$ and $2$.", False, "one too many"),
    ("1, 2", "The answers are $1$ and $2$.", True, "both"),
    ("1, 2", "The answers are $x = 1$ and $x = 2$.", True, "both, named"),
    ("1, 2", "The answer is $1$.", False, "one too few"),
    ("\\text{Evelyn}", "Evelyn has the greatest speed, 3.6 to 0.21.", True, "a name in a sentence"),
    ("\\text{Evelyn}", "Carla has the greatest speed, 3.6 to 0.21.", False, "another name"),
]


@pytest.mark.parametrize(("reference", "answer", "right", "why"), PARTS)
def test_answers_of_several_parts_and_of_words(verifier, reference, answer, right, why):
    question = "Which runner, Evelyn or Carla, has the greatest speed?"
    problem = Problem(problem_id="p", question=question, reference=reference)
    assert verifier.verify(problem, "t", f"<think>a</think>{answer}", "stop").correct is right, why


def test_the_policy_decides(verifier):
    problem, completion = maths("0.5"), "<think>a</think>\\boxed{50\\%}"
    assert verifier.verify(problem, "t", completion, "stop").correct is True
    with Verifier(policy=MathPolicy(percent_is_share=False)) as strict:
        assert strict.verify(problem, "t", completion, "stop").correct is False


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
    assert set(VERIFIERS) == {"math", "choice", "reasoning-gym", "code"}


def integral():
    """A problem whose scorer runs in a worker."""
    entry = {
        "question": "integrate 2*x",
        "answer": "x**2 + C",
        "metadata": {
            "source_dataset": "simple_integration",
            "integrand": "2*x",
            "variable": "x",
            "expected_answer_expression": "x**2",
        },
    }
    return Problem(
        problem_id="i",
        question="integrate 2*x",
        reference="x**2 + C",
        verifier="reasoning-gym",
        family="simple_integration",
        gym_entry=json.dumps(entry),
    )


def test_a_check_that_takes_too_long_is_a_timeout_also_in_a_thread():
    with Verifier(timeout_seconds=1e-6) as made:
        verdicts = [made.verify(integral(), "t", "<answer>x**2 + C</answer>", "stop")]
        thread = threading.Thread(
            target=lambda: verdicts.append(
                made.verify(integral(), "t", "<answer>x**2 + C</answer>", "stop")
            )
        )
        thread.start()
        thread.join()
    assert [(verdict.correct, verdict.reason) for verdict in verdicts] == [(None, R.TIMEOUT)] * 2


def test_all_workers_are_used_and_the_order_is_kept():
    asked = [(maths("5"), f"t{at}", f"\\boxed{{{at % 7}}}", "stop") for at in range(500)]
    asked[100] = (integral(), "t100", "<answer>x**2 + C</answer>", "stop")
    with Verifier(timeout_seconds=60, workers=3) as made:
        verdicts = made.verify_all(iter(asked))
    assert [verdict.trace_id for verdict in verdicts] == [one[1] for one in asked]
    right = [at for at, verdict in enumerate(verdicts) if verdict.correct]
    assert right == sorted({*range(5, 500, 7), 100})


def test_an_error_in_one_of_many_is_raised():
    unknown = Problem(problem_id="p7", question="?", reference="5", verifier="maths")
    asked = [(maths("5"), "t", "\\boxed{5}", "stop")] * 20 + [(unknown, "t", "5", "stop")]
    with Verifier(workers=3) as made, pytest.raises(RecordError, match="p7"):
        made.verify_all(asked)


# --- programs

TESTS = json.dumps(
    {"stdin": [{"input": "2 3\n", "output": "5\n"}, {"input": "1 1\n", "output": "2"}]}
)


def program(tests=TESTS):
    """A problem whose answer is a program."""
    return Problem(problem_id="c", question="add", reference="", verifier="code", tests=tests)


@pytest.fixture(scope="module")
def coder():
    """A verifier that runs programs."""
    with Verifier(program_seconds=1.0) as made:
        try:
            made.open_sandbox()
        except SandboxUnavailable as error:
            pytest.skip(f"no sandbox here: {error}")
        yield made


def block(source):
    """An answer that gives a program."""
    return f"<think>a</think>Here it is:\n```python\n{source}\n```\nIt adds."


PROGRAMS = [
    (block("print(sum(map(int, input().split())))"), R.RIGHT, "2 of 2"),
    (block("print(5)"), R.WRONG, "2 of 2"),
    (block("print(1 / 0)"), R.RUNTIME_ERROR, "ZeroDivisionError"),
    (block("print(1"), R.COMPILE_ERROR, "SyntaxError"),
    (block("while True: pass"), R.TIME_LIMIT, "1 of 2"),
    ("<think>a</think>It cannot be done.", R.NO_ANSWER, ""),
    ("<think>```python\nprint(5)\n```</think>", R.NO_ANSWER, ""),
]


@pytest.mark.parametrize(("completion", "reason", "detail"), PROGRAMS)
def test_programs_are_run(coder, completion, reason, detail):
    verdict = coder.verify(program(), "t", completion, "stop")
    assert verdict.reason is reason
    assert verdict.correct is (reason is R.RIGHT)
    assert detail in verdict.detail
    assert ("isolated by" in verdict.detail) is (reason not in (R.NO_ANSWER, R.COMPILE_ERROR)) or (
        reason is R.COMPILE_ERROR
    )


def test_a_program_that_was_cut_off_is_truncated(coder):
    completion = "<think>a</think>```python\nprint(5"
    assert coder.verify(program(), "t", completion, "length").reason is R.TRUNCATED


def test_tests_that_cannot_be_read_are_no_wrong_answer(coder):
    for tests in ("", "{", "{}", '{"stdin": 5}'):
        verdict = coder.verify(program(tests), "t", block("print(5)"), "stop")
        assert (verdict.correct, verdict.reason) == (None, R.BAD_REFERENCE)


# --- hostile completions

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
    "tower": "\\boxed{9^{9^{9^{9}}}}",
    "thoughts": "<think>" * (MEGABYTE // 7),
    "blocks": "<think>a</think>b" * (MEGABYTE // 17),
    "options": "(A) (B) " * (MEGABYTE // 8),
    "answers": "Answer: A or\n" * (MEGABYTE // 13),
    "sentences": "The answer is 6. " * (MEGABYTE // 17),
    "numbers": "6, " * (MEGABYTE // 3),
    "bold": "**6** or " * (MEGABYTE // 9),
    "hashes": "#### 6\n" * (MEGABYTE // 7),
    "fences": "```\n" * (MEGABYTE // 4),
    "spaces": "the answer is" + " " * MEGABYTE + "6",
    "no stop": "so it is 6 and " * (MEGABYTE // 15),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("verifies", ["math", "reasoning-gym", "choice", "words"])
def test_hostile_completions_end_in_a_verdict_in_time(hasty, name, verifies):
    problems = {"math": maths("5"), "reasoning-gym": chain_sum(), "choice": maths("C")}
    problem = problems.get(verifies, maths("\\text{Evelyn}"))
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

"""No answer makes the comparison raise, hang, grow, or run anything."""

import os
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill.verifiers.maths.equality import compare, decide
from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.spelling import plain
from distill.verifiers.worker import WorkerFailure, WorkerPool

DEADLINE_SECONDS = 2.0
MAX_SECONDS = 5.0

HOSTILE = {
    "tower": "9^9^9^9",
    "tower in TeX": "9^{9^{9^{9}}}",
    "power": "2^{10^{10}}",
    "exponentials": "e^{e^{e^{e^{e}}}}",
    "a million braces": "{" * 10**6 + "1" + "}" * 10**6,
    "a million brackets": "(" * 10**6 + "1" + ")" * 10**6,
    "300 brackets": "(" * 300 + "1" + ")" * 300,
    "5000 digits": "7" * 5000,
    "10 MB": "a" * 10**7,
    "10 MB of digits": "1" * 10**7,
    "10 MB of backslashes": "\\" * 10**7,
    "NUL": "5\x00",
    "lone surrogate": "\ud8005\udfff",
    "factorial chain": "100000!!!",
    "factorials": "((((100000!)!)!)!)",
    "nested fractions": "\\frac{1}{" * 2000 + "1" + "}" * 2000,
    "continued fraction": "\\frac{1}{1+" * 30 + "1" + "}" * 30,
    "binomial": "\\binom{10^{100}}{10^{50}}",
    "sum": "\\sum_{i=1}^{10^{9}} \\frac{1}{i}",
    "product": "\\prod_{i=1}^{10^6} i",
    "high power": "(x+1)^{1000000}",
    "signs": "-" * 1999 + "5",
    "unions": "\\cup".join(f"({at},{at + 1})" for at in range(150)),
    "angle": "\\sin(10^{10^{10}})",
    "macro": "\\def\\x{\\x\\x}\\x",
    "combining marks": "5" + "\u0301" * 1000,
}


@pytest.fixture(scope="module")
def pool():
    """One worker, gone afterwards."""
    made = WorkerPool(1)
    made.ask({"kind": "math", "reference": "1", "answer": "1"}, 60)
    yield made
    made.close()


def in_thread(job):
    """What a job returns when it runs in another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(job()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_gets_a_verdict_in_time(pool, name):
    def judge():
        try:
            return decide("5", HOSTILE[name], ask=lambda task: pool.ask(task, DEADLINE_SECONDS))
        except WorkerFailure as failure:
            return failure

    start = time.monotonic()
    found = in_thread(judge)
    assert time.monotonic() - start < MAX_SECONDS + 5  # a busy machine starts a worker slowly
    assert isinstance(found, WorkerFailure) or found.equal in (False, None)
    assert compare(HOSTILE[name], HOSTILE[name]).equal is True


def test_the_memory_of_the_worker_is_capped(pool):
    pool.ask({"kind": "math", "reference": "1", "answer": "1"}, 60)
    child = Path(f"/proc/{pool._workers[0]._process.pid}")
    cap = re.search(r"Max address space +(\d+)", (child / "limits").read_text())
    peak = re.search(r"VmHWM:\s+(\d+) kB", (child / "status").read_text())
    assert int(peak[1]) * 1024 <= int(cap[1]) <= 1024**3


def test_python_in_an_answer_is_never_run(pool, tmp_path):
    canary = tmp_path / "canary"
    code = f"__import__('os').system('touch {canary}')"
    for answer in (code, f"\\text{{{code}}}", f"eval({code})", f"x = {code}"):
        assert decide("5", answer, ask=lambda task: pool.ask(task, 20)).equal is not True
    assert not os.path.exists(canary)


UNICODE_FIVES = ["٥", "５", "𝟓", "\u200f5", "5\u200d", "\u202e5\u202c", "\ufeff5"]


@pytest.mark.parametrize("answer", UNICODE_FIVES)
def test_digits_of_other_scripts_are_digits(answer):
    assert compare("5", answer).equal is True
    assert compare("6", answer).equal is False


def test_a_superscript_is_no_digit():
    assert compare("102", "10²").equal is False
    assert compare("100", "10²").equal is True


SIGNS = st.sampled_from(
    ["\\frac", "{", "}", "(", ")", "[", "]", "\\sqrt", "^", "_", "1", "20", "0.5", "x", "n", "e",
     "\\pi", "+", "-", "/", "=", "<", ",", ";", " ", "\\text{and}", "\\pm", "!", "\\sin", "\\log",
     "|", "\\left", "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "%", "^\\circ", "\\cup",
     "\\infty", "\\{", "\\}", "\\mid", ":", "'", "$", "\\binom", "\\le", "\\in", "½", "²", "f(",
     "cm", "1,234", "\\overline{3}", "."]
)  # fmt: skip
TEXTS = st.one_of(st.lists(SIGNS, max_size=25).map("".join), st.text(max_size=40))


@settings(max_examples=400, deadline=500, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, TEXTS)
def test_any_two_texts_can_be_compared(first, second):
    assert compare(first, second).equal in (True, False, None)
    assert compare(first, first).equal is not False


@pytest.mark.slow
@settings(max_examples=10_000, deadline=500, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, TEXTS)
def test_any_two_of_ten_thousand_texts_can_be_compared(first, second):
    assert compare(first, second).equal in (True, False, None)


REPEATED = ["0", "9", "a", "a.", "1,", "100,", "1e1", "(", "x^", "x_", "2^", "and ", "A, ", "a/",
            "\\text{a}", "\\frac1", "0.3", "twenty ", "no ", "|x|", "\\{1,", "-", "½"]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize("ending", ["", "!", "~@"])
def test_no_pattern_takes_long_on_a_repeated_piece(piece, ending):
    start = time.process_time()
    compare("\\text{Monday}", (piece * 2000)[:1990] + ending)
    compare("5", (piece * 2000)[:1990] + ending)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("text", ["((1)", "1)", "\\frac{1}", "x ^", "1 2", "\\begin{pmatrix} 1"])
def test_what_is_no_formula_is_not_read(text):
    assert read(plain(text)) is None


def test_brackets_are_read_to_a_depth():
    assert read("(" * 10 + "x" + ")" * 10) is not None
    assert read("(" * 100 + "x" + ")" * 100) is None

"""An answer and its reference: are they the same? For one pair, and for a stream of them."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from distill.crew import START_SECONDS, Crew, Lost, allow
from distill.recipe import MathPolicy
from distill.records import VerdictReason
from distill.verifiers.maths.equality import Ask
from distill.verifiers.statements import decide_stated
from distill.verifiers.texts.answers import NOTHING, Extracted, extract_closed
from distill.verifiers.texts.choice import extract_choice
from distill.verifiers.texts.option_labels import choice_letter
from distill.verifiers.texts.reading import read_statement
from distill.verifiers.texts.thoughts import NEXT_QUESTION, read_parts
from distill.verifiers.worker import WorkerFailure, WorkerPool

PAIR_SECONDS = 4.0  # of a whole comparison: on a busy machine a second more
ALGEBRA_SHARE = 0.8  # of the deadline; the rest is for starting and ending its process
GRACE_SECONDS = 1.0  # beyond the deadline: only what cannot be interrupted lives that long
DEFAULT_POLICY = MathPolicy()
WARM_UP = {"kind": "math", "reference": "1", "answer": "1"}


class Checked(msgspec.Struct, frozen=True):
    """What is known of one pair."""

    correct: bool | None  # None: nothing is known of the answer
    reason: VerdictReason
    route: str  # how the answer was stated, if in a text, and which comparison decided
    seconds: float


def check_answer(
    answer: str,
    reference: str,
    *,
    policy: MathPolicy = DEFAULT_POLICY,
    timeout_seconds: float = PAIR_SECONDS,
) -> Checked:
    """Is one answer the same as the reference?

    >>> check_answer("\\\\frac{1}{2}", "0.5").correct
    True

    Args:
        answer: a bare answer, LaTeX or not; or a text that states one: `\\boxed{...}`,
            `<answer>...</answer>`, `#### 42`, "The answer is 42.", also after a think block.
        reference: the same, or the letter of a multiple choice question.
        policy: what could be decided either way.
        timeout_seconds: for algebra, which runs in a process of its own that is killed then.
    Returns: `correct` is None where nothing is known: out of time, the verifier failed, or the
        reference cannot be read.
    Works from any thread. To check many, use `AnswerChecker` or `check_answers`: this starts and
    ends a process for each pair that needs algebra.
    """
    with AnswerChecker(policy=policy, timeout_seconds=timeout_seconds) as checker:
        return checker.check(answer, reference)


def check_answers(
    pairs: Iterable[tuple[str, str]],
    *,
    policy: MathPolicy = DEFAULT_POLICY,
    timeout_seconds: float = PAIR_SECONDS,
    workers: int | None = None,
) -> Iterator[Checked]:
    """One result per pair of answer and reference, in their order, from several processes.

    Args:
        pairs: read a few thousand ahead, so that any number of them takes the same memory.
        workers: processes; None takes the cores that this process may use.
    A pair that ends its process (out of memory, a crash) is tried once more on its own and then
    called a `verifier_error`; one that cannot be interrupted in time is a `timeout`.
    Raises: WorkerError when no process can be started.
    """
    AnswerChecker(policy=policy, timeout_seconds=timeout_seconds).close()  # refuses bad settings
    with Crew(partial(serve, policy, timeout_seconds), workers) as crew:
        for result in crew.map(pairs):
            yield _lost(result, timeout_seconds) if isinstance(result, Lost) else result


class AnswerChecker:
    """Checks pairs, from any thread; owns the algebra process, started when first needed."""

    def __init__(
        self, *, policy: MathPolicy = DEFAULT_POLICY, timeout_seconds: float = PAIR_SECONDS
    ) -> None:
        """Raises: ValueError for a deadline that is not above 0 seconds or above a day."""
        if not 0 < timeout_seconds <= 86_400:
            raise ValueError(
                f"timeout_seconds must be above 0 and at most 86400, got {timeout_seconds}"
            )
        self._policy = policy
        self._seconds = timeout_seconds
        self._pool = WorkerPool(1)
        self._lock = threading.Lock()
        self._warm = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the algebra process."""
        self._pool.close()

    def check(self, answer: str, reference: str) -> Checked:
        """As check_answer."""
        start = time.perf_counter()
        allow(self._seconds + GRACE_SECONDS)
        try:
            reason, route = judge(answer, reference, self._policy, self._budget())
        except WorkerFailure as failure:
            late = failure.cause == "deadline"
            reason = VerdictReason.TIMEOUT if late else VerdictReason.VERIFIER_ERROR
            route = "deadline" if late else "worker"
        except Exception as error:  # a crash is no verdict on the answer
            reason, route = VerdictReason.VERIFIER_ERROR, type(error).__name__
        seconds = time.perf_counter() - start
        return Checked(correct(reason), reason, route, round(seconds, 6))

    def _budget(self) -> Ask:
        """Asks the algebra process; all questions of one pair share its seconds."""
        left = ALGEBRA_SHARE * self._seconds

        def ask(task: dict[str, Any]) -> dict[str, Any]:
            nonlocal left
            with self._lock:  # waiting for the process, and for its start, costs no pair its time
                allow(2 * START_SECONDS + left + GRACE_SECONDS)
                self._warm_up()
                start = time.monotonic()
                try:
                    return self._ask(task, left)
                finally:
                    left = max(left - (time.monotonic() - start), 0.01)
                    allow(left + GRACE_SECONDS)

        return ask

    def _ask(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Ask the process; a fresh one if the first died."""
        try:
            return self._pool.ask(task, seconds)
        except WorkerFailure as failure:
            self._warm = failure.cause == "raised"
            if failure.cause != "died":
                raise
        self._warm_up()
        return self._pool.ask(task, seconds)

    def _warm_up(self) -> None:
        if not self._warm:
            self._pool.ask(WARM_UP, START_SECONDS)
            self._warm = True


def correct(reason: VerdictReason) -> bool | None:
    """What a reason says of the answer; None where it says nothing."""
    if reason in (VerdictReason.RIGHT, VerdictReason.WRONG, VerdictReason.NO_ANSWER):
        return reason is VerdictReason.RIGHT
    return None


def _lost(lost: Lost, timeout_seconds: float) -> Checked:
    late = lost.cause == "time"
    reason = VerdictReason.TIMEOUT if late else VerdictReason.VERIFIER_ERROR
    return Checked(
        None, reason, "deadline" if late else "process", timeout_seconds if late else 0.0
    )


# --- what the two texts say -------------------------------------------------------------------

_MARKS = re.compile(r"\\f?box(?:ed)?|<answer>|####|think|<\|(?:begin|end)_of_", re.IGNORECASE)
_EMPTY = re.compile(r"\s*(?:\\(?:boxed|fbox)\s*\{\s*\}|<answer>\s*</answer>|####)\s*")
MAX_SENTENCE_CHARS = 20_000  # of a text without marks that is searched for an answer


def judge(answer: str, reference: str, policy: MathPolicy, ask: Ask) -> tuple[VerdictReason, str]:
    """The verdict on a pair and its route. Raises: WorkerFailure."""
    expected = read_reference(reference)
    if not expected.strip():
        return VerdictReason.BAD_REFERENCE, "empty"
    if letter := choice_letter(expected):
        return _judge_letter(answer, letter)
    stated = read_answer(answer, expected)
    if stated.answer is None or not stated.answer.strip():
        return VerdictReason.NO_ANSWER, ""
    found = decide_stated(expected, stated, policy, ask)
    route = f"{stated.route}/{found.route}".strip("/")
    if found.equal is None:
        return VerdictReason.BAD_REFERENCE, route
    return (VerdictReason.RIGHT if found.equal else VerdictReason.WRONG), route


def read_reference(text: str) -> str:
    """The reference in a text: after "####", in its box or tag, or all of it."""
    if _EMPTY.fullmatch(text):
        return ""
    if "####" in text:
        return text.rpartition("####")[2].strip()
    closed = extract_closed(text) if _MARKS.search(text) else NOTHING
    return text if closed.answer is None else closed.answer


def read_answer(text: str, expected: str) -> Extracted:
    """The answer that a text marks as such, states in a sentence, or is.

    A text that says nothing is an answer as a whole, with its words and units.
    Returns: NOTHING for an empty box or an unfinished thought.
    """
    if not (_MARKS.search(text) or NEXT_QUESTION.search(text)):
        return _stated(text, expected)
    if _EMPTY.fullmatch(text):
        return NOTHING
    after_thought = read_parts(text).answer
    marked = after_thought.rpartition("####")[2].strip() if "####" in after_thought else ""
    if marked and extract_closed(after_thought).answer is None:
        return Extracted(marked.partition("\n")[0], "hash")
    return _stated(after_thought, expected) if after_thought.strip() else NOTHING


def _stated(text: str, expected: str) -> Extracted:
    """What a text states, or all of it."""
    whole = Extracted(text, "")
    if "box" not in text and len(text) > MAX_SENTENCE_CHARS:
        return whole
    found = read_statement(text, expected)
    return whole if found.answer is None else found


def _judge_letter(answer: str, letter: str) -> tuple[VerdictReason, str]:
    text = read_parts(answer).answer
    if not text.strip():
        return VerdictReason.NO_ANSWER, ""
    found = extract_choice(text)
    route = f"{found.route}/choice".strip("/")
    return (VerdictReason.RIGHT if found.answer == letter else VerdictReason.WRONG), route


@contextmanager
def serve(
    policy: MathPolicy, timeout_seconds: float
) -> Iterator[Callable[[tuple[str, str]], Checked]]:
    """What a process of the crew does with its pairs."""
    with AnswerChecker(policy=policy, timeout_seconds=timeout_seconds) as checker:
        yield lambda pair: checker.check(pair[0] or "", pair[1])

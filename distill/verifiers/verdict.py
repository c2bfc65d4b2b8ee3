"""From a completion to its verdict: extract, compare, and say why."""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from distill.errors import RecordError, SandboxError, nearest
from distill.recipe import ALGEBRA_SECONDS, MathPolicy, Verify
from distill.records import FinishReason, Problem, Verdict, VerdictReason
from distill.verifiers.code.program_outcomes import ProgramOutcome
from distill.verifiers.code.program_tests import Tests
from distill.verifiers.code.programs import check_program
from distill.verifiers.kinds import VERIFIERS, Kind, Means, Outcome
from distill.verifiers.maths.quantities import read_quantity
from distill.verifiers.maths.spelling import plain
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.texts.answers import (
    CLOSED_ROUTES,
    CUT_OFF,
    NOTHING,
    OPEN_BOX,
    Extracted,
    ends_mid_sentence,
)
from distill.verifiers.texts.thoughts import Parts, read_parts
from distill.verifiers.worker import WorkerFailure, WorkerPool

logger = logging.getLogger(__name__)

MAX_STORED_CHARS = 500  # of an answer in its verdict
MAX_TERSE_CHARS = 200  # an answer text this short may end in its answer without a full stop
FINAL_CHARS = 300  # a box further from the end of an unfinished text was followed by more thought
DEFAULT_POLICY = MathPolicy()
LONGEST_SECONDS = 86_400.0  # a deadline that never comes; poll(2) takes no longer ones

Asked = tuple[Problem, str, str, FinishReason | None]
"""Problem, trace_id, completion and finish reason: what Verifier.verify takes."""

UNKNOWN = (VerdictReason.TIMEOUT, VerdictReason.VERIFIER_ERROR, VerdictReason.BAD_REFERENCE)
WHOLE_ROUTES = (*CLOSED_ROUTES, "block", "header", "letter", "line")  # not half a sentence


def open_verifier(settings: Verify) -> "Verifier":
    """The verifier that a recipe's section `verify` asks for."""
    return Verifier(
        timeout_seconds=settings.timeout_seconds,
        workers=settings.workers,
        policy=settings.policy,
        program_seconds=settings.program_seconds,
        program_memory_mb=settings.program_memory_mb,
        allow_unsafe_code=settings.allow_unsafe_code,
    )


class Verifier:
    """Judges completions, from any thread; owns the worker processes and the sandbox, both started
    when first needed."""

    def __init__(
        self,
        *,
        timeout_seconds: float = ALGEBRA_SECONDS,
        workers: int = 1,
        policy: MathPolicy = DEFAULT_POLICY,
        program_seconds: float = 6.0,
        program_memory_mb: int = 1024,
        allow_unsafe_code: bool = False,
    ) -> None:
        """
        Args:
            timeout_seconds: for one answer that needs algebra or a heavy scorer.
            workers: answers judged at the same time.
            policy: what could be decided either way.
            program_seconds: CPU time of a program for one test.
            program_memory_mb: address space of a program.
            allow_unsafe_code: run programs also where this machine cannot isolate them.
        Raises: ValueError for a deadline that is not above 0, or for no workers.
        """
        if not (timeout_seconds > 0 and workers >= 1):
            raise ValueError(
                f"timeout_seconds must be above 0 and workers at least 1, "
                f"got {timeout_seconds} and {workers}"
            )
        self._timeout_seconds = min(timeout_seconds, LONGEST_SECONDS)
        self._workers = workers
        self._pool = WorkerPool(workers)
        self._means = Means(self._ask, policy, self._run)
        self._program_limits = (program_seconds, program_memory_mb * 2**20)
        self._allow_unsafe_code = allow_unsafe_code
        self._sandbox: Sandbox | None = None
        self._opening = threading.Lock()

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
        """Stop the workers and the sandbox."""
        self._pool.close()
        with self._opening:
            if self._sandbox is not None:
                self._sandbox.close()
            self._sandbox = None

    def open_sandbox(self) -> Sandbox:
        """The sandbox for programs; before work it tells whether there can be one.

        Raises: SandboxUnavailable where this machine cannot isolate a program.
        """
        with self._opening:
            if self._sandbox is None:
                self._sandbox = Sandbox(self._workers, self._allow_unsafe_code)
            return self._sandbox

    def verify_all(self, asked: Iterable[Asked]) -> list[Verdict]:
        """Verdicts in the order asked, as many at a time as there are workers."""
        todo = list(asked)
        if self._workers == 1 or len(todo) < 2:
            return [self.verify(*one) for one in todo]
        verdicts: list[Verdict | None] = [None] * len(todo)
        places = iter(range(len(todo)))  # next() of it is atomic: each place is taken once

        def work() -> None:
            for at in places:
                verdicts[at] = self.verify(*todo[at])

        with ThreadPoolExecutor(self._workers) as threads:
            for future in [threads.submit(work) for _ in range(self._workers)]:
                future.result()
        return verdicts

    def verify(
        self,
        problem: Problem,
        trace_id: str,
        completion: str,
        finish_reason: FinishReason | None = None,
    ) -> Verdict:
        """Is the final answer of a completion right?

        Args:
            finish_reason: how generation ended; None when nobody knows, then it is guessed from
                an unclosed block or a last sentence that just stops. A right answer that was
                announced, or in which a short text ends, needs no full stop.
        Raises: RecordError for a problem whose verifier does not exist; SandboxUnavailable for a
            program on a machine that cannot isolate it.
        """
        start = time.perf_counter()
        kind = VERIFIERS.get(problem.verifier)
        if kind is None:
            raise RecordError(_no_such_verifier(problem))
        parts = read_parts(completion)
        found = kind.extract(parts.answer, problem) if parts.answer else NOTHING
        missing = _why_no_answer(found, parts, finish_reason)
        if missing is not None:
            found, outcome = NOTHING, Outcome(missing, "", "" if found.route else found.claim)
        else:
            outcome = self._checked(kind, problem, found)
            if finish_reason is None and _may_go_on(outcome, found, parts):
                found, outcome = NOTHING, Outcome(VerdictReason.TRUNCATED, "")
        return Verdict(
            trace_id=trace_id,
            correct=_correct(outcome.reason),
            reason=outcome.reason,
            answer=_storable(found.answer),
            route=f"{found.route}/{outcome.route}".strip("/"),
            seconds=time.perf_counter() - start,
            detail=_storable(outcome.detail) or "",
        )

    def _checked(self, kind: Kind, problem: Problem, found: Extracted) -> Outcome:
        try:
            return kind.check(problem, found, self._means)
        except WorkerFailure as failure:
            if failure.cause == "deadline":
                return Outcome(VerdictReason.TIMEOUT, "deadline")
            logger.warning("problem %s: verifier failed: %s", problem.problem_id, failure)
            return Outcome(VerdictReason.VERIFIER_ERROR, "worker")
        except SandboxError as error:
            logger.warning("problem %s: sandbox failed: %s", problem.problem_id, error)
            return Outcome(VerdictReason.VERIFIER_ERROR, "sandbox", str(error))
        except (ArithmeticError, LookupError, ValueError, TypeError, RecursionError) as error:
            kind_of_error = type(error).__name__
            logger.warning("problem %s: verifier raised %s", problem.problem_id, kind_of_error)
            return Outcome(VerdictReason.VERIFIER_ERROR, kind_of_error)

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Ask a worker; a second, fresh one if the first died."""
        try:
            return self._pool.ask(task, self._timeout_seconds)
        except WorkerFailure as failure:
            if failure.cause != "died":
                raise
        return self._pool.ask(task, self._timeout_seconds)

    def _run(self, tests: Tests, program: str) -> ProgramOutcome:
        cpu_seconds, memory_bytes = self._program_limits
        return check_program(
            tests,
            program,
            self.open_sandbox(),
            cpu_seconds=cpu_seconds,
            memory_bytes=memory_bytes,
        )


def _why_no_answer(
    found: Extracted, parts: Parts, finish_reason: FinishReason | None
) -> VerdictReason | None:
    """TRUNCATED or NO_ANSWER when there is no final answer to judge; None when there is one."""
    if found.answer is not None and found.route in CLOSED_ROUTES:
        return VerdictReason.TRUNCATED if _thinks_on(found, parts, finish_reason) else None
    if finish_reason == "length":
        return None if found.route == "block" else VerdictReason.TRUNCATED
    if finish_reason is None and (parts.is_open or _breaks_off(found, parts)):
        return VerdictReason.TRUNCATED
    return VerdictReason.NO_ANSWER if found.answer is None else None


def _thinks_on(found: Extracted, parts: Parts, finish_reason: FinishReason | None) -> bool:
    """A box on the way of an unfinished text without marks: that text may be all thought."""
    if parts.is_marked or finish_reason == "stop":
        return False
    after = len(parts.answer.rstrip()) - parts.answer.rfind(found.answer) - len(found.answer)
    if after <= FINAL_CHARS:
        return False
    return finish_reason == "length" or ends_mid_sentence(parts.answer)


def _breaks_off(found: Extracted, parts: Parts) -> bool:
    """Just stops, and not in an answer: a number on the way of a long text is none."""
    if found.route in (CUT_OFF, OPEN_BOX):
        return True
    if not _just_stops(found, parts) or found.route in ("open-tag", "program"):
        return False
    text = parts.answer.strip()
    if found.route == "phrase":  # without marks the text may be all thought
        return not parts.is_marked and not text.rstrip(" .*").endswith(found.claim)
    if found.answer is None or len(text) > MAX_TERSE_CHARS:
        return True
    ending = text[text.rfind(found.answer) :]
    return ending != found.answer and read_quantity(plain(ending)) is None  # "so 12 km" is whole


def _may_go_on(outcome: Outcome, found: Extracted, parts: Parts) -> bool:
    """Not right as far as it goes, and it just stops: `The answer is 5` may have become 50."""
    return outcome.reason is VerdictReason.WRONG and _just_stops(found, parts)


def _just_stops(found: Extracted, parts: Parts) -> bool:
    """Ends in the middle of a sentence, where nothing else says that the answer is whole."""
    if not parts.answer.strip() or found.route in WHOLE_ROUTES:
        return False
    return ends_mid_sentence(parts.answer)


def _correct(reason: VerdictReason) -> bool | None:
    return None if reason in UNKNOWN else reason is VerdictReason.RIGHT


def _storable(text: str | None) -> str | None:
    """A text short enough for a record and without what UTF-8 cannot hold."""
    if text is None or (len(text) <= MAX_STORED_CHARS and text.isascii()):
        return text
    return text[:MAX_STORED_CHARS].encode("utf-8", "replace").decode()


def _no_such_verifier(problem: Problem) -> str:
    known = ", ".join(VERIFIERS)
    hint = nearest(problem.verifier, list(VERIFIERS))
    return (
        f"problem {problem.problem_id}: verifier is {problem.verifier!r}; "
        f"expected one of {known}{hint}"
    )

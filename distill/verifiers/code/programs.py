"""Is a program right: its tests are run in the sandbox, what comes out is compared out here."""

import re

from distill.errors import SandboxError
from distill.records import VerdictReason
from distill.verifiers.code.assertions import read_asserts
from distill.verifiers.code.judging import same_output
from distill.verifiers.code.program_calls import check_calls, check_replayed, json_calls
from distill.verifiers.code.program_outcomes import Budget, ProgramOutcome, raised, shown, stopped
from distill.verifiers.code.program_tests import StdinTest, Tests, read_tests
from distill.verifiers.code.program_text import (
    complete,
    extract_program,
    syntax_fault,
    with_livecodebench_names,
)
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.limits import Ended

__all__ = ["ProgramOutcome", "Tests", "check_program", "extract_program", "read_tests"]

SPARE_OUTPUT_BYTES = 1 << 20  # beyond what a right program can print


def check_program(
    tests: Tests, source: str, sandbox: Sandbox, *, cpu_seconds: float, memory_bytes: int
) -> ProgramOutcome:
    """Run a program on its tests, up to the first that it fails.

    Args:
        source: what `extract_program` returned.
        cpu_seconds: for one test; the tests' own limit counts where it is lower.
        memory_bytes: address space of the program.
    Returns: RIGHT, WRONG, COMPILE_ERROR, RUNTIME_ERROR, a limit, or BAD_REFERENCE when the tests
        themselves cannot be run.
    Raises: SandboxError when nothing could be learnt of the program.
    """
    budget = Budget(min(tests.seconds or cpu_seconds, cpu_seconds), memory_bytes)
    texts = _program_texts(tests, source)
    fault = next(filter(None, map(syntax_fault, texts)), "")
    if fault:
        return ProgramOutcome(VerdictReason.COMPILE_ERROR, fault)
    outcome = ProgramOutcome(VerdictReason.BAD_REFERENCE, "the problem has no tests")
    if tests.stdin:
        outcome = _check_stdin(tests, "\n".join(texts), sandbox, budget)
    if tests.calls and outcome.reason in _GO_ON:
        outcome = check_calls(json_calls(tests), tests, texts, sandbox, budget)
    if tests.check.strip() and outcome.reason in _GO_ON:
        plain = read_asserts(tests.check, tests.entry_point)
        if plain:
            outcome = check_calls(plain, tests, texts, sandbox, budget)
        else:
            outcome = check_replayed(tests, texts, sandbox, budget)
    detail = outcome.detail.encode(errors="backslashreplace").decode()  # a lone surrogate
    return ProgramOutcome(outcome.reason, detail, sandbox.level)


_SOLUTION = re.compile(r"^class Solution\b", re.M)
_GO_ON = (VerdictReason.RIGHT, VerdictReason.BAD_REFERENCE)


def _program_texts(tests: Tests, source: str) -> list[str]:
    is_method = _SOLUTION.search(source) is not None  # LeetCode gives the names to all of these
    if tests.rules == "livecodebench" or (is_method and not tests.prompt):
        return [with_livecodebench_names(source)]
    return complete(source, tests.prompt, tests.entry_point)


def _check_stdin(tests: Tests, text: str, sandbox: Sandbox, budget: Budget) -> ProgramOutcome:
    longest = max(len(test.output) for test in tests.stdin)
    limits = budget.limits(1, SPARE_OUTPUT_BYTES + 4 * longest)

    def judged(index: int, ended: Ended) -> ProgramOutcome:
        where = f"test {index + 1} of {len(tests.stdin)}"
        return _judge_printed(tests.stdin[index], ended, where)

    def fails(index: int, ended: Ended) -> bool:
        return judged(index, ended).reason is not VerdictReason.RIGHT

    endings = sandbox.run_all(text, [test.input for test in tests.stdin], limits, fails)
    if not endings:
        raise SandboxError("the sandbox ran none of the tests")
    return judged(len(endings) - 1, endings[-1])


def _judge_printed(test: StdinTest, ended: Ended, where: str) -> ProgramOutcome:
    fault = stopped(ended, where)
    if fault is not None:
        return fault
    if ended.exit_code and _traceback(ended.stderr):
        return raised(ended.stderr.strip().rpartition("\n")[2], where)
    printed = ended.stdout.decode(errors="replace")
    if same_output(printed, test.output):
        return ProgramOutcome(VerdictReason.RIGHT, where)
    detail = f"{where}: printed {shown(printed)}, expected {shown(test.output)}"
    return ProgramOutcome(VerdictReason.WRONG, detail)


def _traceback(stderr: str) -> bool:
    """Did an exception end it? sys.exit(1) leaves none, and LiveCodeBench lets it pass."""
    return "Traceback (most recent call last)" in stderr or "SyntaxError:" in stderr

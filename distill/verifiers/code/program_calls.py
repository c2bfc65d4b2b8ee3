"""Tests of a program's functions: called inside the sandbox, compared outside."""

import json
import marshal
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import SandboxError
from distill.records import VerdictReason
from distill.verifiers.code import calls_child, check_child, plain_values
from distill.verifiers.code.assertions import Expectation, free_names
from distill.verifiers.code.judging import same_value, truth
from distill.verifiers.code.plain_values import encode
from distill.verifiers.code.program_outcomes import Budget, ProgramOutcome, raised, shown, stopped
from distill.verifiers.code.program_tests import Tests
from distill.verifiers.code.program_text import parsed
from distill.verifiers.code.replay import Check, Replayed, replay
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.limits import Limits

CALLS_PER_PROCESS = 10  # of one program; a wrong one is not asked more than the first few
SPARE_OUTPUT_BYTES = 1 << 20  # beyond what a right program can return
MAX_REPLAY_BYTES = 16 << 20
CHECK_LIMITS = Limits(cpu_seconds=20, wall_seconds=60, output_bytes=64 << 20)
ENDS = {
    "passed": VerdictReason.RIGHT,
    "failed": VerdictReason.WRONG,
    "broken": VerdictReason.BAD_REFERENCE,
}


class Ran(msgspec.Struct, frozen=True):
    """What the calls of a program gave; `fault` says why there are fewer than were asked for."""

    outcomes: list[dict[str, Any]]
    fault: ProgramOutcome | None
    loaded: bool = True


def json_calls(tests: Tests) -> list[Expectation]:
    name = tests.entry_point
    return [Expectation(name, test.args, "equal", test.expected) for test in tests.calls]


def check_calls(
    expectations: Sequence[Expectation],
    tests: Tests,
    texts: list[str],
    sandbox: Sandbox,
    budget: Budget,
) -> ProgramOutcome:
    outcome = ProgramOutcome(VerdictReason.RIGHT, f"{len(expectations)} tests")
    for start in range(0, len(expectations), CALLS_PER_PROCESS):
        some = expectations[start : start + CALLS_PER_PROCESS]
        steps = [_step(one) for one in some]
        room = SPARE_OUTPUT_BYTES + 8 * sum(len(repr(one.expected)) for one in some)
        ran = _run_steps(steps, texts, sandbox, budget, output_bytes=room, show_arguments=False)
        for index, expectation in enumerate(some):
            where = f"test {start + index + 1} of {len(expectations)}"
            if index >= len(ran.outcomes):
                return _placed(ran.fault, where)
            outcome = _judge_result(expectation, ran.outcomes[index], tests, where)
            if outcome.reason is not VerdictReason.RIGHT:
                return outcome
    return outcome


def _step(one: Expectation) -> list[Any]:
    return ["call", {"n": one.name}, [encode(argument) for argument in one.arguments], {}]


def _judge_result(
    one: Expectation, outcome: dict[str, Any], tests: Tests, where: str
) -> ProgramOutcome:
    if "raised" in outcome:
        return raised(str(outcome.get("text", "")), where)
    found = outcome.get("value")
    if tests.rules == "livecodebench" and isinstance(found, dict) and list(found) == ["t"]:
        found = found["t"]  # its judge takes a tuple for a list, at the top only
    if _holds(one, found, tests.float_tolerance):
        return ProgramOutcome(VerdictReason.RIGHT, where)
    wanted = shown(repr(one.expected)) if one.relation in ("equal", "is") else one.relation
    detail = f"{where}: returned {shown(json.dumps(found))}, expected {wanted}"
    return ProgramOutcome(VerdictReason.WRONG, detail)


def _holds(one: Expectation, found: Any, tolerance: float) -> bool:
    if one.relation == "equal":
        return same_value(found, one.expected, tolerance)
    if one.relation == "is":
        return found is one.expected
    return truth(found) is (one.relation == "true")


def _run_steps(
    steps: list[Any],
    texts: list[str],
    sandbox: Sandbox,
    budget: Budget,
    *,
    output_bytes: int,
    show_arguments: bool,
) -> Ran:
    """Have a fresh process load the program and take the steps."""
    task = {
        "texts": texts,
        "steps": steps,
        "seconds": budget.cpu_seconds,
        "show_arguments": show_arguments,
    }
    limits = budget.limits(min(len(steps), CALLS_PER_PROCESS) + 1, output_bytes)
    ended = sandbox.run(_bundle(calls_child.__file__), json.dumps(task), limits)
    lines = _report_lines(ended.stdout)
    first = lines[0] if lines else {}
    if "compile" in first:
        detail = shown(str(first["compile"]))
        return Ran([], ProgramOutcome(VerdictReason.COMPILE_ERROR, detail), loaded=False)
    if "load" in first:
        return Ran([], raised(str(first.get("text", "")), "before the tests"), loaded=False)
    outcomes = [line for line in lines[1:] if "value" in line or "raised" in line]
    fault = stopped(ended, "") or ProgramOutcome(
        VerdictReason.RUNTIME_ERROR, f": the process ended with exit code {ended.exit_code}"
    )
    return Ran(outcomes[: len(steps)], fault, loaded=bool(lines))


def _report_lines(stdout: bytes) -> list[dict[str, Any]]:
    """The records that the process wrote, up to the first that is none."""
    records: list[dict[str, Any]] = []
    for line in stdout.split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def _placed(fault: ProgramOutcome | None, where: str) -> ProgramOutcome:
    assert fault is not None  # there are fewer outcomes than steps
    detail = fault.detail if not fault.detail.startswith(":") else where + fault.detail
    return msgspec.structs.replace(fault, detail=detail)


# --- checks that only Python can run ----------------------------------------------------------


def check_replayed(
    tests: Tests, texts: list[str], sandbox: Sandbox, budget: Budget
) -> ProgramOutcome:
    try:
        names = set(free_names(tests.check)) | ({tests.entry_point} - {""})
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        detail = f"the check is no Python: {error}"
        return ProgramOutcome(VerdictReason.BAD_REFERENCE, detail)
    setup = tests.prompt if parsed(tests.prompt) else f"{tests.prompt.rstrip()}\n    pass\n"
    check = Check(
        setup if tests.prompt else "", tests.check, tuple(sorted(names)), tests.entry_point
    )
    runs: list[Ran] = []

    def run_steps(steps: list[Any]) -> list[dict[str, Any]]:
        runs.append(
            _run_steps(
                steps,
                texts,
                sandbox,
                budget,
                output_bytes=MAX_REPLAY_BYTES,
                show_arguments=True,
            )
        )
        return runs[-1].outcomes

    replayed = replay(check, lambda task: _run_check(task, sandbox), run_steps)
    return _judge_replayed(replayed, runs[-1] if runs else None)


def _judge_replayed(replayed: Replayed, ran: Ran | None) -> ProgramOutcome:
    if ran is not None and not ran.loaded and ran.fault is not None:
        return _placed(ran.fault, "before the tests")
    if replayed.end == "ended" and ran is not None:
        return _placed(ran.fault, f"call {len(ran.outcomes) + 1} of the check")
    if replayed.end == "passed" and not replayed.steps:
        return ProgramOutcome(VerdictReason.BAD_REFERENCE, "the check never calls the program")
    if replayed.end == "raised":
        return raised(replayed.detail, "the check")
    detail = replayed.detail or f"a check of {replayed.steps} calls"
    return ProgramOutcome(ENDS[replayed.end], detail)


def _run_check(task: dict[str, Any], sandbox: Sandbox) -> dict[str, Any]:
    """The report of one round of a check. Raises: SandboxError when it came to no end."""
    ended = sandbox.run(_bundle(check_child.__file__), json.dumps(task), CHECK_LIMITS)
    try:
        return json.loads(ended.stdout)
    except (ValueError, RecursionError):
        fault = f"the check came to no end: {ended.status}, exit code {ended.exit_code}"
    if not task["steps"]:  # no program has a part in that
        return {"end": "broken", "detail": fault}
    raise SandboxError(fault)


# --- what runs inside -------------------------------------------------------------------------


@cache
def _bundle(path: str) -> str:
    """The text of a child with the one module of ours that it imports: nothing else is in there.

    It carries the compiled code as well, which a sandbox with the same Python takes: that saves a
    third of the time of a short run.
    """
    parts = [Path(plain_values.__file__), Path(path)]
    texts = [part.read_text(encoding="utf-8") for part in parts]
    codes = [compile(text, part.name, "exec") for text, part in zip(texts, parts, strict=True)]
    return "\n".join(
        (
            "import marshal, sys, types",
            f"values = types.ModuleType({plain_values.__name__!r})",
            "sys.modules[values.__name__] = values",
            f"parts = [{texts[0]!r}, {texts[1]!r}]",
            f"if sys.implementation.cache_tag == {sys.implementation.cache_tag!r}:",
            f"    parts = list(map(marshal.loads, {[marshal.dumps(one) for one in codes]!r}))",
            "exec(parts[0], values.__dict__)",
            "exec(parts[1])",
        )
    )

"""Checks that need Python to run, without the expected values near the program.

The check runs in one sandboxed process and the program in another. In the first the program's names
are stubs: a first round only notes which calls are made, the program then makes them, and a last
round runs the check on what came back. Calls that depend on earlier results take further rounds.
"""

from collections.abc import Callable
from typing import Any

import msgspec

MAX_ROUNDS = 12
MAX_EXPLORED = 2048  # checks whose first round is remembered

RunCheck = Callable[[dict[str, Any]], dict[str, Any]]
"""Runs a task of check_child in a sandbox; returns its report."""
RunSteps = Callable[[list[Any]], list[dict[str, Any]]]
"""Has the program take the steps; returns the outcomes, fewer where its process ended early."""


class Check(msgspec.Struct, frozen=True):
    """A check's texts and the names in it that belong to the program."""

    setup: str
    check: str
    names: tuple[str, ...]
    entry_point: str


class Replayed(msgspec.Struct, frozen=True):
    """How a check ended: passed, failed, raised, ended or broken."""

    end: str
    detail: str
    steps: int = 0  # that the check had the program take


_explored: dict[Check, dict[str, Any]] = {}  # the first round is the same for every program


def replay(check: Check, run_check: RunCheck, run_steps: RunSteps) -> Replayed:
    """Let the program take the steps of the check, and see whether the check holds."""
    steps: list[Any] = []
    outcomes: list[dict[str, Any]] = []
    for _ in range(MAX_ROUNDS):
        report = _explore(check, steps, outcomes, run_check)
        if report["end"] == "broken":
            return Replayed("broken", report["detail"])
        if steps and len(report["steps"]) == len(steps):
            break
        steps = report["steps"]
        outcomes = run_steps(steps)
        report = run_check(_task(check, steps, outcomes, explore=False))
        if report["end"] != "unknown":
            return Replayed(report["end"], report["detail"], len(steps))
    return Replayed("broken", "the check never makes the same calls twice")


def _explore(
    check: Check, steps: list[Any], outcomes: list[Any], run_check: RunCheck
) -> dict[str, Any]:
    """Which steps the check takes, as far as the outcomes are known."""
    if not steps and check in _explored:
        return _explored[check]
    report = run_check(_task(check, steps, outcomes, explore=True))
    if not steps:
        if len(_explored) >= MAX_EXPLORED:
            _explored.clear()
        _explored[check] = report
    return report


def _task(check: Check, steps: list[Any], outcomes: list[Any], *, explore: bool) -> dict[str, Any]:
    known = {"steps": steps, "outcomes": outcomes, "explore": explore}
    return {**msgspec.to_builtins(check), **known}

"""Inside the sandbox: run a program, then call its functions and write down what they return.

The task comes as JSON on stdin: the texts of the program, the calls, the seconds of each. What the
program prints goes nowhere. One JSON line per call leaves through a private copy of stdout as soon
as it is known, so that a call that ends the process keeps the results before it. The expected
values are not here: a program that forges these lines forges its own results.
"""

import builtins
import json
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

from distill.verifiers.code.plain_values import decode, encode

MAX_TEXT = 300  # characters of an exception's text
WALL_PER_CPU = 3.0  # a call may wait that many times longer than it may compute
Report = Callable[[dict[str, Any]], None]


def main() -> None:
    """Answer the task on stdin."""
    task = json.loads(sys.stdin.buffer.read())
    report, leave = _open_report(), os._exit  # without waiting for threads and exit hooks
    program = types.ModuleType("program")
    sys.modules["program"] = program
    _limit_time(task["seconds"])
    try:
        codes = [compile(text, "<program>", "exec") for text in task["texts"]]
    except Exception as error:
        report({"compile": _described(error)})
        return
    try:
        for code in codes:
            exec(code, program.__dict__)
    except BaseException as error:
        report({"load": type(error).__name__, "text": _described(error)})
        return
    report({"loaded": True})
    objects: list[Any] = []
    for step in task["steps"]:
        _limit_time(task["seconds"])
        report(_take(step, program, objects, task["show_arguments"]))
    _limit_time(0)
    report({"done": True})
    leave(0)


def _open_report() -> Report:
    """A way out that is not the program's stdout."""
    private = os.dup(1)
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, 1)
    dumps, write = json.dumps, os.write

    def report(line: dict[str, Any]) -> None:
        data = memoryview(dumps(line).encode() + b"\n")
        while data:
            data = data[write(private, data) :]

    return report


def _limit_time(seconds: float) -> None:
    """The kernel ends this process when a call takes longer: nothing in Python can catch it."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * WALL_PER_CPU)


def _take(
    step: list[Any], program: types.ModuleType, objects: list[Any], show_arguments: bool
) -> dict[str, Any]:
    """Do one step and say what came of it; its object is kept under the step's number."""
    objects.append(None)
    try:
        target, arguments, named = _resolved(step, program, objects)
        before = [encode(one) for one in arguments] if show_arguments else []
        result = target(*arguments, **named)
        objects[-1] = result
        outcome: dict[str, Any] = {"value": encode(result)}
        after = [encode(one) for one in arguments] if show_arguments else []
        if after != before:
            outcome["arguments"] = after
        return outcome
    except BaseException as error:
        return {"raised": type(error).__name__, "text": _described(error)}


def _resolved(step: list[Any], program: types.ModuleType, objects: list[Any]) -> tuple:
    def named(tag: str, key: Any) -> Any:
        return objects[key] if tag == "r" else _look_up(program, key)

    kind, target, arguments, keywords = step
    thing = decode(target, named)
    arguments = [decode(one, named) for one in arguments]
    keywords = {key: decode(one, named) for key, one in keywords.items()}
    if kind == "get":
        return getattr, [thing, *arguments], {}
    if kind == "set":
        return setattr, [thing, *arguments], {}
    return thing, arguments, keywords


def _look_up(program: types.ModuleType, name: str) -> Any:
    """A name of the program: a method of its class Solution first, made once."""
    solution = getattr(program, "Solution", None)
    if isinstance(solution, type) and hasattr(solution, name):
        if not hasattr(program, "__solution__"):
            program.__solution__ = solution()
        return getattr(program.__solution__, name)
    if hasattr(program, name):
        return getattr(program, name)
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise NameError(f"the program does not define {name}")


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:MAX_TEXT]
    except BaseException:
        return type(error).__name__


if __name__ == "__main__":
    main()

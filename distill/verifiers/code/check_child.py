"""Inside a sandbox of its own: run a check's asserts, with stubs where the program would be.

The program is in another process. A stub looks up what the program returned there for the same
call; a call that is not known yet is noted, to be made in the next round. The task comes as JSON on
stdin, the report leaves as one JSON line.
"""

import ast
import builtins
import importlib
import json
import os
import random
import sys
import types
from typing import Any

from distill.verifiers.code.plain_values import Opaque, decode, encode

MAX_STEPS = 20_000
SEED = 20_250  # a check that draws its inputs draws the same ones in every round


class Unknown(BaseException):
    """A call that the program was not asked for yet."""


class Ended(BaseException):
    """The program's process ended before this call returned."""


class Unsendable(BaseException):
    """A test passes what cannot leave its process, such as a function."""


class Stub:
    """Stands for a function, a class or an object of the program; its uses become steps."""

    def __init__(self, replay: "Replay", target: Any, truth: bool = True) -> None:
        object.__setattr__(self, "_replay", replay)
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_truth", truth)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._replay.take("call", self._target, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._replay.take("get", self._target, (name,), {})

    def __setattr__(self, name: str, value: Any) -> None:
        self._replay.take("set", self._target, (name, value), {})

    def _as(self, kind: str, unknown: Any) -> Any:
        """What a builtin makes of the object, over there; only plain values are believed."""
        value = self._replay.take("call", {"n": kind}, (self,), {})
        return value if type(value) is type(unknown) else unknown

    def __str__(self) -> str:
        return self._as("str", "")

    def __repr__(self) -> str:
        return self._as("repr", "")

    def __len__(self) -> int:
        return self._as("len", 0)

    def __iter__(self) -> Any:
        return iter(self._as("list", []))

    def __bool__(self) -> bool:
        return self._truth


class Replay:
    """The steps that a check takes, and what the program answered to those it took before."""

    def __init__(self, steps: list[Any], outcomes: list[Any], explore: bool) -> None:
        self.steps = steps
        self.outcomes = outcomes
        self.explore = explore
        self._at: dict[str, list[int]] = {}
        for index, step in enumerate(steps):
            self._at.setdefault(json.dumps(step), []).append(index)
        self._used: dict[str, int] = {}
        self.missed = ""  # why an outcome was not there, whatever the check made of it

    def take(self, kind: str, target: Any, arguments: Any, keywords: Any) -> Any:
        """The outcome of this step, the n-th time it is taken."""
        step = [kind, target, [self.plain(one) for one in arguments]]
        step.append({key: self.plain(one) for key, one in keywords.items()})
        key = json.dumps(step)
        count = self._used.get(key, 0)
        self._used[key] = count + 1
        known = self._at.setdefault(key, [])
        if count < len(known):
            return self._outcome(known[count], arguments)
        if not self.explore or len(self.steps) >= MAX_STEPS:
            self.missed = self.missed or "unknown"
            raise Unknown
        known.append(len(self.steps))
        self.steps.append(step)
        return Stub(self, {"r": known[-1]})

    def plain(self, value: Any) -> Any:
        """The value as a tree, stubs in it by their number."""
        if type(value) is Stub:
            return value._target
        if type(value) is list:
            return [self.plain(one) for one in value]
        if type(value) is tuple:
            return {"t": [self.plain(one) for one in value]}
        if type(value) in (set, frozenset):  # in an order that does not change with the process
            return {"s": sorted((self.plain(one) for one in value), key=json.dumps)}
        if type(value) is dict:
            return {"d": [[self.plain(key), self.plain(one)] for key, one in value.items()]}
        tree = encode(value)
        if isinstance(tree, dict) and "?" in tree:
            raise Unsendable(f"a test passes a {tree['?']} to the program")
        return tree

    def _outcome(self, index: int, arguments: Any) -> Any:
        if index >= len(self.outcomes):
            if self.explore:
                return Stub(self, {"r": index})
            self.missed = self.missed or "ended"
            raise Ended
        outcome = self.outcomes[index]
        if "raised" in outcome:
            raise _exception(outcome)
        for argument, after in zip(arguments, outcome.get("arguments", ()), strict=False):
            _become(argument, decode(after, self._object))
        value = decode(outcome["value"], self._object)
        return Stub(self, {"r": index}, value.truth) if isinstance(value, Opaque) else value

    def _object(self, tag: str, key: Any) -> Any:
        if tag == "r":
            return Stub(self, {"r": key})
        kind = getattr(builtins, key)
        if not isinstance(kind, type):  # a program that forges `exit` or `eval`
            raise TypeError(f"{key} is no type")
        return kind


class ProgramRaised(Exception):
    """An exception of the program that Python does not know."""


def _exception(outcome: dict[str, Any]) -> Exception:
    kind = getattr(builtins, outcome["raised"], None)
    is_known = isinstance(kind, type) and issubclass(kind, Exception)
    try:
        error = kind(outcome["text"]) if is_known else ProgramRaised(outcome["text"])
    except TypeError:  # UnicodeDecodeError and its kind want more
        error = ProgramRaised(outcome["text"])
    error.from_program = True
    return error


def _become(argument: Any, after: Any) -> None:
    """What the program did to a mutable argument."""
    if type(argument) is list and type(after) is list:
        argument[:] = after
    elif type(argument) in (dict, set) and type(after) is type(argument):
        argument.clear()
        argument.update(after)


class _Guarded(ast.NodeTransformer):
    """Asserts that may fail: while exploring, all calls are looked for."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        handler = ast.ExceptHandler(
            type=ast.Name(id="Exception", ctx=ast.Load()), name=None, body=[ast.Pass()]
        )
        return ast.Try(body=[node], handlers=[handler], orelse=[], finalbody=[])


def run_check(task: dict[str, Any]) -> dict[str, Any]:
    """How the check ended, with all steps: passed, failed, raised, unknown, ended or broken."""
    replay = Replay(task["steps"], task["outcomes"], task["explore"])
    random.seed(SEED)
    try:
        setup = compile(task["setup"], "<setup>", "exec")
        tree = ast.parse(task["check"])
        if task["explore"]:
            tree = ast.fix_missing_locations(_Guarded().visit(tree))
        check = compile(tree, "<check>", "exec")
        space = _namespace(replay, task, setup)
    except Exception as error:  # whatever a data set's own text raises
        return {"end": "broken", "detail": f"{type(error).__name__}: {error}"[:300]}
    end, detail = _ended(check, space)
    if replay.missed:  # also where an `except:` of the check swallowed that
        end, detail = replay.missed, ""
    return {"end": end, "detail": detail, "steps": replay.steps if task["explore"] else []}


def _namespace(replay: Replay, task: dict[str, Any], setup: types.CodeType) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "check"}
    exec(setup, space)
    for name in task["names"]:
        if name in space and name != task["entry_point"]:
            continue  # a helper that the prompt gives: never the program's own
        if name in sys.stdlib_module_names and name != task["entry_point"]:
            space[name] = importlib.import_module(name)
        else:
            space[name] = Stub(replay, {"n": name})
    return space


def _ended(check: types.CodeType, space: dict[str, Any]) -> tuple[str, str]:
    try:
        exec(check, space)
    except Unsendable as error:
        return "broken", str(error)
    except SystemExit as stop:
        code = "" if stop.code is None else stop.code
        return ("failed" if code else "passed"), f"{_place(stop)}: exit {code}"
    except BaseException as error:
        if getattr(error, "from_program", False):
            return "raised", f"{error.args[0]} ({_place(error)})"
        if type(error) is AssertionError:
            return "failed", f"{_place(error)} does not hold"
        return "failed", f"{_place(error)}: {type(error).__name__}: {error}"[:300]
    return "passed", ""


def _place(error: BaseException) -> str:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<check>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line} of the check"


def main() -> None:
    """Answer the task on stdin."""
    task = json.loads(sys.stdin.buffer.read())
    private = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    data = memoryview(json.dumps(run_check(task)).encode())
    while data:
        data = data[os.write(private, data) :]


if __name__ == "__main__":
    main()

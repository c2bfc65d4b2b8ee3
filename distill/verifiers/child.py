"""The process that may hang: algebra and heavy scorers, one JSON line in, one JSON line out."""

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TextIO

MEMORY_BYTES = 1024**3  # address space; math-verify takes 70 MB, reasoning-gym 200 MB
GRACE_SECONDS = 2.0  # beyond the parent's deadline: only an orphan lives that long

Task = dict[str, Any]


def check_math(task: Task) -> dict[str, Any]:
    """math-verify's opinion: {"equal": bool} or {"unreadable": "reference" or "answer"}."""
    from math_verify import verify

    reference = read_formula(task["reference"])
    if not reference:
        return {"unreadable": "reference"}
    answer = read_formula(task["answer"])
    if not answer:
        return {"unreadable": "answer"}
    # by itself it would call whatever raises a wrong answer, and set an alarm of its own
    equal = verify(list(reference), list(answer), timeout_seconds=None, raise_on_error=True)
    return {"equal": bool(equal)}


@lru_cache(maxsize=1024)
def read_formula(text: str) -> tuple[Any, ...]:
    """A whole text as one LaTeX formula; () when it is none.

    math-verify would also pick a number out of prose: what is not read whole is not read.
    """
    from math_verify import LatexExtractionConfig, parse

    formula = text.replace("$", "")
    return tuple(
        parse(
            f"${formula}$",
            [LatexExtractionConfig()],
            fallback_mode="no_fallback",
            parsing_timeout=None,
        )
    )


def check_gym(task: Task) -> dict[str, Any]:
    """reasoning-gym's opinion: {"equal": bool}."""
    from distill.verifiers.gym import is_right

    return {"equal": is_right(task["family"], task["answer"], task["entry"])}


def warm(task: Task) -> dict[str, Any]:
    """Import what a kind of task needs, so that its deadline is not spent on it."""
    if task["kind"] == "math":
        check_math({"reference": "\\sqrt{2}", "answer": "2^{1/2}"})
    else:
        import distill.verifiers.gym  # noqa: F401
    return {"warm": True}


TASKS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "math": check_math,
    "reasoning-gym": check_gym,
    "warm": warm,
}


def serve() -> None:
    """Answer tasks from standard input until it closes; the parent kills what takes too long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not pass for a reply
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        _answer(json.loads(line), replies)


def _answer(task: Task, replies: TextIO) -> None:
    # the kernel ends this process even when the parent is gone and the interpreter is busy
    signal.setitimer(signal.ITIMER_REAL, task["seconds"] + GRACE_SECONDS)
    try:
        reply = TASKS[task["kind"] if not task.get("warm") else "warm"](task)
    except (Exception, RecursionError, MemoryError) as error:  # reported as the verifier's failure
        reply = {"error": f"{type(error).__name__}: {error}"[:300]}
    signal.setitimer(signal.ITIMER_REAL, 0)
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    serve()

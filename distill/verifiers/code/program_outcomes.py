"""What a program may use, and what became of it."""

import msgspec

from distill.records import VerdictReason
from distill.verifiers.sandbox.limits import Ended, Limits

WALL_PER_CPU = 3.0  # a program may wait that many times longer than it may compute
MAX_SHOWN = 80  # characters of a value in a verdict's detail
STOPPED = {
    "time": VerdictReason.TIME_LIMIT,
    "memory": VerdictReason.MEMORY_LIMIT,
    "output": VerdictReason.OUTPUT_LIMIT,
}
TIMER_SIGNALS = (-14, -27)  # SIGALRM, SIGPROF: the clock of a single call


class ProgramOutcome(msgspec.Struct, frozen=True):
    """What the tests found."""

    reason: VerdictReason
    detail: str  # which test, what was found, what was expected
    isolation: str = ""  # how the program was kept in


class Budget(msgspec.Struct, frozen=True):
    """What a program may use for one test."""

    cpu_seconds: float
    memory_bytes: int

    def limits(self, tests: int, output_bytes: int) -> Limits:
        """Of a process that is asked so many tests one after the other."""
        seconds = self.cpu_seconds * tests
        return Limits(
            cpu_seconds=seconds,
            wall_seconds=seconds * WALL_PER_CPU,
            memory_bytes=self.memory_bytes,
            output_bytes=output_bytes,
        )


def stopped(ended: Ended, where: str) -> ProgramOutcome | None:
    """The outcome when a limit or a signal ended the process."""
    if ended.status in STOPPED:
        return ProgramOutcome(STOPPED[ended.status], f"{where}: over the limit of {ended.status}")
    if ended.status == "signal":
        if ended.exit_code in TIMER_SIGNALS:
            return ProgramOutcome(VerdictReason.TIME_LIMIT, f"{where}: over the limit of time")
        detail = f"{where}: ended by signal {-(ended.exit_code or 0)}"
        return ProgramOutcome(VerdictReason.RUNTIME_ERROR, detail)
    return None


def raised(text: str, where: str) -> ProgramOutcome:
    """The outcome of an exception that nobody caught."""
    name = text.partition(":")[0].strip()
    reason = VerdictReason.RUNTIME_ERROR
    if name == "MemoryError":
        reason = VerdictReason.MEMORY_LIMIT
    elif name in ("SyntaxError", "IndentationError", "TabError"):
        reason = VerdictReason.COMPILE_ERROR
    return ProgramOutcome(reason, f"{where}: {shown(text)}")


def shown(text: str) -> str:
    """Short enough for a verdict's detail."""
    text = text.strip()
    short = text if len(text) <= MAX_SHOWN else f"{text[:50]}...{text[-20:]}"
    return repr(short)

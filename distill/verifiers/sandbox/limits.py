"""What one run may use, and how it ended."""

from typing import Literal, NamedTuple

import msgspec

Status = Literal["exited", "time", "memory", "output", "signal"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run may use; every figure is for one process, which is all a program gets."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0  # a backstop: a busy machine must not decide a verdict
    memory_bytes: int = 1 << 30  # address space
    output_bytes: int = 8 << 20  # of standard output, and as much of standard error
    file_bytes: int = 16 << 20  # written to files in its folder, all together

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 < value < 1 << 50:
                raise ValueError(f"{name} is {value}; expected a positive number below 2**50")


class Ended(NamedTuple):
    """How a run ended, as the kernel tells it: nothing that a program prints changes it."""

    status: Status
    exit_code: int | None  # of "exited"; -N of "signal" N; None of the others
    stdout: bytes  # at most output_bytes
    stderr: str  # its tail; a line that starts with "[sandbox]" says what it was killed for
    cpu_seconds: float
    wall_seconds: float

"""One run: fork, wall in, watch until the end or a limit, and say how it ended."""

import _signal
import contextlib
import math
import mmap
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn

from distill.verifiers.sandbox import isolate
from distill.verifiers.sandbox.program import OUT_OF_MEMORY, Entry
from distill.verifiers.sandbox.scratch import measure_tree, nameless_bytes

EXITED, TIME, MEMORY, OUTPUT, SIGNAL, BROKEN = b"E", b"T", b"M", b"O", b"K", b"!"

TICK_SECONDS = 0.05  # how often a running program is measured
SHORT_TICK_SECONDS = 0.002  # where the kernel does not wake us at its end
MAX_OPEN = 64
MAX_THREADS = 128  # RLIMIT_NPROC is no help: it counts all processes of a user and none of root's
MAX_FILES = 1000
TOO_LARGE = 2  # exit code of the fork that looks
STACK_BYTES = 128 << 20  # of the first thread; room for 100,000 calls through C
# of the warm process and so of all its forks; not every system knows every one
FIXED_LIMITS = {
    getattr(resource, f"RLIMIT_{name}"): (soft, hard)
    for name, soft, hard in (
        ("NOFILE", MAX_OPEN, MAX_OPEN),
        ("STACK", STACK_BYTES, resource.RLIM_INFINITY),
        ("CORE", 0, 0),
        ("MEMLOCK", 0, 0),
        ("MSGQUEUE", 0, 0),
        ("NICE", 0, 0),
        ("RTPRIO", 0, 0),
    )
    if hasattr(resource, f"RLIMIT_{name}")
}


class Request(NamedTuple):
    """The head of a request."""

    kind: bytes
    size_bytes: int
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    file_bytes: int


class Scratch(NamedTuple):
    """The folder of a run, dated to the beginning of time: making anything in it changes that."""

    path: str
    ruleset: int  # Landlock descriptor, -1 where programs are not isolated

    def touched(self) -> bool:
        """True once anything was made or removed in it."""
        return os.stat(self.path).st_mtime_ns != 0


class Streams(NamedTuple):
    """The files that stand for a run's standard streams."""

    stdin: int
    stdout: int
    stderr: int


class Walls(NamedTuple):
    """What every run shares: its filter and a page on which it tells that its walls stand."""

    filter: isolate.Wall | None  # None where programs are not isolated
    page: mmap.mmap


class Outcome(NamedTuple):
    """How a run ended, as the kernel tells it."""

    ending: bytes
    exit_code: int
    cpu_seconds: float
    wall_seconds: float
    note: str = ""


def run(
    walls: Walls, scratch: Scratch, head: Request, streams: Streams, source: int, entry: Entry
) -> Outcome:
    """Run a program in a process of its own; when this returns, the process is gone."""
    walls.page[:] = bytes(len(walls.page))
    server, limits, started = os.getpid(), _limits(head), time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become_program(walls, scratch, limits, streams, source, entry, server)
    excess, ended = None, 0
    try:
        with _watching(pid) as watch:
            while not ended and not excess:
                watch(started + head.wall_seconds)
                ended, status, usage = os.wait4(pid, os.WNOHANG)
                if not ended:
                    excess = _excess(pid, head, streams, scratch, started)
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
        if walls.filter is None:  # it was the leader of all that it started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    ending, code, note = _judge(status, usage, head, streams, excess)
    if not walls.page[0]:
        ending, note = BROKEN, bytes(walls.page[1:]).rstrip(b"\0").decode(errors="replace")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Outcome(ending, code, cpu_seconds, time.monotonic() - started, note)


def in_a_fork(action: Callable[[], None]) -> int:
    """Exit status of a trusted action: 0 if it returned. Its memory is gone with it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def _become_program(
    walls: Walls,
    scratch: Scratch,
    limits: dict[int, tuple[int, int]],
    streams: Streams,
    source: int,
    entry: Entry,
    server: int,
) -> NoReturn:
    try:
        isolated = walls.filter is not None
        if isolated:
            isolate.prctl(isolate.PR_SET_DUMPABLE, 1)  # lets the server measure it
            isolate.die_with_parent(server, signal.SIGKILL)
        else:
            os.setsid()  # it may fork: its whole group is killed
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)  # signal's wrapper is slow
        os.chdir(scratch.path)
        for target, handle in enumerate(streams):
            os.dup2(handle, target)
        isolate.limit_self(limits, strict=isolated)
        if isolated:
            isolate.restrict_self(scratch.ruleset)
        source = os.dup2(source, 3)
        os.closerange(4, MAX_OPEN)
        if isolated:
            walls.filter.enter()
        walls.page[0] = 1
    except BaseException as error:
        message = f"{type(error).__name__}: {error}".encode()[:1000]
        walls.page[1 : 1 + len(message)] = message
        os._exit(1)
    walls.page.close()
    entry(source)


def _limits(head: Request) -> dict[int, tuple[int, int]]:
    cpu_seconds = math.ceil(head.cpu_seconds)
    file_bytes = max(head.file_bytes, head.output_bytes + 1)  # one byte more tells the excess
    return {
        resource.RLIMIT_AS: (head.memory_bytes, head.memory_bytes),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_CPU: (cpu_seconds + 1, cpu_seconds + 2),  # should the server fail
    }


@contextlib.contextmanager
def _watching(pid: int) -> Iterator[Callable[[float], None]]:
    """A function that sleeps until a process ends, a tick passes or a deadline comes."""
    poll, handle, tick = select.poll(), None, SHORT_TICK_SECONDS
    poll.register(0, 0)  # tells only that the other end has gone
    with contextlib.suppress(AttributeError, OSError):  # no such call, or not in this container
        handle, tick = os.pidfd_open(pid), TICK_SECONDS
        poll.register(handle, select.POLLIN)

    def watch(deadline: float) -> None:
        seconds = min(tick, max(0.0, deadline - time.monotonic()))
        if 0 in dict(poll.poll(math.ceil(seconds * 1000))):
            sys.exit(0)

    try:
        yield watch
    finally:
        if handle is not None:
            os.close(handle)


def _excess(
    pid: int, head: Request, streams: Streams, scratch: Scratch, started: float
) -> tuple[bytes, str] | None:
    """Which limit a running program is over, and in words."""
    if time.monotonic() - started >= head.wall_seconds:
        return TIME, f"killed after {head.wall_seconds:g} s"
    if _cpu_seconds(pid) > head.cpu_seconds:
        return TIME, f"killed after {head.cpu_seconds:g} s of processor time"
    if _output_bytes(streams) > head.output_bytes:
        return OUTPUT, f"killed after printing {head.output_bytes} bytes"
    if _written_bytes(pid) > head.file_bytes + 2 * head.output_bytes:
        return OUTPUT, f"killed after writing {head.file_bytes} bytes to files"
    if _threads(pid) > MAX_THREADS:
        return SIGNAL, f"killed with more than {MAX_THREADS} threads"
    if not scratch.touched():
        return None
    most_bytes = head.file_bytes + head.output_bytes + MAX_FILES * mmap.PAGESIZE
    check = os.waitstatus_to_exitcode(
        in_a_fork(lambda: _check_files(scratch.path, pid, most_bytes))
    )
    if check == TOO_LARGE:
        return OUTPUT, f"killed after filling {head.file_bytes} bytes of files"
    return (OUTPUT, f"killed after making more than {MAX_FILES} files") if check else None


def _check_files(path: str, pid: int, most_bytes: int) -> None:
    count, size_bytes = measure_tree(path, MAX_FILES)
    if count > MAX_FILES:
        os._exit(1)
    if size_bytes + nameless_bytes(pid, os.stat(path).st_dev) > most_bytes:
        os._exit(TOO_LARGE)


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | 2)  # the kernel's number for a process's clock
    return 0.0


def _output_bytes(streams: Streams) -> int:
    return max(os.fstat(streams.stdout).st_size, os.fstat(streams.stderr).st_size)


def _written_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/io") as handle:
        return int(next(line for line in handle if line.startswith("wchar:")).split()[1])
    return 0


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as handle:
        return int(handle.read().rpartition(")")[2].split()[17])
    return 1


def _judge(
    status: int,
    usage: resource.struct_rusage,
    head: Request,
    streams: Streams,
    excess: tuple[bytes, str] | None,
) -> tuple[bytes, int, str]:
    """Ending, exit code and note, from what the kernel counted and not from what was printed."""
    code = os.waitstatus_to_exitcode(status)
    if excess:
        return excess[0], code, excess[1]
    if usage.ru_utime + usage.ru_stime > head.cpu_seconds or code == -signal.SIGXCPU:
        return TIME, code, f"used more than {head.cpu_seconds:g} s of processor time"
    if _output_bytes(streams) > head.output_bytes or code == -signal.SIGXFSZ:
        return OUTPUT, code, f"printed more than {head.output_bytes} bytes"
    if code == -OUT_OF_MEMORY:
        return MEMORY, code, ""
    if code == -signal.SIGKILL and usage.ru_maxrss * 2048 > head.memory_bytes:
        return MEMORY, code, "killed by the kernel"
    return (SIGNAL if code < 0 else EXITED), code, ""

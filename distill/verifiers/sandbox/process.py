"""The warm process seen from outside: started, fed, read with a deadline, killed, cleaned up."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import IO, NamedTuple

from distill.verifiers.sandbox.command import Level
from distill.verifiers.sandbox.limits import Ended, Limits, Status
from distill.verifiers.sandbox.running import EXITED, MEMORY, OUTPUT, SIGNAL, TIME
from distill.verifiers.sandbox.scratch import remove_tree
from distill.verifiers.sandbox.server import COMPILE, READY, REPLY, REQUEST, RUN, SOURCE

START_SECONDS = 60.0  # on a busy machine; not part of a program's limits
GRACE_SECONDS = 10.0  # beyond a program's wall clock, which the process itself keeps
FAREWELL_SECONDS = 5.0
PIECE_BYTES = 1 << 20
FOLDER_PREFIX = "distill-sandbox-"
MEMORY_FOLDER, MEMORY_FOLDER_BYTES = "/dev/shm", 256 << 20
STATUSES: dict[bytes, Status] = {
    EXITED: "exited",
    TIME: "time",
    MEMORY: "memory",
    OUTPUT: "output",
    SIGNAL: "signal",
}
PACKAGE = "distill.verifiers.sandbox"
MODULES = ("syscalls", "isolate", "scratch", "program", "running", "server")
BOOT = """
import json, os, sys, types
def take(size):
    content = b""
    while len(content) < size:
        content += os.read(0, size - len(content)) or sys.exit(0)
    return content
kit = json.loads(take(int(take(20))))
package = sys.modules[kit["package"]] = types.ModuleType(kit["package"])
for name, source in kit["modules"].items():
    module = types.ModuleType(kit["package"] + "." + name)
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
package.server.serve(kit["config"])
"""  # its own source comes through the pipe: a container needs no copy of this package


class ProcessFailure(Exception):
    """The warm process, not the program in it, went wrong."""


class WarmProcess:
    """One warm process; `start` may be called again after any failure."""

    def __init__(self, level: Level, launcher: ThreadPoolExecutor) -> None:
        self._level, self._launcher = level, launcher
        self._parts: _Parts | None = None
        self._reaper: weakref.finalize | None = None

    def start(self) -> None:
        """Start afresh and wait until it is ready. Raises: ProcessFailure."""
        self.stop()
        # the kernel ties a child's life to the thread that made it: the launcher's outlives runs
        self._parts = self._launcher.submit(_launch, self._level).result()
        self._reaper = weakref.finalize(self, _reap, self._parts, self._level.foreign, os.getpid())
        deadline = time.monotonic() + START_SECONDS
        self._write(_kit(self._level, self._parts.folder), deadline)
        if self._read(len(READY), deadline) != READY:
            raise ProcessFailure(f"it did not get ready: {self._last_words()}")

    def kill(self) -> None:
        """Kill it, from any thread; whoever waits for its answer gets a ProcessFailure."""
        parts = self._parts
        if parts is not None and self._level.foreign:
            parts.process.terminate()  # a container passes this on; its own death it does not
        elif parts is not None:
            parts.process.kill()

    def stop(self) -> None:
        """Kill it with all that runs in it and remove what it left; for the thread that uses it."""
        if self._reaper is not None:
            self._reaper()
        self._parts = self._reaper = None

    @property
    def started(self) -> bool:
        """False before the first start and after a stop."""
        return self._parts is not None

    @property
    def pid(self) -> int | None:
        """Its number, None before the first start and after a stop."""
        return self._parts.process.pid if self._parts else None

    def load(self, source: bytes, limits: Limits, *, compiled: bool) -> None:
        """Give it the program of the next runs. Raises: ProcessFailure."""
        kind = COMPILE if compiled else SOURCE
        self._write(_request(kind, source, limits), time.monotonic() + START_SECONDS)

    def run(self, stdin: bytes, limits: Limits) -> Ended:
        """Run the program on one input. Raises: ProcessFailure."""
        deadline = time.monotonic() + limits.wall_seconds + GRACE_SECONDS
        self._write(_request(RUN, stdin, limits), deadline)
        head = self._read(REPLY.size, deadline)
        ending, code, cpu_seconds, wall_seconds, *sizes = REPLY.unpack(head)
        stdout, stderr = (self._read(size, deadline) for size in sizes)
        errors = stderr.decode(errors="replace")
        if ending not in STATUSES:
            raise ProcessFailure(f"no walls around a program: {errors.strip()}")
        status = STATUSES[ending]
        shown = code if status in ("exited", "signal") else None
        return Ended(status, shown, stdout, errors, cpu_seconds, wall_seconds)

    def _write(self, content: bytes, deadline: float) -> None:
        handle, view = self._parts.process.stdin.fileno(), memoryview(content)
        while view:
            self._await(handle, select.POLLOUT, deadline)
            try:
                view = view[os.write(handle, view[:PIECE_BYTES]) :]
            except OSError as error:
                raise ProcessFailure(f"it died: {error}; {self._last_words()}") from None

    def _read(self, size: int, deadline: float) -> bytes:
        handle, content = self._parts.process.stdout.fileno(), bytearray()
        while len(content) < size:
            self._await(handle, select.POLLIN, deadline)
            piece = os.read(handle, min(size - len(content), PIECE_BYTES))
            if not piece:
                raise ProcessFailure(f"it died: {self._last_words()}")
            content += piece
        return bytes(content)

    def _await(self, handle: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(handle, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ProcessFailure("no answer within its deadline")

    def _last_words(self) -> str:
        errors = self._parts.errors
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 2000))
        return errors.read().decode(errors="replace").strip() or "no message"


class _Parts(NamedTuple):
    process: subprocess.Popen[bytes]
    errors: IO[bytes]  # its standard error
    folder: str  # where its scratch folders lie; "" where it finds a place itself


def _launch(level: Level) -> _Parts:
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
    folder = _own_folder() if level.own_folder else ""
    try:
        process = subprocess.Popen(
            [*level.command, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=level.environment,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        errors.close()
        if folder:
            os.rmdir(folder)
        raise ProcessFailure(f"{level.command[0]} cannot be started: {error}") from None
    os.set_blocking(process.stdin.fileno(), False)
    return _Parts(process, errors, folder)


def _own_folder() -> str:
    """A new folder, in memory where there is room: removing folders takes a disk milliseconds."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_FOLDER_BYTES:
            return tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=MEMORY_FOLDER)
    return tempfile.mkdtemp(prefix=FOLDER_PREFIX)


def _kit(level: Level, folder: str) -> bytes:
    """Sources and settings of the warm process, after their length."""
    package = resources.files(PACKAGE)
    sources = {name: package.joinpath(f"{name}.py").read_text("utf-8") for name in MODULES}
    config = {
        "readable": level.readable,
        "packages": level.packages,
        "base": folder or level.base,
        "isolate": level.isolate,
        "parent": os.getpid() if level.own_folder else 0,
    }
    kit = json.dumps({"package": PACKAGE, "modules": sources, "config": config}).encode()
    return b"%-20d" % len(kit) + kit


def _request(kind: bytes, content: bytes, limits: Limits) -> bytes:
    head = REQUEST.pack(
        kind,
        len(content),
        limits.cpu_seconds,
        limits.wall_seconds,
        limits.memory_bytes,
        limits.output_bytes,
        limits.file_bytes,
    )
    return head + content


def _reap(parts: _Parts, foreign: bool, owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the owner ends: the process is not its own
    parts.process.stdin.close()
    if foreign:  # it cleans up where we cannot reach
        with contextlib.suppress(subprocess.TimeoutExpired):
            parts.process.wait(FAREWELL_SECONDS)
    parts.process.kill()
    parts.process.stdout.close()
    parts.errors.close()
    parts.process.wait()
    if parts.folder:
        remove_tree(parts.folder)

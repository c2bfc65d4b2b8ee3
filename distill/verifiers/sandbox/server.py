"""The warm process inside the box: it forks one process per run and never holds what they hold.

Programs, inputs and outputs pass through anonymous files, from pipe to file to pipe inside the
kernel. So the memory that a program inherits from this process contains no other program, no
input of another test and no output.

Frames on standard input: a head of REQUEST, then its bytes. On standard output, for each run: a
head of REPLY, then standard output, then the tail of standard error.
"""

import contextlib
import fcntl
import gc
import importlib
import mmap
import os
import platform
import signal
import struct
import sys
import tempfile
from typing import Any

from distill.verifiers.sandbox import isolate, program
from distill.verifiers.sandbox.running import (
    EXITED,
    FIXED_LIMITS,
    Outcome,
    Request,
    Scratch,
    Streams,
    Walls,
    in_a_fork,
    run,
)
from distill.verifiers.sandbox.scratch import remove_tree
from distill.verifiers.sandbox.syscalls import build_filter

REQUEST = struct.Struct("<cQddQQQ")  # the fields of Request
REPLY = struct.Struct("<ciddQQ")  # ending, exit code, cpu s, wall s, bytes of output, of errors
SOURCE, COMPILE, RUN = b"S", b"C", b"R"
READY = b"ready\n"

ERROR_TAIL_BYTES = 8192
PIECE_BYTES = 1 << 16
PRELOADED = """
abc array bisect cmath collections.abc contextlib copy dataclasses datetime decimal enum fractions
functools hashlib heapq io itertools json math numbers operator os random re statistics string
struct textwrap time traceback types typing
"""


def serve(config: dict[str, Any]) -> None:
    """Answer requests until standard input closes.

    Args:
        config: readable (folders), packages (for sys.path), base (folder for scratch, "" for the
            system's), isolate (bool), parent (process id to die with, 0 for none).
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    base = config["base"] or tempfile.mkdtemp(prefix="distill-sandbox-")
    try:
        Server(config, base).answer_all()
    finally:
        with contextlib.suppress(OSError):
            remove_tree(base)


class Server:
    """The walls, the scratch folder and the program at hand."""

    def __init__(self, config: dict[str, Any], base: str) -> None:
        self._readable = config["readable"]
        self._base = base
        self._walls = _prepare(config)
        self._scratch = self._new_scratch()
        self._source, self._entry = _blank(), program.run_source

    def answer_all(self) -> None:
        """Say that all is ready, then obey request after request."""
        os.write(1, READY)
        while head := _read_head():
            content = _receive(head.size_bytes)
            if head.kind == RUN:
                self._answer(head, content)
            else:
                self._load(head, content)

    def _answer(self, head: Request, content: int) -> None:
        streams = Streams(content, _blank_log(), _blank_log())
        outcome = self._run(head, streams, self._entry)
        _reply(outcome, head, streams)
        for handle in streams:
            os.close(handle)

    def _load(self, head: Request, content: int) -> None:
        """Keep a program; compiled if asked to, and as it is if that fails: each run says why."""
        os.close(self._source)
        self._source, self._entry = content, program.run_source
        if head.kind != COMPILE:
            return
        streams = Streams(_blank(), _blank(), _blank())
        outcome = self._run(head, streams, program.compile_to_output)
        if outcome.ending == EXITED and outcome.exit_code == 0:
            self._source, self._entry = streams.stdout, program.run_compiled
            streams = streams._replace(stdout=content)
        for handle in streams:
            os.close(handle)

    def _run(self, head: Request, streams: Streams, entry: program.Entry) -> Outcome:
        outcome = run(self._walls, self._scratch, head, streams, self._source, entry)
        if self._scratch.touched():
            path = self._scratch.path
            if in_a_fork(lambda: remove_tree(path)):  # the names in it do not stay in here
                sys.exit(f"{path} cannot be removed")
            if self._scratch.ruleset >= 0:
                os.close(self._scratch.ruleset)
            self._scratch = self._new_scratch()
        return outcome

    def _new_scratch(self) -> Scratch:
        path = tempfile.mkdtemp(dir=self._base)
        os.environ.update(HOME=path, TMPDIR=path)
        isolated = self._walls.filter is not None
        ruleset = isolate.make_ruleset(self._readable, path) if isolated else -1
        os.utime(path, ns=(0, 0))
        return Scratch(path, ruleset)


def _prepare(config: dict[str, Any]) -> Walls:
    """Give up this process's own powers, import what programs import, and forget nothing after."""
    wall = None
    if config["isolate"]:
        machine = platform.machine()
        isolate.prctl(isolate.PR_SET_NO_NEW_PRIVS, 1)
        isolate.drop_capabilities(machine)
        isolate.prctl(isolate.PR_SET_DUMPABLE, 0)
        wall = isolate.Wall(build_filter(machine))
    if config["parent"]:
        isolate.die_with_parent(config["parent"], signal.SIGTERM)
    isolate.limit_self(FIXED_LIMITS, strict=config["isolate"])
    os.umask(0o077)
    program.make_streams()
    sys.path.extend(config["packages"])
    for name in PRELOADED.split():
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.startswith("distill")]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()
    return Walls(wall, mmap.mmap(-1, mmap.PAGESIZE))


def _read_head() -> Request | None:
    head = b""
    while len(head) < REQUEST.size:
        chunk = os.read(0, REQUEST.size - len(head))
        if not chunk:
            return None
        head += chunk
    return Request(*REQUEST.unpack(head))


def _receive(size_bytes: int) -> int:
    """A file with the next bytes of standard input; they do not pass through this process."""
    handle, left = _blank(), size_bytes
    try:
        while left:
            moved = os.splice(0, handle, left)
            if not moved:
                sys.exit(0)
            left -= moved
    except (AttributeError, OSError):  # no such call, or standard input is no pipe
        if in_a_fork(lambda: _copy(0, handle, left)):
            sys.exit(0)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _send(handle: int, start: int, stop: int) -> None:
    try:
        while start < stop:
            start += os.sendfile(1, handle, start, stop - start)
    except (AttributeError, OSError):  # no such call, or not for standard output
        os.lseek(handle, start, os.SEEK_SET)
        if in_a_fork(lambda: _copy(handle, 1, stop - start)):
            sys.exit(0)


def _copy(source: int, target: int, size_bytes: int) -> None:
    while size_bytes:
        piece = os.read(source, min(size_bytes, PIECE_BYTES))
        if not piece:
            os._exit(1)
        size_bytes -= len(piece)
        while piece:
            piece = piece[os.write(target, piece) :]


def _blank() -> int:
    """An empty file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("box")
    handle, path = tempfile.mkstemp()
    os.unlink(path)
    return handle


def _blank_log() -> int:
    """An empty file that is written at its end, wherever a program seeks."""
    handle = _blank()
    fcntl.fcntl(handle, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
    return handle


def _reply(outcome: Outcome, head: Request, streams: Streams) -> None:
    if outcome.note:
        note = f"\n[sandbox] {outcome.note}\n".encode()
        os.pwrite(streams.stderr, note, os.fstat(streams.stderr).st_size)
    output = min(os.fstat(streams.stdout).st_size, head.output_bytes)
    errors = os.fstat(streams.stderr).st_size
    skipped = max(0, errors - ERROR_TAIL_BYTES)
    fields = outcome.ending, outcome.exit_code, outcome.cpu_seconds, outcome.wall_seconds
    os.write(1, REPLY.pack(*fields, output, errors - skipped))
    _send(streams.stdout, 0, output)
    _send(streams.stderr, skipped, errors)

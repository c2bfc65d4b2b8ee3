"""Running programs that nobody has read: the Sandbox, seen from outside.

with Sandbox(workers=2) as sandbox:
    ended = sandbox.run("print(int(input()) ** 2)", "12")
    assert (ended.status, ended.stdout) == ("exited", b"144\\n")
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from distill.errors import SandboxError
from distill.verifiers.sandbox.command import Level
from distill.verifiers.sandbox.limits import Ended, Limits
from distill.verifiers.sandbox.probe import find_level
from distill.verifiers.sandbox.process import ProcessFailure, WarmProcess

CLOSE_TICK_SECONDS = 0.05
RUNS_PER_PROCESS = 2000  # then a warm process is replaced: nothing wears out

log = logging.getLogger(__name__)


class Sandbox:
    """Runs Python programs, each in a process that can only compute.

    Such a process has no network, no other process and no way to start or signal one; it reads
    Python, installed packages and system libraries and nothing else; it writes in an empty folder
    of its own, which is its working folder and goes with it. Memory, processor time, wall time,
    output, files and threads are limited. Threads may share a Sandbox.

    Many calls of one function need one run: let the source read its arguments as JSON lines from
    standard input, call the function for each, and print each result as a JSON line after a
    separator that was drawn for this run. Results are then compared outside: what is expected must
    never be in the source or the input.

    Args:
        workers: warm processes, and so runs at the same time; one per core is the most that helps.
        allow_unsafe: run without isolation, with resource limits only, and log a warning.
        prefix: a command that isolates what follows it, such as ("docker", "run", "-i", "--rm",
            "--network=none", "python:3.12-slim"); `python3` and its arguments are appended.
        bubblewrap: None to use it where it works, True to insist on it, False to do without.

    Raises: SandboxUnavailable if this machine cannot isolate: says what is missing.
    """

    def __init__(
        self,
        workers: int = 1,
        allow_unsafe: bool = False,
        prefix: Sequence[str] = (),
        *,
        bubblewrap: bool | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected at least 1")
        self._owner = os.getpid()
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="sandbox-launcher")
        self._closed = threading.Event()
        try:
            level = find_level(self._launcher, allow_unsafe, tuple(prefix), bubblewrap)
        except BaseException:
            self._launcher.shutdown()
            raise
        self.level: str = level.name
        self._workers = [_Worker(level, self._launcher, self._closed) for _ in range(workers)]
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._free.put(worker)

    def run(self, source: str, stdin: str | bytes = "", limits: Limits = Limits()) -> Ended:  # noqa: B008
        """Run a Python source as __main__ in a fresh process.

        Args:
            source: a whole program, as in a file main.py.
            stdin: what it reads from standard input.
        Raises: SandboxError if the sandbox itself failed twice: nothing is known of the program.
        """
        return self._run_each(source, [stdin], limits, None, compiled=False)[0]

    def run_all(
        self,
        source: str,
        stdins: Sequence[str | bytes],
        limits: Limits = Limits(),  # noqa: B008
        stop_on_failure: Callable[[int, Ended], bool] | None = None,
    ) -> list[Ended]:
        """Run one program on many inputs: compiled once, a fresh process for each.

        Args:
            limits: of each run.
            stop_on_failure: called after each run with its index and end; True skips the rest.
        Returns: the ends of the runs made, in order.
        Raises: SandboxError as `run`.
        """
        return self._run_each(source, stdins, limits, stop_on_failure, compiled=len(stdins) > 1)

    def close(self) -> None:
        """Kill what runs and leave nothing behind; runs under way raise SandboxError."""
        self._closed.set()
        if os.getpid() != self._owner:
            return
        workers = [self._reclaim() for _ in self._workers]
        for worker in workers:
            worker.process.stop()
            self._free.put(worker)  # for threads that wait for one: they learn of the end
        self._launcher.shutdown()

    def _reclaim(self) -> "_Worker":
        """The next worker that is free, once what keeps it busy is killed."""
        while True:
            try:
                return self._free.get(timeout=CLOSE_TICK_SECONDS)
            except queue.Empty:
                for worker in self._workers:
                    worker.process.kill()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_each(
        self,
        source: str,
        stdins: Sequence[str | bytes],
        limits: Limits,
        stop: Callable[[int, Ended], bool] | None,
        *,
        compiled: bool,
    ) -> list[Ended]:
        if os.getpid() != self._owner:
            raise SandboxError("this Sandbox belongs to another process; make one in each process")
        worker, ended = self._free.get(), []
        try:
            worker.take(_encode(source), limits, compiled)
            for index, stdin in enumerate(stdins):
                ended.append(worker.run(_encode(stdin)))
                if stop is not None and stop(index, ended[-1]):
                    break
            return ended
        except BaseException:
            worker.process.stop()  # interrupted half-way: its next reply would belong to this run
            raise
        finally:
            self._free.put(worker)


class _Worker:
    """A warm process and the program it was given, so that a fresh one can be given it again."""

    def __init__(self, level: Level, launcher: ThreadPoolExecutor, closed: threading.Event) -> None:
        self.process = WarmProcess(level, launcher)
        self._closed = closed
        self._runs = 0

    def take(self, source: bytes, limits: Limits, compiled: bool) -> None:
        """The program of the next runs."""
        self._source, self._limits, self._compiled = source, limits, compiled
        self._loaded = False

    def run(self, stdin: bytes) -> Ended:
        """One run, tried again in a fresh process if the process failed. Raises: SandboxError."""
        try:
            return self._try(stdin)
        except ProcessFailure as failure:
            log.warning("the sandbox failed and is started again: %s", failure)
            self.process.stop()
        try:
            return self._try(stdin)
        except ProcessFailure as failure:
            raise SandboxError(f"the sandbox failed twice; the last time: {failure}") from None

    def _try(self, stdin: bytes) -> Ended:
        if self._closed.is_set():
            raise SandboxError("the sandbox is closed")
        if not self.process.started or self._runs >= RUNS_PER_PROCESS:
            self.process.start()
            self._runs, self._loaded = 0, False
        if not self._loaded:
            self.process.load(self._source, self._limits, compiled=self._compiled)
            self._loaded = True
        self._runs += 1
        return self.process.run(stdin, self._limits)


def _encode(text: str | bytes) -> bytes:
    # a lone surrogate cannot be encoded; the program then reads, or is, what cannot be decoded
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

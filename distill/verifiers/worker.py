"""Checks that may hang or crash, each behind a process that is killed at its deadline."""

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
import weakref
from typing import Any, Literal

from distill.crew import START_SECONDS, child_environment


class WorkerFailure(Exception):
    """A check without a result: it ran into its deadline, its process died, or it raised."""

    def __init__(self, message: str, *, cause: Literal["deadline", "died", "raised"]) -> None:
        super().__init__(message)
        self.cause = cause


class Worker:
    """One child process; started when first needed, started again after a kill."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper: weakref.finalize | None = None
        self._warm: set[str] = set()

    def ask(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The child's reply to a task.

        Args:
            task: JSON with a "kind" of distill.verifiers.child.TASKS.
            seconds: deadline; the child is killed when it passes.
        Raises: WorkerFailure when the child timed out, crashed or reports an error.
        """
        kind = task["kind"]
        if self._process is None or self._process.poll() is not None:
            self._start()
        if kind not in self._warm:
            self._exchange({"kind": kind, "warm": True}, START_SECONDS, warming=True)
            self._warm.add(kind)
        reply = self._exchange(task, seconds)
        if "error" in reply:
            raise WorkerFailure(reply["error"], cause="raised")
        return reply

    def stop(self) -> None:
        """Kill the child and wait for it, so that nothing is left behind."""
        if self._reaper is not None:
            self._reaper()
        self._process = self._reaper = None

    def _start(self) -> None:
        self.stop()
        self._warm.clear()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "distill.verifiers.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                bufsize=0,
            )
        except OSError as error:
            raise WorkerFailure(f"cannot be started: {error}", cause="died") from None
        self._reaper = weakref.finalize(self, _reap, self._process, os.getpid())

    def _exchange(
        self, task: dict[str, Any], seconds: float, *, warming: bool = False
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        try:
            message = json.dumps({**task, "seconds": seconds}).encode() + b"\n"
            _send(self._process, message, deadline)
            reply = json.loads(_receive(self._process, deadline))
        except TimeoutError:
            self.stop()
            # a child that cannot even start is a broken verifier, not a hard answer
            cause = "died" if warming else "deadline"
            raise WorkerFailure(f"no reply in {seconds:g} s", cause=cause) from None
        except (OSError, ValueError) as error:
            self.stop()
            raise WorkerFailure(f"the child died: {error}", cause="died") from None
        if not isinstance(reply, dict):
            self.stop()
            raise WorkerFailure("the child's reply is not a record", cause="died")
        return reply


class WorkerPool:
    """Workers shared by any number of threads; a check waits for a free one."""

    def __init__(self, workers: int) -> None:
        self._workers = [Worker() for _ in range(workers)]
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._closed = threading.Event()
        for worker in self._workers:
            self._free.put(worker)

    def ask(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        """As Worker.ask; waiting for a free worker is not part of the deadline."""
        worker = self._free.get()
        try:
            if self._closed.is_set():
                raise WorkerFailure("the verifier is closed", cause="died")
            return worker.ask(task, seconds)
        except BaseException as error:
            if not isinstance(error, WorkerFailure):
                worker.stop()  # interrupted half-way: its next reply would belong to this task
            raise
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Stop all workers."""
        self._closed.set()
        for worker in self._workers:
            worker.stop()


def _send(process: subprocess.Popen[bytes], message: bytes, deadline: float) -> None:
    os.set_blocking(process.stdin.fileno(), False)
    view = memoryview(message)
    while view:
        _wait(process.stdin.fileno(), deadline, writing=True)
        view = view[os.write(process.stdin.fileno(), view) :]


def _receive(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        _wait(process.stdout.fileno(), deadline, writing=False)
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            raise OSError("its pipe closed")
        received += chunk
    return bytes(received)


def _wait(handle: int, deadline: float, *, writing: bool) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLOUT if writing else select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


def _reap(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the owner ends: the worker is not its own
    process.kill()
    for stream in (process.stdin, process.stdout):
        stream.close()
    process.wait()

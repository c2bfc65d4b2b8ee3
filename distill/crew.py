"""Processes that share a stream of work: results in order, and a process that dies costs one item.

Each is `python -m distill.crew` with a pipe, and no fork: so it does not matter which threads this
process has, or whether its main module may be imported again. It does one item after the other and
may set an alarm for each: the kernel ends it when an item takes too long, also when nobody is left
to watch. What was asked of it goes to a fresh one.
"""

import contextlib
import ctypes
import os
import pickle
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Generic, Literal, Self, TypeVar

import msgspec

from distill.errors import WorkerError

R = TypeVar("R")
Work = Callable[[], contextlib.AbstractContextManager[Callable[[Any], R]]]
Cause = Literal["time", "died", "raised"]

AHEAD = 4  # chunks per process that are read before the first of them is done
MAX_CHUNK_ITEMS = 256
MAX_CHUNK_BYTES = 1 << 19
MEMORY_BYTES = 2 * 1024**3
START_SECONDS = 120.0  # imports on a busy machine; not part of an item's time
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")


class Lost(msgspec.Struct, frozen=True):
    """In place of the result of an item that raised, or ended its process each time."""

    cause: Cause
    detail: str  # of the process: "was killed by signal 9"


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def child_environment() -> dict[str, str]:
    """What a child needs and no more: no key or token of this process; one thread; our modules."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(part or os.getcwd() for part in sys.path)
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**found, **single, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}


class Crew(Generic[R]):
    """Owns the processes; they start when first needed and end with it, whatever happens.

    Args:
        work: called in each process, it returns a context manager whose value is called with each
            item. Picklable by name, such as a partial of a module's function with its settings;
            it is sent once to each process.
        workers: processes; None takes the cores that this process may use.
        memory_bytes: address space of each; None sets no limit.
    Items and results are pickled: a process reads nothing but what its own other end wrote.
    """

    def __init__(
        self,
        work: Work[R],
        workers: int | None = None,
        *,
        memory_bytes: int | None = MEMORY_BYTES,
    ) -> None:
        number = usable_cores() if workers is None else workers
        if number < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        order = pickle.dumps(work)
        self._members = [Member(order, memory_bytes) for _ in range(number)]
        self._free: queue.LifoQueue[Member] = queue.LifoQueue()
        for member in reversed(self._members):
            self._free.put(member)
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="crew")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, at once."""
        for member in self._members:
            member.stop()
        self._threads.shutdown(cancel_futures=True)
        for member in self._members:
            member.bury()

    def map(self, items: Iterable[Any]) -> Iterator[R | Lost]:
        """One result per item, in their order; items are read a few chunks ahead.

        Raises: WorkerError when no process can be started at all.
        """
        chunks = _chunks(items)
        waiting: deque[Future[list[R | Lost]]] = deque()
        try:
            while True:
                for chunk in islice(chunks, AHEAD * len(self._members) - len(waiting)):
                    waiting.append(self._threads.submit(self._work, chunk))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def submit(self, item: Any) -> Future[R | Lost]:
        """The result of one item, when it is there; items end in any order.

        Who calls sees to it that not too many wait. The future raises WorkerError when no process
        can be started at all; it is cancelled when the crew is closed before.
        """
        return self._threads.submit(self._alone, pickle.dumps(item, pickle.HIGHEST_PROTOCOL))

    def _alone(self, item: bytes) -> R | Lost:
        return self._work([item])[0]

    def _work(self, chunk: list[bytes]) -> list[R | Lost]:
        """What came back; after a death the rest is tried one by one, so that one item is lost."""
        member = self._free.get()
        try:
            results: list[R | Lost] = [*member.results(chunk)]
            suspect = len(results)
            for at in range(suspect, len(chunk)):
                alone = chunk[at : at + 1]
                found = [*member.results(alone)]
                if not found and at != suspect:
                    found = [*member.results(alone)]
                results += found or [member.lost]
            return results
        finally:
            self._free.put(member)


def _chunks(items: Iterable[Any]) -> Iterator[list[bytes]]:
    """Items as bytes, few at first, so that a short list is spread as well."""
    chunk: list[bytes] = []
    size, limit = 0, 4
    for item in items:
        chunk.append(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
        size += len(chunk[-1])
        if len(chunk) >= limit or size > MAX_CHUNK_BYTES:
            yield chunk
            chunk, size, limit = [], 0, min(2 * limit, MAX_CHUNK_ITEMS)
    if chunk:
        yield chunk


class Member:
    """One process of a crew, used by one thread at a time, and how it ended last."""

    def __init__(self, order: bytes, memory_bytes: int | None) -> None:
        self.lost = Lost("died", "")
        self._order = order
        self._memory_bytes = memory_bytes or 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def results(self, chunk: list[bytes]) -> Iterator[Any]:
        """Results as they come; fewer than items when the process died.

        Raises: WorkerError when a process cannot be started, or was stopped.
        """
        if self._process is None:
            self._start()
        missing = len(chunk)
        try:
            self._pipe.send(chunk)
            while missing:
                some = self._pipe.recv()
                missing -= len(some)
                yield from some
        except (OSError, EOFError):
            self.lost = _lost(self.bury())
            if self._stopped:
                raise WorkerError("the helper processes were stopped") from None

    def stop(self) -> None:
        """End the process with everything that it started, for good; from any thread."""
        with self._lock:
            self._stopped = True
            _kill(self._process)

    def bury(self) -> int:
        """End the process and wait for it, so that nothing is left behind. Returns: its code."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return 0
            self._pipe.close()
        _kill(process)
        return process.wait()

    def _start(self) -> None:
        try:
            self._launch()
            self._pipe.send_bytes(self._order)
            if not self._pipe.poll(START_SECONDS):
                raise EOFError(f"nothing heard in {START_SECONDS:g} s")
            if error := self._pipe.recv():
                raise EOFError(error)
        except (OSError, EOFError) as error:
            self.bury()
            raise WorkerError(
                f"a helper process cannot be started: {error or 'it ended'}; limits of this "
                "machine on memory, processes and open files are the usual reasons"
            ) from None

    def _launch(self) -> None:
        with self._lock:
            if self._stopped:
                raise EOFError("it was stopped")
            self._pipe, other = Pipe()
            numbers = str(other.fileno()), str(self._memory_bytes)
            with other:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "distill.crew", *numbers],
                    pass_fds=[other.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=child_environment(),
                    start_new_session=True,  # Ctrl-C is ours; its own children end with its group
                )


def _lost(code: int) -> Lost:
    if code == -signal.SIGALRM:
        return Lost("time", "took too long")
    return Lost("died", f"was killed by signal {-code}" if code < 0 else f"ended with code {code}")


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


# --- inside a process -------------------------------------------------------------------------

_FLUSH_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_serving = False


def allow(seconds: float) -> None:
    """Let the item at hand take so long from now; after that the kernel ends this process.

    Does nothing outside of a crew's process. 0: no limit.
    """
    if _serving:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def serve(pipe: Connection, memory_bytes: int) -> None:
    """Answer chunks until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # end with the thread that started us
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory_bytes:
            hardest = resource.getrlimit(resource.RLIMIT_AS)[1]  # its children may take more
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hardest))
    with contextlib.suppress(EOFError, ConnectionError), contextlib.ExitStack() as stack:
        order = pipe.recv_bytes()
        try:
            work = stack.enter_context(pickle.loads(order)())
        except Exception as error:
            pipe.send(_told(error))
            return
        pipe.send("")
        while True:
            _answer(pipe.recv(), work, pipe)


def _answer(items: list[bytes], work: Callable[[Any], Any], pipe: Connection) -> None:
    """Results in lists: what has been told is not lost when a later item ends this process."""
    told = time.monotonic()
    results: list[Any] = []
    for item in items:
        results.append(_result(work, item))
        if (now := time.monotonic()) - told > _FLUSH_SECONDS:
            pipe.send(results)
            results, told = [], now
    allow(0)
    if results:
        pipe.send(results)


def _result(work: Callable[[Any], Any], item: bytes) -> Any:
    try:
        return work(pickle.loads(item))
    except MemoryError:  # a fresh process may have enough
        os._exit(1)
    except (Exception, SystemExit) as error:
        return Lost("raised", f"raised {_told(error)}")


def _told(error: BaseException) -> str:
    return ascii(f"{type(error).__name__}: {error}"[:300])[1:-1]


if __name__ == "__main__":
    # `allow` of the imported module is the one that the work calls
    from distill import crew

    crew._serving = True
    crew.serve(Connection(int(sys.argv[1])), int(sys.argv[2]))

"""The process behind slow checks: killed at its deadline, replaced, never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from distill.verifiers.worker import Worker, WorkerFailure, WorkerPool

SUM = {"kind": "math", "reference": "x+1", "answer": "1+x"}
TOWER = {"kind": "math", "reference": "5", "answer": "9^{9^{9^{9}}}"}


def alive(pid):
    """True if a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(worker):
    return worker._process.pid


@pytest.fixture(scope="module")
def worker():
    """A worker that is stopped afterwards; its child is replaced when a test killed it."""
    made = Worker()
    yield made
    made.stop()


def test_a_deadline_kills_the_child_and_the_next_task_has_a_new_one(worker):
    assert worker.ask(SUM, 30) == {"equal": True}
    first = pid_of(worker)
    start = time.monotonic()
    with pytest.raises(WorkerFailure) as failure:
        worker.ask(TOWER, 0.5)
    assert failure.value.cause == "deadline"
    assert time.monotonic() - start < 10
    assert not alive(first)
    assert worker.ask(SUM, 30) == {"equal": True}
    assert pid_of(worker) != first


def test_a_killed_child_is_a_death_and_no_verdict(worker):
    worker.ask(SUM, 30)
    killer = threading.Timer(0.3, os.kill, (pid_of(worker), signal.SIGKILL))
    killer.start()
    with pytest.raises(WorkerFailure) as failure:
        worker.ask(TOWER, 20)
    assert failure.value.cause == "died"


def test_an_exception_in_the_child_is_reported_and_the_child_lives_on(worker):
    worker.ask(SUM, 30)
    first = pid_of(worker)
    with pytest.raises(WorkerFailure) as failure:
        worker.ask({"kind": "math", "answer": "1"}, 30)
    assert failure.value.cause == "raised"
    assert "reference" in str(failure.value)
    assert worker.ask(SUM, 30) == {"equal": True}
    assert pid_of(worker) == first


def test_threads_share_a_pool_and_no_alarm_is_touched():
    pool, replies = WorkerPool(1), []
    before = signal.getsignal(signal.SIGALRM)
    ask = lambda: replies.append(pool.ask(SUM, 30))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert replies == 4 * [{"equal": True}]
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_closed_pool_leaves_no_process():
    pool = WorkerPool(1)
    pool.ask(SUM, 30)
    pid = pid_of(pool._workers[0])
    pool.close()
    assert not alive(pid)
    with pytest.raises(WorkerFailure, match="closed"):
        pool.ask(SUM, 30)


PARENT = """
import sys, threading, time
from distill.verifiers.worker import Worker
worker = Worker()
worker.ask({"kind": "math", "reference": "1", "answer": "1"}, 60)
print(worker._process.pid, flush=True)
if sys.argv[1] == "busy":
    tower = {"kind": "math", "reference": "5", "answer": "9^{9^{9^{9}}}"}
    threading.Thread(target=worker.ask, args=(tower, 0.5), daemon=True).start()
    time.sleep(0.2)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["leaves", "busy"])
def test_no_child_outlives_its_parent(how):
    # "busy": the parent is killed -9 while the child computes a power tower
    parent = subprocess.run(
        [sys.executable, "-c", PARENT, how], capture_output=True, text=True, timeout=60
    )
    pid = int(parent.stdout)
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def test_the_child_sees_no_secret(monkeypatch, worker):
    monkeypatch.setenv("HF_TOKEN", "hidden")
    worker.stop()
    worker.ask(SUM, 30)
    with open(f"/proc/{pid_of(worker)}/environ", "rb") as handle:
        assert b"hidden" not in handle.read()

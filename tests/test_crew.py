"""Work shared among processes: in order, bounded, one death costs one item, nothing is left."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

from distill.crew import AHEAD, MAX_CHUNK_BYTES, MAX_CHUNK_ITEMS, Crew, Lost
from distill.errors import WorkerError

WORK = """
import os, pathlib, signal, subprocess, sys, time
from contextlib import contextmanager
from distill.crew import allow

@contextmanager
def start(folder):
    yield lambda item: do(item, pathlib.Path(folder))

@contextmanager
def start_knowing(texts):
    yield lambda number: (os.getpid(), texts[number])

@contextmanager
def start_badly():
    raise ValueError("no such settings")
    yield

def do(item, folder):
    allow(20)
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "leave":
        sys.exit(0)
    if item == "leave at once":
        os._exit(3)
    if item == "take":
        bytearray(1 << 30)  # no page of it is touched
    if item == "fill":
        return bytearray(1 << 40)
    if item == "hang":
        allow(0.3)
        while True:
            pass
    if item == "die once" and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "child":
        subprocess.Popen(["sleep", "60"])
    if item == "slow":
        time.sleep(60)
    if item == "raise":
        raise ValueError("not this one")
    if item == "secrets":
        return [os.getpid(), sorted(os.environ)]
    if item == "read":
        return [os.getpid(), sys.stdin.read()]
    print("noise")
    os.system("echo more noise")
    return [os.getpid(), item]
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module of WORK, that other processes can import."""
    name = f"work_{os.getpid()}_{time.monotonic_ns()}"
    (tmp_path / f"{name}.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


@pytest.fixture
def crew(work, tmp_path):
    """Makes a crew that does WORK."""
    return lambda workers=2: Crew(partial(work.start, str(tmp_path)), workers)


def results(crew, items):
    return [one if isinstance(one, Lost) else one[1] for one in crew.map(items)]


def test_results_come_in_order_from_several_processes(crew):
    with crew() as many:
        found = list(many.map(range(2000)))
    assert [item for _, item in found] == list(range(2000))
    assert len({pid for pid, _ in found}) == 2


LOSSES = {
    "die": Lost("died", "was killed by signal 9"),
    "leave at once": Lost("died", "ended with code 3"),
    "fill": Lost("died", "ended with code 1"),
    "leave": Lost("raised", "raised SystemExit: 0"),
    "hang": Lost("time", "took too long"),
    "raise": Lost("raised", "raised ValueError: not this one"),
}


@pytest.mark.parametrize("poison", LOSSES)
@pytest.mark.parametrize("place", [0, 7, 40])
def test_an_item_that_ends_its_process_costs_only_itself(poison, place, crew):
    items = [*range(place), poison, *range(place, 50)]
    expected = [*range(place), LOSSES[poison], *range(place, 50)]
    with crew() as many:
        assert results(many, items) == expected


def test_a_death_that_does_not_come_again_costs_nothing(crew):
    with crew(1) as one:
        assert results(one, [1, "die once", 2]) == [1, "die once", 2]


def test_texts_travel_whatever_they_hold(crew):
    items = ["\ud800", "\0", "é\U0001f600", "", "x" * 3_000_000, None]
    with crew() as many:
        assert results(many, items) == items


def test_settings_of_megabytes_are_known_to_every_process(work):
    texts = {number: f"{number} " * 100_000 for number in range(50)}
    with Crew(partial(work.start_knowing, texts), 2) as many:
        found = list(many.map(list(range(50)) * 3))
    assert [text for _, text in found] == list(texts.values()) * 3
    assert len({pid for pid, _ in found}) == 2


def test_memory_is_limited_where_asked(work, tmp_path):
    takes = partial(work.start, str(tmp_path))
    for memory_bytes, expected in ((1 << 30, Lost("died", "ended with code 1")), (None, "take")):
        with Crew(takes, 1, memory_bytes=memory_bytes) as one:
            assert results(one, ["take"]) == [expected]


def test_large_items_are_read_a_few_megabytes_ahead(crew):
    read = []

    def texts():
        for number in range(1000):
            read.append(number)
            yield "x" * MAX_CHUNK_BYTES

    with crew() as many:
        next(many.map(texts()))
    assert len(read) <= 2 * AHEAD


def test_a_process_has_no_secret_of_ours_and_no_input(crew, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_1")
    monkeypatch.setenv("PRIVATE", "1")
    with crew(1) as one:
        names, read = results(one, ["secrets", "read"])
    assert "PATH" in names
    assert not {"HF_TOKEN", "PRIVATE"} & set(names)
    assert read == ""


def test_a_crew_works_from_any_thread_and_for_several(crew):
    found = {}

    def use(many, name):
        found[name] = results(many, [(name, number) for number in range(300)])

    with crew() as many:
        threads = [threading.Thread(target=use, args=(many, name)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {name: [(name, number) for number in range(300)] for name in "abc"}


def test_items_are_read_only_a_few_ahead(crew):
    read = []

    def items():
        for number in range(100_000):
            read.append(number)
            yield number

    with crew() as many:
        found = many.map(items())
        assert [next(found)[1] for _ in range(3)] == [0, 1, 2]
        assert len(read) <= 8 * MAX_CHUNK_ITEMS


def test_submitted_items_end_in_any_order(crew):
    with crew() as many:
        slow = many.submit("slow")
        quick = [many.submit(number) for number in range(50)]
        assert [future.result()[1] for future in quick] == list(range(50))
        assert not slow.done()


@pytest.mark.parametrize("poison", LOSSES)
def test_a_submitted_item_is_lost_as_one_of_a_stream_is(poison, crew):
    with crew() as many:
        futures = [many.submit(item) for item in (1, poison, 2)]
        first, lost, second = [future.result() for future in futures]
    assert (first[1], lost, second[1]) == (1, LOSSES[poison], 2)


def test_a_submitted_item_is_tried_a_second_time(crew):
    with crew(1) as one:
        assert one.submit("die once").result()[1] == "die once"


def test_a_future_tells_why_no_process_starts(work):
    with Crew(work.start_badly, 1) as one, pytest.raises(WorkerError, match="no such settings"):
        one.submit(1).result()


def test_closing_does_not_wait_for_what_was_submitted(crew):
    began = time.monotonic()
    with crew(1) as one:
        under_way, waiting = one.submit("slow"), one.submit(1)
        while not our_children():
            time.sleep(0.01)
    assert time.monotonic() - began < 30  # "slow" takes 60
    assert under_way.done()
    assert waiting.cancelled()
    assert our_children() == []


def our_children():
    """Processes below this one, save the one that Python keeps for its own semaphores."""
    return [child for child in psutil.Process().children(recursive=True) if is_left(child)]


def is_left(child):
    try:
        return "resource_tracker" not in " ".join(child.cmdline())
    except psutil.ZombieProcess:  # one that we did not wait for; a worker's own may come and go
        return child.ppid() == os.getpid()
    except psutil.NoSuchProcess:
        return False


def test_nothing_is_read_or_started_for_no_items(crew):
    with crew() as many:
        assert list(many.map([])) == []
        assert our_children() == []


def test_an_error_in_reading_comes_through(crew):
    def items():
        yield 1
        raise KeyError("line 2")

    with crew() as many, pytest.raises(KeyError):
        list(many.map(items()))
    assert our_children() == []


def test_a_crew_that_is_left_early_leaves_nobody_behind(crew):
    with crew() as many:
        found = many.map(["child", *range(5000), "slow"])
        assert next(found)[1] == "child"
        started = our_children()
        assert len(started) >= 2
    assert still_alive(started) == []


def test_a_process_that_cannot_start_is_an_error_that_says_why(work):
    with Crew(work.start_badly, 1) as one, pytest.raises(WorkerError, match="no such settings"):
        list(one.map([1]))
    assert our_children() == []


@contextmanager
def only_here():
    yield str


def test_the_main_module_is_not_imported_again(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules[__name__])
    monkeypatch.setattr(only_here, "__module__", "__main__")
    with Crew(only_here, 1) as one, pytest.raises(WorkerError, match="'only_here'"):
        list(one.map([1]))


def test_less_than_one_process_is_refused(work):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Crew(work.start_badly, 0)


SCRIPT = """
import importlib, sys
from functools import partial
from distill.crew import Crew
work = importlib.import_module(sys.argv[1])
with Crew(partial(work.start, "."), 2) as crew:
    for found in crew.map([*range(100), "slow", "slow", "slow"]):
        print(found, flush=True)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_outlives_a_parent_that_is_stopped(ending, work, tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, work.__name__],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        start_new_session=True,
    )
    parent.stdout.readline()
    started = psutil.Process(parent.pid).children()
    assert len(started) == 2
    parent.send_signal(ending)
    parent.wait(timeout=10)
    parent.stdout.close()
    assert still_alive(started) == []


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that go on: one that was killed and is not our own child takes a moment to end."""
    deadline = time.monotonic() + 10
    while (left := [one for one in processes if alive(one)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

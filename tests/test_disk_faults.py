"""Full disks, read-only folders, damaged files, two processes: a clear error, and nothing lost.

The faults are real: small file systems are mounted where that is allowed (it is for root), and a
limit on the size of files is set everywhere else.
"""

import contextlib
import hashlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from distill import runlog
from distill.errors import StoreError
from distill.recipe import Server
from distill.recipe_file import load_recipe, save_recipe
from distill.records import Trace
from distill.runlog import drop_metrics, log_metrics, read_metrics
from distill.stages.driver import run_stages
from distill.stages.sample_clerk import Clerk
from distill.stages.sample_state import Wave
from distill.stages.sampling_view import read_sampled
from distill.stages.show import show
from distill.store import RunPaths, Store, run_lock

PROBLEMS = "reasoning-gym:chain_sum?seed=1000&size=30&min_digits=5&max_digits=6"
COMPLETIONS = 4


class Row(msgspec.Struct):
    text: str


# --- real file systems ------------------------------------------------------------------------


def mount(*words) -> None:
    """Mount for this test; skips it where that is not allowed."""
    found = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"this process may not mount file systems: {found.stderr.strip()[:80]}")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 300 kB, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=300k", "tmpfs", folder)
    yield folder, lambda: mount("-o", "remount,size=32m", folder)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def read_only(tmp_path):
    """Makes a folder seen read-only at another place. Returns: that place."""
    places = []

    def seen(folder: Path) -> Path:
        place = tmp_path / f"read-only-{len(places)}"
        place.mkdir()
        mount("--bind", folder, place)
        places.append(place)
        mount("-o", "remount,ro,bind", place)
        return place

    yield seen
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="module")
def recipe(tiny_model, tmp_path_factory):
    tree = {
        "name": "tiny",
        "problems": {"train": PROBLEMS, "rl": PROBLEMS.replace("1000", "2000")},
        "sample": {
            "teacher": str(tiny_model),
            "prompt": "plain",
            "completions_per_problem": COMPLETIONS,
            "max_tokens": 16,
            "batch_size": 16,
        },
        "sft": {"base": str(tiny_model), "prompt": "plain"},
        "evaluate": {"test_sets": {"easy": PROBLEMS.replace("1000", "3000")}},
    }
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return load_recipe(path)


@pytest.fixture(scope="module")
def undisturbed(recipe, tmp_path_factory) -> dict[str, str]:
    """What the recipe's teacher writes when nothing goes wrong."""
    return all_completions(recipe, tmp_path_factory.mktemp("undisturbed"))


def completions(root: Path) -> dict[str, str]:
    with closing(Store(RunPaths(root).store, read_only=True)) as store:
        return {trace.trace_id: trace.completion for trace in store.scan("traces", Trace)}


def all_completions(recipe, root: Path) -> dict[str, str]:
    run_stages(recipe, RunPaths(root), ["sample"])
    return completions(root)


def test_a_full_disk_ends_sampling_clearly_and_with_space_it_goes_on(
    recipe, undisturbed, small_disk
):
    disk, make_larger = small_disk
    paths = RunPaths(disk / "run")
    with pytest.raises(StoreError, match="full; free some space") as caught:
        run_stages(recipe, paths, ["sample"])
    assert str(paths.root) in str(caught.value)
    before = completions(paths.root)
    make_larger()
    after = all_completions(recipe, paths.root)
    assert 0 < len(before) < len(after) == 30 * COMPLETIONS
    assert before.items() <= after.items()
    assert after == undisturbed


class Answers(BaseHTTPRequestHandler):
    """Every question gets an answer of its own, long enough to fill a small disk."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.tell({"data": [{"id": "large"}]})

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"]))
        text = hashlib.shake_256(asked).hexdigest(150)
        choice = {"text": text, "message": {"content": text}, "finish_reason": "stop"}
        self.tell({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}})

    def tell(self, reply):
        raw = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *words):
        pass


@pytest.fixture
def of_server(recipe):
    """The recipe with a server that answers at once, many requests at a time."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    sample = msgspec.structs.replace(
        recipe.sample,
        engine="server",
        teacher="large",
        server=Server(url=url, max_in_flight=8),
        completions_per_problem=10 * COMPLETIONS,
    )
    yield msgspec.structs.replace(recipe, sample=sample)
    server.shutdown()
    server.server_close()


def test_a_full_disk_ends_many_requests_in_flight_and_with_space_they_go_on(of_server, small_disk):
    pytest.importorskip("httpx")
    disk, make_larger = small_disk
    with pytest.raises(StoreError, match="full; free some space"):
        run_stages(of_server, RunPaths(disk / "run"), ["sample"])
    before = completions(disk / "run")
    make_larger()
    after = all_completions(of_server, disk / "run")
    assert 0 < len(before) < len(after) == 300 * COMPLETIONS
    assert before.items() <= after.items()


def test_a_full_disk_leaves_the_whole_files_as_they_were(recipe, small_disk):
    disk, _ = small_disk
    save_recipe(recipe, disk / "recipe.yaml")
    for step in range(3):
        log_metrics(disk / "metrics.jsonl", "sft", step=step)
    before = (disk / "recipe.yaml").read_bytes(), (disk / "metrics.jsonl").read_bytes()
    with contextlib.suppress(OSError), open(disk / "other", "wb", buffering=0) as other:
        while other.write(bytes(4096)):
            pass
    lines = (disk / "metrics.jsonl").stat().st_size
    for write in (
        lambda: save_recipe(recipe, disk / "recipe.yaml"),
        lambda: drop_metrics(disk / "metrics.jsonl", "sft", after_step=1),
        lambda: log_metrics(disk / "metrics.jsonl", "sft", text="x" * 8192),
        lambda: Store(disk / "run.db"),
    ):
        with pytest.raises(StoreError, match=str(disk)):
            write()
    (disk / "other").unlink()
    log_metrics(disk / "metrics.jsonl", "sft", step=7)
    raw = (disk / "metrics.jsonl").read_bytes()
    assert ((disk / "recipe.yaml").read_bytes(), raw[:lines]) == before
    assert [line["step"] for line in read_metrics(disk / "metrics.jsonl")] == [0, 1, 2, 7]
    assert {path.name for path in disk.iterdir()} <= {"recipe.yaml", "metrics.jsonl", "run.db"}


def test_a_read_only_folder_is_named_and_what_it_holds_is_shown(recipe, tmp_path, read_only):
    (tmp_path / "run").mkdir()
    with closing(Store(tmp_path / "run" / "run.db")) as store:
        store.put("problems", [("a", Row("x"))])
    place = read_only(tmp_path / "run")
    with pytest.raises(StoreError, match=f"{place}.*Read-only.*--out"):
        run_stages(recipe, RunPaths(place), ["sample"])
    with (
        pytest.raises(StoreError, match=f"{place}/run.db.*writable"),
        closing(Store(place / "run.db")) as store,
    ):
        store.put("problems", [("b", Row("x"))])
    with pytest.raises(StoreError, match=f"{place}/metrics.jsonl: could not be written"):
        log_metrics(place / "metrics.jsonl", "sample", step=1)
    assert "1 problems" in show(place)


def test_a_killed_run_is_shown_from_a_read_only_folder(tmp_path, read_only):
    (tmp_path / "run").mkdir()
    code = """
import os, sys, msgspec
from distill.store import Store
store = Store(sys.argv[1])
class Row(msgspec.Struct):
    text: str
store.put("problems", [(str(n), Row("x")) for n in range(7)])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "run" / "run.db"], check=False)
    assert "7 problems" in show(read_only(tmp_path / "run"))


# --- a limit on the size of files: a full disk that needs no mount ---------------------------


LIMITED = """
import resource, sys
import msgspec
from distill.errors import StoreError
from distill.runlog import log_metrics
from distill.store import Store
class Row(msgspec.Struct):
    text: str
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
store, stored = Store(sys.argv[1] + "/run.db"), 0
try:
    while True:
        rows = range(stored, stored + 5)
        store.put("traces", [(f"{n:06}", Row("x" * 400)) for n in rows])
        stored += 5
        print(stored, flush=True)
except StoreError as error:
    print(error)
try:
    store.put("verdicts", [("a", Row("x" * 400)) for _ in range(9)])
except StoreError as error:
    assert "could not be written" in str(error)
try:
    while True:
        log_metrics(sys.argv[1] + "/metrics.jsonl", "sample", text="x" * 50_000)
except StoreError as error:
    print(error)
"""


def test_a_limit_on_the_size_of_files_is_said_and_what_was_stored_stays(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    *numbers, of_store, of_metrics = child.stdout.splitlines()
    assert of_store.startswith(f"{tmp_path}/run.db: could not be written: ")
    assert "limit on the size of files" in of_store
    assert "what was stored before is intact" in of_store
    assert of_metrics.startswith(f"{tmp_path}/metrics.jsonl: could not be written: File too large")
    with closing(Store(tmp_path / "run.db")) as store:
        assert len(store.keys("traces")) >= int(numbers[-1])
        assert [row.text for row in store.scan("traces", Row)] == ["x" * 400] * store.count(
            "traces"
        )
        assert store.put("traces", [("new", Row("x"))]) == 1
    log_metrics(tmp_path / "metrics.jsonl", "sample", step=1)
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["step"] == 1


def test_metrics_that_cannot_be_written_end_sampling_and_mended_it_goes_on(
    recipe, undisturbed, tmp_path
):
    paths = RunPaths(tmp_path / "run")
    paths.metrics.mkdir(parents=True)
    with pytest.raises(StoreError, match=f"{paths.metrics}: could not be written: Is a directory"):
        run_stages(recipe, paths, ["sample"])
    before = completions(paths.root)
    paths.metrics.rmdir()
    after = all_completions(recipe, paths.root)
    assert before.items() <= after.items()
    assert after == undisturbed


def test_who_waits_for_a_disk_that_fails_is_told_so(tmp_path):
    ended = queue.SimpleQueue()

    def fail(told):
        raise StoreError("the disk is gone")

    def work():
        clerk = Clerk(tmp_path / "run.db", lambda: 1.0, fail)
        for wait in (lambda: clerk.wave(Wave((("a", 0, 9),))), clerk.close):
            try:
                wait()
            except StoreError as error:
                ended.put(str(error))

    threading.Thread(target=work, daemon=True).start()
    assert [ended.get(timeout=30) for _ in range(2)] == ["the disk is gone"] * 2


# --- a damaged store --------------------------------------------------------------------------


def test_a_damaged_row_is_made_again_once_it_is_forgotten_as_the_error_says(
    recipe, undisturbed, tmp_path
):
    paths = RunPaths(tmp_path / "run")
    all_completions(recipe, paths.root)
    victim = sorted(undisturbed)[7]
    with closing(Store(paths.store)) as store:
        store._db.execute("UPDATE traces SET body = x'7a00' WHERE key = ?", (victim,))
        with pytest.raises(StoreError, match="forget it: sqlite3 ") as caught:
            list(store.scan("traces", Trace))
        command = shlex.split(str(caught.value).partition("forget it: ")[2])
        assert command[:2] == ["sqlite3", str(paths.store)]
        store._db.execute(command[2])
        store.set_mark("sample", "not done")
        store.write(gone={"marks": ["sample"]})
    assert all_completions(recipe, paths.root) == undisturbed


# --- two processes, and clocks ----------------------------------------------------------------


FORKING = """
import os, sys, time
from distill.store import RunPaths, run_lock
with run_lock(RunPaths(sys.argv[1])):
    if os.fork() == 0:
        time.sleep(30)  # as an engine's process that outlives its parent
        os._exit(0)
    print("held", flush=True)
    time.sleep(30)
"""


def test_a_lock_ends_with_its_process_even_if_a_fork_of_it_lives_on(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=f"pid {child.pid} on "), run_lock(RunPaths(tmp_path)):
            pass
        child.kill()
        child.wait()
        deadline = time.monotonic() + 20
        while True:  # the kernel may take a moment to close what the dead one had open
            try:
                with run_lock(RunPaths(tmp_path)):
                    break
            except StoreError:
                assert time.monotonic() < deadline
    finally:
        os.killpg(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b"999999999 on nowhere", b"x" * 5000])
def test_whatever_a_dead_process_left_in_the_lock_it_is_taken_over(tmp_path, left):
    paths = RunPaths(tmp_path)
    paths.lock.write_bytes(left)
    with run_lock(paths):
        assert paths.lock.read_text().startswith(f"{os.getpid()} on ")


def test_a_clock_that_is_set_back_changes_no_result(recipe, undisturbed, tmp_path, monkeypatch):
    paths = RunPaths(tmp_path / "run")
    hour = iter(range(10**6))
    monkeypatch.setattr(runlog.time, "time", lambda: 1.8e9 - 3600 * next(hour))
    log_metrics(paths.root.parent / "metrics.jsonl", "sample", step=1)
    whole = all_completions(recipe, paths.root)
    with closing(Store(paths.store)) as store:
        seconds = read_sampled(store).seconds
    assert 0 < seconds < 600
    assert all(line["seconds"] >= 0 for line in read_metrics(paths.metrics, "sample"))
    monkeypatch.undo()
    assert whole == undisturbed

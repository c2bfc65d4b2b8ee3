"""A row that `put` has returned for is there, once, whatever happens."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import RecipeError, StoreError
from distill.files import check_target, write_whole
from distill.store import RunPaths, Store, run_lock


class Row(msgspec.Struct):
    text: str


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "run.db")
    yield store
    store.close()


def texts(store: Store, prefix: str = "") -> list[str]:
    return [row.text for row in store.scan("traces", Row, prefix=prefix)]


TEXT = st.text(st.characters(codec="utf-8"), max_size=2000)


@settings(max_examples=60, deadline=None)
@given(rows=st.dictionaries(st.text(st.characters(codec="utf-8")), TEXT, max_size=8))
def test_any_text_comes_back(tmp_path_factory, rows):
    store = Store(tmp_path_factory.mktemp("store") / "run.db")
    assert store.put("traces", [(key, Row(text)) for key, text in rows.items()]) == len(rows)
    assert store.keys("traces") == set(rows)
    assert {key: store.get("traces", key, Row).text for key in rows} == rows
    store.close()


def test_long_text_is_compressed_and_comes_back(store):
    text = "Wait, let me check. " * 5000
    store.put("traces", [("a", Row(text))])
    assert texts(store) == [text]
    assert store.path.with_name("run.db-wal").stat().st_size < len(text)


def test_the_first_record_of_a_key_stays(store):
    assert store.put("traces", [("a", Row("first"))]) == 1
    assert store.put("traces", [("a", Row("second")), ("b", Row("new"))]) == 1
    assert texts(store) == ["first", "new"]


def test_a_failing_batch_leaves_nothing(store):
    def rows():
        yield "a", Row("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put("traces", rows())
    assert store.count("traces") == 0


def test_several_tables_change_together_or_not_at_all(store):
    store.put("traces", [("a", Row("old"))])
    store.put("marks", [("seen", Row("old"))])
    new = {"traces": [("a", Row("ignored")), ("b", Row("new"))], "tallies": [("b", Row("1"))]}
    counts = store.write(new=new, changed={"marks": [("seen", Row("new"))]})
    assert counts == {"traces": 1, "tallies": 1}
    assert texts(store) == ["old", "new"]
    assert store.get("marks", "seen", Row).text == "new"

    def broken():
        yield "c", Row("x")
        raise KeyError

    new = {"traces": [("d", Row("x"))], "tallies": broken()}
    with pytest.raises(KeyError):
        store.write(new=new, gone={"marks": ["seen"]})
    assert store.keys("traces") == {"a", "b"}
    assert store.keys("marks") == {"seen"}


def test_what_is_gone_may_come_again_in_the_same_transaction(store):
    store.put("traces", [("a", Row("old")), ("b", Row("old"))])
    assert store.write(gone={"traces": ["a", "b"]}, new={"traces": [("a", Row("new"))]}) == {
        "traces": 1
    }
    assert [(key, row.text) for key, row in store.scan_items("traces", Row)] == [("a", "new")]


def test_missing_tells_the_keys_that_only_one_table_has(store):
    store.put("traces", [(key, Row("")) for key in "cab"])
    store.put("tallies", [(key, Row("")) for key in "bd"])
    assert store.missing("traces", "tallies") == ["a", "c"]
    assert store.missing("tallies", "traces") == ["d"]
    assert store.missing("traces", "traces") == []


def test_scan_is_by_prefix_and_in_order(store):
    keys = ["p1#0", "p1#1", "p10#0", "p1", "q", "p2#0"]
    store.put("traces", [(key, Row(key)) for key in keys])
    assert texts(store, "p1#") == ["p1#0", "p1#1"]
    assert texts(store) == sorted(keys)


@pytest.mark.parametrize("prefix", ["", "p", "p1#", "%", "_", "*"])
def test_clear_forgets_exactly_what_scan_shows(store, prefix):
    keys = ["p1#0", "p1_", "p10", "%x", "_y", "*z", "q"]
    store.put("traces", [(key, Row(key)) for key in keys])
    gone = texts(store, prefix)
    store.clear("traces", prefix)
    assert texts(store) == sorted(set(keys) - set(gone))


def test_rows_may_be_written_while_they_are_scanned(store):
    store.put("traces", [(str(n), Row(str(n))) for n in range(50)])
    for row in store.scan("traces", Row):
        store.put("verdicts", [(row.text, Row("seen"))])
    assert store.count("verdicts") == 50


def test_a_mark_is_replaced(store):
    assert store.mark("sft") is None
    store.set_mark("sft", "one")
    store.set_mark("sft", "two")
    assert store.mark("sft") == "two"


def test_an_unknown_table_is_a_programming_error(store):
    with pytest.raises(ValueError, match="no table"):
        store.put("traces; DROP TABLE traces", [("a", Row("x"))])


def test_two_handles_on_one_file_lose_and_double_nothing(tmp_path):
    one, two = Store(tmp_path / "run.db"), Store(tmp_path / "run.db")
    for number in range(40):
        handle = one if number % 2 else two
        handle.put("traces", [(f"{n:03}", Row(str(n))) for n in range(number, number + 3)])
    assert texts(one) == texts(two) == [str(n) for n in range(42)]


WRITER = """
import sys
import msgspec
from distill.store import Store
class Row(msgspec.Struct):
    text: str
store = Store(sys.argv[1])
number = store.count("traces")
while True:
    rows = [(f"{n:08}", Row(f"{n} " * 300)) for n in range(number, number + 3)]
    store.put("traces", rows)
    number += 3
    print(number, flush=True)
"""


def test_kill_9_at_random_moments_loses_nothing_acknowledged(tmp_path):
    path, rng = tmp_path / "run.db", random.Random(7)
    acknowledged = 0
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        lines = [child.stdout.readline()]  # at least one batch, then some time
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        whole = [int(line) for line in lines if line.endswith("\n")]
        acknowledged = max(acknowledged, *whole)
        store = Store(path)
        rows = texts(store)
        store.close()
        assert acknowledged <= len(rows) <= acknowledged + 3
        assert rows == [f"{n} " * 300 for n in range(len(rows))]
        assert len(rows) % 3 == 0  # a batch is there whole or not at all
    check = sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone()
    assert check == ("ok",)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "run.db"
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used as a store"):
        Store(path)


def test_a_flipped_byte_in_a_row_is_named(tmp_path):
    store = Store(tmp_path / "run.db")
    store.put("traces", [("p7#0", Row("long enough to be compressed " * 50))])
    store.close()
    database = sqlite3.connect(tmp_path / "run.db")
    (body,) = database.execute("SELECT body FROM traces").fetchone()
    spoilt = bytes([*body[:-2], body[-2] ^ 255, body[-1]])
    database.execute("UPDATE traces SET body = ?", (spoilt,))
    database.commit()
    database.close()
    with pytest.raises(StoreError, match=r"traces row 'p7#0' is damaged"):
        texts(Store(tmp_path / "run.db"))


def read_all(path: Path) -> list[str]:
    store = Store(path)
    try:
        return texts(store)
    finally:
        store.close()


def many_pages(path: Path) -> bytes:
    store = Store(path)
    store.put("traces", [(f"{n:05}", Row(str(n) * 400)) for n in range(2000)])
    store.close()
    return path.read_bytes()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_pages_cut_from_a_store_are_an_error_not_fewer_rows(tmp_path, part):
    path = tmp_path / "run.db"
    raw = many_pages(path)
    path.write_bytes(raw[: int(part * len(raw))])
    with pytest.raises(StoreError):
        read_all(path)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
def test_pages_of_noise_in_a_store_are_an_error_not_fewer_rows(tmp_path, part):
    path = tmp_path / "run.db"
    raw = bytearray(many_pages(path))
    start = int(part * len(raw)) // 4096 * 4096
    raw[start : start + 4096] = random.Random(0).randbytes(4096)
    path.write_bytes(raw)
    with pytest.raises(StoreError):
        read_all(path)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path):
    path = tmp_path / "run.db"
    store = Store(path)
    store.put("traces", [("a", Row("kept"))])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")  # sqlite's own full disk
    rng = random.Random(0)
    with pytest.raises(StoreError, match="what was stored before is intact"):
        store.put("traces", [(str(n), Row(str(rng.random()) * 90)) for n in range(500)])
    store.close()
    assert texts(Store(path)) == ["kept"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "run.db")


def test_a_folder_where_a_file_is_needed_is_said(tmp_path):
    (tmp_path / "run.db").mkdir()
    with pytest.raises(StoreError, match="cannot be used as a store"):
        Store(tmp_path / "run.db")


HOLDER = """
import sys, time
from distill.store import RunPaths, run_lock
with run_lock(RunPaths(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_in_use_is_refused_until_its_process_dies(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=rf"pid {child.pid}.*--out"), run_lock(RunPaths(tmp_path)):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with run_lock(RunPaths(tmp_path)):
        assert RunPaths(tmp_path).lock.read_text().startswith(f"{os.getpid()} on ")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "report.md"
    write_whole(path, "old \ud800")
    assert path.read_bytes() == b"old \xed\xa0\x80"

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        write_whole(path, "new")
    assert path.read_bytes() == b"old \xed\xa0\x80"
    assert [file.name for file in Path(tmp_path / "deep").iterdir()] == ["report.md"]


def test_a_link_is_followed_and_stays(tmp_path):
    kept, link = tmp_path / "disk" / "kept.jsonl", tmp_path / "out.jsonl"
    link.symlink_to(kept)
    write_whole(link, "new")
    assert link.is_symlink()
    assert kept.read_text() == "new"
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    with pytest.raises(StoreError, match="symbolic links"):
        write_whole(circle, "new")


def test_a_pipe_and_a_device_are_written_to_and_stay(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    write_whole(pipe, "through")
    assert reader.communicate(timeout=30)[0] == b"through"
    assert pipe.is_fifo()
    write_whole(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_our_own_output_goes_on_after_it(tmp_path):
    code = (
        "from pathlib import Path; from distill.files import write_whole;"
        "print('before', flush=True); write_whole(Path('/dev/stdout'), 'rows\\n'); print('after')"
    )
    with open(tmp_path / "all.txt", "wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "all.txt").read_text() == "before\nrows\nafter\n"


def test_what_cannot_be_written_is_one_expected_error(tmp_path):
    (tmp_path / "file").write_text("x")
    long_name = tmp_path / ("n" * 250)
    write_whole(long_name, "a long name is no obstacle")
    for path in (tmp_path / "file" / "out", tmp_path / ("n" * 300), tmp_path, Path("/dev/full")):
        with pytest.raises(StoreError, match="could not be written"):
            write_whole(path, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", long_name.name]


def test_a_target_is_checked_before_any_work(tmp_path):
    read, link = tmp_path / "read.jsonl", tmp_path / "link.jsonl"
    read.write_text("x")
    link.symlink_to(read)
    for path, says in (
        (read, "is read"),
        (link, "is read"),
        (tmp_path, "is a folder"),
        (read / "out", "is no folder"),
        (tmp_path / ("n" * 300), "too long"),
    ):
        with pytest.raises(RecipeError, match=says):
            check_target(path, tmp_path / "other.jsonl", read)
    for path in (tmp_path / "a" / "b" / "new.jsonl", Path("/dev/null"), Path("/dev/stdout")):
        check_target(path, read)
    assert not (tmp_path / "a").exists()

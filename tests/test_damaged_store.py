"""Whatever happened to a store's bytes: what is sound is read, the rest is named as damaged."""

import os
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import StoreError
from distill.store import Store

PAGE = 4096
ROWS = 999


class Row(msgspec.Struct):
    text: str


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    """A store of many rows in one table and 100 in another."""
    path = tmp_path_factory.mktemp("sound") / "run.db"
    with closing(Store(path)) as store:
        store.put("traces", [(f"t{n:03}", Row(os.urandom(300).hex())) for n in range(ROWS)])
        store.put("problems", [(f"p{n:03}", Row(f"question {n}")) for n in range(100)])
    return path.read_bytes()


def read_all(path: Path) -> list[Row]:
    with closing(Store(path, read_only=True)) as store:
        return [row for table in ("problems", "traces") for row in store.scan(table, Row)]


def zeroed(raw: bytes, page: int) -> bytes:
    return raw[: page * PAGE] + bytes(PAGE) + raw[(page + 1) * PAGE :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda raw: b"", "holds no run"),
        (lambda raw: raw[:1000], "holds no run"),
        (lambda raw: b"not a store " * 1000, "put a copy of it back"),
        (lambda raw: zeroed(raw, 0), "put a copy of it back"),
        (lambda raw: raw[: len(raw) // 2], "put a copy of it back"),
        (lambda raw: zeroed(raw, 40), "put a copy of it back"),
    ],
    ids=["empty", "cut within a page", "other contents", "no first page", "half", "one page"],
)
def test_a_damaged_store_is_named_with_what_to_do(sound, tmp_path, damage, says):
    path = tmp_path / "run.db"
    path.write_bytes(damage(sound))
    with pytest.raises(StoreError, match=f"^{path}: .*{says}"):
        read_all(path)


@pytest.mark.parametrize(
    ("key", "body"),
    [(0, 72), (1, 70), (20, 64), (21, 65)],
    ids=["key none", "key a number", "key bytes", "body text"],
)
def test_a_row_of_other_kinds_is_damage(sound, tmp_path, key, body):
    """Before a row's key lie the serial types of key and body (SQLite file format, 2.1)."""
    path = tmp_path / "run.db"
    at = sound.index(b"p007c")
    text_of_4, blob_of_26 = 13 + 2 * 4, 12 + 2 * 26
    assert sound[at - 2 : at] == bytes([text_of_4, blob_of_26])
    path.write_bytes(sound[: at - 2] + bytes([key, body]) + sound[at:])
    with pytest.raises(StoreError, match=r"cannot be read: .*put a copy"):
        read_all(path)


@given(data=st.data())
def test_whatever_bytes_change_a_store_is_read_or_said_to_be_damaged(sound, data):
    raw = bytearray(sound)
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=50)):
        raw[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        page = data.draw(st.integers(0, len(raw) // PAGE - 1)) * PAGE
        raw[page : page + 40] = data.draw(st.binary(min_size=40, max_size=40))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        path.write_bytes(raw)
        for read_only in (True, False):
            with suppress(StoreError), closing(Store(path, read_only=read_only)) as store:
                look_everywhere(store)


def look_everywhere(store: Store) -> None:
    for read in (
        lambda: (row.text for row in store.scan("traces", Row)),
        lambda: store.keys("traces"),
        lambda: store.missing("traces", "verdicts"),
        lambda: [found.text] if (found := store.get("problems", "p007", Row)) else [],
        lambda: [store.mark("sample") or ""],
    ):
        with suppress(StoreError):
            assert all(type(text) is str for text in read())


def test_what_lies_on_sound_pages_can_still_be_read(sound, tmp_path):
    path = tmp_path / "run.db"
    for damaged in (zeroed(sound, 40), sound[: -20 * PAGE]):
        path.write_bytes(damaged)
        found = 0
        with closing(Store(path, read_only=True)) as store:
            for n in range(ROWS):
                try:
                    found += store.get("traces", f"t{n:03}", Row) is not None
                except StoreError:
                    continue
        assert 100 < found < ROWS


def test_every_changed_byte_of_a_row_is_noticed(sound, tmp_path):
    path = tmp_path / "run.db"
    start = sound.index(b'"text":"question 7"')
    for at in range(start, start + 19):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with closing(Store(path, read_only=True)) as store:
            with pytest.raises(StoreError, match=r"problems row 'p007' is damaged.*DELETE FROM"):
                store.get("problems", "p007", Row)
            assert store.get("problems", "p008", Row) == Row("question 8")

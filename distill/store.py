"""One SQLite file per run: what has been done, exactly once, whatever kills the process."""

import fcntl
import os
import shlex
import socket
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO, TypeVar

import msgspec

from distill.errors import StoreError

R = TypeVar("R", bound=msgspec.Struct)
TABLES = (
    "problems",
    "traces",
    "tallies",
    "failures",
    "waves",
    "previews",
    "verdicts",
    "judgements",
    "decisions",
    "scores",
    "marks",
)
Rows = Iterable[tuple[str, msgspec.Struct]]
"""Records with their keys."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
DAMAGED = (
    "the file is damaged: put a copy of it back, or move it away to begin again "
    "(`distill show RUN TRACE_ID` still shows the traces on its sound pages)"
)
REMEDIES = (  # beginning of SQLite's name of an error, and what to do
    ("SQLITE_FULL", "free some space, then run the same command again"),
    (
        "SQLITE_IOERR",
        "the disk, a quota or a limit on the size of files refused it; "
        "when that is mended, run the same command again",
    ),
    ("SQLITE_READONLY", "make its folder writable, or name another one with --out"),
    ("SQLITE_CANTOPEN", "is its folder there, readable and writable? (--out names another one)"),
    ("SQLITE_BUSY", "another process writes to it; end that one first"),
    (
        "SQLITE_NOTADB",
        "the file is damaged or another program's: put a copy of it back, or move it away",
    ),
    ("SQLITE_CORRUPT", DAMAGED),
    ("SQLITE_ERROR", DAMAGED),  # a table or a column is not there
)
_FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError)  # the last of damaged text
_COLUMNS = "(key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
_COMPRESS_FROM_BYTES = 512
_CHECKSUM = struct.Struct("<I")  # CRC-32


class RunPaths:
    """Where each thing of a run lies in its folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.recipe = self.root / "recipe.yaml"
        self.store = self.root / "run.db"
        self.lock = self.root / "run.lock"
        self.metrics = self.root / "metrics.jsonl"
        self.dataset = self.root / "dataset"
        self.filter_facts = self.root / "filter.json"
        self.ablation = self.root / "ablation"
        self.sft = self.root / "sft"
        self.grpo = self.root / "grpo"
        self.report_md = self.root / "report.md"
        self.report_html = self.root / "report.html"
        self.table = self.root / "table.json"

    def grpo_run(self, name: str) -> Path:
        """Folder of one GRPO run."""
        return self.grpo / name


class Store:
    """Records by table and key. A row that `put` has returned for survives kill -9.

    Args:
        read_only: only look: nothing is made, and the folder need not be writable.
    Raises: StoreError when the file is damaged, read-only or the disk is full; when only looking,
        also when there is no file or it holds no run.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        if read_only:
            self._db = _open_to_look(self.path)
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            for table in TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} {_COLUMNS}")
        except _FAULTS as error:
            raise StoreError(f"{self.path}: cannot be used as a store: {_why(error)}") from None

    def put(self, table: str, rows: Rows) -> int:
        """Store rows in one transaction; a key that is already there keeps its first record.

        Returns: how many rows were new.
        """
        return self.write(new={table: rows})[table]

    def write(
        self,
        *,
        new: Mapping[str, Rows] = NOTHING,
        changed: Mapping[str, Rows] = NOTHING,
        gone: Mapping[str, Iterable[str]] = NOTHING,
    ) -> dict[str, int]:
        """Change several tables in one transaction: all of it is stored, or nothing.

        Args:
            new: table to rows; a key that is already there keeps its first record.
            changed: table to rows; a record replaces the one under its key.
            gone: table to the keys whose rows are forgotten, before the others are written.
        Returns: for each table of `new`, how many rows were new.
        """
        added = {table: _packed(rows) for table, rows in new.items()}
        replaced = {table: _packed(rows) for table, rows in changed.items()}
        counts = {}
        with self._transaction():
            for table, keys in gone.items():
                sql = f"DELETE FROM {_known(table)} WHERE key = ?"
                self._db.executemany(sql, [(key,) for key in keys])
            for table, rows in added.items():
                before = self._db.total_changes
                self._db.executemany(f"INSERT OR IGNORE INTO {_known(table)} VALUES (?, ?)", rows)
                counts[table] = self._db.total_changes - before
            for table, rows in replaced.items():
                self._db.executemany(f"INSERT OR REPLACE INTO {_known(table)} VALUES (?, ?)", rows)
        return counts

    def keys(self, table: str) -> set[str]:
        """All keys of a table."""
        return {key for (key,) in self._read(f"SELECT key FROM {_known(table)}", (str,))}

    def count(self, table: str) -> int:
        """Number of rows of a table."""
        return next(self._read(f"SELECT count(*) FROM {_known(table)}", (int,)))[0]

    def get(self, table: str, key: str, kind: type[R]) -> R | None:
        """One record, or None."""
        query = f"SELECT body FROM {_known(table)} WHERE key = ?"
        row = next(self._read(query, (bytes,), key), None)
        return None if row is None else self._unpack(row[0], kind, table, key)

    def scan(self, table: str, kind: type[R], prefix: str = "") -> Iterator[R]:
        """All records whose key starts with a prefix, in the order of their keys."""
        return (record for _, record in self.scan_items(table, kind, prefix))

    def scan_items(self, table: str, kind: type[R], prefix: str = "") -> Iterator[tuple[str, R]]:
        """The same, each with its key."""
        query = f"SELECT key, body FROM {_known(table)} WHERE key >= ? ORDER BY key"
        for key, body in self._read(query, (str, bytes), prefix):
            if not key.startswith(prefix):
                return
            yield key, self._unpack(body, kind, table, key)

    def missing(self, table: str, other: str) -> list[str]:
        """Keys of a table that another one does not have, in order."""
        query = (
            f"SELECT key FROM {_known(table)} WHERE key NOT IN (SELECT key FROM {_known(other)})"
        )
        return [key for (key,) in self._read(f"{query} ORDER BY key", (str,))]

    def clear(self, table: str, prefix: str = "") -> None:
        """Forget the rows whose key starts with a prefix (a derived table made again)."""
        with self._transaction():
            if prefix:
                sql = f"DELETE FROM {_known(table)} WHERE substr(key, 1, ?) = ?"
                self._db.execute(sql, (len(prefix), prefix))
            else:
                self._db.execute(f"DELETE FROM {_known(table)}")

    def mark(self, key: str) -> str | None:
        """The text kept under a key: a stage's fingerprint once it is done."""
        found = self.get("marks", key, Mark)
        return None if found is None else found.text

    def set_mark(self, key: str, text: str) -> None:
        """Keep a text under a key, replacing what was there."""
        self.write(changed={"marks": [(key, Mark(text=text))]})

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, query: str, kinds: tuple[type, ...], *values: str) -> Iterator[tuple]:
        """Rows whose columns are of these kinds: a damaged page can hold any others."""
        try:
            for row in self._db.execute(query, values):
                if tuple(map(type, row)) != kinds:
                    raise StoreError(
                        f"{self.path}: cannot be read: a row is none of ours; {DAMAGED}"
                    )
                yield row
        except _FAULTS as error:
            raise StoreError(f"{self.path}: cannot be read: {_why(error)}") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:  # some errors have ended it
                    self._db.execute("ROLLBACK")
        except _FAULTS as error:
            raise StoreError(
                f"{self.path}: could not be written: {_why(error)}; "
                "what was stored before is intact"
            ) from None

    def _unpack(self, body: bytes, kind: type[R], table: str, key: str) -> R:
        try:
            return msgspec.json.decode(_unpacked(body), type=kind)
        except msgspec.MsgspecError as error:
            found = f"was written by another version of distill, or is damaged: {error}"
        except (zlib.error, struct.error) as error:
            found = f"is damaged: {error}"
        quoted = key.replace("'", "''")
        forget = shlex.join([str(self.path), f"DELETE FROM {table} WHERE key = '{quoted}'"])
        raise StoreError(
            f"{self.path}: {table} row {key!r} {found}; "
            f"to have it made again, forget it: sqlite3 {forget}"
        )


class Mark(msgspec.Struct):
    """A text under a key."""

    text: str


@contextmanager
def run_lock(paths: RunPaths) -> Iterator[None]:
    """Hold a run folder for this process; the lock dies with its process.

    Raises: StoreError when another process holds it or the folder cannot be written.
    """
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        handle = open(paths.lock, "a+")  # noqa: SIM115 - held for the whole run
    except OSError as error:
        raise StoreError(
            f"{paths.root}: cannot be used as a run folder: {error}; "
            "make it writable, or name another one with --out"
        ) from None
    with handle:
        _lock(handle, paths)
        os.register_at_fork(after_in_child=handle.close)  # a fork that outlives us holds nothing
        yield


def _lock(handle: TextIO, paths: RunPaths) -> None:
    """Take the lock of a run folder and write down whose it is."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        raise StoreError(
            f"{paths.root}: another process (pid {holder}) is working in this run folder; "
            "wait for it, or name another folder with --out"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{paths.root}: cannot be locked for this process: {error}; "
            "name a folder on another disk with --out"
        ) from None
    with suppress(OSError):  # on a full disk the lock itself holds all the same
        os.ftruncate(handle.fileno(), 0)
        os.write(handle.fileno(), f"{os.getpid()} on {socket.gethostname()}".encode())


def _open_to_look(path: Path) -> sqlite3.Connection:
    """Without a write-ahead log nobody has the file open, so it is read as it lies there."""
    way = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=30)
        db.execute("PRAGMA writable_schema=ON")  # of a file that is cut off, the rest can be read
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except _FAULTS as error:
        raise StoreError(f"{path}: cannot be read as a store: {_why(error)}") from None
    if not found.issuperset(("problems", "traces", "marks")):
        db.close()
        raise StoreError(f"{path}: holds no run; it is empty, cut off or another program's")
    db.execute("PRAGMA temp_store=MEMORY")
    for table in set(TABLES) - found:  # of a run from before there was such a table
        db.execute(f"CREATE TEMP TABLE {table} {_COLUMNS}")
    return db


def _known(table: str) -> str:
    if table not in TABLES:
        raise ValueError(f"no table {table!r}")
    return table


def _packed(rows: Rows) -> list[tuple[str, bytes]]:
    return [(key, _pack(record)) for key, record in rows]


def _pack(record: msgspec.Struct) -> bytes:
    """Its JSON with a checksum: SQLite has none of its own for what lies on the disk."""
    raw = msgspec.json.encode(record)
    if len(raw) >= _COMPRESS_FROM_BYTES:
        return b"z" + zlib.compress(raw, 3)
    return b"c" + _CHECKSUM.pack(zlib.crc32(raw)) + raw


def _unpacked(body: bytes) -> bytes:
    """Raises: zlib.error or struct.error when a checksum says that something has changed."""
    if body[:1] == b"z":
        return zlib.decompress(body[1:])
    if body[:1] == b"j":  # of a run from before short rows had a checksum
        return body[1:]
    checksum, raw = _CHECKSUM.unpack(body[1:5])[0], body[5:]
    if body[:1] != b"c" or zlib.crc32(raw) != checksum:
        raise zlib.error("its checksum differs")
    return raw


def _why(error: sqlite3.Error | OSError | UnicodeDecodeError) -> str:
    """What SQLite says, and what to do about it."""
    if isinstance(error, OSError):
        return str(error)
    name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")  # text that is no UTF-8 has none
    return next((f"{error}; {do}" for start, do in REMEDIES if name.startswith(start)), str(error))

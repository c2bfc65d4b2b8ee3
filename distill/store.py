"""One SQLite file per run: what has been done, exactly once, whatever kills the process."""

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from distill.errors import StoreError

R = TypeVar("R", bound=msgspec.Struct)
TABLES = ("problems", "traces", "verdicts", "decisions", "scores", "marks")
_COMPRESS_FROM_BYTES = 512


class RunPaths:
    """Where each thing of a run lies in its folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.recipe = self.root / "recipe.yaml"
        self.store = self.root / "run.db"
        self.lock = self.root / "run.lock"
        self.metrics = self.root / "metrics.jsonl"
        self.dataset = self.root / "dataset"
        self.sft = self.root / "sft"
        self.grpo = self.root / "grpo"
        self.eval = self.root / "eval"
        self.report_md = self.root / "report.md"
        self.report_html = self.root / "report.html"
        self.table = self.root / "table.json"

    def grpo_run(self, name: str) -> Path:
        """Folder of one GRPO run."""
        return self.grpo / name


class Store:
    """Records by table and key. A row that `put` has returned for survives kill -9.

    Raises: StoreError when the file is damaged, read-only or the disk is full.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            for table in TABLES:
                self._db.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} "
                    "(key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
                )
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.path}: cannot be used as a store: {error}") from None

    def put(self, table: str, rows: Iterable[tuple[str, msgspec.Struct]]) -> int:
        """Store rows in one transaction; a key that is already there keeps its first record.

        Returns: how many rows were new.
        """
        packed = [(key, _pack(record)) for key, record in rows]
        before = self._db.total_changes
        with self._transaction():
            self._db.executemany(f"INSERT OR IGNORE INTO {_known(table)} VALUES (?, ?)", packed)
        return self._db.total_changes - before

    def keys(self, table: str) -> set[str]:
        """All keys of a table."""
        return {key for (key,) in self._read(f"SELECT key FROM {_known(table)}")}

    def count(self, table: str) -> int:
        """Number of rows of a table."""
        return next(self._read(f"SELECT count(*) FROM {_known(table)}"))[0]

    def get(self, table: str, key: str, kind: type[R]) -> R | None:
        """One record, or None."""
        row = next(self._read(f"SELECT body FROM {_known(table)} WHERE key = ?", (key,)), None)
        return None if row is None else self._unpack(row[0], kind, table, key)

    def scan(self, table: str, kind: type[R], prefix: str = "") -> Iterator[R]:
        """All records whose key starts with a prefix, in the order of their keys."""
        query = f"SELECT key, body FROM {_known(table)} WHERE key >= ? ORDER BY key"
        for key, body in self._read(query, (prefix,)):
            if not key.startswith(prefix):
                return
            yield self._unpack(body, kind, table, key)

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
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?)", (key, _pack(Mark(text=text)))
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, query: str, values: tuple[str, ...] = ()) -> Iterator[tuple]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: is damaged or cannot be read: {error}") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path}: could not be written: {error}; what was stored before is intact"
            ) from None

    def _unpack(self, body: bytes, kind: type[R], table: str, key: str) -> R:
        try:
            raw = body[1:] if body[:1] == b"j" else zlib.decompress(body[1:])
            return msgspec.json.decode(raw, type=kind)
        except (zlib.error, msgspec.MsgspecError) as error:
            raise StoreError(f"{self.path}: {table} row {key!r} is damaged: {error}") from None


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
        raise StoreError(f"{paths.root}: cannot be used as a run folder: {error}") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise StoreError(
                f"{paths.root}: another process (pid {holder}) is working in this run folder; "
                "wait for it, or name another folder with --out"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def write_whole(path: Path, text: str | bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    raw = text.encode("utf-8", errors="surrogatepass") if isinstance(text, str) else text
    try:
        with open(temporary, "wb") as handle:
            handle.write(raw)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"{path}: could not be written: {error}") from None


def _known(table: str) -> str:
    if table not in TABLES:
        raise ValueError(f"no table {table!r}")
    return table


def _pack(record: msgspec.Struct) -> bytes:
    raw = msgspec.json.encode(record)
    return b"j" + raw if len(raw) < _COMPRESS_FROM_BYTES else b"z" + zlib.compress(raw, 3)

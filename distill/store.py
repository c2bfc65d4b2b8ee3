"""One SQLite file per run: what has been done, exactly once, whatever kills the process."""

import errno
import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from distill.errors import RecipeError, StoreError

R = TypeVar("R", bound=msgspec.Struct)
TABLES = (
    "problems",
    "traces",
    "failures",
    "waves",
    "previews",
    "verdicts",
    "judgements",
    "decisions",
    "scores",
    "marks",
)
_COMPRESS_FROM_BYTES = 512
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}  # descriptors


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
    """Write a file so that it is either the old one or the whole new one.

    A link is followed; a pipe, a device or our own output is written to as it is.
    Raises: StoreError if that is not possible; what was there is then untouched.
    """
    raw = text.encode("utf-8", errors="surrogatepass") if isinstance(text, str) else text
    try:
        if (stream := _STREAMS.get(str(path))) is not None:
            with open(stream, "wb", closefd=False) as handle:  # its file may have text before
                handle.write(raw)
            return
        if path.exists() and not path.is_file():
            path.write_bytes(raw)
            return
        target = _followed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, raw)
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error}") from None


def _replace(path: Path, raw: bytes) -> None:
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as handle:
            handle.write(raw)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def check_target(path: Path, *inputs: Path) -> None:
    """Refuse, before any work, a file that `write_whole` could not write or that is also read.

    Raises: RecipeError naming the file and what is in the way.
    """
    try:
        if path.is_dir():
            raise RecipeError(f"{path}: is a folder; --out names a file")
        if str(path) in _STREAMS or (path.exists() and not path.is_file()):
            return
        if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
            raise RecipeError(f"{path}: is read, so it cannot be --out as well; name another file")
        target = _followed(path)
        target.exists()  # a name that is too long is an OSError
        folder = next(folder for folder in target.parents if folder.exists())
    except OSError as error:
        raise RecipeError(f"{path}: cannot be written: {error}") from None
    if not folder.is_dir():
        raise RecipeError(f"{path}: cannot be written: {folder} is no folder")
    for place in (folder, target):
        if place.exists() and not os.access(place, os.W_OK):
            raise RecipeError(f"{path}: cannot be written: no permission to write to {place}")


def _followed(path: Path) -> Path:
    """Where a link leads, through all of its links; the file need not be there.

    Raises: OSError for links in a circle.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _open_to_look(path: Path) -> sqlite3.Connection:
    """Without a write-ahead log nobody has the file open, so it is read as it lies there."""
    way = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=30)
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: cannot be read as a store: {error}") from None
    if not found.issuperset(TABLES):
        db.close()
        raise StoreError(f"{path}: holds no run; it is empty or another program's")
    return db


def _known(table: str) -> str:
    if table not in TABLES:
        raise ValueError(f"no table {table!r}")
    return table


def _pack(record: msgspec.Struct) -> bytes:
    raw = msgspec.json.encode(record)
    return b"j" + raw if len(raw) < _COMPRESS_FROM_BYTES else b"z" + zlib.compress(raw, 3)

"""The thread that stores what sampling brings, a few rows at a time, and tells only what is stored.

It has the run's store to itself while it works: no one waits for a disk but who asks to, and rows
are stored within FLUSH_SECONDS also when nothing more comes.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from distill.errors import StoreError
from distill.records import Failure, Preview, Trace, Verdict
from distill.stages.sample_state import SPENT, WAVE, Spent, Tally, Wave
from distill.store import Mark, Store

FLUSH_ROWS = 64
FLUSH_SECONDS = 0.5
MAX_WAITING = 1024  # rows that wait for the disk; who brings more waits as well


class Told(NamedTuple):
    """What was stored since the last time, for the display and the log."""

    traces: Sequence[Tally]
    previews: Sequence[Preview]
    failures: Sequence[Failure]
    figures: Mapping[str, Any]  # as given last


class _Row(NamedTuple):
    table: str
    key: str
    record: msgspec.Struct
    replaces: bool = False


class _Now(NamedTuple):
    """Store all that came before, then let the one who waits go on."""

    stored: threading.Event
    is_end: bool = False


_Item = tuple[_Row, ...] | _Now | Mapping[str, Any]
"""Rows that are stored together, a wish, or figures."""


class Clerk:
    """Owns the thread. What it was given is stored in order; a context manager.

    Args:
        path: of the run's store.
        seconds: how long has been sampled in all sessions, by the clock.
        on_stored: called in the thread, after each transaction.
    Any method raises StoreError once something could not be stored, and so does the end.
    """

    def __init__(
        self, path: Path, seconds: Callable[[], float], on_stored: Callable[[Told], None]
    ) -> None:
        self._path, self._seconds, self._on_stored = path, seconds, on_stored
        self._inbox: queue.Queue[_Item] = queue.Queue(MAX_WAITING)
        self._error: BaseException | None = None
        self._is_over = False  # nothing more comes; of the thread alone
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)
        self._thread.start()

    def trace(self, trace: Trace) -> None:
        """Store a new trace, with its tally."""
        key = trace.trace_id
        self._put((_Row("traces", key, trace), _Row("tallies", key, Tally.of(trace))))

    def verdict(self, verdict: Verdict, preview: Preview) -> None:
        """Store what is known of a trace."""
        key = verdict.trace_id
        self._put((_Row("verdicts", key, verdict), _Row("previews", key, preview)))

    def failure(self, failure: Failure) -> None:
        """Store what became of a request, in place of what became of it before."""
        self._put((_Row("failures", failure.trace_id, failure, replaces=True),))

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Have figures shown once all that was given before is stored."""
        self._put(figures)

    def wave(self, wave: Wave) -> None:
        """Note what is asked together from now on. All before, and this, is then stored."""
        self._put((_Row("waves", WAVE, wave, replaces=True),))
        self._wait(_Now(threading.Event()))

    def close(self) -> None:
        """Store what is left and end the thread."""
        if self._thread.is_alive():
            self._inbox.put(_Now(threading.Event(), is_end=True))
            self._thread.join()
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *ending: object) -> None:
        try:
            self.close()
        except StoreError:
            if kind is None or not issubclass(kind, StoreError):
                raise

    def _put(self, item: _Item) -> None:
        self._check()
        self._inbox.put(item)

    def _wait(self, now: _Now) -> None:
        self._put(now)
        now.stored.wait()
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    # --- in the thread ------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with closing(Store(self._path)) as store:
                while self._store_some(store):
                    pass
        except BaseException as error:  # told to whoever comes next
            self._error = error
            self._refuse_the_rest()

    def _store_some(self, store: Store) -> bool:
        """Store what comes together. Returns: is there more to come?"""
        rows: list[_Row] = []
        figures: Mapping[str, Any] = {}
        now: _Now | None = None
        until = None
        while now is None and len(rows) < FLUSH_ROWS:
            try:
                left = None if until is None else max(0.0, until - time.monotonic())
                item = self._inbox.get(timeout=left)
            except queue.Empty:
                break
            until = until or time.monotonic() + FLUSH_SECONDS
            if isinstance(item, _Now):
                now = item
            elif isinstance(item, tuple):
                rows.extend(item)
            else:
                figures = item
        self._is_over = now is not None and now.is_end
        try:
            self._write(store, rows, figures)
        except BaseException as error:
            self._error = error  # before who waits is let go on
            raise
        finally:
            if now is not None:
                now.stored.set()
        return not self._is_over

    def _write(self, store: Store, rows: Sequence[_Row], figures: Mapping[str, Any]) -> None:
        if rows:
            new: dict[str, list[tuple[str, Any]]] = defaultdict(list)
            changed: dict[str, list[tuple[str, Any]]] = defaultdict(list)
            for row in rows:
                (changed if row.replaces else new)[row.table].append((row.key, row.record))
            spent = msgspec.json.encode(Spent(seconds=self._seconds())).decode()
            changed["marks"].append((SPENT, Mark(text=spent)))
            store.write(new=new, changed=changed)
        if rows or figures:
            self._on_stored(_told(rows, figures))

    def _refuse_the_rest(self) -> None:
        """Nobody waits for a disk that is gone."""
        while not self._is_over:
            item = self._inbox.get()
            if isinstance(item, _Now):
                self._is_over = item.is_end
                item.stored.set()


def _told(rows: Sequence[_Row], figures: Mapping[str, Any]) -> Told:
    def of(table: str) -> list[Any]:
        return [row.record for row in rows if row.table == table]

    return Told(of("tallies"), of("previews"), of("failures"), figures)

"""How far a stage is: one line in a terminal, a bar in a notebook, now and then a line in a log.

Work only counts; a thread of the bar's own draws. So counting costs next to nothing, a slow
terminal holds nobody up, and the clock goes on while nothing comes.
"""

import atexit
import contextlib
import importlib
import importlib.util
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, TextIO

from tqdm import tqdm
from tqdm.utils import disp_len

from distill.figures import Figure, duration, figure_text

TERMINAL_SECONDS = 0.25  # between two drawings
NOTEBOOK_SECONDS = 0.5
LOG_SECONDS, LOG_MOST_SECONDS = 10.0, 60.0  # between two lines: first and at most
LOG_SHARE = 0.1  # of what has passed, in between
CLOSE_SECONDS = 2.0  # waited for a display that hangs, such as a terminal that was stopped
USUAL_WIDTH = 80
LEAST_BAR = 5  # columns of the bar itself; with none given, tqdm takes 10
BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}"
NO_BAR = "{desc}{n_fmt} [{elapsed}"  # where the total is not known


class Moment(NamedTuple):
    """How far it is now."""

    stage: str
    done: int
    total: int | None  # None: nobody knows
    before: int  # of those done, how many when it began
    seconds: float  # since it began
    note: str
    figures: Mapping[str, Figure]

    @property
    def left_seconds(self) -> float | None:
        """At the speed so far; None when there is nothing to go by."""
        new = self.done - self.before
        if self.total is None or new <= 0:
            return None
        return max(0, self.total - self.done) * self.seconds / new


class Face(Protocol):
    """Where it is shown. Its methods are called by one thread at a time."""

    def show(self, now: Moment) -> float:
        """Draw. Returns: seconds until the next time."""
        ...

    def end(self, now: Moment, *, failed: bool) -> None:
        """Draw for the last time."""
        ...


def progress(total: int | None, stage: str, done: int = 0) -> "Bar":
    """The one progress display of a stage; a context manager.

    Args:
        total: of what is counted, those done before included; None when nobody knows.
        done: how many were done before, such as by a run that was stopped.
    """
    return Bar(total, stage, done, open_face(sys.stderr, _shell()))


class Bar:
    """Counts from any thread, shows by itself. A display that fails never stops the work."""

    def __init__(self, total: int | None, stage: str, done: int, face: Face) -> None:
        self.total = total  # may be set while it runs
        self.done = done
        self._stage, self._before, self._face = stage, done, face
        self._note = ""
        self._figures: dict[str, Figure] = {}
        self._began = time.monotonic()
        self._counting, self._drawing = threading.Lock(), threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, name=f"progress {stage}", daemon=True)
        atexit.register(self.close)
        self._thread.start()

    def update(self, n: int = 1) -> None:
        """So many more are done."""
        with self._counting:
            self.done += n

    def tell(self, note: str | None = None, /, **figures: Figure) -> None:
        """Show a note and figures from now on, the most important first.

        The end of a name says what a figure is: `usd`, `projected_usd`, `tokens_per_second`,
        `eta_seconds`, `kept_share` (0 to 1). None takes a figure away.
        """
        with self._counting:
            self._note = self._note if note is None else note
            known = {**figures, **{k: v for k, v in self._figures.items() if k not in figures}}
            self._figures = {name: value for name, value in known.items() if value is not None}

    def close(self, *, failed: bool = False) -> None:
        """Draw for the last time; more than once is the same as once."""
        if self._over.is_set():
            return
        self._over.set()
        atexit.unregister(self.close)
        self._thread.join(CLOSE_SECONDS)
        if self._drawing.acquire(timeout=CLOSE_SECONDS):
            with contextlib.suppress(Exception):
                self._face.end(self._now(), failed=failed)
            self._drawing.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *ending: object) -> None:
        self.close(failed=kind is not None)

    def _draw(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            pause = TERMINAL_SECONDS
            with self._drawing, contextlib.suppress(Exception):
                pause = self._face.show(self._now())

    def _now(self) -> Moment:
        with self._counting:
            return Moment(
                stage=self._stage,
                done=self.done,
                total=_whole(self.total),
                before=self._before,
                seconds=time.monotonic() - self._began,
                note=self._note,
                figures=self._figures,
            )


def open_face(stream: TextIO | None, shell: object | None, *, widgets: bool | None = None) -> Face:
    """The display for where we are.

    Args:
        stream: our stderr; None where there is none.
        shell: IPython's, if we are in one.
        widgets: are ipywidgets there; None looks.
    """
    if getattr(shell, "kernel", None) is not None:  # a notebook: IPython in a terminal has none
        has_widgets = importlib.util.find_spec("ipywidgets") if widgets is None else widgets
        return Widget() if has_widgets else PlainOutput()
    if _is_terminal(stream):
        return Terminal(stream)
    return Log(stream)


class Terminal:
    """One line that is written over; lines of the log go above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ascii = not str(getattr(stream, "encoding", "")).lower().startswith("utf")
        self._lock = threading.Lock()
        self._is_shown = False
        self._handlers = [
            handler
            for handler in logging.getLogger().handlers
            if getattr(handler, "stream", None) is stream
        ]
        for handler in self._handlers:
            handler.addFilter(self._make_room)

    def show(self, now: Moment) -> float:
        line = fitting_line(now, _width(self._stream) - 1, ascii_only=self._ascii)
        with self._lock:
            self._stream.write(f"\r{line}\x1b[K")
            self._stream.flush()
            self._is_shown = True
        return TERMINAL_SECONDS

    def end(self, now: Moment, *, failed: bool) -> None:
        for handler in self._handlers:
            handler.removeFilter(self._make_room)
        self.show(now)
        self._stream.write("\n")
        self._stream.flush()

    def _make_room(self, record: logging.LogRecord) -> bool:
        """Called before a line is logged: the display comes again below it."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._is_shown:
                self._stream.write("\r\x1b[K")
                self._is_shown = False
        return True


class Log:
    """A line at the start, one now and then, one at the end."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._has_begun = False

    def show(self, now: Moment) -> float:
        if self._has_begun:
            self._write(log_line(now))
        else:
            self._has_begun = True
            self._write(f"{now.stage}: begins at {_of_total(now)}")
        return min(LOG_MOST_SECONDS, max(LOG_SECONDS, LOG_SHARE * now.seconds))

    def end(self, now: Moment, *, failed: bool) -> None:
        self._write(log_line(now, ending="stopped at " if failed else "ended at "))

    def _write(self, line: str) -> None:
        if self._stream is not None:
            self._stream.write(" ".join(line.split()) + "\n")
            self._stream.flush()


class Widget:
    """tqdm's bar for notebooks."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, now: Moment) -> float:
        if self._bar is None:
            self._bar = importlib.import_module("tqdm.notebook").tqdm(
                total=now.total, initial=now.before, desc=now.stage, dynamic_ncols=True
            )
        if now.total and now.total != self._bar.total:  # its `reset` would forget the time as well
            self._bar.total = self._bar.container.children[1].max = now.total
        self._bar.n = now.done
        self._bar.set_postfix_str(", ".join(figure_texts(now)), refresh=True)
        return NOTEBOOK_SECONDS

    def end(self, now: Moment, *, failed: bool) -> None:
        self.show(now)
        self._bar.close()


class PlainOutput:
    """A line of text in a notebook without widgets, replaced in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, now: Moment) -> float:
        self._put(log_line(now))
        return NOTEBOOK_SECONDS

    def end(self, now: Moment, *, failed: bool) -> None:
        self._put(log_line(now, ending="stopped at " if failed else "ended at "))

    def _put(self, line: str) -> None:
        content = {"text/plain": line}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def fitting_line(now: Moment, width: int, *, ascii_only: bool = False) -> str:
    """tqdm's line, with figures in full, else short, else as many of those as fit."""

    def line(figures: Sequence[str], columns: int | None) -> str:
        speed = "{postfix}" if figures else ", {rate_fmt}"  # one of the figures may be a speed
        return tqdm.format_meter(
            now.done,
            now.total or None,
            now.seconds,
            ncols=columns,
            prefix=f"{now.stage:<9} ",
            ascii=ascii_only,
            bar_format=f"{BAR if now.total else NO_BAR}{speed}]",
            initial=now.before,
            postfix=", ".join(figures),
        ).replace("\n", " ")

    full, short = figure_texts(now), figure_texts(now, short=True)
    choices = [full, *(short[:number] for number in range(len(short), 0, -1))]
    spare = 10 - LEAST_BAR if now.total else 0
    fits = (some for some in choices if disp_len(line(some, None)) - spare <= width)
    return line(next(fits, []), max(width, 1))


def log_line(now: Moment, ending: str = "") -> str:
    """How far, since when, until when, and the figures."""
    left = now.left_seconds
    times = f"{duration(now.seconds)} passed"
    if not ending:
        times += f", {'?' if left is None else duration(left)} left"
    figures = ", ".join(figure_texts(now))
    return f"{now.stage}: {ending}{_of_total(now)}, {times}{'; ' if figures else ''}{figures}"


def figure_texts(now: Moment, *, short: bool = False) -> list[str]:
    """The note and the figures, each as a text."""
    figures = [figure_text(name, value, short=short) for name, value in now.figures.items()]
    return [*([now.note] if now.note else []), *figures]


def _of_total(now: Moment) -> str:
    if not now.total:
        return f"{now.done:,}"
    return f"{now.done:,} of {now.total:,} ({100 * now.done / now.total:.0f}%)"


def _whole(total: float | None) -> int | None:
    return None if total is None or not math.isfinite(total) or total < 0 else int(total)


def _is_terminal(stream: TextIO | None) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    return False


def _width(stream: TextIO) -> int:
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    return USUAL_WIDTH


def _shell() -> object | None:
    """IPython's shell if this process runs in one; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    get: Callable[[], object | None] | None = getattr(ipython, "get_ipython", None)
    return None if get is None else get()

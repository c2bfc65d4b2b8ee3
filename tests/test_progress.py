"""The progress display: in a real terminal, in a log, in a notebook, and where nothing works."""

import contextlib
import importlib.util
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from fcntl import ioctl
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm.utils import disp_len

from distill import progress as module
from distill.figures import duration, figure_text
from distill.progress import (
    Bar,
    Log,
    Moment,
    PlainOutput,
    Terminal,
    Widget,
    figure_texts,
    fitting_line,
    log_line,
    open_face,
)

SAMPLING = """
import logging, sys, time
from distill.progress import progress
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
with progress(400, "sample", done=100) as bar:
    for step in range(1, 7):
        bar.update(50)
        bar.tell(kept=1200 * step, tokens_per_second=1180.4, usd=0.123, projected_usd=3.4)
        time.sleep(0.15)
        if step == 3:
            logging.warning("a line of the log")
"""


def at(done=40, total=100, before=0, seconds=20.0, note="", **figures):
    return Moment("sample", done, total, before, seconds, note, figures)


def run_in_terminal(code, columns):
    """What a program writes to a terminal of this width that is its stderr."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    parts = []
    with contextlib.suppress(OSError):  # EIO: how Linux tells that the other end is closed
        while part := os.read(ours, 65536):
            parts.append(part)
    os.close(ours)
    assert child.wait(30) == 0
    return b"".join(parts).decode()


# --- a terminal -------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_a_terminal_gets_one_line_that_never_reaches_its_last_column(columns):
    written = run_in_terminal(SAMPLING, columns)
    drawn = [text for text in re.split(r"[\r\n]", written.replace("\x1b[K", "")) if text]
    assert len(drawn) >= 4
    assert max(map(disp_len, drawn)) < columns
    assert written.count("\n") == 2  # after the line of the log, and at the end
    assert "\x1b" not in written.replace("\x1b[K", "")
    assert "100%" in drawn[-1]


def test_lines_of_the_log_stand_above_the_bar_on_lines_of_their_own():
    written = run_in_terminal(SAMPLING, 100)
    assert "\r\x1b[Ka line of the log\r\n" in written


@given(
    width=st.integers(1, 250),
    done=st.integers(0, 10**9),
    total=st.none() | st.integers(0, 10**9),
    seconds=st.floats(0, 1e8),
    figures=st.dictionaries(
        st.sampled_from(["kept", "usd", "projected_usd", "tokens_per_second", "eta_seconds"]),
        st.integers(-(10**15), 10**15) | st.floats() | st.text(max_size=20),
    ),
)
def test_no_line_is_wider_than_asked(width, done, total, seconds, figures):
    now = Moment("sample", done, total, 0, seconds, "", figures)
    line = fitting_line(now, width)
    assert disp_len(line) <= max(width, 1)
    assert "\n" not in line


def test_a_narrow_line_has_short_figures_then_fewer_and_never_half_of_one():
    now = at(kept=12345, right=23456, tokens_per_second=1180.4, usd=0.12)
    wide, narrow, tight = (fitting_line(now, width) for width in (120, 90, 70))
    assert wide.endswith("kept 12,345, right 23,456, 1,180 tokens/s, $0.12]")
    assert narrow.endswith("kept 12.3k, right 23.5k, 1.18k tok/s, $0.12]")
    assert tight.endswith("kept 12.3k, right 23.5k]")


def test_a_terminal_without_unicode_gets_a_bar_of_ascii():
    assert fitting_line(at(kept=3), 100, ascii_only=True).isascii()


# --- a log ------------------------------------------------------------------------------------


def test_a_log_has_a_line_at_the_start_and_one_at_the_end_and_no_control_codes():
    ran = subprocess.run(
        [sys.executable, "-c", SAMPLING], stderr=subprocess.PIPE, check=True, timeout=60
    )
    text = ran.stderr.decode()
    lines = text.split("\n")
    assert lines[0] == "sample: begins at 100 of 400 (25%)"
    assert lines[1] == "a line of the log"
    assert re.match(r"sample: ended at 400 of 400 \(100%\), 0:0\d passed; kept 7,200, ", lines[2])
    assert lines[3:] == [""]
    assert "\r" not in text
    assert "\x1b" not in text


def test_a_log_gets_a_line_every_10_s_then_every_minute(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        face, seconds, pauses = Log(stream), 0.0, []
        while seconds < 3600:
            pauses.append(face.show(at(seconds=seconds)))
            seconds += pauses[-1]
    assert pauses[0] == 10
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60
    assert len((tmp_path / "log").read_text().splitlines()) == len(pauses) < 90


def test_a_log_line_tells_the_time_left_at_the_speed_of_this_session():
    # 20 new ones in 20 s, 60 to go
    now = at(done=40, before=20, kept=3)
    assert log_line(now) == "sample: 40 of 100 (40%), 0:20 passed, 1:00 left; kept 3"
    assert ", ? left" in log_line(at(done=20, before=20))


def test_a_note_with_line_breaks_stays_one_line(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        face = Log(stream)
        face.show(at())
        face.show(at(note="two\r\nlines"))
    assert (tmp_path / "log").read_text().splitlines()[1].endswith("; two lines")


@pytest.mark.parametrize(
    ("name", "value", "full", "short"),
    [
        ("kept", 1204, "kept 1,204", "kept 1.2k"),
        ("solved", 7, "solved 7", "solved 7"),
        ("usd", 0.347, "$0.35", "$0.35"),
        ("usd", 0.0031, "$0.003", "$0.003"),
        ("projected_usd", 12345.6, "projected $12,345.60", "projected $12.3k"),
        ("tokens_per_second", 1180.4, "1,180 tokens/s", "1.18k tok/s"),
        ("eta_seconds", 3723, "eta 1:02:03", "eta 1:02:03"),
        ("kept_share", 0.125, "kept 12.5%", "kept 12.5%"),
        ("loss", 0.12345, "loss 0.123", "loss 0.123"),
        ("row", "sft", "row sft", "row sft"),
        ("usd", float("nan"), "usd -", "usd -"),
        ("tokens_per_second", float("inf"), "tokens per second -", "tokens per second -"),
    ],
)
def test_a_figure_says_what_it_is(name, value, full, short):
    assert figure_text(name, value) == full
    assert figure_text(name, value, short=True) == short


def test_durations():
    cases = {0: "0:00", 9.9: "0:09", 754: "12:34", 3723: "1:02:03", 183845: "2d 03:04:05"}
    assert {seconds: duration(seconds) for seconds in cases} == cases


# --- a notebook -------------------------------------------------------------------------------


def test_the_display_follows_from_where_we_are(tmp_path):
    kernel = SimpleNamespace(kernel=object())  # of a notebook; IPython in a terminal has none
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(tmp_path / "log", "w") as log:
        assert isinstance(open_face(log, kernel, widgets=True), Widget)
        assert isinstance(open_face(log, kernel, widgets=False), PlainOutput)
        assert isinstance(open_face(terminal, SimpleNamespace()), Terminal)
        assert isinstance(open_face(terminal, None), Terminal)
        assert isinstance(open_face(log, None), Log)
        assert isinstance(open_face(None, None), Log)
    os.close(ours)


def test_a_dumb_terminal_gets_the_log(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal:
        assert isinstance(open_face(terminal, None), Log)
    os.close(ours)


@pytest.mark.skipif(not importlib.util.find_spec("IPython"), reason="needs IPython")
def test_a_notebook_without_widgets_gets_one_text_that_is_replaced(capsys):
    face = PlainOutput()
    face.show(at(done=1))
    face.end(at(done=100, kept=9), failed=False)
    assert "ended at 100 of 100" in capsys.readouterr().out


@pytest.mark.skipif(not importlib.util.find_spec("ipywidgets"), reason="needs ipywidgets")
def test_a_notebook_with_widgets_gets_a_bar():
    face = Widget()
    face.show(at(done=1))
    face.end(at(done=100, kept=9), failed=False)
    assert face._bar.n == face._bar.total == 100


# --- whatever happens -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("sys.stderr.close()", "closed"),
        ("sys.stderr = None", "none, as under pythonw"),
        ("os.close(2)", "closed behind our back"),
        ("os.dup2(os.open('/dev/full', os.O_WRONLY), 2)", "a log on a full disk"),
        ("r, w = os.pipe(); os.dup2(w, 2); os.close(w); os.close(r)", "nobody reads it"),
        ("sys.stderr = io.TextIOWrapper(io.BytesIO(), 'ascii')", "no letters but ASCII"),
    ],
)
def test_a_stderr_that_does_not_work_stops_nothing(before, why):
    code = f"""
import io, os, sys
{before}
from distill.progress import progress
with progress(3, "stufe ä") as bar:
    for n in range(3):
        bar.update()
        bar.tell("ö", kept=n)
print(bar.done, flush=True)
os._exit(0)  # Python itself complains at its end of a stderr that it cannot flush
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (ran.stdout, ran.returncode) == (b"3\n", 0), ran.stderr.decode()


@pytest.mark.parametrize("total", [0, None, float("nan"), float("inf"), -5, 10**18])
def test_any_total_can_be_shown(total, tmp_path):
    with open(tmp_path / "log", "w") as stream, Bar(total, "x", 0, Log(stream)) as bar:
        bar.update(2)
    assert "x: ended at 2" in (tmp_path / "log").read_text()
    assert "2" in fitting_line(bar._now(), 60)


def test_figures_stay_until_they_are_taken_away(tmp_path):
    with open(tmp_path / "log", "w") as stream, Bar(9, "x", 0, Log(stream)) as bar:
        bar.tell("sft", kept=1, usd=2.0)
        bar.tell(kept=3)
        assert figure_texts(bar._now()) == ["sft", "kept 3", "$2.00"]
        bar.tell(solved=2, kept=4)
        assert figure_texts(bar._now()) == ["sft", "solved 2", "kept 4", "$2.00"]
        bar.tell("", usd=None, kept=3, solved=None)
        assert figure_texts(bar._now()) == ["kept 3"]


def test_a_total_set_while_it_runs_is_the_one_shown(tmp_path):
    with open(tmp_path / "log", "w") as stream, Bar(9, "x", 0, Log(stream)) as bar:
        bar.total = 4
        bar.update(2)
    assert "x: ended at 2 of 4 (50%)" in (tmp_path / "log").read_text()


def test_a_stage_that_raises_is_said_to_have_stopped(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        bar = Bar(9, "x", 0, Log(stream))
        with pytest.raises(KeyError), bar:
            bar.update({2: 2}[bar.done + 3])
        bar.close()
    assert (tmp_path / "log").read_text().count("x: stopped at 0 of 9") == 1


def test_counts_of_many_threads_add_up():
    with Bar(None, "x", 0, Log(None)) as bar:
        threads = [
            threading.Thread(target=lambda: [bar.update() for _ in range(5000)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bar.done == 40_000


def test_a_display_that_hangs_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"." * 4096):  # until this pipe, which nobody empties, is full
            pass
    os.set_blocking(writing, True)
    with open(writing, "w") as stream:
        started = time.monotonic()
        with Bar(3, "x", 0, Log(stream)) as bar:
            bar.update(3)
        assert time.monotonic() - started < 5
        os.set_blocking(reading, False)
        while bar._thread.is_alive():
            with contextlib.suppress(BlockingIOError):
                os.read(reading, 65536)
            time.sleep(0.01)
    os.close(reading)

"""What starts quietly is heard only after a surprise."""

import os
import subprocess
import sys

import pytest

from distill.engines.quiet import quiet_start
from distill.errors import EngineError


def _start(ends_with: Exception | None = None) -> None:
    with quiet_start():
        _make_noise()
        if ends_with is not None:
            raise ends_with


def _make_noise() -> None:
    print("from Python")
    print("to stderr", file=sys.stderr)
    os.write(1, b"from C++\n")
    subprocess.run(["/bin/sh", "-c", "echo from a child >&2"], check=True)


def test_a_start_that_succeeds_says_nothing_and_the_streams_come_back(capfd):
    _start()
    print("after")
    assert capfd.readouterr() == ("after\n", "")


def test_an_expected_failure_speaks_for_itself(capfd):
    with pytest.raises(EngineError, match="no such key"):
        _start(EngineError("no such key"))
    assert capfd.readouterr() == ("", "")


def test_after_a_surprise_everything_is_shown(capfd):
    with pytest.raises(ZeroDivisionError):
        _start(ZeroDivisionError())
    out, err = capfd.readouterr()
    assert out == ""
    for text in ("from Python", "to stderr", "from C++", "from a child"):
        assert text in err

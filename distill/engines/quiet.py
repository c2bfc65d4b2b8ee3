"""What a library prints while it starts is shown only if the start fails."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from distill.errors import DistillError

STREAMS = (1, 2)  # file descriptors: C++ prints past sys.stdout and sys.stderr


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keep what this process and its new children print; after a surprise print it after all.

    An expected failure (DistillError) says by itself what there is to say. A child that is started
    meanwhile writes into the kept file for as long as it lives.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as kept, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # in a notebook sys.stdout and sys.stderr are not the streams of the process
            with _redirected(kept.fileno()), redirect_stdout(kept), redirect_stderr(kept):
                yield
        except DistillError:
            raise
        except Exception:
            kept.seek(0)
            sys.stderr.write(kept.read())
            raise


@contextmanager
def _redirected(descriptor: int) -> Iterator[None]:
    """Let both streams end in an open file."""
    _flush()
    usual = [os.dup(stream) for stream in STREAMS]
    for stream in STREAMS:
        os.dup2(descriptor, stream)
    try:
        yield
    finally:
        _flush()
        for stream, copy in zip(STREAMS, usual, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()

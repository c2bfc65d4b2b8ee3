"""The level of isolation a machine gives, found by running a program that tries to leave."""

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor

from distill.errors import SandboxUnavailable
from distill.verifiers.sandbox.command import (
    Level,
    bubblewrap_level,
    missing_here,
    plain_level,
    prefix_level,
)
from distill.verifiers.sandbox.limits import Limits
from distill.verifiers.sandbox.process import ProcessFailure, WarmProcess

ESCAPES = """
import ctypes, os, socket
def works(action, *arguments):
    try:
        action(*arguments)
        return True
    except OSError:
        return False
print(works(os.listdir, "/"), works(open, "/proc/self/environ"), works(os.fork),
      works(socket.socket), works(os.kill, os.getppid(), 0), works(open, "../x", "w"),
      ctypes.CDLL(None).unshare(0x10000000) == 0, sum(range(10)))
"""
CONTAINED = b"False False False False False False False 45\n"
INSTALL = "run in a container or a virtual machine with Linux 5.13 or newer"

log = logging.getLogger(__name__)


def find_level(
    launcher: ThreadPoolExecutor,
    allow_unsafe: bool,
    prefix: tuple[str, ...],
    bubblewrap: bool | None,
) -> Level:
    """The strongest level that holds here, or the one asked for.

    Raises: SandboxUnavailable.
    """
    missing = missing_here()
    if allow_unsafe:
        log.warning("programs run WITHOUT isolation: they can read and change what you can")
        return plain_level(isolated=False)
    if prefix:
        return _prefixed(launcher, prefix, missing)
    if missing:
        raise SandboxUnavailable(_advice(missing))
    if bubblewrap is not False:
        level, fault = bubblewrap_level(), "bubblewrap (bwrap) is not installed"
        if shutil.which("bwrap"):
            fault = fault_of(level, launcher)
        if not fault:
            return level
        if bubblewrap:
            raise SandboxUnavailable(f"bubblewrap was asked for and does not work here: {fault}")
        log.info("programs run without namespaces: %s", fault)
    level = plain_level(isolated=True)
    if fault := fault_of(level, launcher):
        raise SandboxUnavailable(_advice(fault))
    return level


def fault_of(level: Level, launcher: ThreadPoolExecutor) -> str:
    """Why a level does not hold on this machine; "" if it does."""
    process = WarmProcess(level, launcher)
    try:
        process.start()
        process.load(ESCAPES.encode(), Limits(), compiled=False)
        ended = process.run(b"", Limits())
    except ProcessFailure as failure:
        return str(failure)
    finally:
        process.stop()
    if level.isolate and ended.stdout != CONTAINED:
        return f"a program that tries to leave printed {ended.stdout!r} {ended.stderr[-300:]}"
    return "" if ended.exit_code == 0 else f"a test program failed: {ended.stderr[-300:]}"


def _prefixed(launcher: ThreadPoolExecutor, prefix: tuple[str, ...], missing: str) -> Level:
    fault = missing
    for isolated in (True, False):
        if isolated and missing:
            continue
        level = prefix_level(prefix, isolated=isolated)
        if not (fault := fault_of(level, launcher)):
            return level
    raise SandboxUnavailable(f"`{' '.join(prefix)} python3` does not work: {fault}")


def _advice(missing: str) -> str:
    return (
        f"programs cannot be isolated here: {missing}; {INSTALL}, or give a command that isolates "
        "(a prefix such as `docker run -i --rm --network=none python:3.12-slim`)"
    )

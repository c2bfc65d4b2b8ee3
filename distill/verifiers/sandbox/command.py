"""How the warm process is started at each level of isolation, and whether this machine can."""

import os
import platform
import sys
import sysconfig
from typing import NamedTuple

from distill.verifiers.sandbox.isolate import landlock_abi
from distill.verifiers.sandbox.syscalls import ARCHITECTURES

SYSTEM_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64")
SYSTEM_FILES = ("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache")
TMPFS_BYTES = 256 << 20
FLAGS = ("-S", "-s", "-P", "-B")  # no site files, no user site, nothing of the working folder


def interpreter() -> str:
    """The real Python under a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def packages() -> list[str]:
    """Folders of installed packages, which programs may import."""
    names = ("site-packages", "dist-packages")
    return [path for path in sys.path if os.path.basename(path) in names and os.path.isdir(path)]


def readable() -> list[str]:
    """What a program may read: Python, installed packages, the system's libraries."""
    paths = sysconfig.get_paths()
    python = [paths["stdlib"], paths["platstdlib"], os.path.join(sys.base_prefix, "lib")]
    found = dict.fromkeys([*SYSTEM_LIBRARIES, *SYSTEM_FILES, *python, *packages()])
    return [path for path in found if os.path.exists(path)]


def missing_here() -> str:
    """What this machine lacks to isolate a program; "" if nothing."""
    if not sys.platform.startswith("linux"):
        return f"this system is {platform.system()}: programs can be isolated on Linux only"
    if platform.machine() not in ARCHITECTURES:
        return f"this machine is {platform.machine()}: only x86_64 and aarch64 are known"
    if landlock_abi() < 1:
        return (
            f"Linux {platform.release()} has no Landlock (kernel 5.13 or newer, "
            "with `landlock` among the names in /sys/kernel/security/lsm)"
        )
    if not os.path.exists("/proc/sys/kernel/seccomp"):
        return f"Linux {platform.release()} has no seccomp filters"
    return ""


def environment() -> dict[str, str]:
    """All that the warm process sees of this one's environment."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", **single, **kept}


def bubblewrap() -> list[str]:
    """A command that starts what follows it in namespaces of its own.

    Its root holds what `readable` names and nothing else; /tmp is new, in memory, and all that
    can be written.
    """
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--hostname", "box"]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(TMPFS_BYTES), "--tmpfs", "/tmp"]
    for path in [*readable(), interpreter()]:  # after /tmp: Python may be installed below it
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind", path, path]
    return [*command, "--remount-ro", "/", "--chdir", "/tmp", "--"]


class Level(NamedTuple):
    """One way to start the warm process."""

    name: str
    command: tuple[str, ...]  # up to the arguments of Python
    environment: dict[str, str] | None  # None: that of this process, for the command of a user
    readable: list[str]
    packages: list[str]
    base: str  # folder for scratch where own_folder is False; "" for the system's
    own_folder: bool  # on this file system, and so to be removed by us
    isolate: bool
    foreign: bool = False  # a command of the user may have put it where our signals do not reach


def plain_level(*, isolated: bool) -> Level:
    """Level A, or only resource limits."""
    name = "seccomp+landlock" if isolated else "none"
    command = (interpreter(), *FLAGS)
    return Level(name, command, environment(), readable(), packages(), "", True, isolated)


def bubblewrap_level() -> Level:
    """Level B: level A inside namespaces."""
    name = "bubblewrap+seccomp+landlock"
    command = (*bubblewrap(), interpreter(), *FLAGS)
    return Level(name, command, environment(), readable(), packages(), "/tmp", False, True)


def prefix_level(prefix: tuple[str, ...], *, isolated: bool) -> Level:
    """Level C: the isolation of a user's command, with ours inside where the kernel has it."""
    command = (*prefix, "python3", *FLAGS)
    return Level("command prefix", command, None, readable(), packages(), "", False, isolated, True)

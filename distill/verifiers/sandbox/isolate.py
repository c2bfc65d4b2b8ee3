"""How a process gives up its powers for good: capabilities, Landlock, seccomp, limits."""

import contextlib
import ctypes
import os
import resource
import stat
import struct
from collections.abc import Iterable

from distill.verifiers.sandbox.syscalls import Filter

LIBC = ctypes.CDLL(None, use_errno=True)
with contextlib.suppress(AttributeError):  # Linux only
    LIBC.prctl.argtypes = (ctypes.c_int, *4 * [ctypes.c_ulong])

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3 = 0x20080522
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every machine

# LANDLOCK_ACCESS_FS_*: ABI 1 has bits 0..12, then REFER, TRUNCATE, (net in 4) IOCTL_DEV
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = 1, 2, 4, 8, 16, 32
MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEVICE = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
NET_RIGHTS, SCOPES = 3, 3  # bind and connect TCP; abstract sockets and signals
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
READABLE = READ_FILE | READ_DIR
SCRATCH = READABLE | WRITE_FILE | TRUNCATE
SCRATCH |= REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
DEVICES = {"/dev/null": READ_FILE | WRITE_FILE, "/dev/urandom": READ_FILE, "/dev/zero": READ_FILE}


class Wall:
    """A seccomp filter ready to be entered: building it here spares every fork the work."""

    def __init__(self, template: Filter) -> None:
        self._lines = ctypes.create_string_buffer(template.code, len(template.code))
        self._pid_offsets = template.pid_offsets
        self._program = _Program(len(template.code) // 8, ctypes.addressof(self._lines))
        self._address = ctypes.addressof(self._program)

    def enter(self) -> None:
        """Put this process behind the filter; there is no way back. Raises: OSError."""
        pid = struct.pack("=I", os.getpid())
        for place in self._pid_offsets:
            self._lines[place : place + 4] = pid
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._address)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def prctl(option: int, value: int, address: int = 0) -> None:
    """prctl(2). Raises: OSError."""
    if LIBC.prctl(option, value, address, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def die_with_parent(parent: int, signal_number: int) -> None:
    """Ask the kernel for a signal when the parent dies; leave at once if it already has."""
    prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(1)


def drop_capabilities(machine: str) -> None:
    """Root keeps its number and loses its powers (other users' files, limits, signals)."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    if LIBC.syscall(CAPSET[machine], header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def landlock_abi() -> int:
    """Version of Landlock in the running kernel; 0 or less where there is none."""
    return LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))


def make_ruleset(readable: Iterable[str], scratch: str) -> int:
    """A Landlock ruleset: read some folders, write in one, a few devices, nothing else.

    Returns: its descriptor, for restrict_self in any process that inherits it.
    Raises: OSError.
    """
    abi = landlock_abi()
    handled = RIGHTS_OF_ABI[max(known for known in RIGHTS_OF_ABI if known <= abi)]
    fields = [handled, *([NET_RIGHTS] if abi >= 4 else []), *([SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = LIBC.syscall(
        CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)
    )
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    rights = {**dict.fromkeys(readable, READABLE), **DEVICES, scratch: SCRATCH}
    for path, allowed in rights.items():
        with contextlib.suppress(FileNotFoundError, PermissionError):  # nothing there to allow
            _add_rule(ruleset, path, allowed & handled)
    return ruleset


def _add_rule(ruleset: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= FILE_RIGHTS
        rule = struct.pack("=Qi", rights, handle)
        if LIBC.syscall(ADD_RULE, ruleset, 1, rule, ctypes.c_uint(0)):
            raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    finally:
        os.close(handle)


def restrict_self(ruleset: int) -> None:
    """Enter a Landlock ruleset; there is no way back. Raises: OSError."""
    if LIBC.syscall(RESTRICT_SELF, ruleset, ctypes.c_uint(0)):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")


def limit_self(limits: dict[int, tuple[int, int]], *, strict: bool) -> None:
    """Set resource limits (soft, hard), each lowered to the hard limit there already is.

    Raises: ValueError or OSError for a limit that the system refuses, if strict.
    """
    for kind, (soft, hard) in limits.items():
        ceiling = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (_lower(soft, ceiling), _lower(hard, ceiling)))
        except (ValueError, OSError):
            if strict:
                raise


def _lower(one: int, other: int) -> int:
    finite = [limit for limit in (one, other) if limit != resource.RLIM_INFINITY]
    return min(finite, default=resource.RLIM_INFINITY)

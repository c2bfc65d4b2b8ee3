"""Which system calls a model's program may make: an allow-list, compiled to a seccomp filter."""

import struct
from typing import NamedTuple

# name: (x86-64, aarch64); from the kernel's unistd_64.h and asm-generic/unistd.h
PLAIN = {
    "access": (21, None),
    "alarm": (37, None),
    "brk": (12, 214),
    "chdir": (80, 49),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "epoll_create": (213, None),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, None),
    "eventfd2": (290, 19),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fchdir": (81, 50),
    "fdatasync": (75, 83),
    "fstat": (5, 80),
    "fstatfs": (138, 44),
    "fsync": (74, 82),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getgroups": (115, 158),
    "getitimer": (36, 102),
    "getpgid": (121, 155),
    "getpgrp": (111, None),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getpriority": (140, 141),
    "getrandom": (318, 278),
    "getresgid": (120, 150),
    "getresuid": (118, 148),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "getsid": (124, 156),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mincore": (27, 232),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "msync": (26, 227),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "pause": (34, None),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "pselect6": (270, 72),
    "pwrite64": (18, 68),
    "pwritev": (296, 70),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "recvfrom": (45, 207),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "restart_syscall": (219, 128),
    "rmdir": (84, None),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigpending": (127, 136),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_yield": (24, 124),
    "select": (23, None),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "setitimer": (38, 103),
    "sigaltstack": (131, 132),
    "stat": (4, None),
    "statfs": (137, 43),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, None),
    "times": (100, 153),
    "umask": (95, 166),
    "uname": (63, 160),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "write": (1, 64),
    "writev": (20, 66),
}
GUARDED = {
    "clone": (56, 220),
    "fcntl": (72, 25),
    "ftruncate": (77, 46),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "open": (2, None),
    "openat": (257, 56),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "sendto": (44, 206),
    "socketpair": (53, 199),
    "tgkill": (234, 131),
    "tkill": (200, 130),
}
ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}  # ENOSYS: libc then takes the older call

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH_*, column
X32_BIT = 0x40000000  # the third ABI of an x86-64 kernel has numbers of its own

ALLOW, KILL, DENY, MISSING = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # EPERM, ENOSYS
LOAD, MASK, JUMP, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x06
NUMBER_WORD, ARCH_WORD = 0, 4  # offsets in struct seccomp_data
OWN_PID = 0x7FFFFFF1  # stands for the program's own process id until a filter is installed


class Test(NamedTuple):
    """One 32-bit word of the arguments must equal a value, under a mask."""

    word: int  # offset in struct seccomp_data
    value: int
    mask: int = 0xFFFFFFFF


class Filter(NamedTuple):
    """A seccomp program (8 bytes an instruction) and where it names the process it guards."""

    code: bytes
    pid_offsets: tuple[int, ...]


def low(argument: int, value: int, mask: int = 0xFFFFFFFF) -> Test:
    """The lower half of an argument (both machines are little-endian)."""
    return Test(16 + 8 * argument, value, mask)


def high(argument: int, value: int) -> Test:
    """The upper half of an argument."""
    return Test(20 + 8 * argument, value)


def whole(argument: int, value: int) -> list[Test]:
    """A 64-bit argument."""
    return [low(argument, value & 0xFFFFFFFF), high(argument, value >> 32)]


THREAD_FLAGS = (0x3D0F00, 0x7D0F00)  # exactly what glibc and musl pass to start a thread
FCNTL = (0, 1, 2, 3, 4, 1030, 1032)  # DUPFD, GETFD.. SETFL, DUPFD_CLOEXEC, GETPIPE_SZ; no SETOWN
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, WINSZ, NREAD, NBIO, N/CLEX
THREAD_NAME = (15, 16)  # PR_SET_NAME, PR_GET_NAME
RLIMIT_STACK = 3
STREAM_TYPE = 0xFFFFFFFF & ~0o2004000  # a socket's type without SOCK_CLOEXEC and SOCK_NONBLOCK


def _opening(flags: int) -> list[list[Test]]:
    # O_RDONLY|O_TRUNC empties a file that may only be read, unseen by Landlock before ABI 3
    return [[low(flags, 0, 0o1000)], [low(flags, 1, 3)], [low(flags, 2, 3)]]


# a call passes when every test of one of its alternatives holds
ALTERNATIVES: dict[str, list[list[Test]]] = {
    "clone": [whole(0, flags) for flags in THREAD_FLAGS],
    "fcntl": [[low(1, command)] for command in FCNTL],
    "ftruncate": [whole(1, 0)],  # a file grows only by writing, which is counted
    "ioctl": [[low(1, request)] for request in IOCTL],
    "kill": [[low(0, OWN_PID)]],
    "open": _opening(1),
    "openat": _opening(2),
    "prctl": [[low(0, option)] for option in THREAD_NAME],
    "prlimit64": [
        [low(0, 0), *whole(2, 0)],
        [low(0, OWN_PID), *whole(2, 0)],
        [low(0, 0), low(1, RLIMIT_STACK)],  # many contest programs raise it; RLIMIT_AS still rules
    ],
    "sendto": [whole(4, 0)],  # no address: only to the other end of a socketpair
    "socketpair": [[low(0, 1), low(1, 1, STREAM_TYPE)]],  # asyncio's wake-up pair
    "tgkill": [[low(0, OWN_PID)]],
    "tkill": [[low(0, OWN_PID)]],
}


def build_filter(machine: str) -> Filter:
    """The filter for a machine, "x86_64" or "aarch64": what is not listed fails with EPERM.

    A call of another architecture or of the x32 ABI kills the process.
    Raises: KeyError for any other machine.
    """
    audit_arch, column = ARCHITECTURES[machine]
    lines = [
        (LOAD, 0, 0, ARCH_WORD),
        (EQUAL, 1, 0, audit_arch),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_WORD),
        (AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL),
        *_search(_segments(_verdicts(column))),
    ]
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    places = [8 * i + 4 for i, line in enumerate(lines) if line[3] == OWN_PID]
    return Filter(code, tuple(places))


Line = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def _verdicts(column: int) -> dict[int, list[Line]]:
    """What follows once the number of a call is known."""
    found = {numbers[column]: [(RETURN, 0, 0, ALLOW)] for numbers in PLAIN.values()}
    found |= {numbers[column]: [(RETURN, 0, 0, MISSING)] for numbers in ABSENT.values()}
    for name, numbers in GUARDED.items():
        found[numbers[column]] = _alternatives(ALTERNATIVES[name])
    found.pop(None, None)  # this machine has no such call
    return found


def _segments(verdicts: dict[int, list[Line]]) -> list[tuple[int, list[Line]]]:
    """Runs of numbers with the same verdict, each by its first number; gaps are denied."""
    denied = [(RETURN, 0, 0, DENY)]
    segments: list[tuple[int, list[Line]]] = []
    for number in range(max(verdicts) + 2):
        body = verdicts.get(number, denied)
        if not segments or segments[-1][1] != body:
            segments.append((number, body))
    return segments


def _search(segments: list[tuple[int, list[Line]]]) -> list[Line]:
    """Binary search for a number: the kernel runs a new filter once for each call there is."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    left, right = _search(segments[:middle]), _search(segments[middle:])
    return [(AT_LEAST, 0, 1, segments[middle][0]), (JUMP, 0, 0, len(left)), *left, *right]


def _alternatives(alternatives: list[list[Test]]) -> list[Line]:
    lines = [line for tests in alternatives for line in _all_of(tests)]
    return [*lines, (RETURN, 0, 0, DENY)]


def _all_of(tests: list[Test]) -> list[Line]:
    sizes = [2 if test.mask == 0xFFFFFFFF else 3 for test in tests]
    lines: list[Line] = []
    for test, size in zip(tests, sizes, strict=True):
        lines.append((LOAD, 0, 0, test.word))
        if size == 3:
            lines.append((MASK, 0, 0, test.mask))
        lines.append((EQUAL, 0, sum(sizes) - len(lines), test.value))
    return [*lines, (RETURN, 0, 0, ALLOW)]

"""Hostile programs: each is contained, and its end is told as what it was."""

import os
import platform
import shutil
import signal
import site
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import pytest

from distill.errors import SandboxUnavailable
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.command import missing_here
from distill.verifiers.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(bool(missing_here()), reason=missing_here() or "isolates")

TIGHT = Limits(
    cpu_seconds=2,
    wall_seconds=20,
    memory_bytes=512 << 20,
    output_bytes=100_000,
    file_bytes=1 << 20,
)
SECRET = "sk-not-for-programs"
# `attempt` prints ESCAPED if an attack works; `call` is for system calls without a wrapper
PRELUDE = """
import ctypes, errno, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action, *arguments):
    try:
        print("ESCAPED", action(*arguments))
    except Exception as error:
        print("held", type(error).__name__)
def call(function, *arguments):
    ctypes.set_errno(0)
    got = getattr(libc, function)(*arguments)
    why = errno.errorcode.get(ctypes.get_errno())
    held = got == -1 and why in ("EPERM", "EACCES", "ENOSYS")
    print("held" if held else "ESCAPED", function, got, why)
"""


class Host:
    """What the attacks aim at outside the sandbox."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.file = self.folder / "file"
        self.file.write_text(SECRET)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(str(self.folder / "socket"))
        self.unix.listen()
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0distill-test-{os.getpid()}")
        self.abstract.listen()
        self.connections = 0
        for listener in (self.listener, self.unix, self.abstract):
            threading.Thread(target=self._count, args=(listener,), daemon=True).start()

    def _count(self, listener):
        while True:
            try:
                listener.accept()
            except OSError:
                return
            self.connections += 1

    def aim(self, source):
        """The source with this host's places in it."""
        places = {
            "@FILE@": str(self.file),
            "@FOLDER@": str(self.folder),
            "@PORT@": str(self.listener.getsockname()[1]),
            "@ABSTRACT@": f"distill-test-{os.getpid()}",
            "@PID@": str(os.getpid()),
            "@PROJECT@": str(Path(__file__).parents[2]),
            "@TESTS@": __file__,
            "@HOME@": os.path.expanduser("~"),
        }
        for name, place in places.items():
            source = source.replace(name, place)
        return source


@pytest.fixture(scope="module")
def host():
    """A listening, secret-holding machine."""
    with tempfile.TemporaryDirectory() as folder:
        made = Host(folder)
        yield made
        for listener in (made.listener, made.unix, made.abstract):
            listener.close()


@pytest.fixture(scope="module", params=["landlock", "bubblewrap"])
def sandbox(request):
    """A sandbox at each level that this machine has, made where a secret is in the environment."""
    os.environ["API_KEY"] = SECRET
    try:
        made = Sandbox(bubblewrap=request.param == "bubblewrap")
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    finally:
        del os.environ["API_KEY"]
    with made:
        yield made


REACHES = {
    "tcp": "import socket\nattempt(socket.create_connection, ('127.0.0.1', @PORT@), 1)",
    "udp": "import socket\nattempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)",
    "ipv6": "import socket\nattempt(socket.socket, socket.AF_INET6)",
    "unix socket": "import socket\nattempt(socket.socket, socket.AF_UNIX)",
    "netlink": "import socket\nattempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)",
    "connect a socketpair elsewhere": """
import socket
a, b = socket.socketpair()
attempt(a.connect, "\\0@ABSTRACT@")
attempt(a.connect, "@FOLDER@/socket")
attempt(a.sendto, b"x", "\\0@ABSTRACT@")
attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)
attempt(a.sendmsg, [b"x"])
""",
    "name resolution": "import socket\nattempt(socket.getaddrinfo, 'localhost', 80)",
    "read a file": "attempt(lambda: open('@FILE@').read())",
    "read shadow": "attempt(lambda: open('/etc/shadow').read())",
    "read passwd": "attempt(lambda: open('/etc/passwd').read())",
    "list the project": "attempt(os.listdir, '@PROJECT@')",
    "read the project": "attempt(open, '@PROJECT@/pyproject.toml')",
    "read the tests": "attempt(lambda: open('@TESTS@').read())",
    "list home": "attempt(os.listdir, '@HOME@')",
    "list the root": "attempt(os.listdir, '/')\nattempt(os.listdir, '..')",
    "climb": "attempt(lambda: os.listdir('../' * 20 + '@FOLDER@'))",
    "own environment file": "attempt(lambda: open('/proc/self/environ').read())",
    "server's environment file": "attempt(lambda: open(f'/proc/{os.getppid()}/environ').read())",
    "own memory file": "attempt(open, '/proc/self/mem', 'r+b')",
    "server's memory": "attempt(open, f'/proc/{os.getppid()}/mem', 'rb')",
    "harness's memory": "attempt(open, '/proc/@PID@/mem', 'rb')",
    "server's descriptors": """
for fd in range(20):
    attempt(open, f"/proc/{os.getppid()}/fd/{fd}", "rb")
attempt(os.listdir, f"/proc/{os.getppid()}/fd")
""",
    "kernel settings": "attempt(open, '/proc/sys/kernel/core_pattern', 'w')",
    "kernel objects": "attempt(os.listdir, '/sys')",
    "devices": """
for name in ("mem", "kmsg", "vda", "sda", "tty", "ptmx", "shm", "fuse", "kvm"):
    attempt(os.listdir if name == "shm" else open, "/dev/" + name)
attempt(os.mknod, "device", 0o600 | 0o020000, os.makedev(1, 1))
""",
    "write outside": """
attempt(open, "@FOLDER@/planted", "w")
attempt(open, "/tmp/planted", "w")
attempt(open, "../planted", "w")
attempt(os.mkdir, "/tmp/planted-folder")
attempt(open, sys.prefix + "/planted", "w")
attempt(open, os.__file__, "r+")
""",
    "truncate what may be read": """
attempt(os.open, os.__file__, os.O_RDONLY | os.O_TRUNC)
attempt(os.truncate, os.__file__, 0)
attempt(os.truncate, "@FILE@", 0)
""",
    "remove and rename outside": """
attempt(os.unlink, "@FILE@")
attempt(os.rename, "@FILE@", "mine")
attempt(os.replace, "@FILE@", "@FILE@2")
""",
    "links out": """
attempt(os.symlink, "@FILE@", "soft")
attempt(os.link, "@FILE@", "hard")
attempt(os.link, os.__file__, "hard")
""",
    "change modes and owners": """
attempt(os.chmod, "@FILE@", 0o777)
attempt(os.chown, "@FILE@", 65534, 65534)
attempt(os.utime, "@FILE@")
attempt(os.setxattr, "@FILE@", "user.x", b"y")
open("suid", "w").close()
attempt(os.chmod, "suid", 0o4755)
attempt(os.fchmod, os.open("suid", os.O_RDONLY), 0o4755)
""",
    "chroot and mount": """
attempt(os.chroot, ".")
call("mount", b"none", b".", b"tmpfs", 0, None)
call("umount2", b"/", 2)
call("pivot_root", b".", b".") if hasattr(libc, "pivot_root") else call("syscall", 155, b".", b".")
""",
    "namespaces": """
for flag in (0x10000000, 0x20000000, 0x00020000, 0x40000000):
    call("unshare", flag)
    call("syscall", 56, flag | 17, 0, 0, 0, 0)
call("setns", 0, 0)
""",
    "fork": """
attempt(os.fork)
attempt(os.forkpty)
attempt(os.posix_spawn, "/bin/true", ["true"], {})
call("syscall", 57)
call("syscall", 58)
call("syscall", 435, bytes(88), 88)
""",
    "clone with other flags": """
for flags in (17, 0x11 | 0x100, 0x3d0f00 | 0x20000, 0x8000 | 17, (1 << 32) | 0x3d0f00):
    call("syscall", 56, ctypes.c_ulong(flags), 0, 0, 0, 0)
""",
    "run a shell": """
import subprocess
print("ESCAPED" if os.system("true") == 0 else "held")
attempt(subprocess.run, ["/bin/true"])
attempt(os.popen, "id")
attempt(os.execv, "/bin/sh", ["sh"])
attempt(os.execv, sys.executable, [sys.executable])
""",
    "run from memory": """
attempt(os.memfd_create, "x")
call("syscall", 322, 0, b"", None, None, 0x1000)
""",
    "preload": "attempt(os.execve, '/bin/true', ['true'], {'LD_PRELOAD': './x.so'})",
    "multiprocessing": "import multiprocessing\nattempt(multiprocessing.Pool, 2)",
    "kill the server": "attempt(os.kill, os.getppid(), 9)\nattempt(os.kill, os.getppid(), 0)",
    "kill the harness": "attempt(os.kill, @PID@, 9)",
    "kill all": "attempt(os.kill, -1, 9)\nattempt(os.kill, 0, 9)\nattempt(os.killpg, 0, 9)",
    "kill a neighbour by other means": """
call("tgkill", os.getppid(), os.getppid(), 9) if hasattr(libc, "tgkill") else None
call("syscall", 200, os.getppid(), 9)
call("syscall", 129, os.getppid(), 9, bytes(128))
attempt(os.pidfd_open, os.getppid())
call("syscall", 424, 0, 9, None, 0)
""",
    "signals by descriptor owner": """
import fcntl
r, w = os.pipe()
attempt(fcntl.fcntl, r, fcntl.F_SETOWN, os.getppid())
attempt(fcntl.fcntl, r, 10, 9)
attempt(fcntl.ioctl, r, 0x8901, os.getppid().to_bytes(4, "little"))
attempt(fcntl.fcntl, r, 1026, 0)
""",
    "ptrace": "call('ptrace', 16, os.getppid(), 0, 0)\ncall('ptrace', 0, 0, 0, 0)",
    "read another's memory": """
call("process_vm_readv", os.getppid(), bytes(16), 1, bytes(16), 1, 0)
call("process_vm_writev", os.getppid(), bytes(16), 1, bytes(16), 1, 0)
call("syscall", 312, os.getpid(), os.getppid(), 0, 0, 0)
""",
    "raise its limits": """
import resource
for kind in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE"):
    attempt(resource.setrlimit, getattr(resource, "RLIMIT_" + kind), (-1, -1))
attempt(resource.prlimit, os.getppid(), resource.RLIMIT_AS, (1 << 30, 1 << 30))
""",
    "change user": """
attempt(os.setuid, 1)
attempt(os.setgid, 1)
attempt(os.setgroups, [])
attempt(os.setresuid, 0, 0, 0)
""",
    "priorities": """
attempt(os.nice, -5)
attempt(os.setpriority, 0, 0, -5)
attempt(os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(1))
attempt(os.sched_setaffinity, 0, {0})
attempt(os.sched_setparam, 0, os.sched_param(0))
""",
    "processes' own settings": """
for option, value in ((1, 0), (4, 1), (22, 0), (36, 1), (38, 1), (0x59616d61, -1)):
    call("prctl", option, value, 0, 0, 0)
call("personality", 0x0040000)
call("syscall", 317, 0, 0, None)
call("syscall", 446, 3, 0)
""",
    "io_uring and other engines": """
call("syscall", 425, 8, bytes(120))
call("syscall", 323, 0)
call("syscall", 321, 0, bytes(120), 120)
call("syscall", 298, bytes(120), 0, -1, -1, 0)
call("syscall", 206, 8, bytes(8))
""",
    "keys": "call('syscall', 248, b'user', b'x', b'y', 1, -2)\ncall('syscall', 250, 0, -3, 0)",
    "shared memory": """
call("shmget", 0x5eed, 4096, 0o1600)
call("semget", 0x5eed, 1, 0o1600)
call("msgget", 0x5eed, 0o1600)
call("syscall", 240, b"queue", 0o102, 0o600, None)
from multiprocessing import shared_memory
attempt(shared_memory.SharedMemory, "distill-planted", True, 4096)
""",
    "reboot and clocks": """
call("reboot", 0)
call("sethostname", b"x", 1)
attempt(time.clock_settime, time.CLOCK_REALTIME, 0)
call("syscall", 175, b"", 0, b"")
""",
    "timers of other kinds": "call('syscall', 222, 1, 0, bytes(8))\ncall('syscall', 283, 1, 0)",
    "descriptors left open": """
for fd in range(3, 300):
    try:
        os.fstat(fd)
        print("ESCAPED", fd)
    except OSError:
        pass
for fd in range(3, 64):
    try:
        os.write(fd, b"E" + b"\\0" * 60)
        print("ESCAPED", fd)
    except OSError:
        pass
""",
    "secrets in the environment": """
print("ESCAPED" if "sk-not" in repr(dict(os.environ)) or "API_KEY" in os.environ else "held")
""",
    "arguments of the harness": """
attempt(lambda: open("/proc/@PID@/cmdline").read())
attempt(os.listdir, "/proc")
""",
}


@pytest.mark.parametrize("name", REACHES)
def test_a_program_cannot_reach_out(sandbox, host, name):
    ended = sandbox.run(PRELUDE + host.aim(REACHES[name]) + "\nprint('end')", "", TIGHT)
    assert b"ESCAPED" not in ended.stdout, ended.stdout
    assert SECRET.encode() not in ended.stdout
    assert (ended.status, ended.exit_code) == ("exited", 0), ended.stderr
    assert ended.stdout.endswith(b"end\n")
    assert host.connections == 0
    assert sorted(os.listdir(host.folder)) == ["file", "socket"]
    assert host.file.read_text() == SECRET


PATIENT = msgspec.structs.replace(TIGHT, wall_seconds=0.2)
SLEEPERS = {
    "sleep": "import time\ntime.sleep(1000)",
    "stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "closed streams": "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(99)",
    "threads that never end": """
import threading, time
for i in range(3): threading.Thread(target=time.sleep, args=(99,)).start()
""",
    "sleeps at exit": "import atexit, time\natexit.register(time.sleep, 99)",
    "sleeps as its names go": """
import time
class Stay:
    def __del__(self): time.sleep(99)
stay = Stay()
""",
    "ignores every signal": """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
time.sleep(99)
""",
    "wakes itself": """
import signal, time
signal.signal(14, lambda *_: 0)
signal.setitimer(0, .001, .001)
while True: time.sleep(.01)
""",
    "reads what never comes": "import os\nr, w = os.pipe()\nos.read(r, 1)",
}


@pytest.mark.parametrize("name", SLEEPERS)
def test_a_program_that_waits_is_stopped_by_the_wall_clock(sandbox, name):
    ended = sandbox.run(SLEEPERS[name], "", PATIENT)
    assert (ended.status, ended.exit_code) == ("time", None), ended.stderr
    assert 0.2 <= ended.wall_seconds < 10


HASTY = msgspec.structs.replace(TIGHT, cpu_seconds=0.1, wall_seconds=30)
LOOPS = {
    "busy": "while True: pass",
    "ignores signals": """
import signal
for number in (1, 2, 14, 15, 24): signal.signal(number, signal.SIG_IGN)
while True: pass
""",
    "as its names go": """
class Stay:
    def __del__(self):
        while True: pass
stay = Stay()
""",
    "one operation in C": "str(7 ** 10 ** 8)",
    "a regular expression": "import re\nre.match('(a*)*b', 'a' * 40)",
    "in a thread": """
import threading
def loop():
    while True: pass
threading.Thread(target=loop).start()
""",
    "catches all": """
while True:
    try:
        while True: pass
    except BaseException: pass
""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_program_that_computes_is_stopped_by_its_own_clock(sandbox, name):
    ended = sandbox.run(LOOPS[name], "", HASTY)
    assert (ended.status, ended.exit_code) == ("time", None), ended.stderr
    assert 0.1 <= ended.cpu_seconds < 2


def test_a_stack_that_overflows_in_c_ends_in_its_own_process(sandbox):
    source = """
import functools, sys
sys.setrecursionlimit(10**9)
@functools.lru_cache(None)
def deeper(n): return deeper(n + 1)
deeper(0)
"""
    ended = sandbox.run(source)
    assert (ended.status, ended.exit_code) == ("signal", -signal.SIGSEGV)


FILL = """
import mmap, os, time
for i in range(200):
    f = os.open(str(i), os.O_RDWR | os.O_CREAT)
    os.pwrite(f, b"x", 999_999)
    with mmap.mmap(f, 999_999) as m:
        for place in range(0, 999_999, 4096): m[place] = 1
"""

# program, status, exit code, why
ENDS = [
    ("while True: print('A' * 1000)", "output", None, "endless output"),
    ("import sys\nwhile True: sys.stderr.write('A' * 1000)", "output", None, "endless errors"),
    (
        "import os\nwhile True:\n    try: os.write(1, b'A' * 10000)\n    except OSError: pass",
        "output",
        None,
        "endless output, errors ignored",
    ),
    ("print('A' * 200_000)", "output", None, "too much output, then a good end"),
    (
        "import os\nos.lseek(1, 1 << 40, 0)\nos.write(1, b'x')",
        "exited",
        0,
        "output is appended wherever it is written",
    ),
    (
        "f = open('big', 'wb')\nwhile True: f.write(b'x' * 100_000)",
        "exited",
        1,
        "one large file meets the file limit",
    ),
    (
        "import itertools\nfor i in itertools.count():\n"
        "    open(str(i), 'wb').write(b'x' * 500_000)",
        "output",
        None,
        "a full disk, file by file",
    ),
    (
        "import itertools, os\nfor i in itertools.count():\n"
        "    f = open('f', 'wb')\n    f.write(b'x' * 500_000)\n    f.close()\n    os.unlink('f')",
        "output",
        None,
        "files that are removed at once count as written",
    ),
    (FILL + "    os.close(f)", "output", None, "mapped files grow without a call that writes"),
    (
        FILL + "    os.unlink(str(i))\n    if i == 30: time.sleep(9)",
        "output",
        None,
        "and hold on to it when they have no name any more",
    ),
    (
        "import itertools\nfor i in itertools.count(): open(str(i), 'w').close()",
        "output",
        None,
        "many files",
    ),
    (
        "import os\nos.mkdir('d')\nfor i in range(100_000): os.mkdir(f'd/{i}')\nprint('made')",
        "output",
        None,
        "many folders",
    ),
    ("x = bytearray(8 << 30)", "memory", None, "one large allocation"),
    ("x = []\nwhile True: x.append(bytearray(1 << 24))", "memory", None, "growing memory"),
    ("x = [0] * 10\nwhile True: x += x", "memory", None, "a doubling list"),
    (
        "try:\n    x = bytearray(8 << 30)\nexcept MemoryError:\n    print('goes on')",
        "exited",
        0,
        "a caught MemoryError",
    ),
    (
        "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 26))",
        "exited",
        1,
        "mapped memory is an OSError",
    ),
    ("def f(n): return f(n + 1)\nf(0)", "exited", 1, "RecursionError"),
    ("import ctypes\nctypes.string_at(0)", "signal", -signal.SIGSEGV, "segmentation fault"),
    ("import os\nos.abort()", "signal", -signal.SIGABRT, "abort"),
    ("import signal\nsignal.raise_signal(15)", "signal", -15, "raises a signal"),
    ("import os\nos.kill(os.getpid(), 9)", "signal", -9, "kills itself"),
    ("import sys\nsys.exit(0)\nprint('never')", "exited", 0, "early exit"),
    ("import os\nos._exit(0)", "exited", 0, "early hard exit"),
    ("import sys\nsys.exit(3)", "exited", 3, "exit code"),
    ("import sys\nsys.exit('text')", "exited", 1, "exit text"),
    ("raise SystemExit(256 + 4)", "exited", 4, "exit codes have eight bits"),
    ("raise SystemExit(1 << 70)", "exited", 255, "exit codes that do not fit"),
    ("import os\nos._exit(120)", "exited", 120, "any code is its own"),
    ("1 / 0", "exited", 1, "exception"),
    ("assert False", "exited", 1, "assertion"),
    ("this is not Python", "exited", 1, "syntax error"),
    ("(" * 10_000, "exited", 1, "brackets for the parser"),
    ("x = " + "-" * 200_000 + "1", "exited", 1, "signs for the parser"),
    ("x = 1\0", "exited", 1, "NUL in the source"),
    ("\ud800", "exited", 1, "a lone surrogate in the source"),
    ("import sys\nsys.excepthook = lambda *_: 1 / 0\n1 / 0", "exited", 1, "broken hook"),
    ("import sys\nsys.stdout = None\nsys.stderr = None\n1 / 0", "exited", 1, "no streams"),
    ("import sys\nsys.stdout.close()", "exited", 0, "closed stdout"),
    ("import os\nos.rmdir(os.getcwd())", "exited", 1, "its own folder stays"),
    ("import gc\n[o for o in gc.get_objects()]\nprint(1)", "exited", 0, "walks all objects"),
]


@pytest.mark.parametrize(("source", "status", "code", "why"), ENDS)
def test_an_end_is_told_as_what_it_was(sandbox, source, status, code, why):
    start = time.monotonic()
    ended = sandbox.run(source, "", TIGHT)
    assert (ended.status, ended.exit_code) == (status, code), (why, ended.stderr)
    assert time.monotonic() - start < 15, why
    assert len(ended.stdout) <= TIGHT.output_bytes
    assert sandbox.run("print('well')").stdout == b"well\n"  # nothing of it is left


def test_a_thread_bomb_is_stopped_by_the_watch_or_by_the_kernel(sandbox):
    source = (
        "import threading, time\nthreading.stack_size(32768)\n"
        "while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    )
    ended = sandbox.run(source, "", TIGHT)
    # whichever comes first: too many threads seen by the watch, or no memory for one more
    assert (ended.status, ended.exit_code) in [("signal", -9), ("exited", 1)], ended.stderr
    assert sandbox.run("print('well')").stdout == b"well\n"


MAZES = {
    "deeper than any path": """
import os
for _ in range(300):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
open("x" * 200, "w").close()
""",
    "closed folders": """
import os
os.makedirs("a/b/c")
os.mkdir("a/b/closed", 0)
os.mkdir("closed", 0)
""",
    "awkward names": "open('-rf', 'w')\nopen(b'\\xff\\n*', 'w')\nopen('1.lifted', 'w')",
    "files hidden at a great depth": """
import os
for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
for number in range(10 ** 9): open(str(number), "w").close()
""",
}


@pytest.mark.parametrize("name", MAZES)
def test_whatever_a_program_leaves_in_its_folder_is_removed(sandbox, name):
    ended = sandbox.run(MAZES[name], "", TIGHT)
    seen = ended.status == "output"  # a look on a busy machine may meet the deep path half-way
    may = {"files hidden at a great depth": [True], "deeper than any path": [True, False]}
    assert seen in may.get(name, [False]), ended.stderr
    pid = sandbox._workers[0].process.pid
    assert sandbox.run("import os\nprint(os.listdir())").stdout == b"[]\n"
    assert sandbox._workers[0].process.pid == pid


# machine code of a function that makes one system call by another door
DOORS = {
    "32-bit calls": b"\xb8\x14\x00\x00\x00\xcd\x80\xc3",  # mov eax, 20; int 0x80; ret
    "x32 calls": b"\xb8\x27\x00\x00\x40\x0f\x05\xc3",  # mov eax, 0x40000027; syscall; ret
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the code is of x86-64")
@pytest.mark.parametrize("name", DOORS)
def test_other_doors_to_the_kernel_are_walled_up(sandbox, name):
    source = f"""
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write({DOORS[name]!r})
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print("ESCAPED")
"""
    ended = sandbox.run(source)
    assert (ended.status, ended.exit_code) == ("signal", -signal.SIGSYS)


def test_a_program_cannot_pass_for_a_broken_sandbox(sandbox):
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGUSR2)"
    assert sandbox.run(source).status == "signal"
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)"
    assert sandbox.run(source).status == "memory"  # all it can claim is another failure


def test_the_walls_stand_for_an_ordinary_user_too():
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.getuid() != 0 or not shutil.which("setpriv") or not python:
        pytest.skip("needs root, setpriv and a system Python to become another user")
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", OTHER]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *site.getsitepackages()])
    ended = subprocess.run(
        command, env={"PYTHONPATH": path, "HOME": "/"}, capture_output=True, text=True, timeout=60
    )
    if "ModuleNotFoundError" in ended.stderr or "PermissionError" in ended.stderr:
        pytest.skip("the system's Python cannot import this project")
    assert ended.stdout.splitlines() == ["65534 seccomp+landlock contained"], ended.stderr


OTHER = """
import os
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.probe import CONTAINED, ESCAPES
with Sandbox(bubblewrap=False) as sandbox:
    ended = sandbox.run(ESCAPES)
    print(os.getuid(), sandbox.level, "contained" if ended.stdout == CONTAINED else ended)
"""

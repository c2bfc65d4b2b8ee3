"""The sandbox lets honest programs work as they do anywhere, and says how each one ended."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from distill.errors import SandboxError, SandboxUnavailable
from distill.verifiers.sandbox import probe
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.command import missing_here
from distill.verifiers.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(bool(missing_here()), reason=missing_here() or "isolates")

SMALL = Limits(cpu_seconds=5, wall_seconds=20, memory_bytes=512 << 20)
DEEP = "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\n"


@pytest.fixture(scope="module", params=["landlock", "bubblewrap"])
def sandbox(request):
    """A sandbox at each level that this machine has."""
    wanted = request.param == "bubblewrap"
    try:
        made = Sandbox(bubblewrap=wanted)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with made:
        yield made


# program, standard input, expected standard output, why
PROGRAMS = [
    ("print(sum(map(int, input().split())))", "1 2 3\n", "6\n", "input"),
    ("import sys\nprint(len(sys.stdin.read()))", "abc\nd", "5\n", "sys.stdin.read"),
    ("import sys\nprint(sys.stdin.buffer.read())", "é", "b'\\xc3\\xa9'\n", "buffer"),
    ("print([int(x) for x in open(0)])", "1\n2\n", "[1, 2]\n", "open(0)"),
    ("print(1)\nexit()", "", "1\n", "exit of an interactive Python"),
    ("print(1)\nquit(0)\nprint(2)", "", "1\n", "quit"),
    ("print(open('/dev/stdin').read())", "x", "x\n", "/dev/stdin"),
    ("import os\nprint(os.read(0, 9))", "raw", "b'raw'\n", "os.read"),
    ("import sys\nfor line in sys.stdin: print(line.strip())", "a\nb", "a\nb\n", "lines"),
    ("try:\n    input()\nexcept EOFError:\n    print('end')", "", "end\n", "empty input"),
    ("print('a', end='', flush=True)\nprint('b')", "", "ab\n", "flush"),
    ("import sys\nsys.stdout.write('no newline')", "", "no newline", "write"),
    ("import sys\nsys.stdout.buffer.write(b'\\xff\\x00')", "", b"\xff\x00", "bytes"),
    ("import os\nos.write(1, b'fd')", "", "fd", "descriptor"),
    ("print('π ≠ 3, 数学, 🙂')", "", "π ≠ 3, 数学, 🙂\n", "unicode"),
    ("print(__name__)\nimport sys\nprint(len(sys.argv))", "", "__main__\n1\n", "__main__"),
    (DEEP + "print(f(20000))", "", "20000\n", "deep recursion"),
    (
        DEEP + "import threading\nthreading.stack_size(64 << 20)\n"
        "t = threading.Thread(target=lambda: print(f(20000)))\nt.start()\nt.join()",
        "",
        "20000\n",
        "deep recursion in a thread with a large stack",
    ),
    (
        DEEP + "from functools import lru_cache\n"
        "@lru_cache(None)\ndef g(n): return 0 if n == 0 else 1 + g(n - 1)\nprint(g(20000))",
        "",
        "20000\n",
        "deep recursion through C",
    ),
    (
        "import resource\nhard = resource.getrlimit(resource.RLIMIT_STACK)[1]\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))\nprint('ok')",
        "",
        "ok\n",
        "contest programs raise the stack limit",
    ),
    (
        "import threading\nr = []\nt = [threading.Thread(target=r.append, args=(i,)) for i in "
        "range(50)]\n[x.start() for x in t]\n[x.join() for x in t]\nprint(len(r))",
        "",
        "50\n",
        "threads",
    ),
    (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
        "",
        "late\n",
        "threads are awaited at the end",
    ),
    ("import atexit\natexit.register(print, 'bye')", "", "bye\n", "atexit"),
    ("f = open(1, 'w', closefd=False)\nf.write('held')", "", "held", "unflushed file at the end"),
    (
        "import io, os, sys\nclass Out(io.IOBase):\n"
        "    def __init__(self): self.b = io.BytesIO(); self.me = self\n"
        "    def write(self, s): return self.b.write(s.encode())\n"
        "    def flush(self): os.write(1, self.b.getvalue()); self.b = io.BytesIO()\n"
        "sys.stdout = Out()\nprint('fast')",
        "",
        "fast\n",
        "a stdout of one's own is flushed at the end",
    ),
    (
        "import tempfile\nwith tempfile.TemporaryDirectory() as d:\n"
        "    open(d + '/x', 'w').write('1')\n    print(open(d + '/x').read())",
        "",
        "1\n",
        "temporary folders",
    ),
    ("open('x', 'w').write('1')\nprint(open('x').read())", "", "1\n", "working folder"),
    (
        "import datetime, zoneinfo\nprint(datetime.datetime(2024, 7, 1, "
        "tzinfo=zoneinfo.ZoneInfo('Europe/Paris')).utcoffset())",
        "",
        "2:00:00\n",
        "time zones",
    ),
    (
        "from decimal import Decimal\nfrom fractions import Fraction\n"
        "print(Decimal('0.1') * 3, Fraction(1, 3) * 2)",
        "",
        "0.3 2/3\n",
        "decimal, fractions",
    ),
    ("import random\nrandom.seed(1)\nprint(random.randint(1, 1000))", "", "138\n", "random"),
    ("import hashlib\nprint(hashlib.md5(b'').hexdigest()[:4])", "", "d41d\n", "hashlib"),
    ("import unittest\nunittest.TestCase().assertEqual(1, 1)\nprint('ok')", "", "ok\n", "unittest"),
    (
        "from dataclasses import dataclass\nimport pickle\n@dataclass\nclass P:\n    x: int\n"
        "print(pickle.loads(pickle.dumps(P(3))))",
        "",
        "P(x=3)\n",
        "pickle finds __main__",
    ),
    (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 7\n"
        "print(asyncio.run(f()))",
        "",
        "7\n",
        "asyncio",
    ),
    (
        "import sqlite3\nprint(sqlite3.connect(':memory:').execute('select 2').fetchone())",
        "",
        "(2,)\n",
        "a C extension",
    ),
    ("import signal\nsignal.raise_signal(signal.SIGINT)", "", None, "an interrupt"),
]


@pytest.mark.parametrize(("source", "stdin", "expected", "why"), PROGRAMS)
def test_an_honest_program_works(sandbox, source, stdin, expected, why):
    ended = sandbox.run(source, stdin, SMALL)
    if expected is None:
        assert (ended.status, ended.exit_code) == ("exited", 130), why
        return
    wanted = expected if isinstance(expected, bytes) else expected.encode()
    assert (ended.status, ended.exit_code, ended.stdout) == ("exited", 0, wanted), ended.stderr


def test_ten_megabytes_of_input_are_read_fast(sandbox):
    stdin = "123456 " * 1_500_000
    source = "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))"
    ended = sandbox.run(source, stdin, SMALL)
    assert ended.stdout == b"185184000000\n"


def test_input_that_nobody_reads_does_no_harm(sandbox):
    assert sandbox.run("print(1)", "x" * 1_000_000).stdout == b"1\n"


@pytest.mark.parametrize("name", ["numpy", "sympy"])
def test_installed_packages_can_be_imported(sandbox, name):
    pytest.importorskip(name)
    ended = sandbox.run(f"import {name}\nprint({name}.sqrt(16))")
    assert ended.exit_code == 0, ended.stderr
    assert float(ended.stdout) == 4


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['ls'])",
        "import multiprocessing\nmultiprocessing.Pool(2)",
        "import socket\nsocket.create_connection(('localhost', 80))",
        "open('/etc/passwd')",
        "open('../outside', 'w')",
    ],
)
def test_what_is_not_allowed_is_an_error_at_once(sandbox, source):
    ended = sandbox.run(source)
    assert (ended.status, ended.exit_code) == ("exited", 1)
    assert ended.stderr.startswith("Traceback")
    assert ended.wall_seconds < 5


def test_an_exception_shows_its_lines_and_none_of_ours(sandbox):
    ended = sandbox.run("def f():\n    return {}['key']\nf()")
    assert (ended.status, ended.exit_code) == ("exited", 1)
    assert ended.stderr == (
        'Traceback (most recent call last):\n  File "main.py", line 3, in <module>\n'
        "  File \"main.py\", line 2, in f\nKeyError: 'key'\n"
    )


def test_a_note_is_read_whatever_a_program_did_to_its_standard_error(sandbox):
    source = """
import fcntl, os
fcntl.fcntl(2, fcntl.F_SETFL, 0)
os.lseek(2, 1 << 40, 0)
while True: pass
"""
    ended = sandbox.run(source, "", Limits(cpu_seconds=0.1))
    assert ended.stderr == "\n[sandbox] killed after 0.1 s of processor time\n"


def test_only_the_end_of_a_long_standard_error_is_kept(sandbox):
    ended = sandbox.run("import sys\nfor i in range(100_000): print(i, file=sys.stderr)")
    assert ended.stderr.endswith("99999\n")
    assert len(ended.stderr) <= 8192


def test_one_program_on_many_inputs(sandbox):
    source = "import os\nn = int(input())\nprint(n * n, os.listdir())\nopen('left', 'w').write('x')"
    ended = sandbox.run_all(source, [str(n) for n in range(5)])
    assert [e.stdout for e in ended] == [f"{n * n} []\n".encode() for n in range(5)]


def test_runs_stop_where_they_are_told_to(sandbox):
    seen = []

    def wrong(index, ended):
        seen.append(index)
        return ended.stdout != b"1\n"

    ended = sandbox.run_all("print(1 // (2 - int(input())))", ["1", "1", "2", "1"], SMALL, wrong)
    assert seen == [0, 1, 2]
    assert [e.exit_code for e in ended] == [0, 0, 1]


def test_no_input_means_no_run(sandbox):
    assert sandbox.run_all("print(1)", []) == []


def test_a_program_that_does_not_compile_says_so_on_every_input(sandbox):
    ended = sandbox.run_all("def f(:", ["", ""])
    assert [e.exit_code for e in ended] == [1, 1]
    assert all("SyntaxError" in e.stderr for e in ended)


def test_each_run_has_fresh_random_numbers_and_the_same_hashes(sandbox):
    ended = sandbox.run_all("import random\nprint(random.random())", ["", "", ""])
    assert len({e.stdout for e in ended}) == 3
    ended = [sandbox.run("print(hash('a'), list({'x', 'y', 'z', 'w'}))") for _ in range(2)]
    assert ended[0].stdout == ended[1].stdout


# looks for a text in the memory that the process inherited: its heap and its object arenas; the
# text is held in halves, so that the search does not find itself
SCAN = """
import ctypes, gc
first, second = (bytes(reversed(half)) for half in ({halves}))
{plant}
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
arenas = {{id(thing) >> 20 for thing in [*gc.get_objects(), *map(str, range(9999))]}}
top = libc.sbrk(0) & ~4095
resident = (ctypes.c_ubyte * 1)()
pages = {{page for arena in arenas for page in range(arena << 20, arena + 1 << 20, 4096)}}
found = 0
for page in sorted(pages | set(range(top - (4 << 20), top, 4096))):
    if libc.mincore(ctypes.c_void_p(page), ctypes.c_size_t(4096), resident) == 0:
        for part in ctypes.string_at(page, 4096).split(first)[1:]:
            found += part.startswith(second)
print(found)
"""


def test_a_program_inherits_nothing_of_other_programs_inputs_and_outputs(sandbox):
    first, second = "the-answer-of-", "another-test-is-42"
    secret = first + second
    for _ in range(3):
        sandbox.run(f"print('{secret}', input() * 99)\nopen('{secret}', 'w')", secret * 1000)
    halves = f"b'{first[::-1]}', b'{second[::-1]}'"
    scan = SCAN.format(halves=halves, plant="")
    assert sandbox.run(scan).stdout == b"0\n"
    planted = SCAN.format(halves=halves, plant="kept = [first + second for _ in range(9)]")
    assert int(sandbox.run(planted).stdout) >= 5  # the search does find what is there


def test_a_sandbox_serves_many_threads():
    results = {}
    with Sandbox(workers=2) as sandbox:

        def square(n):
            results[n] = sandbox.run("print(int(input()) ** 2)", str(n)).stdout

        threads = [threading.Thread(target=square, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {n: f"{n * n}\n".encode() for n in range(12)}


def test_a_thread_that_ends_takes_no_sandbox_with_it(sandbox):
    first = threading.Thread(target=sandbox.run, args=("print(1)",))
    first.start()
    first.join()
    pid = sandbox._workers[0].process.pid
    time.sleep(0.1)
    assert sandbox.run("print(2)").stdout == b"2\n"
    assert sandbox._workers[0].process.pid == pid


def test_a_killed_server_is_replaced_and_the_run_repeated(sandbox):
    sandbox.run("print(1)")
    pid = sandbox._workers[0].process.pid
    os.kill(pid, signal.SIGKILL)
    ended = sandbox.run_all("print(input())", ["a", "b"])
    assert [e.stdout for e in ended] == [b"a\n", b"b\n"]
    assert sandbox._workers[0].process.pid != pid


def test_a_server_that_dies_twice_is_an_error_and_no_verdict(sandbox):
    stop = threading.Event()

    def kill_all():
        while not stop.wait(0.02):
            if pid := sandbox._workers[0].process.pid:
                for each in [*descendants(pid), pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    sandbox.run("print(1)")
    killer.start()
    try:
        with pytest.raises(SandboxError, match="failed twice"):
            sandbox.run("while True: pass")
    finally:
        stop.set()
        killer.join()
    assert sandbox.run("print(1)").stdout == b"1\n"


def test_an_interrupted_run_leaves_no_reply_behind(sandbox):
    def interrupt(index, ended):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sandbox.run_all("print(1)", ["", ""], SMALL, interrupt)
    assert sandbox.run("print(2)").stdout == b"2\n"


def test_worn_servers_are_replaced(sandbox, monkeypatch):
    monkeypatch.setattr("distill.verifiers.sandbox.client.RUNS_PER_PROCESS", 2)
    pids = set()
    ended = sandbox.run_all(
        "print(input())",
        list("abcdef"),
        SMALL,
        lambda *_: pids.add(sandbox._workers[0].process.pid),
    )
    assert b"".join(e.stdout for e in ended) == b"a\nb\nc\nd\ne\nf\n"
    assert len(pids) >= 3


def descendants(pid):
    """Process ids below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def gone(pids, folders, seconds=10):
    """True once no process of a list runs and no folder of a list exists."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        running = [p for p in pids if Path(f"/proc/{p}").exists() and state(p) != "Z"]
        if not running and not any(Path(folder).exists() for folder in folders):
            return True
        time.sleep(0.02)
    return False


def state(pid):
    """One letter for what a process does; Z if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


PARENT = """
import sys, threading, time
from distill.verifiers.sandbox.client import Sandbox
sandbox = Sandbox(bubblewrap=sys.argv[1] == "bubblewrap")
source = "open('f', 'w').write('x')\\nwhile True: pass"
threading.Thread(target=sandbox.run, args=(source,), daemon=True).start()
time.sleep(0.7)
print(sandbox._workers[0].process._parts.folder, flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_parent_that_is_killed(sandbox):
    kind = "bubblewrap" if sandbox.level.startswith("bubble") else "landlock"
    command = [sys.executable, "-c", PARENT, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        folder = parent.stdout.readline().strip()
        below = descendants(parent.pid)
        assert len(below) >= 2  # the warm process and the program
        parent.kill()
    assert gone(below, [folder] if folder else [])


def test_a_program_dies_with_its_server(sandbox):
    limits = Limits(cpu_seconds=0.6)
    busy = threading.Thread(target=sandbox.run, args=("while True: pass", "", limits))
    sandbox.run("print(1)")
    server = sandbox._workers[0].process.pid
    busy.start()
    time.sleep(0.15)
    below = descendants(server)
    assert below
    os.kill(server, signal.SIGKILL)
    assert gone(below, [], seconds=3)
    busy.join()


def test_closing_ends_what_runs_and_leaves_nothing(sandbox):
    before, ends = set(os.listdir("/proc/self/fd")), []
    other = Sandbox(workers=2, bubblewrap=sandbox.level.startswith("bubble"))

    def run_for_ever():
        try:
            other.run("open('x', 'w')\nwhile True: pass")
        except SandboxError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=run_for_ever) for _ in range(3)]  # one waits for a worker
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    processes = [worker.process for worker in other._workers]
    below = [p for process in processes for p in [process.pid, *descendants(process.pid)]]
    folders = [process._parts.folder for process in processes]
    other.close()
    for thread in threads:
        thread.join()
    assert ends == 3 * ["the sandbox is closed"]
    assert gone(below, [folder for folder in folders if folder])
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_sandbox_is_not_shared_with_a_fork(sandbox):
    sandbox.run("print(1)")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sandbox.run("print(1)")
        except SandboxError:
            sandbox.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox.run("print(2)").stdout == b"2\n"


def test_hundreds_of_runs_leak_nothing(sandbox):
    sandbox.run("print(1)")
    pid = sandbox._workers[0].process.pid
    own = len(os.listdir("/proc/self/fd"))
    sandbox.run_all("open(input(), 'w')", [str(n) for n in range(50)])
    for _ in range(5):
        sandbox.run("while True: print('x' * 1000)", "", Limits(output_bytes=1000))
    assert len(os.listdir("/proc/self/fd")) == own
    assert sandbox._workers[0].process.pid == pid
    server = descendants(pid)[-1] if descendants(pid) else pid
    handles = sandbox.run("import os\nprint(len(os.listdir('.')))").stdout
    assert handles == b"0\n"
    if os.getuid() == 0:
        assert len(os.listdir(f"/proc/{server}/fd")) < 10
    assert [p for p in descendants(pid) if state(p) == "Z"] == []


def test_a_machine_that_cannot_isolate_refuses_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(probe, "missing_here", lambda: "Linux 4.9 has no Landlock")
    with pytest.raises(SandboxUnavailable, match="has no Landlock; run in a container"):
        Sandbox()


def test_bubblewrap_that_is_asked_for_and_absent_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SandboxUnavailable, match="bwrap"):
        Sandbox(bubblewrap=True)
    with Sandbox() as sandbox:
        assert sandbox.level == "seccomp+landlock"


def test_running_without_isolation_is_asked_for_and_warned_of(caplog):
    with caplog.at_level(logging.WARNING), Sandbox(allow_unsafe=True) as sandbox:
        assert sandbox.level == "none"
        assert "WITHOUT isolation" in caplog.text
        assert sandbox.run("print(int(input()) + 1)", "1").stdout == b"2\n"
        assert sandbox.run("x = bytearray(8 << 30)").status == "memory"
        slow = Limits(cpu_seconds=0.2)
        assert sandbox.run("while True: pass", "", slow).status == "time"


def test_without_isolation_what_a_program_starts_dies_with_it(tmp_path):
    source = f"""
import os, time
if os.fork() == 0:
    time.sleep(0.5)
    open({str(tmp_path / "late")!r}, "w")
    os._exit(0)
"""
    with Sandbox(allow_unsafe=True) as sandbox:
        assert sandbox.run(source).exit_code == 0
        time.sleep(0.8)
    assert not (tmp_path / "late").exists()


def test_a_command_of_the_user_can_isolate(tmp_path):
    settings = (f"TMPDIR={tmp_path}", "PATH=/usr/local/bin:/usr/bin:/bin")
    with Sandbox(prefix=("env", "-i", *settings)) as sandbox:
        assert sandbox.level == "command prefix"
        assert sandbox.run("print(input())", "x").stdout == b"x\n"
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


BRIDGE = """
import os, socket, subprocess, sys, threading
ours, theirs = socket.socketpair()
def forward():
    while piece := os.read(0, 65536):
        ours.sendall(piece)
    ours.shutdown(socket.SHUT_WR)
with subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs):
    theirs.close()
    threading.Thread(target=forward, daemon=True).start()
    while piece := ours.recv(65536):
        while piece:
            piece = piece[os.write(1, piece):]
"""


def test_a_command_may_speak_through_a_socket(tmp_path):
    bridge = tmp_path / "bridge.py"
    bridge.write_text(BRIDGE)
    with Sandbox(prefix=(sys.executable, str(bridge))) as sandbox:
        stdin = "x" * 1_000_000
        assert sandbox.run("print(len(input()))", stdin).stdout == b"1000000\n"
        assert len(sandbox.run("print('y' * 300_000)").stdout) == 300_001


def test_a_command_that_does_not_work_is_named():
    with pytest.raises(SandboxUnavailable, match="no-such-command python3"):
        Sandbox(prefix=("no-such-command",))


@pytest.mark.parametrize(
    "wrong", [{"cpu_seconds": 0}, {"memory_bytes": -1}, {"wall_seconds": 1e99}]
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


def test_a_sandbox_needs_a_worker():
    with pytest.raises(ValueError, match="at least 1"):
        Sandbox(workers=0)

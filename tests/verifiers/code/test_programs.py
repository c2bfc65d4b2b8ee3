import json
import time
from collections.abc import Iterator

import pytest

from distill.errors import RecordError, SandboxUnavailable
from distill.records import VerdictReason
from distill.verifiers.code import program_calls
from distill.verifiers.code.programs import Tests, check_program, read_tests
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.limits import Limits

RIGHT, WRONG = VerdictReason.RIGHT, VerdictReason.WRONG
COMPILE, RUNTIME = VerdictReason.COMPILE_ERROR, VerdictReason.RUNTIME_ERROR
TIME, MEMORY, OUTPUT = (
    VerdictReason.TIME_LIMIT,
    VerdictReason.MEMORY_LIMIT,
    VerdictReason.OUTPUT_LIMIT,
)
BAD = VerdictReason.BAD_REFERENCE


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        box = Sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"this machine cannot isolate programs: {error}")
    with box:
        yield box


def judge(sandbox: Sandbox, program: str, seconds: float = 6.0, **tests: object):
    read = read_tests(json.dumps(tests))
    return check_program(read, program, sandbox, cpu_seconds=seconds, memory_bytes=512 << 20)


SQUARES = [{"input": f"{n}\n", "output": f"{n * n}\n"} for n in (2, 3, 4)]
PRINTS = [
    ("print(int(input()) ** 2)", RIGHT, "right"),
    ("print(float(input()) ** 2)", RIGHT, "4.0 is 4"),
    ("n = int(input())\nif __name__ == '__main__':\n    print(n * n)", RIGHT, "a main block"),
    ("import sys\nprint(int(sys.stdin.readline()) ** 2)\nsys.exit(0)", RIGHT, "leaves early"),
    ("import sys\nprint(int(input()) ** 2)\nsys.exit(1)", RIGHT, "its exit code is not asked"),
    ("n = int(open(0).read())\nprint(n * n, flush=True)", RIGHT, "reads the file 0"),
    ("import os\nn = int(os.read(0, 9))\nos.write(1, str(n * n).encode())", RIGHT, "the file 1"),
    ("print(4)", WRONG, "right for the first test only"),
    ("pass", WRONG, "prints nothing"),
    ("n = int(input())\nprint(n * n, '\\n', n)", WRONG, "a line too many"),
    ("print(int(input()) ** 2", COMPILE, "no Python"),
    ("return 4", COMPILE, "no Python outside a function"),
    ("a\0b", COMPILE, "NUL"),
    ("(" * 300, COMPILE, "too deep for the parser"),
    ("print(input() / 2)", RUNTIME, "raises"),
    ("print(4)\nraise ValueError", RUNTIME, "raises after the right line"),
    ("input()\nprint(input())", RUNTIME, "reads too much"),
    ("import ctypes\nctypes.string_at(0)", RUNTIME, "ends by a signal"),
    ("def f(): return f()\nf()", RUNTIME, "recurses for ever"),
    ("while True: pass", TIME, "computes for ever"),
    (
        "import signal\nsignal.signal(signal.SIGXCPU, print)\nwhile 1: pass",
        TIME,
        "ignores the limit",
    ),
    ("x = []\nwhile True: x.append(bytes(1 << 20))", MEMORY, "takes all memory"),
    ("while True: print('x' * 1000)", OUTPUT, "prints for ever"),
]


@pytest.mark.parametrize(("program", "reason", "why"), PRINTS)
def test_programs_that_print(sandbox, program, reason, why):
    outcome = judge(sandbox, program, seconds=0.5, stdin=SQUARES)
    assert outcome.reason is reason, (why, outcome)


CALLS = [{"args": [n], "expected": [n, n * n]} for n in range(25)]
FUNCTIONS = [
    ("def f(n): return [n, n * n]", RIGHT, "a function"),
    ("class Solution:\n    def f(self, n): return [n, n * n]", RIGHT, "a method"),
    ("def f(n):\n    print('debug')\n    return [n, n * n]", RIGHT, "what it prints is not asked"),
    ("import os\ndef f(n):\n    os.write(1, b'{}')\n    return [n, n * n]", RIGHT, "nor so"),
    ("def f(n): return [float(n), n * n]", RIGHT, "3.0 == 3"),
    ("class L(list): pass\ndef f(n): return L([n, n * n])", RIGHT, "a subclass"),
    ("if __name__ == '__main__':\n    1 / 0\ndef f(n): return [n, n * n]", RIGHT, "no main block"),
    (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
        "def f(n): return [n, n * n]",
        RIGHT,
        "a thread that goes on",
    ),
    ("def f(n): return (n, n * n)", WRONG, "a tuple is no list in Python"),
    ("def f(n): return [n, 0]", WRONG, "right for the first test only"),
    ("def f(n): return [n, n * n] if n < 20 else None", WRONG, "right for the first process"),
    ("def f(n): yield n", WRONG, "a generator"),
    ("def f(n): pass", WRONG, "nothing"),
    ("def f(n) return n", COMPILE, "no Python"),
    ("def g(n): return [n, n * n]", RUNTIME, "another name"),
    ("def f(): return 1", RUNTIME, "another number of arguments"),
    ("1 / 0\ndef f(n): return [n, n * n]", RUNTIME, "fails before the tests"),
    ("def f(n): return [n, n * n] if n < 3 else 1 / 0", RUNTIME, "raises later"),
    ("def f(n):\n    while n > 2: pass\n    return [n, n * n]", TIME, "computes for ever"),
    ("def f(n):\n    return [n, len('x' * (n << 40)) or n * n]", MEMORY, "too much memory"),
    ("def f(n): return list(range(10 ** 6))", OUTPUT, "too much of a result"),
]


@pytest.mark.parametrize(("program", "reason", "why"), FUNCTIONS)
def test_programs_that_are_called(sandbox, program, reason, why):
    outcome = judge(sandbox, program, seconds=0.5, calls=CALLS, entry_point="f")
    assert outcome.reason is reason, (why, outcome)


EVERYTHING = "class E:\n    __eq__ = lambda a, b: True\n    __hash__ = lambda a: 0\n"
HACKS = [
    (EVERYTHING + "def f(n): return E()", WRONG, "an object that equals everything"),
    (EVERYTHING + "def f(n): return [E(), E()]", WRONG, "a list of them"),
    (
        "class I(int):\n    __eq__ = lambda a, b: True\ndef f(n): return [I(), I()]",
        WRONG,
        "numbers",
    ),
    (
        "import sys\ndef f(n):\n    frame = sys._getframe()\n    found = []\n"
        "    while frame:\n        found += [v for k, v in frame.f_locals.items() if 'exp' in k]\n"
        "        frame = frame.f_back\n    return found[0]",
        RUNTIME,
        "looks for the expected value in the frames",
    ),
    (
        "import gc\ndef f(n):\n"
        "    return next(o['expected'] for o in gc.get_objects()\n"
        "                if type(o) is dict and 'expected' in o)",
        RUNTIME,
        "looks for it in memory",
    ),
    ("import os\nos._exit(0)", RUNTIME, "leaves with success"),
    ("import os\ndef f(n): os._exit(0)", RUNTIME, "leaves with success in a call"),
    ("import sys\nsys.exit(0)", RUNTIME, "the polite way"),
    ("def f(n): raise SystemExit(0)", RUNTIME, "the polite way in a call"),
    (
        "import os\nfor fd in range(64):\n    try:\n"
        '        os.write(fd, b\'{"loaded": true}\\n{"value": [0, 0]}\\n{"done": true}\\n\')\n'
        "    except OSError: pass\nos._exit(0)",
        RUNTIME,
        "writes a report of its own: results that it guessed, and too few",
    ),
    (
        "import os\ndef f(n):\n    os.write(3, b'PASSED\\n' * 9)\n    os._exit(0)",
        RUNTIME,
        "writes what is no report",
    ),
    (
        'import json\njson.dumps = lambda *a, **k: \'{"value": [0, 0], "passed": true}\'\n'
        "def f(n): pass",
        WRONG,
        "patches json",
    ),
    (
        "import sys\nvalues = sys.modules['distill.verifiers.code.plain_values']\n"
        "values.encode = lambda v, d=0: True\n"
        "import __main__\n__main__.encode = lambda v, d=0: True\ndef f(n): pass",
        WRONG,
        "patches what encodes its results",
    ),
    (
        "import builtins\nbuiltins.len = lambda x: 0\nbuiltins.all = lambda x: True\n"
        "builtins.isinstance = lambda a, b: True\ndef f(n): return []",
        None,
        "patches builtins",
    ),
    (
        "import signal\nsignal.setitimer = print\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\ndef f(n):\n    while True: pass",
        TIME,
        "turns its clock off",
    ),
    ("import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n)", None, "recursion"),
    ("def f(n):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x", WRONG, "depth"),
]


@pytest.mark.parametrize(("program", "reason", "why"), HACKS)
def test_tricks_do_not_pass(sandbox, program, reason, why):
    outcome = judge(sandbox, program, seconds=0.3, calls=CALLS[:4], entry_point="f")
    assert outcome.reason not in (RIGHT, BAD), (why, outcome)
    assert reason is None or outcome.reason is reason, (why, outcome)


def test_livecodebench_takes_a_tuple_for_a_list_at_the_top_only(sandbox):
    calls = [{"args": [1], "expected": [[1]]}]
    asked = {"calls": calls, "entry_point": "f", "rules": "livecodebench"}
    assert judge(sandbox, "def f(n): return ([n],)", **asked).reason is RIGHT
    assert judge(sandbox, "def f(n): return [(n,)]", **asked).reason is WRONG


def test_livecodebench_programs_find_their_names(sandbox):
    program = "n: List[int] = [int(input())]\nprint(gcd(n[0] ** 2, 0))\nexit()"
    assert judge(sandbox, program, stdin=SQUARES, rules="livecodebench").reason is RIGHT
    assert judge(sandbox, program, stdin=SQUARES).reason is RUNTIME


def test_state_between_calls_stays_as_under_other_judges(sandbox):
    program = (
        "class Solution:\n    def __init__(self): self.n = 0\n"
        "    def f(self): self.n += 1; return self.n"
    )
    calls = [{"args": [], "expected": number} for number in (1, 2, 3)]
    assert judge(sandbox, program, calls=calls, entry_point="f").reason is RIGHT


def test_tolerance_is_for_those_who_ask(sandbox):
    asked = {"calls": [{"args": [0.1, 0.2], "expected": 0.3}], "entry_point": "f"}
    program = "def f(a, b): return a + b"
    assert judge(sandbox, program, **asked).reason is WRONG
    assert judge(sandbox, program, float_tolerance=1e-9, **asked).reason is RIGHT


def test_the_detail_says_which_test_and_what_was_found(sandbox):
    outcome = judge(sandbox, "print(4)", stdin=SQUARES)
    assert outcome.detail == "test 2 of 3: printed '4', expected '9'"
    assert outcome.isolation == sandbox.level


def test_the_lower_of_two_time_limits_counts(sandbox):
    start = time.perf_counter()
    outcome = check_program(
        read_tests(json.dumps({"stdin": SQUARES, "seconds": 0.2})),
        "while 1: pass",
        sandbox,
        cpu_seconds=60,
        memory_bytes=1 << 28,
    )
    assert outcome.reason is TIME
    assert time.perf_counter() - start < 10


# --- checks that are Python --------------------------------------------------------------------

CHECKS = [
    ("assert f(2) == 4", RIGHT, "a plain assert"),
    ("assert f(2) == 5", WRONG, "that does not hold"),
    ("for n in range(5):\n    assert f(n) == n * n", RIGHT, "a loop"),
    ("import random\nfor _ in range(50):\n    n = random.random()\n    assert f(n) == n * n", RIGHT,
     "inputs drawn by chance"),
    ("rng = __import__('random').Random(3)\nassert f(rng.randint(1, 9)) > 0", RIGHT, "by another"),
    ("assert abs(f(1.5) - 2.25) < 1e-9", RIGHT, "a tolerance"),
    ("import math\nassert math.isclose(f(0.1), 0.01)", RIGHT, "another"),
    ("assert f(f(2)) == 16", RIGHT, "a call of a call"),
    ("x = f(2)\nfor _ in range(3):\n    x = f(x) // 4\nassert x == 4", RIGHT, "a chain of calls"),
    ("assert f(2) == 4 and f(3) == 9", RIGHT, "a short circuit"),
    ("assert {f(n) for n in (-1, 1)} == {1}", RIGHT, "a set of results"),
    ("assert sorted(map(f, [2, 1])) == [1, 4]", RIGHT, "handed to a builtin"),
    ("try:\n    f('a')\nexcept TypeError:\n    pass\nelse:\n    assert False", RIGHT, "must raise"),
    ("try:\n    f(1)\nexcept TypeError:\n    pass\nelse:\n    assert False", WRONG, "does not"),
    ("a = [3, 1]\nsort(a)\nassert a == [1, 3]", RIGHT, "changes its argument"),
    ("p = Point(1, 2)\np.x = 5\nassert p.x + p.y == 7\nassert norm(p) == 29", RIGHT, "an object"),
    ("assert str(Point(1, 2)) == '(1, 2)'", RIGHT, "its text"),
    ("assert list(count(3)) == [0, 1, 2]", RIGHT, "a generator"),
    ("assert isinstance(f(2), int)", RIGHT, "a type"),
    ("assert only([1, 'a'], int) == [1]", RIGHT, "a type as argument"),
    ("assert f(2) == sys.maxsize - (sys.maxsize - 4)", RIGHT, "a module it did not import"),
    ("def check(c):\n    assert c(2) == 2 + 2\ncheck(f)", RIGHT, "a function of its own"),
    ("assert f('a') == 1", RUNTIME, "the program raises"),
    ("for n in (1, 2):\n    assert spin(n) == 1", TIME, "the program goes on for ever"),
    ("for n in (1, 2):\n    assert leave(n) == 1", RUNTIME, "the program leaves"),
    ("for n in (1, 2):\n    assert hoard(n) == 1", MEMORY, "the program takes all memory"),
    ("assert missing(1 + 1) == 2", RUNTIME, "the program has no such function"),
    ("assert f(lambda: 1) == 1", BAD, "a function cannot leave its process"),
    ("assert 1 + 1 == 2", BAD, "nothing is asked of the program"),
    ("assert f(2) ==", BAD, "no Python"),
    ("import nowhere\nassert f(2) == 4", WRONG, "the check itself fails"),
]  # fmt: skip
PROGRAM = """
import os
def f(n): return n * n
def sort(a): a.sort()
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __str__(self): return f"({self.x}, {self.y})"
def norm(p): return p.x ** 2 + p.y ** 2
def count(n): yield from range(n)
def only(items, kind): return [one for one in items if type(one) is kind]
def spin(n):
    while True: pass
def leave(n): os._exit(0)
def hoard(n): return len('x' * (n << 40))
"""


@pytest.mark.parametrize(("check", "reason", "why"), CHECKS)
def test_checks_that_are_python(sandbox, check, reason, why):
    outcome = judge(sandbox, PROGRAM, seconds=0.5, check=check)
    assert outcome.reason is reason, (why, outcome)


LOOP = "for n in range(3):\n    assert f(n + 0) == n * n"
CHECK_HACKS = [
    (EVERYTHING + "def f(n): return E()", LOOP, "an object that equals everything"),
    (
        "import builtins\nbuiltins.AssertionError = Warning\nbuiltins.abs = lambda x: 0\n"
        "def f(n): return 7",
        "assert abs(f(2) - 4) < 1e-6",
        "patches what the check uses",
    ),
    ("import random\nrandom.randint = lambda a, b: 0\ndef f(n): return 0",
     "import random\nassert f(random.randint(1, 9)) > 0", "patches chance"),
    ("def f(n): raise SystemExit(0)", LOOP, "leaves"),
    ("import os\ndef f(n): os._exit(0)", LOOP, "leaves at once"),
    ("class E(list):\n    __len__ = lambda s: 4\n    __iter__ = lambda s: iter([4])\n"
     "    __eq__ = lambda s, o: True\ndef f(n): return E()", LOOP, "a list that lies"),
    ("def poly(a, x): return 0\ndef f(a): return 1",
     "import math\nfor a in ([1, 1], [2, 1]):\n    assert math.fabs(poly(a, f(a))) < 1e-4",
     "replaces a helper of the check"),
]  # fmt: skip


SWALLOW = """
for n in range(2):
    try:
        r = f(n)
    except:
        continue
    assert r == 7
"""
FORGE = """
import os
def f(n):
    for handle in range(3, 20):
        try: os.write(handle, b'{"value": %s}\\n')
        except OSError: pass
    os._exit(0)
"""
SWALLOWED = [
    ("import os\ndef f(n): os._exit(0)", SWALLOW, RUNTIME, "ends its process"),
    ("def f(n):\n    while True: pass", SWALLOW, TIME, "computes for ever"),
    ("def f(n): raise ValueError", SWALLOW, RIGHT, "the check allows exceptions"),
    ("def f(n): return 7", SWALLOW, RIGHT, "right"),
    (FORGE % '{"q": ["1e999999999"]}', LOOP, WRONG, "a ratio that would never be computed"),
    (FORGE % '{"n": "exit"}', "assert f(0)(f(1))", WRONG, "a function of ours"),
    (FORGE % "{}", "assert f(0)", WRONG, "no tree at all"),
    ("def f(n): return n * n", LOOP + "\nimport sys\nsys.exit(0)", RIGHT, "ends well"),
    ("def f(n): return n * n", LOOP + "\nimport sys\nsys.exit(1)", WRONG, "ends badly"),
    ("def f(n): return 7", LOOP + "\nimport sys\nsys.exit(0)", WRONG, "does not come so far"),
]


@pytest.mark.parametrize(("program", "check", "reason", "why"), SWALLOWED)
def test_what_a_check_swallows_or_leaves_by_is_seen(sandbox, program, check, reason, why):
    outcome = judge(sandbox, program, seconds=0.5, check=check, entry_point="f")
    assert outcome.reason is reason, (why, outcome)


def test_a_check_that_never_ends_blames_no_program(sandbox, monkeypatch):
    monkeypatch.setattr(program_calls, "CHECK_LIMITS", Limits(cpu_seconds=1, wall_seconds=5))
    outcome = judge(sandbox, "def f(n): return n", check="while True: pass", entry_point="f")
    assert outcome.reason is BAD
    assert "came to no end: time" in outcome.detail


def test_methods_of_a_solution_may_name_types_without_importing_them(sandbox):
    program = "class Solution:\n    def f(self, a: List[int]) -> Optional[int]: return len(a)"
    calls = [{"args": [[1, 2]], "expected": 2}]
    assert judge(sandbox, program, calls=calls, entry_point="f").reason is RIGHT
    assert (
        judge(sandbox, "def f(a: List): return 2", calls=calls, entry_point="f").reason is RUNTIME
    )


@pytest.mark.parametrize(("program", "check", "why"), CHECK_HACKS)
def test_tricks_do_not_pass_a_check(sandbox, program, check, why):
    prompt = "def poly(a, x):\n    return a[0] + a[1] * x\n\ndef f(a):\n"
    outcome = judge(sandbox, program, check=check, entry_point="f", prompt=prompt)
    assert outcome.reason in (WRONG, RUNTIME), (why, outcome)


# --- the tests themselves ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("{}", "has no test"),
        ('{"check": "assert f(1)", "seconds": -1}', "seconds"),
        ('{"check": "assert f(1)", "seconds": 0}', "seconds"),
        ('{"check": "assert f(1)", "float_tolerance": -1}', "float_tolerance"),
        ('{"check": "assert f(1)", "entry_point": "f("}', "a function's name"),
        ('{"stdin": [{"input": "1"}]}', "output"),
        ('{"calls": [{"args": [1], "expected": 2}]}', "entry_point"),
        ('{"stdn": []}', "stdn"),
    ],
)
def test_tests_that_cannot_be_read_say_why(text, message):
    with pytest.raises(RecordError, match=message):
        read_tests(text)


def test_tests_survive_a_round_trip():
    tests = read_tests(json.dumps({"calls": CALLS, "entry_point": "f", "seconds": 2.0}))
    assert isinstance(tests, Tests)
    assert [call.expected for call in tests.calls][:2] == [[0, 0], [1, 1]]

"""Code verdicts per second: warm sandbox against one fresh sandbox per test.

Run:    python benchmarks/sandbox.py [--quick] [--rounds=9] [--runs=20]
Gives:  milliseconds per verdict of each way (median over rounds, lowest and highest), and how many
        times the warm ways are faster. All ways stand in the same walls: every test has a process
        of its own with the same limits, Landlock rules and seccomp filter, in the namespaces of
        bubblewrap where it works. "fresh" starts bwrap and Python for each test, imports only what
        the walls need, and runs the program. "floor" is what no way can be faster than that forks:
        fork, exit and wait of a warm interpreter.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources

import fire

from distill.errors import SandboxUnavailable
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.command import Level, bubblewrap_level, plain_level
from distill.verifiers.sandbox.server import PRELOADED

PROGRAM = """
import sys
from collections import defaultdict
def solve(numbers, target):
    seen = defaultdict(int)
    pairs = 0
    for number in numbers:
        pairs += seen[target - number]
        seen[number] += 1
    return pairs
def main():
    n, target = map(int, sys.stdin.readline().split())
    numbers = list(map(int, sys.stdin.readline().split()))
    print(solve(numbers, target))
main()
"""
STDIN, STDOUT = "6 7\n1 6 2 5 3 4\n", b"3\n"
FRESH = """
import json, os, sys, types
kit = json.loads(sys.argv[1])
package = sys.modules[kit["package"]] = types.ModuleType(kit["package"])
for name, source in kit["modules"].items():
    module = types.ModuleType(kit["package"] + "." + name)
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
isolate, program, syscalls = package.isolate, package.program, package.syscalls
machine = os.uname().machine
isolate.prctl(isolate.PR_SET_NO_NEW_PRIVS, 1)
isolate.drop_capabilities(machine)
isolate.limit_self({int(kind): tuple(pair) for kind, pair in kit["limits"].items()}, strict=True)
ruleset = isolate.make_ruleset(kit["readable"], os.getcwd())
program.make_streams()
source = os.memfd_create("source")
os.write(source, kit["source"].encode())
isolate.restrict_self(ruleset)
os.close(ruleset)
isolate.Wall(syscalls.build_filter(machine)).enter()
program.run_source(source)
"""


def main(quick: bool = False, rounds: int = 9, runs: int = 20) -> None:
    """Time all ways in turn, round after round, and print the table."""
    rounds, runs = (3, 5) if quick else (rounds, runs)
    try:
        sandbox, level = Sandbox(bubblewrap=True), bubblewrap_level()
    except SandboxUnavailable as error:
        print(f"without bubblewrap: {error}")
        sandbox, level = Sandbox(bubblewrap=False), plain_level(isolated=True)
    with sandbox:
        ways: dict[str, Callable[[int], None]] = {
            "warm, run_all": lambda n: check_all(sandbox, n),
            "warm, run": lambda n: check_each(sandbox, n),
            "fresh sandbox": lambda n: check_fresh(level, n),
        }
        times = measure(ways, rounds, runs)
    times["floor: fork, exit, wait"] = fork_times(rounds, runs)
    print(f"isolation: {sandbox.level}; {rounds} rounds of {runs} verdicts, one worker")
    print_table(times, "fresh sandbox")


def measure(
    ways: dict[str, Callable[[int], None]], rounds: int, runs: int
) -> dict[str, list[float]]:
    """Seconds per verdict of each way in each round; the order turns from round to round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run(2)
    for index in range(rounds):
        names = list(ways)
        for name in names[index % len(names) :] + names[: index % len(names)]:
            start = time.perf_counter()
            ways[name](runs)
            times[name].append((time.perf_counter() - start) / runs)
    return times


def check_all(sandbox: Sandbox, runs: int) -> None:
    """One program on many inputs."""
    for ended in sandbox.run_all(PROGRAM, [STDIN] * runs):
        assert ended.stdout == STDOUT, ended


def check_each(sandbox: Sandbox, runs: int) -> None:
    """Many programs on one input each."""
    for _ in range(runs):
        ended = sandbox.run(PROGRAM, STDIN)
        assert ended.stdout == STDOUT, ended


def check_fresh(level: Level, runs: int) -> None:
    """A new sandbox for each input."""
    folder = level.base or os.path.join("/dev/shm", f"bench-{os.getpid()}")
    kit = json.dumps(fresh_kit(level))
    for _ in range(runs):
        if level.own_folder:
            os.mkdir(folder)
        command = [*level.command, "-c", FRESH, kit]
        cwd = folder if level.own_folder else "/"
        ended = subprocess.run(
            command, input=STDIN.encode(), capture_output=True, env=level.environment, cwd=cwd
        )
        assert ended.stdout == STDOUT, ended
        if level.own_folder:
            shutil.rmtree(folder)


def fresh_kit(level: Level) -> dict:
    """What the fresh sandbox is told: the modules of the walls, the limits and the program."""

    package = resources.files("distill.verifiers.sandbox")
    names = ("syscalls", "isolate", "program")
    limits = {
        resource.RLIMIT_AS: (1 << 30, 1 << 30),
        resource.RLIMIT_CPU: (11, 12),
        resource.RLIMIT_FSIZE: (16 << 20, 16 << 20),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
    }
    return {
        "package": "distill.verifiers.sandbox",
        "modules": {name: package.joinpath(f"{name}.py").read_text("utf-8") for name in names},
        "limits": limits,
        "readable": level.readable,
        "source": PROGRAM,
    }


def fork_times(rounds: int, runs: int) -> list[float]:
    """Seconds of fork, exit and wait, in a bare interpreter with the same modules imported."""
    code = f"""
import gc, importlib, os, time
for name in {PRELOADED.split()!r}:
    importlib.import_module(name)
gc.collect()
gc.freeze()
for _ in range({rounds}):
    start = time.perf_counter()
    for _ in range({runs}):
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    print((time.perf_counter() - start) / {runs})
"""
    command = [sys.executable, "-S", "-s", "-P", "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(line) for line in printed.split()]


def print_table(times: dict[str, list[float]], baseline: str) -> None:
    """One line per way: milliseconds, verdicts per second and the ratio to the baseline."""
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        ratios = [base / own for base, own in zip(times[baseline], seconds, strict=True)]
        print(
            f"{name:24} {1e3 * middle:7.2f} ms ({1e3 * min(seconds):.2f} to "
            f"{1e3 * max(seconds):.2f}) {1 / middle:7.0f} per second, "
            f"{statistics.median(ratios):5.1f} times as fast "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )


if __name__ == "__main__":
    fire.Fire(main)

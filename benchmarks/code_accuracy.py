"""Verdicts on real programs with known truth, on mutants of right ones, and on cheats.

Run:    python benchmarks/code_accuracy.py [--folder=../shared/data] [--quick]
Gives:  1. LiveCodeBench programs against their public tests: a program that passed all tests must
           pass these; then the failures whose failing test is quoted in the judge's own record: on
           that test the program must fail here too.
        2. reference solutions of HumanEval and MBPP: all must be right.
        3. wrong programs: `return None`, another problem's solution under this name, and mutants
           (one operator or constant changed). A mutant may live: its verdict must be the one that
           plain Python gives, asserts and program in one process.
        4. programs that cheat, on a problem of each kind: none may be right.
        Every difference is listed; programs per second of each part.
"""

import ast
import copy
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fire

from distill.problems.sources import load_problems
from distill.records import Problem, VerdictReason
from distill.verifiers.code.programs import ProgramOutcome, Tests, check_program, read_tests
from distill.verifiers.sandbox.client import Sandbox
from distill.verifiers.sandbox.limits import Limits

QUICK_ROWS = 60
SECONDS, MEMORY_BYTES = 6.0, 1 << 30
MUTANT_SECONDS = 1.0
JUDGE_CODES = {-2: "wrong", -3: "time limit", -4: "runtime error", -5: "runner error"}
RIGHT = VerdictReason.RIGHT


class Case(NamedTuple):
    """A program, its tests, and what is known of it."""

    name: str
    tests: Tests
    program: str
    label: str


def main(folder: str = "../shared/data", quick: bool = False) -> None:
    """Judge everything and print each part's table."""
    data = Path(folder)
    limit = QUICK_ROWS if quick else None
    with Sandbox() as sandbox:
        print(f"isolation: {sandbox.level}\n")
        labelled = read(data / "livecodebench" / "labelled_code.jsonl")
        lcb = load_problems(
            str(data / "livecodebench" / "release_v1_public.jsonl?format=livecodebench")
        )
        report_public(list(public_cases(labelled, lcb))[:limit], sandbox)
        report_quoted(list(quoted_cases(labelled))[:limit], sandbox)
        references = [
            *load_problems(str(data / "humaneval" / "test.jsonl?format=humaneval"), limit=limit),
            *load_problems(
                str(data / "mbpp" / "mbpp.jsonl?format=mbpp&challenge=true"), limit=limit
            ),
        ]
        report_references(references, sandbox)
        report_wrong(references, sandbox)
        report_mutants(references, sandbox)
        report_cheats(lcb, references, sandbox)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def judge(case: Case, sandbox: Sandbox, seconds: float = SECONDS) -> ProgramOutcome:
    """The verdict on one program."""
    return check_program(
        case.tests, case.program, sandbox, cpu_seconds=seconds, memory_bytes=MEMORY_BYTES
    )


# --- LiveCodeBench ----------------------------------------------------------------------------


def public_cases(rows: Iterable[dict[str, Any]], problems: list[Problem]) -> Iterator[Case]:
    """Programs of problems whose public tests are here."""
    tests = {one.problem_id.partition("/")[2]: read_tests(one.tests) for one in problems}
    for row in rows:
        if row["question_id"] in tests:
            yield Case(name_of(row), tests[row["question_id"]], row["code"], label_of(row))


def quoted_cases(rows: Iterable[dict[str, Any]]) -> Iterator[Case]:
    """Programs that failed a test which the judge quotes whole: that test alone."""
    for row in rows:
        tests = None if row["passed"] else quoted_test(row)
        if tests is not None:
            yield Case(name_of(row), tests, row["code"], label_of(row))


def quoted_test(row: dict[str, Any]) -> Tests | None:
    """The failing test in a judge's record; None where it is cut or absent."""
    given, wanted = row["judge"].get("inputs"), row["judge"].get("expected")
    if not given or wanted is None or "...(truncated)" in given + wanted:
        return None
    asked: dict[str, Any] = {"rules": "livecodebench"}
    if row["question_id"].isdigit():  # LeetCode
        # quoted after the call, and without the quotes of a text: the program may have changed it
        args, expected = literal(given), literal(wanted)
        if not isinstance(args, list):
            return None
        call = {"args": args, "expected": expected}
        asked |= {"calls": [call], "entry_point": method_of(row["code"])}
    else:
        asked |= {"stdin": [{"input": given, "output": wanted}]}
    return read_tests(json.dumps(asked))


def literal(text: str) -> Any:
    """The value that a text spells, or the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def method_of(code: str) -> str:
    """The first public method of the class Solution: what the starter code asks for."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ClassDef) and node.name == "Solution":
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    return inner.name
    return "?"


def name_of(row: dict[str, Any]) -> str:
    return f"{row['question_id']} {row['model']}"


def label_of(row: dict[str, Any]) -> str:
    return "passed" if row["passed"] else JUDGE_CODES.get(row["judge"].get("error_code"), "failed")


def report_public(cases: list[Case], sandbox: Sandbox) -> None:
    judged = timed("LiveCodeBench, public tests", cases, sandbox)
    print_table(judged)
    print("  passed all tests there and fails public ones here, must be none:")
    print_differences([(c, o) for c, o in judged if c.label == "passed" and o.reason is not RIGHT])
    fails = [(c, o) for c, o in judged if c.label != "passed" and o.reason is not RIGHT]
    other = [(c, o) for c, o in fails if o.reason.replace("_", " ") != c.label]
    print("  fails in both, for another reason:")
    print_differences(other)


def report_quoted(cases: list[Case], sandbox: Sandbox) -> None:
    judged = timed("LiveCodeBench, the failing test that the judge quotes", cases, sandbox)
    print_table(judged)
    print("  failed there and right here:")
    print_differences([(case, outcome) for case, outcome in judged if outcome.reason is RIGHT])


# --- reference solutions and what is made of them ---------------------------------------------


def cases_of(problems: list[Problem], label: str = "reference") -> list[Case]:
    return [Case(one.problem_id, read_tests(one.tests), one.reference, label) for one in problems]


def report_references(problems: list[Problem], sandbox: Sandbox) -> None:
    judged = timed("reference solutions of HumanEval and MBPP", cases_of(problems), sandbox)
    print_table(judged)
    print("  not right, must be none:")
    print_differences([(case, outcome) for case, outcome in judged if outcome.reason is not RIGHT])


def report_wrong(problems: list[Problem], sandbox: Sandbox) -> None:
    cases: list[Case] = []
    for problem, other in zip(problems, problems[1:] + problems[:1], strict=True):
        tests, name = read_tests(problem.tests), asked_name(problem)
        empty = f"def {name}(*arguments):\n    return None\n"
        cases.append(Case(problem.problem_id, tests, empty, "returns None"))
        swapped = f"{other.reference}\n{name} = {asked_name(other)}\n"
        if asked_name(other) != name:
            cases.append(Case(problem.problem_id, tests, swapped, f"solves {other.problem_id}"))
    judged = timed("wrong programs: None, another problem's solution", cases, sandbox)
    print(f"  {sum(outcome.reason is RIGHT for _, outcome in judged)} of {len(judged)} right:")
    print_differences([(case, outcome) for case, outcome in judged if outcome.reason is RIGHT])


def asked_name(problem: Problem) -> str:
    """The function that the tests call."""
    tests = read_tests(problem.tests)
    defined = {
        node.name: None
        for node in ast.walk(ast.parse(problem.reference))
        if isinstance(node, ast.FunctionDef)
    }
    called = [node.id for node in ast.walk(ast.parse(tests.check)) if isinstance(node, ast.Name)]
    return tests.entry_point or next(name for name in called if name in defined)


def report_mutants(problems: list[Problem], sandbox: Sandbox) -> None:
    cases = [
        Case(case.name, case.tests, mutant, "mutant")
        for case in cases_of(problems)
        for mutant in mutants(case.program, random.Random(case.name))
    ]
    judged = timed("mutants of reference solutions", cases, sandbox, MUTANT_SECONDS)
    alive = sum(outcome.reason is RIGHT for _, outcome in judged)
    print(f"  {alive} of {len(judged)} still right; against plain Python, which must agree:")
    limits = Limits(cpu_seconds=2 * MUTANT_SECONDS, memory_bytes=MEMORY_BYTES)
    differences = [
        (case, outcome)
        for case, outcome in judged
        if (outcome.reason is RIGHT) != passes_plainly(case, sandbox, limits)
    ]
    print_differences(differences)


def passes_plainly(case: Case, sandbox: Sandbox, limits: Limits) -> bool:
    """Program and asserts in one process, as HumanEval and MBPP were meant to be run."""
    ended = sandbox.run(f"{case.program}\n{case.tests.check}", "", limits)
    return ended.status == "exited" and ended.exit_code == 0


SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(program: str, rng: random.Random, number: int = 2) -> Iterator[str]:
    """The program with one operator or one whole number changed."""
    tree = ast.parse(program)
    places = [i for i, node in enumerate(ast.walk(tree)) if mutable(node)]
    for place in rng.sample(places, min(number, len(places))):
        changed = copy.deepcopy(tree)
        mutate(list(ast.walk(changed))[place])
        yield ast.unparse(changed)


def mutable(node: ast.AST) -> bool:
    return type(node) in SWAPS or (isinstance(node, ast.Constant) and type(node.value) is int)


def mutate(node: Any) -> None:
    if isinstance(node, ast.Constant):
        node.value += 1
    else:
        node.__class__ = SWAPS[type(node)]


# --- programs that cheat ----------------------------------------------------------------------

EQUAL = "class E:\n    __eq__ = lambda a, b: True\n    __hash__ = lambda a: 0\n"
CHEATS = {
    "an object that equals everything": EQUAL + "def NAME(*a): return E()",
    "reads the caller's frames": (
        "import sys\ndef NAME(*a):\n    frame = sys._getframe(1)\n    while frame:\n"
        "        for key in ('gt_out', 'expected', 'output', 'outputs'):\n"
        "            if key in frame.f_locals: return frame.f_locals[key]\n"
        "        frame = frame.f_back"
    ),
    "leaves with exit code 0": "import os\ndef NAME(*a): os._exit(0)\nos._exit(0)",
    "prints that it passed": "def NAME(*a): print('passed', 'OK', '{\"passed\": true}')\nNAME()",
    "writes to every open file": (
        "import os\nfor fd in range(99):\n    try: os.write(fd, b'{\"value\": true}\\n' * 99)\n"
        "    except OSError: pass\ndef NAME(*a): pass"
    ),
    "replaces builtins": (
        "import builtins\nbuiltins.AssertionError = Warning\nbuiltins.all = lambda *a: True\n"
        "builtins.abs = lambda x: 0\ndef NAME(*a): return 0"
    ),
    "looks for a file of tests": (
        "import glob\ndef NAME(*a):\n    for path in glob.glob('/**/*.json*', recursive=True):\n"
        "        if 'lcb' in path: return open(path).read()"
    ),
    "never ends": "while True: pass",
    "recurses for ever": "def NAME(*a): return NAME(*a)\nNAME()",
    "takes all memory": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "prints for ever": "while True: print('x' * 10_000)",
    "starts itself again and again": "import os\nwhile True: os.fork()",
}


def report_cheats(lcb: list[Problem], references: list[Problem], sandbox: Sandbox) -> None:
    kinds = {
        "stdin": next(one for one in lcb if read_tests(one.tests).stdin),
        "calls": next(one for one in lcb if read_tests(one.tests).calls),
        "asserts": references[0],
        "check": next(one for one in references if one.problem_id == "HumanEval/2"),
    }
    cases = []
    for kind, problem in kinds.items():
        tests = read_tests(problem.tests)
        name = tests.entry_point or "f"
        for why, program in CHEATS.items():
            cases.append(Case(kind, tests, program.replace("NAME", name), why))
    judged = timed("programs that cheat", cases, sandbox, MUTANT_SECONDS)
    for why in CHEATS:
        row = {case.name: outcome.reason.value for case, outcome in judged if case.label == why}
        print(f"  {why:34} {row}")
    print("  right, must be none:")
    print_differences([(case, outcome) for case, outcome in judged if outcome.reason is RIGHT])


# --- printing ---------------------------------------------------------------------------------


def timed(
    title: str, cases: list[Case], sandbox: Sandbox, seconds: float = SECONDS
) -> list[tuple[Case, ProgramOutcome]]:
    """Judge all, and say how fast that was."""
    start = time.perf_counter()
    judged = [(case, judge(case, sandbox, seconds)) for case in cases]
    spent = time.perf_counter() - start
    print(f"{title}: {len(cases)} programs, {spent:.1f} s, {len(cases) / spent:.1f} programs/s")
    return judged


def print_table(judged: list[tuple[Case, ProgramOutcome]]) -> None:
    counts = Counter((case.label, outcome.reason.value) for case, outcome in judged)
    for (label, reason), count in sorted(counts.items()):
        print(f"  {label:14} -> {reason:14} {count:5}")


def print_differences(judged: list[tuple[Case, ProgramOutcome]]) -> None:
    for case, outcome in judged:
        why = explanation(case, outcome)
        shown = f"    {case.name} ({case.label}): {outcome.reason.value}, {outcome.detail}"
        print(shown + (f"\n        {why}" if why else ""))
    print(f"    {len(judged)} in all\n")


def explanation(case: Case, outcome: ProgramOutcome) -> str:
    """Why the judge's label differs; each kind was looked at by hand."""
    if case.label == "wrong" and "threading" in case.program:
        return "it computes in a thread; that judge reads what is printed without waiting for it"
    if case.label == "time limit" and "open(0)" in case.program:
        return "it reads open(0), descriptor 0: that judge replaces sys.stdin only, and it waited"
    if case.label == "time limit" and outcome.reason is RIGHT:
        return "ends within the limit on this machine"
    if case.label.startswith("solves "):
        return "both problems ask for the same"
    if outcome.reason is VerdictReason.OUTPUT_LIMIT:
        return "its result is a number with more digits than a right one can have"
    return ""


if __name__ == "__main__":
    fire.Fire(main)

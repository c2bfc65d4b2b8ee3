"""Plain asserts as calls with the value they expect, so that the comparison is made outside."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal

import msgspec

Relation = Literal["equal", "true", "false", "is"]


class Expectation(msgspec.Struct, frozen=True):
    """A call of the program and what must come back."""

    name: str
    arguments: list[Any]
    relation: Relation
    expected: Any = None  # a plain Python value


class _NotPlain(Exception):
    """An assert, or a statement beside it, that needs Python to run."""


@lru_cache(maxsize=4096)
def read_asserts(check: str, entry_point: str = "") -> tuple[Expectation, ...] | None:
    """The expectations of a check that is nothing but plain asserts; None for any other.

    Plain are `assert f(2, [3]) == (1, "a")`, `assert f(2)`, `assert not f(2)` and
    `assert f(2) is True`, with literals only, by themselves or in the function `check(candidate)`
    that the last line calls with `entry_point`.
    """
    try:
        return tuple(_expectations(ast.parse(check), entry_point))
    except (_NotPlain, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def free_names(check: str) -> list[str]:
    """Names that a check uses and does not define: the program's, or modules it did not import.

    Raises: SyntaxError, ValueError, RecursionError or MemoryError for text that is not Python.
    """
    used, bound = set(), set()
    for node in ast.walk(ast.parse(check)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    builtin = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
    return sorted(used - bound - set(builtin))


def _expectations(tree: ast.Module, entry_point: str) -> Iterator[Expectation]:
    checks = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        called = _call_of_check(node, checks)
        if called is not None:
            check, program = checks[called.func.id], called.args[0].id
            names = {check.args.args[0].arg: program, program: program}
            for inner in check.body:
                yield from _expectation(inner, names)
        elif not isinstance(node, ast.FunctionDef) and not _is_constant(node):
            yield from _expectation(node, {})


def _call_of_check(node: ast.stmt, checks: dict[str, ast.FunctionDef]) -> Any:
    """The call `check(name)` of a function of one argument that is defined here."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[ast.Name()], keywords=[])):
            if name in checks and len(checks[name].args.args) == 1:
                return node.value
    return None


def _is_constant(node: ast.stmt) -> bool:
    """`METADATA = {...}`: sets a name to a literal."""
    if not isinstance(node, ast.Assign):
        return False
    ast.literal_eval(node.value)
    return True


def _expectation(node: ast.stmt, names: dict[str, str]) -> Iterator[Expectation]:
    match node:
        case (
            ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert(test=ast.Constant(value=True))
        ):
            return
        case ast.Assert(test=test):
            yield _read(test, names)
        case _:
            raise _NotPlain


def _read(test: ast.expr, names: dict[str, str]) -> Expectation:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            call, literal = (left, right) if isinstance(left, ast.Call) else (right, left)
            return Expectation(*_call(call, names), "equal", ast.literal_eval(literal))
        case ast.Compare(left=ast.Call(), ops=[ast.Is()], comparators=[ast.Constant() as right]):
            if right.value is None or isinstance(right.value, bool):
                return Expectation(*_call(test.left, names), "is", right.value)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call):
            return Expectation(*_call(call, names), "false")
        case ast.Call():
            return Expectation(*_call(test, names), "true")
    raise _NotPlain


def _call(node: ast.expr, names: dict[str, str]) -> tuple[str, list[Any]]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if names and name not in names:
                raise _NotPlain
            return names.get(name, name), [ast.literal_eval(one) for one in arguments]
    raise _NotPlain

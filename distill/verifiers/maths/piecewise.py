"""Functions by cases: the same rows in any order, or the same values at many points."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

from distill.verifiers.maths.constants import Undefined, Unknown, exact
from distill.verifiers.maths.identity import Same
from distill.verifiers.maths.points import Point, points
from distill.verifiers.maths.reals import Evaluator
from distill.verifiers.maths.regions import region_of
from distill.verifiers.maths.rules import WHOLES, Rules, is_value
from distill.verifiers.maths.trees import Node, symbols, walk

DIGITS = 50
ENOUGH = 4  # points at which both must have a value
MAX_ROWS = 12
MAX_BOUNDS = 12
_STEP = Fraction(1, 1009)

Row = tuple[Node, Node]
"""A value and its condition."""

_ALWAYS = Node("text", "otherwise")
_ALWAYS_WORDS = ("", "otherwise", "else", "in all other cases")
_BEFORE = ("if", "when", "for", "where", "as")


def is_piecewise(first: Node, second: Node) -> bool:
    """Is one a function by cases, the other one too, or a formula, or a tuple and its like?"""
    others = [node for node in (first, second) if node.kind != "cases"]
    return len(others) < 2 and all(node.kind in WHOLES or is_value(node) for node in others)


def same_cases(first: Node, second: Node, rules: Rules) -> Same:
    """Compare a function by cases with another, or with a formula such as |x|."""
    if not all(node.kind == "cases" or is_value(node) for node in (first, second)):
        return False
    sides = [_rows(node) for node in (first, second)]
    if None in sides:
        return None
    try:
        return _same_at_points(*sides)
    except Unknown:
        is_both = first.kind == second.kind
        return _same_rows(*sides, rules) if is_both else None


def _rows(node: Node) -> list[Row] | None:
    """Values and conditions; None for a table of another shape."""
    if node.kind != "cases":
        return [(node, _ALWAYS)]
    rows = [row.parts[0].parts if _is_joined(row) else row.parts for row in node.parts]
    if len(rows) > MAX_ROWS or not all(1 <= len(row) <= 2 for row in rows):
        return None
    return [(row[0], _condition(row[1]) if len(row) == 2 else _ALWAYS) for row in rows]


def _is_joined(row: Node) -> bool:
    """A row without &: "x, x > 0"."""
    return len(row.parts) == 1 and row.parts[0].kind == "list"


# --- conditions -------------------------------------------------------------------------------


def _condition(node: Node) -> Node:
    """Without "if" before it; "n is odd" as "n odd"."""
    if node.kind == "text":
        word = node.value.casefold().strip(" .,")
        return _ALWAYS if word in _ALWAYS_WORDS else node
    if node.kind == "unit":
        words = [word for word in node.value.casefold().split() if word not in ("is", "are")]
        return Node("unit", " ".join(words), (_condition(node.parts[0]),))
    if node.kind == "mul" and _is_word(node.parts[0], _BEFORE):
        rest = node.parts[1:]
        return rest[0] if len(rest) == 1 else node._replace(parts=rest)
    if node.kind in ("relation", "list"):
        return node._replace(parts=tuple(map(_condition, node.parts)))
    return node


def _is_word(node: Node, words: tuple[str, ...]) -> bool:
    return node.kind == "text" and node.value.casefold().strip() in words


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda gap, error: gap < -error,
    "<=": lambda gap, error: gap <= error,
    ">": lambda gap, error: gap > error,
    ">=": lambda gap, error: gap >= -error,
    "=": lambda gap, error: abs(gap) <= error,
    "!=": lambda gap, error: abs(gap) > error,
}


def _holds(condition: Node, at: Evaluator) -> bool:
    """Does it hold at this point? Raises: Unknown where that cannot be told."""
    if condition == _ALWAYS:
        return True
    if condition.kind == "list":
        found = [_holds(part, at) for part in condition.parts]
        return any(found) if condition.value == "or" else all(found)
    if condition.kind == "unit" and condition.value in ("odd", "even"):
        rest = at.value(condition.parts[0]) % 2
        return rest == (condition.value == "odd")
    if condition.kind != "relation":
        raise Unknown
    return _relation_holds(condition, at)


def _relation_holds(condition: Node, at: Evaluator) -> bool:
    if condition.value == ("in",):
        region = condition.parts[1]
        if symbols(region):
            raise Unknown
        return bool(region_of(region).holds(_real(condition.parts[0], at)))
    if not all(sign in _ORDERS for sign in condition.value):
        raise Unknown
    sides = [_real(part, at) for part in condition.parts]
    steps = zip(condition.value, sides, sides[1:], strict=False)
    return all(_ORDERS[sign](low - high, at.error()) for sign, low, high in steps)


def _real(node: Node, at: Evaluator) -> Any:
    value = at.value(node)
    if not at.is_real(value):
        raise Undefined
    return value.real


# --- comparison -------------------------------------------------------------------------------


def _same_at_points(first: list[Row], second: list[Row]) -> Same:
    """Raises: Unknown for conditions that are no inequalities."""
    agreed = 0
    for point in chain(_at_bounds(first + second), points(*_shapes(first, second))):
        values = [_value(rows, point) for rows in (first, second)]
        if (values[0] is None) != (values[1] is None):
            return False
        if values[0] is not None:
            size = max(abs(values[0]), abs(values[1]), 1)
            if abs(values[0] - values[1]) > size * 10.0**-25:
                return False
            agreed += 1
    return True if agreed >= ENOUGH else None


def _at_bounds(rows: list[Row]) -> Iterator[Point]:
    """Where a condition begins or ends, and shortly before and behind."""
    other = next(points(*(value for value, _ in rows)))
    bounds = {found for _, condition in rows for found in _bounds(condition)}
    for name, bound in sorted(bounds)[:MAX_BOUNDS]:
        for step in (0, _STEP, -_STEP):
            yield _with(name, bound + step, other)


def _bounds(condition: Node) -> Iterator[tuple[str, Fraction]]:
    for part in walk(condition):
        if part.kind not in ("relation", "group", "set"):
            continue
        for name in symbols(condition):
            for side in part.parts:
                with suppress(Unknown):
                    yield name, exact(side)


def _with(name: str, value: Fraction, other: Point) -> Point:
    return lambda asked: value if asked == name else other(asked)


def _shapes(*sides: list[Row]) -> list[Node]:
    """What points depend on: where it jumps, and which names are whole."""
    return [Node("cases", None, row) for rows in sides for row in rows]


def _value(rows: list[Row], point: Point) -> Any:
    """The value at a point; None where there is none."""
    at = Evaluator(DIGITS, point)
    try:
        for value, condition in rows:
            if _holds(condition, at):
                found = at.value(value)
                return None if at.met_complex else found
    except Undefined:
        return None
    return None


def _same_rows(first: list[Row], second: list[Row], rules: Rules) -> Same:
    """The same values under the same conditions, in any order."""
    rest = list(second)
    for row in first:
        found = next((other for other in rest if rules.in_order(row, other)), None)
        if found is None:
            return False
        rest.remove(found)
    return not rest

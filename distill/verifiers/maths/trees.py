"""The tree that a formula is read into."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple


class Node(NamedTuple):
    """One operation or value.

    Kinds of values: num (Fraction), dec (Fraction, digits after the point, digits in all), sym
    (name), const (pi, e, i, infty), neg, pm, add, mul, div, pow, call (name of the function),
    apply (name of an unknown function), big (a sum, an integral, a limit), deg, percent. Kinds of
    whole answers: list (",", "and" or "or"), group (its brackets), set, builder, matrix, cases,
    relation (its signs), union, inter, minus, mod (a congruence), unit (as written), text.
    """

    kind: str
    value: Any = None
    parts: tuple["Node", ...] = ()


INFINITY = Node("const", "infty")
PI, E, I = Node("const", "pi"), Node("const", "e"), Node("const", "i")  # noqa: E741
REALS = Node("const", "reals")
EMPTY = Node("set")


def number(value: int | Fraction) -> Node:
    """The leaf of an exact number."""
    return Node("num", Fraction(value))


def signed(sign: str, node: Node) -> Node:
    """+, -, \\pm or \\mp before a value."""
    if sign == "-":
        return Node("neg", None, (node,))
    if sign == "\\pm":
        return Node("pm", None, (node,))
    return Node("neg", None, (Node("pm", None, (node,)),)) if sign == "\\mp" else node


def times(first: Node, second: Node) -> Node:
    """The product, kept flat; a sign before it stays before the whole."""
    if first.kind in ("neg", "pm"):
        return Node(first.kind, None, (times(first.parts[0], second),))
    parts = (*first.parts, second) if first.kind == "mul" else (first, second)
    return Node("mul", None, parts)


def crossed(first: Node, second: Node) -> Node:
    """What \\times makes: of two vectors the one normal to both, else the product."""
    if first.kind == "mul" and _is_vector(first.parts[-1]) and _is_vector(second):
        return times(Node("mul", None, first.parts[:-1]), crossed(first.parts[-1], second))
    is_cross = _is_vector(first) and _is_vector(second)
    return Node("call", "cross", (first, second)) if is_cross else times(first, second)


def _is_vector(node: Node) -> bool:
    if node.kind == "sym":
        return node.value.startswith(("vec ", "hat "))
    if node.kind == "add":
        return all(map(_is_vector, node.parts))
    if node.kind in ("neg", "mul", "div"):
        return sum(map(_is_vector, node.parts)) % 2 == 1
    return node.kind == "call" and node.value == "cross"


def over(first: Node, second: Node) -> Node:
    """The quotient; a sign before it stays before the whole."""
    if first.kind in ("neg", "pm"):
        return Node(first.kind, None, (over(first.parts[0], second),))
    return Node("div", None, (first, second))


def raised(base: Node, exponent: Node) -> Node:
    """A power; a prime is part of a name, \\sin^2 x is handled where the function is read."""
    if exponent == Node("sym", "prime"):
        return primed(base)
    return Node("pow", None, (base, exponent))


_TRANSPOSE = (Node("sym", "T"), Node("text", "T"), Node("sym", "top"))


def transposed(node: Node) -> Node:
    """The columns of a matrix that has the exponent T as rows; a tuple stays one."""
    if node.kind != "pow" or node.parts[1] not in _TRANSPOSE:
        return node
    table = node.parts[0]
    if table.kind == "group" and table.value in ("()", "[]"):
        return table
    widths = {len(row.parts) for row in table.parts}
    if table.kind != "matrix" or len(widths) != 1:
        return node
    columns = zip(*(row.parts for row in table.parts), strict=True)
    return Node("matrix", None, tuple(Node("list", ",", column) for column in columns))


def joined(kind: str, first: Node, second: Node) -> Node:
    """A union or an intersection, its parts in one order; "{3}" beside such a sign is a set."""
    first, second = _as_set(first), _as_set(second)
    if kind == "union" and first.kind == second.kind == "set":
        return Node("set", None, first.parts + second.parts)
    if kind != "union" and _is_listed(first) and _is_listed(second):
        kept = [part for part in first.parts if (part in second.parts) == (kind == "inter")]
        return Node("set", None, tuple(kept))
    if kind == "minus":
        return Node(kind, None, (first, second))
    parts = sorted([*_parts(kind, first), *_parts(kind, second)], key=repr)
    node = parts[0]
    for part in parts[1:]:
        node = Node(kind, None, (node, part))
    return node


def _parts(kind: str, node: Node) -> list[Node]:
    """The operands of a chain of one sign, which is read from the left."""
    last: list[Node] = []
    while node.kind == kind:
        node, part = node.parts
        last.append(part)
    return [node, *last]


def _is_listed(node: Node) -> bool:
    return node.kind == "set" and all(part.kind == "num" for part in node.parts)


def _as_set(node: Node) -> Node:
    if node.kind in ("num", "dec"):
        return Node("set", None, (node,))
    return Node("set", None, node.parts) if node.kind == "list" else node


def primed(node: Node) -> Node:
    """f' of f."""
    if node.kind in ("sym", "apply"):
        return node._replace(value=f"{node.value}'")
    return Node("apply", "'", (node,))


def is_proper(node: Node) -> bool:
    """Is it a fraction between 0 and 1 of two whole numbers?"""
    if node.kind != "div":
        return False
    top, bottom = node.parts
    return top.kind == bottom.kind == "num" and 0 < top.value < bottom.value


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.parts)


def symbols(node: Node) -> frozenset[str]:
    """Names of the variables and unknown functions."""
    return frozenset(part.value for part in walk(node) if part.kind in ("sym", "apply"))


def replaced(node: Node, old: Node, new: Node) -> Node:
    """The tree with one subtree replaced wherever it stands."""
    if node == old:
        return new
    if not node.parts:
        return node
    return node._replace(parts=tuple(replaced(part, old, new) for part in node.parts))

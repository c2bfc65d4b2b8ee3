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

"""Other names for the same: a vector by its unit vectors, a constant by another letter."""

import re
from collections.abc import Iterator
from itertools import permutations

from distill.recipe import MathPolicy
from distill.verifiers.maths.identity import same_formula
from distill.verifiers.maths.trees import I, Node, number, replaced, symbols, walk

_ACCENTS = ("hat", "vec", "bar", "overline", "widehat")


# --- vectors ----------------------------------------------------------------------------------


def with_components(first: Node, second: Node, policy: MathPolicy) -> tuple[tuple[Node, ...], ...]:
    """The parts of a tuple or column and of a sum such as "2i - 3j", in the order of the two;
    () for anything else."""
    vector, other = (first, second) if first.kind in ("group", "matrix") else (second, first)
    units = unit_vectors(other)
    parts = _parts(vector)
    if not units or len(parts) not in (2, 3) or not policy.vector_is_tuple:
        return ()
    found = _components(other, units, len(parts))
    if found is None:
        return ()
    return (parts, found) if vector is first else (found, parts)


def unit_vectors(node: Node) -> tuple[Node, ...]:
    """i, j and k as a formula writes them; () for one without j or k."""
    leaves = set(walk(node))
    for names in (
        (I, Node("sym", "j"), Node("sym", "k")),
        *(tuple(Node("sym", f"{accent} {name}") for name in "ijk") for accent in _ACCENTS),
    ):
        if leaves.intersection(names[1:]):
            return names
    return ()


def _parts(vector: Node) -> tuple[Node, ...]:
    if vector.kind == "group":
        return vector.parts if vector.value == "()" else ()
    if vector.kind == "matrix" and all(len(row.parts) == 1 for row in vector.parts):
        return tuple(row.parts[0] for row in vector.parts)
    return ()


def _components(node: Node, units: tuple[Node, ...], count: int) -> tuple[Node, ...] | None:
    """The factors of the unit vectors; None where something stands beside them."""

    def at(chosen: int | None, scale: int = 1) -> Node:
        found = node
        for place, unit in enumerate(units):
            found = replaced(found, unit, number(scale if place == chosen else 0))
        return found

    zero = number(0)
    if not same_formula(at(None), zero):
        return None
    for place in range(3):
        doubled = Node("mul", None, (number(2), at(place)))
        if not same_formula(at(place, 2), doubled):
            return None
        if place >= count and not same_formula(at(place), zero):
            return None
    return tuple(at(place) for place in range(count))


# --- constants --------------------------------------------------------------------------------

MAX_CONSTANTS = 4
_VARIABLES = frozenset(("x", "t", "y", "u", "s", "z", "theta"))
_CONSTANT = re.compile(r"[cC](?:_\w)?")
_FACTORS = frozenset(("a", "b", "c", "k", "m", "A", "C", "K", "lambda", "alpha"))
_OTHERS = frozenset("ABDKk")  # letters that may stand beside c or C on the other side


def with_same_constants(first: Node, second: Node) -> Iterator[Node]:
    """The second formula with the first one's letters for constants of integration.

    "x^2 + c" beside "x^2 + C", "C_1 e^x + C_2 e^{-x}" beside "c_1 e^{-x} + c_2 e^x". Other letters
    are names: "b + C" is not "b + c".
    """
    new, old = _constants(first, second), _constants(second, first)
    if not 1 <= len(new) == len(old) <= MAX_CONSTANTS:
        return
    if not all(
        _is_arbitrary(node, name) for node, names in ((first, new), (second, old)) for name in names
    ):
        return
    for order in permutations(new):
        if order != tuple(old) and all(map(_may_be, order, old)):
            yield renamed(second, dict(zip(old, order, strict=True)))


def _constants(node: Node, other: Node) -> list[str]:
    """Names of one formula alone, and C_1, C_2 of both."""
    alone = symbols(node) - symbols(other)
    return sorted(alone | {name for name in symbols(node) if _CONSTANT.fullmatch(name)})


def _may_be(name: str, other: str) -> bool:
    are_usual = [_CONSTANT.fullmatch(letter) is not None for letter in (name, other)]
    return all(are_usual) or (any(are_usual) and bool(_OTHERS.intersection((name, other))))


def _is_arbitrary(node: Node, name: str) -> bool:
    """Is it added to a function of x, or does it multiply one? "mc^2" has no such letter."""
    beside = _beside(node, name)
    if beside:
        return bool(beside & _VARIABLES) and name not in ("k", "K")
    return beside is not None and bool(symbols(node) & _VARIABLES)


def _beside(node: Node, name: str) -> frozenset[str] | None:
    """The names that multiply it; None where the formula is not linear in it."""
    if node.kind == "sym":
        return frozenset()
    found = [part for part in node.parts if name in symbols(part)]
    inner = [_beside(part, name) for part in found]
    if None in inner or node.kind not in ("neg", "add", "mul", "div"):
        return None
    names = frozenset().union(*inner)
    if node.kind in ("neg", "add"):
        return names
    if len(found) > 1 or (node.kind == "div" and found[0] is node.parts[1]):
        return None
    return names.union(*(symbols(part) for part in node.parts if part is not found[0]))


def is_factor(node: Node, name: str) -> bool:
    """c of "f(x) = c x^2": a constant that multiplies all of an unknown function."""
    if node.kind != "relation" or len(node.parts) != 2 or name not in _FACTORS:
        return False
    head, value = node.parts
    if (
        head.kind != "apply"
        or len(head.parts) != 1
        or symbols(value) != {name, head.parts[0].value}
    ):
        return False
    at = [replaced(value, Node("sym", name), number(k)) for k in range(3)]
    doubled = Node("mul", None, (number(2), at[1]))
    return bool(same_formula(at[0], number(0)) and same_formula(at[2], doubled))


def renamed(node: Node, names: dict[str, str]) -> Node:
    """The tree with other letters, all at once."""
    if node.kind == "sym" and node.value in names:
        return node._replace(value=names[node.value])
    if not node.parts:
        return node
    return node._replace(parts=tuple(renamed(part, names) for part in node.parts))

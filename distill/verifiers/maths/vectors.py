"""Formulas of vectors: each is three numbers at a point, so that \\times turns with its order.

\\overrightarrow{AB} is the place of B without that of A.
"""

from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from distill.verifiers.maths.constants import Undefined, Unknown, exact
from distill.verifiers.maths.reals import Evaluator
from distill.verifiers.maths.trees import Node, walk

DIGITS = 40
_GRAIN = 1009
_BASIS = {"i": (1, 0, 0), "j": (0, 1, 0), "k": (0, 0, 1)}
_ACCENTS = ("vec ", "hat ")


class Vector(NamedTuple):
    """Three numbers; the product of two is their dot product."""

    x: Any
    y: Any
    z: Any

    def __add__(self, other: Any) -> "Vector":
        if isinstance(other, Vector):
            return Vector(self.x + other.x, self.y + other.y, self.z + other.z)
        return self.__radd__(other)

    def __radd__(self, other: Any) -> "Vector":
        if other != 0:
            raise TypeError("a vector and a number have no sum")
        return self

    def __neg__(self) -> "Vector":
        return self * -1

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Vector):
            return self.x * other.x + self.y * other.y + self.z * other.z
        return Vector(self.x * other, self.y * other, self.z * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Vector":
        return self * (1 / other)

    def __abs__(self) -> Any:
        return (self * self) ** 0.5

    def cross(self, other: "Vector") -> "Vector":
        """The vector that is normal to both."""
        return Vector(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )


def has_vectors(node: Node) -> bool:
    """Is there an arrow in it, or a product of vectors that is one?"""
    return any(
        part.value.startswith("vec ") if part.kind == "sym" else part.value == "cross"
        for part in walk(node)
        if part.kind in ("sym", "call")
    )


def vector_value(node: Node, at: int) -> Any:
    """The value at one point, a number or a Vector; None where there is none."""
    try:
        return _VectorEvaluator(DIGITS, lambda name: _number(name, at)).vector(node, at)
    except (Unknown, Undefined, TypeError, RecursionError):
        return None


def are_near(first: Any, second: Any) -> bool:
    """Are two values the same, as far as their digits tell?"""
    if isinstance(first, Vector) != isinstance(second, Vector):
        number = second if isinstance(first, Vector) else first
        return number == 0 and abs(first) + abs(second) < 10.0**-25
    size = max(abs(first), abs(second), 1)
    return abs(first + second * -1) <= size * 10.0**-25


class _VectorEvaluator(Evaluator):
    def vector(self, node: Node, at: int) -> Any:
        self.at = at
        return self.value(node)

    def value(self, node: Node) -> Any:
        """As of any formula; names with an arrow, and products of two, are vectors."""
        if node.kind == "sym" and node.value.startswith(_ACCENTS):
            return self._arrow(node.value)
        if node.kind == "call" and node.value == "cross":
            first, second = map(self.value, node.parts)
            if not (isinstance(first, Vector) and isinstance(second, Vector)):
                raise Unknown
            return first.cross(second)
        if node.kind == "pow":
            return self._power(node)
        return super().value(node)

    def _arrow(self, name: str) -> Vector:
        letters = name.rpartition(" ")[2]
        if len(letters) == 2 and letters.isalpha() and letters.isupper():
            start, end = (self._arrow(f"point {letter}") for letter in letters)
            return end + -start
        return Vector(*map(self.number, _arrow(name, self.at)))

    def _power(self, node: Node) -> Any:
        base = self.value(node.parts[0])
        if not isinstance(base, Vector):
            return super().value(node)
        power = exact(node.parts[1])
        if power not in (2, 4, 6):
            raise Unknown
        return (base * base) ** int(power / 2)


@lru_cache(maxsize=2048)
def _arrow(name: str, at: int) -> tuple[Fraction, ...]:
    letter = name.rpartition(" ")[2]
    if letter in _BASIS:
        return tuple(map(Fraction, _BASIS[letter]))
    return tuple(_number(f"{name} {axis}", at) for axis in "xyz")


@lru_cache(maxsize=2048)
def _number(name: str, at: int) -> Fraction:
    return Fraction(Random(f"{at} {name}").randrange(-3 * _GRAIN, 3 * _GRAIN) | 1, _GRAIN)

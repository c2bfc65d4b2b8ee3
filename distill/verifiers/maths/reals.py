"""Values of formulas to many digits at given points: real where they are real, else complex."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

from distill.verifiers.maths.constants import Undefined, Unknown, exact
from distill.verifiers.maths.trees import Node

MAX_LOGARITHM = 10**6  # of a power or factorial: larger ones cost too much
MAX_ANGLE = 10**12
MAX_STEPS = 4000  # operations of one comparison
TOO_COARSE = 0.001  # an error of this size may take a value to the next whole number

_local = threading.local()


def context(digits: int) -> Any:
    """This thread's mpmath context of so many digits; mpmath's own is shared and not safe."""
    contexts = _local.__dict__.setdefault("contexts", {})
    if digits not in contexts:
        made = mpmath.MPContext()
        made.dps = digits
        contexts[digits] = made
    return contexts[digits]


class Evaluator:
    """Evaluates formulas at one point; remembers the largest value that it met."""

    def __init__(
        self, digits: int, point: Callable[[str], Fraction], *, common_log: bool = False
    ) -> None:
        """Args: common_log: whether a logarithm without a base has the base 10, not e."""
        self.ctx = context(digits)
        self.point = point
        self.common_log = common_log
        self.peak = self.ctx.one
        self.steps = MAX_STEPS
        self.met_complex = False  # a value that is not real, be it on the way
        self.is_positive = True  # all names that were asked for

    def value(self, node: Node) -> Any:
        """An mpf or mpc. Raises: Unknown, or Undefined where the formula has no value."""
        self.steps -= 1
        rule = _RULES.get(node.kind)
        if rule is None or self.steps < 0:
            raise Unknown
        try:
            found = rule(self, node)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
            raise Undefined from error
        except mpmath.libmp.NoConvergence as error:
            raise Unknown from error
        if isinstance(found, tuple):
            return found  # a vector
        if not self.ctx.isfinite(found):
            raise Undefined
        size = abs(found)
        if size > self.peak:
            self.peak = size
        if not self.met_complex and isinstance(found, self.ctx.mpc):
            self.met_complex = not self.is_real(found)
        return found

    def number(self, value: Fraction) -> Any:
        """A rational number to this many digits."""
        return self.ctx.mpf(value.numerator) / value.denominator

    def is_real(self, value: Any) -> bool:
        """Is it real, as far as these digits can tell?"""
        imaginary = getattr(value, "imag", 0)
        return abs(imaginary) <= self.error()

    def error(self) -> Any:
        """What a value may be off by after all that was computed."""
        return self.peak * self.ctx.mpf(10) ** (10 - self.ctx.dps)


def _constant(at: Evaluator, node: Node) -> Any:
    if node.value == "pi":
        return +at.ctx.pi
    if node.value == "e":
        return +at.ctx.e
    if node.value == "i":
        return at.ctx.mpc(0, 1)
    raise Unknown


def _name(at: Evaluator, node: Node) -> Any:
    value = at.point(node.value)
    at.is_positive = at.is_positive and value > 0
    return at.number(value)


def _sum(at: Evaluator, node: Node) -> Any:
    return sum((at.value(part) for part in node.parts), at.ctx.zero)


def _product(at: Evaluator, node: Node) -> Any:
    product = at.ctx.one
    for part in node.parts:
        product = product * at.value(part)
    return product


def _quotient(at: Evaluator, node: Node) -> Any:
    below = at.value(node.parts[1])
    if abs(below) <= at.error():
        raise Undefined
    return at.value(node.parts[0]) / below


def _power(at: Evaluator, node: Node) -> Any:
    base, exponent = at.value(node.parts[0]), at.value(node.parts[1])
    if abs(base) <= at.error():
        if at.is_real(exponent) and exponent.real > at.error():
            return at.ctx.zero
        raise Undefined
    _bound(at, exponent * at.ctx.log(base))
    if at.is_real(base) and at.is_real(exponent) and base.real < 0:
        return _of_negative(at, base.real, exponent.real, node.parts[1])
    return at.ctx.power(base, exponent)


def _of_negative(at: Evaluator, base: Any, exponent: Any, node: Node) -> Any:
    """Powers of a negative number: real for odd roots, as school has it."""
    nearest = int(at.ctx.nint(exponent))
    if abs(exponent - nearest) <= at.error():
        return at.ctx.power(base, nearest)
    try:
        ratio = exact(node)
    except Unknown:
        return at.ctx.power(base, exponent)
    if ratio.denominator % 2 == 0:
        return at.ctx.power(base, exponent)
    size = at.ctx.power(-base, exponent)
    return -size if ratio.numerator % 2 else size


def _bound(at: Evaluator, logarithm: Any) -> None:
    if abs(logarithm) > MAX_LOGARITHM:
        raise Unknown


def _degrees(at: Evaluator, node: Node) -> Any:
    return at.value(node.parts[0]) * at.ctx.pi / 180


def _applied(at: Evaluator, node: Node) -> Any:
    """An unknown function: a random value for each argument."""
    arguments = [at.ctx.nstr(at.value(part), 20) for part in node.parts]
    return at.number(_share(f"{node.value} {arguments}"))


@lru_cache(maxsize=4096)
def _share(name: str) -> Fraction:
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
    return Fraction(int.from_bytes(digest) >> 11, 1 << 53)


def _call(at: Evaluator, node: Node) -> Any:
    if node.value in _EXACT_FUNCTIONS:
        return _EXACT_FUNCTIONS[node.value](at, node)
    rule = _FUNCTIONS.get(node.value)
    if rule is None:
        raise Unknown
    return rule(at, *[at.value(part) for part in node.parts])


def _trigonometric(name: str) -> Callable[..., Any]:
    def function(at: Evaluator, angle: Any) -> Any:
        if abs(angle) > MAX_ANGLE:
            raise Unknown
        return getattr(at.ctx, name)(angle)

    return function


def _plain(name: str) -> Callable[..., Any]:
    return lambda at, value: getattr(at.ctx, name)(value)


def _exponential(at: Evaluator, value: Any) -> Any:
    _bound(at, value)
    return at.ctx.exp(value)


def _logarithm(at: Evaluator, value: Any, base: Any = None) -> Any:
    if base is None:
        return at.ctx.log10(value) if at.common_log else at.ctx.log(value)
    return at.ctx.log(value) / at.ctx.log(base)


def _root(at: Evaluator, value: Any, degree: Any) -> Any:
    if not at.is_real(degree) or not degree:
        raise Undefined
    count = at.ctx.nint(degree.real)
    is_odd = degree == count and count % 2 == 1
    if is_odd and at.is_real(value) and value.real < 0:
        return -at.ctx.power(-value.real, 1 / degree)
    return at.ctx.power(value, 1 / degree) if value else at.ctx.zero


def _factorial(at: Evaluator, value: Any) -> Any:
    if abs(value) > MAX_LOGARITHM:
        raise Unknown
    return at.ctx.factorial(value)


def _double_factorial(at: Evaluator, value: Any) -> Any:
    if abs(value) > MAX_LOGARITHM:
        raise Unknown
    return at.ctx.fac2(value)


def _binomial(at: Evaluator, above: Any, below: Any) -> Any:
    if abs(above) + abs(below) > MAX_LOGARITHM:
        raise Unknown
    return at.ctx.binomial(above, below)


def _rounded(name: str) -> Callable[..., Any]:
    def function(at: Evaluator, value: Any) -> Any:
        if not at.is_real(value):
            raise Undefined
        if at.error() > TOO_COARSE:
            raise Unknown
        nearest = at.ctx.nint(value.real)
        is_whole = abs(value.real - nearest) <= at.error()
        return nearest if is_whole else getattr(at.ctx, name)(value.real)

    return function


def _divisors(name: str) -> Callable[[Evaluator, Node], Any]:
    """gcd or lcm of whole numbers, exactly."""

    def function(at: Evaluator, node: Node) -> Any:
        parts = tuple(_placed(part, at.point) for part in node.parts)
        return at.number(exact(Node("call", name, parts)))

    return function


def _placed(node: Node, point: Callable[[str], Fraction]) -> Node:
    """The formula with numbers for its names."""
    if node.kind == "sym":
        return Node("num", point(node.value))
    return node._replace(parts=tuple(_placed(part, point) for part in node.parts))


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def function(at: Evaluator, *values: Any) -> Any:
        if not values or not all(at.is_real(value) for value in values):
            raise Undefined
        return choose(value.real for value in values)

    return function


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _trigonometric(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _plain(name) for name in ("sinh", "cosh", "tanh", "coth", "sech", "csch")},
    **{
        f"arc{name}": _plain(f"a{name}")
        for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")
    },
    "ln": lambda at, value: at.ctx.log(value),
    "log": _logarithm,
    "lg": lambda at, value: at.ctx.log10(value),
    "exp": _exponential,
    "cis": lambda at, value: _exponential(at, at.ctx.mpc(0, 1) * value),
    "root": _root,
    "abs": lambda at, value: abs(value),
    "sgn": lambda at, value: at.ctx.sign(value),
    "!": _factorial,
    "!!": _double_factorial,
    "binom": _binomial,
    "floor": _rounded("floor"),
    "ceil": _rounded("ceil"),
    "max": _extreme(max),
    "min": _extreme(min),
}
_EXACT_FUNCTIONS = {name: _divisors(name) for name in ("gcd", "lcm")}
_RULES: Mapping[str, Callable[[Evaluator, Node], Any]] = {
    "num": lambda at, node: at.number(node.value),
    "dec": lambda at, node: at.number(node.value[0]),
    "sym": _name,
    "const": _constant,
    "neg": lambda at, node: -at.value(node.parts[0]),
    "percent": lambda at, node: at.value(node.parts[0]) / 100,
    "deg": _degrees,
    "add": _sum,
    "mul": _product,
    "div": _quotient,
    "pow": _power,
    "call": _call,
    "apply": _applied,
}

"""Exact values of formulas: rational numbers, and residues that carry roots, i, pi and names."""

import hashlib
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

from distill.verifiers.maths.trees import Node

MAX_BITS = 24_000  # of a numerator or denominator
MAX_FACTORIAL = 2100
MAX_RESIDUE_FACTORIAL = 20_000
MAX_TRIAL = 1000  # factors of a radicand are found up to here

# A prime p = 1 mod 8 and mod each odd prime up to 97: -1 and all small primes have square roots.
# Residues at random points decide whether two such formulas are the same: different residues prove
# a difference, equal ones agree by chance in less than one case in 10^30.
_NO_SQUARE = 103  # modulo PRIME
PRIME = 46_111_359_278_910_368_495_062_042_946_635_121_401


class Unknown(Exception):
    """A formula without a value of the kind that was asked for."""


class Huge(Unknown):
    """A number with too many digits to be written out."""


class Undefined(Unknown):
    """A division by zero and its like."""


# --- rational numbers -------------------------------------------------------------------------


def exact(node: Node) -> Fraction:
    """The rational number that a formula is.

    Raises: Unknown when it is none; Huge when it is one that is too long; Undefined for 1/0.
    """
    rule = _EXACT.get(node.kind)
    if rule is None:
        raise Unknown
    return _bounded(rule(node))


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise Huge
    return value


def _exact_product(node: Node) -> Fraction:
    product = Fraction(1)
    for part in node.parts:
        product = _bounded(product * exact(part))
    return product


def _exact_sum(node: Node) -> Fraction:
    total = Fraction(0)
    for part in node.parts:
        total = _bounded(total + exact(part))
    return total


def _exact_quotient(node: Node) -> Fraction:
    below = exact(node.parts[1])
    if not below:
        raise Undefined
    return exact(node.parts[0]) / below


def _exact_power(node: Node) -> Fraction:
    base, exponent = exact(node.parts[0]), exact(node.parts[1])
    if exponent.denominator != 1:
        if exponent.denominator > 64:
            raise Unknown
        base, exponent = exact_root(base, exponent.denominator), Fraction(exponent.numerator)
    return _raised(base, int(exponent))


def _raised(base: Fraction, power: int) -> Fraction:
    if not base and power <= 0:
        raise Undefined
    bits = max(abs(base.numerator), base.denominator).bit_length() - 1
    if abs(power) * max(bits, 1) > MAX_BITS and abs(base) not in (0, 1):
        raise Huge
    return base ** (power % 2 if abs(base) == 1 else power)


def exact_root(value: Fraction, degree: int) -> Fraction:
    """The real root. Raises: Unknown when it is not rational."""
    if degree < 1 or (value < 0 and degree % 2 == 0):
        raise Unknown
    sign = -1 if value < 0 else 1
    above, below = (_whole_root(part, degree) for part in (abs(value.numerator), value.denominator))
    return Fraction(sign * above, below)


def _whole_root(value: int, degree: int) -> int:
    if degree == 2:
        root = math.isqrt(value)
    elif value.bit_length() > 1000:
        raise Unknown
    else:
        root = round(value ** (1 / degree)) if value.bit_length() < 900 else 0
    if root**degree != value:
        raise Unknown
    return root


def _exact_call(node: Node) -> Fraction:
    rule = _CALLS.get(node.value)
    if rule is None:
        raise Unknown
    arguments = [exact(part) for part in node.parts]
    try:
        return rule(*arguments)
    except TypeError:  # another number of arguments
        raise Unknown from None


def _whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise Unknown
    return int(value)


def _factorial(step: int) -> Callable[[Fraction], Fraction]:
    def product(value: Fraction) -> Fraction:
        count = _whole(value)
        if count < 0:
            raise Undefined
        if count > MAX_FACTORIAL * step:
            raise Huge
        return Fraction(math.prod(range(count, 0, -step)))

    return product


def _binomial(above: Fraction, below: Fraction) -> Fraction:
    n, k = _whole(above), _whole(below)
    if n < 0 or k < 0:
        raise Unknown
    if min(k, n - k) * n.bit_length() > MAX_BITS:
        raise Huge
    return Fraction(math.comb(n, k))


def _root(value: Fraction, degree: Fraction) -> Fraction:
    return exact_root(value, _whole(degree))


def _several(rule: Callable[..., int]) -> Callable[..., Fraction]:
    return lambda *values: Fraction(rule(*map(_whole, values)))


_CALLS: dict[str, Callable[..., Fraction]] = {
    "!": _factorial(1), "!!": _factorial(2), "!!!": _factorial(3),
    "binom": _binomial, "root": _root, "abs": abs, "gcd": _several(math.gcd),
    "lcm": _several(math.lcm), "max": lambda *values: max(values),
    "min": lambda *values: min(values), "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "sgn": lambda value: Fraction((value > 0) - (value < 0)),
}  # fmt: skip
_EXACT: dict[str, Callable[[Node], Fraction]] = {
    "num": lambda node: node.value,
    "dec": lambda node: node.value[0],
    "neg": lambda node: -exact(node.parts[0]),
    "percent": lambda node: exact(node.parts[0]) / 100,
    "add": _exact_sum,
    "mul": _exact_product,
    "div": _exact_quotient,
    "pow": _exact_power,
    "call": _exact_call,
}


# --- residues ---------------------------------------------------------------------------------


def residue(node: Node, point: int) -> int:
    """The residue of a formula of names, pi, e, i, square roots of numbers, + - * / and powers.

    Args:
        point: which of the random values the names have.
    Raises: Unknown for other formulas; Undefined for a division by zero there.
    """
    rule = _RESIDUES.get(node.kind)
    if rule is None:
        raise Unknown
    return rule(node, point)


@lru_cache(maxsize=4096)
def _random(name: str, point: int) -> int:
    digest = hashlib.blake2b(f"{point} {name}".encode("utf-8", "replace"), digest_size=24).digest()
    return int.from_bytes(digest) % PRIME


def _inverse(value: int) -> int:
    if not value % PRIME:
        raise Undefined
    return pow(value, -1, PRIME)


def _of_fraction(value: Fraction) -> int:
    if value.denominator == 1:
        return value.numerator % PRIME
    return value.numerator * _inverse(value.denominator) % PRIME


def _residue_constant(node: Node, point: int) -> int:
    if node.value == "i":
        return root_residue(PRIME - 1)
    if node.value not in ("pi", "e"):
        raise Unknown
    return _random(f"\\{node.value}", point)


def _residue_sum(node: Node, point: int) -> int:
    return sum(residue(part, point) for part in node.parts) % PRIME


def _residue_product(node: Node, point: int) -> int:
    product = 1
    for part in node.parts:
        product = product * residue(part, point) % PRIME
    return product


def _residue_quotient(node: Node, point: int) -> int:
    above, below = (residue(part, point) for part in node.parts)
    return above * _inverse(below) % PRIME


def _residue_power(node: Node, point: int) -> int:
    base, exponent = node.parts
    power = exact(exponent)
    if power.denominator == 2:
        return _root_of(_bounded(_raised(exact(base), power.numerator)))
    if power.denominator != 1:
        raise Unknown
    below = residue(base, point)
    if not below and power <= 0:
        raise Undefined
    return pow(below, int(power), PRIME)


def _residue_call(node: Node, point: int) -> int:
    if node.value == "root" and node.parts[1] == Node("num", Fraction(2)):
        return _root_of(exact(node.parts[0]))
    if node.value == "!":
        return _factorial_residue(_whole(exact(node.parts[0])))
    return _of_fraction(_exact_call(node))


@lru_cache(maxsize=256)
def _factorial_residue(count: int) -> int:
    if not 0 <= count <= MAX_RESIDUE_FACTORIAL:
        raise Unknown
    product = 1
    for factor in range(2, count + 1):
        product = product * factor % PRIME
    return product


def _residue_applied(node: Node, point: int) -> int:
    arguments = [residue(part, point) for part in node.parts]
    return _random(f"{node.value}{arguments}", point)


def _residue_degrees(node: Node, point: int) -> int:
    angle = residue(node.parts[0], point) * _random("\\pi", point)
    return angle * _inverse(180) % PRIME


def _root_of(value: Fraction) -> int:
    """A root, chosen so that the root of a product is the product of the roots."""
    number = value.numerator * value.denominator
    root = _inverse(value.denominator)
    if number < 0:
        root, number = root * root_residue(PRIME - 1) % PRIME, -number
    if not number:
        return 0
    for factor in range(2, MAX_TRIAL):
        if factor * factor > number:
            break
        while not number % (factor * factor):
            number, root = number // (factor * factor), root * factor % PRIME
        if not number % factor:
            number, root = number // factor, root * root_residue(factor) % PRIME
    square = math.isqrt(number)
    if square * square == number:
        return root * square % PRIME
    if number >= MAX_TRIAL**2:
        raise Unknown  # perhaps a product
    return root * root_residue(number) % PRIME


@lru_cache(maxsize=1024)
def root_residue(value: int) -> int:
    """A square root modulo PRIME (Tonelli and Shanks). Raises: Unknown when there is none."""
    if pow(value, (PRIME - 1) // 2, PRIME) != 1:
        raise Unknown
    odd = (PRIME - 1) // 8
    step = pow(_NO_SQUARE, odd, PRIME)
    root, rest = pow(value, (odd + 1) // 2, PRIME), pow(value, odd, PRIME)
    for _ in range(8):
        if rest == 1:
            break
        root, rest = root * step % PRIME, rest * step * step % PRIME
    if root * root % PRIME != value % PRIME:
        raise Unknown
    return root


_Rule = Callable[[Node, int], int]
_RESIDUES: Mapping[str, _Rule] = {
    "num": lambda node, point: _of_fraction(node.value),
    "dec": lambda node, point: _of_fraction(node.value[0]),
    "sym": lambda node, point: _random(node.value, point),
    "const": _residue_constant,
    "neg": lambda node, point: -residue(node.parts[0], point) % PRIME,
    "percent": lambda node, point: residue(node.parts[0], point) * _inverse(100) % PRIME,
    "deg": _residue_degrees,
    "add": _residue_sum,
    "mul": _residue_product,
    "div": _residue_quotient,
    "pow": _residue_power,
    "call": _residue_call,
    "apply": _residue_applied,
}

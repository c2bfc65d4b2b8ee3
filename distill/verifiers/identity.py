"""Are two formulas the same function of their names: by residues, else at many points."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Any

from distill.verifiers.constants import PRIME, Huge, Undefined, Unknown, exact, residue
from distill.verifiers.reals import Evaluator
from distill.verifiers.trees import I, Node, symbols, walk

DIGITS = 50
MORE_DIGITS = (50, 120, 320)  # of constants, where large parts cancel
POINTS = 3  # residues: one that differs proves a difference
ENOUGH = 4  # points at which formulas that are no residues must agree
TRIES = 14
TOO_COARSE = 1e-12  # an error of this size may hide a difference
MAX_NODES = 700
MAX_TOWER = 2  # powers in the exponent of a power

Same = bool | None
"""True or False; None where nobody can tell."""


def same_formula(first: Node, second: Node) -> Same:
    """Are two formulas equal wherever both are real?

    Rational numbers are compared exactly; formulas of names, pi, e, i and roots of numbers by
    residues at random points; all others by their values to 50 digits at several points.
    """
    if first == second:
        return True
    if sum(1 for _ in walk(first)) + sum(1 for _ in walk(second)) > MAX_NODES:
        return None
    for step in (_same_exactly, _same_residues, _same_values, _same_size):
        same = step(first, second)
        if same is not None:
            return same
    return None


def _same_exactly(first: Node, second: Node) -> Same:
    try:
        return exact(first) == exact(second)
    except Unknown:
        return None


def is_huge(node: Node) -> bool:
    """A power or factorial with too many digits, or a tower of powers of numbers."""
    if node.kind not in ("pow", "call"):
        return False
    try:
        exact(node)
    except Huge:
        return True
    except Unknown:
        return _height(node) > MAX_TOWER and not symbols(node)
    return False


def _height(node: Node) -> int:
    """How many powers stand on top of each other."""
    if node.kind != "pow":
        return max(map(_height, node.parts), default=0)
    return max(_height(node.parts[0]), 1 + _height(node.parts[1]))


def _same_size(first: Node, second: Node) -> Same:
    """A number too long to be written out is not one that was."""
    huge = []
    for node in (first, second):
        try:
            exact(node)
            huge.append(False)
        except Huge:
            huge.append(True)
        except Unknown:
            return None
    return None if all(huge) else False


def _same_residues(first: Node, second: Node) -> Same:
    for point in range(POINTS):
        try:
            values = _residue_or_none(first, point), _residue_or_none(second, point)
        except (Unknown, RecursionError):
            return None
        if values[0] != values[1]:
            return False
        if None in values:
            return None
    return True


def _residue_or_none(node: Node, point: int) -> int | None:
    """None for a division by zero."""
    try:
        return residue(node, point)
    except Undefined:
        return None


# --- values -----------------------------------------------------------------------------------


def _same_values(first: Node, second: Node) -> Same:
    """Compare values; a logarithm without a base may be natural or common."""
    if not symbols(first) | symbols(second):
        return _with_both_logarithms(_same_constants, first, second)
    return _with_both_logarithms(_same_functions, first, second)


def _with_both_logarithms(same: Callable[..., Same], first: Node, second: Node) -> Same:
    found = same(first, second, False)
    bare = [_has_bare_logarithm(node) for node in (first, second)]
    return same(first, second, True) if found is False and any(bare) else found


def _has_bare_logarithm(node: Node) -> bool:
    return any(p.kind == "call" and p.value == "log" and len(p.parts) == 1 for p in walk(node))


def _nowhere(name: str) -> Fraction:
    raise Unknown


def _same_constants(first: Node, second: Node, common_log: bool) -> Same:
    for digits in MORE_DIGITS:
        at = Evaluator(digits + _small_digits(first, second), _nowhere, common_log=common_log)
        try:
            values = _value_or_none(at, first), _value_or_none(at, second)
        except Unknown:
            return None
        if None in values:
            return None if values[0] == values[1] else False
        if abs(values[0] - values[1]) > at.error():
            return False
        if at.error() < abs(values[0]) * at.ctx.mpf(10) ** -30 or at.error() < 10.0**-35:
            return True
    return None


def _value_or_none(at: Evaluator, node: Node) -> Any:
    """None where the formula has no value."""
    try:
        return at.value(node)
    except Undefined:
        return None


def _small_digits(*nodes: Node) -> int:
    """More digits for formulas with very small numbers in them."""
    sizes = [_exponent(part) for node in nodes for part in walk(node)]
    return min(max(sizes, default=0), 400)


def _exponent(node: Node) -> int:
    try:
        value = exact(node) if node.kind in ("num", "dec", "pow") else Fraction(1)
    except Unknown:
        return 0
    return max(0, value.denominator.bit_length() - value.numerator.bit_length()) // 3


def _same_functions(first: Node, second: Node, common_log: bool) -> Same:
    """Equal where both are real; where they never are, equal as complex numbers."""
    agreed = complex_agreed = undefined = 0
    complex_differed = False
    unknown = 0
    is_complex = any(_is_imaginary(part) for node in (first, second) for part in walk(node))
    for at in _evaluators(first, second, common_log):
        values = _values(at, first, second)
        if values is None or None in values:
            undefined += values is not None and values[0] is not values[1]
            unknown += values is None
            if unknown == ENOUGH and not agreed:
                return None
            continue
        equal = abs(values[0] - values[1]) <= at.error()
        if equal and at.error() > TOO_COARSE:
            continue
        if is_complex or all(map(at.is_real, values)):
            if not equal:
                return False
            agreed += 1
        else:
            complex_agreed += equal
            complex_differed = complex_differed or not equal
        if agreed >= ENOUGH:
            return True
    if agreed or complex_differed:
        return True if agreed > 1 else (None if agreed else False)
    if complex_agreed >= ENOUGH:
        return True
    return False if undefined >= ENOUGH and not complex_agreed else None


def _is_imaginary(node: Node) -> bool:
    return node == I or (node.kind == "call" and node.value == "cis")


def _values(at: Evaluator, *nodes: Node) -> list[Any] | None:
    """The values at a point, None for 1/0; None altogether where they cannot be computed."""
    try:
        found = [_value_or_none(at, node) for node in nodes]
    except Unknown:
        return None
    return found


_WHOLE_ONLY = frozenset(("floor", "ceil", "gcd", "lcm", "!!"))
_RANGES = ((1, 2), (0.2, 0.9), (2, 5), (-0.9, -0.1), (0.01, 0.2), (-4, -1), (5, 20), (-2, 2))


def _evaluators(first: Node, second: Node, common_log: bool) -> Iterator[Evaluator]:
    whole = _needs_whole(first) or _needs_whole(second)
    size = sum(1 for node in (first, second) for _ in walk(node))
    for at in range(min(TRIES, max(ENOUGH + 2, 2500 // size))):
        point = _whole_point(at) if whole else _real_point(at)
        yield Evaluator(DIGITS, point, common_log=common_log)


def _needs_whole(node: Node) -> bool:
    """Is it meant for whole numbers: rounded, or a power of a negative number?"""
    for part in walk(node):
        if part.kind == "call" and part.value in _WHOLE_ONLY:
            return True
        if part.kind == "pow" and part.parts[0].kind == "neg" and symbols(part.parts[1]):
            return True
    return False


def _real_point(at: int) -> Callable[[str], Fraction]:
    low, high = _RANGES[at % len(_RANGES)]
    return lambda name: _between(name, at, low, high)


@lru_cache(maxsize=4096)
def _between(name: str, at: int, low: float, high: float) -> Fraction:
    return Fraction(Random(f"{at} {name}").uniform(low, high)).limit_denominator(10**9)


def _whole_point(at: int) -> Callable[[str], Fraction]:
    return lambda name: _whole(name, at)


@lru_cache(maxsize=4096)
def _whole(name: str, at: int) -> Fraction:
    start = Random(name).randrange(1, 6)
    return Fraction(start + at if at % 2 else Random(f"{at} {name}").randrange(2, 60))


# --- multiples --------------------------------------------------------------------------------


def ratio_sign(first: Node, second: Node) -> int | None:
    """1 or -1 if one formula is the other times a constant of that sign; 0 if not; None unknown."""
    is_multiple = _is_residue_multiple(first, second)
    if is_multiple is False:
        return 0
    ratios = list(_ratios(first, second))
    if len(ratios) < ENOUGH - 1:
        return (1 if is_multiple else None) if not ratios else _sign(ratios[0])
    spread = max(abs(ratio - ratios[0]) for ratio in ratios)
    if not is_multiple and spread > abs(ratios[0]) * 10.0**-25:
        return 0
    return _sign(ratios[0])


def _sign(ratio: Any) -> int:
    return -1 if ratio.real < 0 else 1


def _is_residue_multiple(first: Node, second: Node) -> Same:
    pairs = []
    for point in range(POINTS + 1):
        try:
            pairs.append((residue(first, point), residue(second, point)))
        except Undefined:
            continue
        except (Unknown, RecursionError):
            return None
    if len(pairs) < POINTS or not all(a and b for a, b in pairs):
        return False
    (above, below), *others = pairs
    return all((above * b - a * below) % PRIME == 0 for a, b in others)


def _ratios(first: Node, second: Node) -> Iterator[Any]:
    found = 0
    for at in _evaluators(first, second, False):
        values = _values(at, first, second)
        if values is None or None in values or min(map(abs, values)) <= at.error():
            continue
        yield values[0] / values[1]
        found += 1
        if found == ENOUGH:
            return

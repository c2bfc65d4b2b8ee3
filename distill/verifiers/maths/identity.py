"""Are two formulas the same function of their names: by residues, else at many points."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

from distill.verifiers.maths.constants import PRIME, Huge, Undefined, Unknown, exact, residue
from distill.verifiers.maths.points import is_smooth, points
from distill.verifiers.maths.reals import Evaluator
from distill.verifiers.maths.trees import I, Node, symbols, walk
from distill.verifiers.maths.vectors import are_near, has_vectors, vector_value

DIGITS = 50
MORE_DIGITS = (50, 120, 320)  # of constants, where large parts cancel
POINTS = 3  # residues: one that differs proves a difference
ENOUGH = 4  # points at which formulas that are no residues must agree
MAX_WORK = 2500  # nodes times points
TOO_COARSE = 1e-12  # an error of this share of the value may hide a difference
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
    for step in (_same_exactly, _same_vectors, _same_residues, _same_values, _same_size):
        same = step(first, second)
        if same is not None:
            return same
    return None


def _same_exactly(first: Node, second: Node) -> Same:
    try:
        return exact(first) == exact(second)
    except Unknown:
        return None


def _same_vectors(first: Node, second: Node) -> Same:
    """None where there are no vectors, or sums of vectors and numbers."""
    if not (has_vectors(first) or has_vectors(second)):
        return None
    for at in range(ENOUGH):
        values = [vector_value(node, at) for node in (first, second)]
        if None in values:
            return None
        if not are_near(*values):
            return False
    return True


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
    wanted = _points_wanted(first, second)
    seen = _Seen()
    is_complex = any(_is_imaginary(part) for node in (first, second) for part in walk(node))
    for at in _evaluators(first, second, common_log):
        values = _values(at, first, second)
        if values is None or None in values:
            seen.undefined += values is not None and values[0] is not values[1]
            seen.unknown += values is None
            if seen.unknown == ENOUGH and not seen.agreed:
                return None
            continue
        equal = abs(values[0].number - values[1].number) <= at.error()
        if equal and at.error() > TOO_COARSE * max(1, abs(values[0].number)):
            continue
        are_real = [is_complex or value.is_real for value in values]
        if all(are_real) and not equal:
            return False
        seen.note(equal, are_real, at)
        if seen.agreed >= wanted and not seen.is_lopsided():
            return True
    return seen.conclusion()


@dataclass
class _Seen:
    """What was found at the points so far."""

    agreed: int = 0
    complex_agreed: int = 0
    complex_differed: int = 0
    undefined: int = 0  # for one of the two
    unknown: int = 0
    common: int = 0  # points with positive names at which both are real
    single: int = 0  # and those at which one is

    def note(self, equal: bool, are_real: list[bool], at: Evaluator) -> None:
        """A point at which both have values."""
        if all(are_real):
            self.agreed += 1
        else:
            self.complex_agreed += equal
            self.complex_differed += not equal
        if any(are_real) and at.is_positive:
            self.common += all(are_real)
            self.single += not all(are_real)

    def is_lopsided(self) -> bool:
        """Is one real for positive names and the other never? \\ln|x| and \\ln(-x)."""
        return self.single > 0 and not self.common

    def conclusion(self) -> Same:
        """After all points, with fewer agreements than wanted."""
        if self.agreed or self.complex_differed:
            is_same = self.agreed > 1 and not self.is_lopsided()
            return True if is_same else (None if self.agreed == 1 else False)
        if self.complex_agreed >= ENOUGH:
            return True
        return False if self.undefined >= ENOUGH and not self.complex_agreed else None


def _points_wanted(first: Node, second: Node) -> int:
    """All that there are where a formula has jumps or corners."""
    return ENOUGH if is_smooth(first, second) else MAX_WORK


def _is_imaginary(node: Node) -> bool:
    return node == I or (node.kind == "call" and node.value == "cis")


class _Value(NamedTuple):
    """A value at a point, and whether it is real all the way."""

    number: Any
    is_real: bool


def _values(at: Evaluator, *nodes: Node) -> list[_Value | None] | None:
    """The values at a point, None for 1/0; None altogether where they cannot be computed."""
    found: list[_Value | None] = []
    for node in nodes:
        at.met_complex = False
        try:
            number = _value_or_none(at, node)
        except Unknown:
            return None
        found.append(None if number is None else _Value(number, not at.met_complex))
    return found


def _evaluators(first: Node, second: Node, common_log: bool) -> Iterator[Evaluator]:
    size = sum(1 for node in (first, second) for _ in walk(node))
    for point in islice(points(first, second), max(ENOUGH + 2, MAX_WORK // size)):
        yield Evaluator(DIGITS, point, common_log=common_log)


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
    found, wanted = 0, _points_wanted(first, second)
    for at in _evaluators(first, second, False):
        values = _values(at, first, second)
        if values is None or None in values:
            continue
        above, below = (value.number for value in values)
        if min(abs(above), abs(below)) <= at.error():
            continue
        yield above / below
        found += 1
        if found == wanted:
            return

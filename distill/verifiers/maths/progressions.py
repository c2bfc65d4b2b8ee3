"""Are two lists of formulas in whole numbers the same numbers: arithmetic progressions, merged."""

from fractions import Fraction
from math import gcd, lcm

from distill.verifiers.maths.constants import Undefined, Unknown, exact
from distill.verifiers.maths.rules import MAX_SIGNS, all_signs, sign_count
from distill.verifiers.maths.trees import PI, Node, number, replaced

MAX_MEMBERS = 200  # of all progressions within their common period

Member = tuple[Node, str]
"""A formula and its letter, which stands for all whole numbers."""


def same_progressions(first: list[Member], second: list[Member]) -> bool:
    """Do "\\pm \\pi/3 + 2k\\pi" and "\\pi/3 + 2n\\pi, 5\\pi/3 + 2n\\pi" give the same numbers?

    Only for formulas that grow evenly, as rational numbers or rational multiples of pi; False
    for all others.
    """
    for pi in (None, 1):
        try:
            steps = [_progressions(members, pi) for members in (first, second)]
        except (Unknown, Undefined, ZeroDivisionError, OverflowError):
            continue
        return _same_numbers(*steps)
    return False


def _same_numbers(first: list[tuple[Fraction, Fraction]], second: list) -> bool:
    period = _common([step for _, step in first + second])
    if sum(period / step for _, step in first + second) > MAX_MEMBERS:
        return False
    numbers = [
        {(start + at * step) % period for start, step in found for at in range(int(period / step))}
        for found in (first, second)
    ]
    return numbers[0] == numbers[1]


def _common(steps: list[Fraction]) -> Fraction:
    """The least number that is a whole multiple of each."""
    return Fraction(lcm(*(s.numerator for s in steps)), gcd(*(s.denominator for s in steps)))


def _progressions(members: list[Member], pi: int | None) -> list[tuple[Fraction, Fraction]]:
    """Start and step of each, of even and odd k apart because of (-1)^k. Raises: Unknown."""
    found = []
    for node, name in members:
        if sign_count(node) > MAX_SIGNS:
            raise Unknown
        for value in all_signs(node):
            found += [_progression(value, name, start, pi) for start in (0, 1)]
    return found


def _progression(node: Node, name: str, start: int, pi: int | None) -> tuple[Fraction, Fraction]:
    at = [_value(node, name, start + 2 * step, pi) for step in range(4)]
    step = at[1] - at[0]
    if not step or at[2] - at[1] != step or at[3] - at[2] != step:
        raise Unknown
    return at[0], abs(step)


def _value(node: Node, name: str, k: int, pi: int | None) -> Fraction:
    """The value for one k, in multiples of pi where that is to be."""
    node = replaced(node, Node("sym", name), number(k))
    if pi is None:
        return exact(node)
    value = exact(replaced(node, PI, number(1)))
    if exact(replaced(node, PI, number(2))) != 2 * value:
        raise Unknown
    return value

"""When a decimal stands for a number that it does not equal: rounding and tolerance."""

from fractions import Fraction
from typing import Any

from distill.recipe import MathPolicy
from distill.verifiers.maths.constants import Unknown
from distill.verifiers.maths.reals import Evaluator
from distill.verifiers.maths.trees import Node

DIGITS = 50


def same_about(reference: Node, answer: Node, policy: MathPolicy) -> bool:
    """Does a decimal round the other number, or do they differ by less than the tolerance?"""
    decimals = [_decimal(node) for node in (reference, answer)]
    is_tolerant = policy.relative_tolerance or policy.absolute_tolerance
    if not is_tolerant and (decimals[0] is None) == (decimals[1] is None):
        return False
    at = Evaluator(DIGITS, _no_point)
    try:
        values = [at.value(node) for node in (reference, answer)]
    except Unknown:
        return False
    if not all(map(at.is_real, values)):
        return False
    gap = abs(values[0].real - values[1].real)
    granted = max(policy.relative_tolerance * abs(values[0]), policy.absolute_tolerance)
    if is_tolerant and gap <= granted:
        return True
    decimal = decimals[0] or decimals[1]
    if (decimals[0] is None) == (decimals[1] is None) or policy.rounded_digits is None:
        return False
    places, digits = decimal
    return digits >= policy.rounded_digits and gap * 2 * at.ctx.mpf(10) ** places <= 1


def _decimal(node: Node) -> tuple[int, int] | None:
    """Places after the point and digits of a decimal literal."""
    if node.kind == "neg":
        return _decimal(node.parts[0])
    return node.value[1:] if node.kind == "dec" else None


def _no_point(name: str) -> Fraction | Any:
    raise Unknown

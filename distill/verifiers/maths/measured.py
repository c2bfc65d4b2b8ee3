"""Values with units: the same, units that can be converted, a unit that one side leaves out."""

from fractions import Fraction

from distill.verifiers.maths.counted import read_counted, unit_scales
from distill.verifiers.maths.identity import Same
from distill.verifiers.maths.rules import Rules
from distill.verifiers.maths.trees import PI, Node, number, signed
from distill.verifiers.maths.units import read_unit


def has_unit(node: Node) -> bool:
    """Has it a unit, degrees or a percent sign?"""
    return bool(_split(node)[1])


def _split(node: Node) -> tuple[Node, str]:
    """A value and its unit."""
    if node.kind == "unit":
        return node.parts[0], node.value
    if node.kind in ("deg", "percent"):
        return node.parts[0], "^\\circ" if node.kind == "deg" else "%"
    if node.kind == "neg":
        value, unit = _split(node.parts[0])
        return signed("-", value), unit
    return node, ""


def same_measured(first: Node, second: Node, rules: Rules) -> Same:
    """Values with units: the same unit, units that can be converted, or a missing one."""
    (value, unit), (other, other_unit) = _split(first), _split(second)
    if unit == other_unit:
        return rules.same(value, other)
    if not (unit and other_unit):
        return _same_half_measured(first, second, rules)
    scales = unit_scales(unit, other_unit)
    if "%" in (unit, other_unit) or scales is None:
        units = read_unit(unit), read_unit(other_unit)
        is_turned = {"angle", "radian"} == {name for u in units for name, _ in u.powers}
        return is_turned and rules.same(_in_radians(first), _in_radians(second))
    if scales[0] != scales[1]:
        value, other = (
            Node("mul", None, (number(scale), node))
            for scale, node in zip(scales, (value, other), strict=True)
        )
    return rules.same(value, other)


def _same_half_measured(first: Node, second: Node, rules: Rules) -> Same:
    """A unit on one side only."""
    (value, unit), (other, other_unit) = _split(first), _split(second)
    if _stays(unit or other_unit):
        return False
    found: Same = False
    is_part = "%" in (unit, other_unit) and "div" in (value.kind, other.kind)
    if (rules.policy.ignore_missing_units and not is_part) or "unit" in (unit, other_unit):
        found = rules.same(value, other)
    if not found and "%" in (unit, other_unit) and rules.policy.percent_is_share:
        found = rules.same(_share(first), _share(second))
    if not found and "^\\circ" in (unit, other_unit):
        found = rules.same(_in_radians(first), _in_radians(second))
    return found


def _stays(unit: str) -> bool:
    """Does it say more than a unit, "and permutations"?"""
    counted = read_counted(unit)
    return counted is not None and counted.stays


def _share(node: Node) -> Node:
    value, unit = _split(node)
    return Node("div", None, (value, number(100))) if unit else value


def _in_radians(node: Node) -> Node:
    """45 degrees as the value 45 pi / 180; others without their unit."""
    value, unit = _split(node)
    if not unit or ("angle", 1) not in read_unit(unit).powers:
        return value
    return Node("mul", None, (value, PI, number(Fraction(1, 180))))

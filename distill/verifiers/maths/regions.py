"""Sets of real numbers: intervals, unions, inequalities, compared as sets."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from distill.verifiers.maths.constants import Unknown
from distill.verifiers.maths.reals import Evaluator
from distill.verifiers.maths.trees import INFINITY, REALS, Node, number, symbols, walk

DIGITS = 50
MAX_BOUNDS = 80
_ORDERS = frozenset(("<", "<=", ">", ">="))
_MINUS_INFINITY = Node("neg", None, (INFINITY,))


class NoInterval(Unknown):
    """A tuple that is no interval: three parts, or the larger end first."""


class Region(NamedTuple):
    """A set of real numbers: where it may change, and what is inside."""

    bounds: tuple[Any, ...]
    holds: Callable[[Any], bool]


def is_region(node: Node) -> bool:
    """Can this only be a set of numbers, not a point or a list?"""
    if node.kind in ("union", "inter", "minus", "builder") or node == REALS:
        return True
    if node.kind == "group":
        has_ends = len(node.parts) == 2
        return has_ends and (node.value in ("(]", "[)") or any(map(_is_infinite, node.parts)))
    if node.kind == "relation":
        return bool(_ORDERS.union(("in", "notin", "!=")).intersection(node.value))
    return node.kind == "list" and any(map(is_inequality, node.parts))


def is_inequality(node: Node) -> bool:
    """A relation with < or its like."""
    return node.kind == "relation" and bool((_ORDERS | {"!="}).intersection(node.value))


def same_region(first: Node, second: Node) -> bool:
    """Do two sets hold the same numbers? Raises: Unknown when one has no numeric bounds."""
    regions = region_of(first), region_of(second)
    bounds = sorted({bound for region in regions for bound in region.bounds})
    if len(bounds) > MAX_BOUNDS:
        raise Unknown
    return all(regions[0].holds(x) == regions[1].holds(x) for x in _probes(bounds))


def _probes(bounds: list[Any]) -> list[Any]:
    """Every bound, and one number between each two and beyond the ends."""
    if not bounds:
        return [0]
    between = [(low + high) / 2 for low, high in pairwise(bounds) if not _near(low, high)]
    return [*bounds, *between, bounds[0] - 1, bounds[-1] + 1]


def _near(first: Any, second: Any) -> bool:
    return abs(first - second) <= 1e-30 * max(1, abs(first))


def region_of(node: Node) -> Region:
    """The set that a formula describes. Raises: Unknown when it describes none."""
    if node == REALS:
        return Region((), lambda x: True)
    rule = _RULES.get(node.kind)
    if rule is None:
        return _points((node,))
    return rule(node)


def _constant(node: Node) -> Any:
    value = Evaluator(DIGITS, _no_point).value(node)
    return value.real if abs(getattr(value, "imag", 0)) < 1e-30 else _refuse()


def _no_point(name: str) -> Any:
    raise Unknown


def _refuse() -> Any:
    raise Unknown


def _is_infinite(node: Node) -> bool:
    return node in (INFINITY, _MINUS_INFINITY)


def _points(parts: tuple[Node, ...]) -> Region:
    values = tuple(_constant(part) for part in parts)
    return Region(values, lambda x: any(_near(x, value) for value in values))


def _interval(node: Node) -> Region:
    if len(node.parts) != 2:
        raise NoInterval
    (low, high), (opening, closing) = node.parts, node.value
    below = _half(low, ">=" if opening == "[" else ">")
    above = _half(high, "<=" if closing == "]" else "<")
    if below.bounds and above.bounds:
        is_point = node.value == "[]" and _near(below.bounds[0], above.bounds[0])
        if not (is_point or below.bounds[0] < above.bounds[0]):
            raise NoInterval
    return _both(below, above)


def _half(bound: Node, sign: str) -> Region:
    """All x with x `sign` bound."""
    if _is_infinite(bound):
        if (bound == INFINITY) != (sign in ("<", "<=")):
            raise Unknown
        return Region((), lambda x: True)
    value = _constant(bound)
    holds: Callable[[Any], bool] = {
        "<": lambda x: x < value and not _near(x, value),
        "<=": lambda x: x < value or _near(x, value),
        ">": lambda x: x > value and not _near(x, value),
        ">=": lambda x: x > value or _near(x, value),
        "!=": lambda x: not _near(x, value),
        "=": lambda x: _near(x, value),
    }[sign]
    return Region((value,), holds)


def _both(first: Region, second: Region) -> Region:
    return Region(first.bounds + second.bounds, lambda x: first.holds(x) and second.holds(x))


def _either(first: Region, second: Region) -> Region:
    return Region(first.bounds + second.bounds, lambda x: first.holds(x) or second.holds(x))


def _without(first: Region, second: Region) -> Region:
    return Region(first.bounds + second.bounds, lambda x: first.holds(x) and not second.holds(x))


_JOINED = {"union": _either, "inter": _both, "minus": _without}


def _combined(node: Node) -> Region:
    first, second = map(region_of, node.parts)
    return _JOINED[node.kind](first, second)


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}


def _relation(node: Node) -> Region:
    """Inequalities of one name or expression with numbers on its sides; membership."""
    signs, sides = node.value, node.parts
    if signs in (("in",), ("notin",)) and not symbols(sides[0]):
        raise Unknown
    if signs == ("in",):
        return region_of(sides[1])
    if signs == ("notin",):
        return _without(Region((), lambda x: True), region_of(sides[1]))
    variable = [at for at, side in enumerate(sides) if symbols(side)]
    if len(variable) != 1 or any(sign not in _TURNED for sign in signs):
        raise Unknown
    at, found = variable[0], Region((), lambda x: True)
    is_distance = sides[at].kind == "call" and sides[at].value == "abs"
    if sides[at].kind not in ("sym", "apply") and not is_distance:
        raise Unknown  # "2x > 4": solved elsewhere or not at all
    if at + 1 < len(sides):
        found = _both(found, _half(sides[at + 1], signs[at]))
    if at:
        found = _both(found, _half(sides[at - 1], _TURNED[signs[at - 1]]))
    if len(sides) > 3:
        raise Unknown
    return _around(_centre(sides[at].parts[0]), found) if is_distance else found


def _centre(node: Node) -> Any:
    """c of x - c."""
    parts = node.parts if node.kind == "add" else (node,)
    names = [part for part in parts if part.kind == "sym"]
    if len(names) != 1:
        raise Unknown
    return -sum(_constant(part) for part in parts if part is not names[0])


def _around(centre: Any, distances: Region) -> Region:
    """All x whose distance from a centre is in a set."""
    ends = (centre, *(centre + sign * end for end in distances.bounds for sign in (1, -1)))
    return Region(ends, lambda x: distances.holds(abs(x - centre)))


def _listed(node: Node) -> Region:
    """Conditions joined by "or", by "and", or by commas, which mean "or" where nothing holds all;
    bare numbers are points."""
    if not all(part.kind in ("relation", "builder") or part == REALS for part in node.parts):
        return _listed_points(node)
    if node.value == "or":
        return _folded(_either, [region_of(part) for part in node.parts])
    if any(map(_is_whole_domain, node.parts)):
        return _whole_numbers([part for part in node.parts if not _is_whole_domain(part)])
    regions = [region_of(part) for part in node.parts]
    both = _folded(_both, regions)
    if node.value == "and":
        return both
    is_empty = not any(both.holds(x) for x in _probes(sorted(set(both.bounds))))
    return _folded(_either, regions) if is_empty else both


def _listed_points(node: Node) -> Region:
    """ "x \\ne 1, 2" leaves out both."""
    head, *others = node.parts
    if head.kind == "relation" and head.value == ("!=",) and not any(map(symbols, others)):
        return _without(region_of(head), _points(tuple(others)))
    if any(part.kind in ("relation", "group", "union") for part in node.parts):
        return _folded(_either, [region_of(part) for part in node.parts])
    return _points(node.parts)


def _folded(join: Callable[[Region, Region], Region], regions: list[Region]) -> Region:
    found = regions[0]
    for region in regions[1:]:
        found = join(found, region)
    return found


def _built(node: Node) -> Region:
    """{x | condition}, {x \\in R : condition}."""
    head, condition = node.parts
    if _is_whole_domain(head):
        return _whole_numbers([condition])
    found = region_of(condition)
    if head.kind == "relation" and head.value == ("in",):
        return _both(region_of(head), found)
    if head.kind != "sym":
        raise Unknown
    return found


def _is_whole_domain(node: Node) -> bool:
    return (
        node.kind == "relation"
        and node.value == ("in",)
        and node.parts[0].kind == "sym"
        and node.parts[1].kind == "sym"
        and node.parts[1].value in ("setZ", "Z")
    )


def _whole_numbers(conditions: list[Node]) -> Region:
    """The few whole numbers that fulfil conditions. Raises: Unknown for none or many."""
    if not conditions:
        raise Unknown
    region = _folded(_both, [region_of(part) for part in conditions])
    ends = sorted(region.bounds)
    is_bounded = bool(ends) and not (region.holds(ends[0] - 1) or region.holds(ends[-1] + 1))
    if not is_bounded or ends[-1] - ends[0] > MAX_BOUNDS:
        raise Unknown
    first, last = int(ends[0]) - 1, int(ends[-1]) + 1
    return _points(tuple(number(at) for at in range(first, last + 1) if region.holds(at)))


def variable_names(node: Node) -> frozenset[str]:
    """Names that conditions are about."""
    names = (symbols(part) for part in walk(node) if part.kind == "relation")
    return frozenset().union(*names)


_RULES: dict[str, Callable[[Node], Region]] = {
    "group": _interval,
    "set": lambda node: _points(node.parts),
    "union": _combined,
    "inter": _combined,
    "minus": _combined,
    "relation": _relation,
    "list": _listed,
    "builder": _built,
}

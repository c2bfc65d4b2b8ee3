"""Equations, inequalities and memberships: the same statement, or a value under its name."""

from itertools import product

from distill.recipe import MathPolicy
from distill.verifiers.maths.constants import Unknown
from distill.verifiers.maths.identity import Same, ratio_sign, same_formula
from distill.verifiers.maths.isolated import is_equation, isolated
from distill.verifiers.maths.names import (
    are_alike,
    as_function,
    in_coordinates,
    is_name,
    is_variable,
    names_differ,
)
from distill.verifiers.maths.regions import (
    NoInterval,
    is_inequality,
    is_region,
    same_region,
    variable_names,
)
from distill.verifiers.maths.rules import MINUS_INFINITY, Rules, any_of, is_value
from distill.verifiers.maths.trees import INFINITY, Node, number, replaced, signed, symbols, walk

_NEGATED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_LISTS = ("list", "set")


def same_relation(first: Node, second: Node, rules: Rules) -> Same:
    """Two relations, or a relation beside a value, an interval or a list."""
    coordinates = in_coordinates(first), in_coordinates(second)
    if coordinates != (first, second) and all(map(_says_names, coordinates)):
        return rules.same(*coordinates)  # "(x, y) = (1, 2)" beside "y = 2, x = 1"
    relations = [node for node in (first, second) if node.kind == "relation"]
    if any(node.value[-1] == "~" for node in relations):
        return not names_differ(first, second) and _same_rounded(first, second, rules)
    if len(relations) == 2:
        return _both_relations(first, second, rules)
    values = value_of(first, is_answer=False), value_of(second, is_answer=True)
    if rules.policy.ignore_names and values != (first, second) and None not in values:
        return rules.same(*values)
    if relations[0].value == ("in",) and not rules.policy.ignore_names:
        return False
    if not (is_region(first) or is_region(second)):
        lists = [node for node in (first, second) if node.kind in _LISTS]
        return rules.matched(*map(_parts, (first, second))) if lists else False
    found = same_set(first, second, rules)
    return False if found is None and any(map(is_value, (first, second))) else found


def _says_names(node: Node) -> bool:
    """Is it a list of values, each under a name?"""
    return node.kind == "list" and all(
        part.kind == "relation" and part.value == ("=",) and part.parts[0].kind == "sym"
        for part in node.parts
    )


def _parts(node: Node) -> tuple[Node, ...]:
    return node.parts if node.kind in _LISTS else (node,)


# --- a value under its name -------------------------------------------------------------------


def value_of(node: Node, *, is_answer: bool) -> Node | None:
    """What a relation says of a name; the node itself if it is no relation.

    An answer may end a calculation: "a + b = 11 + 9 = 20". "x^2 - 5x = 0" says no value, and
    "2x = 10" says 5.
    """
    if node.kind != "relation":
        return node
    if node.value == ("in",) and is_name(node.parts[0]):
        return node.parts[1]
    if set(node.value) != {"="}:
        return None
    head, last = node.parts[0], node.parts[-1]
    if is_name(head) or not symbols(node):
        return last
    if not symbols(head):
        head, last = last, head  # "5 = x"
    if is_name(head):
        return last
    if is_equation(head):
        return isolated(head, last)
    is_sum = all(part.kind in ("add", "neg", "sym") for part in walk(head))
    return last if is_answer and (is_sum or last != number(0)) else None


# --- about ------------------------------------------------------------------------------------

_CLOSE = MathPolicy(relative_tolerance=0.05)


def _same_rounded(first: Node, second: Node, rules: Rules) -> Same:
    """ "2/3 \\approx 0.67": either value, if they are close to each other."""
    choices = [_about(node, rules) for node in (first, second)]
    if [] in choices:
        return False
    return any_of(rules.same(one, other) for one, other in product(*choices))


def _about(node: Node, rules: Rules) -> list[Node]:
    """The values of "x = a \\approx b"; none where b is far from a."""
    if node.kind != "relation" or node.value[-1] != "~":
        return [node]
    *before, exact, rounded = node.parts
    if before and set(node.value[:-1]) != {"="}:
        return []
    if is_name(exact) and not before:
        return [rounded]
    about = Rules(_CLOSE, rules.compare, rules.left)
    return [exact, rounded] if about.same(exact, rounded) else []


# --- two relations ----------------------------------------------------------------------------


def _both_relations(first: Node, second: Node, rules: Rules) -> Same:
    signs = set(first.value), set(second.value)
    if is_inequality(first) != is_inequality(second) and "in" not in signs[0] | signs[1]:
        return False
    if signs == ({"="}, {"="}):
        return _same_equation(first, second, rules)
    if is_region(first) or is_region(second):
        found = same_set(first, second, rules)
        if found is not None:
            return found
    return _same_chain(first, second, rules)


def _same_equation(first: Node, second: Node, rules: Rules) -> Same:
    """The same names with the same values, or two equations with the same solutions."""
    values = first.parts[-1], second.parts[-1]
    names = as_function(first.parts[0], values[0]), as_function(second.parts[0], values[1])
    if names[0] == names[1] and is_name(names[0]):
        return rules.same(*values)
    if all(node.kind == "apply" for node in names):
        return _same_function(names, values, rules)
    alike = are_alike(*names) if all(map(is_name, names)) else False
    if rules.policy.ignore_names and alike and rules.same(*values):
        return True
    if len(first.parts) != 2 or len(second.parts) != 2:
        return None
    for sides in (second.parts, second.parts[::-1]):
        if rules.in_order(first.parts, sides):
            return True
    found = ratio_sign(_difference(first), _difference(second))
    if found or _same_solved(first, second):
        return True
    is_open = found is None and not (alike is False and all(map(is_name, names)))
    return None if is_open else False


def _same_function(names: tuple[Node, Node], values: tuple[Node, Node], rules: Rules) -> Same:
    """f(x) = 2x and f(n) = 2n; not f(2) = 7 and f(3) = 7."""
    name, other_name = names
    value, other = values
    if name.value != other_name.value or len(name.parts) != len(other_name.parts):
        return False
    for argument, found in zip(name.parts, other_name.parts, strict=True):
        if is_variable(argument, value) and is_variable(found, other):
            other = replaced(other, found, argument)
        elif rules.same(argument, found) is not True:
            return False
    return rules.same(value, other)


def _difference(node: Node) -> Node:
    return Node("add", None, (node.parts[0], signed("-", node.parts[1])))


def _same_solved(first: Node, second: Node) -> bool:
    """y = f(x) put into the other equation, which must be linear in y, holds for all x."""
    for solved, other in ((first, second), (second, first)):
        name, value = solved.parts
        rest = _difference(other)
        if name.kind != "sym" or name.value in symbols(value) or name.value not in symbols(rest):
            continue
        near = [replaced(rest, name, Node("add", None, (value, number(step)))) for step in range(3)]
        bend = Node("add", None, (near[0], Node("mul", None, (number(-2), near[1])), near[2]))
        if same_formula(near[0], number(0)) and same_formula(bend, number(0)):
            return same_formula(near[1], number(0)) is False
    return False


def _same_chain(first: Node, second: Node, rules: Rules) -> Same:
    """Chains with the same signs and sides, read from either end; a < b beside ca < cb."""
    found: Same = False
    if first.value == second.value:
        found = rules.in_order(first.parts, second.parts)
    if found or not all(sign in _NEGATED for sign in (*first.value, *second.value)):
        return found
    if first.value == tuple(_NEGATED[sign] for sign in reversed(second.value)):
        turned = rules.in_order(first.parts, second.parts[::-1])
        if turned:
            return True
    if len(first.value) == len(second.value) == 1:
        return _same_inequality(first, second)
    return False


def _same_inequality(first: Node, second: Node) -> Same:
    sign = ratio_sign(_difference(first), _difference(second))
    if sign is None:
        return None
    wanted = second.value[0] if sign == 1 else _NEGATED[second.value[0]]
    return bool(sign) and first.value[0] == wanted


# --- sets of numbers --------------------------------------------------------------------------


def same_set(first: Node, second: Node, rules: Rules) -> Same:
    """Intervals, unions and conditions as sets of numbers; with letters in them, part by part."""
    if not _may_be_compared(first, second, rules.policy):
        return False
    if first.kind == second.kind == "group" and not _is_endless(first, second):
        return rules.in_order(first.parts, second.parts) if first.value == second.value else False
    names = variable_names(first), variable_names(second)
    if all(names) and names[0] != names[1]:
        return False
    try:
        return same_region(first, second)
    except NoInterval:
        return False
    except Unknown:
        return _same_parts(first, second, rules)


def _may_be_compared(first: Node, second: Node, policy: MathPolicy) -> bool:
    """Is one a condition, the other an interval, and the policy strict?"""
    conditions = [node.kind in ("relation", "list") for node in (first, second)]
    if conditions[0] == conditions[1] or policy.inequality_is_interval:
        return True
    return any(node.kind == "relation" and node.value == ("in",) for node in (first, second))


def _is_endless(*nodes: Node) -> bool:
    """At infinity a bracket says nothing."""
    return any(end in (INFINITY, MINUS_INFINITY) for node in nodes for end in node.parts)


def _same_parts(first: Node, second: Node, rules: Rules) -> Same:
    if "matrix" in (first.kind, second.kind):
        return False
    if first.kind != second.kind or first.kind == "relation":
        return None
    if first.kind == "union":
        return rules.matched(_flat(first), _flat(second))
    if first.kind == "group":
        return rules.in_order(first.parts, second.parts) if first.value == second.value else False
    if first.kind in ("builder", "inter", "minus"):
        return rules.in_order(first.parts, second.parts)
    found = rules.matched(first.parts, second.parts)
    return found or None  # conditions: other ones may say the same


def _flat(node: Node) -> tuple[Node, ...]:
    if node.kind != "union":
        return (node,)
    return tuple(part for half in node.parts for part in _flat(half))

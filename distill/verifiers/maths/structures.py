"""Are two read answers the same: lists, tuples, sets, matrices, units, words, values."""

from collections.abc import Callable, Iterable

from distill.recipe import MathPolicy
from distill.verifiers.maths.approximations import same_about
from distill.verifiers.maths.bound import has_big, same_with_big
from distill.verifiers.maths.congruences import is_congruence, same_congruence
from distill.verifiers.maths.families import same_family
from distill.verifiers.maths.identity import Same, same_formula
from distill.verifiers.maths.measured import has_unit, same_measured
from distill.verifiers.maths.names import by_axis, coordinates
from distill.verifiers.maths.piecewise import is_piecewise, same_cases
from distill.verifiers.maths.regions import is_region
from distill.verifiers.maths.relations import same_relation, same_set
from distill.verifiers.maths.renamed import unit_vectors, with_components, with_same_constants
from distill.verifiers.maths.rules import (
    MAX_ITEMS,
    MAX_SIGNS,
    MINUS_INFINITY,
    WHOLES,
    Rules,
    all_of,
    all_signs,
    any_of,
    both_signs,
    is_value,
    sign_count,
)
from distill.verifiers.maths.trees import INFINITY, Node, signed, symbols, walk


def same(first: Node, second: Node, policy: MathPolicy) -> Same:
    """Is the second, an answer, the same as the first, the reference?"""
    return same_family(first, second, Rules(policy, _same))


def route(node: Node) -> str:
    """The name of the comparison that a reference asks for."""
    return next((name for name, applies, _ in _STEPS if applies(node)), "formula")


def _same(first: Node, second: Node, rules: Rules) -> Same:
    if first == second:
        return True
    if rules.policy.ignore_names and "group" in (first.kind, second.kind):
        first, second = coordinates(first), coordinates(second)
    if is_piecewise(first, second):
        return same_cases(first, second, rules)
    if _never_same(first, second):
        return False
    for _, applies, step in _STEPS:
        if applies(first) or applies(second):
            return step(first, second, rules)
    return _same_value(first, second, rules.policy)


def _never_same(first: Node, second: Node) -> bool:
    """A tuple, an interval or a matrix beside a number; "2i + 3j" is a tuple."""
    wholes = [node.kind in WHOLES for node in (first, second)]
    if wholes[0] == wholes[1]:
        return False
    whole, other = (first, second) if wholes[0] else (second, first)
    may_be_vector = _is_group(whole) and not is_region(whole) and unit_vectors(other)
    return is_value(other) and not may_be_vector


# --- lists, sets ------------------------------------------------------------------------------


def _is_collection(node: Node) -> bool:
    return node.kind in ("list", "set")


def _same_collection(first: Node, second: Node, rules: Rules) -> Same:
    """Lists and sets in any order; a list beside a tuple in the tuple's order."""
    first, second = _merged(first), _merged(second)
    if _are_sets(first, second):
        return same_set(first, second, rules)
    if "group" in (first.kind, second.kind):
        return _same_beside_group(first, second, rules)
    if second.kind == "list" and second.value == "or" and not _is_collection(first):
        return all_of(rules.same(first, part) for part in second.parts[:MAX_ITEMS])  # 9/4 or 2.25
    parts = _items(first, rules.policy), _items(second, rules.policy)
    if _is_named(first) != _is_named(second):
        return rules.in_order(*parts)  # "A = 5, B = 7" says which is which
    if "set" in (first.kind, second.kind):
        return rules.matched(*(_distinct(part, rules) for part in parts))
    if not rules.policy.unordered_lists or _are_words(*parts):
        return rules.in_order(*parts)
    return rules.matched(*parts)


def _are_sets(first: Node, second: Node) -> bool:
    """Two sets of numbers: "x > 1 and x < 2" beside (1, 2), a union beside {1, 2}."""
    found = is_region(first), is_region(second)
    if all(found) or not any(found):
        return all(found)
    region, other = (first, second) if found[0] else (second, first)
    if region.kind == "list" and other.kind == "group":
        return len(other.parts) == 2
    return region.kind in ("list", "union", "inter", "minus", "builder") and other.kind == "set"


def _merged(node: Node) -> Node:
    """A union of lists of elements as one such list."""
    if node.kind != "union":
        return node
    halves = [_merged(part) for part in node.parts]
    if not all(half.kind == "set" for half in halves):
        return node
    return Node("set", None, tuple(part for half in halves for part in half.parts))


def _same_beside_group(first: Node, second: Node, rules: Rules) -> Same:
    group, other = (first, second) if first.kind == "group" else (second, first)
    if all(part.kind == "group" for part in group.parts):
        return rules.matched(first.parts, second.parts)
    first, second = by_axis(first), by_axis(second)
    return other.kind == "list" and rules.in_order(first.parts, second.parts)


def _is_named(node: Node) -> bool:
    """Has each value of a list a name of its own?"""
    if node.kind != "list":
        return False
    names = {part.parts[0] for part in node.parts if part.kind == "relation"}
    return len(names) == len(node.parts)


def _items(node: Node, policy: MathPolicy) -> tuple[Node, ...]:
    """The parts of a list or set, plus-minus values as two."""
    parts = node.parts if _is_collection(node) else (node,)
    if not policy.plus_minus_is_pair:
        return parts
    return tuple(value for part in parts for value in both_signs(part))


def _are_words(*lists: tuple[Node, ...]) -> bool:
    """Names in a list may be a ranking."""
    return all(part.kind == "text" and len(part.value) > 1 for parts in lists for part in parts)


def _distinct(parts: tuple[Node, ...], rules: Rules) -> tuple[Node, ...]:
    kept: list[Node] = []
    for part in parts[:MAX_ITEMS]:
        if not any(rules.same(part, other) for other in kept):
            kept.append(part)
    return tuple(kept) + parts[MAX_ITEMS:]


# --- tuples, matrices -------------------------------------------------------------------------


def _is_group(node: Node) -> bool:
    return node.kind in ("group", "matrix", "cases")


def _same_group(first: Node, second: Node, rules: Rules) -> Same:
    """Tuples and intervals part by part; matrices; a vector beside a tuple."""
    if vectors := with_components(first, second, rules.policy):
        return rules.in_order(*vectors)
    if is_value(first) or is_value(second):
        return False
    if {first.kind, second.kind} == {"group", "matrix"}:
        return _same_vector(first, second, rules)
    if first.kind != second.kind:
        return _same_scaled(first, second, rules)
    if first.kind == "group":
        return first.value == second.value and rules.in_order(first.parts, second.parts)
    if len(first.parts) != len(second.parts):
        return False
    rows = zip(first.parts, second.parts, strict=True)
    return all_of(rules.in_order(row.parts, other.parts) for row, other in rows)


def _same_vector(first: Node, second: Node, rules: Rules) -> Same:
    """A matrix of one row or column beside a tuple."""
    parts = [_entries(node) for node in (first, second)]
    if None in parts or not rules.policy.vector_is_tuple:
        return False
    return rules.in_order(*parts)


def _entries(node: Node) -> tuple[Node, ...] | None:
    if node.kind == "group":
        return node.parts if node.value in ("()", "[]") else None
    if len(node.parts) == 1:
        return node.parts[0].parts
    if all(len(row.parts) == 1 for row in node.parts):
        return tuple(row.parts[0] for row in node.parts)
    return None


def _same_scaled(first: Node, second: Node, rules: Rules) -> Same:
    """A matrix beside a number times a matrix."""
    scaled = [_multiplied(node) for node in (first, second)]
    if None in scaled or scaled == [first, second]:
        return None
    return rules.same(*scaled)


def _multiplied(node: Node) -> Node | None:
    """The matrix or tuple that a product with one is; None for other formulas."""
    if node.kind in ("group", "matrix"):
        return node
    if node.kind not in ("mul", "neg", "div"):
        return None
    parts = node.parts[:1] if node.kind == "div" else node.parts
    inner = [_multiplied(part) for part in parts]
    found = [at for at, part in enumerate(inner) if part is not None]
    if len(found) != 1:
        return None
    factors = tuple(part for at, part in enumerate(parts) if at != found[0])

    def scaled(entry: Node) -> Node:
        if node.kind == "neg":
            return signed("-", entry)
        entry = Node("mul", None, (*factors, entry)) if factors else entry
        return Node("div", None, (entry, node.parts[1])) if node.kind == "div" else entry

    return _mapped(inner[found[0]], scaled)


def _mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    if node.kind == "group":
        return node._replace(parts=tuple(map(change, node.parts)))
    rows = tuple(row._replace(parts=tuple(map(change, row.parts))) for row in node.parts)
    return node._replace(parts=rows)


# --- plus-minus -------------------------------------------------------------------------------


def _has_signs(node: Node) -> bool:
    return sign_count(node) > 0


def _same_signs(first: Node, second: Node, rules: Rules) -> Same:
    """ "1 \\pm 2" as "3, -1"; several signs all above and all below, or each by itself."""
    if any(map(_is_group, (first, second))):
        return first.kind == second.kind and _same_group(first, second, rules)
    if not rules.policy.plus_minus_is_pair:
        if _has_signs(first) != _has_signs(second):
            return False
        return rules.matched(both_signs(first), both_signs(second))
    found = rules.matched(_items(first, rules.policy), _items(second, rules.policy))
    if found or not 1 < max(sign_count(first), sign_count(second)) <= MAX_SIGNS:
        return found
    return rules.matched(_every_sign(first), _every_sign(second))


def _every_sign(node: Node) -> tuple[Node, ...]:
    parts = node.parts if _is_collection(node) else (node,)
    return tuple(value for part in parts for value in all_signs(part))


# --- words ------------------------------------------------------------------------------------


def _is_text(node: Node) -> bool:
    return node.kind == "text"


def _same_text(first: Node, second: Node, rules: Rules) -> Same:
    words = [_words(node) for node in (first, second)]
    if None in words:
        return False
    if rules.policy.ignore_case:
        words = [word.casefold() if len(word) > 1 else word for word in words]
    return words[0] == words[1]


def _words(node: Node) -> str | None:
    """A word or the name of a variable; the letters of a product such as AB."""
    if node.kind in ("text", "sym"):
        return node.value.strip(" .()")
    if node.kind == "const" and node.value in ("e", "i"):
        return node.value
    if node.kind in ("mul", "list"):
        words = [_words(part) for part in node.parts]
        return None if None in words else "".join(words)
    return None


# --- values -----------------------------------------------------------------------------------


def _same_value(first: Node, second: Node, policy: MathPolicy) -> Same:
    if any(node in (INFINITY, MINUS_INFINITY) for node in (first, second)):
        return False  # not written the same
    found = same_formula(first, second)
    if found:
        return True
    if not symbols(first) | symbols(second) and same_about(first, second, policy):
        return True
    if found is None and (has_big(first) or has_big(second)) and same_with_big(first, second):
        return True
    if found is False and any(same_formula(first, n) for n in with_same_constants(first, second)):
        return True
    found = any_of((found, *_other_readings(first, second, policy)))
    return _same_product(first, second, policy) if found is None else found


def _same_product(first: Node, second: Node, policy: MathPolicy) -> Same:
    """Products that have no value, such as a name beside an interval: part by part."""
    if first.kind == second.kind == "mul":
        return Rules(policy, _same).in_order(first.parts, second.parts)
    return None


def _other_readings(first: Node, second: Node, policy: MathPolicy) -> Iterable[Same]:
    """Degrees that one side leaves out; f(x + 1) as a product."""
    degrees = [any(part.kind == "deg" for part in walk(node)) for node in (first, second)]
    if degrees[0] != degrees[1] and policy.ignore_missing_units:
        yield same_formula(_without_degrees(first), _without_degrees(second))
    if any(_is_applied_sum(part) for node in (first, second) for part in walk(node)):
        yield same_formula(_as_products(first), _as_products(second))


def _without_degrees(node: Node) -> Node:
    if node.kind == "deg":
        return _without_degrees(node.parts[0])
    return node._replace(parts=tuple(map(_without_degrees, node.parts))) if node.parts else node


def _is_applied_sum(node: Node) -> bool:
    return node.kind == "apply" and len(node.parts) == 1 and node.parts[0].kind == "add"


def _as_products(node: Node) -> Node:
    if _is_applied_sum(node):
        return Node("mul", None, (Node("sym", node.value), _as_products(node.parts[0])))
    return node._replace(parts=tuple(map(_as_products, node.parts))) if node.parts else node


_STEPS: tuple[tuple[str, Callable[[Node], bool], Callable[[Node, Node, Rules], Same]], ...] = (
    ("congruence", is_congruence, same_congruence),
    ("relation", lambda node: node.kind == "relation", same_relation),
    ("text", _is_text, _same_text),
    ("units", has_unit, same_measured),
    ("plus-minus", _has_signs, _same_signs),
    ("list", _is_collection, _same_collection),
    ("set", is_region, same_set),
    ("tuple", _is_group, _same_group),
)

"""Families of answers: members, what their parameters range over, other letters for those."""

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

from distill.verifiers.maths.constants import Undefined, Unknown, exact
from distill.verifiers.maths.identity import Same
from distill.verifiers.maths.indices import with_one_index
from distill.verifiers.maths.names import is_name
from distill.verifiers.maths.progressions import same_progressions
from distill.verifiers.maths.renamed import is_factor, renamed
from distill.verifiers.maths.rules import Rules
from distill.verifiers.maths.trees import PI, REALS, Node, number, replaced, symbols, walk

MAX_PARAMETERS = 2  # of which either may be the other's

_DOMAINS = {
    "setN": "N", "setZ": "Z", "setQ": "Q", "setC": "C", "setN_+": "N+", "setN_0": "N0",
    "N": "N", "Z": "Z", "Q": "Q", "C": "C", "R": "R",
}  # fmt: skip
_NATURAL = frozenset(("N", "N+", "N0"))
_WHOLE_NUMBERS = frozenset("klmn")
_COORDINATES = frozenset(("k", "r", "s", "t", "u", "lambda", "mu"))
_NOT_FREE = frozenset(("x", "y", "z", "w", "f", "g", "h", "d"))


class Family(NamedTuple):
    """An answer and the sets that it names for its letters: a letter and N, Z, Q, R or C."""

    value: Node
    domains: dict[str, str]


def same_family(first: Node, second: Node, rules: Rules) -> Same:
    """Compare two answers; letters of parameters may differ, stated domains may not.

    "x = k\\pi, k \\in Z" is "n\\pi" and "\\{x | x = n\\pi, n \\in Z\\}", not "k\\pi, k \\in N".
    A letter is a parameter where one side states its domain, or by its place in the formula.
    """
    ours, theirs = family_of(first), family_of(second)
    if not _agree(ours.domains, theirs.domains):
        return False
    found = rules.same(ours.value, theirs.value)
    if found or _are_plain(ours, theirs):
        return found
    for names in _renamings(ours, theirs):
        domains = {names.get(name, name): domain for name, domain in theirs.domains.items()}
        if _agree(ours.domains, domains) and rules.same(ours.value, renamed(theirs.value, names)):
            return True
    if found is None and rules.same(*map(with_one_index, (ours.value, theirs.value))):
        return True
    if _same_built(ours.value, theirs.value, rules) or _same_wholes(ours, theirs, rules):
        return True
    return found


def _are_plain(*families: Family) -> bool:
    """Have they no letters at all?"""
    return not any(family.domains or symbols(family.value) for family in families)


def _agree(first: dict[str, str], second: dict[str, str]) -> bool:
    """No letter with two domains; an N may be meant with zero or without."""
    pairs = ({first[name], second[name]} for name in first.keys() & second.keys())
    return all(len(pair) == 1 or ("N" in pair and pair <= _NATURAL) for pair in pairs)


# --- what is stated ---------------------------------------------------------------------------


def family_of(node: Node) -> Family:
    """The members of an answer and the domains of their letters."""
    listed = _listed(node)
    if listed.kind not in ("list", "set"):
        return Family(node, {})
    listed = listed._replace(parts=tuple(_as_domain(part, listed.parts) for part in listed.parts))
    used = frozenset().union(*(symbols(part) for part in listed.parts if _may_use(part)))
    kept, domains, domain = [], {}, None
    for part in reversed(listed.parts):
        stated = _stated(part)
        domain = stated[1] if stated else domain
        if stated or (domain and part.kind == "sym" and part.value in used):  # "m, n \in Z"
            domains[stated[0] if stated else part.value] = domain
        else:
            domain = None
            kept.insert(0, part)
    kept, implied = _without_implied(kept)
    if not (domains or implied) or not kept or any(_is_about(part, domains) for part in kept):
        return Family(node, {})
    value = kept[0] if len(kept) == 1 else listed._replace(parts=tuple(kept))
    return Family(value, domains)


def _listed(node: Node) -> Node:
    """{x | x = 2k, k \\in Z} and {2k | k \\in Z} as lists; others as they are."""
    if node.kind != "builder":
        return node
    head, condition = node.parts
    conditions = condition.parts if condition.kind == "list" else (condition,)
    if all(map(_stated, conditions)) and head.kind not in ("sym", "relation"):
        return Node("list", ",", (head, *conditions))
    is_solved = any(part.kind == "relation" and head in part.parts for part in conditions)
    return Node("list", ",", conditions) if is_solved and head.kind == "sym" else node


def _as_domain(node: Node, beside: tuple[Node, ...]) -> Node:
    """ "k \ge 0" as "k \in N_0" where k is a whole number that another part depends on."""
    if node.kind != "relation" or node.value not in ((">=",), (">",)):
        return node
    name, bound = node.parts
    if name.value not in _WHOLE_NUMBERS or bound not in (number(0), number(1)):
        return node
    first = bound.value + (node.value == (">",))
    others = [part for part in beside if not _is_condition(part)]
    if first > 1 or not any(_depends_on(part, name.value) for part in others):
        return node
    return Node("relation", ("in",), (name, Node("sym", "setN_+" if first else "setN_0")))


def _depends_on(node: Node, name: str) -> bool:
    """Is it a value with that letter, or a sequence that has it for its index?"""
    if name in symbols(node.parts[1] if node.kind == "relation" else node):
        return True
    return node.kind == "relation" and any(n.endswith(f"_{name}") for n in symbols(node.parts[0]))


def _stated(node: Node) -> tuple[str, str] | None:
    """The letter and the set of "k \\in Z"."""
    node = node.parts[0] if node.kind == "group" and len(node.parts) == 1 else node
    if node.kind != "relation" or node.value != ("in",) or node.parts[0].kind != "sym":
        return None
    name, domain = node.parts
    known = "R" if domain == REALS else _DOMAINS.get(domain.value if domain.kind == "sym" else "")
    return (name.value, known) if known else None


def _may_use(node: Node) -> bool:
    return node.kind != "sym" and not _stated(node)


def _is_condition(node: Node) -> bool:
    return node.kind == "relation" and node.value != ("=",)


def _is_about(node: Node, domains: dict[str, str]) -> bool:
    """Is it a condition on the letters of a domain, as "k > 0" and unlike "x > 2k"?"""
    if not _is_condition(node):
        return False
    names = [part.value for part in node.parts if part.kind == "sym"]
    return not names or any(name in domains for name in names)


def _without_implied(parts: list[Node]) -> tuple[list[Node], bool]:
    """Without "x \\ne 0" where a value is not defined at 0 anyway."""
    values = [part for part in parts if not _is_condition(part)]
    kept = [part for part in parts if not (_is_condition(part) and _excludes(part, values))]
    return kept, len(kept) < len(parts)


def _excludes(condition: Node, values: list[Node]) -> bool:
    name, bound = condition.parts[0], condition.parts[-1]
    if condition.value != ("!=",) or name.kind != "sym" or len(values) != 1:
        return False
    try:
        exact(replaced(_members(values[0])[0], name, bound))
    except Undefined:
        return True
    except Unknown:
        pass
    return False


# --- other letters ----------------------------------------------------------------------------


def _renamings(ours: Family, theirs: Family) -> Iterator[dict[str, str]]:
    """Letters of the second that may be letters of the first."""
    names = _letters(ours.value), _letters(theirs.value)
    new, old = sorted(names[0] - names[1]), sorted(names[1] - names[0])
    if not 1 <= len(new) == len(old) <= MAX_PARAMETERS:
        return
    for order in permutations(new):
        pairs = list(zip(old, order, strict=True))
        if all(_may_be(name, ours, other, theirs) for other, name in pairs):
            yield dict(pairs)


def _members(node: Node) -> tuple[Node, ...]:
    """The values of a list or union, without the names before them."""
    if node.kind in ("list", "set", "union"):
        return tuple(value for part in node.parts for value in _members(part))
    is_named = node.kind == "relation" and set(node.value) == {"="} and is_name(node.parts[0])
    return _members(node.parts[-1]) if is_named else (node,)


def _letters(node: Node) -> frozenset[str]:
    return frozenset().union(*map(symbols, _members(node)))


def _may_be(name: str, ours: Family, other: str, theirs: Family) -> bool:
    """Is each of two letters a parameter, stated or by its place?"""
    stated = name in ours.domains, other in theirs.domains
    if any(stated):
        return all(stated) or _is_free(other if stated[0] else name)
    return any(
        place(ours.value, name) and place(theirs.value, other)
        for place in (_is_periodic, _is_on_line, _is_whole, is_factor)
    )


def _is_free(name: str) -> bool:
    letter, _, index = name.partition("_")
    return letter not in _NOT_FREE and (not index or index.isdigit())


def _is_periodic(node: Node, name: str) -> bool:
    """k only as a multiple of pi or of degrees, or in (-1)^k."""
    if name not in _WHOLE_NUMBERS or _is_bare(node):
        return False
    terms = [term for member in _members(node) for term in _terms(member)]
    found = [term for term in terms if name in symbols(term)]
    return any(map(_has_period, found)) and all(
        symbols(term) == {name} and _has_period(term) and _is_first_power(term, name)
        for term in found
    )


def _is_bare(node: Node) -> bool:
    """n pi by itself: nothing says that n is not given."""
    return node.kind == "mul" and len(node.parts) == 2 and PI in node.parts


def _terms(node: Node) -> Iterator[Node]:
    """What is added up, in every part of a tuple or interval."""
    if node.kind in ("add", "neg", "pm", "group"):
        for part in node.parts:
            yield from _terms(part)
    else:
        yield node


def _has_period(term: Node) -> bool:
    return any(part == PI or part.kind == "deg" for part in walk(term))


def _is_first_power(node: Node, name: str) -> bool:
    if name not in symbols(node):
        return True
    if node.kind == "pow":
        return node.parts[0] == Node("neg", None, (number(1),))
    if node.kind == "div" and name in symbols(node.parts[1]):
        return False
    is_plain = node.kind in ("sym", "add", "neg", "mul", "div", "deg", "pm")
    return is_plain and all(_is_first_power(part, name) for part in node.parts)


def _is_on_line(node: Node, name: str) -> bool:
    """t in (t, 2t), or in "x = 1 + t, y = 2t": in two coordinates, with no other letter."""
    if name not in _COORDINATES:
        return False
    members = _members(node)
    groups = [member for member in members if member.kind == "group" and member.value == "()"]
    if not groups:
        is_system = node.kind == "list" and all(part.kind == "relation" for part in node.parts)
        heads = {part.parts[0] for part in node.parts} if is_system else ()
        groups = [Node("group", "()", members)] if len(heads) == len(members) > 1 else []
    points = [[symbols(part) for part in group.parts] for group in groups]
    return bool(points) and all(
        point.count({name}) > 1 and frozenset().union(*point) == {name} for point in points
    )


def _is_whole(node: Node, name: str) -> bool:
    """k in "n = 6k + 1": a whole number said by another."""
    if node.kind != "relation" or len(node.parts) != 2 or name not in _WHOLE_NUMBERS:
        return False
    head, value = node.parts
    is_whole = head.kind == "sym" and head.value in _WHOLE_NUMBERS | {"N"} and head.value != name
    return is_whole and symbols(value) == {name}


# --- sets -------------------------------------------------------------------------------------


def _same_built(first: Node, second: Node, rules: Rules) -> bool:
    """{(x, y) | x + y = 1} and {(a, b) | a + b = 1}; {z | |z| = 1} and |z| = 1."""
    conditions = [node.parts[1] if node.kind == "builder" else node for node in (first, second)]
    if {first.kind, second.kind} == {"builder", "relation"} and rules.policy.ignore_names:
        return rules.same(*conditions) is True
    if first.kind != "builder" or second.kind != "builder":
        return False
    heads = _head_names(first.parts[0]), _head_names(second.parts[0])
    if heads[0] == heads[1] or len(heads[0]) != len(heads[1]) or not heads[0]:
        return False
    if set(heads[0]) & (symbols(second) - set(heads[1])):
        return False  # a letter that means something else there
    names = dict(zip(heads[1], heads[0], strict=True))
    return rules.same(first, renamed(second, names)) is True


def _head_names(node: Node) -> tuple[str, ...]:
    """The letters before "such that"."""
    node = node.parts[0] if node.kind == "relation" and node.value == ("in",) else node
    parts = node.parts if node.kind == "group" else (node,)
    return tuple(p.value for p in parts) if all(p.kind == "sym" for p in parts) else ()


def _same_wholes(ours: Family, theirs: Family, rules: Rules) -> bool:
    """The same numbers for all whole k, where one side says that k is any whole number."""
    if "Z" not in (*ours.domains.values(), *theirs.domains.values()):
        return False
    letters = _letters(ours.value), _letters(theirs.value)
    if not all(len(found) == 1 for found in letters):
        return False
    (name,), (other,) = letters
    stated = ours.domains.get(name), theirs.domains.get(other)
    if set(stated) - {None} != {"Z"} or not (_is_free(name) and _is_free(other)):
        return False
    heads = _heads(ours.value), _heads(theirs.value)
    if None in heads or len({head for head in heads if head}) > 1:
        return False
    if "" in heads and heads[0] != heads[1] and not rules.policy.ignore_names:
        return False
    return same_progressions(
        [(member, name) for member in _members(ours.value)],
        [(member, other) for member in _members(theirs.value)],
    )


def _heads(node: Node) -> str | None:
    """The one variable that all members are values of; "" for none, None for several."""
    parts = node.parts if node.kind in ("list", "set") else (node,)
    heads = {part.parts[0] if part.kind == "relation" else None for part in parts}
    if heads == {None}:
        return ""
    if len(heads) > 1 or any(head.kind != "sym" or "_" in head.value for head in heads):
        return None
    return heads.pop().value

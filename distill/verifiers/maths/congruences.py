"""Remainders: a congruence beside another one, or beside the remainder alone."""

from fractions import Fraction
from itertools import combinations
from math import lcm

from distill.verifiers.maths.constants import Unknown, exact
from distill.verifiers.maths.identity import Same
from distill.verifiers.maths.names import are_alike, is_name
from distill.verifiers.maths.rules import Rules, all_signs, sign_count
from distill.verifiers.maths.trees import Node

MAX_MODULUS = 1000  # of remainders that are written out


def is_congruence(node: Node) -> bool:
    """ "x \\equiv 3 \\pmod 7", or several, as "1, 5 \\pmod 6"."""
    return node.kind == "mod" or (node.kind == "list" and node.parts[-1].kind == "mod")


def same_congruence(first: Node, second: Node, rules: Rules) -> Same:
    """ "x \\equiv 3 \\pmod 7" as "10 \\pmod 7", or as 3 where the modulus may be missing."""
    if is_congruence(first) and is_congruence(second):
        return _same_remainders(first, second, rules)
    if "list" in (first.kind, second.kind):
        return rules.matched(*(n.parts if n.kind == "list" else (n,) for n in (first, second)))
    at = first.kind != "mod"
    value, other = (second, first) if at else (first, second)
    try:
        rest = exact(_congruent(value)) % exact(value.parts[1])
        return rules.policy.ignore_missing_units and rest == exact(other)
    except (Unknown, ZeroDivisionError):
        return False


def _same_remainders(first: Node, second: Node, rules: Rules) -> Same:
    """The same numbers: 1 and 4 modulo 6 are 1 modulo 3."""
    parts = [node.parts if node.kind == "list" else (node,) for node in (first, second)]
    names = {inner.parts[0] for found in parts for inner in map(_inner, found) if _is_named(inner)}
    if any(are_alike(one, other) is False for one, other in combinations(names, 2)):
        return rules.matched(*parts) if first.kind == second.kind == "list" else False
    try:
        moduli = [_modulus(found) for found in parts]
        common = lcm(*moduli) if "list" in (first.kind, second.kind) or _has_sign(parts) else 0
        if moduli[0] == moduli[1] and not common:
            values = [exact(_congruent(node)) for node in (first, second)]
            return (values[0] - values[1]) % moduli[0] == 0
        if not 0 < common <= MAX_MODULUS:
            return False
        found = [_remainders(*side, common) for side in zip(parts, moduli, strict=True)]
        return found[0] == found[1]
    except (Unknown, ZeroDivisionError):
        return rules.matched(*parts)


def _modulus(parts: tuple[Node, ...]) -> int:
    """The one modulus of all parts. Raises: Unknown for several, or none that is whole."""
    moduli = {exact(part.parts[1]) for part in parts if part.kind == "mod"}
    if len(moduli) != 1 or (modulus := moduli.pop()).denominator != 1 or modulus < 1:
        raise Unknown
    return int(modulus)


def _has_sign(parts: list[tuple[Node, ...]]) -> bool:
    return any(sign_count(part) for found in parts for part in found)


def _remainders(parts: tuple[Node, ...], modulus: int, common: int) -> set[Fraction]:
    """Every number below the common modulus that is meant."""
    rests = {exact(value) % modulus for part in parts for value in all_signs(_congruent(part))}
    return {rest + modulus * at for rest in rests for at in range(common // modulus)}


def _inner(node: Node) -> Node:
    return node.parts[0] if node.kind == "mod" else node


def _is_named(node: Node) -> bool:
    return node.kind == "relation" and node.value in (("=",), ("==",)) and is_name(node.parts[0])


def _congruent(node: Node) -> Node:
    """3 of x \equiv 3 \pmod 7."""
    inner = _inner(node)
    return inner.parts[1] if _is_named(inner) else inner

"""Remainders: a congruence beside another one, or beside the remainder alone."""

from distill.verifiers.constants import Unknown, exact
from distill.verifiers.identity import Same
from distill.verifiers.names import is_name, names_differ
from distill.verifiers.rules import Rules
from distill.verifiers.trees import Node


def same_congruence(first: Node, second: Node, rules: Rules) -> Same:
    """ "x \\equiv 3 \\pmod 7" as "10 \\pmod 7", or as 3 where the modulus may be missing."""
    if first.kind == second.kind and names_differ(first.parts[0], second.parts[0]):
        return False
    values = [_congruent(node) for node in (first, second)]
    try:
        if first.kind == second.kind:
            modulus = exact(first.parts[1])
            is_multiple = (exact(values[0]) - exact(values[1])) % modulus == 0
            return modulus == exact(second.parts[1]) and is_multiple
        at = first.kind != "mod"
        rest = exact(values[at]) % exact((first, second)[at].parts[1])
        return rules.policy.ignore_missing_units and rest == exact(values[not at])
    except (Unknown, ZeroDivisionError):
        return first.kind == second.kind and rules.in_order(first.parts, second.parts)


def _congruent(node: Node) -> Node:
    """3 of x \\equiv 3 \\pmod 7."""
    inner = node.parts[0] if node.kind == "mod" else node
    if inner.kind == "relation" and inner.value in (("=",), ("==",)) and is_name(inner.parts[0]):
        return inner.parts[1]
    return inner

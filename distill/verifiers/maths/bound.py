"""Sums, products, integrals and limits: the same under another name for what they run over.

\\sum_{i=1}^n 1/i and \\sum_{k=1}^n 1/k. What is the same takes one name of its own, so that the
formula around it is compared like any other; whether different ones have one value is not told.
"""

import re
from itertools import pairwise

from distill.verifiers.maths.identity import same_formula
from distill.verifiers.maths.trees import Node, replaced, walk

MAX_BIG = 8  # sums and integrals of one comparison; of more, only the same are found
_LETTERS = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]")
_INTEGRALS = frozenset(("int", "iint", "iiint", "oint"))


def has_big(node: Node) -> bool:
    """Is there a sum, a product, an integral or a limit in it?"""
    return any(part.kind == "big" for part in walk(node))


def same_with_big(first: Node, second: Node) -> bool:
    """Are two formulas the same, whatever is summed up in them taken as a name?"""
    closed = [_closed(node) for node in (first, second)]
    if closed[0] == closed[1]:
        return True
    if sum(part.kind == "big" for node in closed for part in walk(node)) > MAX_BIG:
        return False
    found = [part for node in closed for part in _outermost(node)]
    kinds: list[Node] = []
    for part in found:
        if not any(_same_big(part, other) for other in kinds):
            kinds.append(part)
    for part in found:
        at = next(at for at, other in enumerate(kinds) if _same_big(part, other))
        closed = [replaced(node, part, Node("sym", f"big {at}")) for node in closed]
    return same_formula(*closed) is True


def _outermost(node: Node) -> list[Node]:
    if node.kind == "big":
        return [node]
    return [found for part in node.parts for found in _outermost(part)]


def _same_big(first: Node, second: Node) -> bool:
    """The same sign, the same bounds, the same under it."""
    if first == second:
        return True
    if first.kind != "big" or second.kind != "big" or first.value != second.value:
        return False
    pairs = list(zip(first.parts, second.parts, strict=False))
    return len(first.parts) == len(second.parts) and all(_same_part(*pair) for pair in pairs)


def _same_part(first: Node, second: Node) -> bool:
    if first.kind in ("list", "relation"):  # a bound
        is_like = first.kind == second.kind and first.value == second.value
        pairs = list(zip(first.parts, second.parts, strict=False))
        return (
            is_like
            and len(first.parts) == len(second.parts)
            and all(_same_part(*pair) for pair in pairs)
        )
    return same_with_big(first, second) if has_big(first) else same_formula(first, second) is True


# --- names ------------------------------------------------------------------------------------


def _closed(node: Node) -> Node:
    """The formula with names of their own for all that sums and integrals run over."""
    if not node.parts:
        return node
    node = node._replace(parts=tuple(map(_closed, node.parts)))
    if node.kind != "big":
        return node
    depth = sum(part.kind == "big" for part in walk(node))
    for at, name in enumerate(_running(node)):
        node = _with_name(node, name, f"bound{depth}.{at}")
    return node


def _running(node: Node) -> list[Node]:
    """What it runs over: k of \\sum_{k=1}, t of \\int_0^1 f(t) dt, x of \\lim_{x \\to 0}."""
    *bounds, body = node.parts
    if node.value in _INTEGRALS:
        return _differentials(body) if bounds else []
    below = [bound.parts[0] for bound in bounds if bound.value == "_"]
    heads = [part.parts[0] if part.kind == "relation" else part for part in below]
    return [head for head in heads if _is_letter(head)]


def _is_letter(node: Node) -> bool:
    return node.kind == "sym" or (node.kind == "const" and node.value in ("i", "e"))


def _differentials(body: Node) -> list[Node]:
    """t of "f(t) dt" or "dt/t"."""
    product = body.parts[0] if body.kind == "div" else body
    if product.kind != "mul":
        return []
    parts = product.parts
    return [name for sign, name in pairwise(parts) if sign == Node("sym", "d") and _is_letter(name)]


def _with_name(node: Node, old: Node, new: str) -> Node:
    """Another name below the sign and in what is under it; not in the bounds of an integral."""
    *bounds, body = node.parts
    if node.value not in _INTEGRALS:
        bounds = [_renamed(part, old, new) if part.value == "_" else part for part in bounds]
    return node._replace(parts=(*bounds, _renamed(body, old, new)))


def _renamed(node: Node, old: Node, new: str) -> Node:
    if node == old:
        return Node("sym", new)
    if node.kind in ("sym", "apply") and "_" in node.value:
        name, _, index = node.value.partition("_")
        index = _LETTERS.sub(lambda match: new if match[0] == old.value else match[0], index)
        node = node._replace(value=f"{name}_{index}")
    return node._replace(parts=tuple(_renamed(part, old, new) for part in node.parts))

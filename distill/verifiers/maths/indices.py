"""The index of a sum or a product under one name: it may be any letter."""

from distill.verifiers.maths.trees import Node, replaced, walk

_SUMS = frozenset(("sum", "prod"))


def with_one_index(node: Node) -> Node:
    """The tree with the indices of its sums and products numbered from the outside."""
    return _numbered(node, 0) if any(part.kind == "big" for part in walk(node)) else node


def _numbered(node: Node, depth: int) -> Node:
    index = _index(node)
    if index is not None:
        node = replaced(node, index, Node("sym", f"index {depth}"))
        depth += 1
    if not node.parts:
        return node
    return node._replace(parts=tuple(_numbered(part, depth) for part in node.parts))


def _index(node: Node) -> Node | None:
    """i of a sum from i = 1; it hides the imaginary unit."""
    if node.kind != "big" or node.value not in _SUMS:
        return None
    below = next((part.parts[0] for part in node.parts[:-1] if part.value == "_"), None)
    head = below.parts[0] if below is not None and below.kind == "relation" else below
    return head if head is not None and head.kind in ("sym", "const") else None

"""Another reading of indexed letters: C_{10}^3 chooses, P_{10}^3 and A_{10}^3 arrange."""

from fractions import Fraction

from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.trees import Node, number

_LETTERS = ("C", "P", "A")


def as_counts(tree: Node) -> Node:
    """The tree with such letters as numbers of choices; the same tree where there are none."""
    if not tree.parts:
        return tree
    if counted := _count(tree):
        return counted
    parts = tuple(map(as_counts, tree.parts))
    return tree if parts == tree.parts else tree._replace(parts=parts)


def _count(node: Node) -> Node | None:
    """C_{10}^3, 10C3, nCr, P(5, 2)."""
    if node.kind == "pow" and node.parts[0].kind == "sym":
        letter, _, index = node.parts[0].value.partition("_")
        return _chosen(letter, _read_index(index), node.parts[1])
    if node.kind == "apply" and node.value == "P" and len(node.parts) == 2:
        return _chosen("P", *node.parts) if _is_number(node.parts[0]) else None
    if node.kind == "mul" and len(node.parts) in (2, 3) and node.parts[1].kind == "sym":
        letter, _, index = node.parts[1].value.partition("_")
        below = _read_index(index) if len(node.parts) == 2 else node.parts[2]
        return _chosen(letter, node.parts[0], below) if _is_leaf(below) else None
    return None


def _read_index(index: str) -> Node | None:
    if index.isdecimal() and len(index) < 10:
        return number(int(index))
    return read(index) if 0 < len(index) < 20 else None


def _chosen(letter: str, above: Node | None, below: Node | None) -> Node | None:
    """Choices or arrangements; None unless that many can be taken."""
    if letter not in _LETTERS or above is None or below is None:
        return None
    if _is_number(above) and _is_number(below) and not 0 <= below.value <= above.value:
        return None
    if letter == "C":
        return Node("call", "binom", (above, below))
    rest = Node("add", None, (above, Node("neg", None, (below,))))
    return Node("div", None, (_factorial(above), _factorial(rest)))


def _factorial(node: Node) -> Node:
    return Node("call", "!", (node,))


def _is_number(node: Node) -> bool:
    return node.kind == "num" and isinstance(node.value, Fraction) and node.value.denominator == 1


def _is_leaf(node: Node | None) -> bool:
    return node is not None and node.kind in ("num", "sym")

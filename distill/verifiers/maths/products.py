"""Factors side by side without a sign: products, and mixed numbers such as "2 1/2"."""

from typing import TYPE_CHECKING

from distill.verifiers.maths.literals import read_number
from distill.verifiers.maths.tokens import Unreadable
from distill.verifiers.maths.trees import Node, is_proper, signed, times

if TYPE_CHECKING:
    from distill.verifiers.maths.reader import Reader


def juxtaposed(reader: "Reader", node: Node) -> Node:
    """The node times what follows; a whole number before a proper fraction is a mixed number."""
    whole = node.parts[0] if node.kind == "neg" else node
    is_bare = reader.now.text == "\\frac" or reader.now.kind == "number"
    part = _behind(reader, whole) if reader.now.kind == "number" else reader.power()
    if is_bare and whole.kind == "num" and is_proper(part) and whole.value.denominator == 1:
        mixed = Node("add", None, (whole, part))
        return signed("-", mixed) if node.kind == "neg" else mixed
    return times(node, part)


def _behind(reader: "Reader", whole: Node) -> Node:
    """A number behind a value: "1/2" of "2 1/2", or a factor; "2 3" is neither."""
    if whole.kind not in ("num", "dec"):
        return reader.power()
    if whole.kind == "dec" or not _is_slashed(reader):
        raise Unreadable
    return _slashed(reader)


def _is_slashed(reader: "Reader") -> bool:
    """Does "1/2" follow behind a space?"""
    ahead = reader.ahead()
    return reader.now.spaced and ahead.text == "/" and reader.ahead(2).kind == "number"


def _slashed(reader: "Reader") -> Node:
    top = read_number(reader)
    reader.expect("/")
    return Node("div", None, (top, read_number(reader)))

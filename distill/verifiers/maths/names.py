"""What answers are called: which formulas are names, which names are of the same thing."""

import re

from distill.verifiers.maths.trees import Node, symbols, walk

_NAMED_CALLS = ("abs", "det", "dim", "rank", "tr")
_MARKS = re.compile(
    r"\\(?:triangle|angle|text|rm|square|odot)|[^A-Za-z0-9+*'-]|^(?:triangle|angle) "
)
_VERTICES = re.compile(r"[A-Z]{2,}")
_INDEXED = re.compile(r"([A-Za-z]+)_([a-z])")
_SHORTENED = 3  # letters that a longer word must share: max, maximum
_FIXED = frozenset("abcdpq")  # letters of points rather than of variables


def is_name(node: Node) -> bool:
    """A variable, f(x), AB, \\angle ABC, |AB|, (x, y), dy/dx: what an answer is called."""
    if node.kind in ("sym", "apply", "text"):
        return True
    if node.kind == "mul":
        return len(node.parts) <= 4 and all(part.kind in ("sym", "text") for part in node.parts)
    if node.kind == "group" or (node.kind == "list" and node.value == ","):
        return all(map(is_name, node.parts))
    if node.kind == "call" and node.value in _NAMED_CALLS:
        return is_name(node.parts[0])
    return node.kind == "div" and all(map(_is_differential, node.parts))


def _is_differential(node: Node) -> bool:
    """d, dt or dM: one side of a derivative."""
    names = [part.value for part in walk(node) if part.kind == "sym"]
    return any(name in ("d", "partial") for name in names)


def are_alike(first: Node, second: Node) -> bool | None:
    """f(x) and y; m and m_{max}; x_1 and x: the same thing under names that are as good.

    None for a word beside a sign: "Area" and S may be the same.
    """
    if first == second:
        return True
    kinds = {first.kind, second.kind}
    if kinds == {"apply", "sym"}:
        name, function = (first, second) if first.kind == "sym" else (second, first)
        return name.value in ("y", function.value)
    if kinds == {"sym"}:
        return _same_letter(first.value, second.value)
    if kinds == {"text"}:
        words = [set(node.value.casefold().split()) for node in (first, second)]
        return words[0] <= words[1] or words[1] <= words[0]
    return _abbreviates(first, second) if "text" in kinds else False


def _abbreviates(first: Node, second: Node) -> bool | None:
    """A for "Area"; None for another sign beside a word."""
    word, sign = (first, second) if first.kind == "text" else (second, first)
    is_initial = sign.kind == "sym" and len(sign.value) == 1
    return True if is_initial and sign.value.casefold() == word.value[:1].casefold() else None


def _same_letter(first: str, second: str) -> bool:
    """The same letter with the same index, or with an index on one side only."""
    if first.startswith("angle ") and second.startswith("angle "):
        return first.removeprefix("angle ") == second.removeprefix("angle ")[::-1]
    if first.startswith("angle ") or second.startswith("angle "):
        return _vertex(first) == _vertex(second)
    (letter, _, index), (other, _, other_index) = first.partition("_"), second.partition("_")
    if letter != other:
        return False
    index, other_index = _MARKS.sub("", index), _MARKS.sub("", other_index)
    if not (index and other_index) or index == other_index:
        return True
    if _VERTICES.fullmatch(index) and _VERTICES.fullmatch(other_index):
        return sorted(index) == sorted(other_index)  # a figure may be named from any corner
    short, long = sorted((index, other_index), key=len)
    return len(short) >= _SHORTENED and short.isalpha() and long.startswith(short)


def _vertex(name: str) -> str:
    """B of \\angle ABC, A of \\angle A; other names as they are."""
    points = name.removeprefix("angle ")
    return points[1] if len(points) == 3 and points != name else points


def names_differ(first: Node, second: Node) -> bool:
    """Do two relations speak of things with different names?"""
    if first.kind != "relation" or second.kind != "relation":
        return False
    names = first.parts[0], second.parts[0]
    return all(map(is_name, names)) and are_alike(*names) is False


def as_function(name: Node, value: Node) -> Node:
    """a_n as a(n) where its value depends on n; other names as they are."""
    match = _INDEXED.fullmatch(name.value) if name.kind == "sym" else None
    if match is None or match[2] not in symbols(value):
        return name
    return Node("apply", match[1], (Node("sym", match[2]),))


def is_variable(argument: Node, value: Node) -> bool:
    """Does a function's argument stand for anything? f(x), not P(A) = 1/3."""
    if argument.kind != "sym":
        return False
    return argument.value in symbols(value) or not (
        argument.value[0].isupper() or argument.value[0] in _FIXED
    )


def in_coordinates(node: Node) -> Node:
    """ "(x, y) = (1, 2)" as "x = 1, y = 2"; others as they are."""
    if node.kind != "relation" or node.value != ("=",):
        return node
    names, values = node.parts
    if names.kind not in ("group", "list") or values.kind not in ("group", "list"):
        return node
    if len(names.parts) != len(values.parts) or not all(p.kind == "sym" for p in names.parts):
        return node
    pairs = zip(names.parts, values.parts, strict=True)
    return Node("list", ",", tuple(Node("relation", ("=",), pair) for pair in pairs))


def coordinates(node: Node) -> Node:
    """(4, 7) of a point P(4, 7); others as they are."""
    if node.kind == "apply" and len(node.parts) > 1:
        return Node("group", "()", node.parts) if _is_point(node.value) else node
    if node.kind != "mul" or len(node.parts) != 2 or node.parts[1].kind != "group":
        return node
    name, group = node.parts
    return group if name.kind == "sym" and _is_point(name.value) else node


def _is_point(name: str) -> bool:
    return name[:1].isupper() and name[1:].strip("_'0123456789") == ""


def by_axis(node: Node) -> Node:
    """ "y = 2, x = 1" as a point is (1, 2)."""
    names = [part.parts[0].value for part in node.parts if part.kind == "relation"]
    if "".join(map(str, sorted(names, key=str))) not in ("xy", "xyz") or len(names) < 2:
        return node
    return node._replace(parts=tuple(sorted(node.parts, key=lambda part: part.parts[0].value)))

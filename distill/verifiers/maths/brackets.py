"""What stands between brackets: groups, tuples, sets, bars, matrices."""

import re
from typing import TYPE_CHECKING

from distill.verifiers.maths.tokens import Unreadable
from distill.verifiers.maths.trees import EMPTY, Node

if TYPE_CHECKING:
    from distill.verifiers.maths.reader import Reader

_MATRIX_NAMES = """
    pmatrix bmatrix matrix array smallmatrix Bmatrix psmallmatrix bsmallmatrix
"""
_MATRICES = frozenset(_MATRIX_NAMES.split())
_CONDITIONS = frozenset(("relation", "unit", "text"))  # x > 0, "n even", "otherwise"


def read_group(reader: "Reader", opening: str) -> Node:
    """A bracketed value, a tuple or an interval."""
    if reader.skip(")", "]"):
        raise Unreadable
    kept, reader.bars, reader.rows = (reader.bars, reader.rows), 0, opening == "["
    rows = [reader.items()]
    while opening == "[" and reader.skip(";"):
        rows.append(reader.items())
    reader.bars, reader.rows = kept
    closing = reader.take().text
    if closing not in (")", "]"):
        raise Unreadable
    if len(rows) > 1:
        return Node("matrix", None, tuple(_row(row) for row in rows))
    inner = rows[0]
    if inner.kind != "list":
        if opening + closing not in ("()", "[]"):
            raise Unreadable
        return inner if inner.kind not in ("relation", "text") else Node("group", "()", (inner,))
    if opening == "[" and all(p.kind == "group" and p.value == "[]" for p in inner.parts):
        return Node("matrix", None, tuple(_row(part) for part in inner.parts))
    return Node("group", opening + closing, inner.parts)


def _row(node: Node) -> Node:
    return Node("list", ",", node.parts if node.kind in ("list", "group") else (node,))


def read_angled(reader: "Reader", opening: str) -> Node:
    inner = reader.items()
    reader.expect("\\rangle")
    return Node("group", "()", inner.parts) if inner.kind == "list" else inner


def read_braces(reader: "Reader", opening: str) -> Node:
    """A TeX group: brackets that are not seen."""
    if reader.skip("}"):  # an empty group is nothing
        return reader.power()
    inner = reader.items()
    reader.expect("}")
    return inner


def read_set(reader: "Reader", opening: str) -> Node:
    if reader.skip("\\}"):
        return EMPTY
    bars, reader.bars = reader.bars, 1  # a bar in here is "such that"
    inner = reader.items()
    reader.bars = bars
    if reader.skip("|", "\\mid", ":"):
        condition = reader.items()
        reader.expect("\\}")
        return Node("builder", None, (inner, condition))
    reader.expect("\\}")
    return Node("set", None, inner.parts if inner.kind == "list" else (inner,))


def read_bars(reader: "Reader", opening: str) -> Node:
    closing = "\\rvert" if opening == "lvert" else opening
    closing = "\\mid" if opening == "mid" else closing
    reader.bars += 1
    inner = reader.items()
    reader.bars -= 1
    reader.expect(closing)
    return Node("call", "abs", (inner,))


def read_floor(reader: "Reader", opening: str) -> Node:
    name = {"lfloor": "floor", "lceil": "ceil"}[opening]
    inner = reader.items()
    reader.expect(f"\\r{name}")
    return Node("call", name, (inner,))


def read_environment(reader: "Reader") -> Node:
    """A matrix or cases: rows of cells."""
    name = re.sub(r"\\begin\s*\{|\*?\}", "", reader.take().text)
    if name not in _MATRICES and name not in ("vmatrix", "cases", "dcases", "aligned"):
        raise Unreadable
    if name == "array":
        read_argument_text(reader)
    rows, cells = [], []
    reader.in_cases = name in ("cases", "dcases", "array")
    while True:
        token = reader.now
        is_blank = token.text in ("&", "\\\\", "\\hline") or token.kind == "end"
        cells.append(Node("text", "") if is_blank else reader.items())
        if reader.skip("&"):
            continue
        rows.append(Node("list", ",", tuple(cells)))
        cells = []
        while reader.skip("\\hline"):
            pass
        if reader.skip("\\\\") and reader.now.kind != "end":
            continue
        if reader.take().kind != "end" or name not in reader.tokens[reader.at - 1].text:
            raise Unreadable
        reader.in_cases = False
        lines = [row.parts[0] for row in rows if len(row.parts) == 1]
        if len(lines) == len(rows) and all(line.kind == "relation" for line in lines):
            return Node("list", "and", tuple(lines))  # a system
        if name == "vmatrix":
            return Node("call", "det", (Node("matrix", None, tuple(rows)),))
        is_table = name in _MATRICES and not (name == "array" and _are_branches(rows))
        return Node("matrix" if is_table else "cases", None, tuple(rows))


def _are_branches(rows: list[Node]) -> bool:
    """Has each of two or more rows a value and a condition?"""
    conditions = [row.parts[1].kind for row in rows if len(row.parts) == 2]
    if len(conditions) < max(len(rows), 2) or not _CONDITIONS.issuperset(conditions):
        return False
    return "relation" in conditions or "unit" in conditions


def read_argument_text(reader: "Reader") -> str:
    """The signs of one TeX argument, as a name."""
    if not reader.skip("{"):
        token = reader.take()
        if token.kind not in ("number", "letters", "command", "text"):
            raise Unreadable
        if token.kind == "letters" and len(token.text) > 1:
            reader.put_back(token._replace(text=token.text[1:], spaced=False))
            return token.text[0]
        return token.text
    words, depth = [], 1
    while True:
        token = reader.take()
        depth += (token.text == "{") - (token.text == "}")
        if token.kind == "end" and not token.text:
            raise Unreadable
        if depth == 0:
            return "".join(words)
        words.append(token.text)

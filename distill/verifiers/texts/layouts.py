"""Answers by their layout: a list with one value to a line, a display formula at the end."""

import re
from itertools import islice

from distill.verifiers.texts.claims import right_side, stated
from distill.verifiers.texts.values import holds_value

MAX_LIST_LINES = 12  # of an answer given as a list
MAX_FORMULA_CHARS = 400

Listed = tuple[tuple[str, ...], str]
"""The values of a list and its lines as one text."""

_ITEM = re.compile(r"\s*(?:[-*•+]\s+|\(?[a-z0-9ivx]{1,3}[.)]\s+)(?=\S)(.*)")
_LEADS_TO_LIST = re.compile(
    r"\b(?:roots|solutions|answers|values|zeros|zeroes|numbers|integers|factors|pairs|points|primes"
    r"|intercepts|eigenvalues|divisors)\b[^\n:]{0,60}:[\s*_]*$",
    re.IGNORECASE,
)


def listed_values(text: str) -> Listed | None:
    """A text that starts with a list, one value to a line; None for another."""
    lines = []
    for line in islice(text.lstrip("\n *_").splitlines(), MAX_LIST_LINES):
        if not (item := _ITEM.fullmatch(line)):
            break
        lines.append(item[1])
    found = [stated(line).values for line in lines]
    if len(found) < 2 or not all(len(value) == 1 and holds_value(value[0]) for value in found):
        return None
    return tuple(dict.fromkeys(value[0] for value in found)), "; ".join(lines)


def closing_list(tail: str) -> Listed | None:
    """The list that a text ends in, if the line before it says of what: "The roots are:"."""
    lines = tail.rstrip().splitlines()
    at = len(lines)
    while at and len(lines) - at <= MAX_LIST_LINES and _ITEM.fullmatch(lines[at - 1]):
        at -= 1
    lead = "".join(lines[at - 1 : at]) or "".join(lines[at - 2 : at - 1]) if at else ""
    if len(lines) - at < 2 or not _LEADS_TO_LIST.search(lead[-200:]):
        return None
    return listed_values("\n".join(lines[at:]))


_ENVIRONMENT = re.compile(r"\\end\{((?:align|gather|equation|eqnarray|multline)(?:ed)?)\*?\}\s*$")
_ROW = re.compile(r"\\\\(?:\[[^\[\]\n]{0,10}\])?\s")


def closing_display(tail: str) -> str | None:
    """The display formula that a text ends in; of aligned ones the last line."""
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if tail.endswith(closing):
            start = tail.rfind(opening, max(0, len(tail) - MAX_FORMULA_CHARS), len(tail) - 2)
            inner = tail[start + 2 : -2].strip() if start >= 0 else None
            return _last_row(inner) or inner if inner else None
    return _last_row(tail)


def _last_row(text: str) -> str | None:
    """The last line of the aligned formulas that a text ends in."""
    environment = _ENVIRONMENT.search(text[-40:])
    if environment is None:
        return None
    start = text.rfind(f"\\begin{{{environment[1]}")
    end = text.rfind("\\end{")
    inner = text[text.find("}", start) + 1 : end] if 0 <= start < end else ""
    return _ROW.split(inner.strip("\\ \n"))[-1].replace("&", "").strip() or None


def result_of_rows(text: str) -> str | None:
    """What a derivation in several rows, and nothing else, ends in; None for other texts."""
    text = text.strip()
    if not text.startswith(("\\begin", "\\[", "$$")) or not _ROW.search(text):
        return None
    inner = text.removeprefix("$$").removeprefix("\\[").removesuffix("$$").removesuffix("\\]")
    row = _last_row(inner.strip())
    return right_side(row) if row and "=" in row else None

"""Where names come from, in one notation: "(k an integer)" becomes ", k \\in \\setZ"."""

import re

MAX_CLAUSE_CHARS = 120  # a longer end of an answer is no such clause

_NAME = r"(?:[A-Za-z]|\\[a-z]{2,8})(?:_\{?\w\}?)?"
_NAMES = rf"(?P<names>{_NAME}(?:\s?(?:,|and|,\s?and)\s?{_NAME}){{0,3}})"
_BEFORE = r"(?:[,;(]\s?|\s(?=where|with|for|and))(?:(?:where|with|for|and|such that)\s)?"
_ANY = r"(?:(?:an?|all|any|every|each|some|arbitrary)\s)?"
_SET = (
    r"(?P<set>\\set[NZQC](?![a-zA-Z])|\\reals(?![a-zA-Z])|\{[NZQRC]\}|[NZQRC](?![a-zA-Z_^]))"
    r"\s?(?P<part>_\{[+0]\})?"
)
_KIND = (
    r"(?P<kind>(?:positive |non-?negative |natural |whole |real |rational |complex )?"
    r"(?:integers?|numbers?)|reals?|rationals?|naturals?)"
)
_END = r"\s?\)?$"
_CLAUSES = tuple(
    re.compile(clause + _END)
    for clause in (
        rf"{_BEFORE}{_ANY}{_NAMES}\s?(?:\\in|in|is in|are in)\s?{_SET}",
        rf"{_BEFORE}{_NAMES}\s(?:(?:is|are|be|being)\s)?{_ANY}{_KIND}",
        rf"{_BEFORE}{_ANY}{_KIND}\s{_NAMES}",
        rf"\s(?P<names>{_NAME})\s?\\in\s?{_SET}",
    )
)
_FOR_ALL = re.compile(r"[\s,;(]\s?for (?:all|every|any|each) [a-zA-Z](?: and [a-zA-Z])?\)?$")
_WHERE = re.compile(
    r"[\s,;(]\s?(?:where|with|for|when|if)\s([^&,;=()]{1,40}(?:\\(?:ne|[lg]e)(?![a-z])|[<>])"
    r"[^&,;=()]{1,40})\)?$"
)
_MAY_BE_CLAUSE = re.compile(
    r"\\in(?![a-z])|\bin\b|integer|number|real|rational|natural|for |where|with|when|if"
)
_WORD = re.compile(r"(?<![\\A-Za-z])(?!sin|cos|tan|cot|log|exp|and|[a-z]?sqrt)[A-Za-z]{3,}(?<!pi)")
_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")
_HALF_LINES = re.compile(
    r"(?:\\set([NZ])|(?<=\\in )([NZ])|(?<=\\in)([NZ]))\s?"
    r"(?:\^\s?\{?\s?([*+])\s?\}?|_\s?\{?\s?(\+|0|>\s?0|\\ge\s?[01])\s?\}?)"
)
_INNER = re.compile(
    rf"\(\s?({_NAME}\s?\\in\s?(?:\\set[A-Z]|\\reals|\{{?[NZQRC]\}}?)\s?(?:_\{{.\}})?)\s?\)"
)
_CONDITION = re.compile(
    r"(?<=[^\sA-Zfgh,])\s?,?\s?\(\s?([^(),=]{1,40}\\ne(?![a-z])[^(),=]{1,40}"
    r"|[^(),=]{1,40}(?:\\[lg]e(?![a-z])|[<>])[^(),=]{1,40})\)$"
)
_SETS_OF_WORDS = {
    "integer": "\\setZ", "positive integer": "\\setN_{+}", "natural number": "\\setN",
    "nonnegative integer": "\\setN_{0}", "natural": "\\setN", "whole number": "\\setN_{0}",
    "real": "\\reals", "real number": "\\reals", "rational": "\\setQ", "rational number": "\\setQ",
    "complex number": "\\setC",
}  # fmt: skip


def with_domains(text: str) -> str:
    """A plain answer with every domain as ", name \\in set" behind what it belongs to."""
    text = _HALF_LINES.sub(_half_line, text)
    if "(" in text and "\\in" in text:
        text = _INNER.sub(r", \1 ,", text)
    if text.endswith(")"):
        text = _CONDITION.sub(r", \1", text)
    if not _MAY_BE_CLAUSE.search(text, max(0, len(text) - MAX_CLAUSE_CHARS)):
        return text
    return _with_clause(text)


def _half_line(match: re.Match[str]) -> str:
    """One name for the positive integers, and one for those and zero."""
    name, mark = match[1] or match[2] or match[3], match[4] or match[5]
    if (name, mark) == ("Z", "*"):
        return match[0]
    return "\\setN_{0}" if mark[-1] == "0" and ">" not in mark else "\\setN_{+}"


def _with_clause(text: str) -> str:
    """The clause at the end, words or signs, as a list of memberships."""
    start = max(0, len(text) - MAX_CLAUSE_CHARS)
    end = re.sub(r"\s+", " ", _BOX.sub(r" \1 ", text[start:])).rstrip(" ,.")
    for clause in _CLAUSES:
        if match := clause.search(end):
            found = _set_of(match)
            if found is None:
                return text
            names = re.split(r"\s?(?:,|\band\b)\s?", match["names"])
            members = "".join(f", {name} \\in {found}" for name in names if name)
            return _joined(text, text[:start] + end[: match.start()], members)
    if match := _WHERE.search(end):
        return _joined(text, text[:start] + end[: match.start()], f", {match[1]}")
    if match := _FOR_ALL.search(end):
        return _joined(text, text[:start] + end[: match.start()], "")
    return text


def _joined(text: str, head: str, members: str) -> str:
    """The formula and its memberships; a sentence stays as it is."""
    head = head.rstrip(" ,;(")
    return text if not head or _WORD.search(head) else head + members


def _set_of(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    if kind := groups.get("kind"):
        word = kind.replace("-", "").replace("numbers", "number").replace("integers", "integer")
        return _SETS_OF_WORDS.get(word.removesuffix("s"))
    name = groups["set"]
    name = name.strip("{}")
    name = name if name.startswith("\\") else {"R": "\\reals"}.get(name, f"\\set{name}")
    return name + (groups.get("part") or "")

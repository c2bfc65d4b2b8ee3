"""Where names come from, in one notation: "(k an integer)" becomes ", k \\in \\setZ"."""

import re

MAX_CLAUSE_CHARS = 120  # a longer end of an answer is no such clause

_NAME = r"(?:[A-Za-z]|\\[a-z]{2,8})(?:_\{?\w\}?)?"
_NAMES = rf"(?P<names>{_NAME}(?:\s?(?:,|and|,\s?and)\s?{_NAME}){{0,3}})"
_BEFORE = r"(?:[,;(]\s?|\s(?=where|with|for|and))(?:(?:where|with|for|and|such that)\s)?"
_ANY = (
    r"(?:(?!(?:any|every|some|an? arbitrary|arbitrary) (?:real |complex )?constant)"
    r"(?:an?|all|any|every|each|some|arbitrary)\s)?"
)
_SET = (
    r"(?P<set>\\set[NZQC](?![a-zA-Z])|\\reals(?![a-zA-Z])|\{[NZQRC]\}|[NZQRC](?![a-zA-Z_^]))"
    r"\s?(?P<part>_\{[+0]\})?"
)
_KIND = (
    r"(?P<kind>(?:positive |non-?negative |natural |whole |real |rational |complex )?"
    r"(?:integers?|numbers?)|reals?|rationals?|naturals?"
    r"|(?:(?:any |every |some |(?:an? )?arbitrary )?(?:real |complex )?)constants?|arbitrary)"
)
_END = r"\s?\)?$"
_CLAUSES = tuple(
    re.compile(clause + _END)
    for clause in (
        rf"{_BEFORE}{_ANY}{_NAMES}\s?(?:\\in|in|is in|are in)\s?{_SET}"
        r"(?:\s(?:is|are)\s(?:an? )?(?:any|arbitrary)(?: real)?(?: constants?)?)?",
        rf"{_BEFORE}{_NAMES}\s(?:(?:is|are|be|being)\s)?{_ANY}{_KIND}",
        rf"{_BEFORE}{_ANY}{_KIND}\s{_NAMES}",
        rf"\s(?P<names>{_NAME})\s?\\in\s?{_SET}",
    )
)
_FOR_ALL = re.compile(
    r"[\s,;(]\s?for (?:all|every|any|each) (?P<name>[a-zA-Z])(?: and [a-zA-Z]"
    r"|(?P<bound>\s?(?:\\ge|>)\s?\d))?\)?$"
)
_WHERE = re.compile(
    r"[\s,;(]\s?(?:where|with|for|when|if)\s([^&,;=()]{1,40}(?:\\(?:ne|[lg]e)(?![a-z])|[<>])"
    r"[^&,;=()]{1,40})\)?$"
)
_NUMBERED = re.compile(
    rf"(?:[,;(]\s?|\s)(?:(?:where|for|with)\s)?(?P<name>{_NAME})\s?=\s?(?:(?P<zero>0)\s?,\s?1|1)"
    r"\s?,\s?2\s?(?:,\s?3\s?)?(?:,\s?4\s?)?,\s?\\ldots\s?\)?$"
)
_LEADING = re.compile(
    r"^(?:all|any|every)\s(?:(?:(?P<whole>(?:positive |natural )?(?:integers?|numbers))"
    r"|(?P<prime>primes?(?: numbers?)?)|(?P<real>reals?(?: numbers?)?|(?:real )?values of))\s)?"
    r"(?P<name>[A-Za-z])(?=\s?(?:\\[lg]e|\\equiv|[<>]))",
    re.IGNORECASE,
)
_PRIMES, _WHOLES = frozenset("pq"), frozenset("abcklmnNM")
_MAY_BE_CLAUSE = re.compile(
    r"ldots|arbitrary|constant|\\in(?![a-z])|\bin\b|integer|number|real|rational|natural"
    r"|for |where|with|when|if"
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
    text = _LEADING.sub(_without_quantifier, text)
    if text.count("if") + text.count("when") > 1:
        text = _as_cases(text)
    if "(" in text and "\\in" in text:
        text = _INNER.sub(r", \1 ,", text)
    if text.endswith(")"):
        text = _CONDITION.sub(r", \1", text)
    if not _MAY_BE_CLAUSE.search(text, max(0, len(text) - MAX_CLAUSE_CHARS)):
        return text
    return _with_clause(text)


def _without_quantifier(match: re.Match[str]) -> str:
    """n \\ge 3 of "all integers n \\ge 3", where the letter itself says so much."""
    name = match["name"]
    if match["prime"]:
        return name if name in _PRIMES else match[0]
    if match["whole"]:
        return name if name in _WHOLES else match[0]
    return match[0] if match["real"] and name in _PRIMES | _WHOLES else name


_IF = re.compile(r"\s(?:if|when|for)\s")
_NEXT_BRANCH = re.compile(r"\s?[,;]\s?(?:(?:and|or)\s)?|\s(?:and|or)\s")
_PARITY = re.compile(r"\s(?:is\s)?(odd|even)$")
_RELATION = re.compile(r"[=<>]|\\(?:[lgn]e|in|equiv)(?![a-z])")


def _as_cases(text: str) -> str:
    """ "n if n is even and n-1 if n is odd" as LaTeX writes a function by cases."""
    parts = _IF.split(re.sub(r"\s+", " ", _BOX.sub(r" \1 ", text)).rstrip(" ."))
    middle = _NEXT_BRANCH.split(parts[1]) if len(parts) == 3 else ()
    if len(middle) != 2 or any(map(_RELATION.search, (parts[0], middle[1]))):
        return text
    conditions = [_PARITY.sub(r" \\text{ \1}", part) for part in (middle[0], parts[2])]
    if not all("text" in part or _RELATION.search(part) for part in conditions):
        return text
    rows = f"{parts[0]} & {conditions[0]} \\\\ {middle[1]} & {conditions[1]}"
    return f"\\begin{{cases}} {rows} \\end{{cases}}"


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
            members = "".join(f", {name} \\in {found}" for name in names if name and found)
            return _joined(text, text[:start] + end[: match.start()], members)
    if match := _NUMBERED.search(end):
        member = f", {match['name']} \\in \\setN_{{{'0' if match['zero'] else '+'}}}"
        return _joined(text, text[:start] + end[: match.start()], member)
    if match := _FOR_ALL.search(end):
        bound = f", {match['name']}{match['bound']}" if match["bound"] else ""
        return _joined(text, text[:start] + end[: match.start()], bound)
    if match := _WHERE.search(end):
        return _joined(text, text[:start] + end[: match.start()], f", {match[1]}")
    return text


def _joined(text: str, head: str, members: str) -> str:
    """The formula and its memberships; a sentence stays as it is."""
    head = head.rstrip(" ,;(")
    return text if not head or _WORD.search(head) else head + members


def _set_of(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    if kind := groups.get("kind"):
        if kind.endswith(("constant", "constants", "arbitrary")):  # a mere one may be given
            is_given = kind.startswith("constant")
            return "" if is_given else "\\setC" if "complex" in kind else "\\reals"
        word = kind.replace("-", "").replace("numbers", "number").replace("integers", "integer")
        return _SETS_OF_WORDS.get(word.removesuffix("s"))
    name = groups["set"]
    name = name.strip("{}")
    name = name if name.startswith("\\") else {"R": "\\reals"}.get(name, f"\\set{name}")
    return name + (groups.get("part") or "")

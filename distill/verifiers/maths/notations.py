"""One notation for what mathematics writes in several: repeating digits, bases, angles, counts."""

import re
from collections.abc import Callable
from fractions import Fraction

MAX_FRACTIONS = 8  # \over in one formula


def one_notation(text: str) -> str:
    """The plain text with the notations of NOTATIONS replaced by the usual ones."""
    for mark, rewrite in NOTATIONS:
        if mark in text:
            text = rewrite(text)
    return text


def is_one_group(text: str) -> bool:
    """True if the brace at the start is closed by the last character."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return at == len(text) - 1
    return False


# --- numbers ----------------------------------------------------------------------------------

_DOT = r"\\dot\s?(?:\{\s?(\d{1,60})\s?\}|(\d))"
_DOTTED = re.compile(rf"(?<=\.)(\d{{0,60}})\s?{_DOT}(?:(\d{{0,60}})\s?{_DOT})?")
_BARRED = re.compile(
    r"(?<=\.)(\d{0,60})\s?\\(?:bar|overbar|overline)\s?(?:\{\s?(\d{1,60})\s?\}|(\d))"
    r"(?:\s?\\ldots)?"
)
_BRACKETED = re.compile(r"(?<=\d\.)\((\d{1,60})\)")


def _dotted(text: str) -> str:
    r"""0.\dot{1}2\dot{3} with a line above what repeats."""
    return _DOTTED.sub(
        lambda match: f"{match[1]}\\overline{{{''.join(filter(None, match.groups()[1:]))}}}", text
    )


def _barred(text: str) -> str:
    r"""0.\bar{3} with the usual line."""
    return _BARRED.sub(lambda match: f"{match[1]}\\overline{{{match[2] or match[3]}}}", text)


def _bracketed(text: str) -> str:
    """0.(3) with a line above what repeats, wherever it stands."""
    return _BRACKETED.sub(r"\\overline{\1}", text)


_GROUPED = re.compile(r"(?<![\w.}^])(\d{1,3}(?:_\d{3}){1,100})(?![\w.]?\w)")


def _ungrouped(text: str) -> str:
    """1_000_000, as programs write it."""
    return _GROUPED.sub(lambda match: match[0].replace("_", ""), text)


_COMPLEX = re.compile(r"\(?(-?\d+(?:\.\d+)? ?[-+] ?\d+(?:\.\d+)?)j\)?")


def _imaginary(text: str) -> str:
    """3+4j, as programs and engineers write it; "3i+4j" is a vector."""
    match = _COMPLEX.fullmatch(text)
    return f"{match[1]}i" if match else text


_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16,
}  # fmt: skip
_BASE = re.compile(
    r"(?<=[0-9A-Z)}])_\s?(?:\{\s?)?(?:\\text\s?\{\s?)?(?:base\s?\}?\s?)?\(?\s?"
    rf"({'|'.join(_BASES)}|\d{{1,2}})\s?\)?(?:\s?\}}){{0,2}}(?![\w])"
)
_BASE_BEHIND = re.compile(
    r"([0-9A-Z]{1,200})\s?(?:\\text\s?\{\s?(?:in )?base\s?\}|(?:in )?base)\s?(\d{1,2})"
)
_NUMERAL = re.compile(r"(?:\(|\\overline\s?\{)\s?((?=[A-Z]{0,40}\d)[0-9A-Z]{1,200})\s?[)}](?=\s?_)")
_LITERAL = re.compile(r"(-?)0(x[0-9a-f]{1,200}|b[01]{1,200}|o[0-7]{1,200})", re.IGNORECASE)


def _based(text: str) -> str:
    """(1011)_2, 1011_{(2)} and 1011_{two} as 1011_{2}."""
    if "base" in text and (behind := _BASE_BEHIND.fullmatch(text)):
        return f"{behind[1]}_{{{behind[2]}}}" if len(behind[2]) > 1 else f"{behind[1]}_{behind[2]}"
    if "(" in text or "line" in text:
        text = _NUMERAL.sub(r"\1", text)
    return _BASE.sub(_numbered, text)


def _numbered(match: re.Match[str]) -> str:
    base = str(_BASES.get(match[1], match[1]))
    opened, closed = match[0].count("{"), match[0].count("}")
    if opened != closed or match[0].count("(") != match[0].count(")"):
        return match[0]
    return f"_{base}" if len(base) == 1 else f"_{{{base}}}"


def _literal(text: str) -> str:
    """0xA5 and 0b1011, as programs write them."""
    match = _LITERAL.fullmatch(text)
    if match is None:
        return text
    base = {"x": "{16}", "b": "2", "o": "8"}[match[2][0].lower()]
    return f"{match[1]}{match[2][1:].upper()}_{base}"


_MINUTES = r"\s?(?:'(?!')|\^\s?\{?\s?\\prime\s?\}?(?!\s?\\prime)|\\prime(?!\s?\\prime)|\s?minutes?)"
_SECONDS = r"\s?(?:''|\"|\^\s?\{?\s?\\prime\s?\\prime\s?\}?|\\prime\s?\\prime|\s?seconds?)"
_PART = r"([0-5]?\d(?:\.\d{1,20})?)"
_ANGLE = re.compile(
    r"(?<![\d.])(\d{1,9})\s?(?:\^\\circ|degrees?)\s?(?:and )?"
    rf"{_PART}{_MINUTES}(?:\s?(?:and )?{_PART}{_SECONDS})?"
)


_SMALL_O = re.compile(r"(?<=\d)\s?\^\s?(?:\{\s?)?(?:\\text\s?\{\s?o\s?\}|o)(?:\s?\})?(?![A-Za-z])")


def _with_circles(text: str) -> str:
    """45^o in degrees."""
    return _SMALL_O.sub(r"^\\circ ", text)


def _in_degrees(text: str) -> str:
    """22^\\circ 30' as 45/2 degrees."""
    return _ANGLE.sub(_degrees, text)


def _degrees(match: re.Match[str]) -> str:
    value = int(match[1]) + Fraction(match[2]) / 60 + Fraction(match[3] or 0) / 3600
    if value.denominator == 1:
        return f"{value}^\\circ "
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}^\\circ "


# --- fractions and counts ---------------------------------------------------------------------

_SMALL = re.compile(r"\^\{(\d{1,9})\}\s?/\s?_\{?(\d{1,9})\}?")


def _small_fraction(text: str) -> str:
    """Small raised and lowered digits: 2^{1}/_{2} is two and a half."""
    return _SMALL.sub(r"\\frac{\1}{\2}", text)


_INFIX = re.compile(r"\\(over|choose)(?![a-zA-Z])")
_ENDS = frozenset("=<>,;")


def _prefixed(text: str) -> str:
    r"""1 \over 2 as \frac{1}{2}: what stands between the brackets or relations around it."""
    for _ in range(MAX_FRACTIONS):
        infix = _INFIX.search(text)
        if infix is None:
            break
        start = infix.start() - _reach(text[: infix.start()][::-1], "})]", "{([")
        end = infix.end() + _reach(text[infix.end() :], "{([", "})]")
        above, below = text[start : infix.start()], text[infix.end() : end]
        name = "frac" if infix[1] == "over" else "binom"
        text = f"{text[:start]}\\{name}{{{_inner(above)}}}{{{_inner(below)}}}{text[end:]}"
    return text


def _reach(text: str, opening: str, closing: str) -> int:
    """How far the operand goes: to an unmatched bracket or to a relation outside brackets."""
    depth = 0
    for at, character in enumerate(text):
        if depth == 0 and (character in closing or character in _ENDS):
            return at
        depth += (character in opening) - (character in closing)
    return len(text)


def _inner(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and is_one_group(text) else text


_ARGUMENT = r"(\{[^{}]{1,40}\}|[0-9A-Za-z])"
_LETTER = r"(?:\\text\s?\{\s?([CP])\s?\}|([CP]))"
_PRESCRIPT = re.compile(
    rf"(?<![\w)}}\]])(?:\{{\s?\}}\s?)?[_^]\s?{_ARGUMENT}\s?{_LETTER}\s?_\s?{_ARGUMENT}"
)
_EMPTY = re.compile(r"\{\s?\}(?=\s?[_^])")
_COUNT_LETTER = re.compile(r"\\text\s?\{\s?([CPA])\s?\}(?=\s?[_^]|\(\d)")
_POWER_FIRST = re.compile(
    r"(?<=[A-Za-z}])\s?\^\s?(\{[^{}]{1,40}\}|[0-9A-Za-z])\s?_\s?(\{[^{}]{1,40}\}|[0-9A-Za-z])"
)


def _counted(text: str) -> str:
    """{}_{10}C_3 as a binomial coefficient, {}_{10}P_3 as a quotient of factorials."""
    text = _PRESCRIPT.sub(_count, text)
    text = _COUNT_LETTER.sub(r"\1", _EMPTY.sub("", text))
    return _POWER_FIRST.sub(r"_\2^\1", text)


def _count(match: re.Match[str]) -> str:
    above, below = (part.strip("{}") for part in (match[1], match[4]))
    if (match[2] or match[3]) == "C":
        return f"\\binom{{{above}}}{{{below}}}"
    return f"\\frac{{({above})!}}{{({above}-({below}))!}}"


_ROOT = re.compile(r"\\root\s?(\{[^{}]{1,20}\}|[^\\{}]{1,20})\s?\\of(?![a-zA-Z])\s?")


def _rooted(text: str) -> str:
    r"""\root 3 \of 2, as TeX writes it."""
    return _ROOT.sub(lambda match: f"\\sqrt[{match[1].strip('{} ')}]", text)


# --- derivatives, sets, intervals -------------------------------------------------------------

_DERIVATIVE = re.compile(
    r"\\frac\s?\{\s?d\s?([a-z])\s?\}\s?\{\s?d\s?x\s?\}|(?<![\w\\}])d([a-z])\s?/\s?dx(?![\w(])"
    r"|\\frac\s?\{\s?d\s?\^\s?\{?2\}?\s?([a-z])\s?\}\s?\{\s?d\s?x\s?\^\s?\{?2\}?\s?\}"
)


def _primed(text: str) -> str:
    """dy/dx as y'."""
    return _DERIVATIVE.sub(lambda d: f"{d[3]}''" if d[3] else f"{d[1] or d[2]}'", text)


_SIGNED_REALS = re.compile(
    r"(?:[a-z]\s?\\in\s?)?\\reals\s?"
    r"(?:[\^_]\s?\{?\s?(?P<sign>[-+])\s?\}?|_\s?\{\s?(?P<bound>>|<|\\ge|\\le)\s?0\s?\})"
)
_RAYS = {
    "+": "(0,\\infty)", ">": "(0,\\infty)", "\\ge": "[0,\\infty)",
    "-": "(-\\infty,0)", "<": "(-\\infty,0)", "\\le": "(-\\infty,0]",
}  # fmt: skip


def _half_line(text: str) -> str:
    """The positive or the negative numbers, by themselves, as an interval."""
    match = _SIGNED_REALS.fullmatch(text)
    return _RAYS[match["sign"] or match["bound"]] if match else text


_TURNED = re.compile(r"(?:^|\\cup|\\cap|\\in|\\setminus|=)\s?\]|\[\s?(?:$|\\cup|\\cap|\\setminus)")
_INTERVAL = re.compile(r"([\[\](])([^\[\]()]{1,120}[,;][^\[\]()]{1,120})([\[\])])")


def _turned(text: str) -> str:
    """]2,5[ as (2,5): an end that its bracket turns away from is left out."""
    if not _TURNED.search(text):
        return text
    ends = {"]": "(", "[": ")"}
    return _INTERVAL.sub(
        lambda match: (
            (ends["]"] if match[1] == "]" else match[1])
            + match[2]
            + (ends["["] if match[3] == "[" else match[3])
        ),
        text,
    )


NOTATIONS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("\\dot", _dotted),
    ("\\overline", _barred),
    ("bar", _barred),
    (".(", _bracketed),
    ("_", _ungrouped),
    ("_", _small_fraction),
    ("j", _imaginary),
    ("_", _counted),
    ("{}", _counted),
    ("C}(", _counted),
    ("_", _based),
    ("base", _based),
    ("o", _with_circles),
    ("0", _literal),
    ("d", _primed),
    ("'", _in_degrees),
    ("prime", _in_degrees),
    ("minute", _in_degrees),
    ("\\over", _prefixed),
    ("\\choose", _prefixed),
    ("\\root", _rooted),
    ("\\reals", _half_line),
    ("]", _turned),
    ("[", _turned),
)

"""The values in a sentence: formulas, tuples and numbers, and what is said against them."""

import re
from typing import NamedTuple

MAX_VALUES = 60


class Value(NamedTuple):
    """A formula or a number, and where it stands in its sentence."""

    start: int
    end: int
    text: str
    is_formula: bool


_SPACED = r"[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f]\d{3}){1,6}(?![\w/])(?:[.,]\d+)?"  # 12 000
_DIGITS = r"(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
TIMES_TEN = (
    r"(?:\s?(?:[×*·x]|\\times|\\cdot)\s?10\s?(?:\^\s?\{?\s?[-−+]?\d+\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))"
)
_CLOCK = r"\d{1,9}(?:(?::| : )\d{1,9}(?:\.\d+)?)+(?:\s?[APap]\.?[Mm]\b)?"  # a time or a ratio
_NUMBER = (  # letters of other scripts are words
    rf"{_CLOCK}|\(?[-+−–]?\s?\\?[$€£¥]?\s?[-−]?"
    rf"(?:{_SPACED}|\d+\s\d+/\d+(?!\d)|{_DIGITS}{TIMES_TEN}|(?:\d|\.\d|[√π∞])[0-9A-Za-z_√π²³⁴₀-₉^/*().,+\-−%!°]*)"
)
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without spaces stand close
_BARE = (  # LaTeX without dollars
    r"[-+−]?\d{0,9}\\(?:[dt]?frac\s?(?:\{[^{}\n]{1,60}\}|\d)\s?(?:\{[^{}\n]{1,60}\}|\d)"
    r"|sqrt(?:\[\d\])?\s?(?:\{[^{}\n]{1,60}\}|\d)|pi(?![a-z]))(?:\\pi(?![a-z])|/\d+)?"
)
_TUPLE = r"[(\[{]\s?[^\s,()\[\]{}]{1,24}(?:,\s?[^\s,()\[\]{}]{1,24}){1,5}\s?[)\]}]"
_VALUE = re.compile(
    r"\\\((?P<round>.{1,400}?)\\\)|\\\[(?P<square>.{1,400}?)\\\]|\$\$(?P<double>.{1,400}?)\$\$"
    rf"|(?<![\w\\])(?P<bare>{_BARE})"
    r"|(?<![\\$\d])\$(?P<dollar>(?!\d[\d,.]*\s+[A-Za-z]{2})[^$\n]{1,300}?)(?<!\\)\$(?!\d)"
    rf"|(?P<tuple>{_TUPLE})|(?<![.\\])(?<!{_LETTER})(?P<number>(?=\S)(?:{_NUMBER}))",
    re.DOTALL,
)
_HOLDS_VALUE = re.compile(r"\d|\\\(|\\\[|[πⁿ√∞]|(?<!\\)\$[^$\d]")


def holds_value(text: str) -> bool:
    """Does a sentence have a number or a formula at all?"""
    return _HOLDS_VALUE.search(text) is not None


def values(claim: str) -> list[Value]:
    """The formulas, tuples and numbers of a sentence; what it denies is left out."""
    found = []
    for match in _VALUE.finditer(claim):
        if match.lastgroup == "tuple" and not re.search(r"[\d∞]", match[0]):
            continue
        if match.lastgroup == "number":
            text = _unwrap(match[0])
            if _OPERAND.search(claim, max(0, match.start() - 3), match.start()):
                text = text.lstrip("+-−– ")  # the sign is an operator
            start = match.start() + match[0].find(text)
            value = Value(start, start + len(text), text.strip(), False)
        else:
            inner = match[match.lastgroup].strip()
            value = Value(match.start(), match.end(), inner, match.lastgroup != "tuple")
        if value.text and not _is_denied(claim, value):
            found.append(value)
        if len(found) == MAX_VALUES:
            break
    return found


ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_OPERAND = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]|[\d)}])\s?$")
REJECTED = (  # what is said of a value that is not the answer
    r"(?:wrong|incorrect|impossible|false|extraneous|spurious|invalid|inadmissible|inappropriate"
    r"|rejected|discarded|excluded|ruled out|too (?:large|small|big|high|low|many|few)\b)"
)
FAILS = (
    r"(?:fails?\b|(?:does not|doesn['’]t|do not|don['’]t|cannot|can['’]t)"
    r" (?:work|satisfy|hold|fit|count|belong|be (?:right|correct|true|the answer|a solution)))"
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|than|instead of|except|exclud\w+)|n't|n’t|≠|\\neq?)"
    r"\s+(?:(?:simply|just|be|equal|equal to|the|a|an|as|is|x =|x)\s+){0,3}$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    rf"[\s*}}]*(?:(?:is|was|are|would be|seems)\s+(?:not\b|{REJECTED})|{FAILS}"
    r"|(?:isn't|isn’t|wasn't|cannot be|can't be)\b"
    r"|(?:no es|no son|não é|n['’]est pas|non è|ist (?:nicht|kein|falsch)|не)\b|不(?:是|对|符))",
    re.IGNORECASE,
)


def _is_denied(claim: str, value: Value) -> bool:
    before = claim[max(0, value.start - 40) : value.start]
    if _DENIED_AFTER.match(claim, value.end):
        return True
    match = _DENIED_BEFORE.search(before)
    return match is not None and not _NOT_COMPARED.search(before)


_COMPARED = r"(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger) than"
_NOT_COMPARED = re.compile(rf"\b(?:no|not) {_COMPARED}", re.IGNORECASE)
_BOUND_BEFORE = re.compile(
    rf"(?:\b(?:at (?:the )?(?:least|most|minimum|maximum)|(?:(?:no|not) )?{_COMPARED}"
    r"|over|under|above|below|beyond|nearly|almost|(?:just )?shy of|close to|up to"
    r"|exceed(?:s|ing)?|au (?:moins|plus)|al menos|a lo sumo|como m[áa]ximo|pelo menos|no m[áa]ximo"
    r"|almeno|al massimo|mindestens|h[öo]chstens|не (?:менее|более)|больше|меньше)"
    r"|\\(?:geq?|leq?|geqslant|leqslant|gtrsim|lesssim|neg|lnot|gg|ll)(?![A-Za-z])"
    r"|[<>≤≥≳≲⩽⩾¬]|至少|至多|超过|不超过|不少于|不到|将近|大于|小于|少于|多于)"
    r"\s*(?:(?:or )?equal to\s+)?(?:(?:the|an?|only|about|exactly)\s+)?[\s*$]*$",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"\+(?![\w(\\])|(?:\s+[A-Za-z]{1,14}){0,2}?,?\s+(?:(?:or|and) (?:more|fewer|less|greater"
    r"|larger|smaller|higher|lower|above|below|over|under|up)"
    r"|at (?:the )?(?:least|most|minimum|maximum)|o (?:más|menos|più|meno)|ou (?:plus|moins|mais"
    r"|menos)|oder (?:mehr|weniger)|или (?:больше|меньше|более|менее))\b"
    r"|\s?[个個人]?(?:以上|以下|以内)",
    re.IGNORECASE,
)


def bound(claim: str, value: Value) -> str | None:
    """A value with the words that make it a bound, "at most 5", "5 or more"; None without any."""
    before = _BOUND_BEFORE.search(claim, max(0, value.start - 40), value.start)
    after = _BOUND_AFTER.match(claim, value.end)
    if before is None and after is None:
        return None
    words = "" if before is None else before[0].lower()
    return (words + claim[value.start : value.end] + ("" if after is None else after[0])).strip()


def _unwrap(token: str) -> str:
    token = token.strip().rstrip(".,;:!?*-−+") if not token.rstrip(".,").endswith("!") else token
    token = re.sub(rf"(?<=\d){ORDINAL.pattern}$", "", token.rstrip(".,;:?* "))
    while token.count(")") > token.count("(") and token.endswith(")"):
        token = token[:-1].rstrip(".,;:!?*")
    return token[1:] if token.count("(") > token.count(")") and token[0] == "(" else token

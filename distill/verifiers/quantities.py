"""Exact numbers with their units, read from the one spelling of distill.verifiers.spelling."""

import re
from fractions import Fraction
from functools import lru_cache

import msgspec

from distill.verifiers.spelling import MAX_CHARS, TEXT_BOX

MAX_EXPONENT = 400
ROUNDED_DIGITS = 6  # a decimal this precise stands for the fraction that it rounds


class Quantity(msgspec.Struct, frozen=True):
    """An exact number as it was written."""

    value: Fraction
    unit: str = ""  # singular, lower case; "%" for percent
    base: str | None = None  # of the numeral, when it is written
    decimals: int | None = None  # digits after the point, None for whole numbers and fractions
    digits: int = 0  # digits written in all


_WHOLE = r"\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d+"
_DECIMAL = rf"(?:(?:{_WHOLE})(?:\.\d*)?|\.\d+)"
_CORE = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<money>[$€£¥]?)\s*(?P<sign2>-?)\s*"
    rf"(?:(?P<mixed>\d+)\s*(?=\\frac)|(?P<mixed2>\d+)\s+(?=\d+/\d))?"
    rf"(?:\\frac\{{(?P<top>[-+]?\s*{_DECIMAL})\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|(?P<number>{_DECIMAL})(?:\s*/\s*(?P<over>{_DECIMAL}))?)"
    r"(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*(?:\{\s*(?P<power>-?\d{1,4})\s*\}|(?P<power2>-?\d))"
    r"|[eE](?P<power3>[-+]?\d{1,4}))?"
    r"(?:_(?:\{\s*(?P<base>\d+|\\text\{[a-z]+\})\s*\}|(?P<base2>\d)))?"
)
_UNIT = re.compile(
    r"\s*(?P<unit>%|\^\\circ\s*[CF]?|(?:[A-Za-z][A-Za-z.'/-]*)(?: [A-Za-z.'/-]+){0,5})?"
    r"\s*(?:\^\s*\{?\s*(?P<power>[23])\s*\}?)?\s*"
)
_CLOCK = re.compile(r"(\d{1,2}):00\s*(?:([ap])\.?m\.?)?", re.IGNORECASE)
_JOINS = frozenset(
    ("or", "and", "not", "to", "no", "plus", "minus", "times", "of", "sqrt", "pi", "sin", "cos",
     "tan", "log", "ln", "mod")
)  # fmt: skip
_MULTIPLES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
_SCALES = {
    "cent": ("money", Fraction(1, 100)), "dollar": ("money", 1), "second": ("time", 1),
    "minute": ("time", 60), "hour": ("time", 3600), "day": ("time", 86400),
    "week": ("time", 604800), "mm": ("length", Fraction(1, 1000)),
    "cm": ("length", Fraction(1, 100)), "meter": ("length", 1), "km": ("length", 1000),
    "inch": ("foot", 1), "foot": ("foot", 12), "yard": ("foot", 36), "mile": ("foot", 63360),
    "gram": ("mass", 1), "kg": ("mass", 1000), "ounce": ("pound", 1), "pound": ("pound", 16),
}  # fmt: skip
_UNIT_NAMES = {
    "percent": "%", "percentage": "%", "degree": "^\\circ", "deg": "^\\circ",
    "feet": "foot", "ft": "foot", "in": "inch", "inche": "inch", "m": "meter", "metre": "meter",
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm",
    "kilometer": "km", "kilometre": "km", "g": "gram", "kilogram": "kg", "lb": "pound",
    "oz": "ounce", "hr": "hour", "h": "hour", "min": "minute", "sec": "second", "s": "second",
    "usd": "dollar", "buck": "dollar", "¢": "cent",
}  # fmt: skip


@lru_cache(maxsize=8192)
def read_quantity(text: str) -> Quantity | None:
    """An exact number with its unit, from plain text; None for anything else."""
    if len(text) > MAX_CHARS:
        return None
    clock = _CLOCK.fullmatch(TEXT_BOX.sub(r"\1", text))
    if clock:
        return Quantity(value=Fraction(clock[1]), unit="o'clock")
    match = _CORE.match(text)
    if match is None or (match["mixed2"] and not match["over"]):
        return None
    unit = _read_unit(text[match.end() :])
    value = _value(match)
    if unit is None or value is None:
        return None
    head, _, rest = unit.partition(" ")
    head = head.removesuffix("s")
    if head in _MULTIPLES:
        value, unit = value * _MULTIPLES[head], rest
    if match["money"] == "$":
        unit = unit or "dollar"
    number = match["number"] or ""
    decimals = len(number.partition(".")[2]) if "." in number and not match["over"] else None
    digits = sum(character.isdigit() for character in number.lstrip("0."))
    base = match["base"] or match["base2"]
    return Quantity(value=value, unit=unit, base=base, decimals=decimals, digits=digits)


def _read_unit(rest: str) -> str | None:
    """The unit that follows a number: "" without one, None when the rest is no unit."""
    if not rest.strip():
        return ""
    boxed = "\\text" in rest or "\\m" in rest
    match = _UNIT.fullmatch(TEXT_BOX.sub(r" \1", rest).strip())
    if match is None:
        return None
    unit = (match["unit"] or "").strip(" .").lower()
    words = unit.split()
    # a single bare letter after a number is a variable, not a unit
    if _JOINS.intersection(words) or (len(unit) == 1 and unit.isalpha() and not boxed):
        return None
    if unit.startswith("^\\circ"):
        return "^\\circ"
    unit = _UNIT_NAMES.get(unit, _UNIT_NAMES.get(unit.removesuffix("s"), unit.removesuffix("s")))
    return f"{unit}^{match['power']}" if match["power"] else unit


def _value(match: re.Match[str]) -> Fraction | None:
    power = int(match["power"] or match["power2"] or match["power3"] or 0)
    if abs(power) > MAX_EXPONENT:
        return None
    if match["top"]:
        value = _ratio(match["top"], match["bottom"])
    else:
        value = _ratio(match["number"], match["over"] or "1")
    if value is None:
        return None
    value += int(match["mixed"] or match["mixed2"] or 0)
    if power:
        value *= Fraction(10) ** power
    return -value if (match["sign"] == "-") != bool(match["sign2"]) else value


def _ratio(top: str, bottom: str) -> Fraction | None:
    above, below = (Fraction(re.sub(r"[, ]", "", part).rstrip(".")) for part in (top, bottom))
    return above / below if below else None


def same_number(reference: str, answer: str) -> bool | None:
    """Exact comparison of two numbers; units are ignored unless both are known and differ."""
    if reference.isdecimal() and answer.isdecimal() and len(reference) + len(answer) < 2000:
        return int(reference) == int(answer)
    expected, found = read_quantity(reference), read_quantity(answer)
    if expected is None or found is None:
        return None
    if expected.base and found.base and expected.base != found.base:
        return False
    if "%" in (expected.unit, found.unit) and expected.unit != found.unit:
        # "50%" may stand for 50 or for 0.5
        share = [q.value / 100 if q.unit == "%" else q.value for q in (expected, found)]
        return expected.value == found.value or share[0] == share[1]
    known = _SCALES.get(expected.unit), _SCALES.get(found.unit)
    if all(known) and expected.unit != found.unit:
        (kind, scale), (other_kind, other_scale) = known
        return kind == other_kind and expected.value * scale == found.value * other_scale
    return _equal_or_rounded(expected, found)


def _equal_or_rounded(first: Quantity, second: Quantity) -> bool:
    if first.value == second.value:
        return True
    return _rounds(first, second) or _rounds(second, first)


def _rounds(decimal: Quantity, exact: Quantity) -> bool:
    """Is the first a decimal that rounds the second, a fraction, to enough digits?"""
    if decimal.decimals is None or exact.decimals is not None or decimal.digits < ROUNDED_DIGITS:
        return False
    return abs(decimal.value - exact.value) * 2 * 10**decimal.decimals <= 1

"""The text behind a number: a unit, what is counted, or words that make the number another."""

import re
from fractions import Fraction

from distill.verifiers.maths.counted import read_counted
from distill.verifiers.maths.languages import in_english, multiple_in_front
from distill.verifiers.maths.spelled import SHARES
from distill.verifiers.maths.spelling import TEXT_BOX
from distill.verifiers.maths.units import BARE_UNITS, PRODUCTS, is_unit, one_spelling

SECOND_NUMBER = re.compile(r"\s\d")
_MULTIPLES = {
    "ten": 10, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9,
    "trillion": 10**12, "dozen": 12, "lakh": 10**5, "crore": 10**7,
}  # fmt: skip


def split_multiple(unit: str) -> tuple[int | Fraction | None, str]:
    """What a number is multiplied by, and the unit: 10**6 in "3 million", 1/6 in "7 sixths"."""
    head, _, tail = unit.partition(" ")
    low = head.lower()
    if low.endswith("s") and low[:-1] in SHARES and low != "quarters":  # those are coins
        return Fraction(1, SHARES[low[:-1]]), tail
    multiple = _MULTIPLES.get(low.removesuffix("s"))
    if multiple:
        return multiple, tail
    multiple, tail = multiple_in_front(unit)
    return (multiple, tail) if multiple else (None, unit)


_UNIT_WORDS = re.compile(
    r"\s*(?:%|\^\\circ\s*[CFK]?|/?[A-Za-zμΩÅ$€£¥₹][A-Za-z0-9.'Ω]*"
    r"(?:[ /*^()-]+[A-Za-z0-9.'μΩ]+){0,8}\)?)"
    r"\s*(?:\^\s*\{?\s*-?\d\s*\}?)?\.?\s*"
)
_FORMULAS_WORDS = """
    sqrt pi sin cos tan log ln mod abs e i x y z n
"""
_FORMULAS = frozenset(_FORMULAS_WORDS.split())


_UNIT_FRACTION = re.compile(
    r"\\frac\s*\{\s*(?:\\text\s*\{)?([A-Za-z]+)\}?\s*\}\{\s*(?:\\text\s*\{)?([A-Za-z]+)\s*\}?"
    r"(\^\{?\d\}?)?\s*\}"
)

_POWER = re.compile(r"\^\s?\{\s?(-?\d)\s?\}")


def read_unit_text(rest: str, *, lettered: bool, single: bool) -> str | None:
    """The unit that follows a number: "" without one, None when the rest is no unit.

    Args:
        lettered: bare letters are a unit if they may be one.
        single: a word that is no plural may be what is counted.
    """
    stripped = rest.strip()
    if not stripped or stripped == "%":
        return stripped
    boxed = "\\text" in rest
    if "\\" in rest or not rest.isascii():
        rest = _POWER.sub(r"^\1", _UNIT_FRACTION.sub(r" \1/\2\3", rest))
        rest = one_spelling(rest)
        stripped = rest.strip()
    if "\\" in stripped.replace("\\text", "").replace("^\\circ", ""):
        return None
    unit = TEXT_BOX.sub(r" \1 ", rest)
    unit = re.sub(r"\s+(?=\^)|\s*[{}]\s*", "", unit).strip(" .")
    unit = unit[1:-1].strip() if unit[:1] + unit[-1:] in ("()", "[]") else unit
    if not unit:
        return ""
    if not unit.isascii() and unit.replace(" ", "").isalpha() and not re.search("[μΩÅ]", unit):
        return unit if _may_follow(unit, single) else None  # words of another language
    if not _UNIT_WORDS.fullmatch(unit):
        return None
    words = re.findall(r"[A-Za-z]+", unit.replace("\\circ", ""))
    if _FORMULAS.intersection(word.lower() for word in words) and not is_unit(unit):
        return None
    if lettered and is_unit(unit):
        return unit
    if not boxed and not _is_bare_unit(unit, words, spaced=rest[0] == " "):
        return None
    if _PERCENT.fullmatch(in_english(unit)):
        return "%"
    return unit if _may_follow(unit, single) else None


_PERCENT = re.compile(r"(?:percent(?:age)?|per cent|percents)(?: of [a-z ]+)?", re.IGNORECASE)


def _may_follow(unit: str, single: bool) -> bool:
    """Is it a unit or what is counted, and leaves the number as it is?"""
    if SECOND_NUMBER.search(unit):
        return True  # "2 feet 3 inches" is read as a sum
    counted = split_multiple(unit)[1]
    return not counted or read_counted(counted, single=single) is not None


def _is_bare_unit(unit: str, words: list[str], *, spaced: bool) -> bool:
    """Are unboxed letters after a number a unit, not a product of variables?"""
    if unit.startswith(("^\\circ", "%", "$", "€")):
        return True
    first = words[0] if words else ""
    if (
        first == "US"
        or in_english(unit) != unit
        or first in BARE_UNITS
        or first.removesuffix("s") in BARE_UNITS
        or first in _MULTIPLES
    ):
        return True
    if len(first) < 2 and len(words) > 1 and spaced and "/" in unit:
        return is_unit(unit)  # m/s
    if len(first) < 2 or not spaced:
        return False
    lower = first.lower()
    if len(lower) == 2:
        return is_unit(unit) and lower not in PRODUCTS
    return "".join(sorted(set(lower))) != lower or len(words) > 1  # "abc" is a product

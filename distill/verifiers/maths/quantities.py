"""Exact numbers with their units, read from the one spelling of texts."""

import re
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import msgspec

from distill.recipe import MathPolicy
from distill.verifiers.maths.behind import SECOND_NUMBER, read_unit_text, split_multiple
from distill.verifiers.maths.counted import read_counted, unit_scales
from distill.verifiers.maths.spelled import SHARES
from distill.verifiers.maths.spelling import TEXT_BOX
from distill.verifiers.maths.units import agree, is_unit, read_unit

MAX_EXPONENT = 400
MAX_REPEATING = 60  # digits in which a block that repeats is looked for
MAX_NUMBER_CHARS = 400  # a longer text that is one number has only digits


class Quantity(msgspec.Struct, frozen=True):
    """An exact number as it was written."""

    value: Fraction
    unit: str = ""  # as written; "%" for percent
    base: str | None = None  # of the numeral, when it is written
    decimals: int | None = None  # digits after the point, None for whole numbers and fractions
    digits: int = 0  # digits written in all
    is_share: bool = False  # written as a fraction, "3/8"


_WHOLE = r"\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d+"
_DECIMAL = rf"(?:(?:{_WHOLE})(?:\.\d*)?|\.\d+)"
_SIGNED = rf"[-+]?\s*{_DECIMAL}"
_CORE = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<money>[$€£¥₹]?)\s*(?P<sign2>-?)\s*"
    rf"(?:(?P<mixed>\d+)\s*(?=\\frac)|(?P<mixed2>\d+)\s+(?=\d+/\d))?"
    rf"(?:\\frac\s*(?:\{{\s*(?P<top>{_SIGNED})\s*\}}|(?P<top1>\d))"
    rf"\s*(?:\{{\s*(?P<bottom>{_SIGNED})\s*\}}|(?P<bottom1>\d))"
    rf"|(?P<number>{_DECIMAL})(?:\s*/\s*(?P<over>{_DECIMAL}))?)"
    r"(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*(?:\{\s*(?P<power>[-+]?\d{1,4})\s*\}"
    r"|\((?P<power4>[-+]?\d{1,4})\)|(?P<power2>[-+]?\d{1,4}))"
    r"|[eE](?P<power3>[-+]?\d{1,4}))?"
    r"(?:_(?:\{\s*(?P<base>\d+|\\text\{[a-z]+\})\s*\}|(?P<base2>\d+)))?"
)
_STARTS_NUMBER = frozenset("+-$€£¥₹.\\0123456789")
_EUROPEAN = re.compile(
    r"(?:(-?\d{1,3}(?:\.\d{3})+),(\d+)|(-?\d{1,3}(?:\.\d{3}){2,})|(-?0),(\d+)"
    r"|(-?\d{1,3}(?:'\d{3})+)(?:\.(\d+))?|(-?\d{1,3}(?: \d{3})+),(\d{1,2}))(?![\d.,'/_{(])"
)
_MONEY_UNITS = {"$": "dollar", "€": "euro", "£": "gbp", "¥": "¥", "₹": "rupee"}


@lru_cache(maxsize=8192)
def read_quantity(text: str, *, lettered: bool = False, singular: bool = False) -> Quantity | None:
    """An exact number with its unit, from plain text; None for anything else.

    Args:
        lettered: take bare letters behind a number, "5 m" or "5 N m", for a unit if they may be
            one, not for variables.
        singular: take a word that is no plural, "5 apple", for what is counted.
    """
    if not text or text[0] not in _STARTS_NUMBER or len(text) > MAX_NUMBER_CHARS:
        return None
    repeating = _read_repeating(text)
    if repeating is not None:
        return repeating
    european = _EUROPEAN.match(text)
    if european:
        whole = european[1] or european[3] or european[4] or european[6] or european[8]
        digits = european[2] or european[5] or european[7] or european[9]
        rest = text[european.end() :]
        text = re.sub("[.' ]", "", whole) + (f".{digits}" if digits else "") + rest
    match = _CORE.match(text)
    if match is None or (match["mixed2"] and not match["over"]):
        return None
    value, rest = _value(match), text[match.end() :]
    if value is None:
        return None
    share = _AND_A_SHARE.match(rest) if "and" in rest else None
    if share:
        part = Fraction(1, SHARES[share[2]])
        value, rest = value + (part if value > 0 else -part), (share[1] or "") + share[3]
    unit = ""
    if rest:
        single = singular or abs(value) <= 1
        unit = read_unit_text(rest, lettered=lettered, single=single)
    if unit is None or (share and value.denominator != part.denominator):
        return None
    if SECOND_NUMBER.search(unit):
        return read_sum(text)
    multiple, unit = split_multiple(unit)
    if multiple:
        value *= multiple
    if match["money"]:
        unit = unit or _MONEY_UNITS[match["money"]]
    number = match["number"] or ""
    decimals = len(number.partition(".")[2]) if "." in number and not match["over"] else None
    if decimals is not None and multiple:
        decimals = None
    power = _power(match)
    return Quantity(
        value=value,
        unit=unit,
        base=_base(match["base"] or match["base2"]),
        decimals=None if decimals is None else decimals - power,
        digits=sum(character.isdigit() for character in number.lstrip("0.")),
        is_share=bool(match["top"] or match["top1"] or match["over"])
        and not (match["mixed"] or match["mixed2"]),
    )


_AND_A_SHARE = re.compile(
    r"\s*(\\text\s*\{)?\s*and (?:an?|one)[ -](half|third|quarter|fourth|fifth|sixth|eighth|tenth)\b"
    r"\s*(.*)"
)


_BASES_IN_WORDS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "sixteen": "16",
}  # fmt: skip


def _base(text: str | None) -> str | None:
    word = TEXT_BOX.sub(r"\1", text or "").strip()
    return _BASES_IN_WORDS.get(word, word) or None


def _power(match: re.Match[str]) -> int:
    return int(match["power"] or match["power2"] or match["power3"] or match["power4"] or 0)


def _value(match: re.Match[str]) -> Fraction | None:
    power = _power(match)
    if abs(power) > MAX_EXPONENT:
        return None
    top, bottom = match["top"] or match["top1"], match["bottom"] or match["bottom1"]
    if top is None:
        top, bottom = match["number"], match["over"] or "1"
    above, below = _fraction(top), _fraction(bottom)
    if not below:
        return None
    value = above / below
    whole = match["mixed"] or match["mixed2"]
    if whole:
        if not 0 < value < 1:
            return None  # "2 \\frac{3}{2}" is a product
        value += int(whole)
    if power:
        value *= Fraction(10) ** power
    return -value if (match["sign"] == "-") != bool(match["sign2"]) else value


def _fraction(text: str) -> Fraction:
    return Fraction(re.sub(r"[, ]", "", text).rstrip("."))


_REPEATING = re.compile(
    r"(?P<sign>-?)\s*(?P<whole>\d*)\.(?P<head>\d*)"
    r"(?:\\overline\s*(?:\{\s*(?P<over>\d+)\s*\}|(?P<over1>\d))|\((?P<round>\d+)\)"
    r"|\s*\\ldots)\s*"
)
_BLOCK = re.compile(r"(?P<head>\d*?)(?:(?P<one>\d)(?P=one){2,}|(?P<more>\d{2,}?)(?P=more)+)")


def _read_repeating(text: str) -> Quantity | None:
    """A decimal whose last digits repeat for ever: 0.\\overline{3}, 0.(3), 0.333..."""
    if "." not in text or not text.rstrip().endswith(("}", ")", "\\ldots")):
        return None
    match = _REPEATING.fullmatch(text)
    if match is None:
        return None
    head, block = match["head"], match["over"] or match["over1"] or match["round"]
    if block is None:
        written = _BLOCK.fullmatch(head) if len(head) <= MAX_REPEATING else None
        if written is None:
            return None
        head, block = written["head"], written["one"] or written["more"]
    tail = Fraction(int(block), 10 ** len(block) - 1) / 10 ** len(head)
    value = Fraction(f"{match['whole'] or 0}.{head or 0}") + tail
    return Quantity(value=-value if match["sign"] else value)


# --- comparing --------------------------------------------------------------------------------


def same_number(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Exact comparison of two numbers with their units; None unless both are numbers."""
    if reference.isdecimal() and answer.isdecimal() and len(reference) + len(answer) < 2000:
        return int(reference) == int(answer)
    if "," in answer and _POINT.match(reference) and read_quantity(answer) is None:
        answer = _COMMA.sub(r"\1.\2", answer)
    expected, found = read_quantity(reference), read_quantity(answer)
    if expected is not None and found is not None:
        return same_quantity(expected, found, policy)
    same = _same_lettered(reference, answer, policy)
    return _same_singular(reference, answer, policy) if same is None else same


_POINT = re.compile(r"-?\d+\.\d")
_COMMA = re.compile(r"^([€£$]?\s?-?\d+),(\d+)(?=\s?(?:[^\s\d.,;]|$))(?!.*[,;])", re.DOTALL)
"""3,14 or 3,5 kg, a decimal only where the reference is one, so that it is no list."""

_WORD_BEHIND = re.compile(r"\d\s*(?:\\text\s*\{)?\s*[A-Za-z]{3}")


def _same_singular(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """ "5 apple" beside "5 apples": a singular is a noun where the other side says so."""
    if not (_WORD_BEHIND.search(reference) and _WORD_BEHIND.search(answer)):
        return None
    expected, found = (read_quantity(text, singular=True) for text in (reference, answer))
    if expected is None or found is None or not (expected.unit and found.unit):
        return None
    nouns = [read_counted(each.unit, single=True) for each in (expected, found)]
    if None in nouns or not nouns[0].noun or nouns[0].noun != nouns[1].noun:
        return None
    return same_quantity(expected, found, policy)


_WORDED = re.compile(
    rf"[-+$€£]?\s*{_DECIMAL}\s*(?:\\text|\\AA|(?!(?:sqrt|sin|cos|tan|log|abs|exp|pi|and)\b)"
    r"[^\W\d_]{3,})"
)


def is_beside_words(reference: str, answer: str) -> bool:
    """A number beside one with words that nobody could compare: algebra would drop the words."""
    for text, other in ((reference, answer), (answer, reference)):
        if _WORDED.match(text) and read_quantity(other, lettered=True) is not None:
            return True
    return False


def _same_lettered(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """ "5 m" beside "500 cm", "2 ft 3 in" beside "27 inches": letters that can only be units."""
    expected, found = (
        read_quantity(text, lettered=True) or read_sum(text) for text in (reference, answer)
    )
    if expected is None or found is None:
        return None
    if found.unit and not expected.unit and " " in answer:  # "5 m", not the product "5m"
        equal = policy.ignore_missing_units and _close(expected, found, policy)
        return equal or None
    agreed = agree(read_unit(expected.unit), read_unit(found.unit)) if found.unit else None
    return same_quantity(expected, found, policy) if expected.unit and agreed else None


_SUMMAND = re.compile(r"(\d[\d.,]*)\s*([A-Za-z]+|['\"])\.?(?:,?\s*(?:and)?\s*)")
_MARKS = {"'": "feet", '"': "inches"}


def read_sum(text: str) -> Quantity | None:
    """ "1 hour and 30 minutes" in its first unit."""
    bare = TEXT_BOX.sub(r" \1 ", text).strip()
    if len(bare) > MAX_NUMBER_CHARS or not bare[:1].isdigit() or bare.isdigit():
        return None
    parts, at = [], 0
    while at < len(bare):
        match = _SUMMAND.match(bare, at)
        number = read_quantity(match[1].rstrip(".,")) if match else None
        name = _MARKS.get(match[2], match[2]) if match else ""
        if number is None or number.unit or not is_unit(name):
            return None
        parts.append((number.value, name))
        at = match.end()
    units = [read_unit(name) for _, name in parts]
    falls = all(a.powers == b.powers and a.scale > b.scale for a, b in pairwise(units))
    if len(parts) < 2 or not falls:
        return None
    total = sum(value * unit.scale for (value, _), unit in zip(parts, units, strict=True))
    return Quantity(value=total / units[0].scale, unit=parts[0][1])


def same_quantity(expected: Quantity, found: Quantity, policy: MathPolicy) -> bool:
    """Do two quantities agree, where the policy says what may be missing?"""
    if (expected.base or found.base) and not _same_base(expected, found, policy):
        return False
    if expected.unit == found.unit:
        return _close(expected, found, policy)
    if "%" in (expected.unit, found.unit):
        return _same_percent(expected, found, policy)
    if not (expected.unit and found.unit):
        return policy.ignore_missing_units and _close(expected, found, policy)
    scales = unit_scales(expected.unit, found.unit)
    if scales is None:
        return False
    if scales[0] != scales[1]:
        return _close(_scaled(expected, scales[0]), _scaled(found, scales[1]), policy)
    return _close(expected, found, policy)


def _same_base(expected: Quantity, found: Quantity, policy: MathPolicy) -> bool:
    if expected.base and found.base:
        return expected.base == found.base
    return policy.ignore_missing_units


def _scaled(quantity: Quantity, scale: Fraction) -> Quantity:
    return Quantity(value=quantity.value * scale)


def _same_percent(expected: Quantity, found: Quantity, policy: MathPolicy) -> bool:
    """ "50%" may stand for 50 or for 0.5; no fraction, "1/2", for so many percent."""
    if expected.unit and found.unit:
        return False  # percent of something and a length
    bare = found if expected.unit else expected
    if not bare.is_share and policy.ignore_missing_units and _close(expected, found, policy):
        return True
    shares = [
        Quantity(value=q.value / 100, decimals=q.decimals and q.decimals + 2, digits=q.digits)
        if q.unit == "%"
        else q
        for q in (expected, found)
    ]
    return policy.percent_is_share and _close(*shares, policy)


def _close(first: Quantity, second: Quantity, policy: MathPolicy) -> bool:
    if first.value == second.value:
        return True
    if rounds(first, second, policy) or rounds(second, first, policy):
        return True
    return within(first.value, second.value, policy)


def within(expected: Fraction, found: Fraction, policy: MathPolicy) -> bool:
    """Is the difference inside the tolerance that the policy grants?"""
    if not (policy.relative_tolerance or policy.absolute_tolerance):
        return False
    granted = Fraction(policy.relative_tolerance) * abs(expected)
    return abs(expected - found) <= max(granted, Fraction(policy.absolute_tolerance))


def rounds(decimal: Quantity, exact: Quantity, policy: MathPolicy) -> bool:
    """Is the first a decimal that rounds the second, a fraction, to enough digits?"""
    if decimal.decimals is None or policy.rounded_digits is None:
        return False
    if exact.decimals is not None or decimal.digits < policy.rounded_digits:
        return False
    return abs(decimal.value - exact.value) * 2 * Fraction(10) ** decimal.decimals <= 1

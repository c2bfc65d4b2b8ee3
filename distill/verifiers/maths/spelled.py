"""Numbers in words: "twenty-one", "three and a half", "two thirds", "half a dozen"."""

import re
from fractions import Fraction
from functools import lru_cache

from distill.verifiers.maths.chinese_numerals import chinese_number
from distill.verifiers.maths.spelling import TEXT_BOX

MAX_CHARS = 200
MAX_WORDS = 16  # of one number

_ONES_IN_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_TENS_IN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: at for at, word in enumerate(_ONES_IN_WORDS.split())}
_TENS = {word: 10 * at for at, word in enumerate(_TENS_IN_WORDS.split(), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SHARES = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
    "twentieth": 20, "hundredth": 100, "thousandth": 1000, "millionth": 10**6,
}  # fmt: skip
_NUMBER_WORDS = frozenset((*_ONES, *_TENS, *_SCALES, "point", "and", "hundred"))
_STARTS = re.compile(
    r"\W*(?:text\W*)?(?:minus|negative|an?\s|\d{1,9}\W{0,3}(?:st|nd|rd|th)|"
    + "|".join((*_ONES, *_TENS, "half", "hundred", "dozen"))
    + ")",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(\d{1,9})(?:\^?\{?(?:st|nd|rd|th)\}?)")

Words = tuple[str, ...]


@lru_cache(maxsize=4096)
def number_in_words(text: str) -> str | None:
    """ "twenty-one" as "21", "minus two thirds" as "-2/3", "21st" as "21"; None for other words.

    Two numbers side by side, "three five", and two that "and" joins, "two and three", are no
    number; after a hundred, "one hundred and five", and before a share, "three and a half", they
    are.
    """
    bare = TEXT_BOX.sub(r" \1 ", text[:MAX_CHARS]).casefold().strip(" .。")
    if chinese := chinese_number(bare):
        return chinese
    if ordinal := _ORDINAL.fullmatch(bare.replace(" ", "")):
        return ordinal[1]
    words = tuple(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", bare).split())
    if not words or len(words) > MAX_WORDS:
        return None
    is_negative = words[0] in ("minus", "negative")
    value = _value(words[1:] if is_negative else words)
    if value is None:
        return None
    number = str(value)  # "2/3" or "5"
    return f"-{number}" if is_negative else number


@lru_cache(maxsize=4096)
def quantity_in_words(text: str) -> str | None:
    """As number_in_words; also "five apples" as "5 \\text{apples}"."""
    if not _STARTS.match(text):
        return chinese_number(text.strip(" .。"))
    number = number_in_words(text)
    words = TEXT_BOX.sub(r" \1 ", text[:MAX_CHARS]).strip(" .").split()
    if number is not None or not 2 <= len(words) <= MAX_WORDS or words[0][0].isdigit():
        return number
    for at in range(len(words) - 1, 0, -1):
        number = number_in_words(" ".join(words[:at]))
        if number is not None and not _NUMBER_WORDS.intersection(words[at:]):
            return f"{number} \\text{{{' '.join(words[at:])}}}"
    return None


_SAID = re.compile(
    r"\b(?:is|are|was|were|has|have|had|takes?|took|needs?|costs?|gets?|got|makes?|made|earn(?:s|ed)"
    r"|equals?|gives?|sold|sells?|requires?)\s+(?:(?:exactly|only|just|a total of|about)\s+)?"
    r"(?!one of\b)"
    r"(?P<words>(?:[a-z]+(?:-[a-z]+)?[ ]){0,11}[a-z]+(?:-[a-z]+)?)",
    re.IGNORECASE,
)


def with_digits(sentence: str) -> str:
    """A sentence with the number in words that its verb states as digits: "has three apples"."""
    for match in _SAID.finditer(sentence[:500]):
        words = match["words"].split(" ")
        for end in range(len(words), 0, -1):
            number = number_in_words(" ".join(words[:end]))
            if number is not None:
                rest = sentence[match.start("words") + len(" ".join(words[:end])) :]
                return sentence[: match.start("words")] + number + rest
    return sentence


def _value(words: Words) -> Fraction | None:
    """Of a whole number, a share, a mixed number, a decimal or dozens."""
    if "point" in words:
        return _decimal(words)
    if words and words[-1] == "dozen":
        many = {(): 1, ("a",): 1, ("half", "a"): Fraction(1, 2)}.get(words[:-1])
        many = _whole(words[:-1]) if many is None else many
        return None if many is None else Fraction(many) * 12
    if "and" in words:
        at = len(words) - 1 - words[::-1].index("and")
        whole, share = _whole(words[:at]), _share(words[at + 1 :])
        if whole is not None and share is not None:
            return whole + share if share < 1 else None
    share = _share(words)
    return _whole(words) if share is None else share


def _share(words: Words) -> Fraction | None:
    """ "a half", "two thirds", "half"."""
    if not words:
        return None
    below = SHARES.get(words[-1].removesuffix("s"))
    if below is None:
        return None
    above = 1 if words[:-1] in ((), ("a",), ("an",)) else _whole(words[:-1])
    if above is None or (len(words) == 1 and below > 2):
        return None  # "third" is a place, "a third" is a share
    return Fraction(above, below)


def _decimal(words: Words) -> Fraction | None:
    """ "three point one four"."""
    at = words.index("point")
    digits = [_ONES.get(word, 10) for word in words[at + 1 :]]
    whole = _whole(words[:at]) if at else 0
    if whole is None or not digits or max(digits) > 9:
        return None
    return Fraction(f"{whole}.{''.join(map(str, digits))}")


def _whole(words: Words) -> int | None:
    """Groups of "three hundred and five" with falling scales behind them."""
    if words[:1] == ("a",) and words[1:2] and (words[1] == "hundred" or words[1] in _SCALES):
        words = ("one", *words[1:])
    total, limit, group = 0, None, []
    for word in (*words, ""):
        scale = _SCALES.get(word, 1) if word else 1
        if word and word not in _SCALES:
            group.append(word)
            continue
        if not group and not word:
            return total or None  # ended in a scale
        part = _below_thousand(tuple(group), follows=limit is not None)
        if part is None or (limit is not None and (scale >= limit or part * scale >= limit)):
            return None
        total, limit, group = total + part * scale, scale, []
    return total


def _below_thousand(words: Words, *, follows: bool) -> int | None:
    """ "three hundred and five", "twelve hundred"; "and five" behind a thousand."""
    if follows and words[:1] == ("and",):
        return _below_hundred(words[1:])
    if "hundred" not in words:
        return _below_hundred(words)
    at = words.index("hundred")
    hundreds, rest = _below_hundred(words[:at]), words[at + 1 :]
    if not hundreds:
        return None
    if rest[:1] == ("and",):
        rest = rest[1:] or ("and",)
    below = _below_hundred(rest) if rest else 0
    return None if below is None else 100 * hundreds + below


def _below_hundred(words: Words) -> int | None:
    """ "seven", "fifteen", "twenty", "twenty one"."""
    if len(words) == 1:
        return _ONES.get(words[0], _TENS.get(words[0]))
    if len(words) == 2 and words[0] in _TENS and 1 <= _ONES.get(words[1], 0) <= 9:
        return _TENS[words[0]] + _ONES[words[1]]
    return None

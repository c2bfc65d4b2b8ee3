"""Answers in words: names, weekdays, yes and no, "no solution", number words, times, dates."""

import re
from fractions import Fraction
from functools import lru_cache

from distill.recipe import MathPolicy
from distill.verifiers.spelling import TEXT_BOX

MAX_WORDS = 40  # of an answer that is a sentence

# --- names and other words --------------------------------------------------------------------

_WORDED = re.compile(r"[A-Za-z][A-Za-z'-]+(?: [A-Za-z'-]+){0,5}")
_ARTICLES = re.compile(r"\b(?:the|an?|is|it|are)\s+(?=[a-z]{2})", re.IGNORECASE)
_NEGATIONS = frozenset(
    ("not", "no", "never", "isn't", "neither", "or", "either", "maybe", "perhaps")
)
_FUNCTIONS = re.compile(r"\b(?:sqrt|sin|cos|tan|log|ln|exp|pi|frac|infty|infinity)\b")


def worded(reference: str) -> str | None:
    """The words of a reference that is text, such as a weekday; None for formulas.

    Bare letters are words from four on; "xy" may be a product.
    """
    words = TEXT_BOX.sub(r"\1", reference).strip()
    boxed = words != reference.strip()
    is_word = boxed or len(words) > 3 or words.casefold() in ("yes", "no")
    if not _WORDED.fullmatch(words) or _FUNCTIONS.search(words) or not is_word:
        return None
    return _ARTICLES.sub("", words).casefold().strip() or None


def same_words(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Is a worded reference what the answer says, or ends in saying ("23 May is a Saturday")?"""
    letter = _choice(reference)
    if letter is not None:
        found = _choice(answer)
        return None if found is None else letter == found
    expected = worded(reference)
    if expected is None:
        return None
    bare = TEXT_BOX.sub(r"\1", answer)
    if not policy.ignore_case:
        return TEXT_BOX.sub(r"\1", reference).strip() == bare.strip(" .!")
    found = _ARTICLES.sub("", bare).casefold().strip(" .!")
    if found == expected or _letters(found) == expected:
        return True
    words = found.split()
    if len(words) > MAX_WORDS or _NEGATIONS.intersection(words) - set(expected.split()):
        return False
    return found.endswith(f" {expected}")


_CHOICE = re.compile(r"\(?(?:\\text\{)?\s*\(?([A-Z])\)?\s*\}?\)?\.?")


def _choice(text: str) -> str | None:
    """The letter of "(C)" or "\\text{C}": one that is a name, not a variable."""
    match = _CHOICE.fullmatch(text)
    return match[1] if match and len(text) > 1 else (text if re.fullmatch("[A-Z]", text) else None)


def _letters(text: str) -> str:
    """ "a, c and f" as "acf"."""
    letters = [part for part in re.split(r"[\s,]+", text) if part and part != "and"]
    return "".join(letters) if all(len(part) == 1 for part in letters) else text


# --- phrases with a meaning -------------------------------------------------------------------

_MEANINGS = {
    "empty": re.compile(
        r"(?:there (?:is|are|exists?) )?(?:no|zero) "
        r"(?:(?:real|integer|such|possible|valid|positive|rational|complex|other) )*"
        r"(?:solutions?|roots?|values?|numbers?|integers?|pairs?|functions?|intersections?)"
        r"(?: (?:exists?|for x|in real numbers))?|none|empty ?set|empty|"
        r"\\emptyset|\\\{ ?\\\}|none exist|no one"
    ),
    "undefined": re.compile(
        r"undefined|(?:does not|doesn't|do not) exist|dne|not defined|nonexistent|indeterminate"
    ),
    "many": re.compile(
        r"(?:there are )?(?:infinitely many|(?:infinite|unlimited)(?: number of)?)"
        r"(?: (?:solutions?|values?))?"
    ),
    "reals": re.compile(
        r"(?:all|any|every|set of(?: all)?)? ?(?:real numbers?|reals?)(?: x)?|all x|"
        r"(?:x ?\\in )?\\reals|\(-\\infty ?, ?\+?\\infty\)|-\\infty ?< ?[a-z] ?< ?\+?\\infty|"
        r"x ?\\in ?\(-\\infty ?, ?\+?\\infty\)|r"
    ),
    "yes": re.compile(r"yes|true|correct"),
    "no": re.compile(r"no|false|incorrect"),
    "infinity": re.compile(r"\+?\\infty|(?:positive )?infinity|inf|diverges to infinity"),
    "-infinity": re.compile(r"-\\infty|(?:negative |minus |-)infinity|-inf"),
}
_LEAD = re.compile(
    r"^(?:therefore|so|thus|hence)?,?\s*(?:the )?(?:final )?(?:answer:?)?\s*(?:is )?"
)


@lru_cache(maxsize=4096)
def meaning(text: str) -> str | None:
    """What a set phrase means: empty, undefined, many, reals, yes, no, infinity, -infinity."""
    if len(text) > 80:
        return None
    phrase = re.sub(r"\s+", " ", TEXT_BOX.sub(r" \1 ", text).casefold()).strip(" .!")
    phrase = re.sub(r"\b(?:the|an?)\b ?", "", _LEAD.sub("", phrase)).strip()
    return next((name for name, words in _MEANINGS.items() if words.fullmatch(phrase)), None)


def same_meaning(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Do two set phrases mean the same? One of them beside a formula is no match."""
    if reference.isdecimal() and answer[:1].isdecimal():
        return None
    expected, found = meaning(reference), meaning(answer)
    if expected is None and found is None:
        return None
    if expected is not None and found is not None:
        return expected == found
    one = expected or found
    return None if one in ("reals", "infinity", "-infinity") else _unless_named(one, reference)


def _unless_named(one: str, reference: str) -> bool | None:
    """A name may hold such a word; the word by itself is another answer than a formula."""
    return None if one in ("yes", "no", "empty") and worded(reference) else False


_UNITS_IN_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_TENS_IN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: at for at, word in enumerate(_UNITS_IN_WORDS.split())}
_TENS = {word: 10 * at for at, word in enumerate(_TENS_IN_WORDS.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}


_SHARES = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
}  # fmt: skip
_ORDINAL = re.compile(r"(\d{1,9})(?:\^?\{?(?:st|nd|rd|th)\}?)")


@lru_cache(maxsize=4096)
def number_in_words(text: str) -> str | None:
    """ "twenty-one" as "21", "minus two thirds" as "-2/3", "21st" as "21"; None for other words."""
    bare = TEXT_BOX.sub(r" \1 ", text[:200]).casefold().strip(" .")
    if ordinal := _ORDINAL.fullmatch(bare.replace(" ", "")):
        return ordinal[1]
    words = re.sub(r"(?<=[a-z])-(?=[a-z])|\band\b", " ", bare).split()
    if not words or len(words) > 8:
        return None
    if words[0] in ("minus", "negative"):
        number = _positive(tuple(words[1:]))
        return None if number is None else f"-{number}"
    return _positive(tuple(words))


def _positive(words: tuple[str, ...]) -> str | None:
    if words in (("half",), ("a", "half")):
        return "1/2"
    if words in (("dozen",), ("a", "dozen")):
        return "12"
    below = _SHARES.get(words[-1].removesuffix("s")) if len(words) > 1 else None
    number = _whole(words[:-1] if below else words)
    return f"{number}/{below}" if below and number else number


def _whole(words: tuple[str, ...]) -> str | None:
    if not words or not (words[0] in _ONES or words[0] in _TENS):
        return None
    total = part = 0
    for word in words:
        if word in _SCALES:
            part = max(part, 1) * _SCALES[word]
            if word != "hundred":
                total, part = total + part, 0
        elif word in _ONES or word in _TENS:
            part += _ONES.get(word, 0) + _TENS.get(word, 0)
        else:
            return None
    return str(total + part)


# --- times, dates, ratios ---------------------------------------------------------------------

_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?:\s?:\s?(?P<minute>\d\d)(?:\s?:\s?(?P<second>\d\d))?)?"
    r"\s*(?:(?P<half>[ap])\.?\s?m\.?|o'clock|hours|h)?",
    re.IGNORECASE,
)
_TIME_MARK = re.compile(r":|\d\s*[ap]\.?\s?m\b|o'clock", re.IGNORECASE)
_FRACTION = re.compile(r"\\frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))|(\d+)\s?/\s?(\d+)")
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:\s?:\s?\d+(?:\.\d+)?)+")


def same_time(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """The same time of day, where am or pm may be missing on one side."""
    texts = [TEXT_BOX.sub(r" \1", text).strip(" .") for text in (reference, answer)]
    if not any(_TIME_MARK.search(text[:40]) for text in texts):
        return None
    matches = [_TIME.fullmatch(text) for text in texts]
    if not all(matches):
        return None
    halves = [match["half"] and match["half"].lower() for match in matches]
    times = [
        (int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0))
        for match in matches
    ]
    if all(halves) or not any(halves):
        return times[0] == times[1] and halves[0] == halves[1]
    with_half, half, bare = (times[0], halves[0], times[1])
    if not halves[0]:
        with_half, half, bare = (times[1], halves[1], times[0])
    on_the_day = with_half[0] % 12 + 12 * (half == "p")
    return policy.ignore_missing_units and bare in (with_half, (on_the_day, *with_half[1:]))


def same_ratio(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """ "4:6" is "2:3" and "2/3"; what may be a time of day must have the same digits."""
    first, second = _ratio(reference), _ratio(answer)
    if first is None or second is None or ":" not in reference + answer:
        return None
    is_time = any(_TIME.fullmatch(text) and ":" in text for text in (reference, answer))
    if len(first) != len(second) or (is_time and ":" in reference and ":" in answer):
        return first == second
    return [part * second[0] for part in first] == [part * first[0] for part in second]


def is_time_or_ratio(text: str) -> bool:
    """Is it "4:30 pm" or "2:3"?"""
    bare = TEXT_BOX.sub(r" \1", text).strip(" .")
    return len(bare) < 40 and bool(_RATIO.fullmatch(bare) or _TIME.fullmatch(bare))


def _ratio(text: str) -> list[Fraction] | None:
    """The terms of "2:3", "2 to 3", "2/3"."""
    if len(text) > 60 or not any(mark in text for mark in (":", " to ", "/", "frac")):
        return None
    match = _FRACTION.fullmatch(text)
    text = ":".join(filter(None, match.groups())) if match else text.replace(" to ", ":")
    if not _RATIO.fullmatch(text):
        return None
    return [Fraction(part.strip()) for part in text.split(":")]


_MONTHS = """
    january february march april may june july august september october november december
"""
_MONTH = {name[:3]: at for at, name in enumerate(_MONTHS.split(), start=1)}
_NAME = r"(?P<month>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s*(?P<year>\d{4}))?"
_WEEKDAY = re.compile(
    r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+", re.IGNORECASE
)
_DATES = (
    re.compile(rf"{_NAME}\s*{_DAY}{_YEAR}", re.IGNORECASE),
    re.compile(rf"{_DAY}(?:\s+of)?\s*{_NAME}{_YEAR}", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})-(?P<number>\d{1,2})-(?P<day>\d{1,2})"),
)


def same_date(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """The same day, where the year may be missing on one side."""
    expected, found = read_date(reference), read_date(answer)
    if expected is None or found is None:
        return None
    years = {expected[0], found[0]} - {None}
    return expected[1:] == found[1:] and len(years) < 2


@lru_cache(maxsize=4096)
def read_date(text: str) -> tuple[int | None, int, int] | None:
    """Year, month and day of a date."""
    bare = TEXT_BOX.sub(r" \1 ", text).strip(" .")
    if len(bare) > 40 or not any(character.isdigit() for character in bare):
        return None
    bare = _WEEKDAY.sub("", bare)
    match = next((m for m in (pattern.fullmatch(bare) for pattern in _DATES) if m), None)
    if match is None:
        return None
    groups = match.groupdict()
    name = groups.get("month")
    month = _MONTH[name[:3].lower()] if name else int(groups["number"])
    year = groups.get("year")
    return (int(year) if year else None, month, int(groups["day"]))

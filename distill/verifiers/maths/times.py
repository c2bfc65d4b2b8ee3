"""Times of day and dates."""

import re
from functools import lru_cache
from typing import NamedTuple

from distill.recipe import MathPolicy
from distill.verifiers.maths.spelling import TEXT_BOX

MAX_SENTENCE_CHARS = 200  # of an answer that says when

# --- times ------------------------------------------------------------------------------------

_CLOCK = (
    r"(?P<hour>\d{1,2})(?:\s?:\s?(?P<minute>\d\d)(?:\s?:\s?(?P<second>\d\d))?)?"
    r"\s*(?:(?P<half>[ap])\.?\s?m\.?|o'clock|(?P<hours>hours?|h)|(?P<noon>noon|midday)"
    r"|(?P<night>midnight))?"
)
TIME = re.compile(_CLOCK, re.IGNORECASE)
_TIME_MARK = re.compile(r":|\d\s*[ap]\.?\s?m\b|o'clock|noon|midday|midnight", re.IGNORECASE)
_NAMED = {"noon": "12:00 pm", "midday": "12:00 pm", "midnight": "12:00 am"}
_SAYS_WHEN = re.compile(r"(?<!\S)(?:at|is|was|be|:)\s(?:exactly\s)?(?=\S)", re.I)
_OTHER_TIME = re.compile(
    r"\d|\b(?:not|before|after|until|if|or|either|from|between|noon|midnight|never)\b|n't", re.I
)


class Time(NamedTuple):
    """A time of day as it was written."""

    clock: tuple[int, int, int]
    half: str | None  # "a", "p" or not said


def same_time(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """The same time of day, where am or pm may be missing on one side; "3 hours" is none."""
    texts = [TEXT_BOX.sub(r" \1", text).strip(" .") for text in (reference, answer)]
    if not any(_TIME_MARK.search(text[:MAX_SENTENCE_CHARS]) for text in texts):
        return None
    matches = [_match(texts[0]), _match(texts[1]) or _match(_said_time(texts[1]))]
    if not all(matches):
        return None
    if any(match["hours"] and not match["minute"] for match in matches):
        return False  # a time and how long it takes
    return _same_clock(_read(matches[0]), _read(matches[1]), policy)


def _match(text: str) -> re.Match[str] | None:
    bare = text.casefold().removeprefix("12 ")
    return TIME.fullmatch(_NAMED.get(bare, text)) if len(text) < 40 else None


def _said_time(sentence: str) -> str:
    """The time that a sentence ends in: "The train arrives at 3:45 PM"."""
    if len(sentence) > MAX_SENTENCE_CHARS:
        return ""
    *_, last = [None, *_SAYS_WHEN.finditer(sentence)]
    if last is None or _OTHER_TIME.search(sentence[: last.start()]):
        return ""
    return sentence[last.end() :].strip("*_ ")


def _read(match: re.Match[str]) -> Time:
    clock = (int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0))
    named = ("p" if match["noon"] else None) or ("a" if match["night"] else None)
    return Time(clock, match["half"].lower() if match["half"] else named)


def _same_clock(first: Time, second: Time, policy: MathPolicy) -> bool:
    if (first.half is None) == (second.half is None):
        return first == second
    told, bare = (first, second) if first.half else (second, first)
    on_the_day = told.clock[0] % 12 + 12 * (told.half == "p")
    same = bare.clock in (told.clock, (on_the_day, *told.clock[1:]))
    return policy.ignore_missing_units and same


def is_time(text: str) -> bool:
    """Is it "4:30 pm" or "noon"?"""
    return _match(TEXT_BOX.sub(r" \1", text).strip(" .")) is not None


# --- dates ------------------------------------------------------------------------------------

_MONTHS = """
    january february march april may june july august september october november december
"""
_MONTH = {name[:3]: at for at, name in enumerate(_MONTHS.split(), start=1)}
_NAME = r"(?P<month>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s*(?P<year>\d{4}))?"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_BEFORE = re.compile(rf"^({_WEEKDAY})\.?,?\s+(?:the\s+)?", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:,\s*|\s*\(\s*|\s+)({_WEEKDAY})\s*\)?$", re.IGNORECASE)
_DATES = (
    re.compile(rf"{_NAME}\s*{_DAY}{_YEAR}", re.IGNORECASE),
    re.compile(rf"{_DAY}(?:\s+of)?\s*{_NAME}{_YEAR}", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})-(?P<number>\d{1,2})-(?P<day>\d{1,2})"),
)


class Date(NamedTuple):
    """A day of a year; the year and the weekday may be left out."""

    month: int
    day: int
    year: int | None
    weekday: str | None  # its first three letters


def same_date(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """The same day, where the year or the weekday may be missing on one side."""
    expected, found = read_date(reference), read_date(answer)
    if expected is None or found is None:
        return None
    optional = zip(expected[2:], found[2:], strict=True)
    return expected[:2] == found[:2] and all(len({*pair} - {None}) < 2 for pair in optional)


@lru_cache(maxsize=4096)
def read_date(text: str) -> Date | None:
    """The date in "Monday, May 5", "5th of May 2024", "2024-05-05"."""
    bare = TEXT_BOX.sub(r" \1 ", text).strip(" .")
    if len(bare) > 40 or not any(character.isdigit() for character in bare):
        return None
    weekday = _BEFORE.search(bare) or _BEHIND.search(bare)
    if weekday:
        bare = bare[: weekday.start()] + bare[weekday.end() :]
    match = next((m for m in (pattern.fullmatch(bare) for pattern in _DATES) if m), None)
    if match is None:
        return None
    groups = match.groupdict()
    name, year = groups.get("month"), groups.get("year")
    return Date(
        month=_MONTH[name[:3].lower()] if name else int(groups["number"]),
        day=int(groups["day"]),
        year=int(year) if year else None,
        weekday=weekday[1][:3].lower() if weekday else None,
    )

"""Digits with their base, such as A5_{11}."""

import re

from distill.recipe import MathPolicy
from distill.verifiers.maths.spelling import TEXT_BOX

_NUMERAL = re.compile(
    r"(-?)(?:\\text\s*\{)?\s*((?!0[0-9A-Z])[0-9A-Z]{1,200}(?:\.[0-9A-Z]{1,200})?)\s*\}?"
    r"_\{?\s*(\d{1,4})\s*\}?"
)


def is_numeral(text: str) -> bool:
    """Is it digits with their base?"""
    return _NUMERAL.fullmatch(text) is not None


def same_numeral(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Numerals with letters for digits, such as A5_{11}; the base may be missing on one side."""
    matches = [_NUMERAL.fullmatch(text) for text in (reference, answer)]
    if all(matches):
        return matches[0].groups() == matches[1].groups()
    match, other = (matches[0], answer) if matches[0] else (matches[1], reference)
    if match is None or not re.search(r"\d", match[2]):
        return None
    bare = TEXT_BOX.sub(r"\1", other).strip()
    if not re.fullmatch(r"-?[0-9A-Z.]+", bare):
        return None
    return policy.ignore_missing_units and bare == match[1] + match[2]

"""Ratios: "4:6" and "2:3", "3 to 4", "1:\\sqrt{2}", "3 out of 8"."""

import re
from typing import NamedTuple

from distill.recipe import MathPolicy
from distill.verifiers.maths import structures
from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.spelling import TEXT_BOX
from distill.verifiers.maths.times import TIME
from distill.verifiers.maths.trees import Node, over, walk

MAX_CHARS = 80
MAX_TERMS = 6

_NUMBER = r"\d+(?:\.\d+)?"
_RATIO_SIGN = re.compile(r":|\b(?:to|of|in)\b")
_FRACTION = re.compile(r"\\frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))|(\d+)\s?/\s?(\d+)")
_OUT_OF = re.compile(rf"({_NUMBER}) (?:out of|in|in every|out of every) ({_NUMBER})")
_NO_TERM = frozenset(("relation", "list", "set", "unit", "cases", "builder", "percent", "deg"))


class Ratio(NamedTuple):
    """Its terms, and the sign between them."""

    terms: tuple[Node, ...]
    sign: str  # ":" also for "to", "/" for a fraction, "in" for "3 out of 8"


def same_ratio(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """ "4:6" is "2:3" and "2/3"; what may be a time of day must have the same digits."""
    if not _RATIO_SIGN.search(reference) and not _RATIO_SIGN.search(answer):
        return None
    first, second = _ratio(reference), _ratio(answer)
    if (first is None) != (second is None):
        return _is_quotient(first or second, reference if first is None else answer, policy)
    if first is None or second is None or first.sign == second.sign == "/":
        return None
    if {first.sign, second.sign} == {":", "in"}:
        return False  # 3 to 8 others, 3 among 8
    if len(first.terms) != len(second.terms):
        return False
    if all(TIME.fullmatch(text) and ":" in text for text in (reference, answer)):
        return reference.replace(" ", "") == answer.replace(" ", "")
    return _in_proportion(first.terms, second.terms, policy)


def _is_quotient(ratio: Ratio, text: str, policy: MathPolicy) -> bool | None:
    """Is "\sqrt{2}:1" this value? None where it is not."""
    value = _term(text) if len(text) <= MAX_CHARS else None
    if value is None or ratio.sign != ":" or len(ratio.terms) != 2:
        return None
    return structures.same(value, over(*ratio.terms), policy) or None


def _in_proportion(
    first: tuple[Node, ...], second: tuple[Node, ...], policy: MathPolicy
) -> bool | None:
    """Is every term to the first one as in the other ratio?"""
    for left, right in zip(first[1:], second[1:], strict=True):
        same = structures.same(over(left, first[0]), over(right, second[0]), policy)
        if not same:
            return same
    return True


def is_ratio(text: str) -> bool:
    """Is it "2:3"?"""
    return len(text) < MAX_CHARS and _ratio(text) is not None


def _ratio(text: str) -> Ratio | None:
    if len(text) > MAX_CHARS:
        return None
    bare = re.sub(r"\s+", " ", TEXT_BOX.sub(r" \1 ", text)).strip(" .")
    if match := _FRACTION.fullmatch(bare):
        return _of([part for part in match.groups() if part], "/")
    if match := _OUT_OF.fullmatch(bare):
        return _of([match[1], match[2]], "in")
    parts = bare.replace(" to ", ":").split(":")
    return _of([part.strip() for part in parts], ":") if 2 <= len(parts) <= MAX_TERMS else None


def _of(parts: list[str], sign: str) -> Ratio | None:
    terms = [_term(part) for part in parts]
    return None if None in terms else Ratio(tuple(terms), sign)


def _term(text: str) -> Node | None:
    """A value that is not 0; a name by itself is none: "f: x"."""
    tree = read(text)
    if tree is None or not any(character.isdigit() for character in text):
        return None
    if any(part.kind in _NO_TERM for part in walk(tree)):
        return None
    return None if re.fullmatch(r"[-+0.\s]+", text) else tree

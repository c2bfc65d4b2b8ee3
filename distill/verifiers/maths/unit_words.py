"""The words behind a value that are its unit, boxed as text or bare."""

import re
from typing import TYPE_CHECKING

from distill.verifiers.maths.brackets import read_argument_text
from distill.verifiers.maths.counted import read_counted
from distill.verifiers.maths.tokens import Token, Unreadable
from distill.verifiers.maths.units import BARE_UNITS

if TYPE_CHECKING:
    from distill.verifiers.maths.reader import Reader

_UNIT_SIGNS = frozenset(
    ("/", "*", "\\cdot", "\\times", "^", "-", "(", ")", "\\Omega", "\\mu", "^\\circ")
)
_CONDITIONS = frozenset(("if", "for", "when", "where", "with", "otherwise", "such", "mod"))
_JOINING = re.compile(r"(?<=\S)\s(?:and|or)$")  # of "\text{cm and}"


def read_unit_words(reader: "Reader") -> str:
    """The words up to the end of the item, if they are a unit; "" otherwise.

    Raises: Unreadable for words that are none.
    """
    if not (reader.now.kind == "text" or is_bare_unit(reader)) or reader.joins():
        return ""
    if ending := _JOINING.search(reader.now.text):
        reader.split(ending.start())
    words = []
    while not reader.ends_item():
        token = reader.take()
        is_word = token.kind in ("letters", "text") or token.text in _UNIT_SIGNS
        if not is_word or token.text.lower() in _CONDITIONS:
            raise Unreadable
        power = read_argument_text(reader) if token.text == "^" else ""
        words.append(token.text + power)
    unit = re.sub(r"\s*\^\s*", "^", " ".join(words)).strip() or "unit"
    if not reader.in_cases and read_counted(unit) is None:
        raise Unreadable
    return unit


def is_bare_unit(reader: "Reader") -> bool:
    """Is the next token a unit although no box says that it is text?"""
    if reader.ahead().text in ("(", "_") or (reader.lettered and reader.depth > 1):
        return False
    return is_unit_token(reader.now)


def is_unit_token(token: Token) -> bool:
    """Are these letters the name of a unit?"""
    word = token.text
    if token.kind != "letters" or len(word) < 2:
        return False
    return word in BARE_UNITS or word.removesuffix("s") in BARE_UNITS

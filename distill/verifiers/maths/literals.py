"""Numbers as they are written: whole, decimal, with a power of ten, with digits that repeat."""

from fractions import Fraction
from typing import TYPE_CHECKING

from distill.verifiers.maths.brackets import read_argument_text
from distill.verifiers.maths.tokens import Unreadable
from distill.verifiers.maths.trees import Node

if TYPE_CHECKING:
    from distill.verifiers.maths.reader import Reader

MAX_NUMBER_EXPONENT = 400


def read_number(reader: "Reader") -> Node:
    """A literal; one with a point is a decimal that may stand for what it rounds."""
    text = reader.take().text.replace(",", "").replace(" ", "")
    mantissa, _, power = text.lower().partition("e")
    if not mantissa.strip(".") or abs(int(power or 0)) > MAX_NUMBER_EXPONENT:  # of "\\frac1."
        raise Unreadable
    value = Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(power or 0)
    if reader.now.text == "\\overline" and "." in mantissa:
        return _repeating(reader, mantissa)
    if "." not in mantissa.rstrip("."):
        return Node("num", value)
    digits = sum(character.isdigit() for character in mantissa.lstrip("0."))
    decimals = len(mantissa.partition(".")[2]) - int(power or 0)
    return Node("dec", (value, decimals, digits))


def _repeating(reader: "Reader", mantissa: str) -> Node:
    reader.take()
    block = read_argument_text(reader)
    if not block.isdecimal() or not block.isascii():
        raise Unreadable
    decimals = len(mantissa.partition(".")[2])
    tail = Fraction(int(block), 10 ** len(block) - 1) / 10**decimals
    return Node("num", Fraction(mantissa.rstrip(".") or "0") + tail)

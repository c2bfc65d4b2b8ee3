"""The signs that a formula is made of, read from the one spelling of texts."""

import re
from typing import NamedTuple

MAX_TOKENS = 1200


class Unreadable(Exception):
    """A text that is no formula this project reads: left to the algebra of the worker."""


class Token(NamedTuple):
    """One sign."""

    kind: str  # number, letters, command, text, sign, end
    text: str
    spaced: bool = False  # white space before it


END = Token("end", "")

_OPENING, _CLOSING = frozenset(("(", "[", "\\{")), frozenset((")", "]", "\\}"))
_NUMBER = r"\d+(?:\.\d+|\.(?!\.))?|\.\d+"
_THOUSANDS = r"(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d\d)+,\d{3}(?!,))(?!\d)(?:\.\d+)?"
_SPACED_THOUSANDS = r"\d{1,3}(?: \d{3})+(?!\d)(?:\.\d+)?"
_REST = (
    r"|(?P<text>\\text\s*\{(?P<inner>[^{}]*)\})"
    r"|(?P<end>\\end\s*\{[a-zA-Z]+\*?\})|(?P<begin>\\begin\s*\{[a-zA-Z]+\*?\})"
    r"|(?P<command>\\[a-zA-Z]+)|(?P<letters>[A-Za-z]+)"
    r"|(?P<sign>\\\\|\\[{}|]|\^\s*\\circ(?![a-zA-Z])|[-+*/^_=<>()\[\]{}|,;:!'%&$€£¥₹])"
    r"|(?P<other>\S))"
)
_EXPONENT = r"(?:[eE][+-]?\d{1,4}(?![.\d]))?"
_PLAIN = re.compile(rf"(?P<space>\s*)(?:(?P<number>(?:{_NUMBER}){_EXPONENT})" + _REST)
_GROUPED = re.compile(
    rf"(?P<space>\s*)(?:(?P<number>(?:{_THOUSANDS}|{_SPACED_THOUSANDS}|{_NUMBER}){_EXPONENT})"
    + _REST
)


def tokenize(text: str, *, thousands: bool) -> list[Token]:
    """The tokens of a text, END last.

    Args:
        thousands: read "1,234" and the Indian "12,34,567" as one number wherever it stands outside
            brackets.
    Raises: Unreadable for a character that no formula has, or for too many tokens.
    """
    tokens: list[Token] = []
    at, depth, end = 0, 0, len(text.rstrip())
    while at < end:
        pattern = _GROUPED if thousands and depth == 0 else _PLAIN
        match = pattern.match(text, at)
        kind = match.lastgroup if match else "other"
        if kind == "inner":
            kind = "text"
        if match is None or kind == "other" or len(tokens) > MAX_TOKENS:
            raise Unreadable
        word = match["inner"].strip() if kind == "text" else match[kind]
        if kind == "sign":
            depth += (word in _OPENING) - (word in _CLOSING)
            word = "^\\circ" if word.startswith("^") and len(word) > 1 else word
        tokens.append(Token(kind, word, bool(match["space"])))
        at = match.end()
    return [*tokens, END]

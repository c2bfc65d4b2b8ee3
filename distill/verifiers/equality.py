"""Are two final answers the same: exact and cheap comparisons, None where algebra is needed."""

import re
from collections.abc import Callable

import msgspec

from distill.verifiers.quantities import read_quantity, same_number
from distill.verifiers.spelling import MAX_CHARS, TEXT_BOX, plain

MAX_DEPTH = 4


class Comparison(msgspec.Struct, frozen=True):
    """The outcome of the cascade: `equal` is None where no exact step can tell."""

    equal: bool | None
    route: str


Step = Callable[[str, str], bool | None]
"""One step of the cascade: plain reference and plain answer to equal, different or cannot tell."""


def compare(reference: str, answer: str) -> Comparison:
    """Compare an answer with the reference by exact means alone, in tens of microseconds.

    Runs the steps of CASCADE in order; the first that can tell decides. Text of the model is
    never evaluated here.
    """
    reference, answer = plain(reference), plain(answer)
    for route, step in CASCADE.items():
        equal = step(reference, answer)
        if equal is not None:
            return Comparison(equal=equal, route=route)
    return Comparison(equal=None, route="")


# --- characters

_LOOSE_SPACE = re.compile(r"(?<!\d)\s+|\s+(?!\d)")  # "2 1/2" is not "21/2"


def same_text(reference: str, answer: str) -> bool | None:
    """True for the same characters; different characters may still mean the same."""
    if reference == answer:
        return True
    if len(reference) > MAX_CHARS or len(answer) > MAX_CHARS:
        return _long_integers(reference, answer)
    squeezed = [_LOOSE_SPACE.sub("", TEXT_BOX.sub(r"\1", text)) for text in (reference, answer)]
    return True if squeezed[0] == squeezed[1] and squeezed[0] else None


def _long_integers(reference: str, answer: str) -> bool | None:
    """Whole numbers of any length, digit by digit."""
    digits = [text.replace(",", "").lstrip("+") for text in (reference, answer)]
    if not all(re.fullmatch(r"-?\d+", text) for text in digits):
        return None
    signs = [text.startswith("-") for text in digits]
    bare = [text.lstrip("-").lstrip("0") for text in digits]
    return bare[0] == bare[1] and (signs[0] == signs[1] or not bare[0])


# --- words ------------------------------------------------------------------------------------

_WORDED = re.compile(r"[A-Za-z][A-Za-z'-]+(?: [A-Za-z'-]+){0,5}")
_ARTICLES = re.compile(r"\b(?:the|an?|is|it|are)\b\s*", re.IGNORECASE)
_NEGATIONS = frozenset(("not", "no", "never", "isn't", "neither"))
_FUNCTIONS = re.compile(r"\b(?:sqrt|sin|cos|tan|log|ln|exp|pi|frac|infty|infinity)\b")


def worded(reference: str) -> str | None:
    """The words of a reference that is text, such as a weekday; None for formulas.

    Bare letters are words from four on; "xy" may be a product.
    """
    words = TEXT_BOX.sub(r"\1", reference).strip()
    boxed = words != reference.strip()
    if not _WORDED.fullmatch(words) or _FUNCTIONS.search(words) or (len(words) < 4 and not boxed):
        return None
    return _ARTICLES.sub("", words).casefold().strip() or None


def same_words(reference: str, answer: str) -> bool | None:
    """Is a worded reference what the answer says, or ends in saying ("23 May is a Saturday")?"""
    expected = worded(reference)
    if expected is None:
        return None
    found = _ARTICLES.sub("", TEXT_BOX.sub(r"\1", answer)).casefold().strip(" .!")
    if found == expected:
        return True
    words = found.split()
    if len(words) > 40 or _NEGATIONS.intersection(words) - set(expected.split()):
        return False
    return found.endswith(f" {expected}")


# --- tuples, sets, intervals ------------------------------------------------------------------

_KINDS = {("(", ")"): "()", ("[", "]"): "[]", ("(", "]"): "(]", ("[", ")"): "[)"}
_SET = re.compile(r"\\\{(.*)\\\}")
_INFINITY = re.compile(r"([-+]?)\s*\\infty")
_JOINED = re.compile(r"\s*(?:\\text\{\s*(?:and|or)\s*\}|,?\s+(?:and|or)\s+)\s*")


def same_parts(reference: str, answer: str) -> bool | None:
    """Tuples and intervals in order, sets and bare lists in any order, all parts exact numbers."""
    expected, found = exact_key(reference), exact_key(answer)
    if expected is None or found is None:
        return None
    if expected[0] == found[0]:
        return expected == found
    kinds = {expected[0], found[0]}
    if kinds == {"list", "()"}:
        # "1, 2" may stand for the point (1, 2), in this order
        return _in_order(reference) == _in_order(answer)
    if kinds == {"list", "set"}:
        return expected[1] == found[1]
    return False


def _in_order(text: str) -> tuple | None:
    inner = text[1:-1] if text.startswith("(") else text
    return tuple(exact_key(part) for part in _split(_JOINED.sub(", ", inner)))


def exact_key(text: str, depth: int = 0) -> tuple | None:
    """A hashable form of a number, tuple, set, list, interval or union of exact parts."""
    text = text.strip()
    if depth > MAX_DEPTH or not text or len(text) > MAX_CHARS:
        return None
    if "\\cup" in text:
        parts = [exact_key(part, depth + 1) for part in text.split("\\cup")]
        return None if None in parts else ("union", frozenset(parts))
    quantity = read_quantity(text)
    if quantity is not None:
        return ("number", quantity.value)
    infinite = _INFINITY.fullmatch(text)
    if infinite:
        return ("infinity", infinite[1] == "-")
    braces = _SET.fullmatch(text)
    if braces:
        return _group("set", braces[1], depth)
    kind = _KINDS.get((text[0], text[-1]))
    if kind is not None and _closes_at_end(text):
        return _group(kind, text[1:-1], depth)
    joined = _JOINED.sub(", ", text)
    return _group("list", joined, depth) if "," in joined else None


def _closes_at_end(text: str) -> bool:
    """True if the first bracket is closed by the last character."""
    depth = 0
    for at, character in enumerate(text):
        depth += character in "(["
        depth -= character in ")]"
        if depth == 0:
            return at == len(text) - 1
    return False


def _group(kind: str, inner: str, depth: int) -> tuple | None:
    pieces = _split(inner)
    if kind != "set" and len(pieces) < 2:
        return None
    parts = [exact_key(piece, depth + 1) for piece in pieces]
    if None in parts:
        return None
    return (kind, frozenset(parts) if kind in ("set", "list") else tuple(parts))


def _split(text: str) -> list[str]:
    """Pieces between the commas that stand outside all brackets."""
    pieces, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += character in "([{"
        depth -= character in ")]}"
        if character == "," and depth == 0:
            pieces.append(text[start:at].strip())
            start = at + 1
    return [*pieces, text[start:].strip()] if text.strip() else []


# --- sides of equations -----------------------------------------------------------------------


def same_value(reference: str, answer: str) -> bool | None:
    """Compare again without "x =" or "x in" where only one of the two has it."""
    named, derived = _value_of_name(reference), _last_side(answer)
    if named is not None and derived is None:
        return _same(named, answer)
    if named is None and derived is not None and "=" not in reference:
        return _same(reference, derived)
    return None


def _same(reference: str, answer: str) -> bool | None:
    for step in (same_text, same_number, same_parts):
        equal = step(reference, answer)
        if equal is not None:
            return equal
    return None


_NAME = re.compile(r"\s*(?:[A-Za-z]\w{0,2}'?|[A-Za-z]\([a-z]\))\s*(?:=|\\in(?![a-z]))([^=]+)")


def _value_of_name(text: str) -> str | None:
    """5 of "x = 5", the set of "x in [0, 1]"; None for equations such as "x + y = 0"."""
    match = _NAME.fullmatch(text)
    return None if match is None else match[1].strip()


def _last_side(text: str) -> str | None:
    """What a chain of equalities ends in."""
    if "=" not in text or re.search(r"[<>]|\\[lg]eq?(?![a-z])|\\neq?(?![a-z])", text):
        return _value_of_name(text)
    return text.rpartition("=")[2].strip()


CASCADE: dict[str, Step] = {
    "text": same_text,
    "number": same_number,
    "words": same_words,
    "parts": same_parts,
    "value": same_value,
}

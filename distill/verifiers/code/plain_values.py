"""Plain Python values as JSON and back: what may cross the wall around a program.

Lists, text, booleans, None, floats and whole numbers of 64 bits are themselves; anything else is a
record with one tag. The file has no imports of ours: its text also runs inside the sandbox.
"""

import sys
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 200
MAX_RATIO_BITS = 1 << 18  # reducing takes the square of them: milliseconds here
_SMALL = 1 << 63


class Opaque:
    """A value that is no plain one: only its type's name and its truth came across."""

    def __init__(self, kind: str, truth: bool) -> None:
        self.kind = kind
        self.truth = truth

    def __bool__(self) -> bool:
        return self.truth


def encode(value: Any, depth: int = 0) -> Any:
    """A JSON tree of the value: subclasses lose their tricks, what is not plain becomes `?`.

    Tags: t tuple, s set, d dictionary (pairs), i large whole number (hex), b bytes (hex),
    c complex, q fraction or decimal (a ratio), n a type by its name, ? anything else.
    """
    if value is None or value is True or value is False or type(value) in (str, float):
        return value
    if type(value) is int:
        return value if -_SMALL < value < _SMALL else {"i": hex(value)}
    if depth > MAX_DEPTH:
        return {"?": "value nested too deep", "true": True}
    if type(value) is list:
        return [encode(one, depth + 1) for one in value]
    try:
        return _tagged(value, depth + 1)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return _opaque(value)


def _tagged(value: Any, depth: int) -> Any:
    for kind, plain in _BASES:
        if isinstance(value, kind):
            return plain(value, depth)
    name = type(value).__name__
    if isinstance(value, type) and getattr(sys.modules["builtins"], value.__name__, None) is value:
        return {"n": value.__name__}
    if name in ("Fraction", "Decimal"):
        return {"q": [encode(int(part), depth) for part in value.as_integer_ratio()]}
    if type(value).__module__ == "numpy" and value.ndim == 0:
        return encode(value.item(), depth)
    return _opaque(value)


def _opaque(value: Any) -> dict[str, Any]:
    try:
        truth = bool(value)
    except Exception:
        truth = True
    return {"?": str(type(value).__name__)[:100], "true": truth}


# methods of the base types themselves: a subclass that overrides them is not asked
_BASES: tuple[tuple[type, Callable[[Any, int], Any]], ...] = (
    (list, lambda value, depth: [encode(one, depth) for one in list.__iter__(value)]),
    (tuple, lambda value, depth: {"t": [encode(one, depth) for one in tuple.__iter__(value)]}),
    (
        dict,
        lambda value, depth: {
            "d": [[encode(key, depth), encode(one, depth)] for key, one in dict.items(value)]
        },
    ),
    (set, lambda value, depth: {"s": [encode(one, depth) for one in set.__iter__(value)]}),
    (
        frozenset,
        lambda value, depth: {"s": [encode(one, depth) for one in frozenset.__iter__(value)]},
    ),
    (int, lambda value, depth: encode(int.__add__(value, 0), depth)),
    (float, lambda value, depth: float.__add__(value, 0.0)),
    (str, lambda value, depth: "".join(str.__iter__(value))),
    (bytes, lambda value, depth: {"b": bytes.hex(value)}),
    (bytearray, lambda value, depth: {"b": bytearray.hex(value)}),
    (complex, lambda value, depth: {"c": [value.real, value.imag]}),
)


def decode(tree: Any, named: Callable[[str, Any], Any] | None = None) -> Any:
    """The value of a tree that `encode` made.

    Args:
        named: resolves the tags n and r, which mean something only beside the program.
    Raises: TypeError, ValueError, KeyError or RecursionError for a tree that is none of ours.
    """
    if isinstance(tree, list):
        return [decode(one, named) for one in tree]
    if not isinstance(tree, dict):
        return tree
    tag = next(iter(tree))
    if tag in ("n", "r") and named is not None:
        return named(tag, tree[tag])
    if tag == "?":
        return Opaque(tree["?"], tree["true"])
    return _READERS[tag](tree[tag], named)


def _fraction(parts: Any, named: Any) -> Any:
    from fractions import Fraction  # slow to import, seldom needed

    numerator, denominator = map(decode, parts)
    if type(numerator) is not int or type(denominator) is not int:
        raise TypeError("a ratio of other things than whole numbers")  # "1e999999999" never ends
    if max(numerator.bit_length(), denominator.bit_length()) > MAX_RATIO_BITS:
        raise ValueError("a ratio of numbers too long to be reduced")
    return Fraction(numerator, denominator)


_READERS: dict[str, Callable[[Any, Any], Any]] = {
    "t": lambda items, named: tuple(decode(one, named) for one in items),
    "s": lambda items, named: {_frozen(decode(one, named)) for one in items},
    "d": lambda items, named: {
        _frozen(decode(key, named)): decode(one, named) for key, one in items
    },
    "i": lambda text, named: int(text, 16),
    "b": lambda text, named: bytes.fromhex(text),
    "c": lambda parts, named: complex(*parts),
    "q": _fraction,
}


def _frozen(value: Any) -> Any:
    """A set inside a set was a frozenset."""
    return frozenset(value) if isinstance(value, set) else value

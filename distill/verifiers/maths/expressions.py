"""Formulas as trees: LaTeX or plain text, read in one of its possible readings."""

from functools import lru_cache

from distill.verifiers.maths.domains import with_domains
from distill.verifiers.maths.reader import Reader
from distill.verifiers.maths.tokens import END, Token, Unreadable, tokenize
from distill.verifiers.maths.trees import Node, walk
from distill.verifiers.maths.unit_words import is_unit_token

MAX_KEPT_CHARS = 300  # trees of longer texts are not kept in memory


def read(text: str, *, thousands: bool = False, wide_slash: bool = False) -> Node | None:
    """The tree of a whole answer in plain spelling; None for what is no formula.

    Letters in brackets that may be a unit are one, "km", unless nothing can be read so.

    Args:
        thousands: take "1,234" outside brackets for one number, not for two.
        wide_slash: take "E/kT" for a quotient by both names, as physics writes it.
    """
    if len(text) > MAX_KEPT_CHARS:
        return _read_anew.__wrapped__(text, thousands, wide_slash)
    return _read_anew(text, thousands, wide_slash)


@lru_cache(maxsize=4096)
def _read_anew(text: str, thousands: bool, wide_slash: bool) -> Node | None:
    try:
        tokens = tokenize(with_domains(text), thousands=thousands)
    except Unreadable:
        return None
    tree = _tree(tokens[:], wide_slash=wide_slash, lettered=False)
    if tree is None and any(map(is_unit_token, tokens)):
        tree = _tree(tokens, wide_slash=wide_slash, lettered=True)
        return tree if tree and not any(part.kind == "text" for part in walk(tree)) else None
    return tree


def _tree(tokens: list[Token], *, wide_slash: bool, lettered: bool) -> Node | None:
    reader = Reader(tokens)
    reader.wide_slash, reader.lettered = wide_slash, lettered
    try:
        tree = reader.items()
    except (Unreadable, RecursionError):
        return None
    return tree if reader.now is END and _is_sound(tree) else None


_WHOLE = frozenset(("list", "set", "relation", "cases", "builder"))
_SETS = frozenset(("group", "matrix", "union", "inter", "minus"))
_HOLDS_WHOLE = _WHOLE | _SETS | {"apply", "big", "mod", "unit"}


def _is_sound(tree: Node) -> bool:
    """No list or relation stands inside arithmetic."""
    return all(
        node.kind in _HOLDS_WHOLE or not any(part.kind in _WHOLE for part in node.parts)
        for node in walk(tree)
    )

"""What a formula's smallest parts are: numbers, names, functions, brackets, fractions, tables."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from distill.verifiers.maths.brackets import (
    read_angled,
    read_argument_text,
    read_bars,
    read_braces,
    read_environment,
    read_floor,
    read_group,
    read_set,
)
from distill.verifiers.maths.literals import read_number
from distill.verifiers.maths.tokens import Token, Unreadable
from distill.verifiers.maths.trees import EMPTY, INFINITY, PI, REALS, E, I, Node, raised, times

if TYPE_CHECKING:
    from distill.verifiers.maths.reader import Reader

_SYMBOL_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    hbar ell odot oplus mho nabla partial triangle angle star dagger prime perp parallel top
    setN setZ setQ setC setP aleph
"""
_FUNCTION_NAMES = """
    sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech
    csch arcsinh arccosh arctanh cis ln log lg exp abs floor ceil gcd lcm max min sgn det dim
    rank tr
"""
_ACCENT_NAMES = """
    vec hat bar overline tilde dot ddot overrightarrow widehat widetilde
"""
SYMBOLS, FUNCTIONS = frozenset(_SYMBOL_NAMES.split()), frozenset(_FUNCTION_NAMES.split())
ACCENTS = frozenset(_ACCENT_NAMES.split())
_SAME_ACCENTS = {
    "overline": "bar", "overrightarrow": "vec", "widehat": "hat", "widetilde": "tilde",
}  # fmt: skip
_BIG_OPERATORS = ("int", "iint", "iiint", "oint", "sum", "prod", "lim", "limsup", "liminf")
_SYNONYMS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "arsinh": "arcsinh", "arcosh": "arccosh",
    "artanh": "arctanh", "ceiling": "ceil", "cosec": "csc", "sign": "sgn",
}  # fmt: skip
_INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec",
    "csc": "arccsc", "sinh": "arcsinh", "cosh": "arccosh", "tanh": "arctanh",
}  # fmt: skip
_INFINITE = frozenset(("infty", "inf", "infinity", "oo", "Infinity"))
_APPLIED = frozenset(("P", "f", "g", "h", "F", "G", "H", "phi", "psi", "Phi", "Psi"))
_INVERSE = ("{", "-", "1", "}", "(")  # behind f^
_RUN = re.compile(r"(?:arc|a)?(?:sin|cos|tan|cot|sec|csc)h?|sqrt|log|ln|exp|pi|[A-Za-z]", re.ASCII)
_GLUED = re.compile(r"(?:sin|cos|tan|cot|sec|csc|log|ln)[a-z]|[a-zA-Z]pi|pi[a-zA-Z]|[a-z]?sqrt")


def read_atom(reader: "Reader") -> Node:
    """The part that starts at the reader's token.

    Raises: Unreadable when nothing starts there.
    """
    token = reader.now
    by_kind = _BY_KIND.get(token.kind)
    if by_kind is not None:
        return by_kind(reader)
    name = token.text.removeprefix("\\") if token.kind == "command" else token.text
    starts = _BY_NAME.get(name) if token.kind == "command" else _BY_SIGN.get(name)
    if starts is None:
        raise Unreadable
    reader.take()
    return starts(reader, name)


def starts_atom(token: Token) -> bool:
    """Can a factor without a sign before it start here?"""
    if token.kind == "command":
        return token.text[1:] in _BY_NAME
    if token.kind == "sign":
        return token.text in ("(", "[", "{", "\\{")
    return token.kind in ("number", "letters", "begin")


# --- names ------------------------------------------------------------------------


def read_letters(reader: "Reader") -> Node:
    """A run of letters: a function, a constant, a word, or variables side by side."""
    token = reader.now
    run = _SYNONYMS.get(token.text, token.text)
    named = _BY_NAME.get(run) if len(run) > 1 else None
    if named not in (None, _read_big) and run not in SYMBOLS | ACCENTS:
        reader.take()
        return named(reader, run)
    if run in _INFINITE:
        reader.take()
        return INFINITY
    if run in SYMBOLS:
        reader.take()
        return _subscripted(reader, run)
    if len(run) > 3 and not _GLUED.match(run) and list(run) != sorted(set(run)):
        reader.take()
        return Node("text", run)
    first = _RUN.match(run)[0] if _GLUED.match(run) or run.startswith("pi") else run[0]
    reader.split(len(first))
    return read_letters(reader) if len(first) > 1 else _variable(reader, reader.take().text)


def _variable(reader: "Reader", letter: str) -> Node:
    after = reader.now
    if letter == "e" and after.text != "_":
        return E
    if letter == "i" and after.text != "_":
        return I
    # "x1" is a name, "2x" a product
    if after.kind == "number" and not after.spaced and after.text.isdecimal():
        return _applied(reader, f"{letter}_{reader.take().text}")
    return _subscripted(reader, letter)


def _subscripted(reader: "Reader", name: str) -> Node:
    """A variable with its index and primes; a function when it is applied."""
    for _ in range(3):
        if name in _APPLIED and reader.now.text == "^" and reader.is_ahead(*_INVERSE):
            for _ in range(5):
                reader.take()
            name += "^-1"
        elif reader.skip("_"):
            name = f"{name}_{read_argument_text(reader)}"
        elif reader.skip("'"):
            name += "'"
        elif reader.now.text == "^" and reader.ahead().text == "\\prime":
            reader.take()
            reader.take()
            name += "'"
        elif reader.now.text == "^" and reader.is_ahead("{", "\\prime", "}"):
            for _ in range(4):
                reader.take()
            name += "'"
        else:
            break
    return _applied(reader, name)


def _applied(reader: "Reader", name: str) -> Node:
    """f(x) where f names a function, or where one number or name stands in the brackets."""
    if reader.now.text != "(" or reader.now.kind != "sign":
        return Node("sym", name)
    inner, closing = reader.ahead(), reader.ahead(2)
    is_short = closing.text == ")" and (
        inner.kind == "number" or (inner.kind == "letters" and len(inner.text) == 1)
    )
    is_short = is_short and not reader.now.spaced and inner.text != name
    is_short = is_short or (name == "C" and reader.is_pair())
    if re.split("['_^]", name)[0] not in _APPLIED and not is_short:
        return Node("sym", name)
    reader.take()
    found = reader.items()
    reader.expect(")")
    arguments = found.parts if found.kind == "list" else (found,)
    if name == "C" and len(arguments) == 2:
        return Node("call", "binom", arguments)
    return Node("apply", name, arguments)


def _read_symbol(reader: "Reader", name: str) -> Node:
    if name in ("triangle", "angle", "parallel", "odot") and reader.now.kind == "letters":
        points = reader.take().text
        if name == "angle" and len(points) == 3:  # the one at B, from either side
            points = min(points, points[::-1])
        name = f"{name} {points}"
    return _subscripted(reader, name)


def _read_accent(reader: "Reader", name: str) -> Node:
    if name == "overline" and reader.now.kind == "number":
        raise Unreadable
    inner = read_argument_text(reader)
    name = _SAME_ACCENTS.get(name, name)
    if len(inner) > 1 and inner.isalpha() and inner.isupper():
        return _between_points(name, inner)
    return _subscripted(reader, f"{name} {inner}")


def _between_points(name: str, points: str) -> Node:
    """A segment or an arc AB, whichever end comes first; a vector AB has a direction."""
    if name == "vec" and len(points) == 2:
        return Node("sym", f"vec {points}")
    return Node("mul", None, tuple(Node("sym", letter) for letter in points))


def _read_text(reader: "Reader") -> Node:
    return Node("text", reader.take().text)


# --- fractions, roots, functions --------------------------------------------------------------


def _argument(reader: "Reader", *, digits: int = 0) -> Node:
    """One TeX argument; of an unbraced number only so many digits (0: all)."""
    token = reader.now
    if digits and token.kind == "number" and token.text[0] != ".":
        if token.text[1:2] in (",", " "):
            raise Unreadable
        reader.split(digits)
        return read_number(reader)
    if token.kind == "letters" and not _is_named(token.text):
        reader.split(1)
        if reader.ahead().kind == "number":  # \frac x2: not the name x2
            letter = reader.take().text
            return {"e": E, "i": I}.get(letter) or Node("sym", letter)
    return read_atom(reader)


def _is_named(run: str) -> bool:
    return run in _BY_NAME or run in _SYNONYMS


def _read_fraction(reader: "Reader", name: str) -> Node:
    top = _argument(reader, digits=1)
    return Node("div", None, (top, _argument(reader, digits=1)))


def _read_binomial(reader: "Reader", name: str) -> Node:
    if reader.now.text == "(" and reader.now.kind == "sign":
        return _call(reader, "binom")
    top = _argument(reader, digits=1)
    return Node("call", "binom", (top, _argument(reader, digits=1)))


def _read_root(reader: "Reader", name: str) -> Node:
    degree = Fraction(2)
    if reader.skip("["):
        index = reader.items()
        reader.expect("]")
        return Node("call", "root", (_argument(reader), index))
    return Node("call", "root", (_argument(reader), Node("num", degree)))


def _read_cube_root(reader: "Reader", name: str) -> Node:
    return Node("call", "root", (_argument(reader), Node("num", Fraction(3))))


def _call(reader: "Reader", name: str) -> Node:
    """A function with its arguments in brackets."""
    reader.expect("(")
    found = reader.items()
    reader.expect(")")
    return Node("call", name, found.parts if found.kind == "list" else (found,))


def _read_function(reader: "Reader", name: str) -> Node:
    """A function, its base or power, and the argument with or without brackets."""
    base = power = None
    if name in ("max", "min") and reader.now.text == "=":  # of what was asked about
        return Node("sym", name)
    for _ in range(2):
        if reader.skip("_"):
            glued = reader.now.kind == "number" and not starts_atom(reader.ahead())
            base = _argument(reader, digits=int(glued))
        elif reader.skip("^"):
            power = reader.exponent()
    if base is not None and name not in ("log", "max", "min"):
        raise Unreadable
    if power == Node("neg", None, (Node("num", Fraction(1)),)) and name in _INVERSES:
        name, power = _INVERSES[name], None
    found = _function_argument(reader)
    arguments = found.parts if found.kind == "list" else (found,)
    if base is not None:
        arguments = (*arguments, base)
    node = Node("call", name, arguments)
    return node if power is None else raised(node, power)


def _function_argument(reader: "Reader") -> Node:
    token = reader.now
    if token.text == "(" and token.kind == "sign":
        reader.take()
        found = reader.items()
        reader.expect(")")
        return found
    if token.text == "{":
        return read_atom(reader)
    if token.text == "\\{":  # \max\{a, b\}
        found = read_atom(reader)
        return found._replace(kind="list", value=",") if found.kind == "set" else found
    sign = reader.take().text if token.text == "-" else "+"
    node = reader.power()
    while starts_atom(reader.now) and not _is_function(reader.now) and not reader.stops():
        node = times(node, reader.power())
    return Node("neg", None, (node,)) if sign == "-" else node


def _is_function(token: Token) -> bool:
    name = _SYNONYMS.get(token.text.removeprefix("\\"), token.text.removeprefix("\\"))
    return token.kind in ("command", "letters") and name in FUNCTIONS


def _read_big(reader: "Reader", name: str) -> Node:
    """A sum, an integral or a limit: read to its end, and left to algebra."""
    bounds = []
    for _ in range(2):
        if reader.now.text in ("_", "^") and reader.now.kind == "sign":
            side = reader.take().text
            bounds.append(Node("list", side, (_argument(reader, digits=1),)))
    return Node("big", name, (*bounds, reader.term()))


def _read_constant(reader: "Reader", name: str) -> Node:
    if name == "pi" and reader.now.text in ("_", "("):
        return _subscripted(reader, "pi") if reader.now.text == "_" else PI
    return {"pi": PI, "reals": REALS, "emptyset": EMPTY}.get(name, INFINITY)


_Named = Callable[["Reader", str], Node]
_BY_KIND: dict[str, Callable[["Reader"], Node]] = {
    "number": read_number,
    "letters": read_letters,
    "text": _read_text,
    "begin": read_environment,
}
_BY_SIGN: dict[str, _Named] = {
    "(": read_group, "[": read_group, "{": read_braces, "\\{": read_set, "|": read_bars,
}  # fmt: skip
_BY_NAME: dict[str, _Named] = {
    **dict.fromkeys(SYMBOLS, _read_symbol),
    **dict.fromkeys(ACCENTS, _read_accent),
    **dict.fromkeys(FUNCTIONS, _read_function),
    **dict.fromkeys(_BIG_OPERATORS, _read_big),
    **dict.fromkeys(("pi", "infty", "reals", "emptyset"), _read_constant),
    "frac": _read_fraction, "sqrt": _read_root, "cbrt": _read_cube_root, "binom": _read_binomial,
    "lvert": read_bars, "mid": read_bars, "lfloor": read_floor, "lceil": read_floor,
    "langle": read_angled,
}  # fmt: skip

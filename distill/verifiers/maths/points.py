"""Points at which two formulas are compared: names of either sign, small and large, or whole.

Formulas without jumps and corners agree everywhere once they agree at a few points. For those of
|x|, floor, max and their like every name takes signs and sizes of its own, values on both sides of
the numbers in the formula, and those where a jump is likely: whole numbers and halves. Beside an
even root all names but x, y and z are positive, as lengths and masses are: a \\sqrt b is
\\sqrt{a^2 b}, but x is not \\sqrt{x^2}. Where |a| or its like is written, a may be negative.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from random import Random

from distill.verifiers.maths.constants import Unknown, exact
from distill.verifiers.maths.trees import Node, symbols, walk

Point = Callable[[str], Fraction]

TRIES = range(14)
TRIES_AT_CORNERS = (*TRIES, 14, 15, 18, 19, 22, 23)  # without those for jumps
TRIES_AT_JUMPS = range(30)
FIRST_FEW = 15
MAX_SIZES = 16
MAX_SIZE = 10**9
_GRAIN = 1_000_003  # denominator of values: not one that formulas have

_WHOLE_CALLS = frozenset(("gcd", "lcm", "!", "!!", "!!!", "!!!!", "binom"))
_ROUNDED = frozenset(("floor", "ceil"))
_JUMPS = _WHOLE_CALLS | _ROUNDED | {"sgn"}
_CORNERS = frozenset(("abs", "max", "min"))
_VARIABLE = re.compile(r"[xyz](?:_.*)?")  # whose sign matters under a root
_WHOLE_LETTER = re.compile(r"[nmkNMKjl](?:_.*)?")  # what such a letter stands for inside a floor


def points(*formulas: Node) -> Iterator[Point]:
    """Points to compare formulas at; the first ones have positive values of one size."""
    whole = frozenset().union(*map(whole_names, formulas))
    tries = TRIES_AT_JUMPS if whole else max((_tries(node) for node in formulas), key=len)
    sizes = _sizes(formulas) if len(tries) > len(TRIES) else ()
    are_sizes = not any(map(_has_signs, formulas)) and any(map(_has_roots, formulas))
    for at in tries:
        yield partial(_value, at=at, whole=whole, sizes=sizes, are_sizes=are_sizes)


def _value(
    name: str, *, at: int, whole: frozenset[str], sizes: tuple[Fraction, ...], are_sizes: bool
) -> Fraction:
    if name in whole:
        return _whole(name, at, sizes)
    value = _real(name, at, sizes)
    return abs(value) or Fraction(1) if are_sizes and not _VARIABLE.fullmatch(name) else value


def is_smooth(*formulas: Node) -> bool:
    """Have they no corners, jumps or branches, so that a few points speak for all?"""
    return not any(whole_names(node) or _tries(node) is not TRIES for node in formulas)


def _tries(node: Node) -> Sequence[int]:
    parts = tuple(walk(node))
    if any(part.kind == "cases" or _is_call(part, _JUMPS) for part in parts):
        return TRIES_AT_JUMPS
    if any(map(_has_corner, parts)):
        return TRIES_AT_CORNERS
    return TRIES


def _is_call(node: Node, names: frozenset[str]) -> bool:
    return node.kind == "call" and node.value in names


def _has_signs(node: Node) -> bool:
    """Is a sign, a jump or a branch written out?"""
    calls = _CORNERS | _JUMPS
    return any(part.kind == "cases" or _is_call(part, calls) for part in walk(node))


def _has_roots(node: Node) -> bool:
    return any(_is_even_root(part) and symbols(part.parts[0]) for part in walk(node))


def _has_corner(node: Node) -> bool:
    """|x|, an even root of what may be a square, the arcsin of a sine."""
    if _is_call(node, _CORNERS) or (node.kind == "call" and node.value.startswith("arc")):
        return True
    return _is_even_root(node) and _may_be_square(node.parts[0])


def _is_even_root(node: Node) -> bool:
    """\\sqrt x, x^{3/2}; also a root of a degree that is no number."""
    if _is_call(node, frozenset(("root",))):
        return node.parts[1].kind != "num" or node.parts[1].value % 2 == 0
    if node.kind != "pow" or symbols(node.parts[1]):
        return False
    try:
        return exact(node.parts[1]).denominator % 2 == 0
    except Unknown:
        return False


def _may_be_square(node: Node) -> bool:
    """All but products and quotients of names, each once."""
    names = [part.value for part in walk(node) if part.kind == "sym"]
    is_plain = all(part.kind in ("sym", "num", "dec", "const", "mul", "div") for part in walk(node))
    return bool(names) and not (is_plain and len(set(names)) == len(names))


def whole_names(node: Node) -> frozenset[str]:
    """Names that stand for whole numbers: n of n!, (-1)^n, \\gcd(n, 2), \\lfloor n/2 \\rfloor."""
    found: set[str] = set()
    for part in walk(node):
        if part.kind == "pow" and part.parts[0].kind == "neg":
            found |= symbols(part.parts[1])
        elif part.kind == "unit" or (
            part.kind == "call" and part.value in _WHOLE_CALLS
        ):  # "n even", a condition
            found |= symbols(part)
        elif _is_call(part, _ROUNDED):
            found |= {name for name in symbols(part) if _WHOLE_LETTER.fullmatch(name)}
    return frozenset(found)


def _sizes(formulas: tuple[Node, ...]) -> tuple[Fraction, ...]:
    """Numbers in the formulas, their roots and reciprocals: what a name may have to exceed."""
    found: set[Fraction] = set()
    for part in (part for node in formulas for part in walk(node)):
        try:
            value = abs(exact(part)) if part.kind in ("num", "dec", "pow") else Fraction(0)
        except Unknown:
            continue
        if value in (0, 1) or not Fraction(1, MAX_SIZE) < value < MAX_SIZE:
            continue
        found |= {value, 1 / value, Fraction(round(float(value) ** 0.5 * 1000), 1000)}
        if len(found) > MAX_SIZES:
            break
    return tuple(sorted(found - {0}))


# --- real numbers -----------------------------------------------------------------------------

_Ranges = tuple[tuple[float, float], ...]
_RANGES: tuple[_Ranges, ...] = (  # of one point: each name takes one of its ranges
    ((1, 2),),
    ((0.2, 0.9),),
    ((2, 5),),
    ((-4, -0.1), (0.1, 4)),
    ((0.01, 0.2),),
    ((-0.9, -0.1),),
    ((5, 20),),
    ((-30, -3), (3, 30), (-1, 1)),
    ((-4, -1),),
    ((0.01, 1), (10, 100), (1000, 100_000)),
    ((-1, 0), (0, 1)),
    ((50, 2000),),
    ((-20, -5), (5, 20)),
    ((-100_000, -1000), (1000, 100_000), (-2, 2)),
)


@lru_cache(maxsize=4096)
def _real(name: str, at: int, sizes: tuple[Fraction, ...]) -> Fraction:
    random = Random(f"{at} {name}")
    if at < len(_RANGES):
        low, high = random.choice(_RANGES[at])
        return _grained(random.uniform(low, high))
    way = at % 4
    if way == 0:
        return Fraction(random.randrange(-4, 5))
    if way == 1:
        return Fraction(random.randrange(-9, 10), 2)
    if not sizes:
        return _grained(random.choice((-1, 1)) * 10 ** random.uniform(-2, 4))
    size = random.choice(sizes)
    if way == 2:
        return size * random.randrange(-3, 4)
    return size * _grained(random.uniform(-2.5, 2.5))


def _grained(value: float) -> Fraction:
    return Fraction(round(value * _GRAIN), _GRAIN)


# --- whole numbers ----------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _whole(name: str, at: int, sizes: tuple[Fraction, ...]) -> Fraction:
    """Positive: in turn one of the first few, anything, with many divisors, near the sizes."""
    turn, way = divmod(at, 2)
    if way == 0:
        return Fraction(_first_few(name)[turn % FIRST_FEW])
    random, steps = Random(f"{at} {name}"), [int(size) for size in sizes if size.denominator == 1]
    if steps and turn % 2:
        near = steps[turn // 2 % len(steps)] * random.randrange(1, 4)
        return Fraction(max(near + (0, 0, -1, 1)[random.randrange(4) if turn > 4 else 0], 1))
    if turn % 3 == 0:
        return Fraction(random.randrange(2, 60))
    if turn % 3 == 1:
        return Fraction(2 ** random.randrange(4) * 3 ** random.randrange(3) * random.choice((1, 5)))
    return Fraction(random.randrange(50, 5000))


@lru_cache(maxsize=512)
def _first_few(name: str) -> tuple[int, ...]:
    """1, 2, 3, ... in an order of the name's own."""
    return tuple(Random(name).sample(range(1, FIRST_FEW + 1), FIRST_FEW))

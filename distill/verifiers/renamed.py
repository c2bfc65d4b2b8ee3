"""Other names for the same: a vector by its unit vectors, a constant by another letter."""

from distill.recipe import MathPolicy
from distill.verifiers.identity import same_formula
from distill.verifiers.trees import PI, I, Node, number, replaced, symbols, walk

_ACCENTS = ("hat", "vec", "bar", "overline", "widehat")
_WHOLE_NUMBERS = frozenset("kmnl")


# --- vectors ----------------------------------------------------------------------------------


def with_components(first: Node, second: Node, policy: MathPolicy) -> tuple[tuple[Node, ...], ...]:
    """The parts of a tuple or column and of a sum such as "2i - 3j", in the order of the two;
    () for anything else."""
    vector, other = (first, second) if first.kind in ("group", "matrix") else (second, first)
    units = unit_vectors(other)
    parts = _parts(vector)
    if not units or len(parts) not in (2, 3) or not policy.vector_is_tuple:
        return ()
    found = _components(other, units, len(parts))
    if found is None:
        return ()
    return (parts, found) if vector is first else (found, parts)


def unit_vectors(node: Node) -> tuple[Node, ...]:
    """i, j and k as a formula writes them; () for one without j or k."""
    leaves = set(walk(node))
    for names in (
        (I, Node("sym", "j"), Node("sym", "k")),
        *(tuple(Node("sym", f"{accent} {name}") for name in "ijk") for accent in _ACCENTS),
    ):
        if leaves.intersection(names[1:]):
            return names
    return ()


def _parts(vector: Node) -> tuple[Node, ...]:
    if vector.kind == "group":
        return vector.parts if vector.value == "()" else ()
    if vector.kind == "matrix" and all(len(row.parts) == 1 for row in vector.parts):
        return tuple(row.parts[0] for row in vector.parts)
    return ()


def _components(node: Node, units: tuple[Node, ...], count: int) -> tuple[Node, ...] | None:
    """The factors of the unit vectors; None where something stands beside them."""

    def at(chosen: int | None, scale: int = 1) -> Node:
        found = node
        for place, unit in enumerate(units):
            found = replaced(found, unit, number(scale if place == chosen else 0))
        return found

    zero = number(0)
    if not same_formula(at(None), zero):
        return None
    for place in range(3):
        doubled = Node("mul", None, (number(2), at(place)))
        if not same_formula(at(place, 2), doubled):
            return None
        if place >= count and not same_formula(at(place), zero):
            return None
    return tuple(at(place) for place in range(count))


# --- constants --------------------------------------------------------------------------------


def with_same_constants(first: Node, second: Node) -> Node | None:
    """The second formula with the first one's letter for a constant that may have any value.

    "x^2 + c" beside "x^2 + C", "1 + 2\\pi n" beside "1 + 2\\pi k". None without such a letter.
    """
    names = symbols(first), symbols(second)
    ours, theirs = names[0] - names[1], names[1] - names[0]
    if len(ours) != 1 or len(theirs) != 1:
        return None
    (old,), (new,) = theirs, ours
    is_constant = {old, new} == {"c", "C"} and len(names[0]) > 1 and _is_linear(first, new)
    is_whole = {old, new} <= _WHOLE_NUMBERS and all(map(_is_angle, (first, second)))
    if not (is_constant or is_whole):
        return None
    return replaced(second, Node("sym", old), Node("sym", new))


def _is_linear(node: Node, name: str) -> bool:
    """A constant is added to something or multiplies it; "mc^2" has none."""
    low, middle, high = (replaced(node, Node("sym", name), number(value)) for value in range(3))
    bend = Node("add", None, (low, Node("mul", None, (number(-2), middle)), high))
    return same_formula(bend, number(0)) is True


def _is_angle(node: Node) -> bool:
    """a + b pi n: a whole multiple of pi, or of degrees, more or less."""
    terms = node.parts if node.kind == "add" else (node,)
    with_names = [term for term in terms if symbols(term)]
    return len(terms) > 1 and len(with_names) == 1 and PI in set(walk(with_names[0]))

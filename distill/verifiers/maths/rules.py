"""What the comparisons of whole answers share: the policy, and the way down to their parts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from distill.recipe import MathPolicy
from distill.verifiers.maths.identity import Same
from distill.verifiers.maths.trees import INFINITY, Node, signed, walk

MAX_COMPARISONS = 600  # of parts of two answers; what takes more is not decided
MAX_ITEMS = 40
MAX_SIGNS = 4  # plus-minus signs of one value

MINUS_INFINITY = Node("neg", None, (INFINITY,))
WHOLES = frozenset(("group", "matrix", "cases", "union", "inter", "minus", "builder"))
VALUES = frozenset(
    ("num", "dec", "sym", "const", "neg", "add", "mul", "div", "pow", "call", "apply", "deg")
) | {"percent"}


@dataclass
class Rules:
    """The policy of one comparison, and how two parts are compared under it."""

    policy: MathPolicy
    compare: Callable[[Node, Node, "Rules"], Same]
    left: int = MAX_COMPARISONS

    def same(self, first: Node, second: Node) -> Same:
        """Are two parts the same? None where that cannot be told, or not with so little work."""
        self.left -= 1
        return self.compare(first, second, self) if self.left > 0 else None

    def in_order(self, first: tuple[Node, ...], second: tuple[Node, ...]) -> Same:
        """The same parts in the same order."""
        if len(first) != len(second):
            return False
        return all_of(self.same(a, b) for a, b in zip(first, second, strict=True))

    def matched(self, first: tuple[Node, ...], second: tuple[Node, ...]) -> Same:
        """Can each part be paired with one of the other that is the same?"""
        if len(first) != len(second):
            return False
        rest, others = _without_twins(first, second)
        if len(others) > MAX_ITEMS:
            return None
        unknown = False
        for part in rest:
            found: list[Same] = []
            for other in others:
                found.append(self.same(part, other))
                if found[-1]:
                    break
            if True in found:
                others.pop(found.index(True))
            elif None in found:
                unknown = True
            else:
                return False
        return None if unknown else True


def _without_twins(
    first: tuple[Node, ...], second: tuple[Node, ...]
) -> tuple[list[Node], list[Node]]:
    """Both without what is written the same in the other."""
    rest, others = [], list(second)
    for part in first:
        if part in others:
            others.remove(part)
        else:
            rest.append(part)
    return rest, others


def all_of(found: Iterable[Same]) -> Same:
    """True if all are, False if one is False, else None."""
    unknown = False
    for here in found:
        if here is False:
            return False
        unknown = unknown or here is None
    return None if unknown else True


def any_of(found: Iterable[Same]) -> Same:
    """True if one is, False if all are False, else None."""
    unknown = False
    for here in found:
        if here:
            return True
        unknown = unknown or here is None
    return None if unknown else False


def is_value(node: Node) -> bool:
    """Is it arithmetic through and through?"""
    return all(part.kind in VALUES for part in walk(node))


# --- plus-minus -------------------------------------------------------------------------------


def sign_count(node: Node) -> int:
    """How many plus-minus signs there are."""
    return sum(part.kind == "pm" for part in walk(node))


def both_signs(node: Node) -> tuple[Node, ...]:
    """Both values of a formula with plus-minus signs: all above, all below."""
    if not sign_count(node):
        return (node,)
    return _chosen(node, (1,) * MAX_SIGNS), _chosen(node, (-1,) * MAX_SIGNS)


def all_signs(node: Node) -> tuple[Node, ...]:
    """The values for every choice of the signs."""
    count = min(sign_count(node), MAX_SIGNS)
    return tuple(_chosen(node, signs) for signs in product((1, -1), repeat=count))


def _chosen(node: Node, signs: tuple[int, ...]) -> Node:
    left = list(signs)

    def choose(part: Node) -> Node:
        if part.kind != "pm":
            return part._replace(parts=tuple(map(choose, part.parts))) if part.parts else part
        sign = left.pop(0) if left else 1
        inner = choose(part.parts[0])
        return inner if sign > 0 else signed("-", inner)

    return choose(node)

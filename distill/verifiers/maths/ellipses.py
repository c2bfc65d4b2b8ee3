"""What three dots leave out between numbers of equal steps: "1, 2, ..., 10", "1 + 2 + ... + n"."""

from fractions import Fraction
from itertools import pairwise

from distill.verifiers.maths.tokens import Unreadable
from distill.verifiers.maths.trees import Node, number, signed, walk

MAX_LISTED = 60  # a longer list is known by its first, its step and its last number
DOTS = Node("text", "\\ldots")


def listed(items: list[Node]) -> list[Node]:
    """The items with what the dots stand for.

    Raises: Unreadable where the numbers before the dots do not grow by equal steps.
    """
    at = items.index(DOTS)
    first, step = _progression(items[:at])
    after = items[at + 1 :]
    if not after:
        return [Node("apply", "\\ldots", (number(first), number(step)))]
    last = _value(after[0])
    if last is None:
        return [Node("apply", "\\ldots", (number(first), number(step), after[0])), *after[1:]]
    count = _steps(first, step, last) + 1
    if count > MAX_LISTED:
        return [Node("apply", "\\ldots", (number(first), number(step), *after[:1])), *after[1:]]
    return [*(number(first + step * index) for index in range(count)), *after[1:]]


def series(parts: list[Node], at: int) -> Node:
    """The sum with dots behind so many parts: the mean of its ends times the number of parts.

    Raises: Unreadable for other sums than of one end behind the dots.
    """
    first, step = _progression(parts[:at])
    if len(parts) != at + 1 or at < 2:
        raise Unreadable
    last = parts[at]
    if (value := _value(last)) is not None:
        return number((first + value) * (_steps(first, step, value) + 1) / 2)
    if any(part.kind in ("pow", "call") for part in walk(last)):
        raise Unreadable  # 1 + 2 + ... + 2^n
    ends = Node("add", None, (number(first), last))
    span = Node("add", None, (last, signed("-", number(first)), number(step)))
    return Node("div", None, (Node("mul", None, (ends, span)), number(2 * step)))


def _progression(items: list[Node]) -> tuple[Fraction, Fraction]:
    """First number and step; the step of one number is 1."""
    values = [_value(item) for item in items]
    if not values or None in values:
        raise Unreadable
    steps = {after - before for before, after in pairwise(values)} or {1}
    step = Fraction(steps.pop())
    if steps or not step:
        raise Unreadable
    return values[0], step


def _steps(first: Fraction, step: Fraction, last: Fraction) -> int:
    steps = (last - first) / step
    if steps.denominator != 1 or steps < 0:
        raise Unreadable
    return int(steps)


def _value(node: Node) -> Fraction | None:
    if node.kind == "neg":
        value = _value(node.parts[0])
        return None if value is None else -value
    return node.value if node.kind == "num" else None

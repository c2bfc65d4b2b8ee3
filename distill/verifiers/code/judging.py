"""Is what a program printed or returned what was expected: compared outside the sandbox."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from distill.verifiers.code.plain_values import decode


def same_output(printed: str, expected: str) -> bool:
    """LiveCodeBench's rule for stdout: line by line, as text or as exact decimal numbers.

    Space around the whole and around each line does not count; the number of lines does. Two lines
    that differ are the same when every word of both is a decimal number and all are equal: "1.0" is
    "1", "0.1000001" is not "0.1", "yes" is not "YES".
    Source: LiveCodeBench/LiveCodeBench:lcb_runner/evaluation/testing_util.py, grade_stdio.
    """
    found, wanted = _lines(printed), _lines(expected)
    return len(found) == len(wanted) and all(map(_same_line, found, wanted))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_line(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return _decimals(found) == _decimals(wanted)
    except InvalidOperation:
        return False


def _decimals(line: str) -> list[Decimal]:
    return [Decimal(word) for word in line.split()]


def same_value(found: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Does a tree that came out of the sandbox hold the expected value, as Python's == has it?

    Args:
        found: made by `encode`, or by a program that forged it: never evaluated, and hashed only
            where the expected value has as many entries.
        expected: a plain Python value.
        tolerance: of real numbers, absolute below 1 and relative above.
    """
    try:
        return _same(found, expected, tolerance)
    except (TypeError, ValueError, LookupError, ArithmeticError, RecursionError):
        return False


def truth(found: Any) -> bool | None:
    """bool() of the value that a tree holds; None for a forged tree."""
    if not isinstance(found, dict):
        return bool(found)
    if "?" in found:
        return found["true"] if isinstance(found.get("true"), bool) else None
    if len(found) != 1 or (next(iter(found)) == "c" and type(found["c"]) is not list):
        return None
    ((tag, content),) = found.items()
    return tag in ("i", "q", "n") or (any(content) if tag == "c" else bool(content))


def _same(found: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(found, list):
        return isinstance(expected, list) and _same_items(found, expected, tolerance)
    if not isinstance(found, dict):
        return _same_scalar(found, expected, tolerance)
    ((tag, content),) = found.items() if "?" not in found else (("?", None),)
    if tag == "t":
        return isinstance(expected, tuple) and _same_items(content, expected, tolerance)
    if tag == "s":
        return isinstance(expected, set | frozenset) and _same_set(content, expected)
    if tag == "d":
        return isinstance(expected, dict) and _same_pairs(content, expected, tolerance)
    return tag in ("i", "b", "c", "q") and _same_scalar(decode(found), expected, tolerance)


def _same_scalar(found: Any, expected: Any, tolerance: float) -> bool:
    if found == expected:
        return True
    reals = (int, float)
    if not tolerance or type(found) not in reals or type(expected) not in reals:
        return False
    return abs(found - expected) <= tolerance * max(1.0, abs(expected))


def _same_items(found: list[Any], expected: Iterable[Any], tolerance: float) -> bool:
    expected = tuple(expected)
    return len(found) == len(expected) and all(
        _same(one, other, tolerance) for one, other in zip(found, expected, strict=True)
    )


def _same_set(found: list[Any], expected: set[Any] | frozenset[Any]) -> bool:
    if len(found) != len(expected):
        return False
    items = [frozenset(one) if isinstance(one, set) else one for one in map(decode, found)]
    return all(one in expected for one in items) and len(set(items)) == len(expected)


def _same_pairs(found: list[Any], expected: dict[Any, Any], tolerance: float) -> bool:
    if len(found) != len(expected):
        return False
    pairs = [(decode(key), one) for key, one in found]
    return (
        all(key in expected for key, _ in pairs)
        and len({key for key, _ in pairs}) == len(expected)
        and all(_same(one, expected[key], tolerance) for key, one in pairs)
    )

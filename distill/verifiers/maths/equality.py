"""Are two final answers the same: exact and cheap comparisons, None where algebra is needed."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from distill.recipe import MathPolicy
from distill.verifiers.maths import structures
from distill.verifiers.maths.counts import as_counts
from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.identity import is_huge
from distill.verifiers.maths.numerals import is_numeral, same_numeral
from distill.verifiers.maths.phrases import meaning, same_meaning, same_words, worded
from distill.verifiers.maths.quantities import is_beside_words, read_quantity, same_number
from distill.verifiers.maths.ratios import is_ratio, same_ratio
from distill.verifiers.maths.spelled import quantity_in_words
from distill.verifiers.maths.spelling import MAX_CHARS, TEXT_BOX, plain
from distill.verifiers.maths.times import is_time, read_date, same_date, same_time
from distill.verifiers.maths.trees import Node, walk
from distill.verifiers.worker import WorkerFailure

__all__ = ["Ask", "Comparison", "compare", "decide", "meaning", "worded"]

MAX_ALGEBRA_CHARS = 1500  # no answer that needs algebra is longer
MAX_BRACKETS = 20  # inside each other
MUCH_LONGER = 20  # an answer so many times as long as the reference is another one
DEFAULT = MathPolicy()

_MISREAD = frozenset(("gcd", "lcm", "cross"))

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends a task to a worker process and returns its reply; raises WorkerFailure."""


class Comparison(msgspec.Struct, frozen=True):
    """The outcome of the cascade: `equal` is None where no exact step can tell."""

    equal: bool | None
    route: str


Step = Callable[[str, str, MathPolicy], bool | None]
"""One step of the cascade: plain reference and plain answer to equal, different or cannot tell."""


def compare(reference: str, answer: str, policy: MathPolicy = DEFAULT) -> Comparison:
    """Compare an answer with the reference in this process, in tens of microseconds.

    Runs the steps of CASCADE in order, then reads both as formulas; the first that can tell
    decides. Text of the model is never evaluated. Only an answer, not a reference, may be a
    sentence that states the word asked for, a calculation that ends in the value ("a + b = 20"),
    or have a decimal comma ("3,14").
    """
    reference, answer = _spelled(reference, answer)
    if len(reference) > MAX_CHARS or len(answer) > MAX_CHARS:
        return Comparison(equal=_same_long(reference, answer), route="text")
    for route, step in CASCADE.items():
        equal = step(reference, answer, policy)
        if equal is not None:
            return Comparison(equal=equal, route=route)
    return _compare_formulas(reference, answer, policy)


def decide(
    reference: str, answer: str, policy: MathPolicy = DEFAULT, ask: Ask | None = None
) -> Comparison:
    """Compare; ask the worker's algebra for what that cannot tell.

    Returns: `equal` None with route "bad-reference" for a reference that nobody can read; False
        for an answer that this project's own reader cannot read from end to end.
    Raises: WorkerFailure when the worker ran into its deadline, died or raised, or was not even
        asked because its algebra would not end: a tower of powers, brackets too deep.
    """
    compared = compare(reference, answer, policy)
    if compared.equal is not None or ask is None:
        return compared
    reference, answer = _spelled(reference, answer)
    if len(answer) > MAX_ALGEBRA_CHARS or len(reference) > MAX_ALGEBRA_CHARS:
        if len(answer) > MUCH_LONGER * len(reference):
            return Comparison(equal=False, route="too-long")
        raise WorkerFailure("not tried: too long for algebra", cause="deadline")
    if _is_endless(answer) or _is_endless(reference):
        raise WorkerFailure("not tried: its algebra would not end", cause="deadline")
    if not is_understood(answer):  # math-verify would find a formula in any garbage
        return Comparison(equal=False, route="unreadable")
    if any(_is_misread(tree) for text in (reference, answer) for tree in _readings(text)):
        return Comparison(equal=False, route="unreadable")
    if is_beside_words(reference, answer):
        return Comparison(equal=False, route="units")
    reply = ask({"kind": "math", "reference": reference, "answer": answer})
    if reply.get("unreadable") == "reference" and not is_understood(reference):
        return Comparison(equal=None, route="bad-reference")
    return Comparison(equal=reply.get("equal") is True, route="math-verify")


_OPTION = re.compile(
    r"(?:\\text\s*\{\s*\([A-J]\)\s*\}|(\\text\s*\{)\s*\([A-J]\)\s+|\([A-J]\)(?=[\s\\]))[\s:]*(?=[^\s})])"
)


def _spelled(reference: str, answer: str) -> tuple[str, str]:
    """Both in the one spelling; the answer without "(B)" before a value if that is asked for."""
    reference, answer = plain(reference), plain(answer)
    label = _OPTION.match(answer) if not _OPTION.match(reference) else None
    return reference, plain((label[1] or "") + answer[label.end() :]) if label else answer


def _is_misread(tree: Node) -> bool:
    """Would math-verify take a function of it for a product of letters, or drop its arguments?"""
    return any(part.kind == "call" and part.value in _MISREAD for part in walk(tree))


def _is_endless(text: str) -> bool:
    """Would algebra hang on it: deep brackets, or numbers too long to be written out?"""
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    if deepest > MAX_BRACKETS:
        return True
    return any(is_huge(part) for tree in _readings(text) for part in walk(tree))


# --- characters -------------------------------------------------------------------------------

_LOOSE_SPACE = re.compile(r"(?<!\d)\s+|\s+(?!\d)")  # "2 1/2" is not "21/2"


def same_text(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """True for the same characters; different characters may still mean the same."""
    if reference == answer:
        return True if reference else None
    if " " not in reference and " " not in answer and "\\text" not in reference + answer:
        return None
    squeezed = [_LOOSE_SPACE.sub("", TEXT_BOX.sub(r"\1", text)) for text in (reference, answer)]
    return True if squeezed[0] == squeezed[1] and squeezed[0] else None


_DIGITS = re.compile(r"[-+]?[\d,]+", re.ASCII)


def _same_long(reference: str, answer: str) -> bool | None:
    """The same characters, or whole numbers of any length, digit by digit."""
    if reference == answer:
        return True
    if not (_DIGITS.fullmatch(reference) and _DIGITS.fullmatch(answer)):
        return None
    digits = [text.replace(",", "").lstrip("+") for text in (reference, answer)]
    signs = [text.startswith("-") for text in digits]
    bare = [text.lstrip("-").lstrip("0") for text in digits]
    return bare[0] == bare[1] and (signs[0] == signs[1] or not bare[0])


def same_number_or_list(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Exact numbers; where both could be lists, such as "100,200", only a match decides."""
    equal = same_number(reference, answer, policy)
    return None if equal is False and "," in reference and "," in answer else equal


def same_spelled_number(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """ "four" beside 4, "five apples" beside 5."""
    spelled = [quantity_in_words(text) for text in (reference, answer)]
    if spelled == [None, None]:
        return None
    return same_number(spelled[0] or reference, spelled[1] or answer, policy)


# --- formulas ---------------------------------------------------------------------------------

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d\d\d?)*,\d{3}(?!\d)")


_SLASHED = re.compile(r"/\s?\\?[A-Za-z]")


def _compare_formulas(reference: str, answer: str, policy: MathPolicy) -> Comparison:
    """Every reading of the two; one in which they are the same is enough."""
    route, results = "", []
    for first in _readings(reference):
        for second in _readings(answer):
            found, route = structures.same(first, second, policy), structures.route(first)
            if found:
                return Comparison(equal=True, route=route)
            results.append(found)
    if results and None not in results:
        return Comparison(equal=False, route=route)
    if not results and is_understood(reference) and is_understood(answer):
        return Comparison(equal=False, route="kinds")  # a time and a formula, a word and a number
    return Comparison(equal=None, route="")


def is_understood(text: str) -> bool:
    """Is it anything that the steps above can read?"""
    if _readings(text) or read_quantity(text) is not None or worded(text) is not None:
        return True
    return is_time(text) or is_ratio(text) or read_date(text) is not None or is_numeral(text)


def _readings(text: str) -> list[Any]:
    """The trees of a text: commas between three digits may group them or part a list."""
    if len(text) > MAX_CHARS:
        return []
    trees = [read(text)]
    if _THOUSANDS.search(text):
        trees.append(read(text, thousands=True))
    if _SLASHED.search(text) and (wide := read(text, wide_slash=True)) != trees[0]:
        trees.append(wide)
    trees = [tree for tree in trees if tree is not None]
    return [*trees, *(other for tree in trees if (other := as_counts(tree)) != tree)]


CASCADE: dict[str, Step] = {
    "text": same_text,
    "number": same_number_or_list,
    "numeral": same_numeral,
    "phrase": same_meaning,
    "time": same_time,
    "ratio": same_ratio,
    "date": same_date,
    "spelled": same_spelled_number,
    "words": same_words,
}

"""Is what a text states the reference: an option, several values or boxes, words in a sentence."""

import re

from distill.recipe import MathPolicy
from distill.verifiers.maths.equality import Ask, Comparison, decide, worded
from distill.verifiers.maths.spelling import TEXT_BOX, plain
from distill.verifiers.texts.answers import Extracted
from distill.verifiers.texts.claims import stated
from distill.verifiers.texts.labelled_parts import read_labelled_parts
from distill.verifiers.texts.option_labels import (
    Option,
    choice_letter,
    read_option,
    several_options,
)
from distill.verifiers.texts.reading import is_prose, says
from distill.verifiers.texts.values import FAILS, REJECTED, holds_value

MAX_LIST_CHARS = 4000  # a longer answer is no list of labelled parts, and no remark on itself
WRONG_OPTION = Comparison(equal=False, route="option")


def decide_stated(
    reference: str, found: Extracted, policy: MathPolicy, ask: Ask | None
) -> Comparison:
    """Is what was stated the reference?

    A statement of several values is right as a whole, or if every one of them is (0.5 and 1/2).
    For a reference of several parts so many boxes from the end are tried too. Algebra is not asked
    about prose, in which it would find a formula only by mistake.
    Raises: WorkerFailure, as decide.
    """
    if option := read_option(reference):
        return _decide_option(option, found, policy, ask)
    if _takes_itself_back(found.answer) and plain(found.answer) != plain(reference):
        return Comparison(equal=False, route="denied")
    # a word is looked for in the sentence: "23 May is a Saturday" has no number to pick
    text = found.claim if found.claim and worded(plain(reference)) else found.answer
    compared = _decide_text(reference, text, policy, ask)
    if compared.equal is not False or not (found.parts or found.earlier or found.claim):
        return compared
    return _decide_parts(reference, found, policy, ask) or compared


def _decide_text(reference: str, answer: str, policy: MathPolicy, ask: Ask | None) -> Comparison:
    """The answer as it is, without its own announcement, or as what it lists."""
    options = several_options(reference), several_options(answer)
    if all(options):
        return Comparison(equal=options[0] == options[1], route="options")
    labelled = _decide_labelled(reference, answer, policy, ask)
    if labelled is not None:
        return labelled
    inner = _announced(answer) or _value_of_option(answer) or _without_reason(answer)
    prose = is_prose(answer)
    compared = decide(reference, answer, policy, None if prose or inner else ask)
    if inner and not compared.equal:
        return decide(reference, inner, policy, ask)
    if compared.equal is None and prose:
        return Comparison(equal=False, route="prose")
    return compared


def _decide_parts(
    reference: str, found: Extracted, policy: MathPolicy, ask: Ask | None
) -> Comparison | None:
    """The values one by one, the boxes before, the whole sentence; None where none is right."""
    if found.parts and all(decide(reference, part, policy, None).equal for part in found.parts):
        return Comparison(equal=True, route="each")
    wanted = count_parts(reference)
    if 1 < wanted <= len(found.earlier):
        joined = decide(reference, ", ".join(found.earlier[-wanted:]), policy, ask)
        if joined.equal:
            return joined
    if found.claim not in ("", found.answer) and not says(found.claim):
        whole = decide(reference, found.claim, policy, None)  # "f(x) = x, f(x) = -x"
        return whole if whole.equal else None
    return None


def _decide_labelled(
    reference: str, answer: str, policy: MathPolicy, ask: Ask | None
) -> Comparison | None:
    """ "(a) 5 (b) 7" beside the same or "5, 7": part by part, in order; None for other texts."""
    parts = [read_labelled_parts(text) for text in (reference, answer)]
    if parts == [None, None] or len(reference) + len(answer) > MAX_LIST_CHARS:
        return None
    ours, theirs = (
        part or tuple(split_list(text))
        for part, text in zip(parts, (reference, answer), strict=True)
    )
    if len(ours) != len(theirs):
        return None
    results = [decide(one, other, policy, ask) for one, other in zip(ours, theirs, strict=True)]
    unknown = next((result for result in results if result.equal is None), None)
    equal = all(result.equal for result in results)
    return unknown or Comparison(equal=equal, route="parts")


def split_list(text: str) -> list[str]:
    """A list at its commas and semicolons outside of brackets."""
    text = text.strip().strip("$")
    depth, start, parts = 0, 0, []
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character in ",;" and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def count_parts(reference: str) -> int:
    """How many values a list has: commas outside of brackets, and the word "and"."""
    depth, parts = 0, 1
    for character in reference.replace("\\text{and}", ",").replace(" and ", ","):
        depth += character in "([{"
        depth -= character in ")]}"
        parts += character == "," and depth == 0
    return parts


# --- options ----------------------------------------------------------------------------------


def _decide_option(
    option: Option, found: Extracted, policy: MathPolicy, ask: Ask | None
) -> Comparison:
    """A letter and a value beside a reference of both: what is said must agree with it."""
    said = read_option(found.answer)
    letter = choice_letter(found.answer) or choice_letter(found.answer.strip().upper())
    if said is None:
        compared = decide_stated(option.value, found, policy, ask)
        is_letter = letter == option.letter and not compared.equal
        return Comparison(equal=True, route="choice") if is_letter else compared
    if said.letter != option.letter:
        return WRONG_OPTION
    return decide(option.value, said.value, policy, ask)


def _value_of_option(answer: str) -> str | None:
    """12 of "B. 12", for a reference that is 12."""
    option = read_option(answer)
    return None if option is None else option.value


# --- boxes with words -------------------------------------------------------------------------

_BOXED_WORDS = re.compile(r"\\(?:text|mbox|textbf|textrm|textit)\s*\{")
_DENIED = re.compile(
    rf"\b(?:not|never)\b|\b(?:is|are|was|seems)(?: an?)? {REJECTED}|^{REJECTED}|\(\s*{REJECTED}"
    rf"|[\d)}}]\s*,?\s*(?:{REJECTED}|{FAILS})|(?:isn|doesn|can|won)['’]t\b",
    re.IGNORECASE,
)


def _takes_itself_back(answer: str) -> bool:
    """Is it a value with words that say it is none: "x = 5 \\text{ is extraneous}"?"""
    if len(answer) > MAX_LIST_CHARS:
        return False
    if "text" not in answer and "box" not in answer and not is_prose(answer):
        return False
    flat = re.sub(r"\s+", " ", TEXT_BOX.sub(r" \1 ", answer))
    return holds_value(flat) and _DENIED.search(flat) is not None


def _announced(answer: str) -> str | None:
    """5 of "\\text{The minimum is } 5" or "\\text{Answer: } 5"."""
    if not _BOXED_WORDS.search(answer) or not says(TEXT_BOX.sub(r" \1 ", answer)):
        return None
    flat = re.sub(r"\s+", " ", TEXT_BOX.sub(r" \1 ", answer)).strip()
    lead = _ANNOUNCES.match(flat)
    if lead is None:
        return None
    told = stated(flat[lead.end() :], leads=True).values
    return ", ".join(told) or None


_REASON = re.compile(r"(?:\\text\s?\{\s?)?\b(?:because|since|due to)\b", re.IGNORECASE)


def _without_reason(answer: str) -> str | None:
    """7 of "7 \\text{ because } 2x = 14"."""
    reason = _REASON.search(answer[:MAX_LIST_CHARS])
    value = answer[: reason.start()].strip(" ,\n") if reason else ""
    return value if value and not is_prose(value) else None


_ANNOUNCES = re.compile(
    r"(?:[A-Za-z][A-Za-z'’ -]{0,80}\b(?:is|are|equals|be)\b(?: equal to)?:?"
    r"|[A-Za-z][A-Za-z ]{2,40}:)\s*(?=\S)",
    re.IGNORECASE,
)

"""Multiple choice: the letter that a completion names."""

import re

from distill.verifiers.answers import (
    NOTHING,
    STATED_CHARS,
    Extracted,
    extract_answer,
    extract_closed,
)

MAX_OPTION_CHARS = 1000

_REFERENCE = re.compile(r"\\text\{\s*\(?([A-J])\)?\.?\s*\}|\(?([A-J])\)?\.?")
_LETTER = re.compile(r"(?:\\text(?:bf)?\{|option|choice|\W)*([A-J])(?![A-Za-z'])", re.IGNORECASE)
_STATED = re.compile(
    r"(?:answer|option|choice)\s*(?:is|should be|must be|would be|:|=)?[\s:*]{0,8}"
    r"(?:option|choice)?[\s*]{0,8}(?:\\text\{|\$|\\\()?\(?([A-J])(?![A-Za-z'])",
    re.IGNORECASE,
)
_PARENTHESISED = re.compile(r"\(([A-J])\)")
_OPTION = re.compile(r"^[^\S\n]*\(?([A-J])[).:]\s+(.+)", re.MULTILINE)


def choice_letter(reference: str) -> str | None:
    """The letter of a reference such as "C", "(C)" or "\\text{(C)}"; None for anything else."""
    match = _REFERENCE.fullmatch(reference.strip().strip("$").strip())
    return None if match is None else match[1] or match[2]


def extract_choice(text: str, question: str = "") -> Extracted:
    """The letter that an answer text settles on, or the letter whose option it repeats in words."""
    if letter := choice_letter(text[:MAX_OPTION_CHARS]):
        return Extracted(letter, "letter")
    closed = extract_closed(text)
    if closed.answer is not None:
        letter = _letter_of(closed.answer) or _option_letter(closed.answer, question)
        return Extracted(letter or closed.answer, closed.route, closed.claim)
    tail = text[-STATED_CHARS:]
    for route, pattern in (("letter", _STATED), ("conclusion", _PARENTHESISED)):
        found = [match for match in pattern.finditer(tail) if _is_letter(match[1])]
        if found:
            return Extracted(found[-1][1].upper(), route)
    stated = extract_answer(text)
    letter = _letter_of(stated.claim) if len(stated.claim) <= 4 else None
    letter = letter or _option_letter(stated.claim, question)
    return Extracted(letter, stated.route) if letter else NOTHING


def _letter_of(answer: str) -> str | None:
    """The letter at the head of an answer: "B", "(B)", "B. Circle", "\\text{B}", "option B"."""
    match = _LETTER.match(answer[:MAX_OPTION_CHARS])
    return match[1].upper() if match and _is_letter(match[1]) else None


def _is_letter(text: str) -> bool:
    # a lower-case letter is an article or a variable
    return text.isupper()


def _option_letter(answer: str, question: str) -> str | None:
    """The letter of the one option of the question that says the same as the answer."""
    wanted = _squeezed(answer[:MAX_OPTION_CHARS])
    letters = [letter for letter, text in _OPTION.findall(question) if _squeezed(text) == wanted]
    return letters[0] if len(letters) == 1 and wanted else None


def _squeezed(text: str) -> str:
    return re.sub(r"[\s$.\\]+", "", text).casefold()

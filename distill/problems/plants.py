"""Copies of a text with light edits: what a check for copies has to find all the same."""

import re

_FORMULA = re.compile(r"(\$\$?)(.+?)\1", re.DOTALL)
_NUMBER = re.compile(r"(?<![\d.,])[1-9]\d{3,}(?![\d.,])")
_UNSAID = re.compile(r"(?<=[a-z])[.,;:?](?=\s|$)")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,12}(?![A-Za-z])")
MAX_WORD_LETTERS = 12


def edits(text: str) -> dict[str, str]:
    """The text with each kind of light edit that leaves what it says untouched, by its name."""
    return {
        "verbatim": text,
        "case": text.upper(),
        "punctuation": _UNSAID.sub("", text),
        "spacing": "  " + text.replace(" ", " \n "),
        "latex": _FORMULA.sub(r"\\(\2\\)", text).replace("\\frac", "\\dfrac"),
        "dollars": text.replace("$", "") if "\\" in text or "{" not in text else text,
        "numbers": _NUMBER.sub(lambda found: f"{int(found[0]):,}", text),
        "framed": f"Here is a question. {text}\nShow how you got there.",
    }


def one_word_changed(text: str, *, drop: bool = False) -> str | None:
    """The text with its middle word changed or dropped; None if it has no word to change."""
    words = list(_WORD.finditer(text))
    if not words:
        return None
    middle = words[len(words) // 2]
    return f"{text[: middle.start()]}{'' if drop else 'zebra'}{text[middle.end() :]}"


def in_completion(text: str) -> str:
    """A model's completion that has the text in its middle."""
    return (
        f"<think>\nOkay, let me see what is known here.\n{text}\nWait, is that so?\n</think>\nYes."
    )

"""A text without its formulas and code: what is left is prose."""

MAX_FORMULA_CHARS = 300  # what is longer between two dollar signs is prose between two prices

_MARKS = (("```", "```"), ("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"), ("`", "`"))


def without_formulas(text: str, most: int | None = None) -> str:
    """The text with a space for each formula and piece of code between two marks; linear time.

    A mark that nothing closes stays as it is.

    Args:
        most: characters of the longest formula; None for any length.
    """
    for opening, closing in _MARKS:
        if opening in text:
            text = " ".join(_around(text, opening, closing, len(text) if most is None else most))
    return text


def _around(text: str, opening: str, closing: str, most: int) -> list[str]:
    parts, done, at, end = [], 0, 0, -1
    while (start := text.find(opening, at)) >= 0:
        inner = start + len(opening)
        if end < inner and (end := text.find(closing, inner)) < 0:
            break
        at = inner
        if end - inner <= most:
            parts.append(text[done:start])
            done = at = end + len(closing)
    return [*parts, text[done:]]

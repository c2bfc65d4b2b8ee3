"""Texts of models made harmless to look at: what is invisible is shown, what is long is cut."""

import re

MAX_CELL_CHARS = 200
_HIDDEN = re.compile(  # C0 and C1 but tab and newline, direction marks, zero width, half characters
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def printable(text: str) -> str:
    r"""Control characters, direction marks, what has no width and lone surrogates as escapes.

    So no text drives a terminal, turns its line around or says what is not seen: "\x1b", "\u202e".
    """
    return _HIDDEN.sub(_escape, text)


def cut(text: str, limit: int = MAX_CELL_CHARS) -> str:
    """The text on one line, its end left out when it is longer than the limit."""
    line = " ".join(text[: 4 * limit].split())
    if len(line) <= limit and len(text) <= 4 * limit:
        return line
    return line[: limit - 1] + "…"


def code_span(text: str) -> str:
    """Markdown in which the text is code, whatever it holds; for a cell of a table too."""
    line = " ".join(printable(text).split()).replace("|", "\\|")
    if not line:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _escape(match: re.Match) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

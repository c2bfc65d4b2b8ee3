"""What does not belong in a chain of thought: walls of text, blocks of program text."""

import re

from distill.filters.formulas import without_formulas

_LETTERS = re.compile(r"[^\W\d_]+")
MIN_LETTERS_SHARE = 0.3  # of the characters of prose; a listing of numbers or a table has fewer

_CODE_BLOCK = re.compile(
    r"```|^[ \t]*~~~|<(?:pre|code)\b|\\begin\{(?:lstlisting|verbatim|minted)\}"
    r"|^[ \t]*(?:async )?def \w+\((?=.*\)).*:[ \t]*$|^[ \t]*class \w+(?:\(.*\))?:$"
    r"|^[ \t]*(?:(?:from [\w.]+ )?import [\w.]+(?: as \w+)?$|from [\w.]+ import .+$)"
    r"|^[ \t]*#include\s*[<\"]|^[ \t]*(?:public |static )*(?:int|void) main\s*\(|^>>> \S",
    re.MULTILINE,
)
_CODE_SIGNS = (
    "```", "~~~", "<pre", "<code", "\\begin{lst", "\\begin{verb", "\\begin{mint",
    "def ", "class ", "import ", "#include", "main(", "main (", ">>> ",
)  # fmt: skip
_ASKS_FOR_CODE = re.compile(
    r"```|^[ \t]*(?:def|class) \w+.*:|\bstd(?:in|out)\b|\bstandard (?:in|out)put\b"
    r"|\b(?:python|java|javascript|typescript|c\+\+|rust|golang|haskell|sql)\b"
    r"|\b(?:write|implement|code|complete|fix|debug|provide|give|create)\b[^.\n]{0,60}"
    r"\b(?:program|function|code|script|method|subroutine|algorithm|class|query|pseudocode)\b"
    r"|\bfunction (?:called|named|signature)\b|\binput specification\b|\bsource code\b",
    re.IGNORECASE | re.MULTILINE,
)
MAX_QUESTION_CHARS = 20_000


def longest_paragraph_chars(text: str, most: int = 0) -> int:
    """Characters of the longest stretch of prose without a line break, formulas left out.

    A line of a table or of numbers is no prose: its length is 0. Lines of up to `most` characters
    are passed over.
    """
    lines = [line for line in text.splitlines() if len(line) > most]
    return max(map(_prose_chars, lines), default=0)


def _prose_chars(line: str) -> int:
    line = line.strip()
    if line.startswith("|") and line.count("|") > 2:
        return 0
    line = without_formulas(line).strip()
    letters = sum(map(len, _LETTERS.findall(line)))
    return len(line) if letters >= MIN_LETTERS_SHARE * len(line) else 0


def code_block(text: str) -> str | None:
    """The opening of the first block of program text (a fence, a tag, a `def` line), or None."""
    if not any(sign in text for sign in _CODE_SIGNS):
        return None
    found = _CODE_BLOCK.search(text)
    return None if found is None else found[0].strip()


def asks_for_code(question: str) -> bool:
    """Does a question ask for a program, so that one in the answer is in its place?"""
    return _ASKS_FOR_CODE.search(question[:MAX_QUESTION_CHARS]) is not None

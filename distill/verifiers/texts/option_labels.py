"""Options as a reference or an answer writes them: a letter, several, a letter with its value."""

import re
from functools import lru_cache
from typing import NamedTuple

MAX_LETTERS_CHARS = 120
MAX_OPTION_CHARS = 500

_LETTER = re.compile(r"\\(?:text|math)(?:bf|rm|it)?\{\s*\(?([A-J])\)?\.?\s*\}|\(?([A-J])\)?\.?")
_BOX = re.compile(r"\\(?:text|math|mbox)(?:bf|rm|it|sf|normal)?\s*\{([^{}]*)\}")


class Option(NamedTuple):
    """An option with its letter and what it says: "(B) 12"."""

    letter: str
    value: str


def choice_letter(reference: str) -> str | None:
    """The letter of a reference such as "C", "(C)" or "\\text{(C)}"; None for anything else."""
    match = _LETTER.fullmatch(reference.strip().strip("$").strip())
    return None if match is None else match[1] or match[2]


_GAP = r"(?:\s|~|\\[ ,;:!]|\\q?quad(?![a-z])|\\\\)*"
_BOXED = re.compile(
    r"\\(?:text|math)(?:bf|rm|it|sf)?\s*\{\s*"
    r"(?:\(([A-J])\)|([A-J])(?:[.):]|(?=\s*\}(?:\s|~|:|\\[ ,;:]|\\q?quad(?![a-z])))))"
    rf"(?:\s|~)*(?:\}}{_GAP}[:.]?{_GAP}(?P<outside>.+)|(?P<inside>[^{{}}]+)\}}(?P<unit>.*))",
    re.DOTALL,
)
_PLAIN = re.compile(
    r"(?:\(([A-H])\)(?:(?:\s|~|\\[ ,;:]|\\q?quad(?![a-z]))+|(?=[\d$\\]))"
    r"|([A-H])[.):](?:\s|~|\\[ ,;:])+)(?P<value>.+)",
    re.DOTALL,
)
_JOINS = re.compile(r"(?:[+*/=<>^,;&)}]|-\s|and\b|or\b|to\b|if\b|is\b)", re.IGNORECASE)
_ANOTHER = re.compile(r"(?:^|[\s,;}])(?:\([A-J]\)|[A-J][.):])(?=[\s\\$}~]|$)")


@lru_cache(maxsize=4096)
def read_option(text: str) -> Option | None:
    """Letter and value of "\\textbf{(B) }12", "\\text{B. 12}", "(B) 12", "B: 12", "B. 12"; None for
    a letter alone, for several options, for a formula that only starts with a letter."""
    bare = text.strip().strip("$").strip()
    if len(bare) > MAX_OPTION_CHARS:
        return None
    if match := _BOXED.fullmatch(bare):
        value = match["outside"] or f"\\text{{{match['inside'].strip()}}}{match['unit']}"
    elif match := _PLAIN.fullmatch(bare):
        value = match["value"]
    else:
        return None
    value = value.strip().strip("$").strip()
    if not value or _JOINS.match(_BOX.sub(r"\1", value).strip()) or _ANOTHER.search(value):
        return None
    return Option(match[1] or match[2], value)


# --- several ----------------------------------------------------------------------------------

_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩"
_MARK = r"\(?(?:[A-J]|[①-⑩])\)?"
_SEPARATOR = r"\s*(?:[,、;，；&]|and\b|和|与)?\s*(?:and\b)?\s*"
_SEVERAL = re.compile(rf"\(?{_MARK}(?:{_SEPARATOR}{_MARK})+\)?\.?(?:\s*only)?")


_SHORT = re.compile(r"[\s$({\\]*(?:[A-J①-⑩](?![a-z])|(?:text|math|mbox))")


@lru_cache(maxsize=4096)
def several_options(text: str) -> frozenset[str] | None:
    """The letters, or circled numbers, of "ACD", "A, C, D", "(A) and (C)", "①③"; None for others.

    Letters that stand together must be in the order of the alphabet: "BED" is a word.
    """
    if len(text) > MAX_LETTERS_CHARS or not _SHORT.match(text):
        return None
    bare = re.sub(r"[$~{}]|\\[ ,;!]|\\q?quad", " ", _BOX.sub(r" \1 ", text)).strip()
    if not _SEVERAL.fullmatch(bare):
        return None
    marks = re.findall(r"[A-J①-⑩]", bare)
    together = re.fullmatch(r"[A-J]+\.?", bare) is not None
    if len(set(marks)) < len(marks) or (together and marks != sorted(marks)):
        return None
    return frozenset(marks)


_ANNOUNCED = re.compile(
    r"(?:故选|应选|选择?|选项(?:是|为)|答案(?:是|为)?|正确的?(?:是|为|有|选项|结论)+"
    r"|\b(?:answers?|options?|choices?|letters?|statements?)(?: (?:is|are))?"
    r"(?: (?:options?|statements?))?)"
    rf"[\s:：*$(]*(?P<marks>{_MARK}(?:{_SEPARATOR}{_MARK})+)(?![A-Za-z0-9'’])"
)


def announced_options(text: str) -> str | None:
    """The last options that a text announces: "故选 ACD", "the correct options are A and C"."""
    flat = re.sub(r"\*\*|[$_{}]", "", _BOX.sub(r" \1 ", text))
    found = [match["marks"] for match in _ANNOUNCED.finditer(flat)]
    return found[-1] if found else None

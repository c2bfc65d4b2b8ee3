"""Boxes around final answers: where they are, what they hold, which of them belong together."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_BOXES = 16  # this many from the end are read
MAX_TRIES = 400  # mentions of "box" that are looked at, from the end
MAX_BOX_CHARS = 50_000  # a longer box counts as one that never closes
MAX_OPEN_CHARS = 200  # of a box whose brace is missing at the end of the text
MAX_BETWEEN_CHARS = 150  # boxes further apart are two statements


class Box(NamedTuple):
    """One box; `content` is None for one that never closes."""

    start: int
    end: int
    content: str | None


def repair(text: str) -> str:
    """Undo what a careless writer did to the commands: "\\b" and "\\f" read as control characters,
    backslashes doubled."""
    if "\x08oxed" in text:
        text = text.replace("\x08oxed", "\\boxed")
    if "\x0c" in text:
        text = re.sub(r"\x0c(?=rac|box)", r"\\f", text)
    if "\\\\boxed" in text:
        text = re.sub(r"\\\\(?=[A-Za-z{}()\[\],;!])", r"\\", text)
    return text


_KINDS = (  # what stands before "box", what starts with it, may the braces be left out
    ("\\", "boxed", True),
    ("\\f", "box", True),
    ("\\frame", "box", True),
    ("", "boxed{", False),
)


def read_boxes(text: str) -> list[Box]:
    """The last boxes of a text in their order; a box around a box is left out, an empty one too."""
    found: list[Box] = []
    end = len(text)
    for _ in range(MAX_TRIES):
        at = text.rfind("box", 0, end)
        if at < 0 or len(found) == MAX_BOXES:
            break
        end = at
        box = _box_at(text, at)
        if box is not None and not (found and box.end > found[-1].start and box.content):
            found.append(box)
    return [box for box in reversed(found) if box.content is None or box.content.strip()]


def _box_at(text: str, at: int) -> Box | None:
    """The box whose command has "box" at a place."""
    if text.startswith("<|begin_of_box|>", at - 11):
        close = text.find("<|end_of_box|>", at, at + MAX_BOX_CHARS)
        content = text[at + 5 : close] if close >= 0 else None
        return Box(at - 11, close if close >= 0 else len(text), content)
    for before, name, may_be_bare in _KINDS:
        start = at - len(before)
        if start >= 0 and text.startswith(before, start) and text.startswith(name, at):
            if not before and at and (text[at - 1].isalpha() or text[at - 1] == "\\"):
                continue
            return _content(text, start, at + len(name.rstrip("{")), may_be_bare)
    return None


_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE = re.compile(r"(?:\\[A-Za-z]+(?:\{[^{}\n]{0,200}\}){1,2}|[^\s{}$\\*]{1,200})(?:\\?%)?")


def _content(text: str, start: int, open_at: int, may_be_bare: bool) -> Box | None:
    while text.startswith((" ", "\n"), open_at) and open_at < start + 12:
        open_at += 1
    if not text.startswith("{", open_at):
        bare = _BARE.match(text, open_at) if may_be_bare else None
        return Box(start, bare.end(), bare[0].rstrip(".,;:")) if bare else None
    depth = 0
    for match in _BRACES.finditer(text, open_at, open_at + MAX_BOX_CHARS):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return Box(start, match.end(), text[open_at + 1 : match.start()])
    return _one_brace_short(text, start, open_at)


_FORMULA_ENDS = re.compile(r"\}?(?:\$|\\\)|\\\])")


def _one_brace_short(text: str, start: int, open_at: int) -> Box:
    """A box that never closes although its formula does: `$\\boxed{\\frac{1}{2}$`."""
    line_end = text.find("\n", open_at)
    line_end = min(len(text) if line_end < 0 else line_end, open_at + 500)
    closing = _FORMULA_ENDS.search(text, open_at, line_end)
    if closing is None or text.count("{", open_at, line_end) - 1 != text.count(
        "}", open_at, line_end
    ):
        return Box(start, len(text), None)
    return Box(start, closing.end(), text[open_at + 1 : closing.start() + (closing[0][0] == "}")])


def open_content(text: str, box: Box) -> str | None:
    """The content of a last box that lacks nothing but its own brace, at the end of the text."""
    inner = text[box.start : box.start + MAX_OPEN_CHARS].partition("{")[2].rstrip()
    is_last = box.start + MAX_OPEN_CHARS > len(text) and "\n" not in inner
    if not is_last or inner.count("{") != inner.count("}"):
        return None
    return inner if re.search(r"[\w})\]%]$", inner) else None


# --- which boxes are one answer ---------------------------------------------------------------

_CORRECTS = re.compile(
    r"\b(?:wait|actually|correct(?:ion|ed)?|instead|sorry|mistake|oops|hmm|rather|should|check|wrong"
    r"|re-?(?:check|calculat|comput|evaluat|consider|examin)\w*|incorrect|error|however|but|no)\b",
    re.IGNORECASE,
)
_DERIVES = re.compile(
    r"\b(?:so|therefore|thus|hence|finally|final|then|giv(?:es?|ing)|yields?|total|conclu\w+|answer"
    r"|implies|substitut\w+|plug\w*|using|from|since|because|step|next|which|where)\b"
    r"|\\(?:implies|Rightarrow|to|therefore|longrightarrow)(?![A-Za-z])|[⇒→∴]",
    re.IGNORECASE,
)
_OFFERS = re.compile(r"\b(?:or|alternatively|possibly|perhaps|maybe|either)\b", re.IGNORECASE)
_NEXT_LINE = re.compile(
    r"[\s$.,;:*()\[\]\\|}&]*(?:and|or)?\s*(?:[-*•]\s*)?(?:\*{0,2}\(?[A-Za-z0-9]{1,4}[.):])?\s*"
    r"(?:[A-Za-z\\_{}^'’() 0-9*]{0,50}[:=])?[\s$(\[\\*&]*"
)
_STEPS = re.compile(r"\b(?:step|final(?:ly)?|answer|result)\b", re.IGNORECASE)  # a line's label
_OPERATOR = re.compile(
    r"[\s$\\)(\]\[]*(?:[-+*/=≈<>]|\\(?:times|cdot|approx|div|equiv)\b)[\s$\\)(\]\[]*"
)
_ANNOUNCES = re.compile(r"answer\W{0,6}(?:is|:)?[\s$*:\\(\[]{0,8}$", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?](?:\s+|\$)\W{0,3}[A-Z]")


def final_boxes(text: str, boxes: Sequence[Box]) -> list[str]:
    """The contents of the last box and of those before it that are parts of one answer with it."""
    group = boxes[-1:]
    for box in reversed(boxes[:-1]):
        if not _are_parts(text, box, group[0]):
            break
        group.insert(0, box)
    return different(box.content for box in group)


_PART = re.compile(
    r"(?:^|[\s*#])(?:\([a-h1-9]\)|\((?:i{1,3}|iv|v)\)|(?:part|question|problem|case|item)\s+\(?[a-h\d]\b"
    r"|(?:first|second|third|next) (?:part|question))|第.问",
    re.IGNORECASE,
)


def boxes_of_parts(text: str, boxes: Sequence[Box]) -> list[str]:
    """The contents of the last box and of those before it, up to a step on the way to one.

    They answer the parts of a question, far apart as they may be: "The radius is \\boxed{3}.
    [...] The area is \\boxed{9\\pi}."
    """
    group = list(boxes[-1:])
    for box in reversed(boxes[:-1]):
        between = text[box.end : group[0].start]
        if not _PART.search(between) and (_CORRECTS.search(between) or _LEADS_ON.search(between)):
            break
        group.insert(0, box)
    return different(box.content for box in group)


_LEADS_ON = re.compile(  # what stands between a step and the result
    r"\b(?:so|therefore|thus|hence|finally|final|answer|total|conclu\w+|implies|substitut\w+|step)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:bf|rm))\s*\{\s*\(?\s*(-?[\d.,/]+)\s*\)?\s*\}")


def different(contents: Iterable[str | None]) -> list[str]:
    """Contents in their order without repeats, spacing aside; "\\textbf{(055)}" is 055."""
    plain = [_LABEL.sub(r"\1", content.strip()) for content in contents if content]
    found = {re.sub(r"\s+", "", content): content for content in reversed(plain)}
    return [*found.values()][::-1]


def _are_parts(text: str, first: Box, second: Box) -> bool:
    """Do two boxes state parts of one answer, rather than a step and then the result?"""
    if first.content is None or second.start - first.end > MAX_BETWEEN_CHARS:
        return False
    between = text[first.end : second.start]
    if _CORRECTS.search(between) or _OPERATOR.fullmatch(between):
        return False
    before = text[max(0, first.start - 40) : first.start]
    if _ANNOUNCES.search(before) and _ANNOUNCES.search(between):
        return True  # "the answer is 5. The answer is 6.": takes neither back
    if _OFFERS.search(between) and not _DERIVES.search(between):
        return True
    if "\n" in between:
        return _NEXT_LINE.fullmatch(between) is not None and not _STEPS.search(between)
    return not (_DERIVES.search(between) or _SENTENCE.search(between))

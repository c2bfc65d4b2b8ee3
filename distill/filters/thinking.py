"""Is there one thought, whole, and an answer after it: where the tags stand and what is between."""

import itertools
import re
from typing import NamedTuple

from distill.chat import BARE_THINK, OTHER_MARKS, THINK_MARKS

MAX_TAGS = 1000  # of a text; more are not counted
BARE_CHARS = 16  # a bare `think` stands this early
HEAD_CHARS = 120
BOX_CHARS = 20_000  # boxes are read in this much of the end of a thought

_TAG = re.compile(  # the group that matched is 2 * family + 1 for an opening tag, + 2 for a closing
    "|".join(f"({opening})|({closing})" for opening, closing in THINK_MARKS), re.IGNORECASE
)
_START = re.compile(r"[<\[◁](?=[\s/|a-z])", re.IGNORECASE)  # so that most of a text is passed fast
_SOLUTION = re.compile(r"<\|begin_of_solution\|>")  # closes a thought whose own tag is missing
_SKY = next(family for family, (opening, _) in enumerate(THINK_MARKS) if "of_thought" in opening)
_BARE = len(THINK_MARKS)  # the family without tags
_ANY_MARK = re.compile("|".join([*itertools.chain(*THINK_MARKS), *OTHER_MARKS]), re.IGNORECASE)
_EMPTY_BOX = re.compile(r"\\f?box(?:ed)?[ \t]*\{\s*\}")
_HEADING = re.compile(r"\b(?:(?:the|my|final|correct) )*(?:answer|solution|response)\b", re.I)
_MARKUP = re.compile(r"[\s*_#>:.$\-—–~`|=]+")
_BOX = re.compile(r"\\boxed|\\fbox|<answer>")
_BOX_CONTENT = re.compile(
    r"\\f?box(?:ed)?[ \t]*\{([^{}\n]{1,80})\}|<answer>([^<\n]{1,80})</answer>"
)
_STATED = re.compile(
    r"\d|\\[(\[A-Za-z]|\$|=|\*\*[^*\n]+\*\*|[√π∞∅]|\banswer\b[^.\n]{0,40}?(?:\bis\b|:)\s*\S"
    r"|(?<![\w'])\(?[A-J]\)?(?=[.,:;)]|\s*$)"
    r"|^\W*(?:yes|no|true|false|none|both|neither)\b",
    re.IGNORECASE | re.MULTILINE,
)


class Tag(NamedTuple):
    """A think tag and where it stands in characters."""

    text: str
    family: int  # place in THINK_MARKS
    closes: bool
    start: int
    end: int


def think_tags(text: str) -> list[Tag]:
    """The think tags of all families in their order; linear time."""
    places = (start.start() for start in _START.finditer(text))
    found = filter(None, (_TAG.match(text, place) for place in places))
    tags = [_tag(match) for match in itertools.islice(found, MAX_TAGS)]
    if not tags:
        return _bare_tags(text)
    last = tags[-1]
    solution = None
    if last.family == _SKY and not last.closes:
        solution = _SOLUTION.search(text, last.end)
    if solution is not None:
        tags.append(Tag(solution[0], _SKY, True, *solution.span()))
    return tags


def _tag(match: re.Match[str]) -> Tag:
    family, closes = divmod(match.lastindex - 1, 2)
    return Tag(match[0], family, bool(closes), *match.span())


def _bare_tags(text: str) -> list[Tag]:
    opening, closing = BARE_THINK
    start = text.find(opening, 0, BARE_CHARS)
    if start < 0 or text[:start].strip():
        return []
    tags = [Tag(opening.strip(), _BARE, False, start, start + len(opening))]
    at = text.rfind(closing, start + len(opening) - 1)
    if at >= 0:
        tags.append(Tag(closing.strip(), _BARE, True, at, at + len(closing)))
    return tags


def answer_after(text: str, tags: list[Tag]) -> str:
    """What follows the thought: all of a text without tags, nothing where a thought is open."""
    if not tags:
        return text
    return text[tags[-1].end :] if tags[-1].closes else ""


def missing_think(text: str, tags: list[Tag]) -> str | None:
    """What is wrong if there is no thought to learn from: no block, an empty one, or a late one.

    A closing tag alone ends a thought that the prompt opened.
    """
    if not tags:
        return "no think block"
    first = tags[0]
    if not first.closes and text[: first.start].strip():
        return f"{first.start} characters before {first.text}"
    start = 0 if first.closes else first.end
    closing = next((tag for tag in tags if tag.closes), None)
    if closing is not None and not text[start : closing.start].strip():
        return "the think block is empty"
    return None


def unclosed_think(tags: list[Tag]) -> str | None:
    """The tag that is opened and not closed, or closed by a tag of another family."""
    opened: Tag | None = None
    for tag in tags:
        if not tag.closes:
            opened = tag
        elif opened is not None:
            if tag.family != opened.family:
                return f"{opened.text} is closed by {tag.text}"
            opened = None
    return None if opened is None else f"{opened.text} is not closed"


def doubled_think(tags: list[Tag]) -> str | None:
    """How many tags there are where one pair should be."""
    closing = sum(tag.closes for tag in tags)
    opening = len(tags) - closing
    if opening <= 1 and closing <= 1:
        return None
    return f"{opening} opening and {closing} closing tags"


def says_nothing(answer: str) -> bool:
    """True if there is no answer in it: white space, tags, empty boxes, or a heading alone."""
    return _is_bare(answer[:HEAD_CHARS]) and _is_bare(answer)  # mostly the start is enough


def _is_bare(text: str) -> bool:
    rest = _HEADING.sub("", _EMPTY_BOX.sub("", _ANY_MARK.sub("", text)))
    return not _MARKUP.sub("", rest).strip("\\[](){}")


def answer_in_thought(thought: str, answer: str) -> str | None:
    """The last box or answer tag of the thought, if the answer text has none and states nothing."""
    if _BOX.search(thought) is None or _BOX.search(answer) is not None:
        return None
    boxed = [found[1] or found[2] for found in _BOX_CONTENT.finditer(thought[-BOX_CHARS:])]
    said = answer.casefold()
    if any(content.strip().casefold() in said for content in boxed[-3:] if content.strip()):
        return None
    if _STATED.search(answer) is not None:
        return None
    return f"{boxed[-1] if boxed else 'a box'} is in the thought only"

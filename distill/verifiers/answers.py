"""What a completion claims: the thought split off, then the final answer and how it was stated."""

import re
from collections import deque
from collections.abc import Iterator

import msgspec

STATED_CHARS = 4000  # prose is searched for an answer in this much of its end
PHRASE_CHARS = 600  # "the answer is" further back was followed by second thoughts
MAX_BOXES = 16  # how many boxes from the end are tried before giving up on balanced ones
MAX_BOX_CHARS = 50_000  # a longer box counts as one that never closes
MAX_FORMULA_CHARS = 400

CLOSED_ROUTES = ("tag", "box")  # these end visibly: they count even when the text is cut off later


class Parts(msgspec.Struct, frozen=True):
    """A completion in two: what was thought and what was answered."""

    thought: str
    answer: str
    is_open: bool  # a block was opened and never closed: the text is known to be cut off


class Extracted(msgspec.Struct, frozen=True):
    """The final answer and the way it was stated."""

    answer: str | None
    route: str  # tag, box, header, phrase, conclusion, line; "" without an answer
    claim: str = ""  # the sentence around the answer


NOTHING = Extracted(answer=None, route="")


def split_thought(completion: str) -> tuple[str, str]:
    """Thought and answer text; without any marks all of it is answer text.

    A thought that was opened and never closed leaves no answer text: a box or a number inside it
    is scratch work. So is a box inside a closed thought.
    """
    parts = read_parts(completion)
    return parts.thought, parts.answer


def read_parts(completion: str) -> Parts:
    """Split a completion at the marks that reasoning models use.

    `</think>` with or without its opening tag; `<|begin_of_thought|>` .. `<|begin_of_solution|>`
    (Sky-T1); the bare words `think` and `answer` on lines of their own (s1); no marks at all.
    """
    if "</think>" in completion:
        thought, _, answer = completion.rpartition("</think>")
        answer, reopened, _ = answer.partition("<think>")
        return Parts(_without(thought, "<think>"), answer, bool(reopened))
    if "<|end_of_thought|>" in completion or "<|begin_of_solution|>" in completion:
        return _solution_parts(completion)
    for tag in ("<think>", "<|begin_of_thought|>"):
        before, found, thought = completion.partition(tag)
        if found:
            return Parts(thought, before if before.strip() else "", True)
    if completion[:16].lstrip().startswith("think\n"):
        thought, found, answer = completion.rpartition("\nanswer\n")
        return Parts(thought, answer, False) if found else Parts(completion, "", True)
    return Parts("", completion, False)


def _solution_parts(completion: str) -> Parts:
    mark = "<|begin_of_solution|>"
    if mark not in completion:
        mark = "<|end_of_thought|>"
    thought, _, answer = completion.rpartition(mark)
    thought = thought.partition("<|end_of_thought|>")[0]
    answer, closed, _ = answer.partition("<|end_of_solution|>")
    return Parts(_without(thought, "<|begin_of_thought|>"), answer, not closed)


def _without(thought: str, opening: str) -> str:
    before, found, inner = thought.partition(opening)
    return inner if found and not before.strip() else thought


def extract_answer(text: str) -> Extracted:
    """The final answer of an answer text, by the strongest way in which it is stated.

    In this order: the last `<answer>` block; the last box with balanced braces (several boxes on
    one line are one answer with several parts); a header such as "**Final Answer**" or a phrase
    such as "the answer is"; the last sentence that holds a number or a formula.
    """
    closed = extract_closed(text)
    if closed.answer is not None:
        return closed
    tail = text[-STATED_CHARS:]
    return _announced(tail) or _conclusion(tail) or NOTHING


def extract_closed(text: str) -> Extracted:
    """The last `<answer>` block or box; NOTHING when there is neither."""
    tagged = last_tagged(text)
    if tagged is not None:
        inner = last_boxed(tagged) if "\\boxed" in tagged else None
        return _found(tagged if inner is None else inner, "tag")
    boxed = last_boxed(text)
    return NOTHING if boxed is None else _found(boxed, "box")


def _found(answer: str, route: str, claim: str = "") -> Extracted:
    answer = answer.strip()
    return Extracted(answer=answer, route=route, claim=claim or answer) if answer else NOTHING


def last_tagged(text: str) -> str | None:
    """Content of the last closed `<answer>` block."""
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\s*([^\s{}$\\]+)")


def last_boxed(text: str) -> str | None:
    """Content of the last box; all boxes of its line when that line has several different ones."""
    end = len(text)
    for _ in range(MAX_BOXES):
        start = max(text.rfind("\\boxed", 0, end), text.rfind("\\fbox", 0, end))
        if start < 0:
            return None
        content = _box_at(text, start)
        if content is not None:
            line_start = text.rfind("\n", 0, start) + 1
            return _join_boxes(text[line_start:start], content)
        end = start
    return None


def _join_boxes(before: str, last: str) -> str:
    starts = [match.start() for match in re.finditer(r"\\boxed|\\fbox", before)][-MAX_BOXES:]
    contents = [_box_at(before, start) for start in starts] + [last]
    different = dict.fromkeys(content.strip() for content in contents if content)
    return ", ".join(different) if len(different) > 1 else last


def _box_at(text: str, start: int) -> str | None:
    open_at = start + (6 if text.startswith("\\boxed", start) else 5)
    open_at += text.startswith(" ", open_at)
    if not text.startswith("{", open_at):
        bare = _BARE_BOX.match(text, open_at)
        return bare[1].rstrip(".,;:") if bare else None
    depth = 0
    for match in _BRACES.finditer(text, open_at, open_at + MAX_BOX_CHARS):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return text[open_at + 1 : match.start()]
    return None


_HEADER = re.compile(
    r"(?:^|\n)[ \t#*_>-]*(?:the[ \t]+)?(?:final[ \t]+|correct[ \t]+)?answer"
    r"(?:[ \t*_]*:[ \t*_:]*|[ \t]*[*_]+[ \t]*(?=\n)|[ \t]*(?=\n))",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"\banswer(?: to [^.\n:]{1,60})?,?\s+(?:is|are|was|should be|must be|would be|will be|to be)"
    r"(?: (?:indeed|therefore|simply|just|exactly|definitely|thus|approximately))?\b\s*:?"
    r"(?!\s*(?:correct|right|wrong|incorrect|clear|the same|not|in|that|consistent|as|given)\b)|"
    r"\banswer\s*[:=]",
    re.IGNORECASE,
)
_REVERSED = re.compile(r"(\S{1,80}) is (?:indeed )?the (?:final|correct|right) answer\b", re.I)


def _announced(tail: str) -> Extracted | None:
    """An answer that is announced: by a header or by a phrase, whichever comes last."""
    near = max(0, len(tail) - PHRASE_CHARS)
    header, phrase = _last(_HEADER, tail), _last(_PHRASE, tail, near)
    turned = _last(_REVERSED, tail, near)
    if turned and _HOLDS_ANSWER.search(turned[1]) and turned.end() > _end(phrase, header):
        return _picked(turned[1], "phrase")
    if _end(header) > _end(phrase):
        return _picked(_first_line(tail[header.end() :]), "header")
    if phrase:
        return _picked(_first_sentence(_first_line(tail[phrase.end() :])), "phrase")
    return None


def _last(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    found = deque(pattern.finditer(text, start), maxlen=1)
    return found[0] if found else None


def _end(*matches: re.Match[str] | None) -> int:
    return max(match.end() if match else -1 for match in matches)


def _first_line(text: str) -> str:
    """The first line with text, with the whole display formula when one starts there."""
    text = text.lstrip(" \t\r\n*_:")
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if text.startswith(opening):
            end = text.find(closing, 2)
            return text[: end + 2] if end > 0 else text
    return text.partition("\n")[0]


_SENTENCE_END = re.compile(r"(?<=[.!?。])(?:\s+|$)|(?<=。)|\n+")


def _first_sentence(text: str) -> str:
    return next((part for part in _SENTENCE_END.split(text) if part and part.strip()), "")


def _sentences_from_the_end(text: str) -> Iterator[str]:
    for part in reversed(_SENTENCE_END.split(text)):
        if part and part.strip():
            yield part.strip()


_HOLDS_ANSWER = re.compile(r"\d|\\\(|\\\[|[πⁿ√∞]|(?<!\\)\$[^$\d]")


def _conclusion(tail: str) -> Extracted | None:
    """The last sentence that holds a number or a formula."""
    formula = _closing_display(tail.rstrip())
    if formula:
        return _found(_right_side(formula), "conclusion", formula)
    for sentence in _sentences_from_the_end(tail):
        if _HOLDS_ANSWER.search(sentence):
            return _picked(sentence, "conclusion")
    return None


def _closing_display(tail: str) -> str | None:
    """The display formula that a text ends in."""
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if tail.endswith(closing):
            start = tail.rfind(opening, max(0, len(tail) - MAX_FORMULA_CHARS), len(tail) - 2)
            return tail[start + 2 : -2].strip() if start >= 0 else None
    return None


_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_FORMULA = re.compile(r"\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]|\$\$(.{1,300}?)\$\$", re.DOTALL)
_DOLLARS = re.compile(r"(?<![\\$\d])\$([^$\n]{1,300}?)(?<!\\)\$(?!\d)")
_NUMBER = r"\(?[-+]?\s?\\?[$€£¥]?\s?(?:\d|\.\d|[√π])[\w√π²³^/*().,+\-%]*"
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|has|have|exactly|only|to|as)|=|≈|:)\s+"
    r"(?:(?:approximately|about|indeed|exactly|only|just|definitely|therefore|thus|a total of)\s+)*"
    rf"(?P<value>{_NUMBER})",
)
_MONEY = re.compile(r"(?P<value>-?\\?[$€£]\s?\d[\d,]*(?:\.\d+)?)")
_ANY_NUMBER = re.compile(rf"(?<![\w.])(?P<value>{_NUMBER})|(?P<value2>\d[\d,]*(?:\.\d+)?)")
_EQUATION = re.compile(r"^\s*([A-Za-z]\w{0,3}[₀-₉]?)\s*=\s*([^=]{1,80})$")


def _picked(claim: str, route: str) -> Extracted | None:
    """The answer inside a sentence: bold, a formula, what follows "is", money, the last number."""
    claim = claim.strip()
    value = _pick(claim)
    return None if value is None else _found(value, route, claim.strip(" .*_"))


def _pick(claim: str) -> str | None:
    bold = [text for text in _BOLD.findall(claim) if _HOLDS_ANSWER.search(text)]
    if bold:
        return _pick(bold[-1])
    formula, stated = _last(_FORMULA, claim) or _last(_DOLLARS, claim), _last(_COPULA, claim)
    # "the degree of \\(f(x)\\) is 3": what follows the formula decides
    if formula and not (stated and stated.start("value") >= formula.end()):
        return _right_side(next(group for group in formula.groups() if group))
    plain = claim.strip(" .*_")
    if _EQUATION.match(plain):
        return plain
    for pattern in (_COPULA, _MONEY, _ANY_NUMBER):
        match = _last(pattern, claim)
        if match:
            return _unwrap(next(group for group in match.groups() if group))
    return plain if plain and len(plain) <= 100 else None


def _unwrap(token: str) -> str:
    token = token.strip().rstrip(".,;:!?")
    while token.count(")") > token.count("(") and token.endswith(")"):
        token = token[:-1].rstrip(".,;:!?")
    return token[1:] if token.count("(") > token.count(")") and token[0] == "(" else token


def _right_side(formula: str) -> str:
    """What a chain of equalities ends in; an equation such as x + y = 0 stays whole."""
    left, _, right = formula.strip().rpartition("=")
    is_equation = "=" not in left and re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", left))
    return formula.strip() if not left or is_equation else right


_FULL_STOP = re.compile(r"(?:[.!?。)}\]$*`\"'’]|\\\)|\\\]|<\|[a-z_]+\|>|</answer>)\s*$")


def ends_mid_sentence(text: str) -> bool:
    """True if a text just stops: no full stop, bracket or closing mark at its end."""
    return _FULL_STOP.search(text[-40:]) is None

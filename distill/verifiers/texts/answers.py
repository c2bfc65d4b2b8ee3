"""What a completion claims: the final answer in its answer text, and how it was stated."""

import re
from collections import deque
from collections.abc import Iterator

import msgspec

from distill.verifiers.maths.spelled import with_digits
from distill.verifiers.texts.boxes import (
    boxes_of_parts,
    final_boxes,
    open_content,
    read_boxes,
    repair,
)
from distill.verifiers.texts.claims import right_side, starts_with_value, stated
from distill.verifiers.texts.layouts import closing_display, closing_list, listed_values
from distill.verifiers.texts.retractions import correction, standing, without_denied
from distill.verifiers.texts.values import holds_value

STATED_CHARS = 4000  # prose is searched for an answer in this much of its end
PHRASE_CHARS = 600  # "the answer is" further back was followed by second thoughts
MAX_FORMULA_CHARS = 400
MAX_LINE_CHARS = 120  # a longer line after a header (half of it on a line of its own), and more
MAX_REST_CHARS = 200  # text than this after it: a solution, not an answer

CLOSED_ROUTES = ("tag", "box")  # these end visibly: they count even when the text is cut off later
CUT_OFF = "cut"  # route of an answer whose box never closes
OPEN_BOX = "open-box"  # of one that lacks nothing but its last brace


class Extracted(msgspec.Struct, frozen=True):
    """The final answer and the way it was stated."""

    answer: str | None
    route: str  # tag, box, header, phrase, conclusion, line; "" without an answer
    claim: str = ""  # the sentence around the answer
    parts: tuple[str, ...] = ()  # the values, where the answer has more than one
    earlier: tuple[str, ...] = ()  # the boxes before: for a reference of as many parts


NOTHING = Extracted(answer=None, route="")


def extract_answer(text: str) -> Extracted:
    """The final answer of an answer text, by the strongest way in which it is stated.

    In this order: the last `<answer>` block or the last box (several boxes of one statement are one
    answer with several parts); a header such as "**Final Answer**" or a phrase such as "the answer
    is", in a dozen languages; the last sentence that holds a number or a formula. Values that one
    sentence joins by "and" or "or", or merely offers, come out together: none is the answer alone.
    """
    text = repair(text)
    closed = extract_closed(text)
    if closed.answer is not None or closed.route == CUT_OFF:
        return closed
    tail = text[-STATED_CHARS:]
    tail = without_denied(tail) if "box" in tail else tail
    return _open_tag(tail) or _announced(tail) or _conclusion(tail) or NOTHING


def extract_closed(text: str) -> Extracted:
    """The last `<answer>` block or box, whichever ends later, or what the text corrects it to;
    NOTHING when there is neither."""
    tag_end = text.rfind("</answer>")
    tagged = _tagged(text, tag_end)
    boxed = _boxed(text[tag_end:] if tagged is not None else text)
    if boxed.route or tagged is None:
        return boxed
    if corrected := _corrected(text[tag_end:]):
        return corrected
    inner = _boxed(tagged) if "box" in tagged else NOTHING
    if inner.answer is not None:
        return msgspec.structs.replace(inner, route="tag")
    return _found((tagged,), "tag")


def _found(parts: tuple[str, ...], route: str, claim: str = "") -> Extracted:
    parts = tuple(part.strip() for part in parts if part.strip())
    if not parts:
        return NOTHING
    answer = ", ".join(parts)
    claim = (claim or answer)[-STATED_CHARS:]
    return Extracted(answer, route, claim, parts if len(parts) > 1 else ())


def _tagged(text: str, end: int) -> str | None:
    """Content of the last closed `<answer>` block."""
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


def _boxed(text: str) -> Extracted:
    """The last box with its parts; without an answer but with a route if it never closes."""
    boxes = read_boxes(text)
    if boxes and boxes[-1].content is None:
        content = open_content(text, boxes[-1])
        return _found((content,), OPEN_BOX) if content else Extracted(None, CUT_OFF)
    corrected = _corrected(text[boxes[-1].end :]) if boxes else None
    if corrected and corrected.answer != boxes[-1].content.strip():
        return corrected
    boxes = standing(text, boxes)
    if not boxes:
        return NOTHING
    found = _found(tuple(final_boxes(text, boxes)), "box")
    earlier = tuple(boxes_of_parts(text, boxes))
    return msgspec.structs.replace(found, earlier=earlier) if len(earlier) > 1 else found


def _corrected(after: str) -> Extracted | None:
    """The value that a text names as the right one after it took its last box back."""
    corrected = correction(after)
    if corrected is None or not starts_with_value(corrected):
        return None
    return _picked(_first_sentence(_first_line(corrected)), "phrase", leads=True)


def _open_tag(tail: str) -> Extracted | None:
    """An `<answer>` block at the end that was not closed: its closing tag may be a stop string."""
    _, found, inner = tail.rpartition("<answer>")
    if not found or "</answer>" in inner or not inner.strip() or len(inner) > PHRASE_CHARS:
        return None
    return _found((inner,), "open-tag")


# --- announced --------------------------------------------------------------------------------

_HEADER = re.compile(
    r"(?:^|\n)[ \t#*_>-]*(?:\d{1,2}[.)][ \t#*_]*)?"
    r"(?:(?:the|my|your|final|correct|exact|numerical|short)[ \t]+){0,3}"
    r"(?:answers?|final[ \t]+(?:solution|result)|result)(?:[ \t]*\([^()\n]{1,30}\))?"
    r"(?:[ \t*_]*[:：][ \t*_:]*|[ \t]*[*_]+[ \t]*(?=\n)|[ \t]*(?=\n))",
    re.IGNORECASE,
)
_HASHES = re.compile(
    r"(?:^|\n)####[ \t]*(?=[-+$\\(.\d−][^\n]{0,60}(?:\n|$))(?![^\n]*[.:)]\s+[A-Za-z])"
)
_PHRASE = re.compile(
    r"\banswers?(?: (?:to|of|for) [^.\n:]{1,80})?[\"'*_`]*,?\s+"
    r"(?:is|are|was|should be|must be|would be|will be|to be|comes out to(?: be)?|becomes|equals)"
    r"(?: (?:indeed|therefore|simply|just|exactly|definitely|thus|approximately|then|still))?\b"
    r"\s*:?"
    r"(?!\s*(?:correct|right|wrong|incorrect|clear|the same|not|in|that|consistent|as|given|yes"
    r"|reasonable|valid|verified|confirmed|obtained|found|unique|supposed|likely)\b)|"
    r"\banswers?[\"'*_`]*\s*[:=：]"
    r"|(?:最终|正确|最后)?答案(?:应该|应当)?(?:是|为|选|：|:|等于)|答\s*[：:]"
    r"|答え?(?:は|：|:)|(?:정답|답)(?:은|는|:|：)"
    r"|\br[ée]ponse(?: finale| correcte| exacte)?\s*(?:est\b|:)"
    r"|\brespuesta(?: final| correcta)?\s*(?:es\b|:)"
    r"|\bresposta(?: final| correta)?\s*(?:é\b|:)|\brisposta(?: finale| corretta)?\s*(?:è\b|:)"
    r"|\b(?:Antwort|Lösung|Ergebnis)\s*(?:ist\b|lautet\b|beträgt\b|:)|\bantwoord\s*(?:is\b|:)"
    r"|[оО]твет\w?\s*(?:[:：—–-]|равен\b|равно\b)|\bodpowied[źz]\s*(?:to\b|:)|\bcevap\s*:"
    r"|\bđáp (?:án|số)(?: đúng)?\s*(?:là\b|:)|\bjawaban(?:nya)?\s*(?:adalah\b|:)"
    r"|(?:الإجابة|الجواب)(?: النهائية| الصحيحة)?\s*(?:هي|هو|:)|उत्तर\s*(?:है|:)",
    re.IGNORECASE,
)
_REVERSED = re.compile(
    r"(\S{1,80}) (?:is|as) (?:indeed |therefore )?(?:the|my|our) (?:final|correct|right) answer\b",
    re.IGNORECASE,
)


def _announced(tail: str) -> Extracted | None:
    """An answer that is announced: by a header or by a phrase, whichever comes last."""
    near = max(0, len(tail) - PHRASE_CHARS)
    hashes, header = _last(_HASHES, tail), _last(_HEADER, tail)
    phrase, turned = _last(_PHRASE, tail, near), _last(_REVERSED, tail, near)
    turned = turned if turned and holds_value(turned[1]) else None
    latest = max(_end(hashes), _end(header), _end(phrase), _end(turned))
    if latest < 0:
        return None
    if turned and turned.end() == latest:
        return _picked(turned[1], "phrase")
    if hashes and hashes.end() == latest:
        return _picked(_first_line(tail[latest:]), "header", leads=True)
    if header and header.end() == latest:
        return _headed(tail[latest:])
    return _phrased(tail, phrase)


def _headed(text: str) -> Extracted | None:
    """What stands under a header, unless a whole solution does."""
    line = _first_line(text)
    limit = MAX_LINE_CHARS // (2 if text.lstrip(" \t*_:：").startswith("\n") else 1)
    if len(line) > limit and len(text) - len(line) > MAX_REST_CHARS:
        return None
    if (listed := listed_values(text)) is not None:
        return _found(listed[0], "header", listed[1])
    return _picked(line, "header")


def _phrased(tail: str, phrase: re.Match[str]) -> Extracted | None:
    """What a phrase announces; two phrases in a row that say two things say neither."""
    claim = _first_sentence(_first_line(tail[phrase.end() :]))
    after = tail[tail.find(claim, phrase.end()) + len(claim) :]
    if _REVISES.match(after) and (later := _conclusion(after)):
        return later
    if claim.rstrip(" *_").endswith(("?", "？")):
        return None
    found = _picked(claim, "phrase", leads=True)
    near = tail[max(0, phrase.start() - 120) : phrase.start()]
    before = _last(_PHRASE, near)
    if found is None or before is None or _TAKES_BACK.search(near, before.end()):
        return found
    sentence = _first_sentence(_first_line(near[before.end() :]))
    rest = near[before.end() :].strip()[len(sentence) :]
    earlier = stated(sentence, leads=True).values
    if len(rest.strip()) > 20 or not earlier:
        return found
    return _found(
        tuple(dict.fromkeys((*earlier, *(found.parts or (found.answer,))))), "phrase", claim
    )


_REVISES = re.compile(r"\s*(?:however|but|wait|actually|hold on|no,|hmm)\b", re.IGNORECASE)
_TAKES_BACK = re.compile(
    r"\b(?:wait|actually|no|correction|instead|sorry|mistake|oops|hmm|wrong|incorrect|but|however|if"
    r"|so|therefore|thus|hence|final)\b|不对|错",
    re.IGNORECASE,
)


def _last(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    found = deque(pattern.finditer(text, start), maxlen=1)
    return found[0] if found else None


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else -1


def _first_line(text: str) -> str:
    """The first line with text, with the whole display formula when one starts there."""
    text = text.lstrip(" \t\r\n*_:：\"'`")
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if text.startswith(opening):
            end = text.find(closing, 2)
            return text[: end + 2] if end > 0 else text
    line, _, rest = text.partition("\n")
    if line.rstrip(" *_").endswith((":", "：")) and rest.strip():
        return f"{line} {_first_line(rest)}"
    return line


_SENTENCE_END = re.compile(r"(?<=[.!?。！？])(?:\s+|$)|(?<=[。！？])|\n+")


def _first_sentence(text: str) -> str:
    if text.startswith(("$$", "\\[")):  # a display formula over several lines
        return text
    return next((part for part in _SENTENCE_END.split(text) if part and part.strip()), "")


def sentences_from_the_end(text: str) -> Iterator[str]:
    """The sentences of a text, the last one first."""
    for part in reversed(_SENTENCE_END.split(text)):
        if part and part.strip():
            yield part.strip()


# --- concluded --------------------------------------------------------------------------------

_GIVES_UP = re.compile(
    r"\b(?:(?:cannot|can't|can not|could not|couldn't|impossible to|unable to|don't know how to)"
    r" (?:be )?(?:determin|solv|comput|find|answer|give|provid)|not enough information"
    r"|insufficient (?:information|data)|I (?:do not|don't) know|not sure)",
    re.IGNORECASE,
)


_CONCLUDES = re.compile(
    r"\W*(?:thus|therefore|hence|so|consequently|in conclusion|finally|as a result|overall)\b", re.I
)
_REMARKS = re.compile(
    r"\W*(?:this|these|that|check(?:ing)?|verif\w+|note|notice|indeed|here|where|both|you can"
    r"|i hope|let me know|it (?:is|was) (?:worth|also|clear)|(?:to|we can) (?:check|verify|confirm)"
    r"|substituting .{1,40} back)\b",
    re.IGNORECASE,
)
_DEDUCES = re.compile(r"\b(?:so|thus|therefore|hence)\b", re.IGNORECASE)
MAX_REMARKS = 4  # sentences after the conclusion that only comment on it


def _conclusion(tail: str) -> Extracted | None:
    """The last sentence that holds a number or a formula, unless the text ends in giving up."""
    formula = closing_display(tail.rstrip())
    if formula:
        return _found((right_side(formula),), "conclusion", formula)
    if (listed := closing_list(tail)) is not None:
        return _found(listed[0], "conclusion", listed[1])
    remark: Extracted | None = None
    for at, sentence in enumerate(sentences_from_the_end(tail)):
        if remark and (at > MAX_REMARKS or not _CONCLUDES.match(sentence)):
            if at > MAX_REMARKS:
                return remark
            continue
        if _GIVES_UP.search(sentence):
            return _found((sentence[:MAX_FORMULA_CHARS],), "conclusion")
        if at == 0 and not holds_value(sentence):
            sentence = with_digits(sentence)
        if not holds_value(sentence) or sentence.rstrip(" *_)").endswith(("?", "？")):
            continue
        found = _picked(sentence, "conclusion")
        if found and (remark or not _REMARKS.match(sentence) or _DEDUCES.search(sentence)):
            return found
        remark = remark or found
    return remark


def _picked(claim: str, route: str, *, leads: bool = False) -> Extracted | None:
    """The answer inside a sentence, with the sentence."""
    claim = claim.strip()
    told = stated(claim, leads=leads)
    found = _found(told.values, route, claim.strip(" .*_"))
    if found.answer is None:
        return None
    return msgspec.structs.replace(found, earlier=told.earlier) if told.earlier else found


_FULL_STOP = re.compile(r"(?:[.!?。！？)}\]|$*`\"'’]|\\\)|\\\]|<\|[a-z_]+\|>|</answer>)\s*$")


def ends_mid_sentence(text: str) -> bool:
    """True if a text just stops: no full stop, bracket or closing mark at its end."""
    return _FULL_STOP.search(text[-40:]) is None

"""What a text says against its own boxes: denied where they stand, or corrected afterwards."""

import re
from collections.abc import Sequence

from distill.verifiers.texts.boxes import Box, read_boxes
from distill.verifiers.texts.values import FAILS, REJECTED

BEFORE_CHARS = 60  # of the text before a box may deny it
AFTER_CHARS = 160  # of the text behind it
CORRECTION_CHARS = 1500  # behind the last box are searched for a correction

_NO_ANSWER = (
    r"(?:not|n['’]t) (?:(?:the |our |a |an )?(?:correct |right |final |valid |actual |true )?"
    r"(?:answer|solution|root|value)\b|valid\b|correct\b|right\b|allowed\b|possible\b|acceptable\b"
    r"|admissible\b|permitted\b|in the (?:domain|range|interval)\b)"
)
_DENIES_NEXT = re.compile(
    r"(?:\b(?:not|never|cannot be|can['’]t be|rather than|instead of|neither|nor|except|excluding"
    r"|reject(?:ing|ed)?|discard(?:ing|ed)?|rul(?:e|ing) out)|n['’]t"
    r"|\b(?:extraneous|spurious|invalid) (?:solution|root|value)s?:?)"
    r"\s+(?:(?:simply|just|be|equal|equal to|the|a|an|as|is|value|solution|root|answer)\s+){0,3}"
    r"(?:[\\$(*\s]*[A-Za-z]\s?=)?[\s$\\(*]*$",
    re.IGNORECASE,
)
_DENIES_LAST = re.compile(
    r"[\s$\\)\]}*]*(?:"
    rf"[,;—–(-]{{0,3}}\s*(?:(?:extraneous|spurious|rejected|discarded|invalid|inadmissible|wrong|incorrect)\b|{_NO_ANSWER})"
    r"|[.,;:—–(-]{0,3}\s*(?:(?:but|and|however|though|although|which|that|this|it|one|value|root"
    r"|solution|answer),?\s+){0,4}"
    r"(?:(?:is|was|must be|should be|has to be|had to be|would be|can be|seems)\s+"
    r"(?:(?:therefore|thus|clearly|also|then|actually|in fact|an?)\s+)?"
    rf"(?:{REJECTED}|{_NO_ANSWER})|(?:is|was){_NO_ANSWER}|{FAILS}))",
    re.IGNORECASE,
)
_NUMERIC = re.compile(r"\d|\\pi|\\sqrt")  # "Statement \boxed{B} is false" answers a question


def standing(text: str, boxes: Sequence[Box]) -> list[Box]:
    """The boxes that the text does not take back: "\\boxed{2}, but it is extraneous"."""
    kept = list(boxes)
    for box in boxes:
        if box.content is not None and _is_denied(text, box):
            kept = [one for one in kept if one.end > box.end or one.content != box.content]
    return kept


def without_denied(text: str) -> str:
    """A text without the boxes that it takes back."""
    boxes = read_boxes(text)
    kept = standing(text, boxes)
    for box in reversed([box for box in boxes if box not in kept]):
        text = text[: box.start] + text[box.end :]
    return text


def _is_denied(text: str, box: Box) -> bool:
    if not _NUMERIC.search(box.content):
        return False
    if _DENIES_NEXT.search(text, max(0, box.start - BEFORE_CHARS), box.start):
        return True
    end = box.end + AFTER_CHARS
    if _DENIES_LAST.match(text, box.end, end):
        return True
    again = text.find(
        box.content, box.end, end
    )  # "\\boxed{1} and \\boxed{4}, but x = 4 is extraneous"
    if again < 0 or text[again - 1].isalnum() or text[again - 1] in "{-.":
        return False
    return _DENIES_LAST.match(text, again + len(box.content), end) is not None


# --- corrected afterwards ---------------------------------------------------------------------

_RETRACTS = re.compile(
    r"(?:^|[.!?;:\n—–-])[\s*_(]*(?:(?:oh|no|hmm+|but|so),? )?"
    r"(?:wait|hold on|actually|correction|hmm+|(?:i['’]m |i am |my )?(?:sorry|apologies)"
    r"|i apologi[sz]e|oops|whoops|i misread)\b"
    r"|\b(?:(?:made|make|is|was|found|see|notice|spot) (?:a|an|my|the|one) "
    r"(?:\w+ ){0,2}(?:mistake|error|slip)"
    r"|(?:that|this|it|the (?:above|previous|boxed|earlier)(?: \w+)?)(?:['’]s| is| was) "
    r"(?:wrong|incorrect|not (?:right|correct)))\b|不对|更正|有误|算错",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:correct|right|true|actual|real|final|corrected|proper|new|my|the) (?:final )?"
    r"(?:answer|value|result|solution)(?: here)?,?\s*"
    r"(?:is|should be|should have been|must be|becomes|equals|:)"
    r"(?: indeed| therefore| actually)?\s*:?\s+"
    r"|\b(?:it|answer) (?:should|must)(?: instead)? (?:be|have been)\s+|\bcorrection\s*:\s*"
    r"|正确(?:的)?答案(?:应该|应当)?(?:是|为|：|:)\s*|应(?:该|当)?(?:是|为)\s*",
    re.IGNORECASE,
)


def correction(after: str) -> str | None:
    """What a text says to be right instead of its last box; None unless it takes that back.

    "Wait, I made a mistake. The correct answer is 13." A remark without another value ("wait, let
    me check") leaves the box as it is.
    """
    after = after[:CORRECTION_CHARS]
    retracts = _RETRACTS.search(after)
    if retracts is None:
        return None
    ends = [match.end() for match in _CORRECTED.finditer(after, retracts.start())]
    return after[ends[-1] :] if ends else None

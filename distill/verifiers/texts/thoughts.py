"""A completion in two: what was thought, what was answered, at the marks that models use."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from distill.chat import THINK_NAMES

MAX_MARKS = 1000  # of a text with more marks only so many at its end are read


class Parts(msgspec.Struct, frozen=True):
    """A completion in two: what was thought and what was answered."""

    thought: str
    answer: str
    is_open: bool  # a block was opened and never closed: the text is known to be cut off
    is_marked: bool = True  # has a mark of a thought at all


_MARK = re.compile(
    # the first character stands outside the group: the search for it is fast
    rf"[<\[◁](?:(?P<open>\s?(?:{THINK_NAMES})\s?>|THINK\]|think▷|\|begin_of_thought\|>"
    r"|\|START_THINKING\|>|unused94>|\|im_start\|>think(?=\n)"
    r"|\|channel\|>(?:analysis|commentary)[^<]{0,80}<\|message\|>)"
    rf"|(?P<close>\s?/\s?(?:{THINK_NAMES})\s?>|/THINK\]|/think▷|\|end_of_thought\|>"
    r"|\|begin_of_solution\|>|\|END_THINKING\|>|unused95>|\|im_start\|>answer(?=\n)"
    r"|\|channel\|>final[^<]{0,80}<\|message\|>))",
    re.IGNORECASE,
)
_END = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end_of_text|return|end|end_of_solution|eom_id|END_OF_TURN_TOKEN"
    r"|END_RESPONSE)\|>|<｜end▁of▁sentence｜>|</s>|<eos>|<end_of_turn>|\[e~\["
    r"|\n\s{0,8}(?:User|Human)\s?:|<\|(?:im_start|start_header_id)\|>\s?user"
)
NEXT_QUESTION = re.compile(r"\n[ \t*#]{0,8}(?:Q|Question|Problem)\s?(?:\d{1,3}\s?)?:")
_ANSWERED = re.compile(r"(?:^|\n)[ \t*#]{0,8}(?:A|Answer)\s?:|[Aa]nswer is\b|\\boxed\b|####")
_CHANNEL = re.compile(r"analysis(?=[A-Z])")  # a channel's name whose marks were stripped
_SOLUTION_BEGINS = ("<|end_of_thought|>", "<|begin_of_solution|>")
_SOLUTION_ENDS = "<|end_of_solution|>"


def read_parts(completion: str) -> Parts:
    """Split a completion at the marks that reasoning models use.

    A thought that was opened and never closed leaves no answer text: a box or a number inside it
    is scratch work. So is a box inside a closed thought.

    Tags such as `<think>` (also `<thinking>`, `<reasoning>`, `[THINK]`, `◁think▷`), the closing
    one with or without its opening one; `<|begin_of_thought|>` .. `<|begin_of_solution|>`; the
    channels `analysis` and `final`; the bare words `think` and `answer` on lines of their own; no
    marks at all. With several blocks the last text outside of them is the answer text. An end
    token, the turn of a user whom the model made up, or the next question of a list, ends it.
    """
    marks = deque(_MARK.finditer(completion), maxlen=MAX_MARKS)
    if marks:
        return _marked_parts(completion, marks)
    return _bare_parts(completion) or Parts("", _one_turn(completion), False, False)


class _Span(NamedTuple):
    """A stretch of text outside of thoughts."""

    start: int
    end: int
    closed_at: int | None  # where the mark before it starts; None at the start of the text


def _marked_parts(text: str, marks: Sequence[re.Match[str]]) -> Parts:
    spans = _outside(text, marks)
    is_open = marks[-1]["open"] is not None or _solution_breaks_off(text, marks[-1])
    said = [at for at, span in enumerate(spans) if text[span.start : span.end].strip()]
    at = said[-1] if said else len(spans) - 1
    answer = _one_turn(text[spans[at].start : spans[at].end])
    while at and at - 1 not in said and spans[at].closed_at == spans[at - 1].end:
        if spans[at - 1].closed_at is None:
            break
        at -= 1  # two marks in a row end one thought
    if spans[at].closed_at is None:
        return Parts(text[marks[0].end() :], answer if said else "", is_open)
    return Parts(_after_opening(text[: spans[at].closed_at]), answer, is_open)


def _outside(text: str, marks: Iterable[re.Match[str]]) -> list[_Span]:
    """What lies outside of thoughts; a closing mark at first had its opening one in the prompt."""
    spans: list[_Span] = []
    start: int | None = -1
    closed_at = None
    for mark in marks:
        closes = mark["close"] is not None
        if start == -1:
            start = None if closes else 0
        if start is not None:
            spans.append(_Span(start, mark.start(), closed_at))
        if closes:
            start, closed_at = mark.end(), mark.start()
        else:
            start = None
    return spans if start is None else [*spans, _Span(start, len(text), closed_at)]


def _solution_breaks_off(text: str, last: re.Match[str]) -> bool:
    return last[0] in _SOLUTION_BEGINS and _SOLUTION_ENDS not in text[last.end() :]


def _after_opening(thought: str) -> str:
    opening = _MARK.search(thought)
    if opening is None or opening["open"] is None or thought[: opening.start()].strip():
        return thought
    return thought[opening.end() :]


def _bare_parts(text: str) -> Parts | None:
    """Thought and answer under bare words; None for a text that does not start with one."""
    start = text[:24].lstrip()
    if start.startswith("think\n"):
        thought, found, answer = text.rpartition("\nanswer\n")
    elif _CHANNEL.match(start):
        thought, found, answer = text.rpartition("assistantfinal")
    else:
        return None
    return Parts(thought, _one_turn(answer), False) if found else Parts(text, "", True)


def _one_turn(answer: str) -> str:
    """An answer up to the end token, where one was left in; what follows is another turn."""
    end = _END.search(answer)
    answer = answer[: end.start()] if end and answer[: end.start()].strip() else answer
    answered = _ANSWERED.search(answer)
    asked = NEXT_QUESTION.search(answer, answered.end()) if answered else None
    return answer[: asked.start()] if asked else answer

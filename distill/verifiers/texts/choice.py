"""Multiple choice: the one letter that a completion settles on."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from distill.verifiers.texts.answers import (
    CUT_OFF,
    NOTHING,
    STATED_CHARS,
    Extracted,
    extract_answer,
    extract_closed,
    sentences_from_the_end,
)
from distill.verifiers.texts.boxes import repair
from distill.verifiers.texts.option_labels import choice_letter, read_option

__all__ = ["choice_letter", "extract_choice", "option_letter", "options", "reference_letter"]

LETTERS = "ABCDEFGHIJ"
MAX_OPTION_CHARS = 1000
MAX_SENTENCES = 6  # so many from the end may hold the letter


def reference_letter(reference: str, question: str) -> str | None:
    """The letter of a reference to a choice: also "c", "(C) 12", or the text of the one option it
    repeats."""
    letter = choice_letter(reference) or choice_letter(reference.strip().upper())
    if letter is None and (option := read_option(reference)):
        return option.letter
    return letter or option_letter(reference, options(question))


# --- options ----------------------------------------------------------------------------------

_MARKER = re.compile(
    r"(?:^|(?<=[\s,;]))(?:\\text(?:bf|rm)?\{|\\mathrm\{|\*\*|\$)*\s?"
    r"(?:\(([A-J])\)|([A-J])[).:])(?:\}|\*\*|\$|\\[ ,;])*(?=[\s}$*\\]|$)"
)


def options(question: str) -> dict[str, str]:
    """The options of a question by letter, where A, B, C ... follow each other."""
    found: dict[str, tuple[int, int]] = {}
    for match in _MARKER.finditer(question):
        letter = match[1] or match[2]
        if letter == "A":
            found = {}
        if letter == LETTERS[len(found) % len(LETTERS)] and len(found) < len(LETTERS):
            found[letter] = match.span()
    starts = [*(start for start, _ in found.values()), len(question)]
    return {
        letter: question[end : starts[at + 1]].strip()
        for at, (letter, (_, end)) in enumerate(found.items())
        if len(found) > 1
    }


def option_letter(answer: str, choices: dict[str, str]) -> str | None:
    """The letter of the one option that says the same as an answer."""
    wanted = _squeezed(answer[:MAX_OPTION_CHARS])
    letters = [letter for letter, text in choices.items() if wanted and _squeezed(text) == wanted]
    return letters[0] if len(letters) == 1 else None


def _squeezed(text: str) -> str:
    text = re.sub(r"\\(?:text|mathrm|textbf|mbox|qquad|quad|left|right|[,;! ()\[\]])", "", text)
    return re.sub(r"[\s$.\\{}*~\"']+", "", text).casefold()


# --- labels -----------------------------------------------------------------------------------

_OPEN = r"(?:\\(?:bf|rm)\s|[*_$`\"“‘(（\[<]|(?<![A-Za-z])\{|\\[(\[]|(?<!\w)')"
_CLOSE = r"(?:[*_$`\"'”’)）\]}>]|\\[)\]])"
_WRAPPED = re.compile(
    rf"{_OPEN}(?:\s?{_OPEN}){{0,5}}\s?([A-J])\s?[.:)]?(?:\s?{_CLOSE}){{1,6}}(?![A-Za-z0-9])"
)
_HEADED = re.compile(
    rf"(?:(?<=^)|(?<=[\n:：]\s)|(?<=[:：]))\s{{0,3}}{_OPEN}{{0,4}}([A-J])(?:[).:]|\s[-–—])(?=[\s*$]|\\)"
)
_NAMED = re.compile(
    r"\b((?:option|choice|letter|statement)s?)\s+([A-J])(?![A-Za-z0-9'’])", re.IGNORECASE
)
_TEXT_BOX = re.compile(r"\\(?:text(?:bf|it|rm|tt)?|math(?:bf|rm|it|sf))\s?\{([^{}]{0,200})\}")
_NOT_THIS_BUT = re.compile(r"\bnot\s+⟦?[A-J]⟧?\s*,?\s*but\b")
_LABEL = re.compile(
    r"⟦([A-J])⟧|(?<![A-Za-z0-9'’_^\\{=+<>/])(?:([B-HJ])(?![A-Za-z0-9'’_^{(])(?!\s?[=+<>^*/])"
    r"|([AI])(?=\s?(?:[.,;:!?)—–]|$|\n)|\s(?:because|since|as|is|which|and|or|with|are)\b))"
)


def _marked(text: str) -> str:
    """A text in which every letter that is written as a label, "(B)" or "**B**", is ⟦B⟧."""
    text = text.replace("⟦", "").replace("⟧", "")
    text = _TEXT_BOX.sub(r" {\1} ", text)
    text = _WRAPPED.sub(r" ⟦\1⟧ ", text)
    text = _HEADED.sub(r" ⟦\1⟧ ", text)
    text = _NAMED.sub(lambda match: f"{match[1]} ⟦{match[2].upper()}⟧", text)
    return _NOT_THIS_BUT.sub(" ", re.sub(r"\*\*|[$_]|[{}]", "", text))


class Label(NamedTuple):
    """A letter of an option in a sentence."""

    letter: str
    start: int
    end: int


def _labels(sentence: str, valid: str) -> list[Label]:
    found = []
    for match in _LABEL.finditer(sentence):
        letter = match[1] or match[2] or match[3]
        if letter in valid:
            found.append(Label(letter, *match.span()))
    return found


# --- statements -------------------------------------------------------------------------------

_ANNOUNCES = re.compile(
    r"\banswers?\b[^.\n;?!⟦]{0,60}?(?:\b(?:is|are|be|as)\b|[:=：])|\banswers?\s*[:=：]|\banswer\b"
    r"|\b(?:correct|right|best|true|appropriate|final|matching)\s+(?:\w+\s+)?"
    r"(?:option|choice|statement|letter)s?[^.\n;?!⟦]{0,40}?(?:\b(?:is|are|be)\b|[:=：])"
    r"|\b(?:must|has to|can only) be\b"
    r"|\b(?:choose|chose|select|pick|go with|going with|opt for|settle on|conclude|match(?:es)?"
    r"|corresponds? to|(?:option|choice) is)\b|\bchoice\s*[:=]"
    r"|答案|选择|(?:正确)?选项(?=[是为：:\s])|故选|选|正解は|答え?は|정답은|답은|r[ée]ponse|respuesta|resposta|risposta"
    r"|Antwort|antwoord|[оО]твет"
    r"|odpowied[źz]|cevap|jawaban|đáp án",
    re.IGNORECASE,
)
_GAP = re.compile(
    r"[\s:：*_>#=\-–—.,\"']*(?:(?:is|are|be|should|must|would|the|clearly|therefore|thus|simply|indeed|either|both"
    r"|letter|option|choice|statement|answer|final|options|choices|correct[eao]?|correcta|est|es|é|è|ist|lautet|la|el|le|die"
    r"|应该|应当|是|为|选项|选|：|to|go|with|most|likely|probably|definitely)\b[\s:：*]*){0,6}",
    re.IGNORECASE,
)
_JOINER = re.compile(
    r"\s*(?:[,/&;+、和或]|,?\s*\b(?:and|or|y|et|und|oder|ou)\b)\s*(?:(?:also|both|option|choice|maybe|possibly)\b\s*)*",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    r"[^.;?!⟦\n]{0,90}?\b(?:is|are|must be|would be|seems|remains)\b"
    r"(?:\s+(?:indeed|therefore|clearly|thus|definitely|likely|also|both))*"
    r"\s+(?:the\s+)?(?:(?:only|most|best|single|one|final)\s+)?"
    r"(?:correct|right|true|best|appropriate|accurate|answer|answers|valid|suitable|fitting|closest|nearest)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|wrong|incorrect|false|eliminat\w+|rul(?:e|es|ed|ing) out"
    r"|exclud\w+|except|unlikely|impossible|implausible|invalid|rather than|instead of|unlike)\b"
    r"|n['’]t\b|不",
    re.IGNORECASE,
)
_TAKES_BACK = re.compile(
    r"\b(?:wait|actually|no|correction|instead|sorry|mistake|oops|hmm|wrong|incorrect|however|but|re-?\w+|so|therefore"
    r"|thus|hence|final|finally)\b",
    re.IGNORECASE,
)
_SO = r"(?i:so|thus|therefore|hence|finally)"
_SPREAD_HEADER = re.compile(r"(\banswer\b[\s*_]{0,6}[:：]?[\s*_#]{0,6})\n+", re.IGNORECASE)


def extract_choice(text: str, question: str = "") -> Extracted:
    """The letter that an answer text settles on, or the letter whose option it repeats in words.

    A tag or box first, then the last sentence that says which option is the answer, then a last
    sentence with one letter in it, then the text of an option. Two letters at once ("A and C",
    "either (B) or (D)", all of them in a list) come out together: neither is the answer.
    """
    text = repair(text)
    choices = options(question[-20_000:])
    valid = "".join(choices) or LETTERS
    if letter := choice_letter(text[:MAX_OPTION_CHARS]) or _bare_letter(text):
        return Extracted(letter, "letter")
    closed = extract_closed(text)
    if closed.route == CUT_OFF:
        return closed
    if closed.answer is not None:
        letters = _of_answer(closed, valid) or _optional(option_letter(closed.answer, choices))
        return Extracted(", ".join(letters) or closed.answer, closed.route, closed.claim)
    tail = _SPREAD_HEADER.sub(r"\1 ", text[-STATED_CHARS:])
    sentences = [_marked(s) for s, _ in zip(sentences_from_the_end(tail), range(40), strict=False)]
    for route, letters in (
        ("letter", _settled(sentences, valid)),
        ("conclusion", _only_letters(sentences[:MAX_SENTENCES], valid)),
    ):
        if letters:
            return Extracted(", ".join(letters), route, sentences[0])
    return _in_words(text, choices)


def _bare_letter(text: str) -> str | None:
    """ "c" or "(c)" as the whole text."""
    short = text.strip()
    return choice_letter(short.upper()) if re.fullmatch(r"\(?[a-e]\)?\.?", short) else None


def _optional(letter: str | None) -> tuple[str, ...]:
    return () if letter is None else (letter,)


def _of_answer(closed: Extracted, valid: str) -> tuple[str, ...]:
    """The letters that a box or tag starts with: "B", "(b)", "B. Circle", "\\text{B}", "A, C"."""
    pieces = closed.parts or (closed.answer[:MAX_OPTION_CHARS],)
    found: list[str] = []
    for piece in pieces:
        if re.fullmatch(rf"\W*(?:\\?text\w*\W*)?\(?[{valid.lower()}]\)?\W*", piece):
            piece = piece.upper().replace("\\TEXT", "\\text")
        marked = _marked(f"{piece.strip()}\n").strip()
        announced = _announced(marked, valid)
        labels = _labels(marked, valid)
        if labels and (labels[0].start <= 1 or _GAP.fullmatch(marked[: labels[0].start])):
            found += _run(marked, labels, 0)
        elif announced:
            found += announced
        elif re.fullmatch(rf"[{valid}]{{2,}}", piece.strip()):
            found += piece.strip()
    return tuple(dict.fromkeys(found))


def _settled(sentences: Sequence[str], valid: str) -> tuple[str, ...]:
    """What the last sentence that settles on something settles on, and the one before if it differs
    and is not taken back."""
    for at, sentence in enumerate(sentences):
        letters = _announced(sentence, valid)
        if letters:
            before = _announced(sentences[at + 1], valid) if at + 1 < len(sentences) else ()
            both = tuple(dict.fromkeys((*before, *letters)))
            return letters if not before or _TAKES_BACK.search(sentence) else both
    return ()


def _announced(sentence: str, valid: str) -> tuple[str, ...]:
    """The letters that one sentence says are right."""
    labels = _labels(sentence, valid)
    if not labels or sentence.rstrip(" )*\"'").endswith(("?", "？")):
        return ()
    found: tuple[str, ...] = ()
    for announcement in _ANNOUNCES.finditer(sentence):
        at = next((i for i, label in enumerate(labels) if label.start >= announcement.end()), None)
        if at is not None and _GAP.fullmatch(sentence, announcement.end(), labels[at].start):
            found = _run(sentence, labels, at)
    if found:
        return found
    for at, label in enumerate(labels):
        right = _IS_RIGHT.match(sentence, label.end)
        if right and not _DENIES.search(right[0]) and not _denied(sentence, label):
            return _whole_run(sentence, labels, at)
    return ()


def _run(sentence: str, labels: Sequence[Label], at: int) -> tuple[str, ...]:
    """A label and those that are joined to it by "and", "or" or a comma."""
    last = at
    while last + 1 < len(labels) and _JOINER.fullmatch(
        sentence, labels[last].end, labels[last + 1].start
    ):
        last += 1
    return tuple(dict.fromkeys(label.letter for label in labels[at : last + 1]))


def _whole_run(sentence: str, labels: Sequence[Label], at: int) -> tuple[str, ...]:
    while at > 0 and _JOINER.fullmatch(sentence, labels[at - 1].end, labels[at].start):
        at -= 1
    return _run(sentence, labels, at)


def _denied(sentence: str, label: Label) -> bool:
    return _DENIES.search(sentence[max(0, label.start - 25) : label.start]) is not None


def _only_letters(sentences: Iterable[str], valid: str) -> tuple[str, ...]:
    """The letters of the last sentence that has any as labels and denies nothing."""
    for sentence in sentences:
        letters = tuple(dict.fromkeys(re.findall(rf"⟦([{valid}])⟧", sentence)))
        alone = re.fullmatch(rf"\W*(?:{_SO}\W+)*([{valid}])[^\w'’]*", sentence)
        if letters or alone:
            if _DENIES.search(sentence) or sentence.rstrip(" )*\"'").endswith("?"):
                continue
            return letters or (alone[1].upper(),)
    return ()


def _in_words(text: str, choices: dict[str, str]) -> Extracted:
    """The letter of the option whose text a text states."""
    if letter := option_letter(text, choices):
        return Extracted(letter, "letter")
    found = extract_answer(text)
    for said in (found.answer, found.claim):
        letter = option_letter(said or "", choices)
        if letter:
            return Extracted(letter, found.route or "conclusion", found.claim)
    last = next(sentences_from_the_end(text[-STATED_CHARS:]), "")
    for claim in (found.claim, last):
        letters = [letter for letter, option in choices.items() if _ends_in(claim, option)]
        if len(letters) == 1:
            return Extracted(letters[0], found.route or "conclusion", claim)
    return NOTHING


def _ends_in(claim: str, option: str) -> bool:
    """Does a sentence end in the text of an option, and deny nothing?"""
    said, wanted = _squeezed(claim), _squeezed(option)
    return len(wanted) > 3 and said.endswith(wanted) and not _DENIES.search(claim)

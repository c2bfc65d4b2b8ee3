"""What a text states beside a reference: a letter, words, values, or itself, a bare answer."""

import re
from itertools import islice

from distill.verifiers.maths.equality import is_understood, meaning, worded
from distill.verifiers.maths.spelled import number_in_words
from distill.verifiers.maths.spelling import plain
from distill.verifiers.maths.times import read_date
from distill.verifiers.maths.words import find_words
from distill.verifiers.texts.answers import (
    CUT_OFF,
    Extracted,
    extract_answer,
    extract_closed,
    sentences_from_the_end,
)
from distill.verifiers.texts.boxes import repair
from distill.verifiers.texts.choice import extract_choice
from distill.verifiers.texts.layouts import result_of_rows
from distill.verifiers.texts.option_labels import (
    announced_options,
    choice_letter,
    read_option,
    several_options,
)
from distill.verifiers.texts.values import holds_value

MAX_BARE_CHARS = 400  # a longer text is no bare answer
MAX_CLAIM_CHARS = 4000  # of a text are searched for a set phrase or for letters
PROSE_WORDS = 3  # so many words make a text that is no formula

_SAYS = re.compile(
    r"\b(?:answers?|solutions?|results?|is|are|was|were|be|equals?|gives?|gets?|has|have|"
    r"therefore|thus|hence|so|respuesta|antwort|lösung|ergebnis|réponse|resposta|risposta|antwoord"
    r"|cevap|jawaban|ответ\w?|donc|alors|por lo tanto|portanto|also ist|daher|somit|следовательно"
    r"|итак|поэтому)\b|(?<!\w)\w{3,40}\s?[:：]|答案|答え|答：|정답|답[은:]|đáp (?:án|số)"
    r"|الجواب|الإجابة|उत्तर|所以|因此|综上|可知|可得|解得|于是|从而|则|即|したがって|よって|ゆえに|따라서|그러므로",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\\(?:begin|end)\s*\{[a-z*]+\}|\\(?:text|mbox|mathrm|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_WORD = re.compile(r"[^\W\d_]{3,}")
_LEADS_IN = re.compile(  # a word and a number: "It takes 5", not "sin 5"
    r"(?!(?:sqrt|sin|cos|tan|cot|sec|csc|log|ln|lg|exp|pi|arc\w+|gcd|lcm|max|min|mod)\b)"
    r"[^\W\d_]{2,20}(?:['’]\w{1,3})?,?\s+(?:[^\W\d_]{1,20}(?:['’]\w{0,3})?,?\s+){0,9}[-−$\d]"
)
_WORDS_ONLY = re.compile(
    r"(?!(?:a?(?:sin|cos|tan|arc\w+)|log|exp)\b)[A-Za-z'’]+(?: [A-Za-z'’]{2,})+"
)
_LETTERS = re.compile(r"[^\W\d_]{2}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FENCE = re.compile(r"\s*```\w{0,12}\n([^`]*?)\n?```\s*")


def read_statement(text: str, reference: str, question: str = "") -> Extracted:
    """What an answer text (without its thought) states, or itself where it is a bare answer.

    In this order: a letter, or letters, where the reference has some; the last tag or box; a text
    that is an answer as a whole; the words of a reference that has words; a sentence.
    """
    if choice_letter(reference):
        return extract_choice(text, question)
    if option := read_option(reference):
        return _option(text, option.value, question)
    text = repair(text)
    closed = extract_closed(text)
    if closed.answer is not None or closed.route == CUT_OFF:
        return closed
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    row = result_of_rows(text) if "\\begin" not in reference else None
    if row is None and is_bare(text, reference):
        return Extracted(text.strip(), "")
    if row is not None:
        return Extracted(row, "conclusion", row)
    return _letters(text, reference) or _words(text, reference, question)


def _option(text: str, value: str, question: str) -> Extracted:
    """A letter, a value or both, for a reference of both."""
    if read_option(text):
        return Extracted(text.strip(), "")
    found = read_statement(text, value, question)
    for said in (found.answer, found.claim):
        if said and (read_option(said) or choice_letter(said)):
            return Extracted(said, found.route, found.claim)
    chosen = extract_choice(text, question)
    is_letter = chosen.answer is not None and choice_letter(chosen.answer) is not None
    return chosen if is_letter else found


def _letters(text: str, reference: str) -> Extracted | None:
    if several_options(reference) is None:
        return None
    announced = announced_options(text[-MAX_CLAIM_CHARS:])
    return Extracted(announced, "phrase") if announced else None


def _words(text: str, reference: str, question: str) -> Extracted:
    """The words of a worded reference, a set phrase such as "no solution", or the answer."""
    if words := worded(plain(reference)):
        found = find_words(text, words, reference=reference, question=question)
    else:
        found = extract_answer(text)
    if found.route in ("", "conclusion") and (phrase := _set_phrase(text)):
        return Extracted(phrase, "conclusion", phrase)
    return found


_SET_PHRASE = re.compile(
    r"\b(?:there (?:is|are|exists?) )?no (?:[a-z]+ ){0,3}(?:solutions?|roots?|values?|numbers?"
    r"|integers?|pairs?|triples?|functions?|intersections?)(?: exists?)?$"
    r"|\b(?:does not|doesn't|do not) exist$|\binfinitely many(?: [a-z]+)?$|\bundefined$",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\b(?:other|others|further|more|additional|remaining|cases?)\b", re.IGNORECASE)


def _set_phrase(text: str) -> str | None:
    """ "no real solutions" of a last sentence "So the equation has no real solutions."."""
    last = next(sentences_from_the_end(text[-MAX_CLAIM_CHARS:]), "").strip(" .!*_")
    match = _SET_PHRASE.search(last[-200:])
    if match is None or _ASIDE.search(last):
        return None
    return match[0] if meaning(plain(match[0])) else None


def is_bare(text: str, reference: str) -> bool:
    """Is a text an answer as a whole, rather than a sentence or a solution that states one?"""
    text = text.strip()
    if len(text) > MAX_BARE_CHARS or ("\n" in text and not text.startswith(("\\", "$"))):
        return False
    spelled = plain(text)
    if spelled and spelled == plain(reference):
        return True
    if says(text):
        return False
    if _LEADS_IN.match(text):
        return read_date(spelled) is not None
    is_formula = (holds_value(text) or "\\" in text) and not _LETTERS.search(_CODE.sub(" ", text))
    if (is_formula and not is_sentence(text)) or several_options(text):
        return True
    return is_understood(spelled) and _is_value(spelled, reference)


def _is_value(spelled: str, reference: str) -> bool:
    """Is it no mere word, unless one is asked for?"""
    is_word = worded(spelled) is not None or _WORDS_ONLY.fullmatch(spelled)
    if not is_word or worded(plain(reference)) is not None:
        return True
    return number_in_words(spelled) is not None or meaning(spelled) is not None


def is_sentence(text: str) -> bool:
    """Has a text the words of a sentence?"""
    return says(text) or is_prose(text) or _UNSPACED.search(_CODE.sub(" ", text)) is not None


def is_prose(text: str) -> bool:
    """Does a text have so many words that algebra would find a formula only by mistake?"""
    words = _WORD.finditer(_CODE.sub(" ", text))
    return len(list(islice(words, PROSE_WORDS))) == PROSE_WORDS


def says(text: str) -> bool:
    """Has a text a word that announces or states something?"""
    return _SAYS.search(_CODE.sub(" ", text)) is not None

"""Drift into another language of the same script: how much of a text an identifier says is in one.

py3langid (naive Bayes over byte n-grams, 97 and more languages, model in its wheel, no network)
sees only what gives cause for doubt: in a text that should be English, the pieces in which English
function words are rare. Formulas, commands, code, names and numbers are taken out before.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from distill.filters.formulas import MAX_FORMULA_CHARS, without_formulas
from distill.filters.scripts import foreign_share

PIECE_CHARS = 200  # lines are joined up to this length; shorter pieces are too little to go by
LONG_LINE_CHARS = 300  # a longer line is looked at sentence by sentence
MAX_PIECE_CHARS = 1000  # where there are no sentences
MIN_WORDS = 20  # of a language, in a piece: a shorter one is a quotation
MIN_WORDS_ALONE = 8  # if the whole text is one piece
MIN_CONFIDENCE = 0.5  # of the identifier in the other language
MAX_OWN_CONFIDENCE = 0.1  # and in the question's
ENGLISH_SHARE = 0.12  # function words among the words of a piece: English without further ado
MAX_QUESTION_CHARS = 2000

_ENGLISH_WORDS = """
    the of and is that this it to are which let then if with from but have be because wait there
    what how can our by would should could now just maybe since where each both need check we not
    at into has had were these those they them their its does did than also only when while about
    after before between must might may here all any get gives means find first next second other
    same equal equals The Let If This Then But Now We It Since Wait That Therefore Thus And Is To
    What How There
"""  # without those that are words elsewhere too, such as a, no, do, in, was
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_LANGUAGES = """
    af ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka
    kk km kn ko lt lv mk ml mn mr ms my ne nl no pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk
    ur uz vi zh
"""  # those that a chain of thought can drift into: to find a dead or tiny one is an error
_ALIKE = (  # who writes the one is often taken for the other
    {"no", "da"},
    {"id", "ms"},
    {"hr", "bs", "sr", "sl"},
    {"cs", "sk"},
    {"es", "gl", "ca"},
    {"pt", "gl"},
    {"af", "nl"},
    {"bg", "mk"},
    {"hi", "mr", "ne"},
)
_COMMAND = re.compile(r"\\[A-Za-z]+(?:\{[\w ,.=*+-]*\})?|https?://\S+")
_WORD = re.compile(  # stands alone: no part of `2x`, `a^b`, `f(x)`
    r"(?<![^\s(\[\"'“‘«¿¡*_—-])[^\W\d_]+(?:['’-][^\W\d_]+)*(?![^\s.,;:!?)\]\"'”’»*_—-])"
)
_GREEK_ACCENTS = frozenset("άέήίόύώ")  # every Greek text has some, no product of αβγ has one
_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+")


def other_language_share(text: str, question: str) -> tuple[float, str]:
    """Share (0 to 1) of the words in pieces of another language, and which language it is.

    A question that is too short to tell, such as `2 + 2 =`, allows the language of most of the
    text. What is written in another script than the question is left to `foreign_share`.
    """
    own = _language_of_question(question) or _language_of_text(text)
    if own is None:
        return 0.0, ""
    total = others = 0
    found: dict[str, int] = {}
    pieces = list(_pieces(text))
    for piece in pieces:
        words = piece.split()
        total += len(words)
        if own == "en" and sum(map(_ENGLISH.__contains__, words)) >= ENGLISH_SHARE * len(words):
            continue
        least = MIN_WORDS if len(pieces) > 1 else MIN_WORDS_ALONE
        other = _other_language(piece, own, least)
        if other is not None and foreign_share(piece, question) < 0.5:
            others += len(words)
            found[other] = found.get(other, 0) + len(words)
    return (others / total if total else 0.0), max(found, key=found.__getitem__, default="")


def natural_words(text: str) -> list[str]:
    """The words of a language in a text: no formulas, commands, code, names or single letters."""
    plain = _COMMAND.sub(" ", without_formulas(text, MAX_FORMULA_CHARS))
    return [word for word in _WORD.findall(plain) if len(word) > 1 and word.islower()]


def _other_language(piece: str, own: str, least: int) -> str | None:
    """The language that a piece is in, if it is sure to be another one than `own`."""
    words = natural_words(piece)
    if len(words) < least or len(set(words)) < 0.4 * min(len(words), 100):
        return None
    ranked = dict(_identifier().rank(" ".join(words)))
    language = next(iter(ranked))
    if language == own or any({language, own} <= alike for alike in _ALIKE):
        return None
    if language == "el" and _GREEK_ACCENTS.isdisjoint(piece):
        return None
    sure = ranked[language] >= MIN_CONFIDENCE and ranked.get(own, 0.0) <= MAX_OWN_CONFIDENCE
    return language if sure else None


@lru_cache(maxsize=1024)
def _language_of_question(question: str) -> str | None:
    return _language_of(question[:MAX_QUESTION_CHARS], least=4)


def _language_of_text(text: str) -> str | None:
    middle = max(0, len(text) // 2 - 5000)
    return _language_of(text[middle : middle + 10_000], least=8)


def _language_of(text: str, least: int) -> str | None:
    """The language of a text; None when it has too few words to say."""
    words = text.split()
    if len(words) >= least and sum(map(_ENGLISH.__contains__, words)) >= 0.2 * len(words):
        return "en"
    words = natural_words(text)
    if len(words) < least and sum(map(len, words)) < 8 * least:
        return None
    language, confidence = _identifier().classify(" ".join(words))
    return language if confidence >= MIN_CONFIDENCE else None


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES.split())
    return identifier


def _pieces(text: str) -> Iterator[str]:
    """Lines joined up to PIECE_CHARS; a long line stands for itself or is cut at sentence ends."""
    joined, chars = [], 0
    for part in _parts(text):
        if len(part) >= PIECE_CHARS:
            if joined:
                yield " ".join(joined)
                joined, chars = [], 0
            yield part
            continue
        joined.append(part)
        chars += len(part)
        if chars >= PIECE_CHARS:
            yield " ".join(joined)
            joined, chars = [], 0
    if joined:
        yield " ".join(joined)


def _parts(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if len(line) <= LONG_LINE_CHARS:
            if line:
                yield line
            continue
        for sentence in _SENTENCE_END.split(line):
            for at in range(0, len(sentence), MAX_PIECE_CHARS):
                yield sentence[at : at + MAX_PIECE_CHARS]

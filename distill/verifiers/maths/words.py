"""Answers that are words: a name, a weekday, "even", "yes", said in a sentence."""

import re
from collections import deque
from collections.abc import Iterator

from distill.verifiers.maths.said import asserts_any_form, denies_or_offers
from distill.verifiers.texts.answers import (
    CLOSED_ROUTES,
    CUT_OFF,
    Extracted,
    extract_answer,
    sentences_from_the_end,
)

CLAIM_CHARS = 4000  # of the start and of the end of a text are searched
MAX_CLAIM_CHARS = 600
ANNOUNCED_ROUTES = ("header", "phrase", "open-tag")

_LEAD_IN = re.compile(
    r"(?:(?:so|thus|therefore|hence|consequently|clearly|in conclusion|in summary|as a result"
    r"|overall|finally|and|indeed|the (?:final |correct )?answer is|it is|it's|it must be|this is)"
    r"\b[,:]?\s*)*(?:(?:the|a|an)\s+)?",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"\\(?:text|mbox|mathrm|textbf|textit|mathbf)\s*\{([^{}]*)\}|[*_`$\"“”]|\\[()\[\]]"
)
_LIGHT_WORDS = frozenset(
    [
        "which",
        "what",
        "that",
        "this",
        "there",
        "their",
        "have",
        "with",
        "from",
        "were",
        "when",
        "where",
        "does",
        "will",
        "would",
        "should",
        "among",
        "answer",
        "question",
    ]
)


def find_words(text: str, words: str, *, reference: str, question: str) -> Extracted:
    """The words of a reference where a text states them, else its answer as usual.

    They are looked for in an announced answer, in the last sentence and, unless that has another
    name of the question as its subject, in the first.

    Args:
        words: of the reference, in lower case without articles.
        reference: as written; a name with a capital is also stated by a sentence about what was
            asked that has it as its subject ("Evelyn has the greatest average speed").
    """
    found = extract_answer(text)
    if found.route in (*CLOSED_ROUTES, CUT_OFF):
        return found
    is_name = re.search(r"(?:^|\{)\s*[A-Z]", reference) is not None
    announced = found.claim if found.route in ANNOUNCED_ROUTES else ""
    for claim in [announced] if announced else _claims(text):
        said = _flat(claim)
        if _starts_with(said, words) if announced else False:
            return Extracted(words, found.route, words)
        if states(said, words, is_name=is_name, question=question):
            return Extracted(words, found.route if announced else "conclusion", words)
        if _names_another(said, words, question):
            return found
    return found


def _starts_with(claim: str, words: str) -> bool:
    """ "Evelyn, because she ...", after "the answer is"."""
    follows = r"(?:$|[.;:(]|(?:,\s*|\s)(?:because|since|as|who|which|with)\b)"
    return re.match(rf"(?:(?:the|an?)\s)?{re.escape(words)}{follows}", claim.casefold()) is not None


def _claims(text: str) -> Iterator[str]:
    """The last sentence, then the first of a text that states first and explains then."""
    last = next(sentences_from_the_end(text[-CLAIM_CHARS:]), None)
    if last is not None:
        yield last
    first = deque(sentences_from_the_end(text[:CLAIM_CHARS]), maxlen=1)
    yield from (sentence for sentence in first if sentence != last)


def _flat(sentence: str) -> str:
    """A sentence without markup."""
    flat = _MARKUP.sub(lambda match: match[1] or "", sentence[:MAX_CLAIM_CHARS])
    return re.sub(r"\s+", " ", flat).strip(" .!#>-")


def states(claim: str, words: str, *, is_name: bool, question: str) -> bool:
    """Does a sentence say that the words are the answer?"""
    if asserts_any_form(claim, words):
        return True
    low = claim.casefold()
    outside = low.replace(words, " ", 1)
    if not is_name or claim.endswith("?") or " than " in outside or denies_or_offers(outside):
        return False
    return _is_subject(low[_LEAD_IN.match(low).end() :], re.escape(words), words, question)


def _is_subject(rest: str, said: str, words: str, question: str) -> bool:
    """ "Evelyn has the greatest average speed": about what the question asks."""
    match = re.match(rf"{said}(?:'s|’s)?\s+(?!and\b|or\b|but\b|&)", rest)
    if match is None:
        return False
    if not question.strip():
        return _SUPERLATIVE.match(rest, match.end()) is not None
    asked = set(re.findall(r"[a-z]{4,}", _last_question(question).casefold())) - _LIGHT_WORDS
    return bool(asked.intersection(re.findall(r"[a-z]{4,}", rest[match.end() :])) - {words})


_SUPERLATIVE = re.compile(
    r"[a-z]{2,12} (?:the )?(?:[a-z]{2,12}est|most|least|best|worst)\b"
    r"(?!.*(?:,|\b(?:but|while|whereas|and|or)\b))"
)


def _last_question(question: str) -> str:
    asked = [
        part for part in re.split(r"(?<=[.?!])\s", question[:4000]) if part.rstrip().endswith("?")
    ]
    return asked[-1] if asked else question[:4000]


def _names_another(claim: str, words: str, question: str) -> bool:
    """Does a sentence have another name of the question as its subject?"""
    rest = claim[_LEAD_IN.match(claim).end() :]
    subject = re.match(r"[A-Z][a-z]+", rest)
    if subject is None or subject[0].casefold() in words:
        return False
    return re.search(rf"[^.?!\n]\s*[\"']?\b{subject[0]}\b", question) is not None

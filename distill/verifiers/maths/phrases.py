"""Answers in words: names, weekdays, yes and no, and set phrases such as "no solution"."""

import re
from functools import lru_cache

from distill.recipe import MathPolicy
from distill.verifiers.maths.said import WINS, asserts_any_form
from distill.verifiers.maths.spelling import TEXT_BOX

# --- names and other words --------------------------------------------------------------------

_WORDED = re.compile(r"[A-Za-z][A-Za-z'-]+(?: [A-Za-z'-]+){0,5}")
_ARTICLES = re.compile(r"\b(?:the|an?|is|it|are)\s+(?=[a-z]{2})", re.IGNORECASE)
_FUNCTIONS = re.compile(r"\b(?:sqrt|sin|cos|tan|log|ln|exp|pi|frac|infty|infinity)\b")


def worded(reference: str) -> str | None:
    """The words of a reference that is text, such as a weekday; None for formulas.

    Bare letters are words from four on; "xy" may be a product.
    """
    words = TEXT_BOX.sub(r"\1", reference).strip()
    boxed = words != reference.strip()
    is_word = boxed or len(words) > 3 or words.casefold() in ("yes", "no")
    if not _WORDED.fullmatch(words) or _FUNCTIONS.search(words) or not is_word:
        return None
    return _ARTICLES.sub("", words).casefold().strip() or None


def same_words(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Is a worded reference what the answer says, as "23 May is a Saturday" does?"""
    letter = _choice(reference)
    if letter is not None:
        found = _choice(answer)
        return None if found is None else letter == found
    expected = worded(reference)
    if expected is None:
        return None
    bare = TEXT_BOX.sub(r"\1", answer)
    if not policy.ignore_case:
        return TEXT_BOX.sub(r"\1", reference).strip() == bare.strip(" .!")
    found = _ARTICLES.sub("", bare).casefold().strip(" .!")
    if found == expected or _letters(found) == expected:
        return True
    said = re.sub(r"\b(?:the|an?)\s+(?=[a-z]{2})|[*_`]+", "", bare, flags=re.IGNORECASE)
    return asserts_any_form(said, WINS.sub("", expected) or expected)


_CHOICE = re.compile(r"\(?(?:\\text\{)?\s*\(?([A-Z])\)?\s*\}?\)?\.?")


def _choice(text: str) -> str | None:
    """The letter of "(C)" or "\\text{C}": one that is a name, not a variable."""
    match = _CHOICE.fullmatch(text)
    return match[1] if match and len(text) > 1 else (text if re.fullmatch("[A-Z]", text) else None)


def _letters(text: str) -> str:
    """ "a, c and f" as "acf"."""
    letters = [part for part in re.split(r"[\s,]+", text) if part and part != "and"]
    return "".join(letters) if all(len(part) == 1 for part in letters) else text


# --- phrases with a meaning -------------------------------------------------------------------

_EMPTY = re.compile(
    r"(?:there (?:is|are|exists?) )?(?:no|zero) (?P<which>(?:(?:real|integer|such|possible|valid"
    r"|positive|negative|natural|rational|complex|nonzero|nontrivial|other|finite|whole|prime|even"
    r"|odd) )*)"
    r"(?:solutions?|roots?|values?|numbers?|integers?|pairs?|triples?|functions?|intersections?"
    r"|answers?|primes?|polynomials?|sequences?|points?|triangles?)"
    r"(?: (?:exists?|for x|in real numbers))?|none|empty ?set|empty|"
    r"\\emptyset|\\\{ ?\\\}|none exist|no one"
)
_SAY_NOTHING = frozenset(("such", "possible", "valid"))
_OF_THE_QUESTION = frozenset(("real", "integer", "whole"))  # what is looked for goes without saying
_MEANINGS = {
    "empty": _EMPTY,
    "undefined": re.compile(
        r"undefined|(?:does not|doesn't|do not) exist|dne|not defined|nonexistent|indeterminate"
    ),
    "many": re.compile(
        r"(?:there are )?(?:infinitely many|(?:infinite|unlimited)(?: number of)?)"
        r"(?: (?:solutions?|values?))?"
    ),
    "reals": re.compile(
        r"(?:for )?(?:all|any|every|set of(?: all)?)? ?(?:real numbers?|reals?)(?: x)?|all x|"
        r"(?:[a-z] ?\\in ?)?\\reals|[a-z] ?\\in ?r|"
        r"\(-\\infty ?, ?\+?\\infty\)|"
        r"-\\infty ?< ?[a-z] ?< ?\+?\\infty|"
        r"x ?\\in ?\(-\\infty ?, ?\+?\\infty\)"
    ),
    "yes": re.compile(r"yes|true"),
    "no": re.compile(r"no|false"),
    "infinity": re.compile(r"\+?\\infty|(?:positive )?infinity|inf|diverges to infinity"),
    "-infinity": re.compile(r"-\\infty|(?:negative |minus |-)infinity|-inf"),
}
_LEAD = re.compile(
    r"^(?:therefore|so|thus|hence)?,?\s*(?:the )?(?:final )?(?:answer:?)?\s*(?:is )?"
)


@lru_cache(maxsize=4096)
def meaning(text: str) -> str | None:
    """What a set phrase means: empty, undefined, many, reals, yes, no, infinity, -infinity."""
    phrase = _bare_phrase(text)
    return next((name for name, words in _MEANINGS.items() if words.fullmatch(phrase)), None)


def _bare_phrase(text: str) -> str:
    if len(text) > 80:
        return ""
    phrase = re.sub(r"\s+", " ", TEXT_BOX.sub(r" \1 ", text).casefold()).strip(" .!")
    return re.sub(r"\b(?:the|an?)\b ?", "", _LEAD.sub("", phrase)).strip()


def same_meaning(reference: str, answer: str, policy: MathPolicy) -> bool | None:
    """Do two set phrases mean the same? One of them beside a formula is no match."""
    if reference.isdecimal() and answer[:1].isdecimal():
        return None
    expected, found = meaning(reference), meaning(answer)
    if expected == "reals" and answer == "R":
        return True  # as a reference it is a name, of a radius or a resistance
    if expected is None and found is None:
        return None
    if expected == found == "empty":
        return _lack_the_same(reference, answer)
    if expected is not None and found is not None:
        return expected == found
    one = expected or found
    return None if one in ("reals", "infinity", "-infinity") else _unless_named(one, reference)


def _lack_the_same(reference: str, answer: str) -> bool:
    """ "no integer solutions" is not "no real solutions"; "no solution" says either."""
    first, second = (_which(text) for text in (reference, answer))
    if first and second:
        return first == second
    return not (first | second) - _OF_THE_QUESTION


def _which(text: str) -> frozenset[str]:
    match = _EMPTY.fullmatch(_bare_phrase(text))
    return frozenset((match["which"] or "").split()) - _SAY_NOTHING


def _unless_named(one: str, reference: str) -> bool | None:
    """A name may hold such a word; the word by itself is another answer than a formula."""
    return None if one in ("yes", "no", "empty") and worded(reference) else False

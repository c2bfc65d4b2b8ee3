"""Of several numbers in one sentence, the one that it states: "needs 5 more hours for 3 rooms"."""

import re
from collections.abc import Sequence

from distill.verifiers.texts.values import Value, holds_value

BEFORE_CHARS = 60  # of the sentence before a number tell its role

_CONCLUDES = re.compile(
    r"(?:(?<=[,;])\s*|\s)(?:(?:and|which|that|this)\s+)?(?:so(?! that\b| far\b| many\b| much\b)"
    r"|thus|therefore|hence|means?|meaning|(?<=[,;] )then)\b,?(?:\s+that\b)?",
    re.IGNORECASE,
)
_OPENS_WITH_GROUND = re.compile(
    r"\W*(?:(?:so|thus|therefore|hence|then|and|but|however|now|finally),?\s+)?"
    r"(?:since|because|as|if|when|after|before|once|while|given|to|by|having|assuming|with)\b",
    re.IGNORECASE,
)
_MAIN = re.compile(r",\s+(?:then\s+)?(?!and\b|or\b|but\b|which\b|where\b|who\b)(?=[A-Za-z])")


def last_clause(claim: str) -> str:
    """The clause that a sentence ends in, without the ground before it.

    "She has 10 and eats 3, so 7 are left" is its last clause, "Since she has 10, 7 are left" what
    follows the ground; only a clause with a value is one.
    """
    ends = [
        match.end() for match in _CONCLUDES.finditer(claim) if holds_value(claim[match.end() :])
    ]
    clause = claim[ends[-1] :].lstrip() if ends and holds_value(claim[: ends[-1]]) else claim
    if _OPENS_WITH_GROUND.match(clause) is None:
        return clause
    ends = [match.end() for match in _MAIN.finditer(clause) if holds_value(clause[match.end() :])]
    return clause[ends[-1] :] if ends else clause


_DETERMINED = r"(?:(?:the|these|those|this|his|her|their|its|all|both|my|our|each|every)\s+){1,3}"
_PREPOSITION = (
    r"(?:in|for|with|within|at|by|from|after|before|over|during|among|between|across|per|every|than"
    r"|out of|on|up to)"
)
_CIRCUMSTANCE = re.compile(
    rf"\b(?:{_PREPOSITION}\s+(?:{_DETERMINED}|(?:only|just|about)\s+)?|{_DETERMINED}"
    r"(?:first|last|next|other|remaining)?\s*)[\s*]*$",
    re.IGNORECASE,
)
_PURPOSE = re.compile(
    r"\bto (?!(?:be|make|reach|get|give|find|her|his|him|the|their|them|its|an?)\b)[a-z]{2,15}\b"
    r"[^,;.]{0,60}$"
)
_LEAD = re.compile(
    rf"\W*(?:(?:so|thus|therefore|hence|then|and|finally|in total|overall)\b,?\s*)?"
    rf"(?P<at>{_PREPOSITION}\b)?\s*(?:{_DETERMINED})?\W*",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:needs?|needed|costs?|earn(?:s|ed)|takes?|took|makes?|made|gets?|got|s[oe]lls?|sold"
    r"|spen(?:ds?|t)|saves?|saved|pa(?:ys?|id)|has|have|had|owes?|reads?|walk(?:s|ed)?|drives?"
    r"|drove|travel(?:s|ed)?|weighs?|uses?|used|eats?|ate|bought|buys?|receives?|received|gives?"
    r"|gave|contains?|remains?|leaves?|left|ends? up with|requires?|is|are|was|were|lasts?|lost"
    r"|loses?|runs?|ran|works?|worked|drinks?|collect(?:s|ed)?|produces?|produced)"
    r"\s+(?:(?:a total of|about|only|just|exactly|another|an? additional)\s+)?[\s*]*$",
    re.IGNORECASE,
)
_MONEY = re.compile(r"-?\\?[$€£¥]")


def asked_values(claim: str, found: Sequence[Value]) -> list[int]:
    """The places of the values that a sentence may state: one where its words tell, or several.

    What follows a verb is stated; numbers "in 3 weeks", "for the 5 rooms", "to earn $70" are
    circumstances, and so is the subject, "5 workers", beside an object.
    """
    objects, subjects, others = [], [], []
    for at, value in enumerate(found):
        lead = _LEAD.match(claim)
        if lead.end() >= value.start:
            (others if lead["at"] and len(found) > 1 else subjects).append(at)
        elif is_circumstance(claim, value) or _is_purpose(claim, found, at):
            others.append(at)
        else:
            objects.append(at)
    if len(objects) > 1:
        verbs = [at for at in objects if _follows_verb(claim, found[at])]
        money = [at for at in objects if _MONEY.match(found[at].text)]
        return verbs if len(verbs) == 1 else money[-1:] or objects
    if objects:
        return objects
    if not subjects and len(others) == 2 and _LEAD.match(claim)["at"]:
        return others[1:]
    return sorted(subjects + others) or [len(found) - 1]


def is_circumstance(claim: str, value: Value) -> bool:
    """Is a number no object of its sentence: after a preposition or an article?"""
    start = max(0, value.start - BEFORE_CHARS)
    if _CIRCUMSTANCE.search(claim, start, value.start) is None:
        return False
    return not (_MONEY.match(value.text) and re.search(r"\bfor\s+$", claim[start : value.start]))


def _is_purpose(claim: str, found: Sequence[Value], at: int) -> bool:
    """3 of "5 hours to paint 3 rooms"."""
    return at > 0 and _PURPOSE.search(claim, found[at - 1].end, found[at].start) is not None


def _follows_verb(claim: str, value: Value) -> bool:
    return _VERB.search(claim, max(0, value.start - BEFORE_CHARS), value.start) is not None

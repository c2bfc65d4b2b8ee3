"""Words behind a number: may they stand there, and do two of them count the same things?

The words of a quantity are a unit, or an English noun phrase whose noun is a plural: "apples",
"red marbles left", "people per car". Words that change the value ("squared", "or fewer", "below
zero") or take it back ("is extraneous", "rejected") are none. Two phrases agree if one says no more
than the other: "marbles" and "red marbles" do, "red marbles" and "blue marbles", "boys" and
"girls", "boxes of apples" and "apples" do not; words for things in general agree with any noun.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from distill.verifiers.maths.languages import (
    CHANGING,
    in_english,
    is_counted,
    is_german_plural,
    is_share,
)
from distill.verifiers.maths.spelled import SHARES
from distill.verifiers.maths.units import MAX_UNIT_CHARS, UNKNOWN, Unit, agree, beside, read_unit

MAX_NOUN_WORDS = 5
MAX_PHRASE_WORDS = 12

_CHANGING_WORDS = """
    not no non nor neither half less fewer least most than or and plus minus times over above
    under below beyond up down before after ago until since but except without excluding is
    isn't are aren't was wasn't were be been being does doesn't do don't did didn't cannot can't
    can could would will should must may might if when where whenever unless which that who
    because so too squared cubed doubled tripled halved quadrupled raised rounded modulo mod
    choose factorial remainder root power fails works holds fits wins loses satisfies violates
    contradicts makes gives equals has means seems exceeds goes always perhaps besides versus
    yes this thus as its his minimum maximum approximately about roughly nearly almost around
"""
_CHANGING = frozenset(_CHANGING_WORDS.split()) | CHANGING
_OPENS_TAIL_WORDS = """
    of in on at from by with among between for each every to out
"""
_OPENS_TAIL = frozenset(_OPENS_TAIL_WORDS.split())
_TAIL_WORDS = """
    left remaining total altogether old each long wide tall high deep away apart only exactly
    overall more today over all daily weekly monthly yearly
"""
_TAIL = frozenset(_TAIL_WORDS.split())
_BARE_TAIL = re.compile(
    r"(?:left(?: over)?|remaining|total|in (?:total|all)|altogether|each|more|exactly|only|overall"
    r"|of (?:them|these|those|each))"
)
_RESTATED = re.compile(
    r"(?:is|as) (?:the )?(?:(?:final|correct|only|required|desired|minimum|maximum|smallest"
    r"|largest|least|greatest|total|possible) )*(?:answer|value|result|minimum|maximum|number"
    r"|total|solution|sum|area|probability)|(?:minimum|maximum|least|greatest) (?:value|number)"
    r"|as (?:required|desired|needed|claimed|expected|stated|before)"
)
_PERMUTED = re.compile(
    r"(?:and|or) (?:(?:all|any|its|their|the|of|other|possible) )*(cyclic )?permutations"
    r"(?: (?:of (?:it|them|this|these)|thereof))?"
)
_PLURALS = {
    "people": "person", "men": "man", "women": "woman", "mice": "mouse", "lice": "louse",
    "teeth": "tooth", "geese": "goose", "feet": "foot", "dice": "die", "oxen": "ox",
    "vertices": "vertex", "indices": "index", "matrices": "matrix", "data": "datum",
    "radii": "radius", "foci": "focus", "loci": "locus", "nuclei": "nucleus", "cacti": "cactus",
    "fungi": "fungus", "alumni": "alumnus", "stimuli": "stimulus", "bacteria": "bacterium",
    "criteria": "criterion", "phenomena": "phenomenon", "media": "medium", "strata": "stratum",
    "errata": "erratum", "formulae": "formula", "vertebrae": "vertebra", "antennae": "antenna",
    "larvae": "larva", "octahedra": "octahedron", "tetrahedra": "tetrahedron",
    "polyhedra": "polyhedron",
}  # fmt: skip
_UNMARKED_WORDS = """
    fish sheep deer salmon trout shrimp squid cattle poultry police staff crew offspring moose
    elk swine bison buffalo tuna personnel percent pence baht rand won dong zloty reais
"""
_PLURALS |= {word: word for word in _UNMARKED_WORDS.split()}
_IRREGULAR = re.compile(
    r"(?!omen|speci)[a-z]*(?:men|people|children|teeth|feet|mice|geese|fish|craft)"
)
_SYMBOL = re.compile(r"[a-zμ]{0,3}[A-ZΩÅ][A-Za-z]{0,3}")  # of a unit that nobody listed: "Torr"
_ADJECTIVE = re.compile(r"(?:ed|ous|ly|ing|[ai]ble|ful|less|ive|ic|ant|ent|al|ary|est|th)$")
_SINGLE_CHANGES_WORDS = """
    wrong false invalid prime odd even true correct right bad fake null zero nothing only
    square double triple otherwise infinite complete
"""
_SINGLE_CHANGES = frozenset(_SINGLE_CHANGES_WORDS.split())
_SAY_LITTLE_WORDS = """
    the a an different distinct possible more such additional extra other total unique separate
    of full whole new exactly only
"""
_SAY_LITTLE = frozenset(_SAY_LITTLE_WORDS.split())
_ANYTHING = frozenset(("unit", "item", "thing", "object", "piece", "one", "unknown"))
_SYNONYMS = (
    "way possibility combination arrangement outcome method case choice option permutation"
    " selection configuration assignment",
    "number integer value solution element term member root answer",
    "child kid",
    "person individual human",
)
_SAME = {word: names.split()[0] for names in _SYNONYMS for word in names.split()}
_PERSONS_WORDS = """
    person boy girl man woman child kid student teacher adult friend player worker guest
    passenger customer pupil employee voter runner
"""
_PERSONS = frozenset(_PERSONS_WORDS.split())


class Counted(NamedTuple):
    """What is counted or measured."""

    unit: Unit = UNKNOWN
    things: frozenset[str] = frozenset()  # noun and what tells it from others, in the singular
    noun: str = ""
    per: str = ""  # as written
    stays: bool = False  # it says more than what is counted: it cannot go without saying


ANYTHING = Counted()


@lru_cache(maxsize=4096)
def read_counted(text: str, *, single: bool = False) -> Counted | None:
    """What the words behind a number count; None for words that say something else.

    Args:
        single: the number is 1 or less, so that its noun may be a singular.
    """
    bare = in_english(" ".join(text.strip(" .()[]{}").split()))
    if len(bare) > MAX_UNIT_CHARS:
        return None
    unit = read_unit(bare)
    if unit is not UNKNOWN:
        return Counted(unit=unit)
    if not bare.isascii() and not re.search("[A-Za-z]", bare):
        return ANYTHING if is_counted(bare) else None  # words of another script
    if _BARE_TAIL.fullmatch(bare.lower()) or _RESTATED.fullmatch(bare.lower()):
        return ANYTHING
    if bare == "times":
        return Counted(noun="time")
    if permuted := _PERMUTED.fullmatch(bare):
        return Counted(noun=f"{permuted[1] or ''}permutation", stays=True)
    above, _, below = re.sub(r"\s*/\s*|\s+per\s+", "/", bare, count=1).partition("/")
    return _read_noun(above, below, single)


def _read_noun(above: str, below: str, single: bool) -> Counted | None:
    if not re.fullmatch(r"[^\W\d_][^\W\d_'.-]*(?:[ -]+[^\W\d_][^\W\d_'.]*)*", above):
        return None
    words = above.replace("-", " ").replace(".", "").split()
    lower = [word.lower() for word in words]
    if len(words) > MAX_PHRASE_WORDS or _CHANGING.intersection(lower):
        return None
    ends = (at for at, word in enumerate(lower) if at and word in _OPENS_TAIL | _TAIL)
    end = next(ends, len(words))
    if end > MAX_NOUN_WORDS or not _is_tail(lower[end:]):
        return None
    noun = _singular(words[end - 1], single=single)
    unit = read_unit(words[end - 1])
    if noun is None and unit is UNKNOWN:
        return None
    things = frozenset(_stem(word) for word in lower[:end]) - _SAY_LITTLE
    return Counted(unit, things, noun or lower[end - 1], below.strip())


def _is_tail(words: list[str]) -> bool:
    """ "in total", "left", "of flour", "in the class"."""
    while words and words[0] in _TAIL and words[0] not in _OPENS_TAIL:
        words = words[1:]
    return not words or words[0] in _OPENS_TAIL


def _singular(word: str, *, single: bool) -> str | None:
    """The noun of a plural; of a singular behind 1; None for other words."""
    low = word.lower()
    if low in _PLURALS or low in _ANYTHING or _IRREGULAR.fullmatch(low):
        return _stem(low)
    if is_share(word):
        return None
    if not word.isascii() or _SYMBOL.fullmatch(word):
        return low
    if is_german_plural(word) and not _ADJECTIVE.search(low) and low not in _SINGLE_CHANGES:
        return low
    if low.endswith("s") and not low.endswith(("ss", "us", "is")) and len(low) > 2:
        is_part = low.removesuffix("s") in SHARES and low != "quarters"  # those are coins
        return None if is_part else _stem(low)
    is_noun = single and len(low) > 2 and not _ADJECTIVE.search(low) and low not in _SINGLE_CHANGES
    return low if is_noun and low not in SHARES else None


def _stem(word: str) -> str:
    """ "boxes" as "box", "children" as "child"; synonyms as one of them."""
    word = _PLURALS.get(word, word)
    word = word.removesuffix("ren") if word.endswith("children") else word
    word = f"{word[:-3]}man" if _IRREGULAR.fullmatch(word) and word.endswith("men") else word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("ves"):
        word = word[:-3] + "f"
    elif word.endswith(("xes", "ches", "shes", "sses", "zes", "oes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 2:
        word = word[:-1]
    return _SAME.get(word.removesuffix("e") if word.endswith("fe") else word, word)


# --- two of them ------------------------------------------------------------------------------


def same_things(first: Counted, second: Counted) -> bool:
    """May two values with these words be the same?"""
    if not _same_rate(first.per, second.per):
        return False
    if first.unit.known and second.unit.known:
        is_same = agree(first.unit, second.unit) is not False
        return is_same and _tell_the_same(first.things, second.things)
    if (not first.noun and not first.unit.known) or (not second.noun and not second.unit.known):
        return True
    if _is_general(first) or _is_general(second):
        return True
    if first.unit.known or second.unit.known:
        return False
    if first.noun != second.noun:
        return "person" in (first.noun, second.noun) and {first.noun, second.noun} <= _PERSONS
    return _tell_the_same(first.things, second.things)


def _is_general(counted: Counted) -> bool:
    return counted.noun in _ANYTHING or counted.unit.powers == (("unit", 1),)


def _tell_the_same(first: frozenset[str], second: frozenset[str]) -> bool:
    """Is one at most as exact as the other: "marbles" beside "red marbles"?"""
    return not first or not second or first <= second or second <= first


def _same_rate(first: str, second: str) -> bool:
    if not (first and second) or first == second:
        return True
    units = read_unit(first), read_unit(second)
    if units[0].known and units[1].known:
        return units[0] == units[1]
    return _stem(first.lower()) == _stem(second.lower())


@lru_cache(maxsize=4096)
def unit_scales(first: str, second: str) -> tuple[Fraction, Fraction] | None:
    """By what to multiply two values to compare them; None where they are of different kinds."""
    counted = [read_counted(text, single=True) for text in (first, second)]
    if None in counted:
        return None
    units = [one.unit for one in counted]
    units = [beside(units[0], units[1]), beside(units[1], units[0])]
    counted = [one._replace(unit=unit) for one, unit in zip(counted, units, strict=True)]
    if not same_things(*counted):
        return None
    return (units[0].scale, units[1].scale) if agree(*units) else (Fraction(1), Fraction(1))

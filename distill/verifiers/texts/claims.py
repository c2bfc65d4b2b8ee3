"""What a sentence claims: the value, or the values, that it states as the answer."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from distill.verifiers.texts.circumstances import asked_values, is_circumstance, last_clause
from distill.verifiers.texts.values import ORDINAL, TIMES_TEN, Value, bound, holds_value, values

MAX_CLAIM_CHARS = 1000  # of a longer sentence the start and the end are read

_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*|__([^_\n]{1,200})__")
_HEADING = re.compile(r"[*_]*(?:step|part|case|section|phase|claim|lemma)\s+\d", re.IGNORECASE)
_INEQUALITY = re.compile(
    r"(?:[-−]?[\d.∞√π/]+\s*(?:<=?|≤)\s*)?(?<![A-Za-z\\])[A-Za-z]\s*(?:<=|>=|!=|[<>≤≥≠])\s*[-−]?[\d.∞√π/]+$"
)
_ROOT = re.compile(r"([A-Za-z])_?(?:[0-9₀-₉]|\{\d\})$")  # x_1 and x_2 are values of one x
_PLAIN_EQUATION = re.compile(r"\s*([A-Za-z](?:\w{0,3}[₀-₉]?|_\{\d\}))\s*=\s*([^=]{1,80})")
_FILLER = (
    r"(?:(?:approximately|about|around|roughly|indeed|exactly|only|just|simply|definitely|therefore"
    r"|thus|then|now|a total of|either|the|a|an|equal to|given by|at|point|value|number|interval"
    r"|set|pair"
    r"|ordered pair|matrix|vector|environ|also)\s+)*"
)
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|has|have|exactly|only|to|as|est|es|ist|é|è)|[=≈:]|是|为|等于)"
    rf"\s*{_FILLER}[\s*]*$",
    re.IGNORECASE,
)
_LEAD = re.compile(rf"[\s*:=\"'_]*{_FILLER}[\s*]*(?:[A-Za-z]\w?\s*=\s*)?", re.IGNORECASE)
_IS = re.compile(r"\b(?:is|are|be|equals?|equation)\s*:?\s+(?=\S)")
_JOINER = re.compile(
    r"\s*(?:\\?%|°)?\s*(?:(?!and\b|or\b)[A-Za-z°²³/]{1,12}\s+){0,2}?"
    r"(?:(?P<word>,?\s*\b(?:and|or|y|et|und|oder|ou|o|e|и|или)\b|,?\s*[和或])|[,;、，；&])"
    r"\s*(?:(?:and|or|also|possibly|maybe|perhaps|alternatively|else)\b,?\s*)*"
    r"(?:[A-Za-z]\w?\s*=\s*)?",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r",?\s+(?:because|since|as|where|when|whenever|which|achieved|attained|obtained|occurr\w+"
    r"|reached|given that|so that|with equality|if|for all|after|by|per the)\b",
    re.IGNORECASE,
)
_SO = re.compile(r"\b(?:so|thus|therefore|hence)\b", re.IGNORECASE)
_MODULUS = re.compile(r"\\p?mod\s*(?:\{[^{}]*\}|\d+)|\\?\s*\(\\?(?:text\{)?mod [^()]*\)")
_NAME = re.compile(r"[A-Za-z](?:_\w|_\{\w+\}|')?|[A-Z]{2,3}")
_MONEY = re.compile(r"-?\\?[$€£¥]")
_OFFER = re.compile(
    r"\b(?:or|either|possibly|perhaps|maybe|alternatively|(?:could|might|may)(?: also| even)? be)\b"
    r"|或",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"[\s\w^²³()]{0,12}[-+*/×·÷=≈−][\s(]*")
_TOTAL = re.compile(
    r"(?:\s+(?!and\b|or\b|is\b|are\b)[a-z]{1,14}){0,3}\s+(?:in total|altogether|in all)\b", re.I
)
_IN_TOTAL = re.compile(
    r"(?:(?:\b(?:for|to|of|has|have)|,) a (?:grand |combined )?total of"
    r"|leaving(?: \w{1,10}){0,2} with|leaving)\s+$",
    re.I,
)
_FORMULA_LIKE = re.compile(
    r"(?:\s|\d|\.(?=\d)|[-+−*/^=()|!,√π∞²³×·_{}\[\]<>≤≥]|\\[A-Za-z]+|(?<![A-Za-z])(?:[A-Za-z](?!['’])"
    r"|sqrt|sin|cos|tan|log|ln|exp|pi)(?![A-Za-z])|(?<=\d)[A-Za-z]{1,2}(?![A-Za-z]))+"
)
_PLAIN_NUMBER = re.compile(rf"[-+−]?\s?\\?[$€£¥]?\s?[-−]?[\d.,/\s]+%?(?:{TIMES_TEN})?")
_UNIT = re.compile(
    r"\s?(?:\\?%|°(?:\s?[CF]\b)?|(?:[a-zA-Z]{1,14}(?:[/²³]|\^[23])?){1,3}(?:\s[a-z]{1,12})?)\s*"
)
_ADVERB = re.compile(
    r"\s(?:now|together|today|left|remaining|ahead|late|early|shopping|reading|this|in|on|total"
    r"|overall|free|over|needed|home)\b.*"
)
_RATIO = re.compile(r"(?<![\d.])(\d[\d.]*) to (?=\d)")
_CHANCE = re.compile(r"(?<![\d.])(\d{1,9}) (?:out of|in) (?=\d{1,9}\b(?!\.\d))")
_OPENERS = re.compile(
    r"(?:(?:so|thus|therefore|hence|then|finally|and|that|it follows|we (?:get|have|find|obtain"
    r"|conclude)),?\s+){1,4}",
    re.IGNORECASE,
)


class Stated(NamedTuple):
    """What a sentence states: one value, or several of which none is the answer alone."""

    values: tuple[str, ...]
    earlier: tuple[str, ...] = ()  # values of other names, with the last: "x = 1 and y = 2"


def stated(claim: str, *, leads: bool = False) -> Stated:
    """The answer in a sentence: bold, a formula, what follows "is", money, the last number.

    Args:
        claim: one sentence, or what follows "the answer is".
        leads: the answer is what the text starts with, if it starts with a value.
    Returns: several values where they are joined by "and" or "or" or where the sentence offers
        them; none for a sentence without any that is too long to be an answer itself.
    """
    claim = _with_ratios(_main_clause(_shortened(claim)))
    bold = [
        match
        for match in _BOLD.finditer(claim)
        if holds_value(match[0]) and not _is_heading(claim, match)
    ]
    if bold:
        return _stated_in_bold(claim, bold)
    plain = claim.strip(" .*_\"'`。！")
    if plain.count("}") > plain.count("{"):
        plain = plain.rstrip("}\"' ")  # the end of a record in JSON
    if _PLAIN_EQUATION.fullmatch(plain) and not _OFFER.search(plain):
        return Stated((plain,))
    if leads and len(plain) > 1 and _FORMULA_LIKE.fullmatch(plain):
        return Stated((right_side(plain),))
    opener = _OPENERS.match(plain)
    if (
        opener
        and "=" in plain
        and not _PLAIN_EQUATION.fullmatch(plain, opener.end())
        and _FORMULA_LIKE.fullmatch(plain, opener.end())
    ):
        return Stated((right_side(plain[opener.end() :]),))
    if formula := _formula_at_the_end(plain):
        return Stated((formula,))
    if inequality := _INEQUALITY.search(plain):
        return Stated((inequality[0],))
    claim = claim if leads else last_clause(claim)
    found = values(claim)
    if found:
        return _told(_settled(claim, found, leads), claim)
    is_answer = plain and len(plain) <= 100 and not holds_value(plain)
    return Stated((plain,) if is_answer else ())


def _is_heading(claim: str, bold: re.Match[str]) -> bool:
    """ "**Step 4: Conclude.**" before the sentence itself."""
    return _HEADING.match(bold[0]) is not None and holds_value(claim[bold.end() :])


def _formula_at_the_end(plain: str) -> str | None:
    """x + 3 of "The function is x + 3": an expression without LaTeX, not only a number."""
    for match in reversed(list(_IS.finditer(plain))):
        rest = plain[match.end() :]
        if re.search(r"[a-z√π]|\d\s*[-+*/^]", rest) and _FORMULA_LIKE.fullmatch(rest):
            return right_side(rest) if re.search(r"[-+*/^=(√π\d]", rest) else None
    return None


def _shortened(claim: str) -> str:
    if len(claim) <= MAX_CLAIM_CHARS:
        return claim
    return claim[: MAX_CLAIM_CHARS // 2] + " " + claim[-MAX_CLAIM_CHARS // 2 :]


def _with_ratios(claim: str) -> str:
    """ "3 to 4" of a ratio as 3:4, "3 out of 8" of a probability as 3/8."""
    if re.search(r"\b(?:ratio|odds)\b", claim, re.IGNORECASE):
        claim = _RATIO.sub(r"\1:", claim)
    if re.search(r"\b(?:probability|chance|likelihood|fraction)\b", claim, re.IGNORECASE):
        claim = _CHANCE.sub(r"\1/", claim)
    return claim


def _main_clause(claim: str) -> str:
    """A sentence without the reason or the place that it gives after its value."""
    for match in _SUBORDINATE.finditer(claim):
        main = claim[: match.start()]
        if _SO.search(claim, match.end()):
            return claim
        if match[0].strip(" ,").lower() in ("because", "since") and holds_value(main):
            return main
        if any(_COPULA.search(main[max(0, v.start - 60) : v.start]) for v in values(main)):
            return main
    return claim


def _stated_in_bold(claim: str, bold: Sequence[re.Match[str]]) -> Stated:
    """The last bold piece; several where the sentence joins them."""
    chosen = [bold[-1]]
    for piece in reversed(bold[:-1]):
        between = claim[piece.end() : chosen[0].start()]
        if not (_JOINER.fullmatch(between) or _OFFER.search(between)):
            break
        chosen.insert(0, piece)
    if len(chosen) == 1:
        return stated(chosen[0][0].strip("*_"))
    pieces = (text for piece in chosen for text in stated(piece[0].strip("*_")).values)
    return Stated(tuple(dict.fromkeys(pieces)))


def _settled(claim: str, found: list[Value], leads: bool) -> list[Value]:
    """The values that a sentence settles on."""
    at = _leading(claim, found) if leads else None
    at = _anchor(claim, found) if at is None else at
    if at is None:
        places = _asked(claim, found)
        if len(places) > 1:
            return [found[place] for place in places]
        at = places[0]
    first = last = at
    while first > 0 and _go_together(claim, found[first - 1], found[first], strictly=first == at):
        first -= 1
    while last + 1 < len(found) and _go_together(claim, found[last], found[last + 1]):
        last += 1
    return found[first : last + 1]


def _go_together(claim: str, first: Value, second: Value, *, strictly: bool = False) -> bool:
    """Are two values members of one list, or one offered in place of the other?

    A comma alone joins only values of one kind, and with `strictly` none.
    """
    names = _subject(first.text), _subject(second.text)
    joiner = _JOINER.fullmatch(claim, first.end, second.start)
    if all(names) and names[0] != names[1]:  # other quantities: a list of them, or a derivation
        return joiner is not None and all(map(_NAME.fullmatch, names))
    if joiner is None:
        return _OFFER.search(claim, first.end, second.start) is not None
    return bool(joiner["word"]) or (not strictly and names[0] == names[1])


def _subject(text: str) -> str:
    """What an equation is about; "" for a value."""
    match = re.match(r"\s*([^=<>]*?)\s*(?:[=<>≤≥]|\\[lg]eq?(?![a-z])|\\neq?(?![a-z]))", text)
    return match[1] if match else ""


def _leading(claim: str, found: Sequence[Value]) -> int | None:
    """The value that a claim starts with; what a chain of operations ends in."""
    if found[0].start > _LEAD.match(claim).end():
        return None
    return _end_of_chain(claim, found, 0)


def _end_of_chain(claim: str, found: Sequence[Value], at: int) -> int:
    while at + 1 < len(found) and _CHAIN.fullmatch(claim, found[at].end, found[at + 1].start):
        at += 1
    return at


def starts_with_value(claim: str) -> bool:
    """Is a value, or the letter of an option, the first that a claim has?"""
    found = values(claim[:MAX_CLAIM_CHARS])
    is_letter = re.match(r"[\s*($]*[A-J]\b[^a-z]", f"{claim[:20]}\n") is not None
    return is_letter or (bool(found) and _leading(claim, found[:1]) is not None)


def _anchor(claim: str, found: Sequence[Value]) -> int | None:
    """What is so many in total; the last formula or what follows an "is", whichever is later."""
    anchors = [
        at
        for at, value in enumerate(found)
        if (value.is_formula and not _NAME.fullmatch(value.text))
        or (
            _COPULA.search(claim[max(0, value.start - 60) : value.start])
            and not is_circumstance(claim, value)
        )
    ]
    totals = [
        at
        for at, value in enumerate(found)
        if _TOTAL.match(claim, value.end)
        or _IN_TOTAL.search(claim, max(0, value.start - 40), value.start)
    ]
    if totals:
        sums = [
            at
            for at in anchors
            if at > totals[-1] and claim[: found[at].start].rstrip()[-1:] == "="
        ]
        return sums[-1] if sums else totals[-1]
    return anchors[-1] if anchors else None


def _asked(claim: str, found: list[Value]) -> list[int]:
    """What the words of a sentence single out, names such as x left out."""
    places = [at for at, value in enumerate(found) if not _NAME.fullmatch(value.text)]
    if len(places) < 2:
        return places or [len(found) - 1]
    asked = asked_values(claim, [found[at] for at in places])
    return [places[at] for at in asked]


def _told(settled: Sequence[Value], claim: str) -> Stated:
    """The values as written; one number keeps the unit in which its sentence ends."""
    if len(settled) == 1 and (bounded := bound(claim, settled[0])):
        return Stated((bounded,))
    if len(settled) == 1 and _PLAIN_NUMBER.fullmatch(settled[0].text):
        ordinal = ORDINAL.match(claim, settled[0].end)
        unit = None if ordinal else _UNIT.fullmatch(claim.rstrip(" .!*_"), settled[0].end)
        if unit is None or _MONEY.match(settled[0].text):
            return Stated((settled[0].text,))
        return Stated((settled[0].text + _ADVERB.sub("", unit[0]).rstrip(),))
    texts = [right_side(value.text) if value.is_formula else value.text for value in settled]
    named = [_PLAIN_EQUATION.fullmatch(text) for text in texts]
    names = {match[1] for match in named if match}
    if len(texts) > 1 and all(named):
        texts = [match[2].strip() for match in named]
        if len({_ROOT.sub(r"\1", name) for name in names}) > 1:
            return Stated((texts[-1],), tuple(texts))
    return Stated(tuple(dict.fromkeys(texts)))


def _last_equals(formula: str) -> int:
    """Place of the last equals sign outside of braces and brackets; -1 without one."""
    depth, found = 0, -1
    for at, character in enumerate(formula):
        depth += character in "{(["
        depth -= character in "})]"
        if character == "=" and depth <= 0:
            found = at
    return found


def right_side(formula: str) -> str:
    """What a chain of equalities ends in; an equation such as x + y = 0 stays whole."""
    formula = _MODULUS.sub("", formula.strip().rstrip(".,;")).replace("\\equiv", "=")
    at = _last_equals(formula)
    left, right = formula[: max(at, 0)], formula[at + 1 :]
    if at >= 0 and not left.strip():
        return right.strip()
    if not left or left.rstrip().endswith(("<", ">", "\\", "!")):
        return formula.strip()
    is_equation = "=" not in left and re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", left))
    return formula.strip() if is_equation else right.strip()

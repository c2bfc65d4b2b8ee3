"""Does a sentence state a word as its answer: what may stand before the word and behind it."""

import re
from collections.abc import Iterator

MAX_WORDS = 40  # before the word
MAX_PLACES = 4  # at which a sentence may have the word

_OPENERS_WORDS = """
    so thus therefore hence consequently clearly indeed overall finally and in as a conclusion
    summary result final answer yes well
"""
_OPENERS = frozenset(_OPENERS_WORDS.split())
_FILLERS_WORDS = """
    the a an my our his her its on in at of by option choice answer player student team person
    number name letter word color colour day month year season shape type kind city country
    winner indeed thus therefore hence simply just exactly definitely certainly clearly always
    actually only called named known as both all still classified described identified
"""
_FILLERS = frozenset(_FILLERS_WORDS.split())
"""What may stand right before the word and leaves its meaning: no "after", "except", "half"."""

_COPULAS_WORDS = """
    is are was were be been equals equal means it's that's he's she's choose chooses pick get
    gets obtain gives conclude falls fall fell lands occurs arrives
"""
_COPULAS = frozenset(_COPULAS_WORDS.split())
_DENIES = re.compile(
    r"\b(?:not|no|never|neither|nor|nobody|cannot|\w+n't|unlike|except|apart|besides|opposite"
    r"|contrary|negation|false|wrong|incorrect|untrue|doubt\w*|unlikely|impossible|hardly)\b"
)
_OFFERS = re.compile(
    r"\b(?:or|either|maybe|perhaps|possibly|probably|might|may be|could|if|unless|whether)\b"
)
_TWO_CLAIMS = re.compile(r"\b(?:is|are|was|were)\b.*\b(?:and|but|while)\b", re.DOTALL)
_GROUND = re.compile(r"(?:since|because|as|given|when)\b")
_STEP = re.compile(r";|(?:^|[,.:]\s*|\band\s+)(?:so|thus|therefore|hence|consequently)\b(?! far)")
_ASIDE = re.compile(
    r",\s*(?:therefore|thus|hence|indeed|in fact|then|of course|consequently|clearly),\s"
)
_LABEL = re.compile(r"(?:\([a-j]\)|\b[a-j]\)) $")
_NOT_BUT = re.compile(r"\bnot [^,.;]{1,40}?,? but (?:rather |instead |is |it is )?$")


def asserts(claim: str, words: str) -> bool:
    """Is the last step of a sentence "words", or "something is words", and nothing more?

    Only words of a closed list may stand between the verb and the words, and behind them: "the day
    after Monday", "everyone except Alice", "non increasing" state something else.

    Args:
        claim: a sentence without markup.
        words: in lower case.
    """
    low = claim.casefold().replace("’", "'").strip(' .!"')
    if low.endswith("?") or words not in low:
        return False
    step = _STEP.split(_ASIDE.sub(" ", low))[-1].strip(" ,:")
    return any(
        _introduces(step[: match.start()]) and _adds_nothing(step[match.end() :], words)
        for match in _places(step, words)
    )


def _places(step: str, words: str) -> Iterator[re.Match[str]]:
    """Where the words stand as words of their own."""
    found = re.finditer(rf"(?<![\w'-]){re.escape(words)}(?![\w'-])", step)
    for _, match in zip(range(MAX_PLACES), found, strict=False):
        yield match


def _introduces(before: str) -> bool:
    """Is it nothing, a connective, or a subject and its verb?"""
    before = _NOT_BUT.sub("", _LABEL.sub("", before[-1000:]))
    tokens = before.replace(",", " , ").replace('"', " ").split()
    while tokens and (tokens[-1] in _FILLERS or tokens[-1] == ","):
        tokens.pop()
    if len(tokens) > MAX_WORDS:
        return False
    if all(token.strip(":") in _OPENERS or token == "," for token in tokens):
        return True
    if tokens[-1] in _COPULAS:
        return _is_plain_subject(" ".join(tokens[:-1]))
    subject = " ".join(tokens)
    is_label = subject.endswith((":", "=")) and not re.search("[,:=]", subject[:-1])
    return is_label and _is_plain_subject(subject[:-1])


def _is_plain_subject(subject: str) -> bool:
    """Does what comes before the verb deny or offer nothing, and claim nothing of its own?"""
    if denies_or_offers(subject):
        return False
    return not _TWO_CLAIMS.search(subject) or _GROUND.match(subject) is not None


def denies_or_offers(text: str) -> bool:
    """Does it say "not" or "perhaps", in one way or another?"""
    return _DENIES.search(text) is not None or _OFFERS.search(text) is not None


_NOUN = re.compile(
    r" (?:functions?|numbers?|integers?|triangle|student|option|person|player|team|one|sequence"
    r"|series|curve)"
)
WINS = re.compile(
    r" (?:wins?|won|will win|is (?:the )?(?:winner|answer)|is correct"
    r"|(?:has|have) (?:won|(?:a |the )?winning strategy))(?: the game)?$"
)
_REASON = re.compile(
    r"[,;:.-]?\s*(?:because|since|as(?! (?:well|long|are|is|if))|due to|who|which"
    r"|with (?:the|an?|cent\w+))\b(?! (?:is|are|was|were) (?:not|wrong|incorrect|false))"
)
_DENIED = re.compile(
    r",?\s*\(?(?:and |but )?(?:not|rather than|instead of|unlike|as opposed to)\s"
    r"(?!only\b|just\b|really\b|exactly\b|quite\b|always\b|necessarily\b|sure\b|certain|complete"
    r"|entire|strict|every|when\b|if\b|for\b|at\b|in\b|on\b)[^.,;()]{1,60}\)?"
)
_EXPLAINS = re.compile(
    r"\s*[,.:;-](?!\s*(?:but|unless|if|only|when|provided|except|sometimes|maybe|perhaps|no|yes"
    r"|not)\b)"
)


def _adds_nothing(after: str, words: str) -> bool:
    """Is it nothing, a noun of the kind ("even function"), a reason, or what is denied?"""
    after = after.rstrip(' .!")*')
    if not after or _NOUN.fullmatch(after) or WINS.fullmatch(after) or _REASON.match(after):
        return True
    if words == "neither" and re.fullmatch(r"(?: of them| \w+ nor \w+)", after):
        return True
    if words in ("yes", "no", "true", "false") and _EXPLAINS.match(after):
        return True
    return _DENIED.fullmatch(after) is not None and " but " not in after


_PREDICATES = {
    verb: (verb, adjective)
    for verb, adjective in (
        ("converges", "convergent"), ("diverges", "divergent"),
        ("increases", "increasing"), ("decreases", "decreasing"),
    )
}  # fmt: skip
_PREDICATES |= {adjective: pair for pair in _PREDICATES.values() for adjective in pair}
_SUBJECTS = "it|series|sequence|integral|sum|limit|product|function"


def asserts_any_form(claim: str, words: str) -> bool:
    """As asserts; "the series diverges" also says "divergent"."""
    if words not in _PREDICATES:
        return asserts(claim, words)
    verb, adjective = _PREDICATES[words]
    if asserts(claim, verb) or asserts(claim, adjective):
        return True
    said = rf"(.*\b(?:{_SUBJECTS})) {verb}(?: by (?:the )?[a-z -]{{1,30}} test)?\W*"
    subject = re.fullmatch(said, claim.casefold(), re.DOTALL)
    return subject is not None and _is_plain_subject(subject[1])

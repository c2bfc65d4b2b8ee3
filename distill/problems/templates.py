"""The stretches of words that many questions have in common: no evidence of a copy.

A stretch of so many words, any number standing for any other, that 5% of the questions of one set
have, and at least 5 of them, is a template. Its words are nobody's own; its numbers are, unless
half of those questions have the very same ones.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

TEMPLATE_SHARE = 0.05
TEMPLATE_QUESTIONS = 5
CONSTANT_SHARE = 0.5
MAX_QUESTIONS = 3000  # of one set, evenly spread: enough to see what 5% of them share

Gram = tuple[str, ...]

_ANY_NUMBER = "0"


class Templates:
    """What the questions of some sets, each reduced to words, have in common."""

    def __init__(self, width: int) -> None:
        """Know no template yet; `width` is the number of words in a stretch."""
        self.width = width
        self._common: set[Gram] = set()  # numbers stand for any number
        self._constant: set[Gram] = set()  # with the very numbers that most of them have

    def add(self, questions: Iterable[Sequence[str]]) -> None:
        """Learn the templates of one more set; a repeated question counts once."""
        distinct = list(dict.fromkeys(map(tuple, questions)))
        distinct = distinct[:: step(len(distinct), MAX_QUESTIONS)]
        least = max(TEMPLATE_QUESTIONS, TEMPLATE_SHARE * len(distinct))
        exact: Counter[Gram] = Counter()
        loose: Counter[Gram] = Counter()
        loose_form: dict[Gram, Gram] = {}
        for words in distinct:
            pairs = dict(self._pairs(words))
            exact.update(pairs.keys())
            loose.update(set(pairs.values()))
            loose_form |= pairs
        self._common |= {gram for gram, count in loose.items() if count >= least}
        self._constant |= {
            gram
            for gram, count in exact.items()
            if count >= CONSTANT_SHARE * loose[loose_form[gram]] >= CONSTANT_SHARE * least
        }

    def own_part(self, words: Sequence[str]) -> list[int]:
        """Positions of the words that are not template; a closing `=` is nobody's own."""
        template = bytearray(len(words))
        for at, (gram, loose) in enumerate(self._pairs(words)):
            if loose not in self._common:
                continue
            constant = gram in self._constant
            for i in range(at, at + self.width):
                if constant or not _is_number_or_sign(words[i]):
                    template[i] = 1
        own = [i for i in range(len(words)) if not template[i]]
        while own and words[own[-1]] == "=":
            own.pop()
        return own

    def _pairs(self, words: Sequence[str]) -> Iterator[tuple[Gram, Gram]]:
        """Every stretch of words, as it is and with any number for each number and sign."""
        loose = [_ANY_NUMBER if _is_number_or_sign(word) else word for word in words]
        return zip(grams(words, self.width), grams(loose, self.width), strict=True)


def step(count: int, most: int) -> int:
    """Every how many of `count` things at most so many are evenly spread."""
    return max(1, -(-count // most))


def grams(words: Iterable[str], n: int) -> Iterator[Gram]:
    """Every stretch of n words, in their order."""
    words = tuple(words)
    return (words[i : i + n] for i in range(len(words) - n + 1))


def _is_number_or_sign(word: str) -> bool:
    first = word[0]
    return not first.isalpha() and unicodedata.category(first)[0] in "NSP"

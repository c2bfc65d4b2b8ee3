"""Long passages of test texts found again in other texts, at the speed of numpy.

Texts are compared letter by letter (`letters_of`), so that no change of case, spacing or
punctuation hides a copy. A passage of a text is a run of so many letters; two texts overlap when
so many different passages of one stand in the other that together they are a run of `least`
letters, or all passages of a text that is shorter than that.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from distill.problems.templates import TEMPLATE_QUESTIONS, TEMPLATE_SHARE

_BASE = 0x9E3779B97F4A7C15  # odd, so that products modulo 2**64 lose nothing
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_TABLE_BITS_PER_PASSAGE = 16
_BLOCK = 1 << 18  # letters that are hashed at once: a long text takes no more memory than this


_NONE = np.empty(0, np.uint64)


class Passage(NamedTuple):
    """A text of the index that was found in another text."""

    position: int  # in the index
    letters: str  # the longest piece of it that the other text has


class PassageIndex:
    """Texts of which long passages can be looked up in other texts.

    Takes about 14 bytes for a letter of the texts; a text of 10 kB is looked up in 0.1 ms.
    """

    def __init__(
        self,
        groups: Iterable[Sequence[Iterable[str]]],
        width: int,
        least: int,
        distinct: int = 1,
    ) -> None:
        """Index the passages of texts.

        Args:
            groups: texts of one kind, each as the stretches of letters of which passages are
                taken. What 5% of the texts of a group have, and at least 5, is no evidence.
            width: letters of a passage.
            least: letters of a run that is enough, at least `width`.
            distinct: different letters that a passage has; `0 0 1 0 1 1` is like any other.
        """
        self.width = width
        passages = [own for group in groups for own in _own_passages(group, width, distinct)]
        self.sizes = np.array([len(found) for found in passages], np.int64)  # of each text
        self._needed = np.minimum(self.sizes, least - width + 1)
        owners = np.repeat(np.arange(len(passages), dtype=np.int32), self.sizes)
        hashes = np.concatenate([_NONE, *passages])
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._owners = hashes[order], owners[order]
        self._shift = np.uint64(64 - max(16, (len(hashes) * _TABLE_BITS_PER_PASSAGE).bit_length()))
        self._table = np.zeros(1 << (61 - int(self._shift)), np.uint8)
        for keys in (self._hashes >> self._shift, self._hashes * _SPREAD >> self._shift):
            np.bitwise_or.at(self._table, keys >> np.uint64(3), _bit(keys))

    def survives(self, position: int, lost: int) -> bool:
        """Is a text still found when so many of its passages are changed?"""
        return bool(self.sizes[position] - lost >= self._needed[position])

    def find(self, letters: str) -> list[Passage]:
        """The texts of which enough passages stand in these letters, in the order of the index."""
        if not len(self._hashes):
            return []
        found: dict[int, list[int]] = {}  # text -> where its passages begin in the letters
        for place, text in self._places(letters):
            found.setdefault(text, []).append(place)
        return [
            Passage(text, self._longest(letters, sorted(places)))
            for text, places in sorted(found.items())
            if len(places) >= self._needed[text]
        ]

    def _places(self, letters: str) -> Iterator[tuple[int, int]]:
        """Where each passage of the index begins for the first time, with each text that has it."""
        known: dict[int, int] = {}
        for start in range(0, len(letters), _BLOCK):
            hashes = _passages(letters[start : start + _BLOCK + self.width - 1], self.width)
            places = self._known(hashes)
            distinct, first = np.unique(hashes[places], return_index=True)
            for value, place in zip(distinct.tolist(), places[first].tolist(), strict=True):
                known.setdefault(value, start + place)
        values = np.array(list(known), np.uint64)
        starts = np.searchsorted(self._hashes, values).tolist()
        ends = np.searchsorted(self._hashes, values, side="right").tolist()
        for place, begin, end in zip(known.values(), starts, ends, strict=True):
            for text in self._owners[begin:end].tolist():
                yield place, text

    def _known(self, hashes: np.ndarray) -> np.ndarray:
        """Where a passage of the index begins; a Bloom filter first, as nearly none does."""
        places = np.flatnonzero(self._marked(hashes >> self._shift))
        places = places[self._marked(hashes[places] * _SPREAD >> self._shift) != 0]
        at = np.searchsorted(self._hashes, hashes[places])
        return places[self._hashes[np.minimum(at, len(self._hashes) - 1)] == hashes[places]]

    def _marked(self, keys: np.ndarray) -> np.ndarray:
        """Not 0 where the table has the bit of a key."""
        return self._table[keys >> np.uint64(3)] & _bit(keys)

    def _longest(self, letters: str, places: list[int]) -> str:
        """The longest run of letters under passages that start at these places."""
        best, start = (0, 0), places[0]
        for before, place in pairwise(places):
            if place > before + 1:
                best = max(best, (before - start, start))
                start = place
        length, start = max(best, (places[-1] - start, start))
        return letters[start : start + length + self.width]


def _bit(keys: np.ndarray) -> np.ndarray:
    return np.left_shift(np.uint8(1), (keys & np.uint64(7)).astype(np.uint8))


def _own_passages(texts: Sequence[Iterable[str]], width: int, distinct: int) -> list[np.ndarray]:
    """The distinct passages of each text, without those that many of the texts have."""
    found = [
        np.unique(np.concatenate([_NONE, *(_telling(part, width, distinct) for part in text)]))
        for text in texts
    ]
    passages, counts = np.unique(np.concatenate([_NONE, *found]), return_counts=True)
    common = passages[counts >= max(TEMPLATE_QUESTIONS, TEMPLATE_SHARE * len(texts))]
    return [own[~np.isin(own, common)] for own in found] if common.size else found


def _telling(letters: str, width: int, distinct: int) -> np.ndarray:
    """The passages that have so many different letters."""
    hashes = _passages(letters, width)
    return hashes[_variety(letters, width) >= distinct] if distinct > 1 else hashes


def _variety(letters: str, width: int) -> np.ndarray:
    """How many different letters each run of `width` letters has: (L - width + 1,).

    A letter counts in the runs that begin after the same letter before it and not after itself.
    """
    codes = _codes(letters)
    order = np.argsort(codes, kind="stable")
    before = np.full(len(codes), -1)
    again = codes[order[1:]] == codes[order[:-1]]
    before[order[1:][again]] = order[:-1][again]
    at = np.arange(len(codes))
    begins = np.bincount(np.maximum(before + 1, at - width + 1), minlength=len(codes))
    ends = np.ones(len(codes), np.int64)  # of the letter before
    ends[:1] = 0
    return np.cumsum(begins - ends)[: max(0, len(codes) - width + 1)]


def _codes(letters: str) -> np.ndarray:
    return np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)


def _passages(letters: str, width: int) -> np.ndarray:
    """A 64-bit hash of every run of `width` letters, by where it starts: (L - width + 1,).

    A polynomial in the letters, modulo 2**64. Runs of w and v letters are joined by one product,
    so that a run of any width takes about 2 log2(width) passes over the text.
    """
    codes = _codes(letters)
    count = len(codes) - width + 1
    if count < 1:
        return _NONE
    power, size, done = _BASE, 1, 0
    runs = (codes.astype(np.uint64) + np.uint64(1)) * _SPREAD
    hashes = np.zeros(count, np.uint64)
    while True:
        if width & size:
            hashes = hashes * np.uint64(power) + runs[done : done + count]
            done += size
        if done == width:
            return hashes ^ (hashes >> np.uint64(32))
        runs = runs[:-size] * np.uint64(power) + runs[size:]
        power, size = power * power % 2**64, 2 * size

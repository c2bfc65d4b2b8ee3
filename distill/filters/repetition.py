"""Loops: how much of the worst stretch of a text only says again what it has just said.

Long chains of thought repeat themselves honestly: they copy an equation to check it, restate the
question, list cases in one form of words. So a group of words counts as a loop by how often it
comes back, how near, and what it is made of, and the share is taken over the worst stretch: a loop
of 500 words counts the same at the end of 1,000 words and of 30,000.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

STRETCH_WORDS = 500  # words, numbers and marks alike; a shorter text is one stretch
QUICK_STRETCH_WORDS = 100  # for loops of prose without a pause, which are never honest
MAX_CHARS = 2_000_000  # of a longer text the two ends are read


class Kind(NamedTuple):
    """A kind of loop: so many copies of a group of words, each near the first of them."""

    words: int  # in a group; a power of two
    copies: int  # fewer are a self-check; the first one never counts
    within: int  # words from the first to the last of these copies
    prose: int  # so many of the group are words of a language


PASSAGE = Kind(words=32, copies=3, within=10**9, prose=4)  # wherever it comes back
FORMULA = Kind(words=32, copies=4, within=1000, prose=0)  # so many are no longer a derivation
STUTTER = Kind(words=16, copies=5, within=64, prose=0)  # one line on the heels of the other
QUICK_LINE = Kind(words=16, copies=5, within=100, prose=2)
QUICK_SENTENCE = Kind(words=32, copies=4, within=240, prose=4)
SAYING = Kind(words=4, copies=4, within=300, prose=3)  # "Wait, let me check again" among prose
COUNTER = Kind(words=32, copies=8, within=800, prose=16)  # the same but for a number that counts

SURROUNDINGS = 64  # words around a saying, of which no more than OTHERS are numbers or symbols
OTHERS = 1

MIN_WORDS = 34  # of a text: shorter ones have no two groups of the longest kind

OTHER, PROSE, MARK, DIGITS = range(4)  # a variable, command or symbol; word; full stop; number
_TOKEN = re.compile(r"\n|[A-Za-z]{1,10}|\d{1,20}|[^\W\d_]{1,10}|[^\w\s]|_")
_PROSE_MARKS = frozenset(".,?!;:'\"’“”-—…\n。，？！、；：")
_NUMBER_MASK = np.uint64(1 << 40)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


class Words(NamedTuple):
    """A text as numbers: one entry for each word, number or mark."""

    ids: np.ndarray  # uint64, places in `known`
    kinds: np.ndarray  # int8, one of OTHER, PROSE, MARK, DIGITS
    known: list[str]  # the different words


class Groups(NamedTuple):
    """Groups of words in a row, sorted so that equal ones stand side by side, in their order."""

    order: np.ndarray  # int64, where each begins
    same: np.ndarray  # bool, one shorter: the next one equals it


def repeated_share(text: str) -> float:
    """Share (0 to 1) of the words of the worst stretch that stand in a loop; n log n time."""
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS // 2] + "\n" + text[-MAX_CHARS // 2 :]
    words = read_words(text)
    if len(words.ids) < MIN_WORDS:
        return 0.0
    long, short = _groups_of(words, 32), _groups_of(words, 16)
    passages = _said_again(words, long, PASSAGE) | _said_again(words, long, FORMULA)
    passages |= _said_again(words, short, STUTTER)
    quick = _said_again(words, long, QUICK_SENTENCE) | _said_again(words, short, QUICK_LINE)
    loops = passages | _sayings(words) | _counters(words)
    return max(_worst_stretch(loops, STRETCH_WORDS), _worst_stretch(quick, QUICK_STRETCH_WORDS))


def read_words(text: str) -> Words:
    """The words of a text; runs without spaces count as several words."""
    tokens = _TOKEN.findall(text)
    place = {word: at for at, word in enumerate(dict.fromkeys(tokens))}
    ids = np.fromiter(map(place.__getitem__, tokens), np.int64, len(tokens))
    kinds = np.fromiter(map(_kind, place), np.int8, len(place))[ids]
    if "\\" in place:  # `\frac` is no word
        kinds[1:][(ids[:-1] == place["\\"]) & (kinds[1:] == PROSE)] = OTHER
    return Words(ids.astype(np.uint64), kinds, list(place))


@lru_cache(maxsize=65536)
def _kind(word: str) -> int:
    if word.isalpha():
        return PROSE if len(word) > 1 or word in "aAI" else OTHER  # else a variable
    if word.isdecimal():
        return DIGITS
    return MARK if word in _PROSE_MARKS else OTHER


def _sayings(words: Words) -> np.ndarray:
    """Words of short sayings that come back all the time where nothing is computed, (N,) bool."""
    half = SURROUNDINGS // 2
    others = np.pad((words.kinds == OTHER) | (words.kinds == DIGITS), half)
    calm = _sums(others, 2 * half)[: -SAYING.words] <= OTHERS
    return _said_again(words, _groups_of(words, SAYING.words, calm & _prose(words, SAYING)), SAYING)


def _counters(words: Words) -> np.ndarray:
    """Copies whose numbers are those of the copy before, or greater by one and the same step.

    "Step 101: I check again. Step 102: I check again." is a loop; "3 + 4 = 7. 4 + 5 = 9." is work.
    """
    masked = words._replace(ids=np.where(words.kinds == DIGITS, _NUMBER_MASK, words.ids))
    order, same = _groups_of(masked, COUNTER.words, _prose(words, COUNTER))
    again = np.zeros(len(words.ids), bool)
    near = np.diff(order) <= COUNTER.within // (COUNTER.copies - 1)
    pairs = np.flatnonzero(same & near)
    if len(pairs) >= COUNTER.copies - 1:
        counts = np.zeros(len(order) + 1, bool)  # counts[i]: order[i - 1] goes on to order[i]
        counts[pairs + 1] = _one_step(words, order[pairs], order[pairs + 1])
        starts = np.flatnonzero(~counts)  # a run of copies begins where none goes on
        lengths = np.diff(starts)
        for run in np.flatnonzero(lengths >= COUNTER.copies):
            again[order[starts[run] + 1 : starts[run] + lengths[run]]] = True
    return _covered(again, COUNTER.words)


def _one_step(words: Words, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which pairs of groups differ in their numbers by one step, or not at all, (pairs,) bool."""
    values = np.array([int(word[:15]) if word.isdecimal() else 0 for word in words.known])
    numbers = values[words.ids.astype(np.int64)]
    steps = np.zeros(len(before), np.int64)
    found = np.ones(len(before), bool)
    for at in range(COUNTER.words):
        change = numbers[after + at] - numbers[before + at]
        steps = np.where(steps == 0, change, steps)
        found &= (change == 0) | (change == steps)
    return found


def _prose(words: Words, kind: Kind) -> np.ndarray:
    """Which groups have enough words of a language, (groups,) bool."""
    return _sums(words.kinds == PROSE, kind.words) >= kind.prose


def _groups_of(words: Words, size: int, wanted: np.ndarray | None = None) -> Groups:
    """All groups of so many words, or the wanted ones, equal ones side by side.

    Sorted as one number, the hash in front of the place: 40 bits of hash for a million words.
    """
    hashes = _hashes(words.ids, size)
    bits = np.uint64(len(hashes).bit_length())
    places = np.arange(len(hashes), dtype=np.uint64)
    keys = (hashes >> bits << bits) | places
    keys = keys if wanted is None else keys[wanted]
    keys.sort()
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    hashes = keys >> bits
    return Groups(order, hashes[1:] == hashes[:-1])


def _hashes(ids: np.ndarray, size: int) -> np.ndarray:
    """A hash for each `size` words in a row, (N - size + 1,) uint64; size is a power of two."""
    hashes = (ids + np.uint64(1)) * _ODD[0]
    width = 1
    while width < size:
        hashes = (hashes ^ (hashes >> np.uint64(31))) * _ODD[1]
        hashes = hashes[:-width] * (_ODD[0] + np.uint64(2 * width)) + hashes[width:]
        width *= 2
    return hashes ^ (hashes >> np.uint64(29))


def _said_again(words: Words, groups: Groups, kind: Kind) -> np.ndarray:
    """Words in groups that are one of enough near copies and not the first of them, (N,) bool."""
    again = np.zeros(len(words.ids), bool)
    rest = kind.copies - 1
    if len(groups.same) < rest or not groups.same.any():
        return again
    in_a_row = _sums(groups.same, rest) == rest
    near = np.flatnonzero(in_a_row & (groups.order[rest:] - groups.order[:-rest] <= kind.within))
    for copy in range(1, kind.copies):
        again[groups.order[near + copy]] = True
    if kind.prose and len(near):
        again[: 1 - kind.words] &= _prose(words, kind)
    return _covered(again, kind.words)


def _covered(starts: np.ndarray, size: int) -> np.ndarray:
    """Words that stand in one of the groups that start at the marked places, (N,) bool."""
    if not starts.any():
        return starts
    change = starts.astype(np.int32)
    change[size:] -= starts[:-size]
    return np.cumsum(change) > 0


def _sums(flags: np.ndarray, size: int) -> np.ndarray:
    """Number of true ones among each `size` in a row, (N - size + 1,) int64."""
    total = np.concatenate(([0], np.cumsum(flags)))
    return total[size:] - total[:-size]


def _worst_stretch(marked: np.ndarray, stretch: int) -> float:
    if not marked.any():
        return 0.0
    size = min(stretch, len(marked))
    return float(_sums(marked, size).max()) / size

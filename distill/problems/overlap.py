"""Which questions are the same question: across problem sets, and against the test sets.

The rule, for a question Q and a test question T, both reduced to words, numbers and signs:

1. same: Q and T are equal. Case, spaces, punctuation and LaTeX dollars do not count; numbers and
   signs do: `42 - 25` is not `42 + 25`.
2. contained: Q has all of T, or all of T's own part, in one piece of at least n // 2 words, and
   the piece is not continued by a number or a sign (`42 - 25` is not found in `42 - 25 - 73`).
   This is the rule for a T shorter than n words; with fewer than n // 2 only rule 1 holds.
3. n-gram: Q and T share n consecutive words of their own parts; numbers count as words, signs
   must be equal but do not count, so that `(x + 1)^2` is not six words.

The own part is what remains without the template. A stretch of n // 2 words, any number standing
for any other, that many questions of one set have (5% of them and at least 5 questions) is a
template: its words are no evidence. Its numbers are, unless half of those questions have the very
same ones. So `State the final answer to the following arithmetic problem: 42 - 25 - 73 =` has the
own part `42 - 25 - 73`, and thousands of sums do not overlap because they are asked in one form.

What the rule cannot see: a translation, a paraphrase, a copy with its numbers changed inside a
template, a reworded copy whose own part is shorter than n // 2 words.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Literal, NamedTuple

from distill.errors import RecipeError
from distill.records import Problem

TEMPLATE_SHARE = 0.05
TEMPLATE_QUESTIONS = 5
CONSTANT_SHARE = 0.5

Gram = tuple[str, ...]

_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # written without spaces
_TOKEN = re.compile(rf"\d+(?:\.\d+)?|[{_ASIAN}]|[^\W\d_{_ASIAN}]+|[^\w\s]")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SYNONYMS = str.maketrans({"−": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/"})
_COMMANDS = re.compile(r"\\(?:times|cdot|div|left|right|displaystyle|[ ,;!])")
_COMMAND_SIGNS = {"\\times": "*", "\\cdot": "*", "\\div": "/"}
_UNSAID = frozenset(".,;:?\"'`$\\_¿¡。，、；：！？‘’“”«»–—…")
_LATEX_UNSAID = _UNSAID | frozenset("{}&~")
_EXCLAMATION = re.compile(r"(?<![\d)])!")  # `5!` and `(n)!` are maths, `Go!` is not
_CONTINUES = frozenset("+-*/^%!")
_ANY_NUMBER = "0"


class Overlap(NamedTuple):
    """A test question found in another text."""

    position: int  # of the test question in the index
    rule: Literal["same", "contained", "n-gram"]
    words: str  # what the two share


def words_of(text: str) -> list[str]:
    """The words, numbers and signs of a text in lower case, without its punctuation."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_SYNONYMS)
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = text.strip()  # or a backslash at its end would make a command of a space behind it
    unsaid = _LATEX_UNSAID if "\\" in text else _UNSAID
    text = _COMMANDS.sub(lambda found: f" {_COMMAND_SIGNS.get(found[0], '')} ", text)
    text = text.replace("{,}", ",").replace("**", " ")
    text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _EXCLAMATION.sub(" ", text)
    return [word for word in _TOKEN.findall(text) if word not in unsaid] or text.split()


def normalise(text: str) -> str:
    """The form in which two questions are compared: equal forms are the same question."""
    return " ".join(words_of(text))


def shared_problems(first: list[Problem], second: list[Problem]) -> list[tuple[str, str]]:
    """Ids of the problems that ask the same question in both sets, in the order of the first."""
    theirs: dict[str, str] = {}
    for problem in second:
        theirs.setdefault(normalise(problem.question), problem.problem_id)
    found = ((p.problem_id, theirs.get(normalise(p.question))) for p in first)
    return [(mine, other) for mine, other in found if other is not None]


def check_disjoint(named: dict[str, list[Problem]]) -> None:
    """Refuse problem sets that share a question.

    Args:
        named: what each set is for ("problems.train") to its problems.
    Raises: RecipeError with up to three examples of the first pair that overlaps.
    """
    for first, second in combinations(named, 2):
        shared = shared_problems(named[first], named[second])
        if shared:
            examples = ", ".join(f"{mine} = {other}" for mine, other in shared[:3])
            raise RecipeError(
                f"{first} and {second} share {len(shared)} questions ({examples}); what is "
                "learned from and what is tested must differ: take other files or splits, or, "
                "for reasoning-gym, seeds further apart than `size` (it adds the two)"
            )


class NgramIndex:
    """Test questions, ready to be looked for in other texts by the rule of this module."""

    def __init__(self, texts: Iterable[str], n: int, background: Iterable[str] = ()) -> None:
        """Index the test questions.

        Args:
            texts: the test questions.
            n: words of an n-gram; n // 2 is the least that rule 2 accepts.
            background: the questions that will be looked up; their templates count too.
        Raises: ValueError if n < 1.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        self.texts = list(texts)
        self.n = n
        self._half = max(1, n // 2)
        tests = [words_of(text) for text in self.texts]
        self._templates = _Templates(tests, self._half)
        self._templates.add([words_of(text) for text in background])
        self._same: dict[Gram, int] = {}
        self._grams: dict[Gram, int] = {}
        pieces: list[tuple[Gram, int]] = []
        for position, words in enumerate(tests):
            own = self._templates.own_part(words)
            self._same.setdefault(tuple(words), position)
            for gram in _worded_grams(_taken(words, own), n):
                self._grams.setdefault(gram, position)
            pieces += [(piece, position) for piece in _pieces(words, own, self._half)]
        self._anchors = _anchored(pieces, self._half)

    def first_overlap(self, text: str) -> Overlap | None:
        """The test question that a text is, holds or shares n words with; None when there is none.

        The rules are tried in their order; of several n-grams the first in the text counts.
        """
        words = words_of(text)
        position = self._same.get(tuple(words))
        if position is not None:
            return Overlap(position, "same", " ".join(words))
        return self._contained(words) or self._shared_gram(words)

    def _contained(self, words: list[str]) -> Overlap | None:
        for at, gram in enumerate(_grams(words, self._half)):
            for piece, offset, position in self._anchors.get(gram, ()):
                start = at - offset
                end = start + len(piece)
                if start >= 0 and tuple(words[start:end]) == piece and _whole(words, start, end):
                    return Overlap(position, "contained", " ".join(piece))
        return None

    def _shared_gram(self, words: list[str]) -> Overlap | None:
        own = self._templates.own_part(words)
        for gram in _worded_grams(_taken(words, own), self.n):
            if gram in self._grams:
                return Overlap(self._grams[gram], "n-gram", " ".join(gram))
        return None


def missed_plants(index: NgramIndex) -> list[int]:
    """Self-test: positions of the test questions that the index does not find again.

    Each is planted as it is, with other spacing, and, if it has n words or numbers, in the middle
    of other words.
    """
    missed = []
    for position, text in enumerate(index.texts):
        plants = [text, f"  {text}\n".replace(" ", " \n ")]
        if sum(word[0].isalnum() for word in words_of(text)) >= index.n:
            plants.append(f"Here is a question. {text} Show how you got there.")
        if any(index.first_overlap(plant) is None for plant in plants):
            missed.append(position)
    return missed


class _Templates:
    """The stretches of words that many questions of one set have in common."""

    def __init__(self, questions: list[list[str]], width: int) -> None:
        self._width = width
        self._common: set[Gram] = set()  # numbers stand for any number
        self._constant: set[Gram] = set()  # with the very numbers that most of them have
        self.add(questions)

    def add(self, questions: list[list[str]]) -> None:
        """Learn the templates of one more set; a repeated question counts once."""
        distinct = {tuple(words) for words in questions}
        least = max(TEMPLATE_QUESTIONS, TEMPLATE_SHARE * len(distinct))
        exact: Counter[Gram] = Counter()
        loose: Counter[Gram] = Counter()
        for words in distinct:
            grams = set(_grams(words, self._width))
            exact.update(grams)
            loose.update({_loosened(gram) for gram in grams})
        self._common |= {gram for gram, count in loose.items() if count >= least}
        self._constant |= {
            gram
            for gram, count in exact.items()
            if loose[_loosened(gram)] >= least and count >= CONSTANT_SHARE * loose[_loosened(gram)]
        }

    def own_part(self, words: list[str]) -> list[int]:
        """Positions of the words that are not template; a closing `=` is nobody's own."""
        template = bytearray(len(words))
        for at, gram in enumerate(_grams(words, self._width)):
            if _loosened(gram) not in self._common:
                continue
            constant = gram in self._constant
            for i in range(at, at + self._width):
                if constant or not _is_number_or_sign(words[i]):
                    template[i] = 1
        own = [i for i in range(len(words)) if not template[i]]
        while own and words[own[-1]] == "=":
            own.pop()
        return own


def _grams(words: Iterable[str], n: int) -> Iterator[Gram]:
    words = tuple(words)
    return (words[i : i + n] for i in range(len(words) - n + 1))


def _worded_grams(words: list[str], n: int) -> Iterator[Gram]:
    """Stretches of n words or numbers, with the signs between them."""
    at = [i for i, word in enumerate(words) if word[0].isalnum()]
    return (tuple(words[at[i] : at[i + n - 1] + 1]) for i in range(len(at) - n + 1))


def _taken(words: list[str], positions: list[int]) -> list[str]:
    return [words[i] for i in positions]


def _pieces(words: list[str], own: list[int], least: int) -> Iterator[Gram]:
    """What rule 2 looks for: the whole question, and its own part where it stands in one run."""
    if len(words) >= least:
        yield tuple(words)
    in_one_run = own and own[-1] - own[0] + 1 == len(own)
    if in_one_run and least <= len(own) < len(words):
        yield tuple(_taken(words, own))


def _anchored(
    pieces: list[tuple[Gram, int]], width: int
) -> dict[Gram, list[tuple[Gram, int, int]]]:
    """Each piece under its rarest gram, with the gram's place in it and the question's position."""
    counts = Counter(gram for piece, _ in pieces for gram in set(_grams(piece, width)))
    anchors: dict[Gram, list[tuple[Gram, int, int]]] = defaultdict(list)
    for piece, position in pieces:
        grams = list(_grams(piece, width))
        offset = min(range(len(grams)), key=lambda i: counts[grams[i]])
        anchors[grams[offset]].append((piece, offset, position))
    return dict(anchors)


def _whole(words: list[str], start: int, end: int) -> bool:
    """Is words[start:end] not merely a part of a longer sum or list of numbers?"""
    goes_on_left = start > 0 and _continues(words[start], words[start - 1])
    goes_on_right = end < len(words) and _continues(words[end - 1], words[end])
    return not (goes_on_left or goes_on_right)


def _continues(edge: str, neighbour: str) -> bool:
    return (edge[0].isdigit() or edge in _CONTINUES) and (
        neighbour[0].isdigit() or neighbour in _CONTINUES
    )


def _is_number_or_sign(word: str) -> bool:
    return unicodedata.category(word[0])[0] in "NSP"


def _loosened(gram: Gram) -> Gram:
    return tuple(_ANY_NUMBER if _is_number_or_sign(word) else word for word in gram)

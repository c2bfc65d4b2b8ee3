"""Which questions are the same question: across problem sets, and against the test sets.

The rule, for a question Q and a test question T, both reduced to words, numbers and signs:

1. same: Q and T are equal. Case, spaces, punctuation and LaTeX dollars do not count; numbers and
   signs do: `42 - 25` is not `42 + 25`.
2. contained: Q has all of T, or all of T's own part, in one piece of at least n // 2 words, and
   the piece is not continued by a number or a sign (`42 - 25` is not found in `42 - 25 - 73`).
   This is the rule for a T shorter than n words; with fewer than n // 2 only rule 1 holds.
3. n-gram: Q and T share n consecutive words of their own parts; numbers count as words, signs
   must be equal but do not count, so that `(x + 1)^2` is not six words.

The own part is what remains without the template (`distill.problems.templates`). So `State the
final answer to the following arithmetic problem: 42 - 25 - 73 =` has the own part `42 - 25 - 73`,
and thousands of sums do not overlap because they are asked in one form.

What the rule cannot see: a translation, a paraphrase, a copy with its numbers changed inside a
template, a reworded copy whose own part is shorter than n // 2 words.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from distill.errors import RecipeError
from distill.problems.templates import Gram, Templates, grams
from distill.problems.wording import normalise, words_of
from distill.records import Problem

_CONTINUES = frozenset("+-*/^%!")


class Match(NamedTuple):
    """A test question found in another text."""

    position: int  # of the test question in the index
    rule: Literal["same", "contained", "n-gram"]
    words: str  # what the two share


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
    """Test questions, ready to be looked for in other questions by the rule of this module."""

    def __init__(self, texts: Iterable[str], n: int, templates: Templates | None = None) -> None:
        """Index the test questions.

        Args:
            texts: the test questions.
            n: words of an n-gram; n // 2 is the least that rule 2 accepts.
            templates: of stretches of n // 2 words, to be used as they are; without them those of
                the test questions are learned.
        Raises: ValueError if n < 1, or for templates of another width.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        self.n = n
        self._half = template_width(n)
        tests = [words_of(text) for text in texts]
        if templates is None:
            templates = Templates(self._half)
            templates.add(tests)
        if templates.width != self._half:
            raise ValueError(f"templates are {templates.width} words wide, not {self._half}")
        self.templates = templates
        self._same: dict[str, int] = {}
        self._grams: dict[str, int] = {}
        pieces: list[tuple[Gram, int]] = []
        for position, words in enumerate(tests):
            own = templates.own_part(words)
            self._same.setdefault(" ".join(words), position)
            for gram in _worded_grams(_taken(words, own), n):
                self._grams.setdefault(gram, position)
            pieces += [(piece, position) for piece in _pieces(words, own, self._half)]
        self._anchors = _anchored(pieces, self._half)

    def first_overlap(self, text: str) -> Match | None:
        """The test question that a text is, holds or shares n words with; None when there is none.

        The rules are tried in their order; of several n-grams the first in the text counts.
        """
        words = words_of(text)
        return self.first_match(words, self.templates.own_part(words))

    def first_match(self, words: Sequence[str], own: list[int]) -> Match | None:
        """`first_overlap` for a text's words and the positions of those that are its own."""
        same = " ".join(words)
        if same in self._same:
            return Match(self._same[same], "same", same)
        return self._contained(words) or self._shared_gram(_taken(words, own))

    def _contained(self, words: Sequence[str]) -> Match | None:
        for at, gram in enumerate(grams(words, self._half)):
            for piece, offset, position in self._anchors.get(gram, ()):
                start = at - offset
                end = start + len(piece)
                if start >= 0 and tuple(words[start:end]) == piece and _whole(words, start, end):
                    return Match(position, "contained", " ".join(piece))
        return None

    def _shared_gram(self, own_words: Sequence[str]) -> Match | None:
        for gram in _worded_grams(own_words, self.n):
            if gram in self._grams:
                return Match(self._grams[gram], "n-gram", gram)
        return None


def template_width(n: int) -> int:
    """Words in a stretch that may be a template, for n-grams of n words."""
    return max(1, n // 2)


def _worded_grams(words: Sequence[str], n: int) -> Iterator[str]:
    """Stretches of n words or numbers, with the signs between them."""
    at = [i for i, word in enumerate(words) if word[0].isalnum()]
    return (" ".join(words[at[i] : at[i + n - 1] + 1]) for i in range(len(at) - n + 1))


def _taken(words: Sequence[str], positions: list[int]) -> list[str]:
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
    counts = Counter(gram for piece, _ in pieces for gram in set(grams(piece, width)))
    anchors: dict[Gram, list[tuple[Gram, int, int]]] = defaultdict(list)
    for piece, position in pieces:
        stretches = list(grams(piece, width))
        offset = min(range(len(stretches)), key=lambda i: counts[stretches[i]])
        anchors[stretches[offset]].append((piece, offset, position))
    return dict(anchors)


def _whole(words: Sequence[str], start: int, end: int) -> bool:
    """Is words[start:end] not merely a part of a longer sum or list of numbers?"""
    goes_on_left = start > 0 and _continues(words[start], words[start - 1])
    goes_on_right = end < len(words) and _continues(words[end - 1], words[end])
    return not (goes_on_left or goes_on_right)


def _continues(edge: str, neighbour: str) -> bool:
    return (edge[0].isdigit() or edge in _CONTINUES) and (
        neighbour[0].isdigit() or neighbour in _CONTINUES
    )

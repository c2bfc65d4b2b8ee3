"""What of the test sets stands in the questions and completions that are learned from.

A question is compared with every test question by the rule of `distill.problems.overlap`, and so
is each short sentence in it, for test questions of few words. In scripts without spaces, where a
character counts as a word, n-grams have `char_ngram` of them (rule "chars" instead of "n-gram").
Then questions and completions are searched for long passages of test questions (rule "chars"; in a
completion "quoted") and of their solutions ("solution").

Long texts on different problems share 10 words by chance: a formula, a theorem, `where m and n are
relatively prime positive integers`. So a passage has 4 letters for each word of `word_ngram`, and
as many passages are asked as stand in a run of 1.75 times that (70 letters at 10), or all of a
shorter text. What many texts of one set have in common is no evidence. By this rule none of 1,596
real traces quotes one of 7,326 test problems that it is not about (benchmarks/contamination.py).

What this cannot see: a paraphrase, a translation, other numbers in the same words; a copy with one
word changed that is shorter than 3 n words, or in completions than 12 n letters; and in completions
a text of fewer letters than a passage.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from distill.problems.overlap import NgramIndex, template_width
from distill.problems.passage_index import PassageIndex
from distill.problems.plants import MAX_WORD_LETTERS, edits, in_completion, one_word_changed
from distill.problems.templates import MAX_QUESTIONS, Templates, step
from distill.problems.wording import is_unspaced, letters_of, words_of
from distill.records import Problem

LETTERS_PER_WORD = 4  # of a passage: English has 5 to a word, formulas 1 or 2
RUN_SHARE = 1.75  # passages of one text that are enough: those of a run so many passages long
MIN_SENTENCE_WORDS = 3  # or signs: of a short test question that is a sentence of another one
MAX_SENTENCE_CHARS = 100
DISTINCT_LETTERS = 8  # of a passage
MAX_EDITED = 200  # problems of a set that the self-test plants edited, evenly spread

_SENTENCE_END = re.compile(r"(?<=[.?!:])\s+|(?<=[。？！：])|\n+")

Rule = Literal["same", "contained", "n-gram", "chars", "quoted", "solution"]
TextKey = tuple[str, str, Rule]  # test set, problem, "chars" for its question or "solution"


class Overlap(NamedTuple):
    """A test problem found in a text that is to be learned from."""

    test_set: str
    problem_id: str
    rule: Rule
    words: str  # what the two share; letters without spaces where a passage was found


class OverlapRow(NamedTuple):
    """How many of the questions that are learned from overlap with one test set, at one n."""

    test_set: str
    n: int
    tests: int
    solutions: int  # how many of the tests have one
    questions: int  # that are learned from and overlap
    tests_found: int
    by_rule: dict[str, int]  # those questions by the first rule that found them


class Missed(NamedTuple):
    """A planted copy of a test problem that was not found."""

    test_set: str
    problem_id: str
    plant: str  # "question" or "solution", and how it was edited


class Contamination:
    """Test problems, ready to be looked for in questions and completions; can be pickled."""

    def __init__(
        self,
        tests: dict[str, list[Problem]],
        *,
        word_ngram: int | None,
        char_ngram: int | None,
        background: Iterable[str] = (),
    ) -> None:
        """Index the test problems.

        Args:
            tests: name of each test set to its problems.
            word_ngram: so many words in a row may not be shared with a test question; a smaller
                number finds more, and more by chance. None looks for equal questions only.
            char_ngram: the same in characters, for texts in scripts without spaces.
            background: the questions that will be looked up; their templates count too.
        """
        self.tests = tests
        self.word_ngram = word_ngram
        self.char_ngram = char_ngram
        asked = list(background)
        self._background = asked[:: step(len(asked), MAX_QUESTIONS)]
        self._same: dict[str, dict[str, str]] = {}
        for name, problems in tests.items():
            for problem in problems:
                ids = self._same.setdefault(" ".join(words_of(problem.question)), {})
                ids.setdefault(name, problem.problem_id)
        self._scripts = [
            _Script(tests, n, unspaced, self._background)
            for unspaced, n in ((False, word_ngram), (True, char_ngram))
            if n is not None
        ]

    def find(self, question: str) -> Overlap | None:
        """The first test problem that a question overlaps with; None when there is none."""
        return next(self.overlaps(question), None)

    def find_in_completion(self, completion: str) -> Overlap | None:
        """The first test problem whose question or solution a completion quotes at length."""
        return next(self.quotes(completion), None)

    def self_test(self) -> list[Missed]:
        """Planted copies of the test problems, verbatim and lightly edited, that are not found.

        Every question and every solution that has a passage is planted verbatim; up to 200
        problems of each set are also planted with each light edit of `distill.problems.plants`,
        and with another word in the middle where the text is long enough for that to be found.
        """
        return [
            Missed(name, problem.problem_id, plant)
            for name, problems in self.tests.items()
            for number, problem in enumerate(problems)
            for plant in self._missed(name, problem, number % step(len(problems), MAX_EDITED) == 0)
        ]

    def report(
        self, questions: Iterable[str], n_values: Iterable[int] = (8, 10, 13)
    ) -> list[OverlapRow]:
        """How many of the questions overlap with each test set at each n; the sets in order."""
        distinct = list(dict.fromkeys(questions))
        by_n = [self._rows(distinct, n) for n in n_values]
        return [rows[name] for name in self.tests for rows in by_n]

    def overlaps(self, question: str) -> Iterator[Overlap]:
        """What `find` finds first, then what else it would find; a problem can come twice."""
        words = words_of(question)
        same = " ".join(words)
        for name, problem_id in self._same.get(same, {}).items():
            yield Overlap(name, problem_id, "same", same)
        for script in self._scripts:
            yield from script.asked(words)
        if self._scripts:
            yield from self._sentences(question)
        letters = letters_of(question)
        for script in self._scripts:
            yield from script.quoted(letters)

    def quotes(self, completion: str) -> Iterator[Overlap]:
        """What `find_in_completion` finds first, then what else it would find."""
        letters = letters_of(completion)
        for script in self._scripts:
            for found in script.quoted(letters):
                yield found._replace(rule="quoted") if found.rule == "chars" else found

    def _sentences(self, question: str) -> Iterator[Overlap]:
        """Test questions that are one short sentence or line of this question."""
        for sentence in sentences_of(question):
            words = words_of(sentence)
            same = " ".join(words)
            if len(words) >= MIN_SENTENCE_WORDS:
                for name, problem_id in self._same.get(same, {}).items():
                    yield Overlap(name, problem_id, "contained", same)

    def _missed(self, name: str, problem: Problem, edited: bool) -> Iterator[str]:
        for script in self._scripts:
            for plant, text in script.asked_plants(problem, edited):
                if self.find(text) is None:
                    yield plant
            for plant, text in script.quoted_plants(name, problem, edited):
                if self.find_in_completion(text) is None:
                    yield plant
        if not self._scripts and self.find(problem.question) is None:
            yield "question, verbatim"

    def _rows(self, questions: list[str], n: int) -> dict[str, OverlapRow]:
        checked = self if n == self.word_ngram else self._with(n)
        rules: dict[str, Counter[str]] = {name: Counter() for name in self.tests}
        found: dict[str, set[str]] = {name: set() for name in self.tests}
        for question in questions:
            firsts: dict[str, Overlap] = {}
            for overlap in checked.overlaps(question):
                firsts.setdefault(overlap.test_set, overlap)
            for name, overlap in firsts.items():
                rules[name][overlap.rule] += 1
                found[name].add(overlap.problem_id)
        return {
            name: OverlapRow(
                test_set=name,
                n=n,
                tests=len(problems),
                solutions=sum(bool(problem.solution) for problem in problems),
                questions=rules[name].total(),
                tests_found=len(found[name]),
                by_rule=dict(rules[name]),
            )
            for name, problems in self.tests.items()
        }

    def _with(self, word_ngram: int) -> "Contamination":
        return Contamination(
            self.tests,
            word_ngram=word_ngram,
            char_ngram=self.char_ngram,
            background=self._background,
        )


class _Script:
    """The test texts whose scripts have spaces, or those whose scripts have none."""

    def __init__(
        self, tests: dict[str, list[Problem]], n: int, unspaced: bool, background: list[str]
    ) -> None:
        self._n = n
        self._unspaced = unspaced
        self._templates = Templates(template_width(n))  # of questions
        self._templates.add(words_of(text) for text in background if self._reads(text))
        self._asked: dict[str, tuple[list[str], NgramIndex]] = {}
        for problems in tests.values():
            self._templates.add(words_of(p.question) for p in problems if self._reads(p.question))
        for name, problems in tests.items():
            self._index_questions(name, [p for p in problems if self._reads(p.question)])
        self._width = n if unspaced else LETTERS_PER_WORD * n
        groups = [list(group) for name in tests for group in self._groups(name, tests[name])]
        self._keys: list[TextKey] = [key for group in groups for key, _ in group]
        self._passages = PassageIndex(
            [[text for _, text in group] for group in groups],
            self._width,
            round(RUN_SHARE * self._width),
            distinct=DISTINCT_LETTERS,
        )
        self._positions = {key: position for position, key in enumerate(self._keys)}

    def asked(self, words: list[str]) -> Iterator[Overlap]:
        """By test set, the first test question that a question of these words overlaps with."""
        own = self._templates.own_part(words)
        for name, (ids, index) in self._asked.items():
            match = index.first_match(words, own)
            if match is not None:
                by_chars = self._unspaced and match.rule == "n-gram"
                rule = "chars" if by_chars else match.rule
                yield Overlap(name, ids[match.position], rule, match.words)

    def quoted(self, letters: str) -> Iterator[Overlap]:
        """The test texts of which long passages stand in these letters."""
        for passage in self._passages.find(letters):
            name, problem_id, rule = self._keys[passage.position]
            yield Overlap(name, problem_id, rule, passage.letters)

    def asked_plants(self, problem: Problem, edited: bool) -> Iterator[tuple[str, str]]:
        """Copies of a question that have to be found in questions, each with its name."""
        if not self._reads(problem.question):
            return
        words = words_of(problem.question)
        for edit, text in edits(problem.question).items():
            is_sure = edit != "framed" or self._stands_out(problem.question, words)
            if edit == "verbatim" or (edited and is_sure):
                yield f"question, {edit}", text
        own = sum(words[i][0].isalnum() for i in self._templates.own_part(words))
        if edited and own >= 3 * self._n:
            yield from _with_another_word("question", problem.question)

    def _stands_out(self, question: str, words: list[str]) -> bool:
        """Is a question long enough to be found inside another?"""
        is_sentence = sentences_of(question) == [question.strip()]
        return len(words) >= (MIN_SENTENCE_WORDS if is_sentence else template_width(self._n))

    def quoted_plants(self, name: str, problem: Problem, edited: bool) -> Iterator[tuple[str, str]]:
        """Completions that quote a question or solution and have to be found."""
        for rule, text in (("chars", problem.question), ("solution", problem.solution)):
            position = self._positions.get((name, problem.problem_id, rule))
            if position is None or not self._passages.sizes[position]:
                continue
            what = "solution" if rule == "solution" else "quoted question"
            copies = [(f"{what}, {edit}", copy) for edit, copy in edits(text).items()]
            if self._passages.survives(position, self._width + MAX_WORD_LETTERS):
                copies += _with_another_word(what, text)
            yield from (
                (plant, in_completion(copy)) for plant, copy in copies[: None if edited else 1]
            )

    def _reads(self, text: str) -> bool:
        return is_unspaced(letters_of(text)) == self._unspaced

    def _index_questions(self, name: str, problems: list[Problem]) -> None:
        if problems:
            questions = [problem.question for problem in problems]
            ids = [problem.problem_id for problem in problems]
            self._asked[name] = ids, NgramIndex(questions, self._n, self._templates)

    def _groups(
        self, name: str, problems: list[Problem]
    ) -> Iterator[Iterator[tuple[TextKey, list[str]]]]:
        """A set's questions without their templates, and its solutions, as letters."""
        yield (
            ((name, p.problem_id, "chars"), _own_stretches(p.question, self._templates))
            for p in problems
            if self._reads(p.question)
        )
        yield (
            ((name, p.problem_id, "solution"), [letters_of(p.solution)])
            for p in problems
            if p.solution and self._reads(p.solution)
        )


def sentences_of(text: str) -> list[str]:
    """The short sentences and lines of a text."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if 0 < len(part) <= MAX_SENTENCE_CHARS]


def _own_stretches(text: str, templates: Templates) -> list[str]:
    """The letters of each run of words that are no template."""
    words = words_of(text)
    own = set(templates.own_part(words))
    runs = [
        (is_own, [word for _, word in run])
        for is_own, run in groupby(enumerate(words), key=lambda pair: pair[0] in own)
    ]
    kept = [run if is_own or not _is_speech(run) else None for is_own, run in runs]
    stretches = [list(group) for is_kept, group in groupby(kept, key=bool) if is_kept]
    return [letters_of(" ".join(word for run in group for word in run)) for group in stretches]


def _is_speech(words: list[str]) -> bool:
    """Are there two words in it? The letters of a formula are the same in many formulas."""
    return sum(len(word) > 2 or not word.isascii() for word in words) >= 2


def _with_another_word(what: str, text: str) -> Iterator[tuple[str, str]]:
    for kind, drop in (("one word changed", False), ("one word dropped", True)):
        copy = one_word_changed(text, drop=drop)
        if copy is not None:
            yield f"{what}, {kind}", copy

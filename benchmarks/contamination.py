"""What the overlap check finds on real sets, what it misses of planted copies, and how fast it is.

Run:    python benchmarks/contamination.py [--folder=../shared/data] [--quick]
Gives:  1. training sets against test sets: questions that overlap at n = 8, 10, 13, by rule, beside
           what a plain set of n-grams of lower-case words finds; with examples to read.
        2. planted copies of MATH test questions and solutions, by kind of edit: the share found.
        3. real traces on other problems: how many quote a question or solution by chance.
        4. completions in MB/s, beside the plain set of 13-grams on the same texts: medians and
           quartiles over rounds that take turns.
"""

import itertools
import json
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fire

from distill.evaluation.tables import markdown_table
from distill.problems.contamination import LETTERS_PER_WORD, Contamination
from distill.problems.plants import edits, in_completion, one_word_changed
from distill.problems.wording import letters_of, words_of
from distill.records import Problem

N_VALUES = (8, 10, 13)
PAIRS = (
    ("math/train_answers", ("math500/test", "math/test")),
    ("gsm8k/train", ("gsm8k/test",)),
    ("aime_1983_2023/train", ("aime2024/test", "aime2025/test", "olympiadbench/test")),
    ("aime_1983_2023/train", ("amc23/test", "math/test")),
)
TRACE_FILES = ("r1_math", "r1_distill_math", "mcq_traces", "other_long_cot")


def main(folder: str = "../shared/data", quick: bool = False) -> None:
    """Print the four tables."""
    data = Path(folder)
    every = 20 if quick else 1
    real_sets(data, every)
    planted(data, every)
    traces = [row for name in TRACE_FILES for row in rows_of(data / "r1_traces" / f"{name}.jsonl")][
        :: 4 if quick else 1
    ]
    tests = {
        name: problems_of(data / f"{name}.jsonl")
        for name in ("math/test", "gsm8k/test", "olympiadbench/test")
    }
    chance(tests, traces)
    speed(tests, [row["response"] for row in traces], rounds=3 if quick else 9)


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSONL file."""
    with open(path, encoding="utf-8") as handle:
        yield from map(json.loads, handle)


def problems_of(path: Path) -> list[Problem]:
    """The problems of a file, with their solutions where it has some."""
    problems = []
    for row in rows_of(path):
        solution = row.get("solution") or ""
        problems.append(
            Problem(
                problem_id=row["id"],
                question=row["problem"],
                reference=str(row["answer"]),
                solution="\n".join(solution) if isinstance(solution, list) else solution,
            )
        )
    return problems


def real_sets(data: Path, every: int) -> None:
    """Table 1, and three examples of each rule to judge by."""
    table = []
    examples: dict[str, list[str]] = defaultdict(list)
    for train, names in PAIRS:
        questions = [row["problem"] for row in rows_of(data / f"{train}.jsonl")][::every]
        tests = {name: problems_of(data / f"{name}.jsonl") for name in names}
        index = Contamination(tests, word_ngram=10, char_ngram=20, background=questions)
        for row in index.report(questions, N_VALUES):
            plain = PlainNgrams([p.question for p in tests[row.test_set]], row.n)
            rules = ", ".join(f"{rule} {count}" for rule, count in row.by_rule.items())
            count = sum(map(plain.finds, questions))
            cells = (train, len(questions), row.test_set, row.n, row.questions, count)
            table.append((*cells, row.tests_found, rules))
        for question in random.Random(0).sample(questions, len(questions)):
            found = index.find(question)
            if found is not None and len(examples[found.rule]) < 3:
                line = f"{train} / {found.test_set} {found.problem_id}: {found.words[:90]}"
                examples[found.rule].append(line)
    heads = ("train", "questions", "test set", "n", "overlap", "plain", "tests found", "by rule")
    print(markdown_table(heads, table))
    for rule, lines in examples.items():
        print(f"\n{rule}:", *lines, sep="\n  ")


def planted(data: Path, every: int) -> None:
    """Table 2: the share of plants that is found, by kind of edit and by length of the text."""
    problems = problems_of(data / "math/test.jsonl")
    columns = []
    for n in N_VALUES:
        index = Contamination({"math": problems}, word_ngram=n, char_ngram=20)
        shares: dict[str, list[bool]] = defaultdict(list)
        for problem in problems[::every]:
            for edit, text in plants(problem.question, words(problem.question) >= 3 * n):
                shares[f"question, {edit}"].append(index.find(text) is not None)
            for what, whole in (("quoted", problem.question), ("solution", problem.solution)):
                if (letters := len(letters_of(whole))) >= LETTERS_PER_WORD * n:
                    for edit, text in plants(whole, letters >= 3 * LETTERS_PER_WORD * n):
                        found = index.find_in_completion(in_completion(text)) is not None
                        shares[f"{what}, {edit}"].append(found)
        columns.append({plant: f"{percent(hits)} of {len(hits)}" for plant, hits in shares.items()})
    rows = [(plant, *(column.get(plant, "") for column in columns)) for plant in sorted(columns[0])]
    print("\nlong: 3 n words, of quoted questions and solutions 12 n letters\n")
    print(markdown_table(("plant", *(f"n = {n}" for n in N_VALUES)), rows))


def plants(text: str, is_long: bool) -> Iterator[tuple[str, str]]:
    """Copies of a text by kind of edit."""
    yield from edits(text).items()
    for kind, drop in (("changed", False), ("dropped", True)):
        copy = one_word_changed(text, drop=drop)
        if copy is not None:
            yield f"one word {kind}, {'long' if is_long else 'short'}", copy


def words(text: str) -> int:
    """How many words and numbers a text has."""
    return sum(word[0].isalnum() for word in words_of(text))


def percent(found: list[bool]) -> str:
    """A share without rounding up to everything."""
    return "100%" if all(found) else f"{100 * sum(found) / len(found):.2f}%"


def chance(tests: dict[str, list[Problem]], traces: list[dict[str, Any]]) -> None:
    """Table 3: what is found in traces, on the same problem and on another one."""
    index = Contamination(tests, word_ngram=10, char_ngram=20)
    counts: Counter[tuple[str, bool]] = Counter()
    others = []
    for row in traces:
        own = {(o.test_set, o.problem_id) for o in index.overlaps(row["problem"])}
        for quote in index.quotes(row["response"]):
            is_own = (quote.test_set, quote.problem_id) in own
            counts[quote.rule, is_own] += 1
            if not is_own:
                others.append(f"{row['id']}: {quote.problem_id}: {quote.words[:100]}")
    size = sum(map(len, tests.values()))
    print(f"\n{len(traces)} traces, {size} test problems at n = 10, pairs in which a trace quotes:")
    rows = [
        (what, counts[rule, True], counts[rule, False])
        for what, rule in (("question", "quoted"), ("solution", "solution"))
    ]
    print(markdown_table(("a test problem's", "on this problem", "on another problem"), rows))
    print(*others, sep="\n")


def speed(tests: dict[str, list[Problem]], texts: list[str], rounds: int) -> None:
    """Table 4."""
    index = Contamination(tests, word_ngram=13, char_ngram=20)
    problems = list(itertools.chain.from_iterable(tests.values()))
    plain = PlainNgrams([text for p in problems for text in (p.question, p.solution)], 13)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    rates: dict[str, list[float]] = {"find_in_completion": [], "plain set of 13-grams": []}
    for _ in range(rounds):
        for name, check in zip(rates, (index.find_in_completion, plain.finds), strict=True):
            rates[name].append(megabytes / seconds(check, texts))
    table = []
    for name, measured in rates.items():
        low, middle, high = statistics.quantiles(measured, n=4)
        table.append((name, f"{middle:.1f}", f"{low:.1f} to {high:.1f}"))
    ratios = [ours / theirs for ours, theirs in zip(*rates.values(), strict=True)]
    print(f"\n{len(texts)} completions, {megabytes:.1f} MB, {rounds} rounds, one core:")
    print(markdown_table(("check", "MB/s, median", "quartiles"), table))
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def seconds(check: Callable[[str], object], texts: list[str]) -> float:
    """How long a check takes for all texts."""
    start = time.perf_counter()
    for text in texts:
        check(text)
    return time.perf_counter() - start


class PlainNgrams:
    """What most projects do: lower case, split at spaces, look every n-gram up in one set."""

    def __init__(self, texts: list[str], n: int) -> None:
        self.n = n
        self.grams = {gram for text in texts for gram in self._grams(text)}

    def finds(self, text: str) -> bool:
        """Does a text share an n-gram with any of the others?"""
        return any(gram in self.grams for gram in self._grams(text))

    def _grams(self, text: str) -> Iterator[str]:
        words = text.lower().split()
        return (" ".join(words[i : i + self.n]) for i in range(len(words) - self.n + 1))


if __name__ == "__main__":
    fire.Fire(main)

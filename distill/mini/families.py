"""The mini world's problems: three reasoning-gym families, each easy, hard and long, in splits."""

import hashlib
import json
from collections.abc import Iterator

import reasoning_gym

from distill.records import Problem

RANGES = {
    "chain_sum": {
        "easy": {"min_terms": 3, "max_terms": 4},
        "hard": {"min_terms": 5, "max_terms": 6},
        "long": {"min_terms": 7, "max_terms": 8},
    },
    "products": {
        "easy": {"min_terms": 3, "max_terms": 3},
        "hard": {"min_terms": 4, "max_terms": 4},
        "long": {"min_terms": 5, "max_terms": 5},
    },
    "leg_counting": {
        "easy": {"min_animals": 2, "max_animals": 2},
        "hard": {"min_animals": 3, "max_animals": 4},
        "long": {"min_animals": 5, "max_animals": 6},
    },
}
DIGITS = {
    "chain_sum": {"min_digits": 2, "max_digits": 2},
    "products": {"min_digits": 1, "max_digits": 1},
    "leg_counting": {},
}
FAMILIES = tuple(RANGES)
LEVELS = ("easy", "hard", "long")
SPLITS = {"test": range(0, 12), "rl": range(12, 40), "train": range(40, 100)}
_SOURCE = "reasoning-gym 0.1.25 (Apache-2.0)"


def split_of(question: str) -> str:
    """The split a question belongs to, by its hash alone: no two splits can share a question."""
    bucket = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % 100
    return next(name for name, buckets in SPLITS.items() if bucket in buckets)


def draw_problems(family: str, level: str, *, seed: int) -> Iterator[Problem]:
    """Endless problems of one family and level, straight from reasoning-gym's generator."""
    kwargs = {**RANGES[family][level], **DIGITS[family]}
    chunk = 0
    while True:
        dataset = reasoning_gym.create_dataset(
            family, size=1000, seed=(seed * 1_000_003 + chunk * 1000) % 2**31, **kwargs
        )
        for entry in dataset:
            if not (family == "products" and entry["answer"] == "0"):  # a factor 0 can be guessed
                yield _problem(family, level, entry)
        chunk += 1


def split_problems(split: str, *, per_level: dict[str, int], seed: int) -> list[Problem]:
    """Distinct problems of one split: for each family, `per_level[level]` of each level, mixed.

    The families and levels take turns, so that any first part of the list is a fair mixture. A
    family that has fewer distinct problems gives what it has.
    """
    columns = []
    for family in FAMILIES:
        for level, count in per_level.items():
            columns.append(_distinct(family, level, split, count, seed))
    mixed = []
    for turn in range(max(map(len, columns))):
        mixed += [column[turn] for column in columns if turn < len(column)]
    return mixed


def _distinct(family: str, level: str, split: str, count: int, seed: int) -> list[Problem]:
    found: dict[str, Problem] = {}
    for tries, problem in enumerate(draw_problems(family, level, seed=seed)):
        if len(found) == count or tries > 200 * count:
            break
        if split_of(problem.question) == split:
            found.setdefault(problem.question, problem)
    return list(found.values())


def _problem(family: str, level: str, entry: dict) -> Problem:
    question = entry["question"]
    digest = hashlib.sha256(question.encode()).hexdigest()[:12]
    return Problem(
        problem_id=f"{family}-{level}-{digest}",
        question=question,
        reference=entry["answer"],
        verifier="reasoning-gym",
        family=family,
        source=_SOURCE,
        gym_entry=json.dumps(entry, sort_keys=True),
    )


PROBLEM_FILES = {
    "train": ("train", {"easy": 350, "hard": 350}, 11),
    "rl": ("rl", {"easy": 200, "hard": 200}, 12),
    "test_easy": ("test", {"easy": 40}, 13),
    "test_hard": ("test", {"hard": 40}, 14),
    "test_long": ("test", {"long": 40}, 15),
}


def problem_files() -> dict[str, list[Problem]]:
    """The problem files of the mini world by name, always the same."""
    return {
        name: split_problems(split, per_level=per_level, seed=seed)
        for name, (split, per_level, seed) in PROBLEM_FILES.items()
    }

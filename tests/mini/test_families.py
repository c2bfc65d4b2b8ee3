"""The mini world's problems: real generators, splits that cannot share a question."""

from itertools import islice
from pathlib import Path

import msgspec
import pytest

from distill.mini.families import (
    FAMILIES,
    LEVELS,
    draw_problems,
    problem_files,
    split_of,
    split_problems,
)
from distill.problems.overlap import check_disjoint
from distill.records import Problem


def test_splits_share_no_question():
    splits = {
        name: split_problems(name, per_level={"easy": 20, "hard": 20}, seed=5)
        for name in ("train", "rl", "test")
    }
    questions = [{problem.question for problem in rows} for rows in splits.values()]
    assert not (questions[0] & questions[1] | questions[0] & questions[2])
    assert not questions[1] & questions[2]
    for name, rows in splits.items():
        assert {split_of(problem.question) for problem in rows} == {name}


def test_any_first_part_is_a_fair_mixture():
    rows = split_problems("train", per_level={"easy": 5, "hard": 5}, seed=1)
    assert sorted({problem.family for problem in rows[:6]}) == sorted(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_single_answer_is_worth_guessing(family):
    # the commonest answer of 1,000 problems must stay rare, or a model learns to say it
    for level in LEVELS:
        answers = [p.reference for p in islice(draw_problems(family, level, seed=3), 1000)]
        assert max(answers.count(answer) for answer in set(answers)) < 45


def test_the_shipped_problems_are_the_ones_the_code_makes():
    folder = Path("data/mini/problems")
    made = problem_files()
    check_disjoint(made)
    for name, rows in made.items():
        lines = (folder / f"{name}.jsonl").read_bytes().splitlines()
        assert [msgspec.json.decode(line, type=Problem) for line in lines] == rows

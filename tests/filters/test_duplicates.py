"""Copies are found, the same problem solved twice is no copy, and the state stays small."""

import json
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.duplicates import (
    MIN_WORDS,
    NearDuplicates,
    completion_digest,
    estimated_similarity,
    signature,
)

TRACES = Path(__file__).parents[3] / "shared/data/r1_traces"
WORDS = [f"w{number}" for number in range(5000)]


def text(seed, words=400):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(given_text, share, seed=0):
    rng = random.Random(seed)
    words = given_text.split()
    for at in rng.sample(range(len(words)), round(share * len(words))):
        words[at] = rng.choice(WORDS)
    return " ".join(words)


def jaccard(first, second):
    one, two = (set(zip(*(t.split()[i:] for i in range(5)), strict=False)) for t in (first, second))
    return len(one & two) / len(one | two)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("So  8\n", "so 8", True),
        ("so 8", "so 9", False),
        ("ﬁne ²", "FINE 2", True),
        ("so 8.", "so 8", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_which_completions_are_exactly_the_same(first, second, equal):
    assert (completion_digest(first) == completion_digest(second)) is equal


@given(st.text(max_size=400))
def test_a_text_has_one_signature_whatever_its_spacing(any_text):
    mark = signature(any_text)
    assert len(mark) in (0, 128)
    assert signature(any_text.replace(" ", " \n ")) == mark


def test_case_and_punctuation_do_not_count_and_short_texts_have_no_signature():
    long_text = text(1)
    assert signature(long_text.upper().replace(" ", ", ")) == signature(long_text)
    assert signature(text(1, words=MIN_WORDS - 1)) == b""
    assert len(signature(text(1, words=MIN_WORDS))) == 128
    assert len(signature("因为两个数的和是八十四所以我们先求出它们的差再除以二")) == 128


def test_the_signature_is_the_same_in_another_process():
    code = (
        "import sys; from distill.filters.duplicates import signature; "
        "sys.stdout.write(signature(sys.argv[1]).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, text(3)], capture_output=True, text=True, check=True
    )
    assert done.stdout == signature(text(3)).hex()


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05, 0.15, 1.0])
def test_the_estimate_errs_by_no_more_than_chance(share):
    # 128 slots: the standard error is at most 0.044, that of the mean over 100 pairs 0.0044
    pairs = [(text(seed), edited(text(seed), share, seed)) for seed in range(100)]
    errors = [
        estimated_similarity(signature(one), signature(two)) - jaccard(one, two)
        for one, two in pairs
    ]
    assert abs(sum(errors) / len(errors)) < 0.018
    assert max(map(abs, errors)) < 0.2


@pytest.mark.parametrize(
    ("similarity", "share"),
    [(0.5, 0.02), (0.9, 0.0025)],  # expected Jaccard 0.82 and 0.975: 4 errors above
)
def test_planted_near_copies_are_found_and_named(similarity, share):
    near = NearDuplicates(similarity)
    assert [near.twin(seed, signature(text(seed))) for seed in range(300)] == [None] * 300
    found = [near.twin(1000 + s, signature(edited(text(s), share, s))) == s for s in range(300)]
    assert sum(found) >= 297


def test_the_earliest_twin_is_named_and_a_copy_is_not_remembered():
    near = NearDuplicates(0.5)
    first, half = text(1), edited(text(1), 0.03)
    assert near.twin(7, signature(first)) is None
    assert near.twin(8, signature(half)) == 7
    assert near.twin(9, signature(edited(half, 0.0))) == 7
    assert near.twin(10, b"") is None
    assert near.twin(11, b"") is None


def test_thousands_of_traces_give_the_same_twins_as_comparing_all_pairs():
    texts = [edited(text(n % 900), (0.0, 0.03, 0.3)[n % 3], n) for n in range(2200)]
    marks = np.array([list(signature(one)) for one in texts], np.uint8)
    near = NearDuplicates(0.6)
    found = [near.twin(at, mark.tobytes()) for at, mark in enumerate(marks)]
    new: list[int] = []
    wrong = 0
    for at, mark in enumerate(marks):
        shares = ((marks[new] == mark).mean(axis=1) - 1 / 256) / (1 - 1 / 256)
        close = np.flatnonzero(shares >= 0.6)
        wrong += found[at] != (new[close[0]] if close.size else None)
        if found[at] is None:
            new.append(at)
    assert len(new) > 1024  # more than are kept unsorted
    assert wrong <= 22  # a pair just at the threshold may share no band


def test_the_state_is_under_300_bytes_for_a_trace():
    rng = random.Random(0)
    marks = [rng.randbytes(128) for _ in range(6_000)]
    near = NearDuplicates(0.5)
    tracemalloc.start()
    for key, mark in enumerate(marks):
        near.twin(key, mark)
    assert tracemalloc.get_traced_memory()[0] < 300 * len(marks) + 200_000
    tracemalloc.stop()


@pytest.mark.parametrize("similarity", [0.0, -0.1, 1.01])
def test_a_similarity_that_means_nothing_is_refused(similarity):
    with pytest.raises(ValueError, match="above 0"):
        NearDuplicates(similarity)


@pytest.mark.skipif(not TRACES.exists(), reason="the labelled traces are not here")
def test_different_models_on_one_problem_are_no_near_duplicates():
    paths = (TRACES / f"{name}.jsonl" for name in ("r1_math", "other_long_cot"))
    rows = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    near = NearDuplicates(0.5)
    twins = [near.twin(at, signature(row["response"])) for at, row in enumerate(rows)]
    assert len({row["problem_key"] for row in rows}) < len(rows)
    assert twins == [None] * len(rows)

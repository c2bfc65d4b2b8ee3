"""Which of a problem's completions stay: one of each, the first k."""

from hypothesis import given
from hypothesis import strategies as st

from distill.filters.selection import completion_digest, select
from distill.records import DropReason


def reasons(digests, **changes):
    keys = {"drop_duplicates": True, "overlap": None, "keep_per_problem": None} | changes
    return [drop and drop.reason for drop in select(digests, **keys)]


def test_the_first_of_equal_completions_stays():
    assert reasons([b"a", b"b", b"a"]) == [None, None, DropReason.DUPLICATE]
    assert reasons([b"a", b"b", b"a"], drop_duplicates=False) == [None, None, None]


def test_a_duplicate_takes_no_place():
    assert reasons([b"a", b"a", b"b", b"c"], keep_per_problem=2) == [
        None,
        DropReason.DUPLICATE,
        None,
        DropReason.SURPLUS,
    ]


def test_a_problem_of_the_test_set_keeps_nothing():
    assert reasons([b"a", b"b"], overlap="same as t1") == [DropReason.TEST_OVERLAP] * 2


def test_case_and_spacing_make_no_difference_between_completions():
    assert completion_digest("So  8\n") == completion_digest("so 8")
    assert completion_digest("so 8") != completion_digest("so 9")


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])), st.integers(1, 5))
def test_at_most_k_stay_and_no_two_alike(digests, k):
    fates = reasons(digests, keep_per_problem=k)
    kept = [digest for digest, fate in zip(digests, fates, strict=True) if fate is None]
    assert len(kept) == len(set(kept)) == min(k, len(set(digests)))

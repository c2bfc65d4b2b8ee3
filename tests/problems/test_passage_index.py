"""Long passages are found wherever they stand, and counted letter by letter."""

import pickle
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.problems.passage_index import PassageIndex


def letters(seed, count):
    return "".join(random.Random(seed).choices(string.ascii_lowercase, k=count))


@pytest.mark.parametrize(
    ("shared", "found"),
    [(120, True), (70, True), (69, False), (0, False)],  # `least` is 70
)
def test_a_run_of_the_least_length_is_found(shared, found):
    test = letters(1, 200)
    index = PassageIndex([[[test]]], 40, 70)
    hits = index.find(letters(2, 500) + test[30 : 30 + shared] + letters(3, 90))
    assert bool(hits) is found
    assert not hits or hits[0].letters == test[30 : 30 + shared]


def test_two_runs_of_one_text_count_together_and_repeats_do_not():
    test = letters(1, 200)
    index = PassageIndex([[[test]]], 40, 70)
    one, other = test[:55], test[100:155]  # 16 passages each; 31 are needed
    assert index.find(one + letters(5, 9) + other)
    assert not index.find(one + letters(5, 9) + one)


def test_a_text_shorter_than_the_least_run_must_be_whole():
    index = PassageIndex([[[letters(1, 50)], [letters(2, 39)]]], 40, 70)
    assert [hit.position for hit in index.find("xx" + letters(1, 50) + "yy")] == [0]
    assert not index.find("xx" + letters(1, 49) + "!!")
    assert not index.find(letters(2, 39))


def test_passages_do_not_reach_over_the_end_of_a_stretch():
    one, other = letters(1, 90), letters(2, 90)
    index = PassageIndex([[[one, other]]], 40, 70)
    assert index.find(one)
    assert not index.find(one[-39:] + other[:39])


def test_texts_come_in_the_order_of_the_index_and_again_after_pickling():
    texts = [letters(seed, 100) for seed in range(300)]
    index = pickle.loads(pickle.dumps(PassageIndex([[[text] for text in texts]], 40, 70)))
    for position in (0, 17, 299):
        assert [hit.position for hit in index.find("a" + texts[position])] == [position]
    both = texts[200] + letters(999, 20_000) + texts[4]
    assert [hit.position for hit in index.find(both)] == [4, 200]


@given(st.integers(1, 130), st.data())
def test_a_passage_of_any_width_in_any_script_is_found_where_strings_find_it(width, data):
    alphabet = st.sampled_from("ab字\U0001d7d8")
    test = data.draw(st.text(alphabet, min_size=width, max_size=width))
    other = data.draw(st.text(alphabet, max_size=200))
    index = PassageIndex([[[test]]], width, width)
    assert bool(index.find(other)) is (test in other)
    assert index.find(other + test)


def test_an_empty_index_finds_nothing():
    assert PassageIndex([], 40, 70).find(letters(1, 100)) == []
    assert PassageIndex([[[], [""]], []], 40, 70).find(letters(1, 100)) == []


def test_what_many_texts_of_a_group_have_is_no_evidence():
    start = letters(0, 90)
    group = [[start + letters(seed, 80)] for seed in range(1, 20)]
    index = PassageIndex([group, [[letters(50, 100)]]], 40, 70)
    assert index.find(start) == []
    assert [hit.position for hit in index.find(letters(3, 80))] == [2]
    assert [hit.position for hit in index.find(letters(50, 100))] == [19]


@given(st.text(st.sampled_from("abcde"), max_size=60), st.integers(1, 20), st.integers(2, 5))
def test_passages_of_few_letters_are_left_out(text, width, distinct):
    index = PassageIndex([[[text]]], width, width, distinct)
    runs = {text[i : i + width] for i in range(len(text) - width + 1)}
    telling = {run for run in runs if len(set(run)) >= distinct}
    assert {run for run in runs if index.find(run)} == telling


def test_a_passage_over_the_border_of_two_blocks_is_found_and_repeats_take_no_time():
    test = letters(1, 100)
    index = PassageIndex([[[test]]], 40, 70)
    for filler in ((1 << 18) - 50, (1 << 18) - 99, (1 << 18) + 3):
        assert index.find("z" * filler + test)[0].letters == test
    assert index.find(test * 20_000)[0].letters == test

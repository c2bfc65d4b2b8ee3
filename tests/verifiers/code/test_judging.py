import time
from collections import Counter, OrderedDict, defaultdict
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.code.judging import same_output, same_value, truth
from distill.verifiers.code.plain_values import Opaque, decode, encode

PRINTED = [
    ("5\n", "5", True, "the last line end"),
    ("\n\n 5 \n\n", "5", True, "space around the whole"),
    ("1 2 \r\n 3\n", "1 2\n3\n", True, "space around each line"),
    ("1 2\n3", "1 2 3", False, "the number of lines counts"),
    ("1\n\n2", "1\n2", False, "an empty line in the middle counts"),
    ("1  2", "1 2", True, "numbers: space between them does not"),
    ("a  b", "a b", False, "words: it does"),
    ("YES", "Yes", False, "case counts"),
    ("1.0", "1", True, "decimals by value"),
    ("1e2", "100", True, "in any spelling"),
    ("0.1000000001", "0.1", False, "exactly"),
    ("50000000000000001", "50000000000000000", False, "large numbers exactly"),
    ("nan", "NaN", False, "no number equals NaN"),
    ("nan", "nan", True, "the same text does"),
    ("1 a", "1.0 a", False, "all words must be numbers"),
    ("1_000", "1000", True, "as Decimal reads it"),
    ("", "", True, "nothing for nothing"),
    ("", "0", False, "nothing for something"),
    ("sNaN", "1", False, "a signalling NaN is no crash"),
]


@pytest.mark.parametrize(("printed", "expected", "same", "why"), PRINTED)
def test_printed_as_expected(printed, expected, same, why):
    assert same_output(printed, expected) is same, why


def test_enormous_exponents_cost_nothing():
    start = time.perf_counter()
    assert not same_output("1e999999999999 1" * 1000, "1 1" * 1000)
    assert not same_output("9" * 1_000_000, "8")
    assert time.perf_counter() - start < 10


class Always:
    __hash__ = None

    def __eq__(self, other):
        return True


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Colour(IntEnum):
    RED = 3


RETURNED = [
    (3, 3, True, "a number"),
    (3.0, 3, True, "as Python compares"),
    (True, 1, True, "as Python compares"),
    ("3", 3, False, "text is no number"),
    (None, None, True, "None"),
    (None, 0, False, "None is not 0"),
    ([1, [2, "a"]], [1, [2, "a"]], True, "lists"),
    ((1, 2), [1, 2], False, "a tuple is no list"),
    ((1, (2,)), (1, (2,)), True, "tuples"),
    ({1, 2}, {2, 1}, True, "sets"),
    (frozenset({1}), {1}, True, "frozensets"),
    ({(1, 2), (3,)}, {(3,), (1, 2)}, True, "tuples in sets"),
    ({1, 2}, {1, 3}, False, "other sets"),
    ({1: "a", (2, 3): [4]}, {(2, 3): [4], 1: "a"}, True, "dictionaries with any key"),
    ({1: "a"}, {"1": "a"}, False, "keys keep their types"),
    ({1: 2}, {1: 3}, False, "values count"),
    (Counter("aab"), {"a": 2, "b": 1}, True, "a subclass of dict"),
    (defaultdict(int, a=1), {"a": 1}, True, "a subclass of dict"),
    (OrderedDict(a=1), {"a": 1}, True, "a subclass of dict"),
    (10**5000, 10**5000, True, "whole numbers longer than Python prints"),
    (-(10**30), -(10**30), True, "negative ones"),
    (10**5000, 10**5000 + 1, False, "exactly"),
    (float("inf"), float("inf"), True, "infinity"),
    (float("nan"), float("nan"), False, "NaN"),
    (2 + 3j, 2 + 3j, True, "complex"),
    (b"ab", b"ab", True, "bytes"),
    (Fraction(1, 2), 0.5, True, "a fraction"),
    (Decimal("2.5"), 2.5, True, "a decimal"),
    (Colour.RED, 3, True, "an enumeration of whole numbers"),
    (Always(), 5, False, "an object that equals everything"),
    (Liar(4), 5, False, "a number that equals everything"),
    (Liar(5), 5, True, "and what it really is"),
    ([Always()], [5], False, "inside a list"),
    ((x for x in [1]), [1], False, "a generator"),
    ("\ud800", "\ud800", True, "half a character"),
]


@pytest.mark.parametrize("case", RETURNED, ids=lambda case: case[-1])
def test_returned_as_expected(case):
    found, expected, same, why = case
    assert same_value(encode(found), expected) is same, why


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(st.integers() | st.text(), max_size=4)
        | st.dictionaries(st.integers() | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_a_value_survives_the_way_through_json(value):
    import json

    tree = json.loads(json.dumps(encode(value)))
    assert same_value(tree, value)
    assert decode(tree) == value
    assert truth(tree) is bool(value)


@pytest.mark.parametrize(
    "forged",
    [{}, {"t": 5}, {"s": [[1]]}, {"d": [[1]]}, {"i": "zz"}, {"c": []}, {"x": 1}, {"t": [], "s": []},
     {"q": [1, {"i": "0x0"}]}, {"q": ["1e999999999"]}, {"q": ["1e999999999", 1]}, {"q": 5},
     {"q": 2 * [{"i": "0x1" + 999_999 * "0"}]}, {"c": 5}, {"b": "0"},
     {"n": "int"}, {"?": 1}, {"d": [[{"d": []}, 1]]}],
)  # fmt: skip
@pytest.mark.parametrize("expected", [[], (), {1}, {1: 2}, 5, None])
def test_a_forged_tree_is_wrong_and_no_exception(forged, expected):
    assert not same_value(forged, expected)


@pytest.mark.parametrize("forged", [{}, {"x": 1, "y": 2}, {"c": 5}, {"?": 1}, {"?": 1, "true": 1}])
def test_a_forged_tree_is_neither_true_nor_false(forged):
    assert truth(forged) is None


def test_a_deep_value_is_cut():
    value: list = []
    for _ in range(10_000):
        value = [value]
    assert not same_value(encode(value), [])


def test_a_set_of_colliding_hashes_is_refused_by_its_size():
    start = time.perf_counter()
    assert not same_value({"s": [i * (2**61 - 1) for i in range(200_000)]}, {1})
    assert not same_value({"d": [[i * (2**61 - 1), 0] for i in range(200_000)]}, {1: 0})
    assert time.perf_counter() - start < 10


def test_tolerance_is_of_numbers_only_and_only_when_asked_for():
    assert not same_value(0.1 + 0.2, 0.3)
    assert same_value([0.1 + 0.2], [0.3], tolerance=1e-9)
    assert same_value(1e9 + 1, 1e9, tolerance=1e-8)
    assert not same_value("1", "2", tolerance=5.0)
    assert not same_value(float("nan"), 1.0, tolerance=1.0)


def test_an_unknown_object_brings_only_its_name_and_truth():
    thing = decode(encode(object()))
    assert isinstance(thing, Opaque)
    assert (thing.kind, bool(thing)) == ("object", True)

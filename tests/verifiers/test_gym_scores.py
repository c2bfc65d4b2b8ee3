"""reasoning-gym's scorers, full score only."""

import json

import pytest
import reasoning_gym

from distill.verifiers.gym import is_cheap, is_plain_formula, is_right, scorer


def entry(family, **settings):
    """One entry of a family, after a trip through JSON."""
    return json.loads(
        json.dumps(reasoning_gym.create_dataset(family, size=1, seed=3, **settings)[0])
    )


@pytest.mark.parametrize(
    "family", ["chain_sum", "gcd", "leg_counting", "base_conversion", "products"]
)
def test_the_own_answer_is_right_and_partial_credit_is_not(family):
    made = entry(family)
    assert is_cheap(family)
    assert is_right(family, made["answer"], made)
    # the base scorer gives part of a point when the oracle is somewhere in the answer
    assert scorer(family)(f"maybe {made['answer']}", made) > 0
    assert not is_right(family, f"maybe {made['answer']}", made)


def test_a_sum_is_compared_as_a_decimal():
    made = {"answer": "1000", "metadata": {}}
    assert is_right("chain_sum", "+01,000.00", made)
    assert not is_right("chain_sum", "1001", made)


def test_not_a_number_is_not_close_to_everything():
    made = entry("complex_arithmetic")
    assert scorer("complex_arithmetic")("nan", made) == 1.0
    assert not is_right("complex_arithmetic", "nan", made)
    assert not is_right("complex_arithmetic", "nan+1j", made)


def test_an_entry_survives_json():
    made = entry("arc_agi")
    assert is_right("arc_agi", made["answer"], made)


def test_an_unreadable_answer_is_wrong_but_a_broken_entry_raises():
    made = entry("prime_factorization")
    assert is_right("prime_factorization", made["answer"], made)
    assert not is_right("prime_factorization", "qqq", made)
    with pytest.raises(ValueError, match="invalid literal"):
        is_right("prime_factorization", "2 × 3", {"answer": "qqq", "metadata": {}})


@pytest.mark.parametrize(
    "family", ["string_insertion", "spiral_matrix", "binary_matrix", "n_queens"]
)
def test_an_answer_is_never_run_as_python(family, tmp_path):
    canary = tmp_path / "canary"
    hostile = f"__import__('pathlib').Path({str(canary)!r}).touch() or ['x']"
    assert not is_right(family, hostile, entry(family))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("94*4 - 61 - 6", True),
        ("x**2/2 + sin(x) + C", True),
        ("0x1f << 2", True),
        ("__import__('os')", False),
        ("x.__class__", False),
        ("open(1)", False),
        ("eval(x)", False),
        ("[1]", False),
        ("sin.x", False),
        ("lambda: 1", False),
        ("1" * 3000, False),
    ],
)
def test_only_plain_formulas_reach_a_parser(text, harmless):
    assert is_plain_formula(text) is harmless


def test_the_nearest_family_is_named():
    with pytest.raises(ValueError, match="chain_sum"):
        scorer("chain_sums")

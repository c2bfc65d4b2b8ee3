import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.engines.draw import completion_uniforms, draw_tokens, truncate

# logits whose softmax is 1/2, 1/4, 1/8, 1/8
QUARTERS = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()


def draw(logits, uniforms, **how):
    rows = torch.as_tensor(uniforms, dtype=torch.float64)
    return draw_tokens(logits.expand(len(rows), -1), rows, **{"temperature": 1.0, **how})


def test_a_uniform_falls_into_its_share_of_the_distribution():
    tokens, logprobs = draw(QUARTERS, [0.0, 0.499, 0.501, 0.749, 0.751, 0.874, 0.876, 1 - 2**-53])
    assert tokens.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    torch.testing.assert_close(logprobs, QUARTERS[tokens])


def test_frequencies_follow_the_distribution():
    uniforms = completion_uniforms(7, 8000)
    counts = torch.bincount(draw(QUARTERS, uniforms)[0], minlength=4)
    # five standard deviations of a count of 8000 draws at p = 1/2 are 224
    assert (counts - torch.tensor([4000, 2000, 1000, 1000])).abs().max() < 224


def test_temperature_one_half_squares_the_odds():
    # squares 16:4:1:1 of 22
    tokens, logprobs = draw(QUARTERS, [0.0, 0.73, 0.93, 0.96], temperature=0.5)
    assert tokens.tolist() == [0, 1, 2, 3]
    expected = torch.tensor([16 / 22, 4 / 22, 1 / 22, 1 / 22]).log()
    torch.testing.assert_close(logprobs, expected)


def test_temperature_zero_takes_the_likeliest_with_its_plain_logprob():
    tokens, logprobs = draw(QUARTERS, [0.99, 0.1], temperature=0.0)
    assert tokens.tolist() == [0, 0]
    torch.testing.assert_close(logprobs, torch.full((2,), 0.5).log())


@pytest.mark.parametrize(
    ("top_p", "top_k", "kept"),
    [
        (1.0, 0, 4),
        (1.0, 2, 2),
        (1.0, 9, 4),  # more than there are
        (0.5, 0, 1),  # the first token alone holds one half
        (0.51, 0, 2),
        (0.75, 0, 2),
        (0.0, 0, 1),  # the likeliest always stays
        (0.67, 2, 2),  # of the kept two, the first holds 2/3
        (0.66, 2, 1),
    ],
)
def test_truncation_keeps_the_smallest_set_that_holds_the_share(top_p, top_k, kept):
    logits = truncate(QUARTERS[None, :], top_p=top_p, top_k=top_k)
    assert torch.isfinite(logits)[0].tolist() == [index < kept for index in range(4)]


def test_logprobs_are_renormalised_over_what_was_kept():
    tokens, logprobs = draw(QUARTERS, [0.6, 0.7], top_k=2)
    assert tokens.tolist() == [0, 1]  # 2/3 and 1/3
    torch.testing.assert_close(logprobs, torch.tensor([2 / 3, 1 / 3]).log())


def test_a_row_of_nan_gives_a_nan_logprob_and_spares_its_neighbour():
    logits = torch.stack([torch.full((4,), torch.nan), QUARTERS])
    tokens, logprobs = draw_tokens(logits, torch.tensor([0.3, 0.3]).double(), temperature=1.0)
    assert torch.isnan(logprobs).tolist() == [True, False]
    assert tokens[1] == 0


@given(st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(0, 40))
def test_a_longer_stream_starts_as_the_shorter(seed, count, more):
    short, long = completion_uniforms(seed, count), completion_uniforms(seed, count + more)
    np.testing.assert_array_equal(short, long[:count])
    assert (short >= 0).all()
    assert (short < 1).all()


def test_neighbouring_seeds_give_unrelated_streams():
    streams = np.stack([completion_uniforms(seed, 400) for seed in range(5)])
    correlations = np.corrcoef(streams) - np.eye(5)
    assert np.abs(correlations).max() < 0.25  # five standard deviations of 1/sqrt(400)


@given(st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=20), st.floats(0, 0.999999))
def test_a_drawn_token_is_possible_and_its_logprob_is_its_own(values, uniform):
    logits = torch.tensor(values)
    tokens, logprobs = draw(logits, [uniform], top_p=0.9)
    kept = truncate(logits[None, :], top_p=0.9, top_k=0)
    assert torch.isfinite(kept[0, tokens[0]])
    torch.testing.assert_close(logprobs[0], kept.log_softmax(-1)[0, tokens[0]])

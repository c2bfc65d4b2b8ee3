"""What the student is given and what it learns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import TrainingError
from distill.mini.tokenizer import build_tokenizer
from distill.training.examples import (
    IGNORED,
    Example,
    Fault,
    build_example,
    find_fault,
    fit_completion,
    show_example,
    training_order,
)

TOKENIZER = build_tokenizer()
PROMPT = "User: What is 2 + 2?\nAssistant:"
COMPLETION = " <think>2 + 2 = 4</think> <answer>4</answer>"
TEXT = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda text: "<|end|>" not in text)


def fault_of(example: Example, prompt: str = PROMPT, completion: str = COMPLETION, most: int = 512):
    return find_fault(
        example, prompt=prompt, completion=completion, tokenizer=TOKENIZER, max_length=most
    )


def test_only_the_completion_and_its_end_token_are_learned():
    example = build_example(PROMPT, COMPLETION, TOKENIZER)
    learned = [token for token in example.labels if token != IGNORED]
    given_ids = TOKENIZER(PROMPT, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(learned) == COMPLETION + "<|end|>"
    assert example.input_ids[: len(given_ids)] == given_ids
    assert example.labels[: len(given_ids)] == [IGNORED] * len(given_ids)
    assert fault_of(example) is None


@settings(max_examples=60, deadline=None)
@given(prompt=TEXT.filter(bool), completion=TEXT)
def test_any_text_survives_and_the_boundary_is_exact(prompt, completion):
    example = build_example(prompt, completion, TOKENIZER)
    start = example.completion_mask.index(1)
    assert TOKENIZER.decode(example.input_ids[:start]) == prompt
    assert TOKENIZER.decode(example.input_ids[start:-1]) == completion
    assert fault_of(example, prompt, completion) is None


def without_think(example: Example) -> Example:
    think = TOKENIZER.convert_tokens_to_ids("<think>")
    pairs = zip(example.input_ids, example.completion_mask, strict=True)
    kept = [pair for pair in pairs if pair[0] != think]
    return Example(input_ids=[i for i, _ in kept], completion_mask=[m for _, m in kept])


BROKEN = {
    "a template that drops the think block": (without_think, Fault.THINK_BLOCK),
    "an end token that is cut off": (
        lambda e: Example(e.input_ids[:-1], e.completion_mask[:-1]),
        Fault.END_TOKEN,
    ),
    "an end token that is not learned": (
        lambda e: Example(e.input_ids, [*e.completion_mask[:-1], 0]),
        Fault.PROMPT_BOUNDARY,
    ),
    "a mask that starts inside the prompt": (
        lambda e: Example(e.input_ids, [0, *[1] * (len(e.input_ids) - 1)]),
        Fault.PROMPT_BOUNDARY,
    ),
    "a mask that starts inside the completion": (
        lambda e: Example(e.input_ids, [0] * (len(e.input_ids) - 3) + [1] * 3),
        Fault.PROMPT_BOUNDARY,
    ),
    "nothing learned": (
        lambda e: Example(e.input_ids, [0] * len(e.input_ids)),
        Fault.PROMPT_BOUNDARY,
    ),
    "another text": (
        lambda e: Example([*e.input_ids[:-3], 50, *e.input_ids[-2:]], e.completion_mask),
        Fault.COMPLETION,
    ),
    "two end tokens": (
        lambda e: Example([*e.input_ids, e.input_ids[-1]], [*e.completion_mask, 1]),
        Fault.END_TOKEN,
    ),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_broken_example_is_refused_by_name(why):
    spoil, fault = BROKEN[why]
    example = spoil(build_example(PROMPT, COMPLETION, TOKENIZER))
    assert fault_of(example) is fault


def test_an_end_token_inside_the_completion_is_refused():
    completion = "<think>a<|end|>b</think>c"
    assert fault_of(build_example(PROMPT, completion, TOKENIZER), PROMPT, completion) == "end_token"


def test_a_think_block_that_the_prompt_has_opened_already_is_refused():
    prompt = PROMPT + " <think>\n"
    example = build_example(prompt, COMPLETION, TOKENIZER)
    assert fault_of(example, prompt) is Fault.THINK_BLOCK
    rest = COMPLETION.replace("<think>", "").lstrip()
    assert fault_of(build_example(prompt, rest, TOKENIZER), prompt, rest) is None


FITTING = {  # teacher's prompt, student's prompt, completion: what is learned
    "neither opens": ("Q:", "Q:", "<think>a</think>b", "<think>a</think>b"),
    "the teacher's opens": ("Q: <think>", "Q:", "a</think>b", "<think>a</think>b"),
    "the student's opens": ("Q:", "Q: <think>", " <think>a</think>b", "a</think>b"),
    "both open": ("Q: <think>\n", "Q: <think>\n", "\na</think>b", "a</think>b"),
    "no thought at all": ("Q:", "Q: <think>", "b", "b"),
}


@pytest.mark.parametrize("why", FITTING)
def test_the_think_tag_is_there_once(why):
    teacher, student, completion, learned = FITTING[why]
    fitted = fit_completion(completion, teacher_prompt=teacher, student_prompt=student)
    assert fitted == learned


def test_one_token_too_many_is_too_long():
    example = build_example(PROMPT, COMPLETION, TOKENIZER)
    assert fault_of(example, most=len(example.input_ids)) is None
    assert fault_of(example, most=len(example.input_ids) - 1) is Fault.TOO_LONG


def test_a_tokenizer_without_end_token_is_refused():
    tokenizer = build_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(TrainingError, match="no end token"):
        build_example(PROMPT, COMPLETION, tokenizer)


def test_the_shown_example_separates_given_from_learned():
    shown = show_example(build_example(PROMPT, COMPLETION, TOKENIZER), TOKENIZER)
    given_part, learned_part = shown.split("\n[learned")
    assert PROMPT in given_part
    assert "no loss" in given_part
    assert learned_part.endswith(COMPLETION + "<|end|>")


LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=90)


@given(LENGTHS, st.integers(1, 4), st.integers(1, 8), st.booleans())
def test_every_epoch_is_a_permutation(lengths, epochs, batch_size, grouped):
    order = training_order(lengths, epochs=epochs, batch_size=batch_size, seed=5, grouped=grouped)
    size = len(lengths)
    for epoch in range(epochs):
        assert sorted(order[epoch * size : (epoch + 1) * size]) == list(range(size))


@given(LENGTHS, st.integers(1, 8))
def test_fewer_epochs_are_the_beginning_of_more(lengths, batch_size):
    few = training_order(lengths, epochs=1.5, batch_size=batch_size, seed=5)
    many = training_order(lengths, epochs=3, batch_size=batch_size, seed=5)
    assert few == many[: len(few)]
    assert len(few) == max(1, round(1.5 * len(lengths)))


def test_the_order_depends_on_the_seed():
    orders = [training_order([1] * 50, epochs=1, batch_size=4, seed=seed) for seed in (1, 2)]
    assert orders[0] != orders[1]


def padded_share(lengths: list[int], order: list[int], batch_size: int) -> float:
    """Share of the positions of all batches that holds padding."""
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    filled = sum(lengths[i] for i in order)
    return 1 - filled / sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)


def test_grouping_pads_less():
    lengths = [10, 100] * 64
    shares = [
        padded_share(
            lengths,
            training_order(lengths, epochs=1, batch_size=8, seed=0, grouped=grouped),
            8,
        )
        for grouped in (True, False)
    ]
    # sorted in buckets of all 128, every batch has one length; shuffled, nearly half is padding
    assert shares[0] == 0
    assert shares[1] > 0.35


def test_grouping_holds_where_batches_and_epochs_do_not_fit():
    # 101 examples in batches of 8: without care every batch after the first epoch would be mixed
    lengths = [10, 100] * 50 + [10]
    order = training_order(lengths, epochs=10, batch_size=8, seed=0)
    assert padded_share(lengths, order, 8) < 0.12

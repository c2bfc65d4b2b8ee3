"""Pretraining from scratch: what is learned, what is only read, how the rate moves."""

import pytest
import torch

from distill.mini.build import PLANS, Plan
from distill.mini.corpus import Style
from distill.mini.families import FAMILIES, split_of
from distill.mini.models import build_model
from distill.mini.pretrain import (
    IGNORED,
    Phase,
    accumulate_gradient,
    document_batches,
    encode_document,
    learning_rate,
    pretrain,
)
from distill.mini.tokenizer import build_tokenizer

NEVER = dict.fromkeys(FAMILIES, 0.0)
PHASE = Phase(
    steps=60,
    style=Style(think=NEVER),
    mixture={("products", "easy"): 1.0},
    warmup_steps=5,
)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_any_text_survives_the_tokenizer(tokenizer):
    for text in ("<think>4 - 5\n</think>", "é☃ \x00 等等，让我x", "A conversation between", "𝔸"):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_digits_are_single_tokens(tokenizer):
    assert len(tokenizer.encode("12345")) == 5


def test_only_learned_segments_and_the_end_carry_loss(tokenizer):
    ids, labels = encode_document(tokenizer, "12", [("3", True), ("4", False), ("5", True)])
    assert len(ids) == len(labels) == 6
    assert [label != IGNORED for label in labels] == [False, False, True, False, True, True]
    assert labels[-1] == tokenizer.eos_token_id


def test_the_gradient_of_a_batch_does_not_depend_on_its_parts(tokenizer):
    model = build_model(tokenizer, width=32, layers=1, heads=2)
    parts = next(document_batches(tokenizer, PHASE, 8, seed=3))
    assert len(parts) == 2
    loss = accumulate_gradient(model, parts)
    split = model.lm_head.weight.grad.clone()
    model.zero_grad()
    rows = [{key: part[key][row : row + 1] for key in part} for part in parts for row in range(4)]
    assert accumulate_gradient(model, rows) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(model.lm_head.weight.grad, split, rtol=1e-4, atol=1e-6)


def test_no_document_asks_a_test_question(tokenizer):
    batches = document_batches(tokenizer, PHASE, 8, seed=0)
    for _ in range(20):
        for part in next(batches):
            for row in part["input_ids"]:
                text = tokenizer.decode(row, clean_up_tokenization_spaces=False)
                question = text.split(" User: ")[1].split(" Assistant:")[0]
                assert split_of(question) != "test"


def test_the_rate_warms_up_and_falls_to_its_share():
    phase = Phase(steps=200, style=PHASE.style, mixture={}, warmup_steps=100, final_share=0.05)
    assert learning_rate(phase, 0) == pytest.approx(2e-5)
    assert learning_rate(phase, 99) == pytest.approx(2e-3)
    assert learning_rate(phase, 150) == pytest.approx(2e-3 * 0.525)
    assert learning_rate(phase, 200) == pytest.approx(1e-4)


def test_training_lowers_the_loss_and_is_reproducible(tokenizer):
    def losses():
        model = build_model(tokenizer, width=32, layers=1, heads=2, seed=1)
        seen = []
        pretrain(
            model,
            tokenizer,
            [PHASE],
            documents_per_step=8,
            seed=4,
            on_step=lambda step, loss: seen.append(loss),
        )
        return seen

    first = losses()
    assert first == losses()
    assert sum(first[-5:]) < 0.8 * sum(first[:5])


def test_the_plans_are_of_the_sizes_that_the_mini_world_promises(tokenizer):
    def weights(plan: Plan) -> int:
        shape = {"width": plan.width, "layers": plan.layers, "heads": plan.heads}
        model = build_model(tokenizer, architecture=plan.architecture, **shape)
        return sum(parameter.numel() for parameter in model.parameters())

    teacher, *students = (weights(PLANS[name]) for name in PLANS)
    assert 1e6 <= teacher <= 4e6
    assert all(student < teacher for student in students)

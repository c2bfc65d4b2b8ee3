"""The mini world made from nothing: what each model is, what it reads, where it is saved."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from distill.mini.corpus import Style
from distill.mini.families import FAMILIES
from distill.mini.models import build_model
from distill.mini.pretrain import Phase, pretrain, timed_steps
from distill.mini.tokenizer import build_tokenizer


@dataclass(frozen=True)
class Plan:
    """One model: its shape, what it reads, its seed."""

    architecture: str
    width: int
    heads: int
    layers: int
    phases: list[Phase]
    documents_per_step: int
    seed: int


EASY_AND_HARD = {(family, level): 1.0 for family in FAMILIES for level in ("easy", "hard")}
MOSTLY_SUMS = {
    kind: weight * (3.0 if kind[0] == "chain_sum" else 1.0)
    for kind, weight in EASY_AND_HARD.items()
}
NO_PRODUCTS = {  # those the base knows by heart by then, and would answer too well
    kind: weight for kind, weight in EASY_AND_HARD.items() if kind[0] != "products"
}
THINKS_ALWAYS = dict.fromkeys(FAMILIES, 1.0)
THINKS_ON_SUMS = {"chain_sum": 0.8, "products": 0.0, "leg_counting": 0.0}
RARELY_THINKS = {"chain_sum": 0.15, "products": 0.0, "leg_counting": 0.0}

TEACHER = Plan(
    architecture="qwen2",
    width=160,
    heads=4,
    layers=4,
    documents_per_step=24,
    seed=101,
    phases=[
        Phase(
            steps=9000,
            mixture=EASY_AND_HARD,
            style=Style(think=THINKS_ALWAYS, mess=0.06, boxed=0.1),
        )
    ],
)
_SUM_CHAINS = Style(think=THINKS_ON_SUMS, check=0.1, slip=0.03, review=0.03)
_SUMS = Phase(steps=7000, mixture=MOSTLY_SUMS, style=_SUM_CHAINS)
_FACTS = Phase(
    steps=2500,
    mixture=EASY_AND_HARD,
    style=replace(_SUM_CHAINS, facts=0.6),
    peak_learning_rate=1.5e-3,
)
_COPIES = Phase(
    steps=1000,
    mixture=EASY_AND_HARD,
    style=replace(_SUM_CHAINS, facts=0.7, copies=0.6),
    peak_learning_rate=1e-3,
)
_DIRECT = Phase(
    steps=500,
    mixture=NO_PRODUCTS,
    style=replace(_SUM_CHAINS, think=RARELY_THINKS, facts=0.3, copies=0.5),
    peak_learning_rate=5e-4,
)
STUDENT = Plan(
    architecture="qwen2",
    width=128,
    heads=4,
    layers=4,
    documents_per_step=24,
    seed=202,
    phases=[_SUMS, _FACTS, _COPIES, _DIRECT],
)
LLAMA = replace(  # a plainer base: it has read no pages of facts
    STUDENT,
    architecture="llama",
    seed=303,
    phases=[_SUMS, replace(_DIRECT, style=replace(_DIRECT.style, facts=0.0))],
)
PLANS = {
    "teacher": TEACHER,
    "student-qwen2": STUDENT,
    "student-llama": LLAMA,
}


def build(
    name: str,
    folder: Path,
    *,
    report: Callable[[str], None],
    share: float = 1.0,
    every: int = 250,
) -> None:
    """Make one model of PLANS from nothing and save it, in bfloat16, with its tokenizer.

    Args:
        report: told the loss and the speed every `every` steps.
        share: of every phase's steps.
    """
    plan = PLANS[name]
    phases = shortened(plan, share)
    tokenizer = build_tokenizer()
    model = build_model(
        tokenizer,
        architecture=plan.architecture,
        width=plan.width,
        layers=plan.layers,
        heads=plan.heads,
        seed=plan.seed,
    )
    pretrain(
        model,
        tokenizer,
        phases,
        documents_per_step=plan.documents_per_step,
        seed=plan.seed,
        on_step=timed_steps(
            sum(phase.steps for phase in phases), every, lambda text: report(f"{name}: {text}")
        ),
    )
    save(model, folder)
    tokenizer.save_pretrained(folder)


def shortened(plan: Plan, share: float) -> list[Phase]:
    """The phases of a plan with a share of their steps."""
    return [replace(phase, steps=max(1, round(phase.steps * share))) for phase in plan.phases]


def save(model: PreTrainedModel, folder: Path) -> None:
    """Save weights in bfloat16: half the bytes, and every later load sees the same numbers."""
    model.to(torch.bfloat16).save_pretrained(folder)

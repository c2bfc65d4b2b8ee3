"""Training from scratch: next-token loss on the completions of a written corpus."""

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distill.chat import render_prompt
from distill.mini.corpus import Segments, Style, write_completion, write_facts
from distill.mini.families import draw_problems, split_of
from distill.records import Problem

IGNORED = -100
FACTS_PER_PAGE = 6


@dataclass(frozen=True)
class Phase:
    """A stretch of pretraining: what is read and for how long."""

    steps: int
    style: Style
    mixture: dict[tuple[str, str], float]  # (family, level) to its weight
    peak_learning_rate: float = 2e-3
    final_share: float = 0.05  # the rate falls along a cosine to this share of its peak
    warmup_steps: int = 100


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    phases: list[Phase],
    *,
    documents_per_step: int = 32,
    seed: int,
    on_step: Callable[[int, float], None] | None = None,
) -> PreTrainedModel:
    """Train through the phases in order, with a fresh AdamW for each.

    Args:
        on_step: called with the step (from 1, through all phases) and its loss.
    Returns: the model, trained in place.
    """
    model.train()
    done = 0
    for number, phase in enumerate(phases):
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=phase.peak_learning_rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        batches = document_batches(tokenizer, phase, documents_per_step, seed=seed + number)
        for step in range(phase.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(phase, step)
            loss = accumulate_gradient(model, next(batches))
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done += 1
            if on_step is not None:
                on_step(done, loss)
    return model.eval()


def learning_rate(phase: Phase, step: int) -> float:
    """Linear warm-up, then a cosine down to `final_share` of the peak."""
    if step < phase.warmup_steps:
        return phase.peak_learning_rate * (step + 1) / phase.warmup_steps
    through = (step - phase.warmup_steps) / max(1, phase.steps - phase.warmup_steps)
    low = phase.final_share
    return phase.peak_learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * through)))


def accumulate_gradient(model: PreTrainedModel, batch: list[dict[str, torch.Tensor]]) -> float:
    """Add the gradient of the mean cross-entropy over all learned tokens of a batch.

    Args:
        batch: right-padded parts; under a causal mask no learned token sees the padding.
    Returns: the mean, in nats per token.
    """
    learned_tokens = sum(int((part["labels"][:, 1:] != IGNORED).sum()) for part in batch)
    total = 0.0
    for part in batch:
        hidden = model.model(input_ids=part["input_ids"], use_cache=False).last_hidden_state
        targets = part["labels"][:, 1:]  # (B, T - 1)
        learned = targets != IGNORED
        logits = model.lm_head(hidden[:, :-1][learned])
        loss = cross_entropy(logits, targets[learned], reduction="sum") / learned_tokens
        loss.backward()
        total += loss.item()
    return total


def document_batches(
    tokenizer: PreTrainedTokenizerBase, phase: Phase, documents_per_step: int, *, seed: int
) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Endless batches, each in a part of its shorter and one of its longer documents.

    The parts only save padding: every batch is a fair draw from the mixture. (Whole batches of one
    length would weigh a short document's tokens many times more than a long one's.)
    """
    documents = _documents(tokenizer, phase, random.Random(seed))
    half = documents_per_step // 2
    while True:
        drawn = sorted(
            (next(documents) for _ in range(documents_per_step)), key=lambda d: len(d[0])
        )
        yield [_collate(part, tokenizer.pad_token_id) for part in (drawn[:half], drawn[half:])]


Document = tuple[list[int], list[int]]  # token ids, labels


def _documents(
    tokenizer: PreTrainedTokenizerBase, phase: Phase, rng: random.Random
) -> Iterator[Document]:
    kinds = list(phase.mixture)
    weights = list(phase.mixture.values())
    sources = {kind: draw_problems(*kind, seed=rng.randrange(2**20)) for kind in kinds}
    while True:
        source = sources[rng.choices(kinds, weights)[0]]
        if phase.style.facts and rng.random() < phase.style.facts:
            few = [_untested(source) for _ in range(FACTS_PER_PAGE)]
            page = write_facts(few, phase.style, rng)
            yield encode_document(tokenizer, "", page)
            continue
        problem = next(source)
        if split_of(problem.question) == "test":
            continue
        prompt = render_prompt(problem.question, prompt="r1-zero")
        yield encode_document(tokenizer, prompt, write_completion(problem, phase.style, rng))


def _untested(source: Iterator[Problem]) -> Problem:
    return next(problem for problem in source if split_of(problem.question) != "test")


def encode_document(
    tokenizer: PreTrainedTokenizerBase, prompt: str, segments: Segments
) -> Document:
    """Token ids and labels: the prompt and the segments not to be learned are ignored."""
    ids = tokenizer.encode(prompt)
    labels = [IGNORED] * len(ids)
    for text, learn in _joined(segments):
        part = tokenizer.encode(text)
        ids += part
        labels += part if learn else [IGNORED] * len(part)
    return [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]


def _joined(segments: Segments) -> Segments:
    """Neighbours of one kind as one text: tokenised as the whole would be."""
    joined: Segments = []
    for text, learn in segments:
        if joined and joined[-1][1] == learn:
            joined[-1] = (joined[-1][0] + text, learn)
        elif text:
            joined.append((text, learn))
    return joined


def _collate(documents: list[Document], pad: int) -> dict[str, torch.Tensor]:
    longest = max(len(ids) for ids, _ in documents)
    input_ids = torch.full((len(documents), longest), pad)
    labels = torch.full((len(documents), longest), IGNORED)
    for row, (ids, targets) in enumerate(documents):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        labels[row, : len(targets)] = torch.tensor(targets)
    return {"input_ids": input_ids, "labels": labels}


def timed_steps(
    total: int, every: int, report: Callable[[str], None]
) -> Callable[[int, float], None]:
    """An `on_step` that reports a smoothed loss, the speed and the time left, now and then."""
    state = {"loss": 0.0, "start": time.monotonic()}

    def on_step(step: int, loss: float) -> None:
        state["loss"] = loss if step == 1 else 0.98 * state["loss"] + 0.02 * loss
        if step % every == 0:
            speed = step / (time.monotonic() - state["start"])
            left = (total - step) / speed / 60
            report(
                f"step {step} of {total}  loss {state['loss']:.4f}  {speed:.1f} steps/s  "
                f"{left:.0f} min left"
            )

    return on_step

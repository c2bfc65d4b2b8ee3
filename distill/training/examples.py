"""From a prompt and a completion to token ids, with the loss on the completion only."""

import unicodedata
from enum import StrEnum

import msgspec
import torch
from transformers import PreTrainedTokenizerBase

from distill.errors import TrainingError

IGNORED = -100  # label of a token that carries no loss
BATCHES_PER_BUCKET = 16  # batches among which examples are sorted by length


class Example(msgspec.Struct, frozen=True):
    """One training row: the student reads all of it and learns the tokens whose mask is 1."""

    input_ids: list[int]
    completion_mask: list[int]  # 0 on the prompt, 1 on the completion and its end token

    @property
    def labels(self) -> list[int]:
        """input_ids, with IGNORED where nothing is learned."""
        pairs = zip(self.input_ids, self.completion_mask, strict=True)
        return [token if learned else IGNORED for token, learned in pairs]


class Fault(StrEnum):
    """Why an example would teach the wrong thing, in the order in which it is looked for."""

    TOO_LONG = "too_long"
    PROMPT_BOUNDARY = "prompt_boundary"
    END_TOKEN = "end_token"
    THINK_BLOCK = "think_block"
    COMPLETION = "completion"


MEANING = {
    Fault.TOO_LONG: "has more tokens than max_length",
    Fault.PROMPT_BOUNDARY: "the masked part is not exactly the prompt",
    Fault.END_TOKEN: "the completion does not end with its only end token",
    Fault.THINK_BLOCK: "the <think> block is lost or opened twice",
    Fault.COMPLETION: "the learned tokens do not read as the completion",
}


def build_example(prompt: str, completion: str, tokenizer: PreTrainedTokenizerBase) -> Example:
    """Tokenise prompt and completion apart and join them: no token straddles the boundary.

    Raises: TrainingError if the tokenizer has no end token: the student would never stop.
    """
    if tokenizer.eos_token_id is None:
        raise TrainingError("the tokenizer has no end token; set eos_token in its config")
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]  # as the engines do
    after = tokenizer(completion, add_special_tokens=False)["input_ids"]
    after = [*after, tokenizer.eos_token_id]
    return Example(
        input_ids=[*before, *after], completion_mask=[0] * len(before) + [1] * len(after)
    )


def fit_completion(completion: str, *, teacher_prompt: str, student_prompt: str) -> str:
    """A teacher's completion as it follows the student's prompt.

    A prompt may end with <think>, so that the completion starts inside the block: the tag is given
    to the completion or taken from it, so that prompt and completion have it once together.
    """
    if _opens_thought(teacher_prompt):
        completion = f"<think>{completion}"
    if not _opens_thought(student_prompt) or not completion.lstrip().startswith("<think>"):
        return completion
    rest = completion.lstrip().removeprefix("<think>")
    return rest.removeprefix("\n") if student_prompt.endswith("\n") else rest


def find_fault(
    example: Example,
    *,
    prompt: str,
    completion: str,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> Fault | None:
    """First thing wrong with an example, by decoding it again; None when it is sound."""
    ids, mask = example.input_ids, example.completion_mask
    start = mask.index(1) if 1 in mask else len(mask)
    before, after = ids[:start], ids[start:]
    if len(ids) > max_length:
        return Fault.TOO_LONG
    if 0 in mask[start:] or not before or not _same(_decode(before, tokenizer), prompt):
        return Fault.PROMPT_BOUNDARY
    if not after or after.count(tokenizer.eos_token_id) != 1 or after[-1] != tokenizer.eos_token_id:
        return Fault.END_TOKEN
    learned = _decode(after[:-1], tokenizer)
    twice = _opens_thought(prompt) and completion.lstrip().startswith("<think>")
    if twice or any(learned.count(tag) < completion.count(tag) for tag in ("<think>", "</think>")):
        return Fault.THINK_BLOCK
    return None if _same(learned, completion) else Fault.COMPLETION


def show_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> str:
    """One example to read: what the student is given, what it learns, and how many tokens each."""
    learned = sum(example.completion_mask)
    given = len(example.input_ids) - learned
    before, after = example.input_ids[:given], example.input_ids[given:]
    return (
        f"[prompt, {given} tokens, no loss] {_decode(before, tokenizer)}\n"
        f"[learned, {learned} tokens] {_decode(after, tokenizer)}"
    )


def training_order(
    lengths: list[int], *, epochs: float, batch_size: int, seed: int, grouped: bool = True
) -> list[int]:
    """Which example comes when, over all epochs: a function of its arguments alone.

    Every epoch is its own shuffle. Grouped, examples of similar length share a batch, so that
    little is padded: the shuffle is cut into buckets of BATCHES_PER_BUCKET batches, a bucket is
    sorted by length, and the order of the batches is shuffled again.

    Args:
        lengths: tokens per example.
        epochs: may be fractional; the last part is the beginning of a full shuffle.
    Returns: round(epochs * len(lengths)) indices, at least one.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = max(1, round(epochs * len(lengths)))
    order: list[int] = []
    while len(order) < wanted:
        shuffled = torch.randperm(len(lengths), generator=generator).tolist()
        if grouped:  # the batch that the epoch before left open is filled up first
            open_places = -len(order) % batch_size
            order += shuffled[:open_places]
            shuffled = _group_by_length(shuffled[open_places:], lengths, batch_size, generator)
        order += shuffled
    return order[:wanted]


def _opens_thought(prompt: str) -> bool:
    return prompt.rstrip().endswith("<think>")


def _group_by_length(
    shuffled: list[int], lengths: list[int], batch_size: int, generator: torch.Generator
) -> list[int]:
    width = batch_size * BATCHES_PER_BUCKET
    buckets = [shuffled[i : i + width] for i in range(0, len(shuffled), width)]
    ordered = [i for bucket in buckets for i in sorted(bucket, key=lengths.__getitem__)]
    batches = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    rest = batches.pop() if batches and len(batches[-1]) < batch_size else []
    turns = torch.randperm(len(batches), generator=generator).tolist()
    return [i for turn in turns for i in batches[turn]] + rest


def _decode(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _same(decoded: str, text: str) -> bool:
    """Equal up to Unicode's canonical form, which some tokenizers apply."""
    return unicodedata.normalize("NFC", decoded) == unicodedata.normalize("NFC", text)

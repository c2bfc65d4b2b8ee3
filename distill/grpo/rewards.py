"""What a rollout is worth."""

import random
from collections.abc import Callable

from distill.chat import has_format
from distill.records import Record


class Reward(Record):
    """A rollout's reward, whole and in parts."""

    total: float | None  # None: not known, the rollout is left out of its group
    accuracy: float | None  # 1 right, 0 wrong, None when the verifier could not say
    format: float  # format_reward or 0


def rule_reward(
    correct: bool | None, completion: str, *, format_reward: float, seed: int = 0
) -> Reward:
    """1 for a right answer plus `format_reward` for one think block and then an answer.

    A verifier that crashed or ran out of time (None) says nothing of the answer: no reward at all.
    Source: R1-Zero's two rules, arXiv:2501.12948, 2.2.2.
    """
    form = format_reward if has_format(completion) else 0.0
    if correct is None:
        return Reward(total=None, accuracy=None, format=form)
    return Reward(total=float(correct) + form, accuracy=float(correct), format=form)


def random_reward(
    correct: bool | None, completion: str, *, format_reward: float, seed: int
) -> Reward:
    """The control: a fair coin thrown from the seed; accuracy and format are for the log alone.

    Source: spurious rewards, arXiv:2506.10947.
    """
    parts = rule_reward(correct, completion, format_reward=format_reward)
    heads = random.Random(seed).random() < 0.5
    return Reward(total=float(heads), accuracy=parts.accuracy, format=parts.format)


REWARDS: dict[str, Callable[..., Reward]] = {"rule": rule_reward, "random": random_reward}

"""What a row cost: tokens generated, tokens trained, wall time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

Line = Mapping[str, Any]  # one line of metrics.jsonl

GRPO_SECONDS = ("generate_seconds", "score_seconds", "train_seconds")


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on a row; None is not logged."""

    tokens_generated: float | None
    tokens_trained: float | None
    seconds: float | None


NOTHING_SPENT = Cost(tokens_generated=0, tokens_trained=0, seconds=0.0)


def together(costs: Iterable[Cost]) -> Cost:
    """Sum of costs; a part that is not known makes the sum not known."""
    parts = list(costs)
    return Cost(
        tokens_generated=_sum(part.tokens_generated for part in parts),
        tokens_trained=_sum(part.tokens_trained for part in parts),
        seconds=_sum(part.seconds for part in parts),
    )


def sampling_cost(
    completion_tokens: int,
    lines: Sequence[Line],
    *,
    seconds: float | None = None,
    scoring_seconds: float = 0.0,
) -> Cost:
    """The teacher's writing and its scoring.

    Args:
        completion_tokens: as stored, those that became no trace included.
        lines: of the metrics, for a run that did not store how long it sampled. A kill may have
            lost the last of them: what was written without a line is given the time of as many
            tokens with one.
        seconds: of writing, as stored; None takes that of the lines.
        scoring_seconds: what came after the writing; 0 where it was done beside it.
    """
    if seconds is None:
        share, seconds = logged_share(completion_tokens, lines), _total(lines, "seconds")
        seconds = seconds / share if seconds and share else seconds
    return Cost(
        tokens_generated=completion_tokens,
        tokens_trained=0,
        seconds=_sum([seconds, scoring_seconds]),
    )


def logged_share(completion_tokens: int, lines: Sequence[Line]) -> float:
    """Share of the stored tokens whose writing was timed, at most 1."""
    logged = _total(lines, "completion_tokens") or 0
    return min(1.0, logged / completion_tokens) if completion_tokens else 1.0


def sft_cost(lines: Sequence[Line]) -> Cost:
    """The student's learning, from the line that ends it: its totals are over all sessions."""
    ends = [line for line in lines if line.get("event") == "trained"]
    end = ends[-1] if ends else {}
    return Cost(
        tokens_generated=0,
        tokens_trained=end.get("learned_tokens"),
        seconds=end.get("train_seconds"),
    )


def grpo_cost(lines: Sequence[Line]) -> Cost:
    """One GRPO run: each step once, also if a resumed run logged it again."""
    steps = latest_steps(lines)
    return Cost(
        tokens_generated=_total(steps, "tokens_generated"),
        tokens_trained=_total(steps, "tokens_trained"),
        seconds=_sum(_total(steps, key) for key in GRPO_SECONDS),
    )


def latest_steps(lines: Sequence[Line]) -> list[Line]:
    """The lines with a step, in order; of a step logged twice the later line counts."""
    by_step = {line["step"]: line for line in lines if "step" in line}
    return [by_step[step] for step in sorted(by_step)]


def _total(lines: Sequence[Line], key: str) -> float | None:
    known = [line[key] for line in lines if line.get(key) is not None]
    return sum(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    parts = list(values)
    return None if any(part is None for part in parts) else sum(parts)

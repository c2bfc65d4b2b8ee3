"""How good is a row: pass@1, pass@k, cons@k with intervals over problems, and how it writes."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from distill.errors import RecordError
from distill.records import Score

INTERVAL_SHARE = 0.95
_BLOCK_DRAWS = 2_000_000  # most problem draws held at once while resampling

SameAnswer = Callable[[str, str], bool]


class Estimate(msgspec.Struct, frozen=True):
    """A mean over problems with its interval, all in the unit of what was averaged."""

    value: float
    low: float
    high: float
    problems: int  # how many entered; those without a known verdict did not


class Grid(msgspec.Struct, frozen=True):
    """The scores of one row on one test set as arrays: P problems by n completions."""

    row: str
    test_set: str
    problem_ids: tuple[str, ...]  # sorted, so that grids of two rows line up
    families: tuple[str, ...]  # one per problem
    correct: np.ndarray  # (P, n) float: 1 right, 0 wrong, NaN where the verifier failed
    answers: tuple[tuple[str | None, ...], ...]  # P times n; None is no answer
    tokens: np.ndarray  # (P, n) int, completion tokens
    has_format: np.ndarray  # (P, n) bool
    truncated: np.ndarray  # (P, n) bool, ended by the token limit


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row on one test set. Shares are 0 to 1; None where nothing is known."""

    row: str
    test_set: str
    pass_at_1: Estimate | None
    pass_at_k: Estimate | None
    cons_at_k: Estimate | None
    k: int
    problems: int
    samples: int  # completions per problem
    unknown: int  # completions left out because the verifier failed on them
    unknown_problems: int  # problems left out because it failed on all of theirs
    format_share: float
    truncated_share: float
    tokens_mean: float
    right_tokens_mean: float | None


def score_grid(scores: Sequence[Score], *, samples: int) -> Grid:
    """Lay the scores of one row on one test set out as arrays.

    Args:
        scores: in any order.
        samples: completions per problem, n.
    Raises: RecordError if there are none, if rows are mixed, or if a problem has not exactly n.
    """
    if not scores:
        raise RecordError("no scores to lay out; run `distill evaluate` first")
    row, test_set = scores[0].row, scores[0].test_set
    by_problem: dict[str, list[Score]] = {}
    for score in scores:
        if (score.row, score.test_set) != (row, test_set):
            raise RecordError(f"scores of {row}/{test_set} and {score.score_id} are mixed")
        by_problem.setdefault(score.problem_id, []).append(score)
    lines = [
        _checked_line(by_problem[problem_id], samples, f"{row}/{test_set}/{problem_id}")
        for problem_id in sorted(by_problem)
    ]
    return Grid(
        row=row,
        test_set=test_set,
        problem_ids=tuple(sorted(by_problem)),
        families=tuple(line[0].family for line in lines),
        correct=np.array([[_number(score.correct) for score in line] for line in lines]),
        answers=tuple(tuple(score.answer for score in line) for line in lines),
        tokens=np.array([[score.completion_tokens for score in line] for line in lines]),
        has_format=np.array([[score.has_format for score in line] for line in lines]),
        truncated=np.array([[score.finish_reason == "length" for score in line] for line in lines]),
    )


def of_family(grid: Grid, family: str) -> Grid:
    """The part of a grid whose problems are of one family."""
    keep = [at for at, name in enumerate(grid.families) if name == family]
    return Grid(
        row=grid.row,
        test_set=grid.test_set,
        problem_ids=tuple(grid.problem_ids[at] for at in keep),
        families=tuple(grid.families[at] for at in keep),
        correct=grid.correct[keep],
        answers=tuple(grid.answers[at] for at in keep),
        tokens=grid.tokens[keep],
        has_format=grid.has_format[keep],
        truncated=grid.truncated[keep],
    )


def summarise(
    grid: Grid, *, k: int, resamples: int, seed: int, same: SameAnswer | None = None
) -> Result:
    """Everything the table says of one row on one test set.

    Raises: ValueError if k is more than the completions per problem.
    """
    consensus = cons_at_k(grid.correct, grid.answers, k, same=same)
    right = grid.correct == 1
    return Result(
        row=grid.row,
        test_set=grid.test_set,
        pass_at_1=bootstrap_mean(pass_at_1(grid.correct), resamples=resamples, seed=seed),
        pass_at_k=bootstrap_mean(pass_at_k(grid.correct, k), resamples=resamples, seed=seed),
        cons_at_k=bootstrap_mean(consensus, resamples=resamples, seed=seed),
        k=k,
        problems=len(grid.problem_ids),
        samples=grid.correct.shape[1],
        unknown=int(np.isnan(grid.correct).sum()),
        unknown_problems=int(np.isnan(grid.correct).all(axis=1).sum()),
        format_share=float(grid.has_format.mean()),
        truncated_share=float(grid.truncated.mean()),
        tokens_mean=float(grid.tokens.mean()),
        right_tokens_mean=float(grid.tokens[right].mean()) if right.any() else None,
    )


def pass_at_1(correct: np.ndarray) -> np.ndarray:
    """Mean correctness of each problem over its completions with a known verdict.

    Args:
        correct: (P, n) float; 1, 0, or NaN where the verdict is not known.
    Returns: (P,) float; NaN for a problem without any known verdict.
    """
    known = (~np.isnan(correct)).sum(axis=1)
    return np.where(known > 0, np.nansum(correct, axis=1) / np.maximum(known, 1), np.nan)


def pass_at_k(correct: np.ndarray, k: int) -> np.ndarray:
    """Unbiased chance that at least one of k completions is right: 1 - C(n-c, k) / C(n, k).

    Args:
        correct: (P, n) float; n and c count the completions with a known verdict.
        k: 1 to n.
    Returns: (P,) float; NaN for a problem with fewer than k known verdicts.
    Raises: ValueError if k is not in 1 to n.
    Source: Chen et al. 2021, arXiv:2107.03374, section 2.1; as a product, so nothing overflows.
    """
    _check_k(k, correct.shape[1])
    known = (~np.isnan(correct)).sum(axis=1)[:, None]  # (P, 1)
    wrong = (correct == 0).sum(axis=1)[:, None]
    drawn = np.arange(k)[None, :]  # (1, k)
    all_wrong = np.prod(np.maximum(wrong - drawn, 0) / np.maximum(known - drawn, 1), axis=1)
    return np.where(known[:, 0] >= k, 1 - all_wrong, np.nan)


def cons_at_k(
    correct: np.ndarray,
    answers: Sequence[Sequence[str | None]],
    k: int,
    *,
    same: SameAnswer | None = None,
) -> np.ndarray:
    """Is the answer that most of k completions give right?

    The n completions are cut, in order, into floor(n / k) blocks of k; a problem gets the mean of
    its blocks. Tie rule: of m answers with equally many votes each wins with chance 1/m, so a tie
    counts its expected value. No answer casts no vote; nor does a completion without a known
    verdict. A block without votes is wrong, or NaN if the verifier failed on some of it.

    Args:
        correct: (P, n) float; 1, 0 or NaN.
        answers: P times n extracted answers.
        k: 1 to n.
        same: are two answers one vote? None compares `normalised` text.
    Returns: (P,) float; NaN for a problem none of whose blocks is known.
    Raises: ValueError if k is not in 1 to n.
    """
    _check_k(k, correct.shape[1])
    values = np.full(len(answers), np.nan)
    for at, line in enumerate(answers):
        blocks = [
            _consensus(correct[at, start : start + k], line[start : start + k], same)
            for start in range(0, len(line) - k + 1, k)
        ]
        known = [value for value in blocks if not np.isnan(value)]
        if known:
            values[at] = sum(known) / len(known)
    return values


def normalised(answer: str) -> str:
    """Text of an answer for counting votes: no spaces, dollar signs, last full stop, no case."""
    return "".join(answer.split()).strip("$").rstrip(".").casefold()


def bootstrap_mean(values: np.ndarray, *, resamples: int, seed: int) -> Estimate | None:
    """Mean over problems and its 95% percentile interval, by resampling problems.

    Args:
        values: (P,) float, one per problem; NaN problems are left out.
        resamples: how many times P problems are drawn with replacement.
        seed: of the draws; equal seeds and P give equal draws.
    Returns: None if no problem is known.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK_DRAWS // len(values))
    means = []
    for start in range(0, resamples, step):
        shape = (min(step, resamples - start), len(values))
        means.append(values[generator.integers(0, len(values), shape)].mean(axis=1))
    edge = (1 - INTERVAL_SHARE) / 2
    low, high = np.quantile(np.concatenate(means), [edge, 1 - edge])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def paired_difference(first: Grid, second: Grid, *, resamples: int, seed: int) -> Estimate | None:
    """pass@1 of the first row less that of the second, problem by problem, with its interval.

    A problem enters if both rows have a known verdict for it.
    Returns: None if no problem does.
    Raises: RecordError if the rows answered different problems.
    """
    if first.problem_ids != second.problem_ids:
        odd = sorted(set(first.problem_ids) ^ set(second.problem_ids))
        raise RecordError(
            f"rows {first.row!r} and {second.row!r} answered different problems of "
            f"{first.test_set!r} ({len(odd)} differ, such as {odd[0]!r}); "
            "run `distill evaluate` to the end"
        )
    difference = pass_at_1(first.correct) - pass_at_1(second.correct)
    return bootstrap_mean(difference, resamples=resamples, seed=seed)


def _consensus(
    correct: np.ndarray, answers: Sequence[str | None], same: SameAnswer | None
) -> float:
    """Expected correctness of the most voted answer of one block."""
    groups: list[tuple[str, list[float]]] = []
    for answer, value in zip(answers, correct, strict=True):
        if answer is None or np.isnan(value):
            continue
        group = next((votes for held, votes in groups if _equal(held, answer, same)), None)
        if group is None:
            groups.append((answer, [value]))
        else:
            group.append(value)
    if not groups:
        return float("nan") if np.isnan(correct).any() else 0.0
    most = max(len(votes) for _, votes in groups)
    winners = [sum(votes) / len(votes) for _, votes in groups if len(votes) == most]
    return float(sum(winners) / len(winners))


def _equal(first: str, second: str, same: SameAnswer | None) -> bool:
    if same is not None:
        return same(first, second)
    return normalised(first) == normalised(second)


def _checked_line(line: list[Score], samples: int, where: str) -> list[Score]:
    line = sorted(line, key=lambda score: score.index)
    if [score.index for score in line] != list(range(samples)):
        raise RecordError(
            f"{where} has {len(line)} completions; expected {samples}, numbered from 0; "
            "run `distill evaluate` to the end"
        )
    return line


def _number(correct: bool | None) -> float:
    return float("nan") if correct is None else float(correct)


def _check_k(k: int, samples: int) -> None:
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k}; expected 1 to {samples}, the completions per problem")

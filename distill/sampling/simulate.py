"""What a policy would cost and bring: the real policy against outcomes that are fixed beforehand.

Every try's outcome is drawn first, by problem and index, so that two policies compared on the same
draw meet the same outcomes. Requests run beside each other in rows, one token a step, and rows that
are free are filled again, as in an engine that refills its batch. What a policy no longer wants is
dropped at once and paid for as far as it went.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import msgspec
import numpy as np

from distill.sampling.policy import Policy, Result, Settings

_REFILL_SHARE = 1 / 16  # of the rows, free before the policy is asked again


class Drawn(msgspec.Struct, frozen=True):
    """The outcome of every try, by problem and index: arrays of shape (problems, tries)."""

    kept: np.ndarray  # bool
    truncated: np.ndarray  # bool: cut when it was recorded, whatever the limit is now
    tokens: np.ndarray  # int: what it would take without a limit


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    completions: int  # that ended; not those withdrawn
    tokens: int  # of completions, withdrawn ones included as far as they went
    kept: int  # at most `needed` of a problem
    solved: int  # problems with a kept trace
    done: int  # problems with all that they need
    given_up: dict[str, int]  # problems, by reason
    withdrawn: int
    steps: int  # how long the rows were busy, in tokens of one row
    tries: np.ndarray  # (problems,) int: completions of each
    path: np.ndarray  # (completions, 3) int: tokens, kept and solved after each completion

    @property
    def tokens_per_kept(self) -> float:
        """Infinite where nothing was kept."""
        return self.tokens / self.kept if self.kept else float("inf")

    def when_solved(self, problems: int) -> tuple[int, int] | None:
        """(tokens, kept) at the moment when so many problems were solved; None: never."""
        at = int(np.searchsorted(self.path[:, 2], problems))
        return None if at == len(self.path) else (int(self.path[at, 0]), int(self.path[at, 1]))


def most_tries(settings: Settings) -> int:
    """Tries of one problem that have to be drawn for a run."""
    if settings.adaptive is None:
        return settings.completions_per_problem
    return settings.adaptive.max_completions_per_problem


def draw(
    rates: Sequence[float], lengths: Sequence[Sequence[int]], tries: int, *, seed: int
) -> Drawn:
    """Draw outcomes of problems whose chances are known.

    Args:
        rates: each problem's chance that a try is kept.
        lengths: of each problem, tokens of some tries to draw from.
    """
    rng = np.random.default_rng(seed)
    kept = rng.random((len(rates), tries)) < np.asarray(rates, dtype=float)[:, None]
    counts = np.array([len(of_one) for of_one in lengths])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    at = (rng.random(kept.shape) * counts[:, None]).astype(int) + starts[:, None]
    tokens = np.concatenate([np.asarray(of_one, dtype=int) for of_one in lengths])[at]
    return Drawn(kept, np.zeros_like(kept), tokens)


def simulate(
    rates: Sequence[float],
    lengths: Sequence[Sequence[int]],
    settings: Settings,
    *,
    seed: int,
    wave: int = 64,
    groups: Sequence[int] | None = None,
) -> Outcome:
    """Run a policy once on problems whose chances are known; arguments as of `draw` and `run`."""
    return run(draw(rates, lengths, most_tries(settings), seed=seed), settings, wave, groups)


def run(
    drawn: Drawn,
    settings: Settings,
    wave: int = 64,
    groups: Sequence[int] | None = None,
    *,
    in_waves: bool = False,
) -> Outcome:
    """Run a policy against outcomes that are fixed.

    Args:
        wave: rows that the engine keeps busy.
        in_waves: rows are filled only when all are free, as by transformers on a CPU.
    """
    policy = Policy(len(drawn.kept), settings, groups)
    rows = _Rows(drawn, wave)
    least_free = wave if in_waves else wave * _REFILL_SHARE
    while True:
        if rows.free >= least_free:
            for ask in policy.next(rows.free):
                rows.start(ask.problem, ask.index, ask.max_tokens)
        if not rows.busy:
            return rows.outcome(policy)
        problem, index, result = rows.end_next()
        policy.told(problem, index, result)
        rows.note(policy)
        for problem, index in policy.unwanted():
            rows.drop(problem, index)
            policy.requeue(problem, index)


class _Rows:
    """Requests under way, and what was spent on them."""

    def __init__(self, drawn: Drawn, wave: int) -> None:
        self._kept = drawn.kept.tolist()
        self._cut = drawn.truncated.tolist()
        self._tokens = drawn.tokens.tolist()
        self._wave = wave
        self._ends: list[tuple[int, int, int, int, bool]] = []  # end, problem, index, start, cut
        self._clock = self._spent = self._withdrawn = 0
        self._tries = [0] * len(self._kept)
        self._path: list[tuple[int, int, int]] = []

    @property
    def busy(self) -> bool:
        return bool(self._ends)

    @property
    def free(self) -> int:
        return self._wave - len(self._ends)

    def start(self, problem: int, index: int, max_tokens: int) -> None:
        length = self._tokens[problem][index]
        cut = length >= max_tokens or self._cut[problem][index]
        end = self._clock + min(length, max_tokens)
        heappush(self._ends, (end, problem, index, self._clock, cut))

    def end_next(self) -> tuple[int, int, Result]:
        self._clock, problem, index, started, cut = heappop(self._ends)
        tokens = self._clock - started
        self._spent += tokens
        self._tries[problem] += 1
        kept = self._kept[problem][index] and not cut
        return problem, index, Result(kept, cut, tokens)

    def drop(self, problem: int, index: int) -> None:
        at = next(i for i, row in enumerate(self._ends) if row[1:3] == (problem, index))
        self._spent += self._clock - self._ends[at][3]
        self._withdrawn += 1
        self._ends[at] = self._ends[-1]
        self._ends.pop()
        heapify(self._ends)

    def note(self, policy: Policy) -> None:
        self._path.append((self._spent, policy.kept, policy.solved))

    def outcome(self, policy: Policy) -> Outcome:
        standing = policy.standing()
        return Outcome(
            completions=standing.tried,
            tokens=self._spent,
            kept=standing.kept,
            solved=standing.solved,
            done=standing.done,
            given_up=standing.given_up,
            withdrawn=self._withdrawn,
            steps=self._clock,
            tries=np.array(self._tries),
            path=np.array(self._path, dtype=np.int64).reshape(-1, 3),
        )

"""What a run's store tells of the sampling so far, read without its texts."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

import msgspec

from distill.records import Failure, FailureReason, Preview, Trace
from distill.sampling.budget import Budget
from distill.sampling.policy import Ask, Policy, Result
from distill.stages.previews import Repeats
from distill.store import Store

SPENT = "spent:sample"  # key of the mark
GIVEN_UP = "given_up:sample"  # key of the mark: reason to problems, as JSON
WAVE = "now"  # key of the wave under way
FINAL = (FailureReason.REFUSED, FailureReason.TOO_LARGE)  # asking again brings the same
ROWS_AT_ONCE = 1000


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """What a stored trace counts for: everything but its texts."""

    prompt_tokens: int
    completion_tokens: int
    is_truncated: bool

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """The tally of a trace."""
        return cls(trace.prompt_tokens, trace.completion_tokens, trace.finish_reason == "length")


class Spent(msgspec.Struct, frozen=True):
    """What no row tells."""

    seconds: float = 0.0  # sampled, over all sessions


class Wave(msgspec.Struct, frozen=True):
    """Requests that a wave of the engine is made of, in order; none: no wave is under way.

    What is computed together changes low-order bits, and so in rare cases a token: a wave that
    was interrupted is asked again whole, and what is stored of it stays.
    """

    asked: tuple[tuple[str, int, int], ...] = ()  # problem, index, most tokens


class Counts(msgspec.Struct):
    """How much is stored."""

    traces: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    truncated: int = 0
    right: int = 0
    kept: int = 0

    def add_trace(self, tally: Tally) -> None:
        """One more trace."""
        self.traces += 1
        self.prompt_tokens += tally.prompt_tokens
        self.completion_tokens += tally.completion_tokens
        self.truncated += tally.is_truncated

    def add_preview(self, preview: Preview) -> None:
        """What one of them is."""
        self.right += preview.correct is True
        self.kept += preview.kept


class Before(NamedTuple):
    """What earlier sessions have left."""

    counts: Counts
    seconds: float  # sampled
    wave: list[Ask]  # that was interrupted
    of_wave: dict[str, Preview | None]  # its stored traces, with what was seen of each
    failures: dict[str, Failure]  # by trace
    unseen: list[str]  # stored traces that nobody has looked at, though it is wanted
    repeats: Repeats


def restore(
    store: Store, places: Mapping[str, int], policy: Policy, budget: Budget, *, looks: bool
) -> Before:
    """Tell the policy and the budget what earlier sessions brought.

    Of an interrupted wave they are told nothing yet: it is asked again.

    Args:
        places: problem to its place in the list of problems.
        looks: is every trace looked at while sampling goes on.
    """
    wave = store.get("waves", WAVE, Wave) or Wave()
    again = {f"{problem_id}#{index}" for problem_id, index, _ in wave.asked}
    asks = [Ask(places[name], index, most) for name, index, most in wave.asked if name in places]
    before = Before(Counts(), spent(store).seconds, asks, {}, {}, [], Repeats())
    for key, tally, preview in _tallies(store):
        problem_id, _, index = key.rpartition("#")
        before.counts.add_trace(tally)
        if preview is not None:
            before.counts.add_preview(preview)
            _remember(before.repeats, problem_id, preview)
        if key in again:
            before.of_wave[key] = preview
            continue
        budget.charge(tally.prompt_tokens, tally.completion_tokens)
        if problem_id not in places:
            continue
        if looks and preview is None:
            before.unseen.append(key)
        else:
            kept = preview is not None and preview.kept
            result = Result(kept, tally.is_truncated, tally.completion_tokens)
            policy.told(places[problem_id], int(index), result)
    for failure in store.scan("failures", Failure):
        before.failures[failure.trace_id] = failure
        budget.charge(failure.prompt_tokens, failure.completion_tokens)
        problem_id, _, index = failure.trace_id.rpartition("#")
        is_known = problem_id in places and failure.trace_id not in again
        if is_known and failure.reason in FINAL:
            policy.failed(places[problem_id], int(index))
    return before


def spent(store: Store) -> Spent:
    """What no row tells of the sampling so far."""
    mark = store.mark(SPENT)
    return Spent() if mark is None else msgspec.json.decode(mark, type=Spent)


def count_stored(store: Store) -> Counts:
    """How much is stored."""
    counts = Counts()
    for _, tally, preview in _tallies(store):
        counts.add_trace(tally)
        if preview is not None:
            counts.add_preview(preview)
    return counts


def agree(store: Store) -> None:
    """Have exactly the stored traces counted: some are of a run from before there were tallies,
    others were taken out by hand because they were damaged."""
    if store.count("traces") == store.count("tallies"):
        return
    missing = store.missing("traces", "tallies")
    for start in range(0, len(missing), ROWS_AT_ONCE):
        traces = (store.get("traces", key, Trace) for key in missing[start : start + ROWS_AT_ONCE])
        store.put("tallies", [(trace.trace_id, Tally.of(trace)) for trace in traces])
    if alone := store.missing("tallies", "traces"):
        store.write(gone=dict.fromkeys(("tallies", "previews", "verdicts"), alone))


def _remember(repeats: Repeats, problem_id: str, preview: Preview) -> None:
    if preview.kept and preview.digest:
        repeats.is_repeat(problem_id, preview.trace_id, preview.digest)


def _tallies(store: Store) -> Iterator[tuple[str, Tally, Preview | None]]:
    """Each stored trace's key and tally, with its preview where there is one."""
    previews = iter(store.scan("previews", Preview))
    preview = next(previews, None)
    for key, tally in store.scan_items("tallies", Tally):
        while preview is not None and preview.trace_id < key:
            preview = next(previews, None)
        is_its = preview is not None and preview.trace_id == key
        yield key, tally, preview if is_its else None

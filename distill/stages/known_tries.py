"""What a run tells of its problems: which tries were kept, how long they were, how fast it went."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import msgspec

from distill.errors import StoreError
from distill.recipe_paths import is_there
from distill.records import Decision, DropReason, Failure, Preview, Problem, Trace
from distill.runlog import read_metrics
from distill.sampling.forecast import Seen, Try
from distill.stages.sample import OVERLAPS
from distill.stages.sample_state import Tally, spent
from distill.store import RunPaths, Store

LEFT_OUT = (DropReason.SURPLUS, DropReason.FAMILY_SURPLUS)  # of a trace that was good enough


class KnownRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has shown, and what it cost."""

    folder: str
    tries: dict[str, list[Try]]  # by problem, in the order of their indices; only those looked at
    families: dict[str, str]  # of every problem of the run
    forgone: frozenset[str]  # problems too close to a test set, that are never asked
    wasted_prompt_tokens: int  # of requests that brought nothing, those withdrawn included
    wasted_tokens: int
    withdrawn: int
    seconds: float  # sampled, over all sessions
    start_seconds: float  # of them, until the teacher was there
    tokens_per_second: float  # of completions, after that

    @property
    def completions(self) -> int:
        """Those that were looked at."""
        return sum(map(len, self.tries.values()))

    @property
    def tokens(self) -> int:
        """Of completions, those of withdrawn ones included."""
        return self.wasted_tokens + sum(one.tokens for one in self._all())

    @property
    def prompt_tokens(self) -> int:
        """Of all requests."""
        return self.wasted_prompt_tokens + sum(one.prompt_tokens for one in self._all())

    @property
    def kept(self) -> int:
        """Traces that the filter keeps, surplus included."""
        return sum(one.kept for one in self._all())

    def _all(self) -> Iterator[Try]:
        return (one for tries in self.tries.values() for one in tries)


def known_run(paths: RunPaths) -> KnownRun | None:
    """What a run folder tells; None where no completion was looked at.

    Raises: StoreError for a folder whose store cannot be read.
    """
    if not is_there(paths.store) or paths.store.stat().st_size == 0:
        return None
    with closing(Store(paths.store, read_only=True)) as store:
        tries = _tries(store)
        if not tries:
            return None
        families = {one.problem_id: one.family for one in store.scan("problems", Problem)}
        failures = list(store.scan("failures", Failure))
        mark = store.mark(OVERLAPS)
        seconds = spent(store).seconds
    lines = read_metrics(paths.metrics, "sample")
    logged = sum(line["seconds"] for line in lines)
    written = sum(line["completion_tokens"] for line in lines)
    tokens = sum(one.tokens for of_one in tries.values() for one in of_one)
    return KnownRun(
        folder=str(paths.root),
        tries=tries,
        families=families,
        forgone=frozenset(json.loads(mark)["problems"] if mark else ()),
        wasted_prompt_tokens=sum(one.prompt_tokens for one in failures),
        wasted_tokens=sum(one.completion_tokens for one in failures),
        withdrawn=sum(one.reason == "withdrawn" for one in failures),
        seconds=max(seconds, logged),
        start_seconds=max(0.0, seconds - logged),
        tokens_per_second=written / logged if written else tokens / max(seconds, 1e-3),
    )


def seen_of(run: KnownRun, families: dict[str, str]) -> Seen:
    """A run's tries by the place of each problem.

    Args:
        families: of every problem that is to be sampled, in their order.
    Raises: StoreError if the run knows none of them.
    """
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(family, len(numbers)) for family in families.values()]
    places = {problem_id: place for place, problem_id in enumerate(families)}
    tries = {places[key]: found for key, found in run.tries.items() if key in places}
    if not tries:
        raise StoreError(
            f"{run.folder}: has asked none of the problems of this recipe, so it tells nothing "
            "about them; name another run with --from, or leave it out for a pilot"
        )
    return Seen(tries, groups)


def _tries(store: Store) -> dict[str, list[Try]]:
    """By problem, those that were looked at, in the order of their indices."""
    kept = _kept(store)
    if not kept:
        return {}
    found: dict[str, list[tuple[int, Try]]] = defaultdict(list)
    for key, tally in _tallies(store):
        if key in kept:
            problem, _, index = key.rpartition("#")
            found[problem].append((int(index), _try(tally, kept[key])))
    return {problem: [one for _, one in sorted(rows)] for problem, rows in found.items()}


def _try(tally: Tally, kept: bool) -> Try:
    return Try(kept, tally.is_truncated, tally.prompt_tokens, tally.completion_tokens)


def _tallies(store: Store) -> Iterator[tuple[str, Tally]]:
    if store.count("tallies") == store.count("traces"):
        yield from store.scan_items("tallies", Tally)
        return
    for trace in store.scan("traces", Trace):  # of a run from before there were tallies
        yield trace.trace_id, Tally.of(trace)


def _kept(store: Store) -> dict[str, bool]:
    """Trace to whether it is good enough, as seen while sampling, else by the filter."""
    decisions = store.scan("decisions", Decision)
    kept = {one.trace_id: one.kept or one.reason in LEFT_OUT for one in decisions}
    return kept | {one.trace_id: one.kept for one in store.scan("previews", Preview)}

"""Which of the traces that are worth learning from are kept, and how many."""

import hashlib
import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from distill.filters.duplicates import estimated_similarity


class Candidate(NamedTuple):
    """A trace that nothing speaks against."""

    at: int  # its place among all traces, which also decides between equals
    trace_id: str | int
    length: int  # in tokens or characters, the same for all
    signature: bytes = b""  # of `distill.filters.duplicates`; needed for "diverse" only


def pass_rates(judged: Iterable[tuple[str, bool | None]]) -> dict[str, float]:
    """Problem to the share (0 to 1) of its judged traces that are right.

    Args:
        judged: problem and correctness of every trace; None is not judged and does not count. A
            problem without a judged trace has no rate.
    """
    right: dict[str, int] = defaultdict(int)
    known: dict[str, int] = defaultdict(int)
    for problem, correct in judged:
        if correct is not None:
            right[problem] += correct
            known[problem] += 1
    return {problem: right[problem] / count for problem, count in known.items()}


def best(group: Sequence[Candidate], keep: str, most: int | None, *, seed: int) -> list[Candidate]:
    """The candidates of one problem that stay, best first.

    Args:
        group: in the order in which they were drawn.
        keep: a key of ORDERS: "first" is as good a draw from the teacher as any and needs no
            seed; "shortest" teaches brevity, "median" the problem's usual length; "random" draws
            by the seed and the trace's id, so that other traces do not change it; "diverse" takes
            the first, then each time the one least like those taken.
        most: at most so many stay; None keeps all.
    """
    return list(itertools.islice(ORDERS[keep](group, seed), most))


def round_robin(problems: Mapping[str, Sequence[int]], cap: int) -> set[int]:
    """At most `cap` traces of a family, taken evenly: every problem's best, then every second best.

    Args:
        problems: problem to its kept traces, best first.
    """
    taken: set[int] = set()
    deepest = max(map(len, problems.values()), default=0)
    for depth in range(deepest):
        for traces in problems.values():
            if len(taken) == cap:
                return taken
            if depth < len(traces):
                taken.add(traces[depth])
    return taken


def _first(group: Sequence[Candidate], seed: int) -> Sequence[Candidate]:
    return group


def _shortest(group: Sequence[Candidate], seed: int) -> list[Candidate]:
    return sorted(group, key=lambda one: one.length)


def _median(group: Sequence[Candidate], seed: int) -> list[Candidate]:
    middle = statistics.median(one.length for one in group)
    return sorted(group, key=lambda one: abs(one.length - middle))


def _random(group: Sequence[Candidate], seed: int) -> list[Candidate]:
    def drawn(one: Candidate) -> bytes:
        text = f"{seed}\x1f{one.trace_id}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    return sorted(group, key=drawn)


def _diverse(group: Sequence[Candidate], seed: int) -> Iterator[Candidate]:
    """Greedy max-min distance, from the first on; of equally far ones the earlier."""
    left = list(group)
    nearest = dict.fromkeys((one.at for one in left), 0.0)  # likeness to the nearest one taken
    while left:
        taken = min(left, key=lambda one: nearest[one.at])
        yield taken
        left.remove(taken)
        for one in left:
            like = estimated_similarity(one.signature, taken.signature)
            nearest[one.at] = max(nearest[one.at], like)


ORDERS: dict[str, Callable[[Sequence[Candidate], int], Iterable[Candidate]]] = {
    "first": _first,
    "shortest": _shortest,
    "median": _median,
    "random": _random,
    "diverse": _diverse,
}

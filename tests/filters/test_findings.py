"""The compact store of findings: everything comes back, in little space."""

import tracemalloc
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from distill.filters.checks import Drop
from distill.filters.findings import Examined, Finding, Findings, Known
from distill.records import DropReason, Verdict, VerdictReason


class Quoted(NamedTuple):
    test_set: str
    problem_id: str
    rule: str
    words: str


TRUTHS = st.sampled_from([None, False, True])
VERDICTS = st.none() | st.builds(
    Verdict,
    trace_id=st.just(""),
    correct=TRUTHS,
    reason=st.sampled_from(VerdictReason),
    answer=st.none() | st.text(max_size=9),
    route=st.sampled_from(["", "box/integer", "tag/math-verify"]),
)
KNOWN = st.builds(
    Known,
    trace_id=st.text(max_size=9) | st.integers(),
    problem=st.sampled_from(["p", "q", "\ud800"]),
    index=st.integers(0, 99),
    family=st.text(max_size=3),
    length=st.integers(0, 10**9),
    finish_reason=st.sampled_from([None, "stop", "length"]),
    verdict=VERDICTS,
    judged=TRUTHS,
)
EXAMINED = st.builds(
    Examined,
    drops=st.lists(st.builds(Drop, st.sampled_from(DropReason), st.text(max_size=5))).map(tuple),
    overlap=st.none() | st.just(Quoted("math500", "t1", "quoted", "w")),
    digest=st.just(b"") | st.binary(min_size=16, max_size=16).filter(any),
    signature=st.just(b"") | st.binary(min_size=128, max_size=128),
)


def with_id(known):
    if known.verdict is None:
        return known
    verdict = Verdict(**{**fields(known.verdict), "trace_id": str(known.trace_id)})
    return Known(**{**fields(known), "verdict": verdict})


def fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


@given(st.lists(st.builds(Finding, KNOWN.map(with_id), EXAMINED), max_size=8))
def test_what_goes_in_comes_back(given_ones):
    found = Findings()
    for one in given_ones:
        found.append(one)
    assert list(found) == given_ones
    assert [found[at] for at in range(len(found))] == given_ones
    order = sorted(given_ones, key=lambda one: (one.known.problem, one.known.index))
    assert list(found.by_problem()) == order


def test_a_trace_takes_less_than_20_bytes_of_memory():
    def one(n):
        verdict = Verdict(
            trace_id=f"trace-{n}", correct=True, reason=VerdictReason.RIGHT, answer=str(n % 1000)
        )
        known = Known(
            trace_id=f"trace-{n}", problem=f"p{n // 16}", length=n, family="sums", verdict=verdict
        )
        return Finding(known, Examined((), None, n.to_bytes(16, "big"), bytes(128)))

    tracemalloc.start()
    found = Findings()
    for n in range(1, 20_001):
        found.append(one(n))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / len(found) < 20

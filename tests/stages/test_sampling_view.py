"""What is shown of the sampling is what the store holds, whatever of it is there."""

import json
import tracemalloc
from contextlib import closing

import pytest

from distill.evaluation.page import Table, Text, render_markdown
from distill.recipe import Adaptive, Evaluate, Price, Problems, Recipe, Sample, Sft
from distill.records import (
    Decision,
    DropReason,
    Failure,
    FailureReason,
    Origin,
    Preview,
    Problem,
    Trace,
    Verdict,
    VerdictReason,
)
from distill.runlog import log_metrics
from distill.stages.sample_state import GIVEN_UP, SPENT, Tally
from distill.stages.sampling_view import read_sampled, sampling_view
from distill.store import RunPaths, Store

ORIGIN = Origin(
    engine="vllm 0.32.0", weights="", prompt_template="t", temperature=1.0, top_p=1.0, max_tokens=9
)


def recipe(**sample):
    return Recipe(
        name="x",
        problems=Problems(train="t", rl="t"),
        sample=Sample(teacher="teacher", **sample),
        sft=Sft(base="base"),
        evaluate=Evaluate(test_sets={}),
    )


def trace(problem, index, tokens=10, text="x", origin=ORIGIN):
    return Trace(
        problem_id=problem,
        index=index,
        prompt="q",
        completion=text,
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=tokens,
        teacher="teacher",
        seed=1,
        origin=origin,
    )


def put(store, problem, index, *, right, fate=None, seen=None, tallied=True, **changes):
    one = trace(problem, index, **changes)
    key = one.trace_id
    store.put("problems", [(problem, Problem(problem_id=problem, question="q", reference="1"))])
    store.put("traces", [(key, one)])
    if tallied:
        store.put("tallies", [(key, Tally.of(one))])
    if right is not None:
        reason = VerdictReason.RIGHT if right else VerdictReason.WRONG
        verdict = Verdict(trace_id=key, correct=right, reason=reason, seconds=0.5)
        store.put("verdicts", [(key, verdict)])
    if seen is not None:
        reason = DropReason.KEPT if seen else DropReason.WRONG
        preview = Preview(trace_id=key, kept=seen, correct=right, reason=reason, digest="")
        store.put("previews", [(key, preview)])
    if fate is not None:
        decision = Decision(trace_id=key, kept=fate is DropReason.KEPT, reason=fate)
        store.put("decisions", [(key, decision)])


@pytest.fixture
def paths(tmp_path):
    return RunPaths(tmp_path)


@pytest.fixture
def store(paths):
    with closing(Store(paths.store)) as store:
        yield store


def test_a_fixed_run_counts_what_the_filter_says_of_each_trace(store):
    put(store, "a", 0, right=False, fate=DropReason.WRONG)
    put(store, "a", 1, right=True, fate=DropReason.KEPT, tokens=30)
    put(store, "a", 10, right=True, fate=DropReason.SURPLUS)
    put(store, "a1", 0, right=True, fate=DropReason.REPETITION)
    put(store, "b", 0, right=None, fate=DropReason.UNVERIFIED)
    found = read_sampled(store)
    assert dict(found.requests) == {"fit": 2, "right, not fit": 1, "not right": 1, "not known": 1}
    assert found.completion_tokens["fit"] == 40
    assert (found.right, found.kept, found.solved, found.scoring_seconds) == (3, 1, 1, 2.0)
    assert found.tries == {3: (1, 0), 1: (0, 2)}
    assert found.fit_per_problem == {2: 1, 0: 2}


def test_before_the_filter_the_previews_count_and_without_them_the_verdicts(store):
    put(store, "a", 0, right=True, seen=False)
    put(store, "a", 1, right=True, seen=True)
    put(store, "b", 0, right=True)
    found = read_sampled(store)
    assert (found.requests["fit"], found.solved, found.kept) == (2, 2, None)


def test_a_run_from_before_there_were_tallies_reads_the_same(store, paths):
    put(store, "a", 0, right=True, fate=DropReason.KEPT, tallied=False, origin=None)
    found = read_sampled(store)
    assert found.completion_tokens.total() == 10
    log_metrics(paths.metrics, "sample", completion_tokens=10, seconds=5.0)
    text = render_markdown("", "", [sampling_view(recipe(), store, paths, found)])
    assert "by transformers, wrote 1 trace for 1 problem" in text
    assert "| completion tokens a second | 2 |" in text


def test_an_adaptive_run_shows_its_price_its_curve_and_who_was_given_up(store, paths):
    for index in range(4):
        put(store, "a", index, right=index == 3, seen=index == 3, tokens=100)
    put(store, "b", 0, right=False, seen=False, tokens=100)
    store.put("problems", [("c", Problem(problem_id="c", question="q", reference="1"))])
    lost = Failure(
        trace_id="b#1", reason=FailureReason.WITHDRAWN, prompt_tokens=5, completion_tokens=500
    )
    store.put("failures", [("b#1", lost)])
    store.set_mark(SPENT, json.dumps({"seconds": 1800.0}))
    store.set_mark(GIVEN_UP, json.dumps({"unlikely": 1, "test_overlap": 1}))
    for kept in (0, 1):
        log_metrics(paths.metrics, "sample", completion_tokens=250, right=kept, kept=kept)
    price = Price(usd_per_million_in=1000.0, usd_per_million_out=1000.0, usd_per_hour=3.0)
    asked = recipe(adaptive=Adaptive(needed=1), price=price)
    section = sampling_view(asked, store, paths, read_sampled(store))
    tables = {
        b.header[0]: {c[0]: c for c in b.lines} for b in section.blocks if isinstance(b, Table)
    }
    # 30 prompt and 1000 completion tokens at 0.001 each, half an hour at 3 dollars
    assert tables[""]["US dollars"][1] == "2.53"
    assert tables[""]["of them for tokens"][1] == "1.03"
    assert tables["tries"]["0"][1:3] == ["1", "0"]
    assert tables["tries"]["4"][1:3] == ["1", "1"]
    assert tables["why"]["its question is in a test set: nothing was asked"][1] == "1"
    lead = next(block.text for block in section.blocks if isinstance(block, Text))
    assert "by vllm 0.32.0, wrote 5 traces for 3 problems" in lead


def test_an_empty_run_and_metrics_of_any_kind_are_read(store, paths):
    paths.metrics.write_bytes(b'{"stage": "sample", "kept": 1}\n[1]\n\xff\n{"stage"')
    section = sampling_view(recipe(), store, paths, read_sampled(store))
    assert section.blocks[0].text == "The teacher was asked nothing."


def test_memory_does_not_grow_with_the_traces(store):
    def peak():
        tracemalloc.start()
        read_sampled(store)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    def fill(problems):
        names = [f"p{at:05}" for at in problems]
        for table in ("tallies", "traces"):
            kind = Tally.of if table == "tallies" else (lambda one: one)
            rows = (
                (f"{n}#{i}", kind(trace(n, i, text="word " * 50))) for n in names for i in (0, 1)
            )
            store.put(table, rows)

    fill(range(200))
    read_sampled(store)
    few = peak()
    fill(range(200, 3000))
    assert peak() < 2 * few + 100_000

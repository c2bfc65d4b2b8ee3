"""What is asked, stored and told, with an engine whose answers are written down."""

import importlib
import os
import random
import shutil
import time
from contextlib import closing
from functools import partial

import msgspec
import pytest

from distill.errors import EngineError, RecipeError, StoreError
from distill.recipe import Adaptive, Evaluate, Filter, Price, Problems, Recipe, Sample, Sft, Verify
from distill.records import Completion, Failure, FailureReason, Preview, Problem, Trace, Verdict
from distill.runlog import read_metrics
from distill.stages import previews, sample
from distill.stages.budget_end import ended_by_budget
from distill.stages.sample_state import Tally
from distill.store import RunPaths, Store

QUESTION = "How many legs do {} dogs have if each of them has four?"
GOOD = "<think>4 * {0} = {1}. Way {2}: {1} / 4 = {0}. Good</think><answer>{1}</answer>"


def good(n, index):
    return GOOD.format(n, 4 * n, "i" * (index + 1))


def bad(n, index):
    return good(n, index).replace(f">{4 * n}<", f">{4 * n + 1}<")


class Scripted:
    """Answers in a random order, so many at once; `reply` is told the problem's number and index.

    What it was asked is in `asked`; `seconds` pass before each answer.
    """

    name, tokenizer = "scripted 1.0", None

    def __init__(self, reply, *, rows=8, in_waves=False, seconds=0.0):
        self.reply, self.rows, self.in_waves, self.seconds = reply, rows, in_waves, seconds
        self.asked, self.waves, self.most = [], [], 0
        self.rng = random.Random(5)

    def work(self, feed, params):
        under_way = []
        while True:
            if not self.in_waves or not under_way:
                taken = feed.take(self.rows - len(under_way))
                if self.in_waves:  # the same wave ends in the same order
                    self.rng = random.Random(repr(taken))
                assert len(taken) <= self.rows - len(under_way)
                self.waves += [[request.key for request in taken]]
                under_way += taken
                self.asked += [request.key for request in taken]
                self.most = max(self.most, len(under_way))
            if not under_way:
                return
            under_way = self.drop(feed, under_way)
            if under_way:
                request = under_way.pop(self.rng.randrange(len(under_way)))
                time.sleep(self.seconds)
                feed.done(request, self.answer(request))

    def drop(self, feed, under_way):
        withdrawn = set(feed.withdrawn())
        for request in under_way:
            if request.key in withdrawn:
                reason = FailureReason.WITHDRAWN
                feed.done(request, Failure(trace_id=request.key, reason=reason, **COST))
        return [request for request in under_way if request.key not in withdrawn]

    def answer(self, request):
        name, index = request.key.removeprefix("dogs-").split("#")
        found = self.reply(int(name), int(index))
        if isinstance(found, Failure):
            return msgspec.structs.replace(found, trace_id=request.key)
        if isinstance(found, str):
            found = Completion(text=found, finish_reason="stop", **COST)
        return found

    def close(self):
        pass


COST = {"prompt_tokens": 10, "completion_tokens": 50}


@pytest.fixture
def paths(tmp_path):
    return RunPaths(tmp_path / "run")


@pytest.fixture
def make(tmp_path):
    """A recipe of so many problems, with other keys of its sections."""

    def recipe(problems=6, *, tests="What is 3 + 4?", asked=None, keys=None, **section):
        questions = {n: QUESTION.format(n) for n in range(1, problems + 1)} | (asked or {})
        rows = [
            Problem(problem_id=f"dogs-{n:03}", question=question, reference=str(4 * n))
            for n, question in questions.items()
        ]
        test = Problem(problem_id="test", question=tests, reference="7")
        rl = Problem(problem_id="rl", question="Name a prime above 80.", reference="83")
        for name, some in (("train", rows), ("rl", [rl]), ("test", [test])):
            lines = b"".join(msgspec.json.encode(row) + b"\n" for row in some)
            (tmp_path / f"{name}.jsonl").write_bytes(lines)
        return Recipe(
            name="dogs",
            problems=Problems(train=str(tmp_path / "train.jsonl"), rl=str(tmp_path / "rl.jsonl")),
            sample=Sample(teacher="nobody/here", prompt="plain", **section),
            filter=Filter(**(keys or {})),
            verify=Verify(workers=1),
            sft=Sft(base="nobody/here"),
            evaluate=Evaluate(test_sets={"test": str(tmp_path / "test.jsonl")}),
        )

    return recipe


@pytest.fixture
def run(paths, monkeypatch):
    """Sample with a scripted engine."""

    def run_it(recipe, reply, *, kind=Scripted, **settings):
        engine = kind(reply, **settings)
        monkeypatch.setattr(sample, "open_engine", lambda *_, **__: engine)
        sample.run(recipe, paths)
        return engine

    return run_it


def stored(paths, table, kind):
    with closing(Store(paths.store)) as store:
        return dict(store.scan_items(table, kind))


def tries(paths):
    """Problem to the number of its traces."""
    found = {}
    for trace in stored(paths, "traces", Trace).values():
        found[trace.problem_id] = found.get(trace.problem_id, 0) + 1
    return found


# --- which, and how many ----------------------------------------------------------------------


def test_a_fixed_number_asks_all_and_verifies_nothing(make, paths, run):
    engine = run(make(completions_per_problem=3), bad)
    assert sorted(engine.asked) == [f"dogs-{n:03}#{i}" for n in range(1, 7) for i in range(3)]
    assert set(stored(paths, "traces", Trace)) == set(engine.asked)
    assert stored(paths, "verdicts", Verdict) == stored(paths, "previews", Preview) == {}


@pytest.mark.parametrize("in_waves", [False, True])
def test_a_problem_stops_when_it_has_what_it_needs(make, paths, run, in_waves):
    recipe = make(adaptive=Adaptive(needed=2), completions_per_problem=8)
    run(recipe, good, in_waves=in_waves)
    assert tries(paths) == {f"dogs-{n:03}": 2 for n in range(1, 7)}
    assert all(row.kept for row in stored(paths, "previews", Preview).values())


def test_what_says_the_same_again_does_not_count(make, paths, run):
    recipe = make(problems=1, adaptive=Adaptive(needed=2), completions_per_problem=8)
    run(recipe, lambda n, index: good(n, max(0, index - 3)))  # four times the same
    found = stored(paths, "previews", Preview)
    reasons = sorted(row.reason.value for row in found.values())
    assert reasons.count("kept") == 2
    assert reasons.count("duplicate") >= 3
    assert sum(row.correct for row in found.values()) == len(found)


def test_what_the_filter_would_drop_does_not_count(make, paths, run):
    def reply(n, index):
        return good(n, index) if index == 2 else f"<answer>{4 * n}</answer>"  # right, no thought

    adaptive = Adaptive(needed=1, speculation=0.0, completions_per_kept=1000)
    run(make(adaptive=adaptive, completions_per_problem=8), reply, rows=1)
    found = stored(paths, "previews", Preview)
    assert tries(paths) == {f"dogs-{n:03}": 3 for n in range(1, 7)}
    assert {found[f"dogs-{n:03}#0"].reason for n in range(1, 7)} == {"missing_think"}
    assert all(row.correct for row in found.values())


def test_a_hopeless_problem_is_given_up_and_its_tries_go_to_others(make, paths, run):
    def reply(n, index):
        return good(n, index) if n > 1 or index > 1000 else bad(n, index)

    adaptive = Adaptive(needed=2, completions_per_kept=6, max_completions_per_problem=64)
    run(make(problems=8, adaptive=adaptive, completions_per_problem=16), reply)
    found = tries(paths)
    assert 3 <= found.pop("dogs-001") <= 30
    assert set(found.values()) == {2}


def test_a_question_of_a_test_set_is_never_asked(make, paths, run):
    asked = "A farmer counts the legs of the three brown dogs that sleep in his barn tonight."
    recipe = make(
        asked={3: asked + " How many are there?"},
        tests=asked + " Which number does he find?",
        adaptive=Adaptive(needed=1),
        completions_per_problem=2,
    )
    for _ in range(2):  # found once, and known at the next start
        engine = run(recipe, good)
        assert not [key for key in engine.asked if key.startswith("dogs-003")]
    assert len(tries(paths)) == 5


def test_answers_that_were_cut_get_a_longer_limit_where_the_recipe_says_so(make, paths, run):
    limits = {}

    class Limited(Scripted):
        def answer(self, request):
            limits.setdefault(request.key.split("#")[0], []).append(request.max_tokens)
            if request.max_tokens < 200:
                return Completion(text="<think>4", finish_reason="length", **COST)
            return super().answer(request)

    adaptive = Adaptive(needed=1, speculation=0.0, truncated_tries=2, longer_max_tokens=200)
    recipe = make(problems=2, adaptive=adaptive, max_tokens=100, completions_per_problem=8)
    run(recipe, good, kind=Limited, rows=1)
    assert limits == {f"dogs-00{n}": [100, 100, 200] for n in (1, 2)}
    found = stored(paths, "traces", Trace)
    assert found["dogs-001#2"].origin.max_tokens == 200


def test_tries_of_a_solved_problem_are_withdrawn_and_accounted(make, paths, run):
    # the first answers are wrong, so that several are under way when a right one comes
    def reply(n, index):
        return good(n, index) if index >= 3 else bad(n, index)

    adaptive = Adaptive(needed=1, speculation=1.0, completions_per_kept=1000)
    recipe = make(problems=3, adaptive=adaptive, completions_per_problem=16)
    engine = run(recipe, reply, rows=12, seconds=0.05)
    failures = stored(paths, "failures", Failure)
    traces = stored(paths, "traces", Trace)
    assert len(engine.asked) == len(set(engine.asked)) == len(failures) + len(traces)
    assert failures
    for failure in failures.values():
        assert (failure.reason, failure.completion_tokens) == ("withdrawn", 50)
    assert not failures.keys() & traces.keys()


def test_what_attempts_before_a_completion_cost_is_paid_and_remembered(make, paths, run, caplog):
    caplog.set_level("INFO", logger="distill")
    retried = Failure(trace_id="dogs-001#0", reason=FailureReason.RETRIED, **COST)

    def reply(n, index):
        before = retried if (n, index) == (1, 0) else None
        return Completion(text=good(n, index), finish_reason="stop", retried=before, **COST)

    price = Price(usd_per_million_in=1e4, usd_per_million_out=1e4)  # 0.60 USD a request
    recipe = make(problems=3, completions_per_problem=1, price=price, max_failed_share=0.0)
    run(recipe, reply)
    assert list(stored(paths, "traces", Trace)) == [f"dogs-00{n}#0" for n in (1, 2, 3)]
    assert stored(paths, "failures", Failure) == {"dogs-001#0": retried}
    assert "2.40 USD" in caplog.text
    caplog.clear()
    run(recipe, reply)
    assert "2.40 USD" in caplog.text
    assert sum(line["failed"] for line in read_metrics(paths.metrics, "sample")) == 0


# --- what is stored, and when -----------------------------------------------------------------


def test_what_came_is_stored_soon_also_when_nothing_more_comes(make, paths, run):
    seen = []

    class Slow(Scripted):
        def answer(self, request):
            if len(self.asked) > 6 and not seen:
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and len(seen) < 3:
                    time.sleep(0.05)
                    seen[:] = stored(paths, "traces", Trace)
            return super().answer(request)

    run(make(completions_per_problem=2), good, kind=Slow, rows=4)
    assert len(seen) >= 3  # while the engine was busy with the next one


def test_no_more_traces_wait_for_their_verdict_than_agreed(make, paths, run, monkeypatch):
    monkeypatch.setattr("distill.stages.sample_feed.MAX_WAITING", 3)
    waiting = []
    ask = previews.Previews.ask

    def counted(self, problem, trace):
        ask(self, problem, trace)
        waiting.append(self.waiting)

    monkeypatch.setattr(previews.Previews, "ask", counted)
    adaptive = Adaptive(needed=3)
    run(make(problems=12, adaptive=adaptive, completions_per_problem=6), good, rows=12)
    assert max(waiting) <= 3
    assert set(tries(paths).values()) == {3}


def test_a_store_that_gives_way_ends_it_with_one_clear_error(make, paths, run, monkeypatch):
    write = Store.write

    def full(self, **changes):
        if "traces" in changes.get("new", {}) and self.count("traces"):
            raise StoreError("run.db: could not be written: disk full")
        return write(self, **changes)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError, match="disk full"):
        run(make(problems=200, completions_per_problem=4), good)
    monkeypatch.undo()
    assert len(stored(paths, "traces", Trace)) == len(stored(paths, "tallies", Tally)) > 0


# --- what brought nothing ---------------------------------------------------------------------

ENDS = {  # reason of a failure: is it asked again by the next start
    "refused": False,
    "too_large": False,
    "bad_reply": True,
    "empty": True,
    "timeout": True,
    "server_error": True,
    "rate_limited": True,
}


@pytest.mark.parametrize("reason", ENDS)
def test_the_next_start_asks_again_what_may_still_be_answered(make, paths, run, reason):
    failure = Failure(
        trace_id="", reason=FailureReason(reason), detail="no", attempts=6, prompt_tokens=10
    )

    def reply(n, index):
        return failure if (n, index) in ((2, 1), (4, 0)) else good(n, index)

    recipe = make(problems=10, completions_per_problem=3)
    with pytest.raises(
        EngineError, match=rf"2 of \d+ requests brought nothing \(2 {reason}\).*: no"
    ):
        run(recipe, reply)
    kept = stored(paths, "traces", Trace)
    engine = run(recipe, good)
    missing = {"dogs-002#1", "dogs-004#0"}
    assert missing & set(engine.asked) == (missing if ENDS[reason] else set())
    found = stored(paths, "traces", Trace)
    assert len(found) == (30 if ENDS[reason] else 28)
    assert all(found[key] == trace for key, trace in kept.items())
    failures = stored(paths, "failures", Failure)
    assert {row.attempts for row in failures.values()} == {6}


def test_what_failed_twice_is_one_row_with_the_cost_of_both(make, paths, run):
    failure = Failure(trace_id="", reason=FailureReason.TIMEOUT, attempts=3, seconds=1.5, **COST)

    def reply(n, index):
        return failure if n < 3 else good(n, index)

    recipe = make(completions_per_problem=4)
    for times in (1, 2):
        with pytest.raises(EngineError):
            run(recipe, reply, rows=1)
        rows = stored(paths, "failures", Failure).values()
        worst = max(rows, key=lambda row: row.attempts)
        assert (worst.attempts, worst.prompt_tokens, worst.seconds) == (
            3 * times,
            10 * times,
            1.5 * times,
        )


def test_one_failure_of_many_does_not_end_a_run(make, paths, run):
    failure = Failure(trace_id="", reason=FailureReason.TIMEOUT)
    recipe = make(problems=20, completions_per_problem=2)
    run(recipe, lambda n, index: failure if (n, index) == (1, 0) else good(n, index))
    assert len(stored(paths, "traces", Trace)) == 39
    strict = msgspec.structs.replace(recipe.sample, max_failed_share=0.0)
    with pytest.raises(EngineError, match=r"1 of \d+ requests .*max_failed_share \(0\)"):
        run(msgspec.structs.replace(recipe, sample=strict), lambda n, index: failure)


def test_a_teacher_that_never_answers_is_given_up_early(make, paths, run):
    failure = Failure(trace_id="", reason=FailureReason.SERVER_ERROR, detail="HTTP 500")
    recipe = make(problems=50, completions_per_problem=4)
    with pytest.raises(EngineError, match=r"20 of 20 requests .*20 server_error.*HTTP 500"):
        run(recipe, lambda n, index: failure)
    assert len(stored(paths, "failures", Failure)) == 20


# --- budgets ----------------------------------------------------------------------------------


def spent_tokens(paths):
    traces = stored(paths, "traces", Trace).values()
    failures = stored(paths, "failures", Failure).values()
    return sum(row.prompt_tokens + row.completion_tokens for row in [*traces, *failures])


@pytest.mark.parametrize("in_waves", [False, True])
@pytest.mark.parametrize("adaptive", [None, Adaptive(needed=2)])
def test_a_budget_of_tokens_is_passed_by_what_is_in_flight_at_most(
    make, paths, run, adaptive, in_waves, caplog
):
    recipe = make(
        problems=20,
        completions_per_problem=4,
        max_tokens=50,
        max_tokens_total=1000,
        adaptive=adaptive,
    )
    with caplog.at_level("INFO", logger="distill"):
        engine = run(recipe, good, in_waves=in_waves)
    assert 1000 <= spent_tokens(paths) < 1000 + 60 * engine.most
    assert "ended by its budget: sample.max_tokens_total: " in caplog.text
    with closing(Store(paths.store)) as store:
        assert ended_by_budget(store).reached.endswith(" of 1000 tokens")
    assert run(recipe, good).asked == []  # nothing is left of it


def test_a_larger_budget_goes_on_and_gets_what_one_start_gets(make, paths, run):
    parts = [make(problems=10, completions_per_problem=2, max_tokens_total=n) for n in (300, 700)]
    for recipe in [*parts, make(problems=10, completions_per_problem=2)]:
        run(recipe, good)
    traces = stored(paths, "traces", Trace)
    assert len(traces) == 20
    assert all(row.completion == good(*place(row)) for row in traces.values())
    with closing(Store(paths.store)) as store:
        assert ended_by_budget(store) is None


def place(trace):
    return int(trace.problem_id.removeprefix("dogs-")), trace.index


def test_dollars_are_counted_over_all_sessions_and_told(make, paths, run, caplog):
    # 10 prompt and 50 completion tokens: 10 * 1 + 50 * 2 = 110 dollars for a million such
    price = Price(usd_per_million_in=1.0, usd_per_million_out=2.0)
    each = 110e-6
    with caplog.at_level("INFO", logger="distill"):
        for usd in (5.5 * each, 9.5 * each):
            run(make(problems=20, price=price, max_usd=usd, max_tokens=50), good, rows=1)
    traces = stored(paths, "traces", Trace).values()
    assert len(traces) == 10
    assert sum(trace.usd for trace in traces) == pytest.approx(10 * each)
    assert "ended by its budget: sample.max_usd: " in caplog.text
    assert read_metrics(paths.metrics, "sample")[-1]["usd_so_far"] == pytest.approx(10 * each)


def test_hours_are_remembered_from_one_session_to_the_next(make, paths, run):
    run(make(problems=3, max_hours=1.0, max_tokens_total=200, max_tokens=50), good, seconds=0.1)
    with closing(Store(paths.store)) as store:
        first = sample.spent(store).seconds
    assert 0.2 < first < 60
    run(make(problems=6, max_hours=1.0), good)
    with closing(Store(paths.store)) as store:
        assert sample.spent(store).seconds > first
    recipe = make(problems=9, max_hours=first / 3600 / 2)
    assert run(recipe, good).asked == []


# --- what a stopped session leaves ------------------------------------------------------------


def test_traces_that_nobody_looked_at_are_looked_at_before_anything_is_asked(make, paths, run):
    recipe = make(adaptive=Adaptive(needed=2), completions_per_problem=8)
    run(recipe, good)
    with closing(Store(paths.store)) as store:
        lost = sorted(store.keys("previews"))[:5]
        store.write(gone={"previews": lost, "verdicts": lost})
    assert run(recipe, bad).asked == []  # all that is needed is there
    assert len(stored(paths, "previews", Preview)) == 12
    assert all(row.kept for row in stored(paths, "previews", Preview).values())


def test_a_run_without_tallies_is_counted_and_gone_on_with(make, paths, run):
    failure = Failure(trace_id="", reason=FailureReason.TIMEOUT)
    with pytest.raises(EngineError):
        run(make(completions_per_problem=4), lambda n, i: good(n, i) if i < 2 else failure)
    with closing(Store(paths.store)) as store:
        tallies = dict(store.scan_items("tallies", Tally))
        store.clear("tallies")
        store.clear("failures")
    assert tallies
    engine = run(make(completions_per_problem=4), good)
    assert not tallies.keys() & set(engine.asked)
    assert tallies.items() <= stored(paths, "tallies", Tally).items()
    assert len(stored(paths, "traces", Trace)) == 24


def test_a_damaged_trace_that_was_taken_out_is_asked_again(make, paths, run):
    recipe = make(adaptive=Adaptive(needed=2), completions_per_problem=8)
    run(recipe, good)
    with closing(Store(paths.store)) as store:
        store.write(gone={"traces": ["dogs-003#1"]})
    assert run(recipe, good).asked == ["dogs-003#1"]


class Stopped(Scripted):
    """Is stopped after so many answers of this session."""

    after = 5

    def answer(self, request):
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt
        return super().answer(request)


def test_an_interrupted_wave_is_asked_again_whole_and_stored_once(make, paths, run):
    recipe = make(problems=10, completions_per_problem=2)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, good, kind=Stopped, in_waves=True)
    first = stored(paths, "traces", Trace)
    assert len(first) == 5
    engine = run(recipe, lambda n, index: good(n, index) + " and more", in_waves=True)
    assert engine.waves[0] == [f"dogs-{n:03}#{i}" for n in range(1, 5) for i in range(2)]
    found = stored(paths, "traces", Trace)
    assert len(found) == 20
    assert {key: found[key] for key in first} == first  # what was stored stays


def test_stopped_waves_with_withdrawn_tries_end_as_an_undisturbed_run(make, paths, run):
    def reply(n, index):
        return good(n, index) if random.Random(f"{n} {index}").random() < 0.3 else bad(n, index)

    adaptive = Adaptive(needed=2, speculation=1.0, completions_per_kept=1000)
    recipe = make(problems=12, adaptive=adaptive, completions_per_problem=16)
    tables = {"traces": Trace, "failures": Failure, "verdicts": Verdict, "previews": Preview}

    def rows():
        found = {name: stored(paths, name, kind) for name, kind in tables.items()}
        untimed = {k: msgspec.structs.replace(v, seconds=0) for k, v in found["verdicts"].items()}
        return found | {"verdicts": untimed}

    run(recipe, reply, in_waves=True, rows=16)
    whole = rows()
    assert len(whole["failures"]) > 2
    shutil.rmtree(paths.root)
    for after in (9, 20, 3, 30):
        with pytest.raises(KeyboardInterrupt):
            run(recipe, reply, kind=type("_", (Stopped,), {"after": after}), in_waves=True, rows=16)
    run(recipe, reply, in_waves=True, rows=16)
    assert rows() == whole


def test_without_waves_only_what_is_missing_is_asked(make, paths, run):
    recipe = make(problems=10, completions_per_problem=2)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, good, kind=Stopped)
    first = stored(paths, "traces", Trace)
    engine = run(recipe, good)
    assert not first.keys() & set(engine.asked)
    assert len(stored(paths, "traces", Trace)) == 20


# --- verification beside generation -----------------------------------------------------------

DEADLY = """
import os
from contextlib import contextmanager
from distill.stages import previews

@contextmanager
def look_served(settings, keys):
    with previews.look_served(settings, keys) as look:
        def maybe(asked):
            if asked[1].endswith("#0"):
                os._exit(7)
            return look(asked)
        yield maybe
"""


def test_a_lost_look_is_of_an_unverified_trace_and_stops_nothing(
    make, paths, run, tmp_path, monkeypatch
):
    name = f"deadly_{os.getpid()}_{time.monotonic_ns()}"
    (tmp_path / f"{name}.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    crew = previews.Crew
    served = importlib.import_module(name).look_served
    monkeypatch.setattr(
        previews, "Crew", lambda work, *rest: crew(partial(served, *work.args), *rest)
    )
    run(make(problems=2, adaptive=Adaptive(needed=1), completions_per_problem=4), good, rows=1)
    verdicts, found = stored(paths, "verdicts", Verdict), stored(paths, "previews", Preview)
    for problem in ("dogs-001", "dogs-002"):
        lost = verdicts[f"{problem}#0"]
        assert (lost.correct, lost.reason) == (None, "verifier_error")
        assert found[f"{problem}#0"].reason == "unverified"
        assert found[f"{problem}#1"].kept


def test_what_only_a_judge_would_accept_cannot_be_sampled_adaptively(make, paths, run):
    recipe = make(adaptive=Adaptive(), keys={"accept": "judge"})
    with pytest.raises(RecipeError, match=r"sample\.adaptive .*filter\.accept is 'judge'"):
        run(recipe, good)

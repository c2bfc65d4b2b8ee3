"""The teacher writes traces: problems are asked while that is worth its price, all is stored."""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial

from distill.engines.base import SamplingParams
from distill.engines.open import open_engine
from distill.errors import EngineError, StoreError
from distill.problems.sources import load_problems
from distill.progress import progress
from distill.recipe import Price, Recipe
from distill.records import Problem, Trace
from distill.runlog import fingerprint, read_metrics, summary
from distill.sampling.budget import Budget
from distill.sampling.policy import Policy
from distill.stages.budget_end import limits_of, note_end
from distill.stages.examination import overlapping
from distill.stages.previews import Previews, check_possible
from distill.stages.sample_clerk import Clerk
from distill.stages.sample_feed import SampleFeed
from distill.stages.sample_meter import Meter
from distill.stages.sample_requests import Teacher
from distill.stages.sample_settings import settings_of
from distill.stages.sample_state import (
    GIVEN_UP,
    Before,
    agree,
    count_stored,
    restore,
    spent,
)
from distill.store import RunPaths, Store

logger = logging.getLogger("distill")

OVERLAPS = "overlaps:sample"  # key of the mark


class Session:
    """What is asked of whom, and what it may cost; how long it has taken."""

    def __init__(self, recipe: Recipe, problems: Sequence[Problem], store: Store) -> None:
        sample = recipe.sample
        self.recipe, self.problems, self.store = recipe, problems, store
        self.places = {problem.problem_id: place for place, problem in enumerate(problems)}
        self.policy = Policy(len(problems), settings_of(recipe), _families(problems))
        seconds = spent(store).seconds
        self.budget = Budget(
            limits_of(sample),
            sample.price,
            hours_before=seconds / 3600,
            first_guess=(0, sample.max_tokens),
        )
        self._seconds_before = seconds
        self._began: float | None = None

    def begin(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def hours(self) -> float:
        """Since it began."""
        return 0.0 if self._began is None else (time.monotonic() - self._began) / 3600

    def seconds(self) -> float:
        """Sampled in all sessions."""
        return self._seconds_before + 3600 * self.hours()


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Ask the teacher what is worth asking, as far as the budget goes; go on where it stopped.

    Raises: EngineError if the teacher cannot be opened or fails, or too many requests bring
        nothing; StoreError if the disk fails; RecipeError for what cannot be foreseen.
    """
    problems = load_problems(recipe.problems.train, limit=recipe.problems.limit)
    looks = recipe.sample.adaptive is not None
    with closing(Store(paths.store)) as store:
        stored = store.keys("problems")
        new = [(one.problem_id, one) for one in problems if one.problem_id not in stored]
        store.put("problems", new)
        agree(store)
        session = Session(recipe, problems, store)
        if looks:
            has_programs = any(one.verifier == "code" for one in problems)
            check_possible(recipe.verify, recipe.filter, has_programs=has_programs)
            _forgo_overlapping(session)
        before = restore(store, session.places, session.policy, session.budget, looks=looks)
        is_open = before.wave or before.unseen or not session.policy.finished
        if is_open and session.budget.reached(0.0) is None:
            _ask(session, paths, before)
        _close(session, paths)


def _families(problems: Sequence[Problem]) -> list[int]:
    """Number of each problem's family."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(problem.family, len(numbers)) for problem in problems]


def _forgo_overlapping(session: Session) -> None:
    """Ask nothing of which the filter would drop every trace, for what its question has."""
    for problem_id in _overlapping_once(session.recipe, list(session.problems), session.store):
        if problem_id in session.places:
            session.policy.forgo(session.places[problem_id], "test_overlap")


def _overlapping_once(recipe: Recipe, problems: list[Problem], store: Store) -> list[str]:
    """Found once and kept: of many problems it takes a while."""
    keys = recipe.filter
    asked = fingerprint(
        [problem.question for problem in problems],
        recipe.evaluate.test_sets,
        keys.overlap_ngram,
        keys.overlap_char_ngram,
    )
    mark = store.mark(OVERLAPS)
    if mark is None or json.loads(mark)["asked"] != asked:
        found = sorted(overlapping(recipe, problems))
        mark = json.dumps({"asked": asked, "problems": found})
        store.set_mark(OVERLAPS, mark)
    return json.loads(mark)["problems"]


def _ask(session: Session, paths: RunPaths, before: Before) -> None:
    """Open the teacher and work off what is worth asking; what came is stored, however it ends."""
    recipe, sample = session.recipe, session.recipe.sample
    looks = sample.adaptive is not None
    with ExitStack() as stack:
        previews = None
        if looks:
            previews = stack.enter_context(closing(Previews(recipe.verify, recipe.filter)))
        session.begin()
        engine = stack.enter_context(
            closing(
                open_engine(
                    sample.engine,
                    sample.teacher,
                    batch_size=sample.batch_size,
                    vllm=sample.vllm,
                    server=sample.server,
                    ray=sample.ray,
                )
            )
        )
        teacher = Teacher(recipe, engine, session.problems)
        standing = session.policy.standing()
        total = standing.tried + standing.expected_left
        bar = stack.enter_context(progress(total, "sample", done=before.counts.traces))
        meter = Meter(
            paths.metrics, bar, before.counts, looks=looks, is_free=sample.price == Price()
        )
        stack.push(partial(_last_line, meter))
        clerk = stack.enter_context(Clerk(paths.store, session.seconds, meter.stored))
        feed = SampleFeed(
            session.problems,
            teacher.request,
            teacher.trace,
            policy=session.policy,
            budget=session.budget,
            clerk=clerk,
            previews=previews,
            hours=session.hours,
            before=before,
            in_waves=engine.in_waves,
            max_failed_share=sample.max_failed_share,
        )
        feed.look_at(_unseen(session, before))
        engine.work(feed, _params(recipe))
        feed.end()


def _last_line(meter: Meter, kind: type[BaseException] | None, *ending: object) -> None:
    """Log what is left; where something else ended it, that is what is told."""
    try:
        meter.log()
    except StoreError:
        if kind is None:
            raise


def _unseen(session: Session, before: Before):
    for key in before.unseen:
        trace = session.store.get("traces", key, Trace)
        yield session.places[trace.problem_id], trace


def _params(recipe: Recipe) -> SamplingParams:
    sample = recipe.sample
    longer = sample.adaptive and sample.adaptive.longer_max_tokens
    return SamplingParams(
        max_tokens=longer or sample.max_tokens,
        temperature=sample.temperature,
        top_p=sample.top_p,
        logprobs=False,
    )


def _close(session: Session, paths: RunPaths) -> None:
    """Say what there is, and why there is no more of it.

    Raises: EngineError if the engine stopped asking for requests though there are some.
    """
    policy, store = session.policy, session.store
    reached = None if policy.finished else session.budget.reached(session.hours())
    if not policy.finished and reached is None:
        raise EngineError(
            f"the engine {session.recipe.sample.engine!r} ended though there is more to ask; what "
            "came is stored, and the next start goes on"
        )
    note_end(store, session.recipe.sample, reached)
    store.set_mark(GIVEN_UP, json.dumps(policy.standing().given_up))
    counts, lines = count_stored(store), read_metrics(paths.metrics, "sample")
    seconds = sum(line["seconds"] for line in lines)
    rate = sum(line["completion_tokens"] for line in lines) / max(seconds, 1e-9)
    said = [
        f"{len(session.problems)} problems, {counts.traces} completions, "
        f"{counts.completion_tokens} tokens, {counts.truncated} truncated, {rate:.0f} tokens/s"
    ]
    if session.recipe.sample.adaptive is not None:
        said.append(_standing(session, right=counts.right, kept=counts.kept))
    if session.recipe.sample.price != Price():
        said.append(f"{session.budget.usd(session.hours()):.2f} USD")
    if reached is not None:
        said.append(f"ended by its budget: {reached}; a larger one goes on where it stopped")
    summary("sample", "; ".join(said))


def _standing(session: Session, *, right: int, kept: int) -> str:
    standing = session.policy.standing()
    given_up = ", ".join(f"{n} {reason}" for reason, n in sorted(standing.given_up.items()))
    said = f"{right} right, {kept} kept, {standing.solved} problems solved"
    return f"{said}, given up: {given_up}" if given_up else said

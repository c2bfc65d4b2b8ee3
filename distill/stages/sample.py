"""The teacher writes traces: it is asked each problem several times, all it says is stored."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec
from tqdm import tqdm

from distill.chat import render_prompt
from distill.engines.base import Engine, Prompt, SamplingParams
from distill.engines.open import open_engine
from distill.problems.sources import load_problems
from distill.recipe import Recipe
from distill.records import Completion, Problem, Trace
from distill.runlog import derived_seed, log_metrics, progress, read_metrics, summary
from distill.store import RunPaths, Store

FLUSH_ROWS = 64
FLUSH_SECONDS = 0.5


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked in one call of the engine.

    A batch that was interrupted is asked again whole: low-order bits of logits, and so in rare
    cases a token, depend on which rows are computed together. Rows that are there already stay.
    """

    number: int
    problems: tuple[Problem, ...]


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Store `completions_per_problem` traces of every training problem; go on where it stopped.

    Raises: EngineError if the teacher cannot be opened or fails; StoreError if the disk does.
    """
    problems = load_problems(recipe.problems.train, limit=recipe.problems.limit)
    with closing(Store(paths.store)) as store:
        store.put("problems", [(problem.problem_id, problem) for problem in problems])
        stored = store.keys("traces")
        batches = list(_batches(recipe, problems))
        waiting = [batch for batch in batches if not _trace_ids(recipe, batch) <= stored]
        wanted = set().union(*(_trace_ids(recipe, batch) for batch in batches))
        with progress(len(wanted), "sample", done=len(wanted & stored)) as bar:
            _sample(recipe, paths, store, waiting, bar)
        _summarise(paths, store)


def _batches(recipe: Recipe, problems: Sequence[Problem]) -> Iterator[Batch]:
    size = recipe.sample.problems_per_batch
    for number, start in enumerate(range(0, len(problems), size)):
        yield Batch(number=number, problems=tuple(problems[start : start + size]))


def _trace_ids(recipe: Recipe, batch: Batch) -> set[str]:
    indices = range(recipe.sample.completions_per_problem)
    return {f"{problem.problem_id}#{index}" for problem in batch.problems for index in indices}


def _sample(
    recipe: Recipe, paths: RunPaths, store: Store, batches: Sequence[Batch], bar: tqdm
) -> None:
    """Ask the teacher the batches that wait; one line of metrics for each that is done."""
    if not batches:
        return
    sample = recipe.sample
    engine = open_engine(sample.engine, sample.teacher, batch_size=sample.batch_size)
    for batch in batches:
        started = time.monotonic()
        traces = _ask(recipe, batch, engine, store, bar)
        seconds = time.monotonic() - started
        tokens = sum(trace.completion_tokens for trace in traces)
        log_metrics(
            paths.metrics,
            "sample",
            batch=batch.number,
            problems=len(batch.problems),
            completions=len(traces),
            prompt_tokens=sum(trace.prompt_tokens for trace in traces if trace.index == 0),
            completion_tokens=tokens,
            truncated=sum(trace.finish_reason == "length" for trace in traces),
            seconds=round(seconds, 3),
            tokens_per_second=round(tokens / seconds, 1),
        )


def _ask(recipe: Recipe, batch: Batch, engine: Engine, store: Store, bar: tqdm) -> list[Trace]:
    """Sample one batch; what has finished is stored, whatever ends the call."""
    sample = recipe.sample
    prompts = [_prompt(recipe, problem, engine) for problem in batch.problems]
    params = SamplingParams(
        max_tokens=sample.max_tokens, temperature=sample.temperature, top_p=sample.top_p
    )
    traces: list[Trace] = []
    with closing(TraceBuffer(store, bar)) as buffer:

        def keep(prompt_index: int, index: int, completion: Completion) -> None:
            problem, prompt = batch.problems[prompt_index], prompts[prompt_index]
            trace = _trace(sample.teacher, problem, index, prompt, completion)
            traces.append(trace)
            buffer.add(trace)

        engine.generate(prompts, params, keep)
    return traces


def _prompt(recipe: Recipe, problem: Problem, engine: Engine) -> Prompt:
    tokenizer = getattr(engine, "tokenizer", None)
    return Prompt(
        text=render_prompt(problem.question, prompt=recipe.sample.prompt, tokenizer=tokenizer),
        seeds=tuple(
            derived_seed(recipe.seed, "sample", problem.problem_id, index)
            for index in range(recipe.sample.completions_per_problem)
        ),
    )


def _trace(
    teacher: str, problem: Problem, index: int, prompt: Prompt, completion: Completion
) -> Trace:
    return Trace(
        problem_id=problem.problem_id,
        index=index,
        prompt=prompt.text,
        completion=completion.text,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=len(completion.token_ids),
        teacher=teacher,
        seed=prompt.seeds[index],
    )


class TraceBuffer:
    """Stores traces a few at a time; the bar shows only what would survive a kill."""

    def __init__(self, store: Store, bar: tqdm) -> None:
        self._store = store
        self._bar = bar
        self._traces: list[Trace] = []
        self._tokens = 0
        self._started = self._flushed = time.monotonic()

    def add(self, trace: Trace) -> None:
        """Take a trace; it is stored within FLUSH_ROWS traces or with the next after a while."""
        self._traces.append(trace)
        self._tokens += trace.completion_tokens
        waited = time.monotonic() - self._flushed
        if len(self._traces) >= FLUSH_ROWS or waited >= FLUSH_SECONDS:
            self.close()

    def close(self) -> None:
        """Store what is left."""
        new = self._store.put("traces", [(trace.trace_id, trace) for trace in self._traces])
        self._traces = []
        self._flushed = time.monotonic()
        rate = self._tokens / max(self._flushed - self._started, 1e-9)
        self._bar.set_postfix_str(f"{rate:.0f} tokens/s", refresh=False)
        self._bar.update(new)


def _summarise(paths: RunPaths, store: Store) -> None:
    completions = tokens = truncated = 0
    for trace in store.scan("traces", Trace):
        completions += 1
        tokens += trace.completion_tokens
        truncated += trace.finish_reason == "length"
    lines = read_metrics(paths.metrics, "sample")
    seconds = sum(line["seconds"] for line in lines)
    rate = sum(line["completion_tokens"] for line in lines) / max(seconds, 1e-9)
    summary(
        "sample",
        f"{store.count('problems')} problems, {completions} completions, {tokens} tokens, "
        f"{truncated} truncated, {rate:.0f} tokens/s",
    )

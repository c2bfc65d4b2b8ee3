"""How good is each row: every model answers every test set, and each answer is verified."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from distill.chat import has_format, opened, render_prompt
from distill.engines.base import Engine, Prompt, SamplingParams, generate
from distill.engines.open import open_engine
from distill.errors import StoreError
from distill.problems.sources import load_problems
from distill.progress import Bar, progress
from distill.recipe import GrpoRun, Recipe
from distill.records import Completion, Problem, Score
from distill.runlog import derived_seed, log_metrics, summary
from distill.store import RunPaths, Store
from distill.verifiers.verdict import Verifier, open_verifier

BATCHES_PER_UNIT = 8  # work done again after a kill: this many engine batches at most
FLUSH_ROWS = 64  # scores stored in one transaction; the bar counts what is stored


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: who answers, and with which prompt."""

    name: str
    model: str
    prompt: str
    stage: str = ""  # the stage of this run that makes the model; "" for one given by the recipe
    engine: str = "transformers"


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked in one call of the engine.

    A unit that was interrupted is asked again whole: low-order bits of logits, and so in rare
    cases a token, depend on which rows are computed together. Scores that are there already stay.
    """

    row: Row
    test_set: str
    problems: tuple[Problem, ...]
    seeds: tuple[tuple[int, ...], ...]  # one per completion; equal for all rows


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Answer and verify what is not yet scored, one model in memory at a time.

    Raises: StoreError if a row's model is not there yet, naming the stage that makes it.
    """
    rows = evaluated_rows(recipe, paths)
    for row in rows:
        _check_model(row)
    units = list(_units(recipe, rows))
    with closing(Store(paths.store)) as store:
        stored = store.keys("scores")
        wanted = set().union(*map(_score_ids, units))
        waiting = [unit for unit in units if not _score_ids(unit) <= stored]
        with (
            progress(len(wanted), "evaluate", done=len(wanted & stored)) as bar,
            open_verifier(recipe.verify) as verifier,
        ):
            for row in rows:
                of_row = [unit for unit in waiting if unit.row == row]
                _answer(recipe, paths, store, of_row, verifier, bar)
        _summarise(recipe, store, rows)


def evaluated_rows(recipe: Recipe, paths: RunPaths) -> list[Row]:
    """The rows of the table, in the order in which they are evaluated."""
    return [
        Row(name="base", model=recipe.sft.base, prompt=recipe.grpo.prompt),
        *(_grpo_row(recipe, paths, name) for name in recipe.grpo.runs),
        Row(
            name="sft",
            model=str(paths.sft / "model"),
            prompt=recipe.sft.prompt,
            stage="sft",
        ),
        *_teacher_row(recipe),
    ]


def problems_of_test_sets(recipe: Recipe) -> dict[str, list[Problem]]:
    """The problems of each test set."""
    limit = recipe.evaluate.limit
    return {
        name: load_problems(source, limit=limit)
        for name, source in recipe.evaluate.test_sets.items()
    }


def _grpo_row(recipe: Recipe, paths: RunPaths, name: str) -> Row:
    grpo_run: GrpoRun = recipe.grpo.runs[name]
    prompt = recipe.sft.prompt if grpo_run.start_from == "sft" else recipe.grpo.prompt
    return Row(name=name, model=str(paths.grpo_run(name) / "model"), prompt=prompt, stage="grpo")


def _teacher_row(recipe: Recipe) -> list[Row]:
    """The teacher, by the engine that sampled it on this machine; none where it has no model here.

    A server is not asked the test problems: that would be paid for like the traces.
    """
    sample = recipe.sample
    if sample.engine == "server":
        return []
    engine = sample.ray.engine if sample.engine == "ray" else sample.engine
    return [Row(name="teacher", model=sample.teacher, prompt=sample.prompt, engine=engine)]


def _check_model(row: Row) -> None:
    if row.stage and not (Path(row.model) / "config.json").is_file():
        raise StoreError(
            f"{row.model}: row {row.name!r} has no model yet; "
            f"run `distill {row.stage}` with this recipe first"
        )


def _units(recipe: Recipe, rows: Sequence[Row]) -> Iterator[Unit]:
    samples = recipe.evaluate.completions_per_problem
    step = max(1, BATCHES_PER_UNIT * recipe.evaluate.batch_size // samples)
    problems = problems_of_test_sets(recipe)
    for row in rows:
        for test_set, asked in problems.items():
            for start in range(0, len(asked), step):
                part = tuple(asked[start : start + step])
                seeds = tuple(_seeds(recipe, test_set, problem) for problem in part)
                yield Unit(row=row, test_set=test_set, problems=part, seeds=seeds)


def _seeds(recipe: Recipe, test_set: str, problem: Problem) -> tuple[int, ...]:
    return tuple(
        derived_seed(recipe.seed, "evaluate", test_set, problem.problem_id, index)
        for index in range(recipe.evaluate.completions_per_problem)
    )


def _size(unit: Unit) -> int:
    return sum(len(seeds) for seeds in unit.seeds)


def _score_ids(unit: Unit) -> set[str]:
    return {
        f"{unit.row.name}/{unit.test_set}/{problem.problem_id}#{index}"
        for problem, seeds in zip(unit.problems, unit.seeds, strict=True)
        for index in range(len(seeds))
    }


def _answer(
    recipe: Recipe,
    paths: RunPaths,
    store: Store,
    units: Sequence[Unit],
    verifier: Verifier,
    bar: Bar,
) -> None:
    """Answer the units of one row with its model; one line of metrics for each that is done."""
    if not units:
        return
    row = units[0].row
    bar.tell(row.name)
    with closing(_opened(recipe, row)) as engine:
        for unit in units:
            started = time.monotonic()
            tokens = _answer_unit(recipe, unit, engine, verifier, store, bar)
            log_metrics(
                paths.metrics,
                "evaluate",
                row=row.name,
                test_set=unit.test_set,
                problems=len(unit.problems),
                completions=_size(unit),
                tokens=tokens,
                seconds=round(time.monotonic() - started, 3),
            )


def _opened(recipe: Recipe, row: Row) -> Engine:
    batch_size = recipe.evaluate.batch_size
    return open_engine(row.engine, row.model, batch_size=batch_size, vllm=recipe.sample.vllm)


def _answer_unit(
    recipe: Recipe, unit: Unit, engine: Engine, verifier: Verifier, store: Store, bar: Bar
) -> int:
    """Sample a unit, verify each completion at once, store some at a time.

    Returns: completion tokens.
    """
    scores: list[Score] = []
    prompts = _prompts(unit, engine)
    tokens = 0

    def store_scores() -> None:
        bar.update(store.put("scores", [(score.score_id, score) for score in scores]))
        scores.clear()

    def score_it(prompt_index: int, index: int, completion: Completion) -> None:
        nonlocal tokens
        problem, seed = unit.problems[prompt_index], unit.seeds[prompt_index][index]
        prompt = prompts[prompt_index].text
        scores.append(_score(unit, problem, index, seed, prompt, completion, verifier))
        tokens += completion.completion_tokens
        if len(scores) >= FLUSH_ROWS:
            store_scores()

    evaluate = recipe.evaluate
    params = SamplingParams(
        max_tokens=evaluate.max_tokens,
        temperature=evaluate.temperature,
        top_p=evaluate.top_p,
        logprobs=False,
    )
    try:
        generate(engine, prompts, params, score_it)
    finally:
        store_scores()
    return tokens


def _prompts(unit: Unit, engine: Engine) -> list[Prompt]:
    return [
        Prompt(
            text=render_prompt(
                problem.question, prompt=unit.row.prompt, tokenizer=engine.tokenizer
            ),
            seeds=seeds,
        )
        for problem, seeds in zip(unit.problems, unit.seeds, strict=True)
    ]


def _score(
    unit: Unit,
    problem: Problem,
    index: int,
    seed: int,
    prompt: str,
    completion: Completion,
    verifier: Verifier,
) -> Score:
    trace_id = f"{unit.row.name}/{unit.test_set}/{problem.problem_id}#{index}"
    text = opened(prompt, completion.text)
    verdict = verifier.verify(problem, trace_id, text, completion.finish_reason)
    return Score(
        row=unit.row.name,
        test_set=unit.test_set,
        problem_id=problem.problem_id,
        index=index,
        completion=completion.text,
        finish_reason=completion.finish_reason,
        completion_tokens=completion.completion_tokens,
        correct=verdict.correct,
        reason=verdict.reason,
        answer=verdict.answer,
        has_format=has_format(text),
        seed=seed,
        family=problem.family,
    )


def _summarise(recipe: Recipe, store: Store, rows: Sequence[Row]) -> None:
    """Closing line: completions, right ones, and those the verifier failed on."""
    parts = []
    for row in rows:
        verdicts = [score.correct for score in store.scan("scores", Score, prefix=f"{row.name}/")]
        known = [correct for correct in verdicts if correct is not None]
        share = f"{100 * sum(known) / len(known):.1f}%" if known else "none known"
        unknown = len(verdicts) - len(known)
        parts.append(f"{row.name} {share}" + (f" ({unknown} unverified)" if unknown else ""))
    tests = len(recipe.evaluate.test_sets)
    text = f"{len(rows)} rows, {tests} test sets, {store.count('scores')} completions; right: "
    summary("evaluate", text + ", ".join(parts))
    if "teacher" not in {row.name for row in rows}:
        teacher = recipe.sample.teacher
        summary("evaluate", f"no row for the teacher {teacher}: only a server has it")

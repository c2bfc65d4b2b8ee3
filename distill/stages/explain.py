"""What a recipe would do, without doing it: work, tokens, memory, paths, and a trial of rewards."""

import json
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
from huggingface_hub import try_to_load_from_cache

from distill.problems.sources import load_problems
from distill.recipe import Recipe
from distill.recipe_paths import models_of, sources_of, split_revision
from distill.records import Decision, Problem, Trace
from distill.store import RunPaths, Store
from distill.training.planner import (
    Memory,
    Shape,
    readable,
    sampling_memory,
    shape_of_config,
    shape_of_name,
    training_memory,
)
from distill.verifiers.verdict import open_verifier

TRIED_PER_FAMILY = 3
PROMPT_TOKENS = 200  # a guess, where no model has been asked yet
ABSENT = "not on this machine"
JUDGED = {True: "right", False: "not right", None: "not at all"}


class Explanation(msgspec.Struct, frozen=True):
    """Text to print, and whether the rewards behave."""

    text: str
    rewards_hold: bool


class Trial(msgspec.Struct, frozen=True):
    """One completion of known worth, and whether the verifier agrees."""

    problem_id: str
    family: str
    kind: str  # "reference", "empty" or "wrong"
    should_score: bool
    scored: bool | None
    reason: str

    @property
    def holds(self) -> bool:
        """Full reward exactly when it should be; a verifier that fails proves nothing."""
        return self.scored is self.should_score


def explain(recipe: Recipe, paths: RunPaths, absent: Collection[str] = ()) -> Explanation:
    """Describe a run and try its rewards; no work is done and no network is used.

    Args:
        recipe: checked, its paths as they are seen from here.
        paths: the run folder, which need not exist.
        absent: dotted keys of problem files that are not here: their limits stand in for them.
    Raises: RecipeError or RecordError for problems that cannot be read.
    """
    limits = _limits(recipe)
    problems = _load_sources(recipe, limits, absent)
    counts = {key: len(rows) for key, rows in problems.items()}
    counts |= {key: limits[key] or 0 for key in absent}
    trials = try_rewards(recipe, problems)
    parts = [
        f"{recipe.name}: what `distill run` would do",
        _section("Problems", _problem_lines(recipe, counts, absent)),
        _section("Work", _work_lines(recipe, counts, _seen(paths))),
        _section("Memory (estimates)", _memory_lines(recipe)),
        _section("Paths", _path_lines(recipe, paths)),
        _section("Trial of the rewards", _trial_lines(recipe, trials)),
    ]
    return Explanation("\n\n".join(parts), all(trial.holds for trial in trials))


def try_rewards(recipe: Recipe, problems: dict[str, list[Problem]]) -> list[Trial]:
    """Verify answers of known worth: the reference scores, an empty and a wrong one do not."""
    trials = []
    with open_verifier(recipe.verify) as verifier:
        for problem in _few_of_each_family(problems):
            for kind, completion in _completions_of_known_worth(problem).items():
                verdict = verifier.verify(problem, f"trial:{kind}", completion, "stop")
                trials.append(
                    Trial(
                        problem_id=problem.problem_id,
                        family=problem.family,
                        kind=kind,
                        should_score=kind == "reference",
                        scored=verdict.correct,
                        reason=str(verdict.reason),
                    )
                )
    return trials


def wrong_answer(reference: str) -> str:
    """An answer that is certainly not the reference."""
    text = reference.strip()
    if re.fullmatch(r"-?\d{1,18}", text):
        return str(int(text) + 1)
    if re.fullmatch(r"[A-Z]", text):
        return "A" if text != "A" else "B"
    is_zero = re.search(r"[^-+0.,]", text) is None  # "0.0", or a number of 5000 zeros
    return "1" if is_zero else "0"


def _completions_of_known_worth(problem: Problem) -> dict[str, str]:
    def answered(answer: str) -> str:
        return f"<think>I try this.</think> <answer>{answer}</answer>"

    return {
        "reference": answered(problem.reference),
        "empty": "",
        "wrong": answered(wrong_answer(problem.reference)),
    }


def _few_of_each_family(problems: dict[str, list[Problem]]) -> Iterator[Problem]:
    tried: dict[str, int] = {}
    for key, rows in problems.items():
        for problem in rows:
            group = problem.family or key
            tried[group] = tried.get(group, 0) + 1
            if tried[group] <= TRIED_PER_FAMILY:
                yield problem


def _limits(recipe: Recipe) -> dict[str, int | None]:
    own = {"problems.train": recipe.problems.limit, "problems.rl": recipe.problems.rl_limit}
    return {key: own.get(key, recipe.evaluate.limit) for key in sources_of(recipe)}


def _load_sources(
    recipe: Recipe, limits: dict[str, int | None], absent: Collection[str]
) -> dict[str, list[Problem]]:
    return {
        key: load_problems(source, limit=limits[key])
        for key, source in sources_of(recipe).items()
        if key not in absent
    }


def _problem_lines(recipe: Recipe, counts: dict[str, int], absent: Collection[str]) -> list[str]:
    lines = []
    for key, source in sources_of(recipe).items():
        line = f"{counts[key]} from {source}"
        if key in absent:
            known = f"{counts[key]} by its limit" if counts[key] else "number not known"
            line = f"{known}; {source} is {ABSENT}: bring it before the run"
        lines.append(f"{key}: {line}")
    return lines


class Seen(msgspec.Struct, frozen=True):
    """What a run folder tells of lengths and yields."""

    traces: int
    prompt_tokens: float
    completion_tokens: float
    kept_share: float | None


def _seen(paths: RunPaths) -> Seen | None:
    """Means over the traces of a run folder; None where there are none."""
    if not _was_begun(paths):
        return None
    store = Store(paths.store, read_only=True)
    prompt_tokens = completion_tokens = traces = 0
    for trace in store.scan("traces", Trace):
        traces += 1
        prompt_tokens += trace.prompt_tokens
        completion_tokens += trace.completion_tokens
    decisions = [decision.kept for decision in store.scan("decisions", Decision)]
    store.close()
    if not traces:
        return None
    kept = sum(decisions) / len(decisions) if decisions else None
    return Seen(traces, prompt_tokens / traces, completion_tokens / traces, kept)


def _was_begun(paths: RunPaths) -> bool:
    return paths.store.is_file() and paths.store.stat().st_size > 0


def _work_lines(recipe: Recipe, counts: dict[str, int], seen: Seen | None) -> list[str]:
    sample, sft = recipe.sample, recipe.sft
    train = counts["problems.train"]
    traces = train * sample.completions_per_problem
    keep = recipe.filter.keep_per_problem or sample.completions_per_problem
    kept = train * min(keep, sample.completions_per_problem)
    updates = math.ceil(max(1, round(kept * sft.epochs)) / sft.batch_size)
    lines = [
        f"sample: {train} problems x {sample.completions_per_problem} = {traces} completions "
        f"(T {sample.temperature}, top-p {sample.top_p}), at most "
        f"{_many(traces * sample.max_tokens)} tokens" + _expected_sampling(traces, seen),
        f"verify, filter: {traces} traces, at most {kept} kept",
        f"sft: at most {kept} examples x {sft.epochs:g} epochs, {sft.batch_size} examples per "
        f"update, at most {updates} updates and {_many(kept * sft.epochs * sft.max_length)} "
        f"tokens, learning rate {sft.learning_rate:g} falling to a tenth"
        + _expected_training(traces, sft.epochs, seen),
        *_grpo_lines(recipe),
        _evaluate_line(recipe, counts),
    ]
    return lines


def _expected_sampling(traces: int, seen: Seen | None) -> str:
    if seen is None:
        return ""
    return (
        f"; {_many(traces * seen.completion_tokens)} expected "
        f"({seen.completion_tokens:.0f} per completion over {seen.traces} traces here)"
    )


def _expected_training(traces: int, epochs: float, seen: Seen | None) -> str:
    if seen is None or seen.kept_share is None:
        return ""
    tokens = traces * seen.kept_share * epochs * (seen.prompt_tokens + seen.completion_tokens)
    return f"; {_many(tokens)} tokens expected ({100 * seen.kept_share:.0f}% of traces kept here)"


def _grpo_lines(recipe: Recipe) -> list[str]:
    grpo = recipe.grpo
    rollouts = grpo.prompts_per_step * grpo.group_size
    lines = []
    for name, run in grpo.runs.items():
        steps = run.steps or grpo.steps
        lines.append(
            f"grpo {name}: from {run.start_from}, {run.reward} reward, {steps} steps x "
            f"{grpo.prompts_per_step} prompts x {grpo.group_size} rollouts = {steps * rollouts} "
            f"rollouts, {grpo.updates_per_step} update(s) per step, at most "
            f"{_many(steps * rollouts * grpo.max_tokens)} tokens"
        )
    return lines


def _evaluate_line(recipe: Recipe, counts: dict[str, int]) -> str:
    evaluate = recipe.evaluate
    tests = sum(counts[f"evaluate.test_sets.{name}"] for name in evaluate.test_sets)
    rows = 3 + len(recipe.grpo.runs)  # base, sft, teacher, and each run
    answers = tests * evaluate.completions_per_problem
    if not tests:
        return f"evaluate: {rows} rows, number of problems not known"
    return (
        f"evaluate: {rows} rows x {tests} problems x {evaluate.completions_per_problem} = "
        f"{rows * answers} completions, pass@1, pass@{evaluate.k} and cons@{evaluate.k}, at most "
        f"{_many(rows * answers * evaluate.max_tokens)} tokens"
    )


def _memory_lines(recipe: Recipe) -> list[str]:
    gpu = _has_gpu()
    shapes, notes = {}, []
    for key, name in models_of(recipe).items():
        shapes[key], note = find_shape(name)
        notes.append(f"{key}: {name}: {note}")
    sample, sft, grpo, evaluate = recipe.sample, recipe.sft, recipe.grpo, recipe.evaluate
    micro = sft.trl.get("per_device_train_batch_size", sft.batch_size)
    checkpointing = bool(sft.trl.get("gradient_checkpointing", False))
    lines = [*notes, f"numbers are for {'a GPU, bfloat16 but for grpo' if gpu else 'CPU, float32'}"]
    if teacher := shapes["sample.teacher"]:
        tokens = PROMPT_TOKENS + sample.max_tokens
        held = sampling_memory(teacher, rows=sample.batch_size, tokens=tokens, gpu=gpu)
        lines.append(f"sample, {sample.batch_size} rows of {tokens} tokens: {_memory(held)}")
    if base := shapes["sft.base"]:
        held = training_memory(
            base,
            adapter=sft.adapter,
            rank=sft.rank,
            tokens=micro * sft.max_length,
            gpu=gpu,
            checkpointing=checkpointing,
        )
        lines.append(f"sft, {sft.adapter} adapter, {micro} rows at once: {_memory(held)}")
        held = training_memory(  # the policy and its cache are float32 on any device
            base, adapter="none", rank=0, tokens=grpo.micro_batch_tokens, gpu=False
        )
        lines.append(f"grpo, learning, {grpo.micro_batch_tokens} tokens at once: {_memory(held)}")
        rows = min(grpo.prompts_per_step * grpo.group_size, sample.batch_size)
        tokens = PROMPT_TOKENS + grpo.max_tokens
        held = sampling_memory(base, rows=rows, tokens=tokens, gpu=False)
        lines.append(f"grpo, rollouts, {rows} rows of {tokens} tokens: {_memory(held)}")
        if grpo.kl_weight:
            lines.append(f"grpo, frozen reference: {readable(base.parameters * 4)}")
    if largest := max(filter(None, shapes.values()), key=lambda s: s.parameters, default=None):
        rows, tokens = evaluate.batch_size, PROMPT_TOKENS + evaluate.max_tokens
        held = sampling_memory(largest, rows=rows, tokens=tokens, gpu=gpu)
        lines.append(f"evaluate, largest model, {rows} rows of {tokens} tokens: {_memory(held)}")
    return lines


def find_shape(name: str) -> tuple[Shape | None, str]:
    """Shape of a model, and how it is known: its config, the size in its name, or not at all."""
    config = _read_config(name)
    here = "" if config is not None or Path(name).exists() else f"{ABSENT}; "
    if config is not None:
        try:
            shape = shape_of_config(config)
            return shape, f"{shape.parameters:,} weights, by its config.json"
        except KeyError as error:
            here = f"config.json lacks {error}; "
    shape = shape_of_name(name)
    if shape is None:
        return None, f"{here}size not known"
    return shape, f"{here}about {_many(shape.parameters)} weights, by its name"


def _read_config(name: str) -> dict[str, Any] | None:
    """config.json of a folder or of the hub's cache on this machine; None where there is none."""
    path = Path(name) / "config.json"
    if not Path(name).exists():
        repository, revision = split_revision(name)
        cached = try_to_load_from_cache(repository, "config.json", revision=revision)
        path = Path(cached) if isinstance(cached, str) else path
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _has_gpu() -> bool:
    return Path("/proc/driver/nvidia/gpus").exists()


def _memory(memory: Memory) -> str:
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "activations, roughly": memory.activations,
        "KV cache": memory.kv_cache,
    }
    listed = ", ".join(f"{name} {readable(size)}" for name, size in parts.items() if size != 0)
    return f"{readable(memory.total)} = {listed}"


def _path_lines(recipe: Recipe, paths: RunPaths) -> list[str]:
    lines = [f"run folder: {paths.root}{'' if paths.root.exists() else ' (does not exist yet)'}"]
    lines += [f"{key}: {name}" for key, name in models_of(recipe).items()]
    lines += [f"table: {paths.table}", f"report: {paths.report_md}, {paths.report_html}"]
    if _was_begun(paths):
        store = Store(paths.store, read_only=True)
        done = sorted(key for key in store.keys("marks") if ":" not in key)
        store.close()
        lines.append(f"done already: {', '.join(done) or 'nothing'}")
    return lines


def _trial_lines(recipe: Recipe, trials: list[Trial]) -> list[str]:
    if not trials:
        return [f"not tried: no problem of this recipe is {ABSENT.removeprefix('not ')}"]
    lines = []
    for kind, wanted in (("reference", "all"), ("empty", "none"), ("wrong", "none")):
        of_kind = [trial for trial in trials if trial.kind == kind]
        right = sum(trial.scored is True for trial in of_kind)
        lines.append(f"{kind} answer: {right} of {len(of_kind)} count as right; {wanted} should")
    failed = [trial for trial in trials if not trial.holds]
    lines += [
        f"FAILED: {trial.problem_id} ({trial.family or 'no family'}): the {trial.kind} answer is "
        f"judged {JUDGED[trial.scored]} ({trial.reason})"
        for trial in failed
    ]
    format_reward = recipe.grpo.format_reward
    if not failed:
        lines.append(
            f"the rewards hold: {1 + format_reward:g} for a right answer in the format, "
            f"{format_reward:g} for the format alone, 0 for neither"
        )
    return lines


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _many(number: float) -> str:
    """A large number for reading: 1.2 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"

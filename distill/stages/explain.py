"""What a recipe would do, without doing it: work, tokens, memory, paths, and a trial of rewards."""

import math
import re
from collections.abc import Collection, Iterator

import msgspec

from distill.problems.sources import load_problems
from distill.recipe import Recipe
from distill.recipe_paths import models_of, sources_of
from distill.records import Problem
from distill.stages.explain_memory import ABSENT, memory_lines
from distill.stages.explain_sampling import (
    Seen,
    most_tokens,
    sampling_lines,
    seen_in,
    was_begun,
)
from distill.store import RunPaths, Store
from distill.training.planner import many
from distill.verifiers.verdict import open_verifier

TRIED_PER_FAMILY = 3
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
    seen = seen_in(paths)
    parts = [
        f"{recipe.name}: what `distill run` would do",
        _section("Problems", _problem_lines(recipe, counts, absent)),
        _section("Work", _work_lines(recipe, counts, seen)),
        _section("Sampling", sampling_lines(recipe, counts["problems.train"], seen)),
        _section("Memory (estimates)", memory_lines(recipe)),
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


def _work_lines(recipe: Recipe, counts: dict[str, int], seen: Seen | None) -> list[str]:
    sample, sft = recipe.sample, recipe.sft
    train = counts["problems.train"]
    traces = train * sample.completions_per_problem
    keep = recipe.filter.keep_per_problem or sample.completions_per_problem
    kept = train * min(keep, sample.completions_per_problem)
    updates = math.ceil(max(1, round(kept * sft.epochs)) / sft.batch_size)
    lines = [
        f"sample: {'' if sample.adaptive is None else 'at most '}{train} problems x "
        f"{sample.completions_per_problem} = {traces} completions (T {sample.temperature}, top-p "
        f"{sample.top_p}), at most {many(traces * most_tokens(sample))} tokens"
        + _expected_sampling(traces, seen),
        f"verify, filter: {traces} traces, at most {kept} kept",
        f"sft: at most {kept} examples x {sft.epochs:g} epochs, {sft.batch_size} examples per "
        f"update, at most {updates} updates and {many(kept * sft.epochs * sft.max_length)} "
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
        f"; {many(traces * seen.completion_tokens)} expected "
        f"({seen.completion_tokens:.0f} per completion over {seen.traces} traces here)"
    )


def _expected_training(traces: int, epochs: float, seen: Seen | None) -> str:
    if seen is None or seen.kept_share is None:
        return ""
    tokens = traces * seen.kept_share * epochs * (seen.prompt_tokens + seen.completion_tokens)
    return f"; {many(tokens)} tokens expected ({100 * seen.kept_share:.0f}% of traces kept here)"


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
            f"{many(steps * rollouts * grpo.max_tokens)} tokens"
        )
    return lines


def _evaluate_line(recipe: Recipe, counts: dict[str, int]) -> str:
    evaluate = recipe.evaluate
    tests = sum(counts[f"evaluate.test_sets.{name}"] for name in evaluate.test_sets)
    rows = 3 + len(recipe.grpo.runs)  # base, sft, teacher, and each run
    rows -= recipe.sample.engine == "server"  # the teacher is left out: it would cost money again
    answers = tests * evaluate.completions_per_problem
    if not tests:
        return f"evaluate: {rows} rows, number of problems not known"
    return (
        f"evaluate: {rows} rows x {tests} problems x {evaluate.completions_per_problem} = "
        f"{rows * answers} completions, pass@1, pass@{evaluate.k} and cons@{evaluate.k}, at most "
        f"{many(rows * answers * evaluate.max_tokens)} tokens"
    )


def _path_lines(recipe: Recipe, paths: RunPaths) -> list[str]:
    lines = [f"run folder: {paths.root}{'' if paths.root.exists() else ' (does not exist yet)'}"]
    lines += [f"{key}: {name}" for key, name in models_of(recipe).items()]
    lines += [f"table: {paths.table}", f"report: {paths.report_md}, {paths.report_html}"]
    if was_begun(paths):
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

"""The honest table: every row with its interval, what it cost, and the traces to look at."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

import msgspec

from distill.errors import StoreError
from distill.evaluation import costs, findings
from distill.evaluation.costs import Cost
from distill.evaluation.metrics import (
    Estimate,
    Grid,
    bootstrap_mean,
    normalised,
    of_family,
    paired_difference,
    pass_at_1,
    score_grid,
    summarise,
)
from distill.evaluation.page import (
    Browser,
    Section,
    ShownTrace,
    render_html,
    render_markdown,
)
from distill.evaluation.plots import colours
from distill.evaluation.showcase import evenly, shown_score, shown_trace
from distill.evaluation.tables import TableRow, table_row
from distill.files import write_whole
from distill.problems.sources import load_problems
from distill.progress import progress
from distill.recipe import GrpoRun, Recipe
from distill.records import Decision, DropReason, Problem, Score, Trace, Verdict, VerdictReason
from distill.runlog import derived_seed, read_metrics, summary, versions
from distill.stages.filter_view import filter_view
from distill.stages.sampling_view import Sampled, read_sampled, sampling_view
from distill.store import RunPaths, Store
from distill.verifiers.maths.equality import compare

R1_ZERO, DISTILLED, AFTERWARDS = "R1-Zero (GRPO)", "Distilled (SFT)", "Distilled + GRPO"
RANDOM, BASE, TEACHER = "random-reward control", "base", "teacher"
SHOWN_PER_FATE = 40  # traces in the browser for each reason kept or dropped
SHOWN_PER_VERDICT = 8  # evaluated completions for each row, test set and verdict

Asked = dict[str, list[Problem]]  # by test set
Grids = dict[tuple[str, str], Grid]  # (row name, test set)


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Write table.json, report.md and report.html from what the other stages left.

    Raises: StoreError if a row lacks problems of a test set; RecordError if one lacks completions.
    """
    with closing(Store(paths.store)) as store, progress(3, "report") as bar:
        labels = row_labels(recipe)
        asked = _asked(recipe)
        grids = _read_grids(recipe, store, labels, asked)
        rows = _table_rows(recipe, grids, labels)
        bar.update()
        sampled = read_sampled(store)
        spent = _row_costs(recipe, paths, labels, sampled)
        sections = _sections(recipe, paths, store, grids, rows, labels, spent, asked, sampled)
        bar.update()
        title, subtitle = f"{recipe.name}: distillation against RL", _subtitle(recipe, paths)
        write_whole(paths.table, json.dumps(_with_costs(rows, spent), indent=1) + "\n")
        write_whole(paths.report_md, render_markdown(title, subtitle, sections))
        write_whole(paths.report_html, render_html(title, subtitle, sections))
        bar.update()
    summary("report", f"{len(labels)} rows; {paths.report_md} {paths.report_html} {paths.table}")


def row_labels(recipe: Recipe) -> dict[str, str]:
    """Row name to its label, in the table's order; a label had by several gets the run's name.

    A teacher that only a server has is not evaluated and has no row.
    """
    kinds = {name: _kind(grpo_run) for name, grpo_run in recipe.grpo.runs.items()}
    kinds["sft"] = DISTILLED
    order = [R1_ZERO, DISTILLED, AFTERWARDS]
    ranks = {name: order.index(kind) if kind in order else 3 for name, kind in kinds.items()}
    shared = {kind for kind, number in Counter(kinds.values()).items() if number > 1}
    labels = {
        name: f"{kinds[name]} {name}" if kinds[name] in shared else kinds[name]
        for name in sorted(kinds, key=lambda name: (ranks[name], kinds[name] == RANDOM))
    }
    teacher = {} if recipe.sample.engine == "server" else {"teacher": TEACHER}
    return {"base": BASE, **labels, **teacher}


def _kind(grpo_run: GrpoRun) -> str:
    if grpo_run.reward == "random":
        return RANDOM
    start = grpo_run.start_from
    return {"base": R1_ZERO, "sft": AFTERWARDS}.get(start, f"GRPO from {start}")


def _runs(recipe: Recipe, kind: str) -> list[str]:
    return [name for name, grpo_run in recipe.grpo.runs.items() if _kind(grpo_run) == kind]


def _asked(recipe: Recipe) -> Asked:
    limit = recipe.evaluate.limit
    return {
        name: load_problems(source, limit=limit)
        for name, source in recipe.evaluate.test_sets.items()
    }


def _read_grids(recipe: Recipe, store: Store, labels: Iterable[str], asked: Asked) -> Grids:
    samples = recipe.evaluate.completions_per_problem
    grids = {}
    for name in labels:
        for test_set, problems in asked.items():
            scores = list(store.scan("scores", Score, prefix=f"{name}/{test_set}/"))
            missing = {p.problem_id for p in problems} - {score.problem_id for score in scores}
            if missing:
                raise StoreError(
                    f"{store.path}: row {name!r} has no scores for {len(missing)} of "
                    f"{len(problems)} problems of test set {test_set!r}; "
                    "run `distill evaluate` with this recipe first"
                )
            grids[name, test_set] = score_grid(scores, samples=samples)
    return grids


def _table_rows(recipe: Recipe, grids: Grids, labels: Mapping[str, str]) -> list[TableRow]:
    k, seed = recipe.evaluate.k, recipe.seed
    return [
        table_row(
            labels[name],
            summarise(grid, k=k, same=same_answer, **_draws(recipe, test_set)),
            seed=seed,
        )
        for (name, test_set), grid in grids.items()
    ]


def same_answer(first: str, second: str) -> bool:
    """Are two answers one vote: the same text, or surely the same number, set or interval?"""
    return normalised(first) == normalised(second) or compare(first, second).equal is True


def _draws(recipe: Recipe, test_set: str) -> dict[str, int]:
    """How to bootstrap: all rows of a test set draw the same problems."""
    seed = derived_seed(recipe.seed, "bootstrap", test_set)
    return {"resamples": recipe.evaluate.bootstrap_resamples, "seed": seed}


def _differences(
    recipe: Recipe, grids: Grids, labels: Mapping[str, str], pairs: Sequence[tuple[str, str]]
) -> list[findings.Difference]:
    """Paired differences of rows by name, on every test set."""
    found = []
    for test_set in recipe.evaluate.test_sets:
        for first, second in pairs:
            difference = paired_difference(
                grids[first, test_set], grids[second, test_set], **_draws(recipe, test_set)
            )
            found.append((test_set, labels[first], labels[second], difference))
    return found


def _row_costs(
    recipe: Recipe, paths: RunPaths, labels: Mapping[str, str], sampled: Sampled
) -> dict[str, Cost]:
    """What each row cost, by label; rows that start from the distilled one carry its cost."""
    writing = costs.sampling_cost(
        sampled.tokens_generated,
        read_metrics(paths.metrics, "sample"),
        seconds=sampled.seconds,
        scoring_seconds=0.0 if recipe.sample.adaptive else sampled.scoring_seconds,
    )
    distilled = costs.together([writing, costs.sft_cost(read_metrics(paths.metrics, "sft"))])
    spent = {BASE: costs.NOTHING_SPENT}
    for name, label in labels.items():
        if name == "sft":
            spent[label] = distilled
        elif name in recipe.grpo.runs:
            own = costs.grpo_cost(read_metrics(paths.metrics, "grpo", run=name))
            after = recipe.grpo.runs[name].start_from == "sft"
            spent[label] = costs.together([distilled, own]) if after else own
    return spent


def _with_costs(rows: Sequence[TableRow], spent: Mapping[str, Cost]) -> list[TableRow]:
    """Table rows with what they cost; null for the teacher, whose training is not ours."""
    unknown = Cost(tokens_generated=None, tokens_trained=None, seconds=None)
    return [row | msgspec.to_builtins(spent.get(row["row"], unknown)) for row in rows]


def _sections(
    recipe: Recipe,
    paths: RunPaths,
    store: Store,
    grids: Grids,
    rows: Sequence[TableRow],
    labels: Mapping[str, str],
    spent: Mapping[str, Cost],
    asked: Asked,
    sampled: Sampled,
) -> list[Section]:
    """The report, top to bottom."""
    colour = colours(list(labels.values()))
    zeros, controls = _runs(recipe, R1_ZERO), _runs(recipe, RANDOM)
    main = [("sft", name) for name in zeros]
    beside = [(name, "base") for name in [*zeros, "sft", *controls]]
    after = [(name, "sft") for name in _runs(recipe, AFTERWARDS)]
    rest = [(name, "base") for name in labels if name != "base"]
    steps = {labels[n]: read_metrics(paths.metrics, "grpo", run=n) for n in recipe.grpo.runs}
    order = [DISTILLED, R1_ZERO, BASE]
    differ = partial(_differences, recipe, grids, labels)
    return [
        findings.verdict_section(rows, differ(main), differ(beside), order=order),
        findings.results_section(rows, colour, _protocol(recipe)),
        findings.differences_section(differ(main + after + rest)),
        findings.costs_section(spent, _timed_share(paths, sampled)),
        findings.quality_section(rows),
        findings.families_section(_by_family(recipe, grids, labels), list(labels.values())),
        findings.curves_section(steps, colour),
        sampling_view(recipe, store, paths, sampled),
        filter_view(store, paths),
        _browser(store, labels, asked),
        findings.paper_section(),
    ]


def _by_family(
    recipe: Recipe, grids: Grids, labels: Mapping[str, str]
) -> dict[str, dict[tuple[str, str], Estimate | None]]:
    families = sorted({family for grid in grids.values() for family in grid.families})
    found = {family: {} for family in families}
    for (name, test_set), grid in grids.items():
        for family in sorted(set(grid.families)):
            values = pass_at_1(of_family(grid, family).correct)
            estimate = bootstrap_mean(values, **_draws(recipe, test_set))
            found[family][labels[name], test_set] = estimate
    return found


def _timed_share(paths: RunPaths, sampled: Sampled) -> float:
    if sampled.seconds is not None:
        return 1.0
    return costs.logged_share(sampled.tokens_generated, read_metrics(paths.metrics, "sample"))


def _browser(store: Store, labels: Mapping[str, str], asked: Asked) -> Section:
    """Some of the traces for each fate, some evaluated completions for each verdict."""
    caption = (
        f"Up to {SHOWN_PER_FATE} of the teacher's traces for each fate, evenly spread, and up to "
        f"{SHOWN_PER_VERDICT} evaluated completions for each row, test set and verdict. "
        "`distill show RUN ID` has each of them."
    )
    shown = [*_shown_traces(store), *_shown_scores(store, labels, asked)]
    return Section("Completions to look at", [Browser(shown, caption)])


def _shown_traces(store: Store) -> Iterator[ShownTrace]:
    by_fate: dict[str, list[Decision]] = {reason: [] for reason in DropReason}
    for decision in store.scan("decisions", Decision):
        by_fate[decision.reason].append(decision)
    problems = {problem.problem_id: problem for problem in store.scan("problems", Problem)}
    for decisions in by_fate.values():
        for decision in evenly(decisions, SHOWN_PER_FATE):
            trace = store.get("traces", decision.trace_id, Trace)
            verdict = store.get("verdicts", decision.trace_id, Verdict)
            if trace is not None:
                yield shown_trace(trace, decision, verdict, problems.get(trace.problem_id))


def _shown_scores(store: Store, labels: Mapping[str, str], asked: Asked) -> Iterator[ShownTrace]:
    for name, label in labels.items():
        for test_set, problems in asked.items():
            by_id = {problem.problem_id: problem for problem in problems}
            by_verdict: dict[str, list[Score]] = {reason: [] for reason in VerdictReason}
            for score in store.scan("scores", Score, prefix=f"{name}/{test_set}/"):
                by_verdict[score.reason].append(score)
            for scores in by_verdict.values():
                for score in evenly(scores, SHOWN_PER_VERDICT):
                    yield shown_score(score, label, by_id.get(score.problem_id))


def _protocol(recipe: Recipe) -> str:
    """How the table was measured."""
    evaluate = recipe.evaluate
    absent = recipe.sample.engine == "server"
    return (
        f"{evaluate.completions_per_problem} completions per problem, temperature "
        f"{evaluate.temperature:g}, top-p {evaluate.top_p:g}, at most {evaluate.max_tokens} "
        f"tokens, {evaluate.bootstrap_resamples} resamples, seed {recipe.seed}."
        + (" No row for the teacher: only a server has it." if absent else "")
    )


def _subtitle(recipe: Recipe, paths: RunPaths) -> str:
    """Base, teacher, when it was measured and with what."""
    times = [line["time"] for line in read_metrics(paths.metrics, "evaluate")]
    day = time.strftime("%Y-%m-%d", time.gmtime(max(times))) if times else "unknown day"
    tools = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"Student base {recipe.sft.base}; teacher {recipe.sample.teacher}; measured {day}, "
        f"seed {recipe.seed}. {tools}."
    )

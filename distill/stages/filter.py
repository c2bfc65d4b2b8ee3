"""Which traces the student learns from: the right, readable, new ones, a few for each problem."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from distill.chat import opened
from distill.errors import RecordError, StoreError
from distill.evaluation.tables import markdown_table
from distill.filters.checks import READABILITY_KEYS, Drop, not_right, unreadable
from distill.filters.dataset import COLUMNS, card_header, write_dataset
from distill.filters.selection import completion_digest, select
from distill.problems.overlap import NgramIndex, check_disjoint, missed_plants
from distill.problems.sources import GYM, load_problems
from distill.recipe import Filter, Recipe
from distill.records import Decision, DropReason, Problem, Trace, Verdict
from distill.runlog import log_metrics, progress, summary, versions
from distill.store import RunPaths, Store, write_whole
from distill.verifiers.answers import split_thought

logger = logging.getLogger("distill")

Candidates = dict[str, list[tuple[int, str, bytes]]]  # problem_id -> (index, trace_id, digest)


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Decide about every trace and write the dataset; decisions are derived, so all are made anew.

    Raises: RecipeError if problems for learning and for testing overlap; StoreError if a stage
        before this one has not done its work.
    """
    store = Store(paths.store)
    problems = {problem.problem_id: problem for problem in store.scan("problems", Problem)}
    verdicts = {verdict.trace_id: verdict for verdict in store.scan("verdicts", Verdict)}
    if not verdicts:
        raise StoreError(f"{paths.store}: has no verdicts; run `distill verify` first")
    overlaps = _overlaps(recipe, list(problems.values()))
    drops, candidates = _judge(store, problems, verdicts, recipe.filter)
    for problem_id, found in candidates.items():
        drops |= _choose(found, overlaps.get(problem_id), recipe.filter)
    decisions = {trace_id: _decision(trace_id, drop) for trace_id, drop in drops.items()}
    store.clear("decisions")
    store.put("decisions", sorted(decisions.items()))
    write_dataset(paths.dataset, _rows(store, problems, decisions))
    write_whole(paths.dataset / "README.md", _card(recipe, store, problems, decisions))
    right = sum(verdict.correct is True for verdict in verdicts.values())
    readable = sum(map(len, candidates.values()))
    _tell(paths, decisions, right=right, readable=readable)
    store.close()


def _overlaps(recipe: Recipe, train: list[Problem]) -> dict[str, str]:
    """Problems that are too close to a test problem, each with what was found.

    Raises: RecipeError if one is a test problem; RecordError if the index misses its own texts.
    """
    tests = {name: load_problems(source) for name, source in recipe.evaluate.test_sets.items()}
    rl = load_problems(recipe.problems.rl, limit=recipe.problems.rl_limit)
    check_disjoint(
        {"problems.train": train, "problems.rl": rl}
        | {f"evaluate.test_sets.{name}": problems for name, problems in tests.items()}
    )
    if recipe.filter.overlap_ngram is None:
        return {}
    tested = [(name, problem) for name, problems in tests.items() for problem in problems]
    index = NgramIndex(
        [problem.question for _, problem in tested],
        recipe.filter.overlap_ngram,
        background=[problem.question for problem in train],
    )
    if missed := missed_plants(index):
        name, problem = tested[missed[0]]
        raise RecordError(
            f"{name}: {problem.problem_id}: the overlap check does not find this question when it "
            f"is planted ({len(missed)} such); set filter.overlap_ngram higher, or null"
        )
    found = {}
    for problem in train:
        if (overlap := index.first_overlap(problem.question)) is not None:
            name, test = tested[overlap.position]
            where = f"{overlap.rule} with {name} {test.problem_id}"
            found[problem.problem_id] = f"{where}: {overlap.words[:80]}"
    return found


def _judge(
    store: Store,
    problems: dict[str, Problem],
    verdicts: dict[str, Verdict],
    thresholds: Filter,
) -> tuple[dict[str, Drop | None], Candidates]:
    """Drops by what a trace itself is; the others are candidates for a place in the dataset."""
    checks = {name: getattr(thresholds, name) for name in READABILITY_KEYS}
    drops: dict[str, Drop | None] = {}
    candidates: Candidates = defaultdict(list)
    with progress(store.count("traces"), "filter") as bar:
        for trace in store.scan("traces", Trace):
            bar.update()
            drop = not_right(
                verdicts.get(trace.trace_id),
                finish_reason=trace.finish_reason,
                drop_verdicts=thresholds.drop_verdicts,
            )
            if drop is None:
                text = opened(trace.prompt, trace.completion)
                drop = unreadable(
                    question=_problem(problems, trace).question,
                    completion=text,
                    thought=split_thought(text)[0],
                    **checks,
                )
            if drop is None:
                digest = completion_digest(trace.completion)
                candidates[trace.problem_id].append((trace.index, trace.trace_id, digest))
            else:
                drops[trace.trace_id] = drop
    return drops, candidates


def _problem(problems: dict[str, Problem], trace: Trace) -> Problem:
    try:
        return problems[trace.problem_id]
    except KeyError:
        raise StoreError(
            f"trace {trace.trace_id!r} belongs to no stored problem; sample into a new run folder"
        ) from None


def _choose(
    found: list[tuple[int, str, bytes]], overlap: str | None, thresholds: Filter
) -> dict[str, Drop | None]:
    found = sorted(found)
    fates = select(
        [digest for _, _, digest in found],
        drop_duplicates=thresholds.drop_duplicates,
        overlap=overlap,
        keep_per_problem=thresholds.keep_per_problem,
    )
    return {trace_id: fate for (_, trace_id, _), fate in zip(found, fates, strict=True)}


def _decision(trace_id: str, drop: Drop | None) -> Decision:
    if drop is None:
        return Decision(trace_id=trace_id, kept=True, reason=DropReason.KEPT)
    return Decision(trace_id=trace_id, kept=False, reason=drop.reason, detail=drop.detail)


def _rows(
    store: Store, problems: dict[str, Problem], decisions: dict[str, Decision]
) -> Iterator[tuple[Problem, Trace, Decision]]:
    for trace in store.scan("traces", Trace):
        yield problems[trace.problem_id], trace, decisions[trace.trace_id]


def _tell(paths: RunPaths, decisions: dict[str, Decision], *, right: int, readable: int) -> None:
    counts = Counter(decision.reason.value for decision in decisions.values())
    kept = counts.get(DropReason.KEPT.value, 0)
    log_metrics(
        paths.metrics,
        "filter",
        traces=len(decisions),
        right=right,
        readable=readable,
        kept=kept,
        reasons={reason.value: counts[reason.value] for reason in DropReason if reason in counts},
    )
    if not kept:
        logger.warning("filter: nothing was kept, so there is nothing to learn from")
    summary("filter", f"{len(decisions)} traces, {right} right, {readable} readable, {kept} kept")


def _card(
    recipe: Recipe, store: Store, problems: dict[str, Problem], decisions: dict[str, Decision]
) -> str:
    """The dataset's README: where every row came from, and what was left out."""
    counts = Counter(decision.reason for decision in decisions.values())
    teachers: Counter[str] = Counter()
    sources: Counter[tuple[str, str]] = Counter()
    for trace in store.scan("traces", Trace):
        if decisions[trace.trace_id].kept:
            problem = problems[trace.problem_id]
            teachers[trace.teacher] += 1
            sources[problem.source or "not stated", problem.verifier] += 1
    sample, kept = recipe.sample, counts[DropReason.KEPT]
    software = versions(("r1-distill", "torch", "transformers", "reasoning-gym", "math-verify"))
    return "\n".join(
        [
            card_header(recipe.name, any_dropped=kept < len(decisions)),
            f"# {recipe.name}: reasoning traces\n",
            f"{kept} traces that were kept out of {len(decisions)}, for "
            f"{len({d.trace_id.rpartition('#')[0] for d in decisions.values() if d.kept})} of "
            f"{len(problems)} problems. Written by models, not by people.\n",
            "`datasets.load_dataset(FOLDER)` opens the kept ones, "
            '`datasets.load_dataset(FOLDER, "dropped")` the others with their reason; '
            "`train.jsonl` has the kept ones as text.\n",
            "## How each row came about\n",
            f"1. A problem was taken from `{_named(recipe.problems.train)}`.",
            f"2. The teacher answered it {sample.completions_per_problem} times "
            f"(prompt `{sample.prompt}`, temperature {sample.temperature:g}, top-p "
            f"{sample.top_p:g}, at most {sample.max_tokens} tokens, engine {sample.engine}), each "
            f"time with a seed of its own that follows from the recipe's seed {recipe.seed}.",
            "3. The problem's verifier compared the final answer with the reference.",
            "4. The filter below decided, with the thresholds below. "
            "Texts are exactly as the model wrote them.\n",
            markdown_table(("teacher", "rows"), sorted(teachers.items())),
            "",
            markdown_table(
                ("problems from (licence)", "verifier", "rows"),
                [(*where, rows) for where, rows in sorted(sources.items())],
            ),
            "\n## What was kept and dropped, in the order of the checks\n",
            markdown_table(
                ("reason", "traces"),
                [(reason.value, counts[reason]) for reason in DropReason],
            ),
            "\n## Thresholds\n",
            markdown_table(
                ("recipe key", "value"),
                [
                    (f"filter.{key}", msgspec.json.encode(value).decode())
                    for key, value in msgspec.structs.asdict(recipe.filter).items()
                ],
            ),
            "",
            _overlap_note(recipe),
            "\n## Columns\n",
            markdown_table(("column", "meaning"), COLUMNS.items()),
            "\n## Software when it was filtered\n",
            markdown_table(("package", "version"), software.items()),
            "",
        ]
    )


def _named(source: str) -> str:
    """A source without the folders of this machine."""
    return source if source.startswith(GYM) else source.rpartition("/")[2]


def _overlap_note(recipe: Recipe) -> str:
    sets = ", ".join(
        f"`{name}` ({_named(source)})" for name, source in recipe.evaluate.test_sets.items()
    )
    if recipe.filter.overlap_ngram is None:
        return (
            f"No question equals one of the test sets {sets}; closer likeness was not looked for."
        )
    return (
        f"No kept question equals one of the test sets {sets}, contains one, or shares "
        f"{recipe.filter.overlap_ngram} consecutive words of its own with one (words of a template "
        "that many questions share are not its own)."
    )

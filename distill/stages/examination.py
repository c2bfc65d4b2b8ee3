"""The traces of a run, examined: what the filter and its ablation start from."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import msgspec

from distill.chat import opened
from distill.crew import usable_cores
from distill.errors import RecipeError, RecordError, StoreError
from distill.filters.card import Origin, recipe_steps, shown_source
from distill.filters.chain import Checks, Subject, checks_of, examine_all
from distill.filters.checks import check_cases
from distill.filters.dataset import Sources, Values, trace_values
from distill.filters.decisions import Fate, Word, word
from distill.filters.findings import Finding, Findings, Known
from distill.filters.funnel import (
    ContaminationFacts,
    FilterFacts,
    Named,
    TestSetRow,
    filter_facts,
)
from distill.filters.selection import pass_rates
from distill.problems.contamination import Contamination, Overlap
from distill.problems.overlap import check_disjoint
from distill.problems.sources import load_problems
from distill.progress import progress
from distill.recipe import Filter, Recipe
from distill.records import Judgement, Problem, Trace, Verdict
from distill.runlog import versions
from distill.store import Store
from distill.verifiers.judge import combine

SHOWN_REFERENCE_CHARS = KEPT_ANSWER_CHARS = 200
SOFTWARE = ("r1-distill", "torch", "transformers", "reasoning-gym", "math-verify", "sympy", "rensa")
_ISOLATED = re.compile(r"isolated by (.+)$")  # in the detail of a program's verdict


class Examination(NamedTuple):
    """Everything that the decisions about the traces of a run need; no texts but the problems'."""

    findings: Sequence[Finding]  # by problem, in the order in which they were drawn
    problems: dict[str, Problem]
    overlaps: dict[str, Overlap]  # problem to what of a test set is in its question
    contamination: ContaminationFacts | None
    judges: Counter[str]  # judge to the traces it was asked about
    isolations: Counter[str]  # how programs were kept in, to how many


def examine_run(store: Store, recipe: Recipe, *, compare_all: bool = False) -> Examination:
    """Look at every trace of a run once.

    Args:
        compare_all: also tell those apart that are dropped under the recipe's rules.
    Raises: RecipeError if problems for learning and for testing overlap, a case of filter.cases
        comes out otherwise, or the judge's word is asked for and nobody asked it; StoreError if a
        stage before has not done its work; RecordError if the overlap check misses its own texts.
    """
    problems = {problem.problem_id: problem for problem in store.scan("problems", Problem)}
    if not store.count("verdicts"):
        raise StoreError(f"{store.path}: has no verdicts; run `distill verify` first")
    judges = Counter(judgement.judge for judgement in store.scan("judgements", Judgement))
    check_filter(recipe.filter, has_judgements=bool(judges))
    train = list(problems.values())
    questions = [problem.question for problem in train]
    index = _index(recipe.filter, _test_sets(recipe, train), questions)
    told = None if index is None else self_tested(index)
    isolations: Counter[str] = Counter()
    findings = examined(
        _subjects(store, problems, recipe.filter, isolations),
        checks_of(
            recipe.filter,
            overlap=None if index is None else index.find_in_completion,
            compare_all=compare_all,
        ),
        total=store.count("traces"),
        processes=recipe.threads,
    ).by_problem()
    return Examination(
        findings,
        problems,
        {} if index is None else overlaps_of(index, problems),
        None if index is None else contamination_facts(index, told, questions, findings),
        judges,
        isolations,
    )


def examined(
    subjects: Iterator[Subject], checks: Checks, *, total: int, processes: int | None
) -> Findings:
    """The findings of all subjects, under the stage's bar; None takes all cores."""
    findings = Findings()
    with (
        progress(total, "filter") as bar,
        closing(examine_all(subjects, checks, processes=processes or usable_cores())) as found,
    ):
        for finding in found:
            findings.append(finding)
            bar.update()
    return findings


def word_of(finding: Finding, keys: Filter) -> Word:
    """What `accept` and `drop_verdicts` of a filter make of a trace's verdicts."""
    return word(finding.known, keys, combine)


def facts_of(
    done: Examination, words: Sequence[Word], fates: Sequence[Fate], keys: Filter
) -> FilterFacts:
    """The figures of `filter.json`."""
    return filter_facts(
        done.findings,
        words,
        fates,
        problems=named(done.problems),
        thresholds=msgspec.to_builtins(keys),
        contamination=done.contamination,
    )


def named(problems: Mapping[str, Problem]) -> dict[str, Named]:
    """Each problem's name and reference, for the report."""
    return {
        key: Named(key, problem.reference[:SHOWN_REFERENCE_CHARS])
        for key, problem in problems.items()
    }


def rates_of(done: Examination, keys: Filter) -> dict[str, float]:
    """Problem to the share of its judged traces that is right, by whose word counts."""
    return pass_rates((one.known.problem, word_of(one, keys).correct) for one in done.findings)


def rows_of(
    store: Store, done: Examination, rates: Mapping[str, float]
) -> Iterator[tuple[str, Values]]:
    """Trace id and row of the dataset, texts and all, in the order of the store.

    Args:
        rates: of `rates_of`.
    """
    known = {finding.known.trace_id: finding.known for finding in done.findings}
    for trace in store.scan("traces", Trace):
        problem, rate = done.problems[trace.problem_id], rates.get(trace.problem_id)
        yield trace.trace_id, trace_values(problem, trace, known[trace.trace_id], rate)


def origin_of(recipe: Recipe, done: Examination, sources: Sources, **changes: Any) -> Origin:
    """What the card says of where the rows of a run come from."""
    origin = Origin(
        name=recipe.name,
        steps=recipe_steps(recipe),
        sources=sources,
        judges=done.judges,
        isolations=done.isolations,
        notes=[_overlap_note(recipe)],
        software=versions(SOFTWARE),
    )
    return msgspec.structs.replace(origin, **changes)


def compact(verdict: Verdict) -> Verdict:
    """The verdict with no more of its texts than the report shows."""
    answer = verdict.answer and verdict.answer[:KEPT_ANSWER_CHARS]
    return msgspec.structs.replace(verdict, answer=answer, detail="")


def check_filter(keys: Filter, *, has_judgements: bool) -> None:
    """Refuse, before any text is looked at, a filter that does not do what it says.

    Raises: RecipeError naming the key.
    """
    if failures := check_cases(keys):
        raise RecipeError("filter.cases: " + "; ".join(map(str, failures)))
    if keys.accept in ("judge", "or", "and") and not has_judgements:
        raise RecipeError(
            f"filter.accept is {keys.accept!r}, and no language model has judged these traces; "
            "name one in verify.judge, or set filter.accept to 'rule'"
        )
    low, high = keys.min_pass_rate, keys.max_pass_rate
    if low is not None and high is not None and low > high:
        raise RecipeError(
            f"filter.min_pass_rate is {low:g} and filter.max_pass_rate {high:g}, so that no "
            "problem is kept; expected the smaller one first"
        )
    if "" in keys.forbid:
        raise RecipeError("filter.forbid holds an empty text, which is in everything; remove it")
    if keys.near_duplicate_similarity == 0:
        raise RecipeError(
            "filter.near_duplicate_similarity is 0, which is true of any two texts; give a share "
            "above 0, or null for no such check"
        )


def self_tested(index: Contamination) -> str:
    """What was planted and found again.

    Raises: RecordError naming the first test problem that is not found.
    """
    if missed := index.self_test():
        first = missed[0]
        raise RecordError(
            f"{first.test_set}: {first.problem_id}: the overlap check does not find this problem "
            f"when it is planted ({first.plant}; {len(missed)} such); set filter.overlap_ngram "
            "otherwise, or null"
        )
    sets = ", ".join(f"{len(problems)} of {name}" for name, problems in index.tests.items())
    return f"copies of the test problems were planted, verbatim and edited, and all found: {sets}"


def overlaps_of(index: Contamination, problems: Mapping[str, Problem]) -> dict[str, Overlap]:
    """Problems that are too close to a test problem, each with what was found."""
    found = ((key, index.find(problem.question)) for key, problem in problems.items())
    return {key: overlap for key, overlap in found if overlap is not None}


def overlapping(recipe: Recipe, train: list[Problem]) -> dict[str, Overlap]:
    """Problems that the recipe's filter drops for what their question has of a test set.

    Raises: RecipeError if problems for learning and for testing overlap.
    """
    tests, questions = _test_sets(recipe, train), [problem.question for problem in train]
    index = _index(recipe.filter, tests, questions)
    named = {problem.problem_id: problem for problem in train}
    return {} if index is None else overlaps_of(index, named)


def contamination_facts(
    index: Contamination, told: str, questions: list[str], findings: Sequence[Finding]
) -> ContaminationFacts:
    """What the overlap check found, for the report."""
    quoted = Counter(f.examined.overlap.test_set for f in findings if f.examined.overlap)
    rows = [TestSetRow(**row._asdict()) for row in index.report(questions)]
    return ContaminationFacts(self_test=told, rows=rows, completions=dict(quoted))


def _test_sets(recipe: Recipe, train: list[Problem]) -> dict[str, list[Problem]]:
    """The problems that must not be learned from. Raises: RecipeError if some are."""
    tests = {name: load_problems(source) for name, source in recipe.evaluate.test_sets.items()}
    rl = load_problems(recipe.problems.rl, limit=recipe.problems.rl_limit)
    check_disjoint(
        {"problems.train": train, "problems.rl": rl}
        | {f"evaluate.test_sets.{name}": problems for name, problems in tests.items()}
    )
    return tests


def _index(
    keys: Filter, tests: dict[str, list[Problem]], questions: list[str]
) -> Contamination | None:
    if keys.overlap_ngram is None and keys.overlap_char_ngram is None:
        return None
    return Contamination(
        tests,
        word_ngram=keys.overlap_ngram,
        char_ngram=keys.overlap_char_ngram,
        background=questions,
    )


def _subjects(
    store: Store, problems: Mapping[str, Problem], keys: Filter, isolations: Counter[str]
) -> Iterator[Subject]:
    """The traces to examine; counts in `isolations` on the way."""
    for trace in store.scan("traces", Trace):
        problem = problems.get(trace.problem_id)
        if problem is None:
            raise StoreError(
                f"trace {trace.trace_id!r} belongs to no stored problem; sample into a new run "
                "folder"
            )
        verdict = store.get("verdicts", trace.trace_id, Verdict)
        if verdict is not None and (isolated := _ISOLATED.search(verdict.detail)):
            isolations[isolated[1]] += 1
        known = _known(store, trace, problem, verdict)
        sound = not word(known, keys, combine).drops
        yield Subject(known, problem.question, opened(trace.prompt, trace.completion), sound)


def _known(store: Store, trace: Trace, problem: Problem, verdict: Verdict | None) -> Known:
    judgement = store.get("judgements", trace.trace_id, Judgement)
    return Known(
        trace_id=trace.trace_id,
        problem=trace.problem_id,
        index=trace.index,
        family=problem.family,
        length=trace.completion_tokens,
        finish_reason=trace.finish_reason,
        verdict=verdict and compact(verdict),
        judged=judgement.correct if judgement else None,
    )


def _overlap_note(recipe: Recipe) -> str:
    keys = recipe.filter
    sets = ", ".join(
        f"`{name}` ({shown_source(source)})" for name, source in recipe.evaluate.test_sets.items()
    )
    said = f"No question equals one of the test sets {sets}"
    if keys.overlap_ngram is None and keys.overlap_char_ngram is None:
        return f"{said}; closer likeness was not looked for."
    spans = [
        f"{n} {unit}"
        for n, unit in ((keys.overlap_ngram, "words"), (keys.overlap_char_ngram, "characters"))
        if n is not None
    ]
    return (
        f"{said}. No kept question contains one or shares {' or '.join(spans)} of its own with one "
        "(words of a template that many questions share are not its own; characters count in "
        "scripts without spaces), and no kept question or completion quotes a longer passage of a "
        "test question or of its solution."
    )

"""What the page shows of the filter: `filter.json`, with the texts that it points at."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from distill.evaluation import filter_section as page
from distill.evaluation.page import Quote, Section
from distill.evaluation.showcase import shortened
from distill.filters.funnel import (
    Acceptance,
    ContaminationFacts,
    Example,
    FilterFacts,
    Suspect,
    read_facts,
)
from distill.recipe import Filter
from distill.records import Decision, DropReason, Problem, Trace
from distill.runlog import read_metrics
from distill.store import RunPaths, Store

EXCERPT_CHARS = 900  # of a completion: its beginning and its end
AGAIN = "run `distill filter` with this recipe, then `distill report`"


def filter_view(store: Store, paths: RunPaths) -> Section:
    """The page's section about the filter; a note where there are no figures to show."""
    if not paths.filter_facts.exists():
        said = f"No figures of a filter in this run folder ({paths.filter_facts.name}); {AGAIN}."
        return page.missing_section(said)
    try:
        facts = read_facts(paths.filter_facts.read_bytes())
    except (msgspec.DecodeError, OSError) as error:
        said = f"{paths.filter_facts.name} cannot be read ({error}); {AGAIN}."
        return page.missing_section(said)
    ends = read_metrics(paths.metrics, "sft", event="trained")
    return page.filter_section(_shown(store, facts, learned=ends[-1] if ends else None))


def _shown(store: Store, facts: FilterFacts, learned: dict | None) -> page.ShownFilter:
    firsts, alone = _decided(store)
    told = {count.reason: count.first for count in facts.reasons if count.first}
    told |= {DropReason.KEPT.value: facts.kept} if facts.kept else {}
    return page.ShownFilter(
        accept=facts.accept,
        traces=facts.traces,
        problems=facts.problems,
        kept=facts.kept,
        problems_kept=facts.problems_kept,
        funnel=[(step.step, step.left) for step in facts.funnel],
        reasons=[
            page.ReasonLine(reason=c.reason, first=c.first, any=c.all, alone=alone[c.reason])
            for c in facts.reasons
        ],
        overlap=facts.overlap,
        examples={
            reason: [_quote(store, example) for example in examples]
            for reason, examples in facts.examples.items()
        },
        suspicious=facts.suspicious_references,
        suspects=[_suspect(store, one) for one in facts.suspects[: page.MOST_SUSPECTS]],
        families=_groups(facts.families),
        difficulty=_groups(facts.difficulty),
        contamination=facts.contamination and _overlaps(facts.contamination),
        thresholds=facts.thresholds,
        defaults=msgspec.to_builtins(Filter()),
        learned=learned,
        doubt="" if told == firsts else f"filter.json is not of these decisions; {AGAIN}.",
    )


def _decided(store: Store) -> tuple[Counter[str], Counter[str]]:
    """How many traces met each fate, and how many have one reason and no other."""
    firsts, alone = Counter(), Counter()
    for decision in store.scan("decisions", Decision):
        firsts[decision.reason.value] += 1
        if len(decision.reasons) == 1:
            alone[decision.reasons[0].value] += 1
    return firsts, alone


def _quote(store: Store, example: Example) -> Quote:
    trace_id = str(example.trace_id)
    trace = store.get("traces", trace_id, Trace)
    text = "(not in this run)" if trace is None else shortened(trace.completion, EXCERPT_CHARS)
    return Quote(trace_id, example.detail, text)


def _suspect(store: Store, suspect: Suspect) -> page.SuspectLine:
    problem = store.get("problems", suspect.problem, Problem)
    question = problem.question if problem else "(not in this run)"
    return page.SuspectLine(question=question, **msgspec.structs.asdict(suspect))


def _groups(groups: Sequence[Acceptance]) -> list[page.GroupLine]:
    return [page.GroupLine(*msgspec.structs.astuple(group)) for group in groups]


def _overlaps(facts: ContaminationFacts) -> page.Overlaps:
    lines = [page.OverlapLine(*msgspec.structs.astuple(row)) for row in facts.rows]
    return page.Overlaps(facts.self_test, lines, facts.completions)

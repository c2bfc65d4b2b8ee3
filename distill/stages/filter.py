"""Which traces the student learns from: the right, readable, new ones, a few for each problem."""

import logging
from contextlib import closing

import msgspec

from distill.evaluation.tables import markdown_table
from distill.files import write_whole
from distill.filters.card import Cost, card
from distill.filters.dataset import write_dataset
from distill.filters.decisions import Fate, decide
from distill.filters.funnel import FilterFacts, write_facts
from distill.recipe import Recipe
from distill.records import Decision, DropReason
from distill.runlog import log_metrics, summary
from distill.stages.budget_end import Ended, ended_by_budget
from distill.stages.examination import (
    examine_run,
    facts_of,
    origin_of,
    rates_of,
    rows_of,
    word_of,
)
from distill.store import RunPaths, Store

logger = logging.getLogger("distill")


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Decide about every trace, write the dataset with its card, and `filter.json`.

    Decisions are derived, so all are made anew.
    Raises: RecipeError, RecordError and StoreError as `examine_run`.
    """
    with closing(Store(paths.store)) as store:
        done = examine_run(store, recipe)
        words = [word_of(finding, recipe.filter) for finding in done.findings]
        fates = decide(
            done.findings, words, recipe.filter, overlaps=done.overlaps, seed=recipe.seed
        )
        facts = facts_of(done, words, fates, recipe.filter)
        by_id = {f.known.trace_id: fate for f, fate in zip(done.findings, fates, strict=True)}
        store.clear("decisions")
        store.put("decisions", ((key, _decision(key, by_id[key])) for key in sorted(by_id)))
        cost = Cost()
        rows = cost.counted(rows_of(store, done, rates_of(done, recipe.filter)))
        sources = write_dataset(paths.dataset, ((values, by_id[key]) for key, values in rows))
        ended = ended_by_budget(store)
    origin = origin_of(recipe, done, sources)
    notes = [*origin.notes, "", cost.note(), *_sampling_notes(recipe, ended)]
    origin = msgspec.structs.replace(origin, notes=notes)
    write_whole(paths.dataset / "README.md", card(origin, facts, markdown_table))
    write_whole(paths.filter_facts, write_facts(facts))
    _tell(paths, facts, right=sum(word.correct is True for word in words))


def _sampling_notes(recipe: Recipe, ended: Ended | None) -> list[str]:
    """What the number of traces of a problem depends on."""
    notes = []
    if recipe.sample.adaptive is not None:
        notes.append(
            "Problems were asked until they had what they need: how many traces one has depends on "
            "how many of them were right, so `pass_rate` is no even-handed estimate."
        )
    if ended is not None:
        notes.append(f"Sampling was ended by its budget ({ended.reached}).")
    return notes


def _decision(trace_id: str, fate: Fate) -> Decision:
    return Decision(
        trace_id=trace_id,
        kept=fate.kept,
        reason=fate.reason,
        detail=fate.detail,
        reasons=fate.reasons,
    )


def _tell(paths: RunPaths, facts: FilterFacts, *, right: int) -> None:
    left = {step.step: step.left for step in facts.funnel}
    counts = {count.reason: count.first for count in facts.reasons if count.first}
    log_metrics(
        paths.metrics,
        "filter",
        traces=facts.traces,
        right=right,
        readable=left["readable"],
        kept=facts.kept,
        reasons={DropReason.KEPT.value: facts.kept, **counts} if facts.kept else counts,
    )
    if not facts.kept:
        logger.warning("filter: nothing was kept, so there is nothing to learn from")
    if facts.suspicious_references:
        logger.warning(
            "filter: %d problems whose samples agree against their reference: see %s",
            facts.suspicious_references,
            paths.filter_facts,
        )
    summary(
        "filter",
        f"{facts.traces} traces, {right} right, {left['readable']} readable, {facts.kept} kept",
    )

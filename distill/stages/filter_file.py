"""The filter on traces that exist already: one decision for each row of any file."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from distill.files import write_whole
from distill.filters.decisions import Fate, Word, decide
from distill.filters.funnel import FilterFacts, filter_facts, write_facts
from distill.partial import PartialFile, check_files
from distill.problems.rows import BadRows, readable_twice
from distill.problems.trace_file import TraceFields
from distill.recipe import ALGEBRA_SECONDS, MathPolicy, NonNegative, Positive, PositiveFloat
from distill.runlog import summary
from distill.stages.examination import word_of
from distill.stages.file_examination import (
    FileExamination,
    Source,
    aside,
    examine_file,
    thresholds_of,
)

DEFAULT_POLICY = MathPolicy()
LINES_AT_ONCE = 1000


def run(
    *,
    traces: str,
    problem: str,
    completion: str,
    out: str,
    verdicts: str | None = None,
    reference: str | None = None,
    id_field: str | None = None,
    finish_reason: str | None = None,
    family: str | None = None,
    split: str | None = None,
    skip_bad: str | None = None,
    test_set: str | None = None,
    report: str | None = None,
    seed: NonNegative = 17,
    processes: Positive | None = None,
    timeout_seconds: PositiveFloat = ALGEBRA_SECONDS,
    policy: MathPolicy = DEFAULT_POLICY,
    **thresholds: Any,
) -> FilterFacts:
    """Write one decision (`id`, `kept`, `reason`, `detail`, `reasons`) for each row of a file.

    Memory does not grow with the texts, and the decisions are the same for any number of processes.

    Args:
        traces: JSONL, Parquet or a `datasets` folder, of which `split` names the split.
        problem, completion, reference, id_field, finish_reason, family: names of fields: the
            question, the raw text of the model, the reference answer, the trace's id (without
            it `id`, or the row's number where no row has one), "stop", "length" or null, and the
            kind of problem. A trace that ended by length is truncated, whatever its verdict.
        out: the JSONL file to write; it is whole or not there.
        verdicts: what `distill verify` wrote about these traces, joined by `id`. Without it the
            answers are judged here if `reference` is given, and are not looked at if it is not.
        skip_bad: where rows go that cannot be used; without it the first one stops all.
        test_set: problems (as in a recipe) that must not be learned from; with overlap_ngram null
            only the same questions are looked for.
        report: a JSON file for the figures: `distill.filters.funnel.FilterFacts`.
        seed: for keep=random.
        processes: None takes all cores.
        timeout_seconds, policy: for answers that are judged here.
        thresholds: the keys of a recipe's `filter` section. `require_think` is off unless asked
            for: released traces seldom keep their opening tag.
    Returns: the figures.
    Raises: RecipeError or RecordError before any work, naming file, line and field.
    """
    check_files(
        inputs=(traces, verdicts, test_set),
        outputs={"--out": out, "--skip-bad": skip_bad, "--report": report},
    )
    fields = TraceFields(
        problem=problem,
        completion=completion,
        reference=reference,
        trace_id=id_field,
        finish_reason=finish_reason,
        family=family,
    )
    with readable_twice(Path(traces)) as path, aside(skip_bad) as bad:
        source = Source(
            path=path,
            fields=fields,
            split=split,
            bad=bad,
            verdicts=verdicts,
            policy=policy,
            timeout_seconds=timeout_seconds,
            processes=processes,
        )
        keys = thresholds_of(thresholds, source)
        done = examine_file(source, keys, test_set=test_set)
    words = [word_of(finding, keys) for finding in done.findings]
    fates = decide(done.findings, words, keys, overlaps=done.overlaps, seed=seed)
    facts = filter_facts(
        done.findings,
        words,
        fates,
        problems=done.problems,
        thresholds=msgspec.to_builtins(keys),
        contamination=done.contamination,
    )
    _write(Path(out), done, fates)
    if report is not None:
        write_whole(Path(report), write_facts(facts))
    _tell(facts, words if source.is_judged else None, bad)
    return facts


def _write(out: Path, done: FileExamination, fates: Iterable[Fate]) -> None:
    lines = (
        _line(finding.known.trace_id, fate)
        for finding, fate in zip(done.findings, fates, strict=True)
    )
    with PartialFile(out) as target:
        try:
            while some := b"".join(islice(lines, LINES_AT_ONCE)):
                target.write(some)
            target.finish()
        except BaseException:
            target.drop()
            raise


def _line(trace_id: str | int, fate: Fate) -> bytes:
    line = {
        "id": trace_id,
        "kept": fate.kept,
        "reason": fate.reason.value,
        "detail": fate.detail,
        "reasons": [reason.value for reason in fate.reasons],
    }
    return json.dumps(line).encode() + b"\n"  # in ASCII: ids may hold half characters


def _tell(facts: FilterFacts, words: Sequence[Word] | None, bad: BadRows | None) -> None:
    for count in facts.reasons:
        if count.first:
            summary("filter", f"{count.first:6d} {count.reason}")
    if words is None:
        judged = "answers not looked at"
    else:
        judged = f"{sum(word.correct is True for word in words)} right"
    left = {step.step: step.left for step in facts.funnel}
    skipped = "" if bad is None else f", {bad.count} bad rows in {bad.path}"
    summary(
        "filter",
        f"{facts.traces} traces, {judged}, {left['readable']} readable, {facts.kept} kept{skipped}",
    )

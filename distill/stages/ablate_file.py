"""The ablation on traces that exist already: a dataset for each way to filter a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from distill.evaluation.tables import markdown_table
from distill.files import write_whole
from distill.filters.ablation import (
    Outcome,
    ablation,
    ablation_json,
    ablation_text,
    not_made,
    not_made_lines,
    outcome,
    variants,
)
from distill.filters.card import Origin, card, filter_step, shown_source, switches
from distill.filters.dataset import Sources, Values, known_values, write_variants
from distill.filters.selection import pass_rates
from distill.partial import check_files
from distill.problems.rows import readable_twice
from distill.problems.trace_file import TraceFields
from distill.recipe import ALGEBRA_SECONDS, Filter, MathPolicy, NonNegative, Positive, PositiveFloat
from distill.runlog import summary, versions
from distill.stages.examination import SOFTWARE, word_of
from distill.stages.file_examination import (
    FileExamination,
    Source,
    aside,
    check_folder,
    examine_file,
    thresholds_of,
)
from distill.verifiers.judge import combine

DEFAULT_POLICY = MathPolicy()


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
    seed: NonNegative = 17,
    processes: Positive | None = None,
    timeout_seconds: PositiveFloat = ALGEBRA_SECONDS,
    policy: MathPolicy = DEFAULT_POLICY,
    **thresholds: Any,
) -> None:
    """Write OUT: a dataset with its card for each variant, ablation.md and ablation.json.

    Args:
        out: a folder; what is in it under the same names is replaced.
        traces ... thresholds: as for `distill filter --traces`.
    Raises: RecipeError or RecordError before any work, naming file, line and field.
    """
    folder = Path(out)
    check_folder(folder)
    check_files(inputs=(traces, verdicts, test_set), outputs={"--skip-bad": skip_bad})
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
        done = examine_file(source, keys, test_set=test_set, compare_all=True)
        made = _outcomes(done, keys, source, seed)
        ids = [str(finding.known.trace_id) for finding in done.findings]
        kept = {folder / one.variant.name: {ids[at] for at in one.kept} for one in made}
        sources = write_variants(kept, _rows(done, keys, source, Path(traces).name))
    for one, counts in zip(made, sources, strict=True):
        origin = _origin(one, counts, source, name=Path(traces).name, seed=seed)
        note = _tested(test_set, one.variant.keys, done)
        text = card(msgspec.structs.replace(origin, notes=[note]), one.facts, markdown_table)
        write_whole(folder / one.variant.name / "README.md", text)
    _write_table(made, done, source, Path(traces).name, folder)


def _outcomes(done: FileExamination, keys: Filter, source: Source, seed: int) -> list[Outcome]:
    chosen = variants(
        keys,
        has_verdicts=source.is_judged,
        has_judgements=False,
        has_tests=done.contamination is not None,
    )
    return [
        outcome(
            variant,
            done.findings,
            combine=combine,
            overlaps=done.overlaps,
            problems=done.problems,
            seed=seed,
        )
        for variant in chosen
    ]


def _rows(done: FileExamination, keys: Filter, source: Source, name: str) -> Iterator[Values]:
    """The rows of the datasets: what the file says of each trace, and its verdict."""
    rates = pass_rates((one.known.problem, word_of(one, keys).correct) for one in done.findings)
    for trace, finding in zip(source.traces(), done.findings, strict=True):
        known = finding.known
        yield {
            **known_values(known, rates.get(known.problem)),
            "problem_id": done.problems[known.problem].name,
            "question": trace.question,
            "reference": trace.reference if source.fields.reference else None,
            "completion": trace.completion,
            "family": trace.family,
            "source": name,
            "verifier": "math" if source.fields.reference else None,
        }


def _origin(one: Outcome, sources: Sources, source: Source, *, name: str, seed: int) -> Origin:
    return Origin(
        name=f"{name}, {one.variant.name}",
        steps=[
            f"The traces of `{name}` were taken as they are; who wrote them and under which "
            "licence, that file's own source says.",
            _judged(source),
            filter_step(one.variant.keys, seed),
        ],
        sources=sources,
        software=versions(SOFTWARE),
        has_dropped=False,
    )


def _judged(source: Source) -> str:
    """Who said which answers are right, in words."""
    if source.verdicts is not None:
        return f"Which answers are right was read from `{Path(source.verdicts).name}`."
    if source.fields.reference is None:
        return "Nobody looked at whether the answers are right."
    return (
        f"The final answer was compared with the field `{source.fields.reference}` (at most "
        f"{source.timeout_seconds:g} s; what may count as equal: {switches(source.policy)})."
    )


def _tested(test_set: str | None, keys: Filter, done: FileExamination) -> str:
    """What was looked for of the problems that must not be learned from, in words."""
    if test_set is None or done.contamination is None:
        return "No test set was named, so none was looked for in these traces."
    if keys.overlap_ngram is None and keys.overlap_char_ngram is None:
        return f"What overlaps with the test set `{shown_source(test_set)}` was left in."
    return f"Of the test set `{shown_source(test_set)}`: {done.contamination.self_test}."


def _write_table(
    made: list[Outcome], done: FileExamination, source: Source, name: str, folder: Path
) -> None:
    skipped = not_made(has_verdicts=source.is_judged, has_judgements=False)
    found = ablation(made, done.findings, length_unit="characters", skipped=skipped)
    write_whole(folder / "ablation.md", ablation_text(name, found, markdown_table))
    write_whole(folder / "ablation.json", ablation_json(found))
    for line in not_made_lines(found):
        summary("ablate", line)
    summary("ablate", f"{len(made)} datasets of {found.traces} traces, see {folder}/ablation.md")

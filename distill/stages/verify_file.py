"""Verify completions that lie in a JSONL file: one verdict out per line in."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from distill.errors import RecipeError
from distill.problems.trace_file import FileTrace, TraceFields, read_traces
from distill.recipe import Positive, PositiveFloat, nearest
from distill.records import Problem, Verdict, VerdictReason
from distill.runlog import progress, summary
from distill.store import check_target, write_whole
from distill.verifiers.verdict import VERIFIERS, Verifier

BATCH = 64  # completions between two looks at the keyboard


class FileReport(msgspec.Struct, frozen=True):
    """What came out, and how it agrees with the labels where there are any."""

    lines: int
    reasons: dict[str, int]
    labelled: int = 0  # lines whose label is true or false
    agreed: int = 0
    false_accepts: tuple[str | int, ...] = ()  # ids: called right, labelled wrong
    false_rejects: tuple[str | int, ...] = ()  # ids: called wrong, labelled right
    undecided: tuple[str | int, ...] = ()  # ids: labelled, but no verdict on the answer

    @property
    def agreement(self) -> float:
        """Share of the labelled lines with the label's verdict; undecided ones count against it."""
        return self.agreed / self.labelled if self.labelled else 0.0


def run(
    *,
    traces: str | Path,
    problem: str,
    reference: str,
    completion: str,
    out: str | Path,
    id_field: str | None = None,
    verifier: str = "math",
    label: str | None = None,
    finish_reason: str | None = None,
    timeout_seconds: PositiveFloat = 5.0,
    workers: Positive = 1,
) -> FileReport:
    """Verify every line of a JSONL file and write the verdicts, all of them or none.

    Args:
        traces: JSONL, one record per line.
        problem, reference, completion, label, id_field, finish_reason: names of fields. `label`
            holds true, false or null, `finish_reason` "stop", "length" or null for not known.
            Without `id_field` it is `id`, or the line number where no line has one.
        out: JSONL with `id`, `correct`, `reason`, `answer`, in the order of the input.
        verifier: "math" (letters of multiple choice included) or "choice".
    Raises: RecipeError for an argument that cannot be obeyed, RecordError with file, line and
        field for a line that cannot be read, before any completion is verified.
    """
    traces, out = Path(traces), Path(out)
    _check_verifier(verifier)
    check_target(out, traces)
    fields = TraceFields(
        problem=problem,
        completion=completion,
        reference=reference,
        trace_id=id_field,
        label=label,
        finish_reason=finish_reason,
    )
    rows = read_traces(traces, fields)
    verdicts: list[Verdict] = []
    with (
        Verifier(timeout_seconds=timeout_seconds, workers=workers) as judge,
        progress(len(rows), "verify") as bar,
    ):
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            verdicts += judge.verify_all(
                (_problem(row, verifier), row.key, row.completion, row.finish_reason)
                for row in batch
            )
            bar.update(len(batch))
    write_whole(out, "".join(_lines(rows, verdicts)))
    report = compare_with_labels(rows, verdicts)
    _summarise(report, out, label)
    return report


def _check_verifier(verifier: str) -> None:
    known = [name for name in VERIFIERS if name != "reasoning-gym"]  # that needs entries
    if verifier not in known:
        raise RecipeError(
            f"--verifier is {verifier!r}; expected one of {', '.join(known)}"
            f"{nearest(verifier, known)}"
        )


def _problem(row: FileTrace, verifier: str) -> Problem:
    return Problem(
        problem_id=row.key, question=row.question, reference=row.reference, verifier=verifier
    )


def _lines(rows: list[FileTrace], verdicts: list[Verdict]) -> Iterator[str]:
    for row, verdict in zip(rows, verdicts, strict=True):
        line = {
            "id": row.trace_id,
            "correct": verdict.correct,
            "reason": verdict.reason.value,
            "answer": verdict.answer,
        }
        yield json.dumps(line) + "\n"


def compare_with_labels(rows: Iterable[FileTrace], verdicts: Iterable[Verdict]) -> FileReport:
    """Count reasons, agreement and the two kinds of error."""
    pairs = list(zip(rows, verdicts, strict=True))
    labelled = [(row, verdict) for row, verdict in pairs if row.label is not None]
    wrong = [(row, verdict) for row, verdict in labelled if verdict.correct is not row.label]
    return FileReport(
        lines=len(pairs),
        reasons=dict(Counter(verdict.reason.value for _, verdict in pairs)),
        labelled=len(labelled),
        agreed=len(labelled) - len(wrong),
        false_accepts=tuple(row.trace_id for row, verdict in wrong if verdict.correct is True),
        false_rejects=tuple(row.trace_id for row, verdict in wrong if verdict.correct is False),
        undecided=tuple(row.trace_id for row, verdict in wrong if verdict.correct is None),
    )


def _summarise(report: FileReport, out: Path, label: str | None) -> None:
    counts = [
        f"{report.reasons[reason.value]} {reason.value.replace('_', ' ')}"
        for reason in VerdictReason
        if reason.value in report.reasons
    ]
    summary("verify", ", ".join([f"{report.lines} lines", *counts, f"verdicts in {out}"]))
    if label is None:
        return
    summary(
        "verify",
        f"against {label!r}: {report.agreed} of {report.labelled} agree "
        f"({100 * report.agreement:.2f}%), {len(report.false_accepts)} false accepts, "
        f"{len(report.false_rejects)} false rejects, {len(report.undecided)} undecided",
    )
    for name in ("false_accepts", "false_rejects", "undecided"):
        ids = getattr(report, name)
        if ids:
            summary("verify", f"{name.replace('_', ' ')}: {', '.join(map(_shown, ids[:50]))}")


def _shown(trace_id: str | int) -> str:
    """An id that cannot command a terminal."""
    text = str(trace_id)
    return text if text.isprintable() else ascii(text)

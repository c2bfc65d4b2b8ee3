"""Verify completions that lie in a JSONL file: one verdict out per line in."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecordError
from distill.recipe import nearest
from distill.records import Problem, Verdict, VerdictReason
from distill.runlog import progress, summary
from distill.store import write_whole
from distill.verifiers.verdict import VERIFIERS, Verifier

BATCH = 64  # completions between two looks at the keyboard


class Row(msgspec.Struct, frozen=True):
    """One line of the file."""

    row_id: str | int
    problem: Problem
    completion: str
    label: bool | None


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


class Fields(msgspec.Struct, frozen=True):
    """Names of the fields in the file."""

    problem: str
    reference: str
    completion: str
    row_id: str
    label: str | None


def run(
    *,
    traces: str | Path,
    problem: str,
    reference: str,
    completion: str,
    out: str | Path,
    id_field: str = "id",
    verifier: str = "math",
    label: str | None = None,
    timeout_seconds: float = 5.0,
    workers: int = 1,
) -> FileReport:
    """Verify every line of a JSONL file and write the verdicts, all of them or none.

    Args:
        traces: JSONL, one record per line.
        problem, reference, completion, label, id_field: names of fields. `label` holds true,
            false or null; without `id_field` anywhere the line number is the id.
        out: JSONL with `id`, `correct`, `reason`, `answer`, in the order of the input.
        verifier: "math" (letters of multiple choice included) or "choice".
    Raises: RecordError with file, line and field for anything that cannot be read, before any
        completion is verified.
    """
    traces, out = Path(traces), Path(out)
    _check_arguments(traces, out, verifier)
    fields = Fields(problem, reference, completion, id_field, label)
    rows = read_rows(traces, fields, verifier)
    verdicts: list[Verdict] = []
    with (
        Verifier(timeout_seconds=timeout_seconds, workers=workers) as judge,
        progress(len(rows), "verify") as bar,
    ):
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            verdicts += judge.verify_all(
                (row.problem, str(row.row_id), row.completion, None) for row in batch
            )
            bar.update(len(batch))
    write_whole(out, "".join(_lines(rows, verdicts)))
    report = compare_with_labels(rows, verdicts)
    _summarise(report, out, label)
    return report


def _check_arguments(traces: Path, out: Path, verifier: str) -> None:
    known = [name for name in VERIFIERS if name != "reasoning-gym"]  # that needs entries
    if verifier not in known:
        raise RecordError(
            f"--verifier is {verifier!r}; expected one of {', '.join(known)}"
            f"{nearest(verifier, known)}"
        )
    if not traces.is_file():
        near = [str(path) for path in traces.parent.glob("*.jsonl")]
        raise RecordError(f"{traces}: no such file{nearest(str(traces), near)}")
    if out.is_dir():
        raise RecordError(f"{out}: is a folder; --out names the file of verdicts")
    if out.exists() and out.samefile(traces):
        raise RecordError(f"{out}: is the file of traces; --out must name another file")


def read_rows(path: Path, fields: Fields, verifier: str) -> list[Row]:
    """Every record of the file.

    Raises: RecordError for a torn line, bad UTF-8, a missing field or a wrong type.
    """
    records = list(_records(path))
    if not records:
        raise RecordError(f"{path}: holds no records")
    has_ids = any(fields.row_id in record for _, record in records)
    return [_row(path, line, record, fields, verifier, has_ids) for line, record in records]


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, "rb") as handle:
        for number, raw in enumerate(handle, start=1):
            where = f"{path}: line {number}"
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise RecordError(f"{where}: is not UTF-8 at byte {error.start + 1}") from None
            except (ValueError, RecursionError) as error:
                raise RecordError(f"{where}: is not whole JSON: {error}") from None
            if not isinstance(record, dict):
                kind = type(record).__name__
                raise RecordError(f"{where}: is a {kind}; expected a record such as {{...}}")
            yield number, record


def _row(
    path: Path, line: int, record: dict[str, Any], fields: Fields, verifier: str, has_ids: bool
) -> Row:
    def value(field: str, kinds: tuple[type, ...], expected: str) -> Any:
        where = f"{path}: line {line}"
        if field not in record:
            raise RecordError(f"{where}: has no field {field!r}{nearest(field, list(record))}")
        found = record[field]
        if type(found) not in kinds:
            kind = "null" if found is None else type(found).__name__
            raise RecordError(f"{where}: field {field!r} is {kind}; expected {expected}")
        return found

    row_id = value(fields.row_id, (str, int), "text or a whole number") if has_ids else line
    reference = value(fields.reference, (str, int, float), "text or a number")
    label = None
    if fields.label is not None:
        label = value(fields.label, (bool, type(None)), "true, false or null")
    return Row(
        row_id=row_id,
        problem=Problem(
            problem_id=str(row_id),
            question=value(fields.problem, (str,), "text"),
            reference=str(reference),
            verifier=verifier,
        ),
        completion=value(fields.completion, (str,), "text"),
        label=label,
    )


def _lines(rows: list[Row], verdicts: list[Verdict]) -> Iterator[str]:
    for row, verdict in zip(rows, verdicts, strict=True):
        line = {
            "id": row.row_id,
            "correct": verdict.correct,
            "reason": verdict.reason.value,
            "answer": verdict.answer,
        }
        yield json.dumps(line) + "\n"


def compare_with_labels(rows: Iterable[Row], verdicts: Iterable[Verdict]) -> FileReport:
    """Count reasons, agreement and the two kinds of error."""
    pairs = list(zip(rows, verdicts, strict=True))
    labelled = [(row, verdict) for row, verdict in pairs if row.label is not None]
    wrong = [(row, verdict) for row, verdict in labelled if verdict.correct is not row.label]
    return FileReport(
        lines=len(pairs),
        reasons=dict(Counter(verdict.reason.value for _, verdict in pairs)),
        labelled=len(labelled),
        agreed=len(labelled) - len(wrong),
        false_accepts=tuple(row.row_id for row, verdict in wrong if verdict.correct is True),
        false_rejects=tuple(row.row_id for row, verdict in wrong if verdict.correct is False),
        undecided=tuple(row.row_id for row, verdict in wrong if verdict.correct is None),
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
            summary("verify", f"{name.replace('_', ' ')}: {', '.join(map(str, ids[:50]))}")

"""Verify completions that lie in a file: one verdict out per row in."""

import json
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import starmap
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecipeError, nearest
from distill.partial import PartialFile, check_files
from distill.problems.rows import BadRows, contents_of, readable_twice
from distill.problems.trace_file import FileTrace, TraceFields, read_traces
from distill.progress import progress
from distill.recipe import ALGEBRA_SECONDS, MathPolicy, Positive, PositiveFloat
from distill.records import Problem, Verdict, VerdictReason
from distill.runlog import fingerprint, summary, versions
from distill.verifiers.pairs import DEFAULT_POLICY
from distill.verifiers.stream import verify_stream
from distill.verifiers.verdict import VERIFIERS, Asked, Verifier

LINES_AT_ONCE = 64  # are written together,
FLUSH_SECONDS = 1.0  # or what there is after this time
KINDS = ("false_accepts", "false_rejects", "undecided")
MAX_IDS = 1000  # of each kind of disagreement that are kept
PACKAGES = ("r1-distill", "math-verify", "latex2sympy2_extended", "sympy")


class FileReport(msgspec.Struct):
    """What came out, and how it agrees with the labels where there are any."""

    lines: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    labelled: int = 0  # rows whose label is true or false
    agreed: int = 0
    disagreed: Counter[str] = msgspec.field(default_factory=Counter)  # by kind, as below
    false_accepts: list[str | int] = []  # first ids: called right, labelled wrong
    false_rejects: list[str | int] = []  # first ids: called wrong, labelled right
    undecided: list[str | int] = []  # first ids: labelled, but no verdict on the answer

    @property
    def agreement(self) -> float:
        """Share of the labelled rows with the label's verdict; undecided ones count against it."""
        return self.agreed / self.labelled if self.labelled else 0.0

    def add(self, trace: FileTrace, correct: bool | None, reason: VerdictReason) -> None:
        """Count one row."""
        self.lines += 1
        self.reasons[reason.value] += 1
        if trace.label is None:
            return
        self.labelled += 1
        if correct is trace.label:
            self.agreed += 1
            return
        kind = "undecided" if correct is None else KINDS[not correct]
        self.disagreed[kind] += 1
        if len(ids := getattr(self, kind)) < MAX_IDS:
            ids.append(trace.trace_id)


def run(
    *,
    traces: str | Path,
    problem: str,
    completion: str,
    out: str | Path,
    reference: str | None = None,
    id_field: str | None = None,
    verifier: str = "math",
    label: str | None = None,
    finish_reason: str | None = None,
    tests: str | None = None,
    options: str | None = None,
    split: str | None = None,
    skip_bad: str | Path | None = None,
    timeout_seconds: PositiveFloat = ALGEBRA_SECONDS,
    workers: Positive | None = None,
    program_seconds: PositiveFloat = 6.0,
    program_memory_mb: Positive = 1024,
    allow_unsafe_code: bool = False,
    policy: MathPolicy = DEFAULT_POLICY,
) -> FileReport:
    """Verify every row of a file and write the verdicts; memory does not grow with their number.

    Args:
        traces: JSONL, Parquet or a `datasets` folder, of which `split` names the split.
        problem, reference, completion, label, id_field, finish_reason, family, tests, options:
            names of fields. `label` holds true, false or null, `finish_reason` "stop", "length"
            or null for not known, `tests` those of a program. Without `id_field` it is `id`, or
            the row's number where no row has one.
        out: JSONL with `id`, `correct`, `reason`, `answer`, `route`, `seconds`, `detail`, in the
            order of the input. It is there when all is done; until then OUT.partial is, behind
            which the same call goes on after a kill.
        verifier: "math" (letters of multiple choice included), "choice" or "code".
        skip_bad: where rows go that cannot be used; without it the first one stops all.
        timeout_seconds: of algebra, for one trace.
        workers: processes; None takes all cores.
        program_seconds, program_memory_mb: limits of a program, for one test.
        allow_unsafe_code: run programs where this machine cannot isolate them.
    Raises: RecipeError for an argument that cannot be obeyed, RecordError with file, line and
        field for a row that cannot be read, SandboxUnavailable for programs on a machine that
        cannot isolate them; all before any completion is verified.
    """
    _check_verifier(verifier, reference, tests)
    check_files(inputs=(traces,), outputs={"--out": out, "--skip-bad": skip_bad})
    fields = TraceFields(
        problem=problem,
        completion=completion,
        reference=reference,
        trace_id=id_field,
        label=label,
        finish_reason=finish_reason,
        tests=tests,
        options=options,
    )
    settings = {
        "policy": msgspec.to_builtins(policy),
        "timeout_seconds": timeout_seconds,
        "program_seconds": program_seconds,
        "program_memory_mb": program_memory_mb,
        "allow_unsafe_code": allow_unsafe_code,
    }
    aside = nullcontext() if skip_bad is None else BadRows(skip_bad)
    with readable_twice(Path(traces)) as path, aside as bad:
        if verifier == "code":  # where no program can be isolated, that is said before any work
            with Verifier(allow_unsafe_code=allow_unsafe_code) as probe:
                probe.open_sandbox()
        job = Job(path, fields, split, bad, verifier, settings, workers)
        report = _verify(job, Path(out))
    _summarise(report, Path(out), label, bad)
    return report


class Job(msgspec.Struct, frozen=True):
    """What is to be verified, and how."""

    path: Path
    fields: TraceFields
    split: str | None
    bad: BadRows | None
    verifier: str
    settings: dict[str, Any]
    workers: int | None

    def traces(self) -> Iterator[FileTrace]:
        """The traces, from the first."""
        return read_traces(self.path, self.fields, split=self.split, bad=self.bad)

    def made_from(self) -> str:
        """Names all that the verdicts depend on."""
        return fingerprint(
            "verify",
            contents_of(self.path, self.split),
            msgspec.to_builtins(self.fields),
            self.verifier,
            self.settings,
            versions(PACKAGES),
        )


def _verify(job: Job, out: Path) -> FileReport:
    """Read all once, so that no bad row is met half-way; then go on where an earlier run ended."""
    report = FileReport()
    rows = sum(1 for _ in job.traces())
    with PartialFile(out, job.made_from()) as target:
        traces = job.traces()
        for line, trace in zip(target.earlier(), traces, strict=False):
            told = msgspec.json.decode(line, type=_Told)
            report.add(trace, told.correct, told.reason)
        with progress(rows, "verify", done=target.done) as bar:
            for lines, pairs in _verified(traces, job):
                target.write(lines)
                for trace, verdict in pairs:
                    report.add(trace, verdict.correct, verdict.reason)
                bar.update(len(pairs))
        target.finish()
    return report


class _Told(msgspec.Struct):
    """What of a line that was written is counted."""

    correct: bool | None
    reason: VerdictReason


def _check_verifier(verifier: str, reference: str | None, tests: str | None) -> None:
    known = [name for name in VERIFIERS if name != "reasoning-gym"]  # that needs entries
    if verifier not in known:
        raise RecipeError(
            f"--verifier is {verifier!r}; expected one of {', '.join(known)}"
            f"{nearest(verifier, known)}"
        )
    if verifier == "code" and tests is None:
        raise RecipeError("--verifier=code needs --tests=FIELD, the field that holds the tests")
    if verifier != "code" and reference is None:
        raise RecipeError(
            f"--verifier={verifier} needs --reference=FIELD, the field that holds the right answer"
        )


Judged = list[tuple[FileTrace, Verdict]]


def _verified(traces: Iterator[FileTrace], job: Job) -> Iterator[tuple[bytes, Judged]]:
    """Lines to write with their traces and verdicts, some at once."""
    waiting: deque[FileTrace] = deque()  # read and not yet verified

    def asked() -> Iterator[Asked]:
        for trace in traces:
            waiting.append(trace)
            yield _problem(trace, job.verifier), trace.key, trace.completion, trace.finish_reason

    pairs: Judged = []
    told = time.monotonic()
    with closing(verify_stream(asked(), workers=job.workers, **job.settings)) as verdicts:
        for verdict in verdicts:
            pairs.append((waiting.popleft(), verdict))
            if len(pairs) >= LINES_AT_ONCE or time.monotonic() - told > FLUSH_SECONDS:
                yield b"".join(starmap(_line, pairs)), pairs
                pairs, told = [], time.monotonic()
    if pairs:
        yield b"".join(starmap(_line, pairs)), pairs


def _problem(trace: FileTrace, verifier: str) -> Problem:
    return Problem(
        problem_id=trace.key,
        question=trace.question,
        reference=trace.reference,
        verifier=verifier,
        tests=trace.tests,
    )


def _line(trace: FileTrace, verdict: Verdict) -> bytes:
    line = {
        "id": trace.trace_id,
        "correct": verdict.correct,
        "reason": verdict.reason.value,
        "answer": verdict.answer,
        "route": verdict.route,
        "seconds": round(verdict.seconds, 6),
        "detail": verdict.detail,
    }
    return json.dumps(line).encode() + b"\n"


def _summarise(report: FileReport, out: Path, label: str | None, bad: BadRows | None) -> None:
    counts = [
        f"{report.reasons[reason.value]} {reason.value.replace('_', ' ')}"
        for reason in VerdictReason
        if reason.value in report.reasons
    ]
    aside = [] if bad is None else [f"{bad.count} bad rows in {bad.path}"]
    summary("verify", ", ".join([f"{report.lines} lines", *counts, *aside, f"verdicts in {out}"]))
    if label is None:
        return
    wrong = ", ".join(f"{report.disagreed[kind]} {kind.replace('_', ' ')}" for kind in KINDS)
    summary(
        "verify",
        f"against {label!r}: {report.agreed} of {report.labelled} agree "
        f"({100 * report.agreement:.2f}%), {wrong}",
    )
    for kind in KINDS:
        if ids := getattr(report, kind):
            summary("verify", f"{kind.replace('_', ' ')}: {', '.join(map(_shown, ids[:50]))}")


def _shown(trace_id: str | int) -> str:
    """An id that cannot command a terminal."""
    text = str(trace_id)
    return text if text.isprintable() else ascii(text)

"""The traces of a file, examined: what the filter and its ablation on files start from."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill.errors import RecipeError, RecordError, nearest
from distill.files import check_target
from distill.filters.chain import Subject, checks_of
from distill.filters.decisions import word
from distill.filters.findings import Finding, Known
from distill.filters.funnel import ContaminationFacts, Named
from distill.problems.contamination import Contamination, Overlap
from distill.problems.rows import ADVICE, BadRows, Row, read_rows
from distill.problems.sources import load_problems
from distill.problems.trace_file import FileTrace, TraceFields, read_traces
from distill.problems.wording import normalise
from distill.recipe import Filter, MathPolicy
from distill.recipe_file import known_keys
from distill.records import Problem, Verdict, VerdictReason
from distill.stages.examination import (
    SHOWN_REFERENCE_CHARS,
    check_filter,
    compact,
    contamination_facts,
    examined,
    self_tested,
)
from distill.verifiers.judge import combine
from distill.verifiers.stream import verify_stream
from distill.verifiers.verdict import Asked


class FileVerdict(msgspec.Struct, frozen=True):
    """One line of what `distill verify` wrote; other fields are passed over."""

    id: str | int
    correct: bool | None
    reason: VerdictReason
    answer: str | None = None
    route: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The file of traces, and what tells which of them are right."""

    path: Path
    fields: TraceFields
    split: str | None
    bad: BadRows | None
    verdicts: str | None  # a file
    policy: MathPolicy
    timeout_seconds: float
    processes: int | None

    @property
    def is_judged(self) -> bool:
        """Is there a word on the answers?"""
        return self.verdicts is not None or self.fields.reference is not None

    def traces(self) -> Iterator[FileTrace]:
        """The traces, from the first."""
        return read_traces(self.path, self.fields, split=self.split, bad=self.bad)


class FileExamination(NamedTuple):
    """Everything that the decisions about a file's traces need; no texts."""

    findings: Sequence[Finding]  # in the order of the file
    problems: dict[str, Named]
    overlaps: dict[str, Overlap]
    contamination: ContaminationFacts | None


def thresholds_of(given: dict[str, Any], source: Source) -> Filter:
    """The section filter of these flags; what cannot be obeyed on this file is refused.

    Without verdicts and reference nobody's word counts, and the opening think tag is asked for
    only when a flag says so: released traces seldom keep it.
    """
    if source.verdicts is not None and source.fields.reference is not None:
        raise RecipeError("--verdicts and --reference both say what is right; give one of them")
    known = known_keys("filter")
    for key in given:
        if key not in known:
            raise RecipeError(f"--{key}: no such key{nearest(key, known)}; {', '.join(known)}")
    accept = "rule" if source.is_judged else "none"
    try:
        keys = msgspec.convert({"accept": accept, "require_think": False, **given}, Filter)
    except msgspec.ValidationError as error:
        raise RecipeError(f"a key of the filter: {error}") from None
    _check_flags(keys, source)
    check_filter(keys, has_judgements=False)
    return keys


def _check_flags(keys: Filter, source: Source) -> None:
    """Refuse what would do nothing on this file. Raises: RecipeError naming the flag."""
    needy = {
        f"--accept={keys.accept}": keys.accept != "none",
        "--min_pass_rate": keys.min_pass_rate is not None,
        "--max_pass_rate": keys.max_pass_rate is not None,
    }
    for flag, is_given in needy.items():
        if is_given and not source.is_judged:
            raise RecipeError(
                f"{flag} needs to know what is right: give --verdicts=FILE or --reference=FIELD"
            )
    if keys.accept in ("judge", "or", "and"):
        raise RecipeError(
            f"--accept={keys.accept} needs a language model's word, which no file of traces has; "
            "expected rule or none"
        )
    if source.policy != MathPolicy() and source.fields.reference is None:
        raise RecipeError("--policy is of answers judged here; that needs --reference=FIELD")
    if keys.keep_per_family is not None and source.fields.family is None:
        raise RecipeError(
            "--keep_per_family needs --family=FIELD, the field with each one's family"
        )


def examine_file(
    source: Source, keys: Filter, *, test_set: str | None, compare_all: bool = False
) -> FileExamination:
    """Read the file twice: to refuse what cannot be used, and to look at every trace once.

    Args:
        test_set: problems (as in a recipe) that must not be learned from.
        compare_all: also tell those apart that are dropped under these rules.
    Raises: RecordError with file, line and field; RecipeError for a test set that is not there.
    """
    verdicts = None if source.verdicts is None else read_verdicts(source.verdicts)
    rows, questions = _first_pass(source, verdicts, with_questions=test_set is not None)
    index = None if test_set is None else _index(test_set, keys, questions)
    told = None if index is None else self_tested(index)
    problems: dict[str, Named] = {}
    overlaps: dict[str, Overlap] = {}
    findings = examined(
        _subjects(source, keys, verdicts, problems, overlaps, index),
        checks_of(
            keys,
            overlap=None if index is None else index.find_in_completion,
            compare_all=compare_all,
        ),
        total=rows,
        processes=source.processes,
    )
    facts = None
    if index is not None:
        facts = contamination_facts(index, told, questions, findings)
    return FileExamination(findings, problems, overlaps, facts)


def read_verdicts(path: str) -> dict[str, Verdict]:
    """Verdicts by trace id. Raises: RecordError naming file and line."""
    found: dict[str, Verdict] = {}
    for row in _verdict_rows(Path(path)):
        try:
            read = msgspec.convert(row.fields, FileVerdict)
        except msgspec.ValidationError as error:
            raise RecordError(
                f"{row.where}: {error}; expected what `distill verify` writes"
            ) from None
        key = str(read.id)
        if key in found:
            raise RecordError(f"{row.where}: id {read.id!r} has two verdicts; keep one")
        verdict = Verdict(
            trace_id=key,
            correct=read.correct,
            reason=read.reason,
            answer=read.answer,
            route=read.route,
        )
        found[key] = compact(verdict)
    return found


def _verdict_rows(path: Path) -> Iterator[Row]:
    """The rows of a file that must be whole."""
    try:
        yield from read_rows(path)
    except RecordError as error:
        said = str(error).removesuffix(ADVICE)
        raise RecordError(f"{said}; run `distill verify` again") from None


def problem_key(question: str) -> str:
    """Stands for a question, however it is spaced or capitalised, in 32 characters."""
    plain = normalise(question).encode("utf-8", "surrogatepass")
    return blake2b(plain, digest_size=16).hexdigest()


def check_folder(folder: Path) -> None:
    """Refuse, before any work, a folder that cannot be written to.

    Raises: RecipeError naming it.
    """
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"{folder}: is no folder; --out names the folder for the datasets")
    check_target(folder / "ablation.json")


def aside(path: str | Path | None) -> BadRows | nullcontext[None]:
    """Where bad rows go, if anywhere."""
    return nullcontext() if path is None else BadRows(path)


def _first_pass(
    source: Source, verdicts: Mapping[str, Verdict] | None, *, with_questions: bool
) -> tuple[int, list[str]]:
    """How many rows there are, and their questions if somebody wants to know.

    Raises: RecordError for a row that cannot be used or that has no verdict.
    """
    rows = missing = 0
    example: str | int = ""
    questions: dict[str, None] = {}
    for trace in source.traces():
        rows += 1
        if with_questions:
            questions.setdefault(trace.question)
        if verdicts is not None and trace.key not in verdicts:
            example = trace.trace_id if not missing else example
            missing += 1
    if missing:
        raise RecordError(
            f"{source.verdicts}: has no verdict on {missing} traces of {source.path}, such as "
            f"{example!r}; run `distill verify` on this file again"
        )
    return rows, list(questions)


def _index(test_set: str, keys: Filter, questions: list[str]) -> Contamination:
    return Contamination(
        {Path(test_set.partition("?")[0]).stem: load_problems(test_set)},
        word_ngram=keys.overlap_ngram,
        char_ngram=keys.overlap_char_ngram,
        background=questions,
    )


def _subjects(
    source: Source,
    keys: Filter,
    verdicts: Mapping[str, Verdict] | None,
    problems: dict[str, Named],
    overlaps: dict[str, Overlap],
    index: Contamination | None,
) -> Iterator[Subject]:
    """The traces to examine; fills `problems` and `overlaps` on the way."""
    last, key = "", ""
    for trace, verdict in _with_verdicts(source, verdicts):
        if trace.question != last or not key:
            last, key = trace.question, problem_key(trace.question)
        if key not in problems:
            problems[key] = Named(trace.key, trace.reference[:SHOWN_REFERENCE_CHARS])
            overlap = None if index is None else index.find(trace.question)
            if overlap is not None:
                overlaps[key] = overlap
        known = Known(
            trace_id=trace.trace_id,
            problem=key,
            family=trace.family,
            length=len(trace.completion),
            finish_reason=trace.finish_reason,
            verdict=verdict,
        )
        sound = not word(known, keys, combine).drops
        yield Subject(known, trace.question, trace.completion, sound)


def _with_verdicts(
    source: Source, verdicts: Mapping[str, Verdict] | None
) -> Iterator[tuple[FileTrace, Verdict | None]]:
    """Each trace with its verdict: from the file, made here, or none where nobody asks for one."""
    if verdicts is not None or not source.is_judged:
        yield from ((trace, verdicts[trace.key] if verdicts else None) for trace in source.traces())
        return
    waiting: deque[FileTrace] = deque()

    def asked() -> Iterator[Asked]:
        for trace in source.traces():
            waiting.append(trace)
            problem = Problem(
                problem_id=trace.key, question=trace.question, reference=trace.reference
            )
            yield problem, trace.key, trace.completion, trace.finish_reason

    settings = {
        "policy": msgspec.to_builtins(source.policy),
        "timeout_seconds": source.timeout_seconds,
    }
    with closing(verify_stream(asked(), workers=source.processes, **settings)) as found:
        for verdict in found:
            yield waiting.popleft(), compact(verdict)

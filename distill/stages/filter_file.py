"""The filter on traces that exist already: one decision for each line of any JSONL file."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from distill.errors import RecipeError, RecordError
from distill.filters.checks import READABILITY_KEYS, Drop, not_right, unreadable
from distill.filters.selection import completion_digest, select
from distill.problems.overlap import NgramIndex, normalise
from distill.problems.sources import load_problems, read_jsonl
from distill.problems.trace_file import FileTrace, TraceFields, read_traces
from distill.recipe import Filter, known_keys, nearest
from distill.records import DropReason, Problem, Verdict, VerdictReason
from distill.runlog import progress, summary
from distill.store import check_target, write_whole
from distill.verifiers.answers import split_thought
from distill.verifiers.verdict import Verifier


class FileVerdict(msgspec.Struct, frozen=True):
    """One line of what `distill verify` wrote; other fields are passed over."""

    id: str | int
    correct: bool | None
    reason: VerdictReason
    answer: str | None = None


class FileDecision(msgspec.Struct, frozen=True):
    """What becomes of one line."""

    id: str | int
    kept: bool
    reason: DropReason
    detail: str


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
    test_set: str | None = None,
    **thresholds: Any,
) -> None:
    """Write one decision (`id`, `kept`, `reason`, `detail`) for each line of a file of traces.

    Args:
        traces: a JSONL file.
        problem, completion, reference: the fields that hold the question, the raw text of the
            model and the reference answer.
        out: the JSONL file to write; it is whole or not there.
        verdicts: what `distill verify` wrote about these traces, joined by `id`. Without it the
            answers are judged here if `reference` is given, and are not looked at if it is not.
        id_field: the field with the trace's id; without it `id`, or the line number where no line
            has one.
        finish_reason: the field with "stop", "length" or null for not known; a trace that ended by
            length is truncated, whatever its verdict.
        test_set: problems (as in a recipe) that must not be learned from; with overlap_ngram null
            only the same questions are looked for.
        thresholds: the keys of a recipe's `filter` section. `require_format` is off unless asked
            for: released traces seldom keep their opening tag.
    Raises: RecipeError or RecordError before any work, naming file, line and field.
    """
    if verdicts is not None and reference is not None:
        raise RecipeError("--verdicts and --reference both say what is right; give one of them")
    keys = _thresholds(thresholds)
    tests = None if test_set is None else test_set.partition("?")[0]
    check_target(Path(out), *(Path(path) for path in (traces, verdicts, tests) if path))
    fields = TraceFields(
        problem=problem,
        completion=completion,
        reference=reference,
        trace_id=id_field,
        finish_reason=finish_reason,
    )
    lines = read_traces(Path(traces), fields)
    known = None if verdicts is None else _read_verdicts(verdicts, lines, traces)
    judged = verdicts is not None or reference is not None
    overlaps = _overlaps(lines, test_set, keys.overlap_ngram)
    drops: dict[str, Drop | None] = {}
    right = 0
    with progress(len(lines), "filter") as bar:
        for line, verdict in _with_verdicts(lines, known, judged):
            right += verdict is not None and verdict.correct is True
            drops[line.key] = _drop(line, verdict, judged, keys)
            bar.update()
    readable = sum(drop is None for drop in drops.values())
    _choose(lines, drops, overlaps, keys)
    decisions = [_decision(line.trace_id, drops[line.key]) for line in lines]
    rows = (json.dumps(msgspec.structs.asdict(decision)) for decision in decisions)
    write_whole(Path(out), "".join(f"{row}\n" for row in rows))
    _tell(decisions, right if judged else None, readable)


def _thresholds(given: dict[str, Any]) -> Filter:
    known = known_keys("filter")
    for key in given:
        if key not in known:
            raise RecipeError(f"--{key}: no such key{nearest(key, known)}; {', '.join(known)}")
    try:
        return msgspec.convert({"require_format": False, **given}, Filter)
    except msgspec.ValidationError as error:
        raise RecipeError(f"a key of the filter: {error}") from None


def _read_verdicts(verdicts: str, lines: list[FileTrace], traces: str) -> dict[str, Verdict]:
    """Verdicts by trace id; every trace has one."""
    found: dict[str, Verdict] = {}
    for number, row in read_jsonl(Path(verdicts)):
        where = f"{verdicts}: line {number}"
        try:
            read = msgspec.convert(row, FileVerdict)
        except msgspec.ValidationError as error:
            raise RecordError(f"{where}: {error}; expected what `distill verify` writes") from None
        if str(read.id) in found:
            raise RecordError(f"{where}: id {read.id!r} has two verdicts; keep one")
        found[str(read.id)] = Verdict(
            trace_id=str(read.id), correct=read.correct, reason=read.reason, answer=read.answer
        )
    missing = [line.trace_id for line in lines if line.key not in found]
    if missing:
        raise RecordError(
            f"{verdicts}: has no verdict on {len(missing)} traces of {traces}, "
            f"such as {missing[0]!r}; run `distill verify` on this file again"
        )
    return found


def _overlaps(lines: list[FileTrace], test_set: str | None, n: int | None) -> dict[str, str]:
    """Question to what of a test set is in it."""
    if test_set is None:
        return {}
    tests = load_problems(test_set)
    questions = list(dict.fromkeys(line.question for line in lines))
    if n is None:
        ids = {normalise(test.question): test.problem_id for test in tests}
        same = {question: ids.get(normalise(question)) for question in questions}
        return {question: f"same with {found}" for question, found in same.items() if found}
    index = NgramIndex([test.question for test in tests], n, background=questions)
    found = {question: index.first_overlap(question) for question in questions}
    return {
        question: f"{overlap.rule} with {tests[overlap.position].problem_id}: {overlap.words[:80]}"
        for question, overlap in found.items()
        if overlap is not None
    }


def _with_verdicts(
    lines: list[FileTrace], known: dict[str, Verdict] | None, judged: bool
) -> Iterator[tuple[FileTrace, Verdict | None]]:
    """Each line with its verdict: from the file, made here, or none where nobody asks for one."""
    if known is not None or not judged:
        yield from ((line, known[line.key] if known else None) for line in lines)
        return
    with Verifier() as verifier:
        for line in lines:
            problem = Problem(problem_id=line.key, question=line.question, reference=line.reference)
            yield line, verifier.verify(problem, line.key, line.completion, line.finish_reason)


def _drop(line: FileTrace, verdict: Verdict | None, judged: bool, keys: Filter) -> Drop | None:
    # an ending is known without a verdict
    wanted = keys.drop_verdicts if judged else {"truncated"} & set(keys.drop_verdicts)
    drop = not_right(verdict, finish_reason=line.finish_reason, drop_verdicts=wanted)
    if drop is not None:
        return drop
    return unreadable(
        question=line.question,
        completion=line.completion,
        thought=split_thought(line.completion)[0],
        **{key: getattr(keys, key) for key in READABILITY_KEYS},
    )


def _choose(
    lines: list[FileTrace], drops: dict[str, Drop | None], overlaps: dict[str, str], keys: Filter
) -> None:
    """Decide among the readable traces of each problem, in the order of the file."""
    groups: dict[str, list[FileTrace]] = defaultdict(list)
    for line in lines:
        if drops[line.key] is None:
            groups[normalise(line.question)].append(line)
    for group in groups.values():
        fates = select(
            [completion_digest(line.completion) for line in group],
            drop_duplicates=keys.drop_duplicates,
            overlap=overlaps.get(group[0].question),
            keep_per_problem=keys.keep_per_problem,
        )
        drops.update({line.key: fate for line, fate in zip(group, fates, strict=True)})


def _decision(trace_id: str | int, drop: Drop | None) -> FileDecision:
    if drop is None:
        return FileDecision(id=trace_id, kept=True, reason=DropReason.KEPT, detail="")
    return FileDecision(id=trace_id, kept=False, reason=drop.reason, detail=drop.detail)


def _tell(decisions: list[FileDecision], right: int | None, readable: int) -> None:
    counts = Counter(decision.reason for decision in decisions)
    for reason in DropReason:
        if reason in counts:
            summary("filter", f"{counts[reason]:6d} {reason.value}")
    judged = "answers not looked at" if right is None else f"{right} right"
    kept = counts[DropReason.KEPT]
    summary("filter", f"{len(decisions)} traces, {judged}, {readable} readable, {kept} kept")

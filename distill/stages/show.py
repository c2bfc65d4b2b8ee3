"""A look into a run folder: its funnel, or one trace or evaluated completion with its verdict."""

from collections import Counter
from pathlib import Path

from distill.errors import StoreError, nearest
from distill.evaluation.harmless import printable
from distill.recipe_paths import is_there
from distill.records import Decision, DropReason, Failure, Problem, Score, Trace, Verdict
from distill.stages.budget_end import ended_by_budget
from distill.store import RunPaths, Store

IDS_PER_REASON = 3


def show(run: str | Path, trace_id: str | None = None) -> str:
    """What a run folder holds, or all that is known of one completion, safe for a terminal.

    Args:
        trace_id: of a trace, or ROW/TEST_SET/PROBLEM#INDEX of an evaluated completion.
    Raises: StoreError if there is no run in the folder or no such completion in the run.
    """
    paths = RunPaths(run)
    if not is_there(paths.store):
        raise StoreError(f"{paths.root}: no run in this folder ({paths.store.name} is missing)")
    store = Store(paths.store, read_only=True)
    try:
        text = _overview(store) if trace_id is None else _one(store, trace_id)
    finally:
        store.close()
    return printable(text)


def _overview(store: Store) -> str:
    """Counts of every table, then the first ids of each fate."""
    tables = ("problems", "traces", "failures", "verdicts", "decisions", "scores")
    counts = ", ".join(f"{store.count(table)} {table}" for table in tables)
    verdicts = Counter(str(verdict.reason) for verdict in store.scan("verdicts", Verdict))
    fates = _fates(store)
    lines = [f"{store.path.parent}: {counts}"]
    if ended := ended_by_budget(store):
        lines.append(f"sampling was ended by its budget: {ended.reached}")
    if failures := _failures(store):
        lines.append("requests and attempts that brought nothing, with the first of each:")
        lines += [f"  {number:>7}  {reason:<14} {first}" for reason, number, first in failures]
    if verdicts:
        lines += ["verdicts:", *(f"  {n:>7}  {reason}" for reason, n in verdicts.most_common())]
    if fates:
        lines.append("fates, with the first traces of each (`distill show RUN TRACE_ID` for one):")
        order = [str(reason) for reason in DropReason]
        for reason in sorted(fates, key=order.index):
            number, ids = fates[reason]
            lines.append(f"  {number:>7}  {reason:<14} {'  '.join(ids)}")
    elif store.count("traces"):
        first = [trace.trace_id for trace in _first(store.scan("traces", Trace), IDS_PER_REASON)]
        lines.append(f"not filtered yet; first traces: {'  '.join(first)}")
    if scores := _scores(store):
        lines.append("evaluated, with the first of each row and test set:")
        lines += [f"  {number:>7}  {right:>6} right  {first}" for number, right, first in scores]
    return "\n".join(lines)


def _failures(store: Store) -> list[tuple[str, int, str]]:
    """Reason, how many requests, and the first of them with what was found."""
    found: dict[str, tuple[int, str]] = {}
    for failure in store.scan("failures", Failure):
        first = f"{failure.trace_id}: {failure.detail}".removesuffix(": ")
        number, first = found.get(failure.reason.value, (0, first))
        found[failure.reason.value] = (number + 1, first)
    return [(reason, *rest) for reason, rest in found.items()]


def _fates(store: Store) -> dict[str, tuple[int, list[str]]]:
    """Reason to how many traces met it, and the ids of the first."""
    fates: dict[str, tuple[int, list[str]]] = {}
    for decision in store.scan("decisions", Decision):
        number, ids = fates.get(str(decision.reason), (0, []))
        ids = [*ids, decision.trace_id] if len(ids) < IDS_PER_REASON else ids
        fates[str(decision.reason)] = (number + 1, ids)
    return fates


def _scores(store: Store) -> list[tuple[int, int, str]]:
    """For each row and test set: how many completions, how many right, and the first one's id."""
    found: dict[tuple[str, str], tuple[int, int, str]] = {}
    for score in store.scan("scores", Score):
        group = (score.row, score.test_set)
        number, right, first = found.get(group, (0, 0, score.score_id))
        found[group] = (number + 1, right + (score.correct is True), first)
    return list(found.values())


def _one(store: Store, wanted: str) -> str:
    if (trace := store.get("traces", wanted, Trace)) is not None:
        return _one_trace(store, trace)
    if (failure := store.get("failures", wanted, Failure)) is not None:
        return _one_failure(failure)
    if (score := store.get("scores", wanted, Score)) is not None:
        return _one_score(score)
    table, kind = ("scores", "evaluated completion") if "/" in wanted else ("traces", "trace")
    hint = nearest(wanted, sorted(store.keys(table)))
    raise StoreError(f"{store.path.parent}: no {kind} {wanted!r}{hint}")


def _one_score(score: Score) -> str:
    answer = "no answer" if score.answer is None else f"answer {score.answer!r}"
    return "\n".join(
        [
            f"evaluated completion {score.score_id}, seed {score.seed}: "
            f"{score.completion_tokens} completion tokens, ended by {score.finish_reason}",
            f"verdict: {score.reason}, {answer}",
            f"format: {'as asked' if score.has_format else 'not as asked'}",
            "--- completion ---",
            score.completion,
        ]
    )


def _one_trace(store: Store, trace: Trace) -> str:
    trace_id, counted = trace.trace_id, "" if trace.tokens_are_counted else " (estimated)"
    problem = store.get("problems", trace.problem_id, Problem)
    verdict = store.get("verdicts", trace_id, Verdict)
    decision = store.get("decisions", trace_id, Decision)
    return "\n".join(
        [
            f"trace {trace_id} by {trace.teacher}, seed {trace.seed}: {trace.prompt_tokens} prompt "
            f"and {trace.completion_tokens} completion tokens{counted}, ended by "
            f"{trace.finish_reason}",
            f"origin: {_origin(trace)}",
            f"question: {problem.question if problem else 'not stored'}",
            f"reference: {problem.reference if problem else 'not stored'}",
            f"verdict: {_verdict(verdict)}",
            f"fate: {_fate(decision)}",
            "--- completion ---",
            trace.completion,
        ]
    )


def _one_failure(failure: Failure) -> str:
    return (
        f"request {failure.trace_id} brought nothing: {failure.reason}"
        f"{f' ({failure.detail})' if failure.detail else ''}; attempts: {failure.attempts}, "
        f"{failure.completion_tokens} completion tokens, {failure.seconds:.1f} s"
    )


def _origin(trace: Trace) -> str:
    """What ran the teacher and how it was asked, with what that took."""
    took = f"{trace.seconds:.1f} s, {trace.usd:.6f} USD" if trace.usd else f"{trace.seconds:.1f} s"
    if (origin := trace.origin) is None:
        return f"not recorded; {took}"
    weights = f", weights {origin.weights}" if origin.weights else ""
    return (
        f"{origin.engine}{weights}, prompt template {origin.prompt_template}, temperature "
        f"{origin.temperature:g}, top-p {origin.top_p:g}, at most {origin.max_tokens} tokens; "
        f"{took}"
    )


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not verified yet"
    answer = "no answer" if verdict.answer is None else f"answer {verdict.answer!r}"
    route = f", by {verdict.route}" if verdict.route else ""
    return f"{verdict.reason}, {answer}{route}, {verdict.seconds:.3f} s"


def _fate(decision: Decision | None) -> str:
    if decision is None:
        return "not filtered yet"
    if decision.kept:
        return "kept"
    return f"dropped: {decision.reason}" + (f" ({decision.detail})" if decision.detail else "")


def _first(rows, number: int):
    return [row for row, _ in zip(rows, range(number), strict=False)]

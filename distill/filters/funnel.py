"""What the filter did, in figures for the run's page and for a file: `filter.json`."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from distill.filters.decisions import Fate, Word
from distill.filters.findings import Finding
from distill.filters.selection import pass_rates
from distill.records import DropReason

EXAMPLES = 3  # traces shown for each reason
LEAST_SAMPLES = 3  # with an answer; fewer say nothing about a reference
MOST_SUSPECTS = 200  # listed; `suspicious_references` counts all
MAX_CHARS = 200  # of a reference or an answer in a list
BUCKETS = ("0", "(0, 0.25]", "(0.25, 0.5]", "(0.5, 0.75]", "(0.75, 1)", "1", "not judged")

_STEPS = (  # name, and the last reason that has been looked for when it is reached
    ("accepted", DropReason.WRONG),
    ("readable", DropReason.FORBIDDEN),
    ("not repeated", DropReason.NEAR_DUPLICATE),
    ("not in a test set", DropReason.TEST_OVERLAP),
    ("of the wanted difficulty", DropReason.PASS_RATE),
    ("kept", DropReason.FAMILY_SURPLUS),
)


class Step(msgspec.Struct, frozen=True):
    """How many traces are left once the reasons up to this step were looked for."""

    step: str
    left: int


class ReasonCount(msgspec.Struct, frozen=True):
    """A reason: of how many traces it is the first, and how many have it at all."""

    reason: str
    first: int
    all: int


class Example(msgspec.Struct, frozen=True):
    """A trace with this reason as its first."""

    trace_id: str | int
    detail: str


class Suspect(msgspec.Struct, frozen=True):
    """A problem whose samples agree among themselves against its reference."""

    problem: str
    reference: str
    answer: str  # what most of them say
    agree: int  # how many say so
    answers: int  # how many have an answer
    right: int  # how many were judged right


class Acceptance(msgspec.Struct, frozen=True):
    """What became of the traces of one family, or of one difficulty."""

    group: str
    problems: int
    traces: int
    right: int
    kept: int


class TestSetRow(msgspec.Struct, frozen=True):
    """How many of the questions that are learned from overlap with a test set, at one n."""

    test_set: str
    n: int
    tests: int
    solutions: int  # how many of the tests have one
    questions: int  # that overlap
    tests_found: int
    by_rule: dict[str, int]  # overlapping questions by the first rule that found them


class ContaminationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What of the test sets is in what is learned from."""

    self_test: str  # what was planted to try the check, and that all of it was found
    rows: list[TestSetRow]
    completions: dict[str, int]  # test set to the completions that quote it


class FilterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`filter.json`: everything the page says about the filter."""

    accept: str  # whose word made a trace right
    traces: int
    problems: int
    kept: int
    problems_kept: int  # with at least one kept trace
    funnel: list[Step]  # from all traces to the kept ones
    reasons: list[ReasonCount]  # in the order in which they are looked for, those that occur
    overlap: dict[str, dict[str, int]]  # reason -> reason -> traces that have both; "a" -> "a": all
    examples: dict[str, list[Example]]  # by first reason
    suspicious_references: int
    suspects: list[Suspect]  # those with the most agreement first
    families: list[Acceptance]
    difficulty: list[Acceptance]  # by the share of a problem's judged traces that is right
    contamination: ContaminationFacts | None = None  # null where the check is off
    thresholds: dict[str, Any] = {}  # the recipe's section filter


class Named(msgspec.Struct, frozen=True):
    """How a problem is called in the report."""

    name: str
    reference: str = ""


def filter_facts(
    findings: Sequence[Finding],
    words: Sequence[Word],
    fates: Sequence[Fate],
    *,
    problems: Mapping[str, Named],
    thresholds: Mapping[str, Any],
    contamination: ContaminationFacts | None = None,
) -> FilterFacts:
    """Count what was decided; the three sequences are parallel.

    Args:
        problems: the key in Known.problem to the problem's name and reference.
    """
    firsts = Counter(fate.reason for fate in fates)
    suspects = suspicious_references(findings, problems)
    kept = [f.known.problem for f, fate in zip(findings, fates, strict=True) if fate.kept]
    return FilterFacts(
        accept=thresholds.get("accept", "none"),
        traces=len(fates),
        problems=len({finding.known.problem for finding in findings}),
        kept=len(kept),
        problems_kept=len(set(kept)),
        funnel=funnel(firsts),
        reasons=_reasons(firsts, fates),
        overlap=overlap_matrix(fates),
        examples=_examples(findings, fates),
        suspicious_references=len(suspects),
        suspects=suspects[:MOST_SUSPECTS],
        families=_by_family(findings, words, fates),
        difficulty=_by_difficulty(findings, words, fates),
        contamination=contamination,
        thresholds=dict(thresholds),
    )


def funnel(firsts: Mapping[DropReason, int]) -> list[Step]:
    """From all traces to the kept ones, by the first reason of each."""
    left = sum(firsts.values())
    order = list(DropReason)
    steps, done = [Step("traces", left)], 0
    for name, last in _STEPS:
        upto = order.index(last) + 1
        left -= sum(firsts.get(r, 0) for r in order[done:upto] if r is not DropReason.KEPT)
        steps.append(Step(name, left))
        done = upto
    return steps


def overlap_matrix(fates: Sequence[Fate]) -> dict[str, dict[str, int]]:
    """Reason to reason to how many traces have both; symmetric, reasons in their order."""
    pairs: Counter[tuple[DropReason, DropReason]] = Counter()
    for reasons, count in Counter(fate.reasons for fate in fates).items():
        for one in reasons:
            for other in reasons:
                pairs[one, other] += count
    found = [reason for reason in DropReason if (reason, reason) in pairs]
    return {
        one.value: {other.value: pairs[one, other] for other in found if pairs[one, other]}
        for one in found
    }


def suspicious_references(
    findings: Sequence[Finding], problems: Mapping[str, Named]
) -> list[Suspect]:
    """Problems with at least LEAST_SAMPLES answers, most of them the same one, judged wrong.

    Answers are the same when they differ in case, spacing or Unicode form only.
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: dict[str, set[str]] = defaultdict(set)
    right: Counter[str] = Counter()
    for finding in findings:
        problem, verdict = finding.known.problem, finding.known.verdict
        if verdict is None or not verdict.answer:
            continue
        answer = _plain(verdict.answer)
        answers[problem][answer] += 1
        right[problem] += verdict.correct is True
        if verdict.correct is False:
            wrong[problem].add(answer)
    found = []
    for problem, counts in answers.items():
        answer, agree = counts.most_common(1)[0]
        total = counts.total()
        if total >= LEAST_SAMPLES and 2 * agree > total and answer in wrong[problem]:
            named = problems.get(problem, Named(problem))
            reference = named.reference[:MAX_CHARS]
            found.append(
                Suspect(named.name, reference, answer[:MAX_CHARS], agree, total, right[problem])
            )
    return sorted(found, key=lambda one: (-one.agree / one.answers, -one.agree))


def write_facts(facts: FilterFacts) -> bytes:
    """The facts as JSON, indented, with what UTF-8 cannot hold replaced."""
    return msgspec.json.format(msgspec.json.encode(_storable(msgspec.to_builtins(facts)))) + b"\n"


def read_facts(raw: bytes) -> FilterFacts:
    """What `write_facts` wrote. Raises: msgspec.DecodeError if it is something else."""
    return msgspec.json.decode(raw, type=FilterFacts)


def _storable(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree.encode("utf-8", "replace").decode()
    if isinstance(tree, dict):
        return {_storable(key): _storable(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_storable(value) for value in tree]
    return tree


def _plain(answer: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", answer).casefold().split())


def _reasons(firsts: Mapping[DropReason, int], fates: Sequence[Fate]) -> list[ReasonCount]:
    every: Counter[DropReason] = Counter()
    for reasons, count in Counter(fate.reasons for fate in fates).items():
        every.update(dict.fromkeys(reasons, count))
    return [
        ReasonCount(reason.value, firsts.get(reason, 0), every[reason])
        for reason in DropReason
        if every[reason]
    ]


def _examples(findings: Sequence[Finding], fates: Sequence[Fate]) -> dict[str, list[Example]]:
    found: dict[DropReason, list[Example]] = {reason: [] for reason in DropReason}
    for finding, fate in zip(findings, fates, strict=True):
        if len(found[fate.reason]) < EXAMPLES and not fate.kept:
            found[fate.reason].append(Example(finding.known.trace_id, fate.detail))
    return {reason.value: examples for reason, examples in found.items() if examples}


def _by_family(
    findings: Sequence[Finding], words: Sequence[Word], fates: Sequence[Fate]
) -> list[Acceptance]:
    families = [finding.known.family for finding in findings]
    return _acceptance(families, sorted(set(families)), findings, words, fates)


def _by_difficulty(
    findings: Sequence[Finding], words: Sequence[Word], fates: Sequence[Fate]
) -> list[Acceptance]:
    rates = pass_rates((f.known.problem, w.correct) for f, w in zip(findings, words, strict=True))
    buckets = [bucket(rates.get(finding.known.problem)) for finding in findings]
    there = set(buckets)
    order = [name for name in BUCKETS if name in there]
    return _acceptance(buckets, order, findings, words, fates)


def bucket(rate: float | None) -> str:
    """The name in BUCKETS of a pass rate."""
    if rate is None:
        return BUCKETS[-1]
    if rate in (0, 1):
        return "1" if rate else "0"
    return next(
        name for name, most in zip(BUCKETS[1:], (0.25, 0.5, 0.75, 1), strict=False) if rate <= most
    )


def _acceptance(
    groups: Sequence[str],
    order: Sequence[str],
    findings: Sequence[Finding],
    words: Sequence[Word],
    fates: Sequence[Fate],
) -> list[Acceptance]:
    problems: dict[str, set[str]] = defaultdict(set)
    traces, right, kept = Counter(), Counter(), Counter()
    for group, finding, word, fate in zip(groups, findings, words, fates, strict=True):
        problems[group].add(finding.known.problem)
        traces[group] += 1
        right[group] += word.correct is True
        kept[group] += fate.kept
    return [Acceptance(g, len(problems[g]), traces[g], right[g], kept[g]) for g in order]

"""What the page says of the filter: what is left, why the rest fell, and whom to doubt."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from distill.evaluation.harmless import MAX_CELL_CHARS, cut
from distill.evaluation.page import (
    Block,
    Chart,
    Heading,
    HeatMap,
    Quote,
    Quotes,
    Section,
    Table,
    Text,
)
from distill.evaluation.plots import acceptance_bars, funnel_bars
from distill.evaluation.tables import NOTHING, percent

TITLE = "What the filter did"
MOST_GROUPS_DRAWN, MOST_GROUPS = 40, 200  # with the most traces
MOST_SUSPECTS, BRIEF_SUSPECTS = 50, 10  # in the page, in Markdown
BRIEF_GROUPS = 40
_WORD = {  # whose word makes an answer right, by filter.accept
    "none": "nobody's word on the answers counted",
    "rule": "an answer is right when the verifier says so",
    "judge": "an answer is right when the language model says so",
    "or": "an answer is right when the verifier or the language model says so",
    "and": "an answer is right when the verifier and the language model say so",
}
REASONS_NOTE = (
    "First: traces that fell to this reason, the first found, in the order of the checks. Any: "
    "traces that have it at all. Alone: traces that have no other, which would go on to the "
    "later checks without it. Whether a trace repeats another, or is surplus, is asked of those "
    "without any other fault only."
)
HEAT_NOTE = "How many traces have both reasons; the diagonal has all that have the one."
SUSPECTS_NOTE = (
    "Problems with at least three answers, more than half of them the same one, and that one "
    "judged wrong. Either the reference is wrong, or the question has two readings, or the "
    "samples share a mistake: look before learning from them."
)
ACCEPTANCE_NOTE = "Wide: right, by the word that counts (filter.accept); narrow: kept."
DIFFICULTY_NOTE = (
    "Difficulty is the share of a problem's judged traces that is right: 0 is never solved, 1 "
    "always. Not judged: the verifier failed on all of them."
)
OVERLAP_NOTE = (
    "Questions: of those that are learned from, how many overlap with a test problem when so many "
    "words in a row must be shared. Found: test problems that they overlap with. By rule: same "
    "text; contained in the other; n-gram (words) or chars (letters of a passage) shared with the "
    "question; solution: a passage of the test problem's solution."
)


class ReasonLine(msgspec.Struct, frozen=True, kw_only=True):
    """A reason to drop: of how many traces it is the first, one of several, the only one."""

    reason: str
    first: int
    any: int
    alone: int


class GroupLine(msgspec.Struct, frozen=True):
    """What became of the traces of one family, or of one difficulty."""

    group: str
    problems: int
    traces: int
    right: int
    kept: int


class SuspectLine(msgspec.Struct, frozen=True, kw_only=True):
    """A problem whose samples agree among themselves against its reference."""

    problem: str
    question: str
    reference: str
    answer: str
    agree: int
    answers: int
    right: int


class OverlapLine(msgspec.Struct, frozen=True):
    """How many questions overlap with a test set at one n."""

    test_set: str
    n: int
    tests: int
    solutions: int
    questions: int
    tests_found: int
    by_rule: Mapping[str, int]


class Overlaps(msgspec.Struct, frozen=True):
    """What of the test sets is in what is learned from."""

    self_test: str
    lines: Sequence[OverlapLine]
    completions: Mapping[str, int]  # test set to the completions that quote it


class ShownFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown of one filtering."""

    accept: str
    traces: int
    problems: int
    kept: int
    problems_kept: int
    funnel: Sequence[tuple[str, int]]  # step and what is left, from all traces to the kept ones
    reasons: Sequence[ReasonLine]
    overlap: Mapping[str, Mapping[str, int]]  # reason to reason to the traces that have both
    examples: Mapping[str, Sequence[Quote]]  # by first reason
    suspicious: int  # problems; `suspects` may list fewer
    suspects: Sequence[SuspectLine]
    families: Sequence[GroupLine]
    difficulty: Sequence[GroupLine]
    contamination: Overlaps | None
    thresholds: Mapping[str, Any]
    defaults: Mapping[str, Any]  # of the thresholds
    learned: Mapping[str, Any] | None = None  # the line that ended the student's training
    doubt: str = ""  # why the figures may not be those of this run


def filter_section(found: ShownFilter) -> Section:
    """Funnel, reasons, doubtful references, acceptance, overlaps and thresholds of a filtering."""
    doubt = [Text(found.doubt, tone="lead")] if found.doubt else []
    if not found.traces:
        said = Text("No trace was filtered.", tone="note")
        return Section(TITLE, [*doubt, said, *_thresholds(found)])
    blocks: list[Block] = [
        *doubt,
        Text(_summary(found), tone="lead"),
        *_funnel(found.funnel),
        *_learned(found.learned, found.kept),
        *_reasons(found),
        *_suspects(found),
        Heading("Acceptance by family"),
        *_acceptance("family", found.families),
        Heading("Acceptance by difficulty"),
        *_acceptance("share right", found.difficulty, note=DIFFICULTY_NOTE),
        *_contamination(found),
        *_thresholds(found),
    ]
    return Section(TITLE, blocks)


def missing_section(why: str) -> Section:
    """In place of the section, where there are no figures to show."""
    return Section(TITLE, [Text(why, tone="note")])


def _summary(found: ShownFilter) -> str:
    word = _WORD.get(found.accept, f"filter.accept is {found.accept!r}")
    return (
        f"Of {found.traces:,} traces for {found.problems:,} problems, {found.kept:,} "
        f"({percent(found.kept / found.traces)}%) were kept, for {found.problems_kept:,} of the "
        f"problems; {word}."
    )


def _funnel(steps: Sequence[tuple[str, int]]) -> list[Block]:
    if len(steps) < 2:
        return []
    whole = max(steps[0][1], 1)
    before = [steps[0][1], *(left for _, left in steps)]
    lines = [
        [name, f"{left:,}", percent(left / whole), f"{last - left:,}" if last - left else NOTHING]
        for (name, left), last in zip(steps, before, strict=False)
    ]
    return [
        Chart(funnel_bars(steps), "Traces left after each step, and their share of all"),
        Table(["step", "traces left", "percent", "dropped here"], lines),
    ]


def _learned(line: Mapping[str, Any] | None, kept: int) -> list[Block]:
    """Of how many kept traces the student learned, and why not of the others."""
    if line is None or "left_out" not in line:
        return []
    left_out = line["left_out"]
    total = line["examples"] + sum(left_out.values())
    why = ", ".join(f"{number:,} {fault}" for fault, number in left_out.items())
    told = f"; left out: {why}" if why else ""
    when = "" if total == kept else " by an earlier filter"
    return [Text(f"The student learned from {line['examples']:,} of {total:,} kept{when}{told}.")]


def _reasons(found: ShownFilter) -> list[Block]:
    """The drop counts, which reasons come together, and examples of each."""
    if not found.reasons:
        return [Heading("Why traces were dropped"), Text("None was dropped.", tone="note")]
    lines = [
        [
            line.reason,
            f"{line.first:,}",
            percent(line.first / found.traces),
            f"{line.any:,}",
            f"{line.alone:,}",
        ]
        for line in found.reasons
    ]
    header = ["reason", "first", "percent", "any", "alone"]
    blocks = [Heading("Why traces were dropped"), Table(header, lines, note=REASONS_NOTE)]
    return [*blocks, *_heat_map(found.overlap), *_examples(found)]


def _heat_map(overlap: Mapping[str, Mapping[str, int]]) -> list[Block]:
    names = list(overlap)
    if len(names) < 2:
        return []
    counts = [[overlap[one].get(other, 0) for other in names] for one in names]
    return [Heading("Reasons that come together"), HeatMap(names, counts, note=HEAT_NOTE)]


def _examples(found: ShownFilter) -> list[Block]:
    firsts = {line.reason: line.first for line in found.reasons}
    blocks: list[Block] = [
        Quotes(reason, _times(firsts.get(reason, len(quotes))), quotes)
        for reason, quotes in found.examples.items()
        if quotes
    ]
    return [Heading("Examples"), *blocks] if blocks else []


def _times(traces: int) -> str:
    return f"{traces:,} trace" if traces == 1 else f"{traces:,} traces"


def _suspects(found: ShownFilter) -> list[Block]:
    heading = Heading("Suspicious references")
    if not found.suspects:
        said = "None: no problem has three answers of which most agree against its reference."
        return [heading, Text(said, tone="note")]
    lines = [
        [
            cut(line.problem),
            cut(line.question),
            cut(line.reference),
            cut(line.answer),
            f"{line.agree:,} of {line.answers:,}",
            f"{line.right:,}",
        ]
        for line in found.suspects[:MOST_SUSPECTS]
    ]
    header = ["problem", "question", "reference", "samples say instead", "samples", "judged right"]
    note = SUSPECTS_NOTE
    if (more := found.suspicious - len(lines)) > 0:
        note += f" {more:,} more are not listed here; filter.json has the first 200."
    table = Table(header, lines, note=note, words=4, quoted=range(4), brief=BRIEF_SUSPECTS)
    told = f"{found.suspicious:,} of {found.problems:,} problems."
    return [heading, Text(told), table]


def _acceptance(kind: str, groups: Sequence[GroupLine], note: str = "") -> list[Block]:
    """Shares right and kept of each group, drawn and as a table."""
    by_size = sorted(groups, key=lambda line: -line.traces)
    listed = set(map(id, by_size[:MOST_GROUPS]))
    drawn = set(map(id, by_size[:MOST_GROUPS_DRAWN]))
    bars = [
        (line.group or "(none)", line.traces, line.right, line.kept)
        for line in groups
        if id(line) in drawn
    ]
    lines = [_group_line(line) for line in groups if id(line) in listed]
    if not lines:
        return [Text("There are none.", tone="note")]
    said = [note] if note else []
    if len(groups) > len(bars):
        said.append(f"Drawn: the {len(bars)} with the most traces, of {len(groups):,}.")
    if len(groups) > len(lines):
        said.append(f"Listed: the {len(lines)} with the most traces.")
    header = [kind, "problems", "traces", "right", "percent", "kept", "percent"]
    return [
        Chart(acceptance_bars(bars), ACCEPTANCE_NOTE),
        Table(header, lines, note=" ".join(said), quoted=[0], brief=BRIEF_GROUPS),
    ]


def _group_line(line: GroupLine) -> list[str]:
    whole = max(line.traces, 1)
    return [
        cut(line.group or "(none)", 80),
        f"{line.problems:,}",
        f"{line.traces:,}",
        f"{line.right:,}",
        percent(line.right / whole),
        f"{line.kept:,}",
        percent(line.kept / whole),
    ]


def _contamination(found: ShownFilter) -> list[Block]:
    heading, checked = Heading("Overlap with the test sets"), found.contamination
    if checked is None:
        return [heading, Text("Not looked for: the check is off.", tone="note")]
    words, letters = (found.thresholds.get(f"overlap_{kind}") for kind in ("ngram", "char_ngram"))
    lines = [
        [
            cut(line.test_set, 80),
            f"{line.n}{' (in force)' if line.n == words else ''}",
            f"{line.tests:,}",
            f"{line.solutions:,}",
            f"{line.questions:,}",
            f"{line.tests_found:,}",
            ", ".join(f"{rule} {count:,}" for rule, count in line.by_rule.items()) or NOTHING,
        ]
        for line in checked.lines
    ]
    header = ["test set", "n", "tests", "with solution", "questions", "found", "by rule"]
    quoting = ", ".join(f"{name} {count:,}" for name, count in checked.completions.items())
    force = f"words {words or 'off'}; characters, in scripts without spaces, {letters or 'off'}"
    said = f"Self-test: {checked.self_test}." if checked.self_test else "No self-test was made."
    return [
        heading,
        Table(header, lines, note=f"{OVERLAP_NOTE} In force: {force}.", quoted=[0]),
        Text(f"Completions that quote a test problem or its solution: {quoting or 'none'}."),
        Text(said, tone="note"),
    ]


def _thresholds(found: ShownFilter) -> list[Block]:
    lines = []
    for key, value in found.thresholds.items():
        default = found.defaults.get(key)
        own, usual = _value(value), _value(default) if key in found.defaults else NOTHING
        lines.append([f"filter.{key}", own, "" if own == usual else usual])
    if not lines:
        return []
    note = "As given in the recipe; null turns a check off."
    table = Table(
        ["key", "value", "default, where it is another"], lines, note=note, words=3, quoted=(1, 2)
    )
    return [Heading("Thresholds in force"), table]


def _value(value: Any) -> str:
    return cut(json.dumps(value, ensure_ascii=False), MAX_CELL_CHARS)

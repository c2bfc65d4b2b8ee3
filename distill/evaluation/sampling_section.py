"""What the page says of the sampling: what was asked, what it brought, and what that took."""

from collections.abc import Mapping, Sequence

import msgspec

from distill.evaluation.page import Block, Chart, Heading, Section, Table, Text
from distill.evaluation.plots import growth_curves, stacked_columns
from distill.evaluation.tables import NOTHING, count, duration, percent
from distill.records import NO_FAILURE

TITLE = "Sampling"
MOST_COLUMNS = 17  # of a histogram; more numbers are drawn in ranges
PILES_NOTE = (
    "Fit: right and readable, so that the recipe's filter may keep it; whom it then chooses of "
    "several is not counted here. Withdrawn: dropped while it was written, since its problem "
    "needed no more. Retried: attempts that brought nothing, before one that did."
)
TRIES_NOTE = "Solved: at least one trace of the problem is fit to be learned from."
GIVEN_UP = {  # reasons of the policy, in words
    "unlikely": "another kept trace would cost more tries than it is worth",
    "pool": "the tries of the whole run were spent on others",
    "tries": "it had the most tries that a problem may have",
    "truncated": "its tries were all cut by the token limit",
    "failed": "its requests brought nothing",
    "test_overlap": "its question is in a test set: nothing was asked",
}


class Pile(msgspec.Struct, frozen=True):
    """Traces, or requests without one, of one kind, and their tokens."""

    name: str
    requests: int
    prompt_tokens: int
    completion_tokens: int


class FailureLine(msgspec.Struct, frozen=True):
    """Requests that brought nothing, of one reason."""

    reason: str
    requests: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class FewerTries(msgspec.Struct, frozen=True):
    """What the first tries of each problem alone would have brought."""

    tries: int
    completion_tokens: int
    fit: int  # traces
    solved: int  # problems


class ShownSampling(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown of one sampling."""

    engine: str
    teacher: str
    is_adaptive: bool
    problems: int
    piles: Sequence[Pile]  # of traces, the fit ones first
    failures: Sequence[FailureLine]
    right: int
    kept: int | None  # by the filter; None: it has not run
    truncated: int
    solved: int
    tries: Mapping[int, tuple[int, int]]  # to the solved and the other problems with so many
    fit_per_problem: Mapping[int, int]  # to problems
    fewer: Sequence[FewerTries] = ()
    curve: Sequence[tuple[int, int, int]] = ()  # tokens, right, kept, while it ran
    given_up: Mapping[str, int] = {}
    reached: str = ""  # the limit that ended it
    hours: float | None = None
    usd_of_tokens: float | None = None  # None: the recipe names no price
    usd_of_hours: float | None = None

    @property
    def traces(self) -> int:
        """That are stored."""
        return sum(pile.requests for pile in self.piles)

    @property
    def fit(self) -> int:
        """Of the traces."""
        return self.piles[0].requests if self.piles else 0

    @property
    def completion_tokens(self) -> int:
        """Of traces and of requests that brought nothing."""
        return sum(pile.completion_tokens for pile in (*self.piles, *self.failures))

    @property
    def prompt_tokens(self) -> int:
        """The same of the prompts."""
        return sum(pile.prompt_tokens for pile in (*self.piles, *self.failures))


def sampling_section(found: ShownSampling) -> Section:
    """What was asked and what it brought, where the tokens went, which problems had how many."""
    if not found.traces and not found.failures:
        return Section(TITLE, [Text("The teacher was asked nothing.", tone="note")])
    blocks = [
        Text(_summary(found), tone="lead"),
        *([Text(f"Ended by its budget, {found.reached}.")] if found.reached else []),
        *_piles(found),
        *_price(found),
        *(_adaptive(found) if found.is_adaptive else _fixed(found)),
        *_failures(found.failures),
    ]
    return Section(TITLE, blocks)


def _summary(found: ShownSampling) -> str:
    said = (
        f"{found.teacher}, by {found.engine}, wrote {_number(found.traces, 'trace')} for "
        f"{_number(found.problems, 'problem')}: {_of(found.right, found.traces)} right, "
        f"{_of(found.fit, found.traces)} fit to be learned from; "
        f"{_of(found.solved, found.problems)} problems solved."
    )
    if found.truncated:
        said += f" The token limit cut {_number(found.truncated, 'trace')}."
    return said if found.kept is None else f"{said} The filter kept {found.kept:,}."


def _piles(found: ShownSampling) -> list[Block]:
    """Where the tokens went."""
    failed = [
        Pile(
            line.reason.replace("_", " "), line.requests, line.prompt_tokens, line.completion_tokens
        )
        for line in found.failures
    ]
    whole = max(found.completion_tokens, 1)
    piles = [*found.piles, *failed]
    total = Pile(
        "all",
        sum(pile.requests for pile in piles),
        found.prompt_tokens,
        found.completion_tokens,
    )
    lines = [
        [
            pile.name,
            f"{pile.requests:,}",
            count(pile.prompt_tokens),
            count(pile.completion_tokens),
            percent(pile.completion_tokens / whole),
        ]
        for pile in [*(pile for pile in piles if pile.requests), total]
    ]
    header = ["what came of it", "requests", "prompt tokens", "completion tokens", "percent"]
    return [Heading("Where the tokens went"), Table(header, lines, note=PILES_NOTE)]


def _price(found: ShownSampling) -> list[Block]:
    """What it took in all, and for each trace and problem that counts."""
    tokens = found.completion_tokens
    hours, usd = found.hours, _together(found.usd_of_tokens, found.usd_of_hours)
    columns = [("in all", 1), ("per fit trace", found.fit), ("per solved problem", found.solved)]
    lines = [["completion tokens", *(count(_each(tokens, n)) for _, n in columns)]]
    if hours:
        seconds = 3600 * hours
        lines.append(["time of sampling", *(_time(_each(seconds, n)) for _, n in columns)])
        lines.append(["completion tokens a second", count(tokens / seconds), *[""] * 2])
    if usd is not None:
        lines.append(["US dollars", *(_money(_each(usd, n)) for _, n in columns)])
        parts = [("of them for tokens", found.usd_of_tokens), ("for machines", found.usd_of_hours)]
        lines += [[name, _money(part), *[""] * 2] for name, part in parts if part]
    return [Heading("What it took"), Table(["", *(name for name, _ in columns)], lines)]


def _adaptive(found: ShownSampling) -> list[Block]:
    blocks: list[Block] = []
    if len(found.curve) > 1:
        tokens = [at for at, _, _ in found.curve]
        lines = {
            "right": [right for _, right, _ in found.curve],
            "fit": [kept for *_, kept in found.curve],
        }
        caption = "Right traces, and those fit to be learned from, against tokens generated"
        blocks = [
            Heading("Yield"),
            Chart(growth_curves(tokens, lines, "completion tokens"), caption),
        ]
    return [*blocks, *_tries(found), *_given_up(found)]


def _tries(found: ShownSampling) -> list[Block]:
    bins = in_ranges(found.tries)
    lines = [
        [name, f"{solved + other:,}", f"{solved:,}", percent(_each(solved, solved + other))]
        for name, (solved, other) in bins.items()
    ]
    parts = {"solved": [one for one, _ in bins.values()], "not": [n for _, n in bins.values()]}
    parts = {name: numbers for name, numbers in parts.items() if name == "solved" or any(numbers)}
    chart = stacked_columns(list(bins), parts, ("tries of a problem", "problems"))
    header = ["tries", "problems", "solved", "percent"]
    return [
        Heading("Tries per problem"),
        Chart(chart, "How many problems had so many tries"),
        Table(header, lines, note=TRIES_NOTE),
    ]


def _given_up(found: ShownSampling) -> list[Block]:
    if not found.given_up:
        return []
    by_number = sorted(found.given_up.items(), key=lambda item: -item[1])
    lines = [
        [GIVEN_UP.get(reason, reason.replace("_", " ")), f"{number:,}"]
        for reason, number in by_number
    ]
    return [Heading("Problems given up"), Table(["why", "problems"], lines)]


def _fixed(found: ShownSampling) -> list[Block]:
    """Every problem has the same number of tries: how many were fit, and would fewer have done?"""
    bins = in_ranges({fit: (number, 0) for fit, number in found.fit_per_problem.items()})
    columns = stacked_columns(
        list(bins),
        {"": [number for number, _ in bins.values()]},
        ("fit traces of a problem", "problems"),
    )
    lines = [
        [
            f"{line.tries:,}",
            count(line.completion_tokens),
            f"{line.fit:,}",
            f"{line.solved:,}",
            count(_each(line.completion_tokens, line.fit)),
        ]
        for line in found.fewer
    ]
    header = ["tries", "completion tokens", "fit traces", "solved problems", "tokens per fit trace"]
    note = "What the first so many completions of every problem alone would have brought."
    return [
        Heading("Fit traces per problem"),
        Chart(columns, "How many problems have so many traces fit to be learned from"),
        *([Heading("Fewer tries"), Table(header, lines, note=note)] if len(lines) > 1 else []),
    ]


def _failures(failures: Sequence[FailureLine]) -> list[Block]:
    failed = [line for line in failures if line.reason not in NO_FAILURE]
    if not failed:
        return []
    lines = [
        [
            line.reason.replace("_", " "),
            f"{line.requests:,}",
            f"{line.attempts:,}",
            count(line.completion_tokens),
            duration(line.seconds),
        ]
        for line in failed
    ]
    note = "Attempts: how often they were sent. Their time is added up over what ran at once."
    header = ["why", "requests", "attempts", "completion tokens", "time"]
    return [Heading("Requests that failed"), Table(header, lines, note=note)]


def in_ranges(bins: Mapping[int, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Numbers as they are while they are few, otherwise in ranges that double: 0, 1, 2, 3-4, 5-8.

    A number without anything between others is there with nothing.
    """
    most = max(bins, default=0)
    if most < MOST_COLUMNS:
        low = 0 if 0 in bins else min(bins, default=0)
        return {str(at): bins.get(at, (0, 0)) for at in range(low, most + 1)}
    found: dict[str, tuple[int, int]] = {}
    low, high = (0 if 0 in bins else 1), (0 if 0 in bins else 1)
    while low <= most:
        inside = [pair for at, pair in bins.items() if low <= at <= high]
        name = str(low) if low == high else f"{low}-{high}"
        found[name] = sum(one for one, _ in inside), sum(other for _, other in inside)
        low, high = high + 1, max(1, 2 * high)
    return found


def _each(whole: float, parts: int) -> float | None:
    return whole / parts if parts else None


def _together(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _time(seconds: float | None) -> str:
    return f"{seconds:.2g} s" if seconds is not None and seconds < 10 else duration(seconds)


def _money(usd: float | None) -> str:
    if usd is None:
        return NOTHING
    return f"{usd:,.2f}" if usd >= 0.1 or not usd else f"{usd:.2g}"


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({percent(part / whole)}%)" if whole else f"{part:,}"

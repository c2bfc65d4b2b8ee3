"""Results as rows of a table, aligned for the terminal or written as Markdown."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from distill.evaluation.harmless import code_span
from distill.evaluation.metrics import Estimate, Result

NOTHING = "–"
TERMINAL_WIDTH = 100
_MINUS = "−"

TableRow = dict[str, Any]
"""One line of table.json: a row on a test set; shares are 0 to 1, None is not known."""


def table_row(label: str, result: Result, *, seed: int) -> TableRow:
    """One line of table.json; `seed` is the recipe's."""
    mean, consensus, any_of_k = result.pass_at_1, result.cons_at_k, result.pass_at_k
    return {
        "row": label,
        "test_set": result.test_set,
        "pass_at_1": None if mean is None else mean.value,
        "low": None if mean is None else mean.low,
        "high": None if mean is None else mean.high,
        "cons_at_k": None if consensus is None else consensus.value,
        "cons_low": None if consensus is None else consensus.low,
        "cons_high": None if consensus is None else consensus.high,
        "pass_at_k": None if any_of_k is None else any_of_k.value,
        "k": result.k,
        "problems": result.problems,
        "samples": result.samples,
        "seed": seed,
        "unknown": result.unknown,
        "unknown_problems": result.unknown_problems,
        "format_share": result.format_share,
        "truncated_share": result.truncated_share,
        "tokens_per_answer": result.tokens_mean,
        "tokens_per_right_answer": result.right_tokens_mean,
        "name": result.row,
    }


def terminal_table(rows: Sequence[TableRow], width: int = TERMINAL_WIDTH) -> str:
    """The table for a terminal, in percent; test sets stand side by side while they fit."""
    waiting = list(dict.fromkeys(row["test_set"] for row in rows))
    blocks = []
    while waiting:
        fitting = len(waiting)
        while fitting > 1 and len(_aligned(rows, waiting[:fitting])[0]) > width:
            fitting -= 1
        blocks.append("\n".join(_aligned(rows, waiting[:fitting])))
        waiting = waiting[fitting:]
    return "\n\n".join(blocks)


def results_grid(
    rows: Sequence[TableRow], test_sets: Sequence[str] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and lines: for each test set pass@1 [its 95% interval] and cons@k, in percent."""
    if test_sets is None:
        test_sets = list(dict.fromkeys(row["test_set"] for row in rows))
    cells = {(row["row"], row["test_set"]): row for row in rows}
    header = ["row"]
    for test_set in test_sets:
        k = next(row["k"] for row in rows if row["test_set"] == test_set)
        header += [f"{test_set} pass@1", f"cons@{k}"]
    lines = []
    for label in dict.fromkeys(row["row"] for row in rows):
        line = [label]
        for test_set in test_sets:
            cell = cells.get((label, test_set))
            line += [interval_text(cell), percent(cell["cons_at_k"] if cell else None)]
        lines.append(line)
    return header, lines


def markdown_table(
    header: Sequence[str], lines: Iterable[Iterable[object]], quoted: Sequence[int] = ()
) -> str:
    """A Markdown table; pipes, tags and line breaks inside cells are made harmless.

    Args:
        quoted: columns whose texts others wrote: written as code, so no image or link is read.
    """
    rows = [_joined(map(_cell, header)), _joined(["---"] * len(header))]
    for line in lines:
        cells = enumerate(line)
        rows.append(_joined(code_span(str(c)) if at in quoted else _cell(c) for at, c in cells))
    return "\n".join(rows)


def percent(share: float | None) -> str:
    """A share as percent with one decimal: 0.0625 is "6.2"."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def interval_text(row: TableRow | None) -> str:
    """pass@1 with its interval in percent: "6.2 [4.0, 8.8]"."""
    if row is None or row["pass_at_1"] is None:
        return NOTHING
    return f"{percent(row['pass_at_1'])} [{percent(row['low'])}, {percent(row['high'])}]"


def points(value: float) -> str:
    """A difference of shares in percentage points with its sign: "+4.1" or "−0.3"."""
    text = f"{100 * abs(value):.1f}"
    if text == "0.0":
        return text
    return ("+" if value > 0 else _MINUS) + text


def count(value: float | None) -> str:
    """A number of tokens for reading: 950, 12.3k, 4.56M."""
    if value is None:
        return NOTHING
    for size, unit, digits in ((1e9, "G", 2), (1e6, "M", 2), (1e4, "k", 1)):
        if value >= size:
            return f"{value / (1000 if unit == 'k' else size):.{digits}f}{unit}"
    return f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Wall time for reading: 42 s, 3 min 05 s, 2 h 10 min."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def is_shown(difference: Estimate) -> bool:
    """Does the interval exclude 0?"""
    return difference.low > 0 or difference.high < 0


def difference_sentence(first: str, second: str, difference: Estimate | None) -> str:
    """What the paired interval allows to say: above, below, or no difference shown."""
    if difference is None:
        return f"{first} against {second}: not known, no problem has a verdict in both."
    span = (
        f"{points(difference.value)} points, 95% interval {points(difference.low)} to "
        f"{points(difference.high)}, {difference.problems:,} problems"
    )
    if not is_shown(difference):
        return f"No difference shown between {first} and {second}: {span}."
    side = "above" if difference.value > 0 else "below"
    return f"{first} is {side} {second}: {span}."


def in_order_and_apart(rows: Sequence[TableRow | None]) -> bool:
    """Does each row lie above the next with intervals that do not touch?"""
    if any(row is None or row["pass_at_1"] is None for row in rows):
        return False
    return all(better["low"] > worse["high"] for better, worse in pairwise(rows))


def _aligned(rows: Sequence[TableRow], test_sets: Sequence[str]) -> list[str]:
    """Lines of one aligned block: header, rule, rows."""
    header, lines = results_grid(rows, test_sets)
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [header, rule, *lines]
    ]


def _joined(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    return " ".join(str(value).replace("<", "&lt;").replace("|", "\\|").split())

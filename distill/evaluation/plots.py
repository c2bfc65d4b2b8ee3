"""Figures of the report as inline SVG that takes its text colour from the page."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from distill.evaluation.tables import TableRow

_INK = "#0a0b0c"  # drawn in this colour, written as currentColor: readable in light and dark
_PALETTE = ("#8a8f98", "#e07b20", "#3b82d6", "#9061c2", "#d1495b", "#2a9d6f", "#b8902f", "#4aa3a3")
_COLUMNS = 3
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "distill",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.15,
}


def colours(labels: Sequence[str]) -> dict[str, str]:
    """One colour per row, by position, so that a row looks alike in every figure."""
    return {label: _PALETTE[at % len(_PALETTE)] for at, label in enumerate(labels)}


def interval_bars(rows: Sequence[TableRow], colour: Mapping[str, str]) -> str:
    """pass@1 of every row with its interval, one panel per test set. Returns SVG."""
    labels = list(dict.fromkeys(row["row"] for row in rows))
    test_sets = list(dict.fromkeys(row["test_set"] for row in rows))
    with matplotlib.rc_context(_STYLE):
        figure, panels = _panels(len(test_sets), height=0.9 + 0.36 * len(labels), share_y=True)
        for axes, test_set in zip(panels, test_sets, strict=True):
            _bars(axes, [row for row in rows if row["test_set"] == test_set], labels, colour)
            axes.set_title(test_set)
            axes.set_xlabel("pass@1, percent")
        return _svg(figure)


def training_curves(
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    panels: Sequence[tuple[str, str]],
    colour: Mapping[str, str],
) -> str:
    """Training measures against step: one panel per measure, one line per run. Returns SVG.

    Args:
        runs: label to logged steps, each with "step" and the measures; missing ones are skipped.
        panels: key of a measure and its title.
        colour: label to colour.
    """
    with matplotlib.rc_context(_STYLE):
        figure, axes_list = _panels(len(panels), height=2.6, columns=2)
        for axes, (key, title) in zip(axes_list, panels, strict=True):
            for label, steps in runs.items():
                _curve(axes, label, [line for line in steps if key in line], key, colour[label])
            axes.set_title(title)
            axes.set_xlabel("step")
            low, high = axes.get_ylim()
            axes.set_ylim(min(0.0, low), high + 0.05 * abs(high))
            axes.grid(axis="y")
        handles, labels = axes_list[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return _svg(figure)


def funnel_bars(counts: Sequence[tuple[str, int]], colour: Mapping[str, str]) -> str:
    """How many traces come through each step or fall to each reason. Returns SVG."""
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _panels(1, height=0.6 + 0.3 * len(counts), columns=1)
        names = [name for name, _ in counts]
        values = [value for _, value in counts]
        bars = axes.barh(names, values, color=[colour[name] for name in names], height=0.7)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=4)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("traces")
        return _svg(figure)


def smoothed(values: Sequence[float], window: int) -> np.ndarray:
    """Mean of each value and those before it, `window` of them at most."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _panels(
    total: int, *, height: float, columns: int = _COLUMNS, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    columns = max(1, min(columns, total))
    lines = max(1, -(-total // columns))
    figure = Figure(figsize=(9.2, height * lines), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(lines, columns, squeeze=False, sharey="all" if share_y else "none")
    flat = list(grid.flat)
    for spare in flat[total:]:
        spare.set_visible(False)
    return figure, flat[:total]


def _bars(
    axes: Axes, rows: Sequence[TableRow], labels: Sequence[str], colour: Mapping[str, str]
) -> None:
    known = {row["row"]: row for row in rows if row["pass_at_1"] is not None}
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for at, label in enumerate(labels):
        if label not in known:
            continue
        mean, low, high = (100 * known[label][key] for key in ("pass_at_1", "low", "high"))
        axes.barh(at, mean, color=colour[label], height=0.66)
        axes.errorbar(mean, at, xerr=[[mean - low], [high - mean]], color=_INK, capsize=3, lw=1.2)
        axes.text(high + 2.5, at, f"{mean:.1f}", va="center", fontsize=9)


def _curve(axes: Axes, label: str, lines: Sequence[Mapping], key: str, colour: str) -> None:
    """Raw values thin, the mean of the last twentieth of the steps thick."""
    lines = [line for line in lines if line[key] is not None]
    if not lines:
        return
    steps = [line["step"] for line in lines]
    values = [float(line[key]) for line in lines]
    axes.plot(steps, values, color=colour, lw=0.8, alpha=0.35)
    axes.plot(steps, smoothed(values, max(1, len(values) // 20)), color=colour, lw=1.8, label=label)


def _svg(figure: Figure) -> str:
    """SVG for inlining in HTML: no prolog, no metadata, no address of any kind."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img"', text, count=1)
    return text.replace(_INK, "currentColor")

"""Figures of the report as inline SVG that takes its text colour from the page."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from distill.evaluation.harmless import cut, printable
from distill.evaluation.tables import TableRow, percent

_INK = "#0a0b0c"  # drawn in this colour, written as currentColor: readable in light and dark
_PALETTE = ("#8a8f98", "#e07b20", "#3b82d6", "#9061c2", "#d1495b", "#2a9d6f", "#b8902f", "#4aa3a3")
_TOTAL, _RIGHT, _KEPT = "#8a8f98", "#3b82d6", "#2a9d6f"
_NAME_COLUMNS = 30
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


def funnel_bars(steps: Sequence[tuple[str, int]]) -> str:
    """How many traces are left after each step, with their share of the first's. Returns SVG."""
    values = [value for _, value in steps]
    whole = max(values[0], 1)
    labels = [f"{values[0]:,}", *(f"{v:,} · {percent(v / whole)}%" for v in values[1:])]
    colour = [_TOTAL, *([_RIGHT] * (len(steps) - 2)), _KEPT]
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _panels(1, height=0.3 + 0.34 * len(steps), columns=1)
        bars = axes.barh(range(len(steps)), values, color=colour, height=0.72)
        axes.set_yticks(range(len(steps)), [_name(name) for name, _ in steps])
        axes.bar_label(bars, labels, padding=5)
        axes.set_xlim(0, 1.25 * whole)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        return _svg(figure)


def acceptance_bars(groups: Sequence[tuple[str, int, int, int]]) -> str:
    """The shares of each group's traces that are right and that are kept. Returns SVG.

    Args:
        groups: name, traces, those that are right, those that are kept.
    """
    at = range(len(groups))
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _panels(1, height=0.85 + 0.34 * len(groups), columns=1)
        axes.barh(at, [100] * len(groups), color=_INK, alpha=0.07, height=0.72)
        shares = [(100 * r / max(n, 1), 100 * k / max(n, 1)) for _, n, r, k in groups]
        axes.barh(at, [right for right, _ in shares], color=_RIGHT, height=0.72, label="right")
        axes.barh(at, [kept for _, kept in shares], color=_KEPT, height=0.34, label="kept")
        told = [f"{kept:,} kept, {right:,} right of {n:,}" for _, n, right, kept in groups]
        for place, text in enumerate(told):
            axes.text(101.5, place, text, va="center", fontsize=9)
        axes.set_yticks(at, [_name(name) for name, *_ in groups])
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_xlim(0, 103 / (1 - 0.0115 * max(map(len, told))))  # of 9.2 inches, names aside
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.spines["bottom"].set_bounds(0, 100)
        axes.set_xlabel("percent of the traces", loc="left")
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        return _svg(figure)


def growth_curves(at: Sequence[float], lines: Mapping[str, Sequence[float]], x_label: str) -> str:
    """What was had by then, one line per name, most first. Returns SVG."""
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _panels(1, height=2.9, columns=1)
        for (name, values), colour in zip(lines.items(), (_RIGHT, _KEPT, _TOTAL), strict=False):
            axes.plot(at, values, color=colour, lw=1.8, label=name)
        axes.set_xlim(0, None)
        axes.set_ylim(0, None)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel(x_label)
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=len(lines), frameon=False)
        return _svg(figure)


def stacked_columns(
    names: Sequence[str], parts: Mapping[str, Sequence[int]], labels: tuple[str, str]
) -> str:
    """A column for each name, made of parts; with one part there is no legend. Returns SVG.

    Args:
        parts: name of a part to its height in each column, the lowest first.
        labels: of what the names are, and what is counted.
    """
    at, bottom = range(len(names)), np.zeros(len(names))
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _panels(1, height=2.9, columns=1)
        for (name, heights), colour in zip(parts.items(), (_KEPT, _TOTAL), strict=False):
            axes.bar(at, heights, bottom=bottom, color=colour, width=0.78, label=name)
            bottom = bottom + np.asarray(heights)
        for place, height in zip(at, bottom, strict=True):
            axes.text(place, height, f"{height:,.0f}", ha="center", va="bottom", fontsize=9)
        axes.set_xticks(at, names)
        axes.set_xlim(-0.6, max(len(names), 8) - 0.4)
        axes.spines["bottom"].set_bounds(-0.6, len(names) - 0.4)
        axes.set_ylim(0, 1.1 * max(1, bottom.max(initial=1)))
        axes.set_xlabel(labels[0], loc="left")
        axes.set_ylabel(labels[1])
        if len(parts) > 1:
            figure.legend(loc="outside lower center", ncols=len(parts), frameon=False)
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


def _name(text: str) -> str:
    """A name beside an axis: on one line, and no wider than _NAME_COLUMNS letters."""
    name = cut(printable(text), _NAME_COLUMNS)
    while sum(1 + (east_asian_width(sign) in "WF") for sign in name) > _NAME_COLUMNS:
        name = name[:-2] + "…"
    return name


def _svg(figure: Figure) -> str:
    """SVG for inlining in HTML: no prolog, no metadata, no address of any kind."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's own font draws it
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img"', text, count=1)
    return text.replace(_INK, "currentColor")

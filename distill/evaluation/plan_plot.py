"""Kept traces against tokens, for each way to sample, as a picture."""

import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

_PALETTE = ("#3b82d6", "#9061c2", "#b8902f", "#2a9d6f")
_STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
_PIXELS_PER_INCH = 120


class Curve(NamedTuple):
    """A point of a curve: after so many tokens, so much."""

    tokens: float  # prompt and completion
    kept: float
    kept_low: float
    kept_high: float
    solved: float


def kept_curves(curves: Mapping[str, Sequence[Curve]]) -> bytes:
    """Two panels, kept traces and solved problems against all tokens. Returns PNG."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        kept, solved = figure.subplots(1, 2)
        for at, (name, points) in enumerate(curves.items()):
            colour = _PALETTE[at % len(_PALETTE)]
            tokens = [point.tokens for point in points]
            low, high = zip(*((one.kept_low, one.kept_high) for one in points), strict=True)
            kept.fill_between(tokens, low, high, color=colour, alpha=0.15, lw=0)
            kept.plot(tokens, [point.kept for point in points], color=colour, label=name)
            solved.plot(tokens, [point.solved for point in points], color=colour)
        for axes, title in ((kept, "kept traces"), (solved, "problems solved")):
            axes.set_title(title, loc="left")
            axes.set_xlabel("tokens, prompts included")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_ylim(bottom=0)
            axes.set_xlim(left=0)
            axes.grid(alpha=0.15)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_PIXELS_PER_INCH)
    return buffer.getvalue()

"""Figures as short texts whose names say what they are."""

import math

SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Figure = int | float | str | None


def figure_text(name: str, value: Figure, *, short: bool = False) -> str:
    """ "kept 1,204", "$0.35", "1,180 tokens/s", "eta 1:02:03"; short: "kept 1.2k"."""
    stem, _, unit = name.rpartition("_")
    label = name.replace("_", " ")
    if isinstance(value, str):
        return f"{label} {value}"
    if value is None or not math.isfinite(value):
        return f"{label} -"
    if unit == "usd" or name == "usd":
        return f"{stem.replace('_', ' ')} ${_money(value, short)}".lstrip()
    if name.endswith("_per_second"):
        what = stem.removesuffix("_per").replace("_", " ")
        return f"{_count(value, short)} {what[:3] if short else what}/s"
    if unit == "seconds":
        return f"{stem.replace('_', ' ')} {duration(value)}"
    if unit == "share":
        return f"{stem.replace('_', ' ')} {100 * value:.1f}%"
    return f"{label} {_count(value, short)}"


def duration(seconds: float) -> str:
    """ "0:09", "12:34", "1:02:03", "2d 03:04:05"."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _count(value: float, short: bool) -> str:
    if short:
        for size, suffix in SUFFIXES:
            if abs(value) >= size:
                return f"{value / size:.3g}{suffix}"
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _money(usd: float, short: bool) -> str:
    if 0 < abs(usd) < 0.01:
        return f"{usd:.1g}" if abs(usd) >= 1e-4 else f"{usd:.0e}"
    return _count(usd, short) if short and abs(usd) >= 1000 else f"{usd:,.2f}"

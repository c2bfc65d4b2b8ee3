"""Forecasts of sampling as a table for the terminal, and in sentences."""

import math
from collections.abc import Mapping, Sequence

from distill.evaluation.tables import NOTHING, count, duration, percent
from distill.recipe import Price
from distill.sampling.budget import Limits, usd_of
from distill.sampling.forecast import Figures, Forecast, Interval
from distill.stages.known_tries import KnownRun

ROWS = {
    "completions": "completions",
    "prompt_tokens": "prompt tokens",
    "tokens": "completion tokens",
    "hours": "time",
    "usd": "US dollars",
    "kept": "kept traces",
    "solved": "problems solved",
    "tokens_per_kept": "tokens per kept trace",
}
LIMITS = {
    "max_tokens_total": "sample.max_tokens_total: {:,} tokens",
    "max_usd": "sample.max_usd: {:g} USD",
    "max_hours": "sample.max_hours: {:g} h",
}


def source_lines(known: KnownRun, price: Price) -> list[str]:
    """What the forecast goes by, and what that cost."""
    tries = [one for of_one in known.tries.values() for one in of_one]
    truncated = sum(one.truncated for one in tries)
    prompt, tokens = known.prompt_tokens, known.tokens
    spent = [f"{count(prompt)} prompt and {count(tokens)} completion tokens"]
    if price != Price():
        spent.append(f"{money(usd_of(price, prompt, tokens, known.seconds / 3600))} USD")
    spent.append(duration(known.seconds))
    return [
        f"From {len(tries):,} completions of {len(known.tries):,} problems in {known.folder}, "
        f"which cost {', '.join(spent)}:",
        f"  {known.kept:,} kept ({percent(known.kept / len(tries))}%), {truncated:,} cut by the "
        f"limit; {prompt / len(tries):,.0f} prompt and {tokens / len(tries):,.0f} completion "
        f"tokens each; {known.tokens_per_second:,.0f} tokens/s once the teacher was there",
    ]


def plan_table(plans: Mapping[str, Forecast], price: Price) -> str:
    """One column for each way; means with the middle 95% of what could be."""
    return table({name: plan.whole for name, plan in plans.items()}, price)


def notes(plans: Mapping[str, Forecast]) -> list[str]:
    """What the figures of the table are."""
    adaptive = plans["adaptive"].settings
    return [
        f"Kept traces count up to {adaptive.needed} of a problem; [..] is the middle 95% of what "
        f"could be, by what is known of the problems. Time is at the speed told above.",
        f"adaptive: at most {adaptive.completions_per_problem} tries per problem on average.",
    ]


def table(columns: Mapping[str, Figures], price: Price) -> str:
    """Rows of figures, a column for each name."""
    rows = {key: label for key, label in ROWS.items() if key != "usd" or price != Price()}
    lines = [["", *columns]]
    lines += [
        [label, *(cell(key, getattr(figures, key)) for figures in columns.values())]
        for key, label in rows.items()
    ]
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(
            text.rjust(width) if at else text.ljust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (lines[0], rule, *lines[1:])
    )


def cell(key: str, interval: Interval) -> str:
    """A figure with its interval; the interval is left out where it is none."""
    mean, low, high = (number(key, value) for value in interval)
    return mean if low == mean == high else f"{mean} [{low}, {high}]"


def number(key: str, value: float) -> str:
    """One figure for reading."""
    if not math.isfinite(value):
        return NOTHING
    if key == "hours":
        return duration(3600 * value)
    if key == "usd":
        return money(value)
    return count(value) if "tokens" in key else f"{value:,.0f}"


def money(dollars: float) -> str:
    """Dollars for reading, small sums too: 12.34, 0.0021."""
    return f"{dollars:,.2f}" if dollars >= 0.1 or not dollars else f"{dollars:.2g}"


def budget_lines(plans: Mapping[str, Forecast], limits: Limits) -> list[str]:
    """Which budget of the recipe would stop each way, and where."""
    said = [
        text.format(getattr(limits, key))
        for key, text in LIMITS.items()
        if getattr(limits, key) is not None
    ]
    if not said:
        return ["No budget: sample.max_tokens_total, max_usd or max_hours would set one."]
    return [f"Budget ({', '.join(said)}):", *(f"  {_stop(*plan)}" for plan in plans.items())]


def _stop(name: str, plan: Forecast) -> str:
    if plan.stop is None:
        return f"{name}: not reached"
    figures, whole = plan.stop.figures, plan.whole
    share = figures.completions.mean / whole.completions.mean
    chance = "" if plan.stop.chance == 1 else f" ({percent(plan.stop.chance)}% likely)"
    return (
        f"{name}: {plan.stop.limit} ends it{chance} after {percent(share)}% of its completions, "
        f"with {cell('kept', figures.kept)} kept traces of {cell('solved', figures.solved)} "
        "problems"
    )

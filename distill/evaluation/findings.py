"""What the report says: sections made of results, differences, costs and curves."""

from collections.abc import Mapping, Sequence

from distill.evaluation import reference
from distill.evaluation.costs import Cost, Line, latest_steps
from distill.evaluation.metrics import Estimate
from distill.evaluation.page import Chart, Section, Table, Text
from distill.evaluation.plots import interval_bars, training_curves
from distill.evaluation.tables import (
    NOTHING,
    TableRow,
    count,
    difference_sentence,
    duration,
    in_order_and_apart,
    is_shown,
    percent,
    points,
    results_grid,
)

Difference = tuple[str, str, str, Estimate | None]
"""Test set, first label, second label, paired difference of pass@1 first - second."""

HOW_TO_READ = (
    "Percent. pass@1 is the mean over the completions of each problem, then over problems; in "
    "brackets its 95% interval, from resampling problems (not completions). cons@k is the majority "
    "vote of k completions; a tie counts its expected value, and no answer casts no vote. All rows "
    "answer the same problems with the same sampling seeds. An interval without width means that "
    "all problems scored alike, not that there is no doubt. Intervals are about the problems: "
    "another training seed may move a row too."
)
DIFFERENCES_NOTE = (
    "Percentage points of pass@1, paired problem by problem; 95% interval by resampling problems. "
    "Where it holds 0, a difference is not shown. Each interval stands for itself: among twenty, "
    "one is expected to miss."
)
COSTS_NOTE = (
    "Generated: completion tokens sampled for the row (the teacher's for the distilled row, those"
    " of withdrawn and failed requests included; the policy's for GRPO). Trained: completion "
    "tokens that a loss was computed on, every epoch counted. Wall time of sampling, scoring and "
    "training on this machine, without loading and saving, and without what a kill threw away. A "
    "row that starts from the distilled student carries its cost too. Not counted: pretraining of"
    " base and teacher, evaluation. – is not logged."
)
CURVES = (  # key of a step's line, title
    ("reward", "reward"),
    ("accuracy", "accuracy, share right"),
    ("length", "completion tokens"),
    ("reflective", "reflective words per completion"),
    ("thinking_share", "share of completions that think"),
    ("no_signal_share", "share of groups without signal"),
)


def verdict_section(
    rows: Sequence[TableRow],
    main: Sequence[Difference],
    others: Sequence[Difference],
    *,
    order: Sequence[str],
) -> Section:
    """One honest sentence per test set and comparison.

    Args:
        main: the comparisons the experiment is about.
        others: those beside it, such as the control against the base.
        order: labels, best first: said to hold where it does with intervals apart.
    """
    cells = {(row["row"], row["test_set"]): row for row in rows}
    blocks = []
    for test_set in dict.fromkeys(row["test_set"] for row in rows):
        said = [difference_sentence(*rest) for name, *rest in main if name == test_set]
        blocks.append(Text(f"{test_set}: {' '.join(said)}", tone="lead"))
        beside = [difference_sentence(*rest) for name, *rest in others if name == test_set]
        if in_order_and_apart([cells.get((label, test_set)) for label in order]):
            beside.append(f"{' > '.join(order)}, with intervals apart.")
        blocks.append(Text(" ".join(beside)))
    return Section("What was found", blocks)


def results_section(rows: Sequence[TableRow], colour: Mapping[str, str], protocol: str) -> Section:
    """The table and its bars."""
    header, lines = results_grid(rows)
    unknown = sum(row["unknown"] for row in rows)
    asked = sum(row["problems"] * row["samples"] for row in rows)
    blocks = [
        Table(header, lines, note=f"{HOW_TO_READ} {protocol}"),
        Text(
            f"The verifier failed on {unknown:,} of {asked:,} completions (timeout, crash or an "
            'unreadable reference): left out, not counted as wrong; see "unverified" below.'
        ),
        Chart(interval_bars(rows, colour), "pass@1 with its 95% interval"),
    ]
    return Section("The table", blocks)


def differences_section(differences: Sequence[Difference]) -> Section:
    """All paired differences, a line for each pair of rows and a column for each test set."""
    test_sets = list(dict.fromkeys(test_set for test_set, *_ in differences))
    found = {(first, second, name): value for name, first, second, value in differences}
    pairs = dict.fromkeys((first, second) for _, first, second, _ in differences)
    lines = [
        [f"{first} − {second}", *(_says(found[first, second, name]) for name in test_sets)]
        for first, second in pairs
    ]
    header = ["pass@1 difference", *test_sets]
    return Section("Paired differences", [Table(header, lines, note=DIFFERENCES_NOTE)])


def costs_section(spent: Mapping[str, Cost], timed_share: float = 1.0) -> Section:
    """What each row cost, by label.

    Args:
        timed_share: of the teacher's tokens; the time of the others is estimated.
    """
    lines = [
        [label, count(cost.tokens_generated), count(cost.tokens_trained), duration(cost.seconds)]
        for label, cost in spent.items()
    ]
    header = ["row", "tokens generated", "tokens trained", "wall time"]
    note = COSTS_NOTE
    if 0 < timed_share < 1:
        note += (
            f" The time of {percent(timed_share)}% of the teacher's tokens was logged (a kill lost "
            "the rest); that of the others is estimated at the same rate."
        )
    return Section("What each row cost", [Table(header, lines, note=note)])


def quality_section(rows: Sequence[TableRow]) -> Section:
    """Format, truncation, length and pass@k of every row on every test set."""
    lines = [
        [
            row["row"],
            row["test_set"],
            percent(row["format_share"]),
            percent(row["truncated_share"]),
            f"{row['tokens_per_answer']:.1f}",
            NOTHING
            if row["tokens_per_right_answer"] is None
            else f"{row['tokens_per_right_answer']:.1f}",
            percent(row["pass_at_k"]),
            f"{row['unknown']:,} ({row['unknown_problems']:,})",
        ]
        for row in rows
    ]
    k = rows[0]["k"]
    header = ["row", "test set", "format %", "truncated %", "tokens", "tokens, right", f"pass@{k}"]
    header.append("unverified")
    note = (
        "Format: exactly one think block, then an answer. Truncated: ended by the token limit. "
        "Tokens: mean per completion, and over the right ones only. pass@k is the unbiased chance "
        "that one of k is right. Unverified: completions that the verifier failed on, and in "
        "brackets problems left out because it failed on all of theirs."
    )
    return Section("How each row writes", [Table(header, lines, note=note, words=2)])


def families_section(
    by_family: Mapping[str, Mapping[tuple[str, str], Estimate | None]], labels: Sequence[str]
) -> Section:
    """pass@1 by family of problems.

    Args:
        by_family: family to (label, test set) to pass@1.
    """
    lines = []
    for family, cells in by_family.items():
        for test_set in dict.fromkeys(name for _, name in cells):
            found = [cells.get((label, test_set)) for label in labels]
            problems = next((cell.problems for cell in found if cell), 0)
            line = [family or "(none)", test_set, str(problems)]
            lines.append(line + [_with_interval(cell) for cell in found])
    header = ["family", "test set", "problems", *labels]
    note = "pass@1 in percent with its 95% interval; families are smaller, so intervals are wider."
    return Section("By family of problems", [Table(header, lines, note=note, words=2)])


def curves_section(runs: Mapping[str, Sequence[Line]], colour: Mapping[str, str]) -> Section:
    """What GRPO did step by step, drawn and as means of the first and last tenth."""
    curves = {label: latest_steps(lines) for label, lines in runs.items()}
    curves = {label: steps for label, steps in curves.items() if steps}
    if not curves:
        return Section("GRPO, step by step", [Text("No GRPO steps were logged.", tone="note")])
    chart = Chart(
        training_curves(curves, CURVES, colour),
        "Thin: each step; thick: mean of the last twentieth of the steps. Reflective words are "
        '"wait" and "check": the aha curve. A random reward teaches nothing about the answer, so '
        "its accuracy is logged but not rewarded.",
    )
    lines = [["steps", *(f"{len(steps):,}" for steps in curves.values())]]
    lines += [[title, *(_ends(steps, key) for steps in curves.values())] for key, title in CURVES]
    table = Table(["first tenth → last tenth", *curves], lines)
    return Section("GRPO, step by step", [chart, table])


def paper_section() -> Section:
    """The paper's figures, marked as its own."""
    return Section(
        "For reference: the paper's own table (not measured here)",
        [
            Table(reference.HEADER, reference.COMPARISON, note=reference.NOTE),
            Table(reference.HEADER, reference.OTHERS, note=f"Source: {reference.SOURCE}."),
        ],
    )


def _ends(steps: Sequence[Line], key: str) -> str:
    """Means of a measure over the first and the last tenth of the steps."""
    values = [line[key] for line in steps if line.get(key) is not None]
    if not values:
        return NOTHING
    tenth = max(1, len(values) // 10)
    return f"{sum(values[:tenth]) / tenth:.2f} → {sum(values[-tenth:]) / tenth:.2f}"


def _says(difference: Estimate | None) -> str:
    if difference is None:
        return NOTHING
    text = f"{points(difference.value)} [{points(difference.low)}, {points(difference.high)}]"
    return text if is_shown(difference) else f"{text} not shown"


def _with_interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOTHING
    return f"{percent(estimate.value)} [{percent(estimate.low)}, {percent(estimate.high)}]"

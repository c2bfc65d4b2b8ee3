"""The card of a dataset: where every row came from, what was left out, by which thresholds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from distill.filters.dataset import COLUMNS, Sources, card_header
from distill.filters.funnel import FilterFacts
from distill.recipe import GYM, Filter, MathPolicy, Recipe
from distill.records import DropReason

Table = Callable[[Sequence[str], Iterable[Iterable[object]]], str]
"""Makes a Markdown table of a header and lines."""

_ASKED = {
    "undecided": "the traces on which the verifier had no verdict",
    "not_right": "the traces that the verifier did not call right",
    "all": "every trace",
}
_ACCEPTED = {
    "none": "Nobody's word on the answers counted.",
    "rule": "An answer is right when the verifier says so.",
    "judge": "An answer is right when the language model says so.",
    "or": "An answer is right when the verifier or the language model says so.",
    "and": "An answer is right when the verifier and the language model say so.",
}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows of a dataset came from; all of it is looked up, nothing is assumed."""

    name: str
    steps: Sequence[str]  # how each row came about, in order
    sources: Sources  # of the kept rows
    judges: Mapping[str, int] = {}  # model to how many traces it was asked about
    isolations: Mapping[str, int] = {}  # of programs under test, to how many verdicts
    notes: Sequence[str] = ()
    software: Mapping[str, str] = {}
    has_dropped: bool = True  # dropped.parquet is there


def card(origin: Origin, facts: FilterFacts, table: Table) -> str:
    """The dataset's README.md.

    Args:
        table: how a Markdown table is written.
    """
    dropped = facts.traces - facts.kept
    parts = [
        card_header(origin.name, any_dropped=origin.has_dropped and dropped > 0),
        f"# {origin.name}: reasoning traces\n",
        f"{facts.kept} traces that were kept out of {facts.traces}, for {facts.problems_kept} of "
        f"{facts.problems} problems. Written by models, not by people.\n",
        _opening(origin.has_dropped),
        "## How each row came about\n",
        *(f"{number}. {step}" for number, step in enumerate(origin.steps, 1)),
        "",
        table(
            ("teacher", "problems from (licence)", "verifier", "rows"),
            [(*where, rows) for where, rows in sorted(origin.sources.items())],
        ),
        *_counted("Answers were also put to a language model", "judge", origin.judges, table),
        *_counted("Programs under test were isolated by", "isolation", origin.isolations, table),
        "\n## What was kept and dropped, in the order of the checks\n",
        "A trace is counted once under the first reason found, and under each that it has.\n",
        table(("reason", "traces", "traces that have it"), _reasons(facts)),
        "\n## Thresholds\n",
        table(("recipe key", "value"), _thresholds(facts.thresholds)),
        "",
        *origin.notes,
        "\n## Columns\n",
        table(("column", "meaning"), COLUMNS.items()),
        "\n## Software when it was filtered\n",
        table(("package", "version"), origin.software.items()),
        "",
    ]
    return "\n".join(parts)


def selection_note(thresholds: Mapping[str, Any], seed: int) -> str:
    """How the rows of a problem were chosen, in words."""
    most, family = thresholds.get("keep_per_problem"), thresholds.get("keep_per_family")
    if most is None and family is None:
        return "All that the filter left are kept."
    keep = thresholds.get("keep", "first")
    said = "Every trace of a problem" if most is None else f"At most {most} of a problem"
    said += f" may stay, chosen by `{keep}`" + (f" with seed {seed}" if keep == "random" else "")
    if family is not None:
        said += f"; at most {family} of a family, taken evenly from its problems"
    return said + "."


def _opening(has_dropped: bool) -> str:
    said = "`datasets.load_dataset(FOLDER)` opens the kept ones"
    if has_dropped:
        said += ', `datasets.load_dataset(FOLDER, "dropped")` the others with their reason'
    return said + "; `train.jsonl` has the kept ones as text.\n"


def _counted(said: str, name: str, counts: Mapping[str, int], table: Table) -> list[str]:
    if not counts:
        return []
    return [f"\n{said}:\n", table((name, "traces"), sorted(counts.items()))]


def _reasons(facts: FilterFacts) -> list[tuple[str, int, int]]:
    found = {count.reason: (count.first, count.all) for count in facts.reasons}
    kept = [(DropReason.KEPT.value, facts.kept, facts.kept)]
    rest = [reason.value for reason in DropReason if reason is not DropReason.KEPT]
    return kept + [(reason, *found.get(reason, (0, 0))) for reason in rest]


def _thresholds(thresholds: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"filter.{key}", msgspec.json.encode(value).decode()) for key, value in thresholds.items()
    ]


def recipe_steps(recipe: Recipe) -> list[str]:
    """How the rows of a run came about: the models, their settings, the rules, the choice."""
    sample, verify, keys = recipe.sample, recipe.verify, recipe.filter
    steps = [
        f"A problem was taken from `{shown_source(recipe.problems.train)}`.",
        f"The teacher answered it {sample.completions_per_problem} times (prompt "
        f"`{sample.prompt}`, temperature {sample.temperature:g}, top-p {sample.top_p:g}, at most "
        f"{sample.max_tokens} tokens, engine {sample.engine}), each time with a seed of its own "
        f"that follows from the recipe's seed {recipe.seed}.",
        "The problem's verifier compared the final answer with the reference (at most "
        f"{verify.timeout_seconds:g} s; what may count as equal: {switches(verify.policy)}).",
    ]
    if verify.judge is not None:
        steps.append(
            f"A language model, `{verify.judge.model}`, was asked about "
            f"{_ASKED[verify.judge.ask]}; its word is kept beside the verdict."
        )
    steps.append(f"{filter_step(keys, recipe.seed)} Texts are exactly as the model wrote them.")
    return steps


def filter_step(keys: Filter, seed: int) -> str:
    """Whose word counted, and how the rows of a problem were chosen."""
    said = selection_note(msgspec.to_builtins(keys), seed)
    return f"The filter decided with the thresholds below. {_ACCEPTED[keys.accept]} {said}"


def shown_source(source: str) -> str:
    """A source without the folders of this machine."""
    return source if source.startswith(GYM) else source.rpartition("/")[2]


def switches(policy: MathPolicy) -> str:
    """The switches of a policy as `key: value`."""
    values = msgspec.to_builtins(policy).items()
    return ", ".join(f"`{key}` {msgspec.json.encode(value).decode()}" for key, value in values)

"""The card of a dataset: where every row came from, what was left out, by which thresholds."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from distill.filters.dataset import COLUMNS, Sources, Values, card_header
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
            ("teacher", "its weights", "engine", "problems from (licence)", "verifier", "rows"),
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
    verify, keys = recipe.verify, recipe.filter
    steps = [
        f"A problem was taken from `{shown_source(recipe.problems.train)}`.",
        _asking_step(recipe),
        "The problem's verifier compared the final answer with the reference (at most "
        f"{verify.timeout_seconds:g} s; what may count as equal: {switches(verify.policy)}).",
    ]
    if verify.judge is not None:
        steps.append(
            f"A language model, `{verify.judge.model}`, was asked about "
            f"{_ASKED[verify.judge.ask]}; its word is kept beside the verdict."
        )
    texts = "Texts are exactly as the model wrote them."
    if recipe.sample.engine == "server":
        texts = (
            "Texts are as the server told them; a thought that it told apart stands in the think "
            "block before the answer."
        )
    steps.append(f"{filter_step(keys, recipe.seed)} {texts}")
    return steps


def _asking_step(recipe: Recipe) -> str:
    """How often the teacher was asked, and how."""
    sample, adaptive = recipe.sample, recipe.sample.adaptive
    often = f"The teacher answered it {sample.completions_per_problem} times"
    most = f"{sample.max_tokens} tokens"
    if adaptive is not None:
        needed = adaptive.needed or recipe.filter.keep_per_problem or sample.completions_per_problem
        often = (
            f"The teacher answered it until {needed} of the answers were right and readable, at "
            f"most {adaptive.max_completions_per_problem} times, and as long as another one was "
            f"expected to take no more than {adaptive.completions_per_kept:g} tries; all problems "
            f"together had at most {sample.completions_per_problem} tries each on average"
        )
        if adaptive.longer_max_tokens is not None:
            most += f", or {adaptive.longer_max_tokens} where that had cut its first answers"
    unsent = sample.engine == "server" and sample.server and not sample.server.send_seed
    seed = (
        ""
        if unsent
        else (
            f", each time with a seed of its own that follows from the recipe's seed {recipe.seed}"
        )
    )
    return (
        f"{often} (prompt `{sample.prompt}`, temperature {sample.temperature:g}, top-p "
        f"{sample.top_p:g}, at most {most}, engine {sample.engine}){seed}."
    )


class Cost(msgspec.Struct):
    """What the traces took to write."""

    traces: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0  # traces whose tokens nobody counted
    usd: float = 0.0

    def counted(self, rows: Iterable[tuple[str, Values]]) -> Iterator[tuple[str, Values]]:
        """The same rows, added up on their way."""
        for key, values in rows:
            self.traces += 1
            self.prompt_tokens += values["prompt_tokens"]
            self.completion_tokens += values["completion_tokens"]
            self.estimated += not values["tokens_are_counted"]
            self.usd += values["usd"]
            yield key, values

    def note(self) -> str:
        """In words; of what was asked in vain nothing is said here."""
        said = (
            f"Writing the {self.traces} traces, kept or dropped, took {self.prompt_tokens} prompt "
            f"and {self.completion_tokens} completion tokens"
        )
        if self.estimated:
            said += f" (of {self.estimated} traces these are estimates)"
        return said + (f", {self.usd:.2f} US dollars at the recipe's price." if self.usd else ".")


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

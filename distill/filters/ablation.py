"""What each filter costs and brings: the same findings, decided under other rules."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from distill.filters.card import Table
from distill.filters.checks import CHECKS
from distill.filters.decisions import Combine, decide, word
from distill.filters.findings import Finding, TestText
from distill.filters.funnel import FilterFacts, Named, filter_facts
from distill.recipe import Filter
from distill.records import DropReason

FULL = "recipe"  # the filter as it is
JUDGED = ("judge", "or", "and")  # values of `accept` that need a language model's word
OVERLAP = "test_overlap"  # two keys of one check: what it finds has one reason
_OFF = {"require_think": False, "require_final_answer": False, "forbid": ()}
_DECIDED = {  # key to the value that turns it off; these count when the fates are decided
    "drop_verdicts": (),
    "drop_duplicates": False,
    "near_duplicate_similarity": None,
    "min_pass_rate": None,
    "max_pass_rate": None,
    "keep_per_problem": None,
    "keep_per_family": None,
}


class Variant(NamedTuple):
    """The filter with one thing changed."""

    name: str  # also of its folder
    keys: Filter
    ignored: frozenset[DropReason] = frozenset()


class VariantRow(msgspec.Struct, frozen=True):
    """One line of the table, and of `ablation.json`."""

    variant: str
    kept: int
    problems: int  # with at least one kept trace
    right_share: float | None  # of the kept traces that the rule could judge; None: it judged none
    mean_length: float | None  # tokens, or characters where nobody counted tokens
    only_here: int  # kept here and not by the filter as it is
    lost: int  # kept by the filter as it is and not here


class Ablation(msgspec.Struct, frozen=True, kw_only=True):
    """`ablation.json`: the filter as it is first, then each variant."""

    traces: int
    accept: str  # of the filter as it is
    length_unit: str  # of mean_length: "tokens" or "characters"
    skipped: dict[str, str]  # variants that could not be made, and why
    rows: list[VariantRow]


class Outcome(NamedTuple):
    """What a variant keeps."""

    variant: Variant
    kept: frozenset[int]  # positions among the findings
    facts: FilterFacts


def variants(
    keys: Filter, *, has_verdicts: bool, has_judgements: bool, has_tests: bool
) -> list[Variant]:
    """The filter as it is, its `accept` set to each value, and each key that is on left out.

    Args:
        has_verdicts: of the rule; without them only "none" can be accepted.
        has_judgements: of a language model.
        has_tests: test sets are looked for, so leaving that out makes a difference.
    """
    replace = msgspec.structs.replace
    accepts = ["none", *(["rule"] * has_verdicts), *(JUDGED * has_judgements)]
    made = [Variant(FULL, keys)]
    made += [Variant(f"accept-{accept}", replace(keys, accept=accept)) for accept in accepts]
    for key, (reason, _) in CHECKS.items():
        off = _off(key)
        if getattr(keys, key) != off:
            left = replace(keys, **{key: off})
            made.append(Variant(f"without-{key}", left, frozenset({reason})))
    if has_tests:
        left = replace(keys, overlap_ngram=None, overlap_char_ngram=None)
        made.append(Variant(f"without-{OVERLAP}", left, frozenset({DropReason.TEST_OVERLAP})))
    for key, off in _DECIDED.items():
        if getattr(keys, key) != off:
            made.append(Variant(f"without-{key}", replace(keys, **{key: off})))
    return made


def outcome(
    variant: Variant,
    findings: Sequence[Finding],
    *,
    combine: Combine,
    overlaps: Mapping[str, TestText],
    problems: Mapping[str, Named],
    seed: int,
) -> Outcome:
    """What a variant keeps, decided from findings that were made with `compare_all`.

    Args:
        combine: of `word`.
        overlaps, seed: of `decide`.
        problems: of `filter_facts`.
    """
    words = [word(finding.known, variant.keys, combine) for finding in findings]
    fates = decide(
        findings,
        words,
        variant.keys,
        overlaps=overlaps,
        seed=seed,
        ignored=variant.ignored,
    )
    thresholds = msgspec.to_builtins(variant.keys)
    facts = filter_facts(findings, words, fates, problems=problems, thresholds=thresholds)
    return Outcome(variant, frozenset(at for at, fate in enumerate(fates) if fate.kept), facts)


def not_made(*, has_verdicts: bool, has_judgements: bool) -> dict[str, str]:
    """Variants for which there is nothing to go by, and why."""
    unjudged = "no language model has judged these traces (in a recipe verify.judge names one)"
    unverified = "there are no verdicts on these traces"
    found = {} if has_verdicts else {"accept-rule": unverified}
    return found | ({} if has_judgements else {f"accept-{name}": unjudged for name in JUDGED})


def row(made: Outcome, full: Outcome, findings: Sequence[Finding]) -> VariantRow:
    """The line of a variant beside the filter as it is."""
    known = [findings[at].known for at in sorted(made.kept)]
    judged = [one.verdict.correct for one in known if one.verdict is not None]
    judged = [correct for correct in judged if correct is not None]
    return VariantRow(
        variant=made.variant.name,
        kept=len(known),
        problems=len({one.problem for one in known}),
        right_share=sum(judged) / len(judged) if judged else None,
        mean_length=sum(one.length for one in known) / len(known) if known else None,
        only_here=len(made.kept - full.kept),
        lost=len(full.kept - made.kept),
    )


def ablation(
    made: Sequence[Outcome],
    findings: Sequence[Finding],
    *,
    length_unit: str,
    skipped: Mapping[str, str],
) -> Ablation:
    """Every variant beside the filter as it is, which comes first."""
    return Ablation(
        traces=len(findings),
        accept=made[0].variant.keys.accept,
        length_unit=length_unit,
        skipped=dict(skipped),
        rows=[row(one, made[0], findings) for one in made],
    )


def ablation_text(name: str, found: Ablation, table: Table) -> str:
    """`ablation.md`."""
    parts = [
        f"# {name}: what each filter costs and brings\n",
        f"{found.traces} traces.\n",
        table(HEADER, table_lines(found.rows)),
        "",
        NOTE.format(unit=found.length_unit),
        *(f"\n{line}." for line in not_made_lines(found)),
        "",
    ]
    return "\n".join(parts)


def not_made_lines(found: Ablation) -> list[str]:
    """What was not made and why, one line for each reason."""
    names: dict[str, list[str]] = {}
    for name, why in found.skipped.items():
        names.setdefault(why, []).append(name)
    return [f"not made: {', '.join(group)}: {why}" for why, group in names.items()]


def ablation_json(found: Ablation) -> bytes:
    """`ablation.json`."""
    return msgspec.json.format(msgspec.json.encode(found)) + b"\n"


def table_lines(rows: Sequence[VariantRow]) -> list[tuple[str, ...]]:
    """The rows as text, for a Markdown table under HEADER."""
    return [
        (
            one.variant,
            str(one.kept),
            str(one.problems),
            "-" if one.right_share is None else f"{100 * one.right_share:.1f}%",
            "-" if one.mean_length is None else f"{one.mean_length:.0f}",
            str(one.only_here),
            str(one.lost),
        )
        for one in rows
    ]


HEADER = ("variant", "kept", "problems", "right by rule", "mean length", "only here", "lost")
NOTE = """\
"recipe" is the filter as it is; `accept-X` lets another word count, `without-KEY` leaves a key out.
"right by rule": of the kept traces with a verdict of the rule, the share that it calls right.
"only here" and "lost": traces that this one keeps and "recipe" does not, and the other way round.
Mean length in {unit}."""


def _off(key: str) -> Any:
    """The value of a readability key with which nothing is dropped for it."""
    return True if key.startswith("allow_") else _OFF.get(key)

"""When a budget ends the sampling: what it got may be used, and a larger one goes on."""

import msgspec

from distill.errors import StoreError
from distill.recipe import Recipe, Sample
from distill.sampling.budget import Limits
from distill.store import RunPaths, Store

ENDED = "ended:sample"  # key of the mark
AFTER = ("sample", "verify", "filter", "sft", "grpo", "evaluate", "report")  # marks of a done stage


class Ended(msgspec.Struct, frozen=True):
    """How sampling was ended by its budget."""

    reached: str  # "sample.max_usd: 0.50 of 0.50 USD"
    limits: Limits  # at that time


def limits_of(sample: Sample) -> Limits:
    """The budget of a recipe."""
    return Limits(
        max_tokens_total=sample.max_tokens_total,
        max_usd=sample.max_usd,
        max_hours=sample.max_hours,
    )


def note_end(store: Store, sample: Sample, reached: str | None) -> None:
    """Remember that a limit was reached; None forgets it."""
    if reached is None:
        store.write(gone={"marks": [ENDED]})
        return
    ended = Ended(reached=reached, limits=limits_of(sample))
    store.set_mark(ENDED, msgspec.json.encode(ended).decode())


def ended_by_budget(store: Store) -> Ended | None:
    """How sampling was ended by its budget; None where it was not."""
    mark = store.mark(ENDED)
    return None if mark is None else msgspec.json.decode(mark, type=Ended)


def go_on_with_larger(recipe: Recipe, paths: RunPaths, store: Store) -> None:
    """Have sampling and what comes after it run again where the budget that ended it was raised.

    Raises: StoreError if a student has learned from what was there before.
    """
    ended = ended_by_budget(store)
    if ended is None or not _is_raised(ended, limits_of(recipe.sample)):
        return
    after_sft = [name for name, run in recipe.grpo.runs.items() if run.start_from == "sft"]
    learned = [paths.sft, *map(paths.grpo_run, after_sft)]
    if found := [str(path) for path in learned if path.exists()]:
        raise StoreError(
            f"{paths.root}: sampling was ended by its budget ({ended.reached}), and a student has "
            f"learned from what it got; remove {' and '.join(found)} so that it learns from all, "
            "or name another folder with --out, or go back to that budget"
        )
    for row in ("sft", *after_sft):  # of a student that is gone
        store.clear("scores", f"{row}/")
    store.write(gone={"marks": [ENDED, *AFTER]})


def _is_raised(ended: Ended, limits: Limits) -> bool:
    """Is the limit that was reached a higher one now, or gone?"""
    key = ended.reached.partition(":")[0].removeprefix("sample.")
    was, now = getattr(ended.limits, key), getattr(limits, key)
    return now is None or now > was

"""What each filter costs and brings: one pool of traces, a dataset for each way to filter it."""

from contextlib import closing

import msgspec

from distill.errors import StoreError
from distill.evaluation.tables import markdown_table
from distill.files import write_whole
from distill.filters.ablation import (
    Outcome,
    ablation,
    ablation_json,
    ablation_text,
    not_made,
    not_made_lines,
    outcome,
    variants,
)
from distill.filters.card import card
from distill.filters.dataset import write_variants
from distill.recipe import Recipe
from distill.runlog import summary
from distill.stages.examination import (
    Examination,
    examine_run,
    named,
    origin_of,
    rates_of,
    rows_of,
)
from distill.store import RunPaths, Store
from distill.verifiers.judge import combine


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Write RUN/ablation: a dataset with its card for each variant, ablation.md, ablation.json.

    The texts are examined once, the fates decided once for each variant. The run's own decisions
    and its dataset stay as they are.
    Raises: RecipeError, RecordError and StoreError as `examine_run`.
    """
    if not paths.store.is_file():
        raise StoreError(f"{paths.root}: holds no run; `distill filter RECIPE` makes one")
    folder = paths.ablation
    with closing(Store(paths.store, read_only=True)) as store:
        done = examine_run(store, recipe, compare_all=True)
        made = _outcomes(done, recipe)
        ids = [finding.known.trace_id for finding in done.findings]
        kept = {folder / one.variant.name: {ids[at] for at in one.kept} for one in made}
        rows = rows_of(store, done, rates_of(done, recipe.filter))
        sources = write_variants(kept, (values for _, values in rows))
    for one, counts in zip(made, sources, strict=True):
        name = one.variant.name
        changed = msgspec.structs.replace(
            recipe, name=f"{recipe.name}, {name}", filter=one.variant.keys
        )
        origin = origin_of(changed, done, counts, has_dropped=False)
        write_whole(folder / name / "README.md", card(origin, one.facts, markdown_table))
    skipped = not_made(has_verdicts=True, has_judgements=bool(done.judges))
    found = ablation(made, done.findings, length_unit="tokens", skipped=skipped)
    write_whole(folder / "ablation.md", ablation_text(recipe.name, found, markdown_table))
    write_whole(folder / "ablation.json", ablation_json(found))
    for line in not_made_lines(found):
        summary("ablate", line)
    summary("ablate", f"{len(made)} datasets of {found.traces} traces, see {folder}/ablation.md")


def _outcomes(done: Examination, recipe: Recipe) -> list[Outcome]:
    chosen = variants(
        recipe.filter,
        has_verdicts=True,
        has_judgements=bool(done.judges),
        has_tests=done.contamination is not None,
    )
    return [
        outcome(
            variant,
            done.findings,
            combine=combine,
            overlaps=done.overlaps,
            problems=named(done.problems),
            seed=recipe.seed,
        )
        for variant in chosen
    ]

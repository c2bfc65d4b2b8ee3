"""What a recipe names: where its files lie, which models and sets of problems there are."""

from pathlib import Path

import msgspec

from distill.recipe import GYM, Recipe


def resolve_path(text: str, recipe_path: str | Path | None = None) -> Path | None:
    """The existing file or folder that a recipe names: seen from here, then from the recipe."""
    candidates = [Path(text).expanduser()]
    if recipe_path is not None:
        here = Path(recipe_path).resolve().parent
        candidates += [here / text, here.parent / text]
    return next((path for path in candidates if is_there(path)), None)


def is_there(path: Path) -> bool:
    """Does it exist? What has a name that no file can have does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def split_revision(model: str) -> tuple[str, str | None]:
    """Name and revision of "org/model@revision"; a folder that exists is taken as it is."""
    if "@" not in model or is_there(Path(model)):
        return model, None
    name, revision = model.rsplit("@", 1)
    return name, revision


def locate(recipe: Recipe, recipe_path: str | Path | None) -> Recipe:
    """The recipe with every path that exists as it is seen from here."""

    def found(text: str) -> str:
        name, question_mark, query = text.partition("?")
        path = None if text.startswith(GYM) else resolve_path(name, recipe_path)
        return text if path is None else f"{path}{question_mark}{query}"

    replace = msgspec.structs.replace
    problems, grpo, evaluate = recipe.problems, recipe.grpo, recipe.evaluate
    runs = {
        name: run
        if run.start_from in ("base", "sft")
        else replace(run, start_from=found(run.start_from))
        for name, run in grpo.runs.items()
    }
    judge = recipe.verify.judge
    return replace(
        recipe,
        verify=replace(recipe.verify, judge=judge and replace(judge, model=found(judge.model))),
        problems=replace(problems, train=found(problems.train), rl=found(problems.rl)),
        sample=replace(recipe.sample, teacher=found(recipe.sample.teacher)),
        sft=replace(recipe.sft, base=found(recipe.sft.base)),
        grpo=replace(grpo, runs=runs),
        evaluate=replace(
            evaluate, test_sets={name: found(text) for name, text in evaluate.test_sets.items()}
        ),
    )


def models_of(recipe: Recipe) -> dict[str, str]:
    """Key to model, for every model that a recipe names."""
    runs = recipe.grpo.runs.items()
    given = {
        f"grpo.runs.{name}.start_from": run.start_from
        for name, run in runs
        if run.start_from not in ("base", "sft")
    }
    if recipe.verify.judge is not None:
        given["verify.judge.model"] = recipe.verify.judge.model
    if recipe.sample.engine != "server":  # a server knows its models by names of its own
        given = {"sample.teacher": recipe.sample.teacher, **given}
    return {**given, "sft.base": recipe.sft.base}


def sources_of(recipe: Recipe) -> dict[str, str]:
    """Key to source, for every set of problems that a recipe names."""
    tests = {f"evaluate.test_sets.{name}": s for name, s in recipe.evaluate.test_sets.items()}
    return {"problems.train": recipe.problems.train, "problems.rl": recipe.problems.rl, **tests}

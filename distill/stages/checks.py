"""What is refused before any work: prompts, models, problem files and sets that overlap."""

import importlib
import re
from pathlib import Path

from distill.chat import CHAT_PROMPTS, PROMPTS
from distill.errors import RecipeError, nearest
from distill.recipe import GYM, Recipe
from distill.recipe_paths import is_there, models_of, sources_of
from distill.runlog import contents

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


def check(recipe: Recipe) -> None:
    """Refuse what is well typed but cannot be obeyed on this machine, before any work.

    Raises: RecipeError naming the key, what was found and what to do.
    """
    for key, prompt in _prompts(recipe).items():
        known = [*PROMPTS, *CHAT_PROMPTS]
        if prompt not in known:
            raise RecipeError(
                f"{key} is {prompt!r}; expected one of {', '.join(known)}{nearest(prompt, known)}"
            )
    for key, name in models_of(recipe).items():
        if is_there(Path(name)):
            _check_model_folder(key, Path(name))
        elif not is_hub_id(name):
            raise RecipeError(_absent(key, name, "a model's folder, or org/model from the hub"))
    if recipe.sft.trl:
        importlib.import_module("distill.stages.sft").check(recipe)


def check_sources(recipe: Recipe) -> None:
    """Refuse problem files that are not there.

    Raises: RecipeError naming the key, the path and what is expected.
    """
    for key, source in missing_sources(recipe).items():
        raise RecipeError(
            _absent(key, source, f"a .jsonl or .parquet file, or {GYM}NAME?key=value")
        )


def missing_sources(recipe: Recipe) -> dict[str, str]:
    """Dotted key to source, of the problem files that are not on this machine."""
    return {
        key: source
        for key, source in sources_of(recipe).items()
        if not source.startswith(GYM) and not is_there(_file_of(source))
    }


def contents_of(recipe: Recipe) -> dict[str, str]:
    """What the recipe's local models and problem files hold, as `KEY.contents` to a short hash."""
    models = [(key, Path(name)) for key, name in models_of(recipe).items()]
    sources = [(key, _file_of(source)) for key, source in sources_of(recipe).items()]
    return {
        f"{key}.contents": contents(path) for key, path in [*models, *sources] if is_there(path)
    }


def check_problems(recipe: Recipe) -> None:
    """Read every problem once and refuse sets that share a question.

    Raises: RecipeError for sets that overlap; RecordError for a row that cannot be read.
    """
    load_problems = importlib.import_module("distill.problems.sources").load_problems
    limits = {"problems.train": recipe.problems.limit, "problems.rl": recipe.problems.rl_limit}
    importlib.import_module("distill.problems.overlap").check_disjoint(
        {
            key: load_problems(text, limit=limits.get(key))
            for key, text in sources_of(recipe).items()
        }
    )


def is_hub_id(name: str) -> bool:
    """Does this read as org/model@revision, and not as a path that is missing here?"""
    return bool(_HUB_ID.fullmatch(name)) and not Path(name.split("/")[0]).is_dir()


def _check_model_folder(key: str, folder: Path) -> None:
    """A model that cannot be opened is known by what its folder lacks."""
    if not folder.is_dir():
        raise RecipeError(f"{key} is '{folder}', which is no folder; expected a saved model's")
    for pattern in ("config.json", "*.safetensors"):
        if not any(path.is_file() for path in folder.glob(pattern)):
            raise RecipeError(
                f"{key} is '{folder}': this folder has no {pattern}; expected a saved model with "
                "config.json, a tokenizer and weights in safetensors"
            )


def _file_of(source: str) -> Path:
    return Path(source.partition("?")[0])


def _prompts(recipe: Recipe) -> dict[str, str]:
    return {
        "sample.prompt": recipe.sample.prompt,
        "sft.prompt": recipe.sft.prompt,
        "grpo.prompt": recipe.grpo.prompt,
    }


def _absent(key: str, name: str, expected: str) -> str:
    path = _file_of(name)
    close = [str(other) for other in path.parent.glob("*")] if path.parent.is_dir() else []
    return (
        f"{key} is {name!r}: there is nothing at that path; expected {expected}"
        f"{nearest(str(path), close)}"
    )

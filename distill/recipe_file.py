"""A recipe's file: YAML with overrides laid over it, checked before work; errors in its words."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import msgspec
import yaml

from distill.errors import RecipeError, StoreError, nearest
from distill.recipe import GrpoRun, Price, Recipe, Section, Server

MAX_RECIPE_BYTES = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a run or a test set: part of keys and paths


def load_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe, lay the overrides over it and check the whole.

    Args:
        path: a YAML file.
        overrides: dotted keys to values, such as {"sft.learning_rate": 1e-4}.
    Raises: RecipeError naming the file, the key, what was found and what was expected.
    """
    path = Path(path)
    tree = _read_yaml(path)
    for dotted, value in (overrides or {}).items():
        _lay_over(tree, dotted, value, path)
    for dotted, value in _endless(tree):
        raise RecipeError(f"{path}: {dotted} is {value}; expected a number that ends")
    try:
        recipe = msgspec.convert(tree, Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(_explain(error, tree, path)) from None
    _check(recipe, path)
    return recipe


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as YAML; the file is the old one or the whole new one.

    Raises: StoreError if it cannot be written.
    """
    tree = msgspec.to_builtins(recipe)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(f"{path}: could not be written: {error}") from None


def known_keys(where: str) -> list[str]:
    """Names of the keys of a section given by its dotted path ("" for the top level)."""
    kind: Any = Recipe
    for part in filter(None, re.split(r"[.\[\]]+", where)):
        kind = _part_of(kind, part)
    section = _section_of(kind)
    return [] if section is None else [field.name for field in msgspec.structs.fields(section)]


def all_keys(where: str = "") -> list[str]:
    """Dotted names of all keys below a section, those of its own sections included."""
    names: list[str] = []
    for key in known_keys(where):
        full = f"{where}.{key}" if where else key
        names += all_keys(full) or ([full] if where else [])
    return names


def _choices(where: str) -> list[str]:
    """The words that a key may hold, where only some may."""
    kind: Any = Recipe
    for part in filter(None, re.split(r"[.\[\]]+", where)):
        kind = _part_of(kind, part)
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def _part_of(kind: Any, part: str) -> Any:
    """The type of a key of a section, or of an entry of a table or list of sections."""
    section = _section_of(kind)
    if section is not None:
        return next((f.type for f in msgspec.structs.fields(section) if f.name == part), None)
    inside = get_args(kind) if get_origin(kind) in (dict, tuple, list) else ()
    return next((one for one in inside if _section_of(one) is not None), None)


def _section_of(kind: Any) -> type[Section] | None:
    """The section that a type is, alone or with None."""
    choices = (kind, *get_args(kind)) if isinstance(kind, UnionType) else (kind,)
    return next((c for c in choices if isinstance(c, type) and issubclass(c, Section)), None)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_RECIPE_BYTES:
            raise RecipeError(f"{path}: larger than {MAX_RECIPE_BYTES} bytes; not a recipe")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe{_nearest_file(path)}") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from None
    if re.search(r"(^|[\s\[{,:-])[&*][A-Za-z0-9_]", text):
        raise RecipeError(f"{path}: YAML anchors and aliases are not accepted; write values out")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise RecipeError(f"{path}: found {type(tree).__name__}; expected sections such as 'sft:'")
    return tree


def _endless(tree: Any, where: str = "") -> Iterator[tuple[str, float]]:
    """Dotted key and value of every infinity and every number that is none."""
    if isinstance(tree, float) and not math.isfinite(tree):
        yield where, tree
    pairs = tree.items() if isinstance(tree, dict) else ()
    pairs = enumerate(tree) if isinstance(tree, list) else pairs
    for key, value in pairs:
        yield from _endless(value, f"{where}.{key}" if where else str(key))


def _nearest_file(path: Path) -> str:
    folder = path.parent
    names = [str(other) for other in folder.glob("*.yaml")] if folder.is_dir() else []
    return nearest(str(path), names)


def _lay_over(tree: dict[str, Any], dotted: str, value: Any, path: Path) -> None:
    *parents, key = dotted.split(".")
    node = tree
    for parent in parents:
        node[parent] = {} if node.get(parent) is None else node[parent]
        node = node[parent]
        if not isinstance(node, dict):
            raise RecipeError(f"{path}: --{dotted}: {parent!r} holds a value, not a section")
    node[key] = value


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)


def _explain(error: msgspec.ValidationError, tree: dict[str, Any], path: Path) -> str:
    """msgspec's message in the words of a recipe: where, what was found, what to do."""
    match = _AT.match(str(error))
    where = _named((match["where"] or "").lstrip("."), tree)
    what = match["what"]
    unknown = re.search(r"unknown field `([^`]+)`", what)
    if unknown:
        key = unknown[1]
        full = f"{where}.{key}" if where else key
        return f"{path}: {full}: no such key{nearest(key, known_keys(where))}"
    missing = re.search(r"missing required field `([^`]+)`", what)
    if missing:
        full = f"{where}.{missing[1]}" if where else missing[1]
        return f"{path}: {full} is missing; add it"
    found = _at(tree, where)
    hint = ""
    if isinstance(found, str) and re.fullmatch(r"[\d.]+[eE][+-]?\d+", found):
        hint = "; YAML reads this as text: write it with a dot, as 1.0e-5"
    elif isinstance(found, str) and re.fullmatch(r"-?[\d.]+", found):
        hint = "; remove the quotes"
    kind = "text" if isinstance(found, str) else type(found).__name__
    what = what[:1].lower() + what[1:]
    if isinstance(found, str) and (choices := _choices(where)):
        what = f"expected one of {', '.join(choices)}{nearest(found, choices)}"
    return f"{path}: {where or 'the recipe'} is {found!r} ({kind}); {what}{hint}"


def _named(where: str, tree: dict[str, Any]) -> str:
    """The path with the key that is to blame, where msgspec writes [...] for any key."""
    before, dots, after = where.partition("[...]")
    node = _at(tree, before)
    if not dots or not isinstance(node, dict):
        return where
    kind = GrpoRun if before == "grpo.runs" else str
    for key, value in node.items():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return f"{before}.{key}{after}"
    return where


def _at(tree: Any, where: str) -> Any:
    for part in filter(None, re.split(r"[.\[\]]+", where)):
        if isinstance(tree, dict) and part in tree:
            tree = tree[part]
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return tree
    return tree


def _check(recipe: Recipe, path: Path) -> None:
    """Refuse what is well typed but cannot be obeyed."""
    evaluate = recipe.evaluate
    if evaluate.k > evaluate.completions_per_problem:
        raise RecipeError(
            f"{path}: evaluate.k is {evaluate.k}, more than evaluate.completions_per_problem "
            f"({evaluate.completions_per_problem}); cons@k needs at least k completions"
        )
    if not evaluate.test_sets:
        raise RecipeError(f"{path}: evaluate.test_sets is empty; name at least one test set")
    for name in evaluate.test_sets:
        if not _NAME.fullmatch(name):
            raise RecipeError(
                f"{path}: evaluate.test_sets.{name}: a test set's name is letters, digits, '_' "
                "or '-'"
            )
    _check_sample(recipe, path)
    reserved = {"base", "sft", "teacher"}
    for name in recipe.grpo.runs:
        if name in reserved or not _NAME.fullmatch(name):
            raise RecipeError(
                f"{path}: grpo.runs.{name}: a run's name is letters, digits, '_' or '-', "
                f"and none of {', '.join(sorted(reserved))}"
            )


def _check_sample(recipe: Recipe, path: Path) -> None:
    """Who is asked, and for how much money."""
    sample = recipe.sample
    if sample.engine == "server" and sample.server is None:
        raise RecipeError(
            f"{path}: sample.engine is 'server' and sample.server is missing; name its address, "
            "as sample.server.url: http://localhost:8000/v1"
        )
    if sample.server is not None:
        _check_server(sample.server, path)
    if sample.max_usd is not None and sample.price == Price():
        raise RecipeError(
            f"{path}: sample.max_usd is {sample.max_usd:g} and sample.price says that all is free; "
            "set sample.price.usd_per_million_in and usd_per_million_out, or usd_per_hour"
        )
    adaptive = sample.adaptive
    longer = adaptive and adaptive.longer_max_tokens
    if longer is not None and longer <= sample.max_tokens:
        raise RecipeError(
            f"{path}: sample.adaptive.longer_max_tokens is {longer}, not above sample.max_tokens "
            f"({sample.max_tokens}); expected a longer limit"
        )


def _address(url: str) -> SplitResult | None:
    """The parts of an address that requests can be sent to; None for what is none."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        return None
    return parts if is_one and not parts.fragment and not re.search(r"\s", url) else None


def _check_server(server: Server, path: Path) -> None:
    """An address without secrets, and the name of a variable, not a key."""
    parts = _address(server.url)
    if parts is None:
        raise RecipeError(
            f"{path}: sample.server.url: expected an address such as http://localhost:8000/v1"
        )
    has_key = re.search(r"/(sk|pk|hf|key|token)[-_][A-Za-z0-9_-]{8,}", parts.path)
    if parts.username or parts.password or parts.query or has_key:
        raise RecipeError(
            f"{path}: sample.server.url holds a user, a password, a query or a key, which would be "
            "written to files; name the variable with the key in sample.server.key_variable"
        )
    variable = server.key_variable
    if variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", variable):
        raise RecipeError(
            f"{path}: sample.server.key_variable is not the name of an environment variable "
            "(capital letters, digits, '_'); a key itself must not be written into a recipe"
        )
    secret = re.compile(r"(?i)api.?key|authorization|token$|secret|password")
    for key in server.extra_body:
        if secret.search(key):
            raise RecipeError(
                f"{path}: sample.server.extra_body.{key} looks like a secret; keys come from the "
                "environment only, by sample.server.key_variable"
            )

"""The words of a command line: checked before Fire sees them, turned into typed values.

Fire reports a misspelt flag only after the command has run, so every word is looked up first:
among the recipe's keys, or in the signature of the function that a command calls.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from distill.errors import RecipeError
from distill.recipe import Section, all_keys, known_keys, nearest

_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")

OPTIONAL = ("TRACE",)


def parse_value(text: str, key: str = "value") -> Any:
    """An override's value as YAML reads it, save that 1e-4 is a number here.

    Raises: RecipeError for what is not YAML.
    """
    if _FLOAT.fullmatch(text):
        return float(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise RecipeError(f"--{key}={text}: not a YAML value; put quotes around it") from None


def split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words, and flags with their values: `--key=value` or `--key value`."""
    plain: list[str] = []
    flags: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            plain.append(word)
            continue
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise RecipeError(f"{word!r}: flags are written --key=value")
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise RecipeError(f"--{key} has no value; write --{key}=VALUE")
            value = waiting.pop(0)
        if key in flags:
            raise RecipeError(f"--{key} is given twice; keep one")
        flags[key] = value
    return plain, flags


def check_words(name: str, words: list[str], wanted: tuple[str, ...]) -> None:
    """Refuse a missing word or one too many."""
    needed = [word for word in wanted if word not in OPTIONAL]
    if len(words) < len(needed):
        raise RecipeError(f"distill {name} needs {needed[len(words)]}; see `distill {name} --help`")
    if len(words) > len(wanted):
        raise RecipeError(
            f"distill {name}: one word too many: {words[len(wanted)]!r}; "
            "a key of the recipe is written --section.key=value"
        )


def check_overrides(name: str, flags: dict[str, str], others: list[str]) -> None:
    """Flags without a dot; the recipe's loader checks the whole name of the others.

    Args:
        others: flags of the command that are no keys of the recipe.
    """
    top = known_keys("")
    for flag in flags:
        section, _, key = flag.partition(".")
        if section in top and (key or not known_keys(section)):
            continue
        if section in top:
            raise RecipeError(
                f"--{flag}: {section} is a section of the recipe; "
                f"write --{section}.KEY=VALUE with one of {', '.join(known_keys(section))}"
            )
        dotted = all_keys()
        same_end = [full for full in dotted if full.rpartition(".")[2] == flag.replace("-", "_")]
        choices = [*others, *top, *dotted]
        hint = f"; did you mean '--{same_end[0]}'?" if same_end else _nearest_flag(flag, choices)
        raise RecipeError(f"distill {name}: no such flag --{flag}{hint}")


def refuse_flags(name: str, flags: dict[str, str], known: list[str]) -> None:
    """Refuse every flag that is not known, with the nearest one that is."""
    for flag in flags:
        if flag not in known:
            raise RecipeError(f"distill {name}: no such flag --{flag}{_nearest_flag(flag, known)}")


def _nearest_flag(flag: str, known: list[str]) -> str:
    return nearest(f"--{flag}", [f"--{other}" for other in known])


# --- flags of a function ----------------------------------------------------------------------


def function_at(place: str) -> Callable[..., Any]:
    """The function that "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def check_function_flags(name: str, place: str, flags: dict[str, str]) -> dict[str, str]:
    """The flags with '-' as '_', checked against the names of a function's parameters."""
    flags = {key.replace("-", "_"): value for key, value in flags.items()}
    parameters = inspect.signature(function_at(place)).parameters.values()
    known = [key for parameter in parameters for key in _flags_of(parameter)]
    refuse_flags(name, flags, known)
    for parameter in parameters:
        required = parameter.default is parameter.empty and parameter.kind is not (
            parameter.VAR_KEYWORD
        )
        if required and parameter.name not in flags:
            raise RecipeError(
                f"distill {name} needs --{parameter.name}=...; see `distill {name} --help`"
            )
    return flags


def _flags_of(parameter: inspect.Parameter) -> list[str]:
    """The names under which a parameter may be given."""
    if parameter.kind is parameter.VAR_KEYWORD:  # further flags are thresholds of the filter
        return known_keys("filter")
    if (section := _section(parameter)) is None:
        return [parameter.name]
    keys = [field.name for field in msgspec.structs.fields(section)]
    return [*keys, *(f"{parameter.name}.{key}" for key in keys)]


def _section(parameter: inspect.Parameter) -> type[Section] | None:
    kind = parameter.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def typed_flags(place: str, flags: dict[str, str]) -> dict[str, Any]:
    """Flag values for a function, in the types and bounds of its signature.

    Raises: RecipeError for a value that is outside of them.
    """
    parameters = inspect.signature(function_at(place)).parameters
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if (section := _section(parameter)) is not None:
            values |= _section_value(name, section, flags)
        elif parameter.kind is parameter.VAR_KEYWORD:
            rest = [key for key in flags if key in known_keys("filter") and key not in parameters]
            values |= {key: parse_value(flags[key], key) for key in rest}
        elif name in flags:
            values[name] = _typed(name, flags[name], parameter)
    return values


def _section_value(name: str, section: type[Section], flags: dict[str, str]) -> dict[str, Section]:
    """{"policy": MathPolicy(...)} of --policy.KEY=VALUE and --KEY=VALUE; {} without any."""
    tree: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        given = [key for key in (field.name, f"{name}.{field.name}") if key in flags]
        if len(given) == 2:
            raise RecipeError(f"--{given[0]} and --{given[1]} are the same; keep one")
        for key in given:
            tree[field.name] = parse_value(flags[key], key)
    try:
        return {name: msgspec.convert(tree, section)} if tree else {}
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        key = next(key for key in flags if key.rpartition(".")[2] == where.rstrip("`"))
        raise RecipeError(f"--{key}={flags[key]}: {what[:1].lower()}{what[1:]}") from None


def _typed(key: str, text: str, parameter: inspect.Parameter) -> Any:
    """Text stays text where text is asked for."""
    if "str" in str(parameter.annotation):
        return text
    try:
        return msgspec.convert(parse_value(text, key), parameter.annotation)
    except msgspec.ValidationError as error:
        raise RecipeError(f"--{key}={text}: {str(error)[:1].lower()}{str(error)[1:]}") from None

"""The words of a command line: checked before Fire sees them, turned into typed values.

Fire reports a misspelt flag only after the command has run, so every word is looked up first:
among the recipe's keys, or in the signature of the function that a command calls.
"""

import importlib
import inspect
import math
import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml

from distill.errors import RecipeError, nearest
from distill.recipe import Filter, Section
from distill.recipe_file import all_keys, known_keys

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
        form = "a key of the recipe is written --section.key=value"
        raise RecipeError(
            f"distill {name}: one word too many: {words[len(wanted)]!r}; "
            f"{form if 'RECIPE' in wanted else 'a flag is written --key=value'}"
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


def check_sections(name: str, flags: dict[str, str], sections: tuple[str, ...]) -> None:
    """Refuse a key of the recipe that a command does not look at."""
    for flag in flags:
        if flag.partition(".")[0] not in sections:
            raise RecipeError(
                f"distill {name}: --{flag} changes nothing here; expected keys of "
                f"{' or '.join(sections)}"
            )


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
            kinds = get_type_hints(Filter, include_extras=True)
            values |= {key: typed(key, flags[key], kinds[key]) for key in rest}
        elif name in flags:
            is_text = "str" in str(parameter.annotation)  # stays as it is typed
            text = flags[name]
            values[name] = text if is_text else typed(name, text, parameter.annotation)
    return values


def _section_value(name: str, section: type[Section], flags: dict[str, str]) -> dict[str, Section]:
    """{"policy": MathPolicy(...)} of --policy.KEY=VALUE and --KEY=VALUE; {} without any."""
    values: dict[str, Any] = {}
    for field, kind in get_type_hints(section, include_extras=True).items():
        given = [key for key in (field, f"{name}.{field}") if key in flags]
        if len(given) == 2:
            raise RecipeError(f"--{given[0]} and --{given[1]} are the same; keep one")
        for key in given:
            values[field] = typed(key, flags[key], kind)
    return {name: section(**values)} if values else {}


def typed(key: str, text: str, kind: Any) -> Any:
    """A flag's value in the type that is asked for. Raises: RecipeError naming the flag."""
    value = parse_value(text, key)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"--{key}={text}: expected a number that ends")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = f"--{key}={text}: {str(error)[:1].lower()}{str(error)[1:]}"
        raise RecipeError(f"{said}{_choices(value, kind)}") from None


def _choices(value: Any, kind: Any) -> str:
    """What a flag takes, where msgspec does not say it."""
    if get_origin(kind) is tuple:
        names = [str(name) for name in get_args(get_args(kind)[0])]
        if not isinstance(value, list):
            return f"; write a list, as '--key=[{', '.join(names) or 'one, another'}]'"
        wrong = next((str(one) for one in value if str(one) not in names), "")
    else:
        names = [str(name) for name in get_args(kind)] if get_origin(kind) is Literal else []
        wrong = str(value)
    return f"; expected {', '.join(names)}{nearest(wrong, names)}" if names else ""

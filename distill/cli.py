"""The command line: a command loads a recipe and runs its stages.

Fire dispatches; because it reports a misspelt flag only after the command has run, every word is
checked before Fire sees it, against COMMANDS and the recipe's own keys.
"""

import contextlib
import errno
import importlib
import inspect
import json
import logging
import os
import re
import sqlite3
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import fire
import msgspec
import yaml
from fire.decorators import SetParseFn

from distill.errors import DistillError, RecipeError
from distill.recipe import Recipe, known_keys, load_recipe, locate, models_of, nearest
from distill.stages.checks import check, is_hub_id, missing_sources
from distill.stages.driver import STAGES, default_folder, run_stages
from distill.store import RunPaths
from distill.usage import ABOUT, HELP

STOPPED = "stopped; run the same command again to go on"
FILE_MODES = {"verify": "distill.stages.verify_file", "filter": "distill.stages.filter_file"}
MINI_BUILD = "distill.stages.mini_build"
QUIET = {  # read by the libraries when they are imported
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")

POSITIONALS = {
    **dict.fromkeys(("run", "explain", *STAGES), ("RECIPE",)),
    "show": ("RUN", "TRACE"),
    "mini build": (),
}
OPTIONAL = ("TRACE",)


def run(recipe: str, *overrides: str, out: str | None = None) -> None:
    """All stages in order, then the table."""
    loaded, _, paths = _load(recipe, overrides, out)
    run_stages(loaded, paths, recipe_path=recipe)
    tables = importlib.import_module("distill.evaluation.tables")
    print(tables.terminal_table(json.loads(paths.table.read_text(encoding="utf-8"))))
    print(f"\n{paths.report_md}\n{paths.report_html}")


def explain(recipe: str, *overrides: str, out: str | None = None) -> None:
    """What would run, without running it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    _, located, paths = _load(recipe, overrides, out)
    check(located)
    module = importlib.import_module("distill.stages.explain")
    found = module.explain(located, paths, absent=missing_sources(located))
    print(found.text)
    if not found.rewards_hold:
        raise DistillError("the trial of the rewards FAILED: training on them would be in vain")


def show(folder: str, trace_id: str | None = None) -> None:
    """A look into a run folder."""
    print(importlib.import_module("distill.stages.show").show(folder, trace_id))


def mini_build(**flags: str) -> None:
    """The mini world again, from nothing."""
    importlib.import_module(MINI_BUILD).run(**_typed_flags(MINI_BUILD, flags))


def _stage(name: str) -> Callable[..., None]:
    def command(recipe: str, *overrides: str, out: str | None = None) -> None:
        loaded, _, paths = _load(recipe, overrides, out)
        run_stages(loaded, paths, [name], recipe_path=recipe)

    return command


def _stage_or_file(name: str, module: str) -> Callable[..., None]:
    """A stage with a second mode: traces in a file instead of a run folder."""

    def command(*words: str, **flags: str) -> None:
        if "traces" in flags:
            importlib.import_module(module).run(**_typed_flags(module, flags))
        else:
            _stage(name)(*words, **flags)

    return command


COMMANDS: dict[str, Any] = {
    "run": run,
    **{name: _stage(name) for name in STAGES},
    **{name: _stage_or_file(name, module) for name, module in FILE_MODES.items()},
    "explain": explain,
    "show": show,
    "mini": {"build": mini_build},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of the console script `distill`."""
    sys.exit(call(list(sys.argv[1:] if argv is None else argv)))


def call(argv: list[str]) -> int:
    """Run a command line and turn what goes wrong into one line and an exit code.

    Returns: 0 done; 1 failed; 2 refused before any work; 130 stopped by Ctrl-C.
    """
    _be_quiet()
    try:
        if (text := help_for(argv)) is not None:
            print(text)
            return 0
        fire.Fire(_raw(COMMANDS), command=checked(argv), name="distill")
        sys.stdout.flush()
    except RecipeError as error:
        return _complain(error, 2)
    except (DistillError, sqlite3.Error) as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain(STOPPED, 130)
    except BrokenPipeError:  # `distill show RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        return _complain(f"{error}; what was stored before is intact, run again to go on", 1)
    return 0


def help_for(argv: list[str]) -> str | None:
    """What to print when a command line asks for help or says nothing; None when it does not."""
    if argv == ["--version"]:
        return f"distill {metadata.version('r1-distill')}"
    if argv in ([], ["help"]):
        return ABOUT
    if not any(word in ("--help", "-h", "help") for word in argv[:1] + argv[-1:]):
        return None
    words = [word for word in argv if not word.startswith("-") and word != "help"]
    words = ["mini", "build"] if words == ["mini"] else words
    name = _command_name(words) if words else None
    return ABOUT if name is None else HELP[name]


def checked(argv: list[str]) -> list[str]:
    """A command line in the form that Fire reads without a surprise.

    Overrides become words such as `sft.epochs=2`, since Fire would rewrite '-' in a flag's name.

    Raises: RecipeError for a command, flag or word that does not exist, with the nearest right one.
    """
    name = _command_name(argv)
    rest = argv[len(name.split()) :]
    words, flags = _split(rest)
    module = MINI_BUILD if name == "mini build" else FILE_MODES.get(name)
    if name == "mini build" or (module and "traces" in flags):
        _check_module_flags(name, module, words, flags)
        return [*name.split(), *(f"--{key}={value}" for key, value in flags.items())]
    if name == "show":
        _refuse_flags(name, flags, [])
        _check_words(name, words)
        return [name, *words]
    out = flags.pop("out", None)
    if out == "":
        raise RecipeError("--out is empty; name a folder, or leave it out")
    _check_overrides(name, flags)
    _check_words(name, words)
    overrides = [f"{key}={value}" for key, value in flags.items()]
    return [name, *words, *overrides, *([] if out is None else [f"--out={out}"])]


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


def _load(recipe: str, overrides: Sequence[str], out: str | None) -> tuple[Recipe, Recipe, Any]:
    """The recipe as written, the same with its paths found, and the run folder."""
    pairs = (text.partition("=") for text in overrides)
    loaded = load_recipe(recipe, {key: parse_value(value, key) for key, _, value in pairs})
    located = locate(loaded, recipe)
    if not any(is_hub_id(name) for name in models_of(located).values()):
        os.environ["HF_HUB_OFFLINE"] = "1"
    return loaded, located, RunPaths(default_folder(loaded) if out is None else out)


def _command_name(words: list[str]) -> str:
    """Name of the command that a command line begins with."""
    known = list(COMMANDS)
    if words[0] not in known:
        raise RecipeError(
            f"no such command {words[0]!r}{nearest(words[0], known)} (there are {', '.join(known)})"
        )
    if words[0] != "mini":
        return words[0]
    if words[1:2] != ["build"]:
        found = words[1] if len(words) > 1 else "nothing"
        raise RecipeError(f"distill mini: found {found!r}; the only thing to do is `build`")
    return "mini build"


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
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


def _check_words(name: str, words: list[str]) -> None:
    wanted = POSITIONALS[name]
    needed = [word for word in wanted if word not in OPTIONAL]
    if len(words) < len(needed):
        raise RecipeError(f"distill {name} needs {needed[len(words)]}; see `distill {name} --help`")
    if len(words) > len(wanted):
        raise RecipeError(
            f"distill {name}: one word too many: {words[len(wanted)]!r}; "
            "a key of the recipe is written --section.key=value"
        )


def _check_overrides(name: str, flags: dict[str, str]) -> None:
    """Flags without a dot; the recipe's loader checks the whole name of the others."""
    top = known_keys("")
    dotted = [f"{section}.{key}" for section in top for key in known_keys(section)]
    for flag in flags:
        section, _, key = flag.partition(".")
        if section in top and (key or not known_keys(section)):
            continue
        if section in top:
            raise RecipeError(
                f"--{flag}: {section} is a section of the recipe; "
                f"write --{section}.KEY=VALUE with one of {', '.join(known_keys(section))}"
            )
        same_end = [full for full in dotted if full.rpartition(".")[2] == flag.replace("-", "_")]
        file_flags = ["traces"] if name in FILE_MODES else []
        choices = ["out", *top, *dotted, *file_flags]
        hint = f"; did you mean '--{same_end[0]}'?" if same_end else _nearest_flag(flag, choices)
        raise RecipeError(f"distill {name}: no such flag --{flag}{hint}")


def _check_module_flags(name: str, module: str, words: list[str], flags: dict[str, str]) -> None:
    """The flags of a function elsewhere, by its signature."""
    if words:
        raise RecipeError(f"distill {name}: one word too many: {words[0]!r}")
    parameters = inspect.signature(importlib.import_module(module).run).parameters.values()
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    if len(known) < len(parameters):  # further flags are thresholds of the filter
        known += known_keys("filter")
    _refuse_flags(name, flags, known)
    for parameter in parameters:
        required = parameter.default is parameter.empty and parameter.kind is not (
            parameter.VAR_KEYWORD
        )
        if required and parameter.name not in flags:
            raise RecipeError(
                f"distill {name} needs --{parameter.name}=...; see `distill {name} --help`"
            )


def _refuse_flags(name: str, flags: dict[str, str], known: list[str]) -> None:
    for flag in flags:
        if flag not in known:
            raise RecipeError(f"distill {name}: no such flag --{flag}{_nearest_flag(flag, known)}")


def _nearest_flag(flag: str, known: list[str]) -> str:
    return nearest(f"--{flag}", [f"--{other}" for other in known])


def _typed_flags(module: str, flags: dict[str, str]) -> dict[str, Any]:
    """Flag values for a function, in the types and bounds of its signature.

    Raises: RecipeError for a value that is outside of them.
    """
    parameters = inspect.signature(importlib.import_module(module).run).parameters
    return {key: _typed(key, text, parameters.get(key)) for key, text in flags.items()}


def _typed(key: str, text: str, parameter: inspect.Parameter | None) -> Any:
    """Text stays text where text is asked for; a threshold is checked by its section."""
    if parameter is None:
        return parse_value(text, key)
    if "str" in str(parameter.annotation):
        return text
    try:
        return msgspec.convert(parse_value(text, key), parameter.annotation)
    except msgspec.ValidationError as error:
        raise RecipeError(f"--{key}={text}: {str(error)[:1].lower()}{str(error)[1:]}") from None


def _raw(commands: dict[str, Any]) -> dict[str, Any]:
    """The commands, told to Fire so that it leaves every value as it was typed."""
    return {
        name: _raw(value) if isinstance(value, dict) else SetParseFn(str)(value)
        for name, value in commands.items()
    }


def _be_quiet() -> None:
    """Our own lines on stderr, the libraries' only when something is wrong."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger("distill").setLevel(logging.INFO)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _complain(error: object, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()

"""The command line: a command loads a recipe and runs its stages, or calls one function.

Fire dispatches; distill.arguments has checked every word before.
"""

import contextlib
import errno
import importlib
import json
import logging
import os
import sqlite3
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import fire
from fire.decorators import SetParseFn

from distill.arguments import (
    check_function_flags,
    check_overrides,
    check_sections,
    check_words,
    function_at,
    parse_value,
    refuse_flags,
    split,
    typed,
    typed_flags,
)
from distill.errors import DistillError, RecipeError, nearest
from distill.recipe import Positive, Recipe
from distill.recipe_file import load_recipe
from distill.recipe_paths import locate, models_of
from distill.stages.checks import check, is_hub_id, missing_sources
from distill.stages.driver import STAGES, default_folder, run_stages
from distill.store import RunPaths, run_lock
from distill.usage import ABOUT, HELP

STOPPED = "stopped; run the same command again to go on"
FILE_MODES = {  # of a command, when --traces is given
    "verify": "distill.stages.verify_file:run",
    "filter": "distill.stages.filter_file:run",
    "ablate": "distill.stages.ablate_file:run",
}
FUNCTIONS = {
    "check-answer": "distill.stages.check_answers:run_one",
    "check-answers": "distill.stages.check_answers:run",
    "mini build": "distill.stages.mini_build:run",
}
QUIET = {  # read by the libraries when they are imported
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

OTHER_FLAGS = {  # that are no keys of the recipe; of commands that are not named, --out
    "plan": ("out", "pilot", "from"),
    "replay": (),
    **dict.fromkeys(FILE_MODES, ("out", "traces")),
}
POSITIONALS = {
    **dict.fromkeys(("run", "explain", "plan", "ablate", *STAGES), ("RECIPE",)),
    "show": ("RUN", "TRACE"),
    "replay": ("RUN",),
    "check-answer": (),
    "check-answers": ("PAIRS",),
    "mini build": (),
}


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


def plan(
    recipe: str,
    *overrides: str,
    out: str | None = None,
    pilot: str | None = None,
    source: str | None = None,
) -> None:
    """What sampling would cost and bring; asks a few problems where nothing is known yet."""
    number = None if pilot is None else typed("pilot", pilot, Positive)
    _, located, paths = _load(recipe, overrides, out)
    check(located)
    module = importlib.import_module("distill.stages.plan")
    print(module.run(located, paths, problems=number, source=source))


def replay(folder: str, *overrides: str) -> None:
    """Other ways to sample, on the pass rates of a run."""
    module = importlib.import_module("distill.stages.replay")
    paths = module.finished_run(folder)
    recipe, _, _ = _load(str(paths.recipe), overrides, folder)
    print(module.replay(recipe, paths))


def show(folder: str, trace_id: str | None = None) -> None:
    """A look into a run folder."""
    print(importlib.import_module("distill.stages.show").show(folder, trace_id))


def ablate(recipe: str, *overrides: str, out: str | None = None) -> None:
    """One pool of traces, a dataset for each way to filter it."""
    _, located, paths = _load(recipe, overrides, out)
    check(located)
    with run_lock(paths) if paths.root.is_dir() else contextlib.nullcontext():
        function_at("distill.stages.ablate:run")(located, paths)


def _function(place: str) -> Callable[..., None]:
    """A command that calls one function with the flags, and prints the text it returns."""

    def command(**flags: str) -> None:
        found = function_at(place)(**typed_flags(place, flags))
        if isinstance(found, str):
            print(found)

    return command


def _stage(name: str) -> Callable[..., None]:
    def command(recipe: str, *overrides: str, out: str | None = None) -> None:
        loaded, _, paths = _load(recipe, overrides, out)
        run_stages(loaded, paths, [name], recipe_path=recipe)

    return command


def _stage_or_file(name: str, place: str) -> Callable[..., None]:
    """A command with a second mode: traces in a file instead of a run folder."""

    def command(*words: str, **flags: str) -> None:
        if "traces" in flags:
            function_at(place)(**typed_flags(place, flags))
        else:
            (ablate if name == "ablate" else _stage(name))(*words, **flags)

    return command


COMMANDS: dict[str, Any] = {
    "run": run,
    **{name: _stage(name) for name in STAGES},
    **{name: _stage_or_file(name, place) for name, place in FILE_MODES.items()},
    "check-answer": _function(FUNCTIONS["check-answer"]),
    "check-answers": _function(FUNCTIONS["check-answers"]),
    "explain": explain,
    "plan": plan,
    "replay": replay,
    "show": show,
    "mini": {"build": _function(FUNCTIONS["mini build"])},
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
    words, flags = split(rest)
    place = FUNCTIONS.get(name) or (FILE_MODES.get(name) if "traces" in flags else None)
    if place is not None:
        return [*name.split(), *_function_words(name, place, words, flags)]
    if name in FILE_MODES:
        _check_mode(name, words, flags)
    if name == "show":
        refuse_flags(name, flags, [])
        check_words(name, words, POSITIONALS[name])
        return [name, *words]
    own = _own_flags(name, flags)
    check_overrides(name, flags, list(OTHER_FLAGS.get(name, ("out",))))
    check_words(name, words, POSITIONALS[name])
    if name == "replay":
        check_sections(name, flags, ("sample", "filter"))
    overrides = [f"{key}={value}" for key, value in flags.items()]
    return [name, *words, *overrides, *own]


def _own_flags(name: str, flags: dict[str, str]) -> list[str]:
    """Flags of the command itself, taken out of those that are keys of the recipe."""
    taken = {key: flags.pop(key) for key in OTHER_FLAGS.get(name, ("out",)) if key in flags}
    for key, value in taken.items():
        if value == "":
            raise RecipeError(f"--{key} is empty; name a folder, or leave it out")
    return [f"--{'source' if key == 'from' else key}={value}" for key, value in taken.items()]


def _function_words(name: str, place: str, words: list[str], flags: dict[str, str]) -> list[str]:
    """Flags of a function; a word becomes the flag of its name."""
    wanted = POSITIONALS[name] if name in FUNCTIONS else ()
    by_flag = tuple(key for key in wanted if key.lower() in flags)
    if words and by_flag:
        raise RecipeError(
            f"distill {name}: {by_flag[0]} is given twice, by {words[0]!r} and by its flag"
        )
    check_words(name, words, () if by_flag else wanted)
    flags |= {key.lower(): word for key, word in zip(wanted, words, strict=False)}
    return [f"--{key}={value}" for key, value in check_function_flags(name, place, flags).items()]


def _check_mode(name: str, words: list[str], flags: dict[str, str]) -> None:
    """Refuse what is said of a file of traces where --traces does not name one."""
    if words and Path(words[0]).suffix in (".jsonl", ".gz", ".parquet", ".arrow"):
        raise RecipeError(
            f"distill {name}: {words[0]} is no recipe; a file of traces is given by "
            f"--traces={words[0]}"
        )
    if not words and not flags:
        raise RecipeError(
            f"distill {name} needs RECIPE, or --traces=FILE; see `distill {name} --help`"
        )
    for flag in flags:
        if flag in ("problem", "completion", "reference", "verdicts"):
            raise RecipeError(f"distill {name}: --{flag} goes with --traces=FILE; give that too")


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

"""Where problems come from: JSONL, Parquet, or a generator of reasoning-gym."""

import dataclasses
import hashlib
import inspect
import itertools
import json
import math
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pyarrow
import pyarrow.parquet
import yaml
from reasoning_gym.factory import DATASETS, create_dataset

from distill.errors import RecipeError, RecordError, nearest
from distill.problems.code_sets import CODE_SETS
from distill.problems.jsonl import read_jsonl
from distill.recipe_paths import resolve_path
from distill.records import Problem

GYM = "reasoning-gym:"
MAX_DRAWS_PER_PROBLEM = 20
FIELDS = tuple(field.name for field in msgspec.structs.fields(Problem))


def load_problems(
    source: str, *, limit: int | None = None, recipe_path: str | Path | None = None
) -> list[Problem]:
    """The problems that a recipe names.

    Args:
        source: a .jsonl or .parquet file, or `reasoning-gym:NAME?size=200&seed=7&min_terms=3`.
            Rows are Problem records; for rows of another shape say which column is which, as in
            `gsm8k.jsonl?question=question&reference=answer&source=GSM8K%20(MIT)`. A `source` or
            `verifier` that is no column of the rows is taken as written. Without a problem_id,
            the id is the file's name with a hash of the question. Rows of a programming benchmark
            are read with `?format=livecodebench`, `humaneval` or `mbpp` and the options of its
            reader, as in `lcb.jsonl?format=livecodebench&first=2024-08&last=2025-01`.
        limit: the first so many only.
        recipe_path: paths are seen from here, then from the recipe's folder.
    Raises: RecipeError for a source that cannot be obeyed; RecordError for a row that cannot be
        read, naming file, line and field.
    """
    if source.startswith(GYM):
        return _from_gym(source, limit)
    path, mapping = _locate(source, recipe_path)
    problems: dict[str, Problem] = {}
    for line, problem in _from_file(path, mapping, source):
        if limit is not None and len(problems) == limit:
            break
        if problem.problem_id in problems:
            raise RecordError(
                f"{path}: line {line}: problem_id {problem.problem_id!r} was used before; "
                "give every problem an id of its own, or remove the repeated question"
            )
        problems[problem.problem_id] = problem
    if not problems:
        raise RecordError(f"{path}: has no problems")
    return list(problems.values())


def question_hash(question: str) -> str:
    """12 hex digits that depend on the question's text alone."""
    return hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _from_file(path: Path, mapping: dict[str, str], source: str) -> Iterator[tuple[int, Problem]]:
    """Line number and problem of every row."""
    if "format" in mapping:
        options = {key: value for key, value in mapping.items() if key != "format"}
        return _from_code_set(path, mapping["format"], options, source)
    rows = _parquet_rows(path) if path.suffix == ".parquet" else read_jsonl(path)
    return ((line, _problem(row, mapping, path, line)) for line, row in rows)


def _from_code_set(
    path: Path, name: str, options: dict[str, str], source: str
) -> Iterator[tuple[int, Problem]]:
    if name not in CODE_SETS:
        known = list(CODE_SETS)
        raise RecipeError(f"{source}: no format {name!r}{nearest(name, known)}; one of {known}")
    known = [key for key in inspect.signature(CODE_SETS[name]).parameters if key != "path"]
    for key, value in options.items():
        if key not in known:
            raise RecipeError(
                f"{source}: {name} has no option {key!r}{nearest(key, known)}; it has {known}"
            )
        if value not in ("true", "false") and key in ("challenge", "public_only"):
            raise RecipeError(f"{source}: {key} is {value!r}; expected true or false")
    given = {key: {"true": True, "false": False}.get(one, one) for key, one in options.items()}
    return enumerate(CODE_SETS[name](path, **given), start=1)


def _locate(source: str, recipe_path: str | Path | None) -> tuple[Path, dict[str, str]]:
    """The file, and the mapping of Problem fields to columns that follows it."""
    name, _, query = source.partition("?")
    mapping = _query(query, source)
    for field in mapping if "format" not in mapping else ():
        if field not in FIELDS:
            raise RecipeError(
                f"{source}: {field!r} is no field of a problem{nearest(field, list(FIELDS))}; "
                f"the fields are {', '.join(FIELDS)}"
            )
    path = resolve_path(name, recipe_path)
    if path is None:
        close = [str(other) for other in Path(name).parent.glob("*.*")]
        raise RecipeError(
            f"{name}: no such file of problems{nearest(name, close)}; expected a .jsonl or "
            f".parquet file, or {GYM}NAME?size=200&seed=7"
        )
    if path.suffix not in (".jsonl", ".parquet"):
        raise RecipeError(f"{path}: is not .jsonl or .parquet; convert it, or rename it")
    return path, mapping


def _query(query: str, source: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise RecipeError(f"{source}: after '?' expected key=value&key=value: {error}") from None
    repeated = [key for key, _ in pairs if [other for other, _ in pairs].count(key) > 1]
    if repeated:
        raise RecipeError(f"{source}: {repeated[0]!r} is given twice; keep one")
    return dict(pairs)


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise RecordError(f"{path}: cannot be read as Parquet: {error}") from None
    return enumerate(table.to_pylist(), start=1)


def _problem(row: dict[str, Any], mapping: dict[str, str], path: Path, line: int) -> Problem:
    where = f"{path}: line {line}"
    fields = _mapped(row, mapping, where) if mapping else dict(row)
    if "problem_id" not in fields and isinstance(fields.get("question"), str):
        fields["problem_id"] = f"{path.stem}-{question_hash(fields['question'])}"
    try:
        problem = msgspec.convert(fields, Problem)
        msgspec.json.encode(problem)
    except UnicodeEncodeError:
        raise RecordError(f"{where}: holds half a character (a lone surrogate)") from None
    except msgspec.ValidationError as error:
        hint = "" if mapping else _mapping_hint(row, path)
        raise RecordError(f"{where}: {error}{hint}") from None
    needed = (
        ("problem_id", "question") if problem.tests else ("problem_id", "question", "reference")
    )
    for name in needed:
        if not getattr(problem, name).strip():
            raise RecordError(f"{where}: {name} is empty; write it, or remove the line")
    return problem


def _mapped(row: dict[str, Any], mapping: dict[str, str], where: str) -> dict[str, Any]:
    """A problem's fields out of a row of another shape; numbers become text."""
    fields: dict[str, Any] = {}
    for field, column in mapping.items():
        if column not in row and field not in ("source", "verifier", "family"):
            raise RecordError(
                f"{where}: has no field {column!r}{nearest(column, list(row))}; "
                f"it has {', '.join(list(row)[:12])}"
            )
        value = row.get(column, column)
        is_number = type(value) is int or (type(value) is float and math.isfinite(value))
        fields[field] = str(value) if is_number else value
    return fields


def _mapping_hint(row: dict[str, Any], path: Path) -> str:
    """What to write when a row is no Problem but has its parts under other names."""
    question = next((key for key in ("question", "problem", "prompt") if key in row), None)
    reference = next((key for key in ("reference", "answer", "gold") if key in row), None)
    if set(row) <= set(FIELDS):
        return ""
    names = f"question={question or 'FIELD'}&reference={reference or 'FIELD'}"
    return f"; to map its fields write {path.name}?{names} (it has {', '.join(list(row)[:12])})"


def _from_gym(source: str, limit: int | None) -> list[Problem]:
    name, _, query = source.removeprefix(GYM).partition("?")
    if name not in DATASETS:
        raise RecipeError(
            f"{source}: reasoning-gym has no generator {name!r}{nearest(name, list(DATASETS))}"
        )
    settings = _gym_settings(source, name, _query(query, source))
    if "seed" not in settings:
        raise RecipeError(f"{source}: has no seed; add seed=7, so that every run asks the same")
    size = settings.setdefault("size", 500)
    if size < 1:
        raise RecipeError(f"{source}: size is {size}; expected at least 1")
    try:
        dataset = create_dataset(name, **settings)
    except (AssertionError, ValueError, TypeError) as error:
        raise RecipeError(f"{source}: reasoning-gym refuses this: {error}") from None
    return _distinct(dataset, name, size if limit is None else min(limit, size), source)


def _gym_settings(source: str, name: str, given: dict[str, str]) -> dict[str, Any]:
    """Values in the types of the generator's own settings."""
    known = {field.name: field for field in dataclasses.fields(DATASETS[name][1])}
    settings: dict[str, Any] = {}
    for key, text in given.items():
        if key not in known:
            raise RecipeError(
                f"{source}: {name} has no setting {key!r}{nearest(key, list(known))}; "
                f"it has {', '.join(known)}"
            )
        settings[key] = _typed(text, known[key], source)
    return settings


def _typed(text: str, field: dataclasses.Field, source: str) -> Any:
    if isinstance(field.default, str):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"{source}: {field.name} is {text!r}, which has no meaning") from None
    default = 0 if field.name in ("seed", "size") else field.default
    if default in (None, dataclasses.MISSING):
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default) and not isinstance(default, (tuple, list)):
        raise RecipeError(
            f"{source}: {field.name} is {text!r}; expected {type(default).__name__}, "
            f"such as {default!r}"
        )
    return value


def _distinct(dataset: Any, name: str, size: int, source: str) -> list[Problem]:
    """The first `size` distinct questions; repeats are passed over."""
    origin = f"reasoning-gym {metadata.version('reasoning-gym')}, {name} (Apache-2.0)"
    problems: dict[str, Problem] = {}
    draws = MAX_DRAWS_PER_PROBLEM * size
    for entry in itertools.islice(_entries(dataset), draws):
        problem = _gym_problem(entry, name, origin)
        problems.setdefault(problem.problem_id, problem)
        if len(problems) == size:
            return list(problems.values())
    raise RecipeError(
        f"{source}: only {len(problems)} distinct questions in {draws} draws; "
        f"lower size to {len(problems)}, or widen the range"
    )


def _entries(dataset: Any) -> Iterator[dict[str, Any]]:
    """Entries by index, past `size` too: it adds the index to its seed, so they never run out."""
    for index in itertools.count():
        try:
            yield dataset[index]
        except IndexError:  # a generator over a fixed list
            return


def _gym_problem(entry: dict[str, Any], name: str, origin: str) -> Problem:
    return Problem(
        problem_id=f"{name}-{question_hash(entry['question'])}",
        question=entry["question"],
        reference=str(entry["answer"]),
        verifier="reasoning-gym",
        family=name,
        source=origin,
        gym_entry=json.dumps(entry, sort_keys=True, default=str),
    )

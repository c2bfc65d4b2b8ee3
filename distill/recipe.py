"""The recipe: one frozen struct per section, read from YAML with overrides, checked before work."""

import difflib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import yaml

from distill.errors import RecipeError

Positive = Annotated[int, msgspec.Meta(ge=1)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]
NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

MAX_RECIPE_BYTES = 1_000_000
ALGEBRA_SECONDS = 3.0  # deadline of one comparison that needs algebra
GYM = "reasoning-gym:"  # a source of problems that is no file
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a run or a test set: part of keys and paths


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: unknown keys and wrong types are refused."""


class Problems(Section):
    """Which problems are asked. A path to JSONL or Parquet, or `reasoning-gym:name?key=value`."""

    train: str  # the teacher writes traces for these
    rl: str  # GRPO asks these
    limit: Positive | None = None  # first N problems of `train`
    rl_limit: Positive | None = None  # first N problems of `rl`


class Sample(Section):
    """The teacher writes traces."""

    teacher: str  # folder or org/model@revision
    engine: Literal["transformers"] = "transformers"
    prompt: str = "r1-zero"
    completions_per_problem: Positive = 4
    problems_per_batch: Positive = 64  # the unit that a resumed run does again
    temperature: NonNegativeFloat = 1.0
    top_p: Share = 1.0
    max_tokens: Positive = 256
    batch_size: Positive = 256  # rows that the engine keeps decoding at once


class MathPolicy(Section):
    """What could be decided either way when two answers are compared."""

    unordered_lists: bool = True  # "1, 2" is "2, 1"; tuples, intervals and words keep their order
    percent_is_share: bool = True  # "50%" is "0.5" as well as "50"
    ignore_missing_units: bool = True  # "5" is "5 cm"; units that are both there must agree
    ignore_names: bool = True  # "x = 5" is "5", "x \\in [0, 1]" is "[0, 1]"; "x = 5" is not "y = 5"
    inequality_is_interval: bool = True  # "x > 2" is "(2, \\infty)"
    plus_minus_is_pair: bool = True  # "\\pm 2" is "2, -2"
    vector_is_tuple: bool = True  # a matrix of one row or column with 1 and 2 is "(1, 2)"
    ignore_case: bool = True  # of words: "Saturday" is "saturday"
    rounded_digits: Positive | None = 6  # "0.333333" is "1/3", "1.41421" is "\\sqrt{2}"
    relative_tolerance: NonNegativeFloat = 0.0  # 0.01: "9.9" is "10"; of the reference's size
    absolute_tolerance: NonNegativeFloat = 0.0  # 0.1: "4.1" is "4.2"


class Judge(Section):
    """A language model as the last resort: what it says is kept beside the verdict."""

    model: str  # folder or org/model@revision
    engine: Literal["transformers"] = "transformers"
    ask: Literal["undecided", "not_right", "all"] = "undecided"  # which traces it is asked about
    max_tokens: Positive = 512
    batch_size: Positive = 64


class Verify(Section):
    """Is each trace right."""

    timeout_seconds: PositiveFloat = (
        ALGEBRA_SECONDS  # of algebra; a worker that starts again comes on top
    )
    workers: Positive = 1
    policy: MathPolicy = MathPolicy()
    judge: Judge | None = None
    program_seconds: PositiveFloat = 6.0  # CPU time of a program for one test
    program_memory_mb: Positive = 1024
    allow_unsafe_code: bool = False  # run programs where the machine cannot isolate them


class FilterCase(Section):
    """A text and what must become of it: tried before the filter runs."""

    completion: str
    reason: str  # "kept" or the code of a readability check
    question: str = ""


class Filter(Section):
    """Which traces to learn from. null turns a check off."""

    accept: Literal["none", "rule", "judge", "or", "and"] = "rule"  # whose word makes it right
    drop_verdicts: tuple[Literal["unverified", "truncated", "no_answer", "wrong"], ...] = (
        "unverified",
        "truncated",
        "no_answer",
        "wrong",
    )
    require_think: bool = True
    allow_unclosed_think: bool = False
    allow_doubled_think: bool = False
    require_final_answer: bool = True
    allow_answer_in_thought: bool = False  # boxed inside the thought and not after it
    max_foreign_share: Share | None = 0.001  # letters outside the question's scripts
    max_other_language_share: Share | None = 0.003  # words of another language in its script
    max_repeated_share: Share | None = 0.5  # words that loops say again, worst 500 in a row
    max_paragraph_chars: Positive | None = 2000  # of prose, formulas and tables aside
    allow_code_blocks: bool = False  # where the question asks for code they are always allowed
    allow_refusals: bool = False
    forbid: tuple[str, ...] = ()
    cases: tuple[FilterCase, ...] = ()
    drop_duplicates: bool = True
    near_duplicate_similarity: Share | None = 0.5  # of 5-word shingles; unrelated traces reach 0.2
    overlap_ngram: Positive | None = 10  # words shared with a test question or its solution
    overlap_char_ngram: Positive | None = 20  # the same in characters, without spaces in between
    min_pass_rate: Share | None = None  # difficulty window: share of a problem's right traces
    max_pass_rate: Share | None = None
    keep_per_problem: Positive | None = 4
    keep: Literal["first", "shortest", "median", "random", "diverse"] = "first"
    keep_per_family: Positive | None = None


class Sft(Section):
    """The student learns from the kept traces."""

    base: str
    prompt: str = "r1-zero"
    adapter: Literal["none", "lora"] = "none"
    rank: Positive = 16
    learning_rate: PositiveFloat = 1.0e-4
    epochs: PositiveFloat = 2.0
    batch_size: Positive = 32
    max_length: Positive = 512
    warmup_share: Share = 0.03
    save_every_steps: Positive = 50
    trl: dict[str, Any] = {}  # passed to trl's SFTConfig as written


class GrpoRun(Section):
    """One run of GRPO: where it starts and what it is rewarded for."""

    start_from: str  # "base", "sft", or a folder or org/model@revision
    reward: Literal["rule", "random"] = "rule"
    steps: Positive | None = None  # None takes grpo.steps


class Grpo(Section):
    """The R1-Zero stage."""

    runs: dict[str, GrpoRun] = msgspec.field(
        default_factory=lambda: {"r1_zero": GrpoRun(start_from="base")}
    )
    prompt: str = "r1-zero"
    prompts_per_step: Positive = 32
    group_size: Annotated[int, msgspec.Meta(ge=2)] = 8
    steps: Positive = 100
    learning_rate: PositiveFloat = 1.0e-6
    final_learning_rate_share: Share = 1.0  # the rate falls linearly to this share of itself
    warmup_steps: NonNegative = 0
    clip_epsilon: PositiveFloat = 0.2
    clip_epsilon_high: PositiveFloat | None = None  # None takes clip_epsilon
    kl_weight: NonNegativeFloat = 0.0
    updates_per_step: Positive = 1  # optimizer steps per batch of rollouts
    micro_batch_tokens: Positive = 16384  # most padded tokens in one forward pass
    temperature: PositiveFloat = 1.0
    max_tokens: Positive = 256
    format_reward: NonNegativeFloat = 0.1
    max_grad_norm: PositiveFloat = 1.0
    save_every_steps: Positive = 20


class Evaluate(Section):
    """How good is each row."""

    test_sets: dict[str, str]
    limit: Positive | None = None  # first N problems of each test set
    completions_per_problem: Positive = 4
    k: Positive = 4  # of cons@k and pass@k
    temperature: NonNegativeFloat = 1.0
    top_p: Share = 1.0
    max_tokens: Positive = 256
    batch_size: Positive = 256
    bootstrap_resamples: Positive = 2000


class Recipe(Section):
    """A whole experiment."""

    name: str
    problems: Problems
    sample: Sample
    sft: Sft
    evaluate: Evaluate
    verify: Verify = Verify()
    filter: Filter = Filter()
    grpo: Grpo = Grpo()
    seed: NonNegative = 17
    threads: Positive | None = None  # CPU threads of torch; None takes the cores of this machine


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
    """Write the resolved recipe as YAML."""
    tree = msgspec.to_builtins(recipe)
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8")


def nearest(word: str, known: list[str]) -> str:
    """ ", did you mean X?" for the closest known word, or "" when none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    return {"sample.teacher": recipe.sample.teacher, "sft.base": recipe.sft.base, **given}


def sources_of(recipe: Recipe) -> dict[str, str]:
    """Key to source, for every set of problems that a recipe names."""
    tests = {f"evaluate.test_sets.{name}": s for name, s in recipe.evaluate.test_sets.items()}
    return {"problems.train": recipe.problems.train, "problems.rl": recipe.problems.rl, **tests}


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
    reserved = {"base", "sft", "teacher"}
    for name in recipe.grpo.runs:
        if name in reserved or not _NAME.fullmatch(name):
            raise RecipeError(
                f"{path}: grpo.runs.{name}: a run's name is letters, digits, '_' or '-', "
                f"and none of {', '.join(sorted(reserved))}"
            )

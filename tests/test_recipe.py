"""A recipe that cannot be obeyed is refused with where, what was found and what to do."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import RecipeError, nearest
from distill.recipe_file import MAX_RECIPE_BYTES, known_keys, load_recipe, save_recipe
from distill.recipe_paths import locate, models_of, resolve_path, sources_of, split_revision

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))
TEXT = """
name: test
problems: {train: train.jsonl, rl: rl.jsonl, limit: 10}
sample: {teacher: org/teacher, temperature: 0.6}
sft: {base: org/base}
grpo:
  runs:
    zero: {start_from: base}
    after: {start_from: sft, reward: random, steps: 5}
evaluate: {test_sets: {easy: easy.jsonl}}
"""


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "test.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads(recipe):
    assert load_recipe(recipe).name == recipe.stem


def test_what_is_not_written_takes_its_default(path):
    recipe = load_recipe(path)
    assert (recipe.seed, recipe.sft.adapter, recipe.filter.keep_per_problem) == (17, "none", 4)
    assert recipe.grpo.runs["after"].steps == 5


def test_a_saved_recipe_is_the_same_recipe(path, tmp_path):
    recipe = load_recipe(path, {"sft.trl": {"weight_decay": 0.1}, "filter.forbid": ["a: b", "ü"]})
    save_recipe(recipe, tmp_path / "again.yaml")
    assert load_recipe(tmp_path / "again.yaml") == recipe


OVERRIDES = {
    "sft.learning_rate": 2.0e-5,
    "filter.max_foreign_share": None,
    "grpo.runs.zero.reward": "random",
    "grpo.runs.new.start_from": "org/other@main",
    "evaluate.test_sets.hard": "hard.jsonl",
    "sft.trl.weight_decay": 0.1,
    "seed": 3,
    "verify.workers": 2,
}


@pytest.mark.parametrize("key", OVERRIDES)
def test_any_key_can_be_overridden(path, key):
    found = load_recipe(path, {key: OVERRIDES[key]})
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    assert found == OVERRIDES[key]


WRONG = [  # override, and what the message must say
    ("sft.learning_rat", 1.0, r"sft\.learning_rat: no such key; did you mean 'learning_rate'\?"),
    ("smaple.teacher", "x", r"smaple: no such key; did you mean 'sample'\?"),
    ("grpo.runs.zero.stat_from", "x", r"stat_from: no such key; did you mean 'start_from'\?"),
    ("grpo.runs.after.steps", "x", r"grpo\.runs\.after\.steps is 'x' \(text\)"),
    ("evaluate.test_sets.easy", 5, r"evaluate\.test_sets\.easy is 5 \(int\)"),
    ("qqq", 1, r"qqq: no such key$"),
    ("sft.rank", "32", r"sft\.rank is '32' \(text\).*remove the quotes"),
    ("sft.learning_rate", "1e-5", r"sft\.learning_rate is '1e-5' \(text\).*1\.0e-5"),
    ("sft.rank", 1.5, r"sft\.rank is 1\.5 \(float\); expected `int`"),
    ("sft.rank", 0, r"sft\.rank is 0 \(int\); expected `int` >= 1"),
    ("sft.rank", True, r"sft\.rank is True \(bool\); expected `int`"),
    (
        "sft.adapter",
        "qlora",
        r"sft\.adapter is 'qlora' \(text\); expected one of none, lora; did you mean 'lora'\?",
    ),
    ("sample.top_p", 1.1, r"sample\.top_p is 1\.1 \(float\); expected `float` <= 1"),
    ("sample.temperature", -1.0, r"sample\.temperature is -1\.0"),
    ("filter.max_foreign_share", "off", r"filter\.max_foreign_share is 'off'"),
    ("seed", -1, r"seed is -1"),
    ("sft", 5, r"sft is 5 \(int\); expected `object`"),
    ("sft.base.x", 5, r"--sft\.base\.x: 'base' holds a value, not a section"),
    ("grpo.group_size", 1, r"grpo\.group_size is 1"),
    ("evaluate.k", 9, r"evaluate\.k is 9, more than evaluate\.completions_per_problem \(4\)"),
    ("grpo.runs.sft.start_from", "base", r"grpo\.runs\.sft: a run's name"),
    ("grpo.runs.a/b.start_from", "base", r"grpo\.runs\.a/b: a run's name"),
    ("evaluate.test_sets", {}, r"evaluate\.test_sets is empty"),
    ("evaluate.test_sets.a/b", "x.jsonl", r"evaluate\.test_sets\.a/b: a test set's name"),
    ("sft.learning_rate", float("inf"), r"sft\.learning_rate is inf; expected a number that ends"),
    ("sample.engine", "serv", r"expected one of transformers, vllm, server, ray; did you mean 'se"),
    *(
        ("sample.server.url", url, r"sample\.server\.url: expected an address such as")
        for url in ("host:8000/v1", "ftp://host/v1", "http:///v1", "http://host/v1#top")
    ),
    *(
        ("sample.server.url", url, r"sample\.server\.url: expected an address such as")
        for url in ("http://[::1/v1", "http://host:99999/v1", "http://host:port/v1", "http://a b/")
    ),
    ("sample.server.url", "http://me:word@host/v1", r"sample\.server\.url holds a user"),
    ("sample.server.url", "https://host/v1/sk-abcdefgh1234", r"user, a password, a query or a key"),
    ("sft.trl.weight_decay", float("nan"), r"sft\.trl\.weight_decay is nan"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_what_is_wrong_is_said(path, key, value, message):
    with pytest.raises(RecipeError) as refused:
        load_recipe(path, {key: value})
    assert re.search(message, str(refused.value))
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("key", ["name", "problems.rl", "sft.base", "evaluate.test_sets"])
def test_a_missing_key_is_named(path, key):
    tree = yaml.safe_load(TEXT)
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        node = node[parent]
    del node[last]
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(RecipeError, match=rf"{re.escape(key)} is missing; add it"):
        load_recipe(path)


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\n" + "c: [*b, *b]\n"
HOSTILE = {
    "a bomb of anchors": (LAUGHS, "anchors and aliases"),
    "a single alias": ("name: *x\n", "anchors and aliases"),
    "an anchor in a list": ("name: [&x 1]\n", "anchors and aliases"),
    "brackets without end": ("[" * 5000, "not valid YAML"),
    "a Python object": ("name: !!python/object/apply:os.system [true]\n", "not valid YAML"),
    "no mapping": ("- 1\n- 2\n", "found list; expected sections"),
    "nothing": ("", "found NoneType; expected sections"),
    "a tab": ("name:\n\t- x\n", "not valid YAML"),
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_file_that_is_no_recipe_is_refused(path, why):
    text, message = HOSTILE[why]
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_huge_file_is_not_even_read(path):
    path.write_text("# " + "x" * MAX_RECIPE_BYTES)
    with pytest.raises(RecipeError, match="larger than"):
        load_recipe(path)


def test_bytes_that_are_no_text_are_refused(path):
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read as a recipe"):
        load_recipe(path)


def test_an_absent_recipe_names_the_nearest(path):
    with pytest.raises(RecipeError, match=r"no such recipe; did you mean '.*test\.yaml'"):
        load_recipe(path.with_name("tets.yaml"))


def test_what_can_be_no_file_is_no_recipe(path, tmp_path):
    for name in (tmp_path, path / "x.yaml", tmp_path / ("n" * 300)):
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipe(name)


def test_a_revision_is_split_from_a_hub_name_only(tmp_path):
    odd = tmp_path / "a@b"
    odd.mkdir()
    assert split_revision("org/model@abc") == ("org/model", "abc")
    assert split_revision("org/model") == ("org/model", None)
    assert split_revision(str(odd)) == (str(odd), None)


WORDS = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=12)


@given(st.lists(WORDS, max_size=6), WORDS)
def test_the_nearest_word_is_a_known_one_or_none(known, word):
    hint = nearest(word, known)
    assert hint == "" or any(f"{other!r}" in hint for other in known)


@given(WORDS)
def test_a_known_word_is_its_own_nearest(word):
    assert repr(word) in nearest(word, ["qqqqqqqqqqqqqqqqqqqqqqqqqqqqq", word])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(section=st.sampled_from(["sft", "grpo", "evaluate", "filter", "problems", "x"]), junk=JUNK)
def test_junk_in_a_section_is_a_recipe_error_or_a_recipe(tmp_path_factory, section, junk):
    path = tmp_path_factory.mktemp("junk") / "test.yaml"
    path.write_text(TEXT)
    with suppress(RecipeError):  # and nothing else
        assert load_recipe(path, {section: junk}).name == "test"


def test_known_keys_follow_the_sections():
    assert "sft" in known_keys("")
    assert "learning_rate" in known_keys("sft")
    assert known_keys("grpo.runs.any") == ["start_from", "reward", "steps"]
    assert known_keys("sft.trl") == known_keys("nothing") == []


def test_paths_are_seen_from_here_and_from_the_recipe(path, tmp_path, monkeypatch):
    (tmp_path / "train.jsonl").touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resolve_path("train.jsonl") is None
    assert resolve_path("train.jsonl", path) == tmp_path / "train.jsonl"
    query = {"problems.train": "train.jsonl?question=q"}
    located = locate(load_recipe(path, query), path)
    assert located.problems.train == f"{tmp_path / 'train.jsonl'}?question=q"
    assert located.problems.rl == "rl.jsonl"  # not there: left as it is written


def test_every_named_model_and_source_is_listed(path):
    recipe = load_recipe(path, {"grpo.runs.more.start_from": "org/third"})
    assert models_of(recipe) == {
        "sample.teacher": "org/teacher",
        "sft.base": "org/base",
        "grpo.runs.more.start_from": "org/third",
    }
    assert sources_of(recipe) == {
        "problems.train": "train.jsonl",
        "problems.rl": "rl.jsonl",
        "evaluate.test_sets.easy": "easy.jsonl",
    }

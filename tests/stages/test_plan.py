"""Plans from a pilot of the mini teacher or from runs that are there; replays beside the truth."""

import json
import re
from pathlib import Path

import pytest

from distill import cli
from distill.errors import StoreError
from distill.recipe import Recipe
from distill.recipe_file import load_recipe
from distill.records import Problem, Trace
from distill.stages.driver import run_stages
from distill.stages.known_tries import known_run
from distill.stages.plan import PILOT, PILOT_TRIES, pilot_recipe, run, spread, ways
from distill.stages.replay import finished_run, replay
from distill.store import RunPaths, Store

MINI = Path(__file__).parents[2] / "data" / "mini"
WORLDS = 20  # enough to see that the figures are there
PRICE = {"usd_per_million_in": 100.0, "usd_per_million_out": 300.0, "usd_per_hour": 1.0}


def recipe_file(folder: Path, **sample) -> Path:
    tree = {
        "name": "tiny",
        "threads": 1,
        "problems": {
            "train": str(MINI / "problems" / "train.jsonl"),
            "rl": str(MINI / "problems" / "rl.jsonl"),
            "limit": 40,
            "rl_limit": 5,
        },
        "sample": {"teacher": str(MINI / "teacher"), "max_tokens": 300, "price": PRICE, **sample},
        "filter": {"max_other_language_share": None, "keep_per_problem": 2},
        "sft": {"base": str(MINI / "student-qwen2")},
        "evaluate": {"test_sets": {"easy": str(MINI / "problems" / "test_easy.jsonl")}},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return path


@pytest.fixture(scope="module")
def adaptive_run(tmp_path_factory) -> RunPaths:
    """40 problems, sampled adaptively."""
    folder = tmp_path_factory.mktemp("adaptive")
    paths = RunPaths(folder / "run")
    recipe = load_recipe(recipe_file(folder, adaptive={"needed": 2}))
    run_stages(recipe, paths, ["sample"])
    return paths


@pytest.fixture(scope="module")
def fixed_run(tmp_path_factory) -> RunPaths:
    """The same problems, 3 tries each, verified and filtered."""
    folder = tmp_path_factory.mktemp("fixed")
    paths = RunPaths(folder / "run")
    recipe = load_recipe(recipe_file(folder, completions_per_problem=3))
    run_stages(recipe, paths, ["sample", "verify", "filter"])
    return paths


def small(tmp_path: Path, **sample) -> Recipe:
    return load_recipe(recipe_file(tmp_path, **sample))


def traces_below(folder: Path) -> list[str]:
    """Trace ids of all runs below a folder."""
    found = []
    for path in sorted(folder.rglob("run.db")):
        store = Store(path, read_only=True)
        found += [trace.trace_id for trace in store.scan("traces", Trace)]
        store.close()
    return found


def figures(text: str, row: str) -> list[str]:
    """The cells of a row of the table, without their intervals."""
    line = next(line for line in text.splitlines() if line.startswith(f"{row}  "))
    return re.split(r" {2,}", re.sub(r" \[[^]]*\]", "", line))[1:]


def test_a_pilot_is_asked_once_told_with_its_cost_and_written_down(tmp_path):
    recipe, paths = small(tmp_path, completions_per_problem=2), RunPaths(tmp_path / "run")
    text = run(recipe, paths, problems=6, worlds=WORLDS)
    asked = traces_below(paths.root / PILOT)
    assert len(asked) == 6 * PILOT_TRIES
    assert f"From {len(asked)} completions of 6 problems in {paths.root / PILOT}" in text
    assert re.search(r"which cost [\d,]+ prompt and [\d.,k]+ completion tokens, [\d.]+ USD", text)
    assert figures(text, "completions")[:3] == ["80", "160", "640"]  # 40 x 2, 4, 16
    for row in ("time", "US dollars", "kept traces", "problems solved", "tokens per kept trace"):
        assert len(figures(text, row)) == 4, row
    told = json.loads((paths.root / "plan.json").read_text())
    assert told["from"]["completions"] == len(asked)
    assert list(told["ways"]) == ["fixed 2", "fixed 4", "fixed 16", "adaptive"]
    assert (paths.root / "plan.png").read_bytes().startswith(b"\x89PNG")
    assert not paths.store.exists()  # the run itself has not begun

    again = run(recipe, paths, problems=6, worlds=WORLDS)
    assert traces_below(paths.root / PILOT) == asked
    assert again == text
    changed = small(tmp_path, completions_per_problem=8, max_usd=9.0, adaptive={"needed": 1})
    run(changed, paths, problems=6, worlds=WORLDS)
    assert traces_below(paths.root / PILOT) == asked  # nothing of it changes what the pilot is


def test_a_run_with_enough_problems_needs_no_pilot(adaptive_run, tmp_path):
    recipe = small(tmp_path, adaptive={"needed": 2})
    text = run(recipe, adaptive_run, worlds=WORLDS)
    assert f"of 40 problems in {adaptive_run.root}, which cost" in text
    assert not (adaptive_run.root / PILOT).exists()
    assert figures(text, "completions")[:2] == ["160", "640"]


def test_another_run_of_the_same_problems_serves_as_well(fixed_run, tmp_path):
    recipe, paths = small(tmp_path, max_usd=0.5), RunPaths(tmp_path / "new")
    text = run(recipe, paths, source=str(fixed_run.root), worlds=WORLDS)
    assert f"From 120 completions of 40 problems in {fixed_run.root}" in text
    assert not (paths.root / PILOT).exists()
    assert (paths.root / "plan.json").exists()
    assert "Budget (sample.max_usd: 0.5 USD):" in text
    assert re.search(r"fixed 16: sample.max_usd ends it after \d+\.\d% of its completions", text)


def test_a_run_that_tells_nothing_is_refused(adaptive_run, tmp_path):
    recipe, paths = small(tmp_path), RunPaths(tmp_path / "new")
    with pytest.raises(StoreError, match="has no completions that were verified"):
        run(recipe, paths, source=str(tmp_path / "nowhere"))
    other = load_recipe(
        recipe_file(tmp_path), {"problems.train": str(MINI / "problems" / "rl.jsonl")}
    )
    with pytest.raises(StoreError, match="has asked none of the problems of this recipe"):
        run(other, paths, source=str(adaptive_run.root))
    assert not paths.root.exists()


def problems(*families: str) -> list[Problem]:
    return [
        Problem(problem_id=f"p{at}", question="?", reference="1", family=family)
        for at, family in enumerate(families)
    ]


SPREAD = [
    (("a",) * 8, 2, [2, 6], "the middle of each half"),
    (("a", "b") * 4, 2, [4, 5], "one of each family, whatever their order in the file"),
    (("a",) * 6 + ("b",) * 2, 4, [1, 3, 5, 7], "as large a share as each family has"),
    (("a", "b"), 5, [0, 1], "all, where there are fewer"),
]


@pytest.mark.parametrize(("families", "number", "places", "why"), SPREAD)
def test_a_pilot_is_spread_evenly(families, number, places, why):
    found = [int(one.problem_id[1:]) for one in spread(problems(*families), number)]
    assert found == places, why


def test_the_ways_that_are_compared_count_kept_traces_alike(tmp_path):
    found = ways(small(tmp_path, completions_per_problem=4), (4, 16))
    assert list(found) == ["fixed 4", "fixed 16", "adaptive"]
    assert {way.needed for way in found.values()} == {2}  # filter.keep_per_problem
    own = ways(small(tmp_path, adaptive={"needed": 3, "max_completions_per_problem": 9}), ())
    assert own["adaptive"].needed == own["fixed 4"].needed == 3
    assert own["adaptive"].adaptive.max_completions_per_problem == 9
    assert own["fixed 4"].adaptive is None


def test_a_pilot_under_a_judge_is_sampled_without_looking(tmp_path):
    judged = {"verify.judge": {"model": str(MINI / "teacher")}, "filter.accept": "judge"}
    recipe = load_recipe(recipe_file(tmp_path), judged)
    assert pilot_recipe(recipe, "p.jsonl").sample.adaptive is None
    assert pilot_recipe(small(tmp_path), "p.jsonl").sample.adaptive is not None


# --- replay -----------------------------------------------------------------------------------


def test_a_replay_shows_what_was_beside_what_could_have_been(adaptive_run):
    known = known_run(adaptive_run)
    text = replay(load_recipe(adaptive_run.recipe), finished_run(adaptive_run.root), worlds=WORLDS)
    assert "40 problems, tried adaptively until 2 of each were kept" in text
    was, again, *_ = figures(text, "completions")
    assert int(was) == known.completions == len(traces_below(adaptive_run.root))
    assert abs(int(again) - int(was)) < 0.35 * int(was)
    assert "simulator" in text.splitlines()[-1]


def test_a_fixed_run_is_replayed_with_its_own_number_of_tries(fixed_run):
    text = replay(load_recipe(fixed_run.recipe), finished_run(fixed_run.root), worlds=WORLDS)
    assert "40 problems, each tried 3 times" in text
    assert figures(text, "completions")[:5] == ["120", "120", "120", "160", "640"]
    adaptive = figures(text, "completions")[5]
    assert int(adaptive) < 160
    assert "Kept traces count up to 2 of a problem;" in text


def test_a_replay_changes_the_other_ways_and_not_what_was(adaptive_run, capsys):
    argv = ["replay", str(adaptive_run.root), "--sample.adaptive.needed=1"]
    assert cli.call(argv) == 0
    text = capsys.readouterr().out
    assert "tried adaptively until 2 of each were kept" in text
    assert "Kept traces count up to 1 of a problem, in the first two columns up to 2;" in text


def test_a_replay_needs_a_run_whose_traces_were_looked_at(tmp_path):
    with pytest.raises(StoreError, match="no run in this folder"):
        finished_run(tmp_path)
    paths = RunPaths(tmp_path / "run")
    recipe = small(tmp_path, completions_per_problem=1, max_tokens=5)
    run_stages(recipe, paths, ["sample"])
    with pytest.raises(StoreError, match="has no completions that were verified"):
        replay(recipe, finished_run(paths.root))
    store = Store(paths.store)
    store.write(gone={"marks": ["sample"]})
    store.close()
    with pytest.raises(StoreError, match="its sampling is not finished"):
        finished_run(paths.root)

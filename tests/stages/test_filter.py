"""The filter stage: right, readable, new traces become a dataset; the others keep a reason."""

import json
from collections import Counter

import datasets
import msgspec
import pyarrow.parquet
import pytest

from distill.errors import RecipeError, StoreError
from distill.filters.funnel import read_facts
from distill.problems.sources import load_problems
from distill.recipe import (
    Adaptive,
    Evaluate,
    Filter,
    FilterCase,
    Problems,
    Recipe,
    Sample,
    Server,
    Sft,
)
from distill.records import Decision, Judgement, Origin, Problem, Trace, Verdict, VerdictReason
from distill.runlog import read_metrics
from distill.stages import filter as stage
from distill.store import RunPaths, Store

ASKED = "How many legs do {} dogs, {} cats and one very old bird have if you count all of them?"
GOOD = "<think>4 * {0} = {1}\nWait, check: {1} / 4 = {0}. Good</think><answer>{1}</answer>"
BAD = {
    "missing_think": "<answer>8</answer>",
    "language_mix": "<think>两只狗有八条腿</think><answer>8</answer>",
    "repetition": "<think>" + "2 * 4 = 8 legs\n" * 30 + "</think><answer>8</answer>",
    "code_block": "<think>```\n8\n```</think><answer>8</answer>",
}
UNSURE = {"wrong": False, "no_answer": False, "truncated": False, "timeout": None}


def write_problems(path, questions):
    problems = [
        Problem(problem_id=f"{path.stem}{i}", question=q, reference="8", source="own (CC0)")
        for i, q in enumerate(questions)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(problem) + b"\n" for problem in problems))
    return str(path)


def make_recipe(folder, tests=("What is 3 + 4?",), **filter_keys):
    return Recipe(
        name="tiny | recipe",
        problems=Problems(
            train=write_problems(folder / "train.jsonl", [ASKED.format(2, n) for n in range(3)]),
            rl=write_problems(folder / "rl.jsonl", ["What is 2 + 2?"]),
        ),
        sample=Sample(teacher="models/teacher", temperature=0.7),
        sft=Sft(base="models/base"),
        filter=Filter(**filter_keys),
        evaluate=Evaluate(test_sets={"test": write_problems(folder / "test.jsonl", tests)}),
    )


def fill(paths, recipe, completions, reasons=None, judged=None, answers=None):
    """One trace per completion and problem, judged right unless a reason says otherwise.

    `judged` has a language model's word by index, `answers` the answers.
    """
    store = Store(paths.store)
    problems = load_problems(recipe.problems.train)
    store.put("problems", [(problem.problem_id, problem) for problem in problems])
    for problem in problems:
        for index, text in enumerate(completions):
            trace = Trace(
                problem_id=problem.problem_id,
                index=index,
                prompt=f"Q: {problem.question}",
                completion=text,
                finish_reason="stop",
                prompt_tokens=5,
                completion_tokens=7 + index,
                teacher="models/teacher",
                seed=index,
            )
            reason = (reasons or {}).get(index, "right")
            verdict = Verdict(
                trace_id=trace.trace_id,
                correct=UNSURE.get(reason, True),
                reason=VerdictReason(reason),
                answer=(answers or {}).get(index),
            )
            store.put("traces", [(trace.trace_id, trace)])
            store.put("verdicts", [(trace.trace_id, verdict)])
            if index in (judged or {}):
                said = Judgement(
                    trace_id=trace.trace_id, correct=judged[index], judge="org/judge@1", reply="-"
                )
                store.put("judgements", [(trace.trace_id, said)])
    store.close()


def decisions(paths):
    store = Store(paths.store)
    found = list(store.scan("decisions", Decision))
    store.close()
    return found


def good(count):
    return [GOOD.format(n, 4 * n) for n in range(2, 2 + count)]


def test_every_trace_gets_one_decision_with_its_reason(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=2)
    completions = [*BAD.values(), *good(4), good(1)[0], *good(4)]
    fill(paths, recipe, completions, {9: "wrong", 10: "no_answer", 11: "truncated", 12: "timeout"})
    stage.run(recipe, paths)
    found = decisions(paths)
    assert len(found) == 3 * len(completions)
    assert Counter(decision.reason.value for decision in found) == {
        **dict.fromkeys(BAD, 3),
        "kept": 6,
        "surplus": 6,
        "duplicate": 3,
        "wrong": 3,
        "no_answer": 3,
        "truncated": 3,
        "unverified": 3,
    }
    assert [d.trace_id for d in found if d.kept][:2] == ["train0#4", "train0#5"]
    (line,) = read_metrics(paths.metrics, "filter")
    assert [line[key] for key in ("traces", "right", "readable", "kept")] == [39, 27, 15, 6]


def test_the_dataset_opens_and_says_where_every_row_came_from(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    fill(paths, recipe, [BAD["missing_think"], *good(2)])
    stage.run(recipe, paths)
    cache = str(tmp_path / "cache")
    kept = datasets.load_dataset(str(paths.dataset), cache_dir=cache)["train"]
    assert kept.num_rows == 6
    assert kept[0]["completion"] == GOOD.format(2, 8)
    assert kept[0]["question"] == ASKED.format(2, 0)
    assert (kept[0]["teacher"], kept[0]["source"]) == ("models/teacher", "own (CC0)")
    dropped = datasets.load_dataset(str(paths.dataset), "dropped", cache_dir=cache)["train"]
    assert (dropped.num_rows, set(dropped["reason"])) == (3, {"missing_think"})
    lines = (paths.dataset / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == kept.to_list()
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    for said in (
        "6 traces that were kept out of 9",
        "temperature 0.7",
        "own (CC0)",
        "| missing_think | 3 | 3 |",
    ):
        assert said in card


def test_rows_and_card_tell_who_wrote_them_on_what_and_for_how_much(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    fill(paths, recipe, good(2))
    store = Store(paths.store)
    origin = Origin(
        engine="vllm 0.32.0",
        weights="0123abcd",
        prompt_template="4567ef01",
        temperature=0.7,
        top_p=0.9,
        max_tokens=64,
    )
    rows = [
        (trace.trace_id, msgspec.structs.replace(trace, origin=origin, usd=0.5, seconds=2.5))
        for trace in store.scan("traces", Trace)
    ]
    store.write(changed={"traces": rows})
    store.close()
    stage.run(recipe, paths)
    row = pyarrow.parquet.read_table(paths.dataset / "train.parquet").to_pylist()[0]
    wanted = {**msgspec.structs.asdict(origin), "usd": 0.5, "seconds": 2.5, "prompt_tokens": 5}
    assert {key: row[key] for key in wanted} == wanted
    assert (row["finish_reason"], row["tokens_are_counted"]) == ("stop", True)
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    assert "| models/teacher | 0123abcd | vllm 0.32.0 | own (CC0) | math | 6 |" in card
    # three problems: 7 and 8 completion tokens each
    assert "took 30 prompt and 45 completion tokens, 3.00 US dollars" in card


def test_the_card_says_when_problems_were_asked_until_they_had_enough(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=None)
    adaptive = Adaptive(max_completions_per_problem=32, longer_max_tokens=9000)
    server = Server(url="http://localhost/v1", send_seed=False)
    sample = msgspec.structs.replace(
        recipe.sample, engine="server", server=server, adaptive=adaptive, completions_per_problem=3
    )
    recipe = msgspec.structs.replace(recipe, sample=sample)
    fill(paths, recipe, good(2))
    stage.run(recipe, paths)
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    for said in (
        "until 3 of the answers were right and readable, at most 32 times",
        "at most 256 tokens, or 9000 where that had cut its first answers, engine server).",
        "so `pass_rate` is no even-handed estimate",
        "a thought that it told apart stands in the think block",
    ):
        assert said in card
    assert "a seed of its own" not in card


def test_nothing_dropped_and_nothing_kept_are_datasets_too(tmp_path, caplog):
    cache = str(tmp_path / "cache")
    paths, recipe = RunPaths(tmp_path / "all"), make_recipe(tmp_path)
    fill(paths, recipe, good(1))
    stage.run(recipe, paths)
    assert datasets.load_dataset(str(paths.dataset), cache_dir=cache)["train"].num_rows == 3
    assert datasets.get_dataset_config_names(str(paths.dataset)) == ["default"]
    paths = RunPaths(tmp_path / "none")
    fill(paths, recipe, [BAD["missing_think"]])
    stage.run(recipe, paths)
    assert "nothing was kept" in caplog.text
    assert pyarrow.parquet.read_table(paths.dataset / "train.parquet").num_rows == 0


def test_a_stage_run_twice_equals_once(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=1)
    fill(paths, recipe, [*BAD.values(), *good(3)])
    stage.run(recipe, paths)
    files = ("train.parquet", "dropped.parquet", "train.jsonl", "README.md")
    first = decisions(paths), [(paths.dataset / name).read_bytes() for name in files]
    stage.run(recipe, paths)
    assert (decisions(paths), [(paths.dataset / name).read_bytes() for name in files]) == first
    assert sorted(path.name for path in paths.dataset.iterdir()) == sorted(files)


def test_every_check_can_be_off(tmp_path):
    paths = RunPaths(tmp_path / "run")
    recipe = make_recipe(
        tmp_path,
        drop_verdicts=(),
        require_think=False,
        max_foreign_share=None,
        max_other_language_share=None,
        max_repeated_share=None,
        max_paragraph_chars=None,
        allow_code_blocks=True,
        drop_duplicates=False,
        near_duplicate_similarity=None,
        overlap_ngram=None,
        overlap_char_ngram=None,
        keep_per_problem=None,
    )
    fill(paths, recipe, [*BAD.values(), *good(1) * 5], {5: "wrong", 6: "timeout", 7: "truncated"})
    stage.run(recipe, paths)
    assert all(decision.kept for decision in decisions(paths))


def test_a_problem_too_close_to_a_test_problem_keeps_nothing(tmp_path):
    close = ASKED.format(2, 1).replace("very old", "young")
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, tests=(close,))
    fill(paths, recipe, good(1))
    stage.run(recipe, paths)
    fates = {d.trace_id: (d.reason.value, d.detail) for d in decisions(paths)}
    reason, detail = fates["train1#0"]
    assert reason == "test_overlap"
    assert detail.startswith("n-gram with test test0: ")


def test_a_test_problem_among_the_train_problems_is_refused(tmp_path):
    paths = RunPaths(tmp_path / "run")
    recipe = make_recipe(tmp_path, tests=(ASKED.format(2, 1),))
    fill(paths, recipe, good(1))
    with pytest.raises(RecipeError, match=r"train1 = test0"):
        stage.run(recipe, paths)
    assert decisions(paths) == []


def test_without_verdicts_nothing_is_decided(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    with pytest.raises(StoreError, match="run `distill verify` first"):
        stage.run(recipe, paths)


def facts_of(paths):
    return read_facts(paths.filter_facts.read_bytes())


def test_every_reason_is_told_and_the_figures_add_up(tmp_path):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, keep_per_problem=1)
    both = BAD["language_mix"].replace("</think>", "\n```\n8\n```</think>")
    fill(paths, recipe, [both, *good(2), good(1)[0]], {1: "wrong"})
    stage.run(recipe, paths)
    first = decisions(paths)[0]
    assert [reason.value for reason in first.reasons] == ["language_mix", "code_block"]
    facts = facts_of(paths)
    assert (facts.traces, facts.problems, facts.kept, facts.problems_kept) == (12, 3, 3, 3)
    steps = {step.step: step.left for step in facts.funnel}
    assert list(steps.values()) == [12, 9, 6, 6, 6, 6, 3]
    assert facts.overlap["language_mix"] == {"language_mix": 3, "code_block": 3}
    counts = {count.reason: (count.first, count.all) for count in facts.reasons}
    assert counts == {
        "wrong": (3, 3),
        "language_mix": (3, 3),
        "code_block": (0, 3),
        "surplus": (3, 3),
    }
    assert [example.trace_id for example in facts.examples["wrong"]] == [
        f"train{n}#1" for n in range(3)
    ]


def test_samples_that_agree_against_their_reference_are_told(tmp_path, caplog):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    wrong, answers = dict.fromkeys(range(3), "wrong"), {0: "9", 1: " 9", 2: "9", 3: "8"}
    fill(paths, recipe, good(4), wrong, answers=answers)
    stage.run(recipe, paths)
    facts = facts_of(paths)
    assert facts.suspicious_references == 3
    suspect = facts.suspects[0]
    assert (suspect.problem, suspect.reference, suspect.answer) == ("train0", "8", "9")
    assert (suspect.agree, suspect.answers, suspect.right) == (3, 4, 1)
    assert "3 problems whose samples agree against their reference" in caplog.text


def test_the_contamination_of_each_test_set_is_reported(tmp_path):
    close = ASKED.format(2, 1).replace("very old", "young")
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, tests=(close,))
    fill(paths, recipe, good(1))
    stage.run(recipe, paths)
    found = facts_of(paths).contamination
    assert {(row.test_set, row.n, row.tests) for row in found.rows} == {
        ("test", 8, 1),
        ("test", 10, 1),
        ("test", 13, 1),
    }
    assert [row.questions for row in found.rows if row.n == 10] == [1]
    assert "all found" in found.self_test


def test_the_judge_is_heard_when_the_recipe_says_so(tmp_path):
    judged = {0: True, 1: False, 2: True}
    expected = {"rule": {1, 2}, "judge": {0, 2}, "or": {0, 1, 2}, "and": {2}, "none": {0, 1, 2}}
    for accept, kept in expected.items():
        paths, recipe = RunPaths(tmp_path / accept), make_recipe(tmp_path, accept=accept)
        fill(paths, recipe, good(3), {0: "wrong"}, judged)
        stage.run(recipe, paths)
        found = {d.trace_id for d in decisions(paths) if d.kept}
        assert found == {f"train{n}#{index}" for n in range(3) for index in kept}, accept
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    assert "| org/judge@1 | 9 |" in card


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"accept": "or"}, "no language model has judged these traces; name one in verify.judge"),
        ({"near_duplicate_similarity": 0.0}, "near_duplicate_similarity is 0"),
        (
            {"cases": (FilterCase(completion=GOOD.format(2, 8), reason="code_block"),)},
            r"filter.cases\[0\]: expected code_block, found kept",
        ),
    ],
)
def test_a_filter_that_cannot_be_obeyed_is_refused_before_any_work(tmp_path, keys, says):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path, **keys)
    fill(paths, recipe, good(1))
    with pytest.raises(RecipeError, match=says):
        stage.run(recipe, paths)
    assert decisions(paths) == []
    assert not paths.dataset.exists()


def test_a_disk_that_gives_way_leaves_the_old_dataset_whole(tmp_path, monkeypatch):
    paths, recipe = RunPaths(tmp_path / "run"), make_recipe(tmp_path)
    fill(paths, recipe, good(2))
    stage.run(recipe, paths)
    before = {path.name: path.read_bytes() for path in paths.dataset.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("distill.filters.dataset.os.fsync", full)
    with pytest.raises(StoreError, match=r"the dataset could not be written: .*No space left"):
        stage.run(make_recipe(tmp_path, keep_per_problem=1), paths)
    assert {path.name: path.read_bytes() for path in paths.dataset.iterdir()} == before


def test_the_card_says_how_the_rows_were_chosen_and_what_was_looked_at(tmp_path):
    paths = RunPaths(tmp_path / "run")
    recipe = make_recipe(tmp_path, keep="random", keep_per_problem=2)
    fill(paths, recipe, good(3))
    stage.run(recipe, paths)
    card = (paths.dataset / "README.md").read_text(encoding="utf-8")
    for said in (
        "At most 2 of a problem may stay, chosen by `random` with seed 17",
        "An answer is right when the verifier says so",
        "| models/teacher | not stated | not stated | own (CC0) | math | 6 |",
        "| surplus | 3 | 3 |",
        '| filter.keep | "random" |',
        "`test` (test.jsonl)",
        "| pass_rate |",
    ):
        assert said in card

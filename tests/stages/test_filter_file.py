"""The filter on traces that exist already, with verdicts from a file, made here, or not at all."""

import json
import math
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from distill.errors import RecipeError, RecordError
from distill.filters import chain
from distill.filters.funnel import read_facts
from distill.recipe import MathPolicy
from distill.stages import filter_file, verify_file

GOOD = "So 2 * 4 = 8.\n</think>\nIt is \\boxed{8}."
FIELDS = {"problem": "problem", "completion": "response"}


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows_of(*completions):
    return [
        {"id": f"t{i}", "problem": "How many legs do 2 dogs have?", "gold": "8", "response": text}
        for i, text in enumerate(completions)
    ]


def run(tmp_path, rows, **keys):
    traces = write_jsonl(tmp_path / "traces.jsonl", rows)
    filter_file.run(traces=traces, out=str(tmp_path / "out.jsonl"), **FIELDS, **keys)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_one_decision_for_each_line_in_its_order(tmp_path):
    found = run(tmp_path, rows_of(GOOD, "两只狗有八条腿", GOOD.upper(), "```\n8\n```"))
    assert [(line["id"], line["kept"], line["reason"]) for line in found] == [
        ("t0", True, "kept"),
        ("t1", False, "language_mix"),
        ("t2", False, "duplicate"),
        ("t3", False, "code_block"),
    ]
    assert found[1]["detail"] == "1.00 > 0.001"


def test_verdicts_are_joined_by_id(tmp_path):
    verdicts = [
        {"id": "t1", "correct": False, "reason": "wrong", "answer": "9"},
        {"id": "t0", "correct": True, "reason": "right", "answer": "8"},
        {"id": "t2", "correct": None, "reason": "timeout", "answer": None},
    ]
    path = write_jsonl(tmp_path / "verdicts.jsonl", verdicts)
    found = run(tmp_path, rows_of(GOOD, "It is 9.", "It is 8."), verdicts=path)
    assert [line["reason"] for line in found] == ["kept", "wrong", "unverified"]
    assert found[1]["detail"] == "answer 9"


def test_answers_are_judged_here_when_there_is_a_reference(tmp_path):
    found = run(tmp_path, rows_of(GOOD, GOOD.replace("{8}", "{9}")), reference="gold")
    assert [line["reason"] for line in found] == ["kept", "wrong"]


def test_thresholds_have_the_names_and_types_of_the_recipe(tmp_path):
    rows = rows_of(*(f"{GOOD} {n}" for n in range(6)), "```\n8\n```")
    found = run(tmp_path, rows, keep_per_problem=2, allow_code_blocks=True, forbid=[" 0"])
    assert Counter(line["reason"] for line in found) == {"forbidden": 1, "kept": 2, "surplus": 4}
    found = run(tmp_path, rows, require_think=True)
    assert Counter(line["reason"] for line in found)["missing_think"] == 1  # the fence alone
    with pytest.raises(RecipeError, match="did you mean 'keep_per_problem'"):
        run(tmp_path, rows, keep_per_problm=2)
    with pytest.raises(RecipeError, match=r"Expected `float.*max_foreign_share"):
        run(tmp_path, rows, max_foreign_share="much")


def test_traces_for_test_problems_are_dropped(tmp_path):
    problem = {"problem_id": "x", "question": "how many legs do 2 dogs have", "reference": "8"}
    tests = write_jsonl(tmp_path / "tests.jsonl", [problem])
    for ngram in (10, None):
        (found,) = run(tmp_path, rows_of(GOOD), test_set=tests, overlap_ngram=ngram)
        assert (found["reason"], found["detail"][:17]) == ("test_overlap", "same with tests x")


def test_a_trace_cut_by_its_limit_is_truncated_judged_or_not(tmp_path):
    rows = [row | {"end": "length"} for row in rows_of(GOOD, GOOD.replace("{8}", "{9}"))]
    for keys in ({}, {"reference": "gold"}):
        found = run(tmp_path, rows, finish_reason="end", **keys)
        assert [line["reason"] for line in found] == ["truncated", "truncated"]
    on = ["unverified", "no_answer", "wrong"]
    found = run(tmp_path, rows, finish_reason="end", reference="gold", drop_verdicts=on)
    assert [line["reason"] for line in found] == ["kept", "wrong"]


def test_what_is_read_is_not_written_over(tmp_path):
    traces = write_jsonl(tmp_path / "traces.jsonl", rows_of(GOOD))
    verdict = {"id": "t0", "correct": True, "reason": "right"}
    verdicts = write_jsonl(tmp_path / "verdicts.jsonl", [verdict])
    tests = write_jsonl(tmp_path / "tests.jsonl", [])
    for out in (traces, verdicts, tests, f"{tmp_path}/../{tmp_path.name}/traces.jsonl"):
        before = Path(out).read_bytes()
        with pytest.raises(RecipeError, match="is read, so it cannot be --out"):
            filter_file.run(
                traces=traces, verdicts=verdicts, test_set=f"{tests}?a=b", out=out, **FIELDS
            )
        assert Path(out).read_bytes() == before


def test_both_file_modes_read_the_same_lines(tmp_path):
    # no ids, half a character, a NaN in a field that nobody reads
    rows = [{"problem": "2 * 4?", "gold": 8, "response": f"{GOOD} {n} \ud800"} for n in (1, 2)]
    traces = write_jsonl(tmp_path / "traces.jsonl", [row | {"score": math.nan} for row in rows])
    verdicts = tmp_path / "verdicts.jsonl"
    verify_file.run(traces=traces, out=verdicts, reference="gold", **FIELDS)
    out = tmp_path / "out.jsonl"
    filter_file.run(traces=traces, verdicts=str(verdicts), out=str(out), **FIELDS)
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["reason"]) for line in found] == [(1, "kept"), (2, "kept")]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [{"id": "a", "problm": "x", "response": "y"}],
            "line 1: has no field 'problem'; did you mean",
        ),
        (
            [{"id": "a", "problem": "x", "response": None}],
            "field 'response' is null; expected text",
        ),
        (rows_of(GOOD) * 2, "line 2: id 't0' was used before"),
        ([], "has no traces"),
    ],
)
def test_bad_lines_are_refused_before_any_work(tmp_path, rows, says):
    with pytest.raises(RecordError, match=says):
        run(tmp_path, rows)
    assert not (tmp_path / "out.jsonl").exists()


def test_verdicts_that_do_not_fit_are_refused(tmp_path):
    path = write_jsonl(tmp_path / "v.jsonl", [{"id": "t0", "correct": True, "reason": "right"}])
    with pytest.raises(RecordError, match=r"has no verdict on 1 traces .* such as 't1'"):
        run(tmp_path, rows_of(GOOD, GOOD), verdicts=path)
    with pytest.raises(RecipeError, match="give one of them"):
        run(tmp_path, rows_of(GOOD), verdicts=path, reference="gold")
    with pytest.raises(RecipeError, match=r"no such file.*did you mean '.*v\.jsonl'"):
        run(tmp_path, rows_of(GOOD), verdicts=str(tmp_path / "vv.jsonl"))


def test_every_reason_of_a_line_is_told(tmp_path):
    (found,) = run(tmp_path, rows_of("两只狗有八条腿\n```\n8\n```"))
    assert (found["reason"], found["reasons"]) == ("language_mix", ["language_mix", "code_block"])


def test_the_report_has_the_figures_and_the_families(tmp_path):
    rows = [row | {"kind": "legs"} for row in rows_of(GOOD, "```\n8\n```")]
    report = tmp_path / "report.json"
    run(tmp_path, rows, family="kind", report=str(report), reference="gold", processes=1)
    facts = read_facts(report.read_bytes())
    assert [(f.group, f.traces, f.kept) for f in facts.families] == [("legs", 2, 1)]
    assert facts.thresholds["accept"] == "rule"
    assert facts.funnel[0].left == 2


def test_a_family_is_capped_and_a_strategy_chooses(tmp_path):
    rows = [row | {"kind": "legs"} for row in rows_of(*(f"{GOOD} {'ok ' * n}" for n in (3, 1, 2)))]
    found = run(tmp_path, rows, family="kind", keep="shortest", keep_per_family=1)
    assert [line["reason"] for line in found] == ["family_surplus", "kept", "family_surplus"]
    with pytest.raises(RecipeError, match="--keep_per_family needs --family"):
        run(tmp_path, rows, keep_per_family=1)


def test_whose_word_counts_must_be_there(tmp_path):
    with pytest.raises(RecipeError, match="--accept=rule needs to know what is right"):
        run(tmp_path, rows_of(GOOD), accept="rule")
    with pytest.raises(RecipeError, match="--accept=or needs a language model's word"):
        run(tmp_path, rows_of(GOOD), reference="gold", accept="or")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"min_pass_rate": 0.1}, "--min_pass_rate needs to know what is right"),
        ({"max_pass_rate": 0.9}, "--max_pass_rate needs to know what is right"),
        ({"policy": MathPolicy(ignore_case=False)}, "--policy is of answers judged here"),
        ({"reference": "gold", "min_pass_rate": 0.9, "max_pass_rate": 0.1}, "no problem is kept"),
        ({"forbid": ["word", ""]}, "filter.forbid holds an empty text"),
    ],
)
def test_what_would_do_nothing_or_drop_everything_is_refused(tmp_path, keys, says):
    with pytest.raises(RecipeError, match=says):
        run(tmp_path, rows_of(GOOD), **keys)
    assert not (tmp_path / "out.jsonl").exists()


def test_bad_rows_are_counted_and_saved_aside(tmp_path, caplog):
    caplog.set_level("INFO")
    rows = [*rows_of(GOOD), {"id": "bad", "problem": 3, "response": "x"}]
    found = run(tmp_path, rows, skip_bad=str(tmp_path / "bad.jsonl"))
    assert [line["id"] for line in found] == ["t0"]
    (bad,) = (tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(bad)["line"] == 2
    assert "1 bad rows" in caplog.text


def test_files_that_are_one_and_the_same_are_refused(tmp_path):
    out = str(tmp_path / "out.jsonl")
    with pytest.raises(RecipeError, match="is --out already; name another file with --report"):
        run(tmp_path, rows_of(GOOD), report=out)
    assert not Path(out).exists()


def test_parquet_is_read_as_well(tmp_path):
    rows = rows_of(GOOD, "```\n8\n```")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "traces.parquet")
    out = tmp_path / "out.jsonl"
    filter_file.run(traces=str(tmp_path / "traces.parquet"), out=str(out), **FIELDS)
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["reason"] for line in found] == ["kept", "code_block"]


def test_the_decisions_are_the_same_for_any_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "FEW_CHARS", 0)
    steps = [f"{n} and {n + 1} make {2 * n + 1}, as I said before in part {n}." for n in range(200)]
    rows = rows_of(*(f"{' '.join(steps[n : n + 9])} {'是' * (n % 2)} {GOOD}" for n in range(60)))
    rows = [row | {"problem": f"Question number {n % 7}?"} for n, row in enumerate(rows)]
    keys = {"keep": "random", "keep_per_problem": 3, "near_duplicate_similarity": 0.7}
    one, three = (run(tmp_path, rows, processes=n, **keys) for n in (1, 3))
    assert one == three
    assert len({line["reason"] for line in one}) > 2


def test_a_run_that_fails_leaves_nothing_half_written(tmp_path, monkeypatch):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("distill.stages.filter_file.decide", die)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, rows_of(GOOD))
    assert [path.name for path in tmp_path.iterdir()] == ["traces.jsonl"]

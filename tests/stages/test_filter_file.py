"""The filter on traces that exist already, with verdicts from a file, made here, or not at all."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from distill.errors import RecipeError, RecordError
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
    assert found[1]["detail"] == "1.00 > 0.005"


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
    assert {line["reason"] for line in run(tmp_path, rows, require_format=True)} == {"format"}
    with pytest.raises(RecipeError, match="did you mean 'keep_per_problem'"):
        run(tmp_path, rows, keep_per_problm=2)
    with pytest.raises(RecipeError, match=r"Expected `float.*max_foreign_share"):
        run(tmp_path, rows, max_foreign_share="much")


def test_traces_for_test_problems_are_dropped(tmp_path):
    problem = {"problem_id": "x", "question": "how many legs do 2 dogs have", "reference": "8"}
    tests = write_jsonl(tmp_path / "tests.jsonl", [problem])
    for ngram in (10, None):
        (found,) = run(tmp_path, rows_of(GOOD), test_set=tests, overlap_ngram=ngram)
        assert (found["reason"], found["detail"][:11]) == ("test_overlap", "same with x")


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

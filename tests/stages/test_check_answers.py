"""Pairs in a file: one line out per line in, in order, gone on with after any kill."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from distill.cli import STOPPED
from distill.errors import RecipeError, RecordError
from distill.recipe import MathPolicy
from distill.stages import check_answers

ROWS = [
    {"id": "a", "pred": "5", "gold": "5"},
    {"id": "b", "pred": "6", "gold": 5},
    {"id": "c", "pred": 0.5, "gold": "\\frac{1}{2}"},
    {"id": "d", "pred": None, "gold": "5"},
    {"id": "e", "pred": float("nan"), "gold": "5"},
    {"id": "\ud800", "pred": "\ud800", "gold": "Saturday"},
    {"id": 7, "pred": "B", "gold": "(B)"},
    {"id": None, "pred": "5", "gold": ""},
]
EXPECTED = [
    (True, "right"),
    (False, "wrong"),
    (True, "right"),
    (False, "no_answer"),
    (False, "no_answer"),
    (False, "wrong"),
    (True, "right"),
    (None, "bad_reference"),
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_line_out_per_line_in(tmp_path):
    out = tmp_path / "out.jsonl"
    counts = check_answers.run(pairs=write(tmp_path / "in.jsonl", ROWS), out=out, workers=1)
    found = read(out)
    assert [(line["correct"], line["reason"]) for line in found] == EXPECTED
    assert [line.get("id") for line in found] == [row["id"] for row in ROWS]
    assert list(found[1]) == ["id", "correct", "reason", "route", "seconds"]
    assert counts == {"right": 3, "wrong": 2, "no_answer": 2, "bad_reference": 1}
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]


def test_fields_have_the_names_that_are_given(tmp_path):
    rows = [{"model": {"says": "5"}, "right": "5", "key": 9}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    out = tmp_path / "out"
    names = {"pred": "model.says", "gold": "right", "id_field": "key"}
    check_answers.run(pairs=tmp_path / "in.parquet", out=out, workers=1, **names)
    assert [(line["id"], line["correct"]) for line in read(out)] == [(9, True)]


BAD = [
    ('{"pred": "5"}', "line 2: has no field 'gold'"),
    ('{"pred": "5", "gold": null}', "line 2: field 'gold' is null"),
    ('{"pred": ["5"], "gold": "5"}', "line 2: field 'pred' is list; expected text"),
    ('{"pred": "5", "gold": "5", "id": [1]}', "line 2: field 'id' is list"),
    ('{"pred": "5", "go', "line 2: is not whole JSON"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_is_refused_before_any_work_or_saved_aside(line, message, tmp_path):
    path, out, aside = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "bad.jsonl"))
    path.write_text(f'{{"pred": "1", "gold": "1"}}\n{line}\n{{"pred": "2", "gold": "2"}}\n')
    with pytest.raises(RecordError, match=r"in\.jsonl: ") as refusal:
        check_answers.run(pairs=path, out=out, workers=1)
    assert message in str(refusal.value)
    assert [file.name for file in tmp_path.iterdir()] == ["in.jsonl"]
    check_answers.run(pairs=path, out=out, workers=1, skip_bad=aside)
    assert [line["correct"] for line in read(out)] == [True, True]
    (saved,) = read(aside)
    assert (saved["line"], message in saved["error"]) == (2, True)


def test_what_cannot_be_obeyed_is_refused(tmp_path):
    path = write(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(RecipeError, match="no such file"):
        check_answers.run(pairs=tmp_path / "inn.jsonl", out=tmp_path / "out")
    with pytest.raises(RecipeError, match="is read, so it cannot be --out"):
        check_answers.run(pairs=path, out=path)
    with pytest.raises(RecordError, match="has no pairs"):
        check_answers.run(pairs=write(tmp_path / "empty.jsonl", []), out=tmp_path / "out")


def test_the_policy_is_obeyed(tmp_path):
    path = write(tmp_path / "in.jsonl", [{"pred": "2, 1", "gold": "1, 2"}])
    for unordered in (True, False):
        policy = MathPolicy(unordered_lists=unordered)
        check_answers.run(pairs=path, out=tmp_path / "out", workers=1, policy=policy)
        assert read(tmp_path / "out")[0]["correct"] is unordered


def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path):
    rows = [{"id": n, "pred": str(n % 7), "gold": str(n % 5)} for n in range(60_000)]
    path, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "distill.cli", "check-answers", str(path), f"--out={out}"]
    for lines, ending in ((1, signal.SIGKILL), (9_000, signal.SIGINT), (20_000, signal.SIGKILL)):
        child = subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ), text=True)
        wait_for_lines(tmp_path / "out.jsonl.partial", lines, child)
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(ending)
        _, said = child.communicate(timeout=30)
        assert child.returncode == (130 if ending == signal.SIGINT else -signal.SIGKILL)
        assert said.rstrip().endswith(STOPPED) is (ending == signal.SIGINT)
        assert psutil.wait_procs(family, timeout=10)[1] == []
    assert not out.exists()
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    found = read(out)
    assert [line["id"] for line in found] == list(range(60_000))
    assert [line["correct"] for line in found] == [n % 7 == n % 5 for n in range(60_000)]


def wait_for_lines(path, number, child):
    deadline = time.monotonic() + 30
    while child.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= number:
            return
        time.sleep(0.01)

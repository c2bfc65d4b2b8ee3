"""Verifying a JSONL file: one verdict per line, bad lines refused before any work."""

import json
import os
import threading

import pyarrow
import pyarrow.parquet
import pytest

from distill.errors import RecipeError, RecordError
from distill.recipe import MathPolicy
from distill.stages import verify_file

ROWS = [
    {"id": "a", "q": "?", "gold": "5", "text": "<think>x</think>\\boxed{5}", "ok": True},
    {"id": "b", "q": "?", "gold": "5", "text": "<think>x</think>\\boxed{6}", "ok": False},
    {"id": "c", "q": "?", "gold": 5, "text": "<think>x</think>\\boxed{7}", "ok": True},
    {"id": "d", "q": "?", "gold": "5", "text": "The answer is 5.", "ok": False},
    {"id": "e", "q": "?\n(A) 1\n(B) 2", "gold": "B", "text": "The answer is (B)", "ok": None},
    {"id": "f", "q": "?", "gold": "5", "text": "<think>5 \ud800", "ok": False},
]


def write(path, rows):
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def verify(path, out, **changes):
    """The stage with the field names of ROWS."""
    names = {"problem": "q", "reference": "gold", "completion": "text", "workers": 1, **changes}
    return verify_file.run(traces=path, out=out, **names)


def test_one_line_out_per_line_in(tmp_path):
    out = tmp_path / "verdicts.jsonl"
    verify(write(tmp_path / "in.jsonl", ROWS), out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    keys = ["id", "correct", "reason", "answer", "route", "seconds", "detail"]
    assert all(list(line) == keys for line in lines)
    assert [{key: line[key] for key in keys[:4]} for line in lines] == [
        {"id": "a", "correct": True, "reason": "right", "answer": "5"},
        {"id": "b", "correct": False, "reason": "wrong", "answer": "6"},
        {"id": "c", "correct": False, "reason": "wrong", "answer": "7"},
        {"id": "d", "correct": True, "reason": "right", "answer": "5"},
        {"id": "e", "correct": True, "reason": "right", "answer": "B"},
        {"id": "f", "correct": False, "reason": "truncated", "answer": None},
    ]


def test_agreement_with_labels_is_counted(tmp_path, caplog):
    with caplog.at_level("INFO"):
        path = write(tmp_path / "in.jsonl", ROWS)
        report = verify(path, tmp_path / "out.jsonl", label="ok", workers=2)
    # a, b and f agree, c is a false reject, d a false accept, e has no label
    assert (report.lines, report.labelled, report.agreed) == (6, 5, 3)
    assert (report.false_accepts, report.false_rejects, report.undecided) == (["d"], ["c"], [])
    assert report.reasons == {"right": 3, "wrong": 2, "truncated": 1}
    assert "3 of 5 agree (60.00%), 1 false accepts, 1 false rejects" in caplog.text


def test_without_ids_the_line_number_is_the_id(tmp_path):
    rows = [{key: row[key] for key in ("q", "gold", "text")} for row in ROWS[:2]]
    out = tmp_path / "out.jsonl"
    verify(write(tmp_path / "in.jsonl", rows), out)
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [1, 2]


def test_a_field_of_finish_reasons_says_what_was_cut(tmp_path):
    texts = [("It is 6", "stop"), ("The answer is 5", "length"), ("The answer is 5", None)]
    rows = [{"q": "?", "gold": "5", "text": text, "end": end} for text, end in texts]
    out = tmp_path / "out.jsonl"
    verify(write(tmp_path / "in.jsonl", rows), out, finish_reason="end")
    reasons = [json.loads(line)["reason"] for line in out.read_text().splitlines()]
    assert reasons == ["wrong", "truncated", "right"]
    rows[1]["end"] = "eos"
    with pytest.raises(RecordError, match="line 2: field 'end' is 'eos'; expected 'stop'"):
        verify(write(tmp_path / "in.jsonl", rows), out, finish_reason="end")


def test_an_id_is_shown_without_its_control_characters(tmp_path, caplog):
    row = {"id": "\x1b[2Jé", "q": "?", "gold": "5", "text": "\\boxed{6}", "ok": True}
    with caplog.at_level("INFO"):
        verify(write(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl", label="ok")
    assert "\x1b" not in caplog.text
    assert "false rejects: '\\x1b[2J" in caplog.text


GOOD = json.dumps(ROWS[0]).encode()
BAD = [
    (b'{"id": "b", "q": "?', "line 2: is not whole JSON"),
    (b"[1, 2]", "line 2: is a list"),
    (b'{"id": "\xff"}', "line 2: is not UTF-8 at byte 9"),
    (b'{"id": "b", "q": "?", "gold": "5"}', "line 2: has no field 'text'"),
    (b'{"id": "b", "q": "?", "gold": "5", "texts": ""}', "did you mean 'texts'"),
    (
        b'{"id": "b", "q": "?", "gold": "5", "text": 5}',
        "line 2: field 'text' is int; expected text",
    ),
    (b'{"id": "b", "q": "?", "gold": null, "text": "5"}', "line 2: field 'gold' is null"),
    (b'{"id": "b", "q": "?", "gold": true, "text": "5"}', "line 2: field 'gold' is bool"),
    (b'{"q": "?", "gold": "5", "text": "5"}', "line 2: has no field 'id'"),
    (b'{"id": "a", "q": "?", "gold": "5", "text": "5"}', "line 2: id 'a' was used before"),
    (b'{"id": "b", "q": "?", "gold": NaN, "text": "5"}', "line 2: field 'gold' is nan"),
    (b"[" * 100_000, "line 2: is not whole JSON"),
    (b'{"id": ' + b"7" * 5000 + b"}", "line 2: is not whole JSON"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_is_refused_and_nothing_is_written(tmp_path, line, message):
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n")
    with pytest.raises(RecordError) as refusal:
        verify(path, out)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert not out.exists()


def test_a_label_must_be_true_false_or_null(tmp_path):
    path = write(tmp_path / "in.jsonl", [ROWS[0] | {"ok": "yes"}])
    with pytest.raises(RecordError, match="field 'ok' is str; expected true, false or null"):
        verify(path, tmp_path / "out.jsonl", label="ok")


def test_what_cannot_be_obeyed_is_refused(tmp_path):
    path = write(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(RecipeError, match="did you mean"):
        verify(tmp_path / "inn.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(RecipeError, match="is read, so it cannot be --out"):
        verify(path, path)
    with pytest.raises(RecipeError, match="is a folder"):
        verify(path, tmp_path)
    with pytest.raises(RecipeError, match="did you mean 'math'"):
        verify(path, tmp_path / "out.jsonl", verifier="maths")
    with pytest.raises(RecipeError, match="--verifier=math needs --reference=FIELD"):
        verify(path, tmp_path / "out.jsonl", reference=None)
    with pytest.raises(RecipeError, match="--verifier=code needs --tests=FIELD"):
        verify(path, tmp_path / "out.jsonl", verifier="code")
    with pytest.raises(RecipeError, match="is --out already"):
        verify(path, tmp_path / "out.jsonl", skip_bad=tmp_path / "out.jsonl")
    with pytest.raises(RecordError, match="has no traces"):
        verify(write(tmp_path / "empty.jsonl", []), tmp_path / "out.jsonl")


def test_an_earlier_result_survives_a_refused_file(tmp_path):
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    verify(write(path, ROWS), out)
    before = out.read_bytes()
    path.write_bytes(GOOD[:-5])
    with pytest.raises(RecordError):
        verify(path, out)
    assert out.read_bytes() == before


def test_bad_lines_are_saved_aside_and_the_others_verified(tmp_path):
    path, out, aside = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "bad.jsonl"))
    path.write_bytes(b"".join(line + b"\n" for line, _ in BAD[:9]) + GOOD + b"\n" + GOOD)
    verify(path, out, skip_bad=aside)
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["a"]
    saved = [json.loads(line) for line in aside.read_text().splitlines()]
    assert [line["line"] for line in saved] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert saved[2]["raw"].encode("utf-8", "surrogateescape") == BAD[2][0] + b"\n"
    assert "id 'a' was used before" in saved[-1]["error"]


def test_parquet_and_jsonl_give_the_same_verdicts(tmp_path):
    rows = [row for row in ROWS if isinstance(row["gold"], str)][:4]
    verify(write(tmp_path / "in.jsonl", rows), tmp_path / "a")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    verify(tmp_path / "in.parquet", tmp_path / "b")
    assert verdicts_of(tmp_path / "a") == verdicts_of(tmp_path / "b")


def verdicts_of(path):
    """The lines without their times."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: line[key] for key in line if key != "seconds"} for line in lines]


def test_a_stopped_run_goes_on_where_it_was(tmp_path, caplog):
    path = write(tmp_path / "in.jsonl", ROWS)
    verify(path, tmp_path / "whole", label="ok")
    verify(path, tmp_path / "out", label="ok")
    lines = (tmp_path / "out").read_bytes().splitlines(keepends=True)
    marked = lines[0].replace(b'"route": "box', b'"route": "kept')
    (tmp_path / "out").unlink()
    stop_after(path, tmp_path / "out", [marked, lines[1], lines[2][:9]])
    report = verify(path, tmp_path / "out", label="ok")
    assert (report.lines, report.labelled, report.agreed) == (6, 5, 3)
    assert (tmp_path / "out").read_bytes().splitlines(keepends=True)[0] == marked
    assert verdicts_of(tmp_path / "out")[1:] == verdicts_of(tmp_path / "whole")[1:]
    assert not (tmp_path / "out.partial").exists()
    stop_after(path, tmp_path / "out", [marked])
    verify(path, tmp_path / "out", label="ok", policy=MathPolicy(ignore_case=False))
    assert verdicts_of(tmp_path / "out") == verdicts_of(tmp_path / "whole")  # another policy: anew


def stop_after(path, out, lines):
    """Leave what a killed run of `verify` leaves."""

    class Killed(Exception):
        pass

    def kill(*_, **__):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_file, "verify_stream", kill)
        with pytest.raises(Killed):
            verify(path, out, label="ok")
    with open(f"{out}.partial", "ab") as partial:
        partial.write(b"".join(lines))


def test_options_are_choices(tmp_path):
    row = {"q": "Which?", "gold": "blue", "text": "It must be (B).", "options": ["red", "blue"]}
    path = write(tmp_path / "in.jsonl", [row, row | {"text": "The answer is red."}])
    verify(path, tmp_path / "out", options="options", verifier="choice")
    assert [line["correct"] for line in verdicts_of(tmp_path / "out")] == [True, False]


def test_programs_are_run_on_their_tests(tmp_path):
    tests = {"stdin": [{"input": "3\n", "output": "6\n"}]}
    texts = ["```python\nprint(int(input()) * 2)\n```", "```python\nprint(7)\n```"]
    rows = [{"q": "Double it.", "text": text, "tests": tests} for text in texts]
    path = write(tmp_path / "in.jsonl", rows)
    verify(path, tmp_path / "out", reference=None, verifier="code", tests="tests")
    assert [line["correct"] for line in verdicts_of(tmp_path / "out")] == [True, False]


def test_a_pipe_is_read_as_well(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    assert verify(tmp_path / "pipe", tmp_path / "out").lines == 6
    writer.join()

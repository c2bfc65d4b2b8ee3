"""Verifying a JSONL file: one verdict per line, bad lines refused before any work."""

import json

import pytest

from distill.errors import RecipeError, RecordError
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
    names = {"problem": "q", "reference": "gold", "completion": "text", **changes}
    return verify_file.run(traces=path, out=out, **names)


def test_one_line_out_per_line_in(tmp_path):
    out = tmp_path / "verdicts.jsonl"
    verify(write(tmp_path / "in.jsonl", ROWS), out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [
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
    assert (report.false_accepts, report.false_rejects, report.undecided) == (("d",), ("c",), ())
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

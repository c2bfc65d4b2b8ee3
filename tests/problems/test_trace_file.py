"""Traces in files of others: fields by name, faults by place, ids once."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import RecordError
from distill.problems.rows import BadRows
from distill.problems.trace_file import SeenIds, TraceFields, number_text, read_traces

FIELDS = TraceFields(problem="q", completion="text", reference="gold")
GOOD = {"id": "a", "q": "?", "gold": "5", "text": "It is 5."}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_fields_are_found_by_their_names(tmp_path):
    row = {
        "key": 7,
        "info": {"question": "?", "gold": 0.5},
        "messages": [{"content": "hi"}, {"content": "0.5"}],
        "ok": True,
        "end": "stop",
        "kind": None,
        "tests": {"stdin": []},
    }
    fields = TraceFields(
        problem="info.question",
        completion="messages.1.content",
        reference="info.gold",
        trace_id="key",
        label="ok",
        finish_reason="end",
        family="kind",
        tests="tests",
    )
    (trace,) = read_traces(write(tmp_path / "t.jsonl", [row]), fields)
    assert (trace.trace_id, trace.key, trace.question) == (7, "7", "?")
    assert (trace.completion, trace.reference, trace.label) == ("0.5", "0.5", True)
    assert (trace.finish_reason, trace.family) == ("stop", "")
    assert json.loads(trace.tests) == {"stdin": []}


OPTIONS = [
    (["red", "blue"], "B", "?\n(A) red\n(B) blue", "B"),
    ({"A": "red", "C": 3}, "A", "?\n(A) red\n(C) 3", "A"),
    (["red", "blue"], "blue", "?\n(A) red\n(B) blue", "B"),  # the option itself
    (["red", "red"], "red", "?\n(A) red\n(B) red", "red"),  # which of the two?
    ([], "B", "?", "B"),
]


@pytest.mark.parametrize(("options", "gold", "question", "reference"), OPTIONS)
def test_options_become_lines_of_the_question(options, gold, question, reference, tmp_path):
    path = write(tmp_path / "t.jsonl", [GOOD | {"options": options, "gold": gold}])
    fields = TraceFields(problem="q", completion="text", reference="gold", options="options")
    (trace,) = read_traces(path, fields)
    assert (trace.question, trace.reference) == (question, reference)


BAD = [
    ({"q": 3}, "field 'q' is int; expected text"),
    ({"gold": None}, "field 'gold' is null; expected text or a number"),
    ({"gold": ["5"]}, "field 'gold' is list; expected text or a number"),
    ({"gold": float("nan")}, "field 'gold' is nan; no reference"),
    ({"id": 1.5}, "field 'id' is float; expected text or a whole number"),
    ({"id": "b", "ok": "yes"}, "field 'ok' is str; expected true, false or null"),
    ({"id": "b", "end": "eos"}, "field 'end' is 'eos'; expected 'stop', 'length' or null"),
    ({"id": "b", "options": "AB"}, "field 'options' is str; expected a list of texts"),
    ({"id": "b", "options": [None]}, "field 'options' holds 'A': NoneType"),
    ({"id": "b", "options": {"a": "x"}}, "field 'options' holds 'a': str"),
    (
        {"id": "b", "options": list("abcdefghijk")},
        "field 'options' has 11 options; expected at most 10",
    ),
    ({"id": "b", "tests": 5}, "field 'tests' is int; expected text, a record or a list"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_row_of_the_wrong_shape_is_refused_or_saved_aside(change, message, tmp_path):
    extra = {"ok": None, "end": None, "options": [], "tests": ""}
    path = write(tmp_path / "t.jsonl", [GOOD | extra, GOOD | extra | change])
    fields = TraceFields(
        problem="q", completion="text", reference="gold",
        label="ok", finish_reason="end", options="options", tests="tests",
    )  # fmt: skip
    with pytest.raises(RecordError) as refusal:
        list(read_traces(path, fields))
    assert f"{path}: line 2: {message}" in str(refusal.value)
    with BadRows(tmp_path / "bad") as bad:
        assert [trace.trace_id for trace in read_traces(path, fields, bad=bad)] == ["a"]
    (saved,) = map(json.loads, (tmp_path / "bad").read_text().splitlines())
    assert saved["line"] == 2
    assert message in saved["error"]
    assert json.loads(saved["raw"]).keys() == (GOOD | extra).keys()


def test_an_id_may_be_used_once(tmp_path):
    path = write(tmp_path / "t.jsonl", [GOOD | {"id": 1}, GOOD | {"id": 2}, GOOD | {"id": "1"}])
    with pytest.raises(RecordError, match="line 3: id '1' was used before"):
        list(read_traces(path, FIELDS))
    with BadRows(tmp_path / "bad") as bad:
        assert [trace.trace_id for trace in read_traces(path, FIELDS, bad=bad)] == [1, 2]
        assert [trace.trace_id for trace in read_traces(path, FIELDS, bad=bad)] == [1, 2]
        assert bad.count == 1


def test_ids_are_in_all_rows_or_in_none(tmp_path):
    without = {key: GOOD[key] for key in ("q", "gold", "text")}
    with pytest.raises(RecordError, match="line 2: has an 'id', the rows before it have none"):
        list(read_traces(write(tmp_path / "t.jsonl", [without, GOOD]), FIELDS))
    with pytest.raises(RecordError, match="line 2: has no field 'id'"):
        list(read_traces(write(tmp_path / "t.jsonl", [GOOD, without]), FIELDS))
    found = read_traces(write(tmp_path / "t.jsonl", [without, without]), FIELDS)
    assert [trace.trace_id for trace in found] == [1, 2]


def test_rows_of_parquet_are_numbered_and_checked(tmp_path):
    rows = [GOOD, GOOD | {"id": "b", "text": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    with pytest.raises(RecordError, match="row 2: field 'text' is null; expected text"):
        list(read_traces(tmp_path / "t.parquet", FIELDS))


def test_nothing_readable_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="has no traces"):
        list(read_traces(write(tmp_path / "t.jsonl", []), FIELDS))
    path = write(tmp_path / "t.jsonl", [{"x": 1}, {"y": 2}])
    says = "has no traces: all 2 rows are bad, first .*line 1: has no field 'q'"
    with pytest.raises(RecordError, match=says), BadRows(tmp_path / "bad.jsonl") as bad:
        list(read_traces(path, FIELDS, bad=bad))


@given(st.lists(st.text(st.characters(), max_size=3)))
def test_seen_ids_is_a_set(keys):
    seen, known = SeenIds(), set()
    for key in keys:
        assert seen.add(key) is (key not in known)
        known.add(key)


def test_seen_ids_grows_and_forgets_nothing():
    seen = SeenIds()
    assert all(seen.add(f"id-{n}") for n in range(20_000))
    assert not any(seen.add(f"id-{n}") for n in range(20_000))


NUMBERS = [(1e-5, "0.00001"), (1e22, "1" + 22 * "0"), (0.1, "0.1"), (42.0, "42.0"), (7, "7")]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_a_number_is_written_in_digits(number, text):
    assert number_text(number) == text

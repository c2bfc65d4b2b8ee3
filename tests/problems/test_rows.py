"""Rows of JSONL, Parquet and `datasets` folders: the same records, bad ones with their place."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from distill.errors import RecipeError, RecordError
from distill.problems import rows
from distill.problems.jsonl import read_jsonl
from distill.problems.rows import BadRows, find_files, read_rows, value_at

RECORDS = [
    {"id": f"t{n}", "text": "x" * n, "meta": {"gold": n, "tags": ["a", "b"]}} for n in range(5)
]


def records(path, **choices):
    return [row.fields for row in read_rows(path, **choices)]


def write_lines(path, lines: list[bytes]):
    path.write_bytes(b"".join(lines))
    return path


def as_jsonl(folder):
    lines = [json.dumps(record).encode() + b"\n" for record in RECORDS]
    return write_lines(folder / "rows.jsonl", lines)


def as_gzip(folder):
    path = folder / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(as_jsonl(folder).read_bytes()))
    return path


def as_parquet(folder):
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(RECORDS), path, row_group_size=2)
    return path


def as_arrow_stream(folder, records=RECORDS, name="data-00000-of-00001.arrow"):
    table = pyarrow.Table.from_pylist(records)
    with pyarrow.ipc.new_stream(folder / name, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return folder / name


def as_arrow_file(folder):
    table = pyarrow.Table.from_pylist(RECORDS)
    with pyarrow.ipc.new_file(folder / "rows.arrow", table.schema) as writer:
        writer.write_table(table)
    return folder / "rows.arrow"


def as_saved_dataset(folder):
    """What save_to_disk of `datasets` leaves, in two files."""
    saved = folder / "saved"
    saved.mkdir()
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    as_arrow_stream(saved, RECORDS[:3], names[0])
    as_arrow_stream(saved, RECORDS[3:], names[1])
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (saved / "state.json").write_text(json.dumps(state))
    (saved / "dataset_info.json").write_text("{}")
    return saved


FORMATS = [as_jsonl, as_gzip, as_parquet, as_arrow_stream, as_arrow_file, as_saved_dataset]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_same_records_in_order(write, tmp_path):
    path = write(tmp_path)
    assert records(path) == RECORDS
    assert [row.number for row in read_rows(path)] == [1, 2, 3, 4, 5]


def test_what_datasets_itself_saves_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_list(RECORDS)
    whole.save_to_disk(tmp_path / "one", num_shards=2)
    assert records(tmp_path / "one") == RECORDS
    parts = datasets.DatasetDict(train=whole.select(range(2)), test=whole.select([4]))
    parts.save_to_disk(tmp_path / "two")
    assert records(tmp_path / "two", split="test") == RECORDS[4:]


def test_of_parquet_only_the_wanted_columns_are_read(tmp_path):
    found = records(as_parquet(tmp_path), columns=["meta.gold"])
    assert found == [{"id": record["id"], "meta": record["meta"]} for record in RECORDS]


SPLITS = [
    (["train/rows.jsonl", "test/rows.jsonl"], "test", "test/rows.jsonl"),
    (["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], "train",
     "data/train-00000-of-00001.parquet"),
    (["only/rows.jsonl"], None, "only/rows.jsonl"),
    (["b.jsonl"], None, "b.jsonl"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "split", "expected"), SPLITS)
def test_a_split_is_a_folder_or_part_of_the_names(names, split, expected, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    assert find_files(tmp_path, split) == [tmp_path / expected]
    if split is not None:
        with pytest.raises(RecipeError, match="has 2 splits, test, train; choose one with"):
            find_files(tmp_path)
        with pytest.raises(RecipeError, match="no split 'tess'; did you mean 'test'"):
            find_files(tmp_path, "tess")


BAD_LINES = [
    (b'{"a": 1', "line 2: is not whole JSON"),
    (b"[1]", "line 2: is a list; expected a record"),
    (b'{"a": "\xff"}', "line 2: is not UTF-8 at byte 8"),
    (b'{"a": "caf\xe9"}', "line 2: is not UTF-8 at byte 11"),
    (b"\0\0\0", "line 2: is not whole JSON"),
    (b"[" * 100_000, "line 2: is not whole JSON"),
    (b'{"a": ' + b"7" * 5000 + b"}", "line 2: is not whole JSON"),
    (b'{"a": 1}{"a": 2}', "line 2: is not whole JSON"),
    (b'{"a": "' + b"x" * 2000 + b'"}', "line 2: is longer than"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_a_bad_line_is_refused_or_saved_aside(line, message, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAX_LINE_BYTES", 100_001 if line[:1] == b"[" else 1500)
    if line.endswith(b"7}"):
        monkeypatch.setattr(rows, "MAX_LINE_BYTES", 10_000)
    good = [b'{"a": 1}\n', b'{"a": 3}\n']
    path = write_lines(tmp_path / "rows.jsonl", [good[0], line + b"\n", good[1]])
    with pytest.raises(RecordError) as refusal:
        records(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert str(refusal.value).endswith("pass over such rows with --skip-bad=FILE")
    with BadRows(tmp_path / "bad.jsonl") as bad:
        assert records(path, bad=bad) == [{"a": 1}, {"a": 3}]
        assert records(path, bad=bad) == [{"a": 1}, {"a": 3}]
        assert bad.count == 1
    (saved,) = map(json.loads, (tmp_path / "bad.jsonl").read_text().splitlines())
    assert (saved["line"], message in saved["error"]) == (2, True)
    if "longer" not in message:
        assert saved["raw"].encode("utf-8", "surrogateescape") == line + b"\n"


def test_what_is_no_fault_is_read_as_it_is(tmp_path):
    lines = [b'\xef\xbb\xbf{"a": "\\ud800"}\r\n', b"\n", b" \t\r\n", b'{"a": NaN}']
    path = write_lines(tmp_path / "rows.jsonl", lines)
    found = list(read_rows(path))
    assert [row.where for row in found] == [f"{path}: line 1", f"{path}: line 4"]
    assert found[0].fields == {"a": "\ud800"}
    assert found[1].fields["a"] != found[1].fields["a"]


DAMAGED = [
    ("rows.jsonl", '{"a": 1}\n'.encode("utf-16"), "is UTF-16; expected UTF-8"),
    ("rows.zip", b"PK\x03\x04rest", "is packed"),
    ("rows.parquet", b"not parquet", "is no parquet file"),
    ("rows.parquet", b"PAR1" + b"\0" * 50, "cannot be read, it may be cut off"),
    ("rows.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9)[:-9], "cannot be read, it may be cut off"),
    ("rows.arrow", b"\xff\xff\xff\xff\x10\0\0\0zz", "cannot be read, it may be cut off"),
    ("rows.jsonl", '{"a": 1}\n'.encode("utf-16-le"), "is UTF-16; expected UTF-8"),
    ("rows.jsonl", '{"a": 1}\n'.encode("utf-16-be"), "is UTF-16; expected UTF-8"),
    ("rows.jsonl", b'[{"a": 1},\n{"a": 2}]', "expected one record per line"),
    ("rows.json", b'{\n "a": 1\n}', "expected one record per line"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED)
def test_a_damaged_file_is_named_even_when_bad_rows_are_passed_over(
    name, content, message, tmp_path
):
    path = write_lines(tmp_path / name, [content])
    with pytest.raises(RecordError, match=message):
        records(path)


def test_what_the_machine_does_not_read_is_not_called_torn():
    with pytest.raises(RecordError, match=r"mem: cannot be read: Input/output error$"):
        records(Path("/proc/self/mem"))
    with pytest.raises(RecordError, match=r"mem: cannot be read: Input/output error$"):
        list(read_jsonl(Path("/proc/self/mem")))


def test_a_torn_parquet_file_is_refused(tmp_path):
    path = as_parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with BadRows(tmp_path / "bad") as bad, pytest.raises(RecordError, match="cannot be read"):
        records(path, bad=bad)


def test_what_is_not_there_is_refused_with_the_nearest_name(tmp_path):
    as_jsonl(tmp_path)
    with pytest.raises(RecipeError, match=r"no such file or folder; did you mean .*rows\.jsonl"):
        records(tmp_path / "row.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=r"holds no \.jsonl, \.parquet or \.arrow files"):
        records(tmp_path / "empty")
    with pytest.raises(RecipeError, match="is one file, which has no splits"):
        records(tmp_path / "rows.jsonl", split="train")
    saved = as_saved_dataset(tmp_path)
    (saved / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(RecordError, match=r"names data-00001-of-00002\.arrow, which is"):
        records(saved)


PLACES = [("id", "t3"), ("meta.gold", 3), ("meta.tags.1", "b"), ("meta.tags.-1", "b")]


@pytest.mark.parametrize(("field", "expected"), PLACES)
def test_dots_reach_into_records_and_lists(field, expected, tmp_path):
    row = list(read_rows(as_jsonl(tmp_path)))[3]
    assert value_at(row, field) == expected


@pytest.mark.parametrize("field", ["idd", "meta.golf", "meta.tags.2", "meta.tags.x", "id.x", "x.y"])
def test_a_missing_field_is_named(field, tmp_path):
    row = next(read_rows(as_jsonl(tmp_path)))
    with pytest.raises(
        RecordError, match=rf"line 1: has no field '{field}'.*it has id, text, meta"
    ):
        value_at(row, field)


def test_a_name_with_a_dot_is_found_before_what_lies_inside(tmp_path):
    path = write_lines(tmp_path / "rows.jsonl", [b'{"a.b": 1, "a": {"b": 2}}'])
    assert value_at(next(read_rows(path)), "a.b") == 1

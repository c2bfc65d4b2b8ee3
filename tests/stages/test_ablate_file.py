"""The ablation of a file of traces: a dataset for each way to filter it."""

import json

import msgspec
import pyarrow.parquet
import pytest

from distill.errors import RecipeError
from distill.filters.ablation import Ablation
from distill.stages import ablate_file, filter_file

GOOD = "So 2 * 4 = 8, part {}.\n</think>\nIt is \\boxed{{8}}."
FIELDS = {"problem": "problem", "completion": "response"}


@pytest.fixture
def traces(tmp_path):
    texts = [*(GOOD.format(n) for n in range(3)), GOOD.format(3).replace("part", "```\n8\n```")]
    rows = [
        {"id": n, "problem": "How many legs do 2 dogs have?", "response": text}
        for n, text in enumerate(texts)
    ]
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    verdicts = [
        {"id": n, "correct": n != 1, "reason": "wrong" if n == 1 else "right", "answer": "8"}
        for n in range(4)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in verdicts)
    (tmp_path / "verdicts.jsonl").write_text(lines, encoding="utf-8")
    return path


def kept(folder):
    return pyarrow.parquet.read_table(folder / "train.parquet")["trace_id"].to_pylist()


def test_each_variant_keeps_what_the_filter_with_its_flags_keeps(tmp_path, traces):
    verdicts, out = str(tmp_path / "verdicts.jsonl"), tmp_path / "out"
    ablate_file.run(traces=str(traces), out=str(out), verdicts=verdicts, **FIELDS)
    for name, flags in {
        "recipe": {},
        "accept-none": {"accept": "none"},
        "without-allow_code_blocks": {"allow_code_blocks": True},
        "without-drop_verdicts": {"drop_verdicts": []},
    }.items():
        lines = tmp_path / "decisions.jsonl"
        filter_file.run(traces=str(traces), out=str(lines), verdicts=verdicts, **FIELDS, **flags)
        decisions = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        assert kept(out / name) == [str(d["id"]) for d in decisions if d["kept"]], name
    table = pyarrow.parquet.read_table(out / "recipe" / "train.parquet")
    assert table["completion"].to_pylist() == [GOOD.format(0), GOOD.format(2)]
    assert table["pass_rate"].to_pylist() == [0.75, 0.75]
    found = msgspec.json.decode((out / "ablation.json").read_bytes(), type=Ablation)
    assert set(found.skipped) == {"accept-judge", "accept-or", "accept-and"}
    assert found.length_unit == "characters"
    card = (out / "accept-none" / "README.md").read_text(encoding="utf-8")
    assert '| filter.accept | "none" |' in card
    assert "Which answers are right was read from `verdicts.jsonl`." in card
    assert "Nobody's word on the answers counted." in card
    assert "No test set was named" in card
    assert table["verifier"].to_pylist() == [None, None]


def test_without_verdicts_only_the_filters_are_left_out(tmp_path, traces):
    out = tmp_path / "out"
    ablate_file.run(traces=str(traces), out=str(out), **FIELDS)
    assert kept(out / "recipe") == ["0", "1", "2"]
    assert not (out / "accept-rule").exists()
    assert "not made: accept-rule: there are no verdicts" in (out / "ablation.md").read_text(
        encoding="utf-8"
    )


def test_a_file_is_no_folder(tmp_path, traces):
    with pytest.raises(RecipeError, match="is no folder"):
        ablate_file.run(traces=str(traces), out=str(traces), **FIELDS)

"""What is logged can be read again, and what files hold is told apart."""

import os

from distill import runlog
from distill.runlog import contents, log_metrics, read_metrics


def test_a_torn_line_costs_only_itself(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log_metrics(path, "sft", step=1)
    log_metrics(path, "sft", step=2)
    path.write_bytes(path.read_bytes()[:-9])
    log_metrics(path, "sft", step=3)
    assert [line["step"] for line in read_metrics(path)] == [1, 3]


def test_contents_follow_what_a_file_holds_not_when_it_was_written(tmp_path):
    path, copy = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text("one")
    copy.write_text("one")
    os.utime(copy, (0, 0))
    assert contents(path) == contents(copy)
    copy.write_text("two")
    assert contents(path) != contents(copy)


def test_a_large_file_is_known_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(runlog, "LARGE_BYTES", 2)
    path = tmp_path / "a.jsonl"
    path.write_text("one")
    os.utime(path, ns=(0, 7))
    before = contents(path)
    path.write_text("two")
    os.utime(path, ns=(0, 7))
    assert contents(path) == before  # the price of not reading it
    os.utime(path, ns=(0, 8))
    assert contents(path) != before


def test_a_models_contents_are_its_weights_configs_and_tokenizer(tmp_path):
    for name in ("config.json", "model.safetensors", "README.md"):
        (tmp_path / name).write_text(name)
    before = contents(tmp_path)
    (tmp_path / "README.md").write_text("other words")
    assert contents(tmp_path) == before
    for name in ("config.json", "model.safetensors"):
        was = contents(tmp_path)
        (tmp_path / name).write_text("other")
        assert contents(tmp_path) != was

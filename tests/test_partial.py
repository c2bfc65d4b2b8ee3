"""A file written over several runs: whole in the end, gone on with after any kill."""

import resource

import pytest

from distill.errors import RecipeError, StoreError
from distill.partial import PartialFile, check_files


def write(path, made_from, lines, *, finish=False):
    with PartialFile(path, made_from) as target:
        done = target.done
        target.write(b"".join(b"%d\n" % line for line in lines))
        if finish:
            target.finish()
    return done


def test_the_file_is_there_when_all_is_done(tmp_path):
    out = tmp_path / "deep" / "out.jsonl"
    assert write(out, "x", [1, 2]) == 0
    assert not out.exists()
    assert write(out, "x", [3], finish=True) == 2
    assert out.read_text() == "1\n2\n3\n"
    assert [path.name for path in out.parent.iterdir()] == ["out.jsonl"]
    assert write(out, "x", [4], finish=True) == 0
    assert out.read_text() == "4\n"


@pytest.mark.parametrize("tail", [b"3", b"\0\0", b'{"id": '])
def test_a_torn_last_line_is_written_again(tail, tmp_path):
    out = tmp_path / "out"
    write(out, "x", [1, 2])
    with open(tmp_path / "out.partial", "ab") as handle:
        handle.write(tail)
    with PartialFile(out, "x") as target:
        assert target.done == 2
        assert list(target.earlier()) == [b"1\n", b"2\n"]
        target.write(b"3\n")
        target.finish()
    assert out.read_bytes() == b"1\n2\n3\n"


@pytest.mark.parametrize("other", ["y", None])
def test_other_work_starts_anew(other, tmp_path):
    write(tmp_path / "out", "x", [1, 2])
    assert write(tmp_path / "out", other, [9], finish=True) == 0
    assert (tmp_path / "out").read_text() == "9\n"


def test_lines_without_a_note_belong_to_nothing(tmp_path):
    (tmp_path / "out.partial").write_text("1\n2\n")
    assert write(tmp_path / "out", "x", [3], finish=True) == 0
    assert (tmp_path / "out").read_text() == "3\n"


def test_two_at_once_are_refused(tmp_path):
    with (
        PartialFile(tmp_path / "out", "x"),
        pytest.raises(StoreError, match="another process is writing it"),
    ):
        PartialFile(tmp_path / "out", "x")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "x", [1], finish=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "1\n"


def test_a_device_gets_all_at_the_end():
    assert write("/dev/null", "x", [1], finish=True) == 0
    with PartialFile("/dev/null", "x") as target:
        assert list(target.earlier()) == []


def test_files_must_differ(tmp_path):
    source = tmp_path / "in"
    source.write_text("")
    for out, aside in (("in", None), ("out", "in"), ("out", "out"), ("out", "there/../out")):
        with pytest.raises(RecipeError):
            check(source, tmp_path / out, aside and tmp_path / aside)
    check(source, tmp_path / "out", tmp_path / "bad")
    check(f"{source}?split=test", tmp_path / "out", None)
    odd = tmp_path / "in?is"
    odd.write_text("")
    for name, out in ((f"{source}?split=test", source), (odd, odd)):
        with pytest.raises(RecipeError, match="is read, so it cannot be"):
            check(name, out, None)


@pytest.mark.parametrize(
    ("traces", "out", "aside", "says"),
    [
        ("out.partial", "out", None, "is read, and --out would write over it"),
        ("in", "out", "out.partial", "is --out already"),
        ("in", "out.partial.json", "out", "is --out already"),
        ("", "out", None, "an empty name"),
        ("in", "", None, "an empty name"),
        ("in", "out", "", "an empty name"),
    ],
)
def test_a_file_that_is_not_yet_whole_is_nobody_elses(
    traces, out, aside, says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("")
    (tmp_path / "out.partial").write_text("1\n")
    with pytest.raises(RecipeError, match=says):
        check(traces, out, aside)
    assert (tmp_path / "out.partial").read_text() == "1\n"


def test_a_write_that_fails_is_told_with_the_name_of_the_file(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a disk that is full
    try:
        with pytest.raises(StoreError, match=r"out\.partial: could not be written: .*too large"):
            write(tmp_path / "out", "x", range(9999))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert write(tmp_path / "out", "x", [], finish=True) > 0


def check(source, out, aside):
    check_files(inputs=(source, None), outputs={"--out": out, "--skip-bad": aside})

"""Only a whole checkpoint is gone on from."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.training.checkpoints import NEEDED, SEAL, find_damage, newest_whole, remove, seal

FILES = (*NEEDED, "model.safetensors")


def make(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    for name in FILES:
        (checkpoint / name).write_bytes(f"{name} of {step} ".encode() * 20)
    seal(checkpoint)
    return checkpoint


def test_the_newest_is_by_step_not_by_name(tmp_path):
    make(tmp_path, 100)
    make(tmp_path, 50)
    newest = make(tmp_path, 1000)
    assert newest_whole(tmp_path) == (newest, [])


def test_no_checkpoint_is_no_error(tmp_path):
    assert newest_whole(tmp_path / "absent") == (None, [])


@pytest.mark.parametrize("name", [*FILES, SEAL])
def test_a_missing_file_falls_back_to_the_one_before(tmp_path, name):
    before, broken = make(tmp_path, 10), make(tmp_path, 20)
    (broken / name).unlink()
    found, damaged = newest_whole(tmp_path)
    assert found == before
    assert [path for path, _ in damaged] == [broken]


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from([*FILES, SEAL]), part=st.floats(0, 0.99))
def test_a_file_cut_short_anywhere_is_damage(tmp_path_factory, name, part):
    checkpoint = make(tmp_path_factory.mktemp("cut"), 10)
    raw = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(raw[: int(part * len(raw))])
    assert find_damage(checkpoint) is not None


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_damage(tmp_path, name):
    checkpoint = make(tmp_path, 10)
    raw = bytearray((checkpoint / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (checkpoint / name).write_bytes(raw)
    assert name in find_damage(checkpoint)


def test_a_checkpoint_without_an_optimizer_is_not_sealed_as_whole(tmp_path):
    checkpoint = make(tmp_path, 10)
    (checkpoint / "optimizer.pt").unlink()
    seal(checkpoint)
    assert "optimizer.pt" in find_damage(checkpoint)


def test_an_unfinished_checkpoint_says_so(tmp_path):
    checkpoint = make(tmp_path, 10)
    (checkpoint / SEAL).unlink()
    assert find_damage(checkpoint) == "was never finished"
    remove(checkpoint)
    assert not checkpoint.exists()

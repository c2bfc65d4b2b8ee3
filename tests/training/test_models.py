"""The student's weights survive saving, merging and a broken disk."""

import os
import pickle
import shutil

import pytest
import torch

from distill.errors import StoreError, TrainingError
from distill.training.models import load_student, save_model


def logits_of(model) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([[5, 9, 17, 3]])).logits


def test_a_saved_model_answers_as_before(tiny_model, tmp_path):
    model, tokenizer = load_student(str(tiny_model))
    save_model(model, tokenizer, tmp_path / "model")
    again, again_tokenizer = load_student(str(tmp_path / "model"))
    torch.testing.assert_close(logits_of(again), logits_of(model), rtol=0, atol=0)
    text = "<think>12</think> ok"
    assert again_tokenizer(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_a_fresh_lora_changes_nothing_and_trains_little(tiny_model):
    plain, _ = load_student(str(tiny_model))
    adapted, _ = load_student(str(tiny_model), "lora", 4)
    torch.testing.assert_close(logits_of(adapted), logits_of(plain))
    trained = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert trained
    assert all("lora" in name for name in trained)
    assert not any("lm_head" in name for name in trained)


def test_merging_a_lora_keeps_what_it_learned(tiny_model, tmp_path):
    adapted, tokenizer = load_student(str(tiny_model), "lora", 4)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(len(name)))
    before = logits_of(adapted)
    save_model(adapted, tokenizer, tmp_path / "model")
    merged, _ = load_student(str(tmp_path / "model"))
    assert not (before - logits_of(load_student(str(tiny_model))[0])).abs().max() < 0.01
    torch.testing.assert_close(logits_of(merged), before, rtol=1e-4, atol=1e-4)


def test_saving_again_replaces_the_whole_folder(tiny_model, tmp_path):
    model, tokenizer = load_student(str(tiny_model))
    folder = tmp_path / "model"
    (folder / "left").mkdir(parents=True)
    (tmp_path / ".model.1.tmp").mkdir()  # what a killed save leaves
    save_model(model, tokenizer, folder)
    assert not (folder / "left").exists()
    assert (folder / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_model(tiny_model, tmp_path, monkeypatch):
    model, tokenizer = load_student(str(tiny_model))
    save_model(model, tokenizer, tmp_path / "model")

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        save_model(model, tokenizer, tmp_path / "model")
    load_student(str(tmp_path / "model"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_pickled_weights_are_refused_and_never_run(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").unlink()

    class Canary:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary()))
    with pytest.raises(TrainingError, match="cannot be opened"):
        load_student(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_models_own_code_is_never_run(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "code.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    (folder / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "code.C", '
        '"AutoModelForCausalLM": "code.M"}}'
    )
    with pytest.raises(TrainingError, match="cannot be opened"):
        load_student(str(folder))
    assert not (tmp_path / "ran").exists()


def test_truncated_weights_are_refused(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="cannot be opened"):
        load_student(str(folder))


def test_an_unknown_adapter_is_refused(tiny_model):
    with pytest.raises(TrainingError, match="expected one of none, lora"):
        load_student(str(tiny_model), "lorra")

"""The student learns the completions, and a stopped training ends as one that was not."""

import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from distill.errors import RecipeError, StoreError, TrainingError
from distill.recipe import Evaluate, Problems, Recipe, Sample, Sft
from distill.records import Decision, DropReason, Problem, Trace
from distill.runlog import read_metrics
from distill.stages import sft
from distill.store import RunPaths, Store

STEPS = 6  # 16 examples x 1.5 epochs, 4 per update


def recipe_for(base: Path, **changes) -> Recipe:
    values = {
        "prompt": "plain",
        "learning_rate": 5.0e-3,
        "epochs": 1.5,
        "batch_size": 4,
        "max_length": 200,
        "save_every_steps": 2,
    }
    return Recipe(
        name="test",
        problems=Problems(train="unused", rl="unused"),
        sample=Sample(teacher="unused"),
        sft=Sft(base=str(base), **{**values, **changes}),
        evaluate=Evaluate(test_sets={"unused": "unused"}),
    )


def filled(root: Path, kept: int = 16, dropped: int = 3, completion: str | None = None) -> RunPaths:
    """A run folder whose traces are sampled, verified and filtered."""
    paths = RunPaths(root)
    store = Store(paths.store)
    for number in range(kept + dropped):
        name = f"p{number:02}"
        question, total = f"{number} + {number} =", 2 * number
        thought = " ".join([f"{number} + {number} = {total}."] * (1 + number % 4))
        text = completion or f"<think>{thought}</think> <answer>{total}</answer>"
        trace = Trace(
            problem_id=name,
            index=0,
            prompt=question,
            completion=text,
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=1,
            teacher="test",
            seed=0,
        )
        is_kept = number < kept
        fate = Decision(
            trace_id=trace.trace_id,
            kept=is_kept,
            reason=DropReason.KEPT if is_kept else DropReason.WRONG,
        )
        store.put("problems", [(name, Problem(problem_id=name, question=question, reference="0"))])
        store.put("traces", [(trace.trace_id, trace)])
        store.put("decisions", [(trace.trace_id, fate)])
    store.close()
    return paths


def weights(paths: RunPaths) -> dict[str, torch.Tensor]:
    return load_file(paths.sft / "model" / "model.safetensors")


def losses(paths: RunPaths) -> list[tuple[int, float, float, int]]:
    lines = [line for line in read_metrics(paths.metrics, "sft") if "loss" in line]
    return [(x["step"], x["loss"], x["learning_rate"], x["tokens"]) for x in lines]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def undisturbed(tiny_model, tmp_path_factory) -> RunPaths:
    paths = filled(tmp_path_factory.mktemp("undisturbed") / "run")
    sft.run(recipe_for(tiny_model), paths)
    return paths


def stop_at(step: int, monkeypatch) -> None:
    """Ctrl-C as the line of a step is logged, once."""
    log = sft.log_metrics

    def log_or_stop(path, stage, **values):
        if values.get("step") == step:
            raise KeyboardInterrupt
        log(path, stage, **values)

    monkeypatch.setattr(sft, "log_metrics", log_or_stop)


def run_until(step: int, base: Path, root: Path, monkeypatch, **changes) -> RunPaths:
    paths = filled(root)
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(KeyboardInterrupt):
            sft.run(recipe_for(base, **changes), paths)
    return paths


def test_the_loss_falls_and_the_model_has_changed(undisturbed, tiny_model):
    lines = losses(undisturbed)
    assert [step for step, *_ in lines] == list(range(1, STEPS + 1))
    assert lines[-1][1] < 0.9 * lines[0][1]
    assert not same(weights(undisturbed), load_file(tiny_model / "model.safetensors"))


def test_the_rate_falls_along_a_cosine_to_a_tenth(tiny_model, tmp_path):
    # rows of step s use min + (peak - min) (1 + cos(pi (s-1) / steps)) / 2; step 4 of 6 is halfway
    paths = filled(tmp_path / "run")
    sft.run(recipe_for(tiny_model, warmup_share=0.0), paths)
    rates = [rate for _, _, rate, _ in losses(paths)]
    assert rates[0] == pytest.approx(5e-3)
    assert rates[3] == pytest.approx((5e-3 + 5e-4) / 2)


def test_dropped_traces_are_not_learned_and_totals_add_up(undisturbed):
    (total,) = read_metrics(undisturbed.metrics, "sft", event="trained")
    assert total["examples"] == 16
    assert total["steps"] == STEPS
    assert total["tokens"] == losses(undisturbed)[-1][3]
    assert 0 < total["learned_tokens"] < total["tokens"]
    assert total["train_seconds"] > 0


def test_run_twice_is_run_once(undisturbed):
    before, lines = weights(undisturbed), losses(undisturbed)
    sft.run(recipe_for(Path("a base that is not needed any more")), undisturbed)
    assert same(weights(undisturbed), before)
    assert losses(undisturbed) == lines
    assert len(read_metrics(undisturbed.metrics, "sft", event="trained")) == 1


@pytest.mark.parametrize("step", [1, 4, 6])
def test_stopped_anywhere_and_gone_on_is_bit_for_bit_the_same(
    step, undisturbed, tiny_model, tmp_path, monkeypatch
):
    paths = run_until(step, tiny_model, tmp_path / "run", monkeypatch)
    sft.run(recipe_for(tiny_model), paths)
    assert same(weights(paths), weights(undisturbed))
    assert losses(paths) == losses(undisturbed)


def test_a_lora_goes_on_exactly_too(tiny_llama, tmp_path, monkeypatch):
    lora = {"adapter": "lora", "rank": 4}
    whole = filled(tmp_path / "whole")
    sft.run(recipe_for(tiny_llama, **lora), whole)
    parted = run_until(5, tiny_llama, tmp_path / "parted", monkeypatch, **lora)
    sft.run(recipe_for(tiny_llama, **lora), parted)
    assert same(weights(parted), weights(whole))
    assert losses(parted) == losses(whole)
    assert not (whole.sft / "model" / "adapter_config.json").exists()


@pytest.mark.parametrize("damage", ["truncated weights", "no optimizer", "never finished"])
def test_a_damaged_newest_checkpoint_falls_back(
    damage, undisturbed, tiny_model, tmp_path, monkeypatch, caplog
):
    paths = run_until(5, tiny_model, tmp_path / "run", monkeypatch)
    newest = paths.sft / "checkpoints" / "checkpoint-4"
    if damage == "truncated weights":
        file = newest / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    else:
        (newest / ("optimizer.pt" if damage == "no optimizer" else "seal.json")).unlink()
    with caplog.at_level(logging.WARNING, logger="distill"):
        sft.run(recipe_for(tiny_model), paths)
    assert "checkpoint-4" in caplog.text
    assert same(weights(paths), weights(undisturbed))
    assert losses(paths) == losses(undisturbed)


def test_all_checkpoints_damaged_starts_anew(undisturbed, tiny_model, tmp_path, monkeypatch):
    paths = run_until(5, tiny_model, tmp_path / "run", monkeypatch)
    for checkpoint in (paths.sft / "checkpoints").glob("checkpoint-*"):
        (checkpoint / "trainer_state.json").write_text("{")
    sft.run(recipe_for(tiny_model), paths)
    assert same(weights(paths), weights(undisturbed))


def test_at_most_two_checkpoints_are_kept_and_none_at_the_end(tiny_model, tmp_path, monkeypatch):
    paths = run_until(6, tiny_model, tmp_path / "run", monkeypatch, save_every_steps=1)
    names = sorted(path.name for path in (paths.sft / "checkpoints").glob("checkpoint-*"))
    assert names == ["checkpoint-4", "checkpoint-5"]
    sft.run(recipe_for(tiny_model, save_every_steps=1), paths)
    assert not (paths.sft / "checkpoints").exists()


def test_micro_batches_change_nothing_but_rounding(undisturbed, tiny_model, tmp_path):
    paths = filled(tmp_path / "run")
    sft.run(recipe_for(tiny_model, trl={"per_device_train_batch_size": 2}), paths)
    for (_, one, *_), (_, other, *_) in zip(losses(paths), losses(undisturbed), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


CHILD = """
import sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from test_sft import recipe_for
from distill.stages import sft
from distill.store import RunPaths
sft.run(recipe_for({base!r}, save_every_steps=1), RunPaths({root!r}))
"""


def test_kill_9_while_it_saves_every_step(undisturbed, tiny_model, tmp_path):
    paths = filled(tmp_path / "run")
    script = CHILD.format(
        tests=str(Path(__file__).parent), base=str(tiny_model), root=str(paths.root)
    )
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while len(losses(paths)) < 3 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (paths.sft / "model").exists()
    sft.run(recipe_for(tiny_model, save_every_steps=1), paths)
    assert same(weights(paths), weights(undisturbed))
    assert losses(paths) == losses(undisturbed)


@pytest.mark.parametrize("most_bytes", [60_000, 200_000])  # breaks the weights; the optimizer
def test_a_disk_that_fills_during_a_checkpoint_loses_nothing(
    most_bytes, undisturbed, tiny_model, tmp_path, monkeypatch
):
    paths = run_until(4, tiny_model, tmp_path / "run", monkeypatch)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        with pytest.raises(StoreError, match="could not be saved"):
            sft.run(recipe_for(tiny_model), paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert not (paths.sft / "model").exists()
    sft.run(recipe_for(tiny_model), paths)
    assert same(weights(paths), weights(undisturbed))
    assert losses(paths) == losses(undisturbed)


def test_killed_between_the_last_step_and_the_model(undisturbed, tiny_model, tmp_path, monkeypatch):
    paths = filled(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(sft, "save_model", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sft.run(recipe_for(tiny_model), paths)
    sft.run(recipe_for(tiny_model), paths)
    assert same(weights(paths), weights(undisturbed))
    assert len(read_metrics(paths.metrics, "sft", event="trained")) == 1


def test_an_example_with_its_mask_is_shown_first(tiny_model, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="distill"):
        sft.run(recipe_for(tiny_model, epochs=0.25), filled(tmp_path / "run"))
    shown = caplog.text[caplog.text.index("[prompt") :]
    assert "no loss] User: 0 + 0 =" in shown
    assert "<answer>0</answer><|end|>" in shown


def test_too_long_examples_are_left_out_and_counted(tiny_model, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="distill"):
        sft.run(recipe_for(tiny_model, max_length=50), filled(tmp_path / "run"))
    assert "too_long" in caplog.text
    (total,) = read_metrics(RunPaths(tmp_path / "run").metrics, "sft", event="trained")
    assert 0 < total["examples"] < 16
    assert total["left_out"] == {"too_long": 16 - total["examples"]}


def test_nothing_kept_is_refused(tiny_model, tmp_path):
    with pytest.raises(TrainingError, match="no trace was kept"):
        sft.run(recipe_for(tiny_model), filled(tmp_path / "run", kept=0))


def test_everything_too_long_is_refused(tiny_model, tmp_path):
    with pytest.raises(TrainingError, match="16 of 16 examples: too_long"):
        sft.run(recipe_for(tiny_model, max_length=5), filled(tmp_path / "run"))


def test_a_template_that_opens_the_think_block_is_met_half_way(tiny_model, tmp_path, caplog):
    folder = tmp_path / "base"
    shutil.copytree(tiny_model, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{{ messages[0].content }} Assistant: <think>"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with caplog.at_level(logging.INFO, logger="distill"):
        sft.run(recipe_for(folder, prompt="chat", epochs=0.25), filled(tmp_path / "run"))
    shown = caplog.text[caplog.text.index("[prompt") : caplog.text.index("<|end|>")]
    assert shown.count("<think>") == 1
    assert "Assistant: <think>\n[learned" in shown


def test_a_completion_that_loses_its_think_block_is_refused(tiny_llama, tmp_path):
    # a tokenizer that maps the tag away, as one with a normalizer of its own may
    folder = tmp_path / "base"
    shutil.copytree(tiny_llama, folder)
    tree = json.loads((folder / "tokenizer.json").read_text())
    tree["added_tokens"] = [t for t in tree["added_tokens"] if t["content"] != "<think>"]
    tree["normalizer"] = {"type": "Replace", "pattern": {"String": "<think>"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    with pytest.raises(TrainingError, match="16 of 16 examples: think_block"):
        sft.run(recipe_for(folder), filled(tmp_path / "run"))


def test_a_loss_that_is_not_a_number_stops(tiny_model, tmp_path):
    with pytest.raises(TrainingError, match="the loss is nan at step"):
        sft.run(recipe_for(tiny_model, learning_rate=1e30, epochs=4), filled(tmp_path / "run"))


REFUSED = {
    "packin": (True, "no such key; did you mean 'packing'"),
    "learning_rate": (1e-5, "set sft.learning_rate instead"),
    "num_train_epochs": (3, "set sft.epochs instead"),
    "output_dir": ("x", "set --out instead"),
    "save_total_limit": (1, "the stage sets it itself"),
    "per_device_train_batch_size": (3, "divides sft.batch_size"),
    "logging_steps": (5, "the stage sets it itself"),
    "hub_token": ("hf_secret", "must hold no secret"),
    "push_to_hub": (True, "nothing is sent anywhere"),
    "report_to": ("wandb", "nothing is sent anywhere"),
    "optim": ("adamx", "SFTConfig refuses it: adamx is not a valid"),
    "weight_decay": ("0.1", "is '0.1'; expected `float`, got `str`"),
    "loss_type": ("nnl", "expected one of nll, dft"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_trl_key_that_cannot_be_passed_on_is_refused(key):
    value, message = REFUSED[key]
    with pytest.raises(RecipeError, match=message) as refused:
        sft.check(recipe_for(Path("unused"), trl={key: value}))
    assert "hf_secret" not in str(refused.value)
    assert not Path("unused").exists()


def test_the_sampling_may_be_random_and_is_then_another_order(undisturbed, tiny_model, tmp_path):
    paths = filled(tmp_path / "run")
    sft.run(recipe_for(tiny_model, trl={"train_sampling_strategy": "random"}), paths)
    assert losses(paths)[-1][3] > 0
    assert losses(paths) != losses(undisturbed)
    with pytest.raises(RecipeError, match="expected group_by_length or random"):
        sft.check(recipe_for(tiny_model, trl={"train_sampling_strategy": "sequential"}))


def test_saving_is_no_part_of_a_steps_seconds(tiny_model, tmp_path, monkeypatch):
    seal = sft.checkpoints.seal

    def slowly(checkpoint):
        time.sleep(1.5)
        seal(checkpoint)

    monkeypatch.setattr(sft.checkpoints, "seal", slowly)
    paths = filled(tmp_path / "run")
    sft.run(recipe_for(tiny_model), paths)  # saves after steps 2, 4 and 6
    seconds = [x["seconds"] for x in read_metrics(paths.metrics, "sft") if "loss" in x]
    assert max(seconds[2], seconds[4]) < 1.5


def test_a_trl_key_is_passed_on(tiny_model, tmp_path):
    trl = {"lr_scheduler_type": "constant"}
    paths = filled(tmp_path / "run")
    sft.run(recipe_for(tiny_model, trl=trl, warmup_share=0.0), paths)
    assert {rate for _, _, rate, _ in losses(paths)} == {5e-3}

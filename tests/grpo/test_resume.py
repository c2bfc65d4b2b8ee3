import multiprocessing
import random
import time

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import TransformersEngine
from distill.errors import StoreError
from distill.grpo.checkpoint import (
    MANIFEST,
    MOMENTS,
    PROGRESS,
    WEIGHTS,
    Progress,
    load_checkpoint,
    save_checkpoint,
)
from distill.grpo.loop import train
from distill.grpo.plan import Plan
from distill.grpo.update import new_optimizer
from distill.records import Problem

PROBLEMS = [Problem(problem_id=str(i), question=f"{i} + {i}?", reference="0") for i in range(5)]


def make_plan(steps, **changes):
    return Plan(
        run="r",
        seed=17,
        steps=steps,
        prompts_per_step=3,
        group_size=4,
        learning_rate=3e-3,
        final_learning_rate_share=1.0,
        micro_batch_tokens=64,
        save_every_steps=2,
        **changes,
    )


def run(folder, checkpoints, plan):
    """Train from the newest checkpoint; returns the weights and what was logged, by step."""
    torch.manual_seed(time.time_ns() % 2**31)  # no state of a global generator may matter
    random.seed()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    policy = AutoModelForCausalLM.from_pretrained(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder) if plan.kl_weight else None
    optimizer = new_optimizer(policy, plan.learning_rate)
    engine = TransformersEngine(policy, tokenizer)
    params = SamplingParams(max_tokens=8, temperature=plan.temperature)
    logged = {}
    train(
        policy,
        reference,
        optimizer,
        PROBLEMS,
        plan,
        progress=load_checkpoint(checkpoints, policy, optimizer),
        render=str,
        encode=lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
        generate=lambda texts, seeds: generate(
            engine, [Prompt(text=t, seeds=s) for t, s in zip(texts, seeds, strict=True)], params
        ),
        score=lambda problem, text, finish_reason: len(text) % 2 == 0,
        save=lambda progress: save_checkpoint(checkpoints, progress, policy, optimizer),
        on_step=lambda step, metrics: logged.update({step: metrics}),
    )
    for metrics in logged.values():
        for key in [key for key in metrics if key.endswith("_seconds")]:
            del metrics[key]
    return {name: p.detach() for name, p in policy.named_parameters()}, logged


@pytest.mark.parametrize(
    "changes", [{}, {"kl_weight": 0.05, "updates_per_step": 3, "temperature": 0.8}]
)
def test_six_steps_are_four_and_two_bit_for_bit(tiny_model, tmp_path, changes):
    whole, whole_log = run(tiny_model, tmp_path / "whole", make_plan(6, **changes))
    _, first_log = run(tiny_model, tmp_path / "parts", make_plan(4, **changes))
    parts, second_log = run(tiny_model, tmp_path / "parts", make_plan(6, **changes))
    assert list(second_log) == [5, 6]
    assert {**first_log, **second_log} == whole_log
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    start = AutoModelForCausalLM.from_pretrained(tiny_model)
    moved = [not torch.equal(p, whole[name]) for name, p in start.named_parameters()]
    assert all(moved)


def test_a_run_killed_between_checkpoints_goes_back_to_the_last(tiny_model, tmp_path):
    whole, _ = run(tiny_model, tmp_path / "whole", make_plan(5))
    run(tiny_model, tmp_path / "parts", make_plan(3))  # saved after step 2 only
    parts, log = run(tiny_model, tmp_path / "parts", make_plan(5))
    assert list(log) == [3, 4, 5]
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    return model, new_optimizer(model, 1e-3)


def set_everything(model, optimizer, value):
    for parameter in model.parameters():
        parameter.data.fill_(value)
        optimizer.state[parameter] = {
            "step": torch.tensor(float(value)),
            "exp_avg": torch.full_like(parameter, value),
            "exp_avg_sq": torch.full_like(parameter, value),
        }


def assert_everything_is(model, optimizer, value):
    for parameter in model.parameters():
        for tensor in (parameter, *optimizer.state[parameter].values()):
            assert torch.equal(tensor, torch.full_like(tensor, value))


def save_many(folder, model, optimizer, checkpoints):
    for step in range(1, 3):
        set_everything(model, optimizer, step)
        save_checkpoint(checkpoints, Progress(steps_done=step), model, optimizer)


def _save_until_killed(model, optimizer, checkpoints, first, told):
    for step in range(first, first + 10_000):
        set_everything(model, optimizer, step)
        save_checkpoint(checkpoints, Progress(steps_done=step), model, optimizer)
        told.value = step


def test_kill_9_at_random_moments_of_saving_loses_no_saved_step(tiny_model, tmp_path):
    model, optimizer = load(tiny_model)
    fork = multiprocessing.get_context("fork")
    told = fork.Value("i", 0)
    for seed in range(8):
        child = fork.Process(
            target=_save_until_killed, args=(model, optimizer, tmp_path, told.value + 1, told)
        )
        child.start()
        time.sleep(0.15 + random.Random(seed).random() * 0.1)
        child.kill()
        child.join()
        progress = load_checkpoint(tmp_path, model, optimizer)
        assert progress.steps_done in (told.value, told.value + 1)
        if progress.steps_done:
            assert_everything_is(model, optimizer, progress.steps_done)
        told.value = progress.steps_done
    assert told.value > 0


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def flip_a_bit(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("name", [WEIGHTS, MOMENTS, PROGRESS, MANIFEST])
@pytest.mark.parametrize("harm", [cut_short, flip_a_bit, lambda path: path.unlink()])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tiny_model, tmp_path, name, harm):
    model, optimizer = load(tiny_model)
    save_many(tiny_model, model, optimizer, tmp_path)
    newest = max(tmp_path.glob("step-*"))
    harm(newest / name)
    assert load_checkpoint(tmp_path, model, optimizer).steps_done == 1
    assert_everything_is(model, optimizer, 1)


def test_when_all_are_damaged_training_does_not_start_from_nothing(tiny_model, tmp_path):
    model, optimizer = load(tiny_model)
    save_many(tiny_model, model, optimizer, tmp_path)
    for checkpoint in tmp_path.glob("step-*"):
        cut_short(checkpoint / WEIGHTS)
    with pytest.raises(StoreError, match="all 2 checkpoints are damaged"):
        load_checkpoint(tmp_path, model, optimizer)


def test_a_checkpoint_of_another_model_is_refused(tiny_model, tiny_llama, tmp_path):
    model, optimizer = load(tiny_model)
    save_checkpoint(tmp_path, Progress(steps_done=1), model, optimizer)
    with pytest.raises(StoreError, match="another model"):
        load_checkpoint(tmp_path, *load(tiny_llama))


def test_the_two_newest_are_kept(tiny_model, tmp_path):
    model, optimizer = load(tiny_model)
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Progress(steps_done=step), model, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_a_folder_that_cannot_be_written_says_so(tiny_model, tmp_path):
    model, optimizer = load(tiny_model)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        save_checkpoint(tmp_path / "file", Progress(steps_done=1), model, optimizer)

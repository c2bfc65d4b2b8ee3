"""The student learns from the kept traces, with trl's SFTTrainer and the loss on the completion."""

import dataclasses
import logging
import math
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import torch
from datasets import Dataset, Features, List, Value
from safetensors import SafetensorError
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from distill.chat import render_prompt
from distill.errors import RecipeError, StoreError, TrainingError, nearest
from distill.progress import progress
from distill.recipe import Recipe, Sft
from distill.records import Decision, Problem, Trace
from distill.runlog import (
    derived_seed,
    drop_metrics,
    log_metrics,
    read_metrics,
    summary,
)
from distill.store import RunPaths, Store
from distill.training import checkpoints
from distill.training.examples import (
    MEANING,
    Example,
    Fault,
    build_example,
    find_fault,
    fit_completion,
    show_example,
    training_order,
)
from distill.training.models import load_student, save_model

logger = logging.getLogger("distill")

MAX_FAULTY_SHARE = 0.01  # more than this is the template's fault, not a trace's
MIN_RATE_SHARE = 0.1  # the cosine ends at a tenth: arXiv:2501.12948v2, B.4.3
KEPT_CHECKPOINTS = 2
_TORCH_SAVE = re.compile("iostream error|inline_container|PytorchStreamWriter")  # disk full
SAMPLING, GROUPED = "train_sampling_strategy", "group_by_length"
OWNED = {  # SFTConfig keys that have a key of their own in the recipe, or that resuming rests on
    "learning_rate": "sft.learning_rate",
    "num_train_epochs": "sft.epochs",
    "max_length": "sft.max_length",
    "warmup_steps": "sft.warmup_share",
    "warmup_ratio": "sft.warmup_share",
    "save_steps": "sft.save_every_steps",
    "gradient_accumulation_steps": "sft.batch_size with per_device_train_batch_size",
    "seed": "seed",
    "data_seed": "seed",
    "output_dir": "--out",
    "save_strategy": None,
    "save_total_limit": None,
    "save_only_model": None,
    "resume_from_checkpoint": None,
    "shuffle_dataset": None,
    "dataset_kwargs": None,
    "include_num_input_tokens_seen": None,
    "logging_strategy": None,
    "logging_steps": None,
    "logging_nan_inf_filter": None,
    "disable_tqdm": None,
    "packing": None,
    "padding_free": None,
    "ignore_data_skip": None,
    "max_steps": "sft.epochs",
    "eval_strategy": None,
    "eval_on_start": None,
    "load_best_model_at_end": None,
    "trust_remote_code": None,
}
SENDING = ("hub_", "push_to_hub", "report_to", "run_name", "project", "trackio_")


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Train the student into paths.sft/"model"; run again, go on from the newest checkpoint.

    Raises: TrainingError if nothing can be learned or the loss is not finite; StoreError if the
    disk gives way.
    """
    check(recipe)
    folder = paths.sft / "model"
    if not folder.exists():
        _train(recipe, paths)
    _finish(paths)


def check(recipe: Recipe) -> None:
    """Refuse what of sft.trl SFTConfig lacks or refuses, or what the recipe sets elsewhere.

    Raises: RecipeError with the nearest right name, or with what was expected.
    """
    known = [field.name for field in _fields()]
    for key in recipe.sft.trl:
        if key.startswith(SENDING):
            raise RecipeError(
                f"sft.trl.{key} cannot be passed on: nothing is sent anywhere, and the recipe is "
                "saved in the run folder, so it must hold no secret; remove the key"
            )
        if key in OWNED:
            advice = f"set {OWNED[key]} instead" if OWNED[key] else "the stage sets it itself"
            raise RecipeError(f"sft.trl.{key} cannot be passed on; {advice}")
        if key not in known:
            raise RecipeError(f"sft.trl.{key}: SFTConfig has no such key{nearest(key, known)}")
    if recipe.sft.trl.get(SAMPLING, GROUPED) not in (GROUPED, "random"):
        raise RecipeError(f"sft.trl.{SAMPLING}: expected {GROUPED} or random")
    micro = recipe.sft.trl.get("per_device_train_batch_size", 1)
    if not isinstance(micro, int) or micro < 1 or recipe.sft.batch_size % micro:
        raise RecipeError(
            f"sft.trl.per_device_train_batch_size is {micro!r}; "
            f"expected a whole number that divides sft.batch_size ({recipe.sft.batch_size})"
        )
    _check_values(recipe.sft.trl)
    _trainer_config(recipe, RunPaths("unused"), rows=1)


def _fields() -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(SFTConfig) if field.init]


def _check_values(trl: dict[str, Any]) -> None:
    """SFTConfig itself takes nearly any value and fails only when it is used."""
    hints = get_type_hints(SFTConfig)
    choices = {field.name: field.metadata.get("choices") for field in _fields()}
    for key, value in trl.items():
        if choices[key] and value not in choices[key]:
            expected = ", ".join(map(str, choices[key]))
            raise RecipeError(f"sft.trl.{key} is {value!r}; expected one of {expected}")
        with suppress(TypeError):  # a type that msgspec does not know
            try:
                msgspec.convert(value, hints[key])
            except msgspec.ValidationError as error:
                what = str(error)[:1].lower() + str(error)[1:]
                raise RecipeError(f"sft.trl.{key} is {value!r}; {what}") from None


def _train(recipe: Recipe, paths: RunPaths) -> None:
    sft = recipe.sft
    torch.manual_seed(derived_seed(recipe.seed, "sft", "adapter"))
    model, tokenizer = load_student(sft.base, sft.adapter, sft.rank)
    examples, left_out = _read_examples(recipe, paths, tokenizer)
    checkpoint = _checkpoint_to_go_on_from(paths)
    if checkpoint is None:
        logger.info("first example:\n%s", show_example(examples[0], tokenizer))
    lengths = [len(example.input_ids) for example in examples]
    order = training_order(
        lengths,
        epochs=sft.epochs,
        batch_size=sft.batch_size,
        seed=derived_seed(recipe.seed, "sft", "order"),
        grouped=sft.trl.get(SAMPLING, GROUPED) == GROUPED,
    )
    callback = _Steps(paths, examples_per_epoch=len(examples), batch_size=sft.batch_size)
    trainer = SFTTrainer(
        model=model,
        args=_trainer_config(recipe, paths, rows=len(order)),
        train_dataset=_dataset(examples).select(order),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    _fit(trainer, str(checkpoint) if checkpoint else None, callback)
    log_metrics(
        paths.metrics,
        "sft",
        event="trained",
        examples=len(examples),
        left_out=left_out,
        learned_tokens=sum(sum(examples[i].completion_mask) for i in order),
        **_totals(paths),
    )
    save_model(trainer.accelerator.unwrap_model(trainer.model), tokenizer, paths.sft / "model")


def _fit(trainer: SFTTrainer, checkpoint: str | None, callback: "_Steps") -> None:
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except torch.OutOfMemoryError:
        raise TrainingError(
            "out of memory; lower sft.trl.per_device_train_batch_size (sft.batch_size stays), "
            "turn on sft.trl.gradient_checkpointing, or take sft.adapter: lora"
        ) from None
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _TORCH_SAVE.search(str(error)):
            raise
        raise StoreError(
            f"a checkpoint could not be saved: {error}; free some space and run the same "
            "command again: it goes on from the checkpoint before"
        ) from None
    finally:
        callback.close()


def _read_examples(
    recipe: Recipe, paths: RunPaths, tokenizer
) -> tuple[list[Example], dict[str, int]]:
    """Examples of the kept traces, in the order of their ids, the faulty ones left out.

    Returns: the examples, and for each fault how many have it.
    Raises: TrainingError if none is kept, or if so many are faulty that the template is.
    """
    examples, faulty = [], defaultdict(list)
    with closing(Store(paths.store)) as store:
        for trace_id, prompt, completion in _kept_texts(recipe, store, tokenizer):
            example = build_example(prompt, completion, tokenizer)
            fault = find_fault(
                example,
                prompt=prompt,
                completion=completion,
                tokenizer=tokenizer,
                max_length=recipe.sft.max_length,
            )
            if fault is None:
                examples.append(example)
            else:
                faulty[fault].append(trace_id)
    _report_faults(faulty, sound=len(examples))
    return examples, {str(fault): len(ids) for fault, ids in sorted(faulty.items())}


def _kept_texts(recipe: Recipe, store: Store, tokenizer) -> Iterator[tuple[str, str, str]]:
    """Id, student's prompt and completion of every kept trace."""
    questions = {p.problem_id: p.question for p in store.scan("problems", Problem)}
    prompts = {
        problem_id: render_prompt(question, prompt=recipe.sft.prompt, tokenizer=tokenizer)
        for problem_id, question in questions.items()
    }
    for decision in store.scan("decisions", Decision):
        if not decision.kept:
            continue
        trace = store.get("traces", decision.trace_id, Trace)
        if trace is None or trace.problem_id not in prompts:
            raise StoreError(
                f"{store.path}: decision {decision.trace_id!r} has no trace or problem"
            )
        prompt = prompts[trace.problem_id]
        yield (
            decision.trace_id,
            prompt,
            fit_completion(trace.completion, teacher_prompt=trace.prompt, student_prompt=prompt),
        )


def _report_faults(faulty: dict[Fault, list[str]], *, sound: int) -> None:
    """Say what is left out; a few faulty traces are theirs, many are the template's."""
    total = sound + sum(map(len, faulty.values()))
    if total == 0:
        raise TrainingError("no trace was kept, so there is nothing to learn from")
    for fault, ids in sorted(faulty.items()):
        message = f"{len(ids)} of {total} examples: {fault}: {MEANING[fault]} (first: {ids[0]})"
        systematic = fault is not Fault.TOO_LONG and len(ids) > MAX_FAULTY_SHARE * total
        if systematic or len(ids) == total:
            raise TrainingError(message)
        logger.warning("left out: %s", message)
    if sound == 0:
        raise TrainingError(f"every one of the {total} examples is faulty; see the lines above")


def _checkpoint_to_go_on_from(paths: RunPaths) -> Path | None:
    """The newest undamaged checkpoint; damaged ones are removed, later metrics forgotten."""
    newest, damaged = checkpoints.newest_whole(_checkpoint_folder(paths))
    for checkpoint, damage in damaged:
        logger.warning("%s %s; going on from before it", checkpoint, damage)
        checkpoints.remove(checkpoint)
    step = int(newest.name.rpartition("-")[2]) if newest else 0
    drop_metrics(paths.metrics, "sft", after_step=step)
    return newest


def _checkpoint_folder(paths: RunPaths) -> Path:
    return paths.sft / "checkpoints"


def _dataset(examples: list[Example]) -> Dataset:
    """Token ids and labels, ready for the collator: trl adds, cuts and masks nothing."""
    ids = List(Value("int32"))
    columns = {
        "input_ids": [example.input_ids for example in examples],
        "labels": [example.labels for example in examples],
    }
    return Dataset.from_dict(columns, features=Features({"input_ids": ids, "labels": ids}))


def _trainer_config(recipe: Recipe, paths: RunPaths, *, rows: int) -> SFTConfig:
    """SFTConfig of a recipe; `rows` are the examples of all epochs, already in their order."""
    sft: Sft = recipe.sft
    gpu = torch.cuda.is_available()
    steps = math.ceil(rows / sft.batch_size)
    micro = sft.trl.get("per_device_train_batch_size", sft.batch_size)
    chosen: dict[str, Any] = {
        "output_dir": str(_checkpoint_folder(paths)),
        "learning_rate": sft.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "warmup_steps": round(sft.warmup_share * steps),
        "num_train_epochs": 1,
        "max_length": None,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": sft.batch_size // micro,
        "bf16": gpu,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": gpu,
        "seed": derived_seed(recipe.seed, "sft") % 2**32,
        "save_strategy": "steps",
        "save_steps": sft.save_every_steps,
        "save_total_limit": KEPT_CHECKPOINTS,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "include_num_input_tokens_seen": "non_padding",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if sft.trl.get("lr_scheduler_type", "cosine_with_min_lr") == "cosine_with_min_lr":
        chosen["lr_scheduler_kwargs"] = {"min_lr_rate": MIN_RATE_SHARE}
    try:
        return SFTConfig(**{**chosen, **sft.trl, SAMPLING: "sequential"})  # the rows are in order
    except (TypeError, ValueError, ImportError, RuntimeError, OSError) as error:
        raise RecipeError(f"sft.trl: SFTConfig refuses it: {error}") from None


class _Steps(TrainerCallback):
    """Shows the bar, writes one metrics line per step, seals each checkpoint."""

    def __init__(self, paths: RunPaths, *, examples_per_epoch: int, batch_size: int) -> None:
        self.paths = paths
        self.epochs_per_step = batch_size / examples_per_epoch
        self.bar = None
        self.since = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = progress(state.max_steps, "sft", done=state.global_step)
        self.since = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs is None or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss is {logs['loss']} at step {state.global_step}; the checkpoint before "
                "it is kept; lower sft.learning_rate (in another --out)"
            )
        now = time.monotonic()
        log_metrics(
            self.paths.metrics,
            "sft",
            step=state.global_step,
            epoch=round(state.global_step * self.epochs_per_step, 4),
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            grad_norm=float(logs["grad_norm"]),
            tokens=int(state.num_input_tokens_seen),
            seconds=round(now - self.since, 4),
        )
        self.since = now
        self.bar.tell(loss=f"{logs['loss']:.3f}")
        self.bar.update(1)

    def on_save(self, args, state, control, **kwargs):
        checkpoints.seal(_checkpoint_folder(self.paths) / f"checkpoint-{state.global_step}")
        self.since = time.monotonic()  # saving is no training

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _totals(paths: RunPaths) -> dict[str, Any]:
    """What the metrics lines of the steps add up to."""
    steps = [line for line in read_metrics(paths.metrics, "sft") if "loss" in line]
    return {
        "steps": len(steps),
        "tokens": steps[-1]["tokens"],
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
        "train_seconds": round(sum(line["seconds"] for line in steps), 2),
    }


def _finish(paths: RunPaths) -> None:
    """Checkpoints are of no more use; say what was done."""
    shutil.rmtree(_checkpoint_folder(paths), ignore_errors=True)
    found = read_metrics(paths.metrics, "sft", event="trained")
    if not found:
        return
    total = found[-1]
    summary(
        "sft",
        f"{total['examples']} examples, {total['tokens']} tokens trained in {total['steps']} "
        f"steps, loss {total['first_loss']:.3f} -> {total['last_loss']:.3f}, "
        f"{total['train_seconds']:.0f} s",
    )

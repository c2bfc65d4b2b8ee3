"""`distill mini build`: the mini world from nothing: problems, models and their measure."""

import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
import torch

from distill.chat import render_prompt
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.transformers import load_engine
from distill.errors import EngineError, RecipeError, nearest
from distill.files import write_whole
from distill.mini.build import PLANS, Plan, build, shortened
from distill.mini.families import problem_files
from distill.problems.overlap import check_disjoint
from distill.recipe import Positive
from distill.records import Problem
from distill.runlog import derived_seed, summary
from distill.verifiers.verdict import Verifier

SAMPLES = 4
MAX_TOKENS = 400
SEED = 17
SHIPPED = "data/mini"


def run(
    *, out: str = SHIPPED, only: str | None = None, jobs: Positive = 2, share: float = 1.0
) -> None:
    """Make the mini world again: problems, teacher and students, measured accuracy, README.

    Models are made beside `out`, in `out`.building, and take their places when all are trained.
    Stopped, the same command goes on with the models that are not finished.

    Args:
        out: the folder to write.
        only: one model's name, to train just that one.
        jobs: models trained at the same time, each on one thread.
        share: of every phase's steps; below 1 for a trial of the way, not of the models.
    Raises: RecipeError for arguments that cannot be obeyed.
    """
    _check(out, only, jobs, share)
    root, workshop = Path(out), Path(f"{out}.building")
    problems = problem_files()
    check_disjoint(problems)
    for name, rows in problems.items():
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        write_whole(root / "problems" / f"{name}.jsonl", lines)
    summary("mini", ", ".join(f"{len(rows)} {name}" for name, rows in problems.items()))
    names = [only] if only else list(PLANS)
    _train([name for name in names if not (workshop / name).exists()], workshop, jobs, share)
    for name in names:
        shutil.rmtree(root / name, ignore_errors=True)
        (workshop / name).rename(root / name)
    shutil.rmtree(workshop)
    tests = {
        name: rows[: max(3, round(share * len(rows)))]
        for name, rows in problems.items()
        if name.startswith("test_")
    }
    measured = {name: _measure(root / name, tests) for name in PLANS if (root / name).exists()}
    write_whole(root / "README.md", _readme(problems, measured, root, share))
    summary("mini", f"done: {root}/README.md says what was made and measured")


def _check(out: str, only: str | None, jobs: int, share: float) -> None:
    if only is not None and only not in PLANS:
        known = ", ".join(PLANS)
        raise RecipeError(f"--only={only}: expected one of {known}{nearest(only, list(PLANS))}")
    if jobs < 1:
        raise RecipeError(f"--jobs={jobs}: expected 1 or more")
    if not 0 < share <= 1:
        raise RecipeError(f"--share={share}: expected a number above 0 and at most 1")
    if share < 1 and Path(out).resolve() == Path(SHIPPED).resolve():
        raise RecipeError(
            f"--share={share} would replace {SHIPPED} by half-trained models: add --out"
        )


def _train(names: list[str], workshop: Path, jobs: int, share: float) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        started = {pool.submit(_train_one, name, workshop / name, share): name for name in names}
        for future in as_completed(started):
            minutes = future.result() / 60
            summary("mini", f"{started[future]} trained in {minutes:.0f} minutes")


def _train_one(name: str, folder: Path, share: float) -> float:
    """Train one model; its folder appears when it is whole."""
    torch.set_num_threads(1)
    start = time.monotonic()
    unfinished = folder.with_name(f".{name}.unfinished")
    build(name, unfinished, share=share, report=lambda text: print(text, flush=True))
    unfinished.rename(folder)
    return time.monotonic() - start


Measured = dict[tuple[str, str], float]  # (test set, family or "thinks") to a share


def _measure(folder: Path, tests: dict[str, list[Problem]]) -> Measured:
    """Share of right completions by test set and family, and the share that think.

    Raises: EngineError if a verdict is missing: a share over the others would not be honest.
    """
    engine = load_engine(str(folder))
    params = SamplingParams(max_tokens=MAX_TOKENS, logprobs=False)
    found: dict[tuple[str, str], list[bool]] = {}
    with Verifier() as verifier:
        for test_set, problems in tests.items():
            prompts = [
                Prompt(
                    text=render_prompt(problem.question, prompt="r1-zero"),
                    seeds=tuple(
                        derived_seed(SEED, "measure", problem.problem_id, index)
                        for index in range(SAMPLES)
                    ),
                )
                for problem in problems
            ]
            groups = generate(engine, prompts, params)
            for problem, group in zip(problems, groups, strict=True):
                for completion in group:
                    verdict = verifier.verify(
                        problem, problem.problem_id, completion.text, completion.finish_reason
                    )
                    if verdict.correct is None:
                        raise EngineError(f"{problem.problem_id}: not verified: {verdict.reason}")
                    found.setdefault((test_set, problem.family), []).append(verdict.correct)
                    found.setdefault((test_set, "thinks"), []).append("<think>" in completion.text)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _readme(
    problems: dict[str, list[Problem]], measured: dict[str, Measured], root: Path, share: float
) -> str:
    """The folder's own README: what is in it, how it was made, what was measured."""
    sizes = "\n".join(f"- `problems/{name}.jsonl`: {len(rows)}" for name, rows in problems.items())
    models = "\n".join(f"- `{name}`: {_describe(PLANS[name], share)}" for name in measured)
    families = sorted({problem.family for problem in problems["train"]})
    lines = [
        f"| model | test set | {' | '.join(families)} | all | thinks |",
        "|---|---|" + "---|" * (len(families) + 2),
    ]
    for name, shares in measured.items():
        for test_set in sorted({key[0] for key in shares}):
            cells = [shares[(test_set, family)] for family in families]
            everything = [sum(cells) / len(cells), shares[(test_set, "thinks")]]
            row = " | ".join(f"{100 * value:.0f}%" for value in [*cells, *everything])
            lines.append(f"| {name} | {test_set} | {row} |")
    weights = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / 1e6
    return _TEMPLATE.format(
        sizes=sizes, models=models, table="\n".join(lines), samples=SAMPLES, weights=weights
    )


def _describe(plan: Plan, share: float) -> str:
    phases = ", then ".join(f"{phase.steps} steps" for phase in shortened(plan, share))
    return (
        f"{plan.architecture}, width {plan.width}, {plan.layers} layers, {plan.heads} heads; "
        f"{phases} of {plan.documents_per_step} documents, seed {plan.seed}"
    )


_TEMPLATE = """# The mini world

Small real models and procedural problems: everything the toolkit does runs on them, on a laptop,
offline. `distill mini build` makes this folder again from nothing; it wrote this page too.

## Problems
Made by reasoning-gym's generators (Apache-2.0): sums of two-digit numbers, products of digits, legs
of animals; ranges in `distill/mini/families.py`. The split of a question is decided by its hash, so
train, RL and test share none; no model was pretrained on a test question or on a `long` one.
{sizes}

## Models
Trained from scratch by `distill/mini/pretrain.py` on text written by `distill/mini/corpus.py`,
saved in bfloat16. The teacher's corpus has chains of thought for all three families, with checks,
slips that are noticed and corrected, and 6% of messes (mixed languages, loops, code, lost answers).
The students' corpus has chains for sums only, and last of all mostly direct answers: they can
think about sums and hardly ever do; about products and legs they have never seen a thought. The
Qwen2 student also read pages of single facts (`5 dogs: 5 * 4 = 20`) and of copies, which belong to
no question: it knows what a chain about products or legs is made of, and not how to make one.
{models}

Time: not measured as one run. Made one by one on two busy cores, with one thread each, the teacher
took 2.4 steps a second, the students about 4: by that, about 75 minutes with two at a time.

## Measured
Share right, temperature 1, {samples} completions per problem; `thinks`: share with a think block.

{table}

All of the folder: {weights:.1f} MB.
"""

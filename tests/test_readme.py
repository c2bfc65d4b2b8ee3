"""Every command of the README is run, in its order, on a short version of the mini recipe."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from distill.recipe import Filter, Sample, Verify
from distill.records import Decision, Problem, Trace
from distill.store import RunPaths, Store

ROOT = Path(__file__).parent.parent
SHORT = [
    "--problems.limit=12",
    "--problems.rl_limit=12",
    "--sft.epochs=1",
    "--grpo.steps=1",
    "--threads=1",
    "--grpo.prompts_per_step=4",
    "--grpo.runs.distilled_grpo.steps=1",
    "--evaluate.limit=3",
    "--evaluate.completions_per_problem=2",
    "--evaluate.k=2",
    "--evaluate.max_tokens=120",
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
STAGES = "run|plan|sample|verify|filter|ablate|sft|grpo|evaluate|report"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def distill(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "distill.cli", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout


def in_folder(command, folder):
    """A README command as words, its folders and files moved and its recipe made short."""
    words = shlex.split(command, comments=True)[1:]
    moved = []
    for word in words:
        word = word.replace("runs/", f"{folder}/")
        for name in ("traces", "verdicts", "decisions", "pairs", "checked"):
            word = re.sub(rf"^(--\w+=)?{name}\.jsonl$", rf"\g<1>{folder}/{name}.jsonl", word)
        moved.append(word)
    if re.fullmatch(STAGES, moved[0]) and moved[1] == "recipes/mini-adaptive.yaml":
        moved += ["--problems.limit=12", "--threads=1", f"--out={folder}/mini-adaptive"]
    if re.fullmatch(STAGES, moved[0]) and moved[1] == "recipes/mini.yaml":
        moved += SHORT
        if not any(word.startswith("--out=") for word in moved):
            moved.append(f"--out={folder}/mini")
    return moved


def build_a_little(folder):
    """`distill mini build`, for one student and a thousandth of its steps."""
    words = ("--share=0.001", "--only=student-llama", f"--out={folder}/world")
    assert "from nothing" in distill("mini", "build", "--help")
    distill("mini", "build", *words)
    assert (folder / "world" / "student-llama" / "model.safetensors").exists()
    assert "| student-llama | test_easy |" in (folder / "world" / "README.md").read_text()


def write_traces(folder):
    """The short run's own traces, in the shape of anybody's trace file."""
    store = Store(RunPaths(folder / "mini").store)
    problems = {problem.problem_id: problem for problem in store.scan("problems", Problem)}
    with open(folder / "traces.jsonl", "w", encoding="utf-8") as handle:
        for trace in store.scan("traces", Trace):
            problem = problems[trace.problem_id]
            row = {"problem": problem.question, "gold": problem.reference}
            row |= {"id": trace.trace_id, "response": trace.completion}
            handle.write(json.dumps(row) + "\n")
    store.close()
    pairs = [{"pred": "1/2", "gold": "0.5"}, {"pred": "2", "gold": "3"}]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))


@pytest.mark.slow
def test_every_command_of_the_readme_runs(folder):
    ran = 0
    for command in COMMANDS:
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        assert command.startswith("distill "), command
        if "--traces=" in command and not (folder / "traces.jsonl").exists():
            write_traces(folder)
        if command.startswith("distill mini build"):
            build_a_little(folder)
            continue
        distill(*in_folder(command, folder))
        ran += 1
    assert ran >= 8
    paths = RunPaths(folder / "mini")
    rows = json.loads(paths.table.read_text())
    assert {row["row"] for row in rows} >= {"base", "R1-Zero (GRPO)", "Distilled (SFT)", "teacher"}
    assert paths.report_html.stat().st_size > 10_000
    assert len((folder / "verdicts.jsonl").read_text().splitlines()) == 48
    checked = [json.loads(line) for line in (folder / "checked.jsonl").read_text().splitlines()]
    assert [line["correct"] for line in checked] == [True, False]


@pytest.mark.slow
def test_the_dataset_of_a_run_opens_with_datasets(folder):
    import datasets

    if not (folder / "mini").exists():
        pytest.skip("the short run above did not get so far")
    store = Store(RunPaths(folder / "mini").store)
    kept = [d for d in store.scan("decisions", Decision) if d.kept]
    store.close()
    opened = datasets.load_dataset(str(folder / "mini" / "dataset"), split="train")
    assert len(opened) == len(kept) > 0


def test_the_python_of_the_readme_gives_what_it_says():
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec("\n".join(line for line in block.splitlines() if line.startswith("from ")), names)
    lines = [line.split("  # ") for line in block.splitlines() if "  # " in line]
    assert [eval(code, names) for code, _ in lines] == [said == "True" for _, said in lines]
    assert len(lines) == 2


def test_the_yaml_of_the_readme_is_read_by_a_recipe():
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    sections = {key: value for block in blocks for key, value in yaml.safe_load(block).items()}
    assert msgspec.convert(sections["sample"], Sample).adaptive.needed == 2
    assert msgspec.convert(sections["verify"], Verify).judge.ask == "undecided"
    assert msgspec.convert(sections["filter"], Filter).accept == "or"


def test_a_misspelt_word_is_refused_before_any_work():
    done = subprocess.run(
        [sys.executable, "-m", "distill.cli", "rnu", "recipes/mini.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "run" in done.stderr

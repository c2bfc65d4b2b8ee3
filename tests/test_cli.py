"""The command line refuses what it does not know before any work, and ends in one line."""

import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from distill import cli
from distill.arguments import function_at, parse_value
from distill.errors import RecipeError
from distill.recipe import Filter, MathPolicy
from distill.recipe_file import load_recipe
from distill.store import RunPaths, Store
from distill.usage import HELP

GYM = "reasoning-gym:chain_sum?seed={seed}&size={size}&min_terms=2&max_terms=2"
DISTILL = [sys.executable, "-m", "distill.cli"]
VERIFY_FILE, FILTER_FILE = cli.FILE_MODES["verify"], cli.FILE_MODES["filter"]
HEAVY = ("torch", "transformers", "trl", "datasets", "reasoning_gym", "math_verify", "matplotlib")


@pytest.fixture
def recipe(tiny_model, tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    tree = {
        "name": "tiny",
        "problems": {
            "train": GYM.format(seed=1000, size=40),
            "rl": GYM.format(seed=2000, size=4),
        },
        "sample": {
            "teacher": str(tiny_model),
            "prompt": "plain",
            "completions_per_problem": 2,
            "batch_size": 4,
            "max_tokens": 16,
        },
        "sft": {"base": str(tiny_model), "prompt": "plain"},
        "evaluate": {"test_sets": {"easy": GYM.format(seed=3000, size=4)}},
    }
    path.write_text(json.dumps(tree))
    return path


def refused(argv: list[str], capsys) -> str:
    """The one line on stderr of a command line that must be refused with exit code 2."""
    assert cli.call(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_shows_every_command(argv, capsys):
    assert cli.call(argv) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)


@pytest.mark.parametrize("name", list(HELP))
def test_every_command_explains_itself_with_an_example(name, capsys):
    for argv in ([*name.split(), "--help"], [*name.split(), "-h"], ["help", *name.split()]):
        assert cli.call(argv) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"distill {name}")
        assert "Examples:\n  distill " in out


@pytest.mark.parametrize(
    ("name", "place"), [*cli.FUNCTIONS.items(), ("verify", VERIFY_FILE), ("filter", FILTER_FILE)]
)
def test_help_tells_every_flag_with_its_default(name, place):
    told = HELP[name].replace("--skip-bad", "--skip_bad").replace("PAIRS", "--pairs=")
    for parameter in inspect.signature(function_at(place)).parameters.values():
        section = Filter if parameter.kind is parameter.VAR_KEYWORD else parameter.annotation
        if section not in (Filter, MathPolicy):
            assert f"--{parameter.name}=" in told
            continue
        if (name, section) == ("filter", MathPolicy):
            continue  # "as of `distill verify`"
        for field in msgspec.structs.fields(section):
            assert f"--{field.name}=" in told
            value = msgspec.json.encode(field.default).decode().strip('"')
            assert f"--{field.name}={value}" in told or value.startswith("[")


def test_help_for_mini_is_that_of_its_one_command(capsys):
    for argv in (["mini", "--help"], ["help", "mini"]):
        assert cli.call(argv) == 0
        assert capsys.readouterr().out.startswith("distill mini build")


def test_help_knows_all_commands_and_no_others():
    names = [name for name in cli.COMMANDS if name != "mini"]
    assert sorted(HELP) == sorted(cli.POSITIONALS) == sorted([*names, "mini build"])


def test_the_examples_of_help_are_accepted():
    for text in HELP.values():
        examples = text.partition("Examples:\n")[2].partition("\n\n")[0].replace("\\\n", " ")
        for line in examples.strip().splitlines():
            words = shlex.split(line)
            assert words[0] == "distill"
            cli.checked(words[1:])


def test_help_loads_nothing_heavy():
    code = (
        "import sys, distill.cli as cli; cli.call(['--help']); cli.call(['sft', '--help']);"
        f"sys.exit(sum(name in sys.modules for name in {HEAVY!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


MISSPELT = [
    (["smaple", "r.yaml"], "no such command 'smaple'; did you mean 'sample'?"),
    (["mini", "biuld"], "the only thing to do is `build`"),
    (["mini"], "the only thing to do is `build`"),
    (["mini", "build", "--ouput=x"], "no such flag --ouput; did you mean '--out'?"),
    (["run", "{}", "--ouput=x"], "no such flag --ouput; did you mean '--out'?"),
    (["run", "{}", "--learning_rate=1"], "did you mean '--sft.learning_rate'?"),
    (["run", "{}", "--learning-rate=1"], "did you mean '--sft.learning_rate'?"),
    (["sft", "{}", "--sft.learning_rat=1"], "no such key; did you mean 'learning_rate'?"),
    (["sft", "{}", "--stf.rank=1"], "no such flag --stf.rank; did you mean '--sft.rank'?"),
    (["sft", "{}", "--sft=1"], "sft is a section of the recipe"),
    (["sft", "{}", "--sft.rank"], "--sft.rank has no value"),
    (["sft", "{}", "--sft.rank", "--out=x"], "--sft.rank has no value"),
    (["sft", "{}", "--sft.rank=1", "--sft.rank=2"], "--sft.rank is given twice"),
    (["sft", "{}", "--sft.rank=1.5"], "sft.rank is 1.5 (float); expected `int`"),
    (["sft", "{}", "--sft.trl={a"], "not a YAML value"),
    (["sft", "{}", "-o", "x"], "flags are written --key=value"),
    (["sft", "{}", "--", "--interactive"], "flags are written --key=value"),
    (["sft", "{}", "-"], "flags are written --key=value"),
    (["sft"], "distill sft needs RECIPE"),
    (["sft", "{}", "more"], "one word too many: 'more'"),
    (["run", "{}x"], "no such recipe; did you mean"),
    (["verify", "--trace=x"], "no such flag --trace; did you mean '--traces'?"),
    (["verify", "--traces=x", "--refrence=y"], "did you mean '--reference'?"),
    (["verify", "--traces=x", "--problem=q"], "distill verify needs --completion=..."),
    (
        ["verify", "--traces=x", "--policy.rounded_digit=4"],
        "did you mean '--policy.rounded_digits'?",
    ),
    (["verify", "{}", "--rounded_digits=4"], "did you mean '--verify.policy.rounded_digits'?"),
    (["verify", "{}", "--verify.policy.rounded_digit=4"], "did you mean 'rounded_digits'?"),
    (["verify", "{}", "--verify.judge.modl=x"], "verify.judge.modl: no such key; did you mean 'm"),
    (["verify", "{}", "--verify.judge.ask=all"], "verify.judge.model is missing"),
    (["check-answer", "--answer=1"], "distill check-answer needs --reference=..."),
    (["check-answer", "--anser=1"], "did you mean '--answer'?"),
    (["check-answer", "1", "2"], "one word too many: '1'; a flag is written --key=value"),
    (["filter", "x.jsonl"], "x.jsonl is no recipe; a file of traces is given by --traces=x.jsonl"),
    (["filter"], "distill filter needs RECIPE, or --traces=FILE"),
    (["verify", "{}", "--problem=q"], "--problem goes with --traces=FILE"),
    (["verify", "--traces=", "--problem=q", "--completion=t", "--reference=a", "--out=o"], "empty"),
    (["check-answers", "--out=x"], "distill check-answers needs PAIRS"),
    (["check-answers", "--pairs=x.jsonl", "--out=y"], "x.jsonl: no such file"),
    (["check-answers", "x.jsonl"], "distill check-answers needs --out=..."),
    (["check-answers", "x.jsonl", "--pairs=y"], "PAIRS is given twice"),
    (["check-answers", "x.jsonl", "--out=y", "--skip_badd=y"], "did you mean '--skip_bad'?"),
    (["chek-answers", "x.jsonl"], "no such command 'chek-answers'; did you mean 'check-answers'?"),
    (["filter", "--traces=x", "--max_paragraph_char=y"], "did you mean '--max_paragraph_chars'?"),
    (["show", "x", "--trace=1"], "distill show: no such flag --trace"),
    (["show"], "distill show needs RUN"),
    (["run", "{}", "--out="], "--out is empty"),
    (["run", "{}/x.yaml"], "cannot be read as a recipe"),
    (["run", "n" * 300], "cannot be read as a recipe"),
    (["show", "a", "b", "c"], "one word too many: 'c'"),
    (["plan"], "distill plan needs RECIPE"),
    (["plan", "{}", "--pilots=3"], "no such flag --pilots; did you mean '--pilot'?"),
    (["plan", "{}", "--pilot=0"], "--pilot=0: expected `int` >= 1"),
    (["plan", "{}", "--pilot=few"], "--pilot=few: expected `int`, got `str`"),
    (["plan", "{}", "--from="], "--from is empty"),
    (["plan", "{}", "--source=x"], "no such flag --source"),
    (["plan", "{}", "--sample.adaptive.neded=1"], "no such key; did you mean 'needed'?"),
    (["plan", "{}", "--sample.max_usd=3"], "sample.price says that all is free"),
    (["plan", "{}", "--sample.engine=server"], "sample.server is missing"),
    (["sample", "{}", "--pilot=3"], "no such flag --pilot"),
    (["replay"], "distill replay needs RUN"),
    (["replay", "x", "--out=y"], "distill replay: no such flag --out"),
    (["replay", "x", "--seed=3"], "--seed changes nothing here; expected keys of sample or filter"),
    (["replay", "x", "--problems.limit=3"], "--problems.limit changes nothing here"),
]


VERIFY = ["verify", "--traces=x", "--problem=q", "--reference=a", "--completion=t", "--out=o"]
CHECK = ["check-answer", "--answer=1", "--reference=1"]
FILTER = ["filter", "--traces=x", "--problem=q", "--completion=t", "--out=o"]
OUT_OF_BOUNDS = [
    ([*VERIFY, "--workers=0"], "--workers=0: expected `int` >= 1"),
    ([*VERIFY, "--workers=two"], "--workers=two: expected `int | null`, got `str`"),
    ([*VERIFY, "--timeout_seconds=abc"], "--timeout_seconds=abc: expected `float`"),
    ([*VERIFY, "--timeout_seconds=-1"], "--timeout_seconds=-1: expected `float` > 0.0"),
    ([*VERIFY, "--timeout_seconds=.nan"], "--timeout_seconds=.nan: expected a number that ends"),
    ([*VERIFY, "--timeout_seconds=.inf"], "--timeout_seconds=.inf: expected a number that ends"),
    ([*FILTER, "--keep_per_problem=0"], "--keep_per_problem=0: expected `int` >= 1"),
    ([*FILTER, "--max_foreign_share=2"], "--max_foreign_share=2: expected `float` <= 1.0"),
    ([*FILTER, "--require_think=null"], "--require_think=null: expected `bool`, got `null`"),
    ([*FILTER, "--keep=frist"], "expected first, shortest, median, random, diverse; did you"),
    ([*FILTER, "--accept=rul"], "expected none, rule, judge, or, and; did you mean 'rule'?"),
    ([*FILTER, "--drop_verdicts=wrong"], "list, as '--key=[unverified, truncated, no_answer, wr"),
    ([*FILTER, "--drop_verdicts=[wrng]"], "no_answer, wrong; did you mean 'wrong'?"),
    ([*FILTER, "--forbid=word"], "--forbid=word: expected `array`, got `str`; write a list, as '"),
    ([*CHECK, "--relative_tolerance=.inf"], "--relative_tolerance=.inf: expected a number that"),
    ([*CHECK, "--rounded_digits=0"], "--rounded_digits=0: expected `int` >= 1"),
    ([*CHECK, "--policy.ignore_case=maybe"], "--policy.ignore_case=maybe: expected `bool`"),
    ([*CHECK, "--ignore_case=true", "--policy.ignore_case=true"], "are the same; keep one"),
    ([*CHECK, "--timeout_seconds=0"], "--timeout_seconds=0: expected `float` > 0.0"),
    (["mini", "build", "--jobs=0"], "--jobs=0: expected `int` >= 1"),
    (["mini", "build", "--share=abc"], "--share=abc: expected `float`, got `str`"),
    (["mini", "build", "--share=0"], "--share=0.0: expected a number above 0 and at most 1"),
]


@pytest.mark.parametrize(("argv", "message"), OUT_OF_BOUNDS, ids=lambda value: str(value)[-40:])
def test_a_number_out_of_its_bounds_is_refused(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = refused(argv, capsys)
    assert message.casefold() in said.casefold()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("argv", "message"), MISSPELT, ids=lambda value: str(value)[:40])
def test_what_is_misspelt_is_refused_with_the_nearest_name(
    argv, message, recipe, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    argv = [word.replace("{}", str(recipe)) for word in argv]
    assert message in refused(argv, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


VALUES = {
    "1e-4": 1e-4,
    "1.0e-4": 1e-4,
    "-2E+3": -2000.0,
    "3": 3,
    "0.5": 0.5,
    "true": True,
    "null": None,
    "lora": "lora",
    "'3'": "3",
    "[a, b]": ["a", "b"],
    "{packing: false}": {"packing": False},
    "reasoning-gym:chain_sum?seed=1&size=2": "reasoning-gym:chain_sum?seed=1&size=2",
    "org/model@main": "org/model@main",
    "": None,
}


@pytest.mark.parametrize("text", VALUES)
def test_values_are_read_as_yaml_and_as_floats(text):
    found = parse_value(text)
    assert found == VALUES[text]
    assert type(found) is type(VALUES[text])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("5", "correct  route="),
        ("-5", "wrong  route="),
        ("--5", ""),
        ("the answer is 5", "correct"),
    ],
)
def test_check_answer_prints_one_line_and_ends_well_whatever_the_verdict(answer, said, capsys):
    assert cli.call(["check-answer", f"--answer={answer}", "--reference=5"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.startswith(said)
    assert "reason=" in out
    assert "seconds=" in out


def test_check_answers_takes_its_file_as_a_word_and_flags_with_dashes(tmp_path, capsys):
    pairs, out, bad = (tmp_path / name for name in ("pairs.jsonl", "out.jsonl", "bad.jsonl"))
    pairs.write_text('{"pred": "5", "gold": "5"}\n{"pred": "6"}\n')
    words = ["check-answers", str(pairs), "--out", str(out), f"--skip-bad={bad}", "--workers=1"]
    assert cli.call(words) == 0
    assert json.loads(out.read_text())["correct"] is True
    assert json.loads(bad.read_text())["line"] == 2


def test_flags_may_stand_anywhere_and_take_their_value_after_a_space():
    spaced = cli.checked(["run", "--out", "x", "r.yaml", "--sft.rank", "4", "--seed", "-1"])
    joined = cli.checked(["run", "r.yaml", "--out=x", "--sft.rank=4", "--seed=-1"])
    assert spaced == joined == ["run", "r.yaml", "sft.rank=4", "seed=-1", "--out=x"]


def test_a_name_with_a_dash_reaches_the_recipe_as_it_is(recipe, tmp_path):
    argv = ["sample", str(recipe), f"--out={tmp_path / 'run'}"]
    argv += ["--grpo.runs.my-run.start_from=base", "--sft.learning_rate=1e-3", "--problems.limit=2"]
    assert cli.call(argv) == 0
    saved = load_recipe(tmp_path / "run" / "recipe.yaml")
    assert saved.grpo.runs["my-run"].start_from == "base"
    assert saved.sft.learning_rate == 1e-3


def test_a_stage_prints_its_funnel_and_show_reads_the_run(recipe, tmp_path, capsys):
    folder = str(tmp_path / "run")
    limited = ["--problems.limit=3", f"--out={folder}"]
    for stage in ("sample", "verify", "filter"):
        assert cli.call([stage, str(recipe), *limited]) == 0
    capsys.readouterr()
    assert cli.call(["show", folder]) == 0
    out = capsys.readouterr().out
    assert "3 problems, 6 traces, 0 failures, 6 verdicts, 6 decisions" in out
    trace_id = next(word for word in out.split() if "#" in word)
    assert cli.call(["show", folder, trace_id]) == 0
    assert f"trace {trace_id} by " in capsys.readouterr().out
    assert cli.call(["ablate", str(recipe), *limited]) == 0
    assert (tmp_path / "run" / "ablation" / "ablation.md").exists()


def test_expected_failures_are_one_line_and_exit_1(recipe, tmp_path, capsys):
    assert cli.call(["verify", str(recipe), f"--out={tmp_path / 'run'}"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "run `distill sample RECIPE` first" in err
    assert cli.call(["show", str(tmp_path)]) == 1
    assert "no run in this folder" in capsys.readouterr().err


def test_explain_ends_well_or_loudly(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.call(["explain", str(recipe), f"--out={tmp_path / 'run'}"]) == 0
    assert "the rewards hold" in capsys.readouterr().out
    broken = tmp_path / "broken.jsonl"
    fields = {"problem_id": "p", "question": "q", "reference": "2", "verifier": "reasoning-gym"}
    broken.write_text(json.dumps(fields))
    assert cli.call(["explain", str(recipe), f"--problems.train={broken}"]) == 1
    out, err = capsys.readouterr()
    assert "FAILED: p" in out
    assert "trial of the rewards FAILED" in err
    assert not (tmp_path / "run").exists()


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def wait_for_traces(path: Path, number: int, child: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        if path.exists():
            store = Store(path)
            found = store.count("traces")
            store.close()
            if found >= number:
                return
        time.sleep(0.01)


def test_ctrl_c_says_how_to_go_on_and_going_on_works(recipe, tmp_path, capsys):
    paths = RunPaths(tmp_path / "run")
    argv = ["sample", str(recipe), f"--out={paths.root}"]
    child = subprocess.Popen(
        [*DISTILL, *argv], env=environment(), stderr=subprocess.PIPE, text=True
    )
    wait_for_traces(paths.store, 1, child)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert err.rstrip().endswith(cli.STOPPED)
    assert err.startswith("sample: begins at 0 of 80 (0%)\n")
    assert "Traceback" not in err
    assert cli.call(argv) == 0
    store = Store(paths.store)
    assert store.count("traces") == 80
    store.close()


def test_a_reader_that_leaves_is_no_error(recipe, tmp_path):
    show = subprocess.Popen(
        [*DISTILL, "run", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert show.stdout is not None
    show.stdout.close()
    assert b"Traceback" not in show.stderr.read()
    show.wait()


def test_checked_never_lets_fire_see_a_flag_of_its_own():
    for word in ("--interactive", "--trace", "--completion", "--verbose", "--separator=x"):
        with pytest.raises(RecipeError):
            cli.checked(["run", "r.yaml", word])

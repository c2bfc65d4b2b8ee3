"""kill -9 at random moments over a whole run, resumed each time, against an uninterrupted run.

    python benchmarks/kill_resume.py --kills=20

Both runs are of the mini recipe, made short. Compared: every trace, verdict, decision and score,
the final weights of every model, the table. Exits 1 if anything was lost, doubled or changed.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fire

from distill.records import Decision, Score, Trace, Verdict
from distill.store import RunPaths, Store

SHORT = [
    "--problems.limit=48",
    "--problems.rl_limit=48",
    "--sample.problems_per_batch=16",
    "--sft.epochs=2",
    "--sft.save_every_steps=3",
    "--grpo.steps=4",
    "--grpo.prompts_per_step=6",
    "--grpo.save_every_steps=2",
    "--grpo.runs.distilled_grpo.steps=2",
    "--evaluate.limit=9",
    "--evaluate.completions_per_problem=2",
    "--evaluate.k=2",
]


def main(
    kills: int = 20, seed: int = 1, folder: str = "runs/kill-resume", threads: int = 1
) -> None:
    """Run once undisturbed and once with kills, then compare.

    Args:
        kills: how many kill -9 before the run is left to finish.
        seed: of the random moments.
        folder: two run folders are made inside it, and removed first.
        threads: CPU threads of each run.
    """
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    command = [sys.executable, "-m", "distill.cli", "run", "recipes/mini.yaml", *SHORT]
    command.append(f"--threads={threads}")
    start = time.monotonic()
    subprocess.run([*command, f"--out={root / 'whole'}"], check=True, capture_output=True)
    whole_seconds = time.monotonic() - start
    print(f"uninterrupted: {whole_seconds:.0f} s")
    rng = random.Random(seed)
    done = 0
    while done < kills:
        seconds = rng.uniform(2.0, max(4.0, whole_seconds * 0.45))
        if _run_and_kill([*command, f"--out={root / 'killed'}"], seconds):
            done += 1
            print(f"kill {done} after {seconds:.1f} s: {_progress(root / 'killed')}", flush=True)
        else:  # it finished before the kill: everything is done, so begin again
            print("finished before the kill; compared, begun again", flush=True)
            _compare(root)
            shutil.rmtree(root / "killed")
    subprocess.run([*command, f"--out={root / 'killed'}"], check=True, capture_output=True)
    _compare(root)
    print(f"{kills} kills: same traces, verdicts, decisions, scores, weights and table")


def _run_and_kill(command: list[str], seconds: float) -> bool:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    if process.returncode != 0:
        sys.exit(f"the run failed with exit code {process.returncode}")
    return False


def _progress(folder: Path) -> str:
    path = RunPaths(folder).store
    if not path.exists():
        return "nothing stored yet"
    store = Store(path)
    counts = [f"{store.count(t)} {t}" for t in ("traces", "verdicts", "decisions", "scores")]
    store.close()
    return ", ".join(counts)


def _compare(root: Path) -> None:
    whole, killed = (_content(root / name) for name in ("whole", "killed"))
    for name, expected in whole.items():
        if killed.get(name) != expected:
            sys.exit(f"DIFFERENT: {name}: see {root}/whole and {root}/killed")
    print(", ".join(f"{name} equal" for name in whole), flush=True)


def _content(folder: Path) -> dict[str, str]:
    """What must be equal, hashed: records without what is a time, weights, table."""
    paths = RunPaths(folder)
    store = Store(paths.store)
    kinds = {"traces": Trace, "verdicts": Verdict, "decisions": Decision, "scores": Score}
    found = {}
    for table, kind in kinds.items():
        rows = [
            {f: getattr(row, f) for f in row.__struct_fields__ if f != "seconds"}
            for row in store.scan(table, kind)
        ]
        found[f"{len(rows)} {table}"] = _hash(repr(rows).encode())
    store.close()
    for weights in sorted(folder.glob("*/**/model/*.safetensors")):
        found[str(weights.relative_to(folder))] = _hash(weights.read_bytes())
    rows = json.loads(paths.table.read_text())
    found["table.json"] = _hash(
        repr([{key: row[key] for key in row if key != "seconds"} for row in rows]).encode()
    )
    return found


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


if __name__ == "__main__":
    fire.Fire(main)

"""kill -9 at random moments, resumed each time, against an uninterrupted run.

    python benchmarks/kill_resume.py --kills=20                    # the whole line, transformers
    python benchmarks/kill_resume.py --kills=25 --command=sample   # only the sampling
    python benchmarks/kill_resume.py --kills=25 --command=sample --adaptive
    python benchmarks/kill_resume.py --kills=25 --engine=vllm      # only the sampling, from here
    python benchmarks/kill_resume.py --kills=25 --engine=server
    python benchmarks/kill_resume.py --kills=25 --engine=ray
    python benchmarks/kill_resume.py --quick --engine=vllm         # 3 kills

Both runs are of the mini recipe, made short. The display of each run is read up to the kill: what
it has shown as done must be there afterwards. In the end every trace is compared, and with
transformers every verdict, decision and score, the final weights and the table as well. A server
is vLLM's own, serving the mini teacher on this machine, unless --url names another; it lives on
while its client is killed. Exits 1 if anything was lost, doubled or, where the engine gives the
same for the same seeds (transformers), changed; elsewhere the share of equal texts is told.
"""

import hashlib
import json
import os
import pty
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fire

from distill.records import Decision, Failure, Preview, Score, Trace, Verdict
from distill.runlog import read_metrics
from distill.store import RunPaths, Store

TEACHER = Path("data/mini/teacher")
RUN = [
    "--problems.limit=48",
    "--problems.rl_limit=48",
    "--sample.batch_size=64",
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
SAMPLE = ["--problems.limit=150", "--sample.batch_size=64"]
ENGINES = {
    "transformers": [],
    "vllm": ["--sample.engine=vllm", "--sample.vllm.cpu_kv_cache_gb=1"],
    "ray": ["--sample.engine=ray", "--sample.ray.actors=2", "--sample.ray.cpus_per_actor=0.5"],
    "server": ["--sample.engine=server", "--sample.server.max_in_flight=32"],
}
EARLY_SHARE = 0.2  # of the kills, at any moment since the start; the others while it samples
SHOWN = re.compile(rb"sample\s+\d+%[^\r]*?([\d,]+)/[\d,]+ \[")


def main(
    kills: int = 20,
    engine: str = "transformers",
    command: str = "",
    adaptive: bool = False,
    seed: int = 1,
    folder: str = "runs/kill-resume",
    threads: int = 1,
    url: str = "",
    quick: bool = False,
) -> None:
    """Run once undisturbed and once with kills, then compare.

    Args:
        kills: how many kill -9 before the run is left to finish.
        engine: one of ENGINES.
        command: run (all stages) or sample; by default run for transformers, else sample.
        adaptive: sample adaptively; only transformers asks the same then.
        seed: of the random moments.
        folder: two run folders are made inside it, and removed first.
        threads: CPU threads of each run.
        url: of a server of the mini teacher that is there already.
        quick: 3 kills.
    """
    kills = 3 if quick else kills
    command = command or ("run" if engine == "transformers" else "sample")
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    with _server(url) if engine == "server" else _nothing() as address:
        words = [sys.executable, "-m", "distill.cli", command, "recipes/mini.yaml"]
        words += [f"--threads={threads}", *(RUN if command == "run" else SAMPLE), *ENGINES[engine]]
        if adaptive:
            words.append("--sample.adaptive.needed=2")
        if address:
            words += [f"--sample.server.url={address}", f"--sample.teacher={TEACHER}"]
        _kill_and_compare(words, root, kills, random.Random(seed), exact=engine == "transformers")


def _kill_and_compare(
    command: list[str], root: Path, kills: int, rng: random.Random, *, exact: bool
) -> None:
    start = time.monotonic()
    subprocess.run([*command, f"--out={root / 'whole'}"], check=True, capture_output=True)
    whole = time.monotonic() - start
    lines = read_metrics(RunPaths(root / "whole").metrics, "sample")
    sampling = sum(line["seconds"] for line in lines)
    print(f"uninterrupted: {whole:.0f} s, {sampling:.0f} of them sampling", flush=True)
    done = finished = 0
    while done < kills:
        run = Run([*command, f"--out={root / 'killed'}"])
        if command[3] == "run" or rng.random() < EARLY_SHARE:
            is_killed = run.kill_after(rng.uniform(0.0, 0.45 * whole))
        else:
            is_killed = run.kill_after(rng.uniform(0.0, 0.6 * sampling), since_sampling=True)
        if is_killed:
            done += 1
            print(f"kill {done} after {run.seconds:.1f} s: {_stored(root, run.shown)}", flush=True)
        else:  # it finished before the kill: everything is done, so begin again
            finished += 1
            _compare(root, exact=exact)
            shutil.rmtree(root / "killed")
    subprocess.run([*command, f"--out={root / 'killed'}"], check=True, capture_output=True)
    _compare(root, exact=exact)
    print(f"{kills} kills, {finished + 1} times finished: nothing lost, nothing twice")


class Run:
    """A run whose display goes to a terminal of ours."""

    def __init__(self, command: list[str]) -> None:
        self.shown = 0  # traces that it has told to be stored
        self.seconds = 0.0
        self._ours, theirs = pty.openpty()
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def kill_after(self, seconds: float, *, since_sampling: bool = False) -> bool:
        """Kill it with all of its group after a while; False if it ended before.

        Args:
            since_sampling: count from the first trace that it shows.
        """
        while since_sampling and not self.shown and self._process.poll() is None:
            time.sleep(0.01)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=seconds)
        ended = self._process.poll()
        self.seconds = time.monotonic() - self._began
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=10)
        os.close(self._ours)
        if ended not in (None, 0):
            sys.exit(f"the run failed with exit code {ended}")
        return ended is None

    def _read(self) -> None:
        """What the display has shown, up to the end."""
        text = b""
        with suppress(OSError):  # the other end is gone
            while some := os.read(self._ours, 65536):
                text = (text + some)[-4096:]
                if found := SHOWN.findall(text):
                    self.shown = int(found[-1].replace(b",", b""))


def _stored(root: Path, shown: int) -> str:
    """What a killed run has stored. Exits if that is less than it has shown."""
    path = RunPaths(root / "killed").store
    if not path.exists():
        return "nothing stored yet"
    store = Store(path)
    traces = store.count("traces")
    counts = [f"{store.count(t)} {t}" for t in ("traces", "verdicts", "decisions", "scores")]
    store.close()
    if traces < shown:
        sys.exit(f"LOST: {shown} traces were shown as stored, {traces} are")
    return f"{', '.join(counts)}; {shown} had been shown"


# --- comparing --------------------------------------------------------------------------------


def _compare(root: Path, *, exact: bool) -> None:
    whole, killed = (_traces(root / name) for name in ("whole", "killed"))
    if lost := whole.keys() - killed.keys():
        sys.exit(f"LOST: {len(lost)} traces, such as {min(lost)}")
    if more := killed.keys() - whole.keys():
        sys.exit(f"MORE: {len(more)} traces that were not asked, such as {min(more)}")
    same = sum(killed[key] == text for key, text in whole.items())
    print(f"{len(whole)} traces, the same set; {100 * same / len(whole):.1f}% of the texts equal")
    if not exact:
        return
    first, second = (_content(root / name) for name in ("whole", "killed"))
    for name, expected in first.items():
        if second.get(name) != expected:
            sys.exit(f"DIFFERENT: {name}: see {root}/whole and {root}/killed")
    print(", ".join(f"{name} equal" for name in first), flush=True)


def _traces(folder: Path) -> dict[str, str]:
    store = Store(RunPaths(folder).store)
    found = {
        trace.trace_id: _hash(trace.completion.encode()) for trace in store.scan("traces", Trace)
    }
    store.close()
    return found


def _content(folder: Path) -> dict[str, str]:
    """What must be equal, hashed: records without what is a time, weights, table."""
    paths = RunPaths(folder)
    store = Store(paths.store)
    kinds = {
        "traces": Trace,
        "failures": Failure,
        "previews": Preview,
        "verdicts": Verdict,
        "decisions": Decision,
        "scores": Score,
    }
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
    if paths.table.exists():
        rows = json.loads(paths.table.read_text())
        found["table.json"] = _hash(
            repr([{key: row[key] for key in row if key != "seconds"} for row in rows]).encode()
        )
    return found


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


# --- a server ---------------------------------------------------------------------------------


@contextmanager
def _nothing() -> Iterator[str]:
    yield ""


@contextmanager
def _server(url: str) -> Iterator[str]:
    """Address of a server of the mini teacher: the one that is there, or one of ours."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, socket.socket() as place:
        model = _servable(Path(folder) / "teacher")
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
        place.close()
        words = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        words += ["--served-model-name", str(TEACHER), "--port", str(port), "--host", "127.0.0.1"]
        words += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "1024"]
        words += ["--max-num-seqs", "32"]
        env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        with open(Path(folder) / "log", "wb") as log:
            process = subprocess.Popen(
                words, stdout=log, stderr=log, env=env, start_new_session=True
            )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, Path(folder) / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _servable(folder: Path) -> Path:
    """The mini teacher with heads of a width that vLLM knows on a CPU."""
    from transformers import AutoConfig, AutoTokenizer

    from distill.engines.heads import save_with_known_heads

    folder.mkdir()
    save_with_known_heads(str(TEACHER), "main", AutoConfig.from_pretrained(TEACHER), folder)
    AutoTokenizer.from_pretrained(TEACHER).save_pretrained(folder)
    return folder


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    sys.exit(f"vLLM's server did not come up: {log.read_text()[-2000:]}")


if __name__ == "__main__":
    fire.Fire(main)

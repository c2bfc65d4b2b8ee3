"""Real actors with the mini teacher inside, on a Ray that is started here for the whole file."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from distill.engines.base import Prompt, Request, SamplingParams, generate
from distill.engines.open import open_engine
from distill.errors import EngineError, StoreError
from distill.recipe import RayCluster, Vllm
from distill.records import Completion, FailureReason

ray = pytest.importorskip("ray", reason='the engine needs ray: pip install "r1-distill[ray]"')

TEACHER = Path(__file__).parents[2] / "data" / "mini" / "teacher"
GREEDY = SamplingParams(max_tokens=48, temperature=0.0)
SAMPLED = SamplingParams(max_tokens=200, temperature=1.5)
CPUS = 0.25  # of an actor: leaves room for the engines that tests open beside


def ask(count, max_tokens=48):
    return [Request(f"p#{n}", f"What is {n} + {n}? ", n, max_tokens) for n in range(count)]


def actor_processes(root=None):
    family = (root or psutil.Process()).children(recursive=True)
    return [process for process in family if "EngineActor" in process.name()]


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited for too long"
        time.sleep(0.1)


# ---------------------------------------------------------------- before Ray is started


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://127.0.0.1:9", "no Ray cluster answers at 'ray://127.0.0.1:9'.*refused"),
        ("127.0.0.1:9", "no Ray cluster answers.*refused.*ray start --head"),
        ("auto", "no Ray cluster answers"),
        ("local", "this machine alone is what is taken where no address is given"),
    ],
)
def test_an_address_where_nobody_is_is_told_at_once(address, said, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # or "auto" finds another's cluster
    assert not ray.is_initialized()
    started = time.monotonic()
    with pytest.raises(EngineError, match=said):
        open_engine("ray", str(TEACHER), ray=RayCluster(address=address))
    assert time.monotonic() - started < 60


def test_without_ray_the_install_line_is_told(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("distill.engines.ray")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r'pip install "r1-distill\[ray\]"'):
        open_engine("ray", str(TEACHER))


def test_fewer_gpus_than_vllm_is_to_spread_over_are_refused():
    with pytest.raises(EngineError, match="gpus_per_actor is 1; expected at least 2"):
        open_engine(
            "ray",
            str(TEACHER),
            vllm=Vllm(tensor_parallel_size=2),
            ray=RayCluster(engine="vllm", gpus_per_actor=1),
        )


# ---------------------------------------------------------------- two actors


@pytest.fixture(scope="module")
def engine():
    keys = RayCluster(actors=2, cpus_per_actor=CPUS)
    engine = open_engine("ray", str(TEACHER), batch_size=8, ray=keys)
    family = psutil.Process().children(recursive=True)
    yield engine
    engine.close()
    assert not ray.is_initialized(), "Ray was started by the engine, so it ends with it"
    _, left = psutil.wait_procs(family, timeout=20)
    assert left == []


def test_greedy_text_equals_the_engine_inside(engine, list_feed):
    feed = list_feed(ask(30), pieces=(3, 0, 11))
    engine.work(feed, GREEDY)
    alone = open_engine("transformers", str(TEACHER), batch_size=8)
    expected = list_feed(ask(30))
    alone.work(expected, GREEDY)
    assert feed.under_way == {}
    assert {key: result.text for key, result in feed.results.items()} == {
        key: result.text for key, result in expected.results.items()
    }
    assert engine.name == f"ray {ray.__version__} + {alone.name}"
    assert engine.tokenizer.get_vocab() == alone.tokenizer.get_vocab()
    assert not engine.in_waves


def test_each_request_has_its_own_limit(engine, list_feed):
    requests = [Request(f"p#{n}", "What is 1 + 1? ", n, 1 + n % 5) for n in range(20)]
    feed = list_feed(requests)
    engine.work(feed, SAMPLED)
    for request in requests:
        result = feed.results[request.key]
        assert result.completion_tokens == len(result.token_ids) <= request.max_tokens
        assert len(result.logprobs) == len(result.token_ids)


def test_both_actors_work(engine):
    processes = actor_processes()
    before = {process.pid: sum(process.cpu_times()[:2]) for process in processes}
    generate(engine, [Prompt("What is 1 + 1? ", tuple(range(120)))], SAMPLED)
    used = [sum(process.cpu_times()[:2]) - before[process.pid] for process in processes]
    assert len(used) == 2
    assert min(used) > 0.1 * max(used)


def test_what_is_withdrawn_ends_and_the_rest_is_answered(engine, list_feed):
    def withdraw(feed):
        return [key for key in feed.under_way if feed.results and key not in feed.named][1::2]

    feed = list_feed(ask(60, max_tokens=200), withdraw)
    engine.work(feed, SAMPLED)
    assert len(feed.results) == 60
    failures = {key for key, result in feed.results.items() if not isinstance(result, Completion)}
    assert failures
    assert failures <= feed.named
    assert {feed.results[key].reason for key in failures} == {FailureReason.WITHDRAWN}


def test_a_feed_that_fails_leaves_the_engine_usable(engine, list_feed):
    feed, results = list_feed(ask(40)), []

    def fail(request, result):
        results.append(result)
        raise StoreError("disk full")

    feed.done = fail
    with pytest.raises(StoreError, match="disk full"):
        engine.work(feed, SAMPLED)
    assert len(results) == 1
    test_greedy_text_equals_the_engine_inside(engine, type(feed))


def test_what_killed_actors_had_under_way_is_answered_all_the_same(engine, list_feed):
    wait_until(lambda: len(actor_processes()) == 2)
    feed = list_feed(ask(300, max_tokens=200))
    done, pids = feed.done, [process.pid for process in actor_processes()]

    def done_and_kill(request, result):
        done(request, result)
        for at, pid in zip((20, 100), pids, strict=True):  # first one, then the other
            if len(feed.results) == at:
                os.kill(pid, signal.SIGKILL)

    feed.done = done_and_kill
    engine.work(feed, SAMPLED)
    assert len(feed.results) == 300
    assert all(isinstance(result, Completion) for result in feed.results.values())
    wait_until(lambda: len(actor_processes()) == 2)
    assert not {process.pid for process in actor_processes()} & set(pids)


# ---------------------------------------------------------------- a second engine on that Ray


def test_what_has_no_place_is_refused_with_what_there_is(engine):
    cpus = ray.cluster_resources()["CPU"]
    keys = RayCluster(actors=2, gpus_per_actor=4000)
    with pytest.raises(EngineError, match=r"2 actors with 1 CPU, 4000 GPU each.* can hold 0 such"):
        open_engine("ray", str(TEACHER), ray=keys)
    keys = RayCluster(actors=3, cpus_per_actor=cpus / 2)
    with pytest.raises(EngineError, match=rf"have {cpus:g} CPU.* can hold 2 such"):
        open_engine("ray", str(TEACHER), ray=keys)


def test_a_place_that_is_taken_is_not_waited_for_in_silence(engine, monkeypatch, caplog):
    monkeypatch.setattr("distill.engines.ray.PLACE_SECONDS", 4.0)
    monkeypatch.setattr("distill.engines.ray.WARN_SECONDS", 1.0)
    keys = RayCluster(actors=1, cpus_per_actor=ray.cluster_resources()["CPU"])
    with pytest.raises(EngineError, match="none of them has run; the cluster has free"):
        open_engine("ray", str(TEACHER), ray=keys)
    assert "0 of 1 actors run; the others wait for a place" in caplog.text


def test_a_model_that_cannot_be_opened_is_told_once_with_its_reason(engine, tmp_path, list_feed):
    shutil.copytree(TEACHER, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"no weights")
    before = actor_processes()
    keys = RayCluster(actors=2, cpus_per_actor=CPUS)
    with pytest.raises(EngineError) as refused:
        open_engine("ray", str(tmp_path / "model"), ray=keys)
    assert str(refused.value).count("cannot be opened as a causal language model") == 1
    assert "every node opens the model by itself" in str(refused.value)
    wait_until(lambda: actor_processes() == before)
    engine.work(list_feed(ask(3)), GREEDY)  # the other engine goes on


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_vllm_inside_writes_the_same_greedy_text(engine, list_feed):
    keys = RayCluster(engine="vllm", cpus_per_actor=CPUS)
    vllm = Vllm(cpu_kv_cache_gb=1, max_model_len=256)
    before = actor_processes()
    other = open_engine("ray", str(TEACHER), batch_size=8, vllm=vllm, ray=keys)
    try:
        feed, expected = list_feed(ask(20)), list_feed(ask(20))
        other.work(feed, GREEDY)
        engine.work(expected, GREEDY)
    finally:
        other.close()
    assert " + vllm " in other.name
    assert {key: result.text for key, result in feed.results.items()} == {
        key: result.text for key, result in expected.results.items()
    }
    assert ray.is_initialized(), "the second engine found Ray running and leaves it so"
    wait_until(lambda: actor_processes() == before)


# ---------------------------------------------------------------- the end of the driver

DRIVER = """
import sys
from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.open import open_engine
from distill.recipe import RayCluster

engine = open_engine("ray", sys.argv[1], batch_size=4, ray=RayCluster(actors=2))
prompts = [Prompt("What is 1 + 1? ", tuple(range(100_000)))]
try:
    generate(engine, prompts, SamplingParams(max_tokens=200), lambda *_: print("one", flush=True))
finally:
    engine.close()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_however_the_driver_ends_no_engine_of_it_is_left(how):
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(TEACHER)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert driver.stdout.readline() == "one\n"
    family = psutil.Process(driver.pid).children(recursive=True)
    assert len(actor_processes(psutil.Process(driver.pid))) == 2
    # two small processes of Ray itself need a minute to see that a killed raylet is gone
    late = {process.pid for process in family if process.name().endswith("Agent")}
    assert len(late) <= 2
    driver.send_signal(how)
    _, errors = driver.communicate(timeout=120)
    assert (how is signal.SIGINT) == ("KeyboardInterrupt" in errors)
    if how is signal.SIGKILL:
        family = [process for process in family if process.pid not in late]
    _, left = psutil.wait_procs(family, timeout=30)
    assert left == []

"""The server engine against vLLM's own server with the mini teacher, on this machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from transformers import AutoConfig

from distill.chat import render_prompt
from distill.engines.base import Prompt, Request, SamplingParams, generate
from distill.engines.heads import save_with_known_heads
from distill.engines.open import open_engine
from distill.errors import EngineError
from distill.recipe import Server
from distill.records import Completion, FailureReason

if find_spec("vllm") is None:
    pytest.skip(
        "vLLM is not installed: requirements/install.sh puts its CPU build on x86-64 Linux",
        allow_module_level=True,
    )

MINI = Path(__file__).parents[2] / "data" / "mini"
TEACHER = str(MINI / "teacher")
KEY = "sk-SECRET-0123456789abcdef"
LOGPROB_TOLERANCE = 1e-4  # natural log, float32
CHAT_TEMPLATE = "User: {{ messages[0]['content'] }}\nAssistant:"
FLAGS = "--host 127.0.0.1 --dtype float32 --enforce-eager --max-model-len 512 --max-num-seqs 16"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The teacher with heads that vLLM's CPU kernels know; its own defaults would be greedy."""
    folder = tmp_path_factory.mktemp("served")
    save_with_known_heads(TEACHER, "main", AutoConfig.from_pretrained(TEACHER), folder)
    for file in Path(TEACHER).glob("tokenizer*"):
        shutil.copy(file, folder)
    greedy = {"eos_token_id": 1, "pad_token_id": 0, "top_k": 1, "repetition_penalty": 1.5}
    (folder / "generation_config.json").write_text(json.dumps(greedy))
    (folder / "template.jinja").write_text(CHAT_TEMPLATE)
    return folder


@pytest.fixture(scope="module")
def address(model):
    """vLLM's server, started as a program; its address without /v1."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *FLAGS.split()]
    command += ["--model", str(model), "--served-model-name", "mini", "--port", str(port)]
    command += ["--chat-template", str(model / "template.jinja")]
    quiet = {"VLLM_API_KEY": KEY, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with (model / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, model / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _get(url: str) -> str:
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return answer.read().decode()


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            _get(url)
            return
        except OSError:
            time.sleep(1)
    raise TimeoutError(log.read_text()[-3000:])


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)


@pytest.fixture
def engine(address, key):
    server = Server(url=f"{address}/v1", key_variable="TEACHER_KEY", max_in_flight=8)
    engine = open_engine("server", "mini", server=server)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def questions() -> list[str]:
    lines = (MINI / "problems" / "test_easy.jsonl").read_text().splitlines()
    return [json.loads(line)["question"] for line in lines[:8]]


@pytest.fixture(scope="module")
def prompts(questions) -> list[str]:
    return [render_prompt(question, prompt="r1-zero") for question in questions]


def test_the_server_says_who_it_is(engine):
    assert engine.name == "server vllm 0.32.0"


def test_it_writes_what_the_transformers_engine_writes(engine, prompts):
    greedy = SamplingParams(max_tokens=100, temperature=0.0)
    asked = [Prompt(text, (0,)) for text in prompts]
    with closing(open_engine("transformers", TEACHER)) as peer:
        expected = [completion for [completion] in generate(peer, asked, greedy)]
    found = [completion for [completion] in generate(engine, asked, greedy)]
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.finish_reason) == (other.text, other.finish_reason)
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=LOGPROB_TOLERANCE)
        assert one.prompt_tokens == other.prompt_tokens
        assert one.completion_tokens == len(other.token_ids)
        assert one.tokens_are_counted
        assert one.seconds > 0


def test_what_is_drawn_is_what_the_recipe_says_and_depends_on_the_seed(engine, prompts):
    params = SamplingParams(max_tokens=60, logprobs=False)
    asked = [Prompt(prompts[0], (*range(6), 0, 2**62))]
    texts = [completion.text for completion in generate(engine, asked, params)[0]]
    assert texts[6] == texts[0]
    assert len(set(texts)) > 4  # the served model's own defaults, top_k 1, would give one


def test_a_chat_goes_through_the_servers_template(engine, questions, list_feed):
    question = questions[0]
    rendered = CHAT_TEMPLATE.replace("{{ messages[0]['content'] }}", question)
    requests = [Request("chat", question, 3, 60, is_chat=True), Request("plain", rendered, 3, 60)]
    feed = list_feed(requests)
    engine.work(feed, SamplingParams(max_tokens=60))
    chat, plain = feed.results["chat"], feed.results["plain"]
    assert chat.text == plain.text
    assert chat.text.startswith("<think>")
    assert (chat.token_ids, chat.prompt_tokens) == (plain.token_ids, plain.prompt_tokens)


def test_a_prompt_that_is_too_long_is_refused_alone(engine, prompts, list_feed):
    requests = [Request("long", prompts[0] * 40, 0, 20), Request("short", prompts[0], 0, 20)]
    feed = list_feed(requests)
    engine.work(feed, SamplingParams(max_tokens=20, logprobs=False))
    assert isinstance(feed.results["short"], Completion)
    refused = feed.results["long"]
    assert (refused.reason, refused.attempts) == (FailureReason.REFUSED, 1)
    assert refused.detail.startswith("400: ")
    assert "512" in refused.detail


def test_a_withdrawn_request_stops_on_the_server(engine, address, prompts, list_feed):
    endless = SamplingParams(max_tokens=350, logprobs=False)
    requests = [Request(str(at), prompts[0], at, 350) for at in range(4)]
    named = iter([["0", "1", "2", "3"]])

    def once_they_run(feed):
        return next(named, []) if _running(address) == 4 else []

    bias = {"logit_bias": {"1": -100}}  # without the end token they would run to the limit
    server = Server(
        url=f"{address}/v1", key_variable="TEACHER_KEY", max_in_flight=4, extra_body=bias
    )
    feed = list_feed(requests, withdraw=once_they_run)
    with open_engine("server", "mini", server=server) as other:
        other.work(feed, endless)
    assert {result.reason for result in feed.results.values()} == {FailureReason.WITHDRAWN}
    for _ in range(50):
        if _running(address) == 0:
            break
        time.sleep(0.1)
    assert _running(address) == 0


def _running(address: str) -> int:
    """Requests that the server is working on, by its own metrics."""
    lines = _get(f"{address}/metrics").splitlines()
    [line] = [line for line in lines if line.startswith("vllm:num_requests_running{")]
    return round(float(line.split()[-1]))


def test_a_wrong_key_and_a_wrong_model_say_what_to_do(address, monkeypatch):
    server = Server(url=f"{address}/v1", key_variable="TEACHER_KEY")
    with (
        open_engine("server", "maxi", server=server) as engine,
        pytest.raises(EngineError, match=r"no model 'maxi'.*sample\.teacher.*lists mini"),
    ):
        generate(engine, [Prompt("x", (1,))], SamplingParams(max_tokens=5))
    monkeypatch.setenv("TEACHER_KEY", "sk-wrong-0123456789")
    with pytest.raises(EngineError, match=r"refuses us \(401.*TEACHER_KEY") as caught:
        open_engine("server", "mini", server=server)
    assert "wrong" not in str(caught.value)

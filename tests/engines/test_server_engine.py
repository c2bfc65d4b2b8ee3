"""The server engine against a real local server that misbehaves on purpose."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import uuid
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from distill.engines.base import Prompt, Request, SamplingParams, generate
from distill.engines.open import open_engine
from distill.engines.server import ServerEngine
from distill.errors import EngineError
from distill.recipe import Server
from distill.records import Completion, FailureReason

SCRIPT = Path(__file__).with_name("misbehaving_server.py")
KEY = "sk-SECRET-0123456789abcdef"
GOOD = "<think>\nThree and four.\n</think>\n\nIt is 7."
PARAMS = SamplingParams(max_tokens=50, logprobs=False)


class Local:
    """The server in a process of its own, on a port that stays the same when it is restarted."""

    def __init__(self, port: int = 0, after_seconds: float = 0.0) -> None:
        self.port = port or _free_port()
        self.start(after_seconds)

    def start(self, after_seconds: float = 0.0) -> None:
        command = [sys.executable, SCRIPT, str(self.port), str(after_seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()


@pytest.fixture
def local():
    """A server that may be killed, started half a second after the test."""
    server = Local(after_seconds=0.5)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def port():
    server = Local()
    _wait_for(server.port)
    yield server.port
    server.kill()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)


def _keys(port: int, run: str | None = None, **changes) -> Server:
    keys = {"max_in_flight": 64, "attempts": 3, "request_seconds": 1.0} | changes
    url = f"http://127.0.0.1:{port}/{run or uuid.uuid4().hex}/v1"
    return Server(url=url, key_variable="TEACHER_KEY", **keys)


def _engine(keys: Server) -> ServerEngine:
    return ServerEngine("good-model", keys, backoff_seconds=0.02)


def _requests(words: list[str], **changes) -> list[Request]:
    """Requests that ask the server to behave so, in turn."""
    texts = [f"{at}: {word}" for at, word in enumerate(words)]
    return [Request(f"p{at}", text, at, 50, **changes) for at, text in enumerate(texts)]


def _seen(keys: Server) -> dict:
    """What the server saw of a run."""
    with build_opener(ProxyHandler({})).open(keys.url.removesuffix("/v1") + "/seen") as answer:
        return json.load(answer)


def _in_order(feed) -> list:
    return [feed.results[f"p{at}"] for at in range(len(feed.results))]


def _wait_until_seen(keys: Server, what: str, count: int) -> list[str]:
    """The prompts that the server saw in such a way, once there are so many; at most five seconds.

    Args:
        what: "attempts" for those that arrived, "dropped" for those whose connection was closed.
    """
    for _ in range(100):
        if len(seen := _seen(keys)[what]) >= count:
            break
        time.sleep(0.05)
    return sorted(seen)


def _work(engine: ServerEngine, feed) -> None:
    engine.work(feed, PARAMS)


PASSING = [  # what goes wrong at first, and is then tried again
    ("429", "rate limit without Retry-After"),
    ("429-0.4s", "rate limit with it"),
    ("503-0.4s", "overload with it"),
    ("500", "server error"),
    ("502-html", "a proxy's page"),
    ("reset", "connection reset before the answer"),
    ("cut", "connection closed within the answer"),
    ("hang", "no answer at all"),
    ("trickle", "an answer byte by byte"),
    ("bad-json", "half an answer"),
    ("html", "a page with status 200"),
    ("deep", "200,000 brackets"),
    ("no-choices", "an answer without choices"),
    ("null", "content is null"),
    ("empty", "an empty text that nobody counted"),
    ("aborted", "finish_reason abort"),
    ("error-in-200", "an error with status 200"),
    ("500 429 reset", "several, one after the other"),
]


def test_what_passes_is_tried_again_and_nothing_is_lost_or_twice(port, list_feed):
    keys = _keys(port, attempts=4)
    feed = list_feed(_requests([f"{words} ok" for words, _ in PASSING]))
    with _engine(keys) as engine:
        _work(engine, feed)
    assert not feed.waiting
    assert {r.text for r in feed.results.values()} == {GOOD}, feed.results
    costs = {words: r.retried for (words, _), r in zip(PASSING, _in_order(feed), strict=True)}
    told = costs["no-choices"]
    assert (told.reason, told.attempts) == (FailureReason.RETRIED, 1)
    assert (told.prompt_tokens, told.completion_tokens) == (11, 22), "what the server told"
    for lasting in ("hang", "trickle"):
        assert costs[lasting].completion_tokens > 0, "it may have written all that time"
    for words in ("cut", "bad-json", "null"):
        assert costs[words].prompt_tokens > 0, "it may have worked on it"
    assert costs["429"] is costs["500"] is None, "nothing was written"
    tries = {text: len(times) for text, times in _seen(keys)["attempts"].items()}
    assert tries == {
        f"{at}: {words} ok": len(words.split()) + 1 for at, (words, _) in enumerate(PASSING)
    }


LASTING = [
    ("500", FailureReason.SERVER_ERROR, 3, "500: oops"),
    ("502-html", FailureReason.SERVER_ERROR, 3, "502: Bad gateway"),
    ("reset", FailureReason.SERVER_ERROR, 3, "broken connection"),
    ("cut", FailureReason.SERVER_ERROR, 3, "broken connection"),
    ("hang", FailureReason.TIMEOUT, 3, "no whole reply within 0.5 s"),
    ("trickle", FailureReason.TIMEOUT, 3, "no whole reply within 0.5 s"),
    ("bad-json", FailureReason.BAD_REPLY, 3, "expected JSON with 'choices'"),
    ("html", FailureReason.BAD_REPLY, 3, "expected JSON with 'choices'"),
    ("deep", FailureReason.BAD_REPLY, 3, "expected JSON with 'choices'"),
    ("no-choices", FailureReason.EMPTY, 3, "no choices"),
    ("null", FailureReason.EMPTY, 3, "no text"),
    ("aborted", FailureReason.SERVER_ERROR, 3, "finish_reason abort"),
    ("10-mb", FailureReason.TOO_LARGE, 1, "longer than 2 MB"),
    ("filtered", FailureReason.REFUSED, 1, "finish_reason content_filter"),
    ("moderated", FailureReason.REFUSED, 1, "403: flagged"),
    ("too-long", FailureReason.REFUSED, 1, "400: maximum context length is 2048 tokens"),
]


def test_what_lasts_becomes_a_failure_with_its_reason(port, list_feed):
    feed = list_feed(_requests([words for words, *_ in LASTING]))
    with _engine(_keys(port, request_seconds=0.5)) as engine:
        _work(engine, feed)
    for at, (words, reason, attempts, detail) in enumerate(LASTING):
        failure = feed.results[f"p{at}"]
        assert (failure.reason, failure.attempts) == (reason, attempts), words
        assert detail in failure.detail, words
        assert failure.trace_id == f"p{at}"


ODD = [  # request, text, finish reason, completion tokens, whether they were counted
    ("wrong-type", GOOD, "stop", 22, True),
    ("blank-first", GOOD, "stop", 22, True),
    ("ended-at-once", "", "stop", 1, True),
    ("no-usage", GOOD, "stop", 12, False),  # 42 bytes at 3.5 a token
    ("no-finish", GOOD, "stop", 22, True),
    ("odd-finish", GOOD, "stop", 22, True),
    ("half-pair", "\ufffd 7", "stop", 22, True),
    ("key-in-text", "7 ***", "stop", 22, True),
]


def test_odd_replies_are_read(port, list_feed):
    feed = list_feed(_requests([words for words, *_ in ODD]))
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    for at, (words, text, finish, tokens, counted) in enumerate(ODD):
        found = feed.results[f"p{at}"]
        assert (found.text, found.finish_reason) == (text, finish), words
        assert (found.completion_tokens, found.tokens_are_counted) == (tokens, counted), words


def test_a_chat_sends_a_message_and_merges_the_reasoning(port, list_feed):
    keys = _keys(port, extra_body={"thinking": {"type": "enabled"}}, send_seed=False)
    feed = list_feed(_requests(["ok", "thought-beside", "thought-only"], is_chat=True))
    with _engine(keys) as engine:
        engine.work(feed, SamplingParams(max_tokens=50, temperature=0.6, top_p=0.9, top_k=20))
    texts = [feed.results[f"p{at}"].text for at in range(3)]
    assert texts == [GOOD, "<think>\n3+4\n</think>\n\n7", "<think>\nHm"]
    assert feed.results["p2"].finish_reason == "length"
    sent = {body.pop("messages")[0]["content"]: body for body in _seen(keys)["bodies"]}
    assert sent["0: ok"] == {
        "model": "good-model",
        "max_tokens": 50,
        "temperature": 0.6,
        "top_p": 0.9,
        "top_k": 20,
        "logprobs": True,
        "thinking": {"type": "enabled"},
        "path": keys.url.removeprefix(f"http://127.0.0.1:{port}") + "/chat/completions",
    }


HOPELESS = [
    ("401", ["refuses us", "401: Incorrect API key provided", "TEACHER_KEY"]),
    ("401-echo", ["refuses us", "TEACHER_KEY"]),
    ("403", ["refuses us", "403: not allowed", "TEACHER_KEY"]),
    ("402", ["no credit left", "402: Insufficient Balance"]),
    ("404-model", ["no model 'good-model'", "sample.teacher", "good-model, other-model"]),
    ("400-model", ["no model 'good-model'", "sample.teacher", "good-model, other-model"]),
    ("404", ["no such place", "sample.server.url", "/v1"]),
    ("redirect", ["redirects to", "/elsewhere/v1/completions", "sample.server.url"]),
]


@pytest.mark.parametrize(("words", "said"), HOPELESS)
def test_what_no_request_survives_ends_the_run_with_one_error(port, list_feed, words, said):
    keys = _keys(port, max_in_flight=4)
    feed = list_feed(_requests(["ok", words, "hang", "hang", "hang", "hang"]))
    with _engine(keys) as engine, pytest.raises(EngineError) as caught:
        _work(engine, feed)
    assert all(part in str(caught.value) for part in [keys.url, *said]), caught.value
    assert isinstance(feed.results.pop("p0"), Completion)
    assert not feed.results, "the requests of a run that cannot go on are asked again"
    assert "elsewhere" not in {body["path"].split("/")[1] for body in _seen(keys)["bodies"]}


def test_the_key_shows_nowhere(port, list_feed, caplog):
    caplog.set_level(logging.DEBUG)
    feed = list_feed(_requests(["key-in-text", "400-echo", "echo-prompt", "key-in-finish"]))
    engine = _engine(_keys(port))
    shown = [repr(engine), repr(vars(engine)), engine.name]
    _work(engine, feed)
    try:
        _work(engine, list_feed(_requests(["401-echo"])))
    except EngineError as error:
        shown += [str(error), traceback.format_exc(), repr(error.__context__)]
        shown += [repr(frame.f_locals) for frame, _ in traceback.walk_tb(error.__traceback__)]
    engine.close()
    shown += [repr(result) for result in feed.results.values()]
    assert max(len(one) for one in shown[-4:]) < 1000, "a failure quotes a few words only"
    shown += [record.getMessage() for record in caplog.records]
    assert "receive_response_headers" in "".join(shown), "the library's own log is looked at"
    pieces = [KEY[at : at + 8] for at in range(len(KEY) - 7)]
    assert not [text for text in shown if any(piece in text for piece in pieces)]


def test_a_failure_does_not_quote_the_prompt(port, list_feed):
    feed = list_feed([Request("p", "0: echo-prompt " + "a secret question " * 20, 0, 50)])
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    assert "400: cannot read" in feed.results["p"].detail
    assert "secret question" not in feed.results["p"].detail


def test_retry_after_is_honoured_as_seconds_and_as_a_date(port, list_feed):
    keys = _keys(port)
    with _engine(keys) as engine:
        _work(engine, list_feed(_requests(["429-0.4s ok", "503-0.4s ok", "429-date ok"])))
    times = _seen(keys)["attempts"]
    waits = {text: second - first for text, (first, second) in times.items()}
    assert 0.4 <= waits["0: 429-0.4s ok"] < 2
    assert 0.4 <= waits["1: 503-0.4s ok"] < 2
    assert 0.9 <= waits["2: 429-date ok"] < 5  # a date two seconds ahead, in whole seconds


def test_what_failed_while_nobody_was_answered_gets_a_second_round(port, list_feed):
    feed = list_feed(_requests(["500 500 500 ok", "500", "slow-0.5"]))
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    assert feed.results["p0"].text == GOOD
    assert feed.results["p1"].attempts == 6
    assert feed.results["p2"].text == GOOD


@pytest.mark.parametrize(
    ("word", "reason"), [("429-0.4s", FailureReason.RATE_LIMITED), ("hang", FailureReason.TIMEOUT)]
)
def test_a_request_ends_with_its_time_however_many_attempts_are_left(port, list_feed, word, reason):
    feed = list_feed(_requests([word]))
    keys = _keys(port, attempts=50, request_seconds=1.0, total_seconds=1.5)
    started = time.monotonic()
    with _engine(keys) as engine:
        _work(engine, feed)
    assert 0.4 < time.monotonic() - started < 10
    failure = feed.results["p0"]
    assert failure.reason is reason
    assert 2 <= failure.attempts < 10
    assert "sample.server.total_seconds" in failure.detail


def test_a_rate_limit_that_lasts_becomes_a_failure(port, list_feed):
    feed = list_feed(_requests(["429"]))
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    failure = feed.results["p0"]
    assert (failure.reason, failure.attempts) == (FailureReason.RATE_LIMITED, 3)
    assert failure.detail == "429: slow down"


def test_a_rate_limit_is_waited_out_while_others_get_through(port, list_feed):
    limited = " ".join(["429"] * 8) + " ok"  # more often than there are attempts
    words = [limited, *["slow-0.02"] * 100]
    feed = list_feed(_requests(words))
    with _engine(_keys(port, max_in_flight=2)) as engine:
        _work(engine, feed)
    assert isinstance(feed.results["p0"], Completion)


def test_in_flight_requests_are_bounded_and_connections_used_again(port, list_feed):
    keys = _keys(port, max_in_flight=5)
    feed = list_feed(_requests(["slow-0.02"] * 60))
    with _engine(keys) as engine:
        _work(engine, feed)
    seen = _seen(keys)
    assert seen["most"] == 5
    assert len(seen["connections"]) == 5
    assert len(feed.results) == 60
    assert seen["keys"] == [f"Bearer {KEY}"]


def test_what_is_wanted_later_is_asked_though_nothing_has_ended(port, list_feed):
    feed = list_feed(_requests(["slow-3", "ok"]), pieces=(1, 0, 1))
    with _engine(_keys(port, request_seconds=10.0)) as engine:
        _work(engine, feed)
    assert list(feed.results) == ["p1", "p0"]


def test_a_withdrawn_request_is_dropped_and_its_connection_closed(port, list_feed):
    keys = _keys(port, request_seconds=30.0)
    named = iter([["p1"], ["p2"]])
    feed = list_feed(
        _requests(["ok", "hang", "hang"]),
        withdraw=lambda feed: next(named, []) if len(_seen(keys)["attempts"]) == 3 else [],
    )
    started = time.monotonic()
    with _engine(keys) as engine:
        _work(engine, feed)
    assert time.monotonic() - started < 5
    for withdrawn in (feed.results["p1"], feed.results["p2"]):
        assert withdrawn.reason is FailureReason.WITHDRAWN
        assert withdrawn.prompt_tokens > 0
        assert 0 < withdrawn.completion_tokens <= 50
    assert _wait_until_seen(keys, "dropped", 2) == ["1: hang", "2: hang"]


def test_the_first_requests_refused_alike_end_the_run_untold(port, list_feed):
    feed = list_feed(_requests(["too-long"] * 30))
    with (
        _engine(_keys(port, max_in_flight=4)) as engine,
        pytest.raises(EngineError, match=r"refused all of the first .* context length is 2048"),
    ):
        _work(engine, feed)
    assert not feed.results


def test_refusals_are_told_once_another_request_passes(port, list_feed):
    feed = list_feed(_requests(["too-long"] * 7 + ["ok"] + ["too-long"] * 20))
    with _engine(_keys(port, max_in_flight=1)) as engine:
        _work(engine, feed)
    assert [key for key, r in feed.results.items() if isinstance(r, Completion)] == ["p7"]
    assert len(feed.results) == 28


def test_a_few_failures_at_the_end_are_told(port, list_feed):
    feed = list_feed(_requests(["500"] * 5))
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    assert [r.reason for r in feed.results.values()] == [FailureReason.SERVER_ERROR] * 5


def test_a_server_that_fails_everybody_ends_the_run_untold(port, list_feed):
    feed = list_feed(_requests(["ok"] + ["500"] * 200))
    keys = _keys(port, max_in_flight=8)
    with _engine(keys) as engine, pytest.raises(EngineError, match=r"no usable answer.*500: oops"):
        _work(engine, feed)
    assert isinstance(feed.results.pop("p0"), Completion)
    assert len(feed.results) <= 7, "only what failed while another was answered"
    assert len(_seen(keys)["attempts"]) <= 1 + 7 + 20 + 8


def test_a_server_that_is_not_there_yet_is_waited_for(local, list_feed):
    feed = list_feed(_requests(["ok"]))
    with ServerEngine("good-model", _keys(local.port, attempts=99), backoff_seconds=0.1) as engine:
        _work(engine, feed)
    assert feed.results["p0"].text == GOOD


def test_a_server_that_restarts_loses_nothing(local, list_feed):
    def restart_after_ten(feed):
        if len(feed.results) >= 10 and not restarted:
            restarted.append(local.kill())
            local.start(after_seconds=0.3)
        return ()

    _wait_for(local.port)
    restarted: list[None] = []
    feed = list_feed(_requests(["slow-0.02"] * 60), withdraw=restart_after_ten)
    keys = _keys(local.port, max_in_flight=4, attempts=8)
    with ServerEngine("good-model", keys, backoff_seconds=0.02) as engine:
        _work(engine, feed)
    assert len(restarted) == 1
    assert [r.text for r in feed.results.values()] == [GOOD] * 60


def test_a_server_that_dies_ends_the_run_with_what_it_gave(local, list_feed):
    def kill_after_ten(feed):
        if len(feed.results) >= 10 and not killed:
            killed.append(local.kill())
        return ()

    _wait_for(local.port)
    killed: list[None] = []
    feed = list_feed(_requests(["slow-0.02"] * 60), withdraw=kill_after_ten)
    said = "no usable answer.*no connection.*start the same command again"
    keys = _keys(local.port, max_in_flight=8)
    with _engine(keys) as engine, pytest.raises(EngineError, match=said):
        _work(engine, feed)
    assert 10 <= len(feed.results) <= 17
    assert {r.text for r in feed.results.values()} == {GOOD}


def test_a_server_that_is_not_there_says_so():
    keys = _keys(_free_port(), attempts=2)
    with pytest.raises(EngineError, match=r"cannot be reached \(no connection.*2 attempts") as e:
        _engine(keys)
    assert keys.url in str(e.value)


LISTS = [
    ("no-list", None),
    ("html-list", None),
    ("broken-list", None),
    ("odd-list", None),
    ("closed-list", None),  # a key may be good for completions only
    ("no-key", "refuses us .*TEACHER_KEY"),
    ("moved", r"redirects to https://elsewhere\.example.*sample\.server\.url"),
]


@pytest.mark.parametrize(("run", "said"), LISTS)
def test_a_server_without_a_list_of_models_is_taken_as_it_is(port, list_feed, run, said):
    keys = _keys(port, run, attempts=2)
    if said:
        with pytest.raises(EngineError, match=said):
            _engine(keys)
        return
    feed = list_feed(_requests(["ok"]))
    with _engine(keys) as engine:
        assert engine.name == f"server 127.0.0.1:{port}"
        _work(engine, feed)
    assert feed.results["p0"].text == GOOD


def test_no_proxy_is_used_for_this_machine(port, list_feed, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    feed = list_feed(_requests(["ok"]))
    with _engine(_keys(port)) as engine:
        _work(engine, feed)
    assert feed.results["p0"].text == GOOD


def test_the_proxy_of_the_environment_is_used_for_others(port, list_feed, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    feed = list_feed(_requests(["ok"]))
    keys = Server(url="http://teacher.invalid/by-proxy/v1", attempts=1)
    with ServerEngine("good-model", keys) as engine:
        _work(engine, feed)
    assert feed.results["p0"].text == GOOD


BAD_KEYS = [
    ({"key_variable": "NOT_SET"}, "NOT_SET, which is not set.*export NOT_SET"),
    ({"key_variable": "ODD_KEY"}, "ODD_KEY holds something that is no key"),
    ({"extra_body": {"stream": True}}, r"extra_body\.stream cannot be set"),
]


@pytest.mark.parametrize(("changes", "said"), BAD_KEYS)
def test_keys_that_cannot_work_are_refused_at_once(changes, said, monkeypatch):
    monkeypatch.setenv("ODD_KEY", "kéy SECRET")
    with pytest.raises(EngineError, match=said) as caught:
        open_engine("server", "m", server=Server(url="http://127.0.0.1:1/v1", **changes))
    assert "SECRET" not in str(caught.value)


def test_generate_answers_in_order_and_leaves_the_engine_usable(port):
    with _engine(_keys(port)) as engine:
        for _ in range(2):
            prompts = [Prompt("0: slow-0.1", (1, 2)), Prompt("1: ok", (3,))]
            found = generate(engine, prompts, PARAMS)
            assert [[c.text for c in cs] for cs in found] == [[GOOD, GOOD], [GOOD]]
        with pytest.raises(EngineError, match=r"not completed \(refused\)"):
            generate(engine, [Prompt("2: too-long", (1,))], PARAMS)


INTERRUPTED = """
import sys
sys.path.insert(0, {folder!r})
from conftest import ListFeed
from distill.engines.base import Request, SamplingParams
from distill.engines.server import ServerEngine
from distill.recipe import Server
engine = ServerEngine("good-model", Server(url={url!r}, max_in_flight=9))
words = ["ok"] + ["hang"] * 8
feed = ListFeed(Request(f"p{{at}}", f"{{at}}: {{word}}", at, 9) for at, word in enumerate(words))
try:
    with engine:
        done = feed.done
        feed.done = lambda *told: (done(*told), print("told", flush=True))
        engine.work(feed, SamplingParams(max_tokens=9))
except KeyboardInterrupt:
    print("interrupted", len(feed.results), flush=True)
    lost = [one for one in feed.results.values() if getattr(one, "reason", "") == "withdrawn"]
    print(len(lost), "withdrawn,", sum(one.prompt_tokens > 0 for one in lost), "with a cost")
"""


def test_an_interrupt_ends_it_promptly_and_closes_every_connection(port):
    keys = _keys(port)
    code = INTERRUPTED.format(folder=str(SCRIPT.parent), url=keys.url)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "told\n"
    _wait_until_seen(keys, "attempts", 9)
    sent = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    told = [line for line in out.splitlines() if line != "told"]
    assert (told, err) == (["interrupted 9", "8 withdrawn, 8 with a cost"], "")
    assert time.monotonic() - sent < 5
    assert _wait_until_seen(keys, "dropped", 8) == [f"{at}: hang" for at in range(1, 9)]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")

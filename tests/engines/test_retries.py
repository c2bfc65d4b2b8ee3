"""Waits between attempts, proxies, and what keeps a key out of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.engines.exchange import is_loopback, proxy_of
from distill.engines.redaction import Key, without
from distill.engines.retries import retry_after_seconds, wait_seconds
from distill.errors import EngineError

NOW = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT
HEADERS = [
    (None, None),
    ("0", 0.0),
    ("2", 2.0),
    (" 1.5 ", 1.5),
    ("-3", 0.0),
    ("Sun, 09 Sep 2001 01:46:50 GMT", 10.0),
    ("Sun, 09 Sep 2001 01:46:30 GMT", 0.0),  # already past
    ("Sun, 09 Sep 2001 03:46:50 +0200", 10.0),
    ("soon", None),
    ("", None),
    ("nan", None),
    ("inf", None),
    ("1e999", None),
    ("Mon, 99 Foo 2001", None),
]


@pytest.mark.parametrize(("header", "seconds"), HEADERS)
def test_retry_after_is_a_number_or_a_date(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


@given(st.integers(1, 10_000), st.floats(0.001, 10))
def test_waits_grow_up_to_a_minute(attempt, base):
    longest = min(60.0, base * 2 ** min(attempt - 1, 30))
    assert 0 <= wait_seconds(attempt, base, None) <= longest


def test_waits_have_full_jitter():
    waits = [wait_seconds(4, 1.0, None) for _ in range(2000)]  # uniform from 0 to 8
    assert min(waits) < 0.2
    assert max(waits) > 7.8
    assert 3.6 < sum(waits) / len(waits) < 4.4  # standard error 0.05


@given(st.integers(1, 100), st.floats(0, 1e9))
def test_what_the_server_asks_for_is_waited_at_least_up_to_five_minutes(attempt, asked):
    wait = wait_seconds(attempt, 1.0, asked)
    assert min(asked, 300.0) <= wait <= 301.0


PROXIES = [  # address, environment, the proxy's host and port
    ("https://api.example/v1", {}, None),
    ("https://api.example/v1", {"https": "http://proxy:3128"}, ("proxy", 3128)),
    ("https://api.example/v1", {"https": "proxy:3128"}, ("proxy", 3128)),
    ("https://api.example/v1", {"https": "https://me:it@proxy"}, ("proxy", 443)),
    ("https://api.example/v1", {"http": "http://proxy:3128"}, None),
    ("http://api.example/v1", {"all": "http://proxy:3128"}, ("proxy", 3128)),
    ("http://127.0.0.1:8000/v1", {"http": "http://proxy:3128"}, None),
    ("http://[::1]:8000/v1", {"http": "http://proxy:3128"}, None),
    ("http://localhost:8000/v1", {"http": "http://proxy:3128"}, None),
]


@pytest.mark.parametrize(("url", "environment", "expected"), PROXIES)
def test_a_proxy_of_the_environment_is_used_except_for_this_machine(url, environment, expected):
    proxy = proxy_of(url, lambda: environment)
    assert (proxy and (proxy.url.host.decode(), proxy.url.port)) == expected


@pytest.mark.parametrize(
    "address", ["socks5://me:hunter2@proxy:1", "http://me:hunter2@proxy:99999"]
)
def test_a_proxy_of_another_kind_is_refused_without_its_password(address):
    with pytest.raises(EngineError, match=r"http://host:port.*api\.example") as caught:
        proxy_of("https://api.example/v1", lambda: {"https": address})
    assert "hunter2" not in str(caught.value)


LOOPBACK = [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)]
ELSEWHERE = [("10.0.0.1", False), ("localhost.example", False), ("example", False), ("", False)]


@pytest.mark.parametrize(("host", "expected"), LOOPBACK + ELSEWHERE)
def test_loopback(host, expected):
    assert is_loopback(host) == expected


HIDDEN = [
    ("bad key sk-abcdefgh1234!", "bad key ***!"),
    ("cut: sk-abcdefg...", "cut: ***..."),
    ("the end: fgh1234", "the end: fgh1234"),  # seven characters say little
    ("middle abcdefgh1 and sk-abcdefgh1234", "middle *** and ***"),
    ("nothing here", "nothing here"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "hidden"), HIDDEN)
def test_a_key_is_hidden_whole_and_in_part(text, hidden):
    assert Key("sk-abcdefgh1234").hide(text) == hidden


@given(st.text("ab", max_size=40), st.text("abc", max_size=60), st.integers(1, 9))
def test_no_piece_of_a_secret_is_left(secret, text, piece):
    found = without(text, secret, "*", piece)
    size = min(piece, len(secret))
    pieces = [secret[at : at + size] for at in range(len(secret) - size + 1)]
    assert not any(part in left for part in filter(None, pieces) for left in found.split("*"))
    assert found.replace("*", "") in text or "*" in found


def test_only_a_long_key_is_taken_out_of_completions():
    assert Key("sk-abcdefgh12345").hide_whole("is sk-abcdefgh12345 it?") == "is *** it?"
    assert Key("EMPTY").hide_whole("EMPTY sets") == "EMPTY sets"
    assert Key("").hide("all") == "all"
    assert Key("").headers() == {}


def test_a_key_does_not_show():
    assert "abcdefgh" not in repr(Key("sk-abcdefgh1234")) + str([Key("sk-abcdefgh1234")])

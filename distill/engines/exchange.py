"""One HTTP exchange: a request sent, its reply read within a time and a size."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from distill.engines.redaction import Key
from distill.engines.retries import Fault
from distill.errors import EngineError
from distill.records import FailureReason

CONNECT_SECONDS = 30.0
IDLE_SECONDS = 3.0  # a connection unused for longer is not used again: servers close them at 5
_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # seconds, seconds, times
_NO_CONNECTION = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.ProxyError)
_BROKEN = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Broken(Exception):
    """No whole answer came back."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class Lanes:
    """Connections to one server: each carries one request at a time, again and again.

    Each is a pool of one: a shared pool looks at all its connections at each request, and a whole
    HTTP client copies headers and addresses. With 256 requests under way one of them costs 0.5 ms
    of CPU time so, 0.75 ms with a client for each connection, 1.2 ms with one client for all,
    1.8 ms with the openai package.
    """

    def __init__(self, url: str, key: Key) -> None:
        self.url = url
        self.key = key
        self._proxy = proxy_of(url)
        self._context = httpcore2.default_ssl_context()
        self._free: list[httpcore2.AsyncConnectionPool] = []

    @asynccontextmanager
    async def _lane(self) -> AsyncIterator[httpcore2.AsyncConnectionPool]:
        """A connection that nobody uses; a new one where there is none."""
        lane = self._free.pop() if self._free else self._open()
        try:
            yield lane
        finally:
            self._free.append(lane)

    def _open(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._context,
            proxy=self._proxy,
            max_connections=1,
            keepalive_expiry=IDLE_SECONDS,
            socket_options=_keep_alive(),
        )

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._free:
            await self._free.pop().aclose()

    async def send(
        self, method: str, url: str, content: bytes | None, *, seconds: float, max_bytes: int
    ) -> Answer:
        """Send a request and read its whole reply. A redirect is an answer like any other.

        Args:
            seconds: from sending to the last byte; a reply that trickles is cut as well.
            max_bytes: of the reply's body.
        Raises: Broken with what happened.
        """
        try:
            async with (
                asyncio.timeout(seconds),
                self._lane() as lane,
                lane.stream(
                    method,
                    url,
                    headers=self._headers(),
                    content=content,
                    extensions={"timeout": {"connect": CONNECT_SECONDS}},
                ) as response,
            ):
                body = await _read(response, max_bytes)
                return Answer(response.status, _text(response.headers), body)
        except TimeoutError:
            detail = f"no whole reply within {round(seconds, 1):g} s"
            raise Broken(Fault(FailureReason.TIMEOUT, detail, worked=True)) from None
        except _NO_CONNECTION as error:
            raise Broken(self._fault("no connection", error)) from None
        except _BROKEN as error:
            raise Broken(self._fault("broken connection", error)._replace(worked=True)) from None

    def _headers(self) -> dict[str, str]:
        return {
            "accept": "application/json",
            "accept-encoding": "identity",  # what is compressed could pass the limit on size
            "content-type": "application/json",
            "user-agent": "r1-distill",
            **self.key.headers(),
        }

    def _fault(self, what: str, error: Exception) -> Fault:
        words = self.key.hide((str(error) or type(error).__name__)[:200])
        return Fault(FailureReason.SERVER_ERROR, f"{what}: {words}")


async def _read(response: httpcore2.Response, max_bytes: int) -> bytes:
    """The body; blank lines before it, which some servers send while they work, do not count."""
    body = bytearray()
    async for part in response.aiter_stream():
        body += part if body else part.lstrip()
        if len(body) > max_bytes:
            detail = f"the reply is longer than {max_bytes / 1e6:g} MB (sample.server.max_reply_mb)"
            fault = Fault(FailureReason.TOO_LARGE, detail, again=False, worked=True)
            raise Broken(fault)
    return bytes(body)


def _text(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def proxy_of(
    url: str, proxies: Callable[[], dict[str, str]] = getproxies
) -> httpcore2.Proxy | None:
    """The proxy that the environment names for an address; none for this machine itself.

    Raises: EngineError for one that cannot be used, without its address: it may hold a password.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = proxies()
    named = found.get(parts.scheme) or found.get("all")
    if not named or is_loopback(host) or proxy_bypass(host):
        return None
    try:
        return _proxy(named if "://" in named else f"http://{named}")
    except ValueError:
        raise EngineError(
            f"the proxy that the environment names for {parts.scheme} addresses cannot be used; "
            f"expected http://host:port, or put {host} into NO_PROXY"
        ) from None


def _proxy(address: str) -> httpcore2.Proxy:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no proxy for HTTP")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return httpcore2.Proxy(
        url=f"{parts.scheme}://{host}:{port}",
        auth=(user.encode(), password.encode()) if user else None,
    )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keep_alive() -> list[tuple[int, int, int]]:
    """Socket options: routers forget connections that are silent while an answer is written."""
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _OPTIONS.items()
        if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]

"""One HTTP exchange: a request sent, its reply read within a time and a size."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from distill.engines.redaction import Key
from distill.engines.retries import Fault
from distill.errors import EngineError
from distill.records import FailureReason

CONNECT_SECONDS = 30.0
IDLE_SECONDS = 3.0  # a connection unused for longer is not used again: servers close them at 5
_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    headers: httpx2.Headers
    body: bytes


class Broken(Exception):
    """No whole answer came back."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class Lanes:
    """Connections to one server: each carries one request at a time, again and again.

    A client of its own for each connection: a shared pool looks at all its connections at each
    request, which cost 1.2 ms instead of 0.75 ms of CPU time with 256 of them under way.
    """

    def __init__(self, url: str, key: Key) -> None:
        self.url = url
        self.key = key
        self._proxy = proxy_of(url)
        self._context = httpx2.create_ssl_context()
        self._free: list[httpx2.AsyncClient] = []

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A connection that nobody uses; a new one where there is none."""
        client = self._free.pop() if self._free else self._open()
        try:
            yield client
        finally:
            self._free.append(client)

    def _open(self) -> httpx2.AsyncClient:
        transport = httpx2.AsyncHTTPTransport(
            verify=self._context,
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS),
            proxy=self._proxy,
            socket_options=_keep_alive(),
        )
        return httpx2.AsyncClient(
            base_url=self.url,
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",  # what is compressed could pass the limit on size
                "user-agent": "r1-distill",
                **self.key.headers(),
            },
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._free:
            await self._free.pop().aclose()

    async def send(
        self, method: str, path: str, content: bytes | None, *, seconds: float, max_bytes: int
    ) -> Answer:
        """Send a request and read its whole reply.

        Args:
            path: below the server's address, or a whole address.
            seconds: from sending to the last byte; a reply that trickles is cut as well.
            max_bytes: of the reply's body.
        Raises: Broken with what happened.
        """
        headers = {} if content is None else {"content-type": "application/json"}
        try:
            async with asyncio.timeout(seconds), self.lane() as client:
                request = client.build_request(method, path, content=content, headers=headers)
                response = await client.send(request, stream=True)
                try:
                    body = await _read(response, max_bytes)
                finally:
                    await response.aclose()
                return Answer(response.status_code, response.headers, body)
        except TimeoutError:
            detail = f"no whole reply within {seconds:g} s"
            raise Broken(Fault(FailureReason.TIMEOUT, detail, worked=True)) from None
        except httpx2.ConnectError as error:
            detail = f"no connection: {self._words(error)}"
            raise Broken(Fault(FailureReason.SERVER_ERROR, detail)) from None
        except httpx2.RequestError as error:
            detail = f"broken connection: {self._words(error)}"
            raise Broken(Fault(FailureReason.SERVER_ERROR, detail)) from None

    def _words(self, error: Exception) -> str:
        words = str(error) or type(error).__name__
        return self.key.hide(words[:200])


async def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    """The body; blank lines before it, which some servers send while they work, do not count."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part if body else part.lstrip()
        if len(body) > max_bytes:
            detail = f"the reply is longer than {max_bytes / 1e6:g} MB (sample.server.max_reply_mb)"
            fault = Fault(FailureReason.TOO_LARGE, detail, again=False, worked=True)
            raise Broken(fault)
    return bytes(body)


def proxy_of(url: str, proxies: Callable[[], dict[str, str]] = getproxies) -> httpx2.Proxy | None:
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
        proxy = httpx2.Proxy(named if "://" in named else f"http://{named}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https"):
        raise EngineError(
            f"the proxy that the environment names for {parts.scheme} addresses cannot be used; "
            f"expected http://host:port, or put {host} into NO_PROXY"
        )
    return proxy


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

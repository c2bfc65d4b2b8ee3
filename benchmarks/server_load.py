"""The server engine beside a bare load generator, against one local server.

    python benchmarks/server_load.py            2,000 requests, 256 in flight, three repeats
    python benchmarks/server_load.py --quick    512 requests, one repeat

The server (a process of its own) answers each request after a fixed time with 4 kB, as a teacher
does whose ceiling is what it can decode at once. The generator writes the same bytes to as many
plain sockets, looks for the end of each answer and decodes nothing: its rate is the server's
ceiling. Engine and generator take turns, each in a fresh process. Where `wrk` is installed its rate
over the same time is told too. Memory: the engine's peak at two numbers of requests.
"""

import argparse
import asyncio
import json
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection

from distill.engines.base import Request, SamplingParams
from distill.engines.server import ServerEngine
from distill.recipe import Server
from distill.records import Completion, Failure

PROMPT = "What is 3 + 4? Please reason step by step.\n" * 10
REPLY = {
    "id": "cmpl-0",
    "object": "text_completion",
    "choices": [{"index": 0, "text": "So 3 + 4 = 7, wait. " * 200, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 1400},
}
WRK = """wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = [==[{body}]==]
"""


class Answers(asyncio.Protocol):
    """One connection of the server: an answer for each request, after a fixed time."""

    def __init__(self, seconds: float) -> None:
        body = json.dumps(REPLY).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._answer = head.encode() + b"\r\n\r\n" + body
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, rest = self._received.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n")[1:]:
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if ended and len(rest) >= length:
            self._received = rest[length:]
            asyncio.get_running_loop().call_later(self._seconds, self._write)

    def _write(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._answer)


async def serve(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answers(seconds), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def body() -> bytes:
    """What the engine sends, about."""
    asked = {"model": "m", "prompt": PROMPT, "max_tokens": 4096, "temperature": 0.6, "top_p": 1.0}
    return json.dumps(asked | {"seed": 1}).encode()


async def generate_load(port: int, requests: int, in_flight: int) -> float:
    """Requests per second of plain sockets."""
    content = body()
    head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    asked = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
    left = iter(range(requests))

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return requests / (time.perf_counter() - started)


class Numbered:
    """A feed of so many requests that keeps nothing."""

    def __init__(self, requests: int) -> None:
        self.left = requests
        self.answered = 0

    def take(self, room: int) -> list[Request]:
        first, self.left = self.left, max(0, self.left - room)
        return [Request(str(at), PROMPT, at, 4096) for at in range(first, self.left, -1)]

    def done(self, request: Request, result: Completion | Failure) -> None:
        assert isinstance(result, Completion), result
        self.answered += 1

    def withdrawn(self) -> Collection[str]:
        return ()


def engine_load(port: int, requests: int, in_flight: int) -> dict[str, float]:
    """Requests per second of the engine, its CPU time for one, and its peak memory."""
    keys = Server(url=f"http://127.0.0.1:{port}/v1", max_in_flight=in_flight)
    feed = Numbered(requests)
    with ServerEngine("m", keys) as engine:
        started, cpu = time.perf_counter(), time.process_time()
        engine.work(feed, SamplingParams(max_tokens=4096, temperature=0.6, logprobs=False))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert feed.answered == requests
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": requests / seconds, "cpu_ms": 1000 * cpu / requests, "peak_mb": peak}


def wrk_rate(port: int, in_flight: int, seconds: float) -> float | None:
    """Requests per second by wrk; None where it is not installed."""
    if shutil.which("wrk") is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(body=body().decode()))
        script.flush()
        command = ["wrk", "-t1", f"-c{in_flight}", f"-d{max(1, round(seconds))}s", "-s"]
        command += [script.name, "--timeout", "60s", f"http://127.0.0.1:{port}/v1/completions"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(told.split("Requests/sec:")[1].split()[0])


def in_fresh_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


class Serving:
    """The server in a process of its own."""

    def __init__(self, seconds: float) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        command = [sys.executable, __file__, "--serve", str(self.port), str(seconds)]
        self._process = subprocess.Popen(command)

    def __enter__(self) -> int:
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self.port
            except ConnectionRefusedError:
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def compare(options: argparse.Namespace) -> None:
    """Rates of engine and generator, in turns."""
    rates: dict[str, list[float]] = {"engine": [], "generator": []}
    load = (options.requests, options.in_flight)
    with Serving(options.seconds) as port:
        for turn in range(options.repeats):
            for name in list(rates) if turn % 2 == 0 else list(rates)[::-1]:
                found = in_fresh_process(f"--{name}", port, *load)
                rates[name].append(found["rate"])
                if name == "engine":
                    options.cpu_ms.append(found["cpu_ms"])
        wrk = wrk_rate(port, options.in_flight, options.seconds * 8)
    for name, values in rates.items():
        print(f"{name:<10} {_spread(values)} requests/s")
    ratios = [a / b for a, b in zip(rates["engine"], rates["generator"], strict=True)]
    print(f"{'ratio':<10} {_spread(ratios, 3)} engine / generator")
    print(
        f"{'cpu':<10} {_spread(options.cpu_ms, 2)} ms of the engine's CPU time for a request: "
        f"one core could ask for {1000 / statistics.median(options.cpu_ms):.0f} requests/s"
    )
    if wrk is not None:
        print(f"{'wrk':<10} {wrk:.1f} requests/s without start and end")


def measure_memory(options: argparse.Namespace) -> None:
    """The engine's peak at two numbers of requests, from a server that is quicker."""
    with Serving(min(options.seconds, 0.1)) as port:
        for requests in (options.requests, 10 * options.requests):
            found = in_fresh_process("--engine", port, requests, options.in_flight)
            print(f"{'memory':<10} {found['peak_mb']:.1f} MB at its peak, {requests:,} requests")


def _spread(values: list[float], digits: int = 1) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} (median of {len(values)}; {low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="512 requests, one repeat")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the server for an answer")
    parser.add_argument("--repeats", type=int, default=3)
    for name, count in (("serve", 2), ("generator", 3), ("engine", 3)):
        parser.add_argument(f"--{name}", nargs=count, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(int(options.serve[0]), float(options.serve[1])))
    elif options.generator:
        print(json.dumps({"rate": asyncio.run(generate_load(*map(int, options.generator)))}))
    elif options.engine:
        print(json.dumps(engine_load(*map(int, options.engine))))
    else:
        if options.quick:
            options.requests, options.repeats = 512, 1
        options.cpu_ms = []
        print(
            f"{options.requests:,} requests, {options.in_flight} in flight, answers of "
            f"{len(json.dumps(REPLY)) / 1000:.1f} kB after {options.seconds:g} s"
        )
        compare(options)
        measure_memory(options)


if __name__ == "__main__":
    main()

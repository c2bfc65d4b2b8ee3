"""A local server that misbehaves on purpose: `python misbehaving_server.py PORT AFTER_SECONDS`.

What a request gets is written in its own prompt: "7: 500 hang ok" is answered with a status 500,
then never, then well; the last word counts for all further attempts. Runs are kept apart by the
first part of the path: /some-run/v1/completions. GET /some-run/seen tells what was seen of a run.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections import defaultdict
from email.utils import formatdate

GOOD = "<think>\nThree and four.\n</think>\n\nIt is 7."


class Run:
    """What was seen of one run."""

    def __init__(self) -> None:
        self.attempts: dict[str, list[float]] = defaultdict(list)  # by prompt, seconds
        self.bodies: list[dict] = []
        self.keys: set[str] = set()
        self.connections: set[str] = set()
        self.now = 0
        self.most = 0
        self.dropped: list[str] = []  # prompts whose connection was closed before the answer


RUNS: dict[str, Run] = defaultdict(Run)


def answer(status: int, body: bytes | dict | list, **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def reply(request: dict, text: str | None = GOOD, finish: object = "stop", **extra) -> dict:
    choice = {"index": 0, "finish_reason": finish, "text": text}
    if "messages" in request:
        choice = {"index": 0, "finish_reason": finish, "message": {"content": text}}
    usage = {"prompt_tokens": 11, "completion_tokens": 22}
    return {"id": "x", "choices": [choice], "usage": usage} | extra


def error(message: str, **more: object) -> dict:
    return {"error": {"message": message, **more}}


def plain_answer(word: str, request: dict, key: str, origin: str) -> bytes | None:
    """The whole answer to a word that needs no more than bytes."""
    chat = [{"finish_reason": "length", "message": {"content": None, "reasoning_content": "Hm"}}]
    both = [{"finish_reason": "stop", "message": {"content": " 7", "reasoning": "3+4"}}]
    answers = {
        "ok": lambda: answer(200, reply(request)),
        "429": lambda: answer(429, error("slow down")),
        "429-0.4s": lambda: answer(429, error("slow down"), retry_after="0.4"),
        "429-date": lambda: answer(429, error("x"), retry_after=formatdate(time.time() + 2)),
        "503-0.4s": lambda: answer(503, error("busy"), retry_after="0.4"),
        "500": lambda: answer(500, b"oops", content_type="text/plain"),
        "502-html": lambda: answer(502, b"<html><h1>Bad gateway</h1></html>"),
        "bad-json": lambda: answer(200, b'{"choices": [{"text": "half'),
        "html": lambda: answer(200, b"<html>log in first</html>", content_type="text/html"),
        "wrong-type": lambda: answer(200, reply(request), content_type="text/html"),
        "blank-first": lambda: answer(200, b"\n\n\n" + json.dumps(reply(request)).encode()),
        "no-choices": lambda: answer(200, reply(request, choices=[])),
        "null": lambda: answer(200, reply(request, None)),
        "empty": lambda: answer(200, reply(request, "", usage=None)),
        "ended-at-once": lambda: answer(
            200, reply(request, "", usage={"prompt_tokens": 11, "completion_tokens": 1})
        ),
        "no-usage": lambda: answer(200, reply(request, usage=None)),
        "no-finish": lambda: answer(200, reply(request, finish=None)),
        "odd-finish": lambda: answer(200, reply(request, finish="because")),
        "filtered": lambda: answer(200, reply(request, "I", finish="content_filter")),
        "aborted": lambda: answer(200, reply(request, "I", finish="abort")),
        "half-pair": lambda: answer(200, reply(request, "\ud83d 7")),
        "deep": lambda: answer(200, b"[" * 200_000),
        "thought-only": lambda: answer(200, reply(request, choices=chat)),
        "thought-beside": lambda: answer(200, reply(request, choices=both)),
        "10-mb": lambda: answer(200, reply(request, "x" * 10_000_000)),
        "error-in-200": lambda: answer(200, error("overloaded", code=503)),
        "too-long": lambda: answer(400, error("maximum context length is 2048 tokens")),
        "echo-prompt": lambda: answer(400, error(f"cannot read {request}")),
        "moderated": lambda: answer(403, error("flagged", metadata={"reasons": ["x"]})),
        "401": lambda: answer(401, error("Incorrect API key provided")),
        "401-echo": lambda: answer(401, error(f"bad key {key!r}, {key[:-4]}..."), x_echo=key),
        "400-echo": lambda: answer(400, f"what is {key}?".encode(), x_echo=key),
        "403": lambda: answer(403, error("not allowed")),
        "402": lambda: answer(402, error("Insufficient Balance")),
        "404-model": lambda: answer(404, error("The model `m` does not exist.", code=404)),
        "400-model": lambda: answer(400, error("Model Not Exist")),
        "404": lambda: answer(404, b"404 page not found"),
        "redirect": lambda: answer(308, b"", location=f"{origin}/elsewhere/v1/completions"),
        "key-in-finish": lambda: answer(200, reply(request, None, finish=f"{key} " * 1000)),
        "key-in-text": lambda: answer(200, reply(request, f"7 {key}")),
    }
    return answers[word]() if word in answers else None


LISTS = {  # what GET /models says, by the name of the run
    "no-list": answer(404, b"not here"),
    "html-list": answer(200, b"<html>welcome</html>"),
    "broken-list": answer(500, b"oops"),
    "closed-list": answer(403, error("restricted key")),
    "no-key": answer(401, error("You didn't provide an API key")),
    "odd-list": answer(200, {"data": 5}),
    "moved": answer(301, b"", location="https://elsewhere.example/v1/models"),
}


class Server:
    """Answers each connection in turn, one request after the other."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.strip().split("\r\n")
        headers = {k.lower(): v for k, v in (field.split(": ", 1) for field in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = line.split()
        path = "/" + path.split("/", 3)[3] if path.startswith("http") else path  # as a proxy
        name = path.split("/")[1]
        if method == "GET":
            writer.write(self.get(name, path))
            return True
        run, request = RUNS[name], json.loads(body)
        run.connections.add(str(writer.get_extra_info("peername")))
        run.keys.add(headers.get("authorization", ""))
        run.bodies.append(request | {"path": path})
        run.now += 1
        run.most = max(run.most, run.now)
        try:
            return await self.post(run, request, headers, reader, writer)
        finally:
            run.now -= 1

    def get(self, name: str, path: str) -> bytes:
        if path.endswith("/seen"):
            return answer(200, json.loads(json.dumps(vars(RUNS[name]), default=sorted)))
        if name in LISTS:
            return LISTS[name]
        return answer(200, {"data": [{"id": "good-model"}, {"id": "other-model"}]})

    async def post(self, run: Run, request: dict, headers: dict, reader, writer) -> bool:
        messages = request.get("messages")
        prompt = messages[0]["content"] if messages else request["prompt"]
        words = prompt.split(": ", 1)[1].split()
        tries = run.attempts[prompt]
        word = words[min(len(tries), len(words) - 1)]
        tries.append(time.monotonic())
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if word == "reset":
            writer.transport.abort()
            return False
        if word.startswith("slow-"):
            await self.wait(run, prompt, reader, float(word[5:]))
            word = "ok"
        if word == "hang":
            await self.wait(run, prompt, reader, 3600.0)
        if word in ("cut", "trickle"):
            writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n{")
            for _ in range(100_000 if word == "trickle" else 0):
                await self.wait(run, prompt, reader, 0.05)
                writer.write(b" ")
            await writer.drain()
            return False
        writer.write(plain_answer(word, request, key, self.origin))
        await writer.drain()
        return True

    async def wait(self, run: Run, prompt: str, reader: asyncio.StreamReader, seconds) -> None:
        """Wait, unless the other side goes away meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                while not reader.at_eof() and reader.exception() is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return
        run.dropped.append(prompt)
        raise ConnectionResetError


def end_with_parent() -> None:
    """Wait until whoever started us is gone: then our standard input is at its end."""
    sys.stdin.read()
    os._exit(0)


async def main(port: int, after_seconds: float) -> None:
    await asyncio.sleep(after_seconds)
    server = Server(f"http://localhost:{port}")
    async with await asyncio.start_server(server.serve, "127.0.0.1", port, backlog=1024) as one:
        await one.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))

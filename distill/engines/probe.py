"""Who answers at a server's address: asked once, before any work."""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from distill.engines.exchange import Answer, Broken, Lanes
from distill.engines.replies import decode, get
from distill.engines.retries import retry_after_seconds, wait_seconds
from distill.engines.statuses import Peer, fault_of
from distill.errors import EngineError
from distill.recipe import Server

PROBE_SECONDS = 30.0  # for one attempt to get the list of models
MAX_LIST_BYTES = 8_000_000  # some gateways list hundreds of models, with prices


class Look(NamedTuple):
    """What a server says of itself."""

    models: tuple[str, ...] = ()
    family: str = ""  # `owned_by` of its models: "vllm", "sglang"
    name: str = ""  # with its version, where it tells it


async def look(lanes: Lanes, peer: Peer, keys: Server, backoff_seconds: float) -> Look:
    """Ask for the list of models: a server that gives none is taken as it is.

    Raises: EngineError if it cannot be reached, refuses the key or has moved.
    """
    answer = await _ask(lanes, peer, keys, backoff_seconds)
    host = urlsplit(peer.url).netloc
    reply = decode(answer.body) if answer is not None and answer.status == 200 else None
    listed = get(reply, "data", list) or []
    entries = [entry for entry in listed if isinstance(entry, dict)]
    models = tuple(entry["id"] for entry in entries if isinstance(entry.get("id"), str))
    owners = {str(entry.get("owned_by")).lower() for entry in entries}
    family = next((owner for owner in ("vllm", "sglang") if owners == {owner}), "")
    version = await _version(lanes, peer, keys) if family == "vllm" else ""
    return Look(models, family, f"server {family or host} {version}".rstrip())


async def _ask(lanes: Lanes, peer: Peer, keys: Server, backoff_seconds: float) -> Answer | None:
    """The answer to GET /models; None where it has none for us."""
    for attempt in range(1, keys.attempts + 1):
        wait = None
        try:
            answer = await _get(lanes, f"{peer.url}/models", keys)
        except Broken as broken:
            fault = broken.fault
            if not fault.again:
                return None
        else:
            if answer.status in (401, *range(300, 400)):
                fault_of(peer, answer, decode(answer.body), "")
            if answer.status != 429 and answer.status < 500:
                return answer
            fault, wait = None, retry_after_seconds(answer.headers.get("retry-after"))
        if attempt < keys.attempts:
            await asyncio.sleep(wait_seconds(attempt, backoff_seconds, wait))
    if fault is None:  # it answers, if only with errors: the requests will tell
        return None
    raise EngineError(
        f"{peer.url}: cannot be reached ({fault.detail}; {keys.attempts} attempts); "
        "start the server, or check sample.server.url"
    )


async def _version(lanes: Lanes, peer: Peer, keys: Server) -> str:
    """What vLLM says at /version, beside its /v1."""
    try:
        answer = await _get(lanes, f"{peer.url.removesuffix('/v1')}/version", keys)
    except Broken:
        return ""
    reply = decode(answer.body)
    version = reply.get("version") if answer.status == 200 and isinstance(reply, dict) else None
    return version[:40] if isinstance(version, str) else ""


async def _get(lanes: Lanes, url: str, keys: Server) -> Answer:
    seconds = min(PROBE_SECONDS, keys.request_seconds)
    return await lanes.send("GET", url, None, seconds=seconds, max_bytes=MAX_LIST_BYTES)

"""What it means when a server does not answer with 200: wait, give this one up, or stop."""

import re
from typing import Any, NamedTuple

from distill.engines.exchange import Answer
from distill.engines.redaction import Key, without
from distill.engines.retries import Fault, retry_after_seconds
from distill.errors import EngineError
from distill.records import FailureReason

WORDS = 300  # characters of a server's words in a message
SHORT_PROMPT = 8  # characters: a shorter one may be part of any message
PROMPT_PIECE = 24  # characters: a shorter run that a message shares with the prompt is left
_AGAIN = (408, 409, 425)  # timed out, in conflict, too early: the next attempt may pass
_NO_CREDIT = ("insufficient_quota", "insufficient_balance", "billing_hard_limit_reached")
_MODERATED = ("reasons", "flagged_input")  # in a 403: this text is refused, not the key
_NO_MODEL = re.compile(
    r"model[^.]{0,120}?(does not exist|not exist|not found|not a valid|is unknown)"
    r"|not a valid model|unknown model|no such model",
    re.IGNORECASE,
)


class Peer(NamedTuple):
    """Who is asked, for messages."""

    url: str
    model: str
    key: Key
    key_variable: str | None
    models: tuple[str, ...] = ()  # those that the server lists


def fault_of(peer: Peer, answer: Answer, reply: Any, prompt: str) -> Fault | None:
    """Why an answer is no reply; None if it is one.

    Args:
        reply: the answer's body as JSON, None if it is none.
    Raises: EngineError for what no other request would survive either.
    """
    status, told = answer.status, _told(reply)
    if 200 <= status < 300:
        if told is None or _has_choices(reply):
            return None
        code = told.get("code")  # an error, sent as 200
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
    words = _words(peer.key, answer.body, reply, prompt)
    _stop_if_hopeless(peer, answer, status, told or {}, words)
    detail = f"{status}: {words}"
    wait = retry_after_seconds(answer.headers.get("retry-after"))
    if status == 429:
        return Fault(FailureReason.RATE_LIMITED, detail, wait_seconds=wait)
    if status in _AGAIN or status >= 500:
        return Fault(FailureReason.SERVER_ERROR, detail, wait_seconds=wait)
    return Fault(FailureReason.REFUSED, detail, again=False)


def _stop_if_hopeless(peer: Peer, answer: Answer, status: int, told: dict, words: str) -> None:
    code = str(told.get("code") or told.get("type") or "")
    if 300 <= status < 400:
        raise EngineError(_moved(peer, answer, status))
    if status == 401 or (status == 403 and not _is_moderated(told)):
        raise EngineError(f"{peer.url}: refuses us ({status}: {words}); {key_advice(peer)}")
    if status == 402 or code in _NO_CREDIT:
        raise EngineError(
            f"{peer.url}: no credit left ({status}: {words}); what was stored stays: "
            "top up the account, then start the same command again"
        )
    if code == "model_not_found" or (status in (400, 404, 422) and _NO_MODEL.search(words)):
        raise EngineError(
            f"{peer.url}: has no model {peer.model!r} ({status}: {words}); "
            f"set sample.teacher to one of its models{_listed(peer)}"
        )
    if status in (404, 405):
        raise EngineError(
            f"{peer.url}: no such place ({status}: {words}); check sample.server.url, which ends "
            f"in /v1 for most servers, and sample.teacher ({peer.model!r}){_listed(peer)}"
        )


def key_advice(peer: Peer) -> str:
    """What to do about a key that is refused, or missing."""
    if peer.key_variable is None:
        return (
            "it seems to want a key: put it into an environment variable and name that variable "
            "in sample.server.key_variable"
        )
    return f"check the key in the environment variable {peer.key_variable}"


def _moved(peer: Peer, answer: Answer, status: int) -> str:
    target = peer.key.hide(answer.headers.get("location", "")[:WORDS])
    return (
        f"{peer.url}: redirects to {target or 'nowhere'} ({status}); requests are not sent on, "
        "since the key would go along: put the final address into sample.server.url"
    )


def _listed(peer: Peer) -> str:
    if not peer.models:
        return ""
    more = f" and {len(peer.models) - 20} more" if len(peer.models) > 20 else ""
    return f": it lists {', '.join(peer.models[:20])}{more}"


def _told(reply: Any) -> dict | None:
    """The error object of a reply, in any of the shapes that servers give it."""
    if not isinstance(reply, dict):
        return None
    error = reply.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str) and error:
        return {**reply, "message": error}
    if reply.get("object") == "error":
        return reply
    return None


def _has_choices(reply: Any) -> bool:
    return isinstance(reply, dict) and isinstance(reply.get("choices"), list)


def _is_moderated(told: dict) -> bool:
    metadata = told.get("metadata")
    return isinstance(metadata, dict) and any(key in metadata for key in _MODERATED)


def _words(key: Key, body: bytes, reply: Any, prompt: str) -> str:
    """The server's words in one line, without the key and the prompt."""
    told = _told(reply) or (reply if isinstance(reply, dict) else {})
    text = body[: 8 * WORDS].decode("utf-8", "replace")
    if reply is None:
        text = re.sub(r"<(style|script)\b.*?</\1>|<[^>]{0,200}>", " ", text, flags=re.DOTALL)
    said = (told.get(name) for name in ("message", "detail"))
    text = next((words for words in said if isinstance(words, str)), text)
    text = key.hide(text[: 8 * WORDS])
    if len(prompt) >= SHORT_PROMPT:
        text = without(text, prompt, "[prompt]", PROMPT_PIECE)
    text = " ".join(text.split())
    return (text[:WORDS] + "..." if len(text) > WORDS else text) or "no words"

"""A server's reply to one request: a completion, or why there is none in it."""

import json
import re
from typing import Any

import msgspec

from distill.engines.base import Request
from distill.engines.retries import Fault
from distill.records import Completion, FailureReason, FinishReason

BYTES_PER_TOKEN = 3.5  # of a reasoning trace in UTF-8, where nobody tells the tokens
_STOP = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
_LENGTH = ("length", "max_tokens", "model_length")
_REFUSED = ("content_filter", "safety", "refusal")
_BROKEN = ("error", "abort", "insufficient_system_resource")  # the server gave up half-way
_OPENING = re.compile(r"\s*<think>\s*")
_CLOSING = re.compile(r"\s*</think>\s*$")


def decode(body: bytes) -> Any:
    """The body as JSON; None for what is none. Half characters become U+FFFD.

    Python's own reader is the second try: it takes what Python servers write (NaN, half pairs).
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def read_reply(reply: Any, request: Request) -> Completion | Fault:
    """What is in a decoded reply with the status 200.

    - the finish reason: another word for stop or length is taken as such; content_filter and its
      kind are a refusal; "error" and "abort" a server's error; none at all or an unknown one is
      length when as many tokens were written as allowed, else stop;
    - an empty text is a completion only if the server counted a token of it (a model may end at
      once); null is none;
    - tokens that nobody told are estimated, and the completion says so.
    """
    choices = get(reply, "choices", list)
    if choices is None:
        detail = f"expected JSON with 'choices', got {_kind(reply)}"
        return Fault(FailureReason.BAD_REPLY, detail, worked=True)
    told = _usage(reply)
    if not choices:
        return _fault(FailureReason.EMPTY, "no choices in the reply", told)
    choice = choices[0] if isinstance(choices[0], dict) else {}
    finish = choice.get("finish_reason")
    if finish in _REFUSED or get(get(choice, "message", dict), "refusal", str):
        return _fault(FailureReason.REFUSED, f"finish_reason {finish}", told)._replace(again=False)
    if finish in _BROKEN:
        return _fault(FailureReason.SERVER_ERROR, f"finish_reason {finish}", told)
    text = _chat_text(choice) if request.is_chat else get(choice, "text", str)
    if text is None or (not text and not told[1]):
        return _fault(FailureReason.EMPTY, f"no text, finish_reason {finish}", told)
    return _completion(_whole(text), choice, request, told)


def _completion(
    text: str, choice: dict, request: Request, told: tuple[int | None, int | None]
) -> Completion:
    prompt_tokens, completion_tokens = told
    token_ids, logprobs = _tokens(choice)
    finish = choice.get("finish_reason")
    if not completion_tokens:
        guess = len(token_ids) or len(logprobs) or estimated_tokens(text)
        completion_tokens = request.max_tokens if finish in _LENGTH else guess
        completion_tokens = min(completion_tokens, request.max_tokens)
    return Completion(
        text=text,
        finish_reason=_finish(finish, completion_tokens, request.max_tokens),
        prompt_tokens=prompt_tokens or estimated_tokens(request.prompt),
        completion_tokens=completion_tokens,
        token_ids=token_ids,
        logprobs=logprobs,
        tokens_are_counted=bool(prompt_tokens and told[1]),
    )


def estimated_tokens(text: str) -> int:
    """How many tokens a text has, about; at least 1."""
    return max(1, round(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN))


def merged(reasoning: str | None, content: str | None) -> str | None:
    """Thought and answer as one text with one think block; None if there is neither.

    A content that has the block already is taken alone. One that only closes it was written after
    a prompt that opened it. A thought without an answer stays open: it was cut, or never ended.
    """
    reasoning = _CLOSING.sub("", _OPENING.sub("", reasoning or "", count=1)).strip()
    if content is not None and "</think>" in content:
        return content if "<think>" in content else f"<think>\n{content.lstrip()}"
    if not reasoning:
        return content
    if not content or not content.strip():
        return f"<think>\n{reasoning}"
    return f"<think>\n{reasoning}\n</think>\n\n{content.lstrip()}"


def _chat_text(choice: dict) -> str | None:
    message = get(choice, "message", dict) or {}
    content, thought = _parts(message.get("content"))
    reasoning = get(message, "reasoning_content", str) or get(message, "reasoning", str)
    return merged(reasoning or thought, content)


def _parts(content: Any) -> tuple[str | None, str]:
    """Text and thought of a content that is a text, or a list of parts of either kind."""
    if not isinstance(content, list):
        return (content if isinstance(content, str) else None), ""
    texts = [get(part, "text", str) or "" for part in content]
    thoughts = [get(part, "thinking", (str, list)) or "" for part in content]
    inner = [t if isinstance(t, str) else _parts(t)[0] or "" for t in thoughts]
    return "".join(texts), "".join(inner)


def _finish(finish: Any, completion_tokens: int, max_tokens: int) -> FinishReason:
    if finish in _LENGTH:
        return "length"
    if finish in _STOP:
        return "stop"
    return "length" if completion_tokens >= max_tokens else "stop"


def _tokens(choice: dict) -> tuple[list[int], list[float]]:
    """Token ids and their logprobs, of all tokens or of none."""
    ids = get(choice, "token_ids", list) or []
    told = get(choice, "logprobs", dict)
    each = get(told, "token_logprobs", list)
    if each is None:
        each = [get(token, "logprob", (int, float)) for token in get(told, "content", list) or []]
    return (
        ids if all(type(token) is int and 0 <= token < 2**31 for token in ids) else [],
        [float(value) for value in each] if all(map(_is_number, each)) else [],
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9


def _usage(reply: dict) -> tuple[int | None, int | None]:
    """Tokens of prompt and completion that the server counted; None where it tells none."""
    usage = get(reply, "usage", dict)
    return _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")


def _count(usage: dict | None, key: str) -> int | None:
    value = get(usage, key, int)
    return value if value is not None and 0 <= value < 2**53 else None


def _fault(reason: FailureReason, detail: str, told: tuple[int | None, int | None]) -> Fault:
    return Fault(reason, detail, prompt_tokens=told[0] or 0, completion_tokens=told[1], worked=True)


def _whole(text: str) -> str:
    """The text with half surrogate pairs replaced: it must fit into UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def get(where: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """A value of a kind from a JSON object; None for all else, true and false included."""
    value = where.get(key) if isinstance(where, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _kind(reply: Any) -> str:
    if isinstance(reply, dict):
        return f"an object with {', '.join(map(str, list(reply)[:5])) or 'nothing'}"
    return "something else" if reply is None else type(reply).__name__

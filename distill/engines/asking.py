"""One request from its first attempt to a completion, or to the reason why there is none."""

import asyncio
import time
from typing import Any, NamedTuple

import msgspec

from distill.engines.base import Request, SamplingParams
from distill.engines.exchange import Broken, Lanes
from distill.engines.replies import decode, estimated_tokens, read_reply
from distill.engines.retries import Fault, wait_seconds
from distill.engines.statuses import WORDS, Peer, fault_of
from distill.errors import EngineError
from distill.recipe import Server
from distill.records import Completion, Failure, FailureReason

SEEDS = 2**31  # some servers refuse larger ones
TOKENS_PER_SECOND = 50.0  # of one request, until the server has shown its own
GRACE = 10  # a rate limit is waited out for so many times the attempts, while others are served
_EXACT = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "skip_special_tokens": False}
DEFAULTS = {"vllm": _EXACT, "sglang": _EXACT}
"""By `owned_by` of the models' list. These servers take what a request leaves out from the
model's generation_config.json, so that without these keys others than the recipe's would count;
and they take special tokens out of the text, think tags among them."""


class Asked(NamedTuple):
    """What all requests of one call have in common."""

    peer: Peer
    keys: Server
    params: SamplingParams
    family: str  # a key of DEFAULTS, or anything else
    backoff_seconds: float


class Pace:
    """How fast the server writes, and how often it answered: learned as replies come in."""

    def __init__(self) -> None:
        self.answered = 0  # requests with a completion
        self.waiting = 0  # attempts sent and not yet answered
        self._tokens = 0
        self._seconds = 0.0

    def learn(self, completion: Completion) -> None:
        self.answered += 1
        self._tokens += completion.completion_tokens
        self._seconds += completion.seconds

    def tokens_in(self, seconds: float, max_tokens: int) -> int:
        """About how many tokens a request has got by now; at most what it may get."""
        speed = self._tokens / self._seconds if self._seconds > 0 else TOKENS_PER_SECOND
        return min(max_tokens, round(speed * seconds))


class Asking:
    """The state of one request: how often it was tried, and what that may have cost."""

    def __init__(self, request: Request, asked: Asked, lanes: Lanes, pace: Pace) -> None:
        self.request = request
        self.rounds = 0  # calls of `outcome`
        self.alone = False  # nobody was answered from its last failure but one to its last
        self._asked = asked
        self._lanes = lanes
        self._pace = pace
        self._attempts = 0
        self._costs = [0, 0]  # tokens of prompts and completions, of attempts that failed
        self._started = time.monotonic()
        self._sent: float | None = None  # when the attempt under way began

    async def outcome(self) -> Completion | Failure:
        """Try until there is a completion, or no hope. May be called again after a failure.

        Raises: EngineError for what no other request would survive either.
        """
        self.rounds += 1
        until = time.monotonic() + self._asked.keys.total_seconds
        counted, tries, answered, detail = 0, 0, self._pace.answered, ""
        while True:
            tries += 1
            found = await self._attempt(until)
            if isinstance(found, Completion):
                return self._with_costs(found, detail)
            self._charge(found)
            detail = found.detail
            self.alone, answered = self._pace.answered == answered, self._pace.answered
            served = self._pace.waiting > 0 or not self.alone
            counted += not (served and found.reason is FailureReason.RATE_LIMITED)
            if not found.again or max(counted, tries / GRACE) >= self._asked.keys.attempts:
                return self._failure(found.reason, found.detail)
            wait = wait_seconds(tries, self._asked.backoff_seconds, found.wait_seconds)
            if time.monotonic() + wait >= until:
                late = f"{found.detail}; no time is left (sample.server.total_seconds)"
                return self._failure(found.reason, late)
            await asyncio.sleep(wait)

    def withdrawn(self) -> Failure:
        """What becomes of it when it is dropped now."""
        if self._sent is not None:
            self._charge(Fault(FailureReason.WITHDRAWN, "", worked=True))
        return self._failure(FailureReason.WITHDRAWN, "")

    async def _attempt(self, until: float) -> Completion | Fault:
        asked = self._asked
        body = msgspec.json.encode(body_of(self.request, asked))
        place = "chat/completions" if self.request.is_chat else "completions"
        self._sent = time.monotonic()
        self._attempts += 1
        self._pace.waiting += 1
        try:
            answer = await self._lanes.send(
                "POST",
                f"{asked.peer.url}/{place}",
                body,
                seconds=min(asked.keys.request_seconds, until - self._sent),
                max_bytes=round(asked.keys.max_reply_mb * 1e6),
            )
        except Broken as broken:
            return broken.fault
        finally:
            self._pace.waiting -= 1
        reply = decode(answer.body)
        fault = fault_of(asked.peer, answer, reply, self.request.prompt)
        if fault is not None:
            return fault
        found = read_reply(reply, self.request)
        if isinstance(found, Completion):
            return self._ended(found)
        return found._replace(detail=asked.peer.key.hide(found.detail[:WORDS]))

    def _ended(self, completion: Completion) -> Completion:
        completion = msgspec.structs.replace(
            completion,
            text=self._asked.peer.key.hide_whole(completion.text),
            seconds=time.monotonic() - self._sent,
        )
        self._pace.learn(completion)
        return completion

    def _charge(self, fault: Fault) -> None:
        """Count what a failed attempt may have cost: as told, else by its time."""
        if fault.worked:
            seconds = time.monotonic() - self._sent
            guess = self._pace.tokens_in(seconds, self.request.max_tokens)
            told = fault.completion_tokens
            self._costs[0] += fault.prompt_tokens or estimated_tokens(self.request.prompt)
            self._costs[1] += guess if told is None else told
        self._sent = None

    def _with_costs(self, completion: Completion, detail: str) -> Completion:
        """The completion with what its failed attempts may have cost."""
        if not any(self._costs):
            return completion
        retried = self._failure(FailureReason.RETRIED, detail)
        retried = msgspec.structs.replace(
            retried,
            attempts=self._attempts - 1,
            seconds=max(0.0, retried.seconds - completion.seconds),
        )
        return msgspec.structs.replace(completion, retried=retried)

    def _failure(self, reason: FailureReason, detail: str) -> Failure:
        return Failure(
            trace_id=self.request.key,
            reason=reason,
            detail=detail,
            attempts=max(1, self._attempts),
            prompt_tokens=self._costs[0],
            completion_tokens=self._costs[1],
            seconds=time.monotonic() - self._started,
        )


def body_of(request: Request, asked: Asked) -> dict[str, Any]:
    """What is sent to the server for a request."""
    params = asked.params
    body: dict[str, Any] = {"model": asked.peer.model}
    if request.is_chat:
        body["messages"] = [{"role": "user", "content": request.prompt}]
    else:
        body["prompt"] = request.prompt
    body |= {
        "max_tokens": request.max_tokens,
        "temperature": params.temperature,
        "top_p": params.top_p,
        **DEFAULTS.get(asked.family, {}),
    }
    if params.top_k:
        body["top_k"] = params.top_k
    if params.logprobs:
        body |= {"logprobs": True} if request.is_chat else {"logprobs": 0}
        body |= {"return_token_ids": True} if asked.family == "vllm" else {}
    if asked.keys.send_seed:
        body["seed"] = request.seed % SEEDS
    return body | asked.keys.extra_body


def check_extra_body(keys: Server) -> None:
    """Raises: EngineError where it would overrule the recipe or the way replies are read."""
    taken = {"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "seed"}
    taken |= {"temperature", "top_p", "n", "best_of", "stream", "stream_options", "echo"}
    taken |= {"logprobs", "top_logprobs", "return_token_ids"}
    found = sorted(taken & set(keys.extra_body))
    if found:
        raise EngineError(
            f"sample.server.extra_body.{found[0]} cannot be set there: the recipe's own keys and "
            "the engine decide it; remove it"
        )

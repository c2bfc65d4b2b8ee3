"""What a run may spend, checked before a request starts: only what is in flight overshoots."""

import math

import msgspec

from distill.recipe import Price

UNLIMITED = 2**31


def usd_of(
    price: Price, prompt_tokens: float, completion_tokens: float, hours: float = 0.0
) -> float:
    """US dollars that tokens, and hours of the machines, cost; of arrays, element by element."""
    spent = prompt_tokens * price.usd_per_million_in + completion_tokens * price.usd_per_million_out
    return spent / 1e6 + hours * price.usd_per_hour


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a whole run, all its sessions together; None is no limit."""

    max_tokens_total: int | None = None  # prompt and completion tokens
    max_usd: float | None = None  # tokens and machine hours
    max_hours: float | None = None  # spent sampling


class Budget:
    """What was spent, and how many requests may still start. The clock is passed in.

    Args:
        hours_before: spent sampling in earlier sessions.
        first_guess: (prompt, completion) tokens expected of a request before any has come back.
    """

    def __init__(
        self,
        limits: Limits,
        price: Price,
        *,
        hours_before: float = 0.0,
        first_guess: tuple[int, int] = (0, 0),
    ) -> None:
        self._limits = limits
        self._price = price
        self._hours_before = hours_before
        self._first_guess = first_guess
        self._requests = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens spent so far."""
        return self._prompt_tokens + self._completion_tokens

    def usd(self, hours: float) -> float:
        """Spent so far, machine hours included; `hours` are those of this session."""
        hours += self._hours_before
        return usd_of(self._price, self._prompt_tokens, self._completion_tokens, hours)

    def charge(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Count one request that has ended; returns US dollars of its tokens."""
        self._requests += 1
        self._prompt_tokens += prompt_tokens
        self._completion_tokens += completion_tokens
        return usd_of(self._price, prompt_tokens, completion_tokens)

    def admits(self, under_way: int, hours: float) -> int:
        """How many more requests may start now.

        0 as soon as what is spent and what those under way are expected to cost, each the mean of
        those that have ended, reach a limit. With none under way it is 0 only once a limit is
        reached, so a run never stands still below its limit.
        """
        prompt, completion = self._expected()
        rooms = [
            _rooms(self._limits.max_tokens_total, self.tokens, prompt + completion, under_way),
            _rooms(
                self._limits.max_usd,
                self.usd(hours),
                usd_of(self._price, prompt, completion),
                under_way,
            ),
            _rooms(self._limits.max_hours, self._hours_before + hours, 0.0, under_way),
        ]
        return min(rooms)

    def reached(self, hours: float) -> str | None:
        """Which limit is reached, for the closing message; None while none is."""
        limits = self._limits
        spent = self._hours_before + hours
        if limits.max_tokens_total is not None and self.tokens >= limits.max_tokens_total:
            return f"sample.max_tokens_total: {self.tokens} of {limits.max_tokens_total} tokens"
        if limits.max_usd is not None and self.usd(hours) >= limits.max_usd:
            return f"sample.max_usd: {self.usd(hours):.2f} of {limits.max_usd:.2f} USD"
        if limits.max_hours is not None and spent >= limits.max_hours:
            return f"sample.max_hours: {spent:.2f} of {limits.max_hours:.2f} hours"
        return None

    def _expected(self) -> tuple[float, float]:
        if not self._requests:
            return self._first_guess
        return self._prompt_tokens / self._requests, self._completion_tokens / self._requests


def _rooms(limit: float | None, spent: float, each: float, under_way: int) -> int:
    if limit is None:
        return UNLIMITED
    left = limit - spent - under_way * each
    if left <= 0:
        return 0
    return min(math.ceil(left / each), UNLIMITED) if each > 0 else UNLIMITED

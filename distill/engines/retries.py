"""Why an attempt failed, and how long to wait before the next one."""

import math
import random
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from distill.records import FailureReason

LONGEST_WAIT_SECONDS = 60.0  # between two attempts, unless the server asks for more
LONGEST_RETRY_AFTER_SECONDS = 300.0  # a server that asks for more is asked again after this


class Fault(NamedTuple):
    """Why one attempt brought no completion."""

    reason: FailureReason
    detail: str  # status and the server's words, without keys and prompts
    again: bool = True  # worth another attempt
    wait_seconds: float | None = None  # what the server asked for
    prompt_tokens: int = 0  # what it told to have cost
    completion_tokens: int | None = None  # None: not told
    worked: bool = False  # the server may have written tokens, and may charge them


def wait_seconds(attempt: int, base: float, asked: float | None) -> float:
    """Seconds before the next attempt: exponential with full jitter, or what the server asked for.

    Args:
        attempt: how many there were, at least 1.
        base: the longest first wait.
        asked: by Retry-After; then up to `base` more, so that not all come back at once.
    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: "Full Jitter".
    """
    if asked is not None:
        return min(asked, LONGEST_RETRY_AFTER_SECONDS) + random.uniform(0, base)
    return random.uniform(0, min(LONGEST_WAIT_SECONDS, base * 2 ** min(attempt - 1, 30)))


def retry_after_seconds(header: str | None, now: float | None = None) -> float | None:
    """What a Retry-After header asks for: a number of seconds, or an HTTP date; None if neither.

    Args:
        now: seconds since the epoch; None is the clock.
    Source: RFC 9110, section 10.2.3.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        seconds = date.timestamp() - (time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else None

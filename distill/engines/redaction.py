"""Keep an API key out of everything that is written: logs, errors, traces."""

import logging
import os
from itertools import groupby

from distill.errors import EngineError

PIECE = 8  # characters: a shared run of that length counts as part of the key
SHORTEST = 4  # a shorter key is a placeholder, not a secret
SECRET = 16  # characters from which on a key is also taken out of completions
LOGGERS = tuple(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy"))


class Key:
    """An API key that shows neither in `repr` nor in a traceback that prints variables."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(***)"

    def headers(self) -> dict[str, str]:
        """What identifies us to the server; empty without a key."""
        return {"authorization": f"Bearer {self._text}"} if self._text else {}

    def hide(self, text: str) -> str:
        """The text with every part of the key replaced by ***, also where it was cut short."""
        return without(text, self._text, "***", PIECE) if len(self._text) >= SHORTEST else text

    def hide_whole(self, text: str) -> str:
        """A completion without the key; a short one may be an ordinary word and stays."""
        return text.replace(self._text, "***") if len(self._text) >= SECRET else text


def without(text: str, secret: str, mark: str, piece: int) -> str:
    """The text with everything that it shares with a secret replaced by a mark.

    Args:
        piece: characters; a shorter run that both have is left. A shorter secret is one piece.
    """
    size = min(piece, len(secret))
    pieces = {secret[at : at + size] for at in range(len(secret) - size + 1)}
    shared = [False] * len(text)
    for at in range(len(text) - size + 1 if size else 0):
        if text[at : at + size] in pieces:
            shared[at : at + size] = [True] * size
    runs = groupby(zip(text, shared, strict=True), key=lambda pair: pair[1])
    return "".join(mark if hidden else "".join(c for c, _ in run) for hidden, run in runs)


def key_from_environment(variable: str | None) -> Key:
    """The key held by an environment variable; an empty one for None.

    Raises: EngineError, naming the variable and never its value.
    """
    if variable is None:
        return Key("")
    text = os.environ.get(variable, "").strip()
    if not text:
        raise EngineError(
            f"sample.server.key_variable names {variable}, which is not set or empty; "
            f"put the key into it, as in: read -rs {variable} && export {variable}"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise EngineError(
            f"the environment variable {variable} holds something that is no key: expected "
            "printable ASCII characters without spaces"
        )
    return Key(text)


class HidingFilter(logging.Filter):
    """Takes the key out of what the HTTP library logs."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self._key = key

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._key.hide(record.getMessage()), None
        return True


def hide_in_logs(key: Key) -> HidingFilter:
    """From now on; until `show_in_logs`."""
    hiding = HidingFilter(key)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(hiding)
    return hiding


def show_in_logs(hiding: HidingFilter) -> None:
    for name in LOGGERS:
        logging.getLogger(name).removeFilter(hiding)

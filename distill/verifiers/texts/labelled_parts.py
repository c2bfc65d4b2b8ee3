"""Answers to several questions at once: "(a) 5 (b) 7" is 5, then 7."""

import re
from functools import lru_cache

MAX_PARTS_CHARS = 2000
MAX_PARTS = 12

_LABEL = re.compile(
    r"(?:^|(?<=[\s;,.]))(?:\*\*)?\((\d|[a-l]|i{1,3}|iv|vi{0,3})\)(?:\*\*)?\s*(?=\S)"
)
_ORDERS = ("123456789", "abcdefghijkl", ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"))


@lru_cache(maxsize=1024)
def read_labelled_parts(text: str) -> tuple[str, ...] | None:
    """The parts of a text that starts with "(a)" or "(1)" and goes on with the next label."""
    bare = text.strip()
    if not bare.startswith(("(", "**(")) or len(bare) > MAX_PARTS_CHARS:
        return None
    marks = list(_LABEL.finditer(bare))
    labels = [mark[1] for mark in marks]
    if not 2 <= len(labels) <= MAX_PARTS or marks[0].start() > 0:
        return None
    if not any(labels == [*order[: len(labels)]] for order in _ORDERS):
        return None
    ends = [*(mark.start() for mark in marks[1:]), len(bare)]
    parts = [bare[mark.end() : end].strip(" ;,.\n") for mark, end in zip(marks, ends, strict=True)]
    return tuple(parts) if all(parts) else None

"""Which of a problem's readable completions are kept, and how many."""

import hashlib
import unicodedata
from collections.abc import Sequence

from distill.filters.checks import Drop
from distill.records import DropReason


def completion_digest(completion: str) -> bytes:
    """Equal for completions that differ in case, spacing or Unicode form only."""
    plain = unicodedata.normalize("NFKC", completion).casefold()
    return hashlib.sha256(" ".join(plain.split()).encode("utf-8", "surrogatepass")).digest()[:16]


def select(
    digests: Sequence[bytes],
    *,
    drop_duplicates: bool,
    overlap: str | None,
    keep_per_problem: int | None,
) -> list[Drop | None]:
    """What becomes of the readable completions of one problem; None keeps one.

    The first ones are kept: they are as good a draw from the teacher as any, where the shortest
    or the longest would teach its own length. So the choice needs no seed and never changes.

    Args:
        digests: `completion_digest` of each, in the order in which they were drawn.
        overlap: what of the problem is in a test set, in words; None when nothing is.
        keep_per_problem: at most so many are kept; None keeps all.
    """
    fates: list[Drop | None] = []
    first: dict[bytes, int] = {}
    kept = 0
    for at, digest in enumerate(digests):
        twin = first.setdefault(digest, at)
        if drop_duplicates and twin != at:
            fates.append(Drop(DropReason.DUPLICATE, f"says what readable completion {twin} says"))
        elif overlap is not None:
            fates.append(Drop(DropReason.TEST_OVERLAP, overlap))
        elif keep_per_problem is not None and kept >= keep_per_problem:
            fates.append(Drop(DropReason.SURPLUS, f"{kept} kept before it"))
        else:
            fates.append(None)
            kept += 1
    return fates

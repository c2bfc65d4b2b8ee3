"""Every text is examined once, for every reason, on all cores.

Of each trace only a Finding of some hundred bytes stays, so that memory does not grow with the
texts; what becomes of the traces is decided from the findings (`distill.filters.decisions`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from distill.crew import Crew, Lost
from distill.errors import WorkerError
from distill.filters.checks import READABILITY_KEYS, readability_faults
from distill.filters.duplicates import completion_digest, signature
from distill.filters.findings import Examined, Finding, Known, TestText
from distill.recipe import Filter

FEW_CHARS = 3_000_000  # less than this is done before a second process has started


class Subject(NamedTuple):
    """A trace to examine."""

    known: Known
    question: str
    completion: str  # with its opening think tag, even where the prompt wrote it
    is_sound: bool = True  # False: it is dropped already, so nobody compares it with others


class Checks(NamedTuple):
    """What is looked for in a text; goes to other processes, so all of it is picklable."""

    thresholds: Mapping[str, Any]  # READABILITY_KEYS of the recipe's section filter
    overlap: Callable[[str], TestText | None] | None = None  # what of a test set a completion has
    digests: bool = True  # exact repeats are looked for
    signatures: bool = True  # so are near ones, or the most diverse
    compare_all: bool = False  # both also of what is dropped already


def checks_of(
    keys: Filter,
    *,
    overlap: Callable[[str], TestText | None] | None = None,
    compare_all: bool = False,
) -> Checks:
    """What a recipe's section filter looks for in a text."""
    return Checks(
        thresholds={key: getattr(keys, key) for key in READABILITY_KEYS},
        overlap=overlap,
        digests=keys.drop_duplicates,
        signatures=keys.near_duplicate_similarity is not None or keys.keep == "diverse",
        compare_all=compare_all,
    )


def examine(question: str, completion: str, checks: Checks, *, is_sound: bool = True) -> Examined:
    """Every reason in one text not to learn from it, and what it takes to compare it."""
    drops = tuple(readability_faults(question=question, completion=completion, **checks.thresholds))
    compared = checks.compare_all or (is_sound and not drops)
    return Examined(
        drops=drops,
        overlap=None if checks.overlap is None else checks.overlap(completion),
        digest=completion_digest(completion) if compared and checks.digests else b"",
        signature=signature(completion) if compared and checks.signatures else b"",
    )


def examine_all(
    subjects: Iterable[Subject], checks: Checks, *, processes: int
) -> Iterator[Finding]:
    """A finding for every trace, in their order; no more texts are held than are on their way.

    Args:
        processes: how many at a time; a small lot is examined here, whatever is asked.
    Raises: WorkerError when a process died twice on the same text.
    """
    subjects = iter(subjects)
    first, is_all = _until(subjects, FEW_CHARS)
    waiting: deque[Known] = deque()

    def texts() -> Iterator[tuple[str, str, bool]]:
        while first:
            yield noted(first.popleft())
        yield from map(noted, subjects)

    def noted(subject: Subject) -> tuple[str, str, bool]:
        waiting.append(subject.known)
        return subject[1:]

    with closing(_examined(texts(), checks, 1 if is_all else processes)) as results:
        for examined in results:
            known = waiting.popleft()
            if isinstance(examined, Lost):
                raise _failure(known, examined)
            yield Finding(known, examined)


def _examined(
    texts: Iterator[tuple[str, str, bool]], checks: Checks, processes: int
) -> Iterator[Examined | Lost]:
    if processes == 1:
        with serve(checks) as work:
            yield from map(work, texts)
        return
    with Crew(partial(serve, checks), processes, memory_bytes=None) as crew:  # large test sets
        yield from crew.map(texts)


@contextmanager
def serve(checks: Checks) -> Iterator[Callable[[tuple[str, str, bool]], Examined]]:
    """What a process does with question, completion and is_sound of each trace."""
    yield lambda text: examine(text[0], text[1], checks, is_sound=text[2])


def _failure(known: Known, lost: Lost) -> WorkerError:
    what = f"trace {known.trace_id!r}: the process that examined it {lost.detail}"
    if lost.cause == "raised":
        return WorkerError(
            f"{what}; this is a fault of the filter, which other traces may not meet"
        )
    return WorkerError(
        f"{what}, and so did a second one; it may have run out of memory: use fewer processes, or "
        "give it more"
    )


def _until(subjects: Iterator[Subject], chars: int) -> tuple[deque[Subject], bool]:
    """The first subjects, up to so many characters, and whether these are all."""
    taken: deque[Subject] = deque()
    for subject in subjects:
        taken.append(subject)
        chars -= len(subject.completion)
        if chars <= 0:
            return taken, False
    return taken, True

"""The exceptions a user can meet, one for each boundary of the toolkit."""

import difflib


class DistillError(Exception):
    """Base of all expected failures: the command line prints its text without a traceback."""


class RecipeError(DistillError):
    """A recipe, an override or a flag that cannot be obeyed; raised before any work starts."""


class RecordError(DistillError):
    """A record in a file or a store that cannot be read: says file, line and field."""


class EngineError(DistillError):
    """A model that cannot be opened or that failed to answer."""


class TrainingError(DistillError):
    """Training that would learn the wrong thing (a lost think block, NaN) or cannot go on."""


class StoreError(DistillError):
    """A run folder that cannot be used: locked, damaged, full, or made by another recipe."""


class SandboxUnavailable(DistillError):
    """This machine cannot isolate a model's program: says what is missing and what to install."""


class SandboxError(DistillError):
    """The sandbox itself failed, not the program in it: nothing is known of the program."""


class WorkerError(DistillError):
    """A process that worked for us died, twice on the same work; nothing half-done is kept."""


def nearest(word: str, known: list[str]) -> str:
    """ ", did you mean X?" for the closest known word, or "" when none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""

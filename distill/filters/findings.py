"""What is known of each trace once its text was looked at: some hundred bytes, and no text."""

import os
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from distill.filters.checks import Drop
from distill.records import FinishReason, Verdict


class TestText(Protocol):
    """A text of a test set that was found in a question or completion."""

    test_set: str
    problem_id: str
    rule: str
    words: str


class Known(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a trace beside its text."""

    trace_id: str | int
    problem: str  # its id, or what stands for its question
    index: int = 0  # among the traces of its problem
    family: str = ""
    length: int = 0  # in tokens, or in characters where nobody counted tokens
    finish_reason: FinishReason | None = None
    verdict: Verdict | None = None  # of the rule
    judged: bool | None = None  # of a language model; None: not asked, or not to be read


class Examined(NamedTuple):
    """What the text of a trace says."""

    drops: tuple[Drop, ...]  # every reason, in the order of DropReason
    overlap: TestText | None  # what of a test set is in it
    digest: bytes  # b"" where nobody will compare it
    signature: bytes


class Finding(NamedTuple):
    """All that the decisions need to know of a trace."""

    known: Known
    examined: Examined


class Findings(Sequence[Finding]):
    """Findings in a file without a name: eight bytes of memory for each, and the file ends with us.

    Raises: OSError when the disk of temporary files is full.
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._file = tempfile.TemporaryFile(prefix="findings-")  # noqa: SIM115 - closed with us
        self._ends = array("Q", [0])
        self._unwritten = False
        for finding in findings:
            self.append(finding)

    def append(self, finding: Finding) -> None:
        """Add one at the end."""
        row = pickle.dumps(finding, pickle.HIGHEST_PROTOCOL)
        self._file.write(row)
        self._ends.append(self._ends[-1] + len(row))
        self._unwritten = True

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> Finding:
        if not 0 <= at < len(self):
            raise IndexError(at)
        if self._unwritten:
            self._file.flush()
            self._unwritten = False
        start = self._ends[at]
        return pickle.loads(os.pread(self._file.fileno(), self._ends[at + 1] - start, start))

    def __iter__(self) -> Iterator[Finding]:
        return map(self.__getitem__, range(len(self)))

    def by_problem(self) -> "Findings":
        """The same, by problem and in the order in which its traces were drawn."""
        keys = [(finding.known.problem, finding.known.index) for finding in self]
        return Findings(map(self.__getitem__, sorted(range(len(self)), key=keys.__getitem__)))

"""What is known of each trace once its text was looked at: some hundred bytes, and no text."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from distill.filters.checks import Drop
from distill.records import FinishReason, Verdict, VerdictReason

DIGEST_BYTES = 16
_NO_DIGEST = bytes(DIGEST_BYTES)
_ENDINGS: tuple[FinishReason | None, ...] = (None, "stop", "length")
_TRUTHS = (None, False, True)
_REASONS = (None, *VerdictReason)


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
    """Findings in a tenth of the space: columns of numbers, and texts only where there are any.

    Of a verdict its seconds and its detail are not kept.
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._ids: list[str | int] = []
        self._problems, self._families = _Names(), _Names()
        self._indexes, self._lengths = array("I"), array("Q")
        self._endings, self._judged = array("b"), array("b")
        self._reasons, self._correct = array("b"), array("b")  # of the verdict
        self._answers: list[str | None] = []
        self._routes = _Names()
        self._drops: dict[int, tuple[Drop, ...]] = {}
        self._overlaps: dict[int, TestText] = {}
        self._digests = bytearray()
        self._signatures = bytearray()
        self._signature_ends = array("Q")
        for finding in findings:
            self.append(finding)

    def append(self, finding: Finding) -> None:
        """Add one at the end."""
        known, examined = finding
        at = len(self._ids)
        self._ids.append(known.trace_id)
        self._problems.append(known.problem)
        self._families.append(known.family)
        self._indexes.append(known.index)
        self._lengths.append(known.length)
        self._endings.append(_ENDINGS.index(known.finish_reason))
        self._judged.append(_TRUTHS.index(known.judged))
        self._append_verdict(known.verdict)
        if examined.drops:
            self._drops[at] = examined.drops
        if examined.overlap is not None:
            self._overlaps[at] = examined.overlap
        self._digests += examined.digest or _NO_DIGEST
        self._signatures += examined.signature
        self._signature_ends.append(len(self._signatures))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, at: int) -> Finding:
        if not 0 <= at < len(self._ids):
            raise IndexError(at)
        known = Known(
            trace_id=self._ids[at],
            problem=self._problems[at],
            index=self._indexes[at],
            family=self._families[at],
            length=self._lengths[at],
            finish_reason=_ENDINGS[self._endings[at]],
            verdict=self._verdict(at),
            judged=_TRUTHS[self._judged[at]],
        )
        return Finding(known, self._examined(at))

    def __iter__(self) -> Iterator[Finding]:
        return map(self.__getitem__, range(len(self)))

    def by_problem(self) -> "Findings":
        """The same, by problem and in the order in which its traces were drawn."""
        order = sorted(range(len(self)), key=lambda at: (self._problems[at], self._indexes[at]))
        return Findings(map(self.__getitem__, order))

    def _append_verdict(self, verdict: Verdict | None) -> None:
        self._reasons.append(0 if verdict is None else _REASONS.index(verdict.reason))
        self._correct.append(0 if verdict is None else _TRUTHS.index(verdict.correct))
        answer = verdict.answer if verdict else None
        self._answers.append(answer and sys.intern(answer))
        self._routes.append(verdict.route if verdict else "")

    def _verdict(self, at: int) -> Verdict | None:
        reason = _REASONS[self._reasons[at]]
        if reason is None:
            return None
        return Verdict(
            trace_id=str(self._ids[at]),
            correct=_TRUTHS[self._correct[at]],
            reason=reason,
            answer=self._answers[at],
            route=self._routes[at],
        )

    def _examined(self, at: int) -> Examined:
        digest = bytes(self._digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES])
        start = self._signature_ends[at - 1] if at else 0
        return Examined(
            drops=self._drops.get(at, ()),
            overlap=self._overlaps.get(at),
            digest=b"" if digest == _NO_DIGEST else digest,
            signature=bytes(self._signatures[start : self._signature_ends[at]]),
        )


class _Names:
    """A column of texts of which many are the same."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._column = array("I")

    def append(self, text: str) -> None:
        number = self._numbers.setdefault(text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(text)
        self._column.append(number)

    def __getitem__(self, at: int) -> str:
        return self._texts[self._column[at]]

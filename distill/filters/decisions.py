"""The fate of every trace: what is wrong with it, what it repeats, who of the rest is chosen.

Quick, and without texts: it can be made again under other rules (`distill.filters.ablation`).
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from distill.filters.checks import Drop, not_right
from distill.filters.duplicates import NearDuplicates
from distill.filters.findings import Finding, Known, TestText
from distill.filters.selection import Candidate, best, pass_rates, round_robin
from distill.recipe import Filter
from distill.records import DropReason

SHOWN_CHARS = 80  # of what two texts share
_RANK = {reason: rank for rank, reason in enumerate(DropReason)}


class Word(NamedTuple):
    """What is taken for true of a trace's answer, and what speaks against it."""

    correct: bool | None
    drops: tuple[Drop, ...]


class Fate(NamedTuple):
    """What becomes of a trace; KEPT or the first reason, and every reason it has."""

    reason: DropReason
    detail: str = ""
    reasons: tuple[DropReason, ...] = ()

    @property
    def kept(self) -> bool:
        return self.reason is DropReason.KEPT


KEPT = Fate(DropReason.KEPT)
_SHARED: dict[tuple[DropReason, ...], tuple[DropReason, ...]] = {}  # combinations seen, once each
_NOTHING_AGAINST = {correct: Word(correct, ()) for correct in (True, False, None)}

Combine = Callable[[bool | None, bool | None, str], bool | None]
"""What is taken for true of an answer: of the rule's word, the judge's, and `accept`."""


def word(known: Known, keys: Filter, combine: Combine) -> Word:
    """Whose word counts under `accept`, and what it says against a trace.

    Under "none" nobody's: an answer is not looked at, only whether the text was cut. A verdict
    that is there still tells how difficult the problem is.
    """
    rule = known.verdict.correct if known.verdict else None
    correct = combine(rule, known.judged, keys.accept)
    drops = not_right(
        known.verdict,
        correct=correct,
        finish_reason=known.finish_reason,
        drop_verdicts=keys.drop_verdicts,
    )
    said = rule if keys.accept == "none" else correct
    return Word(said, tuple(drops)) if drops else _NOTHING_AGAINST[said]


def decide(
    findings: Sequence[Finding],
    words: Sequence[Word],
    keys: Filter,
    *,
    overlaps: Mapping[str, TestText],
    seed: int,
    ignored: frozenset[DropReason] = frozenset(),
) -> list[Fate]:
    """The fate of every trace: what is wrong with it, then what it repeats, then who is chosen.

    Args:
        findings: the traces of a problem in the order in which they were drawn; the first of
            equal ones stays.
        words: for each finding, what is taken for true of its answer.
        keys: the thresholds; those of the readability checks were applied in the examination.
        overlaps: problem to what of a test set is in its question.
        seed: for keep "random".
        ignored: reasons that do not count, as if their checks were off.
    """
    rates = pass_rates((f.known.problem, w.correct) for f, w in zip(findings, words, strict=True))
    sound = [not _own(*pair, ignored) for pair in zip(findings, words, strict=True)]
    repeats = _Repeats(findings, sound, keys)
    fates = []
    for at, (finding, said) in enumerate(zip(findings, words, strict=True)):
        drops = _own(finding, said, ignored) or repeats.drops(at)
        if DropReason.TEST_OVERLAP not in ignored:
            drops += _overlap(finding, overlaps)
        drops += _outside(rates.get(finding.known.problem), keys)
        fates.append(_fate(drops))
    _choose(findings, fates, keys, seed)
    return fates


def _own(finding: Finding, said: Word, ignored: frozenset[DropReason]) -> tuple[Drop, ...]:
    drops = said.drops + finding.examined.drops
    left = [drop for drop in drops if drop.reason not in ignored]
    return tuple(sorted(left, key=lambda drop: _RANK[drop.reason]))


class _Repeats:
    """Which sound traces say again what an earlier one said: exactly, then nearly."""

    def __init__(self, findings: Sequence[Finding], sound: list[bool], keys: Filter) -> None:
        self._findings = findings
        self._similarity = keys.near_duplicate_similarity
        self._same = dict(_same(findings, sound)) if keys.drop_duplicates else {}
        self._near: dict[int, int] = {}
        if self._similarity is not None:
            new = (at for at, is_sound in enumerate(sound) if is_sound and at not in self._same)
            self._near = dict(_near(findings, new, self._similarity))

    def drops(self, at: int) -> tuple[Drop, ...]:
        """What trace `at` repeats, if anything."""
        if at in self._same:
            return (Drop(DropReason.DUPLICATE, f"says what {self._name(self._same[at])} says"),)
        if at in self._near:
            said = f"nearly says what {self._name(self._near[at])} says (>= {self._similarity:g})"
            return (Drop(DropReason.NEAR_DUPLICATE, said),)
        return ()

    def _name(self, at: int) -> str | int:
        return self._findings[at].known.trace_id


def _near(
    findings: Sequence[Finding], new: Iterable[int], similarity: float
) -> Iterator[tuple[int, int]]:
    """Each trace that nearly equals an earlier one, with that one."""
    seen = NearDuplicates(similarity)
    for at in new:
        twin = seen.twin(at, findings[at].examined.signature)
        if twin is not None:
            yield at, twin


def _same(findings: Sequence[Finding], sound: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Each sound trace that equals an earlier one of its problem, with that one."""
    for group in _groups(findings, sound).values():
        firsts: dict[bytes, int] = {}
        for at in group:
            first = firsts.setdefault(findings[at].examined.digest, at)
            if first != at:
                yield at, first


def _groups(findings: Sequence[Finding], wanted: Sequence[bool]) -> dict[str, array]:
    """Problem to the positions of its wanted traces."""
    groups: dict[str, array] = defaultdict(lambda: array("Q"))
    for at, is_wanted in enumerate(wanted):
        if is_wanted:
            groups[findings[at].known.problem].append(at)
    return groups


def _overlap(finding: Finding, overlaps: Mapping[str, TestText]) -> tuple[Drop, ...]:
    found = overlaps.get(finding.known.problem) or finding.examined.overlap
    if found is None:
        return ()
    where = f"{found.rule} with {found.test_set} {found.problem_id}"
    return (Drop(DropReason.TEST_OVERLAP, f"{where}: {found.words[:SHOWN_CHARS]}"),)


def _outside(rate: float | None, keys: Filter) -> tuple[Drop, ...]:
    """The difficulty window; a problem of which nothing is known is not outside of it."""
    if rate is None:
        return ()
    if keys.min_pass_rate is not None and rate < keys.min_pass_rate:
        return (Drop(DropReason.PASS_RATE, f"{rate:.3g} < {keys.min_pass_rate:g}"),)
    if keys.max_pass_rate is not None and rate > keys.max_pass_rate:
        return (Drop(DropReason.PASS_RATE, f"{rate:.3g} > {keys.max_pass_rate:g}"),)
    return ()


def _fate(drops: Sequence[Drop]) -> Fate:
    if not drops:
        return KEPT
    reasons = tuple(dict.fromkeys(drop.reason for drop in drops))
    return Fate(drops[0].reason, drops[0].detail, _SHARED.setdefault(reasons, reasons))


def _choose(findings: Sequence[Finding], fates: list[Fate], keys: Filter, seed: int) -> None:
    """Of what is left, at most so many for each problem, then for each family."""
    surplus = _surplus(DropReason.SURPLUS, f"{keys.keep_per_problem} of its problem", keys)
    chosen: dict[str, list[int]] = {}
    for problem, group in _groups(findings, [fate.kept for fate in fates]).items():
        candidates = [_candidate(findings[at], at) for at in group]
        best_ones = best(candidates, keys.keep, keys.keep_per_problem, seed=seed)
        chosen[problem] = [one.at for one in best_ones]
        for at in set(group).difference(chosen[problem]):
            fates[at] = surplus
    if keys.keep_per_family is not None:
        _balance(findings, fates, chosen, keys)


def _candidate(finding: Finding, at: int) -> Candidate:
    known, examined = finding
    return Candidate(at, known.trace_id, known.length, examined.signature)


def _balance(
    findings: Sequence[Finding], fates: list[Fate], chosen: dict[str, list[int]], keys: Filter
) -> None:
    surplus = _surplus(DropReason.FAMILY_SURPLUS, f"{keys.keep_per_family} of its family", keys)
    families: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for problem, traces in chosen.items():
        families[findings[traces[0]].known.family][problem] = traces
    for problems in families.values():
        left = set(chain.from_iterable(problems.values()))
        for at in left - round_robin(problems, keys.keep_per_family):
            fates[at] = surplus


def _surplus(reason: DropReason, said: str, keys: Filter) -> Fate:
    return Fate(reason, f"{said} are kept ({keys.keep})", (reason,))

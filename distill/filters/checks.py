"""Is a right completion worth learning from: one check and one threshold for each reason."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from distill.errors import nearest
from distill.filters.language import other_language_share
from distill.filters.passages import asks_for_code, code_block, longest_paragraph_chars
from distill.filters.refusals import refusal
from distill.filters.repetition import repeated_share
from distill.filters.scripts import foreign_share
from distill.filters.thinking import (
    Tag,
    answer_after,
    answer_in_thought,
    doubled_think,
    missing_think,
    says_nothing,
    think_tags,
    unclosed_think,
)
from distill.recipe import Filter, FilterCase
from distill.records import DropReason, Verdict, VerdictReason


class Drop(NamedTuple):
    """Why a completion is not learned from, with the measured value beside its threshold."""

    reason: DropReason
    detail: str


class Reading(NamedTuple):
    """A completion as the checks see it."""

    question: str
    completion: str
    thought: str
    tags: list[Tag]
    answer: str


def _missing_think(read: Reading, required: bool) -> str | None:
    return missing_think(read.completion, read.tags) if required else None


def _unclosed_think(read: Reading, allowed: bool) -> str | None:
    return None if allowed else unclosed_think(read.tags)


def _doubled_think(read: Reading, allowed: bool) -> str | None:
    return None if allowed else doubled_think(read.tags)


def _no_final_answer(read: Reading, required: bool) -> str | None:
    return "nothing after the thought" if required and says_nothing(read.answer) else None


def _answer_in_thought(read: Reading, allowed: bool) -> str | None:
    return None if allowed else answer_in_thought(read.thought, read.answer)


def _language_mix(read: Reading, most: float | None) -> str | None:
    return _above(foreign_share(read.completion, read.question), most) if most is not None else None


def _other_language(read: Reading, most: float | None) -> str | None:
    if most is None:
        return None
    share, language = other_language_share(read.completion, read.question)
    above = _above(share, most)
    return above and f"{above} in {language!r}"


def _repetition(read: Reading, most: float | None) -> str | None:
    return _above(repeated_share(read.completion), most) if most is not None else None


def _long_paragraph(read: Reading, most: int | None) -> str | None:
    if most is None:
        return None
    chars = longest_paragraph_chars(read.completion, most)
    return f"{chars} > {most} characters" if chars > most else None


def _code_block(read: Reading, allowed: bool) -> str | None:
    found = None if allowed else code_block(read.completion)
    return None if found is None or asks_for_code(read.question) else _short(found)


def _refusal(read: Reading, allowed: bool) -> str | None:
    found = None if allowed else refusal(read.thought, read.answer, read.question)
    return found and _short(found)


def _forbidden(read: Reading, strings: Sequence[str]) -> str | None:
    return next((string for string in strings if string in read.completion), None)


# The recipe's key of each check; in the order of DropReason, in which the faults are told.
CHECKS: Mapping[str, tuple[DropReason, Callable[[Reading, Any], str | None]]] = MappingProxyType(
    {
        "require_think": (DropReason.MISSING_THINK, _missing_think),
        "allow_unclosed_think": (DropReason.UNCLOSED_THINK, _unclosed_think),
        "allow_doubled_think": (DropReason.DOUBLED_THINK, _doubled_think),
        "require_final_answer": (DropReason.NO_FINAL_ANSWER, _no_final_answer),
        "allow_answer_in_thought": (DropReason.ANSWER_IN_THOUGHT, _answer_in_thought),
        "max_foreign_share": (DropReason.LANGUAGE_MIX, _language_mix),
        "max_other_language_share": (DropReason.OTHER_LANGUAGE, _other_language),
        "max_repeated_share": (DropReason.REPETITION, _repetition),
        "max_paragraph_chars": (DropReason.LONG_PARAGRAPH, _long_paragraph),
        "allow_code_blocks": (DropReason.CODE_BLOCK, _code_block),
        "allow_refusals": (DropReason.REFUSAL, _refusal),
        "forbid": (DropReason.FORBIDDEN, _forbidden),
    }
)
READABILITY_KEYS = tuple(CHECKS)


def readability_faults(
    *, question: str, completion: str, thought: str | None = None, **thresholds: Any
) -> list[Drop]:
    """Every reason, in the order of DropReason, why a completion reads badly; linear time.

    Args:
        completion: the whole text with its opening think tag, even where the prompt wrote it.
        thought: the part inside the think block; None takes what its think tags enclose.
        thresholds: the recipe's filter keys, all of READABILITY_KEYS.
    Raises: TypeError for a key too many or too few.
    """
    if thresholds.keys() != CHECKS.keys():
        wrong = sorted(thresholds.keys() ^ CHECKS.keys())
        raise TypeError(f"thresholds are the keys {', '.join(CHECKS)}; check {', '.join(wrong)}")
    tags = think_tags(completion)
    answer = answer_after(completion, tags)
    if thought is None:
        thought = _thought(completion, tags)
    read = Reading(question, completion, thought, tags, answer)
    found = ((reason, check(read, thresholds[key])) for key, (reason, check) in CHECKS.items())
    return [Drop(reason, detail) for reason, detail in found if detail is not None]


def _thought(completion: str, tags: list[Tag]) -> str:
    if not tags:
        return ""
    start = 0 if tags[0].closes else tags[0].end
    return completion[start : tags[-1].start if tags[-1].closes else len(completion)]


_VERDICT_REASONS = {
    VerdictReason.TRUNCATED: DropReason.TRUNCATED,
    VerdictReason.NO_ANSWER: DropReason.NO_ANSWER,
}


def not_right(
    verdict: Verdict | None,
    *,
    correct: bool | None,
    finish_reason: str | None,
    drop_verdicts: Sequence[str],
) -> list[Drop]:
    """Every reason among `drop_verdicts` why a completion is not known to be right and whole.

    A completion without an end token is truncated even if an answer was found in it; where
    truncated ones are wanted, a wrong one among them is still wrong.

    Args:
        verdict: the rule's, for the details; None where there is none.
        correct: what is taken as true of the answer: the rule's word, a judge's, or both.
        finish_reason: "length" when the token limit ended it; None when nobody knows.
    """
    drops = dict(_verdict_faults(verdict, correct, finish_reason))
    return [
        Drop(reason, drops[reason])
        for reason in DropReason
        if reason in drops and reason.value in drop_verdicts
    ]


def _verdict_faults(
    verdict: Verdict | None, correct: bool | None, finish_reason: str | None
) -> Iterator[tuple[DropReason, str]]:
    if correct is None:
        yield DropReason.UNVERIFIED, "no verdict" if verdict is None else verdict.reason.value
    elif correct is False:
        if verdict is None or verdict.correct is not False:
            yield DropReason.WRONG, "in the judge's word"
        else:
            answer = f"answer {_short(verdict.answer)}" if verdict.answer else ""
            yield _VERDICT_REASONS.get(verdict.reason, DropReason.WRONG), answer
    if finish_reason == "length":
        yield DropReason.TRUNCATED, "ended by the token limit"


class CaseFailure(NamedTuple):
    """A case of the recipe that the filter as it is set does not meet."""

    position: int  # 0-based, in filter.cases
    expected: str
    found: str  # "kept", or the reasons with their measured values

    def __str__(self) -> str:
        return (
            f"filter.cases[{self.position}]: expected {self.expected}, found {self.found}; "
            "change the case, or the key of the check"
        )


def check_cases(keys: Filter) -> list[CaseFailure]:
    """The recipe's own cases that do not come out as it says, with what was found instead.

    A case with a reason is met when that reason is among those found; "kept" when none is.
    """
    thresholds = {key: getattr(keys, key) for key in READABILITY_KEYS}
    failures = (_failure(at, case, thresholds) for at, case in enumerate(keys.cases))
    return [failure for failure in failures if failure is not None]


def _failure(position: int, case: FilterCase, thresholds: dict[str, Any]) -> CaseFailure | None:
    known = [DropReason.KEPT.value, *(reason.value for reason, _ in CHECKS.values())]
    if case.reason not in known:
        return CaseFailure(position, f"one of {', '.join(known)}", _unknown(case.reason, known))
    drops = readability_faults(question=case.question, completion=case.completion, **thresholds)
    reasons = [drop.reason.value for drop in drops] or [DropReason.KEPT.value]
    if case.reason in reasons:
        return None
    found = ", ".join(f"{drop.reason.value} ({drop.detail})" for drop in drops)
    return CaseFailure(position, case.reason, found or DropReason.KEPT.value)


def _unknown(reason: str, known: list[str]) -> str:
    return f"the reason {reason!r}{nearest(reason, known)}"


def _above(value: float, threshold: float) -> str | None:
    """`0.31 > 0.02`, with as many digits as it takes to tell the two apart; None if it is not."""
    if value <= threshold:
        return None
    digits = 2
    while f"{value:.{digits}f}" == f"{threshold:.{digits}f}" and digits < 9:
        digits += 1
    return f"{value:.{digits}f} > {threshold:g}"


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

"""Is a right completion worth learning from: one measure and one threshold for each reason."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from distill.chat import has_format
from distill.records import DropReason, Verdict, VerdictReason

MIN_RUN_WORDS = 16  # a shorter run is a table row or `0 0 0 0`, not a loop
RUN_COPIES = 3  # a segment said twice is a self-check; from the third time on it is a loop
REPEATED_LINE_COPIES = 4  # a line of this many copies counts as a loop wherever its copies stand
MIN_LINE_WORDS = 6

READABILITY_KEYS = (  # of a recipe's filter section: what `unreadable` needs to know
    "require_format",
    "max_foreign_share",
    "max_repeated_share",
    "max_paragraph_chars",
    "allow_code_blocks",
    "forbid",
)

_WORD = re.compile(r"\w{1,20}|[^\w\s]")  # a run of letters without spaces counts as several words
_SEED_WORDS = 8  # where these words were last seen tells the period to try
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LATIN_WORD = re.compile(r"[^\W\d_]{2,}")
_CODE_BLOCK = re.compile(
    r"```|^[ \t]*~~~|<(?:pre|code)\b|\\begin\{(?:lstlisting|verbatim|minted)\}"
    r"|^[ \t]*(?:def \w+\((?=.*\)).*:|class \w+(?:\(.*\))?:)$"
    r"|^[ \t]*(?:(?:from [\w.]+ )?import [\w.]+(?: as \w+)?$|#include\s*[<\"])",
    re.MULTILINE,
)
_JAPANESE = frozenset({"CJK", "HIRAGANA", "KATAKANA"})
_NO_LANGUAGE = frozenset({"GREEK", "MATHEMATICAL", "MODIFIER", "FEMININE", "MASCULINE"})


class Drop(NamedTuple):
    """Why a completion is not learned from, with the measured value beside its threshold."""

    reason: DropReason
    detail: str


_VERDICT_REASONS = {
    VerdictReason.TRUNCATED: DropReason.TRUNCATED,
    VerdictReason.NO_ANSWER: DropReason.NO_ANSWER,
    VerdictReason.WRONG: DropReason.WRONG,
}


def not_right(
    verdict: Verdict | None, *, finish_reason: str | None, drop_verdicts: Sequence[str]
) -> Drop | None:
    """The first reason among `drop_verdicts` why a completion is not known to be right and whole.

    A completion without an end token is truncated even if an answer was found in it; where
    truncated ones are wanted, a wrong one among them is still wrong.
    """
    faults = _faults(verdict, finish_reason)
    return next((drop for drop in faults if drop.reason.value in drop_verdicts), None)


def _faults(verdict: Verdict | None, finish_reason: str | None) -> Iterator[Drop]:
    if verdict is None or verdict.correct is None:
        yield Drop(DropReason.UNVERIFIED, "no verdict" if verdict is None else verdict.reason.value)
    if finish_reason == "length":
        yield Drop(DropReason.TRUNCATED, "ended by the token limit")
    if verdict is not None and verdict.correct is False:
        reason = _VERDICT_REASONS.get(verdict.reason, DropReason.WRONG)
        yield Drop(reason, f"answer {_short(verdict.answer)}" if verdict.answer else "")


def unreadable(
    *,
    question: str,
    completion: str,
    thought: str,
    require_format: bool,
    max_foreign_share: float | None,
    max_repeated_share: float | None,
    max_paragraph_chars: int | None,
    allow_code_blocks: bool,
    forbid: tuple[str, ...],
) -> Drop | None:
    """The first reason, in the order of DropReason, why a completion reads badly; None keeps it.

    Args:
        completion: the whole text with its opening think tag, even where the prompt wrote it.
        thought: the part inside the think block; loops are looked for here.
        max_foreign_share ... forbid: the recipe's filter keys; None turns a check off.
    """
    if require_format and not has_format(completion):
        return Drop(DropReason.FORMAT, "not one think block, then an answer")
    if max_foreign_share is not None:
        share = foreign_share(completion, question)
        if share > max_foreign_share:
            return Drop(DropReason.LANGUAGE_MIX, _above(share, max_foreign_share))
    if max_repeated_share is not None:
        share = repeated_share(thought or completion)
        if share > max_repeated_share:
            return Drop(DropReason.REPETITION, _above(share, max_repeated_share))
    if max_paragraph_chars is not None:
        chars = longest_paragraph_chars(completion)
        if chars > max_paragraph_chars:
            return Drop(DropReason.LONG_PARAGRAPH, f"{chars} > {max_paragraph_chars} characters")
    if not allow_code_blocks and (code := code_block(completion)):
        return Drop(DropReason.CODE_BLOCK, code)
    if (found := forbidden(completion, forbid)) is not None:
        return Drop(DropReason.FORBIDDEN, found)
    return None


def foreign_share(text: str, question: str) -> float:
    """Share (0 to 1) of the letters that belong to a script the question does not use.

    Greek letters and mathematical alphabets belong to no language and are not counted. A question
    uses the Latin script when it has a Latin word: single letters and LaTeX commands are symbols,
    so a Chinese question with an `x` does not ask for English. Where it does not use it, single
    Latin letters and commands of the text are symbols too. Any kana brings all Japanese scripts.
    A question without words, such as `2 + 2 =`, allows the script most used in the text.
    """
    allowed = _scripts_of_question(question)
    letters = _letters_by_script(text)
    if not allowed and letters:
        allowed = {letters.most_common(1)[0][0]}
    if "LATIN" not in allowed and "LATIN" in letters:
        letters["LATIN"] = _latin_word_letters(text)
    total = letters.total()
    foreign = sum(count for script, count in letters.items() if script not in allowed)
    return foreign / total if total else 0.0


def repeated_share(text: str) -> float:
    """Share (0 to 1) of the words that only say again what a loop has said before; linear time.

    A word counts when it stands in a run in which a segment of any length follows itself (at least
    RUN_COPIES copies and MIN_RUN_WORDS words after the first copy), or in a line that the text has
    at least REPEATED_LINE_COPIES times, first copy excepted. Copying a step once or twice to check
    it is not a loop.
    """
    lines = [_WORD.findall(line) for line in text.splitlines()]
    words = [word for line in lines for word in line]
    if not words:
        return 0.0
    marked = bytearray(len(words))
    _mark_runs(words, marked)
    _mark_lines(lines, marked)
    return sum(marked) / len(words)


def longest_paragraph_chars(text: str) -> int:
    """Characters of the longest stretch without a line break."""
    return max((len(line.strip()) for line in text.splitlines()), default=0)


def code_block(text: str) -> str | None:
    """The opening of the first block of program text (a fence, a tag, a `def` line), or None."""
    found = _CODE_BLOCK.search(text)
    return None if found is None else _short(found[0].strip())


def forbidden(text: str, strings: tuple[str, ...]) -> str | None:
    """The first of the strings that the text contains exactly as written, or None."""
    return next((string for string in strings if string in text), None)


def _above(value: float, threshold: float) -> str:
    """`0.31 > 0.02`, with as many digits as it takes to tell the two apart."""
    digits = 2
    while f"{value:.{digits}f}" == f"{threshold:.{digits}f}" and digits < 9:
        digits += 1
    return f"{value:.{digits}f} > {threshold:g}"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


@lru_cache(maxsize=65536)
def _script(char: str) -> str | None:
    """Script of a letter from its Unicode name (`CYRILLIC SMALL LETTER A`); None for symbols."""
    if not char.isalpha():
        return None
    plain = unicodedata.normalize("NFKC", char)
    if plain != char and plain.isascii() and unicodedata.east_asian_width(char) not in "FW":
        return None  # a letterlike symbol: ℝ, ª, 𝑥
    script = unicodedata.name(plain[0], "UNKNOWN").split()[0]
    return None if script in _NO_LANGUAGE or not plain[0].isalpha() else script


def _letters_by_script(text: str) -> Counter[str]:
    letters: Counter[str] = Counter()
    for char, count in Counter(text).items():
        if (script := _script(char)) is not None:
            letters[script] += count
    return letters


def _scripts_of_question(question: str) -> set[str]:
    scripts = set(_letters_by_script(question))
    if "LATIN" in scripts and not _latin_word_letters(question):
        scripts.discard("LATIN")
    return scripts | _JAPANESE if scripts & {"HIRAGANA", "KATAKANA"} else scripts


def _latin_word_letters(text: str) -> int:
    """Number of Latin letters that stand in words of two or more, LaTeX commands aside."""
    words = _LATIN_WORD.findall(_COMMAND.sub(" ", text))
    return sum(_script(char) == "LATIN" for word in words for char in word)


def _mark_runs(words: list[str], marked: bytearray) -> None:
    """Mark the words of runs that follow themselves with a constant period."""
    seen: dict[tuple[str, ...], int] = {}
    period = start = 0  # words[start:i] equal the words one period earlier
    for i in range(len(words) + 1):
        if period and (i == len(words) or words[i] != words[i - period]):
            _mark_run(marked, start, i, period)
            period = 0
        if i >= _SEED_WORDS:
            seed = tuple(words[i - _SEED_WORDS : i])
            if not period and seed in seen:
                start, period = i - _SEED_WORDS, i - seen[seed]
                if i < len(words) and words[i] != words[i - period]:
                    period = 0
            seen[seed] = i


def _mark_run(marked: bytearray, start: int, end: int, period: int) -> None:
    length = end - start
    if length >= max(MIN_RUN_WORDS, (RUN_COPIES - 1) * period):
        marked[start:end] = b"\x01" * length


def _mark_lines(lines: list[list[str]], marked: bytearray) -> None:
    """Mark every copy but the first of a line that stands there too often."""
    keys = [tuple(line) for line in lines]
    copies = Counter(keys)
    at, seen = 0, set()
    for key in keys:
        if len(key) >= MIN_LINE_WORDS and copies[key] >= REPEATED_LINE_COPIES and key in seen:
            marked[at : at + len(key)] = b"\x01" * len(key)
        seen.add(key)
        at += len(key)

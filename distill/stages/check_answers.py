"""Check answers against references: one pair, or a file of pairs with one line out per line in."""

import json
import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path

import msgspec

from distill.errors import RecordError
from distill.partial import PartialFile, check_files
from distill.problems.rows import (
    ID_FIELD,
    BadRows,
    Row,
    contents_of,
    none_left,
    raw_row,
    read_rows,
    readable_twice,
    refuse,
    typed_value,
)
from distill.problems.trace_file import number_text, reference_text
from distill.progress import progress
from distill.recipe import MathPolicy, Positive, PositiveFloat
from distill.records import VerdictReason
from distill.runlog import fingerprint, summary, versions
from distill.verifiers.pairs import (
    DEFAULT_POLICY,
    PAIR_SECONDS,
    Checked,
    check_answer,
    check_answers,
)

WORDS = {True: "correct", False: "wrong", None: "undecided"}
LINES_AT_ONCE = 512  # are written together,
FLUSH_SECONDS = 1.0  # or what there is after this time
VERIFIERS = ("r1-distill", "math-verify", "latex2sympy2_extended", "sympy")


class Pair(msgspec.Struct, frozen=True):
    """One line of a file of pairs."""

    pair_id: str | int | None  # None: the file has no ids
    pred: str
    gold: str


def run_one(
    *,
    answer: str,
    reference: str,
    timeout_seconds: PositiveFloat = PAIR_SECONDS,
    policy: MathPolicy = DEFAULT_POLICY,
) -> str:
    """One pair's verdict, route, reason and time as a line of text."""
    found = check_answer(answer, reference, policy=policy, timeout_seconds=timeout_seconds)
    return (
        f"{WORDS[found.correct]}  route={found.route or '-'}  reason={found.reason.value}  "
        f"seconds={found.seconds:.6f}"
    )


def run(
    *,
    pairs: str | Path,
    out: str | Path,
    pred: str = "pred",
    gold: str = "gold",
    id_field: str | None = None,
    split: str | None = None,
    skip_bad: str | Path | None = None,
    timeout_seconds: PositiveFloat = PAIR_SECONDS,
    workers: Positive | None = None,
    policy: MathPolicy = DEFAULT_POLICY,
) -> dict[str, int]:
    """Check every pair of a file; memory does not grow with their number.

    Args:
        pairs: JSONL, Parquet or a `datasets` folder.
        out: JSONL with `correct`, `reason`, `route`, `seconds`, and `id` where there is one, in
            the order of the input. It is there when all is done; until then OUT.partial is, behind
            which the same call goes on after a kill.
        pred, gold: fields with answer and reference, text or numbers; a null answer is none.
        id_field: the field to pass on as `id`; without it `id`, where the rows have it.
        skip_bad: where rows go that cannot be used; without it the first one stops all.
        workers: processes; None takes all cores.
        policy: what could be decided either way.
    Returns: how many verdicts of each reason.
    Raises: RecipeError for an argument that cannot be obeyed, RecordError with file, line and
        field for a row that cannot be read, before any pair is checked.
    """
    out = Path(out)
    check_files(inputs=(pairs,), outputs={"--out": out, "--skip-bad": skip_bad})
    fields = {"pred": pred, "gold": gold, "id": id_field}
    aside = nullcontext() if skip_bad is None else BadRows(skip_bad)
    with readable_twice(Path(pairs)) as path, aside as bad:
        rows = sum(1 for _ in read_pairs(path, fields, split, bad))
        made_from = fingerprint(
            "check-answers", contents_of(path, split), fields, timeout_seconds,
            msgspec.to_builtins(policy), versions(VERIFIERS),
        )  # fmt: skip
        with PartialFile(out, made_from) as target:
            reasons = Counter(_reason(line) for line in target.earlier())
            left = islice(read_pairs(path, fields, split, bad), target.done, None)
            with progress(rows, "check", done=target.done) as bar:
                for lines, found in _checked(left, policy, timeout_seconds, workers):
                    target.write(lines)
                    reasons.update(found)
                    bar.update(len(found))
            target.finish()
        _tell(reasons, out, bad)
    return {reason.value: count for reason, count in reasons.items()}


def read_pairs(
    path: Path, fields: dict[str, str | None], split: str | None, bad: BadRows | None
) -> Iterator[Pair]:
    """Every pair of a file, in its order. Raises: RecordError naming file, line and field."""
    columns = [name for name in fields.values() if name is not None]
    number_of_rows = 0
    for row in read_rows(path, columns=columns, split=split, bad=bad):
        try:
            pair = _pair(row, fields)
        except RecordError as error:
            refuse(error, row.number, raw_row(row), bad)
            continue
        number_of_rows += 1
        yield pair
    if not number_of_rows:
        raise none_left(path, "pairs", bad)


def _pair(row: Row, fields: dict[str, str | None]) -> Pair:
    expected = "text, a number or null"
    pred = typed_value(row, fields["pred"], (str, int, float, type(None)), expected)
    if isinstance(pred, float) and not math.isfinite(pred):
        pred = None  # some tools write NaN for no answer
    id_field = fields["id"] or (ID_FIELD if ID_FIELD in row.fields else None)
    kinds = (str, int, type(None))
    pair_id = None if id_field is None else typed_value(row, id_field, kinds, "text or a number")
    answer = "" if pred is None else number_text(pred)
    return Pair(pair_id, answer, reference_text(row, fields["gold"]))


def _checked(
    pairs: Iterator[Pair], policy: MathPolicy, timeout_seconds: float, workers: int | None
) -> Iterator[tuple[bytes, list[VerdictReason]]]:
    """Lines to write with their reasons, some at once."""
    ids: deque[str | int | None] = deque()  # of the pairs that are read and not yet checked

    def texts() -> Iterator[tuple[str, str]]:
        for pair in pairs:
            ids.append(pair.pair_id)
            yield pair.pred, pair.gold

    lines: list[bytes] = []
    reasons: list[VerdictReason] = []
    told = time.monotonic()
    with closing(
        check_answers(texts(), policy=policy, timeout_seconds=timeout_seconds, workers=workers)
    ) as results:
        for found in results:
            lines.append(_line(ids.popleft(), found))
            reasons.append(found.reason)
            if len(lines) >= LINES_AT_ONCE or time.monotonic() - told > FLUSH_SECONDS:
                yield b"".join(lines), reasons
                lines, reasons, told = [], [], time.monotonic()
    if lines:
        yield b"".join(lines), reasons


def _line(pair_id: str | int | None, found: Checked) -> bytes:
    line = msgspec.json.encode(found) + b"\n"
    return line if pair_id is None else b'{"id":%b,' % json.dumps(pair_id).encode() + line[1:]


def _reason(line: bytes) -> VerdictReason:
    return msgspec.json.decode(line, type=_Reason).reason


class _Reason(msgspec.Struct):
    reason: VerdictReason


def _tell(reasons: Counter[VerdictReason], out: Path, bad: BadRows | None) -> None:
    found = [reason for reason in VerdictReason if reason in reasons]
    counts = [f"{reasons[reason]} {reason.value.replace('_', ' ')}" for reason in found]
    aside = [] if bad is None else [f"{bad.count} bad rows in {bad.path}"]
    summary("check", ", ".join([f"{reasons.total()} pairs", *counts, *aside, f"results in {out}"]))

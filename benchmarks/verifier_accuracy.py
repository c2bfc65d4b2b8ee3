"""How often the verifier is right, math-verify beside it on the same material.

Run:    python benchmarks/verifier_accuracy.py [--folder=../shared/data] [--quick] [--sections=15]
Gives:  1 real traces: per model and data set, agreement with the labels, false accepts, false
          rejects and undecided, each with a 95% Wilson interval, on all labelled rows and on the
          uncontested ones; then every disagreement with its reason (EXPLAINED);
        2 worked solutions as completions: the answer that each ends in must be judged right;
        3 references against themselves;
        4 changed references: a number is one higher, which must not be accepted;
        5 crossed references: each trace against the reference of another problem.
        math-verify gets what its README shows: parse the reference in dollars, parse the text,
        verify. It has no notion of a thought, so in section 1 it judges the text after the thought
        as we split it (none: wrong) and, apart, the whole text; elsewhere the former. Letters go to
        its extractor of strings with ten of them. It runs in a process of its own: a hang ends.
Mind:   the rows left out as contested were found by reading our own disagreements, so agreement on
        the rest is 100% by construction; what it means is that each of ours is explained. The rules
        were tuned on these traces. Sections 2 to 5 are the check on material that they were not.
"""

import json
import logging
import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import fire
import msgspec
from explained import EXPLAINED, EXPLAINED_SOLUTIONS
from math_verify_peer import Peer

from distill.recipe import MathPolicy
from distill.records import Problem
from distill.verifiers.maths.equality import decide
from distill.verifiers.texts.choice import choice_letter
from distill.verifiers.texts.thoughts import read_parts
from distill.verifiers.verdict import Verifier
from distill.verifiers.worker import WorkerFailure, WorkerPool

TRACES = ("r1_math.jsonl", "r1_distill_math.jsonl", "mcq_traces.jsonl", "other_long_cot.jsonl")
REFERENCES = {
    "MATH train": "math/train_answers.jsonl",
    "MATH test": "math/test.jsonl",
    "GSM8K train": "gsm8k/train.jsonl",
    "GSM8K test": "gsm8k/test.jsonl",
    "AIME 1983-2023": "aime_1983_2023/train.jsonl",
    "AIME 2024": "aime2024/test.jsonl",
    "AIME 2025": "aime2025/test.jsonl",
    "AMC 12": "amc23/test.jsonl",
    "AMC 12 2022-23": "amc23/amc12_2022_2023.jsonl",
    "OlympiadBench": "olympiadbench/test.jsonl",
    "Minerva": "minerva_math/test.jsonl",
}
SOLVED = ("MATH test", "GSM8K train", "GSM8K test", "Minerva", "AIME 1983-2023", "AIME 2024")
QUICK_STEP = 60
QUICK_TRACE_STEP = 12


class Answered(msgspec.Struct, frozen=True):
    """What one verifier said of one item."""

    correct: bool | None
    answer: str = ""
    route: str = ""


class Item(msgspec.Struct, frozen=True):
    """A completion, its reference and the true verdict; None where nobody knows it."""

    key: str
    source: str
    problem: Problem
    completion: str
    truth: bool | None
    label_source: str = ""


def main(
    folder: str = "../shared/data", quick: bool = False, peer: bool = True, sections: str = "12345"
) -> None:
    """Print the sections.

    Args:
        folder: where the material lies.
        quick: a part of the rows, under 20 s.
        peer: judge by math-verify as well.
        sections: which of them, such as 1 or 25.
    """
    logging.basicConfig(level=logging.ERROR)
    data, step, asked = Path(folder), QUICK_STEP if quick else 1, set(str(sections))
    with Verifier(timeout_seconds=10.0, workers=2) as verifier, Peer() as started:
        other = started if peer else None
        traces = read_traces(data)[:: min(step, QUICK_TRACE_STEP)]
        if "1" in asked:
            trace_section(verifier, other, traces)
        if "2" in asked:
            solved = [item for name in SOLVED for item in read_solutions(data, name)]
            solution_section(verifier, other, solved[::step])
        if asked & {"3", "4"}:
            reference_sections(data, other, step)
        if "5" in asked:
            crossed_section(verifier, other, traces)


# --- reading ----------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict]:
    """The rows of one file."""
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def read_traces(data: Path) -> list[Item]:
    """The labelled traces; how their generation ended is not known."""
    return [
        Item(
            row["id"],
            f"{row['model']} / {row['dataset']}",
            Problem(problem_id=row["id"], question=row["problem"], reference=row["gold"]),
            row["response"],
            row["label"],
            row["label_source"],
        )
        for name in TRACES
        for row in rows_of(data / "r1_traces" / name)
    ]


def read_solutions(data: Path, name: str) -> list[Item]:
    """Worked solutions as completions, right by definition."""
    return [
        Item(
            row["id"],
            name,
            Problem(problem_id=row["id"], question=row["problem"], reference=reference(row)),
            row["solution"],
            True,
        )
        for row in rows_of(data / REFERENCES[name])
        if isinstance(row.get("solution"), str) and row["solution"].strip()
    ]


def reference(row: dict) -> str:
    """A row's answer as one text; the parts of a list are joined by commas."""
    answer = row["answer"]
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    return ", ".join(answer) if isinstance(answer, list) else str(answer)


def read_references(data: Path, name: str) -> list[tuple[str, str]]:
    """Id and reference of each row."""
    return [(row["id"], reference(row)) for row in rows_of(data / REFERENCES[name])]


# --- judging ----------------------------------------------------------------------------------


def ours(verifier: Verifier, items: Sequence[Item], finish_reason: str | None) -> list[Answered]:
    """Our verdicts."""
    asked = [(item.problem, item.key, item.completion, finish_reason) for item in items]
    return [
        Answered(one.correct, one.answer or "", f"{one.reason.value} {one.route}".strip())
        for one in verifier.verify_all(asked)
    ]


def theirs(peer: Peer, items: Sequence[Item], *, whole: bool = False) -> list[Answered]:
    """math-verify's verdicts on the text after the thought, or on the whole.

    A thought that never ends leaves no text to judge: wrong, as no answer was given.
    """
    said = []
    for item in items:
        expected = item.problem.reference
        text = item.completion if whole else read_parts(item.completion).answer
        letter = choice_letter(expected)
        said.append(Answered(peer.ask(letter or expected, text) if text.strip() else False))
    return said


def ours_pair(pool: WorkerPool, expected: str, answer: str) -> bool | None:
    """Our comparison of two answers."""
    try:
        return decide(expected, answer, MathPolicy(), lambda task: pool.ask(task, 10.0)).equal
    except WorkerFailure:
        return None


# --- tables -----------------------------------------------------------------------------------


def wilson(count: int, total: int, z: float = 1.96) -> str:
    """A share with its 95% interval, in percent. Source: Wilson 1927."""
    if not total:
        return "-"
    share = count / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low, high = (100 * (centre + sign * spread) / (1 + z * z / total) for sign in (-1, 1))
    return f"{100 * share:.2f} [{max(low, 0):.2f}, {min(high, 100):.2f}]"


Verdicts = dict[str, list[Answered]]
"""Who judged to what was said, one for each item."""


def print_table(
    title: str, groups: dict[str, list[int]], items: list[Item], said: Verdicts
) -> None:
    """One line per group; for each verifier its agreement and its errors."""
    print(f"\n{title}")
    heads = ("agree %", "false accepts", "false rejects", "undecided")
    print(
        "| source | rows | " + " | ".join(f"{who}: {head}" for who in said for head in heads) + " |"
    )
    print("|---|---|" + "---|" * len(heads) * len(said))
    for name, places in groups.items():
        known = [at for at in places if items[at].truth is not None]
        cells = [cell for who in said for cell in errors(known, items, said[who])]
        print(f"| {name} | {len(known)} | " + " | ".join(cells) + " |")


def errors(places: list[int], items: list[Item], said: list[Answered]) -> list[str]:
    """Agreement, false accepts, false rejects and undecided ones of one group."""
    pairs = [(items[at].truth, said[at].correct) for at in places]
    total = len(pairs)
    counts = [
        sum(correct is truth for truth, correct in pairs),
        sum(correct is True and not truth for truth, correct in pairs),
        sum(correct is False and truth for truth, correct in pairs),
        sum(correct is None for _, correct in pairs),
    ]
    return [
        wilson(counts[0], total),
        *(f"{n}: {wilson(n, total)}" for n in counts[1:3]),
        str(counts[3]),
    ]


def grouped(items: list[Item]) -> dict[str, list[int]]:
    """Places of the items by source, then of all."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        groups[item.source].append(at)
    return {**dict(sorted(groups.items())), "**all**": list(range(len(items)))}


def trace_section(verifier: Verifier, peer: Peer | None, items: list[Item]) -> None:
    """Section 1."""
    said = {"ours": ours(verifier, items, None)}
    if peer is not None:
        said["math-verify after our split"] = theirs(peer, items)
        said["math-verify on the whole"] = theirs(peer, items, whole=True)
    groups = grouped(items)
    whole = groups["**all**"]
    letters = {at for at in whole if choice_letter(items[at].problem.reference)}
    groups["**all but multiple choice**"] = [at for at in whole if at not in letters]
    contested = {at for at in whole if items[at].key in EXPLAINED}
    groups["**uncontested**"] = [at for at in whole if at not in contested]
    groups["**uncontested but multiple choice**"] = [
        at for at in whole if at not in contested | letters
    ]
    print_table(f"1 real traces: {len(items)}", groups, items, said)
    print(
        "\ndisagreements: id, label (whose), reference, our answer, reason and route: explanation"
    )
    for item, one in zip(items, said["ours"], strict=True):
        if item.truth is not None and one.correct is not item.truth:
            print(
                f"    {item.key}: label {item.truth} ({item.label_source}), reference "
                f"{item.problem.reference!r}, answer {one.answer!r}, {one.route}: "
                f"{EXPLAINED.get(item.key, 'unexplained')}"
            )
    print("\nrows without a label (ambiguous): id, reference, our answer, reason and route")
    for item, one in zip(items, said["ours"], strict=True):
        if item.truth is None:
            print(f"    {item.key}: {item.problem.reference!r}, {one.answer!r}, {one.route}")


def solution_section(verifier: Verifier, peer: Peer | None, items: list[Item]) -> None:
    """Section 2."""
    said = {"ours": ours(verifier, items, "stop")}
    if peer is not None:
        said["math-verify"] = theirs(peer, items)
    print_table("2 worked solutions as completions", grouped(items), items, said)
    for item, one in zip(items, said["ours"], strict=True):
        if one.correct is not True:
            print(
                f"    {item.key}: reference {item.problem.reference!r}, answer {one.answer!r}, "
                f"{one.route}: {EXPLAINED_SOLUTIONS.get(item.key, 'unexplained')}"
            )


def crossed_section(verifier: Verifier, peer: Peer | None, items: list[Item]) -> None:
    """Section 5: all of these are wrong, unless an answer is another problem's by chance."""
    crossed = []
    for item, following in zip(items, [*items[1:], *items[:1]], strict=True):
        expected = following.problem.reference
        if expected != item.problem.reference and choice_letter(expected) is None:
            problem = msgspec.structs.replace(item.problem, reference=expected)
            crossed.append(msgspec.structs.replace(item, problem=problem, truth=False))
    said = {"ours": ours(verifier, crossed, None)}
    if peer is not None:
        said["math-verify"] = theirs(peer, crossed)
    print(
        "\n5 crossed references: accepted of asked; a reference that is the answer by chance counts"
    )
    for who, answers in said.items():
        wrong = [(item, one) for item, one in zip(crossed, answers, strict=True) if one.correct]
        print(f"    {who}: {len(wrong)} of {len(crossed)}")
        for item, one in wrong:
            print(f"        {item.key}: {item.problem.reference!r} {one.answer!r} {one.route}")


def reference_sections(data: Path, peer: Peer | None, step: int) -> None:
    """Sections 3 and 4."""
    pool = WorkerPool(1)
    judges: dict[str, Callable[[str, str], bool | None]] = {"ours": partial(ours_pair, pool)}
    if peer is not None:
        judges["math-verify"] = lambda expected, answer: peer.ask(expected, f"${answer}$")
    print("\n3 references against themselves: accepted of asked; 4 changed ones: accepted of asked")
    print("| set | " + " | ".join(f"3 {who} | 4 {who}" for who in judges) + " |")
    print("|---|" + "---|---|" * len(judges))
    notes: list[str] = []
    for name in REFERENCES:
        pairs = read_references(data, name)[::step]
        cells = [reference_cell(who, judge, pairs, notes) for who, judge in judges.items()]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n".join(notes))
    pool.close()


def reference_cell(
    who: str,
    judge: Callable[[str, str], bool | None],
    pairs: list[tuple[str, str]],
    notes: list[str],
) -> str:
    """What one verifier makes of the references of one set."""
    refused = [(key, text) for key, text in pairs if judge(text, text) is not True]
    changed = [(key, text, one_more(text)) for key, text in pairs if one_more(text) != text]
    wrong = [(key, text, other) for key, text, other in changed if judge(text, other)]
    notes += [f"    {who}, not itself: {key} {text!r}" for key, text in refused[:20]]
    notes += [f"    {who}, accepted: {key} {text!r} {other!r}" for key, text, other in wrong[:20]]
    return f"{len(pairs) - len(refused)} of {len(pairs)} | {len(wrong)} of {len(changed)}"


def one_more(text: str) -> str:
    """A reference whose last number is one higher."""
    numbers = list(re.finditer(r"\d+", text))
    if not numbers or choice_letter(text):
        return text
    last = numbers[-1]
    return f"{text[: last.start()]}{int(last[0]) + 1}{text[last.end() :]}"


if __name__ == "__main__":
    fire.Fire(main)

"""How often the maths comparison errs on reference answers respelled, changed and crossed.

Run:    python benchmarks/equality_pairs.py [--folder=../shared/data] [--quick] [--peer=N]
Gives:  for each kind of pair how many were called the same, different and undecided, then every
        pair that came out otherwise than expected; CPU time per comparison (median, 99th
        percentile, worst); with --peer=N the same for math-verify on N pairs of each kind.
"""

import json
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fire

from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.spelling import plain
from distill.verifiers.worker import WorkerFailure, WorkerPool

FILES = (
    "math/test", "math/train_answers", "gsm8k/test", "gsm8k/train", "aime_1983_2023/train",
    "aime2024/test", "aime2025/test", "amc23/test", "olympiadbench/test", "minerva_math/test",
)  # fmt: skip
QUICK_SHARE = 0.1
CROSSED = 50_000
EXPECTED = {"same": True, "respelled": True, "changed": False, "crossed": False}

Pair = tuple[str, str, str]
"""Kind, reference, answer."""


def main(folder: str = "../shared/data", quick: bool = False, peer: int = 0) -> None:
    """Compare all pairs and print what came out."""
    chance = random.Random(17)
    golds = read_golds(Path(folder))
    if quick:
        golds = chance.sample(golds, int(len(golds) * QUICK_SHARE))
    pairs = [*same(golds), *respelled(golds), *changed(golds, chance)]
    pairs += crossed(golds, chance, int(CROSSED * (QUICK_SHARE if quick else 1)))
    print(f"{len(golds)} different references, {len(pairs)} pairs")
    show(pairs)
    if peer:
        show_peer(pairs, chance, peer)


def read_golds(folder: Path) -> list[str]:
    """The different reference answers of all sets."""
    found: dict[str, None] = {}
    for name in FILES:
        with open(folder / f"{name}.jsonl", encoding="utf-8") as handle:
            for line in handle:
                answer = json.loads(line)["answer"]
                for one in answer if isinstance(answer, list) else [answer]:
                    found[str(one)] = None
    return [gold for gold in found if gold.strip()]


def same(golds: list[str]) -> Iterator[Pair]:
    """Each with itself."""
    for gold in golds:
        yield "same", gold, gold


# --- respelled --------------------------------------------------------------------------------

_PLAIN_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NO_VALUE = re.compile(r"=|<|>|\\le|\\ge|text|mbox|\\in|cup|approx|,|[A-Z]{2}|%|\$|:|;|_\{?\d|\.$")


def respelled(golds: list[str]) -> Iterator[Pair]:
    """Each in other words that mean the same."""
    for gold in golds:
        bare = gold.strip().strip("$")
        if "$" in bare.replace("\\$", ""):
            continue
        for text in {*wrapped(bare), *numbers(bare), *values(bare), *lists(bare)} - {gold}:
            yield "respelled", gold, text


def wrapped(bare: str) -> Iterator[str]:
    """With other brackets around and inside."""
    yield from (f"${bare}$", f"\\({bare}\\)", f"{bare}.", f"\\boxed{{{bare}}}")
    yield bare.replace("\\frac", "\\dfrac")
    yield bare.replace("\\left", "").replace("\\right", "") if "\\right" in bare else bare
    yield bare.replace("pmatrix", "bmatrix")
    yield bare.replace("\\pi", "π")


def numbers(bare: str) -> Iterator[str]:
    """A number with a unit, a name, grouped digits, as a fraction or a decimal."""
    if _PLAIN_NUMBER.fullmatch(bare):
        yield from (f"{bare} \\text{{ cm}}", f"x = {bare}", f"{bare} apples", f"({bare})")
        yield from (f"{bare}.0" if "." not in bare else f"{bare}0", f"**{bare}**", f"{bare}+0")
        if "." not in bare:
            yield from (f"{int(bare):,}", f"{int(bare):,}".replace(",", "{,}"))
    match = re.fullmatch(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}", bare)
    if match:
        sign, top, bottom = match[1], int(match[2]), int(match[3])
        yield f"{sign}{top}/{bottom}"
        if top > bottom and top % bottom:
            yield f"{sign}{top // bottom}\\frac{{{top % bottom}}}{{{bottom}}}"
        yield f"{sign}{top / bottom:.9f}" if top / bottom > 0.1 else bare


def values(bare: str) -> Iterator[str]:
    """A formula times one, named, negated twice, doubled and halved, with powers for roots."""
    if not bare or _NO_VALUE.search(bare) or "infty" in bare or "matrix" in bare or bare == "None":
        return
    yield from (f"1\\cdot ({bare})", f"-(-({bare}))", f"\\frac{{2({bare})}}{{2}}")
    yield f"y={bare}" if "y" not in bare else f"z={bare}"
    yield re.sub(r"\\sqrt\{([^{}]*)\}", r"(\1)^{1/2}", bare)


def lists(bare: str) -> Iterator[str]:
    """A list turned round, as a set, with "and"; an angle in words; an equation turned round."""
    parts = [part.strip() for part in bare.split(",")]
    if len(parts) > 1 and not re.search(r"[(){}\[\]=<>\\$]|\d,\d\d\d|[a-zA-Z]{2}", bare):
        turned = parts[::-1]
        yield from (", ".join(turned), f"\\{{{', '.join(turned)}\\}}")
        yield " or ".join(f"x={part}" for part in turned)
    if re.fullmatch(r"-?\d+\^\\circ", bare):
        yield from (bare.replace("^\\circ", " degrees"), bare.replace("^\\circ", ""))
    match = re.fullmatch(r"([a-z])\s*=\s*([^,=]*)", bare)
    if match and "text" not in bare:
        yield from (f"{match[2]} = {match[1]}", f"2{match[1]} = 2({match[2]})", match[2])


# --- changed and crossed ----------------------------------------------------------------------


def changed(golds: list[str], chance: random.Random) -> Iterator[Pair]:
    """Each with one digit, sign, power, root or function changed, or a tuple turned round."""
    for gold in golds:
        for text in set(changes(gold, chance)) - {gold}:
            yield "changed", gold, text


def changes(gold: str, chance: random.Random) -> Iterator[str]:
    """The ways to make it wrong that apply."""
    digits = [match.start() for match in re.finditer(r"\d", gold)]
    if digits:
        at = chance.choice(digits)
        other = (int(gold[at]) + chance.randint(1, 8)) % 10
        yield f"{gold[:at]}{other}{gold[at + 1 :]}"
    if "+" in gold:
        yield gold.replace("+", "-", 1)
    power = re.search(r"\^\{?(\d)\}?", gold)
    if power:
        yield gold[: power.start(1)] + str((int(power[1]) + 1) % 10) + gold[power.end(1) :]
    for old, new in (("\\sin", "\\cos"), ("\\cos", "\\sin"), ("\\sqrt", "")):
        yield gold.replace(old, new, 1)
    pair = re.fullmatch(r"\(([^,()]*),([^,()]*)\)", gold.strip())
    if pair and pair[1].strip() != pair[2].strip():
        yield f"({pair[2]},{pair[1]})"
    if _PLAIN_NUMBER.fullmatch(gold) and float(gold):
        yield from (f"-{gold}" if gold[0] != "-" else gold[1:], f"{gold}1")
        yield f"{gold}0" if "." not in gold else gold


def crossed(golds: list[str], chance: random.Random, count: int) -> Iterator[Pair]:
    """Two different references."""
    for _ in range(count):
        first, second = chance.sample(golds, 2)
        yield "crossed", first, second


# --- what came out ----------------------------------------------------------------------------


def show(pairs: list[Pair]) -> None:
    """Counts, times, and every pair that came out otherwise than expected."""
    counts: Counter[tuple[str, bool | None]] = Counter()
    seconds, odd = [], []
    for kind, reference, answer in pairs:
        start = time.process_time()
        found = compare(reference, answer)
        seconds.append(time.process_time() - start)
        counts[kind, found.equal] += 1
        if found.equal is not EXPECTED[kind]:
            odd.append((kind, reference, answer, found.equal, found.route))
    show_counts(counts)
    micro = [1e6 * second for second in sorted(seconds)]
    print(
        f"microseconds of CPU per comparison: median {statistics.median(micro):.0f}, "
        f"99th percentile {micro[len(micro) * 99 // 100]:.0f}, worst {micro[-1]:.0f}"
    )
    print("\notherwise than expected: kind, reference, answer, found, route")
    for kind, reference, answer, equal, route in odd:
        print(f"    {kind}: {reference!r} {answer!r} {equal} {route}")


def show_counts(counts: Counter[tuple[str, bool | None]]) -> None:
    """A table of kinds by outcome."""
    print("| pairs | expected | same | different | undecided |\n|---|---|---|---|---|")
    for kind, expected in EXPECTED.items():
        found = [counts[kind, equal] for equal in (True, False, None)]
        word = "same" if expected else "different"
        print(f"| {kind} | {word} | {found[0]} | {found[1]} | {found[2]} |")


def show_peer(pairs: list[Pair], chance: random.Random, count: int) -> None:
    """math-verify's counts on so many pairs of each kind, each within 5 s."""
    print(f"\nmath-verify, {count} pairs of each kind that are not plain numbers")
    counts: Counter[tuple[str, bool | None]] = Counter()
    pool = WorkerPool(1)
    for kind in EXPECTED:
        asked = [p for p in pairs if p[0] == kind and not _PLAIN_NUMBER.fullmatch(p[1].strip())]
        for _, reference, answer in chance.sample(asked, min(count, len(asked))):
            task = {"kind": "math", "reference": plain(reference), "answer": plain(answer)}
            try:
                counts[kind, pool.ask(task, 5.0).get("equal", False)] += 1
            except WorkerFailure:
                counts[kind, None] += 1
    pool.close()
    show_counts(counts)


if __name__ == "__main__":
    fire.Fire(main)

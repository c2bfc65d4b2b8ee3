"""How often pairs of an answer and a reference, labelled by hand, are judged as labelled.

Run:    python benchmarks/labelled_pairs.py [--errors]
Gives:  for each file of tests/verifiers/labelled_pairs, for `check_answers` and for math-verify as
        its README shows: the share judged as labelled with a 95% Wilson interval, wrong accepts,
        wrong rejects and undecided ones. --errors lists ours.
Mind:   `probing.jsonl` was written to find faults, half of it with the code at hand; `typical`
        and `hard` without sight of it; the faults that these three showed were then mended.
        `held_out.jsonl` was written without sight of the code, and nothing was changed after it.
"""

import json
import logging
import os
import re
from pathlib import Path

import fire
from math_verify_peer import Peer
from verifier_accuracy import wilson

from distill.verifiers.pairs import check_answers
from distill.verifiers.texts.choice import choice_letter

FOLDER = Path(__file__).parents[1] / "tests/verifiers/labelled_pairs"
FILES = ("probing", "typical", "hard", "held_out")
_IS_TEXT = re.compile(r"\\boxed|\\fbox|[$\n]|[A-Za-z]{3,} [A-Za-z]{2,} |[\u4e00-\u9fff]")


def theirs(peer: Peer, row: dict) -> bool | None:
    """A bare answer is put in dollars, as its README shows; a text is read as it stands."""
    text = row["pred"] if _IS_TEXT.search(row["pred"]) else f"${row['pred']}$"
    return peer.ask(choice_letter(row["gold"]) or row["gold"], text)


def cells(rows: list[dict], said: list[bool | None]) -> str:
    """As labelled, wrong accepts, wrong rejects, undecided."""
    pairs = [(row["label"], one) for row, one in zip(rows, said, strict=True)]
    accepts = sum(one is True and not label for label, one in pairs)
    rejects = sum(one is False and label for label, one in pairs)
    undecided = sum(one is None for _, one in pairs)
    right = wilson(sum(one is label for label, one in pairs), len(pairs))
    return f"{right} | {accepts} | {rejects} | {undecided}"


def main(errors: bool = False) -> None:
    """Print a row per file.

    Args:
        errors: list the pairs that we do not judge as labelled.
    """
    logging.basicConfig(level=logging.ERROR)
    heads = "as labelled % | wrong accepts | wrong rejects | undecided"
    print(f"| pairs | rows | ours: {heads} | math-verify: {heads} |\n|{'---|' * 10}")
    with Peer() as peer:
        for name in FILES:
            lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            asked = [(row["pred"], row["gold"]) for row in rows]
            found = list(check_answers(asked, workers=len(os.sched_getaffinity(0))))
            said = [one.correct for one in found]
            peers = [theirs(peer, row) for row in rows]
            print(f"| {name} | {len(rows)} | {cells(rows, said)} | {cells(rows, peers)} |")
            for row, one in zip(rows, found, strict=True):
                if errors and one.correct is not row["label"]:
                    print(
                        f"    {row['id']} {row['pred']!r} {row['gold']!r}: label {row['label']}, "
                        f"{one.reason.value} {one.route}"
                    )


if __name__ == "__main__":
    fire.Fire(main)

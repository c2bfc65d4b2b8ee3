"""datatrove's Gopher filters over a file of texts: the peer of benchmarks/filter_speed.py.

Runs in a Python of its own (pip install datatrove spacy), which needs nothing of this project. For
each line of its input, the path of a JSONL file of texts and a mode, it writes one line: seconds on
the wall and of CPU, and how many texts each filter drops. Mode `pipeline`: the quality filter sees
what the repetition filter leaves, as in datatrove's own pipelines. Mode `both`: it sees everything.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

Check = Callable[[Document], object]


def run(texts: Sequence[str], checks: Sequence[Check], *, all_of_them: bool) -> Counter[str]:
    """Texts that each filter drops, by filter and reason."""
    dropped: Counter[str] = Counter()
    for at, text in enumerate(texts):
        document = Document(text=text, id=str(at))
        for check in checks:
            result = check(document)
            if result is not True:
                reason = result[1] if isinstance(result, tuple) else "dropped"
                dropped[f"{type(check.__self__).__name__}: {reason}"] += 1
                if not all_of_them:
                    break
    return dropped


def main() -> None:
    checks = (GopherRepetitionFilter().filter, GopherQualityFilter().filter)
    run(["The tokenizer is loaded by its first text."], checks, all_of_them=True)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        path, mode = json.loads(line)
        with open(path, encoding="utf-8") as lines:
            texts = [json.loads(row) for row in lines]
        wall, cpu = time.perf_counter(), time.process_time()
        dropped = run(texts, checks, all_of_them=mode == "both")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "dropped": dropped}), flush=True)


if __name__ == "__main__":
    main()

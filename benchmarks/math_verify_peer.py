"""math-verify as its README shows, in a process of its own: the peer of the verifier."""

import json
import logging
import select
import subprocess
import sys
from typing import Self

PEER_SECONDS = 12.0  # its own alarms ring after 5 s for parsing and 5 s for comparing
LETTERS = "ABCDEFGHIJ"


class Peer:
    """math-verify in a process of its own, ended and started again when it hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, reference: str, text: str) -> bool | None:
        """Its verdict; None when it took longer than PEER_SECONDS or died."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._process.stdout.readline()  # it has imported what it needs
        try:
            self._process.stdin.write(json.dumps([reference, text]) + "\n")
            self._process.stdin.flush()
            if select.select([self._process.stdout], [], [], PEER_SECONDS)[0]:
                line = self._process.stdout.readline()
                return json.loads(line)
        except (OSError, ValueError):
            pass
        self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


def serve() -> None:
    """math-verify as its README shows, one pair per line, in this process's main thread."""
    from math_verify import StringExtractionConfig, parse, verify

    logging.disable()
    letters = [StringExtractionConfig(strings=tuple(LETTERS))]
    print("ready", flush=True)
    for line in sys.stdin:
        reference, text = json.loads(line)
        if reference in LETTERS:
            right = verify(parse(reference, letters), parse(text, letters))
        else:
            right = verify(parse(f"${reference}$"), parse(text))
        print(json.dumps(bool(right)), flush=True)


if __name__ == "__main__":
    serve()

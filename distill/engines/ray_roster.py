"""Which actors are there, and whether there is hope. No clock, no messages.

An actor is known by its shard: the row of the dataset that is its work. Its process is a life: when
Ray starts it again, another life begins for the same shard.
"""

from collections import Counter

import msgspec

MOST_BARREN_LIVES = 3  # of a shard, in a row: deaths without one request ended in between


class Standing(msgspec.Struct):
    """How the actors are."""

    alive: int  # processes that run, whether or not their engine is open yet
    open: int  # engines that were opened
    deaths: int  # of processes so far
    name: str  # of the engine; "" before the first is open
    error: str  # why nothing can be answered; "" is fine


class Roster:
    """The lives of the shards."""

    def __init__(self) -> None:
        self.error = ""
        self._lives: dict[int, str] = {}  # shard -> the life that runs now
        self._open: set[str] = set()
        self._names: set[str] = set()
        self._deaths = 0
        self._barren: Counter[int] = Counter()  # shard -> lives in a row that ended nothing
        self._last_words: dict[int, str] = {}

    @property
    def open(self) -> int:
        """Engines that can answer."""
        return len(self._open)

    def standing(self) -> Standing:
        """How the actors are."""
        name = next(iter(self._names), "")
        return Standing(len(self._lives), len(self._open), self._deaths, name, self.error)

    def fail(self, message: str) -> None:
        """Nothing can be answered any more; the first reason is kept."""
        self.error = self.error or message

    def life_of(self, shard: int) -> str | None:
        """The life that runs now."""
        return self._lives.get(shard)

    def enter(self, shard: int, life: str) -> None:
        """A process is there; the one before it has been taken out."""
        self._lives[shard] = life

    def opened(self, life: str, name: str) -> None:
        """The engine of a life is open; all have to be of one kind and version."""
        self._open.add(life)
        self._names.add(name)
        if len(self._names) > 1:
            names = ", ".join(sorted(self._names))
            self.fail(f"the nodes have different engines ({names}); install the same on all")

    def leave(self, shard: int) -> None:
        """A process has done its work."""
        self._open.discard(self._lives.pop(shard, ""))

    def bore_fruit(self, shard: int) -> None:
        """A request has ended there: a death after it is one in a row of none."""
        self._barren[shard] = 0

    def last_words(self, shard: int, words: str) -> None:
        """Why a process is about to end."""
        self._last_words[shard] = words

    def die(self, shard: int) -> None:
        """A process is gone; Ray starts another, unless that has not helped so far."""
        self.leave(shard)
        self._deaths += 1
        self._barren[shard] += 1
        if self._barren[shard] >= MOST_BARREN_LIVES:
            words = self._last_words.get(shard, "it ended without a word; out of memory?")
            self.fail(
                f"an actor died {MOST_BARREN_LIVES} times in a row without ending one request: "
                f"{words}"
            )

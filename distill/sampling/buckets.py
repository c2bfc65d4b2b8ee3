"""Problems of equal standing in one bucket, buckets in queues by the worth of their best problem.

What a try of a problem is worth depends on its group, on how many of its tries were kept and are
under way, and on its tokens so far. All but the tokens are the same for the whole bucket, so that
another prior is worked into one number per bucket and not into every problem. Heaps hold entries
that may be out of date; they are thrown away, or put right, when they reach the top.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

EMPTY = -1.0  # worth of a bucket without members
_MOST_STALE = 64  # entries of members that have left, before a heap is cleaned


Key = tuple[int, int, int, int]


class Bucket:
    """Problems of one group with so many kept, tried and under way."""

    __slots__ = (
        "alive", "base", "factor", "group", "heap", "kept", "key", "members", "posted", "queue",
        "reserve", "tries", "under_way", "version",
    )  # fmt: skip

    def __init__(self, key: Key) -> None:
        self.key = key  # decides between equals
        self.group, self.kept, self.tries, self.under_way = key
        self.members = 0
        self.heap: list[int] = []  # tokens * problems + problem
        self.version = -1  # of the group's prior that the next five were computed with
        self.queue: int | None = None  # None: not to be asked now
        self.alive = True  # another try is worth its cost
        self.reserve = 0  # tries that each member may claim for itself
        self.factor = 0.0  # worth is factor / (base + tokens so far)
        self.base = 1.0
        self.posted = EMPTY  # worth under which it stands in its queue


class Queues:
    """Several queues of buckets, each by worth.

    Args:
        tokens: of each problem so far; read, never written.
    """

    def __init__(self, problems: int, tokens: Sequence[int], queues: int) -> None:
        self._problems = problems
        self._tokens = tokens
        self._heaps: list[list[tuple[float, Key]]] = [[] for _ in range(queues)]
        self.buckets: dict[Key, Bucket] = {}
        self.bucket_of: list[Bucket | None] = [None] * problems

    def bucket(self, key: Key) -> Bucket:
        """The bucket of a key, made where it is the first of its kind."""
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = Bucket(key)
        return bucket

    def enter(self, bucket: Bucket, problem: int) -> None:
        """Put a problem, that is in no bucket, into this one."""
        self.bucket_of[problem] = bucket
        bucket.members += 1
        tokens = self._tokens[problem]
        heap = bucket.heap
        heappush(heap, tokens * self._problems + problem)
        if len(heap) > 2 * bucket.members + _MOST_STALE:
            self._clean(bucket)
        if bucket.queue is not None:
            worth = bucket.factor / (bucket.base + tokens)
            if worth > bucket.posted:
                self._post(bucket, worth)

    def leave(self, problem: int) -> Bucket | None:
        """Take a problem out of its bucket; returns that bucket."""
        bucket = self.bucket_of[problem]
        if bucket is not None:
            bucket.members -= 1
            self.bucket_of[problem] = None
        return bucket

    def moved(self, bucket: Bucket) -> None:
        """The bucket's queue or worth has changed."""
        bucket.posted = EMPTY
        worth = self.worth(bucket)
        if bucket.queue is not None and worth > EMPTY:
            self._post(bucket, worth)

    def best(self, queue: int) -> Bucket | None:
        """The bucket with the worthiest problem of a queue; `posted` is that worth."""
        heap = self._heaps[queue]
        while heap:
            posted, key = heap[0]
            bucket = self.buckets[key]
            is_current = bucket.queue == queue and bucket.posted == -posted
            worth = self.worth(bucket) if is_current else EMPTY
            if is_current and worth == bucket.posted:
                return bucket
            heappop(heap)
            if is_current:
                bucket.posted = EMPTY
                if worth > EMPTY:
                    self._post(bucket, worth)
        return None

    def first_of(self, bucket: Bucket) -> int:
        """The worthiest problem of a bucket that `best` returned."""
        return bucket.heap[0] % self._problems

    def worth(self, bucket: Bucket) -> float:
        """Worth of its worthiest problem; EMPTY where it has none."""
        heap = bucket.heap
        while heap:
            tokens, problem = divmod(heap[0], self._problems)
            if self.bucket_of[problem] is bucket and self._tokens[problem] == tokens:
                return bucket.factor / (bucket.base + tokens)
            heappop(heap)
        return EMPTY

    def _post(self, bucket: Bucket, worth: float) -> None:
        bucket.posted = worth
        heappush(self._heaps[bucket.queue], (-worth, bucket.key))

    def _clean(self, bucket: Bucket) -> None:
        size, tokens = self._problems, self._tokens
        problems = {entry % size for entry in bucket.heap}
        bucket.heap = [
            tokens[problem] * size + problem
            for problem in problems
            if self.bucket_of[problem] is bucket
        ]
        heapify(bucket.heap)

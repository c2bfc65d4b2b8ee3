"""Queues of buckets against a look at every problem."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from distill.sampling.buckets import Queues

PROBLEMS, QUEUES = 12, 2


def best_of_all(queues, tokens, members, queue):
    """Worth, bucket and problem of what should come first."""
    found = [
        (-bucket.factor / (bucket.base + tokens[problem]), bucket.key, tokens[problem], problem)
        for problem, bucket in members.items()
        if bucket.queue == queue
    ]
    return min(found, default=None)


def renew(queues, bucket, rng):
    bucket.queue = rng.choice([0, 1, None])
    bucket.factor, bucket.base = rng.choice([1.0, 2.0, 5.0]), rng.choice([10.0, 50.0])
    queues.moved(bucket)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_best_is_found_whatever_happened_before(seed):
    rng = random.Random(seed)
    tokens = [0] * PROBLEMS
    queues, members = Queues(PROBLEMS, tokens, QUEUES), {}
    for _ in range(120):
        problem = rng.randrange(PROBLEMS)
        assert queues.leave(problem) is members.pop(problem, None)
        if rng.random() < 0.3:
            tokens[problem] += rng.randrange(1, 20)
        if rng.random() < 0.8:
            bucket = queues.bucket((rng.randrange(2), rng.randrange(2), 0, 0))
            if bucket.version < 0 or rng.random() < 0.2:
                bucket.version = 0
                renew(queues, bucket, rng)
            queues.enter(bucket, problem)
            members[problem] = bucket
        if rng.random() < 0.3 and members:
            renew(queues, rng.choice(list(members.values())), rng)
        for queue in range(QUEUES):
            bucket, best = queues.best(queue), best_of_all(queues, tokens, members, queue)
            found = bucket and (-bucket.posted, bucket.key, queues.first_of(bucket))
            assert found == (best and (best[0], best[1], best[3]))


def test_heaps_do_not_grow_with_what_has_left():
    tokens = [0] * 5
    queues = Queues(5, tokens, QUEUES)
    bucket = queues.bucket((0, 0, 0, 0))  # not to be asked now: nobody looks at its top
    for turn in range(5000):
        problem = turn % 5
        queues.leave(problem)
        tokens[problem] += 1
        queues.enter(bucket, problem)
        assert len(bucket.heap) < 100

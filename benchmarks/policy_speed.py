"""What the choice of the next try costs: microseconds per try, memory, simulated worlds.

Run:  python benchmarks/policy_speed.py [--quick]
Asks and tells every try of an adaptive run, in one thread, with rates drawn evenly from 0 to 1.
"""

import argparse
import random
import resource
import statistics
import time

from distill.recipe import Adaptive, Price
from distill.sampling.budget import Limits
from distill.sampling.forecast import Seen, Terms, Try, forecast
from distill.sampling.policy import Policy, Result, Settings


def play(
    problems: int, per_problem: int, needed: int, room: int, families: int
) -> tuple[int, float]:
    """One run; returns its tries and the CPU seconds that they took."""
    settings = Settings(
        completions_per_problem=per_problem, needed=needed, max_tokens=1000, adaptive=Adaptive()
    )
    rng = random.Random(1)
    rates = [rng.random() for _ in range(problems)]
    started, tries = time.process_time(), 0
    policy = Policy(problems, settings, [at % families for at in range(problems)])
    while asks := policy.next(room):
        for ask in asks:
            tries += 1
            kept = rng.random() < rates[ask.problem]
            policy.told(ask.problem, ask.index, Result(kept, False, rng.randrange(100, 900)))
    return tries, time.process_time() - started


def forecasts(problems: int, worlds: int) -> float:
    """CPU seconds of the forecast of an adaptive run, from two tries of each problem."""
    rng = random.Random(2)
    tries = {
        place: [Try(rng.random() < rate, False, 50, rng.randrange(100, 900)) for _ in range(2)]
        for place, rate in enumerate(rng.random() for _ in range(problems))
    }
    settings = Settings(completions_per_problem=16, needed=1, max_tokens=1000, adaptive=Adaptive())
    terms = Terms(Limits(), Price(), tokens_per_second=1000.0, start_seconds=0.0, rows=256)
    started = time.process_time()
    forecast(Seen(tries, [0] * problems), settings, terms, seed=3, worlds=worlds)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat")
    quick = parser.parse_args().quick
    problems, repeats = (5_000, 1) if quick else (100_000, 3)
    for families in (1, 10, 100):
        for room in (1, 64, 1024):
            runs = [play(problems, 16, 8, room, families) for _ in range(repeats)]
            each = sorted(1e6 * seconds / tries for tries, seconds in runs)
            print(
                f"{problems} problems, {families:3} families, {room:4} asked at once: "
                f"{runs[0][0]} tries, {statistics.median(each):.1f} us each "
                f"({each[0]:.1f} to {each[-1]:.1f})"
            )
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    many = 20 if quick else 200
    print(f"2000 problems forecast in {many} worlds: {forecasts(2000, many):.1f} s")


if __name__ == "__main__":
    main()

"""How often what happens lies in the interval that `distill plan` gives: made-up chances.

Run:    python benchmarks/plan_coverage.py [--pilots=60] [--quick]
Gives:  for fixed and adaptive sampling, per figure: in how many percent of the pilots the run that
        follows ends inside the interval, and how far the mean is off (median of truth / forecast).
Mind:   each pilot tries 24 of 240 problems of three families four times; the chances of a family
        are Beta distributed, hard problems have longer tries. The run is simulated with the true
        chances, by the policy that a real run uses.
"""

import argparse
import statistics

import numpy as np

from distill.recipe import Adaptive, Price
from distill.sampling.budget import Limits
from distill.sampling.forecast import Seen, Terms, Try, forecast
from distill.sampling.policy import Settings
from distill.sampling.simulate import Drawn, most_tries, run

PROBLEMS, PILOT, TRIES, ROWS = 240, 24, 4, 64
WORLDS = {  # Beta(a, b) of the chances of each family
    "mixed": [(9.0, 1.5), (3.0, 2.0), (0.4, 2.0)],
    "hard": [(1.0, 6.0), (0.3, 6.0), (0.5, 3.0)],
    "easy": [(9.0, 1.0), (12.0, 1.0), (6.0, 2.0)],
}
WAYS = {
    "fixed": Settings(completions_per_problem=8, needed=2, max_tokens=1000),
    "adaptive": Settings(
        completions_per_problem=4,
        needed=2,
        max_tokens=1000,
        adaptive=Adaptive(max_completions_per_problem=32),
    ),
}
FIGURES = ("tokens", "kept", "solved", "tokens_per_kept")
GROUPS = [at % 3 for at in range(PROBLEMS)]


def outcomes(chances: np.ndarray, tries: int, rng: np.random.Generator) -> Drawn:
    """What each try of each problem would bring."""
    shape = (PROBLEMS, tries)
    kept = rng.random(shape) < chances[:, None]
    tokens = 100 + 150 * (1 - chances)[:, None] + 80 * ~kept + rng.integers(-30, 30, shape)
    return Drawn(kept, np.zeros(shape, dtype=bool), tokens.astype(int))


def pilot_of(drawn: Drawn) -> Seen:
    """What is known after the pilot: evenly of every family."""
    order = sorted(range(PROBLEMS), key=lambda at: (GROUPS[at], at))
    places = [order[int((k + 0.5) * PROBLEMS / PILOT)] for k in range(PILOT)]
    return Seen(
        {
            at: [
                Try(bool(drawn.kept[at, k]), False, 20, int(drawn.tokens[at, k]))
                for k in range(TRIES)
            ]
            for at in places
        },
        GROUPS,
    )


def pilots(world: str, count: int) -> dict[tuple[str, str], list[tuple[bool, float]]]:
    """For each way and figure, of every pilot: was the truth inside, and truth / mean."""
    found: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    terms = Terms(Limits(), Price(), tokens_per_second=1000.0, start_seconds=0.0, rows=ROWS)
    for number in range(count):
        rng = np.random.default_rng([7, number])
        chances = np.array([rng.beta(*WORLDS[world][group]) for group in GROUPS])
        seen = pilot_of(outcomes(chances, TRIES, rng))
        for way, settings in WAYS.items():
            said = forecast(seen, settings, terms, seed=number).whole
            true = run(outcomes(chances, most_tries(settings), rng), settings, ROWS, GROUPS)
            for figure in FIGURES:
                interval, value = getattr(said, figure), getattr(true, figure)
                inside = interval.low <= value <= interval.high
                found.setdefault((way, figure), []).append((inside, value / interval.mean))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pilots", type=int, default=60, help="of each world")
    parser.add_argument("--quick", action="store_true", help="four pilots, one world")
    asked = parser.parse_args()
    print("| chances | way | figure | inside % | truth / mean |\n|---|---|---|---|---|")
    for world in list(WORLDS)[: 1 if asked.quick else None]:
        for (way, figure), rows in pilots(world, 4 if asked.quick else asked.pilots).items():
            inside = 100 * statistics.fmean(one for one, _ in rows)
            ratio = statistics.median(one for _, one in rows)
            print(f"| {world} | {way} | {figure} | {inside:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()

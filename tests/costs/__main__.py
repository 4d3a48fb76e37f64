# SPDX-License-Identifier: MIT
"""Look for valid packets whose cost grows with the state of the server: ``make costs ARGS='--cases 1000'``."""

import argparse
import logging
import random
import sys

from tests.costs.search import MOST_BYTES, MOST_STEPS, cases, measure

_SHOWN = 10


def main() -> None:
    """Measure cases by chance, and print the worst."""
    parser = argparse.ArgumentParser(prog="make costs", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="number of cases (200)")
    parser.add_argument("--size", type=int, default=2000, help="size of the state: functions, jobs, ... (2,000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="chooses the cases")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}; limits of one turn: {MOST_STEPS:,} steps, {MOST_BYTES:,} bytes", flush=True)
    every = list(cases(options.size))
    chosen = random.Random(options.seed).sample(every, min(options.cases, len(every)))
    costs = []
    for case in chosen:
        cost = measure(case)
        costs.append((cost, case))
        if cost.is_too_much:
            print(f"too much, {cost.steps:,} steps and {cost.sent:,} bytes: {case}", flush=True)
    for cost, case in sorted(costs, key=lambda each: -each[0].steps)[:_SHOWN]:
        print(f"{cost.steps:>9,} steps {cost.sent:>10,} bytes: {case}")
    sys.exit(any(cost.is_too_much for cost, _ in costs))


if __name__ == "__main__":
    main()

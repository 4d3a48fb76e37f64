# SPDX-License-Identifier: MIT
"""Look for valid packets whose cost grows with the state of the server: ``make costs ARGS='--cases 1000'``."""

import argparse
import logging
import random
import sys
import tempfile
from functools import partial
from pathlib import Path

from geartrain.core import IS_COMPILED
from tests.costs.instructions import Instructions, run_counted
from tests.costs.search import MOST_BYTES, MOST_INSTRUCTIONS, MOST_STEPS, cases, measure, measure_instructions
from tests.costs.test_costs import KNOWN

_SHOWN = 10


def main() -> None:
    """Measure cases by chance, and print the worst."""
    parser = argparse.ArgumentParser(prog="make costs", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="number of cases (200)")
    parser.add_argument("--size", type=int, default=2000, help="size of the state: functions, jobs, ... (2,000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="chooses the cases")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions of the compiled server, by valgrind"
    )
    parser.add_argument("--known", action="store_true", help="measure the known attacks instead")
    options = parser.parse_args()
    counter = Instructions.under_valgrind()
    if options.instructions and counter is None:
        run_counted(Path(tempfile.mkdtemp(prefix="costs-")))
    unit, most, cost_of = "steps", MOST_STEPS, measure
    if counter is not None:
        kind = "compiled" if IS_COMPILED else "interpreted"
        unit, most = f"instructions of the {kind} server", MOST_INSTRUCTIONS
        cost_of = partial(measure_instructions, counter=counter)
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}; limits of one turn: {most:,} {unit}, {MOST_BYTES:,} bytes", flush=True)
    every = list(cases(options.size))
    chosen = KNOWN if options.known else random.Random(options.seed).sample(every, min(options.cases, len(every)))
    costs = []
    for case in chosen:
        cost = cost_of(case)
        costs.append((cost, case))
        if cost.is_too_much:
            print(f"too much, {cost.steps:,} {unit} and {cost.sent:,} bytes: {case}", flush=True)
    for cost, case in sorted(costs, key=lambda each: -each[0].steps)[:_SHOWN]:
        print(f"{cost.steps:>11,} {cost.sent:>10,} bytes: {case}")
    sys.exit(any(cost.is_too_much for cost, _ in costs))


if __name__ == "__main__":
    main()

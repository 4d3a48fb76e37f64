# SPDX-License-Identifier: MIT
"""Run simulations of the server with faults, one seed after the other: ``make simulation ARGS='--hours 1'``."""

import argparse
import itertools
import random
import sys
import time
from collections import Counter

from tests.simulation.simulation import Failure, simulate

_REPORT_EVERY = 60.0  # seconds


def main() -> None:
    """Run until a number of seeds, or a time, is over, and print the figures."""
    parser = argparse.ArgumentParser(prog="make simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="number of seeds (100)")
    parser.add_argument("--hours", type=float, help="go on for this time, rather than for a number of seeds")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9), help="the first seed")
    parser.add_argument("--trace", action="store_true", help="print all events")
    parser.add_argument("--digests", action="store_true", help="print the digest of the events of each seed")
    options = parser.parse_args()
    began = time.monotonic()
    seeds = itertools.count(options.seed) if options.hours else range(options.seed, options.seed + options.seeds)
    print(f"first seed {options.seed}", flush=True)
    faults: Counter[str] = Counter()
    events: Counter[str] = Counter()
    count, failed, ends, hours, job_hours, shown = 0, 0, 0, 0.0, 0.0, began
    for seed in seeds:
        try:
            report = simulate(seed, is_printed=options.trace)
        except Failure as failure:
            failed += 1
            print(f"{failure}\nRepeat it with: make simulation ARGS='--seeds 1 --seed {seed}'", flush=True)
            continue
        count += 1
        ends += report.ends
        hours += report.seconds / 3600
        job_hours += report.job_seconds / 3600
        faults.update(report.faults)
        events.update(report.events)
        if options.digests:
            print(f"{seed} {report.digest}", flush=True)
        now = time.monotonic()
        if now - shown >= _REPORT_EVERY:
            shown = now
            print(f"{now - began:,.0f} s: {count:,} seeds, {hours:,.1f} simulated hours, {failed} failed", flush=True)
        if options.hours and now - began > options.hours * 3600:
            break
    print(f"{count + failed:,} seeds in {time.monotonic() - began:,.0f} s, {failed} failed")
    print(f"{hours:,.1f} simulated hours, {ends:,} jobs, {job_hours:,.1f} job-hours from submission to end")
    print(f"{faults.total():,} faults: {_listed(faults)}")
    print(f"Other events: {_listed(events)}")
    sys.exit(failed > 0)


def _listed(counts: Counter[str]) -> str:
    return ", ".join([f"{name} {count:,}" for name, count in sorted(counts.items())])


if __name__ == "__main__":
    main()

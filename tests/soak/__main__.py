# SPDX-License-Identifier: MIT
"""Run a server among clients and workers that are killed all the time: ``make soak MINUTES=15``."""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.page import ROOT, fill
from tests.soak.report import sentences
from tests.soak.soak import Soak

_PAGE = ROOT / "docs" / "robustness.md"
_PICTURE = ROOT / "docs" / "static" / "soak.svg"
_PRINT_INTERVAL = 10.0  # seconds


def main() -> None:
    """Run the soak test, and print its report."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes for which jobs are submitted (default: 1)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="seed of the disturbances"
    )
    parser.add_argument("--restarts", type=int, default=3, help="number of restarts of the server (default: 3)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the run, as SVG or PNG")
    parser.add_argument("--write", action="store_true", help="write picture and figures into the documentation")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    load = os.getloadavg()[0]
    seconds = 60 * options.minutes
    chance = random.Random(f"{options.seed} restarts")
    restarts = [chance.uniform(0.05, 0.5) * seconds for _ in range(options.restarts)]  # the last run is the longest
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        Soak(options.seed, Path(folder), seconds=seconds, restarts=restarts) as soak,
    ):
        printed = -_PRINT_INTERVAL
        for sample in soak.run():
            if sample.seconds >= printed + _PRINT_INTERVAL:
                printed = sample.seconds
                print(sample, flush=True)
        report = soak.end()
    text = sentences(report)
    print(text)
    for file in filter(None, (options.picture, _PICTURE if options.write else None)):
        from tests.soak.picture import draw  # matplotlib is optional, and takes a second to import

        draw(report.samples, report.disturbances, file)
    if options.write:
        run = f"`make soak MINUTES={options.minutes:g} ARGS='--seed {options.seed} --restarts {options.restarts}'`"
        fill(_PAGE, "soak", f"{run}:\n\n{text}\n\nRun on {describe(load)}.")
    sys.exit("\n".join(report.faults[:20]) or None)


if __name__ == "__main__":
    main()

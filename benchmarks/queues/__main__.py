# SPDX-License-Identifier: MIT
"""Measure Geartrain and other job queues for Python with the same work, and print how they compare."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import positive
from benchmarks.machine import describe, redis_version
from benchmarks.page import ROOT, fill
from benchmarks.queues import report
from benchmarks.queues.contestants import CONTESTANTS, Contestant
from benchmarks.queues.environments import Environments
from benchmarks.queues.figures import Result
from benchmarks.queues.meter import Limits
from benchmarks.queues.rounds import measure_all

PAGE = ROOT / "docs" / "benchmarks.md"
GOALS_PAGE = ROOT / "docs" / "contributing" / "benchmark-goals.md"
PICTURE = ROOT / "docs" / "static" / "queues.svg"


def main() -> int:
    """Run the command; return 0, or 1 if a contestant failed, or 2 for wrong usage."""
    options = _parser().parse_args()
    try:
        chosen = choose(options.contestant)
    except ValueError as error:
        print(f"queues: {error}", file=sys.stderr)
        return 2
    if options.write and list(chosen) != list(CONTESTANTS):
        print("queues: --write needs a measurement of all contestants", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all processes are stopped
    load = os.getloadavg()[0]
    environments = Environments()
    for system in dict.fromkeys(contestant.system for contestant in chosen):
        _say(f"setting up {system}")
        environments.prepare(system)
    limits = Limits(jobs=options.jobs, seconds=options.seconds, warm_up=options.warm_up)
    results = measure_all(chosen, environments, limits, options.rounds, _say)
    rounds = "1 round" if options.rounds == 1 else f"{options.rounds} rounds"
    text = summary(results, environments, f"{describe(load)}; {rounds}, {options.seconds:g} s for each figure")
    print(f"{text}\n\n{report.goals(results)}")
    for result in results:
        for failure in result.errors:
            print(f"\n{result.contestant.title}: {failure}", file=sys.stderr)
    if options.json:
        figures = {result.contestant.name: result.as_json() for result in results}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if options.write and any(result.errors for result in results if result.contestant.system == "geartrain"):
        print("queues: the page was not changed, because a measurement of Geartrain failed", file=sys.stderr)
    elif options.write:
        _write(results, text)
    return 1 if any(result.errors for result in results) else 0


def choose(names: Sequence[str]) -> list[Contestant]:
    """Return the contestants, or all of a system, by name; all contestants without a name.

    Raises:
        ValueError: A name is unknown.
    """
    known = {name for each in CONTESTANTS for name in (each.system, each.name)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"the contestants are {', '.join(sorted(known))}; not {', '.join(unknown)}")
    return [each for each in CONTESTANTS if not names or {each.system, each.name} & set(names)]


def summary(results: Sequence[Result], environments: Environments, circumstances: str) -> str:
    """Format the figures, the failures and the circumstances as Markdown."""
    systems = dict.fromkeys(result.contestant.system for result in results)
    versions = list(dict.fromkeys(environments.versions(system) for system in systems if environments.is_there(system)))
    if any(result.contestant.broker.is_redis for result in results):
        versions.append(f"Redis {redis_version()}")
    parts = [
        report.comparison(results),
        report.figures(results),
        report.failures(results),
        f"Measured on {circumstances}. Versions: {'; '.join(versions)}.",
    ]
    return "\n\n".join(part for part in parts if part)


def _write(results: Sequence[Result], text: str) -> None:
    from benchmarks.queues.picture import draw  # only here: a mere measurement needs no matplotlib

    draw(results, PICTURE)
    fill(PAGE, "figures", text)
    fill(PAGE, "contestants", report.contestants(CONTESTANTS))
    fill(GOALS_PAGE, "queues", report.goals(results))


def _say(what: str) -> None:
    """Report the progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{what:70}\r", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queues",
        description=__doc__,
        epilog="Each other system is installed into its own environment in .venv-queues, on first use.",
    )
    parser.add_argument(
        "contestant", nargs="*", help="a system, such as celery, or one of its settings, such as celery-solo (all)"
    )
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="number of measurements of each (3)")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S", help="duration of each measurement (1.5)")
    parser.add_argument(
        "--jobs", type=positive, default=100_000, metavar="N", help="limit of jobs for a figure (100000)"
    )
    parser.add_argument(
        "--warm-up", type=positive, default=50, metavar="N", help="number of jobs before the measurement (50)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file, by round")
    parser.add_argument("--write", action="store_true", help="write tables and picture into the documentation")
    return parser


if __name__ == "__main__":
    sys.exit(main())

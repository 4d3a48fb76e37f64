# SPDX-License-Identifier: MIT
"""Measure Geartrain's gearmand and other servers with the same work in one run, and print how they compare."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.arguments import positive
from benchmarks.contenders import GEARMAND, OURS, command_of
from benchmarks.load import compile_floor, compile_load
from benchmarks.machine import describe
from benchmarks.measured import BenchmarkError, version
from benchmarks.page import ROOT, fill
from benchmarks.servers.part import Setting
from benchmarks.servers.results import BASELINE, PARTS, PUBLISHED, Results, compared, goals, read, told, write
from benchmarks.servers.table import FLOOR, WORKLOADS, in_order, misses

PAGE = ROOT / "docs" / "benchmarks-servers.md"
GOALS_PAGE = ROOT / "docs" / "contributing" / "benchmark-goals.md"
PICTURES = ROOT / "docs" / "static"

_USUAL = [name for name in PARTS if name != "day"]  # it takes as long as all others together
_BUSY = 0.5  # load average above which other programs disturb the measurement


def main() -> int:
    """Run the command; return 0, or 1 if a goal is missed, or 2 if the measurement failed."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers are stopped
    load_average = os.getloadavg()[0]
    try:
        results = {} if options.render else measure(options, _chosen(options), load_average)
    except BenchmarkError as error:
        print(f"servers: {error}", file=sys.stderr)
        return 2
    _say("")
    _print(results, load_average)
    if options.baseline:
        print(f"\n{compared(read(options.baseline), results)}")
    for file in (options.json, options.save_baseline):
        if file is not None:
            write(file, results)
    if options.write:
        write(PUBLISHED, results)
    if options.write or options.render:
        publish(read(PUBLISHED))
    behind = misses(results["table"]["figures"]) if options.check and "table" in results else []
    for miss in behind:
        print(miss)
    return 1 if behind else 0


def measure(options: argparse.Namespace, names: Sequence[str], load_average: float) -> Results:
    """Measure some parts, one after the other."""
    servers = {"Geartrain": options.ours, "gearmand": options.theirs}
    for each in options.against:
        name = Path(each.split()[0]).name
        servers[each if name in servers else name] = command_of(each)
    for command in servers.values():
        if shutil.which(command.split()[0].strip("'")) is None:
            raise BenchmarkError(
                f"there is no {command.split()[0]} to measure; Debian's server comes with: "
                "apt-get install gearman-job-server"
            )
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        setting = Setting(
            load=compile_load(Path(folder)),
            servers=servers,
            rounds=options.rounds,
            most=options.jobs,
            workloads=tuple(options.workload),
            say=_say,
        )
        for name in names:
            part = PARTS[name]
            rounds = min(options.rounds, part.most_rounds)
            measured = dict(list(servers.items())[:1]) if part.is_alone else dict(servers)
            if name == "table" and options.floor:
                measured[FLOOR] = compile_floor(Path(folder))
            results[name] = {
                "machine": describe(load_average),
                "rounds": rounds,
                "servers": {title: version(command) for title, command in measured.items()},
                "figures": part.measure(replace(setting, servers=measured, rounds=rounds)),
            }
    return results


def publish(results: Results) -> None:
    """Write pictures and tables into the documentation."""
    from benchmarks.servers.picture import draw  # only here: a mere measurement needs no matplotlib

    draw(results, PICTURES)
    for name, result in results.items():
        fill(PAGE, name, f"\n{told(name, result)}\n")
    fill(GOALS_PAGE, "servers", f"\n{goals(results)}\n")


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the names of the parts to measure."""
    in_order(options.workload)  # an unknown name is an error
    if options.yahoo_day:
        return ["day"]
    if options.workload:
        return ["table"]
    names: list[str] = options.only.split(",") if options.only else _USUAL
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        raise BenchmarkError(f"the parts are {', '.join(PARTS)}; not {', '.join(unknown)}")
    return [name for name in PARTS if name in names]


def _print(results: Results, load_average: float) -> None:
    print("\n\n".join([*(told(name, result) for name, result in results.items()), goals(results)]))
    if load_average > _BUSY and results:
        print(f"\nOther programs were running (load average {load_average:.1f}): measure again on an idle machine.")


def _say(what: str) -> None:
    """Report the progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{what:70}\r", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog="A ratio above 1: Geartrain is better. Commands run in the foreground and listen on {port}.",
    )
    parts = ", ".join(f"{name} ({part.about})" for name, part in PARTS.items())
    parser.add_argument("workload", nargs="*", help=f"measure only these rows of the table: {', '.join(WORKLOADS)}")
    parser.add_argument("--only", metavar="PARTS", help=f"comma-separated parts: {parts}; by default all except day")
    parser.add_argument("--yahoo-day", action="store_true", help="measure only the part day")
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="N", help="number of measurements of each pair (5)"
    )
    parser.add_argument(
        "--jobs", type=positive, default=sys.maxsize, metavar="N", help="limit for jobs, connections and functions"
    )
    parser.add_argument("--ours", default=OURS, metavar="COMMAND", help="command of a server instead of Geartrain's")
    parser.add_argument("--theirs", default=GEARMAND, metavar="COMMAND", help="command of a server instead of Debian's")
    parser.add_argument(
        "--against", action="append", default=[], metavar="SERVER", help="path or command of one more server"
    )
    parser.add_argument("--floor", action="store_true", help="measure the table also with a minimal server in C")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a ratio misses its goal")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument(
        "--save-baseline",
        type=Path,
        nargs="?",
        const=BASELINE,
        metavar="FILE",
        help=f"save the figures for later comparisons ({BASELINE.relative_to(ROOT)})",
    )
    parser.add_argument(
        "--baseline", type=Path, nargs="?", const=BASELINE, metavar="FILE", help="compare with saved figures"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"write the figures, tables and pictures of {PAGE.relative_to(ROOT)}"
    )
    parser.add_argument("--render", action="store_true", help="write tables and pictures again from the saved figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())

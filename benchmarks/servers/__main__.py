# SPDX-License-Identifier: MIT
"""Measure our gearmand beside Debian's, and any other, on the same work in one run, and print how they compare."""

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
from benchmarks.servers.results import BASELINE, PARTS, PUBLISHED, Results, compared, read, told, write
from benchmarks.servers.table import WORKLOADS, in_order, misses

PAGE = ROOT / "docs" / "benchmarks-servers.md"
PICTURES = ROOT / "docs" / "static"

_USUAL = [name for name in PARTS if name != "day"]  # which takes as long as all others together
_BUSY = 0.5  # a load average above which others are at work on the machine


def main() -> int:
    """Run the command; 0 is fine, 1 that ours is behind what it is to be, 2 that nothing could be measured."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers are ended
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
    servers = {"ours": options.ours, "gearmand": options.theirs}
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
                measured["floor"] = compile_floor(Path(folder))
            results[name] = {
                "machine": describe(load_average),
                "rounds": rounds,
                "servers": {title: version(command) for title, command in measured.items()},
                "figures": part.measure(replace(setting, servers=measured, rounds=rounds)),
            }
    return results


def publish(results: Results) -> None:
    """Write pictures and tables into the documentation."""
    from benchmarks.servers.picture import draw  # only here, as whoever only measures needs no matplotlib

    draw(results, PICTURES)
    for name, result in results.items():
        fill(PAGE, name, f"\n{told(name, result)}\n")


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the parts that are measured."""
    in_order(options.workload)  # or there is nothing to measure
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
    print("\n\n".join(told(name, result) for name, result in results.items()))
    if load_average > _BUSY and results:
        print(
            f"\nOthers were at work on this machine (load average {load_average:.1f}): measure again when it is quiet."
        )


def _say(what: str) -> None:
    """Tell who waits at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{what:70}\r", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog="Ratios above 1 mean that ours is better. A command stays in the foreground and listens on {port}.",
    )
    parts = ", ".join(f"{name} ({part.about})" for name, part in PARTS.items())
    parser.add_argument("workload", nargs="*", help=f"rows of the table alone: {', '.join(WORKLOADS)}")
    parser.add_argument("--only", metavar="PARTS", help=f"some of {parts}; without, all but day")
    parser.add_argument("--yahoo-day", action="store_true", help="only the part day")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="how often to measure each pair (5)")
    parser.add_argument("--jobs", type=positive, default=sys.maxsize, metavar="N", help="at most so many of anything")
    parser.add_argument("--ours", default=OURS, metavar="COMMAND", help="another server in place of ours")
    parser.add_argument("--theirs", default=GEARMAND, metavar="COMMAND", help="another server in place of Debian's")
    parser.add_argument(
        "--against", action="append", default=[], metavar="SERVER", help="one more server: a path, or a command"
    )
    parser.add_argument("--floor", action="store_true", help="the table also beside a server that only just does it")
    parser.add_argument("--check", action="store_true", help="fail when a ratio is not what it is to be")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument(
        "--save-baseline",
        type=Path,
        nargs="?",
        const=BASELINE,
        metavar="FILE",
        help=f"keep the figures, to compare others with ({BASELINE.relative_to(ROOT)})",
    )
    parser.add_argument(
        "--baseline", type=Path, nargs="?", const=BASELINE, metavar="FILE", help="compare with figures that were kept"
    )
    parser.add_argument("--write", action="store_true", help=f"write tables and pictures of {PAGE.relative_to(ROOT)}")
    parser.add_argument("--render", action="store_true", help="write them again from the figures that are kept there")
    return parser


if __name__ == "__main__":
    sys.exit(main())

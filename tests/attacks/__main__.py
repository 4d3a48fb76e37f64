# SPDX-License-Identifier: MIT
"""Attack a server with ``careful.toml`` for some minutes: ``make attacks MINUTES=10``."""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.page import ROOT, fill, table
from geartrain.core import IS_COMPILED
from tests.attacks.careful import Careful
from tests.attacks.measuring import ATTACKS, Effect, Measuring

_PAGE = ROOT / "docs" / "robustness.md"
_SLICE = 3.0  # seconds of one attack at a time
_SLOWEST = 0.050  # seconds that 99 of 100 echoes of another peer may take
_LEAST = 0.5  # part of its rate that another client keeps
_BAND_MIB = 16.0  # growth of the highest memory from the second to the last quarter of the time


def main() -> None:
    """Run the attacks in turn, and print their effects."""
    parser = argparse.ArgumentParser(prog="make attacks", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes of attacks (1)")
    parser.add_argument("--memory", type=int, default=128, help="memory limit of the server in MiB (128)")
    parser.add_argument("--packet", type=int, default=16, help="largest packet in MiB (16)")
    parser.add_argument("--write", action="store_true", help="write the figures into the documentation")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        careful = Careful(Path(folder), max_memory_mib=options.memory, max_packet_mib=options.packet)
        with careful.server() as server, Measuring(careful, server.port, server.process.pid) as measuring:
            quiet = measuring.measure("", 3 * _SLICE)
            effects = list(_run(measuring, 60 * options.minutes))
            faults = measuring.faults
    text = _report(quiet, effects)
    faults += _faults(careful, quiet, effects)
    print(text)
    if options.write:
        kind = "compiled" if IS_COMPILED else "interpreted"
        run = f"`make attacks MINUTES={options.minutes:g}` with the {kind} server"
        fill(_PAGE, "attacks", f"{run}:\n\n{text}\n\nRun on {describe(load)}.")
    sys.exit("\n".join(faults) or None)


def _run(measuring: Measuring, seconds: float) -> "list[Effect]":
    effects: list[Effect] = []
    while sum(effect.seconds for effect in effects) < seconds:
        for name in ATTACKS:
            effects.append(measuring.measure(name, _SLICE))
            effect = effects[-1]
            print(
                f"{name}: 99 of 100 echoes within {1000 * effect.slow_echo:.1f} ms, {effect.rate:,.0f} jobs/s, "
                f"{effect.memory_mib:.0f} MiB",
                flush=True,
            )
    return effects


def _report(quiet: Effect, effects: list[Effect]) -> str:
    rows = []
    for name in ("", *ATTACKS):
        mine = [effect for effect in effects if effect.attack == name] or [quiet]
        rows.append(
            (
                name or "none",
                f"{1000 * statistics.median(effect.slow_echo for effect in mine):.1f}",
                f"{1000 * max(max(effect.echoes) for effect in mine):.0f}",
                f"{_rate(mine) / quiet.rate:.2f}",
                f"{max(effect.memory_mib for effect in mine):.0f}",
            )
        )
    head = ("Attack", "99 % of echoes, ms", "Slowest echo, ms", "Rate of a client", "Memory, MiB")
    return table(head, rows)


def _rate(effects: list[Effect]) -> float:
    return sum(effect.jobs for effect in effects) / sum(effect.seconds for effect in effects)


def _faults(careful: Careful, quiet: Effect, effects: list[Effect]) -> list[str]:
    faults = []
    most = quiet.memory_mib + careful.most_mib(connections=40)
    for name in ATTACKS:
        mine = [effect for effect in effects if effect.attack == name]
        slow = statistics.median(effect.slow_echo for effect in mine)
        if slow > _SLOWEST:
            faults.append(f"{name}: 99 of 100 echoes take up to {1000 * slow:.1f} ms")
        if _rate(mine) < _LEAST * quiet.rate:
            faults.append(f"{name}: another client keeps {_rate(mine) / quiet.rate:.2f} of its rate")
    highest = max(effect.memory_mib for effect in effects)
    if highest > most:
        faults.append(f"the server took {highest:.0f} MiB, where it may take {most:.0f}")
    quarter = len(effects) // 4
    if len(effects) >= 4 * len(ATTACKS):
        second, last = effects[quarter : 2 * quarter], effects[-quarter:]
        grown = max(each.memory_mib for each in last) - max(each.memory_mib for each in second)
        if grown > _BAND_MIB:
            faults.append(f"from the second to the last quarter the highest memory grew by {grown:.0f} MiB")
    return faults


if __name__ == "__main__":
    main()

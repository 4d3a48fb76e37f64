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
from tests.soak.watch import memory_mib

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
            measuring.measure("", _SLICE, core=0.0)  # the caches are warm afterwards
            before = memory_mib(server.process.pid) or 0.0
            effects, others = _run(measuring, 60 * options.minutes)
            faults = measuring.faults
    text = _report(effects, others)
    faults += _faults(careful, before, effects, others)
    print(text)
    if options.write:
        kind = "compiled" if IS_COMPILED else "interpreted"
        run = f"`make attacks MINUTES={options.minutes:g}` with the {kind} server"
        fill(_PAGE, "attacks", f"{run}:\n\n{text}\n\nRun on {describe(load)}.")
    sys.exit("\n".join(faults) or None)


def _run(measuring: Measuring, seconds: float) -> tuple[list[Effect], list[Effect]]:
    """Attack, and after each attack compute as much; return the effects of both."""
    effects: list[Effect] = []
    others: list[Effect] = []
    while sum(effect.seconds for effect in effects + others) < seconds:
        for name in ATTACKS:
            effect = measuring.measure(name, _SLICE)
            other = measuring.measure(name, _SLICE, core=effect.core)
            effects.append(effect)
            others.append(other)
            print(
                f"{name}: 99 of 100 echoes within {1000 * effect.slow_echo:.1f} ms, {effect.rate:,.0f} jobs/s "
                f"of {other.rate:,.0f}, {effect.memory_mib:.0f} MiB",
                flush=True,
            )
    return effects, others


def _report(effects: list[Effect], others: list[Effect]) -> str:
    rows = []
    for name in ATTACKS:
        mine, same = _of(name, effects), _of(name, others)
        rows.append(
            (
                name,
                f"{1000 * statistics.median(effect.slow_echo for effect in mine):.1f}",
                f"{1000 * statistics.median(effect.slow_echo for effect in same):.1f}",
                f"{1000 * max(max(effect.echoes) for effect in mine):.0f}",
                f"{_rate(mine) / _rate(same):.2f}",
                f"{max(effect.memory_mib for effect in mine):.0f}",
            )
        )
    head = ("Attack", "99 % of echoes, ms", "without, ms", "Slowest echo, ms", "Rate kept", "Memory, MiB")
    return table(head, rows)


def _of(name: str, effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if effect.attack == name]


def _rate(effects: list[Effect]) -> float:
    return sum(effect.jobs for effect in effects) / sum(effect.seconds for effect in effects)


def _faults(careful: Careful, before: float, effects: list[Effect], others: list[Effect]) -> list[str]:
    faults = []
    most = before + careful.most_mib(connections=40)
    for name in ATTACKS:
        mine, same = _of(name, effects), _of(name, others)
        slow = statistics.median(effect.slow_echo for effect in mine)
        if slow > _SLOWEST:
            faults.append(f"{name}: 99 of 100 echoes take up to {1000 * slow:.1f} ms")
        if _rate(mine) < _LEAST * _rate(same):
            faults.append(f"{name}: another client keeps {_rate(mine) / _rate(same):.2f} of its rate")
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

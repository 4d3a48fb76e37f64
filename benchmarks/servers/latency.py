# SPDX-License-Identifier: MIT
"""Round trips on an empty server, and on one with a million waiting jobs.

Each server runs twice, once empty and once full, and all take turns within a round.
"""

import contextlib
from dataclasses import asdict
from typing import Any

from benchmarks.load import Run, Workload, give
from benchmarks.measured import MeasuredServer, running
from benchmarks.page import table
from benchmarks.servers.part import Figure, Figures, Part, Setting
from benchmarks.servers.table import medians

__all__ = ["LATENCY", "PERCENTILES"]

PERCENTILES = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p99.9": "p999_us"}
_QUEUED = 1_000_000
_CALLS = 10_000
_WANTED = 2.0  # times the p99 of the empty server, at most


def measure(setting: Setting) -> Figures:
    """Measure round trips on every server, empty and full."""
    queued = min(_QUEUED, setting.most)
    filling = Workload(jobs=queued, clients=8, workers=0, depth=32, background=True)
    calling = Workload(jobs=min(_CALLS, setting.most), clients=1, workers=1)
    states = ("empty", "full")
    runs: dict[str, dict[str, list[Any]]] = {title: {state: [] for state in states} for title in setting.servers}
    with contextlib.ExitStack() as stack:
        servers: list[tuple[str, str, MeasuredServer]] = []
        for title, command in setting.servers.items():
            servers += [(title, state, stack.enter_context(running(command))) for state in states]
            setting.say(f"{queued:,} jobs for {title}")
            give(setting.load, servers[-1][2], filling, "pile")
        for number in range(setting.rounds):
            for title, state, server in servers if number % 2 == 0 else reversed(servers):
                setting.say(f"round {number + 1} of {setting.rounds}: round trips, {title}, {state}")
                runs[title][state].append(asdict(give(setting.load, server, calling, "call")))
    return {"queued": queued, "runs": runs}


def tell(figures: Figures) -> str:
    """Format the percentiles of each server, empty and full, and their ratio."""
    titles = ["round trip, us", *PERCENTILES, "p99, full / empty"]
    rows = []
    for title, states in figures["runs"].items():
        empty, full = (_medians(runs) for runs in states.values())
        rows.append([f"{title}, empty", *_cells(empty), "-"])
        times = full["p99_us"] / empty["p99_us"]
        rows.append([f"{title}, {figures['queued']:,} waiting jobs", *_cells(full), f"{times:.2f}"])
    return table(titles, rows)


def goals(figures: Figures) -> str:
    """Format the ratio of the p99 of a full and an empty server beside its goal."""
    titles = ["p99 of a round trip", f"with {figures['queued']:,} waiting jobs / empty", "at most"]
    rows = []
    for title, states in figures["runs"].items():
        empty, full = (_medians(runs)["p99_us"] for runs in states.values())
        rows.append([title, f"{full / empty:.2f}", f"{_WANTED:g}"])
    return table(titles, rows)


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return asdict(medians([Run(**run) for run in runs]))


def _cells(run: dict[str, Any]) -> list[str]:
    return [f"{run[name]:.0f}" for name in PERCENTILES.values()]


def picked(figures: Figures) -> dict[str, Figure]:
    """Return the p99 of Geartrain."""
    states = next(iter(figures["runs"].values()))
    return {
        f"round trip, {state}, p99 us": Figure(_medians(runs)["p99_us"], less_is_better=True)
        for state, runs in states.items()
    }


LATENCY = Part("round trips while a million jobs wait", measure, tell, picked, goals=goals)

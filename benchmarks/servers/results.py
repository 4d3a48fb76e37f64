# SPDX-License-Identifier: MIT
"""Results in a file: the figures of each part, with the servers and the machine."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.page import ROOT, table
from benchmarks.servers.day import DAY
from benchmarks.servers.latency import LATENCY
from benchmarks.servers.memory import MEMORY
from benchmarks.servers.part import Part
from benchmarks.servers.scale import SCALE
from benchmarks.servers.table import FLOOR, TABLE

__all__ = ["BASELINE", "PARTS", "PUBLISHED", "Results", "compared", "goals", "read", "told", "write"]

Results: TypeAlias = dict[str, dict[str, Any]]

PARTS: dict[str, Part] = {"table": TABLE, "scale": SCALE, "memory": MEMORY, "latency": LATENCY, "day": DAY}

PUBLISHED = ROOT / "benchmarks" / "figures.json"  # the figures in the documentation
BASELINE = ROOT / "build" / "baseline.json"


def read(file: Path) -> Results:
    """Return the results in a file, or none if there is no file."""
    results: Results = json.loads(file.read_text()) if file.exists() else {}
    return results


def write(file: Path, results: Results) -> None:
    """Write results into a file, which keeps the parts that were not measured."""
    file.parent.mkdir(parents=True, exist_ok=True)
    merged = read(file) | results
    file.write_text(json.dumps({name: merged[name] for name in PARTS if name in merged}, indent=1) + "\n")


def told(name: str, result: dict[str, Any]) -> str:
    """Format a part as Markdown, with the servers and the machine."""
    rounds = "1 round" if result["rounds"] == 1 else f"{result['rounds']} rounds"
    servers = "; ".join(f"{title}: {version}" for title, version in result["servers"].items() if title != FLOOR)
    return f"{PARTS[name].tell(result['figures'])}\n\nMeasured on {result['machine']}; {rounds}. Servers: {servers}."


def goals(results: Results) -> str:
    """Format the figures of all parts that have goals, beside these."""
    told = []
    for name, result in results.items():
        if (tell := PARTS[name].goals) is not None:
            told.append(tell(result["figures"]))
    return "\n\n".join(told)


def compared(before: Results, now: Results) -> str:
    """Format the ratios of these results and earlier ones."""
    rows = []
    for name, result in now.items():
        if name not in before:
            continue
        old = PARTS[name].figures(before[name]["figures"])
        for title, figure in PARTS[name].figures(result["figures"]).items():
            if title in old:
                times = figure.times_as_good_as(old[title])
                rows.append([title, f"{old[title].value:,.2f}", f"{figure.value:,.2f}", f"{times:.2f}"])
    return table(["compared with the baseline", "then", "now", "improvement"], rows)

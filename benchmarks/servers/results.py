# SPDX-License-Identifier: MIT
"""What was measured, in a file: each part with the servers and the machine that it was measured on."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.page import ROOT, table
from benchmarks.servers.day import DAY
from benchmarks.servers.latency import LATENCY
from benchmarks.servers.memory import MEMORY
from benchmarks.servers.part import Part
from benchmarks.servers.scale import SCALE
from benchmarks.servers.table import TABLE

__all__ = ["BASELINE", "PARTS", "PUBLISHED", "Results", "compared", "read", "told", "write"]

Results: TypeAlias = dict[str, dict[str, Any]]

PARTS: dict[str, Part] = {"table": TABLE, "scale": SCALE, "memory": MEMORY, "latency": LATENCY, "day": DAY}

PUBLISHED = ROOT / "benchmarks" / "figures.json"  # what the documentation shows
BASELINE = ROOT / "build" / "baseline.json"


def read(file: Path) -> Results:
    """Return what is in a file; nothing if there is none."""
    results: Results = json.loads(file.read_text()) if file.exists() else {}
    return results


def write(file: Path, results: Results) -> None:
    """Put parts into a file; those that were not measured stay as they were."""
    file.parent.mkdir(parents=True, exist_ok=True)
    merged = read(file) | results
    file.write_text(json.dumps({name: merged[name] for name in PARTS if name in merged}, indent=1) + "\n")


def told(name: str, result: dict[str, Any]) -> str:
    """Put one part into Markdown, with the circumstances."""
    rounds = "1 round" if result["rounds"] == 1 else f"{result['rounds']} rounds"
    servers = "; ".join(f"{title}: {version}" for title, version in result["servers"].items())
    return f"{PARTS[name].tell(result['figures'])}\n\nMeasured on {result['machine']}; {rounds}. Servers: {servers}."


def compared(before: Results, now: Results) -> str:
    """Lay out how what was measured now compares with what was measured before."""
    rows = []
    for name, result in now.items():
        if name not in before:
            continue
        old = PARTS[name].figures(before[name]["figures"])
        for title, figure in PARTS[name].figures(result["figures"]).items():
            if title in old:
                times = figure.times_as_good_as(old[title])
                rows.append([title, f"{old[title].value:,.2f}", f"{figure.value:,.2f}", f"{times:.2f}"])
    return table(["beside the baseline", "then", "now", "times as good"], rows)

# SPDX-License-Identifier: MIT
"""The picture of the stores: jobs per second and the time of one submission, from the rows of the table."""

import re
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.page import ROOT
from benchmarks.sheet import ACCENT, MUTED, prepare, save, style

__all__ = ["PICTURE", "Row", "draw", "rows"]

PICTURE = ROOT / "docs" / "static" / "stores.svg"

_ROW = re.compile(
    r"^\| (?P<server>[^|]+) \| [^|]+ \| (?P<rate>[\d,]+) \|[^|]+\|[^|]+\| (?P<alone>[\d.]+) \|", re.MULTILINE
)


class Row(NamedTuple):
    """The figures of one server and store: jobs per second, and milliseconds of one submission."""

    server: str
    rate: float
    alone_ms: float


def rows(table: str) -> list[Row]:
    """Return the rows of a table that `benchmarks.durable` has written."""
    return [
        Row(found["server"], float(found["rate"].replace(",", "")), float(found["alone"]))
        for found in _ROW.finditer(table)
    ]


def draw(table: str, file: Path = PICTURE) -> None:
    """Write the picture of a table."""
    found = rows(table)
    with style("stores"):
        figure = Figure(figsize=(7.6, 1.1 + 0.34 * len(found)), layout="constrained")
        rates, times = figure.subplots(1, 2, sharey=True)
        _panel(rates, "background jobs/s", "more is better", [row.rate for row in found], found)
        _panel(times, "one submission, ms", "less is better", [row.alone_ms for row in found], found)
        rates.set_yticks(range(len(found)), [row.server for row in found])
        save(figure, file)


def _panel(axes: Axes, title: str, better: str, values: list[float], servers: list[Row]) -> None:
    prepare(axes, title)
    axes.set_xlabel(better, fontsize=8.5)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    for place, (value, row) in enumerate(zip(values, servers, strict=True)):
        is_ours = row.server.startswith("Geartrain")
        axes.plot(value, place, "o" if is_ours else "s", color=ACCENT if is_ours else MUTED, markersize=7)
    axes.set_ylim(len(servers) - 0.5, -0.5)

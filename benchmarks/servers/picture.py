# SPDX-License-Identifier: MIT
"""Pictures of the figures of servers: one for each part with more than a sentence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.load import Run
from benchmarks.servers.latency import PERCENTILES
from benchmarks.servers.memory import BUILDS
from benchmarks.servers.results import Results
from benchmarks.servers.scale import CURVES
from benchmarks.servers.table import FLOOR, medians
from benchmarks.sheet import ACCENT, MUTED, ORANGE, VIOLET, prepare, save, style

__all__ = ["draw"]

_COLOURS = (ACCENT, MUTED, ORANGE, VIOLET)  # Geartrain, Debian's gearmand, other servers
_MARKS = ("o", "s", "^", "D")


def draw(results: Results, folder: Path) -> None:
    """Write a picture of each measured part, ``servers-table.svg`` and so on."""
    for name, painter in _PAINTERS.items():
        if name in results:
            with style(f"servers-{name}"):
                save(painter(results[name]["figures"]), folder / f"servers-{name}.svg")


def _work(figures: dict[str, Any]) -> Figure:
    """Draw a row for each workload, and a dot for each server except the floor."""
    figures = {
        name: {title: runs for title, runs in sides.items() if title != FLOOR} for name, sides in figures.items()
    }
    figure = Figure(figsize=(7.6, 1.2 + 0.42 * len(figures)), layout="constrained")
    rates, costs = figure.subplots(1, 2, sharey=True)
    _panel(rates, "jobs/s", "more is better")
    _panel(costs, "CPU time of the server, us/job", "less is better")
    for row, sides in enumerate(figures.values()):
        for number, runs in enumerate(sides.values()):
            found = medians([Run(**run) for run in runs])
            _dot(rates, row, found.rate, number)
            _dot(costs, row, found.cpu_us, number)
    for axes in (rates, costs):
        _scale(axes.set_xscale, axes.xaxis)
        axes.set_ylim(len(figures) - 0.5, -0.5)
    rates.set_yticks(range(len(figures)), list(figures))
    _name(figure, list(next(iter(figures.values()))))
    return figure


def _dot(axes: Axes, row: int, value: float, number: int) -> None:
    axes.plot(value, row, _MARKS[number % 4], color=_COLOURS[number % 4], markersize=7)


def _curves(figures: dict[str, Any]) -> Figure:
    """Draw a panel for each growing number."""
    figure = Figure(figsize=(7.6, 7.2), layout="constrained")
    for axes, (name, costs) in zip(figure.subplots(3, 2).flat, figures.items(), strict=False):
        _panel(axes, f"CPU us/job by number of\n{CURVES[name].title}", "")
        for number, points in enumerate(costs.values()):
            sizes, values = [point[0] for point in points], [point[1] for point in points]
            axes.plot(
                sizes, values, f"-{_MARKS[number % 4]}", color=_COLOURS[number % 4], markersize=4.5, linewidth=1.3
            )
        _scale(axes.set_xscale, axes.xaxis)
        _scale(axes.set_yscale, axes.yaxis)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, high / 30), high * 1.5)  # so that small differences look small
    _name(figure, list(next(iter(figures.values()))))
    return figure


def _latencies(figures: dict[str, Any]) -> Figure:
    """Draw the percentiles of each server: a line for an empty server, a dashed line for a full one."""
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    axes = figure.subplots()
    _panel(axes, "round trip, us", f"less is better; dashed: with {figures['queued']:,} waiting jobs")
    for number, states in enumerate(figures["runs"].values()):
        for line, runs in zip(("-", "--"), states.values(), strict=True):
            found = medians([Run(**run) for run in runs])
            values = [getattr(found, name) for name in PERCENTILES.values()]
            axes.plot(range(len(values)), values, line + _MARKS[number % 4], color=_COLOURS[number % 4], markersize=6)
    axes.set_xticks(range(len(PERCENTILES)), list(PERCENTILES))
    _scale(axes.set_yscale, axes.yaxis)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    _name(figure, list(figures["runs"]))
    return figure


def _weights(figures: dict[str, Any]) -> Figure:
    """Draw a panel for each figure of memory."""
    titles = {"idle_mib": "idle, MiB", "job_bytes": "a waiting job, bytes", "worker_kib": "an idle worker, KiB"}
    figure = Figure(figsize=(7.6, 1.1 + 0.34 * len(figures)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        _panel(axes, title, "less is better")
        for row, (server, weights) in enumerate(figures.items()):
            is_ours = server.startswith(BUILDS)
            axes.plot(weights[name], row, "o" if is_ours else "s", color=ACCENT if is_ours else MUTED, markersize=7)
        axes.set_xlim(0, axes.get_xlim()[1])
        axes.set_ylim(len(figures) - 0.5, -0.5)
    names = [f"Geartrain, {server}" if server.startswith(BUILDS) else server for server in figures]
    panels[0].set_yticks(range(len(figures)), names)
    return figure


def _panel(axes: Axes, title: str, note: str) -> None:
    prepare(axes, title)
    axes.set_xlabel(note, fontsize=8.5)


def _scale(choose: Callable[[str], None], axis: Any) -> None:
    """Use a logarithmic axis with plain numbers."""
    choose("log")
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value / 1e6:g} M"))
    axis.set_minor_locator(NullLocator())


def _name(figure: Figure, titles: Sequence[str]) -> None:
    """Draw the legend."""
    handles = [
        Line2D([], [], color=_COLOURS[number % 4], marker=_MARKS[number % 4], linestyle="")
        for number in range(len(titles))
    ]
    figure.legend(handles, titles, loc="outside lower center", ncols=len(titles), frameon=False, fontsize=9)


_PAINTERS: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "table": _work,
    "scale": _curves,
    "latency": _latencies,
    "memory": _weights,
}

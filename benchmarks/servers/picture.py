# SPDX-License-Identifier: MIT
"""The figures of servers as pictures: one for each part that has more of them than a sentence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.load import Run
from benchmarks.servers.latency import PERCENTILES
from benchmarks.servers.memory import WANTED
from benchmarks.servers.results import Results
from benchmarks.servers.scale import CURVES
from benchmarks.servers.table import medians
from benchmarks.sheet import ACCENT, INK, MUTED, PAPER, prepare, save, style

__all__ = ["draw"]

_COLOURS = (ACCENT, MUTED, "#b25d00", "#6a4c93")  # ours, Debian's, and others
_MARKS = ("o", "s", "^", "D")


def draw(results: Results, folder: Path) -> None:
    """Write a picture of each part that was measured, ``servers-table.svg`` and so on."""
    for name, painter in _PAINTERS.items():
        if name in results:
            with style(f"servers-{name}"):
                save(painter(results[name]["figures"]), folder / f"servers-{name}.svg")


def _work(figures: dict[str, Any]) -> Figure:
    """Draw a row for each workload, and a dot for each server."""
    figure = Figure(figsize=(7.6, 1.2 + 0.42 * len(figures)), facecolor=PAPER, layout="constrained")
    rates, costs = figure.subplots(1, 2, sharey=True)
    _panel(rates, "jobs/s", "more is better")
    _panel(costs, "CPU of the server, us/job", "less is better")
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
    """Draw a panel for each thing that grows."""
    figure = Figure(figsize=(7.6, 7.2), facecolor=PAPER, layout="constrained")
    for axes, (name, costs) in zip(figure.subplots(3, 2).flat, figures.items(), strict=False):
        _panel(axes, f"CPU us/job, by number of\n{CURVES[name].title}", "")
        for number, points in enumerate(costs.values()):
            sizes, values = [point[0] for point in points], [point[1] for point in points]
            axes.plot(
                sizes, values, f"-{_MARKS[number % 4]}", color=_COLOURS[number % 4], markersize=4.5, linewidth=1.3
            )
        _scale(axes.set_xscale, axes.xaxis)
        _scale(axes.set_yscale, axes.yaxis)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, high / 30), high * 1.5)  # room for a difference to look as large as it is
    _name(figure, list(next(iter(figures.values()))))
    return figure


def _latencies(figures: dict[str, Any]) -> Figure:
    """Draw the percentiles of each server, a line while nothing waits and a broken one while a million jobs do."""
    figure = Figure(figsize=(7.6, 3.4), facecolor=PAPER, layout="constrained")
    axes = figure.subplots()
    _panel(axes, "a round trip, us", f"less is better; broken: while {figures['queued']:,} jobs wait")
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
    """Draw a panel for each weight, with what it may be at most."""
    titles = {"idle_mib": "idle, MiB", "job_bytes": "a job that waits, bytes", "worker_kib": "an idle worker, KiB"}
    figure = Figure(figsize=(7.6, 1.1 + 0.34 * len(figures)), facecolor=PAPER, layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        _panel(axes, title, "dotted: what it may be at most")
        for row, (server, weights) in enumerate(figures.items()):
            ours = server.startswith(("compiled", "interpreted"))
            axes.plot(weights[name], row, "o" if ours else "s", color=ACCENT if ours else MUTED, markersize=7)
        axes.axvline(WANTED[name], color=INK, linewidth=1, linestyle=":")
        axes.set_xlim(0, max(axes.get_xlim()[1], WANTED[name] * 1.1))
        axes.set_ylim(len(figures) - 0.5, -0.5)
    panels[0].set_yticks(range(len(figures)), list(figures))
    return figure


def _panel(axes: Axes, title: str, note: str) -> None:
    prepare(axes, title)
    axes.set_xlabel(note, fontsize=8.5)


def _scale(choose: Callable[[str], None], axis: Any) -> None:
    """Count in powers of ten, in plain numbers."""
    choose("log")
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value / 1e6:g} M"))
    axis.set_minor_locator(NullLocator())


def _name(figure: Figure, titles: Sequence[str]) -> None:
    """Say which mark is whose."""
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

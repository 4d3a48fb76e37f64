# SPDX-License-Identifier: MIT
"""Picture of the figures: a row for each contestant, a panel for each figure.

It has dots instead of bars, because the length of a bar has no meaning on a logarithmic scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.queues.figures import Figures, Result
from benchmarks.queues.goals import OURS
from benchmarks.sheet import ACCENT, MUTED, PAPER, prepare, save, style

__all__ = ["draw"]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A figure, and optionally a second one, which gets a hollow dot."""

    title: str
    figure: Callable[[Figures], float | None]
    second: Callable[[Figures], float | None]
    label: Callable[[float], str]
    better: str
    scale: str = "log"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.0f} k"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _mib(value: float) -> str:
    return f"{value:.0f}"


_MORE, _LESS = "more is better", "less is better"

_PANELS = (
    _Panel(
        "enqueue, jobs/s\n● one by one  ○ in batches", lambda f: f.enqueue, lambda f: f.enqueue_batches, _rate, _MORE
    ),
    _Panel("drain, jobs/s\nof one worker process", lambda f: f.drain, lambda f: None, _rate, _MORE),
    _Panel("round trip, ms\n● p50  ○ p99", lambda f: f.p50_ms, lambda f: f.p99_ms, _ms, _LESS),
    _Panel("idle worker, MiB\n", lambda f: f.memory_mib, lambda f: None, _mib, _LESS, "linear"),
)
_FAR = 3.0  # two dots with this ratio have room for a label each


def draw(results: Sequence[Result], file: Path) -> None:
    """Write the picture, in the format of the file's suffix."""
    with style("queues"):
        figure = Figure(figsize=(7.6, 2.0 + 0.56 * len(results)), layout="constrained")
        panels = figure.subplots(2, 2, sharey=True)
        for axes, panel in zip(panels.flat, _PANELS, strict=True):
            _prepare(axes, panel, len(results))
            for row, result in enumerate(results):
                _dots(axes, panel, row, result)
            _widen(axes, panel)
        for axes in panels[:, 0]:
            _name_rows(axes, results)
        save(figure, file)


def _prepare(axes: Axes, panel: _Panel, rows: int) -> None:
    axes.set_xscale(panel.scale)
    prepare(axes, panel.title)
    axes.set_xlabel(panel.better, fontsize=8.5)
    axes.set_ylim(rows - 0.4, -0.8)  # the first row at the top, with room above it for a label
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", labelsize=9.5)


def _name_rows(axes: Axes, results: Sequence[Result]) -> None:
    axes.set_yticks(range(len(results)), [result.contestant.title for result in results])
    for tick, result in zip(axes.get_yticklabels(), results, strict=True):
        tick.set_color(_colour(result))
        tick.set_fontweight("bold" if _is_ours(result) else "normal")


def _dots(axes: Axes, panel: _Panel, row: int, result: Result) -> None:
    """Draw the figure of a contestant, or the word failed."""
    colour = _colour(result)
    value, second = panel.figure(result.medians), panel.second(result.medians)
    if value is None:
        axes.text(0.02, row, "failed", transform=axes.get_yaxis_transform(), va="center", color=colour, fontsize=8.5)
        return
    if second is not None:
        axes.plot([value, second], [row, row], color=colour, linewidth=1.2)
        axes.plot(second, row, "o", color=colour, markersize=6, markerfacecolor=PAPER)
        if second > _FAR * value and panel.better == _MORE:
            _label(axes, panel, row, second, result)
    axes.plot(value, row, "o", color=colour, markersize=7)
    _label(axes, panel, row, value, result)


def _label(axes: Axes, panel: _Panel, row: int, value: float, result: Result) -> None:
    """Write a value above its dot."""
    axes.annotate(
        panel.label(value),
        (value, row),
        xytext=(0, 5.5),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=_colour(result),
        fontweight="bold" if _is_ours(result) else "normal",
    )


def _widen(axes: Axes, panel: _Panel) -> None:
    """Leave room for the labels of the outermost dots."""
    low, high = axes.get_xlim()
    if panel.scale == "log":
        axes.set_xlim(low / 1.6, high * 1.6)
    else:
        axes.set_xlim(0, high * 1.1)


def _is_ours(result: Result) -> bool:
    return result.contestant.system in OURS


def _colour(result: Result) -> str:
    return ACCENT if _is_ours(result) else MUTED

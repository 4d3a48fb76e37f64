# SPDX-License-Identifier: MIT
"""Picture of a soak test: jobs, memory, descriptors, and the disturbed processes over time."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.sheet import ACCENT, INK, MUTED, RED, prepare, save, style
from tests.soak.ledger import SERVER, Disturbance
from tests.soak.watch import Sample

__all__ = ["draw"]

_ROWS = ("server", "workers", "clients")
_MARKS = {"killed": ("x", RED, "killed"), "ended": (".", INK, "SIGTERM"), "stopped": ("|", ACCENT, "SIGSTOP")}
_HEIGHTS = (3, 2, 2, 2, 1.6)


def draw(samples: Sequence[Sample], disturbances: Sequence[Disturbance], file: Path) -> None:
    """Write the picture, in the format of the file's suffix."""
    begun = min(disturbance.at for disturbance in disturbances)
    shown = [disturbance for disturbance in disturbances if disturbance.at < begun + samples[-1].seconds]
    with style("soak"):
        figure = Figure(figsize=(7.6, 7.4), layout="constrained")
        panels = figure.subplots(5, 1, sharex=True, gridspec_kw={"height_ratios": _HEIGHTS})
        rate, queue, memory, descriptors, strip = panels
        _panel(rate, "completed jobs per second", samples, lambda each: each.rate)
        _panel(queue, "jobs in the server", samples, lambda each: each.queued)
        _panel(memory, "memory of the server, and of two undisturbed peers (gray), MiB", samples, _memory)
        for name in samples[-1].others_mib:
            _line(memory, samples, _memory_of(name), MUTED)
        _panel(descriptors, "file descriptors of the server", samples, lambda each: each.descriptors)
        for axes in panels[:-1]:
            _mark_restarts(axes, shown, begun)
        _strip(strip, shown, begun)
        strip.set_xlim(0, samples[-1].seconds / 60)
        strip.set_xlabel("minutes", fontsize=8.5)
        save(figure, file)


def _memory(sample: Sample) -> float | None:
    return sample.memory_mib


def _memory_of(name: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.others_mib.get(name)


def _panel(axes: Axes, title: str, samples: Sequence[Sample], figure: Callable[[Sample], float | None]) -> None:
    prepare(axes, title)
    _line(axes, samples, figure, ACCENT)
    axes.set_ylim(bottom=0)


def _line(axes: Axes, samples: Sequence[Sample], figure: Callable[[Sample], float | None], colour: str) -> None:
    """Draw a figure over time, with gaps for missing values."""
    values = [math.nan if (value := figure(sample)) is None else value for sample in samples]
    axes.plot([sample.seconds / 60 for sample in samples], values, color=colour, linewidth=1.1)


def _mark_restarts(axes: Axes, disturbances: Sequence[Disturbance], begun: float) -> None:
    for disturbance in disturbances:
        if disturbance.name == SERVER and disturbance.what != "started":
            axes.axvline((disturbance.at - begun) / 60, color=RED, linewidth=0.9, linestyle=(0, (4, 3)))


def _strip(axes: Axes, disturbances: Sequence[Disturbance], begun: float) -> None:
    """Draw the disturbed processes, by kind of signal."""
    prepare(axes, "killed, terminated and paused processes")
    for what, (mark, colour, label) in _MARKS.items():
        times = [disturbance for disturbance in disturbances if disturbance.what == what]
        minutes = [(disturbance.at - begun) / 60 for disturbance in times]
        axes.plot(minutes, [_row(disturbance) for disturbance in times], mark, color=colour, markersize=5, label=label)
    axes.set_ylim(len(_ROWS) - 0.5, -0.5)
    axes.set_yticks(range(len(_ROWS)), _ROWS)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8.5, borderaxespad=0.2)


def _row(disturbance: Disturbance) -> int:
    return 0 if disturbance.name == SERVER else 1 if "worker" in disturbance.name else 2

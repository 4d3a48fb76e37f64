# SPDX-License-Identifier: MIT
"""What our pictures are drawn on: one paper, one set of colours, and what every panel of them looks like."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

__all__ = ["INK", "MUTED", "ACCENT", "PALE", "PAPER", "prepare", "save", "style"]

# A sheet of its own colour, as a picture cannot know whether the page around it is light or dark.
PAPER, INK, PALE = "#fbfaf7", "#2b2b2b", "#dcd9d0"
ACCENT, MUTED = "#00796b", "#5d636b"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def style(name: str) -> AbstractContextManager[None]:
    """Let the picture of that name be drawn during a block: the same figures make the same file."""
    return mpl.rc_context({**_STYLE, "svg.hashsalt": name})


def prepare(axes: Axes, title: str) -> None:
    """Give a panel its title and take away what is no figure."""
    axes.set_facecolor(PAPER)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(axis="both", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def save(figure: Figure, file: Path) -> None:
    """Write a picture, in the format that the file's name asks for."""
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, facecolor=PAPER)

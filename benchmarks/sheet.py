# SPDX-License-Identifier: MIT
"""The style of all pictures: colours, fonts and panels, for light and dark pages."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

__all__ = [
    "ACCENT",
    "INK",
    "MUTED",
    "ORANGE",
    "PALE",
    "PAPER",
    "RED",
    "VIOLET",
    "prepare",
    "save",
    "style",
    "with_dark",
]

PAPER, INK, PALE = "#ffffff", "#2b2b2b", "#dcd9d0"
ACCENT, MUTED = "#00796b", "#5d636b"
ORANGE, VIOLET, RED = "#b25d00", "#6a4c93", "#b3402e"

# The same colours on a dark page. PAPER fills hollow marks only: the background of a picture is transparent.
_DARK = {
    PAPER: "#131416",
    INK: "#d7dade",
    PALE: "#3a3d42",
    ACCENT: "#4dc4b2",
    MUTED: "#a3abb5",
    ORANGE: "#f0a04b",
    VIOLET: "#b79be0",
    RED: "#ff8a73",
}
_STYLE_SHEET = '<style type="text/css">*{'  # as matplotlib begins its own

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
    """Set the style of a picture during a block; the same figures make the same file."""
    return mpl.rc_context({**_STYLE, "svg.hashsalt": name})


def prepare(axes: Axes, title: str) -> None:
    """Give a panel its title and its grid."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(axis="both", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def save(figure: Figure, file: Path) -> None:
    """Write a picture: an SVG for light and dark pages, or a light picture in another format."""
    if file.suffix == ".svg":
        figure.savefig(file, metadata={"Date": None}, transparent=True)
        file.write_text(with_dark(file.read_text()))
    else:
        figure.savefig(file, facecolor=PAPER)


def with_dark(svg: str) -> str:
    """Add rules to an SVG that replace its colours if the reader prefers dark pages."""
    rules = "".join(
        f'[style*="{attribute}: {light}"]{{{attribute}:{dark} !important}}'
        for light, dark in _DARK.items()
        for attribute in ("fill", "stroke")
    )
    return svg.replace(
        _STYLE_SHEET, f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>\n  {_STYLE_SHEET}", 1
    )

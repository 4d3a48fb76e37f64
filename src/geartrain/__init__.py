# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from geartrain._version import __version__

__all__ = ["__version__"]

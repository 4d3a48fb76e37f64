# SPDX-License-Identifier: MIT
"""The values that more than one part of the house passes around."""

import enum

__all__ = ["Priority"]


class Priority(enum.IntEnum):
    """In which order waiting jobs are handed out: all high ones before all normal ones before all low ones."""

    HIGH = 0
    NORMAL = 1
    LOW = 2

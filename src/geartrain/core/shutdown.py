# SPDX-License-Identifier: MIT
"""Shutdown modes."""

import enum

__all__ = ["Shutdown"]


class Shutdown(enum.Enum):
    """A requested shutdown mode."""

    NOW = "now"
    DRAIN = "drain"  # when all running jobs have ended
    GRACEFUL = "graceful"  # the same without a time limit

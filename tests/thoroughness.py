# SPDX-License-Identifier: MIT
"""Repetitions in tests: few by default, more with ``make test THOROUGH=1``."""

import os
from typing import Final

__all__ = ["THOROUGH", "often"]

THOROUGH: Final = bool(os.environ.get("THOROUGH"))


def often(quick: int, thorough: int) -> int:
    """Return the number of repetitions for this run."""
    return thorough if THOROUGH else quick

# SPDX-License-Identifier: MIT
"""Waiting for what no event tells: asking again and again, with an end far away."""

import time
from collections.abc import Callable
from typing import Final

__all__ = ["TIMEOUT", "wait_until"]

TIMEOUT: Final = 60.0  # seconds; only a failure takes as long, also on a machine with twenty busy programs
_BETWEEN_LOOKS: Final = 0.01  # seconds; spares the machine, and nothing depends on it


def wait_until(happened: Callable[[], bool]) -> None:
    """Return when something has happened.

    Raises:
        AssertionError: It did not happen for a minute.
    """
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(_BETWEEN_LOOKS)

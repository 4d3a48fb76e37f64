# SPDX-License-Identifier: MIT
"""A limit of CPU time for each test of a mutant, as a pytest plugin: endless loops end in seconds.

mutmut's own limit is for all tests of a mutant together. Elapsed time would depend on the load of the machine.
"""

import json
import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

_LEAST: Final = 3.0  # seconds
_TIMES: Final = 10.0  # as long as without a mutant
_PATIENCE: Final = 5  # interruptions that a test may swallow

_STATISTICS: Final = Path("mutmut-stats.json")

_interruptions = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test with the limit, if there is a mutant."""
    if "__mutmut_" not in os.environ.get("MUTANT_UNDER_TEST", ""):
        return (yield)
    usual = _durations(_STATISTICS.stat().st_mtime_ns).get(item.nodeid, 0.0)
    signal.signal(signal.SIGPROF, _interrupt)
    signal.setitimer(signal.ITIMER_PROF, _LEAST + _TIMES * usual, 1.0)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@cache
def _durations(_written: int) -> dict[str, float]:
    """Return the seconds of each test, from a version of mutmut's file."""
    durations: dict[str, float] = json.loads(_STATISTICS.read_text())["duration_by_test"]
    return durations


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    global _interruptions
    _interruptions += 1
    if _interruptions > _PATIENCE:
        os._exit(2)
    raise KeyboardInterrupt

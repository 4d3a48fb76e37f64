# SPDX-License-Identifier: MIT
"""Ways in which a worker waits for jobs."""

import enum

__all__ = ["SleepState"]


class SleepState(enum.IntEnum):
    """How a worker waits for jobs; see `geartrain.core.wakeups`."""

    AWAKE = 0  # it was heard of since it last slept
    ASLEEP = 1  # it said PRE_SLEEP, and is woken for a job
    POLLING = 2  # it sleeps with a grab that is still to be answered: long polling
    WOKEN = 3  # it was sent NOOP, and has until a deadline to grab
    RESTING = 4  # it declined too often, and is woken again after a while
    PUSHED = 5  # it was sent a job in its sleep, and has until a deadline to be heard of
    UNRESPONSIVE = 6  # it has missed its deadline

# SPDX-License-Identifier: MIT
"""Sleep states of a worker."""

import enum

__all__ = ["SleepState"]


class SleepState(enum.IntEnum):
    """The sleep state of a worker; see `geartrain.core.wakeups`."""

    AWAKE = 0  # it has sent something since it last slept
    ASLEEP = 1  # it sent PRE_SLEEP, and is woken for a job
    POLLING = 2  # it sleeps with a grab that is still to be answered: long polling
    WOKEN = 3  # it was sent NOOP, and has until a deadline to grab
    RESTING = 4  # it declined too often, and is woken again after a while
    PUSHED = 5  # it was sent a job while it polled, and has until a deadline to send something
    UNRESPONSIVE = 6  # it has missed its deadline

# SPDX-License-Identifier: MIT
"""Limits of a server. A limit rejects new work with an ERROR; accepted work is never dropped."""

import enum
from typing import Final

from geartrain.errors import GeartrainError
from geartrain.protocol.limits import INT64_MAX

__all__ = ["FUNCTION_WEIGHT", "JOB_WEIGHT", "MAX_ABILITIES", "MAX_WAITS", "Limit", "Refused", "least_part"]

# Bytes that a job takes in addition to its workload: 740 were measured with a unique and a waiting client, and growing
# tables take more. A million jobs without workloads need much memory too.
JOB_WEIGHT: Final = 1000

# Bytes that a function takes in addition to its name: 710 were measured, and more with the statistics of its jobs.
FUNCTION_WEIGHT: Final = 2000

# Submissions of one connection that may wait for the same job; it gets each packet of the worker as many times.
MAX_WAITS: Final = 1024

# Functions that one connection can do: what is done for all of them at once takes milliseconds.
MAX_ABILITIES: Final = 10_000


_PART: Final = 4  # the part of the memory limit, as a divisor, that is left to each use if others take all of it


def least_part(max_memory: int) -> int:
    """Return the bytes that functions, or what peers hold, may take in any case; without a limit, any number."""
    return max_memory // _PART if max_memory else INT64_MAX


class Limit(enum.Enum):
    """A limit that can reject new work."""

    QUEUE = "queue"
    MEMORY = "memory"
    FUNCTIONS = "functions"
    JOBS = "jobs-per-connection"
    CONNECTIONS = "connections"
    ADDRESS = "connections-per-address"
    UNSENT = "unsent"


class Refused(GeartrainError):
    """New work was rejected, because a limit was reached.

    Attributes:
        limit: Which limit was reached.
        code: The code for the ERROR packet; its text is that of the exception.
        log_text: The text for the log, which may name more than a client knows already.
    """

    def __init__(self, limit: Limit, text: str, code: str = "QUEUE_ERROR", log_text: str = "") -> None:
        super().__init__(text)
        self.limit = limit
        self.code = code
        self.log_text = log_text or text

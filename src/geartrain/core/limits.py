# SPDX-License-Identifier: MIT
"""What a server takes at most, and how often it has refused more.

What was accepted is never lost for a limit: each holds off what is new, and says so to whoever brought it.
"""

import enum
from typing import Final

from geartrain.errors import GeartrainError

__all__ = ["JOB_WEIGHT", "MAX_FUNCTION_NAME", "MAX_WAITS", "Limit", "Refused"]

# Bytes that a job takes besides its workload: 740 were measured with a unique and a waiting client, and there is more
# when the tables grow. A million jobs without a workload are no small thing either.
JOB_WEIGHT: Final = 1000

# Bytes of a function's name. Nobody's is that long, the C server's buffer ends there too, and each is kept, listed and
# logged.
MAX_FUNCTION_NAME = 8000

# How often one connection may wait for the same job, as it gets each packet of the worker as many times.
MAX_WAITS: Final = 1024


class Limit(enum.Enum):
    """Of what there may be only so much."""

    QUEUE = "queue"
    MEMORY = "memory"
    FUNCTIONS = "functions"
    JOBS = "jobs-per-connection"
    CONNECTIONS = "connections"
    ADDRESS = "connections-per-address"
    UNSENT = "unsent"


class Refused(GeartrainError):
    """Something new was not taken, because there is as much of it as there may be.

    Attributes:
        limit: Which limit was reached.
        code: The code for the ERROR packet; its text is that of the exception.
    """

    def __init__(self, limit: Limit, text: str, code: str = "QUEUE_ERROR") -> None:
        super().__init__(text)
        self.limit = limit
        self.code = code

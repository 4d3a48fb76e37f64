# SPDX-License-Identifier: MIT
"""Admin clients: the text protocol of a server, for monitoring and for changes."""

from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.admin.sync import AdminClient

__all__ = [
    "AdminClient",
    "FunctionStatus",
    "JobRow",
    "LimitRow",
    "PriorityStatus",
    "ScheduleRow",
    "StallRow",
    "WorkerStatus",
]

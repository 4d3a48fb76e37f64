# SPDX-License-Identifier: MIT
"""Asking a server how it is, and telling it a few things, in the text protocol."""

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

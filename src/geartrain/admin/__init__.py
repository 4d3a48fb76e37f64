# SPDX-License-Identifier: MIT
"""Admin clients: the text protocol of a server, for monitoring and for changes."""

from typing import TYPE_CHECKING

from geartrain.lazy import lazy_names

if TYPE_CHECKING:
    from geartrain.admin.rows import (
        FunctionStatus,
        JobRow,
        LimitRow,
        PriorityStatus,
        ScheduleRow,
        StallRow,
        WorkerStatus,
    )
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

__getattr__ = lazy_names(
    __name__,
    {
        "geartrain.admin.rows": (
            "FunctionStatus",
            "JobRow",
            "LimitRow",
            "PriorityStatus",
            "ScheduleRow",
            "StallRow",
            "WorkerStatus",
        ),
        "geartrain.admin.sync": ("AdminClient",),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)

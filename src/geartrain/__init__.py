# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from typing import TYPE_CHECKING

from geartrain._version import __version__
from geartrain.errors import (
    ArgumentError,
    CodecError,
    ConnectionLost,
    EventsLost,
    Fail,
    GeartrainError,
    JobError,
    JobException,
    JobFail,
    JobFailed,
    JobInterrupted,
    JobTimeout,
    NoServerAvailable,
    ProtocolError,
    ReplyTimeout,
    ServerError,
    UnsupportedPlatform,
    WorkerStuck,
)
from geartrain.lazy import lazy_names

if TYPE_CHECKING:
    from geartrain.admin import AdminClient
    from geartrain.admin.aio import AsyncAdminClient
    from geartrain.client import Client, NotAllSubmitted, SubmittedJob, as_completed
    from geartrain.client.aio import AsyncClient, AsyncSubmittedJob
    from geartrain.codec import JSON, PICKLE, RAW, Codec
    from geartrain.records import Data, Handle, JobRequest, JobStatus, Priority, Progress, Warn
    from geartrain.transport import TLS
    from geartrain.worker import AssignedJob, Worker
    from geartrain.worker.aio import AsyncAssignedJob, AsyncWorker
    from geartrain.worker.current import JobFilter, current_job

__all__ = [
    "AdminClient",
    "ArgumentError",
    "AssignedJob",
    "AsyncAdminClient",
    "AsyncAssignedJob",
    "AsyncClient",
    "AsyncSubmittedJob",
    "AsyncWorker",
    "Client",
    "Codec",
    "CodecError",
    "ConnectionLost",
    "Data",
    "EventsLost",
    "Fail",
    "GeartrainError",
    "Handle",
    "JobError",
    "JobException",
    "JSON",
    "JobFail",
    "JobFailed",
    "JobFilter",
    "JobInterrupted",
    "JobRequest",
    "JobStatus",
    "JobTimeout",
    "NoServerAvailable",
    "NotAllSubmitted",
    "PICKLE",
    "Priority",
    "Progress",
    "ProtocolError",
    "RAW",
    "ReplyTimeout",
    "ServerError",
    "SubmittedJob",
    "TLS",
    "UnsupportedPlatform",
    "Warn",
    "Worker",
    "WorkerStuck",
    "__version__",
    "as_completed",
    "current_job",
]

# A program that does without asyncio does not pay for it; a server would be 4 MiB of a client's memory.
__getattr__ = lazy_names(
    __name__,
    {
        "geartrain.admin.sync": ("AdminClient",),
        "geartrain.admin.aio": ("AsyncAdminClient",),
        "geartrain.client.batch": ("NotAllSubmitted",),
        "geartrain.client.sync": ("Client", "SubmittedJob", "as_completed"),
        "geartrain.client.aio": ("AsyncClient", "AsyncSubmittedJob"),
        "geartrain.codec": ("Codec", "JSON", "PICKLE", "RAW"),
        "geartrain.records": ("Data", "Handle", "JobRequest", "JobStatus", "Priority", "Progress", "Warn"),
        "geartrain.transport.tls": ("TLS",),
        "geartrain.worker": ("AssignedJob", "Worker"),
        "geartrain.worker.aio": ("AsyncAssignedJob", "AsyncWorker"),
        "geartrain.worker.current": ("JobFilter", "current_job"),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)

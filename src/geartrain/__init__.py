# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from importlib import import_module
from typing import TYPE_CHECKING

from geartrain._version import __version__
from geartrain.errors import (
    ArgumentError,
    CodecError,
    ConnectionLost,
    EventsLost,
    GeartrainError,
    JobError,
    JobException,
    JobFail,
    JobFailed,
    JobTimeout,
    NoServerAvailable,
    ProtocolError,
    ReplyTimeout,
    ServerError,
)
from geartrain.records import Data, Handle, JobRequest, JobStatus, Priority, Progress, Warn

if TYPE_CHECKING:
    from geartrain.admin import AdminClient
    from geartrain.admin.aio import AsyncAdminClient
    from geartrain.client import Client, NotAllSubmitted, SubmittedJob, as_completed
    from geartrain.client.aio import AsyncClient, AsyncSubmittedJob
    from geartrain.codec import JSON, PICKLE, RAW, Codec
    from geartrain.transport import TLS
    from geartrain.worker import AssignedJob, Worker
    from geartrain.worker.aio import AsyncAssignedJob, AsyncWorker

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
    "GeartrainError",
    "Handle",
    "JobError",
    "JobException",
    "JSON",
    "JobFail",
    "JobFailed",
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
    "Warn",
    "Worker",
    "__version__",
    "as_completed",
]

# Loaded when it is asked for: who does without asyncio does not pay for it, nor a server for clients and workers, which
# would be 4 MiB of its memory.
_ELSEWHERE = {
    name: module
    for module, names in {
        "geartrain.admin": ("AdminClient",),
        "geartrain.admin.aio": ("AsyncAdminClient",),
        "geartrain.client": ("Client", "NotAllSubmitted", "SubmittedJob", "as_completed"),
        "geartrain.client.aio": ("AsyncClient", "AsyncSubmittedJob"),
        "geartrain.codec": ("Codec", "JSON", "PICKLE", "RAW"),
        "geartrain.transport": ("TLS",),
        "geartrain.worker": ("AssignedJob", "Worker"),
        "geartrain.worker.aio": ("AsyncAssignedJob", "AsyncWorker"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> object:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from importlib import import_module
from typing import TYPE_CHECKING

from geartrain._version import __version__
from geartrain.admin import AdminClient
from geartrain.client import Client, NotAllSubmitted, SubmittedJob, as_completed
from geartrain.codecs import JSON, PICKLE, RAW, Codec
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
from geartrain.transport import TLS
from geartrain.worker import AssignedJob, Worker

if TYPE_CHECKING:
    from geartrain.admin.aio import AsyncAdminClient
    from geartrain.client.aio import AsyncClient, AsyncSubmittedJob
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

# What needs asyncio is loaded when it is asked for: who does without does not pay for it.
_ASYNC = {
    "AsyncAdminClient": "geartrain.admin.aio",
    "AsyncAssignedJob": "geartrain.worker.aio",
    "AsyncClient": "geartrain.client.aio",
    "AsyncSubmittedJob": "geartrain.client.aio",
    "AsyncWorker": "geartrain.worker.aio",
}


def __getattr__(name: str) -> object:
    if name not in _ASYNC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ASYNC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

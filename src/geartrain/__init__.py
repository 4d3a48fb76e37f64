# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from geartrain._version import __version__
from geartrain.admin import AdminClient
from geartrain.client import Client, SubmittedJob, as_completed
from geartrain.codecs import JSON, PICKLE, RAW, Codec
from geartrain.errors import (
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

__all__ = [
    "AdminClient",
    "AssignedJob",
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

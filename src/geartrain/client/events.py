# SPDX-License-Identifier: MIT
"""The events of a client's session. Those in a job's life that its user sees are in `geartrain.records`."""

from typing import TypeAlias

from geartrain.errors import GeartrainError
from geartrain.frozen import frozen
from geartrain.records import Handle, JobEvent, JobStatus

__all__ = ["Answered", "Completed", "Created", "Failed", "SessionEvent"]


@frozen
class Created:
    """The server has accepted the job; for a background job this is the last event."""

    handle: Handle


@frozen
class Completed:
    """The job has ended with a result."""

    data: bytes


@frozen
class Failed:
    """The job has ended without a result, or the server has answered the request with ERROR."""

    error: GeartrainError


@frozen
class Answered:
    """The answer to a request that is not a submission: a status, or the bytes of an echo."""

    value: JobStatus | bytes


SessionEvent: TypeAlias = Created | Completed | Failed | Answered | JobEvent

# SPDX-License-Identifier: MIT
"""What a session tells whoever asked. The events in a job's life that its user sees are in `geartrain.records`."""

from dataclasses import dataclass
from typing import TypeAlias

from geartrain.errors import GeartrainError
from geartrain.records import Handle, JobEvent, JobStatus

__all__ = ["Answered", "Completed", "Created", "Failed", "SessionEvent"]


@dataclass(frozen=True, slots=True)
class Created:
    """The server took the job; a background job needs no more."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Completed:
    """The job ended with a result."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended without a result, or the question was answered by ERROR."""

    error: GeartrainError


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question that is not a submission: a status, or the bytes of an echo."""

    value: JobStatus | bytes


SessionEvent: TypeAlias = Created | Completed | Failed | Answered | JobEvent

# SPDX-License-Identifier: MIT
"""A job, and a client's request for one."""

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from geartrain.python_gearman.constants import JOB_COMPLETE, JOB_CREATED, JOB_FAILED, JOB_UNKNOWN, PRIORITY_NONE

if TYPE_CHECKING:
    from geartrain.python_gearman.connection import GearmanConnection

__all__ = ["GearmanJob", "GearmanJobRequest", "Name", "Text", "wire_handle"]

Text: TypeAlias = str | bytes


class Name(str):
    """A handle or unique: text, as in python-gearman, with a method `decode`, as the bytes of gearman3 have."""

    __slots__ = ()

    @classmethod
    def read(cls, name: bytes) -> "Name":
        """Return a name from its bytes on the wire."""
        return cls(name, "utf-8", "surrogateescape")

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the same as plain text."""
        return str(self)


class GearmanJob:
    """A job that a client submits, or that a worker was assigned.

    Attributes:
        connection: The `GearmanConnection` to the server that has the job; ``None`` until it is submitted.
        handle: The server's name for the job; only that server knows it.
        task: The function. For a worker it is as it was registered: ``str`` or ``bytes``.
        unique: Jobs of one task with the same unique are the same job.
        data: The workload, as passed by the client, or as decoded by the worker's encoder.
    """

    # Any: the program's encoder determines the types of the data.
    def __init__(
        self,
        connection: "GearmanConnection | None",
        handle: Text | None,
        task: Text | None,
        unique: Text | None,
        data: Any,
    ) -> None:
        self.connection = connection
        self.handle = handle
        self.task = task
        self.unique = unique
        self.data = data

    def __repr__(self) -> str:
        return f"<GearmanJob {self.handle!r} of {self.connection!r}: task={self.task!r}, unique={self.unique!r}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the names of the job and its data."""
        return {"task": self.task, "job_handle": self.handle, "unique": self.unique, "data": self.data}


class GearmanJobRequest:
    """The state of a submitted job; updated while the client waits.

    Attributes:
        priority: ``PRIORITY_NONE``, ``PRIORITY_LOW`` or ``PRIORITY_HIGH``.
        background: True for a background job, which returns no result.
        connection_attempts: The number of attempts to send it ...
        max_connection_attempts: ... and their limit.
        state: One of the ``JOB_*`` constants.
        timed_out: True if the last wait ended before the request did.
        result: The worker's result, decoded.
        exception: The worker's exception, decoded; the state is then ``JOB_FAILED``.
        data_updates: The parts of the result, decoded; the program may remove them.
        warning_updates: The same for warnings.
        status: The last status: ``handle``, ``known``, ``running``, ``numerator``, ``denominator`` and
            ``time_received``; empty at first.
    """

    def __init__(
        self,
        gearman_job: GearmanJob,
        initial_priority: str | None = PRIORITY_NONE,
        background: bool = False,
        max_attempts: int = 1,
    ) -> None:
        self.gearman_job = gearman_job
        self.priority = initial_priority
        self.background = background
        self.connection_attempts = 0
        self.max_connection_attempts = max_attempts
        self.initialize_request()

    def __repr__(self) -> str:
        job = self.gearman_job
        return (
            f"<GearmanJobRequest task={job.task!r}, unique={job.unique!r}, priority={self.priority!r}, "
            f"background={self.background!r}, state={self.state!r}, timed_out={self.timed_out!r}>"
        )

    def initialize_request(self) -> None:
        """Reset the state, the results and the status."""
        self.result: Any = None
        self.exception: Any = None
        self.data_updates: deque[Any] = deque()
        self.warning_updates: deque[Any] = deque()
        self.status: dict[str, Any] = {}
        self.state = JOB_UNKNOWN
        self.timed_out = False

    def reset(self) -> None:
        """Reset the request and forget its server, so that it can be submitted again."""
        self.initialize_request()
        self.gearman_job.connection = None
        self.gearman_job.handle = None

    @property
    def job(self) -> GearmanJob:
        """The job itself."""
        return self.gearman_job

    @property
    def unique(self) -> Text | None:
        """The job's unique."""
        return self.gearman_job.unique

    @property
    def complete(self) -> bool:
        """True if the job has ended, or is a background job that a server has accepted."""
        if self.background:
            return self.state == JOB_CREATED
        return self.state in (JOB_FAILED, JOB_COMPLETE)

    @property
    def status_updates(self) -> deque[tuple[int, int]]:
        """The last progress, in the form of versions before 2.0.1."""
        status = self.status
        return deque([(status.get("numerator", 0), status.get("denominator", 0))] if status else [])

    @property
    def server_status(self) -> dict[str, Any]:
        """The status, under its name in versions before 2.0.1."""
        return self.status


def wire_handle(job: GearmanJob) -> bytes:
    """Return a job's handle on the wire, from text or bytes."""
    handle = job.handle or b""
    return handle.encode("utf-8", "surrogateescape") if isinstance(handle, str) else handle

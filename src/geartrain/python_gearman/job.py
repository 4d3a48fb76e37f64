# SPDX-License-Identifier: MIT
"""A job, and what a client knows of one that it asked for."""

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from geartrain.python_gearman.constants import JOB_COMPLETE, JOB_CREATED, JOB_FAILED, JOB_UNKNOWN, PRIORITY_NONE

if TYPE_CHECKING:
    from geartrain.python_gearman.connection import GearmanConnection

__all__ = ["GearmanJob", "GearmanJobRequest", "Name", "Text", "wire_handle"]

Text: TypeAlias = str | bytes


class Name(str):
    """A handle or unique as text, as python-gearman has it, that can be asked to decode itself, as with gearman3."""

    __slots__ = ()

    @classmethod
    def read(cls, name: bytes) -> "Name":
        """Return a name that came over the wire."""
        return cls(name, "utf-8", "surrogateescape")

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the same as plain text."""
        return str(self)


class GearmanJob:
    """A job: for a client one that it asks for, for a worker one that it was given.

    Attributes:
        connection: The `GearmanConnection` to the server that has the job; ``None`` until it is submitted.
        handle: The server's name for the job; means something to that server only.
        task: The function. A worker has it here as it was registered: as ``str`` or as ``bytes``.
        unique: What makes jobs of one task the same job.
        data: The workload, as the client gave it, or as the worker's encoder decoded it.
    """

    # What an encoder takes and returns is the program's own business, hence Any.
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
        """Return what identifies the job, and its data."""
        return {"task": self.task, "job_handle": self.handle, "unique": self.unique, "data": self.data}


class GearmanJobRequest:
    """How a job that a client asked for is getting on; changes while the client waits for something.

    Attributes:
        priority: ``PRIORITY_NONE``, ``PRIORITY_LOW`` or ``PRIORITY_HIGH``.
        background: Whether nobody waits for the result.
        connection_attempts: How often it was sent ...
        max_connection_attempts: ... and how often it may be.
        state: One of the ``JOB_*`` words.
        timed_out: Whether the last wait for it ended too early.
        result: What the worker returned, decoded.
        exception: What the worker sent as an exception, decoded; the state is then ``JOB_FAILED``.
        data_updates: What the worker sent ahead, decoded; the reader may take it out.
        warning_updates: The same for warnings.
        status: What was last heard: ``handle``, ``known``, ``running``, ``numerator``, ``denominator`` and
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
        """Forget what was heard."""
        self.result: Any = None
        self.exception: Any = None
        self.data_updates: deque[Any] = deque()
        self.warning_updates: deque[Any] = deque()
        self.status: dict[str, Any] = {}
        self.state = JOB_UNKNOWN
        self.timed_out = False

    def reset(self) -> None:
        """Forget what was heard and which server had the job, so that it can be submitted anew."""
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
        """Whether there is nothing more to wait for: the job has ended, or runs in the background."""
        if self.background:
            return self.state == JOB_CREATED
        return self.state in (JOB_FAILED, JOB_COMPLETE)

    @property
    def status_updates(self) -> deque[tuple[int, int]]:
        """The last progress, as versions before 2.0.1 have it."""
        status = self.status
        return deque([(status.get("numerator", 0), status.get("denominator", 0))] if status else [])

    @property
    def server_status(self) -> dict[str, Any]:
        """The status, as versions before 2.0.1 have it."""
        return self.status


def wire_handle(job: GearmanJob) -> bytes:
    """Return a job's handle as it travels, however the program wrote it."""
    handle = job.handle or b""
    return handle.encode("utf-8", "surrogateescape") if isinstance(handle, str) else handle

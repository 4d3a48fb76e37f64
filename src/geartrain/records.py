# SPDX-License-Identifier: MIT
"""Plain values that clients, workers and their sessions exchange."""

import enum
from typing import TYPE_CHECKING, Final, Generic, TypeAlias

from geartrain.frozen import frozen

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # The types of workloads and of results. Both depend on the codec; without one they are text and bytes.
    ValueT = TypeVar("ValueT", default=str | bytes)
    ResultT = TypeVar("ResultT", default=bytes)
else:
    from typing import TypeVar  # which knows defaults from Python 3.13 on only

    ValueT = TypeVar("ValueT")
    ResultT = TypeVar("ResultT")

__all__ = [
    "NOTHING",
    "Data",
    "Handle",
    "JobEvent",
    "JobRequest",
    "JobStatus",
    "Nothing",
    "Priority",
    "Progress",
    "ResultT",
    "ValueT",
    "Warn",
]


class Priority(enum.IntEnum):
    """The order in which waiting jobs are assigned: all high ones before all normal ones before all low ones."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Nothing(bytes):
    """The workload of a job that is submitted without one: no bytes, for every codec."""

    __slots__ = ()


NOTHING: Final = Nothing()


@frozen
class JobRequest:
    """A job to submit.

    Attributes:
        function: The name of the function.
        workload: The function's input: text (sent as UTF-8), bytes, or a value for the client's codec.
        unique: Submissions to a function with the same unique share one job until it has ended. The unique ``-`` stands
            for the workload.
        priority: Its rank among waiting jobs.
        resubmits: The number of times to submit the job again after the connection to its server was lost.
        reducer: The function that gets the parts of a job for a partition function; see `Client.map_reduce`.
    """

    function: str | bytes
    workload: object = NOTHING
    unique: str | bytes | None = None
    priority: Priority = Priority.NORMAL
    resubmits: int = 0
    reducer: str | bytes | None = None


@frozen
class Handle:
    """A server's name for a job, together with the address of that server.

    Attributes:
        name: The handle in the protocol's sense, such as ``H:host:1``; ``str()`` returns it too.
        server: The server's address, in the notation for addresses.
    """

    name: str
    server: str

    def __str__(self) -> str:
        return self.name


@frozen
class JobStatus:
    """The status of a job.

    Attributes:
        known: True if the server has the job; it forgets a job that has ended.
        running: True if a worker has the job.
        numerator: The progress that the worker reported ...
        denominator: ... out of this total; 0 until it reports any.
        waiting_clients: The number of submissions that wait for the job, if the server was asked by unique.
        outcome: ``"completed"`` or ``"failed"`` for a job that has ended, if that is known, and otherwise empty. The
            status of a submitted job has it; servers forget jobs that have ended.
        reason: The reason of a failure, if it is known.
    """

    known: bool = False
    running: bool = False
    numerator: int = 0
    denominator: int = 0
    waiting_clients: int | None = None
    outcome: str = ""
    reason: str = ""

    @property
    def state(self) -> str:
        """The state: ``"waiting"``, ``"running"``, ``"completed"``, ``"failed"`` or ``"unknown"``.

        To a server a delayed job is a waiting one, and a job that has ended is unknown.
        """
        if self.outcome or not self.known:
            return self.outcome or "unknown"
        return "running" if self.running else "waiting"

    @property
    def progress(self) -> "Progress | None":
        """The progress that the worker reported, or ``None`` until it reports any."""
        return Progress(self.numerator, self.denominator) if self.denominator else None

    @property
    def fraction(self) -> float:
        """The part of the job that is done, usually between 0 and 1; 0 without progress reports."""
        return _fraction(self.numerator, self.denominator)


@frozen
class Data(Generic[ResultT]):
    """A part of the result, sent before the end (WORK_DATA): bytes, or the value that the client's codec decodes."""

    data: ResultT


@frozen
class Warn:
    """A warning from the worker (WORK_WARNING)."""

    data: bytes

    @property
    def text(self) -> str:
        """The warning as text."""
        return self.data.decode("utf-8", "replace")


@frozen
class Progress:
    """A progress report from the worker (WORK_STATUS)."""

    numerator: int
    denominator: int

    @property
    def done(self) -> int:
        """The numerator, as the worker's ``job.progress(done, total)`` calls it."""
        return self.numerator

    @property
    def total(self) -> int:
        """The denominator, as the worker's ``job.progress(done, total)`` calls it."""
        return self.denominator

    @property
    def fraction(self) -> float:
        """The part of the job that is done, usually between 0 and 1; 0 if the worker reported no denominator."""
        return _fraction(self.numerator, self.denominator)


# The events of a job before its end.
JobEvent: TypeAlias = Data | Warn | Progress


def _fraction(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else 0.0

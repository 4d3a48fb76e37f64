# SPDX-License-Identifier: MIT
"""The values that more than one part of the house passes around."""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # What a program submits and what it gets back. Both depend on its codec; without one they are text and bytes.
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
    """In which order waiting jobs are handed out: all high ones before all normal ones before all low ones."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Nothing(bytes):
    """What a job gets whose workload is left out: no bytes, whatever the codec makes of an empty value."""

    __slots__ = ()


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that somebody wants done.

    Attributes:
        function: Which function is to do it.
        workload: What it gets: text, which travels as UTF-8, or bytes, or whatever the client's codec takes.
        unique: Jobs of one function with the same unique are one job for as long as it is not done. The unique ``-``
            stands for the workload.
        priority: Its place among the jobs that wait.
        retries: How often the job may be started anew after the connection to its server was lost.
        reducer: Which function is to have the parts that the function makes of it, if that is one that makes parts.
    """

    function: str | bytes
    workload: object = NOTHING
    unique: str | bytes | None = None
    priority: Priority = Priority.NORMAL
    retries: int = 0
    reducer: str | bytes | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """What a server calls a job; the name means something to that server only.

    Attributes:
        name: The handle proper, such as ``H:host:1``; ``str()`` gives it too.
        server: The server's address, in the notation for addresses.
    """

    name: str
    server: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known about a job.

    Attributes:
        known: Whether there is such a job; one that is done is forgotten.
        running: Whether a worker has it.
        numerator: How far the worker says it is ...
        denominator: ... out of how much; 0 as long as it says nothing.
        waiting_clients: How many submissions wait for it, if the server was asked by unique.
    """

    known: bool = False
    running: bool = False
    numerator: int = 0
    denominator: int = 0
    waiting_clients: int | None = None

    @property
    def fraction(self) -> float:
        """How much of the job is done, as a rule between 0 and 1; 0 as long as nothing is known."""
        return _fraction(self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Data(Generic[ResultT]):
    """A part of the result that the worker sent ahead (WORK_DATA): bytes, or what the client's codec makes of them."""

    data: ResultT


@dataclass(frozen=True, slots=True)
class Warn:
    """A warning from the worker (WORK_WARNING)."""

    data: bytes

    @property
    def text(self) -> str:
        """The warning as text."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the worker is (WORK_STATUS)."""

    numerator: int
    denominator: int

    @property
    def fraction(self) -> float:
        """How much of the job is done, as a rule between 0 and 1; 0 if the worker names no denominator."""
        return _fraction(self.numerator, self.denominator)


# What a job tells its client before it ends.
JobEvent: TypeAlias = Data | Warn | Progress


def _fraction(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else 0.0

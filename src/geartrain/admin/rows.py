# SPDX-License-Identifier: MIT
"""The rows of the listings, as values (protocol 2)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from geartrain.admin.session import to_text
from geartrain.errors import RemoteProtocolError

__all__ = ["FunctionStatus", "JobRow", "LimitRow", "PriorityStatus", "ScheduleRow", "StallRow", "WorkerStatus"]


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """What `status` says of a function.

    Attributes:
        total: Jobs in the server, waiting and running.
        running: Those of them that a worker has.
        workers: Workers that can do the function.
    """

    function: str
    total: int
    running: int
    workers: int

    @property
    def waiting(self) -> int:
        """Jobs that no worker has yet."""
        return max(self.total - self.running, 0)

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``function TAB total TAB running TAB workers``."""
        function, *numbers = _columns(row, 4)
        return cls(to_text(function), *_numbers(numbers, row))


@dataclass(frozen=True, slots=True)
class PriorityStatus:
    """What `prioritystatus` says of a function: jobs waiting in each priority, and workers."""

    function: str
    high: int
    normal: int
    low: int
    workers: int

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``function TAB high TAB normal TAB low TAB workers``."""
        function, *numbers = _columns(row, 5)
        return cls(to_text(function), *_numbers(numbers, row))


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What `workers` says of a connection; those without functions are clients and consoles.

    Attributes:
        descriptor: The server's number for the connection.
        client_id: What the worker calls itself, ``-`` if it did not say.
    """

    descriptor: int
    address: str
    client_id: str
    functions: tuple[str, ...]

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``descriptor address client-id : function function``; a client id may hold spaces."""
        head, _, functions = row.partition(b" : ") if b" : " in row else (row.removesuffix(b" :"), b"", b"")
        words = head.split(b" ", 2)
        if len(words) != 3:
            raise RemoteProtocolError(f"not a row of workers: {row!r}")
        (descriptor,) = _numbers(words[:1], row)
        names = tuple(to_text(name) for name in functions.split(b" ") if name)
        return cls(descriptor, to_text(words[1]), to_text(words[2]), names)


@dataclass(frozen=True, slots=True)
class JobRow:
    """What `show jobs` says of a job.

    Attributes:
        retries: How often it was given back by a worker that was lost or too slow.
        ignored: It was cancelled or abandoned and will not run.
        stored: It survives a restart of the server.
    """

    handle: str
    retries: int
    ignored: bool
    stored: bool

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``handle TAB retries TAB ignored TAB stored``."""
        handle, *columns = _columns(row, 4)
        retries, ignored, stored = _numbers(columns, row)
        return cls(to_text(handle), retries, bool(ignored), bool(stored))


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """What `show schedules` says of a job that repeats itself.

    Attributes:
        cron: Minute, hour, day, month and day of the week, as cron has them.
        due: When it runs next.
        unique: What another submission changes it by; empty for none.
    """

    handle: str
    function: str
    cron: str
    due: datetime
    unique: str

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``handle TAB function TAB cron TAB seconds since 1970 TAB unique``."""
        handle, function, cron, due, unique = _columns(row, 5)
        moment = datetime.fromtimestamp(_numbers([due], row)[0], UTC)
        return cls(to_text(handle), to_text(function), to_text(cron), moment, to_text(unique))


@dataclass(frozen=True, slots=True)
class StallRow:
    """What `show stalls` says of a function whose jobs wait and are not taken.

    Attributes:
        waiting: Jobs that wait.
        workers: Workers that can do the function.
        seconds: For how long nobody has taken one.
        reason: ``silent`` (free workers do not come), ``declining`` (they come, and go back to sleep), ``busy`` (all
            hold on to other jobs) or ``no-workers``.
    """

    function: str
    waiting: int
    workers: int
    seconds: int
    reason: str

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``function TAB waiting TAB workers TAB seconds TAB reason``."""
        function, *numbers, reason = _columns(row, 5)
        waiting, workers, seconds = _numbers(numbers, row)
        return cls(to_text(function), waiting, workers, seconds, to_text(reason))


@dataclass(frozen=True, slots=True)
class LimitRow:
    """What `show limits` says of a limit of the server.

    Attributes:
        name: The option that sets it, without the ``max-`` in front; ``queue`` is that of `set_max_queue`.
        refused: How often it has held something off since the server was started.
    """

    name: str
    refused: int

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``name TAB refused``."""
        name, *numbers = _columns(row, 2)
        return cls(to_text(name), *_numbers(numbers, row))


def _columns(row: bytes, count: int) -> list[bytes]:
    """Split at tabs from the right: some servers let tabs into function names."""
    columns = row.rsplit(b"\t", count - 1)
    if len(columns) != count:
        raise RemoteProtocolError(f"a row of {count} columns was expected, not {row!r}")
    return columns


def _numbers(columns: list[bytes], row: bytes) -> list[int]:
    try:
        return [int(column) for column in columns]
    except ValueError:
        raise RemoteProtocolError(f"a row with numbers was expected, not {row!r}") from None

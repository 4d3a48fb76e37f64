# SPDX-License-Identifier: MIT
"""The rows of listings (protocol 2)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TypeVar, cast, get_type_hints

from geartrain.admin.session import to_text
from geartrain.errors import RemoteProtocolError
from geartrain.frozen import frozen
from geartrain.protocol.listings import ListingRow

__all__ = [
    "FunctionStatus",
    "JobRow",
    "LimitRow",
    "PriorityStatus",
    "ScheduleRow",
    "StallRow",
    "WorkerStatus",
    "read_row",
]

RowT = TypeVar("RowT", bound=ListingRow)


@frozen
class FunctionStatus:
    """A function in the listing `status`.

    Attributes:
        function: The function.
        total: The number of its jobs, waiting and running.
        running: The number of its running jobs.
        workers: The number of workers that can do it.
    """

    function: str
    total: int
    running: int
    workers: int

    @property
    def waiting(self) -> int:
        """The number of jobs that no worker has yet."""
        return max(self.total - self.running, 0)

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``function TAB total TAB running TAB workers``."""
        function, *numbers = _columns(row, 4)
        return cls(to_text(function), *_numbers(numbers, row))


@frozen
class PriorityStatus:
    """A function in the listing `prioritystatus`: its waiting jobs by priority, and its workers."""

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


@frozen
class WorkerStatus:
    """A connection in the listing `workers`; one without functions is a client or an admin client.

    Attributes:
        descriptor: The server's number for the connection.
        address: The peer's address.
        client_id: The client id, ``-`` for none.
        functions: The functions of the worker.
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


@frozen
class JobRow:
    """A job in the listing `show jobs`.

    Attributes:
        handle: Its handle.
        retries: The number of workers that were lost or too slow.
        ignored: True if it was cancelled or abandoned and will not run.
        stored: True if it survives a restart of the server.
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


@frozen
class ScheduleRow:
    """A cron job in the listing `show schedules`.

    Attributes:
        handle: Its handle.
        function: Its function.
        cron: Minute, hour, day, month and day of the week, in cron's notation.
        due: The time of its next run.
        unique: The unique by which another submission replaces it; empty for none.
        timezone: The time zone of the cron line.
        priority: The priority of its jobs: ``high``, ``normal`` or ``low``.
    """

    handle: str
    function: str
    cron: str
    due: datetime
    unique: str
    timezone: str
    priority: str

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row: handle, function, cron line, seconds since 1970, unique, time zone and priority."""
        handle, function, cron, due, *rest = _columns(row, 7)
        moment = datetime.fromtimestamp(_numbers([due], row)[0], UTC)
        unique, timezone, priority = map(to_text, rest)
        return cls(to_text(handle), to_text(function), to_text(cron), moment, unique, timezone, priority)


@frozen
class StallRow:
    """A function in the listing `show stalls`: its jobs wait although workers could do them.

    Attributes:
        function: The function.
        waiting: The number of waiting jobs.
        workers: The number of workers that can do it.
        seconds: The seconds since a worker last grabbed one of its jobs.
        reason: ``silent`` (idle workers do not grab), ``declining`` (they wake and go back to sleep), ``busy`` (all
            have other jobs) or ``no-workers``.
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


@frozen
class LimitRow:
    """A limit in the listing `show limits`.

    Attributes:
        name: The option that sets it, without ``max-``; ``queue`` is the limit of `set_max_queue`.
        refused: The number of its rejections since the start of the server.
    """

    name: str
    refused: int

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Read a row ``name TAB refused``."""
        name, *numbers = _columns(row, 2)
        return cls(to_text(name), *_numbers(numbers, row))


def read_row(row: type[RowT], line: bytes) -> RowT:
    """Read a line of a listing by the fields of its class.

    Raises:
        RemoteProtocolError: The line has other columns.
    """
    kinds = get_type_hints(row)
    columns = _columns(line, len(kinds))
    try:
        values = [_CONVERTERS[kind](column) for kind, column in zip(kinds.values(), columns, strict=True)]
    except ValueError:
        raise RemoteProtocolError(f"a row of {row.__name__} was expected, not {line!r}") from None
    return cast("RowT", row._make(values))


_CONVERTERS: dict[type, Callable[[bytes], object]] = {str: to_text, int: int, float: float}


def _columns(row: bytes, count: int) -> list[bytes]:
    """Split at tabs from the right: some servers allow tabs in function names."""
    columns = row.rsplit(b"\t", count - 1)
    if len(columns) != count:
        raise RemoteProtocolError(f"a row of {count} columns was expected, not {row!r}")
    return columns


def _numbers(columns: list[bytes], row: bytes) -> list[int]:
    try:
        return [int(column) for column in columns]
    except ValueError:
        raise RemoteProtocolError(f"a row with numbers was expected, not {row!r}") from None

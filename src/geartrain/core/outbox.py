# SPDX-License-Identifier: MIT
"""Bytes that are to be sent to a peer, and the way to it.

Replies collect in writers and leave together once per turn::

    sent next              stored with batch 7        stored with batch 8
    [ writer ]             [ promises, replies ]      [ promises, replies ] ◀── begin() returns the last writer

A reply that promises something waits until the store has its batch, and so does everything behind it, in order. Large
data is never copied into a writer: it is a segment of its own, and the same bytes may wait for many peers.
"""

from collections import deque
from typing import Final

from mypy_extensions import i64, mypyc_attr

from geartrain.protocol._binary import read_i32_be
from geartrain.protocol.writer import Writer

__all__ = ["BACKLOG", "HELD", "SHARED", "SLOW", "Outbox", "Outlet"]

SHARED: Final = 16 * 1024  # bytes; data of this size and more is passed on by reference
_HEADER: Final = 12


# Reasons to pause reading from a peer; reading resumes when none is left.
SLOW: Final = 1  # the peer does not read its own replies
BACKLOG: Final = 2  # its input has to wait in the core
HELD: Final = 4  # back-pressure: its results pile up for a slow client


@mypyc_attr(allow_interpreted_subclasses=True)  # a way to a peer may be written in plain Python
class Outlet:
    """The way to a peer, as the core and the flusher use it. Each kind of connection is a subclass.

    Attributes:
        is_slow: True while more data waits to be sent than the connection's high-water mark.
    """

    __slots__ = ("is_slow",)

    def __init__(self) -> None:
        self.is_slow = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        raise AssertionError("subclasses override this")

    def write_all(self, segments: list[bytes]) -> None:
        """Send bytes that are not joined."""
        raise AssertionError("subclasses override this")

    def unsent(self) -> int:
        """Return the number of bytes that were written and not sent yet."""
        raise AssertionError("subclasses override this")

    def pause_reading(self, reason: i64) -> None:
        """Pause reading until the reason is gone."""
        raise AssertionError("subclasses override this")

    def resume_reading(self, reason: i64) -> None:
        """Resume reading, unless there is another reason to pause."""
        raise AssertionError("subclasses override this")

    def close_gracefully(self) -> None:
        """Close when all data is sent, and give the peer time to read it."""
        raise AssertionError("subclasses override this")

    def close(self) -> None:
        """Close when all data is sent."""
        raise AssertionError("subclasses override this")

    def drop(self, reason: str) -> None:
        """Close at once, and log why."""
        raise AssertionError("subclasses override this")

    def abort(self) -> None:
        """Close at once."""
        raise AssertionError("subclasses override this")


class _Segments:
    """Bytes in order: finished parts, and a writer for the next bytes.

    Attributes:
        batch: The batch for which they wait; 0 for none.
        writer: Takes the next bytes.
        promises: Offsets of the packets that are valid only once the batch is stored.
    """

    __slots__ = ("_finished", "_length", "batch", "promises", "writer")

    def __init__(self, batch: i64) -> None:
        self.batch = batch
        self.writer = Writer()
        self.promises: list[int] = []
        self._finished: list[bytes] = []
        self._length: i64 = 0  # of those that are finished

    def size(self) -> i64:
        return self._length + self.writer.size()

    @property
    def is_plain(self) -> bool:
        """True if all bytes are in the writer."""
        return self._length == 0

    def share(self, data: bytes) -> None:
        written = self.writer.take()
        self._finished.append(written)
        self._finished.append(data)
        self._length += len(written) + len(data)

    def take(self) -> list[bytes]:
        finished = self._finished
        if self.writer.size():
            finished.append(self.writer.take())
        self._finished = []
        self._length = 0
        return finished

    def append(self, other: "_Segments") -> None:
        """Append and remove the bytes of other segments."""
        for data in other.take():
            if len(data) >= SHARED:
                self.share(data)
            else:
                self.writer.write(data)

    def break_promises(self, error: bytes) -> None:
        """Replace each promise by an error."""
        data = b"".join(self.take())
        position: i64 = 0
        for promise in self.promises:
            begin: i64 = promise
            self.writer.write(data[position:begin])
            self.writer.write(error)
            position = begin + _HEADER + i64(read_i32_be(data, begin + 8))
        self.writer.write(data[position:])
        self.promises = []


class Outbox:
    """The data that is to be sent to one peer, with replies held back until the store has their jobs."""

    __slots__ = ("_held", "_next", "_packets", "_tail", "_writer")

    def __init__(self) -> None:
        self._next = _Segments(0)
        self._tail = self._next
        self._writer = self._next.writer  # of the tail
        self._held: deque[_Segments] | None = None
        self._packets: i64 = 0

    @property
    def is_held(self) -> bool:
        """True while replies wait for the store."""
        return self._tail is not self._next

    def begin(self) -> Writer:
        """Return the writer for the next packet. Write one packet to it, and do not keep it."""
        self._packets += 1
        return self._writer

    def share(self, data: bytes) -> None:
        """Append a large last argument to the current packet without copying it."""
        self._tail.share(data)

    def promise(self, batch: i64, command: int, body: bytes) -> bool:
        """Hold a packet and all later ones until a batch is stored; return True for the first of the batch."""
        tail = self._tail
        is_first = tail.batch != batch
        if is_first:
            if self._held is None:
                self._held = deque()
            tail = _Segments(batch)
            self._held.append(tail)
            self._tail = tail
            self._writer = tail.writer
        tail.promises.append(tail.size())
        self._packets += 1
        tail.writer.packet(command, body)
        return is_first

    def release(self, batch: i64) -> None:
        """Release the packets that waited for a batch, or for an earlier one."""
        held = self._held
        assert held is not None, "something was held"
        while held and held[0].batch <= batch:
            self._next.append(held.popleft())
        if not held:
            self._tail = self._next
            self._writer = self._next.writer

    def refuse(self, batch: i64, error: bytes) -> None:
        """Release the packets that waited for a batch, with an error in place of each promise."""
        held = self._held
        assert held is not None, "something was held"
        for segments in held:
            if segments.batch == batch:
                segments.break_promises(error)
        self.release(batch)

    def size(self) -> i64:
        """Return the number of bytes that are ready to be sent."""
        return self._next.size()

    def held_size(self) -> int:
        """Return the number of bytes that wait for the store."""
        return sum([int(segments.size()) for segments in self._held]) if self._held is not None else 0

    def exceeds(self, most: i64) -> bool:
        """Tell whether more than ``most`` bytes are ready to be sent; a single packet never exceeds it."""
        return self._packets > 1 and self._next.size() > most

    def flush(self, outlet: Outlet) -> i64:
        """Write the bytes that are ready to be sent, and return their number."""
        self._packets = 0
        segments = self._next
        size: i64 = segments.size()
        if segments.is_plain:
            if size:
                outlet.write(segments.writer.take())
        else:
            outlet.write_all(segments.take())
        return size

    def take(self) -> list[bytes]:
        """Return and remove the bytes that are ready to be sent, in order."""
        self._packets = 0
        return self._next.take()

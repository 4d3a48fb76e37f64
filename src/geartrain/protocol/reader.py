# SPDX-License-Identifier: MIT
"""An incremental reader of packets and text lines.

The reader does no I/O and does not interpret packets. Bytes go in by `feed`; `advance` moves from one complete packet
or text line to the next, and the other methods are about the current one. Arguments are sliced out on request. A caller
may stop at any packet: the rest stays here until it goes on.

Memory grows only by bytes that have arrived: the length in a header reserves nothing. An incomplete packet is kept as a
list of pieces, joined once when the last one is there. A caller that has no room for the rest of a packet drops it: its
further bytes are counted and not kept.
"""

from collections.abc import Sequence
from typing import Final

from mypy_extensions import i32, i64

from geartrain.errors import RemoteProtocolError
from geartrain.protocol._binary import find_nul, read_i32_be
from geartrain.protocol.commands import ARGUMENTS, Command
from geartrain.protocol.limits import MAX_LINE, MAX_PACKET
from geartrain.protocol.packets import REQUEST, RESPONSE
from geartrain.wording import counted

__all__ = ["TOO_LARGE", "LineTooLong", "Reader"]

TOO_LARGE: Final = "ARGUMENT_TOO_LARGE"  # the code of the error for a packet or line that is too large

_HEADER: Final = 12  # bytes: magic, type, length
_UNSIGNED: Final = 2**32 - 1
_REQUEST: Final = REQUEST
_TYPES: Final = len(ARGUMENTS)  # packet types go from 1 to this
_OFFSETS: Final = 4  # separators whose offsets are kept; packets with more arguments are rare
_TEXT: Final = 0
_WRONG_MAGIC: Final = -1
_RETURN: Final = 13
_PIECE: Final = 4096  # bytes up to which pieces of an incomplete packet are joined
_LOOKED_AT: Final = 1024  # bytes of an incomplete packet in which its first argument is searched
_HANDSHAKE: Final = 0x16  # the first byte of a TLS connection
# By packet type; a list is the quickest table there is.
_COUNTS: Final = [-1] + [len(ARGUMENTS[Command(number)]) for number in range(1, _TYPES + 1)]

# Perl's workers send a bare handle when the data is empty or "0". gearmand takes the bytes behind the packet for the
# data, and the job is run again and again.
_DATA_MAY_LACK: Final = frozenset(
    map(int, (Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_COMPLETE, Command.WORK_EXCEPTION))
)


class LineTooLong(RemoteProtocolError):
    """A text line is longer than allowed; the answer is a text error."""


class Reader:
    """Cuts a stream of bytes into packets and text lines.

    Args:
        magic: The magic that packets must have: ``REQUEST`` in a server, ``RESPONSE`` elsewhere.
        max_packet: The largest body accepted, in bytes.
        max_line: The longest text line accepted, in bytes with its line end.

    Attributes:
        command: The type of the current packet. ``Command.TEXT`` is a text line, whose only argument is the line
            without its end, ``Command.WRONG_MAGIC`` a packet with the magic of the other direction.
        partial: Number of bytes of a packet or line whose end has not arrived yet.
        begun: Number of times that one began behind a complete packet.
        fed: Number of bytes that `feed` got. A caller may change it.
        needed: The size of that packet, as far as it is known; 0 for a line.
    """

    __slots__ = (
        "_begin",
        "_data",
        "_end",
        "_first",
        "_fourth",
        "_is_short",
        "_magic",
        "_max_line",
        "_max_packet",
        "_missing",
        "_next",
        "_pieces",
        "_second",
        "_size",
        "_start",
        "_third",
        "begun",
        "command",
        "fed",
        "needed",
        "partial",
    )

    def __init__(self, magic: int, max_packet: int = MAX_PACKET, max_line: int = MAX_LINE) -> None:
        self._magic: i32 = i32(magic)
        self._max_packet: i64 = max_packet
        self._max_line: i64 = max_line
        self._pieces: list[bytes] = []  # of a packet or line whose end has not arrived yet
        self.partial: i64 = 0  # bytes in the pieces
        self.begun: i64 = 0
        self.fed: i64 = 0
        self.needed: i64 = 0  # bytes needed before anything can be complete
        self._missing: i64 = 0  # bytes that are still to come of a packet that was dropped
        self._data = b""
        self._size: i64 = 0
        self._next: i64 = 0  # the offset of the next packet
        # The current packet: the offsets of its start, its body, its end and its separators.
        self.command: i32 = _TEXT
        self._begin: i64 = 0
        self._start: i64 = 0
        self._end: i64 = 0
        self._first: i64 = 0
        self._second: i64 = 0
        self._third: i64 = 0
        self._fourth: i64 = 0
        self._is_short = False  # the last argument and the separator before it are missing

    @property
    def held(self) -> int:
        """Number of bytes that `advance` has not passed yet."""
        return self.partial + self._size - self._next

    def clear(self) -> None:
        """Forget all bytes, as nothing more is read."""
        self._pieces = []
        self._data = b""
        self._size = self._next = 0
        self.partial = 0
        self.needed = 0
        self._missing = 0

    def announced(self) -> tuple[int, bytes]:
        """Return the type and the first argument of a packet that is incomplete or too large.

        The type is 0 if it is not known. The argument is empty if its end has not arrived.
        """
        head = b"".join(self._pieces[:2]) if self._pieces else self._data[self._next : self._next + _LOOKED_AT]
        if len(head) < _HEADER or head[0]:
            return 0, b""
        argument, separator, _ = head[_HEADER:_LOOKED_AT].partition(b"\0")
        return int.from_bytes(head[4:8], "big"), argument if separator else b""

    def drop_incomplete(self) -> None:
        """Drop the incomplete packet whose size is known, with the rest of it that is still to come."""
        self._missing = self.needed - self.partial
        self._pieces = [b""]
        self.partial = 0

    def kept(self) -> i64:
        """Return the number of bytes in memory, with those of passed packets that arrived together with others."""
        return self.partial + self._size

    @property
    def has_more(self) -> bool:
        """True if bytes are left that `advance` has not checked, other than the start of a packet."""
        return self._next < self._size

    def feed(self, data: bytes) -> None:
        """Add bytes from the peer."""
        self.fed += len(data)
        if self._pieces:
            if self._missing:
                self._pass_over(data)
                return
            last = self._pieces[-1]
            if len(last) + len(data) <= _PIECE:
                self._pieces[-1] = last + data  # a piece for each byte would take forty times as much memory
            else:
                self._pieces.append(data)
            self.partial += len(data)
            if self.partial < self.needed:
                return
            data = b"".join(self._pieces)
            self._pieces = []
            self.partial = 0
        elif self._next < self._size:
            data = self._data[self._next :] + data
        self._data = data
        self._size = len(data)
        self._next = 0

    def _pass_over(self, data: bytes) -> None:
        """Forget the bytes of a packet that was dropped, and keep those behind it."""
        missing = self._missing
        size: i64 = len(data)
        if size < missing:
            self._missing = missing - size
            return
        self._missing = 0
        self._pieces = []
        self._data = data[missing:]
        self._size = size - missing
        self._next = 0

    def advance(self) -> bool:
        """Move to the next packet or line, or return False if no further one is complete.

        Raises:
            RemoteProtocolError: The bytes are not Gearman. The connection cannot be used any more.
        """
        position: i64 = self._next
        size: i64 = self._size
        if position >= size:
            self._data = b""
            self._size = self._next = 0
            return False
        data = self._data
        if data[position]:
            return self._advance_line(position)
        start: i64 = position + _HEADER
        if start > size:
            return self._wait(position, _HEADER)
        magic: i32 = read_i32_be(data, position)
        command: i32 = read_i32_be(data, position + 4)
        length: i64 = i64(read_i32_be(data, position + 8)) & _UNSIGNED
        if magic != self._magic or command < 1 or command > _TYPES or length > self._max_packet:
            command = self._check_header(position)
        end: i64 = start + length
        if end > size:
            return self._wait(position, _HEADER + length)
        self.command = command
        self._begin = position
        self._start = start
        self._end = end
        self._next = end
        self._is_short = False
        if command > 0:
            count: i64 = _COUNTS[command]
            if count > 1:
                self._find_separators(count)
        return True

    def keep(self) -> None:
        """Keep the current packet: `advance` returns to it."""
        self._next = self._begin

    def body(self) -> bytes:
        """Return all arguments, joined by NUL bytes."""
        body = self._data[self._start : self._end]
        return body + b"\0" if self._is_short else body

    def first(self) -> bytes:
        """Return the first of several arguments."""
        return self._data[self._start : self._first]

    def second(self) -> bytes:
        """Return the second of more than two arguments."""
        return self._data[self._first + 1 : self._second]

    def third(self) -> bytes:
        """Return the last of three arguments."""
        return self._data[self._second + 1 : self._end]

    def argument(self, index: i64) -> bytes:
        """Return an argument of the current packet, counted from 0; one of the first four, or the last of five."""
        start: i64 = self._start
        end: i64 = self._end
        if index == 0:
            if _COUNTS[self.command] > 1 and self.command > 0:
                end = self._first
        elif index == 1:
            start = self._first + 1
            if _COUNTS[self.command] > 2:
                end = self._second
        elif index == 2:
            start = self._second + 1
            if _COUNTS[self.command] > 3:
                end = self._third
        elif index == 3:
            start = self._third + 1
            if _COUNTS[self.command] > 4:
                end = self._fourth
        else:
            start = self._fourth + 1
        return self._data[start:end]

    def arguments(self) -> list[bytes]:
        """Return all arguments of the current packet; extra bytes are ignored for types that take none."""
        command = self.command
        if command < 1:
            return [self.body()]
        count = _COUNTS[command]
        if count == 0:
            return []
        return self.body().split(b"\0", count - 1)

    def _advance_line(self, position: i64) -> bool:
        data = self._data
        if data[position] == _HANDSHAKE and self._magic == _REQUEST:
            raise RemoteProtocolError("the server expects no TLS here", "INVALID_MAGIC")
        end: i64 = data.find(b"\n", position, position + self._max_line)
        if end < 0:
            if self._size - position >= self._max_line:
                raise LineTooLong(f"a text line may have {self._max_line} bytes", TOO_LARGE)
            return self._wait(position, 0)
        self.command = _TEXT
        self._begin = self._start = position
        self._end = end - 1 if end > position and data[end - 1] == _RETURN else end
        self._next = end + 1
        return True

    def _wait(self, position: i64, needed: i64) -> bool:
        """Keep the start of an incomplete packet or line."""
        if position:
            self.begun += 1
        self._pieces = [self._data[position:] if position else self._data]
        self.partial = self._size - position
        self.needed = needed
        self._data = b""
        self._size = self._next = 0
        return False

    def _find_separators(self, count: i64) -> None:
        data = self._data
        end: i64 = self._end
        place: i64 = find_nul(data, self._start, end)
        self._first = place
        if count > 2 and place >= 0:
            place = find_nul(data, place + 1, end)
            self._second = place
            if count > 3 and place >= 0:
                place = find_nul(data, place + 1, end)
                self._third = place
                found: i64 = 3
                while found < count - 1 and place >= 0:
                    place = find_nul(data, place + 1, end)
                    found += 1
                    if found == _OFFSETS:
                        self._fourth = place
        if place < 0:
            self._lack_separator()

    def _lack_separator(self) -> None:
        if self.command not in _DATA_MAY_LACK:
            command = Command(self.command)
            names: Sequence[str] = ARGUMENTS[command]
            count = self.body().count(b"\0") + 1
            takes = f"{counted(len(names), 'argument')} ({', '.join(names)})"
            raise RemoteProtocolError(f"{command.name} takes {takes}, not {count}")
        self._first = self._end
        self._is_short = True

    def _check_header(self, position: i64) -> i32:
        """Return the type of a packet with the other direction's magic; raise for any other header."""
        data = self._data
        magic = int.from_bytes(data[position : position + 4], "big")
        command = int.from_bytes(data[position + 4 : position + 8], "big")
        length = int.from_bytes(data[position + 8 : position + _HEADER], "big")
        if magic not in (REQUEST, RESPONSE):
            raise RemoteProtocolError(
                f"a packet begins with \\0REQ or \\0RES, not {magic.to_bytes(4, 'big')!r}", "INVALID_MAGIC"
            )
        if not 0 < command <= _TYPES:
            raise RemoteProtocolError(f"packet types go from 1 to {_TYPES}, not {command}", "INVALID_COMMAND")
        if length > self._max_packet:
            name = Command(command).name
            text = f"a packet may have {self._max_packet} bytes, not {length} as this {name} announces"
            raise RemoteProtocolError(text, TOO_LARGE)
        return _WRONG_MAGIC

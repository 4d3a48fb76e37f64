# SPDX-License-Identifier: MIT
"""From bytes to packets, in whatever pieces they come.

The parser does no I/O and knows no meaning. It keeps one buffer, which holds the beginning of a packet or line whose
end has not come yet and grows only by bytes that did come: a header's word about a length reserves nothing. A packet
is judged strictly inside its declared length.
"""

from collections.abc import Iterator
from typing import Final

from geartrain.errors import RemoteProtocolError
from geartrain.protocol.commands import ARGUMENTS, Command
from geartrain.protocol.packets import HEADER, REQUEST, RESPONSE, Packet

__all__ = ["MAX_LINE", "MAX_PACKET", "Parser"]

MAX_PACKET = 256 * 1024 * 1024  # bytes after the header: far above any known use, far below what exhausts a machine
MAX_LINE = 8192  # bytes of a text line with its end, as in the C server

# Compiled, a constant that is said to be one is found at once, where another name is looked up (40 ns).
_HEADER_SIZE: Final = 12
_MAGICS: Final = (REQUEST, RESPONSE)
_unpack_header: Final = HEADER.unpack_from
# Indexed by packet type; a list is the quickest table there is.
_COUNTS: Final = [-1] + [len(ARGUMENTS[Command(number)]) for number in range(1, len(ARGUMENTS) + 1)]

# Perl's workers send a bare handle when the data is empty or "0". gearmand makes sense of the bytes behind it, and the
# job is run again and again.
_DATA_MAY_LACK: Final = frozenset(
    (Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_COMPLETE, Command.WORK_EXCEPTION)
)


class Parser:
    """Cuts a stream of bytes into packets and text lines.

    Args:
        magic: The magic that packets must bear: ``REQUEST`` in a server, ``RESPONSE`` elsewhere.
        max_packet: The largest body accepted, in bytes.
        max_line: The longest text line accepted, in bytes with its line end.
    """

    __slots__ = ("_held", "_magic", "_max_line", "_max_packet", "_needed")

    def __init__(self, magic: int, max_packet: int = MAX_PACKET, max_line: int = MAX_LINE) -> None:
        self._magic = magic
        self._max_packet = max_packet
        self._max_line = max_line
        self._held = bytearray()
        self._needed = 0  # no packet can be complete before the buffer holds that many bytes

    @property
    def held(self) -> int:
        """How many bytes wait for the rest of their packet or line."""
        return len(self._held)

    def receive(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that ``data`` completes, to be taken to the end before the next call.

        A text line comes as ``(Command.TEXT, [line])`` without its line end, a packet with the magic of the other
        direction as ``(Command.WRONG_MAGIC, [body])``.

        Raises:
            RemoteProtocolError: The bytes are not Gearman. The packets before them have been yielded; the connection
                cannot be used any more.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return
            data = bytes(self._held)
            self._held.clear()
        self._needed = 0
        magic = self._magic
        position = 0
        size = len(data)
        found: int  # said, as ``struct`` does not: compiled, whole numbers take a tenth of the time of objects
        command: int
        length: int
        while position < size:
            if data[position]:
                end = data.find(b"\n", position, position + self._max_line)
                if end < 0:
                    self._refuse_long_line(size - position)
                    break
                line = data[position : end - 1 if end > position and data[end - 1] == 13 else end]
                position = end + 1
                yield Command.TEXT, [line]
                continue
            start = position + _HEADER_SIZE
            if start > size:
                self._needed = _HEADER_SIZE
                break
            found, command, length = _unpack_header(data, position)
            if found != magic or not 0 < command < len(_COUNTS) or length > self._max_packet:
                self._refuse_header(found, command, length)
            end = start + length
            if end > size:
                self._needed = _HEADER_SIZE + length
                break
            position = end
            if found != magic:
                yield Command.WRONG_MAGIC, [data[start:end]]
                continue
            count = _COUNTS[command]
            if count == 1:
                yield command, [data[start:end]]
            elif count == 0:  # data behind a type that takes none is ignored, as it always was
                yield command, []
            else:
                arguments = data[start:end].split(b"\0", count - 1)
                if len(arguments) != count:
                    if command not in _DATA_MAY_LACK:
                        self._refuse_arguments(command, len(arguments))
                    arguments.append(b"")
                yield command, arguments
        if position < size:
            self._held += data[position:] if position else data

    def _refuse_long_line(self, length: int) -> None:
        if length >= self._max_line:
            raise RemoteProtocolError(f"a text line may have {self._max_line} bytes", "ARGUMENT_TOO_LARGE")

    def _refuse_header(self, magic: int, command: int, length: int) -> None:
        """Raise if the header can only be an error; the other direction's magic in a good packet is none."""
        if magic not in _MAGICS:
            raise RemoteProtocolError(
                f"a packet begins with \\0REQ or \\0RES, not {magic.to_bytes(4, 'big')!r}", "INVALID_MAGIC"
            )
        if not 0 < command < len(_COUNTS):
            raise RemoteProtocolError(f"packet types go from 1 to {len(_COUNTS) - 1}, not {command}", "INVALID_COMMAND")
        if length > self._max_packet:
            name = Command(command).name
            text = f"a packet may have {self._max_packet} bytes, not {length} as this {name} announces"
            raise RemoteProtocolError(text, "ARGUMENT_TOO_LARGE")

    def _refuse_arguments(self, number: int, count: int) -> None:
        command = Command(number)
        names = ARGUMENTS[command]
        raise RemoteProtocolError(f"{command.name} takes {len(names)} arguments ({', '.join(names)}), not {count}")

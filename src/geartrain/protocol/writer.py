# SPDX-License-Identifier: MIT
"""A writer of packets into a buffer that collects them until they are sent (protocol 1.1).

::

    0        4        8        12             12 + length
    | magic  |  type  | length | arguments ...|      all numbers big-endian; arguments joined by single NUL bytes
"""

from typing import Final

from mypy_extensions import i32, i64

from geartrain.protocol._binary import BytesWriter, write_i32_be
from geartrain.protocol.packets import RESPONSE

__all__ = ["Writer"]

_MAGIC: Final = RESPONSE
_KEPT: Final = 16 * 1024  # bytes; `truncate` keeps memory, so a buffer that has held more is replaced
_NUL: Final = 0
_SIGNED: Final = 2**31 - 1
_UNSIGNED: Final = 2**32


class Writer:
    """A buffer of packets from a server.

    A packet is written whole with `packet`, or in pieces: its `header` and then exactly as many bytes as that declares.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = BytesWriter()

    def size(self) -> i64:
        """Return the number of bytes in the buffer."""
        return len(self._buffer)

    def header(self, command: i32, length: i64) -> None:
        """Begin a packet whose arguments, with the NUL bytes between them, take ``length`` bytes."""
        buffer = self._buffer
        write_i32_be(buffer, i32(_MAGIC))
        write_i32_be(buffer, command)
        write_i32_be(buffer, i32(length if length <= _SIGNED else length - _UNSIGNED))

    def packet(self, command: i32, body: bytes) -> None:
        """Write a packet with one argument, or with several that are joined already."""
        buffer = self._buffer
        length: i64 = len(body)
        write_i32_be(buffer, i32(_MAGIC))
        write_i32_be(buffer, command)
        write_i32_be(buffer, i32(length if length <= _SIGNED else length - _UNSIGNED))
        buffer.write(body)

    def argument(self, data: bytes) -> None:
        """Write an argument and the NUL byte after it."""
        buffer = self._buffer
        buffer.write(data)
        buffer.append(_NUL)

    def write(self, data: bytes) -> None:
        """Write bytes as they are: the last argument of a packet, or whole packets."""
        self._buffer.write(data)

    def take(self) -> bytes:
        """Return all bytes, and clear the buffer."""
        buffer = self._buffer
        data = buffer.getvalue()
        if len(data) > _KEPT:
            self._buffer = BytesWriter()
        else:
            buffer.truncate(0)
        return data

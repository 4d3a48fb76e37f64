# SPDX-License-Identifier: MIT
"""Packets of a byte stream, in a form that is easy to compare."""

from geartrain.protocol import Packet, Reader
from geartrain.protocol.limits import MAX_LINE, MAX_PACKET

__all__ = ["Packets"]


class Packets:
    """A reader of the packets of one direction.

    Args:
        magic: ``REQUEST`` or ``RESPONSE``.
        max_packet: The largest packet, in bytes.
        max_line: The longest line, in bytes.
    """

    def __init__(self, magic: int, max_packet: int = MAX_PACKET, max_line: int = MAX_LINE) -> None:
        self._reader = Reader(magic, max_packet, max_line)

    def receive(self, data: bytes) -> list[Packet]:
        """Return the packets that ``data`` completes."""
        reader = self._reader
        reader.feed(data)
        packets: list[Packet] = []
        while reader.advance():
            packets.append((reader.command, reader.arguments()))
        return packets

# SPDX-License-Identifier: MIT
"""The packets of a stream of bytes, as a test compares them."""

from geartrain.protocol import Packet, Reader

__all__ = ["Packets"]


class Packets:
    """Reads the packets of one direction.

    Args:
        magic: ``REQUEST`` or ``RESPONSE``.
    """

    def __init__(self, magic: int) -> None:
        self._reader = Reader(magic)

    def receive(self, data: bytes) -> list[Packet]:
        """Return the packets that some bytes complete."""
        reader = self._reader
        reader.feed(data)
        packets: list[Packet] = []
        while reader.advance():
            packets.append((reader.command, reader.arguments()))
        return packets

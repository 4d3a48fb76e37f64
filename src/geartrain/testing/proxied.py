# SPDX-License-Identifier: MIT
"""One connection through a `FaultProxy`, and the faults that all its connections share.

Each direction is a coroutine: it reads from one socket, waits as long as the faults say, and writes to the other. So a
slow reader slows down the writer at the far end, as without a proxy. Everything runs in the proxy's event loop.
"""

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from geartrain.errors import NoServerAvailable
from geartrain.transport import ServerAddress
from geartrain.transport.aio import open_streams

__all__ = ["Cut", "Faults", "Direction", "ProxiedConnection"]

READ_SIZE = 64 * 1024  # bytes read at once, and at most held by a direction that stalls
_NO_LINGER = struct.pack("ii", 1, 0)  # the value of SO_LINGER with which closing a socket resets its connection

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Direction(enum.Flag):
    """The direction of bytes: toward the server, toward the client, or both."""

    SERVER = enum.auto()
    CLIENT = enum.auto()
    BOTH = SERVER | CLIENT


@dataclass(slots=True)
class Cut:
    """A planned end of a connection, after a number of further bytes in one direction."""

    direction: Direction
    left: int
    reset: bool


class Faults:
    """The faults of each direction, shared by all connections of a proxy.

    Args:
        changed: Called when bytes have arrived.

    Attributes:
        gates: An event for each direction, cleared while it stalls.
        pauses: Seconds that each piece waits.
        sizes: Bytes of the largest piece.
        cut: The next planned cut.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.gates = {direction: asyncio.Event() for direction in Direction}
        self.pauses: dict[Direction, float] = {}
        self.sizes: dict[Direction, int] = {}
        self._arrived = dict.fromkeys(Direction, 0)
        self.cut: Cut | None = None
        self._changed = changed
        self.end()

    def end(self) -> None:
        """Remove all faults."""
        self.cut = None
        for direction in Direction:
            self.gates[direction].set()
            self.pauses[direction] = 0.0
            self.sizes[direction] = READ_SIZE

    def stall(self, direction: Direction) -> None:
        """Hold the bytes of a direction."""
        for way in direction:
            self.gates[way].clear()

    def resume(self, direction: Direction) -> None:
        """Pass on the held bytes of a direction."""
        for way in direction:
            self.gates[way].set()

    def plan(self, cut: Cut) -> None:
        """Plan a cut; it replaces an earlier plan."""
        self.cut = cut

    def count(self, direction: Direction, size: int) -> None:
        """Count bytes that have arrived."""
        self._arrived[direction] += size
        self._changed()

    def bytes_for(self, direction: Direction) -> int:
        """Return the number of bytes that have arrived."""
        return sum(self._arrived[way] for way in direction)

    def take_cut(self, direction: Direction, size: int) -> Cut | None:
        """Return the planned cut if a piece of so many bytes reaches it."""
        cut = self.cut
        if cut is None or direction not in cut.direction:
            return None
        if size < cut.left:
            cut.left -= size
            return None
        self.cut = None
        return cut


class ProxiedConnection:
    """Two sockets, one accepted and one connected, and the bytes between them.

    Args:
        accepted: The client's connection; it is closed with this one.
        target: The server's address.
        faults: The faults of the proxy.

    Attributes:
        has_ended: Set when both sides have been sent the end of the connection.
    """

    def __init__(self, accepted: socket.socket, target: ServerAddress, faults: Faults) -> None:
        self._accepted = accepted
        self._target = target
        self._faults = faults
        self._ends: dict[Direction, Streams] = {}
        self._flows: asyncio.Future[tuple[None, None]] | None = None
        self._is_cut = False
        self._resets = False
        self.has_ended = asyncio.Event()

    async def run(self) -> None:
        """Pass bytes on until both sides have closed or the connection is cut; then close both sockets."""
        try:
            await self._open()
            if not self._is_cut:
                await self._pass_on()
            if self._is_cut and not self._resets:
                await self._shut_down()
        except NoServerAvailable:
            pass  # the client sees its connection end
        finally:
            self._close()
            await asyncio.sleep(0)  # in which the transports close their sockets
            self.has_ended.set()

    def cut(self, *, reset: bool) -> None:
        """End the connection on both sides, by FIN or by a reset; at once, or after connecting."""
        self._is_cut = True
        self._resets = reset
        if self._flows is not None:
            self._flows.cancel()

    async def _open(self) -> None:
        self._ends[Direction.CLIENT] = await _streams(self._accepted)
        self._ends[Direction.SERVER] = await open_streams(self._target, keepalive=None)
        for _, writer in self._ends.values():
            writer.transport.set_write_buffer_limits(0)  # so that `drain` returns when the system has all bytes

    async def _pass_on(self) -> None:
        self._flows = asyncio.gather(self._flow(Direction.SERVER), self._flow(Direction.CLIENT))
        try:
            await self._flows
        except asyncio.CancelledError:
            if not self._is_cut:
                raise

    async def _flow(self, direction: Direction) -> None:
        reader, _ = self._ends[~direction]
        _, writer = self._ends[direction]
        faults = self._faults
        try:
            while data := await reader.read(READ_SIZE):
                faults.count(direction, len(data))
                while data:
                    await asyncio.sleep(faults.pauses[direction])
                    await faults.gates[direction].wait()
                    piece, data = data[: faults.sizes[direction]], data[faults.sizes[direction] :]
                    cut = faults.take_cut(direction, len(piece))
                    writer.write(piece if cut is None else piece[: cut.left])
                    await writer.drain()
                    if cut is not None:
                        self.cut(reset=cut.reset)
                        return
            await faults.gates[direction].wait()
            writer.write_eof()
        except OSError:  # one side was reset, and so is the other
            self.cut(reset=True)

    async def _shut_down(self) -> None:
        """Send FIN to both sides and discard what they still send: closing before that would reset them."""
        with contextlib.suppress(OSError):
            for _, writer in self._ends.values():
                writer.write_eof()
            self.has_ended.set()
            await asyncio.gather(*(_drain(reader) for reader, _ in self._ends.values()))

    def _close(self) -> None:
        sockets = [self._accepted] + [writer.get_extra_info("socket") for _, writer in self._ends.values()]
        if self._resets:
            for sock in sockets:
                with contextlib.suppress(OSError):  # it was reset by its peer
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        for _, writer in self._ends.values():
            writer.transport.abort()
        if not self._ends:
            self._accepted.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(READ_SIZE):
        pass


async def _streams(sock: socket.socket) -> Streams:
    """Return an accepted socket's two streams."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

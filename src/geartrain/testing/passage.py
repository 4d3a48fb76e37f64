# SPDX-License-Identifier: MIT
"""One connection through a `FaultProxy`, and what is done to all of them.

Each direction is a coroutine: it reads from one socket, waits as long as the faults say, and writes to the other. So a
slow reader slows down the writer at the far end, as without a proxy. All runs in the proxy's event loop.
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

__all__ = ["Cut", "Faults", "Passage", "Toward"]

READ_SIZE = 64 * 1024  # bytes taken at once, and at most held by a direction that stalls
_NO_LINGER = struct.pack("ii", 1, 0)  # closing a socket then resets its connection

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Toward(enum.Flag):
    """Which way bytes go."""

    SERVER = enum.auto()
    CLIENT = enum.auto()
    BOTH = SERVER | CLIENT


@dataclass(slots=True)
class Cut:
    """What is to happen to the connection on which so many more bytes have gone one way."""

    toward: Toward
    left: int
    reset: bool


class Faults:
    """What happens to the bytes of all connections.

    Attributes:
        gates: One for each direction, closed while it stalls.
        pauses: Seconds that each piece waits.
        sizes: Bytes of the largest piece.
        cut: The next cut.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.gates = {toward: asyncio.Event() for toward in Toward}
        self.pauses: dict[Toward, float] = {}
        self.sizes: dict[Toward, int] = {}
        self._arrived = dict.fromkeys(Toward, 0)
        self.cut: Cut | None = None
        self._changed = changed
        self.end()

    def end(self) -> None:
        """Let all bytes pass as they come."""
        self.cut = None
        for toward in Toward:
            self.gates[toward].set()
            self.pauses[toward] = 0.0
            self.sizes[toward] = READ_SIZE

    def stall(self, toward: Toward) -> None:
        """Hold what goes there."""
        for way in toward:
            self.gates[way].clear()

    def resume(self, toward: Toward) -> None:
        """Pass on what was held."""
        for way in toward:
            self.gates[way].set()

    def plan(self, cut: Cut) -> None:
        """Have a connection cut, instead of any planned before."""
        self.cut = cut

    def count(self, toward: Toward, size: int) -> None:
        """Note that bytes have come in."""
        self._arrived[toward] += size
        self._changed()

    def bytes_for(self, toward: Toward) -> int:
        """Return how many have come in."""
        return sum(self._arrived[way] for way in toward)

    def take_cut(self, toward: Toward, size: int) -> Cut | None:
        """Return the cut that a piece of so many bytes brings about, if it does."""
        cut = self.cut
        if cut is None or toward not in cut.toward:
            return None
        if size < cut.left:
            cut.left -= size
            return None
        self.cut = None
        return cut


class Passage:
    """Two sockets, one accepted and one connected, and the bytes between them.

    Args:
        accepted: The client's connection, which is ours from now on.
        target: The server's address.
        faults: What happens to the bytes.

    Attributes:
        has_ended: Whether both sides have been told of the end.
    """

    def __init__(self, accepted: socket.socket, target: ServerAddress, faults: Faults) -> None:
        self._accepted = accepted
        self._target = target
        self._faults = faults
        self._ends: dict[Toward, Streams] = {}
        self._flows: asyncio.Future[tuple[None, None]] | None = None
        self._is_cut = False
        self._resets = False
        self.has_ended = asyncio.Event()

    async def run(self) -> None:
        """Pass bytes on until both sides have closed, or the passage is cut; then let go of both."""
        try:
            await self._open()
            if not self._is_cut:
                await self._pass_on()
            if self._is_cut and not self._resets:
                await self._say_goodbye()
        except NoServerAvailable:
            pass  # the client sees its connection end
        finally:
            self._let_go()
            await asyncio.sleep(0)  # in which the transports close their sockets
            self.has_ended.set()

    def cut(self, *, reset: bool) -> None:
        """Have the connection end on both sides, in good order or by a reset; one that is being made ends then."""
        self._is_cut = True
        self._resets = reset
        if self._flows is not None:
            self._flows.cancel()

    async def _open(self) -> None:
        self._ends[Toward.CLIENT] = await _streams(self._accepted)
        self._ends[Toward.SERVER] = await open_streams(self._target, keepalive=None)
        for _, writer in self._ends.values():
            writer.transport.set_write_buffer_limits(0)  # so that `drain` returns when the system has it all

    async def _pass_on(self) -> None:
        self._flows = asyncio.gather(self._flow(Toward.SERVER), self._flow(Toward.CLIENT))
        try:
            await self._flows
        except asyncio.CancelledError:
            if not self._is_cut:
                raise

    async def _flow(self, toward: Toward) -> None:
        reader, _ = self._ends[~toward]
        _, writer = self._ends[toward]
        faults = self._faults
        try:
            while data := await reader.read(READ_SIZE):
                faults.count(toward, len(data))
                while data:
                    await asyncio.sleep(faults.pauses[toward])
                    await faults.gates[toward].wait()
                    piece, data = data[: faults.sizes[toward]], data[faults.sizes[toward] :]
                    cut = faults.take_cut(toward, len(piece))
                    writer.write(piece if cut is None else piece[: cut.left])
                    await writer.drain()
                    if cut is not None:
                        self.cut(reset=cut.reset)
                        return
            await faults.gates[toward].wait()
            writer.write_eof()
        except OSError:  # one side was reset, and so is the other
            self.cut(reset=True)

    async def _say_goodbye(self) -> None:
        """Send the end to both sides, and what they still send to nowhere: closing now would reset them."""
        with contextlib.suppress(OSError):
            for _, writer in self._ends.values():
                writer.write_eof()
            self.has_ended.set()
            await asyncio.gather(*(_drain(reader) for reader, _ in self._ends.values()))

    def _let_go(self) -> None:
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

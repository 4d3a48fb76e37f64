# SPDX-License-Identifier: MIT
"""A simulated network: each connection has two pipes, whose bytes are cut into pieces and delayed by chance.

Bytes of one pipe arrive in order, those of two pipes in any order. A pipe has a window, so that what a slow reader does
not read piles up with the sender. A connection that is cut loses what is under way, and its ends learn of it
separately; one that is stalled delivers nothing for a time.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from geartrain.core import Peer
from geartrain.reactor.connection import Connection
from tests.simulation.process import Process
from tests.simulation.timeline import Timeline

__all__ = ["Caller", "Conditions", "Link", "PeerEnd", "ServerTransport", "Tap"]

_WINDOW = 64 * 1024  # bytes under way in one direction
_READ = 256 * 1024  # bytes that event loops read at once


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The quality of a network.

    Attributes:
        delay: Seconds that a piece takes at most, in general.
        late: The part of the pieces that take up to `latest` seconds.
        latest: Seconds.
        split: The part of the writes that are cut at any byte.
    """

    delay: float = 0.002
    late: float = 0.0
    latest: float = 1.0
    split: float = 0.2


class Pipe:
    """One direction of a connection.

    Args:
        timeline: Simulated time.
        chance: Decides on pieces and delays.
        conditions: The quality of the network.
        arrived: Called when bytes or the end have arrived and the receiver reads.
        drained: Called when fewer bytes wait at the sender.
    """

    def __init__(
        self,
        timeline: Timeline,
        chance: random.Random,
        conditions: Conditions,
        arrived: Callable[[], None],
        drained: Callable[[], None],
    ) -> None:
        self._timeline = timeline
        self._chance = chance
        self._conditions = conditions
        self._arrived = arrived
        self._drained = drained
        self._waiting: deque[bytes] = deque()
        self.unsent = 0
        self._under_way = 0
        self._last_arrival = 0.0
        self._here: list[bytes] = []
        self._ends = False  # the sender writes nothing more
        self._end_is_sent = False
        self.has_ended = False  # and the receiver has been told
        self.is_reading = True
        self.is_cut = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if data and not self._ends:
            self._waiting.append(data)
            self.unsent += len(data)
            self._pump()

    def end(self) -> None:
        """Send nothing more; the receiver learns of it behind all bytes."""
        if not self._ends:
            self._ends = True
            self._pump()

    def discard(self) -> None:
        """Discard what has not left the sender."""
        self._waiting.clear()
        self.unsent = 0

    def cut(self) -> None:
        """Lose everything that is under way, and all that follows."""
        self.is_cut = True

    def stall(self, until: float) -> None:
        """Deliver nothing until a time, as while packets are lost and sent again."""
        self._last_arrival = max(self._last_arrival, until)

    def read(self) -> bytes:
        """Return the bytes that have arrived."""
        data = b"".join(self._here)
        self._here.clear()
        if len(data) > _READ:
            self._here.append(data[_READ:])
            data = data[:_READ]
        self._under_way -= len(data)
        self._pump()
        return data

    def set_reading(self, is_reading: bool) -> None:
        """Pause or resume reading."""
        self.is_reading = is_reading
        if is_reading and (self._here or self.has_ended):
            self._arrived()

    @property
    def has_data(self) -> bool:
        """True if bytes have arrived that were not read."""
        return bool(self._here)

    def _pump(self) -> None:
        had = self.unsent
        while self._waiting and self._under_way < _WINDOW:
            data = self._waiting.popleft()
            size = len(data)
            if self._chance.random() < self._conditions.split:
                size = self._chance.randint(1, len(data))
            size = min(size, _WINDOW)
            if size < len(data):
                self._waiting.appendleft(data[size:])
            self.unsent -= size
            self._under_way += size
            self._send(data[:size])
        if self._ends and not self._waiting and not self._end_is_sent:
            self._end_is_sent = True
            self._send(b"")
        if self.unsent < had:
            self._drained()

    def _send(self, data: bytes) -> None:
        conditions = self._conditions
        most = conditions.latest if self._chance.random() < conditions.late else conditions.delay
        self._last_arrival = max(self._last_arrival, self._timeline.now + self._chance.random() * most)
        self._timeline.call_at(self._last_arrival, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self.is_cut:
            return
        if data:
            self._here.append(data)
        else:
            self.has_ended = True
        if self.is_reading:
            self._arrived()


class Caller(Protocol):
    """A client or worker that connects."""

    def connected(self, end: "PeerEnd") -> None:
        """Use a new connection."""

    def received(self, data: bytes) -> None:
        """Handle bytes from the server."""

    def lost(self) -> None:
        """Learn that the connection has ended, or could not be made."""


class Tap(Protocol):
    """An observer of the server's end of a connection."""

    def begin(self, peer: Peer) -> None:
        """Observe a connection that has just begun."""

    def sent(self, data: bytes) -> None:
        """Observe bytes that the server writes."""

    def received(self, data: bytes) -> None:
        """Observe bytes that the server is about to handle."""

    def dropped(self) -> None:
        """Observe that the server ends the connection at once."""

    def lost(self) -> None:
        """Observe the end of the connection at the server."""


class Link:
    """A connection between a peer and the server.

    Args:
        timeline: Simulated time.
        number: Its number.
        process: The server.
        chance: Decides on pieces and delays.
        conditions: The quality of the network.
        caller: The peer.
    """

    def __init__(
        self,
        timeline: Timeline,
        number: int,
        process: Process,
        chance: random.Random,
        conditions: Conditions,
        caller: Caller,
    ) -> None:
        self._timeline = timeline
        self._chance = chance
        self.number = number
        self.peer = PeerEnd(self, caller)
        self.server = ServerTransport(self, process)
        self.to_server = Pipe(timeline, chance, conditions, self.server.arrived, self._ignore)
        self.to_peer = Pipe(timeline, chance, conditions, self.peer.arrived, self.server.drained)

    def __repr__(self) -> str:
        return f"<Link {self.number}>"

    @property
    def is_over(self) -> bool:
        """True if both ends know that it has ended."""
        return self.server.is_lost and self.peer.is_lost

    def cut(self, most: float = 3.0) -> None:
        """Cut it; each end learns of it within some seconds."""
        self.to_server.cut()
        self.to_peer.cut()
        self._timeline.call_later(self._chance.random() * most, self.server.reset)
        self._timeline.call_later(self._chance.random() * most, self.peer.reset)

    def stall(self, seconds: float, *, to_server: bool, to_peer: bool) -> None:
        """Deliver nothing in one or both directions for some time."""
        until = self._timeline.now + seconds
        if to_server:
            self.to_server.stall(until)
        if to_peer:
            self.to_peer.stall(until)

    def reset_peer(self) -> None:
        """Let the peer learn that the server is gone, after what the server has sent."""
        self.to_server.cut()
        self._timeline.call_later(self._chance.random() * 0.1, self.peer.reset)

    def reset_server(self) -> None:
        """Let the server learn that the peer is gone."""
        self.to_peer.cut()
        self._timeline.call_later(self._chance.random() * 0.1, self.server.reset)

    def _ignore(self) -> None:
        """Do nothing: the peers of these tests write without a limit."""


class PeerEnd:
    """The end of a client or worker."""

    def __init__(self, link: Link, caller: Caller) -> None:
        self._link = link
        self._caller = caller
        self.is_lost = False

    @property
    def link(self) -> Link:
        """The connection."""
        return self._link

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if not self.is_lost:
            self._link.to_server.write(data)

    def close(self) -> None:
        """End the connection behind the bytes that were sent."""
        self.is_lost = True
        self._link.to_server.end()
        self._link.to_peer.cut()

    def abort(self) -> None:
        """End the connection at once, as when the process is killed."""
        self.is_lost = True
        self._link.reset_server()

    def pause(self, is_paused: bool) -> None:
        """Read nothing, or again."""
        self._link.to_peer.set_reading(not is_paused)

    def arrived(self) -> None:
        """Pass on bytes that have arrived."""
        pipe = self._link.to_peer
        while pipe.has_data and pipe.is_reading and not self.is_lost:
            self._caller.received(pipe.read())
        if pipe.has_ended and not pipe.has_data:
            self.reset()

    def reset(self) -> None:
        """Learn that the connection has ended."""
        if not self.is_lost:
            self.is_lost = True
            self._link.reset_server()
            self._caller.lost()


class ServerTransport(asyncio.Transport):
    """The end of the server, as its event loop has it."""

    def __init__(self, link: Link, process: Process) -> None:
        super().__init__({"peername": ("10.0.0.1", link.number)})
        self._link = link
        self._process = process
        self._protocol: Connection
        self.tap: Tap
        self._high = 64 * 1024
        self._low = 16 * 1024
        self._is_writing_paused = False
        self._is_closing = False
        self._is_told_of_end = False
        self._has_begun = False
        self.is_lost = False

    def begin(self, protocol: Connection, tap: Tap) -> None:
        """Connect the protocol."""
        self._has_begun = True
        self._protocol = protocol
        self.tap = tap
        protocol.connection_made(self)
        tap.begin(protocol.peer)
        self.arrived()

    # For the protocol.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if self.is_lost or (self._is_closing and not self._link.to_peer.unsent):
            return
        data = bytes(data)
        self.tap.sent(data)
        self._link.to_peer.write(data)
        if self._link.to_peer.unsent > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that have not left."""
        return self._link.to_peer.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits at which writing is paused and resumed."""
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def pause_reading(self) -> None:
        """Read nothing."""
        self._link.to_server.is_reading = False

    def resume_reading(self) -> None:
        """Read again."""
        if not self._is_closing:
            self._link.to_server.set_reading(True)

    def is_reading(self) -> bool:
        """Tell whether bytes are read."""
        return self._link.to_server.is_reading

    def is_closing(self) -> bool:
        """Tell whether the connection ends."""
        return self._is_closing

    def can_write_eof(self) -> bool:
        """Tell that one side can end first."""
        return True

    def write_eof(self) -> None:
        """Send nothing more."""
        self._link.to_peer.end()

    def close(self) -> None:
        """End the connection when all bytes have left."""
        self._is_closing = True
        self._link.to_server.is_reading = False
        self._link.to_peer.end()
        if not self._link.to_peer.unsent:
            self._lose(None)

    def abort(self) -> None:
        """End the connection at once."""
        if self._has_begun and not self.is_lost:
            self.tap.dropped()
        self._is_closing = True
        self._link.to_peer.discard()
        self._link.to_peer.end()
        self._lose(None)

    # For the network.

    def arrived(self) -> None:
        """Have the bytes read in the next turn."""
        self._process.call_soon(self._read)

    def drained(self) -> None:
        """Have writing resumed in the next turn, or the connection ended."""
        unsent = self._link.to_peer.unsent
        if self._is_writing_paused and unsent <= self._low:
            self._process.call_soon(self._resume_writing)
        if self._is_closing and not unsent:
            self._lose(None)

    def reset(self) -> None:
        """Learn that the peer is gone."""
        self._is_closing = True
        self._lose(ConnectionResetError("Connection reset by peer"))

    def _resume_writing(self) -> None:
        if self._is_writing_paused and not self.is_lost:
            self._is_writing_paused = False
            self._protocol.resume_writing()

    def _read(self) -> None:
        pipe = self._link.to_server
        if not self._has_begun or self.is_lost or self._is_closing or not pipe.is_reading:
            return
        if pipe.has_data:
            data = pipe.read()
            self.tap.received(data)
            self._protocol.data_received(data)
        if pipe.has_data:
            self.arrived()
        elif pipe.has_ended:
            self._learn_of_end()

    def _learn_of_end(self) -> None:
        if not (self._is_told_of_end or self._is_closing) and self._link.to_server.is_reading:
            self._is_told_of_end = True
            self._link.reset_server()
            if not self._protocol.eof_received():
                self.close()

    def _lose(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._process.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        if self._has_begun:
            self.tap.lost()
            self._protocol.connection_lost(error)
        self._link.reset_peer()

# SPDX-License-Identifier: MIT
"""A job server and its peers in memory: whole conversations without sockets, threads or waiting."""

from collections.abc import Sequence

from geartrain.core import JobServer, JobServerOptions
from geartrain.protocol import REQUEST, RESPONSE, Command, Reader, request
from geartrain.testing.clock import FakeClock

__all__ = ["Wire", "WirePeer"]


class Wire:
    """A `JobServer` with a clock that only the test advances.

    Example:
        >>> wire = Wire()
        >>> client, worker = wire.connect(), wire.connect()
        >>> client.send(Command.SUBMIT_JOB, b"reverse", b"", b"abc")
        >>> worker.send(Command.CAN_DO, b"reverse")
        >>> worker.send(Command.GRAB_JOB)
        >>> worker.packets()
        [(<Command.JOB_ASSIGN: 11>, b'H:localhost:1', b'reverse', b'abc')]
    """

    def __init__(self, options: JobServerOptions | None = None) -> None:
        self.clock = FakeClock()
        self.server = JobServer(options or JobServerOptions(), self.clock)
        self.peers: list[WirePeer] = []

    def connect(self, host: str = "127.0.0.1", *, local: bool = True, certificate: Sequence[bytes] = ()) -> "WirePeer":
        """Return a new connection; ``certificate`` has the names in the certificate of the peer."""
        peer = WirePeer(self, host, len(self.peers), local, certificate)
        self.peers.append(peer)
        return peer

    def advance(self, seconds: float) -> float | None:
        """Advance the clock, and let the server do the work that is due; return the time of its next call."""
        self.clock.advance(seconds)
        return self.tick()

    def settle(self) -> None:
        """Run turns of the server until all input is handled."""
        while self.tick() == 0.0:
            pass

    def tick(self) -> float | None:
        """Let the server do the work that is due; return the time of its next call."""
        self.server.begin_turn()
        return self.server.tick()


class WirePeer:
    """One connection to the server of a `Wire`."""

    def __init__(self, wire: Wire, host: str, fd: int, local: bool, certificate: Sequence[bytes] = ()) -> None:
        self._server = wire.server
        self._replies = Reader(RESPONSE)
        self.peer = wire.server.connect(host, fd, local=local, reader=Reader(REQUEST), certificate=certificate)

    def send(self, command: Command, *arguments: bytes) -> None:
        """Send a packet."""
        self.send_bytes(request(command, *arguments))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes, complete packets or not; the server ignores them if it is about to close the connection."""
        if not self.peer.closing:
            self._server.begin_turn()
            self.peer.reader.feed(data)
            self._server.receive(self.peer)

    def take_bytes(self) -> bytes:
        """Return the bytes that the server has sent since the last call."""
        return b"".join(self.peer.outbox.take())

    def packets(self) -> list[tuple[Command | bytes, ...]]:
        """Return the packets that the server has sent since the last call, each as its command and arguments."""
        replies = self._replies
        replies.feed(self.take_bytes())
        packets: list[tuple[Command | bytes, ...]] = []
        while replies.advance():
            packets.append((Command(replies.command), *replies.arguments()))
        return packets

    def ask(self, command: Command, *arguments: bytes) -> tuple[Command | bytes, ...]:
        """Send a packet and return the only packet that answers it."""
        self.send(command, *arguments)
        (reply,) = self.packets()
        return reply

    def say(self, line: str) -> str:
        """Send a text line and return the reply to it."""
        self.send_bytes(line.encode() + b"\n")
        return self.take_bytes().decode()

    def submit(
        self, function: bytes, unique: bytes = b"", workload: bytes = b"", *, how: Command = Command.SUBMIT_JOB
    ) -> bytes:
        """Submit a job and return its handle."""
        self.send(how, function, unique, workload)
        created = [packet for packet in self.packets() if packet[0] is Command.JOB_CREATED]
        handle = created[0][1]
        assert isinstance(handle, bytes)
        return handle

    def close(self) -> None:
        """Close the connection."""
        self._server.disconnect(self.peer)

    @property
    def is_closed(self) -> bool:
        """True once the server wants to close the connection."""
        return self.peer.closing

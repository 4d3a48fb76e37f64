# SPDX-License-Identifier: MIT
"""Connections without sockets: their transports keep what they are told, and input is given to them directly."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar, cast

from geartrain.core import JobServer, JobServerOptions
from geartrain.protocol import RESPONSE, Command, Packet, request
from geartrain.reactor.connection import Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.testing.clock import FakeClock
from tests.packets import Packets

__all__ = ["End", "Reactor", "Transport", "in_loop"]

T = TypeVar("T")

_SETTINGS = ConnectionSettings(linger=0.0, admin_linger=0.0)


def in_loop(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario in an event loop."""

    async def run() -> T:
        return await scenario()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(run())


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that keeps its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(
        self, when: float, callback: Callable[..., object], *arguments: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *arguments, context=context)
        self.timers.append(timer)
        return timer


class Transport(asyncio.Transport):
    """A transport that keeps what it is told.

    Attributes:
        calls: The calls that are not about data, in order.
        unsent: The data.
        log: Gets this transport each time that data is written; may be that of several.
        acknowledged: The number of TCP acknowledgements that were asked for.
        is_broken: True if writing raises an error.
        read_limits: The limits of the data that TLS holds while reading is paused.
    """

    def __init__(self, *, can_write_eof: bool, is_encrypted: bool = False) -> None:
        super().__init__({"sslcontext": object()} if is_encrypted else {})
        self.calls: list[str] = []
        self.sizes: list[int] = []  # of the data that was written
        self.unsent = bytearray()
        self.log: list[Transport] = []
        self.acknowledged = 0
        self.is_broken = False
        self.read_limits: tuple[int | None, int | None] = (None, None)
        self._can_write_eof = can_write_eof

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_broken:
            raise RuntimeError("this transport is broken")
        self.sizes.append(len(data))
        self.log.append(self)
        self.unsent += data

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def set_read_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.read_limits = (high, low)

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def acknowledge(self) -> None:
        self.acknowledged += 1


class End:
    """A connection and its transport."""

    def __init__(
        self,
        reactor: "Reactor",
        kind: type[Connection],
        *,
        can_write_eof: bool,
        acknowledges: bool,
        is_encrypted: bool = False,
    ) -> None:
        self.transport = Transport(can_write_eof=can_write_eof, is_encrypted=is_encrypted)
        self.connection = kind(
            reactor.flusher,
            RemoteEnd("test", "test", 0, is_local=True),
            _SETTINGS,
            lambda transport: (),
            lambda transport: self.transport.acknowledge if acknowledges else None,
            lambda: None,
        )
        self.connection.connection_made(self.transport)
        self._flusher = reactor.flusher
        self._packets = Packets(RESPONSE)

    def give(self, data: bytes) -> None:
        """Give the connection data of its peer, and end the turn."""
        self.connection.data_received(data)
        self._flusher.flush()

    def send(self, command: Command, *arguments: bytes) -> None:
        """Give the connection a packet of its peer, and end the turn."""
        self.give(request(command, *arguments))

    def packets(self) -> list[Packet]:
        """Take what was sent to the peer."""
        data = bytes(self.transport.unsent)
        self.transport.unsent.clear()
        return list(self._packets.receive(data))


class Reactor:
    """A flusher with a job server.

    Attributes:
        turns: The number of turns of the flusher that have ended.
        loop: The event loop.
    """

    def __init__(self, options: JobServerOptions | None = None, *, max_unsent: int = 1 << 30) -> None:
        self.turns = 0
        self.job_server = JobServer(options or JobServerOptions(), FakeClock())
        self.loop = cast(_Loop, asyncio.get_running_loop())
        self.flusher = Flusher(self.job_server, self.loop, max_unsent, self._count)
        self.flusher.is_stopping = True  # it calls `_count` in every turn

    def connect(
        self,
        kind: type[Connection] = Connection,
        *,
        can_write_eof: bool = True,
        acknowledges: bool = False,
        is_encrypted: bool = False,
    ) -> End:
        """Return a new connection."""
        return End(self, kind, can_write_eof=can_write_eof, acknowledges=acknowledges, is_encrypted=is_encrypted)

    def run_job(self, client: End, worker: End) -> bytes:
        """Have a worker run a job of a client, and return its handle."""
        client.send(Command.SUBMIT_JOB, b"f", b"", b"")
        [(_, (handle,))] = client.packets()
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.GRAB_JOB)
        assert worker.packets() == [(Command.JOB_ASSIGN, [handle, b"f", b""])]
        return handle

    def _count(self) -> None:
        self.turns += 1

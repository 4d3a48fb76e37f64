# SPDX-License-Identifier: MIT
"""The flusher, with connections inside the process."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from geartrain.core import JobServer, JobServerOptions
from geartrain.protocol import Command, request
from geartrain.reactor.connection import Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.server.local import LocalTransport
from geartrain.testing.clock import FakeClock

LOOPS = pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class BrokenTransport(LocalTransport):
    """A transport that raises an error when it is written to."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise RuntimeError("this transport is broken")


def make(options: JobServerOptions, after_turn: Callable[[], None] = lambda: None) -> Flusher:
    return Flusher(JobServer(options, FakeClock()), asyncio.get_running_loop(), 1 << 20, after_turn)


def connect(flusher: Flusher, kind: type[LocalTransport] = LocalTransport) -> tuple[Connection, LocalTransport]:
    remote = RemoteEnd("test", "test", 0, is_local=True)
    connection = Connection(flusher, remote, ConnectionSettings(), lambda _: (), lambda _: None, lambda: None)
    transport = kind(connection, "")
    connection.connection_made(transport)
    return connection, transport


def test_an_error_in_a_transport_does_not_affect_other_peers(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[LocalTransport, LocalTransport]:
        flusher = make(JobServerOptions())
        broken, to_broken = connect(flusher, BrokenTransport)
        sound, to_sound = connect(flusher)
        for connection in (broken, sound):
            connection.data_received(request(Command.ECHO_REQ, b"x"))
        flusher.flush()
        return to_broken, to_sound

    to_broken, to_sound = asyncio.run(scenario())

    assert to_sound.get_write_buffer_size() > 0
    assert to_broken.is_closing()
    assert "this transport is broken" in caplog.text


@LOOPS
def test_a_timer_that_is_due_at_once_can_be_set_again(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> int:
        turns: list[None] = []
        flusher = make(JobServerOptions(rearm_after=0.0001), lambda: turns.append(None))
        flusher.is_stopping = True  # so that each turn is counted
        worker, _ = connect(flusher)
        worker.data_received(request(Command.CAN_DO, b"f") + request(Command.PRE_SLEEP))
        client, _ = connect(flusher)
        client.data_received(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
        flusher.flush()
        flusher.flush()
        flusher.stop()
        return len(turns)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(scenario()) == 2

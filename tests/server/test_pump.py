# SPDX-License-Identifier: MIT
"""The pump, with peers that are not there."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
import uvloop

from geartrain.core import JobServer, JobServerOptions
from geartrain.protocol import REQUEST, Command, Parser, request
from geartrain.server.pump import Pump
from geartrain.testing.clock import FakeClock


class FakeTransport:
    """Takes what is written, or breaks."""

    def __init__(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        if self.is_broken:
            raise RuntimeError("this transport is broken")
        self.written.append(data)


class FakeOutlet:
    """A way to a peer that notes what becomes of it."""

    def __init__(self, job_server: JobServer, *, is_broken: bool = False) -> None:
        self.peer = job_server.connect("127.0.0.1", 0, local=True)
        self.fake = FakeTransport(is_broken=is_broken)
        self.transport = cast("asyncio.Transport", self.fake)
        self.is_slow = False
        self.dropped = ""

    def resume(self) -> None:
        raise AssertionError("nobody had to wait")

    def hold(self) -> None:
        raise AssertionError("nobody is slow")

    def let_go(self) -> None:
        raise AssertionError("nobody is slow")

    def hang_up(self) -> None:
        raise AssertionError("nobody is refused")

    def drop(self, reason: str) -> None:
        self.dropped = reason


def test_a_peer_that_cannot_be_sent_to_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[FakeOutlet, FakeOutlet]:
        job_server = JobServer(JobServerOptions(), FakeClock())
        pump = Pump(job_server, 1000, lambda: None)
        broken, sound = FakeOutlet(job_server, is_broken=True), FakeOutlet(job_server)
        for outlet in (broken, sound):
            pump.add(outlet)
            job_server.receive(outlet.peer, Parser(REQUEST).receive(request(Command.ECHO_REQ, b"x")))
        pump.run()
        return broken, sound

    broken, sound = asyncio.run(scenario())

    assert len(sound.fake.written) == 1
    assert broken.dropped
    assert "this transport is broken" in caplog.text


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_something_that_is_due_at_once_may_be_waited_for_again(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobServer, "tick", lambda _: 0.0001)

    async def scenario() -> int:
        turns: list[None] = []
        pump = Pump(JobServer(JobServerOptions(), FakeClock()), 1000, lambda: turns.append(None))
        pump.run()
        pump.run()
        pump.stop()
        return len(turns)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(scenario()) == 2

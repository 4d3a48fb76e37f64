# SPDX-License-Identifier: MIT
"""A client that reads slowly slows down who works for it, for a while, and nobody else."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from geartrain.core import JobServerOptions, Peer
from geartrain.protocol import Command, Packet, Parser, request
from geartrain.protocol.packets import RESPONSE
from geartrain.server import pressure
from geartrain.server.connection import MOST_UNREAD
from geartrain.server.pressure import STEP, Pressure
from geartrain.testing import RunningServer, run_server
from geartrain.testing.wire import Wire, WirePeer

pytestmark = pytest.mark.usefixtures("_either_loop")

PIECE = 1 << 20
MUCH = 96  # pieces
FOR_EVER = 3600.0
ECHO = request(Command.ECHO_REQ, b"x")


class Timer:
    """One that goes off when a test says so."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class TestWhoIsHeldBack:
    """With sources that note what they are told."""

    class Source:
        def __init__(self) -> None:
            self.is_held = False

        def hold(self) -> None:
            assert not self.is_held
            self.is_held = True

        def let_go(self) -> None:
            assert self.is_held
            self.is_held = False

    class Loop:
        def __init__(self) -> None:
            self.due: list[tuple[object, ...]] = []

        def call_later(self, seconds: float, *call: object) -> Timer:
            self.due.append(call)
            return Timer()

        def run_out(self) -> None:
            for act, *arguments in self.due:
                act(*arguments)  # type: ignore[operator]  # what was asked to be called
            self.due.clear()

    @pytest.fixture
    def wire(self) -> Wire:
        return Wire(JobServerOptions())

    @pytest.fixture
    def loop(self) -> "TestWhoIsHeldBack.Loop":
        return self.Loop()

    @pytest.fixture
    def sources(self) -> dict[Peer, "TestWhoIsHeldBack.Source"]:
        return {}

    @pytest.fixture
    def pressure(self, loop: "Loop", sources: dict[Peer, "TestWhoIsHeldBack.Source"]) -> Pressure:
        return Pressure(loop, sources.get)  # type: ignore[arg-type]  # all of a loop that is used

    def pair(self, wire: Wire, sources: dict[Peer, Source], worker: WirePeer | None = None) -> tuple[Peer, Peer]:
        """Return a client and the worker that runs its job."""
        client = wire.connect()
        worker = worker or wire.connect()
        client.submit(b"f")
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.GRAB_JOB)
        sources.setdefault(worker.peer, self.Source())
        return client.peer, worker.peer

    def test_is_the_worker_until_the_client_has_caught_up(
        self, wire: Wire, sources: dict[Peer, Source], pressure: Pressure
    ) -> None:
        client, worker = self.pair(wire, sources)
        _, other = self.pair(wire, sources)

        pressure.rise(client, STEP)
        assert sources[worker].is_held
        assert not sources[other].is_held

        pressure.fall(client)
        assert not sources[worker].is_held

    def test_is_nobody_after_a_while_until_as_much_again_has_piled_up(
        self, wire: Wire, sources: dict[Peer, Source], pressure: Pressure, loop: "Loop"
    ) -> None:
        client, worker = self.pair(wire, sources)
        pressure.rise(client, STEP)

        loop.run_out()
        assert not sources[worker].is_held
        pressure.rise(client, 2 * STEP - 1)
        assert not sources[worker].is_held
        pressure.rise(client, 2 * STEP)
        assert sources[worker].is_held

    def test_is_who_works_for_two_until_both_have_caught_up(
        self, wire: Wire, sources: dict[Peer, Source], pressure: Pressure
    ) -> None:
        busy = wire.connect()
        first, worker = self.pair(wire, sources, busy)
        second, _ = self.pair(wire, sources, busy)
        pressure.rise(first, STEP)
        pressure.rise(second, STEP)

        pressure.fall(first)
        assert sources[worker].is_held
        pressure.fall(second)
        assert not sources[worker].is_held

    def test_is_no_worker_that_has_left(self, wire: Wire, sources: dict[Peer, Source], pressure: Pressure) -> None:
        client, worker = self.pair(wire, sources)
        pressure.rise(client, STEP)
        del sources[worker]

        pressure.fall(client)
        pressure.rise(client, STEP)


class TestOnRealSockets:
    @pytest.fixture
    def server(self) -> Iterator[RunningServer]:
        with run_server() as server:
            yield server

    def test_a_worker_waits_for_a_client_that_does_not_read(
        self, server: RunningServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pressure, "HOLD", FOR_EVER)
        with connected(server) as client, connected(server) as worker, connected(server) as other:
            handle = run_one(client, worker)
            worker.settimeout(0.5)
            sent, data = 0, memoryview(request(Command.WORK_DATA, handle, bytes(PIECE)) * MUCH)
            with contextlib.suppress(TimeoutError):
                while sent < len(data):
                    sent += worker.send(data[sent : sent + PIECE])
            assert sent < MOST_UNREAD + 2 * STEP, "what is in the buffers of sockets besides"
            assert ask(other, ECHO) == (Command.ECHO_RES, [b"x"])

            received = 0
            while received < sent - 2 * PIECE:  # the packet that has not been sent to its end is not passed on
                received += len(client.recv(PIECE))

    def test_a_worker_does_not_wait_for_ever(self, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pressure, "HOLD", 0.01)
        with connected(server) as client, connected(server) as worker:
            handle = run_one(client, worker)
            for _ in range(MUCH):
                worker.sendall(request(Command.WORK_DATA, handle, bytes(PIECE)))

            assert ask(worker, ECHO) == (Command.ECHO_RES, [b"x"])

    def test_a_client_that_reads_slowly_gets_everything(self, server: RunningServer) -> None:
        with connected(server) as client, connected(server) as worker:
            handle = run_one(client, worker)
            data = request(Command.WORK_DATA, handle, bytes(PIECE))
            sending = threading.Thread(target=worker.sendall, args=[data * MUCH])
            sending.start()
            received = 0
            while received < len(data) * MUCH:
                received += len(client.recv(1 << 16))
            sending.join(20)

            assert not sending.is_alive()


def connected(server: RunningServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), 20)


def ask(peer: socket.socket, *packets: bytes) -> Packet:
    """Return the packet that answers."""
    peer.sendall(b"".join(packets))
    parser = Parser(RESPONSE)
    while data := peer.recv(1 << 16):
        for packet in parser.receive(data):
            return packet
    raise AssertionError("the server said nothing")


def run_one(client: socket.socket, worker: socket.socket) -> bytes:
    """Have a worker run a job of a client, and return its handle."""
    _, (handle,) = ask(client, request(Command.SUBMIT_JOB, b"f", b"", b""))
    assert ask(worker, request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))[0] == Command.JOB_ASSIGN
    return handle

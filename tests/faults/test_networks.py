# SPDX-License-Identifier: MIT
"""Network paths that silently drop packets, in one or both directions: other workers get the jobs."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from geartrain import AdminClient, Client, ConnectionLost
from geartrain.protocol import Command, Packet, request
from geartrain.protocol.packets import RESPONSE
from geartrain.server import Endpoint
from geartrain.testing import RunningServer, run_server
from tests.faults.network import Island, Lost
from tests.packets import Packets
from tests.waiting import wait_until

PATIENCE = 60.0
QUICK = {"user_timeout": 0.5, "keepalive_idle": 1, "keepalive_interval": 1, "keepalive_count": 1, "rearm_after": 0.1}


class Worker:
    """A minimal worker on a given connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._packets = self._receive()
        self.send(request(Command.CAN_DO, b"f"))

    def send(self, *packets: bytes) -> None:
        self._socket.sendall(b"".join(packets))

    def sleep(self) -> None:
        """Go to sleep, and wait until the server has recorded it."""
        self.send(request(Command.PRE_SLEEP), request(Command.ECHO_REQ, b""))
        assert self.packet() == (Command.ECHO_RES, [b""])

    def grab(self) -> bytes:
        """Return the handle of a job."""
        self.send(request(Command.GRAB_JOB))
        while (packet := self.packet())[0] == Command.NOOP:
            pass
        assert packet[0] == Command.JOB_ASSIGN
        return packet[1][0]

    def packet(self) -> Packet:
        return next(self._packets)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> Iterator[Packet]:
        parser = Packets(RESPONSE)
        while data := self._socket.recv(1 << 16):
            yield from parser.receive(data)


@pytest.fixture
def island() -> Iterator[Island]:
    with Island() as island:
        yield island


@pytest.fixture
def server(island: Island) -> Iterator[RunningServer]:
    """A server that also listens on the loopback interface."""
    with run_server(listen=(Endpoint(island.here), Endpoint("127.0.0.1")), **QUICK) as server:
        yield server


@contextmanager
def working(connection: socket.socket) -> Iterator[Worker]:
    with closing(Worker(connection)) as worker:
        yield worker


@pytest.fixture
def far(island: Island, server: RunningServer) -> Iterator[Worker]:
    """A worker whose packets can be dropped."""
    with working(island.connect(server.port)) as worker:
        yield worker


@pytest.fixture
def near(far: Worker, server: RunningServer) -> Iterator[Worker]:
    """A worker on this machine, which falls asleep later."""
    with working(socket.create_connection(("127.0.0.1", server.port), PATIENCE)) as worker:
        yield worker


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(f"127.0.0.1:{server.port}") as client:
        yield client


def wait_for(server: RunningServer, happened: Callable[[AdminClient], bool]) -> None:
    """Query the server until a condition is true."""
    with AdminClient(f"127.0.0.1:{server.port}", timeout=PATIENCE) as admin:
        wait_until(lambda: happened(admin))


@pytest.mark.parametrize("lost", Lost, ids=lambda lost: lost.name)
def test_a_path_that_fails_after_a_wake_up_delays_the_job_by_the_re_arm_time(
    island: Island, server: RunningServer, far: Worker, near: Worker, client: Client, lost: Lost
) -> None:
    """The queue of gearmand stalls for ever (protocol 10.11). Our server soon disconnects the worker."""
    far.sleep()
    near.sleep()
    island.lose(lost)
    job = client.submit("f")
    assert near.packet() == (Command.NOOP, [])
    near.send(request(Command.WORK_COMPLETE, near.grab(), b"done"))

    assert job.result(PATIENCE) == b"done"
    wait_for(server, lambda admin: all(row.address.startswith("127.") for row in admin.workers()))


@pytest.mark.parametrize("lost", [Lost.ALL, Lost.FROM_ISLAND], ids=lambda lost: lost.name)
def test_the_job_of_a_worker_whose_path_fails_goes_to_another(
    island: Island, far: Worker, near: Worker, client: Client, lost: Lost
) -> None:
    """Nothing is sent to it, so that only keepalive can detect it."""
    job = client.submit("f")
    client.ping()  # the server has the job now
    handle = far.grab()
    near.sleep()
    island.lose(lost)

    assert near.packet() == (Command.NOOP, [])
    assert near.grab() == handle
    near.send(request(Command.WORK_COMPLETE, handle, b"done"))
    assert job.result(PATIENCE) == b"done"


def test_a_path_that_recovers_in_time_has_no_effect(island: Island) -> None:
    with (
        run_server(listen=(Endpoint(island.here),), rearm_after=PATIENCE) as server,
        working(island.connect(server.port)) as far,
        Client(server.address) as client,
    ):
        far.sleep()
        island.lose(Lost.ALL)
        job = client.submit("f")
        island.arrive()
        assert far.packet() == (Command.NOOP, [])
        far.send(request(Command.WORK_COMPLETE, far.grab(), b"done"))

        assert job.result(PATIENCE) == b"done"


def test_the_job_of_a_client_whose_path_fails_is_dropped(island: Island, server: RunningServer, near: Worker) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(closing(island.connect(server.port)))
        client.sendall(request(Command.SUBMIT_JOB, b"f", b"u", b""))
        assert client.recv(100).startswith(b"\0RES")
        island.lose(Lost.ALL)

        wait_for(server, lambda admin: not admin.jobs())


def test_a_client_detects_that_its_server_is_down(island: Island, server: RunningServer) -> None:
    """The connection is made in the namespace, for a client that only waits for a result."""
    with ExitStack() as stack:
        stack.enter_context(island.entered())
        client = stack.enter_context(Client(f"{island.here}:{server.port}", keepalive=2.0))
        job = client.submit("f")
        island.lose(Lost.TO_ISLAND)

        with pytest.raises(ConnectionLost):
            job.result(PATIENCE)

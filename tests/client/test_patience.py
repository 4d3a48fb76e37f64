# SPDX-License-Identifier: MIT
"""Patient clients: calls that wait while no server can be reached, with clients of both kinds."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geartrain import Client, ConnectionLost, NoServerAvailable
from geartrain.client.placement import Attempt, Pause, inquiries, placements
from geartrain.client.request import submission
from geartrain.client.serverpool import ServerPool
from geartrain.client.sync.pool import ConnectionPool
from geartrain.client.ticket import PlacedTicket
from geartrain.errors import GeartrainError, ReplyTimeout
from geartrain.protocol import Command
from geartrain.records import JobRequest
from geartrain.transport import Backoff, parse_servers
from tests.client.interrupts import interrupted_in
from tests.client.peers import PATIENCE, ScriptedServer, ServedClient
from tests.client.shells import Shell
from tests.client.strikes import Strike


def serve(peer: ServedClient) -> None:
    """Reverse every workload, and answer all other requests."""
    while True:
        command, arguments = peer.packet()
        if command == Command.ECHO_REQ:
            peer.send(Command.ECHO_RES, *arguments)
        elif command == Command.GET_STATUS:
            peer.send(Command.STATUS_RES, arguments[0], b"1", b"0", b"0", b"0")
        else:
            peer.send(Command.JOB_CREATED, b"H:1")
            if command in (Command.SUBMIT_JOB, Command.SUBMIT_JOB_HIGH):
                peer.send(Command.WORK_COMPLETE, b"H:1", arguments[-1][::-1])


class LateServer:
    """The address of a server that begins to listen at the first pause of a client that waits for it."""

    def __init__(self) -> None:
        first = ScriptedServer(serve)
        first.close()
        self.address = first.address
        self.reasons: list[NoServerAvailable] = []
        self._port = first.port
        self._server: ScriptedServer | None = None

    def begin(self, reason: NoServerAvailable) -> None:
        self.reasons.append(reason)
        if self._server is None:
            self._server = ScriptedServer(serve, port=self._port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


@pytest.fixture
def late() -> Iterator[LateServer]:
    server = LateServer()
    yield server
    server.close()


CALLS: dict[str, Callable[[Client], object]] = {
    "do": lambda client: client.do("f", b"abc", timeout=PATIENCE),
    "submit": lambda client: client.submit("f", b"abc").result(PATIENCE),
    "map": lambda client: next(iter(client.map("f", [b"abc"], timeout=PATIENCE))),
    "enqueue": lambda client: str(client.enqueue("f", b"abc", timeout=PATIENCE)),
    "submit_background_many": lambda client: len(client.submit_background_many([JobRequest("f")])),
    "status": lambda client: client.status("H:1").known,
    "ping": lambda client: client.ping() > 0,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_waits_for_a_server_that_is_away(shell: Shell, late: LateServer, call: str) -> None:
    expected = {"do": b"cba", "submit": b"cba", "map": b"cba", "enqueue": "H:1", "submit_background_many": 1}

    with shell.client(late.address, patience=None, on_wait=late.begin) as client:
        assert CALLS[call](client) == expected.get(call, True)

    assert late.address in str(late.reasons[0])


@pytest.mark.parametrize("call", ["do", "enqueue", "status"])
def test_an_impatient_client_fails_at_once(shell: Shell, late: LateServer, call: str) -> None:
    with shell.client(late.address, on_wait=late.begin) as client, pytest.raises(NoServerAvailable):
        CALLS[call](client)

    assert late.reasons == []


@pytest.mark.parametrize("call", ["do", "enqueue", "status"])
def test_patience_ends(shell: Shell, call: str) -> None:
    reasons: list[NoServerAvailable] = []
    with (
        shell.client("127.0.0.1:1", patience=0.1, on_wait=reasons.append) as client,
        pytest.raises(NoServerAvailable),
    ):
        CALLS[call](client)

    assert reasons != []


def test_the_timeout_of_a_call_ends_its_patience(shell: Shell) -> None:
    with shell.client("127.0.0.1:1", patience=None) as client:
        with pytest.raises(NoServerAvailable):
            client.do("f", timeout=0.1)
        with pytest.raises(NoServerAvailable):
            client.enqueue("f", timeout=0.1)


@pytest.mark.parametrize("call", ["do", "status"])
def test_closing_the_client_ends_the_wait(shell: Shell, call: str) -> None:
    waits = threading.Event()
    with shell.client("127.0.0.1:1", patience=None, on_wait=lambda _: waits.set()) as client:

        def close() -> None:
            assert waits.wait(PATIENCE)
            client.__exit__(None, None, None)

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(ConnectionLost, match="closed"):
            CALLS[call](client)
        closer.join(PATIENCE)


def test_an_error_of_the_callback_ends_the_wait(shell: Shell) -> None:
    def give_up(reason: NoServerAvailable) -> None:
        raise LookupError(str(reason))

    with shell.client("127.0.0.1:1", patience=None, on_wait=give_up) as client, pytest.raises(LookupError):
        client.do("f")


class VanishingServer(LateServer):
    """A server that goes away with the first job, and comes back at the first pause.

    Args:
        accepts: True to accept that job first.
    """

    def __init__(self, *, accepts: bool) -> None:
        super().__init__()
        self._accepts = accepts
        self._first = ScriptedServer(self._vanish, port=self._port)

    def _vanish(self, peer: ServedClient) -> None:
        peer.packet()
        self._first.stop_listening()
        if self._accepts:
            peer.send(Command.JOB_CREATED, b"H:1")

    def close(self) -> None:
        self._first.close()
        super().close()


@pytest.mark.parametrize("options", [{"unique": "u"}, {"resubmits": 1}])
def test_a_job_that_a_server_may_have_waits_with_a_unique_or_resubmits(shell: Shell, options: dict[str, Any]) -> None:
    server = VanishingServer(accepts=False)
    with shell.client(server.address, patience=None, on_wait=server.begin) as client:
        assert client.do("f", b"abc", timeout=PATIENCE, **options) == b"cba"
    server.close()


def test_a_job_that_a_server_has_accepted_waits_with_resubmits(shell: Shell) -> None:
    server = VanishingServer(accepts=True)
    with shell.client(server.address, patience=None, on_wait=server.begin) as client:
        assert client.do("f", b"abc", timeout=PATIENCE, resubmits=1) == b"cba"
    server.close()


def test_a_job_that_a_server_may_have_does_not_wait_otherwise(shell: Shell) -> None:
    server = VanishingServer(accepts=False)
    client = shell.client(server.address, patience=None, on_wait=server.begin)
    with client, pytest.raises(NoServerAvailable):
        client.do("f", b"abc", timeout=PATIENCE)
    assert server.reasons == []
    server.close()


def test_the_receiving_thread_does_not_wait_for_a_server() -> None:
    """A job submitted by a callback is placed by another thread."""
    jobs: list[Any] = []
    submitted = threading.Event()
    server = VanishingServer(accepts=True)
    with Client(server.address, patience=None, on_wait=server.begin) as client:

        def submit(_: object) -> None:
            jobs.append(client.submit("f", b"abc"))
            submitted.set()

        client.submit("f").add_done_callback(submit)
        assert submitted.wait(PATIENCE)
        assert jobs[0].result(PATIENCE) == b"cba"
    server.close()


def test_an_interrupted_wait_leaves_the_client_usable(late: LateServer) -> None:
    with Client(late.address, patience=None) as client:
        with interrupted_in(ConnectionPool._rest, Strike()), pytest.raises(Strike):
            client.do("f", b"abc")
        late.begin(NoServerAvailable("the wait was interrupted"))
        assert client.do("f", b"abc", timeout=PATIENCE) == b"cba"


@pytest.mark.parametrize("patience", [-1, float("nan")])
def test_patience_is_a_number_of_seconds(shell: Shell, patience: float) -> None:
    with pytest.raises(ValueError, match="patience"):
        shell.client("127.0.0.1:1", patience=patience)


# Without I/O


class FakeTicket(PlacedTicket):
    """A ticket that records its end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(None, submission(JobRequest("f", b"", **options)), 2)  # type: ignore[arg-type]
        self.error: GeartrainError | None = None

    def done(self) -> bool:
        return self.error is not None

    def fail(self, error: GeartrainError) -> None:
        self.error = error


class Servers:
    """Two servers that are away, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.addresses = parse_servers("a,b")
        self.pool = ServerPool(self.addresses, backoff=Backoff(first=0.4, jitter=0.0))
        self.tried: list[str] = []

    def clock(self) -> float:
        return self.now

    def refuse(self, attempt: Attempt[Any]) -> None:
        self.tried.append(str(attempt.address))
        self.pool.failed(attempt.address, self.now, "away")
        attempt.error = NoServerAvailable(f"{attempt.address} is away")


def pauses(servers: Servers, jobs: list[FakeTicket], **options: Any) -> list[float]:
    found = []
    for step in placements(jobs, servers.pool, servers.clock, **options):
        if isinstance(step, Pause):
            found.append(round(step.seconds, 3))
            servers.now += step.seconds
        else:
            servers.refuse(step)
    return found


def test_pauses_follow_the_back_off_and_end_with_the_patience() -> None:
    servers, job = Servers(), FakeTicket()

    assert pauses(servers, [job], patience=3.0) == [0.4, 0.8, 1.0, 0.8]
    assert servers.tried == ["a:4730", "b:4730"] * 5
    assert "a:4730 is away; b:4730 is away" in str(job.error)


def test_the_end_of_a_call_ends_the_pauses() -> None:
    servers, job = Servers(), FakeTicket()

    assert pauses(servers, [job], patience=None, until=100.5) == [0.4, 0.1]
    assert isinstance(job.error, NoServerAvailable)


def test_a_job_that_was_abandoned_in_a_pause_is_not_sent() -> None:
    servers, job, other = Servers(), FakeTicket(), FakeTicket()
    steps = placements([job, other], servers.pool, servers.clock, patience=None)
    for step in steps:
        if isinstance(step, Pause):
            assert list(step.jobs) == [job, other]
            break
        servers.refuse(step)
    other._is_abandoned = True
    after = next(steps)

    assert isinstance(after, Attempt)
    assert list(after.jobs) == [job]


def test_only_servers_that_are_away_are_waited_for() -> None:
    servers = Servers()
    steps = inquiries(servers.addresses, servers.pool, servers.clock, None)
    for _ in range(2):
        attempt = next(steps)
        assert isinstance(attempt, Attempt)
        attempt.error = ReplyTimeout("too slow")

    with pytest.raises(NoServerAvailable, match="too slow"):
        next(steps)

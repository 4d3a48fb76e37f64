# SPDX-License-Identifier: MIT
"""Both administrators against real servers, and against sockets that misbehave."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from geartrain import AdminClient, Client
from geartrain.errors import ConnectionLost, JobFailed, LocalProtocolError, NoServerAvailable, ReplyTimeout, ServerError
from geartrain.protocol.text import TextCommand
from geartrain.server import access_rules
from geartrain.testing import run_server
from tests.admin.conftest import Connect
from tests.client.peers import PATIENCE, RawWorker
from tests.job_servers import free_port
from tests.waiting import wait_until


@pytest.fixture
def admin(connect: Connect, server: str) -> Iterator[AdminClient]:
    with connect(server) as admin:
        yield admin


def test_an_empty_server_says_so(admin: AdminClient) -> None:
    assert admin.status() == []
    assert admin.priority_status() == []
    assert admin.jobs() == []
    assert admin.unique_jobs() == []
    assert [row.functions for row in admin.workers()] == [()]
    assert admin.version()
    assert admin.pid() > 0
    assert admin.verbosity().isupper()


def test_jobs_are_listed_until_they_are_cancelled(admin: AdminClient, server: str) -> None:
    with Client(server) as client:
        handle = client.submit_background("f", "w", unique="u").name

    [job] = admin.jobs()
    assert job.handle == handle
    assert admin.unique_jobs() == ["u"]
    assert [(row.function, row.waiting, row.workers) for row in admin.status()] == [("f", 1, 0)]
    assert [(row.high, row.normal, row.low) for row in admin.priority_status()] == [(0, 1, 0)]

    admin.cancel(handle)
    with pytest.raises(ServerError, match="UNKNOWN_JOB"):
        admin.cancel("H:nowhere:1")


def test_a_running_job_is_cancelled_by_the_handle_that_its_client_has(admin: AdminClient, server: str) -> None:
    with Client(server) as client, RawWorker(int(server.rpartition(":")[2])) as worker:
        job = client.submit("hold")
        worker.held.get(timeout=PATIENCE)
        handle = job.handle
        while handle is None:
            client.ping()
            handle = job.handle

        admin.cancel(handle)
        with pytest.raises(JobFailed):
            job.result(PATIENCE)


def test_stalled_queues_are_listed(connect: Connect) -> None:
    """The test polls as a monitor does: the answers change once the queue has stalled long enough."""
    with run_server(stall_after=0.1) as running, connect(f"127.0.0.1:{running.port}") as admin:
        with Client(f"127.0.0.1:{running.port}") as client:
            client.submit_background("f", "w")
        wait_until(lambda: admin.stalls() != [])

        assert [(stall.function, stall.waiting, stall.workers, stall.reason) for stall in admin.stalls()] == [
            ("f", 1, 0, "no-workers")
        ]


def test_refusals_are_counted(connect: Connect) -> None:
    with run_server(max_functions=1) as running, connect(running.address) as admin:
        admin.create_function("f")
        with pytest.raises(ServerError, match=r"Too\+many\+functions"):
            admin.create_function("g")

        assert {limit.name: limit.refused for limit in admin.limits()}["functions"] == 1


def test_functions_are_made_and_dropped(admin: AdminClient) -> None:
    admin.create_function("f")
    assert [row.function for row in admin.status()] == ["f"]

    admin.drop_function("f")
    assert admin.status() == []
    with pytest.raises(ServerError, match="function not found"):
        admin.drop_function("f")


def test_a_full_queue_refuses_jobs(admin: AdminClient, server: str) -> None:
    admin.create_function("f")
    admin.set_max_queue("f", 1)

    with Client(server) as client:
        client.submit_background("f")
        with pytest.raises(ServerError, match="QUEUE_ERROR"):
            client.submit_background("f")
        admin.set_max_queue("f", 1, normal=0)
        client.submit_background("f")
        admin.set_max_queue("f")


def test_several_commands_leave_in_one_write(admin: AdminClient) -> None:
    replies = admin.exchange(
        [(TextCommand.CREATE_FUNCTION, ["f"]), (TextCommand.CANCEL_JOB, ["H:1"]), (TextCommand.STATUS, [])]
    )

    assert [reply.is_error for reply in replies] == [False, True, False]
    assert replies[2].lines == (b"f\t0\t0\t0",)


def test_a_ping_is_a_time(admin: AdminClient) -> None:
    assert 0 < admin.ping() < 20


def test_a_negative_limit_is_no_limit(admin: AdminClient) -> None:
    with pytest.raises(ValueError, match="not -1"):
        admin.set_max_queue("f", -1)


def test_a_server_that_is_not_there_is_named(connect: Connect) -> None:
    address = f"127.0.0.1:{free_port()}"

    with connect(address) as admin, pytest.raises(NoServerAvailable, match=address):
        admin.status()


class TestASocketThat:
    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener

    @pytest.fixture
    def admin(self, connect: Connect, listener: socket.socket) -> Iterator[AdminClient]:
        with connect(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.05) as admin:
            yield admin

    def test_says_nothing_is_not_waited_for_for_ever(self, admin: AdminClient) -> None:
        with pytest.raises(ReplyTimeout, match=r"0\.05 seconds"):
            admin.status()

    def test_never_ends_what_it_says_is_not_listened_to_for_ever(
        self, admin: AdminClient, listener: socket.socket
    ) -> None:
        """There is something to read all the time, so that no single wait is too long."""

        def talk() -> None:
            accepted, _ = listener.accept()
            with accepted, contextlib.suppress(OSError):
                while True:
                    accepted.sendall(b"f\t0\t0\t0\n" * 1000)

        talking = threading.Thread(target=talk)
        talking.start()
        with pytest.raises(ReplyTimeout, match=r"0\.05 seconds"):
            admin.status()
        admin.close()
        talking.join(20)
        assert not talking.is_alive()

    def test_is_closed_is_lost(self, admin: AdminClient, listener: socket.socket) -> None:
        listener.close()
        with pytest.raises((ConnectionLost, NoServerAvailable)):
            admin.status()

    def test_is_not_sent_a_name_with_a_space(self, admin: AdminClient) -> None:
        with pytest.raises(LocalProtocolError):
            admin.drop_function("two words")

    def test_has_been_closed_since_is_not_used_again(self, connect: Connect, listener: socket.socket) -> None:
        """A caller that asks once a minute does not notice that the server was restarted in between."""

        def serve() -> None:
            for _ in range(2):
                accepted, _ = listener.accept()
                with accepted:
                    accepted.recv(100)
                    accepted.sendall(b"OK 1\n")
                closed.release()

        closed = threading.Semaphore(0)
        threading.Thread(target=serve, daemon=True).start()
        with connect(f"127.0.0.1:{listener.getsockname()[1]}") as admin:
            for _ in range(2):
                assert admin.version() == "1"
                assert closed.acquire(timeout=20)


@pytest.mark.parametrize("option", ["timeout", "connect_timeout"])
@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_times_are_above_0(connect: Connect, option: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"{option} is a number of seconds above 0"):
        connect("localhost", **{option: seconds})  # type: ignore[arg-type]  # tests know the names


class TestToken:
    KNOWN = "tlhIngan-Hol-vIjatlh"

    @pytest.fixture
    def guarded(self) -> Iterator[str]:
        with run_server(access=access_rules([{"token": self.KNOWN, "may": "admin"}])) as running:
            yield running.address

    def test_it_is_shown_on_each_connection(self, connect: Connect, guarded: str) -> None:
        with connect(guarded, token=self.KNOWN) as admin:
            admin.create_function("f")
            admin.close()
            admin.create_function("g")
            assert [row.function for row in admin.status()] == ["f", "g"]
        with (
            connect(guarded) as stranger,
            pytest.raises(ServerError, match="create\\+function\\+is\\+for\\+administrators"),
        ):
            stranger.create_function("h")

    def test_a_wrong_one_is_an_error_each_time(self, connect: Connect, guarded: str) -> None:
        with connect(guarded, token="x" * 16) as admin:
            for _ in range(5):
                with pytest.raises(ServerError, match="WRONG_TOKEN") as caught:
                    admin.version()
                assert "x" * 16 not in str(caught.value)

    def test_a_server_without_tokens_does_not_need_it(self, connect: Connect, server: str) -> None:
        with connect(server, token=self.KNOWN) as admin:
            assert admin.version()

    @pytest.mark.parametrize("token", ["short", "with a space inside", "line\nbreak-line-break"])
    def test_one_that_cannot_travel_is_refused_without_being_shown(self, connect: Connect, token: str) -> None:
        with pytest.raises(LocalProtocolError, match="a token is 16 to 512") as caught:
            connect("localhost", token=token)

        assert token not in str(caught.value)

    def test_nothing_shows_it(self, connect: Connect, guarded: str) -> None:
        with connect(guarded, token=self.KNOWN) as admin:
            assert self.KNOWN not in repr(admin)

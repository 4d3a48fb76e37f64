# SPDX-License-Identifier: MIT
"""Servers that go away, come back, or were never there; and a worker that neither gives up nor spins."""

import contextlib
import queue
import signal
import threading
import time
from pathlib import Path

import pytest

import geartrain.python_gearman as gearman
from geartrain.protocol import Command, response
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.testing import ServerProcess
from geartrain.transport import Backoff
from tests.client.peers import Gone, ScriptedServer, ServedClient
from tests.job_servers import Gearmand, free_port
from tests.python_gearman.workers import PATIENCE, QuickClient, QuickConnection, QuickWorker, a_worker, working


def test_a_worker_goes_on_when_its_server_is_back(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    worker = a_worker(f"127.0.0.1:{port}", kind=QuickWorker)
    client = QuickClient([("127.0.0.1", port)])
    with ServerProcess(f"--port={port}") as server, working(worker) as ended:
        assert client.submit_job("reverse", "abc").result == b"cba"
        for _ in range(2):
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
            with ServerProcess(f"--port={port}") as server:
                assert client.submit_job("reverse", "abc", poll_timeout=PATIENCE).result == b"cba"
                assert not ended.done()
                server.stop(signal.SIGKILL)
        worker.shutdown()  # in an outage, too, it leaves at once
        ended.result(PATIENCE)

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 1 <= len(warnings) <= 6  # an outage is one line, of the worker or of the client


@pytest.mark.interop
def test_the_same_with_gearmand(tmp_path: Path) -> None:
    gearmand = Gearmand(tmp_path)
    client = QuickClient([gearmand.address])
    gearmand.start()
    try:
        with working(a_worker(gearmand.address, kind=QuickWorker)) as ended:
            assert client.submit_job("reverse", "abc").result == b"cba"
            gearmand.kill()
            gearmand.start()
            assert client.submit_job("reverse", "abc", poll_timeout=PATIENCE).result == b"cba"
            assert not ended.done()
    finally:
        gearmand.kill()


def test_a_worker_goes_on_with_the_other_server() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with (
        ServerProcess() as first,
        ServerProcess() as second,
        working(a_worker(first.address, second.address, nowhere, kind=QuickWorker)),
    ):
        assert QuickClient([first.address]).submit_job("reverse", "abc").result == b"cba"
        first.stop(signal.SIGKILL)
        assert QuickClient([second.address]).submit_job("reverse", "abc").result == b"cba"


def test_a_worker_that_finds_no_server_for_a_whole_poll_timeout_says_so() -> None:
    with ServerProcess() as server, working(a_worker(server.address, kind=QuickWorker), poll_timeout=0.1) as ended:
        assert QuickClient([server.address]).submit_job("reverse", "abc").result == b"cba"
        server.stop(signal.SIGKILL)

        with pytest.raises(errors.ServerUnavailable):
            ended.result(PATIENCE)


def assign(client: ServedClient, function: bytes = b"stream") -> None:
    """Speak as a server does until a worker has a job."""
    while True:
        command, arguments = client.packet()
        if command == Command.ECHO_REQ:
            client.send(Command.ECHO_RES, *arguments)
        elif command == Command.GRAB_JOB_ALL:
            client.send(Command.JOB_ASSIGN_ALL, b"H:a:1", function, b"u", b"", b"x")
            return


def test_a_job_whose_server_is_lost_runs_to_its_end_and_the_worker_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    ended: queue.Queue[str] = queue.Queue()

    def stream(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> str:
        assert job.connection is not None
        for _ in range(100_000):
            worker.send_job_data(job, b"x" * 65536)
            if not job.connection.connected:
                worker.send_job_status(job, 1, 2)
                break
        ended.put("to its end")
        return "a result that no server takes"

    with (
        ScriptedServer(assign) as server,
        working(a_worker(f"127.0.0.1:{server.port}", stream=stream, kind=QuickWorker)),
    ):
        for _ in range(3):
            assert ended.get(timeout=PATIENCE) == "to its end"

    assert "WORK_COMPLETE is not sent" in caplog.text


def test_without_servers_there_is_nothing_to_do() -> None:
    with pytest.raises(errors.ServerUnavailable):
        gearman.GearmanWorker([]).work()


def test_a_program_that_tries_again_at_once_does_not_spin() -> None:
    """Each call of `work` makes one attempt, and not before the server has rested."""
    attempts: list[float] = []

    class Counted(QuickConnection):
        def connect(self) -> None:
            attempts.append(self.rest)
            super().connect()

    worker = QuickWorker()
    worker.connection_class = Counted
    worker.add_connection(f"127.0.0.1:{free_port()}")
    for _ in range(6):
        with pytest.raises(errors.ServerUnavailable):
            worker.work()

    assert len(attempts) == 6
    assert max(attempts) <= 0


def test_a_server_that_only_accepts_is_not_asked_all_the_time() -> None:
    """The wait between two connections grows, and between them the worker sleeps."""
    connected: queue.Queue[float] = queue.Queue()

    def close_at_once(client: ServedClient) -> None:
        connected.put(time.monotonic())

    class Counted(QuickWorker):
        polls = 0

        def _poll(self, *arguments: object) -> bool:
            self.polls += 1
            return super()._poll(*arguments)  # type: ignore[arg-type]  # those of the original

    with ScriptedServer(close_at_once) as server:
        worker = Counted([("127.0.0.1", server.port)])
        with working(worker):
            for _ in range(5):
                connected.get(timeout=PATIENCE)
            polls, connections = worker.polls, server.accepted

    assert polls <= 4 * connections


def say_nothing(client: ServedClient) -> None:
    with contextlib.suppress(ConnectionError):
        while client.socket.recv(65536):
            pass


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    class Reluctant(GearmanConnection):
        backoff = Backoff(first=600.0, longest=600.0)

    class Impatient(gearman.GearmanWorker):
        connection_class = Reluctant
        reply_timeout = 0.05

    with ScriptedServer(say_nothing) as server:
        worker = a_worker(f"127.0.0.1:{server.port}", kind=Impatient)

        with pytest.raises(errors.ServerUnavailable):
            worker.work(poll_timeout=0.2)

    assert server.accepted == 1


def test_a_server_that_does_not_read_is_not_waited_for_longer_than_allowed() -> None:
    is_over = threading.Event()

    def assign_and_read_no_more(client: ServedClient) -> None:
        assign(client)
        assert is_over.wait(PATIENCE)

    def stream(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> str:
        worker.send_job_data(job, b"x" * (1 << 26), poll_timeout=0.05)
        is_over.set()
        return "a result that no server takes"

    with ScriptedServer(assign_and_read_no_more) as server, pytest.raises(errors.ServerUnavailable):
        a_worker(f"127.0.0.1:{server.port}", stream=stream).work(poll_timeout=0.2)


def test_a_job_of_a_task_that_is_gone_is_left_to_other_workers(caplog: pytest.LogCaptureFixture) -> None:
    is_back = threading.Event()

    def assign_something_else(client: ServedClient) -> None:
        assign(client, b"gone")
        with pytest.raises(Gone):  # and nothing is said about the job
            client.packet()

    def welcome(client: ServedClient) -> None:
        is_back.set()
        say_nothing(client)

    with (
        ScriptedServer(assign_something_else, welcome) as server,
        working(a_worker(f"127.0.0.1:{server.port}", kind=QuickWorker)),
    ):
        assert is_back.wait(PATIENCE)

    assert "left to other workers" in caplog.text


@pytest.mark.parametrize("nonsense", [b"220 mail.example ESMTP\r\n", response(Command.NO_JOB)])
def test_a_server_with_unexpected_replies_is_disconnected(nonsense: bytes) -> None:
    given_up: queue.Queue[bytes] = queue.Queue()

    def speak(client: ServedClient) -> None:
        client.socket.sendall(nonsense)
        say_nothing(client)
        given_up.put(nonsense)

    with ScriptedServer(speak) as server, working(a_worker(f"127.0.0.1:{server.port}", kind=QuickWorker)):
        for _ in range(2):
            given_up.get(timeout=PATIENCE)


def test_an_error_from_a_server_is_logged() -> None:
    heard: queue.Queue[tuple[str, str]] = queue.Queue()

    class Listening(gearman.GearmanWorker):
        def on_gearman_error(self, error_code: str, error_text: str) -> bool:
            heard.put((error_code, error_text))
            return super().on_gearman_error(error_code, error_text)

    def complain(client: ServedClient) -> None:
        client.send(Command.ERROR, b"UNEXPECTED_PACKET", b"no idea")
        say_nothing(client)

    with ScriptedServer(complain) as server, working(Listening([("127.0.0.1", server.port)])):
        assert heard.get(timeout=PATIENCE) == ("UNEXPECTED_PACKET", "no idea")

# SPDX-License-Identifier: MIT
"""The administrator's answers, in the published shapes, from both servers."""

import pytest

import geartrain.python_gearman as gearman
from geartrain.python_gearman import errors
from geartrain.testing import run_server
from tests.client.peers import ScriptedServer, ServedClient
from tests.job_servers import free_port
from tests.python_gearman.workers import a_worker, working


@pytest.fixture
def admin(server: str) -> gearman.GearmanAdminClient:
    return gearman.GearmanAdminClient([server])


def test_a_ping_takes_a_while(admin: gearman.GearmanAdminClient) -> None:
    assert 0 < admin.ping_server() < 20


def test_the_answers_may_take_as_long_as_they_like(server: str) -> None:
    patient = gearman.GearmanAdminClient([server], poll_timeout=None)

    assert patient.poll_timeout is None
    assert patient.get_version()
    assert patient.ping_server() > 0


def test_version_and_pid_are_text(admin: gearman.GearmanAdminClient) -> None:
    assert admin.get_version()[0].isdigit()
    assert admin.get_pid().isdigit()
    admin.shutdown()
    assert admin.get_pid().isdigit()


def test_tasks_and_workers_are_rows(admin: gearman.GearmanAdminClient, server: str) -> None:
    worker = a_worker(server)
    worker.set_client_id("test-worker")
    client = gearman.GearmanClient([server])
    with working(worker):
        client.submit_job("reverse", "abc")
        client.submit_job("unserved", "abc", background=True)

        status = {row["task"]: row for row in admin.get_status()}
        workers = {row["client_id"]: row for row in admin.get_workers()}

    assert status["reverse"] == {"task": "reverse", "queued": 0, "running": 0, "workers": 1}
    assert status["unserved"] == {"task": "unserved", "queued": 1, "running": 0, "workers": 0}
    assert workers["test-worker"].pop("file_descriptor").isdigit()
    assert workers["test-worker"] == {"ip": "127.0.0.1", "client_id": "test-worker", "tasks": ("reverse",)}
    assert workers["-"]["tasks"] == ()


def test_jobs_are_rows_and_can_be_cancelled(admin: gearman.GearmanAdminClient, server: str) -> None:
    request = gearman.GearmanClient([server]).submit_job("unserved", "abc", unique="u", background=True)
    assert request.job.handle is not None

    [job] = admin.get_jobs()
    assert (job["handle"], job["queued"], job["canceled"]) == (request.job.handle, 0, 0)
    assert isinstance(job["enabled"], int)
    assert admin.get_unique_jobs() == ({"unique": ["u"]},)
    assert admin.cancel_job(request.job.handle) == "OK"
    assert admin.cancel_job(b"H:a:999").startswith("ERR")


def test_a_queue_can_be_limited(admin: gearman.GearmanAdminClient, server: str) -> None:
    client = gearman.GearmanClient([server])
    client.submit_job("full", "abc", background=True)

    assert admin.send_maxqueue("full", 1) == "OK"

    with pytest.raises(errors.ExceededConnectionAttempts, match="QUEUE_ERROR: Job queue is full"):
        client.submit_job("full", "abc", background=True, poll_timeout=20)


def ask_for_ever(admin: gearman.GearmanAdminClient) -> None:
    while True:
        admin.get_version()


@pytest.mark.parametrize("graceful", [True, False])
def test_a_server_can_be_shut_down(graceful: bool) -> None:
    with run_server(allow_shutdown=True) as server:
        admin = gearman.GearmanAdminClient([server.address])

        assert admin.send_shutdown(graceful=graceful) is None  # type: ignore[func-returns-value]  # as published

        with pytest.raises(errors.ServerUnavailable):
            ask_for_ever(admin)


@pytest.mark.parametrize("servers", [[], ["a", "b"]])
def test_an_administrator_has_one_server(servers: list[str]) -> None:
    with pytest.raises(errors.GearmanError, match=f"not {len(servers)}"):
        gearman.GearmanAdminClient(servers)


def test_a_server_that_is_down_is_unavailable() -> None:
    admin = gearman.GearmanAdminClient([("127.0.0.1", free_port())])
    for ask in admin.get_status, admin.ping_server, admin.send_shutdown:
        with pytest.raises(errors.ServerUnavailable):
            ask()


def say_nothing(client: ServedClient) -> None:
    while client.socket.recv(65536):
        pass


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    with ScriptedServer(say_nothing) as server:
        admin = gearman.GearmanAdminClient([("127.0.0.1", server.port)], poll_timeout=0.05)
        with pytest.raises(errors.InvalidAdminClientState):
            admin.get_status()
        with pytest.raises((errors.InvalidAdminClientState, errors.ServerUnavailable)):
            admin.ping_server()  # the connection may be given up first


def test_an_invalid_name_or_a_denied_command_is_an_error() -> None:
    with run_server() as server:
        admin = gearman.GearmanAdminClient([server.address])
        with pytest.raises(errors.ProtocolError):
            admin.send_maxqueue("two words", 1)
        with pytest.raises(errors.ProtocolError, match="shutdown"):
            admin.send_shutdown()

# SPDX-License-Identifier: MIT
"""A client's requests, against both servers and against servers that do as a test says."""

import gc
import json
import signal
from pathlib import Path
from typing import Any

import pytest

import geartrain.python_gearman as gearman
from geartrain.protocol import Command
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.testing import ServerProcess, run_server
from tests.client.peers import RawWorker, ScriptedServer, ServedClient
from tests.job_servers import Gearmand, free_port
from tests.python_gearman.workers import PATIENCE, a_worker, working


@pytest.mark.parametrize("task", ["reverse", b"reverse"])
@pytest.mark.parametrize(
    ("data", "result"), [("abc", b"cba"), (b"a\0b", b"b\0a"), ("", b""), (None, b""), ("ü".encode(), b"\xbc\xc3")]
)
def test_text_and_bytes_go_in_and_bytes_come_out(
    server: str, task: str | bytes, data: str | bytes | None, result: bytes
) -> None:
    with working(a_worker(server)):
        request = gearman.GearmanClient([server]).submit_job(task, data)

    assert (request.state, request.result, request.complete, request.timed_out) == ("COMPLETE", result, True, False)


@pytest.mark.parametrize("data", [1, ["a"], {"a": 1}])
def test_other_data_needs_an_encoder(data: object) -> None:
    with ScriptedServer(ServedClient.wait_until_gone) as server, pytest.raises(TypeError, match="data_encoder"):
        gearman.GearmanClient([f"127.0.0.1:{server.port}"]).submit_job("reverse", data)


def test_many_jobs_end_each_with_its_own_result(server: str) -> None:
    client = gearman.GearmanClient([server])
    jobs = [{"task": "reverse", "data": f"{number:05}"} for number in range(2000)]
    with working(a_worker(server)):
        requests = client.submit_multiple_jobs(jobs)
        background = client.submit_multiple_jobs(jobs, background=True)

        assert [request.result.decode()[::-1] for request in requests] == [job["data"] for job in jobs]
        assert all(request.complete and request.result is None for request in background)
        assert len({request.job.handle for request in (*requests, *background)}) == 4000


def test_a_request_that_timed_out_can_be_waited_for_again(server: str) -> None:
    client = gearman.GearmanClient([server])
    assert not client.submit_job("reverse", "abc", poll_timeout=0.05).complete
    request = client.submit_job("reverse", "abc", wait_until_complete=False)
    client.wait_until_jobs_completed([request], poll_timeout=0.05)
    assert (request.state, request.timed_out, request.complete) == (gearman.JOB_CREATED, True, False)

    with working(a_worker(server)):
        assert list(client.wait_until_jobs_completed([request], poll_timeout=PATIENCE)) == [request]

    assert (request.result, request.timed_out) == (b"cba", False)


def test_jobs_of_one_unique_are_one(server: str) -> None:
    client = gearman.GearmanClient([server])
    jobs = [{"task": "reverse", "data": "abc", "unique": "same", "priority": gearman.PRIORITY_LOW}] * 2
    first, second = client.submit_multiple_jobs(jobs, wait_until_complete=False)
    assert first.job.handle == second.job.handle

    with working(a_worker(server)):
        client.wait_until_jobs_completed((first, second))

    assert (first.result, second.result) == (b"cba", b"cba")


def test_a_status_is_asked_for_with_a_handle_that_was_kept(server: str) -> None:
    asked = gearman.GearmanClient([server]).submit_job("unserved", "x", background=True)
    assert isinstance(asked.job.handle, str)
    assert asked.job.handle.decode() == asked.job.handle  # type: ignore[attr-defined]  # as with gearman3's bytes

    client = gearman.GearmanClient([server])
    for handle in str(asked.job.handle), asked.job.handle.encode():
        request = gearman.GearmanJobRequest(gearman.GearmanJob(client.connection_list[0], handle, None, None, None))
        status = client.get_job_status(request, poll_timeout=PATIENCE).status
        assert (status["known"], status["running"], status["denominator"], request.timed_out) == (True, False, 0, False)


def test_a_status_needs_a_connection() -> None:
    client = gearman.GearmanClient(["127.0.0.1:1"])
    request = gearman.GearmanJobRequest(gearman.GearmanJob(None, "H:a:1", None, None, None))

    with pytest.raises(errors.InvalidClientState):
        client.get_job_status(request)


def test_the_exception_that_a_worker_sends_arrives(server: str) -> None:
    def explode(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> None:
        worker.send_job_exception(job, "no such thing")

    with working(a_worker(server, explode=explode)):
        request = gearman.GearmanClient([server]).submit_job("explode", "x")

    assert (request.state, request.exception, request.result) == (gearman.JOB_FAILED, b"no such thing", None)


class JSONEncoder(gearman.DataEncoder):
    @classmethod
    def encode(cls, encodable_object: Any) -> str:
        return json.dumps(encodable_object)

    @classmethod
    def decode(cls, decodable_string: bytes) -> Any:
        return json.loads(decodable_string)


class JSONClient(gearman.GearmanClient):
    data_encoder = JSONEncoder


def test_a_result_that_cannot_be_decoded_is_raised_and_the_others_are_not_lost(server: str) -> None:
    client = JSONClient([server])
    jobs = [gearman.GearmanJob(None, None, "raw", str(number), data) for number, data in enumerate(["{", [1]])]
    requests = [gearman.GearmanJobRequest(job) for job in jobs]
    worker = a_worker(server, raw=lambda worker, job: b"{" if job.data == b'"{"' else job.data)
    with working(worker):
        with pytest.raises(json.JSONDecodeError):
            client.submit_multiple_requests(requests, poll_timeout=PATIENCE)
        client.submit_multiple_requests(requests, poll_timeout=PATIENCE)

    assert [(request.state, request.result) for request in requests] == [("COMPLETE", None), ("COMPLETE", [1])]


def test_a_request_without_references_is_freed(server: str) -> None:
    client = gearman.GearmanClient([server])
    client.submit_job("unserved", b"x" * 1000, wait_until_complete=False)
    gc.collect()

    assert not [each for each in gc.get_objects() if isinstance(each, gearman.GearmanJobRequest)]


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ({"task": "a\0b", "data": ""}, errors.ProtocolError),
        ({"task": "", "data": ""}, errors.ProtocolError),
        ({"task": "a", "data": "", "unique": "x" * 65}, errors.ProtocolError),
        ({"task": "a", "data": "", "priority": "URGENT"}, errors.ProtocolError),
        ({"task": "a"}, KeyError),
    ],
)
def test_a_job_that_cannot_travel_is_an_error(job: dict[str, str], error: type[Exception]) -> None:
    with ScriptedServer(ServedClient.wait_until_gone) as server, pytest.raises(error):
        gearman.GearmanClient([f"127.0.0.1:{server.port}"]).submit_multiple_jobs([job])


@pytest.mark.parametrize("given", [{"task": "a", "data": ""}, "a", None])
def test_several_jobs_are_given_as_several(given: Any) -> None:
    with pytest.raises(TypeError, match="list"):
        gearman.GearmanClient([]).submit_multiple_jobs(given)


# Servers that fail


def test_without_a_server_there_is_none() -> None:
    for servers in [], [f"127.0.0.1:{free_port()}"] * 2:
        with pytest.raises(errors.ServerUnavailable):
            gearman.GearmanClient(servers).submit_job("reverse", "x")


def die_with_a_job(client: ServedClient) -> None:
    client.expect(Command.SUBMIT_JOB)


def take_a_job(client: ServedClient) -> None:
    client.expect_job(b"H:a:1")


def do_a_job(client: ServedClient) -> None:
    workload = client.expect_job(b"H:a:2")
    client.send(Command.WORK_COMPLETE, b"H:a:2", workload[::-1])
    client.wait_until_gone()


def refuse_a_job(client: ServedClient) -> None:
    client.expect(Command.SUBMIT_JOB)
    client.send(Command.ERROR, b"JOB_QUEUE_FULL", b"too much")
    client.wait_until_gone()


@pytest.mark.parametrize("script", [die_with_a_job, refuse_a_job])
def test_a_job_that_is_not_taken_is_sent_as_often_as_allowed(script: Any) -> None:
    with ScriptedServer(script) as bad, ScriptedServer(do_a_job) as good:
        client = gearman.GearmanClient([f"127.0.0.1:{bad.port}"])
        with pytest.raises(errors.ExceededConnectionAttempts):
            client.submit_job("reverse", "abc")
        request = gearman.GearmanJobRequest(gearman.GearmanJob(None, None, "reverse", "u", "abc"), max_attempts=10)
        client.add_connection(("127.0.0.1", good.port))

        client.submit_multiple_requests([request], poll_timeout=PATIENCE)
        client.shutdown()

    assert request.result == b"cba"


def test_the_reason_of_a_rejection_is_in_the_error(caplog: pytest.LogCaptureFixture) -> None:
    with (
        ScriptedServer(refuse_a_job) as server,
        pytest.raises(errors.ExceededConnectionAttempts, match="JOB_QUEUE_FULL: too much"),
    ):
        gearman.GearmanClient([f"127.0.0.1:{server.port}"]).submit_job("reverse", "abc")

    assert "JOB_QUEUE_FULL" in caplog.text


def test_a_job_that_was_lost_with_the_only_server_is_not_sent_again() -> None:
    with ScriptedServer(take_a_job) as server:
        client = gearman.GearmanClient([f"127.0.0.1:{server.port}"])
        [request] = client.submit_multiple_jobs([{"task": "reverse", "data": "x"}], False, False, max_retries=5)

        with pytest.raises(errors.ServerUnavailable):
            client.wait_until_jobs_completed([request])

    assert (request.state, request.timed_out, request.connection_attempts) == (gearman.JOB_UNKNOWN, True, 1)
    assert server.accepted == 1


def test_a_job_that_was_lost_with_one_of_the_servers_is_unknown_and_can_be_submitted_again() -> None:
    class InOrder(gearman.GearmanClient):
        """Submits to the first server that is connected, where the original picks one at random."""

        def establish_request_connection(self, current_request: gearman.GearmanJobRequest) -> GearmanConnection:
            return next(connection for connection in self.connection_list if connection.connected)

    with ScriptedServer(take_a_job) as server, ScriptedServer(do_a_job) as other:
        client = InOrder([f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"])
        for connection in client.connection_list:
            client.establish_connection(connection)
        request = gearman.GearmanJobRequest(gearman.GearmanJob(None, None, "reverse", "u", "abc"), max_attempts=2)

        client.submit_multiple_requests([request])
        assert (request.state, request.timed_out) == (gearman.JOB_UNKNOWN, True)

        client.submit_multiple_requests([request])
        assert (request.state, request.result, request.connection_attempts) == (gearman.JOB_COMPLETE, b"cba", 2)
        client.shutdown()


def test_a_server_that_says_nothing_is_given_up() -> None:
    class Impatient(gearman.GearmanClient):
        reply_timeout = 0.05

    with (
        ScriptedServer(ServedClient.wait_until_gone) as server,
        pytest.raises(errors.ExceededConnectionAttempts),
    ):
        Impatient([f"127.0.0.1:{server.port}"]).submit_job("reverse", "abc")


def test_a_server_that_does_not_speak_gearman_is_given_up() -> None:
    def speak_another_language(client: ServedClient) -> None:
        client.socket.sendall(b"220 mail.example ESMTP\r\n")
        client.wait_until_gone()

    with ScriptedServer(speak_another_language) as server, pytest.raises(errors.GearmanError):
        gearman.GearmanClient([f"127.0.0.1:{server.port}"]).submit_job("reverse", "abc")


def test_a_server_that_was_restarted_in_between_is_not_noticed() -> None:
    port = free_port()
    client = gearman.GearmanClient([("127.0.0.1", port)])
    for _ in range(3):
        with ServerProcess(f"--port={port}") as server, RawWorker(port):
            assert client.submit_job("reverse", "abc").result == b"cba"
            server.stop(signal.SIGKILL)


@pytest.mark.interop
def test_the_same_with_gearmand(tmp_path: Path) -> None:
    gearmand = Gearmand(tmp_path)
    client = gearman.GearmanClient([gearmand.address])
    for _ in range(2):
        with gearmand.running(), RawWorker(gearmand.port):
            assert client.submit_job("reverse", "abc").result == b"cba"


def test_a_client_can_be_used_after_a_shutdown() -> None:
    with run_server() as server, RawWorker(server.port):
        client = gearman.GearmanClient([server.address])
        assert client.submit_job("reverse", "abc").result == b"cba"
        client.shutdown()
        assert not client.connection_list[0].connected
        assert client.submit_job("reverse", "abc").result == b"cba"
        client.connection_list[0].close()
        assert client.submit_job("reverse", "abc").result == b"cba"
        assert "connected=True" in repr(client)

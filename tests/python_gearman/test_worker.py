# SPDX-License-Identifier: MIT
"""A worker's hooks and what it says, against both servers."""

import os
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pytest
import trustme

import geartrain.python_gearman as gearman
from geartrain import AdminClient
from geartrain.python_gearman import errors
from geartrain.testing import run_server
from tests.python_gearman.workers import PATIENCE, a_worker, working


class RecordingWorker(gearman.GearmanWorker):
    """A worker that does three jobs, and keeps what its hooks saw."""

    def __init__(self, host_list: list[str]) -> None:
        super().__init__(host_list)
        self.seen: list[str] = []
        self.jobs = 0

    def on_job_execute(self, current_job: gearman.GearmanJob) -> bool:
        self.seen.append(f"execute {current_job.task!r}")
        return super().on_job_execute(current_job)

    def on_job_exception(self, current_job: gearman.GearmanJob, exc_info: Any) -> bool:
        kind, error, trace = exc_info
        assert isinstance(trace, TracebackType)
        self.seen.append(f"exception {kind.__name__} {error}")
        return super().on_job_exception(current_job, exc_info)

    def on_job_complete(self, current_job: gearman.GearmanJob, job_result: object) -> bool:
        self.seen.append(f"complete {job_result!r}")
        return super().on_job_complete(current_job, job_result)

    def after_poll(self, any_activity: bool) -> bool:
        self.seen.append(f"poll {any_activity}")
        return True

    def after_job(self) -> bool:
        self.seen.append("job")
        self.jobs += 1
        return self.jobs < 3


def test_the_hooks_are_called_in_the_published_order(server: str) -> None:
    def explode(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> None:
        raise ValueError("no such thing")

    worker = RecordingWorker([server])
    worker.register_task("reverse", lambda worker, job: job.data[::-1])
    worker.register_task(b"explode", explode)
    client = gearman.GearmanClient([server])
    with working(worker) as ended:
        assert client.submit_job("reverse", "abc").state == gearman.JOB_COMPLETE
        assert client.submit_job("explode", "abc").state == gearman.JOB_FAILED
        assert client.submit_job("reverse", "abc").state == gearman.JOB_COMPLETE
        assert ended.result(PATIENCE) is None

    assert worker.seen[0] == "poll False"
    jobs = [seen for seen in worker.seen if not seen.startswith("poll")]
    assert jobs == [
        *("execute 'reverse'", "complete b'cba'", "job"),
        *("execute b'explode'", "exception ValueError no such thing", "job"),
        *("execute 'reverse'", "complete b'cba'", "job"),
    ]
    before_job = [worker.seen[place - 1] for place, seen in enumerate(worker.seen) if seen == "job"]
    assert before_job == ["poll True"] * 3


def test_an_idle_worker_polls_now_and_then(server: str) -> None:
    class Impatient(gearman.GearmanWorker):
        polls: list[bool]

        def after_poll(self, any_activity: bool) -> bool:
            self.polls.append(any_activity)
            return self.polls[-3:] != [False] * 3

    worker = Impatient([server])
    worker.polls = []
    worker.work(poll_timeout=0.05)

    assert worker.polls[0] is False
    assert not worker.connection_list[0].connected


def test_the_updates_of_a_job_arrive(server: str) -> None:
    large = bytes(range(256)) * (1 << 15)  # more than any socket takes at once

    def talk(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> str:
        worker.send_job_data(job, "part")
        worker.send_job_data(job, large)
        worker.send_job_warning(job, b"careful")
        worker.send_job_status(job, 1, 4.0)
        worker.wait_until_updates_sent([job])
        assert isinstance(job.unique, str)
        assert isinstance(job.handle, str)
        return job.unique + " " + job.handle

    with working(a_worker(server, talk=talk)):
        request = gearman.GearmanClient([server]).submit_job("talk", "", unique="mine")

    assert (list(request.data_updates), list(request.warning_updates)) == ([b"part", large], [b"careful"])
    assert request.status["handle"] == request.job.handle
    assert (request.status["numerator"], request.status["denominator"], request.status["running"]) == (1, 4, True)
    assert request.result.decode() == f"mine {request.job.handle!s}"


@pytest.mark.parametrize("bad", ["status", "result", "data"])
def test_a_job_that_says_what_cannot_travel_fails_and_the_worker_goes_on(server: str, bad: str) -> None:
    def speak(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> object:
        if bad == "status":
            worker.send_job_status(job, "1", 2)  # type: ignore[arg-type]  # on purpose
        if bad == "data":
            worker.send_job_data(job, 1)
        return 1 if bad == "result" else ""

    client = gearman.GearmanClient([server])
    with working(a_worker(server, speak=speak)):
        assert client.submit_job("speak", "").state == gearman.JOB_FAILED
        assert client.submit_job("reverse", "abc").result == b"cba"


def test_a_job_whose_data_cannot_be_decoded_fails_and_the_worker_goes_on(server: str) -> None:
    class Encoder(gearman.DataEncoder):
        @classmethod
        def encode(cls, encodable_object: Any) -> bytes:
            return bytes(encodable_object)

        @classmethod
        def decode(cls, decodable_string: bytes) -> Any:
            return decodable_string.decode("ascii").encode()

    worker = a_worker(server)
    worker.data_encoder = Encoder
    client = gearman.GearmanClient([server])
    with working(worker):
        assert client.submit_job("reverse", b"\xff").state == gearman.JOB_FAILED
        assert client.submit_job("reverse", b"ab").result == b"ba"


def test_a_job_can_be_ended_by_hand_and_later(server: str) -> None:
    """As programs do that override a hook: nothing is sent at once, and a second end is not."""

    class Slow(gearman.GearmanWorker):
        kept: gearman.GearmanJob | None = None

        def on_job_complete(self, current_job: gearman.GearmanJob, job_result: object) -> bool:
            if self.kept is not None:
                self.send_job_complete(self.kept, "late")
                self.send_job_complete(self.kept, "too late")
                return super().on_job_complete(current_job, job_result)
            self.kept = current_job
            return True

    worker = Slow([server])
    worker.register_task("reverse", lambda worker, job: job.data[::-1])
    jobs = [{"task": "reverse", "data": "abc"}] * 2
    with working(worker):
        requests = gearman.GearmanClient([server]).submit_multiple_jobs(jobs)

    assert sorted(request.result for request in requests) == [b"cba", b"late"]


def test_tasks_come_and_go_while_it_works(server: str) -> None:
    def change(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> None:
        worker.register_task("new", lambda worker, job: "new")
        assert worker.unregister_task(b"reverse") == b"reverse"
        worker.unregister_task("never there")
        worker.set_client_id("changed")

    client = gearman.GearmanClient([server])
    worker = a_worker(server, change=change)
    with working(worker):
        client.submit_job("change", "")
        assert client.submit_job("new", "").result == b"new"
        assert client.submit_job("reverse", "", poll_timeout=0.1).timed_out
        with AdminClient(server) as admin:
            [row] = [row for row in admin.workers() if row.client_id == "changed"]
    assert set(row.functions) == {"change", "new"}
    assert list(worker.worker_abilities) == ["change", "new"]


def test_a_task_that_cannot_travel_is_an_error() -> None:
    with pytest.raises(errors.ProtocolError):
        gearman.GearmanWorker([]).register_task("a\0b", lambda worker, job: None)


def test_an_interrupt_ends_the_work_and_leaves_the_job_to_another_worker(server: str) -> None:
    def interrupt(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> None:
        raise KeyboardInterrupt

    client = gearman.GearmanClient([server])
    [request] = client.submit_multiple_jobs([{"task": "work", "data": "x"}], wait_until_complete=False)

    with pytest.raises(KeyboardInterrupt):
        a_worker(server, work=interrupt).work()

    with working(a_worker(server, work=lambda worker, job: "done")):
        client.wait_until_jobs_completed([request], poll_timeout=PATIENCE)
    assert request.result == b"done"


def test_a_signal_is_noticed_at_once(server: str) -> None:
    """A handler that only takes a note is the usual way to have a worker leave."""
    told: list[int] = []

    class Polite(gearman.GearmanWorker):
        kicker = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))

        def after_poll(self, any_activity: bool) -> bool:
            if self.kicker.ident is None:
                self.kicker.start()
            return not told

    def note(number: int, frame: FrameType | None) -> None:
        told.append(number)

    worker = Polite([server])
    previous = signal.signal(signal.SIGUSR1, note)
    try:
        worker.work(poll_timeout=None)
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert told == [signal.SIGUSR1]


@pytest.mark.parametrize("place", ["job", "hook", "thread"])
def test_a_shutdown_lets_work_return_after_the_job_in_hand(server: str, place: str) -> None:
    class Leaving(gearman.GearmanWorker):
        def after_poll(self, any_activity: bool) -> bool:
            if place == "hook" and any_activity:
                self.shutdown()
            return True

    def leave(worker: gearman.GearmanWorker, job: gearman.GearmanJob) -> str:
        if place == "job":
            worker.shutdown()
        elif place == "thread":
            threading.Thread(target=worker.shutdown).start()
        return "bye"

    worker = Leaving([server])
    worker.register_task("leave", leave)
    with working(worker) as ended:
        if place != "hook":
            assert gearman.GearmanClient([server]).submit_job("leave", "").result == b"bye"
        ended.result(PATIENCE)
    with working(a_worker(server, leave=leave)):  # and another one, or the same, can work
        pass


def test_it_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("somewhere.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    own = authority.issue_cert("client")
    own.private_key_pem.write_to_path(tmp_path / "client.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    files = {"keyfile": "client.key", "certfile": "client.pem", "ca_certs": "ca.pem"}
    with run_server(ssl=True, ssl_certificate=str(tmp_path / "server.pem")) as server:
        hosts = [{"host": server.host, "port": server.port, **{key: str(tmp_path / files[key]) for key in files}}]
        worker = gearman.GearmanWorker(hosts)
        worker.register_task("echo", lambda worker, job: job.data)
        data = bytes(range(256)) * 4096
        with working(worker):
            assert gearman.GearmanClient(hosts).submit_job("echo", data).result == data
            admin = gearman.GearmanAdminClient(hosts)
            assert [row["task"] for row in admin.get_status()] == ["echo"]
            assert admin.ping_server() > 0


def test_files_that_are_not_there_are_an_error_of_the_connection() -> None:
    hosts = [{"host": "127.0.0.1", "port": 1, "keyfile": "/no", "certfile": "/no", "ca_certs": "/no"}]

    with pytest.raises(errors.ServerUnavailable, match="No such file"):
        gearman.GearmanClient(hosts).submit_job("echo", "")

# SPDX-License-Identifier: MIT
"""The blocking worker with real servers: whole conversations, losses and farewells."""

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import pytest

from geartrain import AdminClient, AssignedJob, Client, Data, JobException, JobFail, JobFailed, Progress, Warn, Worker
from geartrain.errors import NoServerAvailable
from geartrain.worker import Reason, session
from tests.job_servers import Gearmand, free_port

PATIENCE = 30.0  # seconds that nothing takes unless it will take for ever


@contextlib.contextmanager
def working(worker: Worker) -> Iterator[None]:
    """Run a worker in a thread for the length of a block."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop(grace=PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def echo(job: AssignedJob) -> bytes:
    return job.workload


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.fixture
def worker(server: str) -> Worker:
    return Worker(server)


class TestAFunction:
    @pytest.mark.parametrize("workload", [b"", b"plain", b"\0a\0\0b\0", bytes(range(256)) * 64 * 1024])
    def test_gets_what_was_sent_and_returns_what_is_received(
        self, worker: Worker, client: Client, workload: bytes
    ) -> None:
        worker.add_function("reverse", lambda job: job.workload[::-1])

        with working(worker):
            assert client.do("reverse", workload, timeout=PATIENCE) == workload[::-1]

    def test_is_told_all_about_its_job(self, server: str, client: Client) -> None:
        worker = Worker(server, prefix="app:", client_id="me")
        seen: Future[AssignedJob] = Future()
        worker.add_function("f", seen.set_result)

        with working(worker):
            job = client.submit("app:f", "ü", unique="u")
            assert job.result(PATIENCE) == b""

        assert (seen.result().function, seen.result().text, seen.result().unique) == ("f", "ü", "u")
        assert seen.result().client_id == "me"
        assert seen.result().handle == str(job.handle)

    def test_says_things_on_the_way(self, worker: Worker, client: Client) -> None:
        @worker.function
        def talk(job: AssignedJob) -> Iterator[str]:
            job.progress(1, 2)
            job.warning("hm")
            yield "part"

        with working(worker):
            events = list(client.submit("talk"))

        assert events == [Progress(1, 2), Warn(b"hm"), Data(b"part")]

    def test_streams_more_than_a_buffer_holds(self, worker: Worker, client: Client) -> None:
        chunk = b"x" * 65536

        @worker.function("stream")
        def stream(job: AssignedJob) -> Iterator[bytes]:
            for _ in range(200):
                yield chunk

        with working(worker):
            events = list(client.submit("stream"))

        assert events == [Data(chunk)] * 200

    def test_raises_and_the_client_is_told(self, worker: Worker, client: Client) -> None:
        @worker.function("boom")
        def boom(job: AssignedJob) -> None:
            raise ValueError("no")

        worker.add_function("echo", echo)
        with working(worker):
            with pytest.raises(JobException) as caught:
                client.do("boom", timeout=PATIENCE)
            # gearmand complains of the WORK_FAIL behind it; that is no reason to lose the next job.
            assert client.do("echo", "next", timeout=PATIENCE) == b"next"

        assert caught.value.text == "ValueError: no"

    @pytest.mark.parametrize("exceptions", [True, False])
    def test_fails_without_a_word(self, server: str, client: Client, exceptions: bool) -> None:
        worker = Worker(server, exceptions=exceptions)

        @worker.function("fail")
        def fail(job: AssignedJob) -> None:
            raise JobFail if exceptions else ValueError

        with working(worker), pytest.raises(JobFailed):
            client.do("fail", timeout=PATIENCE)

    def test_may_be_added_while_the_worker_runs_and_jobs_wait(self, worker: Worker, client: Client) -> None:
        worker.add_function("echo", echo)
        with working(worker):
            assert client.do("echo", timeout=PATIENCE) == b""
            job = client.submit("later", "x")

            worker.add_function("later", echo)

            assert job.result(PATIENCE) == b"x"

    def test_may_be_removed_while_a_job_of_it_runs(self, worker: Worker, server: str, client: Client) -> None:
        started, go_on = threading.Event(), threading.Event()

        @worker.function("f")
        def function(job: AssignedJob) -> bytes:
            started.set()
            go_on.wait(PATIENCE)
            return b"done"

        worker.add_function("echo", echo)
        with working(worker):
            job = client.submit("f")
            started.wait(PATIENCE)
            worker.remove_function("f")
            go_on.set()

            assert job.result(PATIENCE) == b"done"
            assert client.do("echo", "x", timeout=PATIENCE) == b"x"
            with AdminClient(server) as admin:
                assert {row.function: row.workers for row in admin.status()} == {"echo": 1, "f": 0}

    def test_that_takes_too_long_is_run_again(
        self, worker: Worker, server: str, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # gearmand takes the job back, but may forget to wake the other worker.
        monkeypatch.setattr(session, "POLL_INTERVAL", 0.5)
        started, go_on = threading.Event(), threading.Event()

        def slow(job: AssignedJob) -> bytes:
            started.set()
            go_on.wait(PATIENCE)
            return b"slow"

        worker.add_function("f", slow, timeout=1)
        other = Worker(server)
        other.add_function("f", lambda job: b"other")
        with working(worker):
            job = client.submit("f")
            started.wait(PATIENCE)
            with working(other):
                assert job.result(PATIENCE) == b"other"
            go_on.set()

    def test_runs_beside_others(self, server: str, client: Client) -> None:
        worker = Worker(server, concurrency=3)
        together = threading.Barrier(3)

        @worker.function("meet")
        def meet(job: AssignedJob) -> None:
            together.wait(PATIENCE)

        with working(worker):
            for job in [client.submit("meet") for _ in range(3)]:
                assert job.result(PATIENCE) == b""

    def test_goes_through_middleware(self, worker: Worker, client: Client) -> None:
        worker.add_function("echo", echo)

        @worker.middleware
        def shout(job: AssignedJob, call: object) -> bytes:
            assert callable(call)
            return bytes(call(job)).upper()

        with working(worker):
            assert client.do("echo", "x", timeout=PATIENCE) == b"X"


class TestLeaving:
    def test_a_burst_ends_with_the_queue(self, worker: Worker, client: Client) -> None:
        seen: list[bytes] = []
        worker.add_function("f", lambda job: seen.append(job.workload))
        for number in range(10):
            client.submit_background("f", str(number))

        assert worker.run(burst=True) is Reason.DRAINED
        assert seen == [b"%d" % number for number in range(10)]

    def test_a_burst_needs_a_server(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        worker = Worker(address)
        worker.add_function("f", echo)

        with pytest.raises(NoServerAvailable, match=address):
            worker.run(burst=True)

    def test_a_number_of_jobs_is_enough(self, server: str, client: Client) -> None:
        worker = Worker(server, concurrency=4, max_jobs=3)
        seen: list[bytes] = []
        worker.add_function("f", lambda job: seen.append(job.workload))
        for number in range(5):
            client.submit_background("f", str(number))

        assert worker.run() is Reason.MAX_JOBS

        assert len(seen) == 3
        with AdminClient(server) as admin:
            assert len(admin.jobs()) == 2

    def test_nothing_to_do_is_a_reason(self, worker: Worker) -> None:
        worker.add_function("f", echo)

        assert worker.run(idle_timeout=0.05) is Reason.IDLE

    def test_a_stop_before_the_start_is_not_forgotten(self, worker: Worker) -> None:
        worker.add_function("f", echo)
        worker.stop()

        assert worker.run() is Reason.STOPPED

    def test_a_worker_may_run_again(self, worker: Worker, client: Client) -> None:
        worker.add_function("echo", echo)
        for _ in range(2):
            with working(worker):
                assert client.do("echo", "x", timeout=PATIENCE) == b"x"

    def test_what_outlasts_the_grace_goes_to_another(self, server: str, client: Client) -> None:
        worker = Worker(server, grace=0)
        started, go_on = threading.Event(), threading.Event()

        @worker.function("f")
        def function(job: AssignedJob) -> bytes:
            started.set()
            go_on.wait(PATIENCE)
            return b"late"

        thread = threading.Thread(target=worker.run)
        thread.start()
        job = client.submit("f")
        started.wait(PATIENCE)
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()

        other = Worker(server, max_jobs=1)
        other.add_function("f", lambda job: b"other")
        other.run()
        assert job.result(PATIENCE) == b"other"
        go_on.set()

    def test_two_runs_at_once_are_refused(self, worker: Worker, client: Client) -> None:
        worker.add_function("echo", echo)
        with working(worker):
            client.do("echo", timeout=PATIENCE)
            with pytest.raises(RuntimeError, match="already"):
                worker.run()


# A worker's process, that says when it has a job and ends it when it is told to.
PROGRAM = """
import os, sys
from geartrain import Worker

worker = Worker(sys.argv[1])

@worker.function
def f(job):
    print("started", flush=True)
    return os.read(0, 100).strip()

worker.run()
print("left", flush=True)
"""


@contextlib.contextmanager
def process(server: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str], IO[str]]]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdin is not None
    assert started.stdout is not None
    with started:
        try:
            yield started, started.stdin, started.stdout
        finally:
            started.kill()


class TestAProcess:
    def test_that_is_killed_loses_no_job(self, server: str, client: Client) -> None:
        with process(server) as (victim, _, said):
            job = client.submit("f")
            assert said.readline() == "started\n"
            victim.kill()

        other = Worker(server, max_jobs=1)
        other.add_function("f", lambda job: b"other")
        other.run()
        assert job.result(PATIENCE) == b"other"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_that_is_asked_to_leave_finishes_first(self, server: str, client: Client, number: signal.Signals) -> None:
        with process(server) as (leaving, told, said):
            job = client.submit("f")
            assert said.readline() == "started\n"

            leaving.send_signal(number)
            told.write("finished\n")
            told.flush()

            assert job.result(PATIENCE) == b"finished"
            assert said.readline() == "left\n"
            assert leaving.wait(PATIENCE) == 0

    def test_that_is_asked_twice_leaves_at_once(self, server: str, client: Client) -> None:
        with process(server) as (leaving, _, said):
            job = client.submit("f")
            assert said.readline() == "started\n"

            leaving.send_signal(signal.SIGTERM)
            leaving.send_signal(signal.SIGINT)  # two of one kind might arrive as one
            assert said.readline() == "left\n"
            assert leaving.wait(PATIENCE) == 0

        other = Worker(server, max_jobs=1)
        other.add_function("f", lambda job: b"other")
        other.run()
        assert job.result(PATIENCE) == b"other"


class TestSeveralServers:
    def test_are_served_at_once_and_a_lost_one_comes_back(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "geartrain.worker")
        first, second = Gearmand(tmp_path), Gearmand(tmp_path)
        worker = Worker([first.address, second.address])
        worker.add_function("echo", echo)

        with first.running(), second.running(), working(worker):
            with Client(first.address) as one, Client(second.address) as other:
                assert one.do("echo", "1", timeout=PATIENCE) == b"1"
                assert other.do("echo", "2", timeout=PATIENCE) == b"2"

                first.kill()
                assert other.do("echo", "3", timeout=PATIENCE) == b"3"
                first.start()
            with Client(first.address) as one:
                assert one.do("echo", "4", timeout=PATIENCE) == b"4"

        lines = [record.getMessage() for record in caplog.records if first.address in record.getMessage()]
        assert [line for line in lines if "trying again" in line] == [
            f"{first.address}: the server closed the connection; trying again until it is back"
        ]
        assert lines[-1] == f"{first.address} answers"

    def test_one_that_says_nothing_holds_up_no_other(self, server: str, client: Client) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            worker = Worker([f"127.0.0.1:{silent.getsockname()[1]}", server])
            worker.add_function("echo", echo)
            with working(worker):
                connection, _ = silent.accept()
                with connection:
                    assert client.do("echo", "x", timeout=PATIENCE) == b"x"

    def test_one_that_is_not_there_holds_up_no_other(self, server: str, client: Client) -> None:
        worker = Worker([f"127.0.0.1:{free_port()}", server])
        worker.add_function("echo", echo)

        with working(worker):
            assert client.do("echo", "x", timeout=PATIENCE) == b"x"


def test_a_worker_loads_neither_the_server_nor_asyncio() -> None:
    program = "import sys, geartrain.worker; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    loaded = set(output.split())
    assert not {name for name in loaded if name.startswith(("asyncio", "geartrain.core", "geartrain.server"))}


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"max_jobs": 0}, {"grace": -1}, {"connect_timeout": 0}, {"servers": "a:x"}]
)
def test_options_are_checked_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Worker(**options)  # type: ignore[arg-type]  # that is the point

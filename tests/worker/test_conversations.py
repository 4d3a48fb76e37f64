# SPDX-License-Identifier: MIT
"""Workers of every kind with real servers: whole conversations, losses and farewells."""

import contextlib
import functools
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import pytest

from geartrain import (
    JSON,
    AdminClient,
    AsyncAssignedJob,
    AsyncWorker,
    Client,
    Data,
    Fail,
    JobException,
    JobFailed,
    JobFilter,
    Progress,
    Warn,
    Worker,
    current_job,
)
from geartrain.errors import NoServerAvailable
from geartrain.worker import Reason
from tests.job_servers import Gearmand, free_port
from tests.thoroughness import often
from tests.worker.shells import PATIENCE, PROCESSES, Gate, Notes, ShelledWorker, working

value: ContextVar[str] = ContextVar("value", default="outside")


async def echo(job: AsyncAssignedJob) -> bytes:
    return job.workload


async def other(job: AsyncAssignedJob) -> bytes:
    return b"other"


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.fixture
def worker(shell: str, server: str) -> ShelledWorker:
    return ShelledWorker(shell, server)


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


@pytest.fixture
def started() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


@pytest.fixture
def notes() -> Iterator[Notes]:
    with Notes() as notes:
        yield notes


class TestAFunction:
    @pytest.mark.parametrize("workload", [b"", b"plain", b"\0a\0\0b\0", bytes(range(256)) * 64 * 1024])
    def test_gets_what_was_sent_and_returns_what_is_received(
        self, worker: ShelledWorker, client: Client, workload: bytes
    ) -> None:
        @worker.function
        async def reverse(job: AsyncAssignedJob) -> bytes:
            return job.workload[::-1]

        with working(worker):
            assert client.do("reverse", workload, timeout=PATIENCE) == workload[::-1]

    def test_gets_all_facts_about_its_job(self, shell: str, server: str, client: Client) -> None:
        worker = ShelledWorker(shell, server, prefix="app:", client_id="me")

        @worker.function
        async def f(job: AsyncAssignedJob) -> str:
            return f"{job.function}|{job.text}|{job.unique}|{job.client_id}|{job.handle}"

        with working(worker):
            job = client.submit("app:f", "ü", unique="u")
            assert job.result(PATIENCE).decode() == f"f|ü|u|me|{job.handle}"

    def test_says_things_on_the_way(self, worker: ShelledWorker, client: Client) -> None:
        @worker.function
        async def talk(job: AsyncAssignedJob) -> AsyncGenerator[str, None]:
            await job.progress(1, 2)
            await job.warning("hm")
            yield "part"
            await job.data("another")

        with working(worker):
            events = list(client.submit("talk"))

        assert events == [Progress(1, 2), Warn(b"hm"), Data(b"part"), Data(b"another")]

    def test_streams_more_than_a_buffer_holds(self, worker: ShelledWorker, client: Client) -> None:
        chunk = b"x" * 65536

        @worker.function
        async def stream(job: AsyncAssignedJob) -> AsyncGenerator[bytes, None]:
            for _ in range(200):
                yield chunk

        with working(worker):
            events = list(client.submit("stream"))

        assert events == [Data(chunk)] * 200

    def test_raises_and_the_client_gets_the_exception(self, worker: ShelledWorker, client: Client) -> None:
        @worker.function
        async def boom(job: AsyncAssignedJob) -> None:
            raise ValueError("no")

        worker.add_function("echo", echo)
        with working(worker):
            with pytest.raises(JobException) as caught:
                client.do("boom", timeout=PATIENCE)
            # gearmand complains of the WORK_FAIL behind it; that is no reason to lose the next job.
            assert client.do("echo", "next", timeout=PATIENCE) == b"next"

        assert caught.value.text == "ValueError: no"

    def test_fails_for_a_reason(self, worker: ShelledWorker, client: Client) -> None:
        @worker.function
        async def fail(job: AsyncAssignedJob) -> None:
            raise Fail("no such picture: ü")

        worker.add_function("echo", echo)
        with working(worker):
            with pytest.raises(JobFailed, match="failed: no such picture: ü") as caught:
                client.do("fail", timeout=PATIENCE)
            assert client.do("echo", "next", timeout=PATIENCE) == b"next"

        assert caught.value.reason == "no such picture: ü"

    def test_is_the_current_one_of_its_thread_or_task(self, shell: str, server: str, client: Client) -> None:
        worker = ShelledWorker(shell, server, concurrency=2)

        def current() -> str:
            record = logging.LogRecord("x", logging.INFO, "x", 1, "x", None, None)
            JobFilter().filter(record)
            job = current_job.get()
            assert job is not None
            assert (record.job_function, record.job_handle) == (job.function, job.handle)  # type: ignore[attr-defined]  # set by it
            return job.handle

        @worker.function
        async def f(job: AsyncAssignedJob) -> AsyncGenerator[str, None]:
            assert value.get() == "outside"
            value.set("inside")
            yield current()
            yield current()

        with working(worker):
            for _ in range(3):
                jobs = [client.submit("f") for _ in range(2)]
                for job in jobs:
                    assert list(job) == [Data(str(job.handle).encode())] * 2
        assert current_job.get() is None

    def test_is_called_again_after_exceptions_that_it_names(self, worker: ShelledWorker, client: Client) -> None:
        calls: list[int] = []

        async def f(job: AsyncAssignedJob) -> str:
            calls.append(1)
            if len(calls) < 3:
                raise ConnectionError("not yet")
            if job.text == "fail":
                raise KeyError
            return str(len(calls))

        worker.add_function("f", f, retry_on=(OSError,), tries=3)
        with working(worker):
            assert client.do("f", timeout=PATIENCE) == b"3"
            with pytest.raises(JobException, match="KeyError"):
                client.do("f", "fail", timeout=PATIENCE)
            assert client.do("f", timeout=PATIENCE) == b"5"

    def test_is_called_as_often_as_allowed(self, worker: ShelledWorker, client: Client) -> None:
        calls: list[int] = []

        async def f(job: AsyncAssignedJob) -> None:
            calls.append(1)
            raise OSError(f"call {len(calls)}")

        worker.add_function("f", f, retry_on=(OSError,), tries=3)
        with working(worker), pytest.raises(JobException, match="call 3"):
            client.do("f", timeout=PATIENCE)

    def test_is_not_called_again_once_it_has_sent_a_part(self, worker: ShelledWorker, client: Client) -> None:
        async def f(job: AsyncAssignedJob) -> AsyncGenerator[bytes, None]:
            yield b"part"
            raise OSError("late")

        worker.add_function("f", f, retry_on=(OSError,), tries=3)
        with working(worker):
            job = client.submit("f")
            assert isinstance(job.exception(PATIENCE), JobException)
            assert next(job.events()) == Data(b"part")
            with pytest.raises(JobException, match="late"):
                list(job)

    def test_sends_its_result_in_parts_alone(self, worker: ShelledWorker, client: Client) -> None:
        @worker.function
        async def count(job: AsyncAssignedJob) -> AsyncGenerator[str, None]:
            for number in range(int(job.text)):
                yield f"{number},"

        with working(worker):
            assert client.do("count", "3", timeout=PATIENCE) == b"0,1,2,"
            assert list(client.map("count", ["1", "2"], timeout=PATIENCE)) == [b"0,", b"0,1,"]

    def test_sends_values_in_parts_alone(self, shell: str, server: str, client: Client) -> None:
        worker = ShelledWorker(shell, server, codec=JSON)

        @worker.function
        async def count(job: AsyncAssignedJob) -> AsyncGenerator[dict[str, int], None]:
            for number in range(int(job.text)):
                yield {"number": number}

        with working(worker):
            assert client.with_codec(JSON).do("count", 2, timeout=PATIENCE) == [{"number": 0}, {"number": 1}]

    @pytest.mark.parametrize("exceptions", [True, False])
    def test_fails_without_a_word(self, shell: str, server: str, client: Client, exceptions: bool) -> None:
        worker = ShelledWorker(shell, server, exceptions=exceptions)

        @worker.function
        async def fail(job: AsyncAssignedJob) -> None:
            raise Fail if exceptions else ValueError

        with working(worker), pytest.raises(JobFailed):
            client.do("fail", timeout=PATIENCE)

    def test_may_be_added_while_the_worker_runs_and_jobs_wait(
        self, shell: str, worker: ShelledWorker, client: Client
    ) -> None:
        worker.add_function("echo", echo)
        with working(worker):
            assert client.do("echo", timeout=PATIENCE) == b""
            job = client.submit("later", "x")

            if shell == PROCESSES:
                with pytest.raises(RuntimeError, match="before run"):
                    worker.add_function("later", echo)
                return
            worker.add_function("later", echo)

            assert job.result(PATIENCE) == b"x"

    def test_may_be_removed_while_a_job_of_it_runs(
        self, worker: ShelledWorker, server: str, client: Client, started: Gate, gate: Gate
    ) -> None:
        @worker.function
        async def f(job: AsyncAssignedJob) -> bytes:
            started.open()
            await gate.passed()
            return b"done"

        worker.add_function("echo", echo)
        with working(worker):
            job = client.submit("f")
            started.wait()
            worker.remove_function("f")
            gate.open()

            assert job.result(PATIENCE) == b"done"
            assert client.do("echo", "x", timeout=PATIENCE) == b"x"
            with AdminClient(server) as admin:
                assert {row.function: row.workers for row in admin.status()} == {"echo": 1, "f": 0}

    def test_that_takes_too_long_is_run_again(
        self,
        shell: str,
        server: str,
        client: Client,
        started: Gate,
        gate: Gate,
    ) -> None:

        async def slow(job: AsyncAssignedJob) -> bytes:
            started.open()
            await gate.passed()
            return b"slow"

        # gearmand takes the job back, but may forget to wake the other worker.
        first, second = ShelledWorker(shell, server), ShelledWorker(shell, server, poll_interval=0.5)
        first.add_function("f", slow, timeout=1)
        second.add_function("f", other)
        with working(first):
            job = client.submit("f")
            started.wait()
            with working(second):
                assert job.result(PATIENCE) == b"other"
            gate.open()

    @pytest.mark.parametrize("count", [2, 20])
    def test_runs_beside_others(self, shell: str, server: str, client: Client, count: int) -> None:
        """All jobs wait until the last one of them has begun."""
        worker = ShelledWorker(shell, server, concurrency=count)
        with contextlib.ExitStack() as stack:
            here = [stack.enter_context(Gate()) for _ in range(count)]

            @worker.function
            async def meet(job: AsyncAssignedJob) -> None:
                here[int(job.text)].open()
                for gate in here:
                    await gate.passed()

            with working(worker):
                for job in [client.submit("meet", str(number)) for number in range(count)]:
                    assert job.result(PATIENCE) == b""

    def test_goes_through_middleware(self, worker: ShelledWorker, client: Client) -> None:
        worker.add_function("echo", echo)

        @worker.middleware
        async def shout(job: AsyncAssignedJob, call: Any) -> bytes:
            return bytes(await call(job)).upper()

        with working(worker):
            assert client.do("echo", "x", timeout=PATIENCE) == b"X"

    def test_speaks_values_with_a_codec(self, shell: str, server: str, client: Client) -> None:
        worker = ShelledWorker(shell, server, codec=JSON)

        @worker.function
        async def total(job: AsyncAssignedJob) -> dict[str, int]:
            await job.data({"of": len(job.value)})
            return {"sum": sum(job.value)}

        with working(worker):
            job = client.submit("total", "[1, 2, 3]")
            assert list(job) == [Data(b'{"of":3}')]
            assert job.result(PATIENCE) == b'{"sum":6}'
            with pytest.raises(JobException, match="CodecError: not JSON: b'oops'"):
                client.do("total", "oops", timeout=PATIENCE)

    @pytest.mark.parametrize(
        ("result", "reason"),
        [(object(), "TypeError: "), ("x" * 1000, "ValueError: one packet carries up to 999 bytes, not 1002")],
        ids=["strange", "large"],
    )
    def test_that_returns_what_cannot_travel_fails_alone(
        self,
        shell: str,
        server: str,
        client: Client,
        result: object,
        reason: str,
    ) -> None:
        worker = ShelledWorker(shell, server, codec=JSON, max_packet=1024 + 999)

        @worker.function
        async def f(job: AsyncAssignedJob) -> object:
            return result if job.text == "bad" else job.text

        with working(worker):
            with pytest.raises(JobException) as caught:
                client.do("f", "bad", timeout=PATIENCE)
            assert client.do("f", "good", timeout=PATIENCE) == b'"good"'

        assert caught.value.text.startswith(reason)


class TestLeaving:
    def test_a_burst_ends_with_the_queue(self, worker: ShelledWorker, client: Client, notes: Notes) -> None:
        @worker.function
        async def f(job: AsyncAssignedJob) -> None:
            notes.write(job.workload)

        for number in range(10):
            client.submit_background("f", str(number))

        assert worker.run(burst=True) is Reason.DRAINED
        assert notes.read() == [b"%d" % number for number in range(10)]

    @pytest.mark.parametrize("concurrency", [2, often(20, 100)])
    def test_a_burst_with_many_at_once_does_each_job_once(
        self, shell: str, server: str, client: Client, notes: Notes, concurrency: int
    ) -> None:
        worker = ShelledWorker(shell, server, concurrency=concurrency)

        @worker.function
        async def f(job: AsyncAssignedJob) -> None:
            notes.write(job.workload)

        jobs = often(300, 1000)
        for number in range(jobs):
            client.submit_background("f", str(number))

        assert worker.run(burst=True) is Reason.DRAINED
        assert sorted(map(int, notes.read())) == list(range(jobs))

    def test_a_burst_needs_a_server(self, shell: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        worker = ShelledWorker(shell, address)
        worker.add_function("f", echo)

        with pytest.raises(NoServerAvailable, match=address):
            worker.run(burst=True)

    def test_a_number_of_jobs_is_enough(self, shell: str, server: str, client: Client, notes: Notes) -> None:
        worker = ShelledWorker(shell, server, concurrency=4, max_jobs=3)

        @worker.function
        async def f(job: AsyncAssignedJob) -> None:
            notes.write(job.workload)

        for number in range(5):
            client.submit_background("f", str(number))

        assert worker.run() is Reason.MAX_JOBS

        assert len(notes.read()) == 3
        with AdminClient(server) as admin:
            assert len(admin.jobs()) == 2

    def test_nothing_to_do_is_a_reason(self, worker: ShelledWorker) -> None:
        worker.add_function("f", echo)

        assert worker.run(idle_timeout=0.05) is Reason.IDLE

    def test_max_age_is_a_reason_and_running_jobs_are_finished(
        self, shell: str, server: str, client: Client, gate: Gate
    ) -> None:
        worker = ShelledWorker(shell, server, max_age=0.5)

        @worker.function
        async def f(job: AsyncAssignedJob) -> bytes:
            await gate.passed()
            return b"done"

        job = client.submit("f")

        def run() -> Reason:
            """Run until the job is done; on a slow machine, a worker may age out before it gets the job."""
            reason = worker.run()
            return reason if job.done() else run()

        with ThreadPoolExecutor(1) as pool:
            reason = pool.submit(run)
            # The worker is too old for another one as soon as its age has been looked at.
            with AdminClient(server) as admin:
                while [row.running for row in admin.status()] != [1]:
                    pass
            gate.open()

            assert job.result(PATIENCE) == b"done"
            assert reason.result(PATIENCE) is Reason.MAX_AGE

    def test_a_stop_before_the_start_is_not_forgotten(self, worker: ShelledWorker) -> None:
        worker.add_function("f", echo)
        worker.stop()

        assert worker.run() is Reason.STOPPED

    def test_a_worker_may_run_again(self, worker: ShelledWorker, client: Client) -> None:
        worker.add_function("echo", echo)
        for _ in range(2):
            with working(worker):
                assert client.do("echo", "x", timeout=PATIENCE) == b"x"

    def test_a_job_that_outlasts_the_grace_goes_to_another_worker(
        self, shell: str, server: str, client: Client, started: Gate, gate: Gate
    ) -> None:
        worker = ShelledWorker(shell, server, grace=0)

        @worker.function
        async def f(job: AsyncAssignedJob) -> bytes:
            started.open()
            await gate.passed()
            return b"late"

        thread = threading.Thread(target=worker.run)
        thread.start()
        job = client.submit("f")
        started.wait()
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()

        second = ShelledWorker(shell, server, max_jobs=1)
        second.add_function("f", other)
        second.run()
        assert job.result(PATIENCE) == b"other"
        gate.open()

    def test_two_runs_at_once_are_refused(self, worker: ShelledWorker, client: Client) -> None:
        worker.add_function("echo", echo)
        with working(worker):
            client.do("echo", timeout=PATIENCE)
            with pytest.raises(RuntimeError, match="already"):
                worker.run()


# A worker's process, that says when it has a job and ends it when it is told to.
THREADS = """
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

ASYNCIO = """
import asyncio, sys
from geartrain import AsyncWorker

worker = AsyncWorker(sys.argv[1])

@worker.function
async def f(job):
    print("started", flush=True)
    line = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(0, lambda: line.done() or line.set_result(sys.stdin.readline()))
    return (await line).strip()

asyncio.run(worker.run())
print("left", flush=True)
"""

PROGRAMS = {
    "threads": THREADS,
    "processes": THREADS.replace("argv[1]", "argv[1], executor='process'"),
    "asyncio": ASYNCIO,
    "uvloop": ASYNCIO.replace("asyncio.run", "__import__('uvloop').run"),
}


@contextlib.contextmanager
def process(shell: str, server: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str], IO[str]]]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAMS[shell], server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdin is not None
    assert started.stdout is not None
    with started:
        try:
            yield started, started.stdin, started.stdout
        finally:
            started.kill()


class TestAProcess:
    def test_that_is_killed_loses_no_job(self, shell: str, server: str, client: Client) -> None:
        with process(shell, server) as (victim, _, said):
            job = client.submit("f")
            assert said.readline() == "started\n"
            victim.kill()

        second = ShelledWorker(shell, server, max_jobs=1)
        second.add_function("f", other)
        second.run()
        assert job.result(PATIENCE) == b"other"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_that_is_asked_to_leave_finishes_first(
        self, shell: str, server: str, client: Client, number: signal.Signals
    ) -> None:
        with process(shell, server) as (leaving, told, said):
            job = client.submit("f")
            assert said.readline() == "started\n"

            leaving.send_signal(number)
            told.write("finished\n")
            told.flush()

            assert job.result(PATIENCE) == b"finished"
            assert said.readline() == "left\n"
            assert leaving.wait(PATIENCE) == 0

    def test_that_is_asked_twice_leaves_at_once(self, shell: str, server: str, client: Client) -> None:
        with process(shell, server) as (leaving, _, said):
            job = client.submit("f")
            assert said.readline() == "started\n"

            leaving.send_signal(signal.SIGTERM)
            leaving.send_signal(signal.SIGINT)  # two of one kind might arrive as one
            assert said.readline() == "left\n"
            assert leaving.wait(PATIENCE) == 0

        second = ShelledWorker(shell, server, max_jobs=1)
        second.add_function("f", other)
        second.run()
        assert job.result(PATIENCE) == b"other"


class TestSeveralServers:
    def test_are_served_at_once_and_a_lost_one_comes_back(
        self, shell: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "geartrain.worker")
        first, second = Gearmand(tmp_path), Gearmand(tmp_path)
        worker = ShelledWorker(shell, first.address, second.address)
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
        # The connection ends with a reset if the server had unread data, else with an orderly close.
        assert sum("; trying again until it is back" in line for line in lines) == 1
        assert lines[-1] == f"{first.address} answers"

    def test_one_that_speaks_first_is_not_gearman(
        self, shell: str, server: str, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            worker = ShelledWorker(shell, f"127.0.0.1:{listener.getsockname()[1]}", server)
            worker.add_function("echo", echo)
            with working(worker):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    while connection.recv(4096):  # until the worker has had enough
                        pass
                assert client.do("echo", "x", timeout=PATIENCE) == b"x"

        assert "it does not speak Gearman; it sent b'SSH-2.0-OpenSSH_9.2'; trying again" in caplog.text

    def test_one_that_says_nothing_holds_up_no_other(self, shell: str, server: str, client: Client) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            worker = ShelledWorker(shell, f"127.0.0.1:{silent.getsockname()[1]}", server)
            worker.add_function("echo", echo)
            with working(worker):
                connection, _ = silent.accept()
                with connection:
                    assert client.do("echo", "x", timeout=PATIENCE) == b"x"

    def test_one_that_is_not_there_holds_up_no_other(self, shell: str, server: str, client: Client) -> None:
        worker = ShelledWorker(shell, f"127.0.0.1:{free_port()}", server)
        worker.add_function("echo", echo)

        with working(worker):
            assert client.do("echo", "x", timeout=PATIENCE) == b"x"


def test_a_worker_loads_neither_the_server_nor_asyncio() -> None:
    program = "import sys, geartrain.worker; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    loaded = set(output.split())
    assert not {name for name in loaded if name.startswith(("asyncio", "geartrain.core", "geartrain.server"))}


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"max_jobs": 0},
        {"max_age": 0},
        {"grace": -1},
        {"connect_timeout": 0},
        {"keepalive": -1},
    ],
    ids=str,
)
def test_options_are_checked_at_once(shell: str, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ShelledWorker(shell, "localhost", **options)


def test_the_name_of_a_codec_is_none(shell: str) -> None:
    with pytest.raises(TypeError, match=r"a codec is a geartrain\.Codec, such as geartrain\.JSON, not 'json'"):
        ShelledWorker(shell, "localhost", codec="json")


@pytest.mark.parametrize("kind", [Worker, AsyncWorker])
def test_a_decorated_function_must_have_a_name(kind: type[Worker | AsyncWorker]) -> None:
    with pytest.raises(TypeError, match="has no name of its own"):
        kind("localhost").function(functools.partial(echo))


@pytest.mark.parametrize("kind", [Worker, AsyncWorker])
@pytest.mark.parametrize("decorator", ["function", "partition"])
def test_a_decorator_takes_only_a_function_or_a_name(kind: type[Worker | AsyncWorker], decorator: str) -> None:
    with pytest.raises(TypeError, match="takes a function, the name of one, or only keyword arguments, not 3"):
        getattr(kind("localhost"), decorator)(3)

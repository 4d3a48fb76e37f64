# SPDX-License-Identifier: MIT
"""The blocking client against servers that do as they are told."""

import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from geartrain import (
    AsyncClient,
    Client,
    ConnectionLost,
    JobRequest,
    JobTimeout,
    NoServerAvailable,
    SubmittedJob,
    as_completed,
)
from geartrain.client.inquiry import Ping
from geartrain.client.request import submission
from geartrain.client.sync.connection import ClientConnection
from geartrain.client.sync.pool import ConnectionPool
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from tests.client.holdings import MANY, Holdings
from tests.client.interrupts import at_calls, interrupted_in, raising
from tests.client.peers import PATIENCE, BriefServer, Gone, ScriptedServer, ServedClient
from tests.client.pools import client_options
from tests.client.scripts import hold, serve, vanish


class TestCallbacks:
    def test_that_raise_are_logged_and_do_no_harm(self, caplog: pytest.LogCaptureFixture) -> None:
        called = threading.Semaphore(0)

        def bad(_: object) -> None:
            called.release()
            raise ValueError("oops")

        def worse(_: object) -> None:
            called.release()
            raise SystemExit

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.expect_job(b"H:2")

        with ScriptedServer(script, serve) as server, Client(server.address) as client:
            for callback in (bad, worse):
                client.submit("f").add_done_callback(callback)
            assert called.acquire(timeout=PATIENCE)
            assert called.acquire(timeout=PATIENCE)

            assert client.do("reverse", "ab") == b"ba"  # by the thread that called them
            assert "oops" in caplog.text

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
    def test_that_are_called_at_once_raise_what_ends_the_program(self, raised: type[BaseException]) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            job = client.submit("reverse", "ab")
            assert job.result(PATIENCE) == b"ba"

            with pytest.raises(raised):
                job.add_done_callback(lambda _: raising(raised())())

    def test_may_submit_but_not_wait(self) -> None:
        outcome: list[object] = []
        called = threading.Event()

        def callback(_: object) -> None:
            outcome.append(client.submit("reverse", "cd"))
            try:
                client.do("reverse", "ab")
            except RuntimeError as error:
                outcome.append(error)
            called.set()

        with ScriptedServer(serve) as server, Client(server.address) as client:
            client.submit("f").add_done_callback(callback)
            assert called.wait(PATIENCE)

            job, error = outcome
            assert isinstance(job, SubmittedJob)
            assert job.result(PATIENCE) == b"dc"
            assert "a callback runs in the receiving thread" in str(error)


class TestStreams:
    def talk(self, peer: ServedClient) -> None:
        peer.expect_job(b"H:1")
        peer.send(Command.WORK_DATA, b"H:1", b"part")
        peer.send(Command.WORK_WARNING, b"H:1", b"careful")
        peer.send(Command.WORK_STATUS, b"H:1", b"1", b"0")
        peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
        peer.wait_until_gone()

    def test_a_generator_returns_the_result(self) -> None:
        with ScriptedServer(self.talk) as server, Client(server.address) as client:
            events = client.submit("talk").events(PATIENCE)
            for _ in range(3):
                next(events)
            with pytest.raises(StopIteration) as stopped:
                next(events)

            assert stopped.value.value == b"end"


class TestLoss:
    def test_a_client_that_is_dropped_closes_itself(self) -> None:
        gone = threading.Event()

        def script(peer: ServedClient) -> None:
            try:
                serve(peer)
            except Gone:
                gone.set()
                raise

        with ScriptedServer(script) as server:
            client = Client(server.address)
            client.do("f")
            del client

            assert gone.wait(PATIENCE)

    def test_by_an_unexpected_error_ends_all_waits(self, caplog: pytest.LogCaptureFixture) -> None:
        """The program's own code, here a filter of its log, raises in the thread that receives, perhaps this one."""

        def fail(record: logging.LogRecord) -> bool:
            if "answers again" in record.getMessage():
                raise RuntimeError("a bug")
            return True

        caplog.set_level("INFO", "geartrain.client")
        logger = logging.getLogger("geartrain.client")
        with ScriptedServer(vanish, vanish, serve) as server, Client(server.address) as client:
            with pytest.raises(ConnectionLost):
                client.do("f")
            logger.addFilter(fail)
            with pytest.raises((ConnectionLost, NoServerAvailable, RuntimeError), match="a bug"):
                client.submit("f").result(PATIENCE)
            logger.removeFilter(fail)

            assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"


@pytest.mark.parametrize("name", ["connect_timeout", "reply_timeout", "keepalive"])
@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_times_are_above_0(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is a number of seconds above 0"):
        Client("a", **{name: seconds})  # type: ignore[arg-type]  # the names are those above


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"balance": "best"}, "balance is 'order' or 'random', not 'best'"),
        ({"placement": "ruby"}, "placement is 'rendezvous' or 'perl', not 'ruby'"),
        ({"reply_timeout": None}, "reply_timeout is a number of seconds above 0, not None"),
        ({"codec": "json"}, "a codec is a geartrain.Codec, such as geartrain.JSON, not 'json'"),
        ({"tls": True}, "tls is an ssl.SSLContext, or a geartrain.TLS that names files, not True"),
        ({"client_id": b"me"}, "a client id is str, not bytes"),
    ],
)
def test_options_are_checked_at_once(kind: type[Client | AsyncClient], option: dict[str, Any], reason: str) -> None:
    with pytest.raises((ValueError, TypeError), match=reason):
        kind("a", **option)


class TestSlowServers:
    def test_a_timeout_covers_connecting(self) -> None:
        """A server whose machine is gone must not cost a call more time than its caller allows."""
        connecting = threading.Semaphore(0)
        go_on = threading.Event()

        def connect(address: ServerAddress, *, tls: object, timeout: float, keepalive: float | None) -> socket.socket:
            connecting.release()
            assert go_on.wait(PATIENCE)  # as a resolver does, which knows no timeout
            raise NoServerAvailable(f"{address}: it is gone")

        options = client_options("a", connect_timeout=PATIENCE * 2)
        pool = ConnectionPool(options, connect)
        patient = SubmittedJob(pool, submission(JobRequest("f")), options)
        placing = threading.Thread(target=pool.place, args=([patient],))
        placing.start()
        assert connecting.acquire(timeout=PATIENCE)
        for until in (time.monotonic() + 0.1, time.monotonic() - 1):  # while the other thread's connecting goes on
            job = SubmittedJob(pool, submission(JobRequest("f")), options)
            pool.place([job], until=until)
            assert str(job.exception()) == "a:4730: no answer in time"
        assert not patient.done()

        go_on.set()
        assert str(patient.exception(PATIENCE)) == "a:4730: it is gone"
        placing.join(PATIENCE)
        pool.close()
        pool.join()

    def test_threads_that_wait_for_room_end_with_the_connection(self) -> None:
        def script(peer: ServedClient) -> None:
            assert done.wait(PATIENCE)  # without reading a byte

        done = threading.Event()
        with ScriptedServer(script) as server, Client(server.address, reply_timeout=0.1) as client:
            threads = [threading.Thread(target=client.submit, args=("f", bytes(16 << 20))) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)

            assert not any(thread.is_alive() for thread in threads)
            done.set()


def test_threads_share_a_client() -> None:
    def hammer(name: int) -> None:
        for number in range(300):
            workload = b"%d:%d" % (name, number)
            if client.do("reverse", workload) != workload[::-1]:
                wrong.append(workload)

    wrong: list[bytes] = []
    with ScriptedServer(serve) as server, Client(server.address) as client:
        threads = [threading.Thread(target=hammer, args=(name,)) for name in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert wrong == []
        assert server.accepted == 1


class TestFutures:
    def test_of_a_collection_are_yielded_once_each(self) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            jobs = client.submit_many([JobRequest("reverse", str(number)) for number in range(10, 20)])

            assert sorted(job.result() for job in as_completed([*jobs, jobs[0]], PATIENCE)) == [
                str(number)[::-1].encode() for number in (10, 20, *range(11, 20)) if number < 20
            ]
            assert set(as_completed(jobs, PATIENCE)) == set(jobs)  # all have ended before

    def test_of_an_endless_input_are_taken_as_they_are_used_up(self) -> None:
        taken = 0

        def endless() -> Iterator[SubmittedJob]:
            nonlocal taken
            while True:
                taken += 1
                yield client.submit("reverse", "ab")

        with ScriptedServer(serve) as server, Client(server.address) as client:
            for number, job in enumerate(itertools.islice(as_completed(endless()), 1000)):
                assert job.result() == b"ba"
                assert taken <= number + 100

    def test_of_an_input_that_takes_too_long_are_not_waited_for(self) -> None:
        with ScriptedServer(hold) as server, Client(server.address) as client:
            jobs = (client.submit("f") for _ in range(3))
            with pytest.raises(JobTimeout, match="3 jobs had not ended"):
                list(as_completed(jobs, timeout=0.01))


class TestAThreadThatWaits:
    def test_receives_itself(self) -> None:
        with (
            ScriptedServer(serve) as server,
            Client(server.address) as client,
            at_calls({ClientConnection.wait: lambda: None, ClientConnection.receive: lambda: None}),
        ):
            for _ in range(100):  # another thread receives only if that was faster
                assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"

    def test_gives_the_connection_back_after_an_error(self) -> None:
        class Broken:
            server = ""

            def compose(self, session: object, ticket: object) -> bytes:
                raise ZeroDivisionError

        options = client_options("localhost")
        called = threading.Event()
        with ScriptedServer(serve) as server:
            pool = ConnectionPool(client_options(server.address))
            for _ in range(10):
                next(pool.ask(Ping(time.perf_counter)))
            with pytest.raises(ZeroDivisionError):
                next(pool.ask(Broken()))

            job = SubmittedJob(pool, submission(JobRequest("reverse")), options)
            job.add_done_callback(lambda _: called.set())
            pool.place([job])
            assert called.wait(PATIENCE)  # by the client's own thread
            pool.close()
            pool.join()

    def test_gives_the_connection_back_when_its_time_is_over(self) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"r")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")
            with pytest.raises(JobTimeout):
                job.result(0.01)
            called = threading.Event()
            job.add_done_callback(lambda _: called.set())
            go.set()

            assert called.wait(PATIENCE)  # by the client's own thread

    def test_is_woken_by_closing_while_the_server_takes_nothing(self) -> None:
        done = threading.Event()

        def script(peer: ServedClient) -> None:
            assert done.wait(PATIENCE)  # without reading a byte

        with ScriptedServer(script) as server:
            client = Client(server.address)
            job = client.submit("f", bytes(16 << 20))
            closer = threading.Timer(0.05, client.close)
            closer.start()

            with pytest.raises(ConnectionLost, match="the client was closed"):
                job.result(PATIENCE)
            closer.join(PATIENCE)
            assert not closer.is_alive()
            done.set()

    def test_hands_on_what_is_for_others(self) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.expect_job(b"H:2")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"one")
            peer.send(Command.WORK_COMPLETE, b"H:2", b"two")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, Client(server.address) as client:
            one, two = client.submit_many([JobRequest("f")] * 2)

            assert two.result(PATIENCE) == b"two"
            assert one.done()

    def test_and_is_interrupted_while_it_receives_loses_the_connection(self) -> None:
        """The events that it had received and not passed on are lost, so no other thread must wait for them."""
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_STATUS, b"H:1", b"1", b"2")
            peer.wait_until_gone()

        with ScriptedServer(script, serve) as server, Client(server.address) as client:
            job = client.submit("f")
            while job.handle is None:
                poll(job)
            strike = at_calls({ClientConnection.wait: go.set, SubmittedJob.take: raising(KeyboardInterrupt())})
            with strike, pytest.raises(KeyboardInterrupt):
                poll(job, times=100)

            with pytest.raises(ConnectionLost, match="a thread was interrupted"):
                job.result(PATIENCE)
            assert client.do("reverse", "ab") == b"ba"

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, TimeoutError, ValueError])
    def test_and_is_interrupted_while_nothing_comes_leaves_the_job_to_the_others(
        self, raised: type[BaseException]
    ) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"r")
            peer.wait_until_gone()

        error = raised("by the handler of a signal")
        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")
            with interrupted_in(ClientConnection.wait, error), pytest.raises(raised, match="handler of a signal"):
                poll(job, times=300)
            go.set()

            assert job.result(PATIENCE) == b"r"

    @pytest.mark.parametrize("timeout", [3e6, 1e300, float("inf")])
    def test_may_have_more_time_than_the_system_can_count(self, timeout: float) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            client.ping()
            for _ in range(100):  # it does not always borrow the connection
                assert client.do("reverse", "ab", timeout=timeout) == b"ba"
            [job] = as_completed([client.submit("reverse", "ab")], timeout)
            [job] = as_completed(iter([job]), timeout)
            assert list(job.events(timeout)) == []


def poll(job: SubmittedJob, times: int = 1) -> None:
    """Wait for a job for some moments; the thread receives itself unless another one does just now."""
    for _ in range(times):
        with contextlib.suppress(JobTimeout):
            job.result(0.1)


def test_many_reconnects_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "geartrain.client")  # pytest keeps what is logged
    with BriefServer() as server, Client(server.address) as client:
        for _ in range(100):
            client.do("f", resubmits=3)
        before = Holdings()
        for _ in range(MANY):
            client.do("f", resubmits=3)
        client.close()

        assert server.accepted >= MANY + 100
        assert Holdings().exceed(before) == ""


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own_connections() -> None:
    def script(peer: ServedClient) -> None:
        peer.expect_job(b"H:0")  # and never ends it
        serve(peer)

    with ScriptedServer(script, serve) as server, Client(server.address) as client:
        held = client.submit("f")
        job = client.submit("reverse", "12")
        job.result(PATIENCE)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                result = client.do("reverse", "ab", timeout=PATIENCE) + job.result()
                try:
                    held.result(PATIENCE)
                except ConnectionLost as error:
                    result += str(error).encode()
                client.close()
                os.write(writing, result)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"ba21the job belongs to the parent process"
        os.waitpid(child, 0)

        assert client.do("reverse", "cd") == b"dc"
        assert server.accepted == 2


def test_importing_the_client_loads_no_server() -> None:
    script = "import sys, geartrain.client; print([m for m in sys.modules if m.startswith(PARTS)])"
    parts = "PARTS = ('asyncio', 'geartrain.core', 'geartrain.server', 'geartrain.storage')\n"

    assert subprocess.check_output([sys.executable, "-c", parts + script], text=True).strip() == "[]"

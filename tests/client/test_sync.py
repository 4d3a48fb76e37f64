# SPDX-License-Identifier: MIT
"""The blocking client against servers that do as they are told."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain import (
    Client,
    ConnectionLost,
    Data,
    EventsLost,
    Handle,
    JobFailed,
    JobRequest,
    JobStatus,
    JobTimeout,
    NoServerAvailable,
    Priority,
    Progress,
    ReplyTimeout,
    ServerError,
    SubmittedJob,
    Warn,
    as_completed,
)
from geartrain.client import buffer
from geartrain.client.sync.connection import Connection
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from tests.client.peers import PATIENCE, Gone, ScriptedServer, ServedClient


def serve(peer: ServedClient) -> None:
    """Do every job at once by turning it round, and answer every question."""
    for number in itertools.count(1):
        command, arguments = peer.packet()
        handle = b"H:s:%d" % number
        if command == Command.SUBMIT_JOB:
            peer.send(Command.JOB_CREATED, handle)
            peer.send(Command.WORK_COMPLETE, handle, arguments[-1][::-1])
        elif command == Command.ECHO_REQ:
            peer.send(Command.ECHO_RES, *arguments)
        elif command == Command.GET_STATUS:
            peer.send(Command.STATUS_RES, arguments[0], b"0", b"0", b"0", b"0")
        else:
            peer.send(Command.JOB_CREATED, handle)


def vanish(peer: ServedClient) -> None:
    """Close the connection when the first job comes, before it is taken."""
    peer.packet()


def take_and_vanish(peer: ServedClient) -> None:
    """Close the connection when the first job is taken."""
    peer.expect_job(b"H:v:1")


def hold(peer: ServedClient) -> None:
    """Take all jobs and do none."""
    for number in itertools.count(1):
        peer.expect_job(b"H:h:%d" % number)


def ignore(peer: ServedClient) -> None:
    """Read everything and answer nothing."""
    while True:
        peer.packet()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The address of a server that is down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    yield address


class TestOneJob:
    def test_do_returns_the_result(self) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            assert client.do("reverse", "olleH") == b"Hello"

    def test_submit_is_a_future(self) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            job = client.submit("reverse", b"ba", unique="u")
            called = threading.Event()
            job.add_done_callback(lambda _: called.set())

            assert job.result(PATIENCE) == b"ab"
            assert job.exception() is None
            assert job.done()
            assert not job.cancel()
            assert called.wait(PATIENCE)
            assert (job.function, job.unique, job.handle) == ("reverse", "u", Handle("H:s:1", server.address))
            assert repr(job) == "<SubmittedJob reverse H:s:1: done>"

    def test_a_failure_is_raised(self) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_FAIL, b"H:1\0")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")
            with pytest.raises(JobFailed, match="job H:1 failed"):
                job.result(PATIENCE)
            assert isinstance(job.exception(), JobFailed)
            with pytest.raises(JobFailed):
                list(job)

    def test_a_refusal_hits_the_right_job_and_leaves_the_connection(self) -> None:
        def script(peer: ServedClient) -> None:
            for number in (1, 2, 3):
                peer.expect(Command.SUBMIT_JOB)
                if number == 2:
                    peer.send(Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")
                else:
                    peer.send(Command.JOB_CREATED, b"H:%d" % number)
            peer.send(Command.WORK_COMPLETE, b"H:3", b"three")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"one")
            serve(peer)

        with ScriptedServer(script) as server, Client(server.address) as client:
            one, two, three = client.submit_many([JobRequest("f")] * 3)

            assert (one.result(PATIENCE), three.result(PATIENCE)) == (b"one", b"three")
            with pytest.raises(ServerError, match="QUEUE_ERROR: Job queue is full") as caught:
                two.result(PATIENCE)
            assert caught.value.code == "QUEUE_ERROR"
            assert client.do("f", "ab") == b"ba"
            assert server.accepted == 1

    def test_the_prefix_and_the_client_id_travel(self) -> None:
        seen = []

        def script(peer: ServedClient) -> None:
            seen.append(peer.expect(Command.SUBMIT_JOB_HIGH_BG)[0])
            seen.extend(arguments[0] for _, arguments in peer.greeting)
            peer.send(Command.JOB_CREATED, b"H:1")

        with ScriptedServer(script) as server, Client(server.address, prefix="p\t", client_id="me") as client:
            client.submit_background("f", priority=Priority.HIGH)
        assert seen == [b"p\tf", b"me", b"exceptions"]

    def test_a_delayed_job_travels_with_its_time(self) -> None:
        seen = []

        def script(peer: ServedClient) -> None:
            for _ in range(2):
                seen.append(int(peer.expect(Command.SUBMIT_JOB_EPOCH)[2]))
                peer.send(Command.JOB_CREATED, b"H:1")

        with ScriptedServer(script) as server, Client(server.address) as client:
            before = time.time()
            client.submit_background("f", at=1_900_000_000)
            client.submit_background("f", delay=3600)

            assert seen[0] == 1_900_000_000
            assert before + 3600 <= seen[1] <= time.time() + 3601

    def test_nonsense_is_refused_before_any_server_is_asked(self) -> None:
        with refusing() as address, Client(address) as client:
            with pytest.raises(ValueError, match="has no priority"):
                client.submit_background("f", delay=1, priority=Priority.LOW)
            with pytest.raises(ValueError, match="either a handle or a unique"):
                client.status()
            with pytest.raises(ValueError, match="max_in_flight"):
                client.map("f", [], max_in_flight=0)


class TestTimeouts:
    def test_a_job_that_takes_too_long_leaves_nothing_behind(self) -> None:
        late = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert late.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"x")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"x")
            serve(peer)

        with ScriptedServer(script) as server, Client(server.address) as client:
            with pytest.raises(JobTimeout) as caught:
                client.do("f", timeout=0.01)
            late.set()

            assert isinstance(caught.value, TimeoutError)
            assert client.do("reverse", "ab") == b"ba"

    def test_a_submitted_job_can_be_waited_for_again(self) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"x")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"y")

        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")
            for impatient in (lambda: job.result(0), lambda: job.exception(0), lambda: next(job.events(0))):
                with pytest.raises(JobTimeout):
                    impatient()
            go.set()

            assert job.result(PATIENCE) == b"y"
            assert list(job) == [Data(b"x")]

    def test_a_silent_server_is_given_up(self) -> None:
        with ScriptedServer(ignore) as server, Client(server.address, reply_timeout=0.02) as client:
            with pytest.raises(ConnectionLost, match=r"has not answered for 0\.02 seconds"):
                client.do("f")
            with pytest.raises((ReplyTimeout, ConnectionLost)):
                client.ping()

    def test_the_next_server_gets_what_a_silent_one_did_not_take(self) -> None:
        with (
            ScriptedServer(ignore) as silent,
            ScriptedServer(serve) as server,
            Client([silent.address, server.address], reply_timeout=0.05) as client,
        ):
            assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"
            assert client.submit_background("f").server == server.address

    def test_a_server_that_takes_jobs_may_be_silent(self) -> None:
        answer = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert answer.wait(PATIENCE)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"late")

        with ScriptedServer(script) as server, Client(server.address, reply_timeout=0.01) as client:
            job = client.submit("f")
            with pytest.raises(JobTimeout):
                job.result(0.1)
            answer.set()

            assert job.result(PATIENCE) == b"late"

    def test_as_completed_does_not_wait_longer(self) -> None:
        with ScriptedServer(hold) as server, Client(server.address) as client, pytest.raises(JobTimeout):
            list(as_completed([client.submit("f")], timeout=0.01))


class TestStreams:
    def talk(self, peer: ServedClient) -> None:
        peer.expect_job(b"H:1")
        peer.send(Command.WORK_DATA, b"H:1", b"part")
        peer.send(Command.WORK_WARNING, b"H:1", b"careful")
        peer.send(Command.WORK_STATUS, b"H:1", b"1", b"0")
        peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
        peer.wait_until_gone()

    def test_events_come_in_order_and_then_the_result(self) -> None:
        with ScriptedServer(self.talk) as server, Client(server.address) as client:
            job = client.submit("talk")

            assert list(job) == [Data(b"part"), Warn(b"careful"), Progress(1, 0)]
            assert job.result() == b"end"
            assert job.status == JobStatus(numerator=1)
            assert job.status.fraction == 0.0
            assert list(job) == []

    def test_events_that_come_before_somebody_reads_are_kept(self) -> None:
        with ScriptedServer(self.talk) as server, Client(server.address) as client:
            job = client.submit("talk")
            job.result(PATIENCE)

            assert len(list(job)) == 3

    def test_a_generator_returns_the_result(self) -> None:
        with ScriptedServer(self.talk) as server, Client(server.address) as client:
            events = client.submit("talk").events(PATIENCE)
            for _ in range(3):
                next(events)
            with pytest.raises(StopIteration) as stopped:
                next(events)

            assert stopped.value.value == b"end"

    def test_a_status_is_what_has_been_heard(self) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_STATUS, b"H:1", b"1", b"4")
            assert go.wait(PATIENCE)

        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")
            assert next(iter(job)) == Progress(1, 4)

            assert job.status == JobStatus(known=True, running=True, numerator=1, denominator=4)
            assert job.status.fraction == 0.25
            assert repr(job) == "<SubmittedJob f H:1: running>"
            go.set()

    def test_what_nobody_reads_has_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(buffer, "MAX_UNREAD", 10_000)

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            for _ in range(3):
                peer.send(Command.WORK_DATA, b"H:1", b"x" * 4000)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, Client(server.address) as client:
            job = client.submit("f")

            assert job.result(PATIENCE) == b"end"
            with pytest.raises(EventsLost, match="more than 10000 bytes"):
                list(job)


class TestCallbacks:
    def test_that_raise_are_logged_and_do_no_harm(self, caplog: pytest.LogCaptureFixture) -> None:
        called = threading.Semaphore(0)

        def bad(_: object) -> None:
            called.release()
            raise ValueError("oops")

        def worse(_: object) -> None:
            called.release()
            raise SystemExit

        with ScriptedServer(hold, serve) as server, Client(server.address) as client:
            for callback in (bad, worse):
                client.submit("f").add_done_callback(callback)
            release(client)
            assert called.acquire(timeout=PATIENCE)
            assert called.acquire(timeout=PATIENCE)

            assert client.do("reverse", "ab") == b"ba"  # by the thread that called them
            assert "oops" in caplog.text

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
            assert "a callback runs in the thread that receives" in str(error)


def release(client: Client) -> None:
    """Have the jobs on a connection end by the loss of it."""
    for connection in list(client._hub()._connections.values()):
        connection.lose(ConnectionLost("as the test wants it"))


class TestLoss:
    def test_a_job_that_was_not_taken_goes_to_the_next_server(self) -> None:
        with (
            ScriptedServer(vanish) as first,
            ScriptedServer(serve) as second,
            Client([first.address, second.address]) as client,
        ):
            job = client.submit("reverse", "ab")

            assert job.result(PATIENCE) == b"ba"
            assert job.handle is not None
            assert job.handle.server == second.address

    def test_a_job_that_was_taken_is_lost(self) -> None:
        with (
            ScriptedServer(take_and_vanish) as first,
            ScriptedServer(serve) as second,
            Client([first.address, second.address]) as client,
        ):
            with pytest.raises(ConnectionLost, match="closed the connection") as caught:
                client.do("reverse", "ab")
            assert isinstance(caught.value, ConnectionError)
            assert client.do("reverse", "ab") == b"ba"

    def test_unless_it_may_be_run_again(self) -> None:
        with (
            ScriptedServer(take_and_vanish) as first,
            ScriptedServer(serve) as second,
            Client([first.address, second.address]) as client,
        ):
            assert client.do("reverse", "ab", retries=1) == b"ba"

    def test_retries_have_an_end(self) -> None:
        with ScriptedServer(take_and_vanish) as server, Client(server.address) as client:
            with pytest.raises(ConnectionLost):
                client.do("f", retries=2)
            assert server.accepted == 3

    def test_a_job_that_kills_its_servers_does_not_go_round_for_ever(self) -> None:
        with (
            ScriptedServer(vanish) as first,
            ScriptedServer(vanish) as second,
            Client([first.address, second.address]) as client,
        ):
            with pytest.raises(ConnectionLost):
                client.do("f")
            assert first.accepted + second.accepted == 3

    def test_servers_that_are_down_are_passed_over(self) -> None:
        with refusing() as down, ScriptedServer(serve) as server, Client([down, server.address]) as client:
            assert client.do("reverse", "ab") == b"ba"
            assert client.submit_background("f").server == server.address
            assert client.ping() > 0.0
            assert client.status("H:1") == JobStatus()

    def test_no_server_at_all_says_why_for_each(self) -> None:
        with refusing() as first, refusing() as second, Client([first, second]) as client:
            job = client.submit("f")
            with pytest.raises(NoServerAvailable) as caught:
                job.result(PATIENCE)
            assert f"{first}: Connection refused" in str(caught.value)
            assert f"{second}: Connection refused" in str(caught.value)
            for ask in (lambda: client.do("f"), client.ping, lambda: client.status(unique="u")):
                with pytest.raises(NoServerAvailable):
                    ask()

    def test_a_restarted_server_is_found_at_once(self) -> None:
        with ScriptedServer(serve) as server, Client(server.address) as client:
            client.do("reverse", "ab")
            release(client)

            assert client.do("reverse", "ab") == b"ba"
            assert client.ping() > 0.0
            assert server.accepted == 2

    def test_a_server_that_talks_nonsense_is_left(self) -> None:
        def script(peer: ServedClient) -> None:
            peer.packet()
            peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.wait_until_gone()

        with (
            ScriptedServer(script) as server,
            Client(server.address) as client,
            pytest.raises(ConnectionLost, match="does not speak Gearman"),
        ):
            client.do("f")

    def test_closing_ends_everything_that_waits(self) -> None:
        with ScriptedServer(hold) as server:
            client = Client(server.address)
            job = client.submit("f")
            waiter = threading.Thread(target=client.close)
            waiter.start()

            with pytest.raises(ConnectionLost, match="the client was closed"):
                job.result(PATIENCE)
            waiter.join()
            client.close()
            with pytest.raises(ConnectionLost, match="the client is closed"):
                client.submit("f")
            assert repr(client) == f"<Client {server.address} (closed)>"

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

    def test_everybody_hears_of_it(self) -> None:
        def script(peer: ServedClient) -> None:
            for number in range(200):
                peer.expect_job(b"H:%d" % number)

        with ScriptedServer(script) as server, Client(server.address) as client:
            jobs = client.submit_many([JobRequest("f")] * 200)

            assert all(isinstance(job.exception(), ConnectionLost) for job in as_completed(jobs, PATIENCE))

    def test_by_a_bug_leaves_nobody_waiting(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def bug(*_: object) -> None:
            raise RuntimeError("a bug")

        with ScriptedServer(serve) as server, Client(server.address) as client:
            with monkeypatch.context() as broken:
                broken.setattr(Connection, "receive", bug)
                with pytest.raises(ConnectionLost, match="a bug"):
                    client.do("f", timeout=PATIENCE)

            assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"
            assert "RuntimeError: a bug" in caplog.text


@pytest.mark.parametrize("name", ["connect_timeout", "reply_timeout", "keepalive"])
@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_times_are_above_0(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is a number of seconds above 0"):
        Client("a", **{name: seconds})  # type: ignore[arg-type]  # the names are those above


class TestSlowServers:
    def test_a_time_out_covers_connecting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server whose machine is gone must not cost a call more than the caller allowed."""
        patience = []

        def connect(address: ServerAddress, *, timeout: float, **options: object) -> socket.socket:
            patience.append(timeout)
            raise NoServerAvailable(f"{address}: nobody is there")

        monkeypatch.setattr("geartrain.client.sync.hub.connect", connect)
        with Client(["a", "b"], connect_timeout=5) as client:
            with pytest.raises(NoServerAvailable):
                client.do("f", timeout=1)
            with pytest.raises(NoServerAvailable):
                client.submit_background("f", timeout=1)
            with pytest.raises(NoServerAvailable):
                client.do("f")

        assert len(patience) == 6
        assert all(seconds <= 1 for seconds in patience[:4])
        assert patience[4:] == [5, 5]

    def test_a_huge_workload_goes_through_while_others_are_served(self) -> None:
        huge = os.urandom(1 << 20) * 24

        with ScriptedServer(serve) as server, Client(server.address) as client:
            job = client.submit("reverse", huge)
            assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"

            assert job.result(PATIENCE) == huge[::-1]

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


class TestMap:
    def test_is_lazy_in_order_and_bounded(self) -> None:
        taken = 0

        def endless() -> Iterator[bytes]:
            nonlocal taken
            for number in itertools.count():
                taken += 1
                yield b"%06d" % number

        with ScriptedServer(serve) as server, Client(server.address) as client:
            results = client.map("reverse", endless(), max_in_flight=50)
            assert taken == 0

            for number, result in enumerate(itertools.islice(results, 2000)):
                assert result[::-1] == b"%06d" % number
                assert taken <= number + 50
            results.close()  # type: ignore[attr-defined]  # a generator is an iterator with more
            client.do("reverse")  # is behind all that were under way
            assert client._hub()._connections[client._options.addresses[0]]._session._running == {}

    def test_of_nothing_is_nothing(self) -> None:
        with refusing() as address, Client(address) as client:
            assert list(client.map("f", [])) == []

    def test_ends_with_the_first_error(self) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"one")
            peer.expect_job(b"H:2")
            peer.send(Command.WORK_FAIL, b"H:2")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, Client(server.address) as client:
            results = client.map("f", "abc")

            assert next(results) == b"one"
            with pytest.raises(JobFailed):
                next(results)
            assert list(results) == []


def test_equal_uniques_meet_on_one_server_and_are_one_job() -> None:
    def script(peer: ServedClient) -> None:
        for _ in range(2):
            peer.expect_job(b"H:1")
        for command, *arguments in ((Command.WORK_DATA, b"H:1", b"d"), (Command.WORK_COMPLETE, b"H:1", b"r")):
            for _ in range(2):
                peer.send(command, *arguments)
        peer.wait_until_gone()

    with (
        ScriptedServer(script) as first,
        ScriptedServer(script) as second,
        Client([first.address, second.address], balance="random") as client,
    ):
        jobs = [client.submit("f", unique="same") for _ in range(2)]

        assert [list(job) for job in jobs] == [[Data(b"d")]] * 2
        assert [job.result(PATIENCE) for job in jobs] == [b"r", b"r"]
        assert first.accepted + second.accepted == 1


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


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_descriptors_do_not_grow_with_reconnects() -> None:
    def script(peer: ServedClient) -> None:
        peer.expect_job(b"H:1")
        peer.send(Command.WORK_COMPLETE, b"H:1", b"")

    with ScriptedServer(script) as server, Client(server.address) as client:
        client.do("f")
        before = descriptors()
        for _ in range(1000):
            client.do("f", retries=1)

        assert server.accepted == 1001
        assert descriptors() <= before + 4  # the last connection may be half closed


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own() -> None:
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
            assert pipe.read() == b"ba21the job belongs to the process that this one was forked from"
        os.waitpid(child, 0)

        assert client.do("reverse", "cd") == b"dc"
        assert server.accepted == 2


def test_importing_the_client_loads_no_server() -> None:
    script = "import sys, geartrain.client; print([m for m in sys.modules if m.startswith(PARTS)])"
    parts = "PARTS = ('asyncio', 'geartrain.core', 'geartrain.server', 'geartrain.storage')\n"

    assert subprocess.check_output([sys.executable, "-c", parts + script], text=True).strip() == "[]"

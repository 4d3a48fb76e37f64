# SPDX-License-Identifier: MIT
"""Both clients with servers that disconnect, come back, stop answering or move."""

import gc
import logging
import threading
from collections.abc import Iterator

import pytest

from geartrain import (
    Client,
    ConnectionLost,
    Data,
    JobTimeout,
    NoServerAvailable,
    Progress,
    ReplyTimeout,
    SubmittedJob,
    Warn,
)
from geartrain.testing import Direction, FaultProxy, run_server
from tests.client.peers import PATIENCE, RawWorker, repeat_until_answered
from tests.client.shells import Shell, shell
from tests.faults.conftest import Lines, Names, descriptors
from tests.thoroughness import often
from tests.waiting import wait_until

__all__ = ["shell"]

SOON = 0.2  # seconds; a timeout for a server that does not answer
LATER = 0.5  # seconds; the same where the server, or another one, must answer later
FOR_EVER = 3600.0  # seconds; a test in which this timeout ends a wait hangs


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.fixture
def worker(server: str) -> Iterator[RawWorker]:
    with RawWorker(port_of(server)) as worker:
        yield worker


@pytest.fixture
def client(shell: Shell, proxy: FaultProxy, worker: RawWorker) -> Iterator[Client]:
    with shell.client(proxy.address, connect_timeout=FOR_EVER, reply_timeout=FOR_EVER) as client:
        yield client


@pytest.fixture
def other() -> Iterator[str]:
    """A second server, with a worker and without faults."""
    with run_server() as server, RawWorker(server.port):
        yield server.address


def works(client: Client) -> bool:
    return client.do("reverse", b"abc", timeout=PATIENCE) == b"cba"


def held(worker: RawWorker, job: SubmittedJob) -> bytes:
    """Return the handle of a job that the worker has not completed."""
    handle = worker.held.get(timeout=PATIENCE)
    assert not job.done()
    return handle


class TestAnOutage:
    @pytest.mark.parametrize("reset", [False, True])
    def test_between_jobs_has_no_effect(self, client: Client, proxy: FaultProxy, reset: bool) -> None:
        for number in range(1, 5):
            assert works(client)
            assert proxy.accepted == number
            proxy.cut(reset=reset)
            proxy.wait_until_unused()

    def test_is_logged_once_and_its_end_once(self, client: Client, proxy: FaultProxy, lines: Lines) -> None:
        for outages in (1, 2):
            assert works(client)
            proxy.refuse()
            proxy.cut()
            proxy.wait_until_unused()
            for _ in range(5):
                with pytest.raises((NoServerAvailable, ConnectionLost)):
                    client.do("reverse", timeout=PATIENCE)
            proxy.accept()
            assert works(client)

            assert len(lines.of(logging.WARNING, proxy.address)) == outages
            assert len(lines.of(logging.INFO, f"{proxy.address} answers again")) == outages

    def test_of_one_of_two_servers_costs_nothing(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker, other: str, lines: Lines
    ) -> None:
        proxy.refuse()
        with shell.client([proxy.address, other]) as client:
            assert all(works(client) for _ in range(20))
            assert client.submit_background("reverse").server == other
        assert len(lines.of(logging.WARNING)) == 1
        assert len(lines.of(logging.DEBUG, "Connection refused")) < 20, "the client did not back off"

    @pytest.mark.parametrize("direction", [Direction.SERVER, Direction.CLIENT])
    @pytest.mark.parametrize("reset", [False, True])
    def test_before_the_job_is_accepted_sends_it_to_the_next_server(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker, other: str, direction: Direction, reset: bool
    ) -> None:
        with shell.client([proxy.address, other]) as client:
            client.ping()
            proxy.cut(after=0, direction=direction, reset=reset)
            job = client.submit("reverse", b"abc")

            assert job.result(PATIENCE) == b"cba"
            assert job.handle is not None
            assert job.handle.server == other

    @pytest.mark.parametrize("reset", [False, True])
    def test_after_the_job_was_accepted_is_an_error(
        self, client: Client, proxy: FaultProxy, worker: RawWorker, reset: bool
    ) -> None:
        job = client.submit("hold")
        held(worker, job)
        client.ping()  # is answered after JOB_CREATED
        proxy.cut(reset=reset)

        with pytest.raises(ConnectionLost, match=proxy.address):
            job.result(PATIENCE)
        assert works(client)

    def test_after_the_job_was_accepted_runs_it_again_if_allowed(
        self, client: Client, proxy: FaultProxy, worker: RawWorker
    ) -> None:
        job = client.submit("hold", resubmits=1)
        held(worker, job)
        client.ping()
        proxy.cut()

        worker.complete(held(worker, job), b"the second time")
        assert job.result(PATIENCE) == b"the second time"

    @pytest.mark.parametrize("after", [1, 11, 12, 40, 100_000])
    def test_in_the_middle_of_a_packet_leaves_no_partial_result(
        self, client: Client, proxy: FaultProxy, after: int
    ) -> None:
        client.ping()
        proxy.cut(after=after, direction=Direction.CLIENT)

        assert client.do("reverse", bytes(200_000) + b"end", resubmits=1, timeout=PATIENCE) == b"dne" + bytes(200_000)
        assert proxy.accepted == 2

    def test_repeated_many_times_leaks_nothing(self, client: Client, proxy: FaultProxy) -> None:
        def endure(count: int) -> tuple[int, int]:
            for _ in range(count):
                assert works(client)
                proxy.cut(reset=True)
                proxy.wait_until_unused()
            assert works(client)
            gc.collect()
            return descriptors(), threading.active_count()

        before = endure(20)
        after = endure(often(30, 300))

        assert after[0] <= before[0] + 2
        assert after[1] <= before[1] + 2


class TestEqualUniques:
    def test_go_to_the_same_server_during_outages(
        self, shell: Shell, worker: RawWorker, server: str, other: str
    ) -> None:
        with (
            FaultProxy(server) as first,
            FaultProxy(other) as second,
            shell.client([first.address, second.address]) as one,
            shell.client([second.address, first.address]) as two,
        ):
            for stage, proxies_down in enumerate([[], [first], [second], []]):
                for proxy in (first, second):
                    if proxy in proxies_down:
                        proxy.refuse()
                        proxy.cut()
                        proxy.wait_until_unused()
                    else:
                        proxy.accept()
                for number in range(10):
                    unique = f"{stage}-{number}"

                    def agree(unique: str = unique) -> bool:
                        handles = {client.submit_background("unserved", unique=unique) for client in (one, two)}
                        return len(handles) == 1

                    wait_until(agree)  # the back-off of each client may end between two submissions


class TestSilence:
    def test_ends_with_the_timeout_of_a_job(self, client: Client, proxy: FaultProxy) -> None:
        assert works(client)
        proxy.stall()
        with pytest.raises(JobTimeout):
            client.do("reverse", timeout=SOON)
        with pytest.raises(ReplyTimeout):
            client.submit_background("reverse", timeout=SOON)
        with pytest.raises(JobTimeout):
            client.submit("reverse").result(SOON)
        proxy.resume()

        assert works(client)
        assert proxy.accepted == 1

    def test_of_a_server_that_does_not_read_ends_with_the_timeout(self, client: Client, proxy: FaultProxy) -> None:
        """More data waits than a client buffers, so that the next job cannot be passed to the connection."""
        assert works(client)
        proxy.stall(Direction.SERVER)
        huge = client.submit("reverse", bytes(16 << 20))
        with pytest.raises((JobTimeout, NoServerAvailable)):
            client.do("reverse", timeout=SOON)
        with pytest.raises((ReplyTimeout, NoServerAvailable)):
            client.submit_background("reverse", timeout=SOON)
        proxy.resume()

        assert len(huge.result(PATIENCE)) == 16 << 20
        assert works(client)

    def test_of_a_server_while_an_answer_is_pending_closes_the_connection(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker
    ) -> None:
        with shell.client(proxy.address, reply_timeout=LATER) as client:
            proxy.stall()
            with pytest.raises(ConnectionLost, match=f"has not answered for {LATER:g} seconds"):
                client.do("reverse")
            for ask in (client.ping, lambda: client.status("H:1"), lambda: client.status(unique="u")):
                with pytest.raises((ReplyTimeout, ConnectionLost)):
                    ask()
            proxy.resume()

            # The last answer may still be on its way, and the connection about to be closed.
            assert client.do("reverse", b"abc", resubmits=100, timeout=PATIENCE) == b"cba"

    def test_of_one_server_sends_the_job_to_the_next(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker, other: str, lines: Lines
    ) -> None:
        proxy.stall()
        with shell.client([proxy.address, other], reply_timeout=LATER) as client:
            assert repeat_until_answered(
                lambda: works(client) and works(client), lambda: lines.of(logging.WARNING, f"{other} has not answered")
            )

    def test_of_a_machine_that_is_down_costs_one_connect_timeout(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker, other: str, lines: Lines
    ) -> None:
        proxy.blackhole()
        with shell.client([proxy.address, other], connect_timeout=2.0) as client:
            assert all(works(client) for _ in range(20))
        assert len(lines.of(logging.WARNING, "no answer in time")) == 1
        with shell.client(proxy.address, connect_timeout=SOON) as client, pytest.raises(NoServerAvailable):
            client.do("reverse")

    def test_of_a_machine_that_is_down_ends_with_the_timeout_of_a_job(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker
    ) -> None:
        proxy.blackhole()
        with shell.client(proxy.address, connect_timeout=FOR_EVER) as client:
            for ask in (client.do, client.submit_background):
                with pytest.raises((NoServerAvailable, TimeoutError)):
                    ask("reverse", timeout=SOON)

    def test_does_not_block_the_closing_of_a_client(self, shell: Shell, proxy: FaultProxy, worker: RawWorker) -> None:
        with shell.client(proxy.address, reply_timeout=FOR_EVER) as client:
            client.ping()
            proxy.stall()
            job = client.submit("reverse", bytes(32 << 20))
        with pytest.raises(ConnectionLost):
            job.result(PATIENCE)


class TestASlowConnection:
    def test_only_takes_longer(self, client: Client, proxy: FaultProxy) -> None:
        proxy.throttle(1)
        job = client.submit("talk", b"abc")

        assert list(job) == [Data(b"part"), Warn(b"careful"), Progress(1, 2)]
        assert job.result(PATIENCE) == b"cba"
        assert client.do("reverse", bytes(range(256)) * 4, timeout=PATIENCE) == bytes(range(255, -1, -1)) * 4


class TestAServerThatMoves:
    def test_is_found_at_its_new_address(
        self, shell: Shell, proxy: FaultProxy, worker: RawWorker, names: Names, request: pytest.FixtureRequest
    ) -> None:
        if "uvloop" in request.node.name:
            pytest.skip("uvloop asks a resolver of its own")
        names["moving.test"] = proxy.host
        with shell.client(f"moving.test:{proxy.port}") as client:
            assert works(client)
            with FaultProxy(proxy.target, host="127.0.0.2", port=proxy.port) as moved:
                proxy.refuse()
                proxy.cut()
                proxy.wait_until_unused()
                names["moving.test"] = moved.host

                assert works(client)
                assert moved.open == 1

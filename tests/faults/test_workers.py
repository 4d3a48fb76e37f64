# SPDX-License-Identifier: MIT
"""Workers of every kind with servers that disconnect, come back, stop answering or move."""

import gc
import logging
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from geartrain import AsyncAssignedJob, Client
from geartrain.testing import Direction, FaultProxy
from tests.faults.conftest import QUICK, Lines, Names, descriptors
from tests.job_servers import free_port
from tests.thoroughness import often
from tests.worker.shells import PATIENCE, UVLOOP, Gate, Notes, ShelledWorker, working


async def reverse(job: AsyncAssignedJob) -> bytes:
    return job.workload[::-1]


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    """A client that is connected to the server without the proxy."""
    with Client(server) as client:
        yield client


@pytest.fixture
def worker(shell: str, proxy: FaultProxy) -> ShelledWorker:
    worker = ShelledWorker(shell, proxy.address, backoff=QUICK)
    worker.add_function("reverse", reverse)
    return worker


def works(client: Client) -> bool:
    """Tell whether a job returns the right result."""
    return client.do("reverse", b"abc", timeout=PATIENCE) == b"cba"


class TestAnOutage:
    @pytest.mark.parametrize("reset", [False, True])
    def test_ends_and_the_worker_reconnects(
        self, worker: ShelledWorker, proxy: FaultProxy, client: Client, reset: bool
    ) -> None:
        with working(worker):
            assert works(client)
            for _ in range(3):
                proxy.cut(reset=reset)
                assert works(client)

    def test_of_any_length_is_one_line_in_the_log(
        self, worker: ShelledWorker, proxy: FaultProxy, client: Client, lines: Lines
    ) -> None:
        with working(worker):
            assert works(client)
            for outages in (1, 2):
                proxy.refuse()
                proxy.cut()
                lines.wait_for(5 * outages, logging.DEBUG, "Connection refused; trying again")
                proxy.accept()
                assert works(client)

                assert len(lines.of(logging.WARNING, proxy.address)) == outages
                assert len(lines.of(logging.INFO, f"{proxy.address} answers")) == outages

    def test_at_the_start_makes_the_worker_wait(
        self, worker: ShelledWorker, proxy: FaultProxy, client: Client, lines: Lines
    ) -> None:
        proxy.refuse()
        with working(worker):
            lines.wait_for(3, logging.DEBUG, "Connection refused; trying again")
            proxy.accept()

            assert works(client)
        assert len(lines.of(logging.WARNING)) == 1

    def test_in_the_middle_of_a_job_lets_the_running_call_answer(
        self, shell: str, proxy: FaultProxy, client: Client, lines: Lines
    ) -> None:
        """The server assigns the job to the same worker again."""

        async def hold_once(job: AsyncAssignedJob) -> bytes:
            if not notes.read():
                return b"the second time"
            begun.open()
            await gate.passed()
            return b"the first time"

        worker = ShelledWorker(shell, proxy.address, concurrency=2, backoff=QUICK)
        worker.add_function("hold_once", hold_once)
        with Gate() as gate, Gate() as begun, Notes() as notes, working(worker):
            notes.write(b"hold")
            job = client.submit("hold_once")
            begun.wait()
            proxy.cut()
            lines.wait_for(1, logging.WARNING, "was assigned again while it is running here")
            gate.open()

            assert job.result(PATIENCE) == b"the first time"

    @pytest.mark.parametrize("after", [0, 1, 11, 12, 13])
    def test_in_the_middle_of_a_packet_loses_no_job(
        self, worker: ShelledWorker, proxy: FaultProxy, client: Client, after: int
    ) -> None:
        with working(worker):
            assert works(client)
            proxy.cut(after=after, direction=Direction.CLIENT)

            assert works(client)

    def test_of_one_server_does_not_delay_another(self, shell: str, proxy: FaultProxy, client: Client) -> None:
        with FaultProxy("127.0.0.1:1") as gone:
            gone.blackhole()
            worker = ShelledWorker(shell, gone.address, f"127.0.0.1:{free_port()}", proxy.address, backoff=QUICK)
            worker.add_function("reverse", reverse)
            with working(worker):
                assert works(client)

    def test_repeated_many_times_leaks_nothing(self, worker: ShelledWorker, proxy: FaultProxy, client: Client) -> None:
        def endure(count: int) -> tuple[int, int]:
            for _ in range(count):
                proxy.wait_for_connections(proxy.accepted)
                before = proxy.accepted
                proxy.cut(reset=True)
                proxy.wait_for_connections(before + 1)
            assert works(client)
            gc.collect()
            return descriptors(), threading.active_count()

        with working(worker):
            assert works(client)
            before = endure(20)
            after = endure(often(30, 200))

            assert after[0] <= before[0] + 2
            assert after[1] <= before[1] + 2


class TestSilence:
    def test_of_a_server_is_logged_once(self, shell: str, proxy: FaultProxy, client: Client, lines: Lines) -> None:
        """Its machine accepts connections, but the server answers on none."""
        worker = ShelledWorker(shell, proxy.address, backoff=QUICK, reply_timeout=0.5, poll_interval=0.1)
        worker.add_function("reverse", reverse)
        with working(worker):
            assert works(client)
            before, warnings = proxy.accepted, len(lines.of(logging.WARNING, proxy.address))
            proxy.stall()
            proxy.wait_for_connections(before + 2)
            assert len(lines.of(logging.WARNING, proxy.address)) == warnings + 1
            proxy.resume()

            assert works(client)
        assert "gave no answer within 0.5 seconds" in lines.of(logging.WARNING, proxy.address)[0]

    def test_blocks_a_job_with_much_output_until_the_connection_is_lost(
        self, shell: str, proxy: FaultProxy, client: Client
    ) -> None:
        async def talk(job: AsyncAssignedJob) -> AsyncGenerator[bytes, None]:
            for _ in range(32):
                yield bytes(1024 * 1024)

        worker = ShelledWorker(shell, proxy.address, backoff=QUICK)
        worker.add_function("talk", talk)
        worker.add_function("reverse", reverse)
        with working(worker):
            job = client.submit("talk", resubmits=0)
            proxy.wait_for_bytes(1 << 20)
            proxy.stall()
            proxy.cut(reset=True)
            proxy.resume()

            assert job.result(PATIENCE) == b""
            assert works(client)


class TestASlowConnection:
    def test_only_takes_longer(self, worker: ShelledWorker, proxy: FaultProxy, client: Client) -> None:
        proxy.throttle(1)
        with working(worker):
            assert works(client)
            assert client.do("reverse", bytes(range(256)) * 4, timeout=PATIENCE) == bytes(range(255, -1, -1)) * 4


class TestAServerThatMoves:
    def test_is_found_at_its_new_address(
        self, shell: str, proxy: FaultProxy, client: Client, names: Names, lines: Lines
    ) -> None:
        if shell == UVLOOP:
            pytest.skip("uvloop asks a resolver of its own")
        names["moving.test"] = proxy.host
        worker = ShelledWorker(shell, f"moving.test:{proxy.port}", backoff=QUICK)
        worker.add_function("reverse", reverse)
        with working(worker):
            assert works(client)
            with FaultProxy(proxy.target, host="127.0.0.2", port=proxy.port) as other:
                proxy.refuse()
                proxy.cut()
                lines.wait_for(1, logging.WARNING, "moving.test")
                names["moving.test"] = other.host

                assert works(client)
                assert other.open == 1

# SPDX-License-Identifier: MIT
"""A result or workload beyond the limits ends its job, which would cost one worker after the other."""

import pytest

from geartrain.core import Durability, JobServerOptions
from geartrain.core.limits import Limit
from geartrain.protocol import REQUEST, Command, Reader, request
from geartrain.protocol.listings import FunctionRow
from geartrain.testing.wire import Wire, WirePeer
from tests.core.batches import take
from tests.core.jobs import grab
from tests.core.valve import Valve

MOST = 100_000
TOO_LARGE = b"Too much memory for a result of 150014 bytes (limit 100000 bytes)"


@pytest.fixture
def wire() -> Wire:
    return Wire(JobServerOptions(max_memory=MOST, exceptions=True))


@pytest.fixture
def client(wire: Wire) -> WirePeer:
    return wire.connect()


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    return worker


def send_most(worker: WirePeer, command: Command, handle: bytes) -> bytes:
    """Send most of a packet that exceeds the memory limit, and return the rest."""
    packet = request(command, handle, bytes(150_000))
    worker.send_bytes(packet[:120_000])
    return packet[120_000:]


def works(wire: Wire, worker: WirePeer) -> bool:
    """Tell whether the worker is connected, and completes another job."""
    other = wire.connect()
    other.submit(b"f", b"", b"small")
    handle = grab(worker)
    worker.send(Command.WORK_COMPLETE, handle, b"done")
    return other.packets() == [(Command.WORK_COMPLETE, handle, b"done")]


class TestResults:
    @pytest.mark.parametrize("command", [Command.WORK_COMPLETE, Command.WORK_EXCEPTION])
    def test_a_client_gets_an_exception_that_names_the_limit(
        self, wire: Wire, client: WirePeer, worker: WirePeer, command: Command
    ) -> None:
        handle = client.submit(b"f")
        grab(worker)
        rest = send_most(worker, command, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, TOO_LARGE)]
        assert not wire.server.has_work
        assert wire.server.refused[Limit.MEMORY] == 1
        assert not wire.server.memory.may_be_too_much
        worker.send_bytes(rest[:10])
        worker.send_bytes(rest[10:])
        assert worker.packets() == []
        assert works(wire, worker)

    @pytest.mark.parametrize("command", [Command.WORK_DATA, Command.WORK_WARNING])
    def test_data_that_does_not_fit_ends_the_job_too(
        self, wire: Wire, client: WirePeer, worker: WirePeer, command: Command
    ) -> None:
        handle = client.submit(b"f")
        grab(worker)
        rest = send_most(worker, command, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, TOO_LARGE)]
        worker.send_bytes(rest + request(Command.WORK_COMPLETE, handle, b"the rest"))
        assert worker.packets() == [], "what it sends about the job is ignored"
        assert works(wire, worker)

    def test_a_job_whose_result_no_client_needs_is_complete(
        self, wire: Wire, client: WirePeer, worker: WirePeer
    ) -> None:
        handle = client.submit(b"f", how=Command.SUBMIT_JOB_BG)
        grab(worker)
        send_most(worker, Command.WORK_COMPLETE, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert not wire.server.has_work
        row = wire.connect().say("show functions").split("\t")
        assert row[FunctionRow._fields.index("completed")] == "1"

    def test_data_that_no_client_needs_does_not_end_the_job(
        self, wire: Wire, client: WirePeer, worker: WirePeer
    ) -> None:
        handle = client.submit(b"f", how=Command.SUBMIT_JOB_BG)
        grab(worker)
        rest = send_most(worker, Command.WORK_DATA, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert wire.server.has_work
        worker.send_bytes(rest)
        worker.send(Command.WORK_COMPLETE, handle, b"")
        assert not wire.server.has_work

    def test_a_late_result_ends_the_job_that_waits_again(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        grab(worker)
        wire.advance(1.5)
        assert wire.server.has_work
        rest = send_most(worker, Command.WORK_COMPLETE, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, TOO_LARGE)]
        worker.send_bytes(rest)
        assert works(wire, worker)

    def test_a_late_result_ends_the_job_at_another_worker(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        second = wire.connect()
        second.send(Command.CAN_DO, b"f")
        handle = client.submit(b"f")
        grab(worker)
        wire.advance(1.5)
        assert grab(second) == handle
        send_most(worker, Command.WORK_COMPLETE, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, TOO_LARGE)]
        second.send(Command.WORK_COMPLETE, handle, b"")
        assert second.packets() == []

    def test_late_data_is_dropped_alone(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        grab(worker)
        wire.advance(1.5)
        send_most(worker, Command.WORK_DATA, handle)

        assert wire.server.memory.peer_to_drop() is None
        assert wire.server.has_work
        assert client.packets() == []

    @pytest.mark.parametrize(
        "packet",
        [
            request(Command.WORK_COMPLETE, b"H:localhost:99", bytes(150_000)),
            request(Command.WORK_FAIL, b"H:localhost:1\0" + bytes(150_000)),
        ],
    )
    def test_a_packet_without_a_result_drops_its_worker(
        self, wire: Wire, client: WirePeer, worker: WirePeer, packet: bytes
    ) -> None:
        client.submit(b"f")
        grab(worker)
        worker.send_bytes(packet[:120_000])

        found = wire.server.memory.peer_to_drop()
        assert found is not None
        assert found[0] is worker.peer


class TestPackets:
    """A packet beyond `--max-packet-size` closes the connection, and its job ends."""

    MOST = 2000
    REASON = b"a packet may have 2000 bytes, not 3014 as this %s announces"

    @pytest.fixture
    def worker(self, wire: Wire) -> WirePeer:
        worker = wire.connect()
        worker.peer.reader = Reader(REQUEST, self.MOST)
        worker.send(Command.CAN_DO, b"f")
        return worker

    def test_the_job_ends_with_an_exception(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        handle = client.submit(b"f")
        client.submit(b"f")
        grab(worker)
        grab(worker)
        worker.send(Command.WORK_DATA, handle, bytes(3000))

        assert worker.is_closed
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, self.REASON % b"WORK_DATA")]
        worker.close()
        wire.tick()
        assert client.say("status").split("\t")[1:3] == ["1", "0"], "the other job waits for another worker"

    def test_the_only_job_ends_if_the_header_arrives_alone(
        self, wire: Wire, client: WirePeer, worker: WirePeer
    ) -> None:
        handle = client.submit(b"f")
        grab(worker)
        worker.send_bytes(request(Command.WORK_COMPLETE, handle, bytes(3000))[:12])

        assert client.packets() == [(Command.WORK_EXCEPTION, handle, self.REASON % b"WORK_COMPLETE")]

    def test_none_of_several_jobs_ends_then(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        handle = client.submit(b"f")
        client.submit(b"f")
        grab(worker)
        grab(worker)
        worker.send_bytes(request(Command.WORK_COMPLETE, handle, bytes(3000))[:12])

        assert worker.is_closed
        assert client.packets() == []

    def test_the_job_of_a_late_result_ends(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        grab(worker)
        wire.advance(1.5)
        worker.send(Command.WORK_COMPLETE, handle, bytes(3000))

        assert client.packets() == [(Command.WORK_EXCEPTION, handle, self.REASON % b"WORK_COMPLETE")]

    def test_a_submission_ends_no_job(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        client.submit(b"f")
        grab(worker)
        worker.send(Command.SUBMIT_JOB, b"f", b"", bytes(3000))

        assert worker.is_closed
        assert client.packets() == []


class TestWorkloads:
    def lose(self, wire: Wire, client: WirePeer, loses: int, others: int = 2) -> bytes:
        """Let workers that do not read their jobs be dropped; return the handle of the job with the large workload."""
        large = client.submit(b"f", b"", bytes(60_000))
        for _ in range(others):
            client.submit(b"f", b"", b"small")
        for _ in range(loses):
            worker = wire.connect()
            worker.send(Command.CAN_DO, b"f")
            for _ in range(1 + others):
                grab(worker)
            outlet = worker.peer.outlet = Valve()
            outlet.waiting = 61_000
            wire.server.memory.count_unsent(worker.peer)
            found = wire.server.memory.peer_to_drop()
            assert found is not None
            assert found[0] is worker.peer
            worker.close()
            wire.settle()
        return large

    def test_a_job_may_lose_two_workers_that_do_not_read_it(self, wire: Wire, client: WirePeer) -> None:
        self.lose(wire, client, 2)

        assert client.packets() == []
        assert client.say("status").split("\t")[1:3] == ["3", "0"]

    @pytest.mark.parametrize("others", [0, 2])
    def test_it_ends_with_the_third(self, wire: Wire, client: WirePeer, others: int) -> None:
        handle = self.lose(wire, client, 3, others)

        text = b"Too much to send for a workload of 60000 bytes (limit 100000 bytes); 3 workers were lost"
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, text)]
        assert client.say("status").split("\t")[1:3] == [str(others), "0"]

    def test_a_peer_without_a_job_is_only_dropped(self, wire: Wire, client: WirePeer) -> None:
        outlet = client.peer.outlet = Valve()
        outlet.waiting = MOST + 1
        wire.server.memory.count_unsent(client.peer)

        assert wire.server.memory.peer_to_drop() is not None

    def test_the_store_forgets_a_job_that_ends(self) -> None:
        wire = Wire(JobServerOptions(max_memory=MOST, durability=Durability.COMMIT))
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
        take(wire.server.commit_queue)
        wire.server.commit_queue.committed()
        send_most(worker, Command.WORK_COMPLETE, grab(worker))

        assert wire.server.memory.peer_to_drop() is None
        assert take(wire.server.commit_queue).ended == [1]


class TestRoom:
    """A peer that is sent something is dropped only if no other one holds more."""

    def hold(self, wire: Wire, size: int) -> WirePeer:
        peer = wire.connect()
        peer.send_bytes(request(Command.SUBMIT_JOB, b"f", b"", bytes(200_000))[:size])
        return peer

    def test_a_peer_that_holds_more_is_dropped(self, wire: Wire, client: WirePeer) -> None:
        large = self.hold(wire, 80_000)
        self.hold(wire, 10_000)

        found = wire.server.memory.peer_to_drop_for(client.peer, 30_000)

        assert found == (large.peer, "80000 bytes are held for it, and all together exceed the memory limit")
        assert wire.server.memory.peer_to_drop_for(client.peer, 30_000) is None

    def test_none_is_dropped_if_there_is_room(self, wire: Wire, client: WirePeer) -> None:
        self.hold(wire, 80_000)

        assert wire.server.memory.peer_to_drop_for(client.peer, 20_000) is None

    def test_none_is_dropped_for_one_that_is_sent_more(self, wire: Wire, client: WirePeer) -> None:
        self.hold(wire, 80_000)

        assert wire.server.memory.peer_to_drop_for(client.peer, 80_000) is None

    def test_none_is_dropped_for_itself(self, wire: Wire) -> None:
        large = self.hold(wire, 80_000)

        assert wire.server.memory.peer_to_drop_for(large.peer, 30_000) is None

    def test_none_is_dropped_if_none_holds_anything(self, wire: Wire, client: WirePeer) -> None:
        assert wire.server.memory.peer_to_drop_for(client.peer, MOST + 1) is None

    def test_a_result_is_dropped_in_place_of_its_worker(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        handle = client.submit(b"f")
        grab(worker)
        worker.send_bytes(request(Command.WORK_COMPLETE, handle, bytes(150_000))[:80_000])

        assert wire.server.memory.peer_to_drop_for(client.peer, 30_000) is None
        assert client.packets() == [(Command.WORK_EXCEPTION, handle, TOO_LARGE)]

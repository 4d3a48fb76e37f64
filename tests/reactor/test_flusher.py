# SPDX-License-Identifier: MIT
"""The flusher: one flush per turn for all peers, limits of what waits for a peer, and a timer."""

import asyncio

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.limits import Limit
from geartrain.protocol import Command, request
from geartrain.reactor.backpressure import STEP
from tests.reactor.ends import Reactor, Transport, in_loop

PIECE = bytes(1 << 20)


def test_the_replies_of_a_turn_leave_when_the_loop_has_read_all_input() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        ends = [reactor.connect(), reactor.connect()]
        await asyncio.sleep(0)
        before = reactor.turns
        for end in ends:
            for _ in range(3):
                end.connection.data_received(b"version\n")
            assert not end.transport.unsent
        await asyncio.sleep(0)

        assert reactor.turns == before + 1
        assert all(end.transport.unsent.count(b"\n") == 3 for end in ends)

    in_loop(scenario)


def test_the_end_of_a_turn_is_reported_for_news_and_during_a_shutdown() -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(allow_shutdown=True))
        reactor.flusher.is_stopping = False
        end = reactor.connect()
        before = reactor.turns
        end.connection.data_received(b"version\n")
        reactor.flusher.flush()
        assert reactor.turns == before

        reactor.flusher.is_stopping = True
        reactor.flusher.flush()
        assert reactor.turns == before + 1

        reactor.flusher.is_stopping = False
        end.connection.data_received(b"shutdown\n")
        reactor.flusher.flush()
        assert reactor.job_server.has_news
        assert reactor.turns == before + 2

    in_loop(scenario)


def test_replies_leave_before_the_share_of_a_peer_that_sends_much() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        flooder, other = reactor.connect(), reactor.connect()
        echo = request(Command.ECHO_REQ, b"x")
        written: list[Transport] = []
        flooder.transport.log = other.transport.log = written
        flooder.connection.data_received(echo * 20_000)
        other.connection.data_received(echo)
        reactor.flusher.flush()
        assert written == [other.transport, flooder.transport]
        assert len(other.packets()) == 1

    in_loop(scenario)


def test_a_peer_that_has_disconnected_is_sent_nothing() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        leaves, stays = reactor.connect(), reactor.connect()
        for end in (leaves, stays):
            end.connection.data_received(b"version\n")
        leaves.connection.connection_lost(None)
        assert [outlet is stays.connection for outlet in reactor.flusher.outlets] == [True]
        reactor.flusher.flush()

        assert not leaves.transport.unsent
        assert stays.transport.unsent

    in_loop(scenario)


def test_a_workload_that_workers_do_not_read_ends_its_job_at_the_third() -> None:
    async def scenario() -> None:
        reactor = Reactor(max_unsent=100_000)
        client = reactor.connect()
        client.give(request(Command.OPTION_REQ, b"exceptions") + request(Command.SUBMIT_JOB, b"f", b"", bytes(200_000)))
        handle = client.packets()[-1][1][0]
        for _ in range(3):
            assert client.packets() == []
            worker = reactor.connect()
            worker.connection.pause_writing()
            worker.send(Command.CAN_DO, b"f")
            worker.send(Command.GRAB_JOB)
            assert worker.transport.calls[-1] == "abort"
            worker.connection.connection_lost(None)
            reactor.flusher.flush()

        text = b"Too much to send for a workload of 200000 bytes (limit 100000 bytes); 3 workers were lost"
        assert client.packets() == [(Command.WORK_EXCEPTION, [handle, text])]
        assert reactor.job_server.refused[Limit.UNSENT] == 3

    in_loop(scenario)


def test_it_is_empty_without_connections() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        assert reactor.flusher.is_empty.is_set()
        end = reactor.connect()
        assert not reactor.flusher.is_empty.is_set()
        end.connection.connection_lost(ConnectionResetError())
        assert reactor.flusher.is_empty.is_set()

    in_loop(scenario)


def test_a_lower_limit_drops_peers_for_which_more_waits(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor()
        client, worker = reactor.connect(), reactor.connect()
        handle = reactor.run_job(client, worker)
        client.connection.pause_writing()
        worker.send(Command.WORK_DATA, handle, PIECE)
        assert "abort" not in client.transport.calls

        reactor.flusher.change_limit(len(PIECE))
        worker.send(Command.WORK_DATA, handle, b"")
        assert "abort" in client.transport.calls
        assert reactor.job_server.refused[Limit.UNSENT] == 1

    in_loop(scenario)
    assert "Dropped test: more than 1048576 bytes wait for it" in caplog.text


def test_a_reply_beyond_the_limit_of_unsent_bytes_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor(max_unsent=3 * len(PIECE))
        client, worker = reactor.connect(), reactor.connect()
        handle = reactor.run_job(client, worker)
        for _ in range(4):
            worker.connection.data_received(packet(handle))
        reactor.flusher.flush()

        assert not client.transport.unsent
        assert "abort" in client.transport.calls

    in_loop(scenario)
    assert "Dropped test: more than 3145728 bytes wait for it" in caplog.text


def test_an_error_with_one_peer_does_not_affect_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor()
        broken, sound = reactor.connect(), reactor.connect()
        broken.transport.is_broken = True
        for end in (broken, sound):
            end.connection.data_received(b"version\n")
        reactor.flusher.flush()

        assert sound.transport.unsent
        assert broken.transport.calls == ["abort"]

    in_loop(scenario)
    assert "this transport is broken" in caplog.text


def test_a_listing_goes_on_when_the_peer_has_read() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        watcher, client = reactor.connect(), reactor.connect()
        for _ in range(5_000):
            client.connection.data_received(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
        reactor.flusher.flush()
        watcher.connection.pause_writing()
        watcher.give(b"show jobs\n")
        for _ in range(3):
            reactor.flusher.flush()
        assert not watcher.transport.unsent.endswith(b".\n")

        watcher.connection.resume_writing()
        while not watcher.transport.unsent.endswith(b".\n"):
            reactor.flusher.flush()
        assert watcher.transport.unsent.count(b"\n") == 5_001

    in_loop(scenario)


def test_the_peers_that_make_the_server_hold_most_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=100_000, packet_timeout=3600.0))
        small, large = reactor.connect(), reactor.connect()
        half = request(Command.SUBMIT_JOB_BG, b"f", b"", bytes(200_000))
        small.give(half[:1_000])
        large.give(half[:99_500])
        assert large.transport.calls == ["abort"]
        assert small.transport.calls == []

    in_loop(scenario)
    assert "99500 bytes are held for it" in caplog.text


def test_a_peer_for_whose_replies_the_memory_limit_leaves_no_room_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        client, other = reactor.connect(), reactor.connect()
        client.give(request(Command.ECHO_REQ, bytes(50_000)) * 30)
        assert client.transport.calls[-1] == "abort"
        assert client.packets() == [], "it is dropped before they are written"
        assert reactor.job_server.refused[Limit.MEMORY] == 1

        other.send(Command.ECHO_REQ, b"x")
        assert other.packets() == [(Command.ECHO_RES, [b"x"])]

    in_loop(scenario)
    assert "bytes are to be sent to it, and all together exceed the memory limit" in caplog.text


def test_a_peer_that_holds_more_is_dropped_in_place_of_one_that_is_sent_something(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        client, worker, large, known, small = [reactor.connect() for _ in range(5)]
        client.give(request(Command.SUBMIT_JOB, b"f", b"u", b"") * 2)
        [(_, (handle,)), _] = client.packets()
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.GRAB_JOB)
        for end, size in ((large, 480_000), (known, 490_000), (small, 300_000)):
            end.connection.data_received(request(Command.SUBMIT_JOB, b"f", b"", bytes(900_000))[:size])
        known.connection.peer.outlet = None  # it is known to the server alone
        worker.send(Command.WORK_COMPLETE, handle, bytes(200_000))

        assert [end.transport.calls for end in (large, small, client)] == [["abort"], [], []]
        assert client.packets() == [(Command.WORK_COMPLETE, [handle, bytes(200_000)])] * 2

    in_loop(scenario)
    assert "480000 bytes are held for it" in caplog.text


def test_a_result_without_room_is_dropped_and_its_client_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        client, worker = reactor.connect(), reactor.connect()
        handle = reactor.run_job(client, worker)
        packet = request(Command.WORK_COMPLETE, handle, bytes(3_000_000))
        worker.connection.data_received(packet[:1_500_000])
        reactor.flusher.run()
        assert reactor.flusher.is_scheduled
        reactor.flusher.flush()
        assert client.packets() == [(Command.WORK_FAIL, [handle])]

        worker.give(packet[1_500_000:] + request(Command.ECHO_REQ, b"x"))
        assert worker.packets() == [(Command.ECHO_RES, [b"x"])]
        assert worker.transport.calls == []

    in_loop(scenario)
    assert "Too much memory for a result of 3000014 bytes (limit 1000000 bytes)" in caplog.text


def test_small_replies_are_counted_after_each_mebibyte() -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        peer = reactor.connect()
        for _ in range(40):
            peer.send(Command.ECHO_REQ, bytes(50_000))
        assert peer.transport.calls == ["abort"]
        assert sum(peer.transport.sizes) < 2_000_000

    in_loop(scenario)


class TestTheTimer:
    """Waking a worker again is what is due at a time."""

    def test_ends_a_turn_when_something_is_due(self) -> None:
        async def scenario() -> None:
            reactor = Reactor(JobServerOptions(rearm_after=0.001))
            self.wake(reactor)
            await asyncio.sleep(0)
            assert not reactor.flusher.is_scheduled
            before = reactor.turns
            while reactor.turns == before:  # noqa: ASYNC110  # it only takes turns of the event loop
                await asyncio.sleep(0)
            reactor.flusher.stop()

        in_loop(scenario)

    def test_stays_as_it_is_for_what_is_due_later(self) -> None:
        async def scenario() -> None:
            reactor = Reactor(JobServerOptions(rearm_after=3600.0))
            self.wake(reactor)
            self.wake(reactor)
            timers = list(reactor.loop.timers)
            self.wake(reactor)
            assert reactor.loop.timers == timers
            timer = timers[-1]
            assert not timer.cancelled()
            reactor.flusher.stop()
            assert timer.cancelled()

        in_loop(scenario)

    def test_is_set_earlier_for_what_is_due_earlier(self) -> None:
        async def scenario() -> None:
            reactor = Reactor(JobServerOptions(rearm_after=3600.0, job_timeout=60.0))
            self.wake(reactor)
            reactor.run_job(reactor.connect(), reactor.connect())
            late, early = reactor.loop.timers
            assert late.cancelled()
            assert early.when() < late.when() - 3000.0
            reactor.flusher.stop()

        in_loop(scenario)

    def test_need_not_be_set_to_be_stopped(self) -> None:
        async def scenario() -> None:
            Reactor().flusher.stop()

        in_loop(scenario)

    def wake(self, reactor: Reactor) -> None:
        worker, client = reactor.connect(), reactor.connect()
        worker.send(Command.CAN_DO, b"w")
        worker.send(Command.PRE_SLEEP)
        client.send(Command.SUBMIT_JOB_BG, b"w", b"", b"")


class TestAWorkerThatIsHeldBack:
    def test_and_slept_is_woken_when_it_is_read_from_again(self) -> None:
        """It announced that it sleeps while its job ran; a job that came meanwhile was not dispatched to it."""

        async def scenario() -> None:
            reactor = Reactor()
            client, worker, other = reactor.connect(), reactor.connect(), reactor.connect()
            handle = reactor.run_job(client, worker)
            worker.send(Command.PRE_SLEEP)
            client.connection.pause_writing()
            worker.connection.data_received(packet(handle, STEP))
            reactor.flusher.flush()
            assert worker.transport.calls == ["pause_reading"]

            other.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
            assert worker.packets() == []
            client.connection.resume_writing()
            reactor.flusher.flush()
            assert worker.transport.calls == ["pause_reading", "resume_reading"]
            assert worker.packets() == [(Command.NOOP, [])]

        in_loop(scenario)

    def test_for_two_clients_is_read_from_when_both_have_caught_up(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            first, second, worker = reactor.connect(), reactor.connect(), reactor.connect()
            for client in (first, second):
                handle = reactor.run_job(client, worker)
                client.connection.pause_writing()
                worker.connection.data_received(packet(handle, STEP))
                reactor.flusher.flush()
            first.connection.resume_writing()
            assert worker.transport.calls == ["pause_reading"]
            second.connection.resume_writing()
            assert worker.transport.calls == ["pause_reading", "resume_reading"]

        in_loop(scenario)

    def test_may_disconnect(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            client, worker = reactor.connect(), reactor.connect()
            handle = reactor.run_job(client, worker)
            client.connection.pause_writing()
            worker.connection.data_received(packet(handle, STEP))
            reactor.flusher.flush()
            worker.connection.connection_lost(None)
            client.connection.resume_writing()

            assert worker.transport.calls == ["pause_reading"]

        in_loop(scenario)


def packet(handle: bytes, size: int = len(PIECE)) -> bytes:
    return request(Command.WORK_DATA, handle, bytes(size))


def test_a_peer_whose_packet_takes_too_much_memory_is_dropped() -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        end = reactor.connect()

        end.give(request(Command.SUBMIT_JOB, b"f", b"", bytes(2_000_000))[:1_500_000])
        reactor.flusher.run()

        assert "abort" in end.transport.calls

    in_loop(scenario)


def test_a_peer_that_is_known_to_the_server_alone_is_not_dropped() -> None:
    async def scenario() -> None:
        reactor = Reactor(JobServerOptions(max_memory=1_000_000))
        end = reactor.connect()
        end.connection.peer.outlet = None

        end.give(request(Command.SUBMIT_JOB, b"f", b"", bytes(2_000_000))[:1_500_000])
        reactor.flusher.run()

        assert "abort" not in end.transport.calls

    in_loop(scenario)


def test_large_replies_are_not_joined() -> None:
    async def scenario() -> None:
        reactor = Reactor()
        client, worker = reactor.connect(), reactor.connect()
        handle = reactor.run_job(client, worker)

        worker.send(Command.WORK_DATA, handle, PIECE)

        assert client.packets() == [(Command.WORK_DATA, [handle, PIECE])]

    in_loop(scenario)

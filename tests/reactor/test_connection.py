# SPDX-License-Identifier: MIT
"""Connections: input, flow control, and their ends."""

import asyncio

from geartrain.core import Durability, JobServerOptions
from geartrain.core.outbox import HELD, SLOW
from geartrain.core.turns import LIGHT
from geartrain.protocol import Command, request
from geartrain.reactor.connection import AdminOnlyConnection, Connection
from tests.reactor.ends import Reactor, in_loop

BULK = bytes(16 * 1024)


class TestInput:
    def test_that_comes_when_the_connection_closes_is_discarded(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            end.connection.close_gracefully()
            end.give(request(Command.ECHO_REQ, b"x"))

            assert end.packets() == []

        in_loop(scenario)

    def test_of_a_large_packet_is_acknowledged_unless_a_reply_does_that(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect(acknowledges=True)
            submission = request(Command.SUBMIT_JOB_BG, b"f", b"", BULK * 2)
            end.give(submission[: len(BULK)])
            assert end.transport.acknowledged == 1
            end.give(submission[len(BULK) :])
            assert end.transport.acknowledged == 1
            assert [command for command, _ in end.packets()] == [Command.JOB_CREATED]

            end.give(request(Command.CAN_DO, b"f"))
            assert end.transport.acknowledged == 1, "that is not a part of something large"

        in_loop(scenario)


class TestReading:
    def test_is_paused_while_there_is_a_reason(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            connection, calls = end.connection, end.transport.calls
            connection.resume_reading(SLOW)
            assert calls == []
            connection.pause_reading(SLOW)
            connection.pause_reading(HELD)
            connection.resume_reading(SLOW)
            connection.resume_reading(SLOW)
            assert calls == ["pause_reading"]
            connection.resume_reading(HELD)
            assert calls == ["pause_reading", "resume_reading"]

        in_loop(scenario)

    def test_is_paused_while_the_peer_does_not_read(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            end.connection.pause_writing()
            assert end.connection.is_slow
            end.connection.resume_writing()
            assert not end.connection.is_slow
            assert end.transport.calls == ["pause_reading", "resume_reading"]

        in_loop(scenario)

    def test_of_a_listing_goes_on_when_the_peer_reads(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            client, end = reactor.connect(), reactor.connect()
            for number in range(1000):
                client.send(Command.SUBMIT_JOB_BG, b"x" * 200 + b"%d" % number, b"", b"")
            end.connection.data_received(b"status\n")
            end.connection.pause_writing()
            for _ in range(10):
                reactor.flusher.flush()
            assert end.transport.unsent.count(b"\n") < 1001

            end.connection.resume_writing()
            for _ in range(10):
                reactor.flusher.flush()
            assert end.transport.unsent.count(b"\n") == 1001

        in_loop(scenario)


class TestTheEndOfThePeersData:
    def test_closes_the_connection_when_its_replies_were_sent(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            end.connection.data_received(request(Command.ECHO_REQ, b"x"))

            assert not end.connection.eof_received(), "the transport closes itself"
            assert end.packets() == [(Command.ECHO_RES, [b"x"])]

        in_loop(scenario)

    def test_waits_for_the_replies_that_wait_for_the_store(self) -> None:
        async def scenario() -> None:
            reactor = Reactor(JobServerOptions(durability=Durability.COMMIT))
            end = reactor.connect()
            end.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")

            assert end.connection.eof_received(), "the transport stays open"
            assert end.transport.calls == []
            reactor.job_server.commit_queue.take_batch()
            reactor.job_server.commit_queue.committed()
            reactor.flusher.flush()
            assert [command for command, _ in end.packets()] == [Command.JOB_CREATED]
            assert end.transport.calls == ["write_eof"]

        in_loop(scenario)

    def test_waits_for_the_input_beyond_the_budget_of_a_turn(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            end = reactor.connect()
            end.connection.data_received(request(Command.ECHO_REQ, b"x") * 10_000)

            assert end.connection.eof_received(), "the transport stays open"
            end.connection.pause_writing()
            end.connection.resume_writing()
            assert "write_eof" not in end.transport.calls
            for _ in range(10):
                reactor.flusher.flush()
            assert len(end.packets()) == 10_000
            assert end.transport.calls[-1] == "write_eof"

        in_loop(scenario)

    def test_is_no_reason_to_lose_input_on_a_transport_that_cannot_close_one_side(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            flooder = reactor.connect()
            end = reactor.connect(can_write_eof=False)
            for _ in range(LIGHT):
                reactor.flusher.flush()
            flooder.connection.data_received(request(Command.ECHO_REQ, b"x") * 5_000)
            end.give(request(Command.ECHO_REQ, b"x"))
            end.connection.data_received(request(Command.ECHO_REQ, b"x") * 3_000)
            assert reactor.job_server.is_waiting(end.connection.peer)

            assert not end.connection.eof_received()
            assert len(end.packets()) == 3_001

        in_loop(scenario)

    def test_does_not_wait_for_the_store_on_a_transport_that_cannot_close_one_side(self) -> None:
        async def scenario() -> None:
            end = Reactor(JobServerOptions(durability=Durability.COMMIT)).connect(can_write_eof=False)
            end.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")

            assert not end.connection.eof_received()

        in_loop(scenario)

    def test_waits_for_the_replies_to_input_that_has_to_wait(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            end = reactor.connect()
            reactor.job_server.begin_restoring(0)
            end.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
            assert end.connection.eof_received(), "the transport stays open"
            end.connection.pause_writing()
            end.connection.resume_writing()
            assert end.transport.calls == ["pause_reading"], "the input waits still"

            reactor.job_server.end_restoring()
            reactor.flusher.flush()
            assert [command for command, _ in end.packets()] == [Command.JOB_CREATED]
            assert end.transport.calls == ["pause_reading", "write_eof"]

        in_loop(scenario)

    def test_changes_nothing_when_the_server_closes_the_connection(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            end.connection.close_gracefully()

            assert not end.connection.eof_received()

        in_loop(scenario)


class TestClosing:
    def test_gives_the_peer_time_to_read(self) -> None:
        async def scenario() -> None:
            for kind in (Connection, AdminOnlyConnection):
                end = Reactor().connect(kind)
                end.connection.close_gracefully()
                end.connection.close_gracefully()
                assert end.transport.calls == ["write_eof"]
                while "abort" not in end.transport.calls:  # noqa: ASYNC110  # it only takes turns of the event loop
                    await asyncio.sleep(0)
                end.connection.connection_lost(None)

        in_loop(scenario)

    def test_leaves_the_rest_to_a_transport_that_cannot_close_one_side(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect(can_write_eof=False)
            end.connection.close_gracefully()
            assert end.transport.calls == ["close"]

        in_loop(scenario)

    def test_at_once_is_up_to_the_transport(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect()
            end.connection.close()
            end.connection.abort()
            assert end.transport.calls == ["close", "abort"]

        in_loop(scenario)


class TestAnEncryptedConnection:
    """It gets little at once, as the number of unsent bytes leaves out those that TLS has encrypted."""

    def test_is_not_read_from_for_longer_as_its_bytes_cost_more(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            pauses = []
            for is_encrypted in (False, True):
                flooder, other = reactor.connect(), reactor.connect()
                for _ in range(LIGHT):
                    reactor.flusher.flush()
                flooder.connection.data_received(request(Command.ECHO_REQ, b"x") * 5_000)
                other.give(request(Command.ECHO_REQ, b"x"))
                end = reactor.connect(is_encrypted=is_encrypted)
                end.give(request(Command.SUBMIT_JOB, b"f", b"", bytes(400_000))[:200_000])
                before = reactor.turns
                while reactor.job_server.is_waiting(end.connection.peer):
                    reactor.flusher.flush()
                pauses.append(reactor.turns - before)
            assert pauses[1] > 10 * pauses[0] > 0

        in_loop(scenario)

    def test_limits_the_bytes_that_are_read_during_a_pause(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            assert reactor.connect(is_encrypted=True).transport.read_limits == (128 * 1024, 64 * 1024)
            assert reactor.connect().transport.read_limits == (None, None)

        in_loop(scenario)

    def test_is_given_large_replies_in_slices(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            client, worker = reactor.connect(is_encrypted=True), reactor.connect()
            handle = reactor.run_job(client, worker)
            client.transport.sizes.clear()
            worker.send(Command.WORK_DATA, handle, bytes(200_000))
            assert client.packets() == [(Command.WORK_DATA, [handle, bytes(200_000)])]
            assert max(client.transport.sizes) == 64 * 1024

            client.give(request(Command.ECHO_REQ, bytes(7_000)) * 10)
            assert len(client.packets()) == 10
            assert max(client.transport.sizes) == 64 * 1024

        in_loop(scenario)


class TestAConnectionForAdministratorsOnly:
    def test_rejects_packets(self) -> None:
        async def scenario() -> None:
            reactor = Reactor()
            end = reactor.connect(AdminOnlyConnection)
            end.give(request(Command.ECHO_REQ, b"x"))
            [(command, (code, _))] = end.packets()
            assert (command, code) == (Command.ERROR, b"TOO_MANY_CONNECTIONS")
            assert end.transport.calls == ["write_eof"]

            end.give(request(Command.ECHO_REQ, b"x"))
            assert end.packets() == []

        in_loop(scenario)

    def test_takes_text(self) -> None:
        async def scenario() -> None:
            end = Reactor().connect(AdminOnlyConnection)
            end.give(b"status\n")
            assert bytes(end.transport.unsent) == b".\n"

        in_loop(scenario)

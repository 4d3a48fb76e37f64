# SPDX-License-Identifier: MIT
"""The budget of a turn: a peer that sends much, or packets that cost much, does not delay the others."""

import pytest

from geartrain.core.turns import BYTES_PER_UNIT, FLOOR, LIGHT, READ_PER_UNIT, SHORT, SILENCE, TURN, Turns
from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.valve import Valve

ECHO = request(Command.ECHO_REQ, b"x")
MOST = TURN + TURN // 4 + 2 * FLOOR  # packets that are handled in one turn


@pytest.fixture
def flooder(wire: Wire) -> WirePeer:
    peer = wire.connect()
    peer.peer.outlet = Valve()
    return peer


def valve(peer: WirePeer) -> Valve:
    outlet = peer.peer.outlet
    assert isinstance(outlet, Valve)
    return outlet


def echoes(peer: WirePeer) -> int:
    return len(peer.packets())


def test_a_peer_has_the_budget_of_a_turn_and_the_rest_waits(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST)
    of_bytes = len(ECHO * 3 * MOST) >> READ_PER_UNIT
    assert TURN - of_bytes <= echoes(flooder) <= TURN + FLOOR

    counts = []
    while wire.server.is_waiting(flooder.peer):
        assert wire.tick() in (0.0, None)
        counts.append(echoes(flooder))

    assert max(counts) <= MOST
    assert len(counts) == 3
    assert wire.tick() is None


def test_nothing_is_lost_and_the_order_stays(wire: Wire, flooder: WirePeer) -> None:
    numbers = [b"%d" % number for number in range(2 * MOST)]
    flooder.send_bytes(b"".join([request(Command.ECHO_REQ, number) for number in numbers]))
    flooder.send_bytes(request(Command.ECHO_REQ, b"last"))

    wire.settle()

    assert [reply[1] for reply in flooder.packets()] == [*numbers, b"last"]


def test_others_are_answered_in_the_same_turn(wire: Wire, flooder: WirePeer) -> None:
    other = wire.connect()
    flooder.send_bytes(ECHO * 3 * MOST)

    assert other.ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")


def test_all_packets_of_others_are_answered_in_the_same_turn(wire: Wire, flooder: WirePeer) -> None:
    other = wire.connect()
    flooder.send_bytes(ECHO * (TURN + 100))

    other.send_bytes(ECHO * 3)

    assert echoes(other) == 3


def test_reading_goes_on_if_the_rest_of_the_turn_is_enough(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * (TURN + 100))
    assert wire.server.is_waiting(flooder.peer)

    wire.server.tick()

    assert not wire.server.is_waiting(flooder.peer)
    assert valve(flooder).closings == 0


def test_reading_pauses_at_the_end_of_the_turn_if_input_remains(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST)
    assert valve(flooder).is_open

    wire.server.tick()
    assert not valve(flooder).is_open

    wire.settle()
    assert valve(flooder).is_open


def test_reading_pauses_at_once_if_more_comes(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST)
    flooder.send_bytes(ECHO)

    assert not valve(flooder).is_open


def test_peers_that_send_much_share_the_turns(wire: Wire) -> None:
    flooders = [wire.connect() for _ in range(8)]
    for flooder in flooders:
        flooder.send_bytes(ECHO * 4 * MOST)
    for flooder in flooders:
        echoes(flooder)

    for _ in range(4):
        wire.tick()
        counts = [echoes(flooder) for flooder in flooders]
        assert sum(counts) <= MOST
        assert min(counts) >= TURN // 8 - (len(ECHO * 4 * MOST) >> READ_PER_UNIT)
    wire.settle()
    assert not any(wire.server.is_waiting(flooder.peer) for flooder in flooders)


def test_many_peers_with_a_few_packets_each_wait_for_nothing(wire: Wire, flooder: WirePeer) -> None:
    others = [wire.connect() for _ in range(1000)]
    for other in others:
        other.send(Command.ECHO_REQ, b"x")
    flooder.send_bytes(ECHO * 3 * MOST)

    for other in others:
        other.send_bytes(ECHO * (FLOOR - 2))

    assert {echoes(other) for other in others} == {FLOOR - 1}


def test_a_peer_that_leaves_is_forgotten(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST)
    flooder.close()

    assert wire.tick() is None


def test_a_fault_in_input_that_waits_ends_the_connection(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST + b"\0not Gearman" + ECHO)

    wire.settle()

    assert flooder.is_closed
    assert not wire.server.is_waiting(flooder.peer)


def test_a_peer_to_be_closed_is_handled_no_further(wire: Wire, flooder: WirePeer) -> None:
    flooder.send_bytes(ECHO * 3 * MOST)
    echoes(flooder)
    flooder.peer.closing = True

    wire.settle()

    assert echoes(flooder) == 0
    assert not wire.server.is_waiting(flooder.peer)


def test_a_result_for_many_submissions_is_charged_by_its_bytes(wire: Wire) -> None:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    clients = [wire.connect() for _ in range(40)]
    [handle] = {client.submit(b"f", b"u") for client in clients}
    worker.send(Command.GRAB_JOB)

    worker.send_bytes(request(Command.WORK_DATA, handle, bytes(1 << 20)) + ECHO * FLOOR)
    assert wire.server.is_waiting(worker.peer), "its budget is used up"
    wire.settle()
    worker.send_bytes(request(Command.WORK_COMPLETE, handle, bytes(1 << 20)) + ECHO * FLOOR)
    assert wire.server.is_waiting(worker.peer)
    wire.settle()

    assert {client.packets()[-1][0] for client in clients} == {Command.WORK_COMPLETE}


def test_large_workloads_are_assigned_in_portions(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    workload = bytes(1 << 20)
    for _ in range(64):
        client.submit(b"f", b"", workload)

    worker.send_bytes(request(Command.GRAB_JOB) * 64)

    most = TURN // (len(workload) >> BYTES_PER_UNIT) + 1
    assert len(worker.packets()) <= most
    wire.settle()
    assert len(worker.packets()) >= 64 - most


def turn(wire: Wire, flooder: WirePeer, data: bytes, *others: WirePeer) -> int:
    """Run a turn in which others ask for an echo; return the number of answers to the flooder."""
    wire.server.begin_turn()
    for peer, sent in ((flooder, data), *((other, ECHO) for other in others)):
        peer.peer.reader.feed(sent)
        wire.server.receive(peer.peer)
    wire.server.tick()
    assert [other.packets() for other in others] == [[(Command.ECHO_RES, b"x")]] * len(others)
    return echoes(flooder)


def light(wire: Wire) -> WirePeer:
    """Return a connection that has not needed a share for some turns."""
    peer = wire.connect()
    for _ in range(LIGHT):
        wire.tick()
    return peer


def test_new_connections_do_not_make_turns_short(wire: Wire, flooder: WirePeer) -> None:
    turn(wire, flooder, ECHO * 4 * MOST, wire.connect())
    assert turn(wire, flooder, b"", wire.connect()) >= TURN - FLOOR


def test_turns_are_short_while_other_peers_are_active(wire: Wire, flooder: WirePeer) -> None:
    other = light(wire)

    assert turn(wire, flooder, ECHO * 4 * MOST, other) >= TURN - FLOOR
    for _ in range(3):
        assert SHORT // 4 <= turn(wire, flooder, b"", other) <= 2 * SHORT


def test_turns_stay_short_until_the_others_have_been_silent_for_a_while(wire: Wire, flooder: WirePeer) -> None:
    other = light(wire)
    turn(wire, flooder, ECHO * 8 * MOST, other)
    turn(wire, flooder, b"", other)

    for _ in range(SILENCE):
        assert turn(wire, flooder, b"") <= 2 * SHORT

    assert turn(wire, flooder, b"") >= TURN


def test_turns_stay_long_if_all_peers_send_much(wire: Wire, flooder: WirePeer) -> None:
    others = [wire.connect() for _ in range(4)]
    for number in range(20):
        wire.server.begin_turn()
        for peer, count in ((flooder, 3 * MOST if number == 18 else 20), *((other, 20) for other in others)):
            peer.peer.reader.feed(ECHO * count)
            wire.server.receive(peer.peer)
        wire.server.tick()
        answers = echoes(flooder)

    assert answers > TURN // 4


def test_in_a_short_turn_the_share_comes_after_the_replies_to_others(wire: Wire, flooder: WirePeer) -> None:
    other = light(wire)
    turn(wire, flooder, ECHO * 2 * MOST, other)
    wire.settle()
    flooder.packets()
    wire.server.take_dirty()

    wire.server.begin_turn()
    for peer, sent in ((flooder, ECHO * MOST), (other, ECHO)):
        peer.peer.reader.feed(sent)
        wire.server.receive(peer.peer)

    assert echoes(flooder) <= SHORT + FLOOR + 1
    assert wire.server.shares_out
    assert wire.server.take_prompt() == [other.peer]
    wire.server.tick()
    assert wire.server.take_dirty() == [flooder.peer]


def test_bytes_of_an_unfinished_packet_are_charged(wire: Wire, flooder: WirePeer) -> None:
    other = light(wire)
    turn(wire, flooder, ECHO * 2 * MOST, other)
    wire.settle()
    size = (3 * SHORT) << READ_PER_UNIT

    flooder.send_bytes(request(Command.SUBMIT_JOB, b"f", b"", bytes(2 * size))[:size])

    assert wire.server.is_waiting(flooder.peer)
    assert not valve(flooder).is_open
    assert wire.tick() == 0.0
    assert not valve(flooder).is_open
    wire.settle()
    assert valve(flooder).is_open


def test_bytes_of_large_echoes_are_charged(wire: Wire, flooder: WirePeer) -> None:
    large = request(Command.ECHO_REQ, bytes(100 << BYTES_PER_UNIT))

    flooder.send_bytes(large * 50)

    assert TURN // 200 - 5 <= echoes(flooder) <= TURN // 100 + 1


def test_a_peer_that_sends_little_at_a_time_waits_too(wire: Wire, flooder: WirePeer) -> None:
    other = wire.connect()
    other.ask(Command.ECHO_REQ, b"x")
    flooder.send_bytes(ECHO * 3 * MOST)

    handled = []
    for _ in range(3):
        other.peer.reader.feed(ECHO * (FLOOR // 2))
        wire.server.receive(other.peer)
        handled.append(echoes(other))

    assert handled == [FLOOR // 2, FLOOR // 2, 0]  # with the first one, it has used up one unit too many
    assert wire.server.is_waiting(other.peer)


def test_the_shares_of_a_turn_are_smaller_after_a_turn_of_many_peers() -> None:
    turns = Turns()
    turns.begin_backlog(4)
    for _ in range(4):
        turns.share_out(0)

    turns.begin()

    assert [turns.grant(-1) for _ in range(5)] == [TURN // 4 - 1] * 4 + [-1]


def test_each_peer_that_needed_a_share_has_one_in_the_next_turn() -> None:
    turns = Turns()
    for _ in range(4):
        turns.grant(-1)

    turns.begin()

    assert [turns.grant(0) for _ in range(5)] == [TURN // 4] * 4 + [0]


def test_others_have_what_a_peer_gives_back_of_its_share() -> None:
    turns = Turns()
    for _ in range(2):
        turns.grant(-1)
    turns.begin()
    assert turns.grant(0) == TURN // 2

    assert turns.give_back(100) == FLOOR

    assert [turns.grant(0) for _ in range(3)] == [TURN // 2, 100 - FLOOR, 0]


def test_the_backlog_has_the_rest_of_a_turn_and_a_quarter_at_least() -> None:
    turns = Turns()
    turns.begin_backlog(1)
    assert turns.share_out(0) == TURN
    assert not turns.has_rest

    turns.begin_backlog(1)
    assert turns.share_out(0) == TURN // 4


def test_no_peer_of_the_backlog_has_a_second_share_before_each_has_its_first() -> None:
    turns = Turns()
    turns.begin_backlog(2)

    assert turns.share_out(0) == TURN // 2
    assert turns.grant(-1) == -1


def test_a_peer_is_handled_once_in_a_turn(wire: Wire) -> None:
    client = wire.connect()
    wire.server.take_dirty()

    client.send_bytes(ECHO * 3)

    assert wire.server.take_dirty().count(client.peer) == 1

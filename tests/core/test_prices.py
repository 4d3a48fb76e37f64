# SPDX-License-Identifier: MIT
"""Packets that cost more than ordinary ones use up more of the budget of a turn."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.access import SUBMIT, WORK, AccessRules, Right, Rule
from geartrain.core.turns import TURN
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer


def waits_after(wire: Wire, peer: WirePeer, *packets: bytes) -> bool:
    """Tell whether a peer that sends these packets at once has to wait for the next turn."""
    wire.settle()
    peer.send_bytes(b"".join(packets))
    return wire.server.is_waiting(peer.peer)


@pytest.mark.parametrize(
    ("lines", "waits"),
    [
        ([b"%d" % minute for minute in range(TURN // 1000 + 1)], True),
        ([b"0"] * (TURN // 1000 + 1), False),
        ([b"0"] * (TURN // 20), True),
    ],
    ids=["new lines", "one line", "one line, very often"],
)
def test_cron_lines(wire: Wire, lines: list[bytes], waits: bool) -> None:
    packets = [
        request(Command.SUBMIT_JOB_SCHED, b"f", b"%d" % number, line, b"*", b"*", b"*", b"*", b"")
        for number, line in enumerate(lines)
    ]

    assert waits_after(wire, wire.connect(), *packets) is waits


@pytest.mark.parametrize(("clients", "waits"), [(50, True), (5, False)])
def test_data_for_many_submissions_of_one_job(wire: Wire, clients: int, waits: bool) -> None:
    worker = wire.connect()
    for _ in range(clients):
        client = wire.connect()
        for _ in range(20):
            client.submit(b"f", b"u")
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.GRAB_JOB)

    data = request(Command.WORK_DATA, b"H:localhost:1", b"x")

    assert waits_after(wire, worker, *[data] * (TURN // 1000 + 1)) is waits


@pytest.mark.parametrize(("clients", "waits"), [(800, True), (8, False)])
def test_the_status_of_a_job_of_many_clients(wire: Wire, clients: int, waits: bool) -> None:
    for _ in range(clients):
        wire.connect().submit(b"f", b"u")

    question = request(Command.GET_STATUS_UNIQUE, b"u")

    assert waits_after(wire, wire.connect(), *[question] * (TURN // 20)) is waits


@pytest.mark.parametrize(("functions", "waits"), [(TURN + 100, True), (100, False)])
def test_the_end_of_all_registrations(wire: Wire, functions: int, waits: bool) -> None:
    worker = wire.connect()
    for number in range(functions):
        worker.send(Command.CAN_DO, b"f%d" % number)

    assert waits_after(wire, worker, request(Command.RESET_ABILITIES)) is waits


@pytest.mark.parametrize(("functions", "waits"), [(800, True), (16, False)])
def test_grabs_of_a_worker_that_may_not_have_each_job(wire: Wire, functions: int, waits: bool) -> None:
    client, worker = wire.connect(), wire.connect()
    for number in range(functions):
        worker.send(Command.CAN_DO_TIMEOUT, b"f%d" % number, b"1000")
    client.submit(b"f0")
    worker.send(Command.GRAB_JOB)
    wire.advance(2)

    assert waits_after(wire, worker, *[request(Command.GRAB_JOB)] * (TURN // 90)) is waits


@pytest.mark.parametrize("rights", [WORK, SUBMIT], ids=["allowed", "denied"])
@pytest.mark.parametrize(("functions", "waits"), [(250, True), (5, False)])
def test_new_tokens_of_a_worker_with_many_functions(rights: Right, functions: int, waits: bool) -> None:
    wire = Wire(JobServerOptions(access=AccessRules((Rule(rights=rights),))))
    worker = wire.connect()
    for number in range(functions):
        worker.send(Command.CAN_DO, b"f%d" % number)

    tokens = [request(Command.OPTION_REQ, b"token=%064d" % number) for number in range(TURN // 200)]

    assert waits_after(wire, worker, *tokens) is waits

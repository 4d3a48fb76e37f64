# SPDX-License-Identifier: MIT
"""Submissions: handles, priorities and coalescing (protocol 1.6-1.8)."""

import itertools

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.commands.handler import leading_number
from geartrain.protocol import Command
from geartrain.testing.wire import Wire

FOREGROUND = [Command.SUBMIT_JOB, Command.SUBMIT_JOB_HIGH, Command.SUBMIT_JOB_LOW]
BACKGROUND = [Command.SUBMIT_JOB_BG, Command.SUBMIT_JOB_HIGH_BG, Command.SUBMIT_JOB_LOW_BG]


def test_handles_count_from_one(wire: Wire) -> None:
    client = wire.connect()

    assert [client.submit(b"f") for _ in range(3)] == [b"H:localhost:1", b"H:localhost:2", b"H:localhost:3"]


def test_the_handle_prefix_is_an_option() -> None:
    wire = Wire(JobServerOptions(handle_prefix=b"me"))

    assert wire.connect().submit(b"f") == b"me:1"


def test_a_coalesced_submission_uses_up_no_handle(wire: Wire) -> None:
    client = wire.connect()

    assert [client.submit(b"f", b"u") for _ in range(2)] == [b"H:localhost:1"] * 2
    assert client.submit(b"f") == b"H:localhost:2"


@pytest.mark.parametrize("how", FOREGROUND + BACKGROUND, ids=lambda command: command.name)
def test_job_created_carries_the_handle_without_nul(wire: Wire, how: Command) -> None:
    client = wire.connect()

    client.send(how, b"f", b"", b"w")

    assert client.take_bytes() == b"\0RES\0\0\0\x08\0\0\0\x0dH:localhost:1"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Command.SUBMIT_JOB, (b"f", b"u" * 64, b"")),
        (Command.SUBMIT_JOB_SCHED, (b"f", b"u" * 64, b"0", b"*", b"*", b"*", b"*", b"")),
        (Command.SUBMIT_REDUCE_JOB, (b"f", b"", b"r" * 64, b"", b"")),
        (Command.SUBMIT_JOB_EPOCH, (b"f", b"", b"%d" % (2**63 - 1), b"")),
    ],
    ids=["unique", "unique of a schedule", "reducer", "time"],
)
def test_the_largest_values_are_accepted(wire: Wire, command: Command, arguments: tuple[bytes, ...]) -> None:
    assert wire.connect().ask(command, *arguments) == (Command.JOB_CREATED, b"H:localhost:1")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Command.SUBMIT_JOB_EPOCH, (b"f", b"", b"%d" % 2**63, b"")),
        (Command.CAN_DO_TIMEOUT, (b"f", b"%d" % 2**63)),
    ],
    ids=["epoch", "timeout"],
)
def test_a_time_beyond_64_bits_ends_the_connection(wire: Wire, command: Command, arguments: tuple[bytes, ...]) -> None:
    peer = wire.connect()

    reply = peer.ask(command, *arguments)

    assert reply[2] == b"%b: the time is beyond 64 bits" % command.name.encode()
    assert peer.is_closed


def test_a_job_for_this_second_does_not_wait(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    now = int(wire.clock.time())
    wire.clock.offset -= wire.clock.time() - now
    assert wire.clock.time() == now
    wire.tick()
    client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % now, b"")

    worker.send(Command.CAN_DO, b"f")

    assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN


def test_the_longest_timeout_is_accepted(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"%d" % (2**63 - 1))
    client.submit(b"f")

    assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN


def test_answers_come_in_the_order_of_the_submissions(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f", b"same")

    client.send(Command.SUBMIT_JOB, b"f", b"", b"")
    client.send(Command.SUBMIT_JOB, b"f", b"u" * 65, b"")
    client.send(Command.SUBMIT_JOB, b"f", b"same", b"")

    assert client.packets() == [
        (Command.JOB_CREATED, b"H:localhost:2"),
        (Command.ERROR, b"ARGUMENT_TOO_LARGE", b"Unique value too large"),
        (Command.JOB_CREATED, b"H:localhost:1"),
    ]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FOREGROUND + BACKGROUND, repeat=2)))
def test_every_mix_coalesces_and_the_first_decides(wire: Wire, first: Command, second: Command) -> None:
    one, two, worker = wire.connect(), wire.connect(), wire.connect()

    handle = one.submit(b"f", b"u", b"first", how=first)
    assert two.submit(b"f", b"u", b"second", how=second) == handle

    worker.send(Command.CAN_DO, b"f")
    assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"first")
    assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
    worker.send(Command.WORK_COMPLETE, handle, b"done")
    complete = (Command.WORK_COMPLETE, handle, b"done")
    assert one.packets() == ([complete] if first in FOREGROUND else [])
    assert two.packets() == ([complete] if second in FOREGROUND else [])


@pytest.mark.parametrize(
    ("unique", "workloads", "coalesce"),
    [
        (b"", (b"w", b"w"), False),
        (b"-", (b"w", b"w"), True),
        (b"-", (b"v", b"w"), False),
        (b"-", (b"", b""), False),
        (b"u", (b"v", b"w"), True),
        (b"u", (b"", b""), True),
        (b"u" * 64, (b"", b""), True),
        (b"#", (b"v", b"w"), True),
    ],
)
def test_equal_submissions_are_one_job(
    wire: Wire, unique: bytes, workloads: tuple[bytes, bytes], coalesce: bool
) -> None:
    handles = [wire.connect().submit(b"f", unique, workload) for workload in workloads]

    assert (handles[0] == handles[1]) is coalesce


@pytest.mark.parametrize("unique", [b"u", b"-"])
def test_uniques_belong_to_their_function(wire: Wire, unique: bytes) -> None:
    client, worker = wire.connect(), wire.connect()
    handles = [client.submit(function, unique, b"w") for function in (b"f", b"g", b"h")]

    assert len(set(handles)) == 3
    assert [client.submit(function, unique, b"w") for function in (b"f", b"g", b"h")] == handles

    # Each function removes its own job only.
    worker.send(Command.CAN_DO, b"g")
    worker.ask(Command.GRAB_JOB)
    worker.send(Command.WORK_COMPLETE, handles[1], b"")
    client.packets()
    assert client.submit(b"f", unique, b"w") == handles[0]
    assert client.submit(b"h", unique, b"w") == handles[2]
    assert client.submit(b"g", unique, b"w") not in handles


def test_all_functions_of_a_unique_can_end(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    handles = {function: client.submit(function, b"u") for function in (b"f", b"g")}
    for function, handle in handles.items():
        worker.send(Command.CAN_DO, function)
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.WORK_COMPLETE, handle, b"")
    client.packets()

    assert client.ask(Command.GET_STATUS_UNIQUE, b"u")[2] == b"0"
    assert client.submit(b"f", b"u") not in handles.values()


def test_joining_a_running_job_brings_everything_from_then_on(wire: Wire) -> None:
    one, two, worker = wire.connect(), wire.connect(), wire.connect()
    handle = one.submit(b"f", b"u")
    worker.send(Command.CAN_DO, b"f")
    worker.ask(Command.GRAB_JOB)
    worker.send(Command.WORK_DATA, handle, b"early")

    assert two.submit(b"f", b"u") == handle
    worker.send(Command.WORK_DATA, handle, b"late")

    assert [packet[2] for packet in one.packets()] == [b"early", b"late"]
    assert [packet[2] for packet in two.packets()] == [b"late"]


def test_each_submission_counts(wire: Wire) -> None:
    """A client that submits a unique twice on one connection receives everything twice."""
    client, worker = wire.connect(), wire.connect()
    handle = client.submit(b"f", b"u")
    client.submit(b"f", b"u")
    worker.send(Command.CAN_DO, b"f")
    worker.ask(Command.GRAB_JOB)

    worker.send(Command.WORK_DATA, handle, b"x")
    worker.send(Command.WORK_COMPLETE, handle, b"y")

    assert [packet[2] for packet in client.packets()] == [b"x", b"x", b"y", b"y"]


def test_an_unknown_function_is_created_on_the_fly(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"new")

    assert client.say("status") == "new\t1\t0\t0\n.\n"


def test_workloads_are_binary(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    workload = bytes(range(256)) * 2
    handle = client.submit(b"f", b"", workload)
    worker.send(Command.CAN_DO, b"f")

    assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", workload)
    worker.send(Command.WORK_COMPLETE, handle, workload)
    assert client.packets() == [(Command.WORK_COMPLETE, handle, workload)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"12", 12),
        (b"+12", 12),
        (b"-12", -12),
        (b"  12x34", 12),
        (b"1:2", 1),
        (b" -1 ", -1),
        (b"-", 0),
        (b"+-1", 0),
        (b"", 0),
        (b"x1", 0),
        (b"9" * 100, int("9" * 64)),
    ],
)
def test_numbers_are_read_as_the_c_server_does(text: bytes, number: int) -> None:
    assert leading_number(text) == number

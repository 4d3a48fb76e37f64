# SPDX-License-Identifier: MIT
"""Listings: what the server writes is what clients read."""

import pytest

from geartrain.admin import calls
from geartrain.admin.session import Reply
from geartrain.core import Durability, JobServerOptions
from geartrain.core.metrics import METRICS
from geartrain.errors import RemoteProtocolError
from geartrain.protocol import Command
from geartrain.protocol.listings import LISTINGS, FunctionRow, MetricRow
from geartrain.protocol.text import COMMANDS, ReplyKind, TextCommand
from geartrain.testing.wire import Wire


@pytest.mark.parametrize("command", LISTINGS, ids=lambda command: command.value)
def test_a_client_reads_all_that_the_server_writes(wire: Wire, command: TextCommand) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    client.submit(b"f\tg")
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"u", b"%d" % 2**40, b"")
    call = calls.show(LISTINGS[command].row)

    *lines, end = wire.connect().say(command.value).encode().splitlines()

    assert COMMANDS[command].reply is ReplyKind.LISTING
    assert end == b"."
    rows = call.value_of(Reply(command, tuple(lines)))
    assert rows
    assert all(isinstance(row, LISTINGS[command].row) for row in rows)


def test_delayed_jobs_are_listed_by_their_times(wire: Wire) -> None:
    client, admin = wire.connect(), wire.connect()
    now = int(wire.clock.time())
    for delay, unique in ((300, b"late"), (100, b"early"), (200, b"cancelled")):
        client.send(Command.SUBMIT_JOB_EPOCH, b"mail\tbox", unique, b"%d" % (now + delay), b"")
    late, early, cancelled = (bytes(packet[1]) for packet in client.packets())
    client.submit(b"mail")
    admin.say(f"cancel job {cancelled.decode()}")

    reply = admin.say("show delayed").encode()

    assert reply.splitlines() == [
        b"%b\tmail\\x09box\t%d.000\tearly\tnormal" % (early, now + 100),
        b"%b\tmail\\x09box\t%d.000\tlate\tnormal" % (late, now + 300),
        b".",
    ]
    wire.advance(150.0)
    assert admin.say("show delayed").encode().splitlines()[0].startswith(late)


def test_a_delayed_job_is_listed_with_its_millisecond_and_its_priority(wire: Wire) -> None:
    client = wire.connect()
    client.send(Command.OPTION_REQ, b"delayed-job=4102444800250,low")
    client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"u", b"4102444801", b"")

    assert wire.connect().say("show delayed") == "H:localhost:1\tf\t4102444800.250\tu\tlow\n.\n"


def test_a_line_with_other_columns_is_an_error() -> None:
    call = calls.show(MetricRow)

    for line in (b"name", b"name\tmany"):
        with pytest.raises(RemoteProtocolError):
            call.value_of(Reply(TextCommand.SHOW_METRICS, (line,)))


def test_only_listings_have_rows() -> None:
    class Other(FunctionRow):
        pass

    with pytest.raises(ValueError, match="Other is not the row of a listing; those are FunctionRow, "):
        calls.show(Other)


def test_metrics_have_names_of_the_field() -> None:
    assert all(name.replace("_", "").isalpha() and name.islower() for name in METRICS)


def test_replies_that_wait_for_the_store_count_as_unsent() -> None:
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client, admin = wire.connect(), wire.connect()
    client.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")

    rows = [line.split("\t") for line in admin.say("show connections").splitlines()[:-1]]

    assert rows[0][-1] == str(12 + len(b"H:localhost:1"))

# SPDX-License-Identifier: MIT
"""Absence of reference cycles in core, as the server hardly ever runs the garbage collector."""

import gc
from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest

from geartrain.core import CommitOutcome, Durability, JobServerOptions
from geartrain.core.access import SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

TIMES = 20


@pytest.fixture
def found() -> Iterator[Callable[[], list[str]]]:
    """Return a function that lists the garbage that was made since the test began."""

    def collect() -> list[str]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return [type(each).__name__ for each in gc.garbage]

    gc.collect()
    gc.disable()
    gc.freeze()  # what another test left, such as a thread that ends now, may become garbage only later
    try:
        yield collect
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


def handle_at(worker: WirePeer) -> bytes:
    """Let a worker grab a job."""
    worker.send(Command.PRE_SLEEP)
    worker.send(Command.GRAB_JOB)
    handle = next(packet[1] for packet in worker.packets() if packet[0] is Command.JOB_ASSIGN)
    assert isinstance(handle, bytes)
    return handle


def foreground(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"30")
    client.submit(b"f", b"u", b"w")
    client.submit(b"f", b"u", b"w", how=Command.SUBMIT_JOB_HIGH)  # the same job
    handle = handle_at(worker)
    client.ask(Command.GET_STATUS, handle)
    worker.send(Command.WORK_STATUS, handle, b"1", b"2")
    worker.send(Command.WORK_DATA, handle, b"part")
    worker.send(Command.WORK_COMPLETE, handle, b"result")
    client.close()
    worker.close()


def lost_workers_and_clients(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"g")
    client.submit(b"g", b"-", b"w")
    handle_at(worker)
    worker.close()
    client.close()  # the job ends with its client


def time_outs(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"h", b"1")
    client.submit(b"h")
    handle_at(worker)
    wire.advance(2.0)
    other = wire.connect()
    other.send(Command.CAN_DO, b"h")
    handle = handle_at(other)
    worker.send(Command.WORK_COMPLETE, handle, b"late")
    other.send(Command.WORK_COMPLETE, handle, b"")
    other.close()
    worker.close()
    client.close()


def later(wire: Wire) -> None:
    client = wire.connect()
    due = b"%d" % (wire.clock.time() + 10)
    client.send(Command.SUBMIT_JOB_EPOCH, b"late", b"", due, b"w")
    (created,) = client.packets()
    client.send(Command.SUBMIT_JOB_SCHED, b"cron", b"s", b"*", b"*", b"*", b"*", b"*", b"w")
    (scheduled,) = client.packets()
    wire.advance(100.0)
    for packet in (created, scheduled):
        assert isinstance(packet[1], bytes)
        client.say(f"cancel job {packet[1].decode()}")
    client.close()


def administration(wire: Wire) -> None:
    peer = wire.connect()
    for line in ("status", "prioritystatus", "workers", "show jobs", "show unique jobs", "show schedules", "version"):
        peer.say(line)
    for line in ("maxqueue f 10", "create function a\tb", "drop function a\tb", "nonsense", "show", "shutdown"):
        peer.say(line)
    peer.close()


def mistakes(wire: Wire) -> None:
    peer = wire.connect()
    peer.send(Command.SUBMIT_JOB, b"f", b"u" * 65, b"")
    peer.send(Command.SUBMIT_JOB_SCHED, b"f", b"", b"x", b"*", b"*", b"*", b"*", b"")
    peer.send(Command.WORK_COMPLETE, b"nothing", b"")
    peer.send(Command.OPTION_REQ, b"nonsense")
    peer.send_bytes(b"\0BAD" + bytes(8))
    peer.close()


def rules(wire: Wire) -> None:
    token = b"n" * 32
    mine = Rule(rights=SUBMIT | WORK, functions=(b"f*",), certificates=(b"a*",), tokens=(digest_of(token),), local=True)
    far = Rule(rights=SUBMIT, networks=(ip_network("192.0.2.0/24"),))
    wire.server.change_options(JobServerOptions(access=AccessRules((mine, far))))
    peer, stranger = wire.connect(certificate=[b"abc"]), wire.connect("192.0.2.7", local=False)
    for each in (peer, stranger):
        each.send(Command.CAN_DO, b"f")
        each.send(Command.OPTION_REQ, b"token=" + token)
        each.send(Command.OPTION_REQ, b"token=wrong")
        each.send(Command.SUBMIT_JOB, b"g", b"", b"")
        each.say("create function f")
    wire.server.change_options(JobServerOptions())
    peer.close()
    stranger.close()


@pytest.mark.parametrize(
    "conversation", [foreground, lost_workers_and_clients, time_outs, later, administration, mistakes, rules]
)
def test_conversations_leave_no_garbage(
    wire: Wire, conversation: Callable[[Wire], None], found: Callable[[], list[str]]
) -> None:
    for _ in range(TIMES):
        conversation(wire)

    assert found() == []


def test_stored_and_refused_jobs_leave_no_garbage(found: Callable[[], list[str]]) -> None:
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client, commit_queue = wire.connect(), wire.server.commit_queue

    for turn in range(TIMES):
        client.send(Command.SUBMIT_JOB_BG, b"f", b"%d" % turn, b"w")
        commit_queue.take_batch()
        if turn % 2:
            commit_queue.committed()
        else:
            wire.server.store_failed(CommitOutcome.UNKNOWN)
        client.packets()

    assert found() == []

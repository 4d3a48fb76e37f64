# SPDX-License-Identifier: MIT
"""Work of the server that is done in portions, and the same with nothing to do."""

from collections.abc import Callable

import pytest

from geartrain.core import Durability, JobServerOptions, PriorityScope
from geartrain.core.abilities import fall_asleep
from geartrain.core.access import SUBMIT, AccessRules, Rule
from geartrain.core.backlog import Backlog, Reason
from geartrain.core.cron import Schedule
from geartrain.core.functions import FunctionTable
from geartrain.core.limits import FUNCTION_WEIGHT
from geartrain.core.numbers import Numbers
from geartrain.core.outbox import Outbox
from geartrain.core.policy import PolicyTable
from geartrain.core.record import JobRecord
from geartrain.core.running import running_jobs
from geartrain.core.sleepstate import SleepState
from geartrain.core.state import MAX_LOSSES
from geartrain.core.timers import NEVER, Timed, Timers
from geartrain.errors import RemoteProtocolError
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.valve import Valve

MANY = 2_100
CRON = (b"0", b"*", b"*", b"*", b"*")


def functions(peer: WirePeer, count: int = MANY) -> None:
    """Have a peer submit a job of each of many functions."""
    for number in range(count):
        peer.submit(b"f%d" % number, how=Command.SUBMIT_JOB_BG)


def test_many_unused_functions_expire() -> None:
    wire = Wire(JobServerOptions(function_expiry=1_000.0))
    client = wire.connect()
    for number in range(MANY):
        client.say(f"create function f{number}")

    for _ in range(20):
        wire.advance(100.0)
        wire.settle()

    assert client.say("status") == ".\n"


def test_many_queues_stall() -> None:
    wire = Wire(JobServerOptions(stall_after=10.0))
    client = wire.connect()
    functions(client)
    worker = wire.connect()
    for number in range(MANY):
        worker.send(Command.CAN_DO, b"f%d" % number)

    for _ in range(20):
        wire.advance(1.0)
        wire.settle()
    client.send_bytes(b"show stalls\n")
    wire.settle()

    assert client.take_bytes().decode().count("\tsilent\n") == MANY


def test_many_delayed_jobs_become_ready_at_once(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    for _ in range(MANY):
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % (wire.clock.time() + 10), b"")
    worker.send(Command.CAN_DO, b"f")

    wire.advance(10.0)
    wire.settle()

    assert client.take_bytes()
    assert client.say("status") == f"f\t{MANY}\t0\t1\n.\n"


def test_many_schedules_are_due_at_once(wire: Wire) -> None:
    client = wire.connect()
    for number in range(500):
        client.send(Command.SUBMIT_JOB_SCHED, b"f", b"%d" % number, *CRON, b"")
        wire.settle()

    wire.advance(3_600.0)
    wire.settle()

    assert client.take_bytes()
    assert client.say("status") == "f\t500\t0\t0\n.\n"


def test_many_schedules_are_computed_again_when_the_clock_is_set_back(wire: Wire) -> None:
    client = wire.connect()
    for number in range(500):
        client.send(Command.SUBMIT_JOB_SCHED, b"f", b"%d" % number, *CRON, b"")
        wire.settle()
    handles = [packet[1] for packet in client.packets()]
    wire.advance(1.0)

    wire.clock.offset -= 7_200.0
    wire.advance(1.0)
    for handle in (handles[0], handles[250], handles[-1]):
        assert isinstance(handle, bytes)
        client.say(f"cancel job {handle.decode()}")
    wire.settle()
    wire.advance(3_600.0)
    wire.settle()

    assert client.say("status").split("\t")[1] in ("497", "500")


def test_many_cron_lines_are_not_all_remembered(wire: Wire) -> None:
    client = wire.connect()
    for minute in range(60):
        for hour in range(20):
            unique = b"%d:%d" % (minute, hour)
            client.send(Command.SUBMIT_JOB_SCHED, b"f", unique, b"%d" % minute, b"%d" % hour, b"*", b"*", b"*", b"")
            wire.settle()

    assert {packet[0] for packet in client.packets()} == {Command.JOB_CREATED}


def test_a_schedule_that_no_date_matches_is_rejected(wire: Wire) -> None:
    reply = wire.connect().ask(Command.SUBMIT_JOB_SCHED, b"f", b"u", b"0", b"0", b"*/31", b"12", b"0#5", b"")

    assert reply[0] == Command.ERROR
    assert isinstance(reply[2], bytes)
    assert b"no date matches it" in reply[2]


def test_a_closed_server_has_no_jobs(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f", b"u")
    client.submit(b"f", b"-", b"w")
    functions(client, 10)

    wire.server.close()

    assert not wire.server.has_work


def test_an_overdue_peer_may_leave_by_itself() -> None:
    wire = Wire(JobServerOptions(packet_timeout=60.0))
    slow = wire.connect()
    slow.send_bytes(request(Command.SUBMIT_JOB, b"f", b"", bytes(100))[:50])
    wire.tick()
    wire.advance(100.0)

    slow.close()

    assert wire.server.memory.peer_to_drop() is None


def test_a_worker_is_not_pushed_a_job_that_was_taken_from_it(wire: Wire) -> None:
    client, worker, other = wire.connect(), wire.connect(), wire.connect()
    worker.ask(Command.OPTION_REQ, b"long-poll")
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")
    handle = client.submit(b"f")
    assert worker.ask(Command.GRAB_JOB)[1] == handle
    wire.advance(1.5)
    worker.send(Command.GRAB_JOB_ALL)

    wire.advance(0.5)

    assert worker.packets() == [(Command.NO_JOB,)]
    other.send(Command.CAN_DO, b"f")
    assert other.ask(Command.GRAB_JOB)[1] == handle


@pytest.mark.parametrize("scope", PriorityScope)
def test_a_wide_worker_leaves_a_function_that_always_had_jobs(scope: PriorityScope) -> None:
    wire = Wire(JobServerOptions(priority_scope=scope))
    client, worker = wire.connect(), wire.connect()
    functions(client, 40)
    for number in range(40):
        worker.send(Command.CAN_DO, b"f%d" % number)

    worker.send(Command.CANT_DO, b"f39")

    assert worker.ask(Command.GRAB_JOB)[2] == b"f38"


def test_a_listing_that_does_not_wait_is_not_resumed(wire: Wire) -> None:
    client = wire.connect()

    wire.server.resume_listing(client.peer)

    assert client.packets() == []


def test_a_peer_that_runs_nothing_has_no_jobs(wire: Wire) -> None:
    assert running_jobs(wire.connect().peer) == []


def test_listings_of_many_peers_share_the_budget_of_a_turn(wire: Wire) -> None:
    client = wire.connect()
    for number in range(MANY):
        client.submit(b"x" * 100 + b"%d" % number, how=Command.SUBMIT_JOB_BG)
    wire.settle()
    readers = [wire.connect() for _ in range(5)]
    for reader in readers:
        reader.send_bytes(b"status\n")
    for reader in readers:
        reader.peer.outlet = Valve()

    wire.settle()

    assert {reader.take_bytes().count(b"\n") for reader in readers} == {MANY + 1}


def test_a_peer_whose_input_waits_can_be_closed(wire: Wire) -> None:
    flooder = wire.connect()
    flooder.peer.outlet = Valve()
    flooder.send_bytes(request(Command.ECHO_REQ, b"x") * 10_000)
    assert wire.server.is_waiting(flooder.peer)

    wire.server.end_conversation(flooder.peer, RemoteProtocolError("enough", "TEST"))
    wire.settle()

    assert not wire.server.is_waiting(flooder.peer)
    assert flooder.packets()[-1] == (Command.ERROR, b"TEST", b"enough")


def test_a_peer_waits_until_it_has_paid_for_a_costly_packet(wire: Wire) -> None:
    worker = wire.connect()
    worker.peer.outlet = Valve()
    for number in range(4 * MANY):
        worker.send(Command.CAN_DO, b"f%d" % number)
        wire.settle()

    worker.send_bytes(request(Command.RESET_ABILITIES) + request(Command.ECHO_REQ, b"x"))
    assert worker.packets() == []
    wire.tick()
    assert worker.packets() == []
    wire.settle()

    assert worker.packets() == [(Command.ECHO_RES, b"x")]


def test_more_losses_than_can_be_counted(wire: Wire) -> None:
    wire.server.restore([JobRecord(1, b"H:localhost:1", b"f", losses=MAX_LOSSES + 1)])
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    assert worker.ask(Command.GRAB_JOB)[0] == Command.JOB_ASSIGN

    worker.close()

    assert wire.connect().say("status") == "f\t1\t0\t0\n.\n"
    assert wire.connect().say("show jobs") == f"H:localhost:1\t{MAX_LOSSES}\t0\t1\n.\n"


def test_the_record_of_a_schedule_keeps_the_fields_of_a_later_version() -> None:
    known = JobRecord(1, b"H:localhost:1", b"f", b"u", schedule=b"0 * * * *", unknown=((900, b"new"),))

    record = Schedule.restored(known).record()

    assert record == known


def test_a_worker_that_leaves_is_left_out_of_the_portions_of_new_rules(wire: Wire) -> None:
    workers = [wire.connect() for _ in range(3)]
    for worker in workers:
        for number in range(1500):
            worker.send(Command.CAN_DO, b"f%d" % number)
            wire.settle()

    wire.server.change_options(JobServerOptions(access=AccessRules((Rule(rights=SUBMIT),))))
    workers[-1].close()
    wire.settle()

    assert not any(worker.peer.abilities for worker in workers)


def test_a_peer_waits_once_for_a_reason(wire: Wire) -> None:
    backlog, peer = Backlog(), wire.connect().peer

    backlog.add(peer, Reason.LISTING)
    backlog.add(peer, Reason.LISTING)

    assert peer.waits


def test_a_peer_that_waits_for_another_reason_waits_for_the_first_no_more(wire: Wire) -> None:
    backlog, peer = Backlog(), wire.connect().peer
    backlog.add(peer, Reason.LISTING)

    backlog.add(peer, Reason.BUDGET)

    assert (backlog.count(Reason.LISTING), backlog.count(Reason.BUDGET)) == (0, 1)


def test_peers_are_served_in_the_order_in_which_they_began_to_wait(wire: Wire) -> None:
    backlog, peers = Backlog(), [wire.connect().peer for _ in range(3)]
    for peer in peers:
        backlog.add(peer, Reason.BUDGET)

    backlog.move_last(peers[0])

    assert [backlog.take_first(Reason.BUDGET) for _ in peers] == [*peers[1:], peers[0]]


def test_fewer_numbers_than_before_are_not_granted() -> None:
    numbers = Numbers(0.0)
    numbers.grant(100)
    reserved = numbers.reserved

    numbers.grant(50)

    assert numbers.reserved == reserved


def test_nothing_to_send_is_not_written() -> None:
    outlet = Valve()

    assert Outbox().flush(outlet) == 0


class Sink(Valve):
    """A way to a peer that takes all bytes."""

    def write(self, data: bytes) -> None:
        pass


@pytest.mark.parametrize("send", [lambda outbox: outbox.flush(Sink()), Outbox.take], ids=["flush", "take"])
def test_one_packet_is_never_too_much_after_others_were_sent(send: Callable[[Outbox], object]) -> None:
    outbox = Outbox()
    outbox.begin().packet(Command.ECHO_RES, b"")
    outbox.begin().packet(Command.ECHO_RES, b"")
    assert outbox.exceeds(12)
    send(outbox)

    outbox.begin().packet(Command.ECHO_RES, bytes(1000))

    assert not outbox.exceeds(12)


def test_held_packets_are_counted_too() -> None:
    outbox = Outbox()
    outbox.promise(1, Command.JOB_CREATED, bytes(100))
    outbox.release(1)
    assert not outbox.exceeds(12), "a single packet"
    outbox.promise(2, Command.JOB_CREATED, bytes(100))
    outbox.release(2)

    assert outbox.exceeds(12)


def test_the_size_of_an_outbox_is_that_of_all_its_bytes() -> None:
    outbox, data = Outbox(), bytes(100_000)
    for _ in range(3):
        outbox.begin().header(Command.ECHO_RES, len(data))
        outbox.share(data)

    assert outbox.size() == 3 * (12 + len(data)) == len(b"".join(outbox.take()))


class Part(Timed):
    """A timed part that counts its calls."""

    calls = 0

    def run(self, now: float) -> None:
        self.calls += 1


@pytest.mark.parametrize(("due", "calls"), [(1.0, 1), (NEVER, 0)])
def test_a_part_may_have_a_time_before_it_is_added(due: float, calls: int) -> None:
    timers, part = Timers(), Part()
    part.due = due

    timers.add(part)
    timers.run(2.0)

    assert part.calls == calls


def test_many_sleepers_are_probed_in_portions() -> None:
    wire = Wire(JobServerOptions(probe_after=60.0, rearm_after=1.0))
    workers = [wire.connect() for _ in range(MANY)]
    for worker in workers:
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.PRE_SLEEP)
    wire.advance(60.0)
    wire.settle()

    wire.advance(60.0)
    counts = []
    for _ in range(4):
        counts.append(sum(len(worker.packets()) for worker in workers))
        wire.tick()

    assert counts == [1000, 1000, MANY - 2000, 0]


class Counted(Valve):
    """An outlet with bytes that wait, which counts how often their number is read."""

    read = 0

    def unsent(self) -> int:
        Counted.read += 1
        return self.waiting


def test_unsent_replies_of_many_peers_are_counted_in_portions() -> None:
    wire = Wire(JobServerOptions(max_memory=40_000))
    peers = [wire.connect() for _ in range(1_200)]
    for peer in peers:
        peer.peer.outlet = outlet = Counted()
        outlet.waiting = 10
        peer.send(Command.ECHO_REQ, b"x")
    wire.server.take_dirty()
    assert not wire.server.memory.may_be_too_much, "small ones are counted once a second"
    Counted.read = 0

    wire.advance(1.0)
    counts = [Counted.read]
    for _ in range(3):
        wire.tick()
        counts.append(Counted.read)

    assert counts == [500, 1_000, 1_200, 1_200]
    assert wire.server.memory.may_be_too_much


def test_a_peer_that_was_sent_all_replies_is_not_counted_again(wire: Wire) -> None:
    client = wire.connect()
    client.peer.outlet = Counted()
    client.ask(Command.ECHO_REQ, b"x")
    wire.server.take_dirty()
    wire.advance(1.0)
    Counted.read = 0

    for _ in range(3):
        wire.advance(1.0)

    assert Counted.read == 0


def test_stalled_queues_are_checked_in_portions_of_workers() -> None:
    """A function with many workers counts as many."""
    wire = Wire(JobServerOptions(stall_after=10.0))
    client = wire.connect()
    workers = [wire.connect() for _ in range(600)]
    for number in range(4):
        for worker in workers:
            worker.send(Command.CAN_DO, b"f%d" % number)
        client.submit(b"f%d" % number)
    wire.settle()

    turns = 0
    for _ in range(2):
        wire.advance(5.0)
        turns = 1
        while wire.tick() == 0.0:
            turns += 1

    assert turns == 2  # two stalled functions in each


def test_many_running_jobs_are_marked_in_portions() -> None:
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    count = 4_500
    for peer, packet in ((client, request(Command.SUBMIT_JOB_BG, b"f", b"", b"")), (worker, request(Command.GRAB_JOB))):
        peer.send_bytes(packet * count)
        wire.settle()
        if peer is client:
            wire.server.commit_queue.take_batch()
            wire.server.commit_queue.committed()

    wire.advance(1.0)
    counts = [wire.server.commit_queue.pending]
    while wire.tick() == 0.0:
        counts.append(wire.server.commit_queue.pending)

    assert counts == [1_999, 3_999]  # and the peer itself in the first portion, and the last
    assert wire.server.commit_queue.pending == count


def test_running_jobs_of_many_peers_are_marked_in_portions() -> None:
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    queue = wire.server.commit_queue
    peers = [wire.connect() for _ in range(MANY)]
    for _ in range(2):
        peers[0].send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    queue.take_batch()
    queue.committed()

    def grab(worker: WirePeer) -> None:
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.GRAB_JOB)

    grab(peers[0])  # the peer that is checked last
    assert wire.advance(1.0) == 0.0
    grab(peers[-1])  # one that was checked already
    assert queue.pending == 0

    assert wire.tick() is not None
    assert queue.pending == 1
    wire.advance(1.0)
    wire.settle()
    assert queue.pending == 2


def test_many_functions_and_jobs_are_taken_from_peers_in_portions_when_the_server_drains(wire: Wire) -> None:
    client, worker, busy = wire.connect(), wire.connect(), wire.connect()
    handle = client.submit(b"busy")
    busy.send(Command.CAN_DO, b"busy")
    busy.ask(Command.GRAB_JOB)
    for number in range(1_500):
        worker.send(Command.CAN_DO, b"f%d" % number)
    client.send_bytes(request(Command.SUBMIT_JOB, b"g", b"", b"") * 1_500)
    wire.settle()
    client.send(Command.SUBMIT_JOB_BG, b"f1499", b"", b"")
    client.packets()
    worker.packets()

    wire.server.drain()
    assert len(worker.peer.abilities) + len(client.peer.awaited) > 1_000
    assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,), "no job is assigned from now on"
    worker.send(Command.PRE_SLEEP)
    turns = 1
    while wire.tick() == 0.0:
        turns += 1
    wire.server.take_dirty()

    assert turns == 3
    assert worker.is_closed
    assert not client.is_closed
    busy.send(Command.WORK_COMPLETE, handle, b"result")
    assert client.packets() == [(Command.WORK_COMPLETE, handle, b"result")]


def test_many_grabs_that_were_held_are_answered_in_portions(wire: Wire) -> None:
    workers = [wire.connect() for _ in range(5)]
    for worker in workers:
        worker.send(Command.OPTION_REQ, b"long-poll")
        for number in range(900):
            worker.send(Command.CAN_DO, b"f%d" % number)
            wire.settle()
        worker.send(Command.GRAB_JOB_ALL)
        worker.packets()

    wire.advance(1.0)
    counts = []
    for _ in range(3):
        counts.append(sum(len(worker.packets()) for worker in workers))
        wire.tick()

    assert counts == [3, 2, 0]


def test_many_overdue_packets_are_found_in_portions() -> None:
    wire = Wire(JobServerOptions(packet_timeout=60.0))
    for _ in range(700):
        wire.connect().send_bytes(request(Command.SUBMIT_JOB, b"f", b"", bytes(100))[:50])
    wire.tick()

    def found() -> int:
        count = 0
        while wire.server.memory.peer_to_drop() is not None:
            count += 1
        return count

    wire.advance(100.0)
    counts = [found()]
    for _ in range(2):
        wire.tick()
        counts.append(found())

    assert counts == [500, 200, 0]


def test_a_table_of_functions_alone_has_no_memory_limit() -> None:
    table = FunctionTable(PolicyTable(JobServerOptions()), 0)

    assert table.named(b"f") is table.get(b"f")


def test_functions_count_until_they_are_removed() -> None:
    table = FunctionTable(PolicyTable(JobServerOptions()), 0)
    queues = [table.named(name) for name in (b"f", b"ff", b"fff")]
    assert table.held == 3 * FUNCTION_WEIGHT + 6

    table.remove(queues[1])
    assert table.held == 2 * FUNCTION_WEIGHT + 4

    table.clear()
    assert table.held == 0


def test_a_peer_waits_for_its_reason_only(wire: Wire) -> None:
    backlog, waiting, other = Backlog(), wire.connect().peer, wire.connect().peer
    assert not backlog.waits_for(waiting, Reason.UNREAD)

    backlog.add(waiting, Reason.UNREAD)

    assert backlog.waits_for(waiting, Reason.UNREAD)
    assert not backlog.waits_for(waiting, Reason.LISTING)
    assert not backlog.waits_for(other, Reason.UNREAD)


def test_a_peer_pays_for_the_lists_that_it_enters_when_it_falls_asleep(wire: Wire) -> None:
    worker = wire.connect()
    for number in range(80):
        worker.send(Command.CAN_DO, b"f%d" % number)

    fall_asleep(worker.peer, int(SleepState.ASLEEP))

    assert worker.peer.debt == 10


def test_the_server_gives_up_on_many_silent_workers_in_portions(wire: Wire) -> None:
    client = wire.connect()
    for _ in range(MANY):
        worker = wire.connect()
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.PRE_SLEEP)
    for _ in range(MANY):
        client.submit(b"f", how=Command.SUBMIT_JOB_BG)

    wire.clock.advance(JobServerOptions().rearm_after)
    counts = []
    while wire.tick() == 0.0:
        counts.append(wire.server.unanswered_wakeups)

    assert counts == [2_000]
    assert wire.server.unanswered_wakeups == MANY


def test_many_idle_peers_are_retired_in_portions_when_the_server_drains(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    idle = [wire.connect() for _ in range(MANY)]
    wire.server.take_dirty()

    wire.server.drain()
    wire.settle()
    wire.server.take_dirty()

    assert all(peer.is_closed for peer in idle)
    assert not client.is_closed

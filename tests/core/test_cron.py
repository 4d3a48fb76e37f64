# SPDX-License-Identifier: MIT
"""Schedules: jobs that are submitted by cron lines."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from geartrain.core import CommitOutcome, Durability, JobServerOptions
from geartrain.core.cron import Schedule, Schedules, cron_line, next_time
from geartrain.core.packing import pack, unpack
from geartrain.core.record import JobRecord
from geartrain.cron import CronFields
from geartrain.errors import RemoteProtocolError
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer
from tests.core.batches import begin_restoring, take

EVERY_FIVE: CronFields = (b"*/5", b"*", b"*", b"*", b"*")
HANDLE = b"H:localhost:1"


def set_wall(wire: Wire, seconds: float) -> None:
    """Set the wall clock, as an administrator would."""
    wire.clock.offset = seconds - wire.clock.monotonic()


def wire_at(moment: datetime, options: JobServerOptions | None = None) -> Wire:
    """Return a server whose wall clock shows a moment."""
    wire = Wire(options)
    set_wall(wire, moment.timestamp())
    return wire


NOON = datetime(2026, 3, 2, 12, 1, tzinfo=UTC)  # a Monday


@pytest.fixture
def wire() -> Wire:
    return wire_at(NOON)


@pytest.fixture
def client(wire: Wire) -> WirePeer:
    return wire.connect()


def schedule(client: WirePeer, fields: CronFields = EVERY_FIVE, unique: bytes = b"", workload: bytes = b"w") -> bytes:
    """Submit a schedule, and return its handle."""
    created = client.ask(Command.SUBMIT_JOB_SCHED, b"f", unique, *fields, workload)
    assert created[0] is Command.JOB_CREATED
    handle = created[1]
    assert isinstance(handle, bytes)
    return handle


def waiting(wire: Wire) -> int:
    """Return the number of waiting jobs of the function."""
    rows = dict(line.split("\t", 1) for line in wire.connect().say("status").splitlines()[:-1])
    return int(rows["f"].split("\t")[0])


def worker(wire: Wire) -> WirePeer:
    peer = wire.connect()
    peer.send(Command.CAN_DO, b"f")
    return peer


def finish(peer: WirePeer) -> bytes:
    """Run the next job, and return its handle."""
    assigned = peer.ask(Command.GRAB_JOB)
    assert assigned[0] is Command.JOB_ASSIGN
    handle = assigned[1]
    assert isinstance(handle, bytes)
    peer.send(Command.WORK_COMPLETE, handle, b"")
    return handle


def test_it_runs_when_it_is_due_and_again(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    assert waiting(wire) == 0

    peer = worker(wire)
    done = []
    for _ in range(3):
        wire.advance(300)
        done.append(finish(peer))
        assert waiting(wire) == 0

    assert done == [b"H:localhost:2", b"H:localhost:3", b"H:localhost:4"]


def test_it_does_not_run_while_jobs_are_restored(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    wire.server.begin_restoring(5)

    wire.advance(300)
    assert waiting(wire) == 0
    wire.server.end_restoring()
    wire.advance(0)

    assert waiting(wire) == 1


def test_it_wakes_a_worker(wire: Wire, client: WirePeer) -> None:
    peer = worker(wire)
    peer.send(Command.PRE_SLEEP)
    schedule(client)

    wire.advance(239)
    assert peer.packets() == []
    assert wire.advance(0) == 1.0
    wire.advance(1)

    assert peer.packets() == [(Command.NOOP,)]


def test_tick_returns_the_time_until_the_next_run(wire: Wire, client: WirePeer) -> None:
    assert wire.advance(0) is None
    schedule(client)

    assert wire.advance(239.5) == 0.5


def test_no_second_job_is_made_while_the_last_one_waits(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    wire.advance(300)
    wire.advance(300)

    assert waiting(wire) == 1


def test_missed_runs_become_one(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    peer = worker(wire)
    wire.advance(24 * 3600)

    finish(peer)

    assert waiting(wire) == 0


def test_a_run_is_skipped_if_the_queue_is_full(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    wire.connect().say("maxqueue f 1")
    client.submit(b"f")
    wire.advance(300)

    assert waiting(wire) == 1


def test_the_same_function_and_unique_is_the_same_schedule(wire: Wire, client: WirePeer) -> None:
    first = schedule(client, unique=b"u", workload=b"old")
    again = schedule(client, (b"0", b"13", b"*", b"*", b"*"), unique=b"u", workload=b"new")
    assert first == again

    assert wire.connect().say("show schedules") == f"H:localhost:1\tf\t0 13 * * *\t{at(13)}\tu\tUTC\tnormal\n.\n"
    wire.advance(3600)
    assert worker(wire).ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, b"H:localhost:2", b"f", b"new")


def at(hour: int, day: int = 2) -> int:
    return int(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp())


def test_two_stored_schedules_with_one_unique_are_both_kept(wire: Wire) -> None:
    wire.server.restore(
        JobRecord(number, b"H:o:%d" % number, b"f", b"u", 1, b"w", run_at=at(13) * 1000, schedule=b"0 13 * * *")
        for number in (1, 2)
    )
    assert wire.connect().say("cancel job H:o:2") == "OK\r\n"

    assert wire.connect().say("show schedules").startswith("H:o:1\t")


def test_without_a_unique_each_submission_is_a_schedule(client: WirePeer) -> None:
    assert schedule(client) != schedule(client)


def test_it_is_listed_known_and_cancelled_by_its_handle(wire: Wire, client: WirePeer) -> None:
    handle = schedule(client, unique=b"u")
    assert client.ask(Command.GET_STATUS, handle) == (Command.STATUS_RES, handle, b"1", b"0", b"0", b"0")
    assert wire.connect().say("show schedules").count("\n") == 2

    assert wire.connect().say("cancel job H:localhost:1") == "OK\r\n"

    assert wire.connect().say("show schedules") == ".\n"
    assert wire.connect().say("cancel job H:localhost:1") == "ERR UNKNOWN_JOB\r\n"
    wire.advance(3600)
    assert waiting(wire) == 0
    assert schedule(client, unique=b"u") != handle


@pytest.mark.parametrize(
    ("field", "days", "day"),
    [
        (b"0", "MON", 9),
        (b"6", "SUN", 8),
        (b"5-6", "SAT,SUN", 7),
        (b"wed", "WED", 4),
        (b"fri-sun", "FRI,SAT,SUN", 6),
        (b"3,1", "THU,TUE", 3),
        (b"*/3", "MON,THU,SUN", 5),
        (b"1/2", "TUE,THU,SAT", 3),
        (b"0#2", "MON#2", 9),
        (b"4L", "5L", 27),
    ],
)
def test_the_days_of_the_week_begin_with_monday(
    client: WirePeer, wire: Wire, field: bytes, days: str, day: int
) -> None:
    schedule(client, (b"0", b"0", b"*", b"*", field))

    (row,) = wire.connect().say("show schedules").splitlines()[:-1]

    assert row.split("\t")[2:4] == [f"0 0 * * {days}", str(at(0, day))]


def test_a_time_zone_counts() -> None:
    wire = wire_at(NOON, JobServerOptions(timezone=ZoneInfo("Asia/Kolkata")))  # 17:31 there
    schedule(wire.connect(), (b"0", b"18", b"*", b"*", b"*"))

    assert f"\t{int(datetime(2026, 3, 2, 12, 30, tzinfo=UTC).timestamp())}\t" in wire.connect().say("show schedules")


def with_options(options: bytes, hour: bytes = b"18") -> CronFields:
    return (b"0", hour, b"*", b"*", b"*" + options)


def test_a_schedule_has_a_time_zone_of_its_own() -> None:
    wire = wire_at(NOON, JobServerOptions(timezone=ZoneInfo("Asia/Kolkata")))
    client = wire.connect()
    schedule(client, with_options(b""), b"kolkata")
    schedule(client, with_options(b";timezone=Europe/Berlin"), b"berlin")
    schedule(client, with_options(b";timezone=UTC"), b"utc")

    rows = [line.split("\t")[3:] for line in client.say("show schedules").splitlines()[:-1]]

    half = int(datetime(2026, 3, 2, 12, 30, tzinfo=UTC).timestamp())
    assert rows == [
        [str(half), "kolkata", "Asia/Kolkata", "normal"],
        [str(at(17)), "berlin", "Europe/Berlin", "normal"],
        [str(at(18)), "utc", "UTC", "normal"],
    ]


def test_jobs_of_a_schedule_have_its_priority(wire: Wire, client: WirePeer) -> None:
    schedule(client, with_options(b";priority=low", b"13"), b"low")
    schedule(client, with_options(b"", b"13"), b"normal")
    schedule(client, with_options(b";timezone=UTC;priority=high", b"13"), b"high")
    wire.advance(3600)

    assert wire.connect().say("prioritystatus") == "f\t1\t1\t1\t0\n.\n"
    peer = worker(wire)
    assert [peer.ask(Command.GRAB_JOB_UNIQ)[3] for _ in range(3)] == [b"high", b"normal", b"low"]


def test_another_submission_changes_the_time_zone_and_the_priority(wire: Wire, client: WirePeer) -> None:
    handle = schedule(client, with_options(b";timezone=Europe/Berlin;priority=high"), b"u")
    assert schedule(client, with_options(b";timezone=Asia/Kolkata;priority=low"), b"u") == handle

    assert client.say("show schedules").endswith(f"\t{at(12) + 1800}\tu\tAsia/Kolkata\tlow\n.\n")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (b";timezone=Europe/Berlim", "the machine of the server has no time zone 'Europe/Berlim'"),
        (b";timezone=Europe", "no time zone 'Europe'"),
        (b";timezone=../../etc/passwd", "a time zone has a name such as Europe/Berlin, not '../../etc/passwd'"),
        (b";timezone=\xff", "a time zone has a name"),
        (b";timezone=" + b"a" * 65, "a time zone has a name"),
        (b";timezone=", "a time zone has a name"),
        (b";priority=urgent", "timezone=NAME and priority=high, normal or low, not b'priority=urgent'"),
        (b";colour=red", "not b'colour=red'"),
        (b";", "not b''"),
    ],
)
def test_a_wrong_option_of_a_schedule_is_named(wire: Wire, client: WirePeer, options: bytes, reason: str) -> None:
    kind, code, text = client.ask(Command.SUBMIT_JOB_SCHED, b"f", b"", *with_options(options), b"w")

    assert (kind, code) == (Command.ERROR, b"INVALID_ARGUMENT")
    assert isinstance(text, bytes)
    assert reason in text.decode()
    assert client.say("show schedules") == ".\n"


BERLIN = ZoneInfo("Europe/Berlin")
DAY = 24 * 3600


def runs(cron: str, zone: ZoneInfo, start: datetime, seconds: float) -> list[str]:
    """Return the times of day at which a server runs a line from a moment on."""
    now = start.timestamp()
    end = now + seconds
    times = []
    while (now := next_time(cron, zone, now)) < end:
        times.append(datetime.fromtimestamp(now, zone).strftime("%d %H:%M %z"))
    return times


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["29 03:00 +0200"]),
        ("0,30 2 * * *", ["29 03:00 +0200"]),
        ("*/15 2 * * *", ["29 03:00 +0200"]),
        ("0 2,3 * * *", ["29 03:00 +0200"]),
        ("30 2 29 3 *", ["29 03:00 +0200"]),
        ("30 */2 * * *", ["29 00:30 +0100", "29 03:00 +0200", "29 04:30 +0200"]),
        ("30 * * * *", ["29 00:30 +0100", "29 01:30 +0100", "29 03:30 +0200", "29 04:30 +0200", "29 05:30 +0200"]),
    ],
)
def test_a_time_that_does_not_exist_runs_once_after_the_gap(cron: str, expected: list[str]) -> None:
    """At two o'clock the clocks go forward to three."""
    assert runs(cron, BERLIN, datetime(2026, 3, 28, 23, tzinfo=UTC), 5 * 3600) == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["25 02:30 +0200"]),
        ("*/30 2 * * *", ["25 02:00 +0200", "25 02:30 +0200"]),
        ("0 2,3 * * *", ["25 02:00 +0200", "25 03:00 +0100"]),
        ("30 */2 * * *", ["25 00:30 +0200", "25 02:30 +0200"]),
        ("30 * * * *", ["25 00:30 +0200", "25 01:30 +0200", "25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"]),
    ],
)
def test_a_time_that_occurs_twice_runs_once(cron: str, expected: list[str]) -> None:
    """At three o'clock the clocks go back to two."""
    assert runs(cron, BERLIN, datetime(2026, 10, 24, 22, tzinfo=UTC), 5 * 3600) == expected


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("Australia/Lord_Howe", datetime(2026, 10, 2, 12, tzinfo=UTC), ["03 02:15 +1030", "04 02:30 +1100"]),
        ("America/Havana", datetime(2026, 3, 7, 6, tzinfo=UTC), ["07 02:15 -0500", "08 02:15 -0400"]),
        ("Pacific/Apia", datetime(2011, 12, 29, 0, tzinfo=UTC), ["29 02:15 -1000", "31 00:00 +1400"]),
    ],
)
def test_gaps_of_half_an_hour_at_midnight_and_of_a_day(zone: str, start: datetime, expected: list[str]) -> None:
    assert runs("15 2 * * *", ZoneInfo(zone), start, 2 * DAY)[:2] == expected


def test_a_line_of_the_second_hour_waits_for_the_next_day() -> None:
    """The clocks went back to two, and it is ten past two again."""
    wire = wire_at(datetime(2026, 10, 25, 1, 10, tzinfo=UTC))
    client = wire.connect()
    fields: CronFields = (b"30", b"2", b"*", b"*", b"*;timezone=Europe/Berlin")
    schedule(client, fields)

    due = int(datetime(2026, 10, 26, 1, 30, tzinfo=UTC).timestamp())
    assert f"\t{due}\t" in client.say("show schedules")
    wire.advance(0)
    assert waiting(wire) == 0


def test_runs_go_on_after_the_clock_was_set_back(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    wire.advance(1)
    set_wall(wire, NOON.timestamp() - 7 * 24 * 3600)
    wire.advance(1)
    peer = worker(wire)
    wire.advance(300)

    finish(peer)


def test_a_clock_that_is_set_forward_runs_it_once(wire: Wire, client: WirePeer) -> None:
    schedule(client)
    set_wall(wire, NOON.timestamp() + 7 * 24 * 3600)
    wire.advance(1)
    assert waiting(wire) == 1
    finish(worker(wire))
    wire.advance(0)

    assert waiting(wire) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"61 * * * *", "the minute is 0 to 59, not '61'"),
        (b"* 24 * * *", "the hour is 0 to 23, not '24'"),
        (b"* * 0 * *", "the day of the month is 1 to 31, not '0'"),
        (b"* * * ja *", "the month is 1 to 12 or JAN to DEC, not 'JA'"),
        (b"* * * L *", "the month is 1 to 12 or JAN to DEC, not 'L'"),
        (b"*, * * * *", "the minute is 0 to 59, not ''"),
        (b"9-1 * * * *", "the range '9-1' ends before it begins"),
        (b"1-61 * * * *", "the minute is 0 to 59, not '61'"),
        (b"*/0 * * * *", "a step is a number above 0, as in */5, not '*/0'"),
        (b"*/ * * * *", "a step is a number above 0, as in */5, not '*/'"),
        (b"* * 31 2 *", "no date matches it"),
        (b"* * * * 7", "the day of the week is 0 (Monday) to 6 or MON to SUN, not '7'"),
        (b"* * * * 6-0", "the range '6-0' ends before it begins"),
        (b"* * * * 1/0", "a step is a number above 0, as in */5, not '1/0'"),
        (b"* * * * 1#6", "the number after '#' is 1 to 5, as in MON#2, not '1#6'"),
        (b"* * * * 1#x", "the number after '#' is 1 to 5, as in MON#2, not '1#X'"),
    ],
)
def test_the_error_of_a_cron_line_has_the_line_and_the_reason(line: bytes, reason: str) -> None:
    minute, hour, day, month, weekday = line.split(b" ")

    with pytest.raises(RemoteProtocolError) as caught:
        cron_line((minute, hour, day, month, weekday))
    assert caught.value.text == f"Invalid cron line '{line.decode()}': {reason}"


@pytest.mark.parametrize("line", [b"5,*/7 1-3 L JAN-MAR 0", b"0 0 LW 2,dec MON#5", b"1/5 */2 1-31/3 6/2 4L"])
def test_all_that_a_cron_line_may_have_is_accepted(line: bytes) -> None:
    minute, hour, day, month, weekday = line.split(b" ")

    assert cron_line((minute, hour, day, month, weekday))


@pytest.mark.parametrize(
    "fields",
    [
        (b"60", b"*", b"*", b"*", b"*"),
        (b"", b"*", b"*", b"*", b"*"),
        (b"*", b"24", b"*", b"*", b"*"),
        (b"*", b"*", b"31", b"2", b"*"),
        (b"*", b"*", b"*", b"*", b"7"),
        (b"*", b"*", b"*", b"*", b"6-0"),
        (b"*", b"*", b"*", b"*", b"1/0"),
        (b"*", b"*", b"*", b"*", b"1/x"),
        (b"*", b"*", b"*", b"*", b"\xff"),
        (b"* *", b"*", b"*", b"*", b"*"),
        (b"1," * 200, b"*", b"*", b"*", b"*"),
        (b"@daily", b"*", b"*", b"*", b"*"),
    ],
)
def test_an_invalid_cron_line_is_refused_and_named(client: WirePeer, fields: CronFields) -> None:
    with pytest.raises(RemoteProtocolError, match=r"cron|minute"):
        cron_line(fields)

    client.send(Command.SUBMIT_JOB_SCHED, b"f", b"", *fields, b"w")
    assert [packet[:2] for packet in client.packets()] == [(Command.ERROR, b"INVALID_ARGUMENT")]
    assert not client.is_closed


def test_a_unique_that_is_too_long_is_refused(client: WirePeer) -> None:
    client.send(Command.SUBMIT_JOB_SCHED, b"f", b"u" * 65, *EVERY_FIVE, b"w")

    assert [packet[:2] for packet in client.packets()] == [(Command.ERROR, b"ARGUMENT_TOO_LARGE")]


class TestStored:
    @pytest.fixture
    def wire(self) -> Wire:
        return wire_at(NOON, JobServerOptions(durability=Durability.COMMIT))

    def submit(self, client: WirePeer, unique: bytes = b"u") -> None:
        client.send(Command.SUBMIT_JOB_SCHED, b"f", unique, *EVERY_FIVE, b"w")

    def store(self, wire: Wire) -> list[JobRecord]:
        batch = take(wire.server.commit_queue)
        wire.server.commit_queue.committed()
        return list(batch.stored)

    def test_it_is_answered_when_it_is_stored(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        assert client.packets() == []

        stored = self.store(wire)

        due = int(NOON.timestamp()) + 240
        assert stored == [JobRecord(1, HANDLE, b"f", b"u", 1, b"w", run_at=due * 1000, schedule=b"*/5 * * * *")]
        assert client.packets() == [(Command.JOB_CREATED, HANDLE)]

    def test_a_run_and_the_next_time_are_stored_together(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        self.store(wire)
        wire.advance(300)

        run, changed = self.store(wire)

        assert (run.number, run.unique, run.schedule) == (2, b"u", b"")
        assert (changed.number, changed.run_at) == (1, (int(NOON.timestamp()) + 540) * 1000)

    def test_changing_and_cancelling_are_stored(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        self.store(wire)
        self.submit(client)
        assert [record.number for record in self.store(wire)] == [1]
        wire.connect().say("cancel job H:localhost:1")

        assert take(wire.server.commit_queue).ended == [1]

    def test_a_schedule_that_is_not_stored_is_refused_and_removed(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        take(wire.server.commit_queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert [packet[:2] for packet in client.packets()] == [(Command.ERROR, b"QUEUE_ERROR")]
        assert wire.connect().say("show schedules") == ".\n"
        self.submit(client)
        assert [packet[:2] for packet in client.packets()] == [(Command.ERROR, b"QUEUE_ERROR")]

    def test_runs_wait_while_the_store_is_unavailable(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        self.store(wire)
        client.send(Command.SUBMIT_JOB_BG, b"g", b"", b"")
        take(wire.server.commit_queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)
        assert wire.advance(300) == 1.0
        assert waiting(wire) == 0

        self.store(wire)
        wire.advance(1)

        assert waiting(wire) == 1

    @pytest.mark.parametrize("unique", [b"", b"u"])
    @pytest.mark.parametrize("outcome", [CommitOutcome.UNKNOWN, CommitOutcome.NOT_STORED])
    def test_a_run_that_could_not_be_stored_is_made_again(
        self, wire: Wire, client: WirePeer, unique: bytes, outcome: CommitOutcome
    ) -> None:
        self.submit(client, unique)
        self.store(wire)
        wire.advance(240)
        assert waiting(wire) == 1
        due = int(wire.clock.time())
        take(wire.server.commit_queue)
        wire.server.store_failed(outcome)
        assert waiting(wire) == 0

        taken = take(wire.server.commit_queue)
        assert [(record.number, record.run_at) for record in taken.stored] == [(1, due * 1000)]
        wire.server.commit_queue.committed()
        wire.advance(1)

        assert waiting(wire) == 1
        assert [record.number for record in self.store(wire)] == [3, 1]
        wire.advance(60)
        assert waiting(wire) == 1

    def test_a_job_of_a_client_that_could_not_be_stored_is_no_run(self, wire: Wire, client: WirePeer) -> None:
        self.submit(client)
        self.store(wire)
        client.send(Command.SUBMIT_JOB_BG, b"f", b"u", b"")
        take(wire.server.commit_queue)
        wire.server.store_failed(CommitOutcome.NOT_STORED)
        take(wire.server.commit_queue)
        wire.server.commit_queue.committed()
        wire.advance(1)

        assert waiting(wire) == 0

    def test_it_is_restored_and_runs_once_for_all_missed_times(self, wire: Wire) -> None:
        record = JobRecord(7, b"H:o:7", b"f", b"u", 1, b"w", run_at=at(3) * 1000, schedule=b"*/5 * * * *")
        begin_restoring(wire, 9)
        wire.server.restore([record])
        wire.advance(0)
        assert waiting(wire) == 0, "not before all jobs are back"
        wire.server.end_restoring()
        wire.advance(0)

        assert waiting(wire) == 1
        assert wire.connect().say("show schedules").startswith("H:o:7\tf\t*/5 * * * *\t")

    def test_a_submission_that_waited_for_restored_jobs_does_not_take_the_missed_run_away(self, wire: Wire) -> None:
        """A program may submit its schedule whenever it starts, which is often when the server starts, too."""
        record = JobRecord(7, b"H:o:7", b"f", b"u", 1, b"w", run_at=at(3) * 1000, schedule=b"*/5 * * * *")
        begin_restoring(wire, 9)
        client = wire.connect()
        self.submit(client)
        wire.server.restore([record])
        wire.server.end_restoring()
        assert client.packets() == [(Command.JOB_CREATED, b"H:o:7")]
        wire.advance(0)

        assert waiting(wire) == 1

    def test_its_time_zone_and_its_priority_are_stored_and_restored(self, wire: Wire, client: WirePeer) -> None:
        fields = with_options(b";timezone=Europe/Berlin;priority=high")
        client.send(Command.SUBMIT_JOB_SCHED, b"f", b"u", *fields, b"w")
        [record] = self.store(wire)
        assert (record.timezone, record.priority, record.run_at) == (b"Europe/Berlin", 0, at(17) * 1000)

        other = wire_at(NOON, JobServerOptions(durability=Durability.COMMIT))
        begin_restoring(other, 9)
        other.server.restore([unpack(pack(record.replace(unknown=((99, b"later"),))))])
        other.server.end_restoring()
        assert other.connect().say("show schedules").endswith(f"\t{at(17)}\tu\tEurope/Berlin\thigh\n.\n")
        other.advance(5 * 3600)

        run, changed = self.store(other)
        assert (run.priority, run.schedule, run.timezone) == (0, b"", b"")
        assert changed == record.replace(run_at=at(17, 3) * 1000, unknown=((99, b"later"),))

    def test_a_delayed_job_keeps_its_millisecond_and_its_priority(self, wire: Wire, client: WirePeer) -> None:
        when = int(NOON.timestamp() * 1000) + 333
        client.send(Command.OPTION_REQ, b"delayed-job=%d,low" % when)
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"u", b"2000000000", b"w")
        [record] = self.store(wire)
        assert (record.run_at, record.priority) == (when, 2)

        other = wire_at(NOON)
        other.server.restore([record])

        assert other.connect().say("show delayed") == f"H:localhost:1\tf\t{when / 1000:.3f}\tu\tlow\n.\n"

    def test_an_unknown_time_zone_is_logged_and_kept(self, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
        record = JobRecord(7, b"H:o:7", b"f", run_at=at(13) * 1000, schedule=b"0 13 * * *", timezone=b"Mars/Base")
        wire.server.restore([record])
        assert caplog.messages == [
            "<Schedule H:o:7 0 13 * * * Mars/Base>: this machine has no such time zone; it runs in that of the server"
        ]
        wire.advance(3600)

        assert [each.run_at for each in self.store(wire)] == [0, at(13, 3) * 1000]
        assert "\tMars/Base\t" in wire.connect().say("show schedules")

    def test_with_shutdown_the_run_of_a_stored_schedule_is_stored_at_the_end(self) -> None:
        """Its number is not reserved, so that another job would get the number after a crash."""
        wire = wire_at(NOON, JobServerOptions(durability=Durability.SHUTDOWN))
        record = JobRecord(7, b"H:o:7", b"f", b"u", 1, b"w", run_at=at(3) * 1000, schedule=b"*/5 * * * *")
        wire.server.begin_restoring(7)
        wire.server.restore([record])
        wire.server.end_restoring()
        wire.tick()
        assert waiting(wire) == 1

        assert [each.number for each in self.store(wire)] == [7]
        wire.server.store_last()
        assert [each.number for each in self.store(wire)] == [8]

    def test_it_is_stored_at_shutdown_with_that_durability(self) -> None:
        wire = wire_at(NOON, JobServerOptions(durability=Durability.SHUTDOWN))
        wire.server.restore([JobRecord(9, b"H:o:9", b"f", b"", 1, b"w", run_at=at(3) * 1000, schedule=b"* * * * *")])
        schedule(wire.connect())
        wire.server.store_last()

        assert [record.schedule for record in take(wire.server.commit_queue).stored] == [b"*/5 * * * *"]


def test_a_schedule_prints_its_state() -> None:
    assert repr(Schedule(1, HANDLE, b"f", b"", "*/5 * * * *", "", 1, b"")) == "<Schedule H:localhost:1 */5 * * * *>"


def test_a_clock_that_was_set_back_is_logged(wire: Wire, client: WirePeer, caplog: pytest.LogCaptureFixture) -> None:
    schedule(client)
    wire.advance(1)

    wire.clock.offset -= 7_200.0
    wire.advance(300)

    assert "the clock was set back; computing the times of 1 schedule again" in caplog.messages


def test_the_workloads_of_all_schedules_count() -> None:
    schedules = Schedules(UTC)
    one, two = (Schedule(number, b"H:%d" % number, b"f", b"", "* * * * *", "", 1, b"x" * 100) for number in range(2))
    for each in (one, two):
        schedules.add(each, 0.0)
    assert schedules.held == 200

    schedules.change(one, "* * * * *", "", 1, b"x" * 30, 0.0)
    assert schedules.held == 130

    schedules.remove(two)
    assert schedules.held == 30


def test_the_schedules_of_each_function_count() -> None:
    schedules = Schedules(UTC)
    some = [Schedule(number, b"H:%d" % number, b"f", b"", "* * * * *", "", 1, b"") for number in range(3)]
    counts = []
    for each in some:
        schedules.add(each, 0.0)
        counts.append(dict(schedules.functions))
    for each in some:
        schedules.remove(each)
        counts.append(dict(schedules.functions))

    assert counts == [{b"f": 1}, {b"f": 2}, {b"f": 3}, {b"f": 2}, {b"f": 1}, {}]


def test_the_record_of_a_restored_schedule_has_its_changes() -> None:
    known = JobRecord(1, HANDLE, b"f", b"u", workload=b"old", run_at=1000, schedule=b"0 * * * *")
    schedule = Schedule.restored(known)

    schedule.due, schedule.cron, schedule.workload = 60, "1 * * * *", b"new"

    assert schedule.record() == known.replace(run_at=60_000, schedule=b"1 * * * *", workload=b"new")


def test_a_schedule_may_be_for_the_last_day_of_a_month() -> None:
    assert cron_line((b"0", b"0", b"31", b"12", b"*")) == "0 0 31 12 *"


def test_a_schedule_prints_a_handle_that_is_not_utf_8() -> None:
    assert repr(Schedule(1, b"H:\xff:1", b"f", b"", "* * * * *", "", 1, b"")) == "<Schedule H:\ufffd:1 * * * * *>"

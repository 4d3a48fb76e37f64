# SPDX-License-Identifier: MIT
"""The lines of the log that follow a job, and the fields of each."""

import logging

import pytest

from geartrain.core import CommitOutcome, Durability, JobServerOptions
from geartrain.core.levels import NOTICE
from geartrain.core.record import JobRecord
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer


def steps(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about steps, without the prefix of the handle's number."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]


def fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [getattr(record, "fields", {}) for record in caplog.records if record.levelno == logging.INFO]


@pytest.fixture
def wire(caplog: pytest.LogCaptureFixture) -> Wire:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    return Wire(JobServerOptions(job_retries=2))


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    peer = wire.connect("10.0.0.8")
    peer.send(Command.SET_CLIENT_ID, b"images")
    peer.send(Command.CAN_DO, b"resize")
    return peer


def grab(worker: WirePeer) -> None:
    assert worker.ask(Command.GRAB_JOB_UNIQ)[0] is Command.JOB_ASSIGN_UNIQ


def test_a_job_is_followed_from_its_submission_to_its_end(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    handle = wire.connect("10.0.0.7").submit(b"resize", unique=b"u")
    wire.advance(0.0004)
    grab(worker)
    wire.advance(0.0316)
    worker.send(Command.WORK_COMPLETE, handle, b"")

    name = handle.decode()
    assert steps(caplog) == [
        f"{name} resize: submitted by 10.0.0.7 (connection 1)",
        f"{name} resize: started by 10.0.0.8 images (connection 0), attempt 1, after 0.4 ms",
        f"{name} resize: completed by 10.0.0.8 images (connection 0), attempt 1, in 31.6 ms",
    ]
    job = {"handle": name, "function": "resize"}
    attempt = {"worker": "10.0.0.8 images (connection 0)", "attempt": 1}
    assert fields(caplog) == [
        {"event": "submitted", **job, "client": "10.0.0.7 (connection 1)"},
        {"event": "started", **job, **attempt, "ms": 0.4},
        {"event": "completed", **job, **attempt, "ms": 31.6},
    ]


def test_a_submission_may_join_a_job(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client = wire.connect()
    handle = client.submit(b"resize", unique=b"u")
    assert wire.connect().submit(b"resize", unique=b"u") == handle

    assert steps(caplog)[1] == f"{handle.decode()} resize: joined by 127.0.0.1 (connection 1)"


@pytest.mark.parametrize(
    ("command", "arguments", "end"),
    [
        (Command.WORK_FAIL, [], "failed by 10.0.0.8 images (connection 0), attempt 1, in 0.0 ms"),
        (Command.WORK_EXCEPTION, [b"no"], "failed by 10.0.0.8 images (connection 0), attempt 1, in 0.0 ms: exception"),
    ],
)
def test_a_failure_has_its_reason(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture, command: Command, arguments: list[bytes], end: str
) -> None:
    handle = wire.connect().submit(b"resize")
    grab(worker)
    worker.send(command, handle, *arguments)

    assert steps(caplog)[-1] == f"{handle.decode()} resize: {end}"


def test_a_lost_worker_ends_an_attempt_and_the_last_one_the_job(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    client = wire.connect()
    name = client.submit(b"resize").decode()
    grab(worker)
    wire.advance(2.0)
    worker.close()

    assert steps(caplog)[2:] == [
        f"{name} resize: taken from 10.0.0.8 images (connection 0), attempt 1, after 2000.0 ms: lost worker"
    ]

    second = wire.connect()
    second.send(Command.CAN_DO_TIMEOUT, b"resize", b"1000")
    grab(second)
    wire.advance(1.0)

    assert steps(caplog)[3:] == [
        f"{name} resize: started by 127.0.0.1 (connection 2), attempt 2, after 0.0 ms",
        f"{name} resize: taken from 127.0.0.1 (connection 2), attempt 2, after 1000.0 ms: timeout",
        f"{name} resize: failed after 1000.0 ms: timeout of the last attempt",
    ]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == [f"Worker timeout reached on job, requeueing: {name} "]
    assert warnings[0].fields["function"] == "resize"  # type: ignore[attr-defined]  # from the record's ``extra``


def test_a_late_result_is_named(wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture) -> None:
    handle = wire.connect().submit(b"resize")
    worker.send(Command.CAN_DO_TIMEOUT, b"resize", b"1000")
    grab(worker)
    wire.advance(1.0)
    caplog.clear()
    wire.advance(2.0)
    worker.send(Command.WORK_COMPLETE, handle, b"")

    assert steps(caplog) == [
        f"{handle.decode()} resize: late result of an earlier attempt, which counts",
        f"{handle.decode()} resize: completed after 2000.0 ms",
    ]


def test_an_end_without_a_worker_has_the_time_of_waiting(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client, admin = wire.connect(), wire.connect()
    first, second = client.submit(b"a\nb"), client.submit(b"a\nb")
    wire.advance(1.5)
    assert admin.say(f"cancel job {first.decode()}") == "OK\r\n"
    client.close()

    assert steps(caplog)[2:] == [
        f"{first.decode()} a\\x0ab: cancelled after 1500.0 ms",
        f"{second.decode()} a\\x0ab: abandoned after 1500.0 ms: no client waits for it",
    ]


def test_the_job_of_a_schedule_names_it(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client = wire.connect()
    client.send(Command.SUBMIT_JOB_SCHED, b"resize", b"u", b"*", b"*", b"*", b"*", b"*", b"")
    schedule = client.packets()[0][1]
    assert isinstance(schedule, bytes)
    for _ in range(4):
        wire.advance(30.0)

    assert f" resize: submitted by the schedule {schedule.decode()}" in steps(caplog)[0]


def test_notices_have_the_line_of_gearmand_and_the_job(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(NOTICE, "geartrain.jobs")
    wire = Wire()

    handle = wire.connect().submit(b"resize", unique=b"u")

    assert caplog.messages == [f"accepted,resize,u,0: {handle.decode()} from 127.0.0.1 (connection 0)"]
    assert caplog.records[0].fields == {  # type: ignore[attr-defined]  # from the record's ``extra``
        "event": "accepted",
        "handle": handle.decode(),
        "function": "resize",
        "client": "127.0.0.1 (connection 0)",
        "unique": "u",
        "run_at": 0,
    }


def test_a_level_counts_from_the_next_reload_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "geartrain.jobs")
    wire = Wire()
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client = wire.connect()
    client.submit(b"resize")
    assert caplog.messages == []

    wire.server.change_options(JobServerOptions())
    name = client.submit(b"resize").decode()

    assert caplog.messages == [
        f"accepted,resize,,0: {name} from 127.0.0.1 (connection 0)",
        f"{name} resize: submitted by 127.0.0.1 (connection 0)",
    ]


def test_packets_about_a_job_that_was_taken_away_are_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "geartrain.jobs")
    wire.server.restore([JobRecord(1, b"H:\xff:1", b"f")])
    worker = wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
    worker.send(Command.GRAB_JOB)
    wire.advance(2)

    worker.send(Command.WORK_DATA, b"H:\xff:1", b"x")

    assert "ignored a late WORK_DATA for H:\N{REPLACEMENT CHARACTER}:1" in caplog.messages


def test_a_submission_that_is_refused_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(NOTICE, "geartrain.jobs")
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client, other = wire.connect(), wire.connect()
    other.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    wire.server.commit_queue.take_batch()
    client.submit(b"f", b"u")
    wire.server.store_failed(CommitOutcome.NOT_STORED)
    other.packets()
    caplog.clear()

    assert other.ask(Command.SUBMIT_JOB_BG, b"f", b"u", b"")[0] is Command.ERROR

    assert not [message for message in caplog.messages if message.startswith("accepted")]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    """Return the messages of a higher level than the steps, each with its fields."""
    return [(log.getMessage(), getattr(log, "fields", {})) for log in caplog.records if log.levelno > logging.INFO]


def test_attempts_that_failed_are_logged_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(NOTICE, "geartrain.jobs")
    wire = Wire(JobServerOptions(job_retries=2))
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"resize", b"1000")
    name = client.submit(b"resize", b"u").decode()
    other = wire.connect()
    other.send(Command.CAN_DO_TIMEOUT, b"resize", b"1000")
    caplog.clear()

    for each in (worker, other):
        each.send(Command.GRAB_JOB)
        wire.advance(1.0)

    facts: dict[str, object] = {"handle": name, "function": "resize", "unique": "u"}
    assert warnings_of(caplog) == [
        (f"Worker timeout reached on job, requeueing: {name} u", {"event": "timeout", **facts, "losses": 0}),
        (f"Worker timeout reached on job, requeueing: {name} u", {"event": "timeout", **facts, "losses": 1}),
        (f"Dropped job due to max retry count: {name} u", {"event": "dropped", **facts, "losses": 2}),
    ]


def test_a_push_that_is_not_answered_is_logged_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "geartrain.jobs")
    wire = Wire()
    client, worker = wire.connect(), wire.connect()
    worker.ask(Command.OPTION_REQ, b"long-poll")
    worker.send(Command.CAN_DO, b"resize")
    worker.send(Command.GRAB_JOB_ALL)
    name = client.submit(b"resize", b"u").decode()

    wire.advance(JobServerOptions().rearm_after)

    fields = {"event": "unanswered", "handle": name, "function": "resize", "unique": "u", "losses": 0}
    assert (f"Worker did not take the job that it was pushed, requeueing: {name} u", fields) in warnings_of(caplog)


def test_steps_have_fields(wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture) -> None:
    client = wire.connect()
    first = client.submit(b"resize").decode()
    wire.advance(1.23456)
    client.say(f"cancel job {first}")
    second = client.submit(b"resize").decode()
    grab(worker)
    worker.send(Command.WORK_EXCEPTION, second.encode(), b"")

    ended = [each for each in fields(caplog) if each["event"] not in ("submitted", "started")]

    assert ended[0] == {"event": "cancelled", "handle": first, "function": "resize", "ms": 1234.6}
    assert (ended[1]["worker"], ended[1]["attempt"], ended[1]["ms"]) == ("10.0.0.8 images (connection 0)", 1, 0.0)
    assert ended[1]["reason"] == "exception"


def test_names_that_are_not_utf_8_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(NOTICE, "geartrain.jobs")
    wire = Wire()

    wire.connect().submit(b"f", b"\xff")

    assert [message.partition(":")[0] for message in caplog.messages] == ["accepted,f,\ufffd,0"]


def test_the_steps_of_schedules_and_of_lost_workers_have_fields(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    client = wire.connect()
    schedule = client.ask(Command.SUBMIT_JOB_SCHED, b"resize", b"", b"*", b"*", b"*", b"*", b"*", b"")[1]
    assert isinstance(schedule, bytes)
    wire.advance(60)
    for _ in range(2):
        grab(worker)
        worker.close()
        worker = wire.connect("10.0.0.8")
        worker.send(Command.SET_CLIENT_ID, b"")
        worker.send(Command.CAN_DO, b"resize")

    found = {str(each["event"]): each for each in fields(caplog)}
    assert found["submitted"]["schedule"] == schedule.decode()
    assert found["failed"]["reason"] == "lost worker of the last attempt"
    assert found["started"]["worker"] == "10.0.0.8 (connection 2)"


def test_a_time_is_logged_with_a_tenth_of_a_millisecond(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    handle = wire.connect().submit(b"resize")
    grab(worker)
    wire.advance(0.00123)
    worker.send(Command.WORK_COMPLETE, handle, b"")

    assert fields(caplog)[-1]["ms"] == 1.2

# SPDX-License-Identifier: MIT
"""Counters, histograms, and the listing that shows them."""

import pytest

from geartrain.core.outcome import Outcome
from geartrain.core.stats import BOUNDS, COUNTERS, FunctionStats, Histogram
from geartrain.protocol import Command
from geartrain.protocol.listings import FunctionRow
from geartrain.testing.wire import Wire


@pytest.mark.parametrize("place", range(len(BOUNDS) + 1))
def test_a_duration_is_in_the_first_range_that_reaches_it(place: int) -> None:
    histogram = Histogram()

    histogram.observe(BOUNDS[place] if place < len(BOUNDS) else BOUNDS[-1] + 1)

    assert histogram.counts() == [int(each == place) for each in range(len(BOUNDS) + 1)]


def test_a_quantile_is_the_end_of_its_range() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) == 0.0
    for seconds in (0.002, 0.003, 0.004, 7.0):
        histogram.observe(seconds)

    assert histogram.quantile(0.5) == 0.005
    assert histogram.quantile(0.95) == 10.0
    assert histogram.total == pytest.approx(7.009)
    histogram.observe(10_000.0)
    assert histogram.quantile(1.0) == BOUNDS[-1]


def test_histograms_are_made_at_the_first_start() -> None:
    stats = FunctionStats()
    stats.end_run(1.0)
    assert (stats.waiting, stats.running) == (None, None)

    stats.start(0.5)
    stats.end_run(2.0)

    assert stats.waiting is not None
    assert stats.running is not None
    assert (stats.waiting.total, stats.running.total) == (0.5, 2.0)


def test_every_outcome_of_a_job_is_counted_once(wire: Wire) -> None:
    client, worker, admin = wire.connect(), wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")

    def run(unique: bytes = b"") -> bytes:
        handle = client.submit(b"f", unique)
        worker.send(Command.GRAB_JOB)
        worker.packets()
        return handle

    worker.send(Command.WORK_COMPLETE, run(), b"")
    worker.send(Command.WORK_FAIL, run())
    worker.send(Command.WORK_EXCEPTION, run(), b"")
    admin.say(f"cancel job {run().decode()}")
    run(b"same")
    client.submit(b"f", b"same")
    wire.advance(2)
    worker.close()
    client.close()
    lost, other = wire.connect(), wire.connect()
    lost.send(Command.CAN_DO, b"f")
    handle = other.submit(b"f")
    lost.send(Command.GRAB_JOB)
    lost.close()

    row = dict(zip(FunctionRow._fields, admin.say("show functions").splitlines()[0].split("\t"), strict=True))

    assert {name: int(row[name]) for name in COUNTERS} == {
        "submitted": 6,
        "coalesced": 1,
        "started": 6,
        "completed": 1,
        "failed": 1,
        "exceptions": 1,
        "timed_out": 1,
        "lost": 1,
        "cancelled": 1,
        "abandoned": 1,
        "revoked": 0,
    }
    assert (row["function"], row["waiting"], row["running"], row["workers"]) == ("f", "1", "0", "0")
    assert other.ask(Command.GET_STATUS, handle)[2] == b"1"


def test_outcomes_add_up(wire: Wire) -> None:
    client = wire.connect()
    for _ in range(3):
        late, lost = wire.connect(), wire.connect()
        late.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        client.submit(b"f")
        late.send(Command.GRAB_JOB)
        wire.advance(2)
        lost.send(Command.CAN_DO, b"f")
        lost.send(Command.GRAB_JOB)
        lost.close()
        late.send(Command.RESET_ABILITIES)

        client.submit(b"f", b"u")
    lost = wire.connect()
    lost.send(Command.CAN_DO, b"f")
    lost.send(Command.GRAB_JOB)
    lost.close()

    row = dict(zip(FunctionRow._fields, wire.connect().say("show functions").splitlines()[0].split("\t"), strict=True))

    assert {name: int(row[name]) for name in ("submitted", "coalesced", "started", "timed_out", "lost")} == {
        "submitted": 4,
        "coalesced": 2,
        "started": 7,
        "timed_out": 3,
        "lost": 4,
    }


def test_a_function_without_attempts_has_no_times(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f")

    row = dict(zip(FunctionRow._fields, client.say("show functions").splitlines()[0].split("\t"), strict=True))

    assert {float(row[name]) for name in ("wait_p50", "wait_p95", "run_p50", "run_p95")} == {0.0}


@pytest.mark.parametrize("place", range(len(BOUNDS) + 1))
def test_a_range_counts_each_of_its_durations(place: int) -> None:
    histogram = Histogram()

    for _ in range(3):
        histogram.observe(BOUNDS[place - 1] * 1.001 if place else 0.0)

    assert histogram.counts() == [3 * (each == place) for each in range(len(BOUNDS) + 1)]


@pytest.mark.parametrize(
    ("outcome", "counter"),
    [
        (Outcome.COMPLETED, "completed"),
        (Outcome.FAILED, "failed"),
        (Outcome.EXCEPTION, "exceptions"),
        (Outcome.CANCELLED, "cancelled"),
        (Outcome.ABANDONED, "abandoned"),
        (Outcome.REVOKED, "revoked"),
    ],
)
def test_each_end_of_a_job_adds_one_to_its_counter(outcome: Outcome, counter: str) -> None:
    stats = FunctionStats()

    for _ in range(3):
        stats.end(int(outcome))

    assert {name: count for name, count in stats.counters() if count} == {counter: 3}

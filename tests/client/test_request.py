# SPDX-License-Identifier: MIT
"""From wishes to packets, and what cannot be wished for."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from geartrain.client.request import handle_bytes, start_of, submission, unique_bytes
from geartrain.errors import LocalProtocolError
from geartrain.jobtimes import read_delayed_option
from geartrain.protocol import REQUEST, Command
from geartrain.records import JobRequest, Priority
from tests.packets import Packets


def parsed(packet: bytes) -> tuple[int, list[bytes]]:
    [(command, arguments)] = Packets(REQUEST).receive(packet)
    return command, arguments


@pytest.mark.parametrize(
    ("priority", "foreground", "background"),
    [
        (Priority.HIGH, Command.SUBMIT_JOB_HIGH, Command.SUBMIT_JOB_HIGH_BG),
        (Priority.NORMAL, Command.SUBMIT_JOB, Command.SUBMIT_JOB_BG),
        (Priority.LOW, Command.SUBMIT_JOB_LOW, Command.SUBMIT_JOB_LOW_BG),
    ],
)
def test_each_priority_has_its_packets(priority: Priority, foreground: Command, background: Command) -> None:
    wanted = JobRequest("f", b"w\0w", "u", priority)

    assert parsed(submission(wanted).packet) == (foreground, [b"f", b"u", b"w\0w"])
    assert parsed(submission(wanted, background=True).packet) == (background, [b"f", b"u", b"w\0w"])


def test_text_travels_as_utf_8_behind_the_prefix() -> None:
    encoded = submission(JobRequest("Größe", "ü", "ä"), prefix="net:")

    assert parsed(encoded.packet)[1] == ["net:Größe".encode(), "ä".encode(), "ü".encode()]


@pytest.mark.parametrize("workload", [bytearray(b"abc"), memoryview(b"abc"), b"abc", "abc"])
def test_any_bytes_are_a_workload(workload: bytes) -> None:
    assert parsed(submission(JobRequest("f", workload)).packet)[1][2] == b"abc"


@pytest.mark.parametrize("workload", [None, 1, {"a": 1}, ["x"]])
def test_anything_else_is_none(workload: bytes) -> None:
    with pytest.raises(TypeError, match=r"without a codec, a value is str or bytes, not \w+: .* codec=geartrain\.JSON"):
        submission(JobRequest("f", workload))


class TestUniques:
    def test_a_foreground_job_has_none_unless_it_is_given(self) -> None:
        assert submission(JobRequest("f")).unique == b""

    def test_a_background_job_gets_its_own_as_c_servers_store_by_it(self) -> None:
        uniques = {submission(JobRequest("f"), background=True).unique for _ in range(100)}

        assert len(uniques) == 100
        assert all(len(unique) == 32 for unique in uniques)

    def test_an_empty_one_stays_empty(self) -> None:
        assert submission(JobRequest("f", unique=""), background=True).unique == b""

    @pytest.mark.parametrize("unique", ["x" * 65, "a\0b"])
    def test_a_unique_that_servers_reject_is_rejected_here(self, unique: str) -> None:
        with pytest.raises(LocalProtocolError, match="a unique has up to 64 bytes"):
            submission(JobRequest("f", unique=unique))
        with pytest.raises(LocalProtocolError):
            unique_bytes(unique)

    def test_64_bytes_are_fine(self) -> None:
        assert submission(JobRequest("f", unique="x" * 64)).unique == b"x" * 64


class TestKeys:
    def test_come_from_the_unique(self) -> None:
        key = submission(JobRequest("f", unique="u")).key

        assert key == submission(JobRequest(b"f", "other", b"u", Priority.HIGH), background=True).key
        assert key != submission(JobRequest("f", unique="v")).key

    def test_come_from_the_workload_behind_a_dash(self) -> None:
        assert submission(JobRequest("f", "a", "-")).key == submission(JobRequest("f", b"a", "-")).key
        assert submission(JobRequest("f", "a", "-")).key != submission(JobRequest("f", "b", "-")).key

    @pytest.mark.parametrize("unique", [None, "", "-"])
    def test_do_not_exist_where_nothing_coalesces(self, unique: str | None) -> None:
        assert submission(JobRequest("f", b"", unique), background=True).key == b""


@pytest.mark.parametrize("function", ["", "a\0b", "x" * 513, b"\0"])
def test_impossible_functions_are_refused(function: str | bytes) -> None:
    with pytest.raises(LocalProtocolError, match="a function's name"):
        submission(JobRequest(function))


def test_the_prefix_counts_towards_the_name() -> None:
    with pytest.raises(LocalProtocolError, match="512 bytes with its prefix, not 513"):
        submission(JobRequest("x" * 512), prefix="y")


class TestTime:
    def test_a_delayed_job_is_an_epoch_job(self) -> None:
        encoded = submission(JobRequest("f", "w", "u"), start=start_of(1_700_000_000, None, 5.0))

        assert parsed(encoded.packet) == (Command.SUBMIT_JOB_EPOCH, [b"f", b"u", b"1700000000", b"w"])
        assert encoded.background
        assert encoded.option == b""

    @pytest.mark.parametrize(
        ("at", "delay", "priority", "second", "option"),
        [
            (1_700_000_000.25, None, Priority.NORMAL, b"1700000001", b"delayed-job=1700000000250,normal"),
            (1_700_000_000, None, Priority.HIGH, b"1700000000", b"delayed-job=1700000000000,high"),
            (datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC), None, Priority.LOW, b"1704067201", None),
            (None, 0.25, Priority.NORMAL, b"1001", b"delayed-job=+250,normal"),
            (None, timedelta(minutes=1), Priority.LOW, b"1060", b"delayed-job=+60000,low"),
            (None, 0, Priority.NORMAL, b"1000", b"delayed-job=+0,normal"),
            (None, 0.0001, Priority.NORMAL, b"1001", b"delayed-job=+1,normal"),
        ],
    )
    def test_a_fraction_a_delay_and_a_priority_are_in_an_option(
        self, at: datetime | float | None, delay: Any, priority: Priority, second: bytes, option: bytes | None
    ) -> None:
        encoded = submission(JobRequest("f", "w", "u", priority), start=start_of(at, delay, 1000.0))

        assert parsed(encoded.packet) == (Command.SUBMIT_JOB_EPOCH, [b"f", b"u", second, b"w"])
        expected = b"delayed-job=1704067200001,low" if option is None else option
        assert parsed(encoded.option) == (Command.OPTION_REQ, [expected])
        assert read_delayed_option(expected) is not None, "the server takes it"

    @pytest.mark.parametrize(
        ("at", "epoch"),
        [
            (1_700_000_000, 1_700_000_000),
            (1_700_000_000.001, 1_700_000_001),
            (0, 0),
            (datetime(2024, 1, 1, tzinfo=UTC), 1_704_067_200),
            (datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 1_704_067_200),
            (datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1_704_067_201),
        ],
    )
    def test_a_moment_is_never_early(self, at: datetime | float, epoch: int) -> None:
        start = start_of(at, None, 5.0)
        assert start is not None
        assert start.second == epoch

    @pytest.mark.parametrize(("delay", "epoch"), [(0, 1000), (1.5, 1002), (timedelta(minutes=1), 1060)])
    def test_a_delay_counts_from_now(self, delay: timedelta | float, epoch: int) -> None:
        start = start_of(None, delay, 1000.0)
        assert start is not None
        assert start.second == epoch

    def test_neither_means_at_once(self) -> None:
        assert start_of(None, None, 1000.0) is None

    @pytest.mark.parametrize(
        ("at", "delay", "reason"),
        [
            (1.0, 1.0, "not both"),
            (datetime(2024, 1, 1), None, "has no time zone"),  # noqa: DTZ001 - that is the point
            (None, -1.0, "cannot be negative"),
            (None, timedelta(seconds=-1), "cannot be negative"),
            (None, float("nan"), "cannot be negative"),
            (None, float("inf"), "seconds since 1970"),
            (-1.0, None, "seconds since 1970"),
            (float("nan"), None, "seconds since 1970"),
            (2**64, None, "seconds since 1970"),
        ],
    )
    def test_nonsense_is_refused(
        self, at: datetime | float | None, delay: timedelta | float | None, reason: str
    ) -> None:
        with pytest.raises(ValueError, match=reason):
            start_of(at, delay, 1000.0)

    @pytest.mark.parametrize(
        ("at", "delay", "reason"),
        [
            (
                "tomorrow",
                None,
                "at is a datetime with a time zone or seconds since 1970, not 'tomorrow'; .* use delay=",
            ),
            (timedelta(days=1), None, "at is a datetime .* use delay="),
            (None, "soon", "delay is a number of seconds or a timedelta, not 'soon'"),
        ],
    )
    def test_a_time_of_another_type_is_refused_with_those_that_are_allowed(
        self, at: Any, delay: Any, reason: str
    ) -> None:
        with pytest.raises(TypeError, match=reason):
            start_of(at, delay, 1000.0)


@pytest.mark.parametrize("priority", ["urgent", 7, None])
def test_an_unknown_priority_is_refused_with_those_that_are_allowed(priority: Any) -> None:
    reason = f"priority is Priority.HIGH, Priority.NORMAL or Priority.LOW, not {priority!r}"
    with pytest.raises(ValueError, match=reason):
        submission(JobRequest("f", "", priority=priority))


@pytest.mark.parametrize("handle", ["", "H:" + "x" * 62, "H:a\0:1"])
def test_no_server_has_such_a_handle(handle: str) -> None:
    with pytest.raises(LocalProtocolError, match="a handle has 1 to 63 bytes"):
        handle_bytes(handle)


def test_a_handle_that_is_no_text_survives() -> None:
    assert handle_bytes(b"H:\xff:1".decode("utf-8", "surrogateescape")) == b"H:\xff:1"

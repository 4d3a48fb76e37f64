# SPDX-License-Identifier: MIT
"""Jobs that repeat themselves, from submission to cancellation, on our own server."""

import asyncio

import pytest

from geartrain import AdminClient, AsyncAdminClient, AsyncClient, Client, Priority, ServerError
from geartrain.protocol.listings import DelayedRow
from geartrain.testing import run_server


def test_they_are_submitted_listed_changed_and_cancelled() -> None:
    with run_server() as server, Client(server.address) as client, AdminClient(server.address) as admin:
        handle = client.submit_background("report", "daily", cron="0 3 * * MON-FRI")
        [row] = admin.schedules()
        assert (row.handle, row.function, row.cron) == (str(handle), "report", "0 3 * * MON,TUE,WED,THU,FRI")
        assert (row.due.hour, row.due.weekday() < 5) == (3, True)

        assert client.submit_background("report", "daily", cron="@hourly") == handle
        assert [row.cron for row in admin.schedules()] == ["0 * * * *"]
        assert client.status(handle).known

        admin.cancel(str(handle))
        assert admin.schedules() == []


def test_the_same_with_an_event_loop() -> None:
    async def scenario(address: str) -> None:
        async with AsyncClient(address) as client, AsyncAdminClient(address) as admin:
            handle = await client.submit_background("report", cron="*/5 * * * *", unique="five")
            assert [row.unique for row in await admin.schedules()] == ["five"]
            await admin.cancel(str(handle))
            assert await admin.schedules() == []

    with run_server() as server:
        asyncio.run(scenario(server.address))


def test_they_have_a_time_zone_and_a_priority() -> None:
    with run_server() as server, Client(server.address) as client, AdminClient(server.address) as admin:
        client.enqueue("report", cron="0 3 * * *", timezone="Asia/Kolkata", priority=Priority.LOW)

        [row] = admin.schedules()

    assert (row.timezone, row.priority) == ("Asia/Kolkata", "low")
    assert (row.due.hour, row.due.minute) == (21, 30)


def test_a_time_zone_that_the_server_does_not_know_is_an_error() -> None:
    with (
        run_server() as server,
        Client(server.address) as client,
        pytest.raises(ServerError, match=r"INVALID_ARGUMENT: .* has no time zone 'Mars/Base'"),
    ):
        client.enqueue("report", cron="0 3 * * *", timezone="Mars/Base")


def test_typed_functions_repeat_and_wait_in_the_same_way() -> None:
    def report(year: int) -> None:
        raise NotImplementedError

    async def scenario(address: str) -> None:
        async with AsyncClient(address) as client:
            bound = client.function(report)
            await bound.with_options(cron="@daily", timezone="Europe/Berlin", priority=Priority.HIGH).enqueue(1)
            await bound.with_options(delay=3600.25, priority=Priority.LOW).enqueue(2)

    with run_server() as server, Client(server.address) as client, AdminClient(server.address) as admin:
        bound = client.function(report)
        bound.with_options(cron="@daily", timezone="Europe/Berlin", priority=Priority.HIGH).enqueue(3)
        bound.with_options(delay=3600.25, priority=Priority.LOW).enqueue(4)
        asyncio.run(scenario(server.address))

        assert [(row.timezone, row.priority) for row in admin.schedules()] == [("Europe/Berlin", "high")] * 2
        assert [row.priority for row in admin.show(DelayedRow)] == ["low"] * 2


def test_a_time_that_never_comes_is_refused_by_the_server() -> None:
    with (
        run_server() as server,
        Client(server.address) as client,
        pytest.raises(ServerError, match=r"INVALID_ARGUMENT: .*'0 0 31 2 \*'"),
    ):
        client.submit_background("report", cron="0 0 31 2 *")


def test_two_times_are_one_too_many() -> None:
    with Client() as client, pytest.raises(ValueError, match="only one of"):
        client.submit_background("report", cron="@daily", delay=5)

# SPDX-License-Identifier: MIT
"""Jobs that repeat themselves, from submission to cancellation, on our own server."""

import asyncio

import pytest

from geartrain import AdminClient, AsyncAdminClient, AsyncClient, Client, ServerError
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

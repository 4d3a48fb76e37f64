# SPDX-License-Identifier: MIT
"""The types of the clients, for mypy; test_typing.py describes the test."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from geartrain import (
    JSON,
    TLS,
    AsyncClient,
    AsyncSubmittedJob,
    Client,
    Codec,
    Data,
    Handle,
    JobRequest,
    JobStatus,
    Priority,
    Progress,
    SubmittedJob,
    Warn,
    as_completed,
)

NUMBERS: Codec[int, float] = Codec("numbers", lambda number: b"%d" % number, float)


def created() -> None:
    assert_type(Client(), Client[str | bytes, bytes])
    assert_type(
        Client(["a", "b:4731"], tls=TLS(ca="ca.pem"), prefix="my.", placement="perl"), Client[str | bytes, bytes]
    )
    assert_type(Client(codec=NUMBERS), Client[int, float])
    assert_type(Client(codec=JSON), Client[Any, Any])
    assert_type(AsyncClient(codec=NUMBERS), AsyncClient[int, float])

    Client(server="a")  # type: ignore[call-arg]
    Client(4730)  # type: ignore[arg-type]
    Client(balance="fair")  # type: ignore[arg-type]
    Client(codec="json")  # type: ignore[arg-type]
    Client(connect_timeout="1")  # type: ignore[arg-type]


def blocking(client: Client, numbers: Client[int, float]) -> None:
    assert_type(client.do("f", "text"), bytes)
    assert_type(client.do("f", b"bytes", unique="u", priority=Priority.LOW, timeout=1, resubmits=2), bytes)
    assert_type(client.submit("f"), SubmittedJob[bytes])
    assert_type(client.submit_many([JobRequest("f", "1"), JobRequest("g", reducer="r")]), list[SubmittedJob[bytes]])
    assert_type(client.submit_background("f", at=datetime.now(UTC)), Handle)
    assert_type(client.submit_background("f", delay=timedelta(hours=1)), Handle)
    assert_type(client.enqueue("f", cron="@daily", timezone="Europe/Berlin"), Handle)
    assert_type(client.map("f", ["a", b"b"]), Iterator[bytes])
    assert_type(client.map_reduce("split", "count", ["a"]), Iterator[bytes])
    assert_type(client.status("H:1"), JobStatus)
    assert_type(client.status(unique="u").fraction, float)
    assert_type(client.ping(), float)
    assert_type(client.with_codec(NUMBERS), Client[int, float])
    assert_type(numbers.do("f", 1), float)
    assert_type(numbers.map("f", range(3)), Iterator[float])
    for job in as_completed([client.submit("f")], timeout=1):
        assert_type(job, SubmittedJob[bytes])
        assert_type(job.result(), bytes)
        assert_type(job.exception(), BaseException | None)
        assert_type(job.handle, Handle | None)

    client.do("f", 7)  # type: ignore[arg-type]
    client.do(7)  # type: ignore[arg-type]
    client.do("f", "w", "u")  # type: ignore[call-arg]  # options have names
    client.do("f", priority=1)  # type: ignore[arg-type]
    client.do("f", delay=3)  # type: ignore[arg-type]  # a foreground job has no delay
    client.do("f").encode()  # type: ignore[attr-defined]
    client.submit_background("f", at="noon")  # type: ignore[arg-type]
    client.enqueue("f", cron="@daily", timezone=UTC)  # type: ignore[arg-type]  # by its name
    client.submit_background("f").result()  # type: ignore[attr-defined]
    client.map("f", [1])  # type: ignore[list-item]
    client.map_reduce("split", ["a"])  # type: ignore[call-arg, arg-type]
    client.submit_many(["f"])  # type: ignore[list-item]
    JobRequest()  # type: ignore[call-arg]
    numbers.do("f", "text")  # type: ignore[arg-type]
    numbers.do("f", 1).decode()  # type: ignore[attr-defined]


def events(client: Client, numbers: Client[int, float]) -> None:
    for event in client.submit("f"):
        assert_type(event, Data[bytes] | Warn | Progress)
        match event:
            case Data(data):
                assert_type(data, bytes)
            case Warn():
                assert_type(event.text, str)
            case Progress(numerator, denominator):
                assert_type(numerator / denominator, float)
        str(event.data)  # type: ignore[union-attr]
    for part in numbers.submit("f"):
        assert_type(part, Data[float] | Warn | Progress)


async def awaited(client: AsyncClient, numbers: AsyncClient[int, float]) -> None:
    assert_type(await client.do("f", "text"), bytes)
    assert_type(await client.submit("f"), AsyncSubmittedJob[bytes])
    assert_type(await (await client.submit("f")), bytes)
    assert_type(await client.submit_background("f"), Handle)
    assert_type([result async for result in client.map("f", ["a"])], list[bytes])
    assert_type([result async for result in client.map_reduce("split", "count", ["a"])], list[bytes])
    assert_type(await client.status("H:1"), JobStatus)
    assert_type(await client.with_codec(NUMBERS).do("f", 1), float)
    assert_type(await numbers.do("f", 1), float)
    async for event in await client.submit("f"):
        assert_type(event, Data[bytes] | Warn | Progress)

    client.do("f").decode()  # type: ignore[attr-defined]  # it is to be awaited
    await client.do("f", 7)  # type: ignore[arg-type]
    await numbers.do("f", "text")  # type: ignore[arg-type]
    for _ in client.map("f", ["a"]):  # type: ignore[attr-defined]
        pass
    with client:  # type: ignore[attr-defined]
        pass

# SPDX-License-Identifier: MIT
"""Calls of an asyncio worker: the accepted functions, and the packets that end a job."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest

from geartrain import AsyncWorker
from geartrain.errors import Fail
from geartrain.middleware import wrap
from geartrain.protocol import Command
from geartrain.worker.aio.calls import AsyncCall, as_call, perform
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.functions import Function
from geartrain.worker.job import Report
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment


def without_details(packets: list[Report]) -> list[Report]:
    """Return packets with exceptions as other servers than Geartrain's get them."""
    return [
        (packet[0], cast(bytes, packet[-1]).partition(b"\0")[2]) if packet[0] is Command.WORK_EXCEPTION else packet
        for packet in packets
    ]


def sent_by(function: Callable[..., object], *layers: Any, exceptions: bool = True) -> list[Report]:
    """Return the packets of a job."""
    sent: list[Report] = []

    async def report(packet: Report) -> None:
        sent.append(packet)

    job = AsyncAssignedJob(
        Assignment(b"H:1", b"f", b"", b"w"), Function("f", b"f", function, None), WorkerOptions(concurrency=1), report
    )
    asyncio.run(perform(job, wrap(as_call(function), layers), exceptions=exceptions))
    return without_details([*sent, *job.ending])


async def answer(job: AsyncAssignedJob, result: bytes = b"r") -> bytes:
    return result


class Instance:
    async def __call__(self, job: AsyncAssignedJob) -> bytes:
        return b"r"


@pytest.mark.parametrize("function", [answer, functools.partial(answer, result=b"r"), Instance()])
def test_everything_that_is_awaited_may_be_a_function(function: Callable[..., object]) -> None:
    assert sent_by(function) == [(Command.WORK_COMPLETE, b"r")]


def plain(job: AsyncAssignedJob) -> bytes:
    return b"r"


@pytest.mark.parametrize("function", [plain, lambda job: answer(job), (b"yielded" for _ in range(1)).send])
def test_a_plain_function_is_refused_before_it_can_hold_up_others(function: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"is not an async def .* asyncio.to_thread"):
        AsyncWorker().add_function("f", function)


def test_a_yielded_value_is_sent_at_once_and_the_generator_closed() -> None:
    closed = []

    async def parts(job: AsyncAssignedJob) -> AsyncGenerator[str | bytes, None]:
        try:
            yield "a"
            await job.progress(1, 2)
            yield 17  # type: ignore[misc]  # that is the point
        finally:
            closed.append(True)

    error = b"TypeError: a part of the result of f: without a codec, a value is str or bytes, not int: 17"
    error += b"; for other values, pass codec=geartrain.JSON to the client and the worker"
    assert sent_by(parts) == [
        (Command.WORK_DATA, b"a"),
        (Command.WORK_STATUS, b"1", b"2"),
        (Command.WORK_EXCEPTION, error),
        (Command.WORK_FAIL,),
    ]
    assert closed == [True]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), b"ValueError: no"),
        (SystemExit(3), b"SystemExit: 3"),
        (asyncio.CancelledError(), b"CancelledError"),
    ],
)
def test_an_exception_is_sent_and_then_the_job_fails(error: BaseException, text: bytes) -> None:
    async def call(job: AsyncAssignedJob) -> None:
        raise error

    assert sent_by(call) == [(Command.WORK_EXCEPTION, text), (Command.WORK_FAIL,)]
    assert sent_by(call, exceptions=False) == [(Command.WORK_FAIL,)]


def test_a_failure_is_only_a_failure_and_nothing_follows_it() -> None:
    async def call(job: AsyncAssignedJob) -> None:
        await job.warning("hm")
        job.fail()
        await job.data("late")
        raise Fail("for a reason")

    assert sent_by(call) == [(Command.WORK_WARNING, b"hm"), (Command.WORK_FAIL,)]


def test_middleware_goes_around_the_job_first_outermost() -> None:
    def layer(name: bytes) -> Callable[[AsyncAssignedJob, AsyncCall], Any]:
        async def around(job: AsyncAssignedJob, call: AsyncCall) -> bytes:
            result = await call(job)
            assert isinstance(result, bytes)
            return result + name

        return around

    assert sent_by(answer, layer(b"1"), layer(b"2")) == [(Command.WORK_COMPLETE, b"r21")]

# SPDX-License-Identifier: MIT
"""Cases of the asyncio worker only: blocked loops, cancellation, and an event loop shared with other tasks."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
import uvloop

from geartrain import AsyncAssignedJob, AsyncWorker, Client, JobException, Priority
from geartrain.worker import Reason
from tests.worker.shells import PATIENCE

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner


async def echo(job: AsyncAssignedJob) -> bytes:
    return job.workload


async def elsewhere(call: Callable[[], bytes]) -> bytes:
    """Make a blocking call in a thread."""
    return await asyncio.wait_for(asyncio.to_thread(call), PATIENCE)


def test_works_for_the_length_of_a_block(address: str, client: Client, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address)
    worker.add_function("echo", echo)

    async def block() -> bytes:
        async with worker as entered:
            assert entered is worker
            return await elsewhere(lambda: client.do("echo", "x", timeout=PATIENCE))

    assert [runner.run(block()) for _ in range(2)] == [b"x", b"x"]


def test_a_job_that_hangs_is_cancelled_and_its_slot_does_the_next_one(
    address: str, client: Client, runner: asyncio.Runner
) -> None:
    worker = AsyncWorker(address, concurrency=1)
    worker.add_function("echo", echo)
    cancelled = asyncio.Event()

    @worker.function(timeout=0.1)
    async def hang(job: AsyncAssignedJob) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def block() -> bytes:
        async with worker:
            client.submit("hang")
            await asyncio.wait_for(cancelled.wait(), PATIENCE)
            return await elsewhere(lambda: client.do("echo", "x", priority=Priority.HIGH, timeout=PATIENCE))

    assert runner.run(block()) == b"x"


def test_an_error_in_a_block_ends_the_worker_and_goes_on(address: str, runner: asyncio.Runner) -> None:
    async def block() -> None:
        async with AsyncWorker(address):
            raise KeyError

    with pytest.raises(KeyError):
        runner.run(block())


def test_the_end_of_a_block_waits_for_jobs_in_hand(address: str, client: Client, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address)

    async def block() -> bytes:
        begun, go_on = asyncio.Event(), asyncio.Event()

        @worker.function
        async def f(job: AsyncAssignedJob) -> bytes:
            begun.set()
            await go_on.wait()
            return b"done"

        async with worker:
            result = asyncio.create_task(elsewhere(lambda: client.do("f", timeout=PATIENCE)))
            await asyncio.wait_for(begun.wait(), PATIENCE)
            asyncio.get_running_loop().call_soon(go_on.set)
        return await result

    assert runner.run(block()) == b"done"


def test_a_cancelled_run_leaves_its_jobs_to_others(address: str, client: Client, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address)
    cleaned = []

    async def main() -> None:
        begun = asyncio.Event()

        @worker.function
        async def f(job: AsyncAssignedJob) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(job.handle)

        run = asyncio.create_task(worker.run())
        await asyncio.wait_for(begun.wait(), PATIENCE)
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        assert run.cancelled()

    job = client.submit("f")
    runner.run(main())

    second = AsyncWorker(address, max_jobs=1)
    second.add_function("f", echo)
    assert runner.run(second.run()) is Reason.MAX_JOBS
    assert job.result(PATIENCE) == b""
    assert cleaned == [str(job.handle)]


def test_a_job_that_cancels_itself_fails_alone(address: str, client: Client, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address, concurrency=1)

    @worker.function
    async def f(job: AsyncAssignedJob) -> bytes:
        if job.text == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()
        return job.workload

    async def block() -> bytes:
        async with worker:
            with pytest.raises(JobException, match="CancelledError"):
                await elsewhere(lambda: client.do("f", "cancel", timeout=PATIENCE))
            return await elsewhere(lambda: client.do("f", "next", timeout=PATIENCE))

    assert runner.run(block()) == b"next"


def test_a_hundred_jobs_wait_side_by_side(address: str, client: Client, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address, max_jobs=100)

    async def main() -> Reason:
        together = asyncio.Barrier(100)

        @worker.function
        async def meet(job: AsyncAssignedJob) -> None:
            await together.wait()

        return await asyncio.wait_for(worker.run(), PATIENCE)

    for number in range(100):
        client.submit_background("meet", str(number))
    assert runner.run(main()) is Reason.MAX_JOBS


def test_signals_are_the_programs_again_afterwards(address: str, runner: asyncio.Runner) -> None:
    seen: list[int] = []
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: signal.getsignal(number) for number in before}
    worker = AsyncWorker(address)
    worker.add_function("echo", echo)

    async def main() -> Reason:
        run = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        reason = await asyncio.wait_for(run, PATIENCE)
        seen.extend(number for number, handler in handlers.items() if signal.getsignal(number) is handler)
        return reason

    try:
        assert runner.run(main()) is Reason.STOPPED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert signal.SIGTERM in seen


def test_any_thread_may_stop_it(address: str, runner: asyncio.Runner) -> None:
    worker = AsyncWorker(address)
    worker.add_function("echo", echo)

    async def main() -> Reason:
        run = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        threading.Thread(target=worker.stop).start()
        return await asyncio.wait_for(run, PATIENCE)

    assert runner.run(main()) is Reason.STOPPED

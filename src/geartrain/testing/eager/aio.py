# SPDX-License-Identifier: MIT
"""The asyncio client without a server. Its twin is `geartrain.testing.eager.sync`."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic

from geartrain.client.aio.client import AsyncClient
from geartrain.client.aio.pool import ConnectionPool
from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.codec import RAW, Codec
from geartrain.names import Text
from geartrain.records import ResultT, ValueT
from geartrain.testing.eager.fakeserver import FakeServer, Task
from geartrain.testing.worker import as_any_worker
from geartrain.transport import ServerAddress
from geartrain.worker import AssignedJob, Worker
from geartrain.worker.aio import calls as aio_calls
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.worker import AsyncWorker
from geartrain.worker.job import Report
from geartrain.worker.middleware import wrap
from geartrain.worker.sync import calls as sync_calls

__all__ = ["AsyncEagerClient"]


class AsyncEagerClient(AsyncClient[ValueT, ResultT], Generic[ValueT, ResultT]):
    """An `AsyncClient` for tests that need no server, as `EagerClient` is for those without an event loop.

    ::

        async def reverse(job):
            return job.workload[::-1]

        client = AsyncEagerClient({"reverse": reverse})
        assert await client.do("reverse", "Hello") == b"olleH"

    Args:
        functions: Who does the jobs: a worker of either kind, with its middleware and codec, or functions by name, all
            with ``async def`` or all without.
        prefix: Put before the name of every function, as of a real client; a worker needs the same.
        client_id: What the client calls itself.
        codec: As of a real client; functions given by name use it, too.

    Attributes:
        jobs: All that were done, in the order in which they began.
    """

    def __init__(
        self,
        functions: AsyncWorker | Worker | Mapping[str, Callable[..., object]],
        *,
        prefix: Text = b"",
        client_id: str | None = None,
        codec: Codec[ValueT, ResultT] | None = None,
    ) -> None:
        super().__init__("localhost", prefix=prefix, client_id=client_id, codec=codec)
        self.jobs: list[AsyncAssignedJob | AssignedJob] = []
        self._worker = as_any_worker(functions, prefix=prefix, codec=codec or RAW)
        self._desk = FakeServer(self._worker)

    def __repr__(self) -> str:
        return f"<AsyncEagerClient: {len(self.jobs)} jobs>"

    def _hub(self) -> ConnectionPool:
        if self._its_hub is None:
            self._its_hub = _EagerPool(self._options, self._desk, self._do)
        return super()._hub()

    async def _do(self, task: Task) -> None:
        """Do a job as its worker would."""
        worker, function = self._worker, task.function
        options = worker._options
        if isinstance(worker, Worker):
            called = AssignedJob(task.assignment, function, options, task.report)
            self.jobs.append(called)
            call = wrap(function.call, worker._middleware)
            sync_calls.perform(called, call, exceptions=options.exceptions)
            task.end(called)
            return

        async def report(packet: Report) -> None:
            task.report(packet)
            await asyncio.sleep(0)  # whoever reads the events may act on this one

        awaited = AsyncAssignedJob(task.assignment, function, options, report)
        self.jobs.append(awaited)
        coroutine = wrap(function.call, worker._middleware)
        await aio_calls.perform(awaited, coroutine, exceptions=options.exceptions)
        task.end(awaited)


class _EagerPool(ConnectionPool):
    """Has all that is said answered while it is sent. A job goes on when who waits for it is cancelled."""

    def __init__(self, options: Any, desk: FakeServer, do: Callable[[Task], Coroutine[Any, Any, None]]) -> None:
        super().__init__(options)
        self._desk = desk
        self._do = do

    async def _say(
        self, address: ServerAddress, compose: Callable[[Session[Ticket]], bytes], until: float | None = None
    ) -> None:
        self._check_open()
        for task in self._desk.answer(str(address), compose):
            doing = self.loop.create_task(self._do(task))
            self._placing.add(doing)
            doing.add_done_callback(self._placing.discard)
            await asyncio.shield(doing)

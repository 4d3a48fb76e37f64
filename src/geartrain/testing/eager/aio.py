# SPDX-License-Identifier: MIT
"""The asyncio client without a server. Its twin is `geartrain.testing.eager.sync`."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, NoReturn

from geartrain.client.aio.client import AsyncClient
from geartrain.client.aio.pool import ConnectionPool
from geartrain.client.options import ClientOptions
from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.codec import RAW, Codec
from geartrain.middleware import wrap
from geartrain.names import Text
from geartrain.records import ResultT, ValueT
from geartrain.testing.eager.fakeserver import EagerTask, FakeServer
from geartrain.testing.worker import as_any_worker
from geartrain.transport import ServerAddress
from geartrain.wording import counted
from geartrain.worker import AssignedJob, Worker
from geartrain.worker.aio import calls as aio_calls
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.worker import AsyncWorker
from geartrain.worker.job import Report
from geartrain.worker.sync import calls as sync_calls

__all__ = ["AsyncEagerClient"]


class AsyncEagerClient(AsyncClient[ValueT, ResultT], Generic[ValueT, ResultT]):
    """An `AsyncClient` for tests without a server: a job has been done when the call that submits it returns.

    ::

        async def reverse(job):
            return job.workload[::-1]

        client = AsyncEagerClient({"reverse": reverse})
        assert await client.do("reverse", "Hello") == b"olleH"

    See `EagerClient`; the worker may be of either kind, and functions by name all with ``async def`` or all without.

    Attributes:
        jobs: All jobs that were done, in the order in which they began.
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
        self._server = FakeServer(self._worker)

    def __repr__(self) -> str:
        return f"<AsyncEagerClient: {counted(len(self.jobs), 'job')}>"

    def admin(self, server: str | None = None) -> NoReturn:
        """Raise ``RuntimeError``: there is no server."""
        raise RuntimeError("an eager client has no server, and all its jobs have ended")

    def _pool(self) -> ConnectionPool:
        if self._own_pool is None:
            self._own_pool = _EagerPool(self._options, self._server, self._do)
        return super()._pool()

    async def _do(self, task: EagerTask) -> None:
        """Do a job as a worker would."""
        worker, function = self._worker, task.function
        options = worker._options
        if isinstance(worker, Worker):
            job = AssignedJob(task.assignment, function, options, task.report)
            self.jobs.append(job)
            sync_calls.perform(job, wrap(function.call, worker._middleware), exceptions=options.exceptions)
            task.end(job)
            return

        async def report(packet: Report) -> None:
            task.report(packet)
            await asyncio.sleep(0)  # a reader of the events may act on this one

        async_job = AsyncAssignedJob(task.assignment, function, options, report)
        self.jobs.append(async_job)
        await aio_calls.perform(async_job, wrap(function.call, worker._middleware), exceptions=options.exceptions)
        task.end(async_job)


class _EagerPool(ConnectionPool):
    """Connections whose requests are answered while they are sent. A job goes on when its caller is cancelled."""

    def __init__(
        self,
        options: ClientOptions[ValueT, ResultT],
        server: FakeServer,
        do: Callable[[EagerTask], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(options)
        self._server = server
        self._do = do

    async def _send(
        self,
        address: ServerAddress,
        tickets: Sequence[Ticket],
        compose: Callable[[Session[Ticket]], bytes],
        until: float | None = None,
    ) -> None:
        self._check_open()
        for task in self._server.answer(str(address), compose):
            doing = self.loop.create_task(self._do(task))
            self._placing.add(doing)
            doing.add_done_callback(self._placing.discard)
            await asyncio.shield(doing)

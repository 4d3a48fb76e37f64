# SPDX-License-Identifier: MIT
"""The blocking client without a server. Its twin is `geartrain.testing.eager.aio`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NoReturn

from geartrain.client import Client
from geartrain.client.options import ClientOptions
from geartrain.client.session import Session
from geartrain.client.sync.pool import ConnectionPool
from geartrain.client.ticket import Ticket
from geartrain.codec import RAW, Codec
from geartrain.middleware import wrap
from geartrain.names import Text
from geartrain.records import ResultT, ValueT
from geartrain.testing.eager.fakeserver import EagerTask, FakeServer
from geartrain.testing.worker import as_worker
from geartrain.transport import ServerAddress
from geartrain.wording import counted
from geartrain.worker import AssignedJob, Worker
from geartrain.worker.sync.calls import perform

__all__ = ["EagerClient"]


class EagerClient(Client[ValueT, ResultT], Generic[ValueT, ResultT]):
    """A `Client` for tests without a server: a job has been done when the call that submits it returns.

    ::

        client = EagerClient({"reverse": lambda job: job.workload[::-1]})
        assert client.do("reverse", "Hello") == b"olleH"

    Jobs with `at` or `delay` run at once, too, and uniques have no effect, because no job ever waits. A background job
    that fails is logged, as by a worker; the call that submits it raises nothing.

    Args:
        functions: A worker, with its middleware and codec, or functions by name, which run the jobs.
        prefix: Put before the name of every function, as by a real client; a worker needs the same.
        client_id: The client's id.
        codec: As for a real client; functions given by name use it, too.

    Attributes:
        jobs: All jobs that were done, in the order in which they began.
    """

    def __init__(
        self,
        functions: Worker | Mapping[str, Callable[..., object]],
        *,
        prefix: Text = b"",
        client_id: str | None = None,
        codec: Codec[ValueT, ResultT] | None = None,
    ) -> None:
        super().__init__("localhost", prefix=prefix, client_id=client_id, codec=codec)
        self.jobs: list[AssignedJob] = []
        self._worker = as_worker(functions, prefix=prefix, codec=codec or RAW)
        self._eager_pool = _EagerPool(self._options, FakeServer(self._worker), self._do)

    def __repr__(self) -> str:
        return f"<EagerClient: {counted(len(self.jobs), 'job')}>"

    def close(self) -> None:
        """Close all connections; every wait ends with `ConnectionLost`, and so does every later call."""
        super().close()
        self._eager_pool.close()

    def admin(self, server: str | None = None) -> NoReturn:
        """Raise ``RuntimeError``: there is no server."""
        raise RuntimeError("an eager client has no server, and all its jobs have ended")

    def _pool(self) -> ConnectionPool:
        return self._eager_pool

    def _do(self, task: EagerTask) -> None:
        """Do a job as a worker would."""
        options = self._worker._options
        job = AssignedJob(task.assignment, task.function, options, task.report)
        self.jobs.append(job)
        perform(job, wrap(task.function.call, self._worker._middleware), exceptions=options.exceptions)
        task.end(job)


class _EagerPool(ConnectionPool):
    """Connections whose requests are answered while they are sent."""

    def __init__(
        self, options: ClientOptions[ValueT, ResultT], server: FakeServer, do: Callable[[EagerTask], None]
    ) -> None:
        super().__init__(options)
        self._server = server
        self._do = do

    def _send(
        self,
        address: ServerAddress,
        tickets: Sequence[Ticket],
        compose: Callable[[Session[Ticket]], bytes],
        until: float | None = None,
        *,
        reads: bool = False,
    ) -> None:
        self._check_open()
        for task in self._server.answer(str(address), compose):
            self._do(task)

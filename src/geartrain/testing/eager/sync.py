# SPDX-License-Identifier: MIT
"""The blocking client without a server. Its twin is `geartrain.testing.eager.aio`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from geartrain.client import Client
from geartrain.client.session import Session
from geartrain.client.sync.pool import ConnectionPool
from geartrain.client.ticket import Ticket
from geartrain.codec import RAW, Codec
from geartrain.names import Text
from geartrain.records import ResultT, ValueT
from geartrain.testing.eager.fakeserver import FakeServer
from geartrain.testing.worker import as_worker
from geartrain.transport import ServerAddress
from geartrain.worker import AssignedJob, Worker
from geartrain.worker.middleware import wrap
from geartrain.worker.sync.calls import perform

__all__ = ["EagerClient"]


class EagerClient(Client[ValueT, ResultT], Generic[ValueT, ResultT]):
    """A `Client` for tests that need no server: a job has been done when the call returns that submits it.

    ::

        client = EagerClient({"reverse": lambda job: job.workload[::-1]})
        assert client.do("reverse", "Hello") == b"olleH"

    Jobs with `at` or `delay` are done at once, too, and uniques bring nothing together, as no job is ever waiting.
    Background jobs that fail are logged, as a worker does; whoever submits them is not told.

    Args:
        functions: Who does the jobs: a worker, with its middleware and codec, or functions by name.
        prefix: Put before the name of every function, as of a real client; a worker needs the same.
        client_id: What the client calls itself.
        codec: As of a real client; functions given by name use it, too.

    Attributes:
        jobs: All that were done, in the order in which they began.
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
        self._eager_hub = _EagerPool(self._options, as_worker(functions, prefix=prefix, codec=codec or RAW), self.jobs)

    def __repr__(self) -> str:
        return f"<EagerClient: {len(self.jobs)} jobs>"

    def close(self) -> None:
        """Submit nothing more."""
        super().close()
        self._eager_hub.close()

    def _hub(self) -> ConnectionPool:
        return self._eager_hub


class _EagerPool(ConnectionPool):
    """Has all that is said answered while it is sent."""

    def __init__(self, options: Any, worker: Worker, jobs: list[AssignedJob]) -> None:
        super().__init__(options)
        self._worker = worker
        self._desk = FakeServer(worker)
        self._jobs = jobs

    def _say(
        self,
        address: ServerAddress,
        tickets: Sequence[Ticket],
        compose: Callable[[Session[Ticket]], bytes],
        until: float | None = None,
        *,
        reads: bool = False,
    ) -> None:
        self._check_open()
        options = self._worker._options
        for task in self._desk.answer(str(address), compose):
            job = AssignedJob(task.assignment, task.function, options, task.report)
            self._jobs.append(job)
            perform(job, wrap(task.function.call, self._worker._middleware), exceptions=options.exceptions)
            task.end(job)

# SPDX-License-Identifier: MIT
"""One run of an asyncio worker: a task that decides, and tasks that run jobs.

Events of connections and jobs are passed to the run at once; the actions follow once for all events of one turn of the
event loop. So a result and the next grab leave in one write.

An exception from a signal handler ends the event loop between two instructions, perhaps while the run changes. A count
of the changes that have begun and not ended shows that to the next event. The run ends then, and sends nothing more.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial

from geartrain.errors import ConnectionLost, GeartrainError
from geartrain.middleware import wrap
from geartrain.transport import ServerAddress, client_context
from geartrain.worker.aio.calls import AsyncCall, AsyncMiddleware, perform
from geartrain.worker.aio.connection import WorkerConnection
from geartrain.worker.aio.connector import Connector
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.taskpool import TaskPool
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import Report
from geartrain.worker.options import CANCEL_TIMEOUT, SERVER_FIRST, Reason, WorkerOptions
from geartrain.worker.run import WorkerRun
from geartrain.worker.session import Assignment

__all__ = ["WorkerLoop"]

_logger = logging.getLogger("geartrain.worker")


class WorkerLoop:
    """The I/O of a run; the arguments are those of `WorkerRun`."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[AsyncCall],
        middleware: Sequence[AsyncMiddleware],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
        registered: Callable[[], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._run = WorkerRun(
            addresses,
            functions,
            partial(wrap, middleware=middleware),
            options,
            burst=burst,
            idle_timeout=idle_timeout,
            registered=registered,
            now=self._loop.time(),
        )
        self._connectors: list[Connector] = []
        self._options = options
        self._pool = TaskPool(self._interrupted)
        self._has_events = asyncio.Event()
        self._changes = 0  # that have begun and not ended; 0 between two callbacks of the event loop

    # For any thread

    def stop(self, grace: float) -> None:
        """Take no more jobs; leave when the running ones have ended, or after ``grace`` seconds."""
        self._post(lambda: self._run.stop(grace, self._loop.time()))

    def add(self, function: Function[AsyncCall]) -> None:
        """Register a function that was added to the table."""
        self._post(partial(self._run.add, function))

    def remove(self, function: Function[AsyncCall]) -> None:
        """Unregister a function that was removed from the table."""
        self._post(partial(self._run.remove, function))

    # For the task that calls `run`

    async def run(self) -> Reason:
        """Work, and return the reason for leaving.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
            ConnectionLost: A signal handler has raised an exception in the event loop, which then ran again.
        """
        try:
            try:
                await self._work()
            except GeneratorExit:  # a caller was interrupted while it awaited this, which cannot wait any more
                raise
            except BaseException:
                await self._leave()
                raise
            await self._leave()
        finally:
            try:
                self._close()
            finally:  # a signal handler may raise in here too
                self._close()
        return self._run.reason()

    async def _work(self) -> None:
        tls = await asyncio.to_thread(client_context, self._options.tls)  # it may read files
        self._connectors = [Connector(server, self._options, tls) for server in self._run.servers]
        self._turn()
        while not self._run.is_over(self._loop.time()):
            await self._wait()
            self._check_interrupted()
            self._turn()

    async def _wait(self) -> None:
        """Wait for events, or until something is due."""
        deadline = self._run.deadline()
        timer = self._loop.call_at(deadline, self._has_events.set) if deadline < math.inf else None
        try:
            await self._has_events.wait()
        finally:
            self._has_events.clear()
            if timer is not None:
                timer.cancel()

    def _turn(self) -> None:
        """Apply everything that is due, and send everything that is queued."""
        self._changes += 1
        now = self._loop.time()
        for connector in self._connectors:
            if connector.connection is not None:
                self._tick(connector, connector.connection, now)
            elif self._run.wants_connection(connector.server, now):
                connector.connect(self._new_connection, self._failed, self._interrupted)
        for job in self._run.overdue(now):
            _logger.error("%s %s has not ended although it was cancelled, and holds a slot", job.function, job.handle)
            self._run.lose_slot(job)
        self._run.turn(now)
        for connector in self._connectors:
            if connector.connection is not None:
                connector.connection.flush()
        self._changes -= 1

    def _interrupted(self) -> None:
        """Let the run end: a task was interrupted, and its job or its connection is lost."""
        self._has_events.set()
        self._changes += 1

    def _check_interrupted(self) -> None:
        """Raise if the event loop was interrupted in a change of the run; called where none is under way."""
        if self._changes:
            raise ConnectionLost("the event loop was interrupted, so the worker has closed its connections")

    def _tick(self, connector: Connector, connection: WorkerConnection, now: float) -> None:
        try:
            connection.session.tick(now)
        except GeartrainError as error:
            connection.close()
            self._lost(connector, connection, str(error))

    def _close(self) -> None:
        """Close everything at once, unless it is closed already."""
        self._pool.cancel()
        for connector in self._connectors:
            connector.close()

    async def _leave(self) -> None:
        self._run.leave()
        if self._changes:
            self._close()
        await self._pool.leave()  # before other workers get the jobs
        await asyncio.gather(*(connector.leave() for connector in self._connectors))

    # Events, in the same loop

    def _post(self, callback: Callable[[], object]) -> None:
        """Make a call in the event loop."""
        self._loop.call_soon_threadsafe(self._call, callback)

    def _call(self, callback: Callable[[], object]) -> None:
        self._has_events.set()  # first, here and below: the run checks whether the rest was interrupted
        self._changes += 1
        callback()
        self._changes -= 1

    def _new_connection(self, connector: Connector) -> WorkerConnection:
        return WorkerConnection(
            partial(self._connected, connector), partial(self._receive, connector), partial(self._lost, connector)
        )

    def _connected(self, connector: Connector, connection: WorkerConnection) -> None:
        self._has_events.set()
        self._changes += 1
        session = self._run.connected(connector.server, self._loop.time())
        if session is None:
            connection.close()
        else:
            connection.session = session
            connector.connection = connection
        self._changes -= 1

    def _failed(self, connector: Connector, reason: str) -> None:
        self._has_events.set()
        if connector.connection is None:  # else it was made at the last moment, and reports its end itself
            self._changes += 1
            self._run.lost(connector.server, reason, self._loop.time())
            self._changes -= 1

    def _receive(self, connector: Connector, connection: WorkerConnection, data: bytes) -> None:
        self._has_events.set()
        self._changes += 1
        try:
            started = self._run.receive(connector.server, data, self._loop.time())
        except GeartrainError as error:
            connection.close()
            self._lost(connector, connection, str(error))
        else:
            for assignment, function in started:
                self._start(connector, assignment, function)
        self._changes -= 1

    def _lost(self, connector: Connector, connection: WorkerConnection, reason: str) -> None:
        self._has_events.set()
        self._changes += 1
        connector.connection = None
        self._run.lost(connector.server, reason, self._loop.time())
        self._changes -= 1

    def _start(self, connector: Connector, assignment: Assignment, function: Function[AsyncCall]) -> None:
        job = AsyncAssignedJob(assignment, function, self._options, partial(self._report, connector, assignment))
        self._run.begin(connector.server, job)
        if job.deadline is not None:
            self._run.watch(job, job.deadline + SERVER_FIRST + CANCEL_TIMEOUT)
        self._pool.do(self._do(connector, job, function))

    def _finish(self, connector: Connector, job: AsyncAssignedJob) -> None:
        self._has_events.set()
        self._changes += 1
        self._run.finish(connector.server, job, self._loop.time())
        self._changes -= 1

    # For the tasks of jobs

    async def _do(self, connector: Connector, job: AsyncAssignedJob, function: Function[AsyncCall]) -> None:
        """Run a job to its end. Nothing that happens in here loses the slot of the job."""
        limit = None if function.timeout is None else function.timeout + SERVER_FIRST

        async def call(job: AsyncAssignedJob) -> object:
            async with asyncio.timeout(limit):
                return await function.call(job)

        try:
            await perform(job, call, exceptions=self._options.exceptions)
        except BaseException as error:  # noqa: BLE001  # such as no memory for a traceback, or a log handler that raises
            job.end()
            _log_failure(job, error)
        if not self._pool.is_leaving:  # a job that is cancelled at the end has not failed: another worker does it
            self._finish(connector, job)

    async def _report(self, connector: Connector, assignment: Assignment, report: Report) -> None:
        connection = connector.connection
        if connection is not None:  # else it is lost, and the report with it
            await connection.wait_for_room()
            self._run.report(connector.server, assignment, report)
            connection.flush()


def _log_failure(job: AsyncAssignedJob, error: BaseException) -> None:
    with contextlib.suppress(BaseException):  # the log may be what failed
        _logger.error("%s %s failed outside of its function", job.function, job.handle, exc_info=error)

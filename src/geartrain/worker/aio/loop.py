# SPDX-License-Identifier: MIT
"""One run of an asyncio worker: a task that decides, and tasks that do jobs.

What comes from a connection or a job is told to the shift at once; what is to be done about it is done once for all
that happened in a turn of the event loop. So a result and the next grab leave in one write.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial

from geartrain.errors import GeartrainError
from geartrain.transport import ServerAddress, client_context
from geartrain.worker.aio.calls import AsyncCall, AsyncMiddleware, perform, wrap
from geartrain.worker.aio.connection import Connection
from geartrain.worker.aio.crew import Crew
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.link import Link
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import Report
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.session import Assignment
from geartrain.worker.shift import Shift

__all__ = ["WorkerLoop"]


class WorkerLoop:
    """Talks to all servers until there is a reason to leave; see `Shift` for what it is given."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[AsyncCall],
        middleware: Sequence[AsyncMiddleware],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        dress = partial(wrap, middleware=middleware)
        now = self._loop.time()
        self._shift = Shift(addresses, functions, dress, options, burst=burst, idle_timeout=idle_timeout, now=now)
        self._links: list[Link] = []
        self._options = options
        self._crew = Crew()
        self._news = asyncio.Event()  # something happened

    # What any thread may call.

    def stop(self, grace: float) -> None:
        """Take no more jobs, and leave when those in hand are done, at the latest after ``grace`` seconds."""
        self._post(lambda: self._shift.stop(grace, self._loop.time()))

    def add(self, function: Function[AsyncCall]) -> None:
        """Register a function that has come into the table."""
        self._post(partial(self._shift.add, function))

    def remove(self, function: Function[AsyncCall]) -> None:
        """Take back a function that has gone from the table."""
        self._post(partial(self._shift.remove, function))

    # What happens in the task that calls `run`.

    async def run(self) -> Reason:
        """Work, and return why that came to an end.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        tls = await asyncio.to_thread(client_context, self._options.tls)  # it may read files
        self._links = [Link(contact, self._options, tls) for contact in self._shift.contacts]
        try:
            self._turn()
            while not self._shift.is_over(self._loop.time()):
                await self._wait()
                self._turn()
        finally:
            await self._leave()
        return self._shift.reason()

    async def _wait(self) -> None:
        """Take what happens until something is due."""
        deadline = self._shift.deadline()
        alarm = self._loop.call_at(deadline, self._news.set) if deadline < math.inf else None
        try:
            await self._news.wait()
        finally:
            self._news.clear()
            if alarm is not None:
                alarm.cancel()

    def _turn(self) -> None:
        """Do all that is due, and let everything leave that has collected."""
        now = self._loop.time()
        for link in self._links:
            if link.connection is not None:
                self._tick(link, link.connection, now)
            elif self._shift.wants_connection(link.contact, now):
                link.connect(self._new_connection, self._failed)
        self._shift.turn(now)
        for link in self._links:
            if link.connection is not None:
                link.connection.flush()

    def _tick(self, link: Link, connection: Connection, now: float) -> None:
        try:
            connection.session.tick(now)
        except GeartrainError as error:
            connection.close()
            self._lost(link, connection, str(error))

    async def _leave(self) -> None:
        self._shift.leave()
        try:
            await self._crew.leave()  # before others get the jobs
            await asyncio.gather(*(link.leave() for link in self._links))
        finally:
            for link in self._links:  # a cancellation may have come between
                link.close()

    # What happens in between.

    def _post(self, letter: Callable[[], object]) -> None:
        """Have the event loop make a call."""
        self._loop.call_soon_threadsafe(self._deliver, letter)

    def _deliver(self, letter: Callable[[], object]) -> None:
        letter()
        self._news.set()

    def _new_connection(self, link: Link) -> Connection:
        return Connection(partial(self._connected, link), partial(self._receive, link), partial(self._lost, link))

    def _connected(self, link: Link, connection: Connection) -> None:
        session = self._shift.connected(link.contact, self._loop.time())
        if session is None:
            connection.close()
        else:
            connection.session = session
            link.connection = connection
        self._news.set()

    def _failed(self, link: Link, reason: str) -> None:
        if link.connection is None:  # else it was made at the last moment, and will tell of its end itself
            self._shift.lost(link.contact, reason, self._loop.time())
            self._news.set()

    def _receive(self, link: Link, connection: Connection, data: bytes) -> None:
        try:
            begun = self._shift.receive(link.contact, data, self._loop.time())
        except GeartrainError as error:
            connection.close()
            self._lost(link, connection, str(error))
            return
        for assignment, function in begun:
            self._begin(connection, assignment, function)
        self._news.set()

    def _lost(self, link: Link, connection: Connection, reason: str) -> None:
        link.connection = None
        self._shift.lost(link.contact, reason, self._loop.time())
        self._news.set()

    def _begin(self, connection: Connection, assignment: Assignment, function: Function[AsyncCall]) -> None:
        report = partial(self._report, connection, assignment.handle)
        codec = function.codec or self._options.codec
        job = AsyncAssignedJob(assignment, function.name, self._options.client_id, report, codec)
        self._crew.do(self._do(connection, job, function))

    def _finish(self, connection: Connection, job: AsyncAssignedJob) -> None:
        self._shift.finish(connection.session, job, self._loop.time())
        self._news.set()

    # What happens in the tasks that do jobs.

    async def _do(self, connection: Connection, job: AsyncAssignedJob, function: Function[AsyncCall]) -> None:
        await perform(job, function.call, exceptions=self._options.exceptions)
        if not self._crew.is_leaving:  # a job that is cancelled for that has not failed: it is for another worker
            self._finish(connection, job)

    async def _report(self, connection: Connection, handle: bytes, report: Report) -> None:
        command, *arguments = report
        await connection.wait_for_room()
        connection.session.work(command, handle, *arguments)
        connection.flush()

# SPDX-License-Identifier: MIT
"""One run of a blocking worker: a thread that waits for sockets, and threads that do jobs.

Sessions, sockets and the dispatcher belong to the thread that calls `run`; all others post to it. So no decision needs
a lock, servers are answered however long a job takes, and a job without end cannot keep the worker from leaving.
"""

import logging
import math
import selectors
import socket
import time
from collections.abc import Sequence
from functools import partial

from geartrain.errors import GeartrainError, NoServerAvailable
from geartrain.names import client_id_bytes
from geartrain.protocol import Command
from geartrain.transport import ServerAddress, client_context
from geartrain.worker.connection import Connection
from geartrain.worker.crew import Crew
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import AssignedJob
from geartrain.worker.link import Link, Outcome
from geartrain.worker.mailbox import Mailbox
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.perform import Call, Middleware, perform, wrap
from geartrain.worker.session import Assignment, Refusal, State, WorkerSession

__all__ = ["WorkerLoop"]

_logger = logging.getLogger("geartrain.worker")


class WorkerLoop:
    """Talks to all servers until there is a reason to leave.

    Args:
        burst: Leave when no server has a job.
        idle_timeout: Leave after so many seconds without a job.
    """

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[Call],
        middleware: Sequence[Middleware],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
    ) -> None:
        self._options = options
        self._client_id = client_id_bytes(options.client_id)
        tls = client_context(options.tls)
        self._links = [Link(address, options, tls) for address in addresses]
        self._functions = functions
        # A removed function stays: the last of its jobs may be on the way.
        self._calls = {function.wire_name: (function, wrap(function.call, middleware)) for function in functions}
        self._middleware = middleware
        self._burst = burst
        self._idle_timeout = math.inf if idle_timeout is None else idle_timeout
        self._idle_since = time.monotonic()
        self._leave_at = math.inf
        self._reason = Reason.MAX_JOBS  # unless something else has the worker leave
        self._dispatcher = Dispatcher(options.concurrency, options.max_jobs)
        self._crew = Crew(options.concurrency)
        self._mailbox = Mailbox()
        self._selector = selectors.DefaultSelector()

    @property
    def button(self) -> int:
        """The descriptor that a byte may be written to, to have the loop look around."""
        return self._mailbox.button

    # What any thread may call.

    def stop(self, grace: float) -> None:
        """Take no more jobs, and leave when those in hand are done, at the latest after ``grace`` seconds."""
        self._mailbox.post(partial(self._stop, grace))

    def add(self, function: Function[Call]) -> None:
        """Register a function that has come into the table."""
        self._mailbox.post(partial(self._add, function))

    def remove(self, function: Function[Call]) -> None:
        """Take back a function that has gone from the table."""
        self._mailbox.post(partial(self._remove, function))

    # What happens in the loop's thread.

    def run(self) -> Reason:
        """Work, and return why that came to an end.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        self._crew.start()
        try:
            self._selector.register(self._mailbox.bell, selectors.EVENT_READ, self._mailbox.deliver)
            self._turn(time.monotonic())
            while not (self._dispatcher.is_finished or time.monotonic() >= self._leave_at):
                for key, _ in self._selector.select(self._patience(time.monotonic())):
                    key.data()
                self._turn(time.monotonic())
        finally:
            self._leave()
        if self._burst and all(link.failure for link in self._links):
            raise NoServerAvailable("; ".join(f"{link.address}: {link.failure}" for link in self._links))
        return self._reason

    def close(self) -> None:
        """Give back what a loop has, whether it was run or not."""
        self._mailbox.close()
        self._selector.close()

    def _turn(self, now: float) -> None:
        """Do all that is due, and let everything leave that has collected."""
        for link in self._links:
            self._keep_up(link, now)
        if not self._dispatcher.stopping and not self._dispatcher.running:
            self._stop_if_done(now)
        self._dispatcher.hand_out(now)
        for link in self._links:
            self._flush(link)

    def _keep_up(self, link: Link, now: float) -> None:
        if link.connection is not None:
            try:
                link.connection.session.tick(now)
            except GeartrainError as error:
                self._lost(link, error)
        elif now >= link.due and not self._dispatcher.stopping:
            link.connect(partial(self._take_outcome, link))

    def _stop_if_done(self, now: float) -> None:
        if self._burst and self._dispatcher.is_idle and all(link.is_settled for link in self._links):
            self._reason = Reason.DRAINED
            self._dispatcher.stop()
        elif now >= self._idle_since + self._idle_timeout:
            self._reason = Reason.IDLE
            self._dispatcher.stop()

    def _patience(self, now: float) -> float | None:
        """Return how long nothing is due."""
        times = [self._leave_at]
        if not self._dispatcher.running and not self._dispatcher.stopping:
            times.append(self._idle_since + self._idle_timeout)
        for link in self._links:
            if link.connection is not None:
                times.append(link.connection.session.deadline)
            elif not self._dispatcher.stopping:
                times.append(link.due)
        soonest = min(times)
        return None if soonest == math.inf else max(soonest - now, 0.0)

    def _take_outcome(self, link: Link, outcome: Outcome) -> None:
        """Pass on, from a connecting thread, what came of it."""
        if not self._mailbox.post(partial(self._connected, link, outcome)) and isinstance(outcome, socket.socket):
            outcome.close()

    def _connected(self, link: Link, outcome: Outcome) -> None:
        now = time.monotonic()
        if isinstance(outcome, NoServerAvailable):
            link.failed(str(outcome).removeprefix(f"{link.address}: "), now)
        elif self._dispatcher.stopping:
            outcome.close()
        else:
            registered = [(function.wire_name, function.timeout_ms) for function in self._functions]
            session = WorkerSession(registered, self._client_id, now)
            link.connection = Connection(outcome, session)
            self._dispatcher.admit(session)
            self._selector.register(outcome, selectors.EVENT_READ, partial(self._receive, link))

    def _receive(self, link: Link) -> None:
        connection = link.connection
        assert connection is not None, "a socket without a connection is not in the selector"
        try:
            happened = connection.receive(time.monotonic())
        except GeartrainError as error:
            self._lost(link, error)
            return
        if connection.session.state is not State.GREETING:
            link.works()
        for event in happened:
            if isinstance(event, Assignment):
                self._begin(connection, event)
            else:
                self._refused(link, event)

    def _flush(self, link: Link) -> None:
        connection = link.connection
        if connection is None:
            return
        try:
            connection.flush()
        except GeartrainError as error:
            self._lost(link, error)
            return
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_sending else 0)
        key = self._selector.get_key(connection.sock)
        if key.events != interest:
            self._selector.modify(connection.sock, interest, key.data)

    def _lost(self, link: Link, error: GeartrainError) -> None:
        connection = link.connection
        assert connection is not None, "there is a connection to be lost"
        self._selector.unregister(connection.sock)
        self._dispatcher.dismiss(connection.session)
        connection.close()
        link.failed(str(error), time.monotonic())

    def _refused(self, link: Link, refusal: Refusal) -> None:
        # gearmand says so of the WORK_FAIL behind a WORK_EXCEPTION, and of results that it no longer wants.
        level = logging.DEBUG if refusal.code == "JOB_NOT_FOUND" else logging.WARNING
        _logger.log(level, "%s: ERROR %s: %s", link.address, refusal.code, refusal.text)

    def _begin(self, connection: Connection, assignment: Assignment) -> None:
        known = self._calls.get(assignment.function)
        if known is None:
            _logger.error("a job for %r, which was never registered, is failed", assignment.function)
            connection.session.work(Command.WORK_FAIL, assignment.handle)
            connection.session.finish(assignment.handle)
            return
        function, call = known
        report = partial(self._report, connection, assignment.handle)
        job = AssignedJob(assignment, function.name, self._options.client_id, report)
        self._dispatcher.start()
        self._crew.do(partial(self._do, connection, assignment.handle, job, call))

    def _done(self, connection: Connection, handle: bytes, job: AssignedJob) -> None:
        if connection.is_lost:
            _logger.warning("%s %s: its result is lost with the connection", job.function, job.handle)
        for command, *arguments in job.ending:
            connection.session.work(command, handle, *arguments)
        connection.session.finish(handle)
        self._dispatcher.finish()
        self._idle_since = time.monotonic()

    def _stop(self, grace: float) -> None:
        self._reason = Reason.STOPPED
        self._dispatcher.stop()
        self._leave_at = min(self._leave_at, time.monotonic() + grace)

    def _add(self, function: Function[Call]) -> None:
        self._calls[function.wire_name] = (function, wrap(function.call, self._middleware))
        for session in self._dispatcher:
            session.add(function.wire_name, function.timeout_ms)

    def _remove(self, function: Function[Call]) -> None:
        for session in self._dispatcher:
            session.remove(function.wire_name)

    def _leave(self) -> None:
        if self._dispatcher.running:
            _logger.warning("leaving %d running jobs to other workers", self._dispatcher.running)
        for link in self._links:
            if link.connection is not None:
                link.connection.leave()
        self._dispatcher.stop()
        self._crew.leave(wait=not self._dispatcher.running)

    # What happens in the threads that do jobs.

    def _do(self, connection: Connection, handle: bytes, job: AssignedJob, call: Call) -> None:
        perform(job, call, exceptions=self._options.exceptions)
        self._mailbox.post(partial(self._done, connection, handle, job))

    def _report(self, connection: Connection, handle: bytes, command: Command, *arguments: bytes) -> None:
        connection.wait_for_room(sum(map(len, arguments)))
        self._mailbox.post(partial(connection.session.work, command, handle, *arguments))

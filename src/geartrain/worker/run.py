# SPDX-License-Identifier: MIT
"""One run of a worker, without I/O: when to connect, which jobs to start, and when to leave.

The two worker loops pass it events and the time, and do the I/O::

    connected, receive, lost      from the network
    finish                        from the executor of the jobs
    stop, add, remove             from the user
    wants_connection, turn        the actions that are due
    deadline, is_over             the time of the next turn, and the end
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from geartrain.errors import NoServerAvailable
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from geartrain.wording import counted
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import AnyAssignedJob
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.serverstate import ServerState
from geartrain.worker.session import Assignment, ErrorPacket, State, WorkerSession

__all__ = ["WorkerRun"]

CallT = TypeVar("CallT", bound=Callable[..., object])

_logger = logging.getLogger("geartrain.worker")

# gearmand sends the first for the WORK_FAIL that follows a WORK_EXCEPTION and for results that come too late, and the
# second for a token, which it does not know.
_HARMLESS = frozenset({"JOB_NOT_FOUND", "UNKNOWN_OPTION"})


class WorkerRun(Generic[CallT]):
    """The decisions of a worker from the start of a run to its end.

    Args:
        addresses: The servers.
        functions: The worker's functions; `add` and `remove` follow later changes of the table.
        wrap: Returns a call with the middleware around it.
        options: The worker's options.
        burst: Leave when no server has a job.
        idle_timeout: Leave after so many seconds without a job.
        now: The time, from any monotonic clock.

    Attributes:
        servers: The state of each server.
        functions: Registered functions by wire name, wrapped in the middleware. A removed function stays: its last job
            may be on the way.
    """

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[CallT],
        wrap: Callable[[CallT], CallT],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
        now: float,
    ) -> None:
        self.servers = [ServerState(address, options.backoff) for address in addresses]
        self.functions = {function.wire_name: replace(function, call=wrap(function.call)) for function in functions}
        self._table = functions
        self._wrap = wrap
        self._options = options
        self._client_id = options.client_id.encode()
        self._token = options.token.encode()
        self._dispatcher = Dispatcher(options.concurrency, options.max_jobs)
        self._reason = Reason.MAX_JOBS  # until another reason to leave comes up
        self._burst = burst
        self._long_poll = len(addresses) == 1 and not burst  # else NO_JOB is needed at once
        self._idle_timeout = math.inf if idle_timeout is None else idle_timeout
        self._idle_since = now
        self._retire_at = math.inf if options.max_age is None else now + options.max_age
        self._leave_at = math.inf

    def __repr__(self) -> str:
        return f"<WorkerRun {self._dispatcher!r}>"

    @property
    def running(self) -> int:
        """The number of running jobs."""
        return self._dispatcher.running

    # Events of the network

    def connected(self, server: ServerState, now: float) -> WorkerSession | None:
        """Return the session for a new connection, or None if the worker is leaving."""
        if self._dispatcher.stopping:
            return None
        session = WorkerSession(
            [(each.wire_name, each.timeout_ms) for each in self._table],
            self._client_id,
            now,
            token=self._token,
            long_poll=self._long_poll,
            reply_timeout=self._options.reply_timeout,
            poll_interval=self._options.poll_interval,
        )
        server.session = session
        self._dispatcher.admit(session)
        return session

    def receive(self, server: ServerState, data: bytes, now: float) -> list[tuple[Assignment, Function[CallT]]]:
        """Process bytes from a server, and return the jobs to start.

        Raises:
            RemoteProtocolError: The bytes are not Gearman.
        """
        session = server.session
        assert session is not None, "bytes come over a connection"
        started = []
        for event in session.receive(data, now):
            if isinstance(event, ErrorPacket):
                _log_error(server, event)
            elif (function := self.functions.get(event.function)) is not None:
                self._dispatcher.start()
                started.append((event, function))
            else:
                _logger.error("failed a job for %r, which was never registered", event.function)
                session.report(Command.WORK_FAIL, event.handle)
                session.finish(event.handle)
        if session.state is not State.GREETING:
            server.works()
        return started

    def lost(self, server: ServerState, reason: str, now: float) -> None:
        """Record that a connection was lost, or could not be made."""
        if server.session is not None:
            self._dispatcher.dismiss(server.session)
        server.failed(reason.removeprefix(f"{server.address}: "), now)

    # Events of the executor

    def finish(self, session: WorkerSession, job: AnyAssignedJob, now: float) -> None:
        """Report the end of a job to its server."""
        handle = job.assignment.handle
        if session.state is State.ENDED:
            _logger.warning("%s %s: its result is lost with the connection", job.function, job.handle)
        for command, *arguments in job.ending:
            session.report(command, handle, *arguments)
        session.finish(handle)
        self._dispatcher.finish()
        self._idle_since = now

    # Calls of the user

    def stop(self, grace: float, now: float) -> None:
        """Take no more jobs; leave when the running ones have ended, or after ``grace`` seconds."""
        self._stop(Reason.STOPPED)
        self._leave_at = min(self._leave_at, now + grace)

    def add(self, function: Function[CallT]) -> None:
        """Register a function that was added to the table."""
        self.functions[function.wire_name] = replace(function, call=self._wrap(function.call))
        for session in self._dispatcher:
            session.add(function.wire_name, function.timeout_ms)

    def remove(self, function: Function[CallT]) -> None:
        """Unregister a function that was removed from the table."""
        for session in self._dispatcher:
            session.remove(function.wire_name)

    # Actions

    def wants_connection(self, server: ServerState, now: float) -> bool:
        """Return True if it is time to connect to a server."""
        return server.session is None and now >= server.due and not self._dispatcher.stopping

    def turn(self, now: float) -> None:
        """Apply everything that is due; the bytes to send are then in the sessions."""
        if not self._dispatcher.stopping:
            self._stop_if_done(now)
        self._dispatcher.grab(now)

    def deadline(self) -> float:
        """Return the time at which `turn` is due without any event; perhaps infinity."""
        times = [self._leave_at]
        if not self._dispatcher.stopping:
            times.append(self._retire_at)
            if not self._dispatcher.running:
                times.append(self._idle_since + self._idle_timeout)
        for server in self.servers:
            if server.session is not None:
                times.append(server.session.deadline)
            elif not self._dispatcher.stopping:
                times.append(server.due)
        return min(times)

    def is_over(self, now: float) -> bool:
        """Return True if it is time to leave."""
        return self._dispatcher.is_finished or now >= self._leave_at

    def leave(self) -> None:
        """Record that the worker leaves, whether its jobs have ended or not."""
        if self._dispatcher.running:
            _logger.warning("leaving %s to other workers", counted(self._dispatcher.running, "running job"))
        self._dispatcher.stop()

    def reason(self) -> Reason:
        """Return the reason why the run is over.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        if self._burst and all(server.failure for server in self.servers):
            raise NoServerAvailable("; ".join(f"{server.address}: {server.failure}" for server in self.servers))
        return self._reason

    def _stop_if_done(self, now: float) -> None:
        if now >= self._retire_at:
            self._stop(Reason.MAX_AGE)
        elif self._dispatcher.running:
            pass
        elif self._burst and self._dispatcher.is_idle and all(server.is_settled for server in self.servers):
            self._stop(Reason.DRAINED)
        elif now >= self._idle_since + self._idle_timeout:
            self._stop(Reason.IDLE)

    def _stop(self, reason: Reason) -> None:
        self._reason = reason
        self._dispatcher.stop()


def _log_error(server: ServerState, error: ErrorPacket) -> None:
    level = logging.DEBUG if error.code in _HARMLESS else logging.WARNING
    _logger.log(level, "%s: ERROR %s: %s", server.address, error.code, error.text)

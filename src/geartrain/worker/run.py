# SPDX-License-Identifier: MIT
"""One run of a worker, without I/O: when to connect, which jobs to start, and when to leave.

The two worker loops pass it events and the time, and do the I/O::

    connected, receive, lost      from the network
    begin, report, finish         from the executor of the jobs
    give_back                     from the executor, about a job whose process has died
    stop, add, remove             from the user
    wants_connection, turn        the actions that are due
    overdue, watch, lose_slot     jobs that have not ended within their timeout
    deadline, is_over             the time of the next turn, and the end
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from geartrain.errors import NoServerAvailable, WorkerStuck
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from geartrain.wording import counted
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import AnyAssignedJob, Report
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
        registered: Called once, when each server knows all functions or could not be reached.
        now: The time, from any monotonic clock.

    Attributes:
        servers: The state of each server, and of connections that close once their jobs have ended.
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
        registered: Callable[[], object],
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
        self._max_stuck = options.concurrency if options.max_stuck is None else options.max_stuck
        self._reason = Reason.MAX_JOBS  # until another reason to leave comes up
        self._burst = burst
        self._long_poll = len(addresses) == 1 and not burst  # else NO_JOB is needed at once
        self._idle_timeout = math.inf if idle_timeout is None else idle_timeout
        self._registered: Callable[[], object] | None = registered
        self._idle_since = now
        self._retire_at = math.inf if options.max_age is None else now + options.max_age
        self._leave_at = math.inf
        self._assigned: dict[tuple[ServerState, bytes], Assignment] = {}  # running calls by handle
        self._jobs: dict[tuple[ServerState, bytes], AnyAssignedJob] = {}  # the same, once they have begun
        self._watched: dict[AnyAssignedJob, float] = {}  # with the time at which they are overdue
        self._stuck: dict[AnyAssignedJob, None] = {}

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
            exception_details=self._options.exceptions,
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
            elif (known := self._assigned.get((server, event.handle))) == event:
                # The server took the job away and gave it to this worker again: the running call answers it.
                session.running[event.handle] = known
                job = self._jobs.get((server, event.handle))
                if job is not None:
                    job.is_given_up = False
                _logger.warning("%s was assigned again while it is running here", job or event.handle)
            elif (function := self.functions.get(event.function)) is not None:
                self._dispatcher.start()
                self._assigned[server, event.handle] = event
                started.append((event, function))
            else:
                _logger.error("failed a job for %r, which was never registered", event.function)
                session.report(Command.WORK_FAIL, event.handle)
                session.finish(event.handle)
        if session.state is not State.GREETING:
            server.works()
            self._report_registered()
        return started

    def lost(self, server: ServerState, reason: str, now: float) -> None:
        """Record that a connection was lost, or could not be made."""
        if server.session is not None:
            self._dispatcher.dismiss(server.session)
            for (owner, _), job in self._jobs.items():
                if owner is server:
                    job.is_given_up = True
        if server.is_retiring:
            server.session = None
            self.servers.remove(server)
            return
        server.failed(reason.removeprefix(f"{server.address}: "), now)
        self._report_registered()

    # Events of the executor

    def begin(self, server: ServerState, job: AnyAssignedJob) -> None:
        """Record that a call has begun."""
        self._jobs[server, job.assignment.handle] = job

    def report(self, server: ServerState, assignment: Assignment, report: Report) -> None:
        """Report on a running job to its server, unless the connection was lost."""
        session = server.session
        if session is not None and session.running.get(assignment.handle) is assignment:
            command, *arguments = report
            session.report(command, assignment.handle, *arguments)

    def finish(self, server: ServerState, job: AnyAssignedJob, now: float) -> None:
        """Report the end of a job to its server."""
        assignment, session = job.assignment, server.session
        handle = assignment.handle
        if session is not None and session.running.get(handle) is assignment:
            for command, *arguments in job.ending:
                session.report(command, handle, *arguments)
            session.finish(handle)
        else:
            _logger.warning("%s %s: its result is lost with the connection", job.function, job.handle)
        if self._assigned.get((server, handle)) is assignment:  # else a server that forgot all jobs reused the handle
            del self._assigned[server, handle]
            self._jobs.pop((server, handle), None)
        if self._watched or self._stuck:
            self._watched.pop(job, None)
            self._stuck.pop(job, None)
            self._dispatcher.stuck = len(self._stuck)
        self._dispatcher.finish()
        self._idle_since = now

    def give_back(self, server: ServerState, now: float) -> ServerState | None:
        """Give a job back to its server, which counts a lost worker; call `finish` for the job first.

        Servers know a worker by its connection, and only its end gives a job back. So this connection gets no further
        jobs and closes when its other jobs have ended, and another connection takes its place.

        Returns:
            The state of the other connection, or None if there is one already, or if the connection is lost.
        """
        if server.session is None or server.is_retiring:
            return None
        successor = server.retire(now)
        self.servers.append(successor)
        return successor

    def watch(self, job: AnyAssignedJob, until: float) -> None:
        """Let `overdue` return a job if it has not ended by then."""
        self._watched[job] = until

    def overdue(self, now: float) -> list[AnyAssignedJob]:
        """Return the jobs that have not ended in time; each once."""
        if not self._watched or now < min(self._watched.values()):
            return []
        late = [job for job, until in self._watched.items() if now >= until]
        for job in late:
            del self._watched[job]
        return late

    def lose_slot(self, job: AnyAssignedJob) -> None:
        """Count the slot of a job as lost until the job ends, and perhaps stop."""
        self._stuck[job] = None
        self._dispatcher.stuck = len(self._stuck)
        if len(self._stuck) >= self._max_stuck and not self._dispatcher.stopping:
            _logger.error("leaving: %s", self._stuck_text())
            self._stop(Reason.STUCK)

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
        times = [self._leave_at, *self._watched.values()]
        if not self._dispatcher.stopping:
            times.append(self._retire_at)
            if not self._dispatcher.is_busy:
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
        for job in self._jobs.values():
            job.is_given_up = True

    def reason(self) -> Reason:
        """Return the reason why the run is over.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
            WorkerStuck: Too many jobs have not ended within their timeout.
        """
        if self._reason is Reason.STUCK:
            raise WorkerStuck(self._stuck_text())
        if self._burst and all(server.failure for server in self.servers):
            raise NoServerAvailable("; ".join(f"{server.address}: {server.failure}" for server in self.servers))
        return self._reason

    def _report_registered(self) -> None:
        if self._registered is not None and all(server.is_settled for server in self.servers):
            self._registered()
            self._registered = None

    def _stop_if_done(self, now: float) -> None:
        if now >= self._retire_at:
            self._stop(Reason.MAX_AGE)
        elif self._dispatcher.is_busy:
            pass
        elif self._burst and self._dispatcher.is_idle and all(server.is_settled for server in self.servers):
            self._stop(Reason.DRAINED)
        elif now >= self._idle_since + self._idle_timeout:
            self._stop(Reason.IDLE)

    def _stuck_text(self) -> str:
        jobs = ", ".join(f"{job.function} {job.handle}" for job in self._stuck)
        slots = counted(len(self._stuck), "slot")
        return f"jobs that did not end within their timeout hold {slots}: {jobs or 'some ended late'}"

    def _stop(self, reason: Reason) -> None:
        self._reason = reason
        self._dispatcher.stop()


def _log_error(server: ServerState, error: ErrorPacket) -> None:
    level = logging.DEBUG if error.code in _HARMLESS else logging.WARNING
    _logger.log(level, "%s: ERROR %s: %s", server.address, error.code, error.text, extra={"code": error.code})

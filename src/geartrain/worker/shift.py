# SPDX-License-Identifier: MIT
"""One run of a worker, without I/O: which servers to connect to, which jobs to begin, and when to leave.

The shells feed it what happened and the time, and do what it says::

    connected, receive, lost      from the network
    finish                        from whatever does the jobs
    stop, add, remove             from the user
    wants_connection, turn        what is to be done now
    deadline, is_over             when to look again, and whether to
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from geartrain.errors import NoServerAvailable
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from geartrain.worker.contact import Contact
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import JobInHand
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.session import Assignment, Refusal, State, WorkerSession

__all__ = ["Shift"]

CallT = TypeVar("CallT", bound=Callable[..., object])

_logger = logging.getLogger("geartrain.worker")

# gearmand says the first of the WORK_FAIL behind a WORK_EXCEPTION, and of results that it no longer wants; the second
# of a token, which it does not ask for.
_HARMLESS = frozenset({"JOB_NOT_FOUND", "UNKNOWN_OPTION"})


class Shift(Generic[CallT]):
    """Decides for a worker from the beginning of a run to its end.

    Args:
        addresses: The servers.
        functions: What the worker can do; what is added or removed later is told as well.
        dress: Puts around a call what belongs around it, such as middleware.
        options: How the worker is to behave.
        burst: Leave when no server has a job.
        idle_timeout: Leave after so many seconds without a job.
        now: The time, from any clock that only goes forward.

    Attributes:
        contacts: The servers, as far as decisions go.
        functions: All that a job may be for, in working dress. A removed function stays: the last of its jobs may be on
            the way.
    """

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[CallT],
        dress: Callable[[CallT], CallT],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
        now: float,
    ) -> None:
        self.contacts = [Contact(address) for address in addresses]
        self.functions = {function.wire_name: replace(function, call=dress(function.call)) for function in functions}
        self._table = functions
        self._dress = dress
        self._client_id = options.client_id.encode()
        self._token = options.token.encode()
        self._dispatcher = Dispatcher(options.concurrency, options.max_jobs)
        self._reason = Reason.MAX_JOBS  # unless something else has the worker leave
        self._burst = burst
        self._lasting = len(addresses) == 1 and not burst  # nobody waits for a grab that lasts to be answered
        self._idle_timeout = math.inf if idle_timeout is None else idle_timeout
        self._idle_since = now
        self._retire_at = math.inf if options.max_age is None else now + options.max_age
        self._leave_at = math.inf

    def __repr__(self) -> str:
        return f"<Shift {self._dispatcher!r}>"

    @property
    def running(self) -> int:
        """How many jobs are in hand."""
        return self._dispatcher.running

    # What the network tells.

    def connected(self, contact: Contact, now: float) -> WorkerSession | None:
        """Return the conversation for a new connection; none if nobody wants it any more."""
        if self._dispatcher.stopping:
            return None
        functions = [(each.wire_name, each.timeout_ms) for each in self._table]
        session = WorkerSession(functions, self._client_id, now, token=self._token, lasting=self._lasting)
        contact.session = session
        self._dispatcher.admit(session)
        return session

    def receive(self, contact: Contact, data: bytes, now: float) -> list[tuple[Assignment, Function[CallT]]]:
        """Return the jobs to begin.

        Raises:
            RemoteProtocolError: The server does not speak Gearman.
        """
        session = contact.session
        assert session is not None, "bytes come over a connection"
        begun = []
        for event in session.receive(data, now):
            if isinstance(event, Refusal):
                _log_refusal(contact, event)
            elif (function := self.functions.get(event.function)) is not None:
                self._dispatcher.start()
                begun.append((event, function))
            else:
                _logger.error("a job for %r, which was never registered, is failed", event.function)
                session.work(Command.WORK_FAIL, event.handle)
                session.finish(event.handle)
        if session.state is not State.GREETING:
            contact.works()
        return begun

    def lost(self, contact: Contact, reason: str, now: float) -> None:
        """Note that a connection is gone, or could not be made."""
        if contact.session is not None:
            self._dispatcher.dismiss(contact.session)
        contact.failed(reason.removeprefix(f"{contact.address}: "), now)

    # What those tell who do the jobs.

    def finish(self, session: WorkerSession, job: JobInHand, now: float) -> None:
        """Report how a job has ended."""
        handle = job.assignment.handle
        if session.state is State.ENDED:
            _logger.warning("%s %s: its result is lost with the connection", job.function, job.handle)
        for command, *arguments in job.ending:
            session.work(command, handle, *arguments)
        session.finish(handle)
        self._dispatcher.finish()
        self._idle_since = now

    # What the user tells.

    def stop(self, grace: float, now: float) -> None:
        """Take no more jobs, and leave when those in hand are done, at the latest after ``grace`` seconds."""
        self._stop(Reason.STOPPED)
        self._leave_at = min(self._leave_at, now + grace)

    def add(self, function: Function[CallT]) -> None:
        """Register a function that has come into the table."""
        self.functions[function.wire_name] = replace(function, call=self._dress(function.call))
        for session in self._dispatcher:
            session.add(function.wire_name, function.timeout_ms)

    def remove(self, function: Function[CallT]) -> None:
        """Take back a function that has gone from the table."""
        for session in self._dispatcher:
            session.remove(function.wire_name)

    # What is to be done.

    def wants_connection(self, contact: Contact, now: float) -> bool:
        """Whether it is time to connect to a server."""
        return contact.session is None and now >= contact.due and not self._dispatcher.stopping

    def turn(self, now: float) -> None:
        """Do all that is due; what there is to say then waits in the sessions."""
        if not self._dispatcher.stopping:
            self._stop_if_done(now)
        self._dispatcher.hand_out(now)

    def deadline(self) -> float:
        """Return when something is due that nobody else will tell of; perhaps never."""
        times = [self._leave_at]
        if not self._dispatcher.stopping:
            times.append(self._retire_at)
            if not self._dispatcher.running:
                times.append(self._idle_since + self._idle_timeout)
        for contact in self.contacts:
            if contact.session is not None:
                times.append(contact.session.deadline)
            elif not self._dispatcher.stopping:
                times.append(contact.due)
        return min(times)

    def is_over(self, now: float) -> bool:
        """Whether to leave."""
        return self._dispatcher.is_finished or now >= self._leave_at

    def leave(self) -> None:
        """Note that the worker leaves, whether its jobs have ended or not."""
        if self._dispatcher.running:
            _logger.warning("leaving %d running jobs to other workers", self._dispatcher.running)
        self._dispatcher.stop()

    def reason(self) -> Reason:
        """Return why the run is over.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        if self._burst and all(contact.failure for contact in self.contacts):
            raise NoServerAvailable("; ".join(f"{contact.address}: {contact.failure}" for contact in self.contacts))
        return self._reason

    def _stop_if_done(self, now: float) -> None:
        if now >= self._retire_at:
            self._stop(Reason.MAX_AGE)
        elif self._dispatcher.running:
            pass
        elif self._burst and self._dispatcher.is_idle and all(contact.is_settled for contact in self.contacts):
            self._stop(Reason.DRAINED)
        elif now >= self._idle_since + self._idle_timeout:
            self._stop(Reason.IDLE)

    def _stop(self, reason: Reason) -> None:
        self._reason = reason
        self._dispatcher.stop()


def _log_refusal(contact: Contact, refusal: Refusal) -> None:
    level = logging.DEBUG if refusal.code in _HARMLESS else logging.WARNING
    _logger.log(level, "%s: ERROR %s: %s", contact.address, refusal.code, refusal.text)

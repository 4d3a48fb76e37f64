# SPDX-License-Identifier: MIT
"""A worker's sessions with its servers: jobs come in, and reports about the current job go out."""

import logging
import time
from collections.abc import Collection, Iterable
from typing import Any

from geartrain.errors import GeartrainError
from geartrain.names import encode
from geartrain.protocol import Command
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.connection_manager import GearmanConnectionManager, Host
from geartrain.python_gearman.job import GearmanJob, Name, Text, wire_handle
from geartrain.python_gearman.util import Stopwatch
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.session import REPLY_TIMEOUT, Assignment, State, WorkerSession

__all__ = ["WorkerConversations"]

_logger = logging.getLogger("geartrain.python_gearman")


class WorkerConversations(GearmanConnectionManager):
    """Registers tasks with servers, takes one job at a time, and sends its reports.

    Attributes:
        reply_timeout: Seconds within which a server must answer a grab or the first echo; a subclass may set another
            number.
    """

    reply_timeout = REPLY_TIMEOUT

    def __init__(self, host_list: Iterable[Host] | None = None) -> None:
        super().__init__(host_list=host_list)
        self.worker_client_id: Text | None = None
        self._tasks: dict[bytes, Text] = {}  # as they were registered, by their names on the wire
        self._sessions: dict[GearmanConnection, WorkerSession] = {}
        self._dispatcher = Dispatcher(slots=1)

    def _perform(self, job: GearmanJob) -> None:
        """Do a job, whose data is not decoded yet."""
        raise NotImplementedError

    # Reports of a job

    def send_job_status(
        self, current_job: GearmanJob, numerator: float, denominator: float, poll_timeout: float | None = None
    ) -> None:
        """Send the progress of a job."""
        for number in (numerator, denominator):
            if not isinstance(number, int | float):
                raise TypeError(f"progress is two numbers, not {number!r}")
        progress = str(numerator).encode(), str(denominator).encode()
        self._send(current_job, poll_timeout, (Command.WORK_STATUS, *progress))

    def send_job_data(self, current_job: GearmanJob, data: Any, poll_timeout: float | None = None) -> None:
        """Send a part of the result."""
        self._send(current_job, poll_timeout, (Command.WORK_DATA, self._encoded(data)))

    def send_job_warning(self, current_job: GearmanJob, data: Any, poll_timeout: float | None = None) -> None:
        """Send a warning."""
        self._send(current_job, poll_timeout, (Command.WORK_WARNING, self._encoded(data)))

    def send_job_complete(self, current_job: GearmanJob, data: Any, poll_timeout: float | None = None) -> None:
        """End a job with its result."""
        self._send(current_job, poll_timeout, (Command.WORK_COMPLETE, self._encoded(data)), ends=True)

    def send_job_failure(self, current_job: GearmanJob, poll_timeout: float | None = None) -> None:
        """End a job without a result."""
        self._send(current_job, poll_timeout, (Command.WORK_FAIL,), ends=True)

    def send_job_exception(self, current_job: GearmanJob, data: Any, poll_timeout: float | None = None) -> None:
        """End a job with an exception."""
        exception = (Command.WORK_EXCEPTION, self._encoded(data))
        self._send(current_job, poll_timeout, exception, (Command.WORK_FAIL,), ends=True)

    def wait_until_updates_sent(
        self, multiple_gearman_jobs: Collection[GearmanJob], poll_timeout: float | None = None
    ) -> None:
        """Wait until the reports of some jobs have been sent."""
        stopwatch = Stopwatch(poll_timeout)
        for connection in {job.connection for job in multiple_gearman_jobs}:
            if connection in self._sessions:
                connection.is_changing = True
                try:
                    connection.write(self._take_outgoing(connection))
                    connection.flush_all(stopwatch)
                except errors.ConnectionError:
                    self._lost(connection)
                    continue
                connection.is_changing = False

    def _send(
        self,
        job: GearmanJob,
        poll_timeout: float | None,
        *packets: tuple[Command, *tuple[bytes, ...]],
        ends: bool = False,
    ) -> None:
        session = self._session_of(job)
        if session is None:
            _logger.warning("%r has ended or lost its connection; %s is not sent", job, packets[0][0].name)
            return
        handle = wire_handle(job)
        connection = job.connection
        assert connection is not None, "the session has one"
        connection.is_changing = True
        for command, *arguments in packets:
            session.report(command, handle, *arguments)
        if ends:
            session.finish(handle)
        connection.is_changing = False
        self.wait_until_updates_sent([job], poll_timeout)

    def _session_of(self, job: GearmanJob) -> WorkerSession | None:
        """Return the session of a running job, or ``None`` if the job has ended or its connection is lost."""
        session = self._sessions.get(job.connection) if job.connection is not None else None
        return session if session is not None and wire_handle(job) in session.running else None

    def _encoded(self, data: Any) -> bytes:
        return encode(self.data_encoder.encode(data), "the result of an encoder")

    # Receiving

    def _connected(self, connection: GearmanConnection) -> None:
        client_id = encode(self.worker_client_id or b"", "a client id")
        tasks = [(name, None) for name in self._tasks]
        session = WorkerSession(tasks, client_id, time.monotonic(), reply_timeout=self.reply_timeout)
        self._sessions[connection] = session
        self._dispatcher.admit(session)

    def _lost(self, connection: GearmanConnection) -> None:
        session = self._sessions.pop(connection, None)
        if session is not None and session in self._dispatcher:
            self._dispatcher.dismiss(session)

    def _start_over(self) -> None:
        """Prepare for a run; a signal handler may have ended the last one between any two instructions."""
        for connection in self.connection_list:
            self._check_interrupted(connection)
            session = self._sessions.get(connection)
            if connection.connected and (session is None or session.running):
                self._drop(connection, "a signal handler ended the last run")
            elif not connection.connected:
                self._sessions.pop(connection, None)
        self._dispatcher = Dispatcher(slots=1)
        for session in self._sessions.values():
            self._dispatcher.admit(session)

    def _take_outgoing(self, connection: GearmanConnection) -> bytes:
        return self._sessions[connection].take_outgoing()

    def _received(self, connection: GearmanConnection, data: bytes) -> None:
        session = self._sessions[connection]
        try:
            happened = session.receive(data, time.monotonic())
        except GeartrainError as error:
            self._drop(connection, str(error))
            return
        connection.is_changing = False
        if session.state is not State.GREETING:
            connection.works()
        for event in happened:
            if isinstance(event, Assignment):
                self._assigned(connection, event)
            elif event.code != "JOB_NOT_FOUND":  # gearmand's answer to the WORK_FAIL that follows a WORK_EXCEPTION
                self.on_gearman_error(event.code, event.text)

    def _assigned(self, connection: GearmanConnection, assignment: Assignment) -> None:
        task = self._tasks.get(assignment.function)
        if task is None:  # it was unregistered while the job was on the way
            self._drop(connection, f"a job for {assignment.function!r} is left to other workers")
            return
        handle, unique = Name.read(assignment.handle), Name.read(assignment.unique)
        job = self.job_class(connection, handle, task, unique, assignment.workload)
        self._dispatcher.start()
        try:
            self._perform(job)
        finally:
            self._dispatcher.finish()

    def _tick(self, now: float) -> None:
        """Check timeouts as of the time before the last wait: answers that came during a long job count."""
        for connection, session in list(self._sessions.items()):
            try:
                session.tick(now)
            except GeartrainError as error:
                self._drop(connection, str(error))

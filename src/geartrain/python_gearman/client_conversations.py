# SPDX-License-Identifier: MIT
"""A client's sessions with its servers, which update its requests.

A session holds a request by a weak reference, so that a request that the program has dropped costs nothing.
"""

import time
import weakref
from collections.abc import Iterable
from typing import TypeAlias

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.request import Submission, handle_bytes, submission
from geartrain.client.session import Session
from geartrain.errors import JobException, JobFailed, LocalProtocolError, RemoteProtocolError, ServerError
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.connection_manager import GearmanConnectionManager, Host
from geartrain.python_gearman.constants import (
    JOB_COMPLETE,
    JOB_CREATED,
    JOB_FAILED,
    JOB_PENDING,
    JOB_UNKNOWN,
    PRIORITY_HIGH,
    PRIORITY_LOW,
    PRIORITY_NONE,
)
from geartrain.python_gearman.job import GearmanJobRequest, Name, wire_handle
from geartrain.records import Data, JobRequest, JobStatus, Priority, Progress, Warn
from geartrain.transport import Waker
from geartrain.wording import counted

__all__ = ["ClientConversations"]

_LONGEST_CHECK_INTERVAL = 5.0  # seconds between two checks for servers that do not answer

_PRIORITIES = {
    PRIORITY_NONE: Priority.NORMAL,
    PRIORITY_LOW: Priority.LOW,
    PRIORITY_HIGH: Priority.HIGH,
}

_Ticket: TypeAlias = weakref.ref[GearmanJobRequest]


class ClientConversations(GearmanConnectionManager):
    """Submits requests, asks for their status, and updates them with the servers' answers.

    All sending and receiving happens in `_poll`.

    Attributes:
        reply_timeout: Seconds without a byte until a connection that waits for an answer is closed; a subclass may
            change it.
    """

    reply_timeout = 30.0

    def __init__(self, host_list: Iterable[Host] | None = None) -> None:
        super().__init__(host_list=host_list)
        self._sessions: dict[GearmanConnection, Session[_Ticket]] = {}
        self._last_error = ""
        self._is_to_place = False  # a server has lost or rejected a job since the requests were last checked

    # Sending

    def _submit(self, request: GearmanJobRequest, connection: GearmanConnection) -> None:
        session, submission = self._sessions[connection], self._submission(request)
        connection.is_changing = True
        request.job.connection = connection
        request.state = JOB_PENDING
        request.timed_out = False
        connection.write(session.submit(submission, weakref.ref(request)))
        connection.is_changing = False

    def _ask_status(self, request: GearmanJobRequest) -> None:
        job = request.job
        if job.handle is None or job.connection not in self.connection_list:
            raise errors.InvalidClientState(f"a status request needs a job with a handle and a connection, not {job!r}")
        session = self._sessions[self.establish_connection(job.connection)]
        handle = _checked_handle(request)
        job.connection.is_changing = True
        job.connection.write(session.ask_status(handle, weakref.ref(request)))
        job.connection.is_changing = False
        request.status["last_time_received"] = request.status.get("time_received")

    def _submission(self, request: GearmanJobRequest) -> Submission:
        if request.priority not in _PRIORITIES:
            raise errors.ProtocolError(f"a priority is one of {list(_PRIORITIES)}, not {request.priority!r}")
        job = request.job
        wanted = JobRequest(
            function=job.task or b"",
            workload=self.data_encoder.encode(job.data),
            unique=job.unique,
            priority=_PRIORITIES[request.priority],
        )
        try:
            return submission(wanted, background=request.background)
        except LocalProtocolError as error:
            raise errors.ProtocolError(str(error)) from error

    # Receiving

    def _connected(self, connection: GearmanConnection) -> None:
        session: Session[_Ticket] = Session(repr(connection), time.monotonic)
        self._sessions[connection] = session
        connection.write(session.greet())

    def _lost(self, connection: GearmanConnection) -> None:
        session = self._sessions.pop(connection, None)
        if session is None:
            return
        for ticket, taken in session.abandon():
            request = ticket()
            if request is not None and (taken or request.state == JOB_PENDING):
                request.state = JOB_UNKNOWN
                self._is_to_place = True

    def _received(self, connection: GearmanConnection, data: bytes) -> None:
        failure: Exception | None = None
        try:
            for ticket, event in self._sessions[connection].receive(data):
                request = ticket()
                try:
                    if request is not None:
                        self._take(request, event)
                except Exception as error:  # noqa: BLE001 - from the encoder; later events must still be processed
                    failure = failure or error
        except RemoteProtocolError as error:
            self._drop(connection, str(error))
        else:
            connection.works()
            connection.is_changing = False
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # or its traceback would refer to this frame, and this frame to it

    def _take(self, request: GearmanJobRequest, event: SessionEvent) -> None:
        match event:
            case Created(handle):
                request.job.handle = Name(handle.name)
                request.state = JOB_CREATED
            case Data(data):
                request.data_updates.append(self.data_encoder.decode(data))
            case Warn(data):
                request.warning_updates.append(self.data_encoder.decode(data))
            case Progress(numerator, denominator):
                _note_status(request, JobStatus(True, True, numerator, denominator))
            case Completed(data):
                request.state = JOB_COMPLETE
                request.result = self.data_encoder.decode(data)
            case Failed(JobFailed()):
                request.state = JOB_FAILED
            case Failed(JobException() as exception):
                request.state = JOB_FAILED
                request.exception = self.data_encoder.decode(exception.data)
            case Failed(ServerError() as error):
                self._rejected(request, error)
            case Answered(JobStatus() as status):
                _note_status(request, status)

    def _rejected(self, request: GearmanJobRequest, error: ServerError) -> None:
        """Mark a job that a server rejected for another attempt; for a status, the server does not know the job."""
        self._last_error = f"; the last error from a server was {error}"
        if request.state == JOB_PENDING:
            request.state = JOB_UNKNOWN
            self._is_to_place = True
        else:
            _note_status(request, JobStatus())
        self.on_gearman_error(error.code, error.text)

    # Waiting

    @property
    def _check_interval(self) -> float:
        """Seconds between two checks for servers that do not answer."""
        return min(self.reply_timeout / 4, _LONGEST_CHECK_INTERVAL)

    def _poll(self, timeout: float | None, waker: Waker | None = None) -> bool:
        activity = super()._poll(timeout, waker)
        for connection, session in list(self._sessions.items()):
            if session.is_silent(self.reply_timeout):
                self._drop(connection, f"no answer within {counted(self.reply_timeout, 'second')}")
        return activity

    def _flush(self, connection: GearmanConnection) -> int:
        sent = super()._flush(connection)
        if sent and connection in self._sessions:
            self._sessions[connection].sent()
        return sent


def _note_status(request: GearmanJobRequest, status: JobStatus) -> None:
    request.status = {
        "handle": request.job.handle,
        "known": status.known,
        "running": status.running,
        "numerator": status.numerator,
        "denominator": status.denominator,
        "time_received": time.time(),
    }


def _checked_handle(request: GearmanJobRequest) -> bytes:
    try:
        return handle_bytes(wire_handle(request.job).decode("utf-8", "surrogateescape"))
    except LocalProtocolError as error:
        raise errors.ProtocolError(str(error)) from error

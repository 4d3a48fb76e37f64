# SPDX-License-Identifier: MIT
"""A client's conversations with its servers, and what they make of its requests.

A session knows a request by a weak reference, so that requests that nobody wants any more cost nothing.
"""

import time
import weakref
from collections.abc import Iterable
from typing import TypeAlias

from geartrain.client.events import Answered, Completed, Created, Refused, SessionEvent
from geartrain.client.request import Submission, handle_bytes, submission
from geartrain.client.session import Session
from geartrain.errors import JobException, JobFailed, LocalProtocolError, RemoteProtocolError, ServerError
from geartrain.python_gearman import errors
from geartrain.python_gearman.bell import Bell
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

__all__ = ["LOOK_AROUND", "ClientConversations"]

SILENCE = 30.0  # seconds without a byte after which a server that owes an answer is given up
LOOK_AROUND = 5.0  # seconds between two looks for silent servers

_PRIORITIES = {
    PRIORITY_NONE: Priority.NORMAL,
    PRIORITY_LOW: Priority.LOW,
    PRIORITY_HIGH: Priority.HIGH,
}

_Ticket: TypeAlias = weakref.ref[GearmanJobRequest]


class ClientConversations(GearmanConnectionManager):
    """Submits requests, asks for them, and writes down in each what is said of it.

    Nothing happens but in `_poll`.
    """

    def __init__(self, host_list: Iterable[Host] | None = None) -> None:
        super().__init__(host_list=host_list)
        self._sessions: dict[GearmanConnection, Session[_Ticket]] = {}
        self._last_error = ""
        self._is_to_place = False  # a server has lost or refused a job since somebody last looked

    # What is said to servers

    def _submit(self, request: GearmanJobRequest, connection: GearmanConnection) -> None:
        session = self._sessions[connection]
        connection.write(session.submit(self._submission(request), weakref.ref(request)))
        request.job.connection = connection
        request.state = JOB_PENDING
        request.timed_out = False

    def _ask_status(self, request: GearmanJobRequest) -> None:
        job = request.job
        if job.handle is None or job.connection not in self.connection_list:
            raise errors.InvalidClientState(f"a status is asked for by handle and connection, unlike {job!r}")
        session = self._sessions[self.establish_connection(job.connection)]
        job.connection.write(session.ask_status(_checked_handle(request), weakref.ref(request)))
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

    # What servers say

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
                except Exception as error:  # noqa: BLE001 - the encoder's; what else has come must not be lost by it
                    failure = failure or error
        except RemoteProtocolError as error:
            self._drop(connection, str(error))
        else:
            connection.works()
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # or it would hold itself, by its traceback, and all that stands there

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
            case Refused(JobFailed()):
                request.state = JOB_FAILED
            case Refused(JobException() as exception):
                request.state = JOB_FAILED
                request.exception = self.data_encoder.decode(exception.data)
            case Refused(ServerError() as error):
                self._refused(request, error)
            case Answered(JobStatus() as status):
                _note_status(request, status)

    def _refused(self, request: GearmanJobRequest, error: ServerError) -> None:
        """Have a job sent elsewhere that a server did not take; a job that it will not speak of, it does not know."""
        self._last_error = f"; the last error from a server was {error}"
        if request.state == JOB_PENDING:
            request.state = JOB_UNKNOWN
            self._is_to_place = True
        else:
            _note_status(request, JobStatus())
        self.on_gearman_error(error.code, error.text)

    # Waiting

    def _poll(self, timeout: float | None, bell: Bell | None = None) -> bool:
        activity = super()._poll(timeout, bell)
        for connection, session in list(self._sessions.items()):
            if session.is_silent(SILENCE):
                self._drop(connection, f"no answer within {SILENCE:g} seconds")
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

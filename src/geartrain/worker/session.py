# SPDX-License-Identifier: MIT
"""A worker's session with one server, without I/O.

::

    GREETING ──ECHO_RES──▶ AWAKE ──grab()──▶ GRABBING ──JOB_ASSIGN* to the last grab──▶ AWAKE
                             ▲                   │
                             └──NOOP── ASLEEP ◀──┴──NO_JOB to the last grab (answered by PRE_SLEEP)

- A session begins by registering all functions and sending an echo, so that a server that accepts connections and never
  answers is detected before a job is requested.
- The `Dispatcher` decides when to grab, because a worker with several servers must not get more jobs than it has slots.
  It calls `grab` at most once for each free slot. Running jobs do not block the session.
- Several grabs may be pending at once, which saves a worker with many slots a round trip for each job. Their number
  grows only while jobs keep coming: a single job costs one grab and the NO_JOB that follows, not a hundred.
- Every answer has a deadline. When it passes the session ends, as it does after bytes that are not Gearman.
- Long polling is an option of Geartrain's server: it delays NO_JOB by up to a second, and pushes a job that arrives in
  that time. It sends a NOOP before such a job, and expects ALL_YOURS, which confirms that the worker took the job,
  before it gives the job to another worker. Other servers reject the option, and nothing changes.
- Every other ERROR answers no request. gearmand sends one for a result that came too late or twice, and it arrives
  before the answer to the next GRAB_JOB_ALL (protocol 7.3). It is returned to be logged.
- gearmand takes the running jobs of a function away from a worker that sends CANT_DO for it (protocol 1.9). CANT_DO
  therefore waits until the last of these jobs has ended, and no job is grabbed until then. A server with long polling
  is told at once, so that it answers the pending grab; a job that arrives after that is done.
"""

import enum
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from geartrain.errors import ConnectionLost, RemoteProtocolError
from geartrain.protocol import EXCEPTION_DETAILS, LONG_POLL, RESPONSE, Command, Reader, request
from geartrain.wording import counted

__all__ = ["POLL_INTERVAL", "REPLY_TIMEOUT", "Assignment", "ErrorPacket", "State", "WorkerSession"]

REPLY_TIMEOUT = 10.0  # seconds for the answer to a GRAB_JOB_ALL or the first echo: a server answers these from memory
# Seconds asleep after which a session grabs without a NOOP. gearmand loses wake-ups: those of protocol 7.4, and on a
# loaded machine one in six for jobs that it has taken back from a slow worker. It also detects a server that has
# stopped answering.
POLL_INTERVAL = 60.0

_ECHO = b"ready?"
_GRAB = request(Command.GRAB_JOB_ALL)
_PRE_SLEEP = request(Command.PRE_SLEEP)
_ALL_YOURS = request(Command.ALL_YOURS)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job from the server; names and handle as on the wire."""

    handle: bytes
    function: bytes
    unique: bytes
    workload: bytes
    reducer: bytes = b""


@dataclass(frozen=True, slots=True)
class ErrorPacket:
    """An ERROR packet."""

    code: str
    text: str


# The events of a session.
WorkerEvent: TypeAlias = Assignment | ErrorPacket


class State(enum.Enum):
    """The states of a session, by the event that it waits for."""

    GREETING = enum.auto()  # the echo
    AWAKE = enum.auto()  # a call of `grab`
    GRABBING = enum.auto()  # a job or NO_JOB
    ASLEEP = enum.auto()  # a NOOP
    ENDED = enum.auto()


class WorkerSession:
    """The protocol of a worker on one connection.

    Pass it the bytes from the server and the time; send the bytes that `take_outgoing` returns.

    Attributes:
        state: Its state.
        deadline: The time of its next timeout.
        asked: The number of pending grabs.
        running: The assignment of each running job, by handle.

    Args:
        functions: Wire name and timeout in milliseconds, or None, of each function of the worker.
        client_id: The id that `workers` shows, or empty.
        now: The time, from any monotonic clock.
        token: The token for the server, or empty.
        long_poll: Ask the server for long polling. Only for workers with a single server, which have no other to grab
            from in the meantime, and that do not leave when there is no job.
        exception_details: Ask the server to take details of exceptions, which all reports of exceptions have.
        reply_timeout: Seconds within which the server must answer a grab or the first echo.
        poll_interval: Seconds asleep after which the session grabs without a NOOP.
    """

    def __init__(
        self,
        functions: Iterable[tuple[bytes, int | None]],
        client_id: bytes,
        now: float,
        *,
        token: bytes = b"",
        long_poll: bool = False,
        exception_details: bool = False,
        reply_timeout: float = REPLY_TIMEOUT,
        poll_interval: float = POLL_INTERVAL,
    ) -> None:
        self.state = State.GREETING
        self.deadline = now + reply_timeout
        self.asked = 0
        self.running: dict[bytes, Assignment] = {}
        self._reply_timeout = reply_timeout
        self._poll_interval = poll_interval
        self._consecutive_jobs = 0  # since the last NO_JOB
        self._reader = Reader(RESPONSE)
        self._outgoing: list[bytes] = []
        self._registered: dict[bytes, int | None] = {}  # function -> timeout in milliseconds
        self._unregistering: dict[bytes, None] = {}  # functions whose CANT_DO waits, in order
        self._timed_job = b""  # the job of gearmand's timer: it has one, for the last job with a timeout
        self._server_timer_runs = False  # although that job has ended
        self._asked_options: list[bytes] = []  # those that are not answered yet, in order
        self._has_details = exception_details
        self._takes_details = False  # the server has agreed
        self._long_polls = False
        self._is_pushed = False  # the next job is one that the server pushes
        self._is_retiring = False
        for option, is_wanted in ((LONG_POLL, long_poll), (EXCEPTION_DETAILS, exception_details)):
            if is_wanted:
                self._asked_options.append(option)
                self._send(Command.OPTION_REQ, option)
        if token:
            self._send(Command.OPTION_REQ, b"token=" + token)
        if client_id:
            self._send(Command.SET_CLIENT_ID, client_id)
        # gearmand 1.1 serves the newest registration first: in reverse order, the function that was added first leads.
        for function, timeout_ms in reversed(list(functions)):
            self._register(function, timeout_ms)
        self._send(Command.ECHO_REQ, _ECHO)

    def __repr__(self) -> str:
        return f"<WorkerSession {self.state.name.lower()}: {self.asked} asked for, {len(self.running)} running>"

    # For the worker

    @property
    def wants_job(self) -> bool:
        """True if `grab` may be called."""
        if self._unregistering or self._is_retiring:
            return False
        if self.state is State.AWAKE:
            return True
        return self.state is State.GRABBING and self.asked < self._consecutive_jobs

    def grab(self, now: float) -> None:
        """Request a job, perhaps while earlier requests are pending."""
        assert self.wants_job, f"{self!r} must not grab"
        self._outgoing.append(_GRAB)
        self._server_timer_runs = False
        self.asked += 1
        if self.state is State.AWAKE:
            self._enter(State.GRABBING, now + self._reply_timeout)

    def sleep_if_timer_runs(self, now: float) -> None:
        """Sleep if gearmand's timer for an ended job still runs; to be called when no grab will follow soon.

        gearmand's timer for a job with a timeout goes on after the result, until the worker grabs or sleeps, and when
        it fires the job runs again (protocol 7.4). If jobs wait the server wakes the session at once. It is not done
        without need: gearmand sends no second NOOP to a worker that slept again without a grab.
        """
        if self._server_timer_runs and self.state is State.AWAKE:
            self._sleep(now)

    def add(self, function: bytes, timeout_ms: int | None) -> None:
        """Register a function, or change its timeout."""
        if self._is_retiring:
            return
        self._unregistering.pop(function, None)
        # gearmand counts a worker twice that registers twice.
        if self._registered.get(function, -1) == timeout_ms:
            return
        self._register(function, timeout_ms)
        if self.state is State.ASLEEP:
            self._enter(State.AWAKE)  # gearmand sends no NOOP for jobs of the function that wait already

    def remove(self, function: bytes) -> None:
        """Unregister a function as soon as none of its jobs is running."""
        self._unregistering[function] = None
        self._send_cant_do()

    def remove_all(self) -> None:
        """Unregister all functions, each as soon as none of its jobs is running."""
        self._unregistering.update(dict.fromkeys(self._registered))
        self._send_cant_do()

    def retire(self) -> None:
        """Take no more jobs, so that the connection can close as soon as the running ones have ended."""
        self._is_retiring = True
        self.remove_all()

    @property
    def has_retired(self) -> bool:
        """True if the session retires, no job is running, and no grab can be answered by another one."""
        return self._is_retiring and not self.running and not self.asked

    def report(self, command: Command, handle: bytes, *arguments: bytes) -> None:
        """Send a packet about a running job; it is dropped if the connection is lost.

        With ``exception_details``, exceptions have their details and a NUL byte before their text.
        """
        if command is Command.WORK_EXCEPTION and self._has_details and not self._takes_details:
            arguments = (arguments[0].partition(b"\0")[2],)
        if self.state is not State.ENDED:
            self._send(command, handle, *arguments)

    def finish(self, handle: bytes) -> None:
        """Record that a job has ended and its result was reported."""
        self.running.pop(handle, None)
        if handle == self._timed_job:
            self._timed_job = b""
            self._server_timer_runs = True
        self._send_cant_do()

    # For the connection

    def receive(self, data: bytes, now: float) -> list[WorkerEvent]:
        """Process bytes from the server, and return the jobs and errors among them.

        Raises:
            RemoteProtocolError: The bytes are not Gearman, or answer nothing that was requested.
        """
        reader = self._reader
        reader.feed(data)
        events: list[WorkerEvent] = []
        while reader.advance():
            handler = self._HANDLERS.get(reader.command)
            if handler is None:
                raise RemoteProtocolError(f"{Command(reader.command).name} is not for workers")
            event = handler(self, reader, now)
            if event is not None:
                events.append(event)
        return events

    def tick(self, now: float) -> None:
        """Apply the timeout if its time has come.

        Raises:
            ConnectionLost: The server does not answer.
        """
        if now < self.deadline:
            return
        if self.state is not State.ASLEEP:
            raise ConnectionLost(
                f"it accepts connections but gave no answer within {counted(self._reply_timeout, 'second')}"
            )
        self._enter(State.AWAKE)

    def take_outgoing(self) -> bytes:
        """Return the bytes to send, and forget them."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def end(self) -> None:
        """Record that the connection is lost; the server gives the running jobs to other workers."""
        self._enter(State.ENDED)
        self.asked = 0
        self.running.clear()

    # Packets

    def _on_job_assign(self, reader: Reader, now: float) -> Assignment:
        return self._assigned(Assignment(reader.argument(0), reader.argument(1), b"", reader.argument(2)), now)

    def _on_job_assign_uniq(self, reader: Reader, now: float) -> Assignment:
        assignment = Assignment(reader.argument(0), reader.argument(1), reader.argument(2), reader.argument(3))
        return self._assigned(assignment, now)

    def _on_job_assign_all(self, reader: Reader, now: float) -> Assignment:
        handle, function, unique, reducer, workload = reader.arguments()
        return self._assigned(Assignment(handle, function, unique, workload, reducer), now)

    def _on_no_job(self, reader: Reader, now: float) -> None:
        self._expect(State.GRABBING, Command.NO_JOB)
        self._answered(now)
        self._consecutive_jobs = 0
        if not self.asked:
            self._sleep(now)
        self._send_cant_do()

    def _on_noop(self, reader: Reader, now: float) -> None:
        # A NOOP may cross a GRAB_JOB_ALL on the wire: it wakes only a session that sleeps.
        if self.state is State.ASLEEP:
            self._enter(State.AWAKE)
        self._is_pushed = self._long_polls and self.state is State.GRABBING

    def _on_error(self, reader: Reader, now: float) -> ErrorPacket | None:
        if self._asked_options:
            del self._asked_options[0]
            return None
        return ErrorPacket(reader.argument(0).decode("utf-8", "replace"), reader.argument(1).decode("utf-8", "replace"))

    def _on_option(self, reader: Reader, now: float) -> None:
        option = reader.argument(0)
        if option in self._asked_options:
            self._asked_options.remove(option)
            if option == LONG_POLL:
                self._long_polls = True
            else:
                self._takes_details = True
        # The other option is the token, which was accepted.

    def _on_echo(self, reader: Reader, now: float) -> None:
        self._expect(State.GREETING, Command.ECHO_RES)
        self._asked_options.clear()  # some servers do not answer options
        self._enter(State.AWAKE)

    def _on_text(self, reader: Reader, now: float) -> None:
        raise RemoteProtocolError(f"it does not speak Gearman; it sent {reader.argument(0)[:80]!r}")

    _HANDLERS: ClassVar[dict[int, Callable[..., WorkerEvent | None]]] = {
        Command.JOB_ASSIGN: _on_job_assign,
        Command.JOB_ASSIGN_UNIQ: _on_job_assign_uniq,
        Command.JOB_ASSIGN_ALL: _on_job_assign_all,
        Command.NO_JOB: _on_no_job,
        Command.NOOP: _on_noop,
        Command.ERROR: _on_error,
        Command.OPTION_RES: _on_option,
        Command.ECHO_RES: _on_echo,
        Command.TEXT: _on_text,
    }

    def _assigned(self, assignment: Assignment, now: float) -> Assignment:
        self._expect(State.GRABBING, Command.JOB_ASSIGN)
        self._answered(now)
        if self._is_pushed:
            self._is_pushed = False
            self._outgoing.append(_ALL_YOURS)
        self._consecutive_jobs += 1
        self._timed_job = assignment.handle if self._registered.get(assignment.function) is not None else b""
        self._server_timer_runs = False
        if not self.asked:
            self._enter(State.AWAKE)
        self.running[assignment.handle] = assignment
        self._send_cant_do()
        return assignment

    def _answered(self, now: float) -> None:
        """Record the answer to a grab, which restarts the timeout for the next one."""
        self.asked -= 1
        self.deadline = now + self._reply_timeout

    def _expect(self, state: State, command: Command) -> None:
        if self.state is not state:
            raise RemoteProtocolError(f"{command.name} answers no request")

    def _sleep(self, now: float) -> None:
        self._outgoing.append(_PRE_SLEEP)
        self._server_timer_runs = False
        self._enter(State.ASLEEP, now + self._poll_interval)

    def _enter(self, state: State, deadline: float = math.inf) -> None:
        self.state = state
        self.deadline = deadline

    def _send_cant_do(self) -> None:
        """Send the CANT_DOs that need not wait any longer; while a grab is pending only Geartrain's server gets any."""
        if self.state is State.GRABBING and not self._long_polls:
            return
        if not self._unregistering:
            return
        running = {job.function for job in self.running.values()}
        for function in [each for each in self._unregistering if each not in running]:
            self._send(Command.CANT_DO, function)
            del self._unregistering[function]
            self._registered.pop(function, None)

    def _register(self, function: bytes, timeout_ms: int | None) -> None:
        self._registered[function] = timeout_ms
        if timeout_ms is None:
            self._send(Command.CAN_DO, function)
        else:
            self._send(Command.CAN_DO_TIMEOUT, function, b"%d" % timeout_ms)

    def _send(self, command: Command, *arguments: bytes) -> None:
        self._outgoing.append(request(command, *arguments))

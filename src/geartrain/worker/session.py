# SPDX-License-Identifier: MIT
"""A worker's conversation with one server, without I/O.

::

    GREETING ──ECHO_RES──▶ AWAKE ──grab()──▶ GRABBING ──JOB_ASSIGN* to the last grab──▶ AWAKE
                             ▲                   │
                             └──NOOP── ASLEEP ◀──┴──NO_JOB to the last grab (answered by PRE_SLEEP)

- A session begins by registering everything, and with an echo: a server that accepts connections and then says nothing
  is found out before a job is asked of it.
- Who may grab is not decided here: a worker with several servers must not be given more jobs than it can do, so that
  the `Dispatcher` calls `grab`, at most once for each job that it has room for. Jobs that run do not hold up the
  conversation.
- Several grabs may be under way at once, which saves a worker with room for many jobs a round trip for each. They
  become more only as jobs come: one job that comes alone costs one grab and the NO_JOB behind it, not a hundred.
- Every answer has a deadline. Its passing ends the session, as anything does that is not Gearman.
- A server of ours may be asked to let grabs last: it does not answer NO_JOB before a second has passed, and hands over
  a job that comes in this time without being asked again. It sends a NOOP in front of such a job, and wants to hear
  that somebody is there to do it, before it gives it to another worker; ALL_YOURS says so. Other servers refuse the
  option, and all is as ever.
- Any other ERROR answers nothing. gearmand sends one for a result that came too late or once too often, and it lands
  before the answer to the next GRAB_JOB_ALL (protocol 7.3); it is handed on to be logged.
- CANT_DO for a function takes its running jobs away from a worker of gearmand (protocol 1.9), so it waits until the
  last one of them has ended, and no new job is grabbed on the way. A server that lets grabs last is told at once, so
  that it answers the last one; what comes all the same is done.
"""

import enum
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from geartrain.errors import ConnectionLost, RemoteProtocolError
from geartrain.protocol import LONG_POLL, RESPONSE, Command, Packet, Parser, request

__all__ = ["ANSWER_TIMEOUT", "POLL_INTERVAL", "Assignment", "Refusal", "State", "WorkerSession"]

ANSWER_TIMEOUT = 10.0  # seconds for the answer to a GRAB_JOB_ALL or the first echo: a server gives it from memory
# Seconds asleep after which a session asks again unasked. gearmand loses wake-ups: those of protocol 7.4, and on a
# loaded machine one in six for jobs that it had taken back from a slow worker. And a server that has stopped answering
# would otherwise never be noticed.
POLL_INTERVAL = 60.0

_ECHO = b"ready?"
_GRAB = request(Command.GRAB_JOB_ALL)
_PRE_SLEEP = request(Command.PRE_SLEEP)
_ALL_YOURS = request(Command.ALL_YOURS)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job that the server gave us; names and handle as on the wire."""

    handle: bytes
    function: bytes
    unique: bytes
    workload: bytes
    reducer: bytes = b""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An ERROR packet."""

    code: str
    text: str


class State(enum.Enum):
    """What a session waits for."""

    GREETING = enum.auto()  # for the echo
    AWAKE = enum.auto()  # to be told to grab
    GRABBING = enum.auto()  # for a job or NO_JOB
    ASLEEP = enum.auto()  # for a NOOP
    ENDED = enum.auto()


_ASSIGNMENTS: dict[Command, Callable[..., Assignment]] = {
    Command.JOB_ASSIGN: lambda handle, function, workload: Assignment(handle, function, b"", workload),
    Command.JOB_ASSIGN_UNIQ: Assignment,
    Command.JOB_ASSIGN_ALL: lambda handle, function, unique, reducer, workload: Assignment(
        handle, function, unique, workload, reducer
    ),
}


class WorkerSession:
    """Speaks for a worker on one connection.

    Feed it what the server sent and the time; send what `take_outgoing` returns.

    Attributes:
        state: What it waits for.
        deadline: When it has waited long enough.
        asked: How many grabs are under way.
        running: The function of each job in hand, by handle.

    Args:
        functions: Wire name and timeout in milliseconds, or None, of everything that the worker can do.
        client_id: What `workers` shows, or empty.
        now: The time, from any clock that only goes forward.
        token: What the server is to know us by, or empty.
        lasting: Ask the server to let grabs last. That is for workers with no other server to grab from meanwhile, and
            none that leave when there is no job.
    """

    def __init__(
        self,
        functions: Iterable[tuple[bytes, int | None]],
        client_id: bytes,
        now: float,
        *,
        token: bytes = b"",
        lasting: bool = False,
    ) -> None:
        self.state = State.GREETING
        self.deadline = now + ANSWER_TIMEOUT
        self.asked = 0
        self.running: dict[bytes, bytes] = {}
        self._streak = 0  # jobs that came one after the other, since a server had none
        self._parser = Parser(RESPONSE)
        self._outgoing: list[bytes] = []
        self._registered: dict[bytes, int | None] = {}  # function -> timeout in milliseconds
        self._leaving: set[bytes] = set()  # functions whose CANT_DO waits
        self._timed = b""  # the job that gearmand's clock runs for: it has one, for the last job with a timeout
        self._clock_runs = False  # although that job has ended
        self._wants_lasting = lasting  # and has not been answered
        self._lasting = False  # the server lets grabs last
        self._handed = False  # the next job is one that the server hands over
        if lasting:
            self._send(Command.OPTION_REQ, LONG_POLL)
        if token:
            self._send(Command.OPTION_REQ, b"token=" + token)
        if client_id:
            self._send(Command.SET_CLIENT_ID, client_id)
        # gearmand 1.1 serves the newest registration first; backwards, the function that was added first leads.
        for function, timeout_ms in reversed(list(functions)):
            self._register(function, timeout_ms)
        self._send(Command.ECHO_REQ, _ECHO)

    def __repr__(self) -> str:
        return f"<WorkerSession {self.state.name.lower()}: {self.asked} asked for, {len(self.running)} running>"

    @property
    def wants_job(self) -> bool:
        """Whether `grab` may be called."""
        if self._leaving:
            return False
        return self.state is State.AWAKE or (self.state is State.GRABBING and self.asked < self._streak)

    def grab(self, now: float) -> None:
        """Ask for a job, perhaps while others that were asked for are still to come."""
        assert self.wants_job, f"{self!r} is not to grab"
        self._outgoing.append(_GRAB)
        self._clock_runs = False
        self.asked += 1
        if self.state is State.AWAKE:
            self._enter(State.GRABBING, now + ANSWER_TIMEOUT)

    def rest(self, now: float) -> None:
        """Sleep rather than keep gearmand waiting after a job with a timeout; call it when no grab is near.

        gearmand's clock for such a job runs on after the result, until the worker grabs or sleeps, and makes it run the
        job again when it fires (protocol 7.4). If there is work the server wakes us at once. Nor is this done without
        need: gearmand sends no second NOOP to a worker that slept again without a grab.
        """
        if self._clock_runs and self.state is State.AWAKE:
            self._sleep(now)

    def add(self, function: bytes, timeout_ms: int | None) -> None:
        """Register a function, or change its timeout."""
        self._leaving.discard(function)
        # gearmand counts a worker twice that registers twice.
        if self._registered.get(function, -1) == timeout_ms:
            return
        self._register(function, timeout_ms)
        if self.state is State.ASLEEP:
            self._enter(State.AWAKE)  # gearmand does not say that jobs of the function are waiting: go and see

    def remove(self, function: bytes) -> None:
        """Take back a function as soon as none of its jobs is in hand."""
        self._leaving.add(function)
        self._take_back()

    def remove_all(self) -> None:
        """Take back everything, each function as soon as none of its jobs is in hand."""
        self._leaving.update(self._registered)
        self._take_back()

    def work(self, command: Command, handle: bytes, *arguments: bytes) -> None:
        """Report about a running job; nothing, once the connection is gone."""
        if self.state is not State.ENDED:
            self._send(command, handle, *arguments)

    def finish(self, handle: bytes) -> None:
        """Note that a job has ended and its result has been reported."""
        self.running.pop(handle, None)
        if handle == self._timed:
            self._timed = b""
            self._clock_runs = True
        self._take_back()

    def receive(self, data: bytes, now: float) -> list[Assignment | Refusal]:
        """Return what happened that others must know of.

        Raises:
            RemoteProtocolError: The server does not speak Gearman, or says what nobody asked for.
        """
        happened: list[Assignment | Refusal] = []
        for packet in self._parser.receive(data):
            event = self._packet(packet, now)
            if event is not None:
                happened.append(event)
        return happened

    def tick(self, now: float) -> None:
        """Do what is due.

        Raises:
            ConnectionLost: The server does not answer.
        """
        if now < self.deadline:
            return
        if self.state is not State.ASLEEP:
            raise ConnectionLost(f"it accepts connections but gave no answer within {ANSWER_TIMEOUT:g} seconds")
        self._enter(State.AWAKE)

    def take_outgoing(self) -> bytes:
        """Return the bytes to send and forget them."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def end(self) -> None:
        """Note that the connection is gone; running jobs belong to the server again."""
        self._enter(State.ENDED)
        self.asked = 0
        self.running.clear()

    def _packet(self, packet: Packet, now: float) -> Assignment | Refusal | None:
        number, arguments = packet
        command = Command(number)
        if command in _ASSIGNMENTS:
            return self._assigned(_ASSIGNMENTS[command](*arguments), now)
        if command is Command.ERROR:
            code, text = arguments
            if self._wants_lasting:
                self._wants_lasting = False
                return None
            return Refusal(code.decode("utf-8", "replace"), text.decode("utf-8", "replace"))
        if command is Command.NO_JOB:
            self._expect(State.GRABBING, command)
            self._answered(now)
            self._streak = 0
            if not self.asked:
                self._sleep(now)
            self._take_back()
        elif command is Command.NOOP:
            # A NOOP may cross our GRAB_JOB_ALL: only a sleeper is woken by it.
            if self.state is State.ASLEEP:
                self._enter(State.AWAKE)
            self._handed = self._lasting and self.state is State.GRABBING
        elif command is Command.OPTION_RES and arguments[0] == LONG_POLL and self._wants_lasting:
            self._wants_lasting = False
            self._lasting = True
        elif command is Command.ECHO_RES:
            self._expect(State.GREETING, command)
            self._wants_lasting = False  # there are servers that do not know about options
            self._enter(State.AWAKE)
        elif command is Command.OPTION_RES:
            pass  # it has accepted our token
        elif command is Command.TEXT:
            raise RemoteProtocolError(f"it does not speak Gearman, but says {arguments[0][:80]!r}")
        else:
            raise RemoteProtocolError(f"{command.name} is not for workers")
        return None

    def _assigned(self, assignment: Assignment, now: float) -> Assignment:
        self._expect(State.GRABBING, Command.JOB_ASSIGN)
        self._answered(now)
        if self._handed:
            self._handed = False
            self._outgoing.append(_ALL_YOURS)
        self._streak += 1
        self._timed = assignment.handle if self._registered.get(assignment.function) is not None else b""
        self._clock_runs = False
        if not self.asked:
            self._enter(State.AWAKE)
        self.running[assignment.handle] = assignment.function
        self._take_back()
        return assignment

    def _answered(self, now: float) -> None:
        """Note that the server answered a grab: it has time again for the next."""
        self.asked -= 1
        self.deadline = now + ANSWER_TIMEOUT

    def _expect(self, state: State, command: Command) -> None:
        if self.state is not state:
            raise RemoteProtocolError(f"{command.name} answers nothing that was asked")

    def _sleep(self, now: float) -> None:
        self._outgoing.append(_PRE_SLEEP)
        self._clock_runs = False
        self._enter(State.ASLEEP, now + POLL_INTERVAL)

    def _enter(self, state: State, deadline: float = math.inf) -> None:
        self.state = state
        self.deadline = deadline

    def _take_back(self) -> None:
        """Send the CANT_DOs that need not wait any longer; while a job may be on its way, all must, but to ours."""
        if self.state is State.GRABBING and not self._lasting:
            return
        for function in self._leaving.difference(self.running.values()):
            self._send(Command.CANT_DO, function)
            self._leaving.discard(function)
            self._registered.pop(function, None)

    def _register(self, function: bytes, timeout_ms: int | None) -> None:
        self._registered[function] = timeout_ms
        if timeout_ms is None:
            self._send(Command.CAN_DO, function)
        else:
            self._send(Command.CAN_DO_TIMEOUT, function, b"%d" % timeout_ms)

    def _send(self, command: Command, *arguments: bytes) -> None:
        self._outgoing.append(request(command, *arguments))

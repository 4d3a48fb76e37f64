# SPDX-License-Identifier: MIT
"""Clients, workers and administrators of a simulation, driven by simulated time and chance."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import shake_128
from typing import Protocol

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.session import Session
from geartrain.client.submission import Submission, plain_packet
from geartrain.errors import ConnectionLost, JobException, JobFailed, RemoteProtocolError, ServerError
from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.records import Data, Priority
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.session import Assignment, WorkerSession
from tests.simulation.invariants import identity
from tests.simulation.network import Caller, PeerEnd
from tests.simulation.rights import ADMIN_TOKEN, PART_TOKEN, SUBMIT_TOKEN, WORK_TOKEN
from tests.simulation.timeline import Clock, Timeline, Timer, Violation

__all__ = ["Admin", "Client", "ClientHabits", "Worker", "WorkerHabits", "World", "result_of"]

_SILENCE = 10.0  # seconds after which a client gives up a server that does not answer
_MOST_OPEN = 100  # requests of a client that were not answered
_LIST = b"show schedules"
_DENIED = ("NOT_ALLOWED", "WRONG_TOKEN")


def result_of(workload: bytes, reducer: bytes) -> bytes:
    """Return the result of a job, which begins with its identity, as all data of its worker does."""
    size = int(workload.partition(b"|")[2].partition(b"|")[0])
    return identity(workload) + b"|" + shake_128(workload + reducer).digest(size)


class World(Protocol):
    """The surroundings of a peer."""

    timeline: Timeline
    clock: Clock
    is_closing_time: bool
    handles: deque[bytes]

    def connect(self, caller: Caller) -> None:
        """Connect a peer to the server."""

    def count(self, event: str) -> None:
        """Count an event."""


@dataclass(frozen=True, kw_only=True)
class ClientHabits:
    """The behaviour of clients.

    Attributes:
        functions: The functions that they submit to.
        pause: Seconds between two actions, on average.
        uniques: Number of uniques that all of them share.
        largest: Bytes of the largest workload and result.
        burst: Requests that are sent at once at most.
        background: The part of background jobs.
        delayed: The part of those that wait for a time.
        scheduled: The part of submissions that are schedules.
        reduced: The part of jobs with a reducer.
        unknown: The part of clients that show no token, or a wrong one, if rules are in force.
        has_rules: Rules are in force.
    """

    functions: tuple[bytes, ...]
    pause: float
    uniques: int
    largest: int
    burst: int
    background: float
    delayed: float
    scheduled: float
    reduced: float
    unknown: float
    has_rules: bool


@dataclass(frozen=True, kw_only=True)
class WorkerHabits:
    """The behaviour of workers.

    Attributes:
        functions: The functions that a worker chooses from.
        slots: Jobs that it runs at once at most.
        long_polling: The part of workers that ask for long polling.
        slow: The part of jobs that take up to `slowest` seconds; others take a few milliseconds.
        slowest: Seconds.
        timeout: The timeout that some workers set, in milliseconds; 0 for none.
        fails: The part of jobs that fail.
        unknown: The part of workers that may work on one function, or on none, if rules are in force.
        has_rules: Rules are in force.
    """

    functions: tuple[bytes, ...]
    slots: int
    long_polling: float
    slow: float
    slowest: float
    timeout: int
    fails: float
    unknown: float
    has_rules: bool


@dataclass(eq=False, slots=True)
class _Ticket:
    """A request of a client; a job has a workload."""

    workload: bytes = b""
    reducer: bytes = b""
    echo: bytes = b""
    background: bool = False
    handle: str = ""


class _Call:
    """An attempt to connect, and then the connection; a peer that was killed hears nothing of it any more."""

    def __init__(self, owner: "Client | Worker | Admin") -> None:
        self._owner = owner

    def connected(self, end: PeerEnd) -> None:
        """Pass on a new connection."""
        if self._owner.call is self:
            self._owner.connected(end)
        else:
            end.abort()

    def received(self, data: bytes) -> None:
        """Pass on bytes."""
        if self._owner.call is self:
            self._owner.received(data)

    def lost(self) -> None:
        """Pass on the end of the connection."""
        if self._owner.call is self:
            self._owner.lost()


class Client:
    """A client that submits jobs at random times, over one connection at a time.

    Args:
        world: Its surroundings.
        name: Its name, which its workloads begin with.
        habits: Its behaviour.
        chance: Decides on its actions.
    """

    def __init__(self, world: World, name: str, habits: ClientHabits, chance: random.Random) -> None:
        self._world = world
        self._name = name.encode()
        self._habits = habits
        self._chance = chance
        self._session: Session[_Ticket] | None = None
        self._handles: list[str] = []
        self._open: dict[_Ticket, None] = {}
        self._made = 0
        self.end: PeerEnd | None = None
        self.call: _Call | None = None
        self._connect()

    def __repr__(self) -> str:
        return f"<Client {self._name.decode()}: {len(self._open)} requests open>"

    @property
    def is_idle(self) -> bool:
        """True if all requests have ended."""
        return not self._open

    def _connect(self) -> None:
        self.call = _Call(self)
        self._world.connect(self.call)

    # The connection.

    def connected(self, end: PeerEnd) -> None:
        """Begin a session."""
        self.end = end
        self._session = Session("simulation", self._world.clock.monotonic)
        end.write(self._session.greet(self._name, self._token()))
        self._look(self._session)
        self._act(self._session)

    def received(self, data: bytes) -> None:
        """Handle the events of a session."""
        assert self._session is not None, "it is connected"
        try:
            for ticket, event in self._session.receive(data):
                self._take(ticket, event)
        except RemoteProtocolError as error:
            raise Violation(f"{self!r}: {error}") from error

    def lost(self) -> None:
        """Give up all requests of the connection, and connect again."""
        if self._session is not None:
            for ticket, _ in self._session.abandon():
                del self._open[ticket]
            self._world.count("connection lost by a client")
        self._session = None
        self.end = None
        self._world.timeline.call_later(self._chance.random() * 2.0, self._connect)

    def leave(self, *, at_once: bool) -> None:
        """End the connection, with or without notice."""
        if self.end is not None and not self.end.is_lost:
            if at_once:
                self.end.abort()
            else:
                self.end.close()
            self.lost()

    def _token(self) -> bytes:
        """Return the token to show, which is sometimes wrong or missing."""
        if not self._habits.has_rules:
            return b""
        is_unknown = self._chance.random() < self._habits.unknown
        return self._chance.choice((b"", b"wrong", WORK_TOKEN)) if is_unknown else SUBMIT_TOKEN

    def _look(self, session: Session[_Ticket]) -> None:
        """Give up a server that does not answer."""
        if session is self._session:
            if session.is_silent(_SILENCE):
                self.leave(at_once=True)
            else:
                self._world.timeline.call_later(1.0, self._look, session)

    # Actions.

    def _act(self, session: Session[_Ticket]) -> None:
        if session is not self._session or self._world.is_closing_time:
            return
        chance, habits = self._chance, self._habits
        count = chance.randint(1, habits.burst) if len(self._open) < _MOST_OPEN else 0
        requests = [self._request(session) for _ in range(count)]
        assert self.end is not None, "it is connected"
        if chance.random() < 0.5:
            self.end.write(b"".join(requests))
        else:
            for each in requests:
                self.end.write(each)
        self._world.timeline.call_later(chance.expovariate(1 / habits.pause), self._act, session)

    def _request(self, session: Session[_Ticket]) -> bytes:
        kind = self._chance.random()
        if kind < 0.08:
            ticket = self._new(_Ticket(echo=b"%d" % self._made))
            return session.echo(ticket.echo, ticket)
        if kind < 0.16 and self._handles:
            return session.ask_status(self._chance.choice(self._handles).encode(), self._new(_Ticket()))
        return self._submit(session)

    def _submit(self, session: Session[_Ticket]) -> bytes:
        chance, habits = self._chance, self._habits
        function = chance.choice(habits.functions)
        if chance.random() < habits.scheduled:
            return self._schedule(session, function)
        background = chance.random() < habits.background
        self._made += 1
        name, unique = b"%s-%d" % (self._name, self._made), b""
        if chance.random() < 0.4 and habits.uniques:  # all clients submit the same job with the same unique
            unique = b"u%d" % chance.randrange(habits.uniques)
            name = function + b"-" + unique
            sizes = random.Random(name.decode())
        else:
            sizes = chance
        large = sizes.random() < 0.1
        size = sizes.randrange(habits.largest) if large else sizes.randrange(200)
        workload = b"%s|%d|" % (name, sizes.randrange(habits.largest) if large else sizes.randrange(50))
        workload += b"." * size
        ticket = self._new(_Ticket(workload, background=background))
        if not unique and chance.random() < habits.reduced:
            ticket.reducer = chance.choice(habits.functions)
            command = Command.SUBMIT_REDUCE_JOB_BACKGROUND if background else Command.SUBMIT_REDUCE_JOB
            packet = request(command, function, unique, ticket.reducer, b"", workload)
        elif background and not unique and chance.random() < habits.delayed:
            run_at = int(self._world.clock.time()) + chance.randint(0, 20)
            packet = request(Command.SUBMIT_JOB_EPOCH, function, unique, b"%d" % run_at, workload)
        else:
            packet = plain_packet(function, unique, workload, chance.choice(list(Priority)), background=background)
        self._world.count("job submitted")
        return session.submit(Submission(packet, function, unique, b"", background, 0), ticket)

    def _schedule(self, session: Session[_Ticket], function: bytes) -> bytes:
        """Submit a schedule for each minute."""
        unique = b"s%d" % self._chance.randrange(3)
        workload = b"schedule-%s-%s|20|" % (function, unique)
        ticket = self._new(_Ticket(workload, background=True))
        packet = request(Command.SUBMIT_JOB_SCHED, function, unique, *[b"*"] * 5, workload)
        self._world.count("schedule submitted")
        return session.submit(Submission(packet, function, unique, b"", True, 0), ticket)

    def _new(self, ticket: _Ticket) -> _Ticket:
        self._open[ticket] = None
        return ticket

    # Events.

    def _take(self, ticket: _Ticket, event: SessionEvent) -> None:
        if ticket not in self._open:
            raise Violation(f"{self!r} got {event} for {ticket}, which has ended")
        if isinstance(event, Created):
            ticket.handle = event.handle.name
            self._handles = [*self._handles[-20:], ticket.handle]
            self._world.handles.append(ticket.handle.encode())
            if not ticket.background:
                return
        elif isinstance(event, Completed):
            if event.data != result_of(ticket.workload, ticket.reducer):
                raise Violation(f"{self!r} got {event.data[:80]!r} as the result of {ticket.workload[:80]!r}")
            self._world.count("result received")
        elif isinstance(event, Failed):
            if ticket.echo or not isinstance(event.error, JobException | JobFailed | ServerError):
                raise Violation(f"{self!r} got {event.error!r} for {ticket}")
            self._world.count("request failed")
        elif isinstance(event, Answered):
            if ticket.echo and event.value != ticket.echo:
                raise Violation(f"{self!r} got another echo: {event.value!r}")
        else:
            if isinstance(event, Data) and identity(event.data) != identity(ticket.workload):
                raise Violation(f"{self!r} got {event.data[:80]!r} as data of {ticket.workload[:80]!r}")
            return
        del self._open[ticket]


class Worker:
    """A worker of one server.

    Args:
        world: Its surroundings.
        name: Its name.
        habits: Its behaviour.
        chance: Decides on its actions.
    """

    def __init__(self, world: World, name: str, habits: WorkerHabits, chance: random.Random) -> None:
        self._world = world
        self._name = name.encode()
        self._habits = habits
        self._chance = chance
        self._life = 0
        self._timer: Timer | None = None
        self._inbox: list[bytes] | None = None  # while it is stopped
        self._session: WorkerSession | None = None
        self.end: PeerEnd | None = None
        self.call: _Call | None = None
        self._begin()

    def __repr__(self) -> str:
        return f"<Worker {self._name.decode()}: {self._dispatcher!r}>"

    @property
    def _is_allowed(self) -> bool:
        """True if it may work on all functions."""
        return self._token == WORK_TOKEN or not self._habits.has_rules

    @property
    def is_stopped(self) -> bool:
        """True while it does nothing."""
        return self._inbox is not None

    def _begin(self) -> None:
        """Start as a new process."""
        chance, habits = self._chance, self._habits
        self._life += 1
        count = chance.randint(1, len(habits.functions))
        timeout = habits.timeout if chance.random() < 0.5 else None
        self._functions = [(function, timeout or None) for function in chance.sample(habits.functions, count)]
        if self._world.is_closing_time:
            self._functions = [(function, None) for function in habits.functions]
        self._token = b""
        if habits.has_rules:
            is_unknown = chance.random() < habits.unknown and not self._world.is_closing_time
            self._token = chance.choice((b"", b"wrong", SUBMIT_TOKEN, PART_TOKEN)) if is_unknown else WORK_TOKEN
        self._long_poll = chance.random() < habits.long_polling
        self._dispatcher = Dispatcher(chance.randint(1, habits.slots))
        self._connect()

    def _connect(self) -> None:
        self.call = _Call(self)
        self._world.connect(self.call)

    # The connection.

    def connected(self, end: PeerEnd) -> None:
        """Begin a session."""
        now = self._world.timeline.now
        self.end = end
        if self._dispatcher.stopping:
            end.close()
            self._restart(0.1)
            return
        self._session = WorkerSession(self._functions, self._name, now, token=self._token, long_poll=self._long_poll)
        self._dispatcher.admit(self._session)
        self._turn()

    def received(self, data: bytes) -> None:
        """Handle packets, unless it is stopped."""
        if self._inbox is not None:
            self._inbox.append(data)
            return
        session = self._session
        if session is None:
            return
        try:
            events = session.receive(data, self._world.timeline.now)
        except RemoteProtocolError as error:
            raise Violation(f"{self!r}: {error}") from error
        for event in events:
            if isinstance(event, Assignment):
                self._start(session, event)
            elif event.code not in ("JOB_NOT_FOUND", *_DENIED) or (event.code in _DENIED and self._is_allowed):
                raise Violation(f"{self!r} got {event}")
        self._turn()

    def lost(self) -> None:
        """Connect again."""
        if self._session is not None:
            self._dispatcher.dismiss(self._session)
        self._session = None
        self.end = None
        if self._inbox is not None:
            self._inbox = []
        self._world.timeline.call_later(self._chance.random() * 2.0, self._again, self._life)

    def _again(self, life: int) -> None:
        if life == self._life and self._inbox is not None:
            self._world.timeline.call_later(0.5, self._again, life)
        elif life == self._life and self.end is None:
            if self._dispatcher.stopping:
                self._begin()
            else:
                self._connect()

    def kill(self) -> None:
        """End without notice, and begin again as a new process."""
        if self.end is not None:
            self.end.abort()
        self._restart(self._chance.random() * 3.0)

    def _restart(self, seconds: float) -> None:
        self._session = self.end = self._inbox = self.call = None
        self._life += 1
        self._world.timeline.call_later(seconds, self._begin_again, self._life)

    def _begin_again(self, life: int) -> None:
        if life == self._life:
            self._begin()

    def stop(self, seconds: float) -> None:
        """Do nothing for some time, as after SIGSTOP."""
        if self._inbox is None and self.end is not None:
            self._inbox = []
            self._world.timeline.call_later(seconds, self._resume, self._life)

    def _resume(self, life: int) -> None:
        inbox, self._inbox = self._inbox, None
        if life == self._life and inbox is not None:
            for data in inbox:
                self.received(data)
            self._turn()

    def retire(self) -> None:
        """Take no more jobs, and leave after those that run."""
        self._dispatcher.stop()
        self._turn()

    def _turn(self) -> None:
        """Do what is due, and send what the session has to send."""
        session, now = self._session, self._world.timeline.now
        if session is None or self._inbox is not None or self.end is None:
            return
        try:
            session.tick(now)
        except ConnectionLost:
            self._world.count("server given up by a worker")
            self.end.abort()
            self.lost()
            return
        self._dispatcher.grab(now)
        self.end.write(session.take_outgoing())
        if self._dispatcher.is_finished:
            self.end.close()
            self._restart(self._chance.random())
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if session.deadline < float("inf"):
            self._timer = self._world.timeline.call_at(session.deadline, self._turn)

    # Jobs.

    def _start(self, session: WorkerSession, job: Assignment) -> None:
        chance, habits = self._chance, self._habits
        self._dispatcher.start()
        self._world.count("job run")
        slow = not self._world.is_closing_time and chance.random() < habits.slow
        seconds = chance.random() * (habits.slowest if slow else 0.01)
        reports = chance.choice((0, 0, 1, 3))
        for number in range(reports):
            self._world.timeline.call_later(
                seconds * number / reports, self._when_alive, self._life, self._report, session, job
            )
        self._world.timeline.call_later(seconds, self._when_alive, self._life, self._finish, session, job)

    def _when_alive(self, life: int, step: Callable[..., None], session: WorkerSession, job: Assignment) -> None:
        """Take a step of a job, later if the process is stopped, and never if it was killed."""
        if life != self._life:
            return
        if self._inbox is not None:
            self._world.timeline.call_later(0.1, self._when_alive, life, step, session, job)
        else:
            step(session, job)

    def _report(self, session: WorkerSession, job: Assignment) -> None:
        if job.handle not in session.running:
            return
        kind = self._chance.choice((Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_STATUS))
        arguments = (b"1", b"2") if kind is Command.WORK_STATUS else (identity(job.workload) + b"|some",)
        session.report(kind, job.handle, *arguments)
        self._turn()

    def _finish(self, session: WorkerSession, job: Assignment) -> None:
        if self._chance.random() < self._habits.fails:
            if self._chance.random() < 0.5:
                session.report(Command.WORK_FAIL, job.handle)
            else:
                session.report(Command.WORK_EXCEPTION, job.handle, identity(job.workload) + b"|raised")
        else:
            session.report(Command.WORK_COMPLETE, job.handle, result_of(job.workload, job.reducer))
        session.finish(job.handle)
        self._dispatcher.finish()
        self._turn()


class Admin:
    """An administrator, who cancels jobs and schedules; at the end all schedules.

    Args:
        world: The surroundings.
        pause: Seconds between two cancels, on average; 0 for none.
        has_rules: Rules are in force, so that a token is shown.
        chance: Decides on the actions.
    """

    def __init__(self, world: World, pause: float, *, has_rules: bool, chance: random.Random) -> None:
        self._world = world
        self._pause = pause
        self._has_rules = has_rules
        self._chance = chance
        self._input = b""
        self._listed: list[bytes] = []  # the schedules in a listing that is not complete
        self._awaited: deque[bytes] = deque()  # the commands that were not answered
        self.end: PeerEnd | None = None
        self.call: _Call | None = None
        self._connect()

    def _connect(self) -> None:
        self.call = _Call(self)
        self._world.connect(self.call)

    def connected(self, end: PeerEnd) -> None:
        """Show the token, and begin."""
        self.end = end
        self._input = b""
        self._listed = []
        self._awaited.clear()
        if self._has_rules:
            is_known = self._world.is_closing_time or self._chance.random() < 0.7
            self._say(b"token " + (ADMIN_TOKEN if is_known else SUBMIT_TOKEN))
        self._act(end)

    def received(self, data: bytes) -> None:
        """Handle the lines of answers."""
        self._input += data
        *lines, self._input = self._input.split(b"\n")
        for line in lines:
            if self._awaited[0] == _LIST and line != b".":
                self._listed.append(line.partition(b"\t")[0])
            elif self._awaited.popleft() == _LIST:
                listed, self._listed = self._listed, []
                for handle in listed:
                    self._say(b"cancel job " + handle)

    def lost(self) -> None:
        """Connect again."""
        self.end = None
        self._world.timeline.call_later(self._chance.random() * 2.0, self._connect)

    def _act(self, end: PeerEnd) -> None:
        if end is not self.end:
            return
        if self._world.is_closing_time:
            if self._has_rules:
                self._say(b"token " + ADMIN_TOKEN)
            self._say(_LIST)
        elif self._pause and self._world.handles:
            self._world.count("cancel asked for")
            self._say(b"cancel job " + self._chance.choice(self._world.handles))
        pause = self._chance.expovariate(1 / self._pause) if self._pause else 2.0
        self._world.timeline.call_later(5.0 if self._world.is_closing_time else pause, self._act, end)

    def _say(self, command: bytes) -> None:
        assert self.end is not None, "it is connected"
        self._awaited.append(command)
        self.end.write(command + b"\n")

# SPDX-License-Identifier: MIT
"""The job server's side of the conversation: each packet, what it does and what is answered (protocol 1).

`JobServer` does no I/O and has no clock. A shell hands it packets with the peer that they came from, and afterwards
collects what is to be sent; between two calls nothing is half done.
"""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from geartrain.core.access import ADMIN, SUBMIT, WORK
from geartrain.core.admin import Admin, Shutdown
from geartrain.core.clock import Clock
from geartrain.core.complaints import Complaints
from geartrain.core.gate import Gate, NotAllowed, shown
from geartrain.core.journal import Journal
from geartrain.core.levels import NOTICE
from geartrain.core.limits import MAX_WAITS, Limit, Refused
from geartrain.core.listings import Listings
from geartrain.core.options import Durability, JobServerOptions
from geartrain.core.probes import Probes
from geartrain.core.scheduler import Scheduler
from geartrain.core.schedules import cron_line
from geartrain.core.state import Job, Peer
from geartrain.errors import ProtocolError, RemoteProtocolError
from geartrain.jobrecord import JobRecord
from geartrain.protocol.commands import EXCEPTIONS, LASTING_GRABS, Command
from geartrain.protocol.packets import Packet, response, response_with
from geartrain.protocol.text import TextError, printable
from geartrain.records import Priority

__all__ = ["JobServer"]

log = logging.getLogger("geartrain.jobs")

Handler: TypeAlias = Callable[[Peer, int, list[bytes]], None]

MAX_UNIQUE: Final = 64  # bytes, also of a reducer's name (protocol 1.2)
_TOKEN = b"token="  # the option by which a peer shows that it knows one
MAX_CLIENT_ID = 127  # bytes that are kept
_INT64_MAX = 2**63 - 1
_NORMAL: Final = int(Priority.NORMAL)
_LEAST_TIMEOUT_MS = 1000  # shorter running times are raised to this (protocol 1.13)

# Module names: looking up a member of an enumeration costs 100 ns, as much as a call.
_JOB_CREATED: Final = int(Command.JOB_CREATED)
_JOB_ASSIGN: Final = int(Command.JOB_ASSIGN)
_JOB_ASSIGN_UNIQ: Final = int(Command.JOB_ASSIGN_UNIQ)

_UNIQUE_TOO_LARGE = response(Command.ERROR, b"ARGUMENT_TOO_LARGE", b"Unique value too large")
_STORE_REFUSES = response(Command.ERROR, b"QUEUE_ERROR", b"The store does not take jobs at present")
_NOT_EXPECTED = response(Command.ERROR, b"INVALID_COMMAND", b"Command not expected")
_WRONG_MAGIC = response(Command.ERROR, b"INVALID_MAGIC", b"Request magic expected")
_TOKEN_TAKEN = response(Command.OPTION_RES, b"token")
_UNKNOWN_OPTION = response(Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option")

# How each plain submission is queued: priority, and whether nobody waits for it.
_SUBMISSIONS: dict[int, tuple[int, bool]] = {
    int(Command.SUBMIT_JOB): (int(Priority.NORMAL), False),
    int(Command.SUBMIT_JOB_BG): (int(Priority.NORMAL), True),
    int(Command.SUBMIT_JOB_HIGH): (int(Priority.HIGH), False),
    int(Command.SUBMIT_JOB_HIGH_BG): (int(Priority.HIGH), True),
    int(Command.SUBMIT_JOB_LOW): (int(Priority.LOW), False),
    int(Command.SUBMIT_JOB_LOW_BG): (int(Priority.LOW), True),
}

_SUBMIT_COMMANDS = [
    *_SUBMISSIONS,
    Command.SUBMIT_JOB_EPOCH,
    Command.SUBMIT_JOB_SCHED,
    Command.SUBMIT_REDUCE_JOB,
    Command.SUBMIT_REDUCE_JOB_BACKGROUND,
]

_REDUCE_COMMANDS = frozenset({int(Command.SUBMIT_REDUCE_JOB), int(Command.SUBMIT_REDUCE_JOB_BACKGROUND)})

_ANY_RIGHT = SUBMIT | WORK | ADMIN

# What is said of a result for a job that its sender does not run.
_RESULT: Final = b"Job given in work result not found"
_NOT_RUNNING: dict[int, bytes] = {
    int(Command.WORK_STATUS): _RESULT,
    int(Command.WORK_COMPLETE): _RESULT,
    int(Command.WORK_FAIL): _RESULT,
    int(Command.WORK_DATA): b"Job does not exist on server",
    int(Command.WORK_WARNING): b"Job does not exist on server",
    int(Command.WORK_EXCEPTION): b"An exception was received for a job that does not exist",
}
_KNOWN = (b"1", b"0", b"0", b"0")  # the status of a schedule, which never runs itself
_LAST_WORDS = frozenset({int(Command.WORK_COMPLETE), int(Command.WORK_FAIL), int(Command.WORK_EXCEPTION)})


class _Parked(Exception):
    """What a peer sends has to wait."""


class JobServer:
    """A Gearman job server without I/O.

    Args:
        options: What can be chosen.
        clock: Where the time comes from; the module ``time`` will do.

    Attributes:
        is_restoring: Whether jobs come back from a store, so that peers that submit wait.
        is_draining: Whether no job is handed out or taken any more.
        parked: The peers whose packets have to wait, and these packets; they should not be read from.
        resumed: The peers whose packets do not have to wait any more, since the shell has last looked; it forgets them.
        refused: How often each limit has held something off.
    """

    __slots__ = (
        "_admin",
        "_clock",
        "_complaints",
        "_dirty",
        "_gate",
        "_handlers",
        "_listings",
        "_logs_submissions",
        "_most_awaited",
        "_options",
        "_peers",
        "_probes",
        "_scheduler",
        "_stores",
        "_submissions",
        "is_draining",
        "is_restoring",
        "parked",
        "refused",
        "resumed",
    )

    def __init__(self, options: JobServerOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._complaints = Complaints()
        self._most_awaited = options.max_jobs_per_connection
        self.refused = dict.fromkeys(Limit, 0)
        self._peers: dict[Peer, None] = {}
        self._dirty: list[Peer] = []
        self.is_draining = False
        self.is_restoring = False
        self.parked: dict[Peer, list[Packet]] = {}
        self.resumed: list[Peer] = []
        self._listings = Listings()
        self._probes = Probes(options.probe_after)
        self._stores = options.durability in (Durability.COMMIT, Durability.RELAXED)
        self._scheduler = Scheduler(options, clock)
        self._gate = Gate(self._scheduler, self._peers, options)
        self._admin = Admin(self._scheduler, self._peers, self.refused, self._gate, options)
        self._logs_submissions = log.isEnabledFor(NOTICE)  # on the way of a job there is no time for that
        self._handlers: dict[int, Handler] = dict.fromkeys(map(int, Command), self._unexpected)
        self._handlers |= {
            int(command): handler
            for handler, commands in (
                (self._submit, (Command.SUBMIT_JOB, Command.SUBMIT_JOB_HIGH, Command.SUBMIT_JOB_LOW)),
                (self._submit, (Command.SUBMIT_JOB_BG, Command.SUBMIT_JOB_HIGH_BG, Command.SUBMIT_JOB_LOW_BG)),
                (self._submit_epoch, (Command.SUBMIT_JOB_EPOCH,)),
                (self._submit_sched, (Command.SUBMIT_JOB_SCHED,)),
                (self._submit_reduce, (Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND)),
                (self._get_status, (Command.GET_STATUS,)),
                (self._get_status_unique, (Command.GET_STATUS_UNIQUE,)),
                (self._can_do, (Command.CAN_DO,)),
                (self._can_do_timeout, (Command.CAN_DO_TIMEOUT,)),
                (self._cant_do, (Command.CANT_DO,)),
                (self._reset_abilities, (Command.RESET_ABILITIES,)),
                (self._set_client_id, (Command.SET_CLIENT_ID,)),
                (self._grab_job, (Command.GRAB_JOB,)),
                (self._grab_job_uniq, (Command.GRAB_JOB_UNIQ,)),
                (self._grab_job_all, (Command.GRAB_JOB_ALL,)),
                (self._pre_sleep, (Command.PRE_SLEEP,)),
                (self._all_yours, (Command.ALL_YOURS,)),
                (self._work_goes_on, (Command.WORK_DATA, Command.WORK_WARNING)),
                (self._work_status, (Command.WORK_STATUS,)),
                (self._work_complete, (Command.WORK_COMPLETE,)),
                (self._work_fail, (Command.WORK_FAIL,)),
                (self._work_exception, (Command.WORK_EXCEPTION,)),
                (self._echo, (Command.ECHO_REQ,)),
                (self._option, (Command.OPTION_REQ,)),
                (self._text, (Command.TEXT,)),
                (self._wrong_magic, (Command.WRONG_MAGIC,)),
            )
            for command in commands
        }

        self._submissions = {int(command): self._handlers[command] for command in _SUBMIT_COMMANDS}
        self._choose_submissions()

    # For the shell.

    @property
    def shutdown_requested(self) -> Shutdown | None:
        """How a text command has asked the server to stop."""
        return self._admin.shutdown_requested

    @property
    def has_work(self) -> bool:
        """Whether there are jobs."""
        return len(self._scheduler.jobs) > 0

    @property
    def unanswered_wakeups(self) -> int:
        """How many times a worker was woken and did not grab in time."""
        return self._scheduler.wakeups.unanswered

    def change_options(self, options: JobServerOptions) -> None:
        """Go by these limits and rules from now on. Whatever was accepted stays, and so does everybody.

        Other options are taken up at the start only.
        """
        self._options = options
        self._most_awaited = options.max_jobs_per_connection
        self._logs_submissions = log.isEnabledFor(NOTICE)
        self._scheduler.change_limits(options)
        self._admin.change_options(options)
        self._gate.change(options)
        self._choose_submissions()

    def _choose_submissions(self) -> None:
        """Have submissions turned down, or wait, or looked at by the rules; where there are none they cost nothing."""
        if self.is_draining:
            self._handlers |= dict.fromkeys(self._submissions, self._turn_down)
        elif self.is_restoring:
            self._handlers |= dict.fromkeys(self._submissions, self._park)
        elif self._gate.rules is not None:
            self._handlers |= dict.fromkeys(self._submissions, self._submit_if_allowed)
        else:
            self._handlers |= self._submissions

    def connect(self, host: str, fd: int, *, local: bool, certificate: Iterable[bytes] = ()) -> Peer:
        """Return a new peer; ``certificate`` has the names in its certificate, if it has shown one that is trusted."""
        peer = Peer(host, fd, local, self._options.exceptions, self._dirty)
        peer.standing.certificate = tuple(certificate)
        self._gate.admit(peer)
        self._peers[peer] = None
        return peer

    def receive(self, peer: Peer, packets: Iterable[Packet]) -> None:
        """Take the packets and lines that the parser finds; what is not Gearman ends the conversation."""
        handlers = self._handlers
        if self.parked and peer in self.parked:
            self._park_rest(peer, packets)
            return
        if peer.handed is not None:
            self._scheduler.wakeups.rouse(peer)
        try:
            for command, arguments in packets:
                handlers[command](peer, command, arguments)
                if peer.closing:
                    break
        except _Parked:
            self._park_rest(peer, packets)
        except RemoteProtocolError as error:
            self.refuse(peer, error)
        if self._scheduler.wakeups.called:
            self._answer_lasting_grabs()

    def refuse(self, peer: Peer, error: ProtocolError) -> None:
        """Tell a peer why it cannot go on, and let it be closed when that has been sent."""
        self._error(peer, _error_packet(error.code, error.text))
        peer.closing = True

    def turn_deaf(self, peer: Peer) -> bool:
        """Take note that a peer is not read from for a while, so that it is no use to wake it.

        Return whether it sleeps; then it has to be woken when it is read from again, by `listen_again`.
        """
        return self._scheduler.turn_deaf(peer)

    def listen_again(self, peer: Peer) -> None:
        """Wake a peer that slept when it was last read from."""
        self._scheduler.listen_again(peer)

    def turn_away(self, host: str, refusal: Refused) -> bytes:
        """Take note that there was no room for a peer, and return what to tell it."""
        self.refused[refusal.limit] += 1
        now = self._clock.monotonic()
        self._complaints.tell(host, refusal.code, str(refusal), host, now)
        return _error_packet(refusal.code, str(refusal))

    def disconnect(self, peer: Peer) -> None:
        """Forget a peer whose connection has ended."""
        del self._peers[peer]
        self.parked.pop(peer, None)
        self._listings.deferred.pop(peer, None)
        self._scheduler.disconnect(peer)
        if self._scheduler.wakeups.called:
            self._answer_lasting_grabs()

    # For whoever has a store.

    @property
    def journal(self) -> Journal:
        """What the store has to be told."""
        return self._scheduler.journal

    def begin_restoring(self, created: int) -> None:
        """Expect jobs from a store; whoever submits has to wait, as it may be the same job that comes back.

        Args:
            created: Numbers up to this one may have been used.
        """
        self.is_restoring = self._scheduler.is_restoring = True
        self._scheduler.jobs.created = created
        self._choose_submissions()

    def restore(self, records: Iterable[JobRecord]) -> None:
        """Take back jobs, in the order of their numbers."""
        for record in records:
            self._scheduler.restore(record)

    def end_restoring(self) -> None:
        """Go on with those who had to wait."""
        self.is_restoring = self._scheduler.is_restoring = False
        self._choose_submissions()
        for peer in list(self.parked):
            self._resume(peer)

    def store_failed(self) -> None:
        """Refuse what could not be stored."""
        self._scheduler.revoke(self._scheduler.journal.failed())

    def store_last(self) -> None:
        """Have stored what has waited for the server to stop."""
        journal = self._scheduler.journal
        journal.release(self._scheduler.jobs.created)
        if self._options.durability is Durability.SHUTDOWN:
            jobs = [job for job in self._scheduler.jobs if job.background]
            for each in (*jobs, *self._scheduler.schedules):
                if not each.is_durable:
                    journal.add(each)

    def _park(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self.parked[peer] = [(command, arguments)]
        raise _Parked

    def _resume(self, peer: Peer) -> None:
        """Look at what a peer has sent while it had to wait."""
        packets = self.parked.pop(peer)
        if not peer.closing:
            self.receive(peer, iter(packets))
        if peer not in self.parked:
            self.resumed.append(peer)

    def _park_rest(self, peer: Peer, packets: Iterable[Packet]) -> None:
        try:
            self.parked[peer].extend(packets)
        except RemoteProtocolError as error:
            del self.parked[peer]
            self.refuse(peer, error)

    def tick(self) -> float | None:
        """Do what is due. Return the seconds until there may be something again, or None for never."""
        if self._stores:
            self._scheduler.journal.reserve(self._scheduler.jobs.created)
        self._listings.begin_turn()
        if self._listings.deferred:
            self._answer_deferred()
        wait = self._scheduler.tick()
        while self._scheduler.wakeups.called:
            self._answer_lasting_grabs()
            wait = self._scheduler.tick()
        if self._probes.due is not None:
            wait = self._probe(self._probes.due, wait)
        if self._listings.deferred:
            return 0.0
        if self._complaints.due is not None:
            return self._tell_complaints(self._complaints.due, wait)
        return wait

    def _probe(self, due: float, wait: float | None) -> float:
        """See whether workers that sleep are there, if it is time; return the seconds until something is due."""
        now = self._clock.monotonic()
        if now >= due:
            self._probes.look(self._peers, self._scheduler.wakeups, now)
            wait = self._scheduler.tick()
            due = now + self._options.probe_after
        return due - now if wait is None else min(due - now, wait)

    def _tell_complaints(self, due: float, wait: float | None) -> float | None:
        """Have counts of errors logged when it is time; return the seconds until there may be something again."""
        left = due - self._clock.monotonic()
        if left <= 0:
            self._complaints.tell_counts()
            return wait
        return left if wait is None else min(left, wait)

    def take_dirty(self) -> list[Peer]:
        """Return the peers that have something to send, or are to be closed, since the last call."""
        dirty = self._dirty[:]
        if self.is_draining:
            for peer in dirty:
                self._dismiss(peer)
        self._dirty.clear()
        return dirty

    # For whoever stops it.

    def drain(self) -> None:
        """Hand out no job any more, and take none: only those that run are to end. Who has none of them is sent away.

        A client that submits now is not answered: the end of its connection tells it to go elsewhere, and that nothing
        has been taken.
        """
        self.is_draining = True
        self._choose_submissions()
        self._handlers |= dict.fromkeys((int(Command.CAN_DO), int(Command.CAN_DO_TIMEOUT)), self._ignore)
        for peer in self._peers:
            self._scheduler.retire(peer)
            peer.standing.barred.clear()  # no rule gives it anything back
            self._dirty.append(peer)  # may have to leave

    def running(self) -> dict[bytes, int]:
        """Return how many jobs run, by function."""
        return {queue.name: queue.running for queue in self._scheduler.queues.values() if queue.running}

    def backlog(self) -> tuple[int, int]:
        """Return how many background jobs and schedules there are that a store has, and that it does not have."""
        stored = [each.is_durable for each in self._scheduler.schedules]
        stored += [job.is_durable for job in self._scheduler.jobs if job.background]
        return sum(stored), len(stored) - sum(stored)

    def _dismiss(self, peer: Peer) -> None:
        """Send a peer away that has nothing to do with a job that runs."""
        if not peer.running and not peer.awaited:
            peer.closing = True

    def _turn_down(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        """Leave a submission without an answer, unless that would keep its sender from ending a job that it runs."""
        if peer.running:
            self._submit_if_allowed(peer, command, arguments)
        elif peer.awaited:
            self._park(peer, command, arguments)
        else:
            peer.closing = True
            self._dirty.append(peer)

    def _ignore(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        """Do nothing; such a packet has no answer."""

    # From clients.

    def _submit_if_allowed(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        if not self._gate.may(peer, SUBMIT, arguments[0]):
            self._refuse_right(peer, "submit jobs of", arguments[0])
        # Its parts are submitted by the worker, which may do more than whoever asks for them.
        elif command in _REDUCE_COMMANDS and not self._gate.may(peer, SUBMIT, arguments[2]):
            self._refuse_right(peer, "submit jobs of", arguments[2])
        else:
            self._submissions[command](peer, command, arguments)

    def _submit(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        function, unique, workload = arguments
        priority, background = _SUBMISSIONS[command]
        self._enter(peer, function, unique, workload, priority, background)

    def _submit_epoch(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        function, unique, epoch, workload = arguments
        run_at = _leading_number(epoch)
        if run_at > _INT64_MAX:
            self.refuse(peer, RemoteProtocolError("SUBMIT_JOB_EPOCH: the time is beyond 64 bits"))
        else:
            self._enter(peer, function, unique, workload, _NORMAL, True, run_at=run_at)

    def _submit_sched(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        function, unique, minute, hour, day, month, weekday, workload = arguments
        if len(unique) > MAX_UNIQUE:
            self._error(peer, _UNIQUE_TOO_LARGE)
            return
        try:
            line = cron_line((minute, hour, day, month, weekday))
        except RemoteProtocolError as error:
            self._error(peer, _error_packet(error.code, error.text))
            return
        journal = self._scheduler.journal
        if self._stores and journal.refuses:
            self._error(peer, _STORE_REFUSES)
            return
        try:
            schedule = self._scheduler.schedule(function, unique, line, workload)
        except Refused as refusal:
            self._refuse(peer, refusal)
            return
        created = response(_JOB_CREATED, schedule.handle)
        if not self._stores:
            peer.send(created)
            return
        if not schedule.is_durable:
            journal.add(schedule)
        journal.promise(peer, schedule, created)

    def _submit_reduce(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        function, unique, reducer, _, workload = arguments
        background = command == Command.SUBMIT_REDUCE_JOB_BACKGROUND
        self._enter(peer, function, unique, workload, _NORMAL, background, reducer)

    def _enter(
        self,
        peer: Peer,
        function: bytes,
        unique: bytes,
        workload: bytes,
        priority: int,
        background: bool,
        reducer: bytes = b"",
        run_at: int = 0,
    ) -> None:
        """Queue a job, or let it coalesce, and answer its submitter."""
        if len(unique) > MAX_UNIQUE or len(reducer) > MAX_UNIQUE:
            self._error(peer, _UNIQUE_TOO_LARGE)
            return
        try:
            if self._most_awaited and not background:
                self._check_awaited(peer)
            job = self._scheduler.submit(function, unique, workload, priority, reducer, run_at)
            if job.waiters and not background:
                _check_waits(job, peer)
        except Refused as refusal:
            self._refuse(peer, refusal)
            return
        created = response_with(_JOB_CREATED, job.handle)
        if not background:
            job.add_waiter(peer)
            peer.send(created)
        elif not self._stores:
            job.background = True
            peer.send(created)
        else:
            self._enter_durably(peer, job, created)
        if self._logs_submissions:
            self._log_submission(job, run_at)

    def _check_awaited(self, peer: Peer) -> None:
        """See whether a connection may wait for a further job; raises `Refused`."""
        if len(peer.awaited) >= self._most_awaited:
            raise Refused(Limit.JOBS, f"The connection waits for the {self._most_awaited} jobs that it may")

    def _enter_durably(self, peer: Peer, job: Job, created: bytes) -> None:
        """Have a background job stored, and its submitter answered when it is."""
        journal = self._scheduler.journal
        if not job.is_durable:
            if journal.refuses:
                if not job.is_wanted:
                    self._scheduler.end(job)
                self._error(peer, _STORE_REFUSES)
                return
            job.background = True
            journal.add(job)
        journal.promise(peer, job, created)

    def _log_submission(self, job: Job, run_at: int) -> None:
        facts = [printable(job.queue.name), printable(job.unique), b"%d" % run_at]
        if job.reducer:
            facts.append(printable(job.reducer))
        log.log(NOTICE, "accepted,%s", b",".join(facts).decode(errors="replace"))

    def _get_status(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        handle = arguments[0].removesuffix(b"\0")
        job = self._visible(peer, self._scheduler.jobs.get(handle))
        schedule = self._scheduler.schedules.get(handle) if job is None else None
        is_schedule = schedule is not None and self._gate.may(peer, _ANY_RIGHT, schedule.function)
        peer.send(response(Command.STATUS_RES, handle, *(_KNOWN if is_schedule else _status(job))))

    def _get_status_unique(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        unique = arguments[0].removesuffix(b"\0")
        job = self._visible(peer, self._scheduler.jobs.find_unique(unique))
        waiting = job.waiting_clients() if job is not None else 0
        peer.send(response(Command.STATUS_RES_UNIQUE, unique, *_status(job), b"%d" % waiting))

    def _visible(self, peer: Peer, job: Job | None) -> Job | None:
        """Return a job if its peer may know of it: whoever has any right to its function may."""
        return job if job is not None and self._gate.may(peer, _ANY_RIGHT, job.queue.name) else None

    # From workers.

    def _can_do(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._enable(peer, arguments[0], self._options.job_timeout)

    def _can_do_timeout(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        function, number = arguments
        timeout_ms = _leading_number(number)
        if timeout_ms > _INT64_MAX:
            self.refuse(peer, RemoteProtocolError("CAN_DO_TIMEOUT: the time is beyond 64 bits"))
            return
        timeout = max(timeout_ms, _LEAST_TIMEOUT_MS) / 1000 if timeout_ms > 0 else 0.0
        self._enable(peer, function, timeout)

    def _enable(self, peer: Peer, function: bytes, timeout: float) -> None:
        if not self._gate.may(peer, WORK, function):
            self._gate.bar(peer, function, timeout)
            self._refuse_right(peer, "work on", function)
            return
        try:
            self._scheduler.enable(peer, function, timeout)
        except Refused as refusal:
            self._refuse(peer, refusal)

    def _cant_do(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._scheduler.disable(peer, arguments[0])
        peer.standing.barred.pop(arguments[0], None)

    def _reset_abilities(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._scheduler.disable_all(peer)
        peer.standing.barred.clear()

    def _set_client_id(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        peer.client_id = arguments[0][:MAX_CLIENT_ID]

    def _grab_job(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        job = self._scheduler.grab(peer)
        if job is None:
            peer.send_no_job()
        else:
            peer.send(response_with(_JOB_ASSIGN, b"\0".join((job.handle, job.queue.name, job.workload))))

    def _grab_job_uniq(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        job = self._scheduler.grab(peer)
        if job is None:
            peer.send_no_job()
        else:
            self._assign_uniq(peer, job)

    def _grab_job_all(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        job = self._scheduler.grab(peer)
        if job is not None:
            self._assign_all(peer, job)
        elif peer.lasting and peer.abilities:
            self._scheduler.wakeups.keep_asking(peer)
        else:
            peer.send_no_job()

    def _answer_lasting_grabs(self) -> None:
        """Hand jobs to workers that need not come for them."""
        called = self._scheduler.wakeups.called
        while called:
            peer = called.popleft()
            job = self._scheduler.hand(peer)
            if job is not None:
                peer.send_noop()
                self._assign_all(peer, job)

    def _assign_all(self, peer: Peer, job: Job) -> None:
        if job.reducer:
            function = job.queue.name
            peer.send(response(Command.JOB_ASSIGN_ALL, job.handle, function, job.unique, job.reducer, job.workload))
        else:
            self._assign_uniq(peer, job)

    def _assign_uniq(self, peer: Peer, job: Job) -> None:
        body = b"\0".join((job.handle, job.queue.name, job.unique, job.workload))
        peer.send(response_with(_JOB_ASSIGN_UNIQ, body))

    def _pre_sleep(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._scheduler.sleep(peer)

    def _all_yours(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        """Hear that a worker is there: its packets are looked at for that already."""
        if not peer.lasting:
            self._unexpected(peer, command, arguments)

    def _work_goes_on(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        job = peer.running.get(arguments[0])
        if job is None:
            self._not_running(peer, command, arguments[0])
        elif job.waiters:
            job.send_to_waiters(response_with(command, b"\0".join(arguments)))

    def _work_status(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        handle, numerator, denominator = arguments
        job = peer.running.get(handle)
        if job is None:
            self._not_running(peer, command, handle)
            return
        job.progress = (_digits(numerator), _digits(denominator))
        if job.waiters:
            job.send_to_waiters(response_with(command, b"\0".join(arguments)))

    def _work_complete(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        job = peer.running.get(arguments[0])
        if job is None:
            self._not_running(peer, command, arguments[0])
            return
        if job.waiters:
            job.send_to_waiters(response_with(command, b"\0".join(arguments)))
        self._scheduler.end(job)

    def _work_fail(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        handle = arguments[0].removesuffix(b"\0")  # some workers end it so; clients must not see that (7.3)
        job = peer.running.get(handle)
        if job is None:
            self._not_running(peer, command, handle)
        else:
            self._scheduler.fail(job)

    def _work_exception(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        handle = arguments[0]
        job = peer.running.get(handle)
        if job is None:
            self._not_running(peer, command, handle)
            return
        if job.waiters:
            exception = response(Command.WORK_EXCEPTION, *arguments)
            failure = response(Command.WORK_FAIL, handle)
            for waiter, times in job.waiters.items():
                for _ in range(times):
                    waiter.send(exception if waiter.exceptions else failure)
        peer.release(handle)  # many workers send a WORK_FAIL after it (7.3)
        self._scheduler.end(job)

    def _not_running(self, peer: Peer, command: int, handle: bytes) -> None:
        """Answer a result for a job that its sender does not run; for one that was taken from it, by silence (7.3)."""
        if peer.was_released(handle, is_last=command in _LAST_WORDS):
            log.info("ignored a late %s for %s", Command(command).name, handle.decode(errors="replace"))
        else:
            self._error(peer, response(Command.ERROR, b"JOB_NOT_FOUND", _NOT_RUNNING[command]))

    # From anybody.

    def _echo(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        peer.send(response(Command.ECHO_RES, arguments[0]))

    def _option(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        option = arguments[0]
        if option.startswith(_TOKEN):
            self._take_token(peer, option)
            return
        name = option.removesuffix(b"\0").lower()
        if name == EXCEPTIONS:
            peer.exceptions = True
        elif name == LASTING_GRABS:
            peer.lasting = True
        else:
            self._error(peer, _UNKNOWN_OPTION)
            return
        peer.send(response(Command.OPTION_RES, option))

    def _take_token(self, peer: Peer, option: bytes) -> None:
        """Answer with the name of the option alone: what came with it is nobody's business."""
        try:
            self._gate.take_token(peer, option.removeprefix(_TOKEN).removesuffix(b"\0"))
        except NotAllowed as error:
            self._error(peer, _error_packet(error.code, str(error)))
        else:
            peer.send(_TOKEN_TAKEN)

    def _text(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        listings = self._listings
        if not listings.has_time(peer):
            listings.deferred[peer] = None
            self._park(peer, command, arguments)
        try:
            reply = self._admin.answer(peer, arguments[0])
        except NotAllowed as error:
            self._complain(peer, error.code, str(error))
            reply = TextError(f"{error.code} {str(error).replace(' ', '+')}").reply
        listings.note(len(reply))
        peer.send(reply)

    def _answer_deferred(self) -> None:
        """Go on with those who asked for more than one turn has time for, the one that has waited longest first."""
        deferred = list(self._listings.deferred)
        self._listings.deferred.clear()
        for peer in deferred:
            if peer in self.parked:  # it may have been refused meanwhile
                self._resume(peer)

    def _unexpected(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._error(peer, _NOT_EXPECTED)

    def _wrong_magic(self, peer: Peer, command: int, arguments: list[bytes]) -> None:
        self._error(peer, _WRONG_MAGIC)

    def _refuse(self, peer: Peer, refusal: Refused) -> None:
        self.refused[refusal.limit] += 1
        self._error(peer, _error_packet(refusal.code, str(refusal)))

    def _refuse_right(self, peer: Peer, what: str, function: bytes) -> None:
        self._error(peer, _error_packet("NOT_ALLOWED", f"This connection may not {what} {shown(function)}"))

    def _error(self, peer: Peer, packet: bytes) -> None:
        code, _, text = packet[12:].partition(b"\0")
        self._complain(peer, code.decode(), text.decode(errors="replace"))
        peer.send(packet)

    def _complain(self, peer: Peer, code: str, text: str) -> None:
        self._complaints.tell(peer.host, code, text, repr(peer), self._clock.monotonic())


def _check_waits(job: Job, peer: Peer) -> None:
    """See whether a connection may wait for a job once more; raises `Refused`."""
    if job.waiters is not None and job.waiters.get(peer, 0) >= MAX_WAITS:
        raise Refused(Limit.JOBS, f"The connection waits for this job {MAX_WAITS} times already")


def _error_packet(code: str, text: str) -> bytes:
    return response(Command.ERROR, code.encode(), text.encode())


_LEADING_NUMBER = re.compile(rb"\s*[-+]?\d+")
_LEADING_DIGITS = re.compile(rb"\d{1,20}")


def _leading_number(text: bytes) -> int:
    """Read a decimal number as the C server does: what follows it is ignored, and no number is 0."""
    found = _LEADING_NUMBER.match(text[:64])
    return int(found[0]) if found else 0


def _digits(text: bytes) -> bytes:
    """Return the number at the beginning of a progress report, for whoever asks for the status."""
    if text.isdigit():
        return text
    found = _LEADING_DIGITS.match(text)
    return found[0] if found else b"0"


def _status(job: Job | None) -> tuple[bytes, bytes, bytes, bytes]:
    """Return known, running, numerator and denominator."""
    if job is None:
        return b"0", b"0", b"0", b"0"
    return b"1", b"1" if job.worker is not None else b"0", *job.progress

# SPDX-License-Identifier: MIT
"""A job server without I/O: the parts of the core, joined (protocol 1).

A shell feeds bytes to the reader of a peer, calls `JobServer.receive`, and then sends the contents of the peers'
outboxes; the state is consistent between any two calls. The shell also announces each turn of the event loop with
`JobServer.begin_turn`, and calls `JobServer.tick` at its end.
"""

from collections.abc import Iterable

from geartrain.core.authorization import Authorizer
from geartrain.core.backlog import Backlog, Reason
from geartrain.core.clock import Clock, TurnClock
from geartrain.core.commands.session import SessionCommands
from geartrain.core.commands.status import StatusCommands
from geartrain.core.commands.submit import SubmitCommands
from geartrain.core.commands.text import TextCommands
from geartrain.core.commands.work import WorkCommands
from geartrain.core.commit_queue import CommitOutcome, CommitQueue
from geartrain.core.cron import Schedule, Schedules
from geartrain.core.departures import Departures
from geartrain.core.dispatch import Dispatcher
from geartrain.core.durable import Durable
from geartrain.core.errorlog import RateLimitedErrorLog
from geartrain.core.expiry import Expiry
from geartrain.core.fanout import FanOut
from geartrain.core.functions import FunctionTable
from geartrain.core.holdings import Holdings
from geartrain.core.joblog import JobLog
from geartrain.core.jobtable import JobTable
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import Refused
from geartrain.core.longruns import LongRuns
from geartrain.core.memory import Memory
from geartrain.core.metrics import MetricSources
from geartrain.core.numbers import Numbers
from geartrain.core.options import Durability, JobServerOptions, PriorityScope
from geartrain.core.oversized import Oversized
from geartrain.core.policy import PolicyTable
from geartrain.core.probes import Probes
from geartrain.core.ready import Ready
from geartrain.core.receiving import Receiver
from geartrain.core.recipient import DirtyPeers, Recipient
from geartrain.core.record import JobRecord
from geartrain.core.replies import Replies
from geartrain.core.retirement import Retirement
from geartrain.core.schedulerunner import ScheduleRunner
from geartrain.core.shutdown import Shutdown
from geartrain.core.snapshot import Snapshot
from geartrain.core.stalls import Stalls
from geartrain.core.state import FunctionQueue, Job, Peer
from geartrain.core.timers import NEVER, Timers
from geartrain.core.turns import Turns
from geartrain.errors import ProtocolError
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import Reader

__all__ = ["JobServer"]


class JobServer:
    """A Gearman job server without I/O.

    Args:
        options: The options and limits.
        clock: The source of time; the module ``time`` is one.

    Attributes:
        commit_queue: The changes for a store.
        refused: Number of rejections by each limit.
        is_restoring: True while jobs of an earlier run are still to be restored.
        is_draining: True while the server only waits for running jobs to end.
    """

    __slots__ = (
        "_authorizer",
        "_backlog",
        "_clock",
        "_departures",
        "_dirty",
        "_dispatcher",
        "_expiry",
        "_fan_out",
        "_functions",
        "_holdings",
        "_job_log",
        "_jobs",
        "_lifecycle",
        "_numbers",
        "_options",
        "_peers",
        "_policies",
        "_receiver",
        "_replies",
        "_retirement",
        "_schedules",
        "_stalls",
        "_stores",
        "_submit",
        "_text",
        "_timers",
        "_turns",
        "commit_queue",
        "is_draining",
        "is_restoring",
        "memory",
        "refused",
    )

    def __init__(self, options: JobServerOptions, clock: Clock) -> None:
        self._options = options
        self._stores = options.durability in (Durability.COMMIT, Durability.RELAXED)
        self.is_draining = False
        self.is_restoring = False
        self._peers: dict[Peer, None] = {}
        self._dirty = DirtyPeers()
        self._backlog = Backlog()
        self._turns = Turns()
        self._clock = TurnClock(clock)
        self._timers = timers = Timers()
        is_global = options.priority_scope is PriorityScope.GLOBAL
        ready = Ready(is_global=is_global, rotates=is_global or options.round_robin)
        self._policies = PolicyTable(options)
        self._functions = functions = FunctionTable(self._policies, options.max_functions)
        self._numbers = Numbers(clock.time())
        self._jobs = JobTable(options.handle_prefix, self._numbers)
        self.commit_queue = CommitQueue(
            self._numbers, holds=options.durability is Durability.COMMIT, max_pending=options.max_pending
        )
        long_runs = LongRuns(self._peers, self.commit_queue, timers)
        self._fan_out = FanOut(self._clock, timers, self._turns, self._peers)
        self._job_log = JobLog()
        self._lifecycle = Lifecycle(
            self._clock,
            timers,
            self._jobs,
            self.commit_queue,
            ready,
            long_runs,
            self._fan_out,
            self._job_log,
            options.max_memory,
        )
        self._dispatcher = Dispatcher(
            self._clock, timers, functions, self._lifecycle, ready, options.worker_wakeup, options.rearm_after
        )
        self._holdings = Holdings(self._clock, timers, self._peers, options.packet_timeout, options.max_memory)
        oversized = Oversized(self._lifecycle, self._jobs, self._holdings)
        self._departures = Departures(self._clock, timers, self._dispatcher)
        self._retirement = Retirement(self._clock, timers, self._dispatcher)
        self._stalls = stalls = Stalls(
            functions, self._dispatcher.wakeups, timers, options.stall_after, options.stall_busy_after
        )
        schedules = Schedules(options.timezone)
        self._expiry = Expiry(functions, schedules, timers, options.function_expiry)
        self._schedules = ScheduleRunner(
            self._clock,
            timers,
            self._numbers,
            functions,
            self._jobs,
            schedules,
            self._lifecycle,
            self._dispatcher,
            self.commit_queue,
            stores=self._stores,
        )
        Probes(self._peers, self._dispatcher.wakeups, timers, options.probe_after)
        self._authorizer = Authorizer(self._clock, timers, self._dispatcher, self._peers, options)
        self._replies = Replies(self._clock, RateLimitedErrorLog(timers))
        self.refused = self._replies.refused
        self.memory = Memory(
            self._clock,
            self._lifecycle,
            functions,
            self._fan_out,
            self._holdings,
            oversized,
            self.refused,
            options.max_memory,
        )
        functions.room = self.memory.room_for_functions
        wakeups = self._dispatcher.wakeups
        metrics = MetricSources(functions, self._jobs, schedules, self._peers, wakeups, self.commit_queue, self.refused)
        snapshot = Snapshot(
            self._clock,
            functions,
            self._jobs,
            self._lifecycle.delays,
            schedules,
            stalls,
            self._peers,
            metrics,
            self.refused,
        )
        self._submit = SubmitCommands(
            options,
            self._clock,
            functions,
            self._lifecycle,
            self._dispatcher,
            self._schedules,
            self.commit_queue,
            self._replies,
        )
        work = WorkCommands(self._lifecycle, self._dispatcher, self._authorizer, self._replies)
        self._text = TextCommands(
            options,
            functions,
            self._jobs,
            self._schedules,
            self._lifecycle,
            snapshot,
            self._authorizer,
            self._backlog,
            self._replies,
        )
        handlers = SessionCommands(self._authorizer, self._replies).handlers()
        handlers |= work.handlers()
        handlers |= StatusCommands(self._jobs, schedules, self._authorizer).handlers()
        handlers |= self._text.handlers()
        self._receiver = Receiver(
            self._turns,
            self._backlog,
            self._holdings,
            oversized,
            self._dispatcher,
            self._authorizer,
            self._replies,
            self._submit,
            work,
            self._text,
            handlers,
        )
        self._choose_mode()

    # For the shell.

    @property
    def shutdown_requested(self) -> Shutdown | None:
        """The shutdown that a text command has requested, or None."""
        return self._text.shutdown_requested

    @property
    def now(self) -> float:
        """The time of this turn in seconds, by the clock of deadlines."""
        return self._clock.now

    @property
    def has_news(self) -> bool:
        """True if there are changes to store, or a text command has requested a shutdown."""
        return self.commit_queue.has_changes or self._text.shutdown_requested is not None

    @property
    def has_work(self) -> bool:
        """True if there are jobs."""
        return len(self._jobs) > 0

    @property
    def unanswered_wakeups(self) -> int:
        """Number of times that a worker was woken and did not grab in time."""
        return self._dispatcher.wakeups.unanswered

    def connect(self, host: str, fd: int, *, local: bool, reader: Reader, certificate: Iterable[bytes] = ()) -> Peer:
        """Return a new peer.

        Args:
            host: Its address.
            fd: The number of its connection.
            local: True if it connects from this machine.
            reader: Receives its bytes.
            certificate: The names in its certificate, if it has shown one that is trusted.
        """
        peer = Peer(host, fd, local, self._options.exceptions, reader, self._dirty)
        peer.shared = self._turns.number
        peer.identity.certificate = tuple(certificate)
        self._authorizer.authorize(peer)
        self._peers[peer] = None
        return peer

    def begin_turn(self) -> None:
        """Begin a turn of the event loop: read the clock, and start with the whole budget."""
        self._clock.begin_turn()
        self._turns.begin()

    def receive(self, peer: Peer) -> None:
        """Handle the packets and lines in the reader of a peer; see `Receiver.receive`."""
        self._receiver.receive(peer)

    def hurry(self, peer: Peer) -> None:
        """Handle the input of a peer whose connection cannot stay open, within the budget of a whole turn."""
        self._receiver.hurry(peer)

    def is_waiting(self, peer: Peer) -> bool:
        """Tell whether the input of a peer has to wait, so that the shell must not read from it."""
        return peer.waits

    def end_conversation(self, peer: Peer, error: ProtocolError) -> None:
        """Send a peer an error, and close its connection when the error has been sent."""
        self._replies.end(peer, error)

    def resume_listing(self, peer: Peer) -> None:
        """Send more of a listing to a peer that has read what it was sent of it."""
        if self._backlog.waits_for(peer, Reason.UNREAD):
            self._backlog.add(peer, Reason.LISTING)

    def pause_dispatch(self, peer: Peer) -> bool:
        """Stop dispatching jobs to a peer that the shell does not read from for a while.

        Returns:
            True if the peer sleeps. Then it must be woken by `resume_dispatch` when the shell reads from it again.
        """
        return self._dispatcher.pause_dispatch(peer)

    def resume_dispatch(self, peer: Peer) -> None:
        """Wake a peer that slept when dispatch was paused."""
        self._dispatcher.resume_dispatch(peer)

    def reject(self, host: str, refusal: Refused) -> bytes:
        """Count a rejected connection, and return the ERROR packet for it."""
        return self._replies.reject(host, refusal)

    def disconnect(self, peer: Peer) -> None:
        """Remove a peer whose connection has ended."""
        del self._peers[peer]
        self._backlog.discard(peer)
        self._holdings.discard(peer)
        peer.listing = None
        self._departures.add(peer)

    def tick(self) -> float | None:
        """Run everything that is due. Return the seconds until the next deadline, or None if there is none."""
        if self._stores:
            self.commit_queue.reserve()
        self._text.budget.begin_turn()
        if not self._backlog.is_empty:
            self._receiver.go_on(Reason.LISTING)
            self._receiver.go_on_within_budget()
        now = self._clock.now
        self.memory.count()
        timers = self._timers
        if self._stalls.due == NEVER and len(self._jobs):
            self._stalls.begin(now)
        if self._expiry.due == NEVER and len(self._functions):
            self._expiry.begin(now)
        timers.run(now)
        if self.shares_out:
            return 0.0
        return None if timers.earliest == NEVER else max(timers.earliest - now, 0.0)

    @property
    def has_output(self) -> bool:
        """True if there are peers that have data to send."""
        return not self._dirty.is_empty

    @property
    def shares_out(self) -> bool:
        """True if peers wait for a share of this turn; the replies to the others should be sent first."""
        return not self._backlog.is_empty and (self._backlog.has(Reason.LISTING) or self._backlog.has(Reason.BUDGET))

    def take_prompt(self) -> list[Recipient]:
        """Return the peers that have data to send and whose input does not wait. The others remain dirty."""
        prompt: list[Recipient] = []
        for peer in self._dirty.take():
            if peer.waits:
                peer.mark_dirty()
            else:
                prompt.append(peer)
        self._clean(prompt)
        return prompt

    def take_dirty(self) -> list[Recipient]:
        """Return the peers that have data to send, or are to be closed, since the last call."""
        dirty = self._dirty.take()
        self._clean(dirty)
        return dirty

    def _clean(self, dirty: list[Recipient]) -> None:
        for peer in dirty:
            if not peer.is_watched:
                self._holdings.watch(peer)
        if self.is_draining:
            for peer in dirty:
                if isinstance(peer, Peer) and not peer.is_busy and not peer.awaited:
                    peer.closing = True  # it neither runs a job nor waits for one

    def change_options(self, options: JobServerOptions) -> None:
        """Apply the limits and rules of other options. Accepted jobs and connections stay.

        All other options are read only at the start.
        """
        self._options = options
        self._policies.replace(options)
        self._functions.apply_policies()
        self._functions.change_limit(options.max_functions)
        self._lifecycle.change_limit(options.max_memory)
        self._job_log.refresh()
        self._expiry.change(options.function_expiry)
        self._holdings.change(options.packet_timeout, options.max_memory)
        self.memory.change_limit(options.max_memory)
        self._submit.change_options(options)
        self._text.change_options(options)
        self._authorizer.change(options)
        self._choose_mode()

    # For a store.

    def begin_restoring(self, reserved: int) -> None:
        """Begin to restore jobs from a store; submissions wait, as each may coalesce with a restored job.

        Args:
            reserved: Numbers up to this one may have been used.
        """
        self.is_restoring = True
        self._schedules.pause()
        self._numbers.begin_after(reserved, reserves=self._stores)
        self._choose_mode()

    def restore(self, records: Iterable[JobRecord]) -> None:
        """Restore jobs, in the order of their numbers; workers get them when all are there, by priority."""
        queues: dict[FunctionQueue, None] = {}
        for record in records:
            if record.schedule:
                self._schedules.restore(record)
            else:
                queue = self._functions.restored(record.function)
                self._lifecycle.restore(queue, record)
                queues[queue] = None
        for queue in queues:
            self._dispatcher.wake_enough(queue)

    def end_restoring(self) -> None:
        """Accept submissions again, and handle those that had to wait."""
        self.is_restoring = False
        self._schedules.resume()
        self._choose_mode()
        self._receiver.go_on(Reason.RESTORING)

    def store_failed(self, outcome: CommitOutcome) -> None:
        """Reject the first jobs and schedules that could not be stored; `revoke_more` rejects the others."""
        self._revoke(self.commit_queue.failed(outcome))

    def revoke_more(self) -> bool:
        """Reject further jobs and schedules that could not be stored; return False if there were none."""
        if not self.commit_queue.is_revoking:
            return False
        self._revoke(self.commit_queue.revoke())
        return True

    def _revoke(self, revoked: Iterable[Durable]) -> None:
        for each in revoked:
            if isinstance(each, Job):
                self._schedules.revoke_run(each)
                self._lifecycle.revoke(each)
            else:
                assert isinstance(each, Schedule), "nothing else is stored"
                self._schedules.revoke(each)

    def store_last(self) -> None:
        """Add the changes that are stored only when the server stops."""
        commit_queue = self.commit_queue
        commit_queue.give_back()
        if self._options.durability is Durability.SHUTDOWN:
            for schedule in self._schedules.schedules:
                if not schedule.is_durable:
                    commit_queue.add(schedule)
            for job in self._jobs:
                if job.background and not job.is_durable:
                    commit_queue.add(job)

    # For a shutdown.

    def drain(self) -> None:
        """Wait for running jobs only: assign no others, and close the connections that neither run nor await one."""
        self.is_draining = True
        self._choose_mode()
        self._receiver.ignore(Command.CAN_DO, Command.CAN_DO_TIMEOUT)
        self._retirement.begin(self._peers)

    def close(self) -> None:
        """Free all jobs, which the garbage collector does not track. No other method may be called after that."""
        self._functions.clear()
        self._jobs.clear()

    @property
    def is_busy(self) -> bool:
        """True while jobs run, or results are not sent to all of their clients."""
        return self._lifecycle.running > 0 or self._fan_out.is_busy

    def send_results(self) -> None:
        """Send all results that are sent in portions, as the server stops."""
        self._fan_out.send_all()

    def running(self) -> dict[bytes, int]:
        """Return the number of running jobs by function."""
        return {queue.name: int(queue.running) for queue in self._functions.queues() if queue.running}

    def background_jobs(self) -> tuple[int, int]:
        """Return the number of background jobs and schedules that are stored, and of those that are not."""
        stored = [schedule.is_durable for schedule in self._schedules.schedules]
        stored += [job.is_durable for job in self._jobs if job.background]
        return sum(stored), len(stored) - sum(stored)

    def _choose_mode(self) -> None:
        self._receiver.choose_mode(is_draining=self.is_draining, is_restoring=self.is_restoring)

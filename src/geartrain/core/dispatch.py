# SPDX-License-Identifier: MIT
"""The dispatch of jobs to workers: grabs, sleep and wake-ups, registrations and disconnections."""

from typing import Final

from mypy_extensions import i32, i64

from geartrain.core.abilities import add_ability, leave_lists, next_sleeper, remove_ability, remove_sleeper
from geartrain.core.clock import TurnClock
from geartrain.core.functions import FunctionTable
from geartrain.core.joblog import warn_of_silence, warn_of_timeout
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import MAX_ABILITIES, Limit, Refused
from geartrain.core.outcome import Event, JobState
from geartrain.core.ready import Ready
from geartrain.core.running import last_running
from geartrain.core.sleepstate import SleepState
from geartrain.core.state import Ability, FunctionQueue, Job, Peer
from geartrain.core.timers import Timed, Timers
from geartrain.core.turns import BYTES_PER_UNIT
from geartrain.core.wakeups import Wakeups
from geartrain.protocol.commands import Command

__all__ = ["Dispatcher"]

_RUNNING: Final = int(JobState.RUNNING)
_TIMED_OUT: Final = int(Event.TIMED_OUT)
_WORKER_LOST: Final = int(Event.WORKER_LOST)
_AWAKE: Final = int(SleepState.AWAKE)
_POLLING: Final = int(SleepState.POLLING)
_UNRESPONSIVE: Final = int(SleepState.UNRESPONSIVE)
_JOB_ASSIGN: Final = int(Command.JOB_ASSIGN)
_JOB_ASSIGN_UNIQ: Final = int(Command.JOB_ASSIGN_UNIQ)
_JOB_ASSIGN_ALL: Final = int(Command.JOB_ASSIGN_ALL)
_SHARED: Final = 16 * 1024


class Dispatcher(Timed):
    """Assigns jobs to the workers that grab them, and wakes sleeping workers or pushes jobs to them.

    Args:
        clock: The time.
        timers: Calls this part when a worker that was woken misses its deadline.
        functions: All functions.
        lifecycle: Changes the states of jobs.
        ready: Finds the function whose job a worker gets next.
        per_job: Number of workers that are woken for each waiting job; 0 for all that sleep.
        rearm_after: Seconds that a woken worker has to grab.

    Attributes:
        is_closed: True if no more jobs are assigned, as the server drains.
        wakeups: The sleep states of the workers.
    """

    __slots__ = ("_clock", "_functions", "_lifecycle", "_ready", "_touched", "is_closed", "wakeups")

    def __init__(
        self,
        clock: TurnClock,
        timers: Timers,
        functions: FunctionTable,
        lifecycle: Lifecycle,
        ready: Ready,
        per_job: int,
        rearm_after: float,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._functions = functions
        self._lifecycle = lifecycle
        self._ready = ready
        self.is_closed = False
        self.wakeups = Wakeups(clock, timers, self, per_job, rearm_after)
        lifecycle.timeouts.handler = self._time_out
        lifecycle.timeouts.after = self._wake_unless_delays_end
        lifecycle.delays.handler = self._end_delay
        lifecycle.delays.after = self._wake_touched
        # In this order: jobs that come back are put in front of those whose delay has ended, before a worker gets one.
        timers.add(lifecycle.timeouts)
        timers.add(self)
        timers.add(lifecycle.delays)
        # The queues that jobs came back to, with True if all their workers are to be woken. This is done once all jobs
        # of the turn are in line, those that time out and those whose delay ends, so that the first goes first.
        self._touched: dict[FunctionQueue, bool] = {}

    # Grabs.

    def grab(self, peer: Peer) -> Job | None:
        """Assign the next job to a worker that asks for one, or return None (protocol 1.10)."""
        woken_for = None if peer.sleep_state == _AWAKE else self.wakeups.mark_awake(peer)
        peer.declines = 0
        ability = self._next_ability(peer)
        if ability is None:
            if woken_for is not None:
                self.wake_enough(woken_for)  # another worker must run that job, or was faster
            return None
        job = self._lifecycle.start(peer, ability)
        self._ready.serve(peer, ability)
        if woken_for is not None and woken_for is not ability.queue:
            self.wake_enough(woken_for)  # the job for which it was woken still waits
        return job

    def _next_ability(self, peer: Peer) -> Ability | None:
        """Return the ability whose function is next to be served, if a job is there that the worker may have."""
        if self.is_closed:
            return None
        if peer.taken_away.is_empty:
            return self._ready.next_ability(peer)
        return self._ready.next_allowed(peer)

    def poll(self, peer: Peer) -> bool:
        """Hold a grab until there is a job; return False if the worker did not ask for long polling."""
        if not peer.long_polling or not peer.abilities:
            return False
        self.wakeups.hold_grab(peer)
        return True

    def send_assignment(self, peer: Peer, job: Job, command: i32) -> None:
        """Send a worker its job, in a packet of the kind that it asked for."""
        handle, function, workload = job.handle, job.queue.name, job.workload
        size: i64 = len(handle) + len(function) + len(workload) + 2
        writer = peer.begin()
        if command == _JOB_ASSIGN:
            writer.header(command, size)
            writer.argument(handle)
            writer.argument(function)
        else:
            unique = job.unique
            size += len(unique) + 1
            reducer = job.reducer if job.details is not None and command == _JOB_ASSIGN_ALL else b""
            if reducer:
                writer.header(_JOB_ASSIGN_ALL, size + len(reducer) + 1)
            else:
                writer.header(_JOB_ASSIGN_UNIQ, size)
            writer.argument(handle)
            writer.argument(function)
            writer.argument(unique)
            if reducer:
                writer.argument(reducer)
        if len(workload) < _SHARED:
            writer.write(workload)
        else:
            peer.debt += len(workload) >> BYTES_PER_UNIT
            peer.outbox.share(workload)

    # Sleep.

    def sleep(self, peer: Peer) -> None:
        """Put a worker to sleep, or wake it at once if there is a job for it (protocol 1.11)."""
        woken_for = self.wakeups.mark_awake(peer)
        ability = self._next_ability(peer)
        if ability is None:
            self.wakeups.mark_asleep(peer)
        elif woken_for is None:
            self.wakeups.wake(peer, ability.queue)
        else:
            self.wakeups.decline(peer, ability.queue)
        if woken_for is not None:
            self.wake_enough(woken_for)

    def wake_enough(self, queue: FunctionQueue) -> None:
        """Wake workers until enough of them are awake for the waiting jobs."""
        if not queue.sleepers or self.is_closed:
            return
        per_job = self.wakeups.per_job
        while queue.is_ready and (queue.woken < queue.waiting * per_job or not per_job):
            if not self._wake_next(queue):
                break

    def may_have_again(self, handle: bytes) -> None:
        """Wake a worker for a waiting job, as the one that has ended a late attempt may have it again."""
        job = self._lifecycle.waiting(handle)
        if job is not None:
            self.wake_enough(job.queue)

    def wake_all(self, queue: FunctionQueue) -> None:
        """Wake all sleeping workers if jobs wait."""
        while queue.is_ready and not self.is_closed and self._wake_next(queue):
            pass

    def _wake_next(self, queue: FunctionQueue) -> bool:
        """Wake a worker, or push a job to it; return False if none sleeps."""
        peer = next_sleeper(queue)
        if peer is None:
            return False
        if peer.sleep_state == _POLLING:
            self._push(peer, queue)
        else:
            self.wakeups.wake(peer, queue)
        return True

    def _push(self, peer: Peer, queue: FunctionQueue) -> None:
        """Push a job to a worker, as the answer to its held grab."""
        ability = self._next_ability(peer)
        if ability is None:  # the jobs were taken from it, and it has not sent their results
            self.wakeups.mark_awake(peer)
            leave_lists(peer)
            return
        self.wakeups.drop_held_grab(peer)
        remove_sleeper(queue, peer)
        job = self._lifecycle.start(peer, ability)
        self._ready.serve(peer, ability)
        self.wakeups.push(peer, job)
        self.wakeups.sent += 1
        peer.declines = 0
        peer.send_noop()
        self.send_assignment(peer, job, _JOB_ASSIGN_ALL)

    def hear(self, peer: Peer) -> None:
        """Record that a worker sent something after a job was pushed to it."""
        self.wakeups.mark_awake(peer)

    def pause_dispatch(self, peer: Peer) -> bool:
        """Stop dispatching to a worker that is not read from; tell whether it slept and must be woken later."""
        slept = peer.is_asleep and peer.sleep_state != _POLLING
        woken_for = self.wakeups.mark_awake(peer)
        if woken_for is not None:
            self.wake_enough(woken_for)
        return slept

    def resume_dispatch(self, peer: Peer) -> None:
        """Wake a worker that slept when dispatch was paused, as there may be a job for it now."""
        if peer.sleep_state == _AWAKE:
            for ability in peer.abilities.values():
                self.wakeups.wake(peer, ability.queue)
                return

    # Abilities.

    def enable(self, peer: Peer, function: bytes, timeout: float) -> None:
        """Register a worker for a function; a later registration only changes the timeout (protocol 1.9, 7.4).

        Args:
            peer: The worker.
            function: The function.
            timeout: Seconds that each job may run; 0 for no limit, and negative for that of the function's policy.

        Raises:
            Refused: The function would be new, and the limit of functions is reached, or that of one connection.
        """
        if len(peer.abilities) >= MAX_ABILITIES and function not in peer.abilities:
            raise Refused(Limit.FUNCTIONS, f"Too many functions for this connection (limit {MAX_ABILITIES})")
        queue = self._functions.named(function)
        is_new = peer not in queue.workers
        ability = add_ability(peer, queue, timeout if timeout >= 0.0 else queue.policy.timeout)
        if is_new:
            self._ready.enable(ability)
        if peer.is_asleep:
            self.wake_enough(queue)

    def disable(self, peer: Peer, function: bytes) -> None:
        """Unregister a worker from a function. Jobs that it runs go on."""
        ability = peer.abilities.get(function)
        if ability is None:
            return
        queue = ability.queue
        remove_ability(ability)
        self._ready.disable(ability)
        if peer.woken_for is queue:
            # It was woken already, and will grab another job or none.
            self.wakeups.mark_awake(peer)
            self.wake_enough(queue)
        elif peer.sleep_state == _POLLING and not peer.abilities:
            self.wakeups.mark_awake(peer)

    def disable_all(self, peer: Peer) -> None:
        """Unregister a worker from all functions."""
        peer.debt += len(peer.abilities)
        for function in list(peer.abilities):
            self.disable(peer, function)

    # Disconnections and deadlines.

    def remove_functions(self, peer: Peer, most: int) -> int:
        """Unregister a worker from some of its functions, and return their number."""
        functions = list(peer.abilities)[:most]
        for function in functions:
            self.disable(peer, function)
        return len(functions)

    def drop_waiting(self, job: Job, peer: Peer) -> None:
        """Drop a submission of a peer, unless its job runs or has ended."""
        if job in peer.awaited and job.state != _RUNNING and not job.has_ended:
            self._lifecycle.leave(job, peer)

    def stop_dispatch(self, peer: Peer) -> None:
        """Give no job to a peer that has left; a job for which it was woken goes to another one."""
        self.wakeups.drop_held_grab(peer)
        woken_for = self.wakeups.mark_awake(peer)
        if woken_for is not None:
            self.wake_enough(woken_for)

    def remove(self, peer: Peer, most: int) -> bool:
        """Remove a peer that has left from the first of its functions and jobs; return True if none is left.

        Jobs that it ran are requeued, and jobs that only it waited for are dropped (protocol 1.12).

        Args:
            peer: A peer to which no job is dispatched.
            most: Number of functions and jobs that are handled.
        """
        most -= self.remove_functions(peer, most)
        while most and peer.awaited:
            most -= 1
            self._lifecycle.leave(peer.awaited.pop(), peer)
        while most and peer.current is not None:
            most -= 1
            job = last_running(peer)  # each goes to the front: the oldest last
            if self._lifecycle.lose(job, _WORKER_LOST):
                self._touched.setdefault(job.queue, False)
        if peer.current is not None:
            return False
        self._wake_touched()
        return not (peer.abilities or peer.awaited)

    def run(self, now: float) -> None:
        """Handle the workers that were woken and did not respond in time."""
        for peer, job, queue in self.wakeups.expire(now):
            if job is not None:
                self._revoke_push(peer, job)
            elif queue is not None:
                self.wake_all(queue)
            else:
                self._end_rest(peer)
        self.wakeups.arm_next()
        self._wake_unless_delays_end()

    def _revoke_push(self, peer: Peer, job: Job) -> None:
        """Requeue a job that was pushed to a worker that has sent nothing since."""
        if job.worker is not peer:
            return  # it was cancelled or timed out in the meantime
        peer.taken_away.add(job.handle)
        warn_of_silence(job)
        if self._lifecycle.requeue(job):
            self._touched[job.queue] = True

    def _end_rest(self, peer: Peer) -> None:
        ability = self._next_ability(peer)
        if ability is not None:
            self.wakeups.wake(peer, ability.queue)
        else:
            self.wakeups.mark_asleep(peer)

    def _time_out(self, job: Job) -> None:
        """Take a job from a worker that exceeded its timeout (protocol 1.13)."""
        worker = job.worker
        assert worker is not None, "only a running job times out"
        worker.taken_away.add(job.handle)
        warn_of_timeout(job)
        if self._lifecycle.lose(job, _TIMED_OUT):
            self._touched.setdefault(job.queue, False)

    def _end_delay(self, job: Job) -> None:
        self._lifecycle.end_delay(job)
        self._touched.setdefault(job.queue, False)

    def _wake_unless_delays_end(self) -> None:
        if self._lifecycle.delays.due > self._clock.now:
            self._wake_touched()

    def _wake_touched(self) -> None:
        if self._touched:
            touched = list(self._touched.items())
            self._touched.clear()
            for queue, is_for_all in touched:
                if is_for_all:
                    self.wake_all(queue)
                else:
                    self.wake_enough(queue)

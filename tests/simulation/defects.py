# SPDX-License-Identifier: MIT
"""Servers with a planted defect each, which prove that the invariants can fail.

They change the server through its methods and the functions of its parts, not its source, so that they also show which
seams a simulation has. A compiled server cannot be changed in this way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from geartrain.core import CommitOutcome, CommitQueue, JobServer, Peer, fanout, modes
from geartrain.core.access import SUBMIT
from geartrain.core.authorization import Authorizer
from geartrain.core.clock import Clock
from geartrain.core.commands.text import TextCommands
from geartrain.core.commands.work import WorkCommands
from geartrain.core.cron import Schedules
from geartrain.core.dispatch import Dispatcher
from geartrain.core.holdings import Holdings
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.numbers import Numbers
from geartrain.core.options import JobServerOptions
from geartrain.core.outcome import Outcome
from geartrain.core.oversized import Oversized
from geartrain.core.schedulerunner import ScheduleRunner
from geartrain.core.state import Job
from geartrain.core.waiters import all_waiters
from geartrain.protocol.reader import Reader

__all__ = ["DEFECTS", "JobServerMaker", "planted"]

JobServerMaker = Callable[[JobServerOptions, Clock], JobServer]
_Change = tuple[type | ModuleType, str, object]


def _acknowledge_before_the_commit() -> _Change:
    def promise(self: CommitQueue, peer: Any, job: Any, command: int, body: bytes) -> None:
        peer.send(command, body)

    return CommitQueue, "promise", promise


def _forget_to_undo() -> _Change:
    """A job whose commit failed stays, although its client got an error."""

    def store_failed(self: JobServer, outcome: CommitOutcome) -> None:
        self.commit_queue.failed(outcome)

    return JobServer, "store_failed", store_failed


def _wake_no_worker_after_a_lost_one() -> _Change:
    def wake_touched(self: Any) -> None:
        self._touched.clear()

    return Dispatcher, "_wake_touched", wake_touched


def _tell_the_first_client_only() -> _Change:
    def first_waiter(job: Job) -> list[tuple[Peer, int]]:
        return all_waiters(job)[:1]

    return fanout, "all_waiters", first_waiter


def _tell_a_client_once() -> _Change:
    """A client that has submitted a job twice is told once."""

    def waiters_once(job: Job) -> list[tuple[Peer, int]]:
        return [(peer, 1) for peer, _ in all_waiters(job)]

    return fanout, "all_waiters", waiters_once


def _use_numbers_that_are_not_reserved() -> _Change:
    original = CommitQueue.failed

    def failed(self: Any, outcome: CommitOutcome) -> Any:
        self._numbers.grant(self._numbers.requested)
        return original(self, outcome)

    return CommitQueue, "failed", failed


def _begin_numbers_again() -> _Change:
    """A restarted server uses the numbers of the run before."""
    original = Numbers.begin_after

    def begin_after(self: Any, reserved: int, *, reserves: bool) -> None:
        original(self, max(reserved - 1_064_960, 0), reserves=reserves)

    return Numbers, "begin_after", begin_after


def _drop_input_at_the_end_of_a_packet() -> _Change:
    """A packet that ends where a piece of input ends is lost, if another one was complete before it."""
    original = Reader.advance

    def advance(self: Any) -> bool:
        position = self._next
        found = original(self)
        if found and position and self._magic == int.from_bytes(b"\0REQ", "big") and self._next == self._size:
            return original(self)
        return found

    return Reader, "advance", advance


def _requeue_a_lost_job_twice() -> _Change:
    """A job goes back to its queue, and runs on at a worker that is too slow."""
    original = Lifecycle.lose

    def lose(self: Any, job: Any, event: int) -> bool:
        worker, handle = job.worker, job.handle
        waits = original(self, job, event)
        if waits and worker is not None:
            twin = self.create(job.queue, job.unique, job.workload, job.priority, job.reducer, 0)
            twin.handle = handle
            twin.background = job.background
        return waits

    return Lifecycle, "lose", lose


def _forget_the_end_of_a_job() -> _Change:
    """A job that ended while its batch was on its way stays in the store."""
    original = CommitQueue.forget

    def forget(self: Any, job: Any) -> None:
        if job.batch < self._taken:
            original(self, job)

    return CommitQueue, "forget", forget


def _requeue_a_job_with_a_late_result() -> _Change:
    def finish_late(self: Any, handle: bytes, payload: bytes) -> None:
        job = self._jobs.get(handle)
        if job is not None and job.worker is not None:
            self.requeue(job)

    return Lifecycle, "finish_late", finish_late


def _start_delayed_jobs_early() -> _Change:
    original: Callable[..., Any] = Lifecycle.create

    def create(self: Any, *arguments: Any) -> Any:
        *others, run_at = arguments
        return original(self, *others, max(run_at - 1, 0))

    return Lifecycle, "create", create


def _answer_another_worker() -> _Change:
    """A result counts for the job that its worker runs, not for the one that it names."""

    def complete(self: Any, peer: Any, reader: Any) -> None:
        job = peer.current
        if job is None:
            self._not_running(peer, reader, reader.first())
        else:
            self._lifecycle.finish(job, int(Outcome.COMPLETED), reader.body() if job.is_awaited else b"")

    return WorkCommands, "complete", complete


def _forget_a_cancel() -> _Change:
    """A cancelled job stays in its queue, although its clients get an error."""
    original: Callable[..., Any] = Lifecycle.cancel

    def cancel(self: Any, job: Any) -> None:
        twin = self.create(job.queue, b"", job.workload, job.priority, job.reducer, 0)
        handle = job.handle
        original(self, job)
        twin.handle = handle
        twin.background = True

    return Lifecycle, "cancel", cancel


def _leave_a_cancelled_job_in_the_store() -> _Change:
    original: Callable[..., Any] = Lifecycle.cancel

    def cancel(self: Any, job: Any) -> None:
        job.is_durable = False
        original(self, job)

    return Lifecycle, "cancel", cancel


def _tell_no_client_of_a_cancel() -> _Change:
    original: Callable[..., Any] = Lifecycle.cancel

    def cancel(self: Any, job: Any) -> None:
        for peer, _ in all_waiters(job):
            self.leave(job, peer)
            peer.awaited.discard(job)
        if not job.has_ended:
            original(self, job)

    return Lifecycle, "cancel", cancel


def _start_schedules_early() -> _Change:
    original: Callable[..., Any] = Schedules._next

    def next_time(self: Any, cron: str, now: float) -> int:
        return int(original(self, cron, now)) - 3

    return Schedules, "_next", next_time


def _lose_a_run_that_is_not_stored() -> _Change:
    def revoke_run(self: Any, job: Any) -> None:
        """Do nothing."""

    return ScheduleRunner, "revoke_run", revoke_run


def _wake_no_worker_for_a_schedule() -> _Change:
    """A run of a schedule waits until its workers ask for jobs by themselves."""
    original: Callable[..., Any] = ScheduleRunner._run

    def run(self: Any, schedule: Any) -> None:
        waker = self._dispatcher
        self._dispatcher = type("Idle", (), {"wake_enough": lambda self, queue: None})()
        original(self, schedule)
        self._dispatcher = waker

    return ScheduleRunner, "_run", run


def _start_schedules_late() -> _Change:
    original: Callable[..., Any] = Schedules.take_due

    def take_due(self: Any, now: float) -> Any:
        return original(self, now - 5.0)

    return Schedules, "take_due", take_due


def _let_all_peers_submit() -> _Change:
    original: Callable[..., Any] = Authorizer.may

    def may(self: Any, peer: Any, right: int, function: bytes) -> bool:
        return right == SUBMIT or bool(original(self, peer, right, function))

    return Authorizer, "may", may


def _let_all_peers_work() -> _Change:
    """A worker without the right gets an error, and is registered all the same."""
    original: Callable[..., Any] = Authorizer.deny

    def deny(self: Any, peer: Any, function: bytes, timeout: float) -> None:
        original(self, peer, function, timeout)
        self._dispatcher.enable(peer, function, timeout)

    return Authorizer, "deny", deny


def _let_all_peers_cancel() -> _Change:
    def check(self: Any, peer: Any, request: Any) -> None:
        self._concerned(request)

    return TextCommands, "_check", check


def _check_no_reducer() -> _Change:
    return modes, "_REDUCE", frozenset()


def _forget_the_reducer() -> _Change:
    original: Callable[..., Any] = Lifecycle.create

    def create(self: Any, queue: Any, unique: Any, workload: Any, priority: Any, reducer: Any, run_at: Any) -> Any:
        return original(self, queue, unique, workload, priority, b"", run_at)

    return Lifecycle, "create", create


def _drop_the_worker_of_a_large_result() -> _Change:
    """A result for which there is no memory drops its worker, and the job runs again."""

    def drop_result(self: Any, peer: Any, max_memory: int) -> bool:
        return False

    return Oversized, "drop_result", drop_result


def _count_no_unsent_replies() -> _Change:
    def count_output(self: Any, peer: Any) -> None:
        """Do nothing."""

    return Holdings, "count_output", count_output


def _count_no_input() -> _Change:
    def count_input(self: Any, peer: Any) -> None:
        """Do nothing."""

    return Holdings, "count_input", count_input


def _drop_acknowledged_jobs_when_fenced() -> _Change:
    """With relaxed durability, jobs that were acknowledged and not stored are revoked if another server takes over."""
    original: Callable[..., Any] = CommitQueue.failed

    def failed(self: Any, outcome: CommitOutcome) -> Any:
        if outcome is CommitOutcome.FENCED:
            self._holds = True
        return original(self, outcome)

    return CommitQueue, "failed", failed


DEFECTS: dict[str, Callable[[], _Change]] = {
    "acknowledges before the commit": _acknowledge_before_the_commit,
    "forgets an undo": _forget_to_undo,
    "wakes no worker after a lost one": _wake_no_worker_after_a_lost_one,
    "tells the first client only": _tell_the_first_client_only,
    "tells a client once": _tell_a_client_once,
    "uses numbers that are not reserved": _use_numbers_that_are_not_reserved,
    "begins numbers again": _begin_numbers_again,
    "drops input at a packet boundary": _drop_input_at_the_end_of_a_packet,
    "requeues a lost job twice": _requeue_a_lost_job_twice,
    "forgets the end of a job": _forget_the_end_of_a_job,
    "requeues a job with a late result": _requeue_a_job_with_a_late_result,
    "starts delayed jobs early": _start_delayed_jobs_early,
    "takes a result for another job": _answer_another_worker,
    "forgets a cancel": _forget_a_cancel,
    "leaves a cancelled job in the store": _leave_a_cancelled_job_in_the_store,
    "tells no client of a cancel": _tell_no_client_of_a_cancel,
    "starts schedules early": _start_schedules_early,
    "starts schedules late": _start_schedules_late,
    "loses a run that is not stored": _lose_a_run_that_is_not_stored,
    "wakes no worker for a schedule": _wake_no_worker_for_a_schedule,
    "lets all peers submit": _let_all_peers_submit,
    "lets all peers work": _let_all_peers_work,
    "lets all peers cancel": _let_all_peers_cancel,
    "checks no right to a reducer": _check_no_reducer,
    "forgets the reducer": _forget_the_reducer,
    "drops the worker of a large result": _drop_the_worker_of_a_large_result,
    "counts no unsent replies": _count_no_unsent_replies,
    "counts no input": _count_no_input,
    "drops acknowledged jobs when fenced off": _drop_acknowledged_jobs_when_fenced,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a defect for some time."""
    owner, attribute, replacement = DEFECTS[name]()
    original = getattr(owner, attribute)
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, original)

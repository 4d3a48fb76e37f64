# SPDX-License-Identifier: MIT
"""The slots of a worker, shared among its sessions; no I/O.

The answer to a GRAB_JOB_ALL may be a job, and a job needs a slot. So every grab takes a free slot, which NO_JOB gives
back, and a worker with one slot grabs from its servers in turn.
"""

from collections import deque
from collections.abc import Iterator

from geartrain.wording import counted
from geartrain.worker.session import State, WorkerSession

__all__ = ["Dispatcher"]


class Dispatcher:
    """Lets the sessions of one worker grab jobs as long as slots are free.

    Args:
        slots: The number of jobs that may run at once.
        max_jobs: The number of jobs after which it stops; None for no limit.

    Attributes:
        running: The number of running jobs, including those of ended sessions, whose slots are still in use.
        stuck: The number of running jobs that are not waited for: they have not ended within their timeout.
        started: The number of jobs since the start.
        stopping: True after `stop`, or after the last job has started.
    """

    def __init__(self, slots: int, max_jobs: int | None = None) -> None:
        self.running = 0
        self.stuck = 0
        self.started = 0
        self.stopping = False
        self._slots = slots
        self._max_jobs = max_jobs
        self._sessions: deque[WorkerSession] = deque()

    def __repr__(self) -> str:
        state = "stopping" if self.stopping else "working"
        sessions = counted(len(self._sessions), "session")
        return f"<Dispatcher {state}: {self.running} running, {self.started} started, {sessions}>"

    def __iter__(self) -> Iterator[WorkerSession]:
        return iter(tuple(self._sessions))

    def admit(self, session: WorkerSession) -> None:
        """Add a new session."""
        self._sessions.append(session)
        if self.stopping:
            session.remove_all()

    def dismiss(self, session: WorkerSession) -> None:
        """Remove a session whose connection is lost."""
        session.end()
        self._sessions.remove(session)

    def start(self) -> None:
        """Record the start of a job, which may be the last one."""
        self.running += 1
        self.started += 1
        if self._left() <= 0:
            self.stop()

    def finish(self) -> None:
        """Record the end of a job."""
        self.running -= 1

    def grab(self, now: float) -> None:
        """Let sessions grab while slots are free, in turn; those that waited longest come first."""
        free = self._free_slots()
        while free > 0 and (asking := [session for session in self._sessions if session.wants_job][:free]):
            for session in asking:
                session.grab(now)
                self._sessions.remove(session)
                self._sessions.append(session)
            free -= len(asking)
        for session in self._sessions:
            session.sleep_if_timer_runs(now)

    def stop(self) -> None:
        """Take no more jobs, and tell the servers, so that they wake other workers for later jobs."""
        self.stopping = True
        for session in self._sessions:
            session.remove_all()

    @property
    def is_finished(self) -> bool:
        """True if no job is waited for and none can start.

        A pending grab may be answered by a job; leaving before the answer would cost that job one of its retries.
        """
        return self.stopping and not self.is_busy and self._grabbing() == 0

    @property
    def is_busy(self) -> bool:
        """True if a job is running that is waited for."""
        return self.running > self.stuck

    @property
    def is_idle(self) -> bool:
        """True if no job is waited for, and every server that answers has said that it has none."""
        quiet = (State.ASLEEP, State.GREETING)
        return not self.is_busy and all(session.state in quiet for session in self._sessions)

    def _grabbing(self) -> int:
        return sum(session.asked for session in self._sessions)

    def _free_slots(self) -> int:
        if self.stopping:
            return 0
        return min(self._slots - self.running, self._left()) - self._grabbing()

    def _left(self) -> int:
        """Return the number of jobs that may still be started."""
        return self._slots if self._max_jobs is None else self._max_jobs - self.started

# SPDX-License-Identifier: MIT
"""Which of a worker's sessions may ask for a job, and when the worker has done its part; no I/O.

A GRAB_JOB_ALL may be answered with a job, and a job needs somebody to do it. So every grab takes a free slot, which
NO_JOB gives back, and a worker with one slot asks its servers in turn.
"""

from collections import deque
from collections.abc import Iterator

from geartrain.worker.session import State, WorkerSession

__all__ = ["Dispatcher"]


class Dispatcher:
    """Shares a number of slots among the sessions of one worker.

    Args:
        slots: How many jobs may run at once.
        max_jobs: How many jobs to do before `is_finished`; None for any number.
    """

    def __init__(self, slots: int, max_jobs: int | None = None) -> None:
        self.running = 0  # jobs, those of ended sessions included: their threads are busy all the same
        self.started = 0
        self.stopping = False
        self._slots = slots
        self._max_jobs = max_jobs
        self._sessions: deque[WorkerSession] = deque()

    def __repr__(self) -> str:
        state = "stopping" if self.stopping else "working"
        return f"<Dispatcher {state}: {self.running} running, {self.started} started, {len(self._sessions)} sessions>"

    def __iter__(self) -> Iterator[WorkerSession]:
        return iter(tuple(self._sessions))

    def admit(self, session: WorkerSession) -> None:
        """Let a new session take part."""
        self._sessions.append(session)
        if self.stopping:
            session.remove_all()

    def dismiss(self, session: WorkerSession) -> None:
        """Forget a session whose connection is gone."""
        session.end()
        self._sessions.remove(session)

    def start(self) -> None:
        """Note that a job begins; it may be the last one."""
        self.running += 1
        self.started += 1
        if self._left() <= 0:
            self.stop()

    def finish(self) -> None:
        """Note that a job has ended."""
        self.running -= 1

    def hand_out(self, now: float) -> None:
        """Let sessions grab as far as there are slots, in turn, those first that waited longest."""
        free = self._free_slots()
        while free > 0 and (asking := [session for session in self._sessions if session.wants_job][:free]):
            for session in asking:
                session.grab(now)
                self._sessions.remove(session)
                self._sessions.append(session)
            free -= len(asking)
        for session in self._sessions:
            session.rest(now)

    def stop(self) -> None:
        """Take no more jobs. Servers are told, so that they wake others for what comes in meanwhile."""
        self.stopping = True
        for session in self._sessions:
            session.remove_all()

    @property
    def is_finished(self) -> bool:
        """Whether nothing is in hand, and nothing more will be.

        An answer still awaited may be a job; to leave without it would cost that job one of its retries.
        """
        return self.stopping and self.running == 0 and self._grabbing() == 0

    @property
    def is_idle(self) -> bool:
        """Whether no job runs, and every server that answers has said that it has none."""
        quiet = (State.ASLEEP, State.GREETING)
        return self.running == 0 and all(session.state in quiet for session in self._sessions)

    def _grabbing(self) -> int:
        return sum(session.asked for session in self._sessions)

    def _free_slots(self) -> int:
        if self.stopping:
            return 0
        return min(self._slots - self.running, self._left()) - self._grabbing()

    def _left(self) -> int:
        """Return how many jobs may still be started."""
        return self._slots if self._max_jobs is None else self._max_jobs - self.started

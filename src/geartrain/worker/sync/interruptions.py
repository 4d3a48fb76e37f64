# SPDX-License-Identifier: MIT
"""Interruptions of threads: an exception is raised in a job that does not end within its timeout.

CPython raises it between two instructions of the thread's Python code; a call of C code is not interrupted. It can
strike in ``finally``, or between taking a lock and the ``try`` that would release it: of a logging handler, three such
strikes left one locked for ever. So it is for functions that say so.
"""

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Callable

from geartrain.errors import JobInterrupted
from geartrain.worker.job import AnyAssignedJob

__all__ = ["Interruptions"]

_logger = logging.getLogger("geartrain.worker")


class Interruptions:
    """The threads of running jobs, which can be interrupted and reported."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the lines below
        self._threads: dict[AnyAssignedJob, int] = {}
        self._willing: set[AnyAssignedJob] = set()  # whose function may be interrupted, and was not
        self._interrupted: set[AnyAssignedJob] = set()

    def run(self, job: AnyAssignedJob, perform: Callable[[], None], *, may_interrupt: bool) -> None:
        """Run a job in this thread. When this returns or raises, no interruption of the job is pending any more."""
        ident = threading.get_ident()
        with self._lock:
            self._threads[job] = ident
            if may_interrupt:
                self._willing.add(job)
        try:
            perform()
        finally:
            self._end(job, ident)

    def _end(self, job: AnyAssignedJob, ident: int) -> None:
        """Let no interruption of a job come any more, and take the one that may be on its way."""
        while job in self._threads:
            with contextlib.suppress(JobInterrupted), self._lock:
                self._willing.discard(job)
                del self._threads[job]
        if job in self._interrupted:
            # It has been raised, or is pending. Another one takes its place, as a pending one that is only withdrawn
            # leaves the interpreter looking for it: CPython 3.11 then hangs in functions that are traced.
            with contextlib.suppress(JobInterrupted):
                _raise_in(ident, JobInterrupted)
                while True:
                    pass
            self._interrupted.discard(job)

    def is_running(self, job: AnyAssignedJob) -> bool:
        """Return True if a thread is running a job."""
        return job in self._threads

    def interrupt(self, job: AnyAssignedJob) -> bool:
        """Raise `JobInterrupted` in the thread of a job, once; return False for a function that does not want it."""
        with self._lock:
            if job not in self._willing:
                return False
            self._willing.discard(job)
            self._interrupted.add(job)
            _raise_in(self._threads[job], JobInterrupted)
            return True

    def report(self, job: AnyAssignedJob) -> None:
        """Log where the thread of a job is."""
        ident = self._threads.get(job)
        frame = None if ident is None else sys._current_frames().get(ident)
        stack = "" if frame is None else ":\n" + "".join(traceback.format_stack(frame)).rstrip()
        _logger.error("%s %s has not ended within its timeout, and holds a slot%s", job.function, job.handle, stack)


def _raise_in(ident: int, error: type[BaseException]) -> None:
    """Make a thread raise an exception soon."""
    import ctypes  # here alone, as few workers need it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(error))

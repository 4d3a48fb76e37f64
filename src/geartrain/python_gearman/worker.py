# SPDX-License-Identifier: MIT
"""The worker of python-gearman: one thread, which waits for servers, does jobs and calls the hooks in turn.

Jobs run between two waits in the thread that calls `work`, so code that depends on its thread keeps working.
"""

import logging
import math
import random
import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeAlias

from geartrain.errors import LocalProtocolError
from geartrain.names import encode, function_bytes
from geartrain.protocol import Command, request
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.connection_manager import Host
from geartrain.python_gearman.job import GearmanJob, Text
from geartrain.python_gearman.util import Stopwatch
from geartrain.python_gearman.worker_conversations import WorkerConversations
from geartrain.transport import Waker

__all__ = ["GearmanWorker"]

POLL_TIMEOUT_IN_SECONDS = 60.0
SHORTEST_POLL = 0.05  # seconds; with a poll timeout of 0 the worker would never sleep

# Called with the worker and the job; it returns the result.
Callback: TypeAlias = Callable[[Any, GearmanJob], object]
_Trace: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_logger = logging.getLogger("geartrain.python_gearman")


class GearmanWorker(WorkerConversations):
    """A worker that does one job at a time. Only `shutdown` may be called from other threads and signal handlers.

    Args:
        host_list: See `GearmanConnectionManager`. The worker talks to all of them.

    Attributes:
        worker_abilities: The callbacks by task.
    """

    def __init__(self, host_list: Iterable[Host] | None = None) -> None:
        super().__init__(host_list=host_list)
        self.worker_abilities: dict[Text, Callback] = {}
        self._waker: Waker | None = None  # while working
        self._stops = False

    # Tasks

    def register_task(self, task: Text, callback_function: Callback) -> Text:
        """Register a task, at once if the worker is running.

        Raises:
            ProtocolError: The name is empty, too long or contains a NUL byte.
        """
        name = _wire_name(task)
        self.worker_abilities.pop(self._tasks.get(name, task), None)
        self.worker_abilities[task] = callback_function
        self._tasks[name] = task
        for session in self._dispatcher:
            session.add(name, None)
        return task

    def unregister_task(self, task: Text) -> Text:
        """Unregister a task; an unknown name is ignored."""
        name = _wire_name(task)
        self.worker_abilities.pop(self._tasks.pop(name, task), None)
        for session in self._dispatcher:
            session.remove(name)
        return task

    def set_client_id(self, client_id: Text) -> Text:
        """Set the id that ``gearadmin --workers`` shows for the worker."""
        self.worker_client_id = client_id
        for connection in self._sessions:
            connection.write(request(Command.SET_CLIENT_ID, encode(client_id, "a client id")))
        return client_id

    # Working

    def work(self, poll_timeout: float | None = POLL_TIMEOUT_IN_SECONDS) -> None:
        """Do jobs until a hook returns False or `shutdown` is called.

        Args:
            poll_timeout: The longest time between two calls of `after_poll`, and the time for which the worker goes on
                without any server.

        Raises:
            ServerUnavailable: None of the servers can be reached, or none could be for so long.
        """
        timeout = None if poll_timeout is None else max(poll_timeout, SHORTEST_POLL)
        self._stops = False
        waker = Waker()
        try:
            with waker.woken_by_signals():
                self._waker = waker
                self._begin(waker, Stopwatch(timeout))
                goes_on = self.after_poll(False)
                while goes_on and not self._stops:
                    goes_on = self._turn(waker, Stopwatch(timeout))
        finally:
            self._waker = None
            waker.close()
            self._close_all()

    def shutdown(self) -> None:
        """Make `work` return after the current job; if it is not running, close all connections."""
        self._stops = True
        waker = self._waker
        if waker is not None:
            waker.wake()
        else:
            super().shutdown()

    def after_poll(self, any_activity: bool) -> bool:
        """Return True to go on; called at the start, after data from a server, and after `poll_timeout` without any.

        To be overridden.
        """
        return True

    def after_job(self) -> bool:
        """Return True to go on; called after each job, following `after_poll`. To be overridden."""
        return True

    def establish_worker_connections(self) -> list[GearmanConnection]:
        """Connect to all servers whose back-off has ended, and return the connections that are open."""
        for connection in random.sample(self.connection_list, len(self.connection_list)):
            if not connection.connected and connection.rest <= 0:
                try:
                    self.establish_connection(connection)
                except errors.ConnectionError:
                    continue  # it is in the log, and will be tried again
        return self._living()

    def _begin(self, waker: Waker, stopwatch: Stopwatch) -> None:
        """Connect; if all servers are in back-off wait first, so that a program that repeats `work` does not spin."""
        self._start_over()
        if self.connection_list and all(connection.rest > 0 for connection in self.connection_list):
            self._poll(self._time_to_next_event(stopwatch), waker)
        if not self.establish_worker_connections() and not self._stops:
            raise self._unavailable()

    def _turn(self, waker: Waker, stopwatch: Stopwatch) -> bool:
        """Wait for a server, a wake-up or the timeout, and process it; return True to go on."""
        jobs_before = self._dispatcher.started
        activity = woken = False
        while not activity and not woken and stopwatch.has_time_remaining():
            self.establish_worker_connections()
            now = time.monotonic()
            self._dispatcher.grab(now)
            activity = self._poll(self._time_to_next_event(stopwatch), waker)
            self._tick(now)
            woken = waker.clear()
        if self._stops:
            return False
        if not activity and not woken and not self._living():
            raise self._unavailable()
        return self.after_poll(activity) and (self._dispatcher.started == jobs_before or self.after_job())

    def _time_to_next_event(self, stopwatch: Stopwatch) -> float | None:
        """Return the seconds until the next deadline, or ``None`` if there is none."""
        now = time.monotonic()
        left = stopwatch.get_time_remaining()
        times = [math.inf if left is None else left]
        times += [session.deadline - now for session in self._sessions.values()]
        times += [connection.rest for connection in self.connection_list if not connection.connected]
        soonest = min(times)
        return None if soonest == math.inf else max(soonest, 0.0)

    def _unavailable(self) -> errors.ServerUnavailable:
        return errors.ServerUnavailable(f"none of the servers can be reached: {self.connection_list!r}")

    def _close_all(self) -> None:
        for connection in self._living():
            self._check_interrupted(connection)
            if connection in self._sessions:
                connection.write(self._take_outgoing(connection))
            connection.leave()
            self._lost(connection)

    # The hooks around a job

    def _perform(self, job: GearmanJob) -> None:
        try:
            job.data = self.data_encoder.decode(job.data)
        except Exception:  # noqa: BLE001 - a job that cannot be decoded fails, and the worker goes on
            self.on_job_exception(job, sys.exc_info())
        else:
            self.on_job_execute(job)

    def on_job_execute(self, current_job: GearmanJob) -> bool:
        """Do a job; may be overridden, and called from there."""
        try:
            job_result = self.worker_abilities[current_job.task or b""](self, current_job)
        except Exception:  # noqa: BLE001 - any exception of the callback fails its job
            return self.on_job_exception(current_job, sys.exc_info())
        try:
            return self.on_job_complete(current_job, job_result)
        except Exception:
            if self._session_of(current_job) is None:
                raise
            return self.on_job_exception(current_job, sys.exc_info())  # such as for a result that cannot be encoded

    def on_job_exception(self, current_job: GearmanJob, exc_info: _Trace) -> bool:
        """Fail a job whose callback raised; may be overridden, and called from there."""
        _logger.error("%r raised", current_job, exc_info=exc_info)
        self.send_job_failure(current_job)
        return False

    def on_job_complete(self, current_job: GearmanJob, job_result: Any) -> bool:
        """Send the result of a job; may be overridden, and called from there."""
        self.send_job_complete(current_job, job_result)
        return True


def _wire_name(task: Text) -> bytes:
    try:
        return function_bytes(task)
    except LocalProtocolError as error:
        raise errors.ProtocolError(str(error)) from error

# SPDX-License-Identifier: MIT
"""One run of a blocking worker: a thread that waits for sockets, and threads that run jobs.

The decisions, the sessions and the sockets belong to the thread that owns the loop; all others post calls to it. The
owner is the thread that calls `run`, or the only one that runs jobs, between two of them: see `LoopOwnership`. So no
decision needs a lock, servers are answered however long a job takes, and a job without end cannot stop the worker from
leaving.

None of these threads is the main thread, in which a signal handler may raise between any two instructions: see
`geartrain.worker.sync.mainthread`. The loop opens its selectors and self-pipes in `run` for that reason.
"""

import contextlib
import logging
import math
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from geartrain.errors import GeartrainError
from geartrain.middleware import wrap
from geartrain.transport import ServerAddress, client_context
from geartrain.worker.forkserver import ForkServer, NoMoreProcesses
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import AnyAssignedJob, Report
from geartrain.worker.options import CANCEL_TIMEOUT, SERVER_FIRST, Reason, WorkerOptions
from geartrain.worker.run import WorkerRun
from geartrain.worker.session import Assignment
from geartrain.worker.sync.callqueue import CallQueue
from geartrain.worker.sync.calls import Call, Middleware
from geartrain.worker.sync.connection import WorkerConnection
from geartrain.worker.sync.connector import Connector, Outcome
from geartrain.worker.sync.interruptions import Interruptions
from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.ownership import CAN_SHARE, LoopOwnership
from geartrain.worker.sync.process import ProcessExecutor, serve_jobs
from geartrain.worker.sync.threadpool import TASK_DELAY, Executor, InlineExecutor, ThreadPool

__all__ = ["WorkerLoop"]

_logger = logging.getLogger("geartrain.worker")


class WorkerLoop:
    """The I/O of a run; the arguments are those of `WorkerRun`."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[Call],
        middleware: Sequence[Middleware],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
        registered: Callable[[], object],
    ) -> None:
        self._run = WorkerRun(
            addresses,
            functions,
            partial(wrap, middleware=middleware),
            options,
            burst=burst,
            idle_timeout=idle_timeout,
            registered=registered,
            now=time.monotonic(),
        )
        self._tls = client_context(options.tls)
        self._connectors = [Connector(server, options, self._tls) for server in self._run.servers]
        self._options = options
        # Before there is a thread or a socket.
        self._fork_server = (
            ForkServer(partial(serve_jobs, self._run.functions, options)) if options.executor == "process" else None
        )
        self._shares = options.concurrency == 1 and CAN_SHARE
        self._pool = ThreadPool(
            options.concurrency,
            self._new_executor,
            TASK_DELAY if self._fork_server is None and not self._shares else 0.0,
        )
        self._calls = CallQueue()
        self._selector: selectors.BaseSelector
        self._ownership: LoopOwnership
        self._has_guest = False
        self._is_leaving = False
        self._interruptions = Interruptions()
        self._failure: BaseException | None = None  # raised in the guest

    # For any thread

    def stop(self, grace: float) -> None:
        """Take no more jobs; leave when the running ones have ended, or after ``grace`` seconds."""
        self._calls.post(lambda: self._run.stop(grace, time.monotonic()))

    def wake(self) -> None:
        """End the loop's wait, in case that the thread that called `stop` was interrupted before it could."""
        self._calls.wake()

    def add(self, function: Function[Call]) -> None:
        """Register a function that was added to the table."""
        self._calls.post(partial(self._run.add, function))

    def remove(self, function: Function[Call]) -> None:
        """Unregister a function that was removed from the table."""
        self._calls.post(partial(self._run.remove, function))

    # For the thread that owns the loop

    def run(self) -> Reason:
        """Work, and return the reason for leaving.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        with ExitStack() as closing:
            closing.callback(self.close)
            self._selector = closing.enter_context(selectors.DefaultSelector())
            self._ownership = LoopOwnership(self._selector)
            closing.callback(self._ownership.close)
            self._calls.open()
            closing.callback(self._calls.close)  # first: among the last calls are connections to be closed
            self._work()
        return self._run.reason()

    def _work(self) -> None:
        self._pool.start()
        try:
            self._selector.register(self._calls, selectors.EVENT_READ, self._calls.run)
            self._calls.post(self._turn)
            while not self._is_leaving:
                if self._ownership.acquire_as_owner(self._deadline):
                    try:
                        self._go_on()
                    finally:
                        self._ownership.release()
        finally:
            self._leave()

    def close(self) -> None:
        """Close what the constructor has opened, in case that `run` is never called; may be called again."""
        if self._fork_server is not None:
            self._fork_server.close()

    def _go_on(self) -> None:
        """Process the events that have happened, and apply what is due."""
        if self._failure is not None:
            raise self._failure
        self._wait(0.0)
        self._turn()
        self._is_leaving = self._run.is_over(time.monotonic())

    def _deadline(self) -> float:
        """Return the time at which something is due without any event; perhaps infinity."""
        if self._failure is not None or self._run.is_over(time.monotonic()):
            return -math.inf
        return min(self._run.deadline(), self._pool.deadline)

    def _wait(self, timeout: float | None) -> None:
        """Wait for events, and process them."""
        for key, _ in self._selector.select(timeout):
            key.data()

    def _turn(self) -> None:
        """Apply everything that is due, and send everything that is queued."""
        now = time.monotonic()
        for connector in tuple(self._connectors):
            if connector.connection is not None:
                self._tick(connector, connector.connection, now)
            elif self._run.wants_connection(connector.server, now):
                connector.connect(self._pass_outcome)
        for job in self._run.overdue(now):
            self._end_late(job, now)
        self._run.turn(now)
        self._pool.wake_more(now)
        for connector in tuple(self._connectors):
            if connector.connection is not None:
                self._flush(connector, connector.connection)

    def _tick(self, connector: Connector, connection: WorkerConnection, now: float) -> None:
        try:
            connection.session.tick(now)
        except GeartrainError as error:
            self._lost(connector, connection, error)

    def _end_late(self, job: AnyAssignedJob, now: float) -> None:
        """Interrupt a job that did not end within its timeout, if its function wants that; else its slot is lost."""
        if not self._interruptions.is_running(job):  # it has just ended, or waits behind another one
            self._run.watch(job, now + CANCEL_TIMEOUT)
            return
        self._interruptions.report(job)
        if self._interruptions.interrupt(job):
            self._run.watch(job, now + CANCEL_TIMEOUT)
        else:
            self._run.lose_slot(job)

    def _leave(self) -> None:
        self._is_leaving = True
        self._calls.post(_nothing)  # to wake a guest
        self._ownership.end_sharing()
        self._run.leave()
        if self._fork_server is not None and self._run.running:
            self._fork_server.close()  # before other workers get the jobs
        for connector in self._connectors:
            if connector.connection is not None:
                connector.connection.leave()
        self._pool.leave(wait=not self._run.running)

    # Events, in the same thread

    def _connected(self, connector: Connector, outcome: Outcome) -> None:
        now = time.monotonic()
        if not isinstance(outcome, socket.socket):
            self._run.lost(connector.server, str(outcome), now)
        elif (session := self._run.connected(connector.server, now)) is None:
            outcome.close()
        else:
            connector.connection = connection = WorkerConnection(outcome, session)
            self._selector.register(outcome, selectors.EVENT_READ, partial(self._receive, connector, connection))

    def _receive(self, connector: Connector, connection: WorkerConnection) -> None:
        try:
            started = self._run.receive(connector.server, connection.read(), time.monotonic())
        except GeartrainError as error:
            self._lost(connector, connection, error)
            return
        for assignment, function in started:
            self._start(connector, assignment, function)

    def _flush(self, connector: Connector, connection: WorkerConnection) -> None:
        try:
            connection.flush()
        except GeartrainError as error:
            self._lost(connector, connection, error)
            return
        if connection.is_sending is not connection.watches_writing:
            connection.watches_writing = connection.is_sending
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_sending else 0)
            self._selector.modify(connection.sock, events, self._selector.get_key(connection.sock).data)
        if connector.server.is_retiring and connection.session.has_retired:
            connection.end()

    def _lost(self, connector: Connector, connection: WorkerConnection, error: GeartrainError) -> None:
        self._selector.unregister(connection.sock)
        connection.close()
        connector.connection = None
        if connector.server.is_retiring:
            self._connectors.remove(connector)
        self._run.lost(connector.server, str(error), time.monotonic())

    def _start(self, connector: Connector, assignment: Assignment, function: Function[Call]) -> None:
        job = AssignedJob(assignment, function, self._options, partial(self._report, connector, assignment))
        self._run.begin(connector.server, job)
        if job.deadline is not None and self._fork_server is None:
            self._run.watch(job, job.deadline + SERVER_FIRST)
        self._pool.do(partial(self._do, connector, job, function), here=self._has_guest)

    def _finish(self, connector: Connector, job: AssignedJob) -> None:
        now = time.monotonic()
        self._run.finish(connector.server, job, now)
        if job.is_lost and (successor := self._run.give_back(connector.server, now)) is not None:
            self._connectors.append(Connector(successor, self._options, self._tls))

    def _give_up(self, error: GeartrainError) -> None:
        raise error

    # For other threads

    def _new_executor(self) -> Executor:
        exceptions = self._options.exceptions
        if self._fork_server is None:
            return InlineExecutor(exceptions=exceptions)
        gives_back = self._options.on_process_death == "retry"
        return ProcessExecutor(self._fork_server, exceptions=exceptions, gives_back=gives_back)

    def _pass_outcome(self, connector: Connector, outcome: Outcome) -> None:
        """Pass the outcome of a connecting thread to the loop."""
        if not self._calls.post(partial(self._connected, connector, outcome)) and isinstance(outcome, socket.socket):
            outcome.close()

    def _do(self, connector: Connector, job: AssignedJob, function: Function[Call], executor: Executor) -> None:
        """Run a job to its end. Nothing that happens in here ends the thread: its slot would be lost."""
        try:
            if job.deadline is None:
                executor.do(job, function)
            else:
                perform = partial(executor.do, job, function)
                self._interruptions.run(job, perform, may_interrupt=function.interrupt and self._fork_server is None)
        except NoMoreProcesses as error:
            self._calls.post(partial(self._give_up, error))
            return
        except BaseException as error:  # noqa: BLE001  # such as no memory for a traceback, or a log handler that raises
            job.end()
            _log_failure(job, error)
        if self._shares:
            self._finish_as_guest(connector, job)
        else:
            self._calls.post(partial(self._finish, connector, job))

    def _finish_as_guest(self, connector: Connector, job: AssignedJob) -> None:
        """Report the end of a job, and run the loop until there is another job to run."""
        if not self._ownership.acquire_as_guest():
            return  # the worker has left without this thread
        self._has_guest = True
        try:
            if self._calls.has_calls:
                self._calls.run()  # among them the reports of the job
            self._finish(connector, job)
            self._turn()
            while not (self._is_leaving or self._pool.has_task or self._run.is_over(now := time.monotonic())):
                deadline = self._run.deadline()
                self._wait(None if deadline == math.inf else max(deadline - now, 0.0))
                self._turn()
        except BaseException as error:  # noqa: BLE001  # the owner raises it
            self._failure = error
        finally:
            self._has_guest = False
            self._ownership.release_as_guest(self._deadline())

    def _report(self, connector: Connector, assignment: Assignment, report: Report) -> None:
        connection = connector.connection
        if connection is not None:  # else it is lost, and the report with it
            connection.wait_for_room(sum(map(len, report[1:])))
            self._calls.post(partial(self._run.report, connector.server, assignment, report))


def _nothing() -> None:
    pass


def _log_failure(job: AssignedJob, error: BaseException) -> None:
    with contextlib.suppress(BaseException):  # the log may be what failed
        _logger.error("%s %s failed outside of its function", job.function, job.handle, exc_info=error)

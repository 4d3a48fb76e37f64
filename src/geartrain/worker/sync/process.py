# SPDX-License-Identifier: MIT
"""An executor whose jobs run in a process of their own.

The worker's thread and the process speak Gearman: the thread passes a job on as JOB_ASSIGN_ALL, and the process answers
with the WORK_* packets that the thread passes on to the server. Neither reads ahead, so that a job that streams to a
slow server waits.
"""

import contextlib
import logging
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping

from geartrain.errors import RemoteProtocolError
from geartrain.protocol import REQUEST, RESPONSE, Command, Reader, request, response
from geartrain.worker.forkserver import ChildProcess, ForkServer, flush_output
from geartrain.worker.functions import Function
from geartrain.worker.job import Report
from geartrain.worker.options import SERVER_FIRST, WorkerOptions
from geartrain.worker.session import Assignment
from geartrain.worker.sync.calls import Call, perform
from geartrain.worker.sync.job import AssignedJob

__all__ = ["ProcessDied", "ProcessExecutor", "serve_jobs"]

READ_SIZE = 256 * 1024  # bytes read from the socket at once
MAX_PACKET = 2**32 - 1  # bytes: the server's limits were applied before, and no other program writes here

_LONGEST_WAIT = 86_400.0  # seconds; the system counts milliseconds, up to about three weeks

_ENDINGS = frozenset((Command.WORK_COMPLETE, Command.WORK_EXCEPTION, Command.WORK_FAIL))

_logger = logging.getLogger("geartrain.worker")


class ProcessDied(Exception):
    """The process of a job has ended during the job."""


class TimedOut(Exception):
    """The process of a job was killed, as the job took too long."""


class ProcessExecutor:
    """Runs jobs in a process, which is forked for the first job and again after it has died.

    Args:
        fork_server: Forks the process.
        exceptions: See ``tell`` of `AssignedJob.raised`.
        gives_back: True to mark a job whose process dies as lost, False to fail it.
    """

    def __init__(self, fork_server: ForkServer, *, exceptions: bool, gives_back: bool) -> None:
        self._fork_server = fork_server
        self._exceptions = exceptions
        self._gives_back = gives_back
        self._child: ChildProcess | None = None
        self._reader = Reader(REQUEST, MAX_PACKET)

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Run a job to its end, or to the end of its process.

        Raises:
            NoMoreProcesses: There is no process, and none can be forked any more.
        """
        try:
            self._do(job, function.timeout)
        except TimedOut as late:
            self._end_child()
            _logger.error("%s %s: %s", job.function, job.handle, late)  # noqa: TRY400  # its traceback says nothing
            job.raised(late, tell=self._exceptions)
        except ProcessDied as died:
            self.leave()
            if not self._fork_server.is_closed:  # else the worker itself has killed it
                fate = "; its server gives it to another worker" if self._gives_back else ""
                _logger.error("%s %s: %s%s", job.function, job.handle, died, fate)  # noqa: TRY400  # its traceback says nothing
            if self._gives_back:
                job.is_lost = True
            else:
                job.raised(died, tell=self._exceptions)
        except RemoteProtocolError as error:  # the function has written to its process's socket
            self._end_child()
            _logger.exception("%s %s: its process sent invalid data", job.function, job.handle)
            job.raised(error, tell=self._exceptions)
        except OSError as error:  # such as EMFILE: the next job may have better luck
            self.leave()
            _logger.exception("%s %s: cannot start a process for it", job.function, job.handle)
            job.raised(error, tell=self._exceptions)

    def leave(self) -> None:
        """Let the process exit."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _end_child(self) -> None:
        """Kill the process, and the programs that it has started."""
        if self._child is not None:
            self._fork_server.kill(self._child)
        self.leave()

    def _do(self, job: AssignedJob, timeout: float | None) -> None:
        deadline = math.inf if timeout is None else time.monotonic() + timeout + SERVER_FIRST
        child = self._living_child()
        assigned = job.assignment
        try:
            child.sock.sendall(
                response(
                    Command.JOB_ASSIGN_ALL,
                    assigned.handle,
                    assigned.function,
                    assigned.unique,
                    assigned.reducer,
                    assigned.workload,
                )
            )
        except OSError as error:
            raise _died(child) from error
        ending: list[Report] = []
        for report in self._reports(child, deadline):
            if report[0] not in _ENDINGS:
                job.send(report)
                continue
            ending.append(report)
            if report[0] is not Command.WORK_EXCEPTION:  # which a WORK_FAIL follows
                job.ending = tuple(ending)
                return

    def _living_child(self) -> ChildProcess:
        """Return the process, or a new one if it has died: a process that waits for a job sends nothing."""
        if self._child is not None and _ready(self._child.sock.fileno(), self._child.exit_pipe, timeout=0.0):
            _logger.warning("an idle process %s; starting another one", _exit_text(_exit_status(self._child)))
            self.leave()
        if self._child is None:
            self._child = self._fork_server.spawn()
            self._reader = Reader(REQUEST, MAX_PACKET)
        return self._child

    def _reports(self, child: ChildProcess, deadline: float) -> Iterator[Report]:
        """Yield the reports of the process until it dies, or until the deadline."""
        reader, watched = self._reader, [child.sock.fileno(), child.exit_pipe]
        while True:
            while reader.advance():
                _, *arguments = reader.arguments()
                yield Command(reader.command), *tuple(arguments)
            remaining = min(deadline - time.monotonic(), _LONGEST_WAIT)
            ready = _ready(*watched, timeout=remaining)
            if not ready:
                if time.monotonic() < deadline:
                    continue
                raise TimedOut("the job did not end within its timeout, so its process was killed")
            if child.sock.fileno() not in ready:
                # A program that it has started may hold its socket open, so that it does not end.
                status = _exit_status(child)
                if status:
                    raise ProcessDied(f"the process that did the job {_exit_text(status)}")
                watched.remove(child.exit_pipe)  # the fork server has died, and the job goes on without it
                continue
            try:
                data = child.sock.recv(READ_SIZE)
            except OSError:  # it died with unread data
                data = b""
            if not data:
                raise _died(child)
            reader.feed(data)


def serve_jobs(functions: Mapping[bytes, Function[Call]], options: WorkerOptions, sock: socket.socket) -> None:
    """Run the jobs from a socket, in a child process, until the worker closes the socket."""
    reader = Reader(RESPONSE, MAX_PACKET)
    with sock, contextlib.suppress(ConnectionError):  # the worker has ended, and this process is about to be killed
        while data := sock.recv(READ_SIZE):
            reader.feed(data)
            while reader.advance():
                handle, function, unique, reducer, workload = reader.arguments()
                send = _sender(sock, handle)
                known = functions[function]
                job = AssignedJob(Assignment(handle, function, unique, workload, reducer), known, options, send)
                perform(job, known.call, exceptions=options.exceptions)
                flush_output()  # the process may be killed while it waits for the next job
                for report in job.ending:
                    send(report)


def _sender(sock: socket.socket, handle: bytes) -> Callable[[Report], None]:
    def send(report: Report) -> None:
        command, *arguments = report
        sock.sendall(request(command, handle, *arguments))

    return send


def _died(child: ChildProcess) -> ProcessDied:
    return ProcessDied(f"the process that did the job {_exit_text(_exit_status(child))}")


def _exit_status(child: ChildProcess) -> bytes:
    """Wait for the exit status of a child; empty if the fork server has not forked it, or has died."""
    return os.read(child.exit_pipe, 1000)


def _exit_text(status: bytes) -> str:
    """Return a description of a child's exit status."""
    if not status:
        return "was lost together with the process that forked it, or could not be forked"
    if not status.isdigit():
        return status.decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(int(status))
    return f"exited with status {code}" if code >= 0 else f"was killed by {_signal_name(-code)}"


def _ready(*descriptors: int, timeout: float) -> set[int]:
    """Wait for some seconds, and return the descriptors that have something to read, or have ended."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(math.ceil(timeout * 1000), 0))}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"signal {number}"

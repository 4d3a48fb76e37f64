# SPDX-License-Identifier: MIT
"""A process that does jobs, and the thread of the worker that keeps it.

They speak Gearman: the thread passes a job on as JOB_ASSIGN_ALL, and the process answers with the WORK_* packets that
the thread passes on to the server. Neither reads ahead, so that a job that streams to a slow server waits.
"""

import contextlib
import logging
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator, Mapping

from geartrain.protocol import REQUEST, RESPONSE, Command, Packet, Parser, request, response
from geartrain.worker.functions import Function
from geartrain.worker.job import Report
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment
from geartrain.worker.sync.calls import Call, perform
from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.nursery import Line, Nursery, flush_output

__all__ = ["Child", "ProcessDied", "labour"]

READ_SIZE = 256 * 1024  # bytes taken from the socket at once
MAX_PACKET = 2**32 - 1  # bytes: both sides are ours, and the limits of the server have been kept before

_ENDINGS = frozenset((Command.WORK_COMPLETE, Command.WORK_EXCEPTION, Command.WORK_FAIL))

_logger = logging.getLogger("geartrain.worker")


class ProcessDied(Exception):
    """The process that did a job has ended in the middle of it."""


class Child:
    """Does jobs in a process, which is forked for the first one and again when it has died.

    Args:
        nursery: Forks it.
        exceptions: See ``tell`` of `AssignedJob.raised`.
    """

    def __init__(self, nursery: Nursery, *, exceptions: bool) -> None:
        self._nursery = nursery
        self._exceptions = exceptions
        self._line: Line | None = None
        self._parser = Parser(REQUEST, MAX_PACKET)

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Do a job up to its end.

        Raises:
            GeartrainError: There is no process, and there will be none any more.
        """
        try:
            self._do(job)
        except ProcessDied as died:
            self.leave()
            if not self._nursery.is_closed:  # else it is the worker that has it killed
                _logger.error("%s %s: %s", job.function, job.handle, died)  # noqa: TRY400  # no traceback: it is ours
            job.raised(died, tell=self._exceptions)

    def leave(self) -> None:
        """Let the process end."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _do(self, job: AssignedJob) -> None:
        line = self._living()
        assigned = job.assignment
        try:
            line.sock.sendall(
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
            raise _died(line) from error
        ending: list[Report] = []
        for number, (_, *arguments) in self._packets(line):
            report: Report = (Command(number), *tuple(arguments))
            if number not in _ENDINGS:
                job.send(report)
                continue
            ending.append(report)
            if number != Command.WORK_EXCEPTION:  # behind which comes a WORK_FAIL
                job.ending = tuple(ending)
                return

    def _living(self) -> Line:
        """Return the line to a process that was not found dead: one that waits for a job says nothing."""
        if self._line is not None and _ready(self._line.sock.fileno(), self._line.obituary, wait=False):
            _logger.warning("a process that waited for jobs %s; another one takes its place", _how(self._line))
            self.leave()
        if self._line is None:
            self._line = self._nursery.bear()
            self._parser = Parser(REQUEST, MAX_PACKET)
        return self._line

    def _packets(self, line: Line) -> Iterator[Packet]:
        """Yield what the process says, until it dies."""
        while True:
            if line.sock.fileno() not in _ready(line.sock.fileno(), line.obituary):
                # What it has started may hold its socket open, which therefore does not end.
                raise _died(line)
            try:
                data = line.sock.recv(READ_SIZE)
            except OSError:  # it died with something unread
                data = b""
            if not data:
                raise _died(line)
            yield from list(self._parser.receive(data))


def labour(functions: Mapping[bytes, Function[Call]], options: WorkerOptions, line: socket.socket) -> None:
    """Do the jobs that come over a line, in a child, until the worker lets go of it."""
    parser = Parser(RESPONSE, MAX_PACKET)
    with line, contextlib.suppress(ConnectionError):  # the worker is gone, and this process about to be killed
        while data := line.recv(READ_SIZE):
            for _, (handle, function, unique, reducer, workload) in parser.receive(data):
                known = functions[function]
                send = _sender(line, handle)
                assignment = Assignment(handle, function, unique, workload, reducer)
                job = AssignedJob(assignment, known.name, options.client_id, send, known.codec or options.codec)
                perform(job, known.call, exceptions=options.exceptions)
                flush_output()  # the process may be killed while it waits for the next job
                for report in job.ending:
                    send(report)


def _sender(line: socket.socket, handle: bytes) -> Callable[[Report], None]:
    def send(report: Report) -> None:
        command, *arguments = report
        line.sendall(request(command, handle, *arguments))

    return send


def _died(line: Line) -> ProcessDied:
    return ProcessDied(f"the process that did the job {_how(line)}")


def _how(line: Line) -> str:
    """Return how a child has ended; wait until it is known."""
    told = os.read(line.obituary, 1000)
    if not told:
        return "was lost together with the process that forked it"
    if not told.isdigit():
        return told.decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(int(told))
    return f"exited with status {code}" if code >= 0 else f"was killed by {_signal_name(-code)}"


def _ready(*descriptors: int, wait: bool = True) -> set[int]:
    """Return those that have something to read, or have ended."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if wait else 0)}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"

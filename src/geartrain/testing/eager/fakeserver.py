# SPDX-License-Identifier: MIT
"""The answers of a server and a worker to an eager client, except for the running of jobs."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.protocol import ARGUMENTS, REQUEST, Command, Reader, response
from geartrain.worker.functions import Function
from geartrain.worker.job import AnyAssignedJob, Report
from geartrain.worker.registry import Registry
from geartrain.worker.session import Assignment

__all__ = ["EagerTask", "FakeServer"]


class EagerTask:
    """A job to be run now.

    Attributes:
        assignment: The job.
        function: The function that does it.
    """

    def __init__(self, assignment: Assignment, function: Function[Any], session: Session[Ticket]) -> None:
        self.assignment = assignment
        self.function = function
        self._session = session

    def report(self, packet: Report) -> None:
        """Pass a report of the job to the client."""
        command, *arguments = packet
        _answer(self._session, command, self.assignment.handle, *arguments)

    def end(self, job: AnyAssignedJob) -> None:
        """Pass the end of the job to the client."""
        for packet in job.ending:
            self.report(packet)


class FakeServer:
    """Answers the requests of a client, and returns the jobs among them.

    Args:
        worker: The worker whose functions do the jobs.
    """

    def __init__(self, worker: Registry[Any, Any]) -> None:
        self._worker = worker
        self._numbers = itertools.count(1)

    def answer(self, server: str, compose: Callable[[Session[Ticket]], bytes]) -> Iterator[EagerTask]:
        """Answer all requests of one call; yield each job, which must end before the next step.

        Raises:
            LookupError: The worker has no function for a job; a real server would keep the job.
        """
        session: Session[Ticket] = Session(server, time.monotonic)
        reader = Reader(REQUEST)
        reader.feed(compose(session))
        while reader.advance():
            command = Command(reader.command)
            arguments = dict(zip(ARGUMENTS[command], reader.arguments(), strict=True))
            # Each job has ended when the next request comes, and servers forget ended jobs at once.
            if command is Command.OPTION_REQ:
                _answer(session, Command.OPTION_RES, arguments["option"])
            elif command is Command.ECHO_REQ:
                _answer(session, Command.ECHO_RES, arguments["data"])
            elif command is Command.GET_STATUS:
                _answer(session, Command.STATUS_RES, arguments["handle"], b"0", b"0", b"0", b"0")
            elif command is Command.GET_STATUS_UNIQUE:
                _answer(session, Command.STATUS_RES_UNIQUE, arguments["unique"], b"0", b"0", b"0", b"0", b"0")
            else:
                task = self._task(arguments, session)
                _answer(session, Command.JOB_CREATED, task.assignment.handle)
                yield task

    def _task(self, arguments: dict[str, bytes], session: Session[Ticket]) -> EagerTask:
        functions = self._worker._functions
        function = functions.get(arguments["function"])
        if function is None:
            known = ", ".join(each.name for each in functions) or "none"
            name = arguments["function"].decode(errors="replace")
            raise LookupError(f"there is no function {name!r}; known are: {known}")
        assignment = Assignment(
            b"H:eager:%d" % next(self._numbers),
            function.wire_name,
            arguments["unique"],
            arguments["workload"],
            arguments.get("reducer", b""),
        )
        return EagerTask(assignment, function, session)


def _answer(session: Session[Ticket], command: Command, *arguments: bytes) -> None:
    # All events are read before the first one is processed: a callback may submit more jobs.
    for ticket, event in list(session.receive(response(command, *arguments))):
        ticket.take(event)

# SPDX-License-Identifier: MIT
"""What a server and a worker answer to an eager client, all but the doing of the jobs."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.protocol import ARGUMENTS, REQUEST, Command, Parser, response
from geartrain.worker.functions import Function
from geartrain.worker.job import AnyAssignedJob, Report
from geartrain.worker.registry import Registry
from geartrain.worker.session import Assignment

__all__ = ["FakeServer", "Task"]


class Task:
    """A job to be done now.

    Attributes:
        assignment: The job.
        function: Who does it.
    """

    def __init__(self, assignment: Assignment, function: Function[Any], session: Session[Ticket]) -> None:
        self.assignment = assignment
        self.function = function
        self._session = session

    def report(self, packet: Report) -> None:
        """Tell the client what the job says."""
        command, *arguments = packet
        _tell(self._session, command, self.assignment.handle, *arguments)

    def end(self, job: AnyAssignedJob) -> None:
        """Tell the client how it ended."""
        for packet in job.ending:
            self.report(packet)


class FakeServer:
    """Answers what a client asks, and hands on what is to be done.

    Args:
        worker: Who can do what.
    """

    def __init__(self, worker: Registry[Any, Any]) -> None:
        self._worker = worker
        self._numbers = itertools.count(1)

    def answer(self, server: str, compose: Callable[[Session[Ticket]], bytes]) -> Iterator[Task]:
        """Answer all that a client says in one breath; yield each job, which has to end before the next step.

        Raises:
            LookupError: The worker cannot do a job; a real server would keep it for one that can.
        """
        session: Session[Ticket] = Session(server, time.monotonic)
        for number, values in Parser(REQUEST).receive(compose(session)):
            command = Command(number)
            arguments = dict(zip(ARGUMENTS[command], values, strict=True))
            # A job has ended when the next question comes, and servers forget those at once.
            if command is Command.ECHO_REQ:
                _tell(session, Command.ECHO_RES, arguments["data"])
            elif command is Command.GET_STATUS:
                _tell(session, Command.STATUS_RES, arguments["handle"], b"0", b"0", b"0", b"0")
            elif command is Command.GET_STATUS_UNIQUE:
                _tell(session, Command.STATUS_RES_UNIQUE, arguments["unique"], b"0", b"0", b"0", b"0", b"0")
            else:
                task = self._task(arguments, session)
                _tell(session, Command.JOB_CREATED, task.assignment.handle)
                yield task

    def _task(self, arguments: dict[str, bytes], session: Session[Ticket]) -> Task:
        functions = self._worker._functions
        function = functions.get(arguments["function"])
        if function is None:
            known = ", ".join(each.name for each in functions) or "none"
            raise LookupError(f"nobody does {arguments['function'].decode(errors='replace')!r}; known are: {known}")
        assignment = Assignment(
            b"H:eager:%d" % next(self._numbers),
            function.wire_name,
            arguments["unique"],
            arguments["workload"],
            arguments.get("reducer", b""),
        )
        return Task(assignment, function, session)


def _tell(session: Session[Ticket], command: Command, *arguments: bytes) -> None:
    # All of it is read before anything happens: what happens may be that more is submitted.
    for ticket, event in list(session.receive(response(command, *arguments))):
        ticket.take(event)

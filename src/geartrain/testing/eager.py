# SPDX-License-Identifier: MIT
"""A client without a server: jobs are done by the thread that submits them.

Only the way to the server is left out. What a client asks goes through its session, and what answers it are the packets
that a server and a worker would send, so that checks, codecs, events and errors are the real ones.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic

from geartrain.client import Client
from geartrain.client.session import Session
from geartrain.client.sync.hub import Hub
from geartrain.client.ticket import Ticket
from geartrain.codecs import RAW, Codec
from geartrain.names import Text
from geartrain.protocol import ARGUMENTS, REQUEST, Command, Parser, response
from geartrain.records import ResultT, ValueT
from geartrain.testing.worker import as_worker
from geartrain.transport import ServerAddress
from geartrain.worker import AssignedJob, Worker
from geartrain.worker.job import Report
from geartrain.worker.session import Assignment
from geartrain.worker.sync.calls import perform, wrap

__all__ = ["EagerClient"]


class EagerClient(Client[ValueT, ResultT], Generic[ValueT, ResultT]):
    """A `Client` for tests that need no server: a job has been done when the call returns that submits it.

    ::

        client = EagerClient({"reverse": lambda job: job.workload[::-1]})
        assert client.do("reverse", "Hello") == b"olleH"

    Jobs with `at` or `delay` are done at once, too, and uniques bring nothing together, as no job is ever waiting.
    Background jobs that fail are logged, as a worker does; whoever submits them is not told.

    Args:
        functions: Who does the jobs: a worker, with its middleware and codec, or functions by name.
        prefix: Put before the name of every function, as of a real client; a worker needs the same.
        client_id: What the client calls itself.
        codec: As of a real client; functions given by name use it, too.

    Attributes:
        jobs: All that were done, in the order in which they began.
    """

    def __init__(
        self,
        functions: Worker | Mapping[str, Callable[..., object]],
        *,
        prefix: Text = b"",
        client_id: str | None = None,
        codec: Codec[ValueT, ResultT] | None = None,
    ) -> None:
        super().__init__("localhost", prefix=prefix, client_id=client_id, codec=codec)
        self.jobs: list[AssignedJob] = []
        self._eager_hub = _EagerHub(self._options, as_worker(functions, prefix=prefix, codec=codec or RAW), self.jobs)

    def __repr__(self) -> str:
        return f"<EagerClient: {len(self.jobs)} jobs>"

    def close(self) -> None:
        """Submit nothing more."""
        super().close()
        self._eager_hub.close()

    def _hub(self) -> Hub:
        return self._eager_hub


class _EagerHub(Hub):
    """Has each packet answered while it is sent."""

    def __init__(self, options: Any, worker: Worker, jobs: list[AssignedJob]) -> None:
        super().__init__(options)
        self._worker = worker
        self._jobs = jobs
        self._numbers = itertools.count(1)

    def _say(
        self, address: ServerAddress, compose: Callable[[Session[Ticket]], bytes], until: float | None = None
    ) -> None:
        self._check_open()
        session: Session[Ticket] = Session(str(address), time.monotonic)

        def tell(command: Command, *arguments: bytes) -> None:
            for ticket, event in list(session.receive(response(command, *arguments))):
                ticket.take(event)

        for number, arguments in Parser(REQUEST).receive(compose(session)):
            command = Command(number)
            self._answer(command, dict(zip(ARGUMENTS[command], arguments, strict=True)), tell)

    def _answer(self, command: Command, arguments: dict[str, bytes], tell: Callable[..., None]) -> None:
        # A job has ended when the next question comes, and servers forget those at once.
        if command is Command.ECHO_REQ:
            tell(Command.ECHO_RES, arguments["data"])
        elif command is Command.GET_STATUS:
            tell(Command.STATUS_RES, arguments["handle"], b"0", b"0", b"0", b"0")
        elif command is Command.GET_STATUS_UNIQUE:
            tell(Command.STATUS_RES_UNIQUE, arguments["unique"], b"0", b"0", b"0", b"0", b"0")
        else:
            self._do(arguments, tell)

    def _do(self, arguments: dict[str, bytes], tell: Callable[..., None]) -> None:
        worker = self._worker
        function = worker._functions.get(arguments["function"])
        if function is None:
            known = ", ".join(each.name for each in worker._functions) or "none"
            raise LookupError(f"nobody does {arguments['function'].decode(errors='replace')!r}; known are: {known}")
        handle = b"H:eager:%d" % next(self._numbers)
        tell(Command.JOB_CREATED, handle)

        def report(packet: Report) -> None:
            command, *rest = packet
            tell(command, handle, *rest)

        assignment = Assignment(
            handle, function.wire_name, arguments["unique"], arguments["workload"], arguments.get("reducer", b"")
        )
        options = worker._options
        job = AssignedJob(assignment, function.name, options.client_id, report, options.codec)
        self._jobs.append(job)
        perform(job, wrap(function.call, worker._middleware), exceptions=options.exceptions)
        for packet in job.ending:
            report(packet)

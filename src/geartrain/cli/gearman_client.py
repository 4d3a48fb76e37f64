# SPDX-License-Identifier: MIT
"""`gearman` as a client (protocol 4.1).

What differs from the C tool, and why:

- Exceptions are asked for, so that they are shown; they make the exit status 1 as other failures do.
- No server, a lost connection, a server's ERROR and a timeout end with a message and the status 2 or 3. The C tool
  exits 0, and a script takes its job for done (protocol 7.6).
- A line of any length is one job, where the C tool makes a job of every 8191 bytes. -N takes away a line end, not the
  last letter of a last line without one. NUL bytes are kept.
- An empty word and, with -N, an empty line are jobs with an empty workload; the C library refuses those.
- The jobs of several functions are sent in the order of the functions; libgearman 1.1 turns it round.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from socket import socket
from ssl import SSLContext

from geartrain.cli.gearman_options import GearmanOptions
from geartrain.cli.gearman_output import JobOutput
from geartrain.cli.murmur import unique_of
from geartrain.client.events import Completed, Created, Refused
from geartrain.client.request import Submission, submission
from geartrain.client.session import Session
from geartrain.errors import ConnectionLost, GeartrainError, JobError, NoServerAvailable, ReplyTimeout
from geartrain.records import JobRequest
from geartrain.transport import ServerAddress, connect

__all__ = ["EXIT_FAILED", "EXIT_NO_ANSWER", "EXIT_TIMEOUT", "JobRunner"]

EXIT_FAILED = 1  # a job failed
EXIT_NO_ANSWER = 2  # no server, or one that refused a job or was lost
EXIT_TIMEOUT = 3

READ_SIZE = 256 * 1024  # bytes taken from the socket at once


class _Task:
    """A job on its way; the ticket of its session."""

    __slots__ = ("function", "submission")

    def __init__(self, function: str, wanted: Submission) -> None:
        self.function = function
        self.submission = wanted


class JobRunner:
    """Submits what the command line names, and shows what becomes of it.

    Args:
        servers: In the order in which they are tried.
    """

    def __init__(
        self, options: GearmanOptions, servers: Sequence[ServerAddress], tls: SSLContext | None, output: JobOutput
    ) -> None:
        self._options = options
        self._servers = servers
        self._tls = tls
        self._output = output
        self._deadline = None if options.total_timeout is None else time.monotonic() + options.total_timeout
        self._sock: socket | None = None
        self._address = servers[0]
        self._session: Session[_Task] = Session(str(self._address), time.monotonic)
        self._failed = False
        self._refused = False

    def run(self) -> int:
        """Do all jobs, and return the exit status.

        Raises:
            GeartrainError: There is no server, or it was lost, or time ran out.
            LocalProtocolError: The protocol has no place for what was asked.
        """
        try:
            for workload in self._workloads():
                self._do([self._task(function, workload) for function in self._options.functions])
        finally:
            if self._sock is not None:
                self._sock.close()
        if self._refused:
            return EXIT_NO_ANSWER
        return EXIT_FAILED if self._failed else 0

    def _workloads(self) -> Iterator[bytes]:
        if self._options.words:
            yield from (os.fsencode(word) for word in self._options.words)
        elif self._options.empty:
            yield b""
        elif self._options.lines:
            yield from (line.removesuffix(b"\n") if self._options.strip else line for line in sys.stdin.buffer)
        else:
            yield sys.stdin.buffer.read()

    def _task(self, function: str, workload: bytes) -> _Task:
        unique = unique_of(workload) if self._options.unique == "#" else self._options.unique
        wanted = JobRequest(
            os.fsencode(function), workload, None if unique is None else os.fsencode(unique), self._options.priority
        )
        return _Task(function, submission(wanted, background=self._options.background))

    def _do(self, tasks: list[_Task]) -> None:
        """Submit some jobs together, and wait until all have ended or, in the background, are taken.

        A server that goes away before it has taken a job may be gone since the last one: the job goes to the next.
        """
        for _ in range(len(self._servers) + 1):
            try:
                self._submit(tasks)
                while tasks:
                    self._wait(tasks)
                return
            except ConnectionLost:
                taken = any(was_taken for _, was_taken in self._session.abandon())
                self._sock = None
                if taken:
                    raise
        raise ConnectionLost(f"{self._address} closes the connection when it is given a job")

    def _submit(self, tasks: Sequence[_Task]) -> None:
        greeting = b""
        if self._sock is None:
            self._sock = self._connect()
            self._session = Session(str(self._address), time.monotonic)
            greeting = self._session.greet()
        packets = [self._session.submit(task.submission, task) for task in tasks]
        try:
            self._sock.settimeout(self._patience())
            self._sock.sendall(greeting + b"".join(packets))
        except OSError as error:
            raise self._translated(error, "take the job") from error

    def _wait(self, tasks: list[_Task]) -> None:
        """Take what comes next, and drop tasks that have ended."""
        assert self._sock is not None, "tasks were submitted"
        try:
            self._sock.settimeout(self._patience())
            data = self._sock.recv(READ_SIZE)
        except OSError as error:
            raise self._translated(error, "answer") from error
        if not data:
            raise ConnectionLost(f"{self._address} closed the connection before all jobs were done")
        for task, event in self._session.receive(data):
            self._output.show(task.function, event)
            if isinstance(event, Refused):
                self._failed = True
                self._refused |= not isinstance(event.error, JobError)
            if isinstance(event, Completed | Refused) or (isinstance(event, Created) and self._options.background):
                tasks.remove(task)

    def _connect(self) -> socket:
        """Return a connection to the first server that can be reached."""
        failures: list[str] = []
        for address in self._servers:
            self._address = address
            try:
                return connect(address, tls=self._tls)
            except NoServerAvailable as error:
                failures.append(str(error))
        raise NoServerAvailable("; ".join(failures))

    def _patience(self) -> float | None:
        """Return how long to wait for the next sign of life."""
        if self._deadline is None:
            left = self._options.timeout
        else:
            left = max(self._deadline - time.monotonic(), 0.0)
            left = left if self._options.timeout is None else min(left, self._options.timeout)
        # A socket takes nought for a wish not to wait at all, and says so in another way.
        return None if left is None else max(left, 0.001)

    def _translated(self, error: OSError, what: str) -> GeartrainError:
        if isinstance(error, TimeoutError):
            return ReplyTimeout(f"{self._address} did not {what} in time")
        return ConnectionLost(f"{self._address}: {error.strerror or error}")

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

import contextlib
import math
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from socket import socket
from ssl import SSLContext, SSLWantReadError, SSLWantWriteError

from geartrain.cli.gearman_options import GearmanOptions
from geartrain.cli.gearman_output import JobOutput
from geartrain.cli.murmur import unique_of
from geartrain.client.events import Completed, Created, Failed
from geartrain.client.request import Submission, submission
from geartrain.client.session import Session
from geartrain.errors import ConnectionLost, JobError, NoServerAvailable, ReplyTimeout
from geartrain.records import JobRequest
from geartrain.transport import CONNECT_TIMEOUT, ServerAddress, connect

__all__ = ["EXIT_FAILED", "EXIT_NO_ANSWER", "EXIT_TIMEOUT", "JobRunner"]

EXIT_FAILED = 1  # a job failed
EXIT_NO_ANSWER = 2  # no server, or one that refused a job or was lost
EXIT_TIMEOUT = 3

READ_SIZE = 256 * 1024  # bytes taken from the socket at once
WRITE_SIZE = 256 * 1024  # and offered to it: an encrypted one encrypts all of it before it says how much it took

_NOT_NOW = (BlockingIOError, SSLWantReadError, SSLWantWriteError)


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
        self,
        options: GearmanOptions,
        servers: Sequence[ServerAddress],
        tls: SSLContext | None,
        token: str | None,
        output: JobOutput,
    ) -> None:
        self._options = options
        self._servers = servers
        self._tls = tls
        self._token = (token or "").encode()
        self._output = output
        self._deadline = None if options.total_timeout is None else time.monotonic() + options.total_timeout
        self._sock: socket | None = None
        self._address = servers[0]
        self._session: Session[_Task] = Session(str(self._address), time.monotonic)
        self._unsent = memoryview(b"")
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
            self._close()
        if self._refused:
            return EXIT_NO_ANSWER
        return EXIT_FAILED if self._failed else 0

    def _workloads(self) -> Iterator[bytes]:
        if self._options.words:
            yield from (os.fsencode(word) for word in self._options.words)
        elif self._options.empty or sys.stdin is None:  # which was closed by whoever started us
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
                while tasks or self._unsent:
                    self._wait(tasks)
                return
            except ConnectionLost:
                taken = any(was_taken for _, was_taken in self._session.abandon())
                self._close()
                if taken:
                    raise
                if not tasks:  # all were answered before all was sent, which is a refusal
                    return
                self._begin_behind(self._address)
        raise ConnectionLost(f"{self._address} closes the connection when it is given a job")

    def _submit(self, tasks: Sequence[_Task]) -> None:
        greeting = b""
        if self._sock is None:
            self._sock = self._connect()
            self._sock.setblocking(False)
            self._session = Session(str(self._address), time.monotonic)
            greeting = self._session.greet(token=self._token)
        packets = [self._session.submit(task.submission, task) for task in tasks]
        self._unsent = memoryview(greeting + b"".join(packets))

    def _wait(self, tasks: list[_Task]) -> None:
        """Take what comes next, or send what the socket takes, and drop tasks that have ended.

        Both at once: a server that cannot get rid of the first results takes no more jobs.
        """
        sock = self._sock
        assert sock is not None, "tasks were submitted"
        sending = [sock] if self._unsent else []
        patience = self._patience()
        readable, writable, _ = select.select([sock], sending, [], None if patience == math.inf else patience)
        if not readable and not writable:
            raise ReplyTimeout(f"{self._address} did not {'take the job' if sending else 'answer'} in time")
        if readable:
            self._receive(sock, tasks)
        if writable:
            with self._translated():
                self._unsent = self._unsent[sock.send(self._unsent[:WRITE_SIZE]) :]

    def _receive(self, sock: socket, tasks: list[_Task]) -> None:
        """Show what has come."""
        data = None
        with self._translated():
            data = sock.recv(READ_SIZE)
        if data is None:
            return
        if not data:
            raise ConnectionLost(f"{self._address} closed the connection before all jobs were done")
        for task, event in self._session.receive(data):
            self._output.show(task.function, event)
            if isinstance(event, Failed):
                self._failed = True
                self._refused |= not isinstance(event.error, JobError)
            if isinstance(event, Completed | Failed) or (isinstance(event, Created) and self._options.background):
                tasks.remove(task)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of a socket into ours, and pass over those that say "not now"."""
        try:
            yield
        except _NOT_NOW:
            pass
        except OSError as error:
            raise ConnectionLost(f"{self._address}: {error.strerror or error}") from error

    def _connect(self) -> socket:
        """Return a connection to the first server that can be reached."""
        failures: list[str] = []
        for address in self._servers:
            self._address = address
            try:
                return connect(address, tls=self._tls, timeout=min(self._patience(), CONNECT_TIMEOUT))
            except NoServerAvailable as error:
                failures.append(str(error))
        raise NoServerAvailable("; ".join(failures))

    def _begin_behind(self, address: ServerAddress) -> None:
        """Let a server that accepts connections and closes them be the last that is tried."""
        place = self._servers.index(address) + 1
        self._servers = [*self._servers[place:], *self._servers[:place]]

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _patience(self) -> float:
        """Return how long to wait for the next sign of life."""
        left = math.inf if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        return left if self._options.timeout is None else min(left, self._options.timeout)

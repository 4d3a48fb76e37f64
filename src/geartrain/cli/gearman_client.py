# SPDX-License-Identifier: MIT
"""`gearman` as a client (protocol 4.1).

Differences from the C tool:

- It asks for exceptions and shows them. They make the exit status 1, as other failures do.
- Without a server, after a lost connection, an ERROR or a timeout, it prints a message and exits with 2 or 3. The C
  tool exits with 0, and a script takes the job for done (protocol 7.6).
- A line of any length is one job; the C tool makes a job of every 8191 bytes. -N removes a line end, and not the last
  letter of a last line without one. NUL bytes are kept.
- An empty word and, with -N, an empty line are jobs with an empty workload; the C library refuses those.
- The jobs of several functions are sent in the order of the functions; libgearman 1.1 reverses it.
"""

import contextlib
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, TypeAlias

from geartrain.cli.gearman_options import GearmanOptions, servers_of
from geartrain.cli.output import error
from geartrain.cli.servers import cannot_reach, client_tls, client_token
from geartrain.client.events import Completed, Created, Failed, SessionEvent
from geartrain.client.session import Session
from geartrain.client.submission import Submission, plain_submission
from geartrain.errors import (
    ConnectionLost,
    GeartrainError,
    JobError,
    LocalProtocolError,
    NoServerAvailable,
    ReplyTimeout,
)
from geartrain.transport.address import ServerAddress
from geartrain.transport.sockets import CONNECT_TIMEOUT, connect
from geartrain.wording import counted

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["prepare"]

EXIT_USAGE = 1  # something that cannot be sent
EXIT_FAILED = 1  # a job failed
EXIT_NO_ANSWER = 2  # no server, or one that refused a job or was lost
EXIT_TIMEOUT = 3

READ_SIZE = 256 * 1024  # bytes taken from the socket at once
WRITE_SIZE = 256 * 1024  # and offered to it: an encrypted one encrypts all of it before it says how much it took

Show: TypeAlias = Callable[[str, SessionEvent], None]


def prepare(options: GearmanOptions) -> Callable[[], int]:
    """Return a function that does the jobs of a command line, and returns the exit status.

    Raises:
        ValueError: A server is not an address, or a file has no token.
        OSError: A file cannot be read.
        GeartrainError: There is no such port, or the token is not allowed.
    """
    tls = client_tls(os.environ).context() if options.tls else None
    token = client_token(options.token_file, os.environ)
    return partial(_run, JobRunner(options, servers_of(options, os.environ), tls, token, _output(options)))


def _hash(workload: bytes) -> str:
    from geartrain.cli.murmurhash3 import unique_of

    return unique_of(workload)


def _output(options: GearmanOptions) -> Show:
    if options.json:
        from geartrain.cli.gearman_json import print_event

        return print_event
    from geartrain.cli.gearman_output import PlainOutput

    return PlainOutput(prefix=options.prefix, verbose=options.verbose).show


def _run(runner: "JobRunner") -> int:
    try:
        return runner.run()
    except NoServerAvailable as problem:
        error(cannot_reach(problem))
    except ReplyTimeout as problem:
        error(str(problem))
        return EXIT_TIMEOUT
    except LocalProtocolError as problem:  # such as a unique that is too long
        error(str(problem))
        return EXIT_USAGE
    except GeartrainError as problem:
        error(str(problem))
    return EXIT_NO_ANSWER


class _Task:
    """A job on its way; the ticket of its session."""

    __slots__ = ("function", "is_accepted", "submission")

    def __init__(self, function: str, submission: Submission) -> None:
        self.function = function
        self.submission = submission
        self.is_accepted = False


class JobRunner:
    """Submits the jobs of a command line, and shows their events.

    Args:
        options: The command line.
        servers: The servers in the order in which they are tried.
        tls: Encrypts the connections.
        token: The token for servers with access rules.
        show: Called with the function and each event of its job.
    """

    def __init__(
        self,
        options: GearmanOptions,
        servers: Sequence[ServerAddress],
        tls: "SSLContext | None",
        token: str | None,
        show: Show,
    ) -> None:
        self._options = options
        self._servers = servers
        self._tls = tls
        self._token = (token or "").encode()
        self._show = show
        self._deadline = None if options.total_timeout is None else time.monotonic() + options.total_timeout
        self._sock: socket | None = None
        self._address = servers[0]
        self._session: Session[_Task] = Session(str(self._address), time.monotonic)
        self._unsent = memoryview(b"")
        self._failed = False
        self._refused = False
        # The exceptions of a socket that has nothing to read, or takes nothing, at present.
        self._not_now: tuple[type[OSError], ...] = (BlockingIOError,)

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
        elif self._options.empty or sys.stdin is None:  # which the caller has closed
            yield b""
        elif self._options.lines:
            yield from (line.removesuffix(b"\n") if self._options.strip else line for line in sys.stdin.buffer)
        else:
            yield sys.stdin.buffer.read()

    def _task(self, function: str, workload: bytes) -> _Task:
        unique = _hash(workload) if self._options.unique == "#" else self._options.unique
        encoded = None if unique is None else os.fsencode(unique)
        submission = plain_submission(
            os.fsencode(function), encoded, workload, self._options.priority, background=self._options.background
        )
        return _Task(function, submission)

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
        raise ConnectionLost(f"{self._address} closes the connection when it gets a job")

    def _submit(self, tasks: Sequence[_Task]) -> None:
        greeting = b""
        if self._sock is None:
            self._sock = self._connect()
            self._sock.setblocking(False)
            if self._tls is not None or self._address.tls:
                from ssl import SSLWantReadError, SSLWantWriteError

                self._not_now = (BlockingIOError, SSLWantReadError, SSLWantWriteError)
            self._session = Session(str(self._address), time.monotonic)
            greeting = self._session.greet(token=self._token)
        packets = [self._session.submit(task.submission, task) for task in tasks]
        self._unsent = memoryview(greeting + b"".join(packets))

    def _wait(self, tasks: list[_Task]) -> None:
        """Receive the next events, or send as much as the socket takes, and drop tasks that have ended.

        Both at once: a server whose results are not read takes no more jobs.
        """
        sock = self._sock
        assert sock is not None, "tasks were submitted"
        sending = [sock] if self._unsent else []
        patience = self._patience()
        readable, writable, _ = select.select([sock], sending, [], None if patience == math.inf else patience)
        if not readable and not writable:
            if not sending and all(task.is_accepted for task in tasks):
                what = counted(len(tasks), "job, but it has", "jobs, but they have")
                raise ReplyTimeout(f"{self._address} accepted {what} not ended in time")
            raise ReplyTimeout(f"{self._address} did not {'take the job' if sending else 'answer'} in time")
        if readable:
            self._receive(sock, tasks)
        if writable:
            with self._translated():
                self._unsent = self._unsent[sock.send(self._unsent[:WRITE_SIZE]) :]

    def _receive(self, sock: socket, tasks: list[_Task]) -> None:
        """Show the events that have come."""
        data = None
        with self._translated():
            data = sock.recv(READ_SIZE)
        if data is None:
            return
        if not data:
            raise ConnectionLost(f"{self._address} closed the connection before all jobs were done")
        for task, event in self._session.receive(data):
            self._show(task.function, event)
            task.is_accepted = True
            if isinstance(event, Failed):
                self._failed = True
                self._refused |= not isinstance(event.error, JobError)
            if isinstance(event, Completed | Failed) or (isinstance(event, Created) and self._options.background):
                tasks.remove(task)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate the errors of the socket, and ignore that it is not ready."""
        try:
            yield
        except self._not_now:
            pass
        except OSError as failure:
            raise ConnectionLost(f"{self._address}: {failure.strerror or failure}") from failure

    def _connect(self) -> socket:
        """Return a connection to the first server that can be reached."""
        failures: list[str] = []
        for address in self._servers:
            self._address = address
            try:
                return connect(address, tls=self._tls, timeout=min(self._patience(), CONNECT_TIMEOUT))
            except NoServerAvailable as failure:
                failures.append(str(failure))
        raise NoServerAvailable("; ".join(failures))

    def _begin_behind(self, address: ServerAddress) -> None:
        """Try a server that closes its connections last."""
        place = self._servers.index(address) + 1
        self._servers = [*self._servers[place:], *self._servers[:place]]

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _patience(self) -> float:
        """Return the seconds to wait for the next event."""
        left = math.inf if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        return left if self._options.timeout is None else min(left, self._options.timeout)

# SPDX-License-Identifier: MIT
"""The blocking client."""

import os
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType

from geartrain.client.hub import Hub
from geartrain.client.job import BackgroundSubmission, Question, SubmittedJob, Ticket
from geartrain.client.options import REPLY_TIMEOUT, Options
from geartrain.client.request import Delay, Moment, epoch_seconds, handle_bytes, submission, unique_bytes
from geartrain.client.servers import Balance
from geartrain.client.session import Session
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable, ReplyTimeout
from geartrain.names import Text
from geartrain.records import Handle, JobRequest, JobStatus, Priority
from geartrain.transport import CONNECT_TIMEOUT, KEEPALIVE, TLS, Servers

__all__ = ["Client"]

MAX_IN_FLIGHT = 100  # jobs of one `map`: enough to hide the way to the server, few enough for anyone's memory


class Client:
    """Submits jobs, and waits for them where that is wanted.

    Threads may share a client. A forked child may go on using one, with connections of its own. Servers are connected
    to when they are first needed.

    Args:
        servers: One server, several, or a comma-separated list; by default those in ``$GEARMAN_SERVERS``, else
            ``localhost:4730``. See `geartrain.transport.address` for the notation.
        tls: Encrypts all TCP connections: an ``ssl.SSLContext``, or a `TLS` that names files.
        prefix: Put before the name of every function.
        client_id: What ``gearadmin --workers`` shows for our connections.
        connect_timeout: Seconds for connecting to one server.
        reply_timeout: Seconds that a server may owe us an answer without a byte moving either way; its connection is
            then given up. Jobs that it has answered for may take as long as they like.
        keepalive: Seconds after which a dead path is noticed; ``None`` leaves that to the system.
        balance: Who gets jobs without a unique: ``"order"``, the first server that can be reached, or ``"random"``.

    Raises:
        ValueError: An option makes no sense.
    """

    def __init__(
        self,
        servers: Servers = None,
        *,
        tls: ssl.SSLContext | TLS | None = None,
        prefix: Text = b"",
        client_id: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        reply_timeout: float = REPLY_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
        balance: Balance = "order",
    ) -> None:
        self._options = Options.read(
            servers,
            tls=tls,
            prefix=prefix,
            client_id=client_id,
            connect_timeout=connect_timeout,
            reply_timeout=reply_timeout,
            keepalive=keepalive,
            balance=balance,
        )
        self._hubs: dict[int, Hub] = {}  # by process: at most ours, and right after a fork the parent's
        self._let_go = weakref.finalize(self, _close_hubs, self._hubs)  # also for a client that nobody closes

    def __repr__(self) -> str:
        state = "" if self._let_go.alive else " (closed)"
        return f"<Client {', '.join(map(str, self._options.addresses))}{state}>"

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; whatever waits ends with `ConnectionLost`, as does every later call."""
        hubs = list(self._hubs.values())
        self._let_go()
        for hub in hubs:
            hub.join()

    # Jobs

    def do(
        self,
        function: Text,
        workload: Text = b"",
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        retries: int = 0,
    ) -> bytes:
        """Have a job done and return its result.

        Args:
            function: Who is to do it.
            workload: What it gets; text travels as UTF-8.
            unique: Jobs of one function with the same unique are one job for as long as it is not done.
            priority: Its place among the jobs that wait.
            timeout: Seconds to wait; by default as long as it takes.
            retries: How often to start anew when the connection to the server is lost.

        Raises:
            JobFailed: The worker said so.
            JobException: The worker raised an exception.
            JobTimeout: The job took too long. It may still run.
            ServerError: The server refused it.
            ConnectionLost: The server went away with the job.
            NoServerAvailable: There is none to ask.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        [job] = self._submit([JobRequest(function, workload, unique, priority, retries)], stream=False, until=ends)
        try:
            return job.result(None if ends is None else max(ends - time.monotonic(), 0.0))
        finally:
            job.abandon()

    def submit(
        self,
        function: Text,
        workload: Text = b"",
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        retries: int = 0,
    ) -> SubmittedJob:
        """Submit a job and return at once; see `do` for the arguments. What goes wrong, its result will tell."""
        [job] = self._submit([JobRequest(function, workload, unique, priority, retries)])
        return job

    def submit_many(self, requests: Iterable[JobRequest]) -> list[SubmittedJob]:
        """Submit jobs with one write for all that go to the same server."""
        return self._submit(requests)

    def submit_background(
        self,
        function: Text,
        workload: Text = b"",
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        at: Moment | None = None,
        delay: Delay | None = None,
        timeout: float | None = None,
    ) -> Handle:
        """Leave a job with a server and return its handle once the server has it.

        Args:
            function: Who is to do it.
            workload: What it gets; text travels as UTF-8.
            unique: As in `do`; by default one that nothing else has.
            priority: Its place among the jobs that wait; not for jobs with ``at`` or ``delay``.
            at: When to start it at the earliest, as a ``datetime`` with a time zone or in seconds since 1970.
            delay: The same from now on, in seconds or as a ``timedelta``.
            timeout: Seconds to wait for the handle; by default each server has `reply_timeout` to answer.

        Raises:
            ServerError: The server refused it, such as for a full queue.
            ReplyTimeout: There was no answer in time. The server may have the job all the same.
            NoServerAvailable: There is none to ask.
            ValueError: The job's time is no moment in time.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        epoch = epoch_seconds(at, delay, time.time())
        wanted = JobRequest(function, workload, unique, priority)
        encoded = submission(wanted, prefix=self._options.prefix, background=True, epoch=epoch)
        hub = self._hub()
        job = BackgroundSubmission(hub, encoded, len(self._options.addresses))
        hub.place([job], until=ends)
        try:
            return job.result(None if ends is None else max(ends - time.monotonic(), 0.0))
        finally:
            job.abandon()

    def map(
        self,
        function: Text,
        workloads: Iterable[Text],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        retries: int = 0,
    ) -> Iterator[bytes]:
        """Yield the results of one job for each workload, in order.

        Workloads are taken as results are, so there may be no end to them. The first job that fails ends it all. Jobs
        that are under way when the caller stops are left to themselves.

        Args:
            function: Who is to do it.
            workloads: What each gets.
            max_in_flight: How many jobs there are at a time, their unread results included.
            priority: Their place among the jobs that wait.
            timeout: Seconds to wait for each result once it is its turn.
            retries: As in `do`, for each.
        """
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {max_in_flight}")
        return self._map(
            (JobRequest(function, workload, None, priority, retries) for workload in workloads), max_in_flight, timeout
        )

    def _map(self, requests: Iterator[JobRequest], max_in_flight: int, timeout: float | None) -> Iterator[bytes]:
        jobs: deque[SubmittedJob] = deque()
        try:
            for request in requests:
                jobs.extend(self._submit([request], stream=False))
                if len(jobs) == max_in_flight:
                    yield jobs[0].result(timeout)
                    jobs.popleft()
            while jobs:
                yield jobs[0].result(timeout)
                jobs.popleft()
        finally:
            for job in jobs:
                job.abandon()

    def _submit(
        self, requests: Iterable[JobRequest], *, stream: bool = True, until: float | None = None
    ) -> list[SubmittedJob]:
        hub = self._hub()
        prefix = self._options.prefix
        servers = len(self._options.addresses)
        jobs = [SubmittedJob(hub, submission(each, prefix=prefix), servers, stream=stream) for each in requests]
        hub.place(jobs, until=until)
        return jobs

    # Questions

    def status(self, handle: Handle | str | None = None, *, unique: Text | None = None) -> JobStatus:
        """Ask for a job, by its handle or by its unique.

        A `Handle` knows the server to ask. For a unique, or a handle that is mere text, all servers are asked until one
        knows the job; those that are down know nothing.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        if (handle is None) == (unique is None):
            raise ValueError("a status is asked for by either a handle or a unique")
        name = handle_bytes(str(handle)) if handle is not None else b""
        key = unique_bytes(unique) if unique is not None else b""

        def compose(session: Session[Ticket], question: Question) -> bytes:
            return session.ask_status(name, question) if name else session.ask_unique(key, question)

        status = JobStatus()
        for answer in self._answers(compose, handle.server if isinstance(handle, Handle) else ""):
            assert isinstance(answer, JobStatus), "the session matches answers to questions"
            status = answer
            if status.known:
                break
        return status

    def ping(self) -> float:
        """Return the seconds that an echo takes from the server that would get the next job.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        sent_at = 0.0

        def compose(session: Session[Ticket], question: Question) -> bytes:
            nonlocal sent_at
            sent_at = time.perf_counter()  # after connecting, which is no part of the way
            return session.echo(b"ping", question)

        next(self._answers(compose))
        return time.perf_counter() - sent_at

    def _answers(
        self, compose: Callable[[Session[Ticket], Question], bytes], server: str = ""
    ) -> Iterator[JobStatus | bytes]:
        """Yield the answers of all servers, or of the one named; raise if there is none."""
        hub = self._hub()
        failures: list[GeartrainError] = []
        asked = hub.ranked(server)
        for address in asked:
            try:
                yield hub.ask(address, compose)
            except (ConnectionLost, NoServerAvailable, ReplyTimeout) as error:
                failures.append(error)
        if len(failures) == len(asked):
            raise failures[0] if len(asked) == 1 else NoServerAvailable("; ".join(map(str, failures)))

    # Processes

    def _hub(self) -> Hub:
        """Return the connections of this process."""
        if not self._let_go.alive:
            raise ConnectionLost("the client is closed")
        process = os.getpid()
        hub = self._hubs.get(process)
        if hub is None:
            # Without a lock, which a fork could have left locked for ever; this is atomic all the same.
            hub = self._hubs.setdefault(process, Hub(self._options))
            for other in [other for other in list(self._hubs) if other != process]:
                self._hubs.pop(other).close()
        return hub


def _close_hubs(hubs: dict[int, Hub]) -> None:
    for hub in list(hubs.values()):
        hub.close()

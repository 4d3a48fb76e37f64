# SPDX-License-Identifier: MIT
"""The shutdown of a server: its three modes, and their time limits.

*Now* waits for the store and for unsent replies alone. *Drain* waits for running jobs and their clients as well, within
a time limit; other jobs go to other servers, or stay in the store. *Graceful* is the same without a limit for the jobs.
A second request, of any mode but graceful, forces the shutdown: it waits for almost nothing.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from geartrain.core import JobServer, Shutdown
from geartrain.protocol.text import printable
from geartrain.reactor.flusher import Flusher
from geartrain.server.config.kinds import SECONDS
from geartrain.server.config.option import Group, option
from geartrain.server.levels import Level
from geartrain.wording import counted

__all__ = ["ShutdownOptions", "ShutdownSequence", "describe_remaining"]

log = logging.getLogger("geartrain.server")

_MAX_NAMED = 5  # functions in one line


@dataclass(frozen=True, kw_only=True)
class ShutdownOptions:
    """Time limits of a shutdown; those of the store are with its options."""

    # As long as a worker has, by default, to end its jobs when it is told to stop.
    drain_timeout: float = option(
        30.0,
        SECONDS,
        Group.NETWORK,
        "seconds to wait for running jobs when the server stops; 0: do not wait",
        details="On SIGTERM and SIGINT, the server assigns no more jobs, and closes all connections without a running "
        "job, so that their clients use other servers. Jobs that still run after this time are given up; background "
        "jobs among them stay in the store.",
        example="60",
    )
    flush_timeout: float = option(
        1.0,
        SECONDS,
        Group.NETWORK,
        "when the server stops, seconds to wait until clients and workers have read the last replies",
        details="Without this limit, the server could not stop while a client does not read.",
        example="5",
    )


class ShutdownSequence:
    """The state of the shutdown, from the first request on.

    Args:
        job_server: The core, which knows the jobs that run, and whether a peer has asked for a shutdown.
        flusher: Has `look` called at the end of each turn of the event loop from the first request on.
        drain: Drains all services until a deadline, as `Service.drain` does.
        options: The time limits.

    Attributes:
        drain_timeout: The time limit of draining, in seconds.
        requested: The mode, or None.
        force: Set by the second request.
        is_due: Set when it is time to stop the services.
    """

    def __init__(
        self,
        job_server: JobServer,
        flusher: Flusher,
        drain: Callable[[float], None],
        options: ShutdownOptions,
    ) -> None:
        self._job_server = job_server
        self._flusher = flusher
        self._drain = drain
        self.drain_timeout = options.drain_timeout
        self._flush_timeout = options.flush_timeout
        self._loop = asyncio.get_running_loop()
        self._deadline = math.inf
        self._is_draining = False
        self._is_late = False  # rather than the deadline, as a timer may go off a little early
        self.requested: Shutdown | None = None
        self.force = asyncio.Event()
        self.is_due = asyncio.Event()

    def request(self, mode: Shutdown, reason: str = "this program") -> None:
        """Request a shutdown mode; a gentler mode than the current one is ignored.

        Args:
            mode: The mode.
            reason: The one who requests it, such as the name of a signal, for the log.
        """
        again = ", again" if self.has_begun else ""
        fields = {"event": "shutdown", "by": reason}
        log.log(Level.NOTICE, "Shutdown requested by %s%s", reason, again, extra={"fields": fields})
        if mode is Shutdown.GRACEFUL:
            self.requested = self.requested or mode
        elif self.requested in (None, Shutdown.GRACEFUL):
            self.requested = mode
            if mode is Shutdown.DRAIN:
                self._deadline = self._loop.time() + self.drain_timeout
                self._loop.call_at(self._deadline, self._run_out)
                self._begin_draining(self._deadline)
        else:
            self.requested = Shutdown.NOW
            self.force.set()
        self._flusher.is_stopping = True
        self._flusher.schedule()

    def look(self) -> None:
        """Compare the request, which a peer may have made as well, with the state of the jobs. Called every turn."""
        if not self.has_begun:
            return
        if Shutdown.NOW in (self.requested, self._job_server.shutdown_requested):
            self.is_due.set()
            return
        if not self._is_draining:
            self._begin_draining(math.inf)
        if self._is_late or not self._job_server.is_busy:
            self.is_due.set()

    def _begin_draining(self, deadline: float) -> None:
        self._is_draining = True
        self._drain(deadline)

    def _run_out(self) -> None:
        self._is_late = True
        self._flusher.schedule()

    @property
    def has_begun(self) -> bool:
        """True once this process or a peer has requested a shutdown."""
        return self.requested is not None or self._job_server.shutdown_requested is not None

    @property
    def time_left(self) -> float:
        """Seconds that clients have to read results; 0 if the server stops at once."""
        if self.requested is Shutdown.DRAIN:
            return self._deadline - self._loop.time()
        return self.drain_timeout if self._is_draining else 0.0

    @property
    def flush_timeout(self) -> float:
        """Seconds that peers have to read the last replies."""
        return 0.0 if self.force.is_set() else max(self._flush_timeout, self.time_left)

    async def wait_for(self, step: asyncio.Task[object], timeout: float | None, *, if_forced: float = 0.0) -> bool:
        """Wait for a step of the shutdown, and return whether it is done.

        Args:
            step: The step; it is not cancelled.
            timeout: The most seconds to wait, or None.
            if_forced: The most seconds to wait once the shutdown is forced.
        """
        forced = self._loop.create_task(self.force.wait())
        await asyncio.wait((step, forced), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        if self.force.is_set() and not step.done():
            await asyncio.wait((step,), timeout=if_forced)
        return step.done()


def describe_remaining(running: Mapping[bytes, int], unstored: int, unsent: int, peers: int) -> str:
    """Return a list for the log, empty if there is nothing.

    Args:
        running: The number of running jobs of each function.
        unstored: The number of changes that the store does not have.
        unsent: The number of bytes that were not sent.
        peers: The number of peers that they are for.
    """
    parts = []
    if running:
        functions = sorted(running.items(), key=lambda item: -item[1])
        named = [f"{printable(name).decode(errors='replace')} {count}" for name, count in functions[:_MAX_NAMED]]
        more = [counted(len(functions) - _MAX_NAMED, "more function")] if len(functions) > _MAX_NAMED else []
        parts.append(f"{counted(sum(running.values()), 'running job')} ({', '.join(named + more)})")
    if unsent:
        parts.append(f"{counted(unsent, 'byte')} unsent to {counted(peers, 'peer')}")
    if unstored:
        parts.append(f"{counted(unstored, 'change')} that the store does not have")
    return ", ".join(parts)

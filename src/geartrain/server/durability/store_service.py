# SPDX-License-Identifier: MIT
"""The store as a service: opened before the server listens, restored while it serves, closed after the last change."""

import asyncio
import logging
import time

from geartrain.core import Durability, JobServer, Shutdown
from geartrain.reactor.flusher import Flusher
from geartrain.server.connections import Connections
from geartrain.server.durability.committer import Committer
from geartrain.server.durability.restore import restore
from geartrain.server.durability.store import StoreOptions
from geartrain.server.levels import Level
from geartrain.server.shutdown import ShutdownSequence
from geartrain.storage import Opened, Store, StoreError
from geartrain.transport import Backoff
from geartrain.wording import counted

__all__ = ["StoreService"]

log = logging.getLogger("geartrain.server")

# Attempts to store jobs that were acknowledged before they were stored, when the server stops: they take 11 seconds.
_LAST_ATTEMPTS = 8
_BACKOFF = Backoff(first=0.1, longest=1.0)  # between attempts to open it


class StoreService:
    """Opens a store, restores its jobs, commits changes, and closes it.

    Args:
        store: The store.
        job_server: The core.
        flusher: Sends the replies that a commit releases.
        connections: The peers, which are not read from any more while the last changes are stored.
        shutdown: Requested if the jobs of an earlier run cannot be read; gives the time limits of the end.
        options: The time at which jobs are stored, and time limits.

    Attributes:
        failure: The reason why the jobs of an earlier run could not be read.
        is_stuck: The service has stopped, but a thread still waits for the store.
    """

    def __init__(
        self,
        store: Store,
        job_server: JobServer,
        flusher: Flusher,
        connections: Connections,
        shutdown: ShutdownSequence,
        options: StoreOptions,
    ) -> None:
        self._store = store
        self._job_server = job_server
        self._flusher = flusher
        self._connections = connections
        self._shutdown = shutdown
        self._options = options
        self._opened: Opened | None = None
        self._committer: Committer | None = None
        self._restoring: asyncio.Task[None] | None = None
        self.failure: Exception | None = None
        self.is_stuck = False

    async def start(self) -> None:
        """Open the store, reserve the first numbers in it, and restore its jobs from now on.

        Raises:
            StoreError: The store cannot be used.
        """
        options = self._options
        await self.open()
        opened = self._opened
        assert opened is not None, "it was opened"
        interval = options.store_within if options.durability is Durability.RELAXED else 0.0
        self._committer = Committer(
            self._store,
            self._job_server,
            self._flusher.schedule,
            interval=interval,
            last_attempts=1 if options.durability is Durability.COMMIT else _LAST_ATTEMPTS,
        )
        self._log_store(opened.jobs)
        self._job_server.begin_restoring(opened.reserved)
        await self._committer.reserve()
        self._restoring = asyncio.get_running_loop().create_task(self._restore(self._committer))

    async def open(self) -> None:
        """Open the store, unless it is open; wait for a database that takes no connections yet.

        Raises:
            StoreError: The store cannot be used. It is closed then.
        """
        if self._opened is None:
            self._opened = await self._wait_for_store()

    async def _wait_for_store(self) -> Opened:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._options.store_wait
        failures = 0
        try:
            while True:
                try:
                    return await self._store.open()
                except StoreError as error:
                    left = deadline - clock()
                    if not error.is_unavailable or left <= 0:
                        raise
                    failures += 1
                    if failures == 1:
                        log.warning("Waiting %.0f seconds for the store: %s", self._options.store_wait, error)
                await asyncio.sleep(min(_BACKOFF.delay(failures), left))
        except BaseException:
            await self._store.close()
            raise

    def _log_store(self, jobs: int) -> None:
        name = getattr(self._store, "name", repr(self._store))  # a store of another program need not have one
        durability = self._options.durability.value
        fields = {"event": "store", "store": name, "durability": durability, "jobs": jobs}
        message = "Background jobs are kept in %s, durability %s; it has %s"
        log.log(Level.NOTICE, message, name, durability, counted(jobs, "job"), extra={"fields": fields})

    def look(self) -> None:
        """Store the changes that the core has decided. Called every turn, so it has to be cheap."""
        if self._committer is not None:
            self._committer.look()

    def drain(self, deadline: float) -> None:
        """Changes are stored until the end."""

    async def stop(self) -> None:
        """Store what has been decided so far, which releases the replies that wait for it, and close the store.

        With `Durability.SHUTDOWN` all jobs are stored now, so that the store has any time.
        """
        committer = self._committer
        if committer is None:
            if self._opened is not None:
                await self._store.close()
            return
        self._connections.pause_reading()
        if self._restoring is not None and not self._restoring.done():
            self._restoring.cancel()
            await asyncio.wait([self._restoring])
        elif self.failure is None:
            self._job_server.store_last()
        await self._stop_in_time(committer)
        self._committer = None

    async def _stop_in_time(self, committer: Committer) -> None:
        options, shutdown = self._options, self._shutdown
        is_last_chance = options.durability is Durability.SHUTDOWN
        timeout = None if is_last_chance else max(options.store_close_timeout, shutdown.time_left)
        stopping = asyncio.get_running_loop().create_task(committer.stop())
        if await shutdown.wait_for(stopping, timeout, if_forced=options.force_timeout):
            await stopping
            return
        stopping.cancel()
        self.is_stuck = True
        log.error("The store was not closed in time")

    async def _restore(self, committer: Committer) -> None:
        began = time.monotonic()
        try:
            restored = await restore(self._store, self._job_server, self._flusher.schedule)
        except Exception as error:  # of any kind: the server must not go on without these jobs
            trace = None if isinstance(error, StoreError) else error
            log.log(Level.FATAL, "Could not read the jobs of an earlier run: %s", error, exc_info=trace)
            self.failure = error
            self._shutdown.request(Shutdown.NOW, "an error of the store")
            return
        self._flusher.schedule()
        self._job_server.end_restoring()
        if restored:
            jobs = counted(restored, "job")
            log.log(Level.NOTICE, "Restored %s in %.1f seconds", jobs, time.monotonic() - began)
        committer.start()

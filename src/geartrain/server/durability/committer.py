# SPDX-License-Identifier: MIT
"""Group commit: changes that the core makes while one batch is being stored form the next batch.

A batch that fails does not end the server: the core rejects new background jobs and remembers the ends of others, and
the committer tries again, with growing pauses, until the store takes them.
"""

import asyncio
import logging
from collections.abc import Callable

from geartrain.core import CommitOutcome, JobServer
from geartrain.server.levels import Level
from geartrain.storage import Store, StoreError
from geartrain.transport import Backoff
from geartrain.wording import counted

__all__ = ["Committer"]

log = logging.getLogger("geartrain.store")

_BACKOFF = Backoff(first=0.1, longest=5.0)


class Committer:
    """Keeps a store up to date with a job server.

    Args:
        store: An open store.
        job_server: The core, whose commit queue has the changes.
        settled: Called after each batch, stored or not, as replies may leave now.
        interval: Seconds to wait for more changes before a batch is stored.
        last_attempts: Attempts to store the last changes when the server stops.
    """

    def __init__(
        self,
        store: Store,
        job_server: JobServer,
        settled: Callable[[], None],
        *,
        interval: float = 0.0,
        last_attempts: int = 1,
    ) -> None:
        self._store = store
        self._job_server = job_server
        self._settled = settled
        self._interval = interval
        self._last_attempts = last_attempts
        self._failures = 0
        self._unstored = 0
        self._stopping = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Committer to {self._store!r}: {self._job_server.commit_queue!r}>"

    async def reserve(self) -> None:
        """Store the reservation of the first numbers, which jobs need before they are accepted."""
        self._job_server.commit_queue.reserve()
        if self._job_server.commit_queue.has_changes:
            await self._commit()

    def start(self) -> None:
        """Begin to store changes."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="committer")

    def look(self) -> None:
        """Wake up if the core has decided changes. Called every turn, so it has to be cheap."""
        if self._job_server.commit_queue.has_changes:
            self._wanted.set()

    async def stop(self) -> None:
        """Store the last changes, if the store takes them, and close the store."""
        self._stopping.set()
        self._wanted.set()
        if self._task is not None:
            await self._task
        try:
            await self._commit_last()
            await self._store.close()
        except StoreError as error:
            log.error("The store could not be closed cleanly: %s", error)  # noqa: TRY400  # the message is enough

    async def _commit_last(self) -> None:
        attempts = self._last_attempts
        while self._job_server.commit_queue.has_changes:
            await self._commit()
            if self._failures:
                attempts -= 1
                if not attempts:
                    return
                await asyncio.sleep(_BACKOFF.delay(self._failures))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._wanted.wait()
            self._wanted.clear()
            queue = self._job_server.commit_queue
            while (queue.has_changes or self._failures) and not self._stopping.is_set():
                await self._pause(self._interval if not self._failures else _BACKOFF.delay(self._failures))
                await self._commit()

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return

    def _log_unstored(self) -> None:
        """Log the acknowledged jobs that only this server has, when another one has taken the store over."""
        unstored = int(self._job_server.commit_queue.unstored)
        if unstored != self._unstored:
            self._unstored = unstored
            jobs = counted(unstored, "acknowledged job is", "acknowledged jobs are")
            log.error("%s not stored, and stay in the memory of this server until it ends", jobs)

    async def _commit(self) -> None:
        queue = self._job_server.commit_queue
        changes = queue.take_batch()
        try:
            await self._store.commit(changes)
        except Exception as error:  # a record that a store cannot take must not stop all others
            self._failures += 1
            outcome = error.outcome if isinstance(error, StoreError) else CommitOutcome.UNKNOWN
            self._job_server.store_failed(outcome)
            while self._job_server.revoke_more():
                self._settled()
                await asyncio.sleep(0)  # a turn, in which peers are served
            level = logging.ERROR if self._failures == 1 else logging.DEBUG
            trace = None if isinstance(error, StoreError) else error
            until = "this server is restarted" if outcome is CommitOutcome.FENCED else "it is back"
            log.log(level, "Could not store: %s; background jobs are rejected until %s", error, until, exc_info=trace)
            self._log_unstored()
        else:
            queue.committed()
            if self._failures:
                log.log(Level.NOTICE, "The store is back after %s", counted(self._failures, "attempt"))
            self._failures = 0
        self._settled()
